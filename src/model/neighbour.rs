//! Addresses that were asked for on a link.

use std::net::IpAddr;

use super::{Nanos, PacketNo};

/// An address that was asked for on a link by ARP and that nobody answered for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The address asked for.
    pub wanted: IpAddr,
    /// Who asked first.
    pub by: IpAddr,
    /// How often it was asked for.
    pub asked: u64,
    /// First time.
    pub first: Nanos,
    /// Last time.
    pub last: Nanos,
    /// The packet of the first question.
    pub packet: PacketNo,
}
