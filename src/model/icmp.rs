//! Errors that routers and hosts report about a conversation (RFC 792, RFC 4443).

use std::fmt;
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

/// In the words of RFC 792 and RFC 1812.
impl fmt::Display for IcmpReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NetUnreachable => f.write_str("network unreachable"),
            Self::HostUnreachable => f.write_str("host unreachable"),
            Self::PortUnreachable => f.write_str("port unreachable"),
            Self::ProtocolUnreachable => f.write_str("protocol unreachable"),
            Self::Prohibited => f.write_str("administratively prohibited"),
            Self::TooBig(0) => f.write_str("packet too big"),
            Self::TooBig(mtu) => write!(f, "packet too big, the next link takes {mtu} octets"),
            Self::TimeExceeded => f.write_str("time exceeded"),
            Self::Other(kind, code) => write!(f, "ICMP type {kind} code {code}"),
        }
    }
}
