//! What becomes of the segments on their way: which sizes get through, which are sent again and again, who waits for
//! late acknowledgements, when each side closes, and what a reset says of its sender.
//!
//! Some hundred octets for each connection, and nothing for each segment.

use crate::link::{Flags, Segment};
use crate::model::{Closed, Nanos, Passage, Reset, Side, Span};

use super::connection::Arrival;
use super::reset::Manner;
use sender::{COPY, Sender};

mod sender;

/// Acknowledgements that are late by more than a round trip: the timers of delayed acknowledgements run 40 ms (Linux), 100 ms
/// (BSD) and 200 ms (Windows; RFC 9293 §3.8.6.3 allows 500).
const LATE: (Span, Span) = (Span::millis(30), Span::millis(300));
/// After a late acknowledgement a side that waited for it goes on within this and a round trip.
const AT_ONCE: Span = Span::millis(5);
/// What a segment holds at most where its receiver does not say (RFC 9293 §3.7.1), and how much of it TCP's options may take.
const USUAL_MSS: u16 = 536;
const OPTIONS: u16 = 40;

/// Watches both sides of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Passing {
    told: Passage,
    senders: [Sender; 2],
    manners: [Manner; 2],
    syn: Syn,
    trip: Option<Span>,
}

/// The SYN of the client.
#[derive(Clone, Copy, Debug, Default)]
enum Syn {
    #[default]
    None,
    /// It was sent once, then.
    At(Nanos),
    /// It was sent again: nobody knows which of the two was answered.
    Again,
}

impl Syn {
    /// One more, which may be the same that was captured twice.
    fn sent(&mut self, at: Nanos) {
        *self = match *self {
            Self::None => Self::At(at),
            Self::At(first) if at.since(first) < COPY => Self::At(first),
            Self::At(_) | Self::Again => Self::Again,
        };
    }

    /// How long it was ago.
    fn since(self, at: Nanos) -> Option<Span> {
        match self {
            Self::At(first) => Some(at.since(first)),
            Self::None | Self::Again => None,
        }
    }
}

impl Passing {
    /// Takes the next segment in the order of arrival. Gives whether its packet was captured before, as far as its number tells.
    pub(super) fn segment(&mut self, arrival: Arrival, side: Side, segment: &Segment<'_>) -> bool {
        let flags = segment.flags;
        let copied = self.is_copy(side, arrival);
        if flags.has(Flags::RST) {
            let reset = self.reset(arrival, side, segment);
            self.told.of_mut(side).reset.get_or_insert(reset);
            return copied;
        }
        self.hops(arrival, side);
        if !flags.has(Flags::SYN) {
            // Hosts number the packets of the handshake on their own.
            self.manner(side).packet(arrival.id, arrival.at);
        }
        if flags.has(Flags::FIN) {
            let closed = Closed {
                at: arrival.at,
                packet: arrival.packet,
            };
            self.told.of_mut(side).closed.get_or_insert(closed);
        }
        if flags.has(Flags::SYN) {
            self.opening(arrival.at, side, segment);
        } else if self.trip.is_none() && side == Side::Client {
            self.trip = self.syn.since(arrival.at);
        }
        if flags.has(Flags::ACK) {
            self.acknowledge(arrival.at, side, segment);
        }
        if segment.length > 0 && !flags.has(Flags::SYN) {
            self.data(arrival, side, segment, copied);
        }
        copied
    }

    fn is_copy(&self, side: Side, arrival: Arrival) -> bool {
        let [client, server] = &self.manners;
        let manner = if side == Side::Client { client } else { server };
        let last = self.told.of(side).last;
        let at_once = last.is_some_and(|last| arrival.at.since(last) < COPY);
        manner.has_passed(arrival.id, arrival.at) || (at_once && manner.is_last(arrival.id))
    }

    /// All that is known once the connection is over.
    pub(super) fn told(&self) -> Passage {
        let mut told = self.told;
        for side in [Side::Client, Side::Server] {
            let [client, server] = &self.senders;
            let sender = if side == Side::Client { client } else { server };
            told.of_mut(side).stuck = sender.again.map(|(_, again)| again);
        }
        told
    }

