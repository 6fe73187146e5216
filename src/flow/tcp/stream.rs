//! One direction of a connection: octets in order, each once, every hole declared.
//!
//! Knows positions only: no flags, no acknowledgements, no other side. The first copy of an octet counts.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::link::SeqNo;
use crate::model::{Direction, Nanos, Overlap, PacketNo, Side, Span, Versions};

use super::super::StreamEvent;
use super::recent::{Difference, Recent};

/// Farther from the stream than the largest window (RFC 7323 §2.3) nothing belongs to it.
const REACH: i64 = 1 << 30;

/// What a segment takes up beside its octets while it is held, about.
const OVERHEAD: usize = 96;
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

/// Octets that wait for those before them.
#[derive(Debug)]
struct Held {
    at: Nanos,
    packet: PacketNo,
    bytes: Box<[u8]>,
    cut: u32,
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

/// What tells where a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begins {
    /// The first segment captured.
    Guessed,
    /// A SYN, and another one `before` it that said otherwise.
    Said { before: Option<SeqNo> },
    /// A SYN that the other side has acknowledged.
    Agreed,
}

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Stream {
    side: Side,
    /// Sequence number of the next octet to pass on; unknown until the direction was heard of.
    next: Option<SeqNo>,
    /// The same as a count of octets since the first one known.
    position: i64,
    held: BTreeMap<i64, Held>,
    held_octets: usize,
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
            held: BTreeMap::new(),
            held_octets: 0,
            fin: None,
            ended: false,
            begins: Begins::Guessed,
            recent: Recent::EMPTY,
            in_hole: false,
        }
    }

    /// Makes `next` the first octet, unless the stream has begun.
    pub(super) const fn begin(&mut self, next: SeqNo) {
        if self.next.is_none() {
            self.next = Some(next);
        }
    }

    /// Makes `next` the first octet, as a SYN says, unless the stream is under way or the other side has agreed to another.
    pub(super) fn open(&mut self, next: SeqNo) {
        if !self.is_untouched() || self.begins == Begins::Agreed {
            return;
        }
        let before = self.next.replace(next);
        self.begins = match self.begins {
            Begins::Said { .. } if before == Some(next) => return,
            Begins::Said { .. } => Begins::Said { before },
            Begins::Guessed | Begins::Agreed => Begins::Said { before: None },
        };
    }

    /// The other side acknowledges what comes before `next`. Where two SYNs differ, as those of two servers behind one
    /// address do, it tells which counts.
    pub(super) fn agree(&mut self, next: SeqNo) {
        let Begins::Said { before } = self.begins else {
            return;
        };
        if !self.is_untouched() {
            self.begins = Begins::Agreed;
        } else if self.next == Some(next) || before == Some(next) {
            self.next = Some(next);
            self.begins = Begins::Agreed;
        }
    }

    /// Makes `next` the first octet where it lies before the one known so far and nothing has been passed on.
    pub(super) fn begin_no_later(&mut self, next: SeqNo) {
        let later = self.ahead(next).is_some_and(|ahead| ahead < 0);
        if later && !self.opened() && self.is_untouched() {
            self.next = Some(next);
        }
    }

    /// Gives back the memory that only serves to tell copies apart.
    pub(super) fn forget(&mut self) {
        self.recent.forget();
    }

    fn is_untouched(&self) -> bool {
        self.position == 0 && self.held.is_empty() && self.fin.is_none()
    }

    /// Whether a SYN told where it begins.
    pub(super) const fn opened(&self) -> bool {
        !matches!(self.begins, Begins::Guessed)
    }

    pub(super) const fn begun(&self) -> bool {
        self.next.is_some()
    }

    /// Memory for what is held back.
    pub(super) fn held_octets(&self) -> usize {
        self.held_octets + self.held.len() * OVERHEAD
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
        let overtaken = self.overtaken(from);
        let at = octets.at;
        let taken = match (self.hold(from, octets, tally), overtaken) {
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

    /// Since when octets are held that come after `from`; `None` when there are none.
    fn overtaken(&self, from: i64) -> Option<Nanos> {
        let mut later = self.held.range(from + 1..);
        later.next().map(|(_, held)| held.at)
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
        while let Some(&first) = self.held.keys().next() {
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
            let stop = self
                .held
                .keys()
                .next()
                .map_or(target, |&first| first.min(target));
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

    /// Keeps those octets from `from` on that nobody has; gives whether there were any.
    fn hold(&mut self, from: i64, octets: Octets<'_>, tally: &mut Tally<'_>) -> bool {
        let mut at = from.max(self.position);
        let end = from + i64::try_from(octets.bytes.len()).unwrap_or(0);
        let mut new = SmallVec::<[(i64, i64); 4]>::new();
        let mut differing = Vec::new();
        let first = self
            .held
            .range(..=at)
            .next_back()
            .map_or(at, |(&start, _)| start);
        for (&start, held) in self.held.range(first..end.max(first)) {
            let stop = start + i64::try_from(held.bytes.len()).unwrap_or(0);
            if stop <= at {
                continue;
            }
            if at < start {
                new.push((at, start));
            }
            let both = (at.max(start), end.min(stop));
            let own = part(&held.bytes, start, both).unwrap_or_default();
            let other = part(octets.bytes, from, both).unwrap_or_default();
            if own != other {
                differing.push(Difference {
                    packet: held.packet,
                    octets: u64::try_from(both.1 - both.0).unwrap_or(0),
                    versions: Versions::of(own, other),
                });
            }
            at = stop;
        }
        if at < end {
            new.push((at, end));
        }
        for difference in differing {
            self.note_overlap(difference, octets.packet, tally);
        }
        for &(start, stop) in &new {
            if let Some(bytes) = part(octets.bytes, from, (start, stop)) {
                self.held_octets += bytes.len();
                let cut = if stop == end { octets.cut } else { 0 };
                let held = Held {
                    at: octets.at,
                    packet: octets.packet,
                    bytes: bytes.into(),
                    cut,
                };
                self.held.insert(start, held);
            }
        }
        !new.is_empty()
    }

    /// Passes on what has become next in line.
    fn drain(&mut self, tally: &mut Tally<'_>, out: &mut dyn FnMut(StreamEvent<'_>)) {
        while let Some(entry) = self
            .held
            .first_entry()
            .filter(|entry| *entry.key() <= self.position)
        {
            let (start, held) = entry.remove_entry();
            self.held_octets -= held.bytes.len();
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
            let stop = self
                .held
                .keys()
                .next()
                .map_or(cut, |&first| (first - self.position).min(cut));
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

/// Octets `range` of the stream out of `bytes`, which begin at `from`.
fn part(bytes: &[u8], from: i64, range: (i64, i64)) -> Option<&[u8]> {
    let start = usize::try_from(range.0 - from).ok()?;
    let stop = usize::try_from(range.1 - from).ok()?;
    bytes.get(start..stop)
}

#[cfg(test)]
mod tests;
