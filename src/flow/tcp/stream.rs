//! One direction of a connection: octets in order, each once, every hole declared.
//!
//! Knows positions only: no flags, no acknowledgements, no other side. The first copy of an octet counts.

use crate::link::SeqNo;
use crate::model::{Direction, Nanos, Overlap, PacketNo, Side, Span};

use super::super::StreamEvent;
use super::held::HeldBack;
use super::recent::{Difference, Recent};
use beginning::Begins;

mod beginning;

/// Farther from the stream than the largest window (RFC 7323 §2.3) nothing belongs to it.
const REACH: i64 = 1 << 30;

/// Places told of one connection where two copies differ.
const MAX_OVERLAPS: usize = 16;

/// Why a stretch of the stream will not come any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    /// The other side acknowledged it: the capture lost it.
    Acknowledged,
    /// Its packet was captured in part.
    Cut,
    /// The connection is over, or no room is left for what comes after it.
    Unknown,
}

/// What one number acknowledged beyond all that was seen stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OneMore {
    /// The sender's FIN: the other side has closed before, and nothing is left to come.
    Fin,
    /// An octet, or a FIN; nobody can tell.
    Octet,
}

/// Where a stream's counts and findings go.
#[derive(Debug)]
pub(super) struct Tally<'t> {
    pub(super) counts: &'t mut Direction,
    pub(super) overlaps: &'t mut Vec<Overlap>,
    /// The time that a retransmission takes at least after what it repairs.
    pub(super) round_trip: Span,
}

/// Octets of one segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Octets<'p> {
    pub(super) at: Nanos,
    pub(super) packet: PacketNo,
    pub(super) bytes: &'p [u8],
    /// Octets that followed on the wire and were not captured.
    pub(super) cut: u32,
}

/// What became of a segment's octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Taken {
    /// Too far off to belong to this stream.
    Foreign,
    /// All octets were new, or those that were filled a hole.
    #[default]
    New,
    /// The first octets had come before, the rest is new: they were sent again in a longer segment.
    Extended,
    /// Every octet had come before.
    Repeated,
}

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Stream {
    side: Side,
    /// Sequence number of the next octet to pass on; unknown until the direction was heard of.
    next: Option<SeqNo>,
    /// The same as a count of octets since the first one known.
    position: i64,
    held: HeldBack,
    fin: Option<(i64, Nanos)>,
    ended: bool,
    begins: Begins,
    recent: Recent,
    /// Whether the last thing passed on was a hole: what is missing next belongs to it.
    in_hole: bool,
}

impl Stream {
    pub(super) const fn new(side: Side) -> Self {
        Self {
            side,
            next: None,
            position: 0,
            held: HeldBack::NONE,
            fin: None,
            ended: false,
            begins: Begins::Guessed,
            recent: Recent::EMPTY,
            in_hole: false,
        }
    }

    /// Gives back the memory that only serves to tell copies apart.
    pub(super) fn forget(&mut self) {
        self.recent.forget();
    }

    /// Memory for what is held back.
    pub(super) fn held_octets(&self) -> usize {
        self.held.memory()
    }

    /// Whether its FIN has been passed on.
    pub(super) const fn ended(&self) -> bool {
        self.ended
    }

    /// How many octets `seq` lies ahead of the next one expected; `None` when it is too far off to mean anything.
    pub(super) fn ahead(&self, seq: SeqNo) -> Option<i64> {
        let ahead = i64::from(seq.minus(self.next?));
        (ahead.abs() < REACH).then_some(ahead)
    }

    /// Whether `length` octets from `seq` bring the one that is waited for.
    pub(super) fn fills(&self, seq: SeqNo, length: u32) -> bool {
        self.ahead(seq)
            .is_some_and(|ahead| ahead <= 0 && ahead + i64::from(length) > 0)
    }

    /// Whether `length` octets from `seq` have been passed on, or a hole in their place.
    pub(super) fn has(&self, seq: SeqNo, length: u32) -> bool {
        self.ahead(seq)
            .is_some_and(|ahead| ahead + i64::from(length) <= 0)
    }

