//! Traffic that is seen and not read, or read though something vouches for it.

use std::net::IpAddr;

use super::{Nanos, PacketNo};

/// Why, and what it is as far as can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unread {
    /// Authenticated at the network layer (AH, RFC 4302), by the number of the association. What it carries is read.
    Ah(u32),
    /// Encrypted over UDP by TLS's sibling (RFC 9147, RFC 6347).
    Dtls,
    /// Encrypted at the network layer (ESP, RFC 4303), by the number of the association.
    Esp(u32),
    /// The same, in UDP (RFC 3948).
    EspInUdp(u32),
    /// ICMP that is no error about a packet: echoes, neighbours, routers.
    Icmp,
    /// Another protocol above IP, by its number (IANA).
    IpProtocol(u8),
    /// How keys for AH and ESP are agreed on (RFC 7296).
    Ike,
    /// HTTP/3 and others (RFC 9000).
    Quic,
    /// UDP of which nothing more is known.
    Udp,
    /// A tunnel whose first message was seen (`WireGuard`).
    WireGuard,
}

/// Packets and their octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Packets.
    pub packets: u64,
    /// Octets above IP; of UDP, above UDP.
    pub octets: u64,
}

/// What passed between two ends. An association of `IPsec` has one direction, all else two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// What it is.
    pub what: Unread,
    /// Who sent the first packet, with the port where there is one.
    pub source: (IpAddr, Option<u16>),
    /// The other end.
    pub destination: (IpAddr, Option<u16>),
    /// What `source` sent.
    pub sent: Amount,
    /// What came back.
    pub back: Amount,
    /// First packet.
    pub first: Nanos,
    /// Last packet.
    pub last: Nanos,
    /// Number of the first packet.
    pub first_packet: PacketNo,
    /// Packets whose checksum is wrong (UDP, ICMP).
    pub bad_checksums: u64,
}

impl Amount {
    /// One packet more.
    pub fn add(&mut self, octets: u32) {
        self.packets += 1;
        self.octets += u64::from(octets);
    }
}

impl std::ops::AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.octets += other.octets;
    }
}

impl Unread {
    /// Short name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ah(_) => "ah",
            Self::Dtls => "dtls",
            Self::Esp(_) => "esp",
            Self::EspInUdp(_) => "esp-in-udp",
            Self::Icmp => "icmp",
            Self::IpProtocol(number) => ip_protocol(number),
            Self::Ike => "ike",
            Self::Quic => "quic",
            Self::Udp => "udp",
            Self::WireGuard => "wireguard",
        }
    }

    /// Why it is not read, in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Ah(_) => "authenticated at the network layer; what it carries is read",
            Self::Esp(_) | Self::EspInUdp(_) => "encrypted at the network layer",
            Self::Dtls | Self::Quic | Self::WireGuard => "encrypted",
            Self::Icmp => "no error about a packet",
            Self::Ike => "agreement on keys for the network layer",
            Self::IpProtocol(_) | Self::Udp => "not read",
        }
    }

    /// Number of the security association, where it is one.
    pub const fn spi(self) -> Option<u32> {
        match self {
            Self::Ah(spi) | Self::Esp(spi) | Self::EspInUdp(spi) => Some(spi),
            _ => None,
        }
    }
}

/// Names of the usual ones (IANA protocol numbers).
const fn ip_protocol(number: u8) -> &'static str {
    match number {
        2 => "igmp",
        33 => "dccp",
        46 => "rsvp",
        59 => "no next header",
        88 => "eigrp",
        89 => "ospf",
        103 => "pim",
        108 => "ipcomp",
        112 => "vrrp",
        115 => "l2tp",
        132 => "sctp",
        135 => "mobility",
        136 => "udp-lite",
        _ => "ip",
    }
}
