//! Packets that were captured twice: by a mirror port that copies both directions, or on two interfaces of one machine.

use std::collections::VecDeque;

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use smallvec::SmallVec;

use crate::capture::Record;
use crate::link::{Fingerprint, fingerprint};
use crate::model::{Nanos, Span};

/// Packets remembered at once.
const MAX_REMEMBERED: usize = 1 << 20;

/// Packets with the same beginning that are told apart.
const MAX_ALIKE: usize = 16;

/// Tells packets that came before within a window of time.
///
/// The second of two is the duplicate, whichever interface it came from. What makes them the same is told by [`fingerprint`]. A segment that is
/// sent again bears another identification or time stamp, or comes later than any window that makes sense here (TCP waits 200 ms, for a
/// probe of the tail 10 ms).
#[derive(Debug)]
pub(super) struct Duplicates {
    window: Span,
    hashes: RandomState,
    /// What was seen first, by how it begins.
    seen: HashMap<u64, SmallVec<[Seen; 1]>, RandomState>,
    /// The same by time.
    order: VecDeque<(Nanos, u64)>,
    /// Packets forgotten before their window was over.
    forgotten: u64,
    /// Duplicates that hold octets which the copy before them lacks.
    fuller: u64,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Nanos,
    print: Fingerprint,
}

impl Duplicates {
    pub(super) fn new(window: Span) -> Self {
        Self {
            window,
            hashes: RandomState::default(),
            seen: HashMap::default(),
            order: VecDeque::new(),
            forgotten: 0,
            fuller: 0,
        }
    }

    /// Whether a packet that is the same came just before.
    pub(super) fn repeats(&mut self, record: &Record, bytes: &[u8]) -> bool {
        let at = record.time;
        while let Some(&(first, key)) = self.order.front()
            && (at.since(first) > self.window || self.order.len() >= MAX_REMEMBERED)
        {
            self.forgotten += u64::from(at.since(first) <= self.window);
            self.order.pop_front();
            self.forget(key);
        }
        let print = fingerprint(record.link_type, bytes, &self.hashes);
        let alike = self.seen.entry(print.head).or_default();
        let near = |seen: &&Seen| at.since(seen.at).abs() <= self.window;
        if let Some(first) = alike
            .iter()
            .filter(near)
            .find(|seen| seen.print.same(&print))
        {
            self.fuller += u64::from(first.print.captured < print.captured);
            return true;
        }
        if alike.len() < MAX_ALIKE {
            alike.push(Seen { at, print });
            self.order.push_back((at, print.head));
        } else {
            self.forgotten += 1;
        }
        false
    }

    /// What a person must know of how duplicates were told.
    pub(super) fn told(&self) -> impl Iterator<Item = String> {
        let told = [
            (
                self.forgotten,
                "packets forgotten before a duplicate of them could come, as too many came at once",
            ),
            (
                self.fuller,
                "duplicates that were captured longer than the copy used; what that lacks is missing",
            ),
        ];
        let told = told.into_iter().filter(|(count, _)| *count > 0);
        told.map(|(count, words)| format!("{count} {words}"))
    }

    /// Forgets the oldest packet that begins so.
    fn forget(&mut self, key: u64) {
        if let Entry::Occupied(mut alike) = self.seen.entry(key) {
            if alike.get().len() > 1 {
                alike.get_mut().remove(0);
            } else {
                alike.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::LinkType;

    /// Raw IP at so many milliseconds.
    fn record(millis: i64) -> Record {
        Record {
            time: Nanos(millis * 1_000_000),
            link_type: LinkType::RAW,
            length: 60,
            interface: 0,
            at: 0,
            process: None,
        }
    }

    #[test]
    fn a_packet_is_a_duplicate_within_the_window_and_not_behind_it() {
        let mut duplicates = Duplicates::new(Span::millis(5));
        let mut repeats = |millis: i64, bytes: &[u8]| duplicates.repeats(&record(millis), bytes);
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
        assert_eq!((duplicates.seen.len(), duplicates.order.len()), (1, 1));
    }

    #[test]
    fn a_copy_that_holds_more_than_the_one_before_is_counted() {
        let packet = [&[0x45, 0, 0, 60, 0, 7, 0, 0, 64, 6][..], &[1; 50]].concat();
        for (lengths, fuller) in [([60, 45, 50], 0), ([45, 60, 50], 2)] {
            let mut duplicates = Duplicates::new(Span::millis(5));
            let told = lengths.map(|length| duplicates.repeats(&record(0), &packet[..length]));
            assert_eq!(told, [false, true, true]);
            assert_eq!(duplicates.fuller, fuller);
        }
    }

    #[test]
    fn packets_that_begin_alike_are_told_apart_up_to_a_bound() {
        let mut duplicates = Duplicates::new(Span::millis(5));
        let mut packet = [&[0x45, 0, 0, 60, 0, 7, 0, 0, 64, 6][..], &[1; 50]].concat();
        for _ in 0..2 {
            for last in 0..20 {
                packet[59] = last;
                let known = duplicates.order.len() == MAX_ALIKE && usize::from(last) < MAX_ALIKE;
                assert_eq!(duplicates.repeats(&record(0), &packet), known, "{last}");
            }
        }
        assert_eq!(duplicates.forgotten, 8);
        assert!(!duplicates.repeats(&record(9), b"later"));
        assert_eq!((duplicates.seen.len(), duplicates.order.len()), (1, 1));
    }
}
