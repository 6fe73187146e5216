//! Errors that routers and hosts report about a conversation (RFC 792, RFC 4443).

use std::net::IpAddr;

use super::{Nanos, PacketNo};

/// What an ICMP error says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IcmpReason {
    /// No route to the network.
    NetUnreachable,
    /// The host does not answer its neighbours.
    HostUnreachable,
    /// Nothing listens on the port, or a filter says so.
    PortUnreachable,
    /// The host does not speak the protocol.
    ProtocolUnreachable,
    /// A filter forbids it.
    Prohibited,
    /// The packet is too large for the next link, whose size is given (0 when not told).
    TooBig(u32),
    /// Too many hops, or fragments that came too late.
    TimeExceeded,
    /// Another error, by type and code.
    Other(u8, u8),
}

/// An ICMP error that quotes a packet of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// When it came.
    pub at: Nanos,
    /// The packet that carried it.
    pub packet: PacketNo,
    /// Who sent it.
    pub by: IpAddr,
    /// What it says.
    pub reason: IcmpReason,
}