    /// Takes the octets of a segment that begins at `seq`.
    pub(super) fn take(
        &mut self,
        seq: SeqNo,
        octets: Octets<'_>,
        tally: &mut Tally<'_>,
        out: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Taken {
        self.begin(seq);
        let Some(ahead) = self.ahead(seq) else {
            return Taken::Foreign;
        };
        let from = self.position + ahead;
        let length = i64::try_from(octets.bytes.len()).unwrap_or(REACH);
        if from < self.position
            && let Some(difference) = self.recent.differs(from, octets.bytes)
        {
            self.note_overlap(difference, octets.packet, tally);
        }
        if from + length + i64::from(octets.cut) <= self.position {
            return Taken::Repeated;
        }
        let begins = if from < self.position {
            Taken::Extended
        } else {
            Taken::New
        };
        if from <= self.position && self.held.is_empty() {
            // The common case: nothing waits, nothing is copied.
            let fresh = usize::try_from(self.position - from).unwrap_or(usize::MAX);
            self.pass(octets, fresh, tally, out);
            self.end(out);
            return begins;
        }
        let overtaken = self.held.since_behind(from);
        let at = octets.at;
        let (kept, differing) = self.held.keep(self.position, from, &octets);
        for difference in differing {
            self.note_overlap(difference, octets.packet, tally);
        }
        let taken = match (kept, overtaken) {
            (false, _) => Taken::Repeated,
            (true, None) => begins,
            (true, Some(since)) => {
                if at.since(since) < tally.round_trip {
                    tally.counts.out_of_order += 1;
                } else {
                    tally.counts.refilled += 1;
                }
                Taken::New
            }
        };
        self.drain(tally, out);
        taken
    }

    fn note_overlap(&self, difference: Difference, other: PacketNo, tally: &mut Tally<'_>) {
        tally.counts.conflicting += difference.octets;
        if tally.overlaps.len() < MAX_OVERLAPS {
            tally.overlaps.push(Overlap {
                side: self.side,
                kept: difference.packet,
                other,
                octets: difference.octets,
                versions: difference.versions,
            });
        }
    }

    /// The sender closes after the octet before `seq`.
    pub(super) fn fin(&mut self, seq: SeqNo, at: Nanos, out: &mut dyn FnMut(StreamEvent<'_>)) {
        self.begin(seq);
        if let Some(ahead) = self.ahead(seq)
            && self.fin.is_none()
            && ahead >= 0
        {
            self.fin = Some((self.position + ahead, at));
            self.end(out);
        }
    }

    /// Declares everything before `seq` lost that has not come, because the other side has it.
    ///
    /// Gives the number of holes.
    pub(super) fn give_up(
        &mut self,
        (seq, one_more): (SeqNo, OneMore),
        at: Nanos,
        tally: &mut Tally<'_>,
        out: &mut dyn FnMut(StreamEvent<'_>),
    ) -> u64 {
        let Some(ahead) = self.ahead(seq) else {
            return 0;
        };
        let unknown = self.fin.is_none() && self.held.is_empty();
        if ahead == 1 && unknown && one_more == OneMore::Fin {
            self.fin = Some((self.position, at));
            self.end(out);
            return 0;
        }
        self.skip_to(self.position + ahead, Lost::Acknowledged, at, tally, out)
    }

    /// Declares all holes and passes on everything held.
    pub(super) fn give_up_all(
        &mut self,
        at: Nanos,
        tally: &mut Tally<'_>,
        out: &mut dyn FnMut(StreamEvent<'_>),
    ) -> u64 {
        let mut holes = 0;
        while let Some(first) = self.held.first() {
            holes += self.skip_to(first, Lost::Unknown, at, tally, out);
            self.drain(tally, out);
        }
        if let Some((fin, _)) = self.fin {
            holes += self.skip_to(fin, Lost::Unknown, at, tally, out);
        }
        holes
    }

    fn skip_to(
        &mut self,
        target: i64,
        why: Lost,
        at: Nanos,
        tally: &mut Tally<'_>,
        out: &mut dyn FnMut(StreamEvent<'_>),
    ) -> u64 {
        let mut holes = 0;
        // The number behind the last octet is the FIN's own.
        let fin = self.fin.filter(|_| !self.ended);
        let target = fin.map_or(target, |(fin, _)| fin.min(target));
        while self.position < target {
            let stop = self.held.first().map_or(target, |first| first.min(target));
            let missing = stop - self.position;
            self.advance(missing);
            holes += self.declare(missing, why, at, tally, out);
            self.drain(tally, out);
        }
        self.end(out);
        holes
    }

    fn declare(
        &mut self,
        missing: i64,
        why: Lost,
        at: Nanos,
        tally: &mut Tally<'_>,
        out: &mut dyn FnMut(StreamEvent<'_>),
    ) -> u64 {
        let Some(missing) = u64::try_from(missing).ok().filter(|&missing| missing > 0) else {
            return 0;
        };
        let counts = &mut *tally.counts;
        let new = !std::mem::replace(&mut self.in_hole, true);
        counts.gaps += u64::from(new);
        counts.missing += missing;
        match why {
            Lost::Acknowledged => counts.lost_in_capture += missing,
            Lost::Cut => counts.cut += missing,
            Lost::Unknown => {}
        }
        out(StreamEvent::Gap {
            side: self.side,
            at,
            missing,
        });
        u64::from(new)
    }

    /// Passes on what has become next in line.
    fn drain(&mut self, tally: &mut Tally<'_>, out: &mut dyn FnMut(StreamEvent<'_>)) {
        while let Some((start, held)) = self.held.pop_up_to(self.position) {
            let octets = Octets {
                at: held.at,
                packet: held.packet,
                bytes: &held.bytes,
                cut: held.cut,
            };
            let fresh = usize::try_from(self.position - start).unwrap_or(usize::MAX);
            self.pass(octets, fresh, tally, out);
        }
        self.end(out);
    }

    /// Passes on octets of which the first `skip` have been passed on before.
    fn pass(
        &mut self,
        octets: Octets<'_>,
        skip: usize,
        tally: &mut Tally<'_>,
        out: &mut dyn FnMut(StreamEvent<'_>),
    ) {
        let had = skip.saturating_sub(octets.bytes.len());
        let bytes = octets.bytes.get(skip..).unwrap_or_default();
        if !bytes.is_empty() {
            tally.counts.bytes += u64::try_from(bytes.len()).unwrap_or(0);
            self.recent.remember(self.position, bytes, octets.packet);
            self.in_hole = false;
            self.advance(i64::try_from(bytes.len()).unwrap_or(0));
            out(StreamEvent::Data {
                side: self.side,
                at: octets.at,
                packet: octets.packet,
                bytes,
            });
        }
        let cut = i64::from(octets.cut) - i64::try_from(had).unwrap_or(0);
        if cut > 0 {
            let next = self.held.first().map(|first| first - self.position);
            let stop = next.map_or(cut, |next| next.min(cut));
            self.advance(stop);
            self.declare(stop, Lost::Cut, octets.at, tally, out);
        }
    }

    fn advance(&mut self, octets: i64) {
        self.position += octets;
        if let (Some(next), Ok(octets)) = (&mut self.next, u32::try_from(octets)) {
            *next = next.plus(octets);
        }
    }

    /// Passes on the FIN once its turn has come; it takes up one number.
    fn end(&mut self, out: &mut dyn FnMut(StreamEvent<'_>)) {
        if let Some((fin, at)) = self.fin
            && !self.ended
            && fin <= self.position
        {
            self.ended = true;
            self.advance(1);
            out(StreamEvent::Fin {
                side: self.side,
                at,
            });
        }
    }
}

#[cfg(test)]
mod tests;
