//! One input capture as a whole.

use std::collections::BTreeMap;

use super::{DamageLog, Nanos, Span};

/// A capture that was read, apart from what was in its packets.
#[derive(Clone, Debug)]
pub struct CaptureSource {
    /// Path as given.
    pub file: String,
    /// `pcap`, `pcapng`, `netmon`.
    pub format: &'static str,
    /// Version and variant in words.
    pub variant: String,
    /// Names of the link types that occur.
    pub link_types: Vec<String>,
    /// Packets read.
    pub packets: u64,
    /// Octets of packets, as captured.
    pub bytes: u64,
    /// Earliest packet, on the capture's own clock.
    pub first: Option<Nanos>,
    /// Latest packet.
    pub last: Option<Nanos>,
    /// Packets of which not all octets were captured.
    pub truncated: u64,
    /// Packets that gave no datagram, by reason in words.
    pub passed: BTreeMap<&'static str, u64>,
    /// Records that are no packets.
    pub skipped: u64,
    /// Packets that the capturing machine lost.
    pub dropped: u64,
    /// What its packet times mean.
    pub zone: CaptureZone,
    /// What could not be read.
    pub damage: DamageLog,
}

/// What the packet times of a capture mean: a zone east of UTC is positive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CaptureZone {
    /// The wall clock of this zone, as the user says.
    Given(Span),
    /// The wall clock of this zone, found by comparison with a log that states its own.
    Inferred(Span),
    /// The wall clock of a zone that nothing tells; read as if it were UTC.
    Unknown,
    /// UTC, as the format demands.
    #[default]
    Utc,
}

impl CaptureZone {
    /// East of UTC, to be taken off packet times; zero where that is not known.
    pub const fn east(self) -> Span {
        match self {
            Self::Given(east) | Self::Inferred(east) => east,
            Self::Unknown | Self::Utc => Span::ZERO,
        }
    }
}
