//! Packets that were captured twice: by a mirror port that copies both directions, or on two interfaces of one machine.

use std::collections::VecDeque;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use crate::capture::Record;
use crate::link::fingerprint;
use crate::model::{Nanos, Span};

/// Packets remembered at once.
const MAX_REMEMBERED: usize = 1 << 20;

/// Tells packets that came before within a window of time.
///
/// The second of two is the duplicate, whichever interface it came from. What makes them the same is told by [`fingerprint`]. A segment that is
/// sent again bears another identification or time stamp, or comes later than any window that makes sense here (TCP waits 200 ms, for a
/// probe of the tail 10 ms).
#[derive(Debug)]
pub(super) struct Duplicates {
    window: Span,
    hashes: RandomState,
    /// When each was seen first.
    seen: HashMap<u64, Nanos, RandomState>,
    order: VecDeque<(Nanos, u64)>,
    /// Packets forgotten before their window was over.
    pub(super) forgotten: u64,
}

impl Duplicates {
    pub(super) fn new(window: Span) -> Self {
        Self {
            window,
            hashes: RandomState::default(),
            seen: HashMap::default(),
            order: VecDeque::new(),
            forgotten: 0,
        }
    }

    /// Whether a packet that is the same came just before.
    pub(super) fn repeats(&mut self, record: &Record, bytes: &[u8]) -> bool {
        while let Some(&(at, key)) = self.order.front()
            && (record.time.since(at) > self.window || self.order.len() >= MAX_REMEMBERED)
        {
            self.forgotten += u64::from(record.time.since(at) <= self.window);
            self.order.pop_front();
            if self.seen.get(&key) == Some(&at) {
                self.seen.remove(&key);
            }
        }
        let key = fingerprint(record.link_type, bytes, &self.hashes);
        let near = |at: &Nanos| record.time.since(*at).abs() <= self.window;
        if self.seen.get(&key).is_some_and(near) {
            return true;
        }
        self.seen.insert(key, record.time);
        self.order.push_back((record.time, key));
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::LinkType;

    #[test]
    fn a_packet_is_a_duplicate_within_the_window_and_not_behind_it() {
        let mut duplicates = Duplicates::new(Span::millis(5));
        let mut repeats = |millis: i64, bytes: &[u8]| {
            let record = Record {
                time: Nanos(millis * 1_000_000),
                link_type: LinkType::ETHERNET,
                length: 60,
                interface: 0,
                at: 0,
                process: None,
            };
            duplicates.repeats(&record, bytes)
        };
        let told = [
            repeats(0, b"one"),
            repeats(1, b"other"),
            repeats(5, b"one"),
            // Clocks of two interfaces differ.
            repeats(-2, b"one"),
            repeats(6, b"one"),
            repeats(20, b"other"),
        ];
        assert_eq!(told, [false, false, true, true, false, false]);
    }
}
