//! One input capture as a whole.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{DamageLog, Nanos, PacketNo, Span};

/// A capture that was read, apart from what was in its packets.
#[derive(Clone, Debug, Default)]
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
    /// Packets that were lost before they could be captured.
    pub lost: LostPackets,
    /// Packets left out because the filter did not let them through.
    pub filtered: u64,
    /// Packets left out because another that was the same came just before.
    pub duplicates: u64,
    /// Packets of conversations that are followed on another interface, which saw them first.
    pub elsewhere: u64,
    /// Names of its interfaces, where they have one.
    pub interfaces: Vec<String>,
    /// Names of addresses that are stored beside the packets.
    pub names: Vec<(IpAddr, String)>,
    /// What somebody wrote about the capture as a whole.
    pub comments: Vec<String>,
    /// What somebody wrote about packets; the first ones.
    pub packet_comments: Vec<(PacketNo, String)>,
    /// Comments on packets in all.
    pub packet_comment_count: u64,
    /// Octets of secrets stored beside the packets.
    pub secret_octets: u64,
    /// What else a person should know of how it was read, in words.
    pub notes: Vec<String>,
    /// What its packet times mean.
    pub zone: CaptureZone,
    /// What could not be read.
    pub damage: DamageLog,
}

/// Packets that passed and are in no capture, as far as the capturing machine says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LostPackets {
    /// For want of room in the system's buffer.
    pub by_system: u64,
    /// By the interface or its driver.
    pub by_interface: u64,
}

impl LostPackets {
    /// All of them.
    pub const fn total(self) -> u64 {
        self.by_system.saturating_add(self.by_interface)
    }
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