    const fn sender(&mut self, side: Side) -> &mut Sender {
        let [client, server] = &mut self.senders;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    const fn manner(&mut self, side: Side) -> &mut Manner {
        let [client, server] = &mut self.manners;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    fn reset(&mut self, arrival: Arrival, side: Side, segment: &Segment<'_>) -> Reset {
        let other = *self.sender(side.other());
        let ahead = self
            .sender(side)
            .next
            .map_or(0, |next| segment.seq.minus(next));
        let answers = segment.flags.has(Flags::ACK) && other.next == Some(segment.ack);
        let waited = other
            .sent
            .filter(|_| answers)
            .map(|sent| arrival.at.since(sent));
        let manner = self.manner(side);
        Reset {
            at: arrival.at,
            packet: arrival.packet,
            hops: arrival.hops,
            // One octet may be its FIN.
            ahead: u32::try_from(ahead).unwrap_or(0).saturating_sub(1),
            odd_number: manner.odd_number(arrival.id),
            too_soon: waited.and_then(|waited| manner.too_soon(waited)),
        }
    }

    fn hops(&mut self, arrival: Arrival, side: Side) {
        let trip = self.trip.unwrap_or(Span::ZERO);
        let way = self.told.of_mut(side);
        way.last = way.last.max(Some(arrival.at));
        let (least, most) = way.hops.unwrap_or((arrival.hops, arrival.hops));
        way.sender.add(arrival.station);
        way.hops = Some((least.min(arrival.hops), most.max(arrival.hops)));
        // What was on its way already says nothing.
        let later = way
            .reset
            .is_some_and(|reset| arrival.at.since(reset.at) > trip + COPY);
        way.after_reset += u64::from(later);
    }

    fn opening(&mut self, at: Nanos, side: Side, segment: &Segment<'_>) {
        self.told.of_mut(side).mss = segment.options.mss;
        if side == Side::Client {
            self.syn.sent(at);
        } else if let Some(waited) = self.syn.since(at) {
            self.manner(side).answered(waited);
        }
        let behind = segment.seq.plus(1);
        let sender = self.sender(side);
        sender.next.get_or_insert(behind);
        sender.acknowledged.get_or_insert(behind);
    }

    /// `side` says how far it has heard the other.
    fn acknowledge(&mut self, at: Nanos, side: Side, segment: &Segment<'_>) {
        let trip = self.trip;
        let other = side.other();
        let sender = self.sender(other);
        sender.shut = segment.window == 0;
        let before = *sender.acknowledged.get_or_insert(segment.ack);
        if segment.ack.minus(before) <= 0 {
            sender.again_acknowledged(before, segment);
            return;
        }
        sender.duplicates = 0;
        sender.acknowledged = Some(segment.ack);
        let through = sender
            .largest
            .filter(|(end, _)| segment.ack.minus(*end) >= 0);
        if through.is_some() {
            sender.largest = None;
        }
        let again = sender.again.take();
        let all = sender.next.is_none_or(|next| segment.ack.minus(next) >= 0);
        let waited = sender.sent.map(|sent| at.since(sent));
        let measured = waited.filter(|_| all && again.is_none());
        sender.late = match (waited, trip) {
            (Some(waited), Some(trip)) if all && segment.length == 0 && again.is_none() => {
                let over = waited - trip;
                (over >= LATE.0 && over <= LATE.1).then_some((at, waited))
            }
            _ => None,
        };
        if let Some(waited) = measured {
            self.manner(side).answered(waited);
        }
        let way = self.told.of_mut(other);
        way.passed = way.passed.max(through.map_or(0, |(_, length)| length));
        if let Some((_, again)) = again
            && way.repeated.is_none_or(|most| most.times < again.times)
        {
            way.repeated = Some(again);
        }
    }

    fn data(&mut self, arrival: Arrival, side: Side, segment: &Segment<'_>, copied: bool) {
        let end = segment.seq.plus(segment.length);
        // Whoever answers did not wait for the bare acknowledgement alone.
        self.sender(side.other()).late = None;
        let trip = self.trip.unwrap_or(Span::ZERO);
        let sender = self.sender(side);
        let late = sender.late.take();
        if sender.next.is_some_and(|next| end.minus(next) <= 0) {
            if !copied {
                sender.sent_again(arrival, segment);
            }
            return;
        }
        sender.next = Some(end);
        sender.sent = Some(arrival.at);
        if sender.largest.is_none_or(|(_, most)| segment.length > most) {
            sender.largest = Some((end, segment.length));
        }
        let waited = late.filter(|(at, _)| arrival.at.since(*at) <= trip + AT_ONCE);
        // Nagle keeps back what fills no segment; a full one waits for room (RFC 9293 §3.7.4).
        let most = self.told.of(side.other()).mss.unwrap_or(USUAL_MSS);
        let small = segment.length < u32::from(most.saturating_sub(OPTIONS));
        let waited = waited.filter(|_| small);
        if let Some((_, waited)) = waited {
            let way = self.told.of_mut(side);
            way.delayed += 1;
            way.delay = way.delay + waited;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{Checksum, SeqNo, TcpOptions};
    use crate::model::PacketNo;

    const C: Side = Side::Client;
    const V: Side = Side::Server;
    const S: u8 = 2;
    const A: u8 = 16;
    const R: u8 = 4;
    const F: u8 = 1;

    /// When in milliseconds, who, hops, flags, sequence and acknowledgement numbers, octets.
    type Sent = (i64, Side, u8, u8, u32, u32, u32);

    fn run(sent: &[Sent]) -> Passage {
        let mut passing = Passing::default();
        for (number, &(millis, side, hops, flags, seq, ack, length)) in sent.iter().enumerate() {
            let arrival = Arrival {
                at: Nanos(0) + Span::millis(millis),
                packet: PacketNo(number as u64 + 1),
                hops,
                station: Some(crate::model::Station([2, 0, 0, 0, 0, 1])),
                id: None,
            };
            let segment = Segment {
                source_port: 1,
                destination_port: 2,
                seq: SeqNo(seq),
                ack: SeqNo(ack),
                flags: Flags(flags),
                window: 512,
                urgent: 0,
                options: TcpOptions::default(),
                payload: &[],
                length,
                checksum: Checksum::Untested,
            };
            passing.segment(arrival, side, &segment);
        }
        passing.told()
    }

    const OPEN: [Sent; 3] = [
        (0, C, 64, S, 99, 0, 0),
        (1, V, 63, S | A, 499, 100, 0),
        (2, C, 64, A, 100, 500, 0),
    ];

    #[test]
    fn what_gets_through_and_what_does_not_are_told_apart() {
        let mut sent = OPEN.to_vec();
        sent.extend([
            (3, C, 64, A, 100, 500, 20),
            (4, V, 63, A, 500, 120, 0),
            (5, C, 64, A, 120, 500, 1448),
            (205, C, 64, A, 120, 500, 1448),
            (206, C, 64, A, 120, 500, 1448),
            (605, C, 64, A, 120, 500, 1448),
        ]);
        let told = run(&sent);
        let way = told.of(C);
        let stuck = way.stuck.unwrap();
        assert_eq!((way.passed, stuck.length, stuck.times), (20, 1448, 3));
        assert!(way.repeated.is_none() && stuck.duplicates == 0);
        sent.push((607, V, 63, A, 500, 120, 0));
        assert_eq!(run(&sent).of(C).stuck.unwrap().duplicates, 1);
        sent.push((610, V, 63, A, 500, 1568, 0));
        let told = run(&sent);
        assert_eq!(told.of(C).passed, 1448);
        assert!(told.of(C).stuck.is_none());
        assert_eq!(told.of(C).repeated.unwrap().times, 3);
    }

    #[test]
    fn a_pause_for_a_late_acknowledgement_is_counted_and_one_for_a_reply_is_not() {
        let mut sent = OPEN.to_vec();
        sent.extend([
            (10, C, 64, A, 100, 500, 20),
            (50, V, 63, A, 500, 120, 0),
            (51, C, 64, A, 120, 500, 30),
            (60, V, 63, A, 500, 150, 0),
            (61, C, 64, A, 150, 500, 30),
            (101, V, 63, A, 500, 180, 0),
            (102, V, 63, A, 500, 180, 9),
            (103, C, 64, A, 180, 509, 30),
        ]);
        let told = run(&sent);
        assert_eq!(
            (told.of(C).delayed, told.of(C).delay),
            (1, Span::millis(40))
        );
        assert_eq!(told.of(V).delayed, 0);
        // A full segment waits for the window, and not for this.
        sent[5].6 = 536;
        assert_eq!(run(&sent[..6]).of(C).delayed, 0);
    }

    #[test]
    fn a_syn_captured_twice_leaves_the_round_trip_and_one_sent_again_does_not() {
        let delayed = |syns: &[i64]| {
            let syn = |&millis: &i64| (millis, C, 64, S, 99, 0, 0);
            let mut sent: Vec<Sent> = syns.iter().map(syn).collect();
            sent.extend(&OPEN[1..]);
            sent.extend([
                (10, C, 64, A, 100, 500, 20),
                (50, V, 63, A, 500, 120, 0),
                (51, C, 64, A, 120, 500, 30),
            ]);
            run(&sent).of(C).delayed
        };
        assert_eq!(delayed(&[0]), 1);
        assert_eq!((delayed(&[0, 0]), delayed(&[0, 0, 1])), (1, 1));
        assert_eq!(
            (delayed(&[-1_000, 0]), delayed(&[-3_000, -1_000, 0])),
            (0, 0)
        );
        assert_eq!(delayed(&[-1_000, -999, 0]), 0);
    }

    #[test]
    fn who_goes_on_after_its_reset_is_counted_and_its_hops_are_kept() {
        let mut sent = OPEN.to_vec();
        sent.extend([
            (3, C, 64, A, 100, 500, 20),
            (4, V, 64, R, 500, 0, 0),
            (5, V, 63, A, 500, 120, 9),
            (300, V, 63, A, 500, 120, 9),
        ]);
        let way = *run(&sent).of(V);
        assert_eq!((way.hops, way.reset.unwrap().hops), (Some((63, 63)), 64));
        assert_eq!(way.after_reset, 1);
    }

    #[test]
    fn a_reset_is_measured_against_its_side_and_the_first_fin_is_kept() {
        let far: Vec<Sent> = vec![
            (0, C, 64, S, 99, 0, 0),
            (40, V, 63, S | A, 499, 100, 0),
            (40, C, 64, A, 100, 500, 0),
            (50, C, 64, A, 100, 500, 20),
            (90, V, 63, A, 500, 120, 10),
            (100, C, 64, A, 120, 510, 20),
            (140, V, 63, A, 510, 140, 10),
            (150, C, 64, A, 140, 520, 20),
        ];
        let with = |last: Sent| {
            let mut sent = far.clone();
            sent.push(last);
            run(&sent).of(V).reset.unwrap()
        };
        let soon = with((151, V, 63, R | A, 1980, 160, 0));
        assert_eq!(soon.too_soon, Some([Span::MILLISECOND, Span::millis(40)]));
        assert_eq!(soon.ahead, 1459);
        let own = with((190, V, 63, R | A, 520, 160, 0));
        assert_eq!((own.too_soon, own.ahead), (None, 0));
        // Without an acknowledgement it may have been on its way before.
        assert_eq!(with((151, V, 63, R, 520, 0, 0)).too_soon, None);
        let mut sent = far.clone();
        sent.push((160, C, 64, F | A, 160, 520, 0));
        sent.push((360, C, 64, F | A, 160, 520, 0));
        let told = run(&sent);
        assert_eq!(told.of(C).closed.unwrap().packet, PacketNo(9));
        assert_eq!(told.of(C).last, Some(Nanos(0) + Span::millis(360)));
    }
}
