//! How much memory, and how much of anything, a run may take.

use crate::pipeline::{Limits, MostUnpacked};

/// Bounds; each that is hit is counted and told in the report.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(
    next_help_heading = "Bounds (what hits one is counted and told; docs/bounds.md lists all)"
)]
pub(super) struct Bounds {
    /// Connections followed at once; the one silent longest is closed to make room
    #[arg(long = "max-connections", value_name = "N", default_value_t = Limits::default().connections)]
    connections: usize,

    /// Connection attempts not completed yet (a SYN, perhaps its answer) followed at once; the oldest makes room
    #[arg(long = "max-half-open", value_name = "N", default_value_t = Limits::default().half_open)]
    half_open: usize,

    /// Connection attempts never completed that are listed one by one; further ones are only counted
    #[arg(long = "max-attempts-listed", value_name = "N", default_value_t = Limits::default().unanswered)]
    attempts_listed: usize,

    /// KiB of segments out of order held in one direction of a connection while a hole may still be filled; beyond, the hole is a gap
    #[arg(long = "max-held-each", value_name = "KIB", default_value_t = kib(Limits::default().held_per_direction), value_parser = clap::value_parser!(u32).range(1..))]
    held_each: u32,

    /// MiB of such segments held of all connections
    #[arg(long = "max-held", value_name = "MIB", default_value_t = mib(Limits::default().held_in_all), value_parser = clap::value_parser!(u32).range(1..))]
    held: u32,

    /// GiB that come out of one compressed input, or are copied out of a pipe to TMPDIR; the rest is not read
    #[arg(long = "max-unpacked", value_name = "GIB", default_value_t = gib(MostUnpacked::default().0), value_parser = clap::value_parser!(u32).range(1..))]
    unpacked: u32,
}

impl Bounds {
    /// Bounds of the connection table.
    pub(super) fn limits(self) -> Limits {
        let octets = |number: u32, shift: u32| {
            let octets = u64::from(number) << shift;
            usize::try_from(octets).unwrap_or(usize::MAX)
        };
        Limits {
            connections: self.connections,
            half_open: self.half_open,
            unanswered: self.attempts_listed,
            held_per_direction: octets(self.held_each, 10),
            held_in_all: octets(self.held, 20),
        }
    }

    /// Bound of what comes out of compressed inputs.
    pub(super) fn most_unpacked(self) -> MostUnpacked {
        MostUnpacked(u64::from(self.unpacked) << 30)
    }
}

fn kib(octets: usize) -> u32 {
    u32::try_from(octets >> 10).unwrap_or(u32::MAX)
}

fn mib(octets: usize) -> u32 {
    u32::try_from(octets >> 20).unwrap_or(u32::MAX)
}

fn gib(octets: u64) -> u32 {
    u32::try_from(octets >> 30).unwrap_or(u32::MAX)
}
