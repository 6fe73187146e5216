//! What is left of a packet when its headers have been read.

use std::net::IpAddr;

use crate::model::Station;

/// An IP datagram, whole or put together from fragments.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'p> {
    /// Sender.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// Hops left (TTL or hop limit).
    pub ttl: u8,
    /// The station that sent the Ethernet frame, where the datagram lies right in one.
    pub station: Option<Station>,
    /// Its number among those of its sender (the identification of RFC 791 §3.1); IPv6 has none.
    pub id: Option<u16>,
    /// The security association that vouches for it (AH, RFC 4302), if any.
    pub authenticated: Option<Spi>,
    /// What it carries.
    pub upper: Upper<'p>,
}

/// Number of a security association of `IPsec` (RFC 4301 §4.1), chosen by the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spi(pub u32);

/// How an encrypted datagram is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EspCarrier {
    /// Right above IP.
    Ip,
    /// In UDP, to pass a translation of addresses (RFC 3948).
    Udp,
}

/// The layer above IP.
#[derive(Clone, Copy, Debug)]
pub enum Upper<'p> {
    /// What is encrypted at the network layer (ESP, RFC 4303): nothing in it can be read.
    Esp {
        /// Its security association.
        spi: Spi,
        /// Octets from the association's number on, on the wire.
        length: u32,
        /// In what it came.
        carrier: EspCarrier,
    },
    /// ICMP or `ICMPv6`.
    Icmp(IcmpMessage<'p>),
    /// Anything else.
    Other {
        /// Number in the IP header (IANA protocol numbers).
        number: u8,
        /// Octets of it on the wire.
        length: u32,
    },
    /// A TCP segment.
    Tcp(Segment<'p>),
    /// A UDP datagram.
    Udp(UdpDatagram<'p>),
}

/// A message of ICMP (RFC 792) or `ICMPv6` (RFC 4443).
#[derive(Clone, Copy, Debug)]
pub struct IcmpMessage<'p> {
    /// From its type octet on, as captured.
    pub bytes: &'p [u8],
    /// Whether the checksum is right.
    pub checksum: Checksum,
}

/// A UDP datagram (RFC 768).
#[derive(Clone, Copy, Debug)]
pub struct UdpDatagram<'p> {
    /// Sender's port.
    pub source_port: u16,
    /// Receiver's port.
    pub destination_port: u16,
    /// The payload as captured.
    pub payload: &'p [u8],
    /// Octets of payload on the wire.
    pub length: u32,
    /// Whether the checksum is right; over IPv4 there may be none.
    pub checksum: Checksum,
}

/// A TCP segment (RFC 9293 §3.1).
#[derive(Clone, Copy, Debug)]
pub struct Segment<'p> {
    /// Sender's port.
    pub source_port: u16,
    /// Receiver's port.
    pub destination_port: u16,
    /// Sequence number of the first octet (of SYN where that is set).
    pub seq: SeqNo,
    /// Next octet the sender expects; means something only with [`Flags::ACK`].
    pub ack: SeqNo,
    /// Control bits.
    pub flags: Flags,
    /// Receive window as sent, not scaled.
    pub window: u16,
    /// Urgent pointer; means something only with [`Flags::URG`].
    pub urgent: u16,
    /// Options that reassembly needs.
    pub options: TcpOptions,
    /// Payload as captured: shorter than `length` when the snap length cut it.
    pub payload: &'p [u8],
    /// Octets of payload on the wire.
    pub length: u32,
    /// Whether the checksum is right.
    pub checksum: Checksum,
}

/// A TCP sequence number. Deliberately without an order: use [`SeqNo::minus`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SeqNo(pub u32);

/// TCP control bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

/// TCP options that matter to an observer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// Timestamps option (RFC 7323): value and echo.
    pub timestamps: Option<(u32, u32)>,
    /// Window scale (RFC 7323), on SYN segments.
    pub window_scale: Option<u8>,
    /// Maximum segment size, on SYN segments.
    pub mss: Option<u16>,
}

/// What testing a checksum gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Wrong: damaged, forged, or sent by this very host before its network card filled it in.
    Bad,
    /// Right.
    Good,
    /// Cannot be tested: the packet is not captured whole, or the header carries no checksum.
    Untested,
}

/// Why a packet gave no datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Passed {
    /// A fragment that contradicts others, or the bounds of its datagram.
    BadFragment,
    /// A fragment, kept until its datagram is whole.
    FragmentKept,
    /// A header claims more, or less, than can be.
    Malformed,
    /// Headers nested deeper than the bound.
    NestedTooDeep,
    /// Not IP: ARP, spanning tree and kin.
    NotIp,
    /// A tunnel's own talk, that carries no packet: acknowledgements, echoes, routing.
    Control,
    /// Encrypted below IP: 802.11 or `MACsec`, or PPP's own encryption or compression.
    Protected,
    /// Captured too short to hold its headers.
    Truncated,
    /// A link type that cannot be read.
    UnknownLinkType,
}

impl SeqNo {
    /// Signed distance from `other` to `self` on the circle: positive when `self` is ahead.
    #[expect(
        clippy::cast_possible_wrap,
        reason = "the sign is the answer: RFC 9293 §3.4 arithmetic"
    )]
    pub const fn minus(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }

    /// The number `n` octets on.
    #[must_use]
    pub const fn plus(self, n: u32) -> Self {
        Self(self.0.wrapping_add(n))
    }
}

impl Flags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// First segment of a connection.
    pub const SYN: Self = Self(0x02);
    /// Connection torn down.
    pub const RST: Self = Self(0x04);
    /// Push.
    pub const PSH: Self = Self(0x08);
    /// Acknowledgement number is valid.
    pub const ACK: Self = Self(0x10);
    /// Urgent pointer is valid.
    pub const URG: Self = Self(0x20);

    /// Whether all bits of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl Passed {
    /// In words, for the report.
    pub const fn words(self) -> &'static str {
        match self {
            Self::BadFragment => "fragments that contradict their datagram",
            Self::Control => "a tunnel's own control messages",
            Self::Protected => "encrypted or compressed below IP",
            Self::FragmentKept => "fragments of datagrams never completed",
            Self::Malformed => "malformed headers",
            Self::NestedTooDeep => "headers nested too deep",
            Self::NotIp => "not IP",
            Self::Truncated => "cut inside the headers",
            Self::UnknownLinkType => "unknown link type",
        }
    }
}
