//! Segments whose turn has not come: what they acknowledge is not there yet, or nobody knows where their stream begins.
//!
//! A segment depends on those of the other side whose octets it acknowledges, and on those of its own side that come
//! before it in the stream. The queue knows these dependences, and nothing of streams.

use std::collections::VecDeque;

use crate::link::SeqNo;
use crate::model::{Nanos, Side, Span};

use super::connection::Arrival;
use super::observer::Judged;
use super::stream::OneMore;

/// Segments that wait at once.
const MOST: usize = 16;
/// How long the first of them waits.
const PATIENCE: Span = Span::millis(100);

/// What of a segment its streams need.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meta {
    /// Of the first octet of payload.
    pub(super) seq: SeqNo,
    pub(super) ack: Option<SeqNo>,
    pub(super) length: u32,
    pub(super) does: Does,
    pub(super) judged: Judged,
    /// Whether its packet was captured before, as far as that can be told by its number.
    pub(super) copy: bool,
    /// What it acknowledges beyond all that the other side was seen to send.
    pub(super) one_more: OneMore,
}

/// What a segment does beside carrying data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// It closes its direction.
    Close,
    /// Nothing, or it opens its direction.
    Nothing,
    /// It tears the connection down.
    TearDown,
}

/// A segment whose turn has not come.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) arrival: Arrival,
    pub(super) side: Side,
    pub(super) meta: Meta,
    pub(super) bytes: Box<[u8]>,
}

/// Those of a connection, in the order of arrival.
#[derive(Debug, Default)]
pub(super) struct Queue {
    segments: VecDeque<Waiting>,
    octets: usize,
}

impl Meta {
    /// The number behind the last octet, and behind the FIN where there is one.
    pub(super) fn end(&self) -> SeqNo {
        self.seq.plus(self.numbers())
    }

    /// How many numbers its octets and its FIN take up.
    pub(super) fn numbers(&self) -> u32 {
        let fin = u32::from(self.does == Does::Close);
        self.length.saturating_add(fin)
    }
}

impl Queue {
    pub(super) fn push(&mut self, waiting: Waiting) {
        self.octets += waiting.bytes.len();
        self.segments.push_back(waiting);
    }

    /// Octets of all of them.
    pub(super) const fn octets(&self) -> usize {
        self.octets
    }

    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Whether there are too many, or the first has waited long enough.
    pub(super) fn is_over(&self, now: Nanos) -> bool {
        let since = self.segments.front().map(|first| first.arrival.at);
        self.segments.len() > MOST || since.is_some_and(|since| now.since(since) > PATIENCE)
    }

    /// Whether one of `side` waits.
    pub(super) fn holds(&self, side: Side) -> bool {
        self.segments.iter().any(|one| one.side == side)
    }

    /// The lowest number of an octet from `side`.
    pub(super) fn lowest(&self, side: Side) -> Option<SeqNo> {
        let own = self.segments.iter().filter(|one| one.side == side);
        let numbers = own
            .filter(|one| one.meta.length > 0)
            .map(|one| one.meta.seq);
        numbers.reduce(|low, seq| if seq.minus(low) < 0 { seq } else { low })
    }

    /// The first that `may_go`, taken out; it is asked whether one of the same side came before.
    pub(super) fn pop_ready(
        &mut self,
        may_go: impl Fn(Side, &Meta, Behind) -> bool,
    ) -> Option<Waiting> {
        let mut before = [Behind::None; 2];
        let at = self.segments.iter().position(|one| {
            let behind = before.get_mut(one.side.index());
            let behind = behind.map_or(Behind::None, |known| std::mem::replace(known, Behind::Own));
            may_go(one.side, &one.meta, behind)
        })?;
        self.remove(at)
    }

    /// The first that depends on no other, taken out.
    ///
    /// Where they depend on each other some were sent again with a newer acknowledgement than at first. Then octets go
    /// without it: those that the other side had before, which are the older, or else the first.
    pub(super) fn pop_first(&mut self) -> Option<Waiting> {
        if let Some(free) = self.position(Waiting::depends_on) {
            return self.remove(free);
        }
        let octets = |one: &Waiting| one.meta.length > 0;
        let again = |one: &Waiting| one.meta.judged.had > 0;
        let first = self.position(|one, other, m| !octets(one) || one.follows(other, m));
        let again = self.segments.iter().rposition(again).or(first);
        let Some(one) = again.and_then(|at| self.segments.get_mut(at)) else {
            return self.remove(0);
        };
        let octets = one.split();
        self.octets -= octets.bytes.len();
        Some(octets)
    }

    /// Where the first is that does not come after any other, which arrived before it or not.
    fn position(&self, after: impl Fn(&Waiting, &Waiting, bool) -> bool) -> Option<usize> {
        let segments = || self.segments.iter().enumerate();
        let mut free = segments()
            .filter(|(n, one)| !segments().any(|(m, other)| m != *n && after(one, other, m < *n)));
        free.next().map(|(n, _)| n)
    }

    /// One of those from `side` that end before `ack`, taken out.
    pub(super) fn pop_acknowledged(&mut self, side: Side, ack: SeqNo) -> Option<Waiting> {
        let at = self
            .segments
            .iter()
            .position(|one| one.side == side && one.meta.end().minus(ack) <= 0)?;
        self.remove(at)
    }

    /// Makes room for one more; whether one was given up for it.
    pub(super) fn make_room(&mut self) -> bool {
        self.segments.len() >= MOST && self.remove(0).is_some()
    }

    pub(super) fn clear(&mut self) {
        self.segments.clear();
        self.octets = 0;
    }

    fn remove(&mut self, at: usize) -> Option<Waiting> {
        let waiting = self.segments.remove(at)?;
        self.octets -= waiting.bytes.len();
        Some(waiting)
    }
}

/// What stands before a segment in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// Nothing from its own side.
    None,
    /// Another segment from its own side.
    Own,
}

impl Waiting {
    /// The octets that the other side had before, or all where it had none; what else it holds and says stays.
    fn split(&mut self) -> Self {
        let had = match std::mem::take(&mut self.meta.judged.had) {
            0 => self.meta.length,
            had => had.min(self.meta.length),
        };
        let mut bytes = std::mem::take(&mut self.bytes).into_vec();
        let rest = bytes.split_off(bytes.len().min(usize::try_from(had).unwrap_or(0)));
        let octets = Self {
            arrival: self.arrival,
            side: self.side,
            meta: Meta {
                ack: None,
                length: had,
                does: Does::Nothing,
                ..self.meta
            },
            bytes: bytes.into(),
        };
        self.meta.seq = self.meta.seq.plus(had);
        self.meta.length -= had;
        self.bytes = rest.into();
        octets
    }

    /// Whether it comes after `other`, which arrived `earlier` or later.
    fn depends_on(&self, other: &Self, earlier: bool) -> bool {
        if self.side == other.side {
            return self.follows(other, earlier);
        }
        let acknowledges = |ack: SeqNo| ack.minus(other.meta.seq) > 0;
        other.meta.numbers() > 0 && self.meta.ack.is_some_and(acknowledges)
    }

    /// Whether it comes after `other` in their stream, and that holds more than what was had before.
    fn follows(&self, other: &Self, earlier: bool) -> bool {
        let ahead = self.meta.seq.minus(other.meta.seq);
        let before = ahead > 0 || ahead == 0 && earlier;
        let holds = other.meta.numbers() > other.meta.judged.had;
        self.side == other.side && holds && before
    }
}
