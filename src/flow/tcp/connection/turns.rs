//! When the turn of a segment comes, and what becomes of those whose turn never does.

use crate::link::{Flags, Segment, SeqNo};
use crate::model::{Nanos, Side};

use super::super::history::Letter;
use super::super::observer::{Judged, Purpose};
use super::super::stream::{Octets, Taken};
use super::super::waiting::{Behind, Does, Meta, Waiting};
use super::{Arrival, Limits, Start, StreamEvent, TcpConnection};

impl TcpConnection {
    /// Whether its turn has come: what it acknowledges is there, and it is known where the streams begin. Behind another
    /// of its side only what fills a hole goes first.
    pub(super) fn may_go(&self, side: Side, meta: &Meta, behind: Behind) -> bool {
        if meta.does == Does::TearDown {
            return behind == Behind::None;
        }
        let other = side.other();
        let seen = meta.ack.is_none_or(|ack| {
            let ahead = self.stream_of(other).ahead(ack);
            self.begins(other) && ahead.is_none_or(|ahead| ahead <= 0)
        });
        let next = || self.stream_of(side).fills(meta.seq, meta.numbers());
        self.begins(side) && seen && (behind == Behind::None || next())
    }

    /// Whether it is known where the stream of `side` begins.
    fn begins(&self, side: Side) -> bool {
        self.start == Start::Settled || self.stream_of(side).opened()
    }

    /// Passes on segments whose wait is over, one way or the other.
    pub(super) fn release(
        &mut self,
        now: Nanos,
        limits: &Limits,
        out: &mut dyn FnMut(StreamEvent<'_>),
    ) {
        if self.waiting.is_empty() {
            return;
        }
        self.release_ready(limits, out);
        while self.waiting.is_over(now) {
            if self.start == Start::Open {
                self.settle();
            } else if let Some(waiting) = self.waiting.pop_first() {
                self.force(waiting, now, limits, out);
            }
            self.release_ready(limits, out);
        }
    }

    /// Passes on those whose turn has come.
    pub(super) fn release_ready(&mut self, limits: &Limits, out: &mut dyn FnMut(StreamEvent<'_>)) {
        loop {
            let mut waiting = std::mem::take(&mut self.waiting);
            let ready = waiting.pop_ready(|side, meta, behind| self.may_go(side, meta, behind));
            self.waiting = waiting;
            let Some(ready) = ready else {
                return;
            };
            self.pass(
                ready.arrival,
                ready.side,
                &ready.meta,
                &ready.bytes,
                limits,
                out,
            );
        }
    }

    /// Takes the lowest octets captured for the first of their streams where no SYN tells.
    pub(super) fn settle(&mut self) {
        if std::mem::replace(&mut self.start, Start::Settled) == Start::Settled {
            return;
        }
        for side in [Side::Client, Side::Server] {
            if let Some(lowest) = self.waiting.lowest(side) {
                self.stream(side).begin_no_later(lowest);
            }
        }
    }

    /// Whether the receiver drops a segment for its timestamp, as far as can be told: where it has acknowledged all of
    /// it, or has been seen to take others, it does not.
    pub(super) fn is_doubted(&self, side: Side, segment: &Segment<'_>, judged: Judged) -> bool {
        let rewritten = self.stamps_rewritten.get(side.index()) == Some(&true);
        let says = segment.length > 0 || segment.flags.has(Flags::FIN);
        judged.old_stamp && says && !judged.needless && !rewritten
    }

    /// The other side acknowledges what `side` sent: doubted segments among it were taken, unless other copies were.
    pub(super) fn believe(
        &mut self,
        side: Side,
        ack: SeqNo,
        limits: &Limits,
        out: &mut dyn FnMut(StreamEvent<'_>),
    ) {
        while let Some(waiting) = self.doubted.pop_acknowledged(side, ack) {
            let lacks = self.stream(side).ahead(waiting.meta.end());
            if lacks.is_none_or(|ahead| ahead <= 0) {
                continue;
            }
            if let Some(rewritten) = self.stamps_rewritten.get_mut(side.index()) {
                *rewritten = true;
            }
            let Waiting {
                arrival,
                meta,
                bytes,
                ..
            } = waiting;
            if meta.does == Does::Close {
                self.states.advance(side, Flags::FIN, meta.length);
            }
            self.pass(arrival, side, &meta, &bytes, limits, out);
        }
    }

    /// Passes a waiting segment on; what it acknowledges and nobody saw is a hole.
    pub(super) fn force(
        &mut self,
        waiting: Waiting,
        now: Nanos,
        limits: &Limits,
        out: &mut dyn FnMut(StreamEvent<'_>),
    ) {
        if let Some(ack) = waiting.meta.ack {
            let other = waiting.side.other();
            let one_more = waiting.meta.one_more;
            let (stream, mut tally) = self.direction(other);
            let holes = stream.give_up((ack, one_more), now, &mut tally, out);
            self.note_gaps(other, holes);
        }
        let Waiting {
            arrival,
            side,
            meta,
            bytes,
        } = waiting;
        self.pass(arrival, side, &meta, &bytes, limits, out);
    }

    /// Passes a segment on to its stream.
    pub(super) fn pass(
        &mut self,
        arrival: Arrival,
        side: Side,
        meta: &Meta,
        bytes: &[u8],
        limits: &Limits,
        out: &mut dyn FnMut(StreamEvent<'_>),
    ) {
        if meta.does == Does::TearDown {
            out(StreamEvent::Rst {
                side,
                at: arrival.at,
            });
            return;
        }
        let (stream, mut tally) = self.direction(side);
        let probes = meta.judged.purpose == Purpose::Probe;
        // The octet of a probe is no data, unless the capture lacks the segment that brought it first.
        if meta.length > 0 && !(probes && stream.has(meta.seq, meta.length)) {
            let captured = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let octets = Octets {
                at: arrival.at,
                packet: arrival.packet,
                bytes,
                cut: meta.length.saturating_sub(captured),
            };
            match stream.take(meta.seq, octets, &mut tally, out) {
                Taken::Repeated if meta.copy => tally.counts.copies += 1,
                Taken::Repeated => {
                    tally.counts.retransmissions += 1;
                    tally.counts.needless += u64::from(meta.judged.needless);
                }
                Taken::Extended => tally.counts.retransmissions += 1,
                Taken::Foreign => tally.counts.foreign += 1,
                Taken::New => {}
            }
        }
        if meta.does == Does::Close {
            stream.fin(meta.seq.plus(meta.length), arrival.at, out);
        }
        if stream.held_octets() > limits.held_per_direction {
            let holes = stream.give_up_all(arrival.at, &mut tally, out);
            self.history.note(side, Letter::Partial);
            self.overruns += 1;
            self.note_gaps(side, holes);
        }
    }

    /// Passes on all that is held, because no room is left for it.
    pub(in super::super::super) fn give_up_all(&mut self, out: &mut dyn FnMut(StreamEvent<'_>)) {
        for side in [Side::Client, Side::Server] {
            let last = self.last;
            let (stream, mut tally) = self.direction(side);
            let holes = stream.give_up_all(last, &mut tally, out);
            self.note_gaps(side, holes);
        }
    }

    pub(super) fn note_gaps(&mut self, side: Side, holes: u64) {
        for _ in 0..holes {
            self.history.note(side, Letter::Gap);
        }
    }
}
