//! A TCP connection: two streams and what acknowledgements tell of them.
//!
//! Captures swap packets: an acknowledgement may stand before the data that it acknowledges. Such a segment waits a
//! little for them, so that events come in causal order; if they never come, they are a hole, declared first.

use crate::link::{Checksum, Flags, Segment, SeqNo};
use crate::model::{
    Conversation, Counts, Handshake, Nanos, Overlap, PacketNo, Side, Span, Station,
};

use super::super::{BadChecksums, Connection, Limits, StreamEvent};
use super::history::{History, Letter};
use super::observer::{Judged, Observer};
use super::passage::Passing;
use super::states::{State, States};
use super::stream::{OneMore, Stream, Tally};
use super::waiting::{Behind, Does, Meta, Queue, Waiting};

mod opening;
mod turns;

pub(in super::super) use opening::COPIED;

/// What a retransmission takes at least where the handshake does not tell (Wireshark reckons so too).
const USUAL_ROUND_TRIP: Span = Span::millis(3);
/// When and where a packet came.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Arrival {
    pub(in super::super) at: Nanos,
    pub(in super::super) packet: PacketNo,
    /// Hops left of it.
    pub(in super::super) hops: u8,
    /// Who put it on the link.
    pub(in super::super) station: Option<Station>,
    /// Its number among the packets of its sender (RFC 791 §3.1).
    pub(in super::super) id: Option<u16>,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Phase {
    Closed,
    Established,
    Opening,
}

/// Whether it is known where the streams begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// Not of each: those without a SYN may begin before the first segment captured, as captures swap packets.
    Open,
    /// As far as it ever will be.
    Settled,
}

/// A connection that is followed.
#[derive(Debug)]
pub(in super::super) struct TcpConnection {
    conversation: Conversation,
    first: Arrival,
    last: Nanos,
    streams: [Stream; 2],
    counts: Counts,
    history: History,
    states: States,
    observer: Observer,
    overlaps: Vec<Overlap>,
    /// Whether the receiver heeded a reset before both sides had closed.
    torn_down: bool,
    handshake: Handshake,
    passing: Passing,
    first_syn: Option<SeqNo>,
    /// When each side's last SYN came.
    greeted: [Option<Nanos>; 2],
    start: Start,
    waiting: Queue,
    /// Segments with an old timestamp, which the receiver drops unless it acknowledges them (PAWS, RFC 7323 §5).
    doubted: Queue,
    /// Times that too much was held in one direction.
    overruns: u64,
    /// Whose old timestamps mean nothing, as the receiver took segments that have them.
    stamps_rewritten: [bool; 2],
}

impl TcpConnection {
    /// A connection whose first segment came at `first`; `flipped` when from the server.
    pub(in super::super) fn new(conversation: Conversation, first: Arrival, flipped: bool) -> Self {
        let mut history = History::default();
        if flipped {
            history.note(Side::Client, Letter::Flipped);
        }
        Self {
            conversation,
            first,
            last: first.at,
            streams: [Stream::new(Side::Client), Stream::new(Side::Server)],
            counts: Counts::default(),
            history,
            states: States::default(),
            observer: Observer::default(),
            overlaps: Vec::new(),
            torn_down: false,
            handshake: Handshake::default(),
            passing: Passing::default(),
            first_syn: None,
            greeted: [None; 2],
            start: Start::Open,
            waiting: Queue::default(),
            doubted: Queue::default(),
            overruns: 0,
            stamps_rewritten: [false; 2],
        }
    }

    pub(in super::super) const fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// Time of the first packet.
    pub(in super::super) const fn start(&self) -> Nanos {
        self.first.at
    }

    /// Time of the last packet.
    pub(in super::super) const fn last(&self) -> Nanos {
        self.last
    }

    pub(in super::super) fn phase(&self) -> Phase {
        if self.torn_down || self.both_closed() {
            Phase::Closed
        } else if self.states.of(Side::Client) == State::SynSent
            || self.states.of(Side::Client) == State::Inactive && self.handshake.syn_ack.is_some()
        {
            Phase::Opening
        } else {
            Phase::Established
        }
    }

