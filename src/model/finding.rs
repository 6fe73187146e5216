//! Something that a person should know.

use std::net::IpAddr;

use super::{Endpoint, LineRef, Nanos, PacketNo};

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Somebody is served badly.
    Warning,
    /// Somebody is not served.
    Error,
}

/// Where to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// A line of a log.
    Line(LineRef),
    /// A packet of the captures.
    Packet(PacketNo),
    /// A moment on the capture's clock.
    Time(Nanos),
}

/// A client that a finding is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Affected {
    /// Its address, as the witness that tells of it has it.
    pub ip: IpAddr,
    /// How often it happened to it.
    pub count: u64,
}

/// Something that a person should know, once for all sessions that show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable name of what was found.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// The sessions that show it, as indices into the account's, in order.
    pub sessions: Vec<usize>,
    /// Clients that it is of, the most frequent first; none where it is not about clients.
    pub clients: Vec<Affected>,
    /// The server it is about, where it is about one.
    pub endpoint: Option<Endpoint>,
    /// How often it happened.
    pub count: u64,
    /// First time, on the capture's clock.
    pub first: Option<Nanos>,
    /// Last time, on the capture's clock.
    pub last: Option<Nanos>,
    /// One plain sentence with numbers.
    pub message: String,
    /// What it is not, and why.
    pub not: String,
    /// Where to look; the first few places.
    pub evidence: Vec<Evidence>,
    /// What to check next.
    pub next: String,
}

impl Severity {
    /// The word of the output contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}
