//! A command and its reply, read in the clear, told by a log, or inferred from encrypted records.

use std::net::IpAddr;

use super::{BodyNo, LogId, Nanos, PacketNo, Seen, Side, Verb};

/// A line of a log file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineRef {
    /// Which log.
    pub log: LogId,
    /// Line number from 1.
    pub line: u64,
}

/// One command and its reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// First byte of the request on the wire (of the reply for a greeting); `None` when only a
    /// log knows of it and no burst could be found.
    pub start: Option<Nanos>,
    /// Last byte of the reply; `None` when there was none.
    pub end: Option<Nanos>,
    /// First byte of the reply; with `asked` it gives the response time.
    pub answered: Option<Nanos>,
    /// Last byte of the request.
    pub asked: Option<Nanos>,
    /// Command word for comparison.
    pub verb: Verb,
    /// The request's first line without its end, secrets masked; empty for a greeting.
    pub request: String,
    /// The reply's first line without its end; `None` when no reply was seen.
    pub response: Option<String>,
    /// Reply code or status word (`250`, `+OK`, `NO`).
    pub code: Option<String>,
    /// Octets of the whole request with line ends.
    pub request_bytes: Option<u64>,
    /// Octets of the whole reply with line ends.
    pub response_bytes: Option<u64>,
    /// Whole messages that the reply brought, where it may bring several (FETCH of IMAP).
    pub brought: u32,
    /// Who saw it.
    pub seen: Seen,
    /// Where the log tells it.
    pub line: Option<LineRef>,
    /// Packets that carried the first byte of the request and of the reply.
    pub packets: [Option<PacketNo>; 2],
    /// Bodies of the request and of the reply, where they are written to files.
    pub bodies: [Option<BodyNo>; 2],
    /// Further ones, where the request or the reply brought several messages.
    pub more_bodies: Vec<BodyNo>,
    /// Whom the request names as its sender on the other side of a proxy, and the proxies on the way.
    pub forwarded: Vec<IpAddr>,
    /// What was wrong with it, in words for a person.
    pub notes: Vec<String>,
}

/// A run of encrypted records in one direction, not interrupted by the other: what encryption
/// leaves of a request or a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Burst {
    /// Who sent it.
    pub side: Side,
    /// First byte on the wire.
    pub start: Nanos,
    /// Last byte on the wire.
    pub end: Nanos,
    /// Packet that carried the first byte.
    pub packet: PacketNo,
    /// Application data records in it.
    pub records: u32,
    /// Each of its records; empty where there are more than [`Burst::PARTS`].
    pub parts: Vec<BurstPart>,
    /// Octets of plaintext inside, from the cipher's known overhead. Exact for AEAD and stream ciphers unless
    /// the sender pads or compresses; for CBC an upper bound, too high by at most
    /// [`TlsSummary::padding`](super::TlsSummary::padding) a record. Where damaged, what was seen.
    pub plaintext: u64,
    /// Whether bytes are missing from the capture inside or just before it.
    pub damaged: bool,
}

/// One record of a [`Burst`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BurstPart {
    /// First byte on the wire.
    pub start: Nanos,
    /// Last byte on the wire.
    pub end: Nanos,
    /// Packet that carried the first byte.
    pub packet: PacketNo,
    /// Octets of plaintext inside, as in [`Burst::plaintext`].
    pub plaintext: u64,
}

impl Burst {
    /// Most records that are kept one by one.
    pub const PARTS: usize = 16;
}

impl BurstPart {
    /// A whole run as if it were one record.
    pub const fn of(run: &Burst) -> Self {
        Self {
            start: run.start,
            end: run.end,
            packet: run.packet,
            plaintext: run.plaintext,
        }
    }
}

impl Exchange {
    /// An exchange of which nothing is known yet but who saw it.
    pub fn new(verb: Verb, request: String, seen: Seen) -> Self {
        Self {
            start: None,
            end: None,
            answered: None,
            asked: None,
            verb,
            request,
            response: None,
            code: None,
            request_bytes: None,
            response_bytes: None,
            brought: 0,
            seen,
            line: None,
            packets: [None, None],
            bodies: [None, None],
            more_bodies: Vec::new(),
            forwarded: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// From the last byte of the request to the first of the reply, where both were seen; of a reply that began before
    /// the request was whole there is no such time.
    pub fn response_time(&self) -> Option<super::Span> {
        let taken = self.answered?.since(self.asked?);
        (taken >= super::Span::ZERO).then_some(taken)
    }
}
