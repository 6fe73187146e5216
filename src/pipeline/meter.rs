//! How far a run is, for whoever asks while it goes on.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts that another thread may look at.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    packets: AtomicU64,
    octets: AtomicU64,
    lost: AtomicU64,
    open: AtomicU64,
    sessions: AtomicU64,
}

impl Meter {
    /// One more packet.
    pub(super) fn packet(&self, octets: usize) {
        self.0.packets.fetch_add(1, Ordering::Relaxed);
        let octets = u64::try_from(octets).unwrap_or(0);
        self.0.octets.fetch_add(octets, Ordering::Relaxed);
    }

    /// Packets lost before they could be captured.
    pub(super) fn lost(&self, packets: u64) {
        self.0.lost.store(packets, Ordering::Relaxed);
    }

    /// Packets that were lost so far.
    pub(super) fn lost_so_far(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Connections that are open, and sessions that are over.
    pub(super) fn sessions(&self, open: usize, over: usize) {
        let number = |count| u64::try_from(count).unwrap_or(u64::MAX);
        self.0.open.store(number(open), Ordering::Relaxed);
        self.0.sessions.store(number(over), Ordering::Relaxed);
    }
}

/// One line for a person.
impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [packets, octets, lost, open, sessions] = [
            &self.0.packets,
            &self.0.octets,
            &self.0.lost,
            &self.0.open,
            &self.0.sessions,
        ]
        .map(|count| count.load(Ordering::Relaxed));
        write!(
            f,
            "{packets} packets used, {octets} bytes; {lost} lost before they were captured; {open} connections open, {sessions} sessions over"
        )
    }
}
