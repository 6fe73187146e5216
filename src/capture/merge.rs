//! Several captures as one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::model::Nanos;

use super::{CaptureReport, OwnedConnection, Reader, Record, Secrets};

/// In which order the packets of several captures are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Turn {
    /// The earliest first; packets of one capture keep their order.
    #[default]
    ByTime,
    /// One capture after the other, as given.
    AsGiven,
}

/// Readers whose packets are taken in turn.
pub struct Merged<'m> {
    sources: Vec<Source<'m>>,
    turn: Turn,
    /// Sources with a packet that waits, the one whose turn it is on top: by time, then as given.
    waiting: BinaryHeap<Reverse<(Nanos, usize)>>,
    /// The source whose packet was given last.
    present: Option<usize>,
}

struct Source<'m> {
    reader: Box<dyn Reader + 'm>,
    /// The packet that waits for its turn.
    next: Option<Record>,
}

impl<'m> Merged<'m> {
    /// Merges `readers`.
    pub fn new(readers: Vec<Box<dyn Reader + 'm>>, turn: Turn) -> Self {
        let sources = readers.into_iter();
        let sources = sources.map(|reader| Source { reader, next: None });
        let mut merged = Self {
            sources: sources.collect(),
            turn,
            waiting: BinaryHeap::new(),
            present: None,
        };
        match turn {
            Turn::ByTime => (0..merged.sources.len()).for_each(|at| merged.read_on(at)),
            Turn::AsGiven => merged.read_on_from(0),
        }
        merged
    }

    /// Has the packet of source `at` that comes next wait for its turn.
    fn read_on(&mut self, at: usize) {
        let Some(source) = self.sources.get_mut(at) else {
            return;
        };
        source.next = source.reader.advance();
        if let Some(record) = &source.next {
            self.waiting.push(Reverse((record.time, at)));
        }
    }

    /// The same of the first source from `at` on that has one.
    fn read_on_from(&mut self, at: usize) {
        let mut at = at;
        while at < self.sources.len() && self.waiting.is_empty() {
            self.read_on(at);
            at += 1;
        }
    }

    /// The next packet and which reader it came from.
    pub fn advance(&mut self) -> Option<(usize, Record)> {
        if let Some(at) = self.present.take() {
            match self.turn {
                Turn::ByTime => self.read_on(at),
                Turn::AsGiven => self.read_on_from(at),
            }
        }
        let Reverse((_, at)) = self.waiting.pop()?;
        self.present = Some(at);
        Some((at, self.sources.get(at)?.next?))
    }

    /// What somebody wrote about the packet given last.
    pub fn comments(&self) -> Vec<&[u8]> {
        self.present
            .and_then(|at| self.sources.get(at))
            .map_or_else(Vec::new, |source| source.reader.comments())
    }

    /// The captured bytes of the packet given last.
    pub fn bytes(&self) -> &[u8] {
        self.present
            .and_then(|at| self.sources.get(at))
            .map_or(&[], |source| source.reader.bytes())
    }

    /// Secrets found so far in the capture `from`, in the order found.
    pub fn secrets_of(&self, from: usize) -> &[Secrets] {
        let source = self.sources.get(from);
        source.map_or(&[], |source| source.reader.secrets())
    }

    /// The process table of each capture, in the order given.
    pub fn processes(&self) -> impl Iterator<Item = &[OwnedConnection]> {
        self.sources.iter().map(|source| source.reader.processes())
    }

    /// Bytes of all inputs consumed so far.
    pub fn consumed(&self) -> u64 {
        self.sources
            .iter()
            .map(|source| source.reader.consumed())
            .sum()
    }

    /// Packets lost so far in all captures.
    pub fn lost(&self) -> u64 {
        self.sources
            .iter()
            .map(|source| source.reader.lost().total())
            .sum()
    }

    /// No more packets are wanted.
    pub fn end(&mut self) {
        for source in &mut self.sources {
            source.reader.end();
        }
    }

    /// The readers, in the order given.
    pub fn readers(&self) -> impl Iterator<Item = &(dyn Reader + 'm)> {
        self.sources.iter().map(|source| &*source.reader)
    }

    /// What is known of each capture, in the order given.
    pub fn reports(&self) -> Vec<CaptureReport> {
        self.sources
            .iter()
            .map(|source| source.reader.report())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CaptureClock, Format, LinkType};
    use super::*;

    /// Gives packets at these times.
    struct At(std::vec::IntoIter<i64>);

    impl Reader for At {
        fn advance(&mut self) -> Option<Record> {
            Some(Record {
                time: Nanos(self.0.next()?),
                link_type: LinkType::RAW,
                length: 0,
                interface: 0,
                at: 0,
                process: None,
            })
        }
        fn bytes(&self) -> &[u8] {
            &[]
        }
        fn consumed(&self) -> u64 {
            0
        }
        fn report(&self) -> CaptureReport {
            CaptureReport::new(Format("test"), CaptureClock::Utc)
        }
    }

    fn order(turn: Turn) -> Vec<(usize, i64)> {
        let captures = [vec![], vec![3, 1, 9], vec![2, 3], vec![], vec![3]];
        let readers = captures.map(|times| Box::new(At(times.into_iter())) as Box<dyn Reader>);
        let mut merged = Merged::new(readers.into(), turn);
        let mut given = Vec::new();
        while let Some((from, record)) = merged.advance() {
            given.push((from, record.time.0));
        }
        assert!(merged.advance().is_none());
        given
    }

    #[test]
    fn the_earliest_comes_first_and_each_capture_keeps_its_order() {
        let by_time = [(2, 2), (1, 3), (1, 1), (2, 3), (4, 3), (1, 9)];
        assert_eq!(order(Turn::ByTime), by_time);
        let as_given = [(1, 3), (1, 1), (1, 9), (2, 2), (2, 3), (4, 3)];
        assert_eq!(order(Turn::AsGiven), as_given);
    }
}