    /// Octets kept back for later.
    pub(in super::super) fn held_octets(&self) -> usize {
        let streams = self.streams.iter().map(Stream::held_octets);
        self.waiting.octets() + self.doubted.octets() + streams.sum::<usize>()
    }

    /// Whether both sides have closed, as far as they have been followed.
    fn both_closed(&self) -> bool {
        let waits = !self.waiting.is_empty()
            && [Side::Client, Side::Server]
                .iter()
                .all(|&side| self.states.of(side) == State::Closed);
        waits || self.streams.iter().all(Stream::ended)
    }

    /// Takes the next segment from `side`.
    pub(in super::super) fn segment(
        &mut self,
        arrival: Arrival,
        side: Side,
        segment: &Segment<'_>,
        limits: &Limits,
        checksums: BadChecksums,
        out: &mut dyn FnMut(StreamEvent<'_>),
    ) {
        self.last = self.last.max(arrival.at);
        if checksums == BadChecksums::Drop && segment.checksum == Checksum::Bad {
            return self.note_bad_checksum(side);
        }
        self.release(arrival.at, limits, out);
        let closed_before = self.states.of(side) == State::Closed;
        let judged = self.note(arrival, side, segment);
        let copy = self.passing.segment(arrival, side, segment);
        let mut meta = self.meta(side, segment, judged);
        meta.copy = copy;
        if closed_before && judged.acknowledges_more {
            meta.one_more = OneMore::Fin;
        }
        if meta.does == Does::TearDown && !self.heeds_reset(side, segment.seq) {
            return;
        }
        if self.is_doubted(side, segment, judged) {
            self.doubted.make_room();
            self.doubted.push(Waiting {
                arrival,
                side,
                meta,
                bytes: segment.payload.into(),
            });
            return;
        }
        self.states.advance(side, segment.flags, segment.length);
        if let Some(ack) = meta.ack {
            self.believe(side.other(), ack, limits, out);
        }
        let behind = if self.waiting.holds(side) {
            Behind::Own
        } else {
            Behind::None
        };
        if self.may_go(side, &meta, behind) {
            self.pass(arrival, side, &meta, segment.payload, limits, out);
        } else {
            self.waiting.push(Waiting {
                arrival,
                side,
                meta,
                bytes: segment.payload.into(),
            });
        }
        self.release(arrival.at, limits, out);
    }

    /// Notes that it is not followed as it should be, as a bound was hit.
    pub(in super::super) fn note_partial(&mut self) {
        self.history.note(Side::Client, Letter::Partial);
    }

    /// How often too much was held in one direction since this was last asked.
    pub(in super::super) fn take_overruns(&mut self) -> u64 {
        std::mem::take(&mut self.overruns)
    }

    /// It has fallen silent: copies of what was said are not to be expected.
    pub(in super::super) fn rest(&mut self) {
        self.streams.iter_mut().for_each(Stream::forget);
    }

    /// Passes on everything kept back, every hole declared.
    pub(in super::super) fn flush(
        &mut self,
        limits: &Limits,
        out: &mut dyn FnMut(StreamEvent<'_>),
    ) {
        self.doubted.clear();
        self.settle();
        self.release_ready(limits, out);
        while let Some(waiting) = self.waiting.pop_first() {
            self.force(waiting, self.last, limits, out);
            self.release_ready(limits, out);
        }
        self.give_up_all(out);
    }

    /// The record of the connection.
    pub(in super::super) fn record(mut self) -> Connection {
        self.observer.finish(self.last, &mut self.counts);
        let silent = self
            .counts
            .0
            .iter()
            .all(|sent| sent.bytes + sent.missing == 0);
        Connection {
            conversation: self.conversation,
            start: self.first.at,
            end: self.last,
            first_packet: self.first.packet,
            conn_state: self.states.word(self.history.as_str(), silent),
            history: self.history.as_str().to_owned(),
            counts: self.counts,
            handshake: self.handshake,
            passage: self.passing.told(),
            icmp_errors: Vec::new(),
            overlaps: self.overlaps,
        }
    }

    const fn stream(&mut self, side: Side) -> &mut Stream {
        let [client, server] = &mut self.streams;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    fn note_bad_checksum(&mut self, side: Side) {
        let counts = self.counts.of_mut(side);
        counts.packets += 1;
        counts.bad_checksums += 1;
        self.history.note(side, Letter::BadChecksum);
    }

    /// Counts and letters, in the order of arrival.
    fn note(&mut self, arrival: Arrival, side: Side, segment: &Segment<'_>) -> Judged {
        let flags = segment.flags;
        if segment.checksum == Checksum::Bad {
            self.note_bad_checksum(side);
        } else {
            self.counts.of_mut(side).packets += 1;
        }
        self.history
            .segment(side, flags, segment.seq, segment.length);
        if flags.has(Flags::SYN) {
            self.opening(arrival, side, segment);
        } else if side == Side::Client
            && flags.has(Flags::ACK)
            && self.states.of(Side::Server) == State::Established
        {
            self.handshake.ack.get_or_insert(arrival.at);
        }
        self.observer.take(
            (arrival.at, side),
            segment,
            self.states,
            &mut self.counts,
            &mut self.history,
        )
    }

    /// The segment's numbers; sets both streams going where they were not.
    fn meta(&mut self, side: Side, segment: &Segment<'_>, judged: Judged) -> Meta {
        let flags = segment.flags;
        let seq = if flags.has(Flags::SYN) {
            segment.seq.plus(1)
        } else {
            segment.seq
        };
        let ack = flags.has(Flags::ACK).then_some(segment.ack);
        let does = match (flags.has(Flags::RST), flags.has(Flags::FIN)) {
            (true, _) => Does::TearDown,
            (_, true) => Does::Close,
            _ => Does::Nothing,
        };
        if does != Does::TearDown {
            let opens = flags.has(Flags::SYN);
            for (side, number) in [(side.other(), ack), (side, Some(seq))] {
                match number {
                    Some(number) if opens => self.stream(side).open(number),
                    Some(number) => self.stream(side).begin(number),
                    None => {}
                }
            }
            if let (false, Some(ack)) = (opens, ack) {
                self.stream(side.other()).agree(ack);
            }
        }
        Meta {
            seq,
            ack: ack.filter(|_| does != Does::TearDown),
            length: segment.length,
            does,
            judged,
            copy: false,
            one_more: OneMore::Octet,
        }
    }

    /// One direction and where its counts go.
    fn direction(&mut self, side: Side) -> (&mut Stream, Tally<'_>) {
        let round_trip = self.handshake.round_trip().unwrap_or(USUAL_ROUND_TRIP);
        let [client, server] = &mut self.streams;
        let stream = if side == Side::Client { client } else { server };
        let tally = Tally {
            counts: self.counts.of_mut(side),
            overlaps: &mut self.overlaps,
            round_trip,
        };
        (stream, tally)
    }

    const fn stream_of(&self, side: Side) -> &Stream {
        let [client, server] = &self.streams;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    /// Whether a reset ends the connection: it lies in the receiver's window, and nothing has ended it before.
    fn heeds_reset(&mut self, side: Side, seq: SeqNo) -> bool {
        let stream = self.stream(side);
        // Far from the stream it is another connection's, or forged.
        let foreign = stream.begun() && stream.ahead(seq).is_none();
        // A refusal carries no sequence number of its own (RFC 9293 §3.10.7.1).
        let refuses = seq == SeqNo(0) && self.handshake.syn_ack.is_none();
        if !refuses && (foreign || self.observer.stray(side, seq)) {
            let counts = self.counts.of_mut(side);
            counts.foreign += u64::from(foreign);
            counts.stray_resets += 1;
            return false;
        }
        let ends = !self.torn_down && !self.both_closed();
        self.torn_down |= ends;
        if !ends {
            self.states.advance(side, Flags::RST, 0);
        }
        ends
    }
}
