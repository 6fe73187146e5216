//! Addresses that were asked for on a link.

use std::net::IpAddr;

use super::{Nanos, PacketNo};

/// An address that was asked for on a link by ARP and that nobody answered for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The address asked for.
    pub wanted: IpAddr,
    /// Who asked.
    pub by: IpAddr,
    /// Questions in a row, each a few seconds after the last: who has an answer does not ask again so soon.
    pub asked: u64,
    /// First of them.
    pub first: Nanos,
    /// Last of them.
    pub last: Nanos,
    /// The packet of the first of them.
    pub packet: PacketNo,
}
