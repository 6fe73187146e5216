//! Name look-ups (DNS) as the packets show them.

use std::net::IpAddr;

use super::{Nanos, PacketNo, Span};

/// A DNS record type by its number (RFC 1035 §3.2.2 and the IANA registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordType(pub u16);

/// How a look-up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LookupOutcome {
    /// The name has records of this type.
    Found,
    /// The name exists, and has none of this type (NOERROR without an answer, RFC 2308 §2.2).
    Empty,
    /// The name does not exist (NXDOMAIN).
    NoSuchName,
    /// The server could not tell (SERVFAIL).
    ServerFailed,
    /// The server would not tell (REFUSED).
    Refused,
    /// Another response code.
    Other(u16),
    /// The server knows nothing of it and names others to be asked (RFC 1034 §4.3.2).
    Referred,
    /// The answer was cut to nothing, to be asked for again over TCP (RFC 2181 §9).
    Truncated,
    /// No answer came.
    Unanswered,
    /// No answer was captured, and packets in which it may have come are missing.
    Unknown,
}

/// Which look-up a connection was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedBy {
    /// Index of its session among all of the wire.
    pub session: usize,
    /// Its index in that session.
    pub lookup: usize,
}

/// A question to a name server and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The name asked for, in lower case without the last dot, escaped as in a zone file.
    pub name: String,
    /// The type of record asked for.
    pub record_type: RecordType,
    /// First time it was asked.
    pub asked: Nanos,
    /// First answer.
    pub answered: Option<Nanos>,
    /// Times it was asked: more than one were retries.
    pub tries: u32,
    /// How it ended.
    pub outcome: LookupOutcome,
    /// Addresses in the answer, in its order. At most 64.
    pub addresses: Vec<IpAddr>,
    /// Names that the answer points to (CNAME, MX, SRV, PTR), in its order. At most 64.
    pub names: Vec<String>,
    /// For how long the answer may be kept: the least time to live in it.
    pub ttl: Option<Span>,
    /// Packet of the first question.
    pub question: PacketNo,
    /// Packet of the first answer.
    pub answer: Option<PacketNo>,
}

impl RecordType {
    /// An IPv4 address.
    pub const A: Self = Self(1);
    /// Mail exchanger.
    pub const MX: Self = Self(15);
    /// An IPv6 address.
    pub const AAAA: Self = Self(28);
}
