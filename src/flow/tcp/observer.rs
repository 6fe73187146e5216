//! What the segments of a connection tell beside their data: windows, probes, timestamps, what is sent again.
//!
//! Judged in the order of arrival, before anything waits or is put in order.

use crate::link::{Flags, Segment, SeqNo};
use crate::model::{Counts, Nanos, Side, Span};

use super::history::{History, Letter};
use super::states::{State, States};

/// Highest shift that a window may have (RFC 7323 §2.3).
const MAX_SHIFT: u8 = 14;

/// What one side has sent so far, as far as later segments are judged by it.
#[derive(Clone, Copy, Debug, Default)]
struct Sender {
    /// One past the highest number sent; SYN and FIN have one each.
    end: Option<SeqNo>,
    /// Highest acknowledgement sent.
    acked: Option<SeqNo>,
    /// The timestamp that a receiver holds later ones against (`TS.Recent`, RFC 7323 §4.3).
    stamp: Option<u32>,
    /// Last window sent, scaled.
    window: u32,
    shift: Option<u8>,
    /// Since when it is closed.
    closed: Option<Nanos>,
    /// Whether its last segment was a keep-alive that nobody answered yet.
    waits_for_life: bool,
}

/// Both sides.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Observer {
    senders: [Sender; 2],
}

/// What a segment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To carry data, or to say something by its flags.
    Usual,
    /// To learn whether the other side is alive or its window open: its octet, if any, was sent before.
    Probe,
}

/// What is known of a segment when its turn comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    pub(super) purpose: Purpose,
    /// Whether the other side had acknowledged all of it before.
    pub(super) needless: bool,
    /// How many of its first octets the other side had acknowledged before.
    pub(super) had: u32,
    /// Whether it acknowledges more than all before it.
    pub(super) acknowledges_more: bool,
    /// Whether its timestamp is older than one of a segment that was in order (PAWS, RFC 7323 §5).
    pub(super) old_stamp: bool,
}

impl Observer {
    const fn of(&mut self, side: Side) -> &mut Sender {
        let [client, server] = &mut self.senders;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    /// Takes a segment; `states` as before it.
    pub(super) fn take(
        &mut self,
        (at, side): (Nanos, Side),
        segment: &Segment<'_>,
        states: States,
        counts: &mut Counts,
        history: &mut History,
    ) -> Judged {
        let peer = *self.of(side.other());
        let own = self.of(side);
        let flags = segment.flags;
        let [syn, fin, rst] = [Flags::SYN, Flags::FIN, Flags::RST].map(|bit| flags.has(bit));
        let plain = !(syn || fin || rst);
        let end = segment
            .seq
            .plus(u32::from(syn) + u32::from(fin))
            .plus(if rst { 0 } else { segment.length });
        let tally = counts.of_mut(side);

        let probe = plain && segment.length <= 1 && own.repeats(segment.seq, &peer);
        let tries = plain && segment.length == 1 && own.tries_window(segment.seq, &peer);
        // The octet that tries a window is the next of the stream; only its repetition is none.
        let spent = tries && own.end != Some(segment.seq);
        if tries || (probe && peer.closed.is_some()) {
            tally.window_probes += 1;
        } else if probe {
            tally.keep_alives += 1;
        }
        let answers = plain && segment.length == 0 && !probe && peer.waits_for_life;
        if answers && peer.end == Some(segment.ack) {
            tally.keep_alive_answers += 1;
        }
        own.waits_for_life = probe && peer.closed.is_none();

        tally.urgent += u64::from(flags.has(Flags::URG));
        let old_stamp = own.has_old_stamp(segment, peer.acked);
        tally.old_timestamps += u64::from(old_stamp);
        let ends_late = own.end.is_some_and(|known| end.minus(known) <= 0);
        if segment.length > 0 && ends_late && !rst {
            history.note(side, Letter::Retransmission);
        }
        let needless = peer.acked.is_some_and(|acked| end.minus(acked) <= 0);
        let had = peer.acked.map_or(0, |acked| acked.minus(segment.seq));
        let had = u32::try_from(had).unwrap_or(0).min(segment.length);

        let boring =
            rst || states.of(side.other()) == State::Closed || states.of(side) == State::Reset;
        if segment.window == 0 && !boring {
            history.note(side, Letter::ZeroWindow);
            tally.zero_windows += u64::from(!syn);
        }
        if !rst && !syn {
            own.opens_or_closes(at, segment.window == 0 && !boring, &mut tally.window_closed);
        }
        if syn {
            own.shift = segment
                .options
                .window_scale
                .map(|shift| shift.min(MAX_SHIFT));
        }
        let acknowledges_more = own.acked.is_none_or(|known| segment.ack.minus(known) > 0);
        if !rst {
            own.advance(end, segment, !syn && peer.shift.is_some());
        }
        let peer = self.of(side.other());
        if answers {
            peer.waits_for_life = false;
        }
        if flags.has(Flags::ACK) && !rst {
            // What is acknowledged was sent, even if it was not captured.
            peer.end.get_or_insert(segment.ack);
        }
        Judged {
            purpose: if probe || spent {
                Purpose::Probe
            } else {
                Purpose::Usual
            },
            needless,
            had,
            acknowledges_more,
            old_stamp,
        }
    }

    /// Whether the other side would ignore a reset from `side` with this number: it lies outside its window.
    ///
    /// Where the window is not known, it would not.
    pub(super) fn stray(&mut self, side: Side, seq: SeqNo) -> bool {
        let receiver = *self.of(side.other());
        let Some(expected) = receiver.acked else {
            return false;
        };
        let sent = self.of(side).end.map_or(0, |end| end.minus(expected));
        let window = i32::try_from(receiver.window).unwrap_or(i32::MAX);
        // What was sent beyond a window that is not known well is still near.
        !(0..=window.max(sent).max(1)).contains(&seq.minus(expected))
    }

    /// The capture is over: counts the time that windows stayed closed.
    pub(super) fn finish(&mut self, at: Nanos, counts: &mut Counts) {
        for side in [Side::Client, Side::Server] {
            let closed = &mut counts.of_mut(side).window_closed;
            self.of(side).opens_or_closes(at, false, closed);
        }
    }
}

impl Sender {
    /// Whether a short segment asks for a sign of life: it repeats the number before the next, all of which the
    /// other side has (RFC 9293 §3.8.4).
    fn repeats(&self, seq: SeqNo, peer: &Self) -> bool {
        let next = seq.plus(1);
        self.end == Some(next) && peer.acked == Some(next)
    }

    /// Whether an octet tries a closed window (§3.8.6.1): all before it is acknowledged, and nothing comes after.
    fn tries_window(&self, seq: SeqNo, peer: &Self) -> bool {
        let last = self
            .end
            .is_some_and(|end| (0..=1).contains(&end.minus(seq)));
        peer.closed.is_some() && peer.acked == Some(seq) && last
    }

    /// Holds the timestamp against the newest of a segment that was in order.
    fn has_old_stamp(&mut self, segment: &Segment<'_>, acked: Option<SeqNo>) -> bool {
        let Some((stamp, _)) = segment.options.timestamps else {
            return false;
        };
        if segment.flags.has(Flags::RST) {
            return false;
        }
        let older = |known: u32| SeqNo(stamp).minus(SeqNo(known)) < 0;
        if self.stamp.is_some_and(older) {
            return true;
        }
        // Only what begins before the last octet acknowledged sets the mark.
        if acked.is_some_and(|acked| segment.seq.minus(acked) <= 0) {
            self.stamp = Some(stamp);
        }
        false
    }

    fn opens_or_closes(&mut self, at: Nanos, closed: bool, sum: &mut Span) {
        match (self.closed, closed) {
            (None, true) => self.closed = Some(at),
            (Some(since), false) => {
                *sum = *sum + at.since(since).max(Span::ZERO);
                self.closed = None;
            }
            _ => {}
        }
    }

    fn advance(&mut self, end: SeqNo, segment: &Segment<'_>, scaled: bool) {
        if self.end.is_none_or(|known| end.minus(known) > 0) {
            self.end = Some(end);
        }
        if segment.flags.has(Flags::ACK)
            && self.acked.is_none_or(|known| segment.ack.minus(known) > 0)
        {
            self.acked = Some(segment.ack);
        }
        let shift = self.shift.filter(|_| scaled).unwrap_or(0);
        self.window = u32::from(segment.window) << shift;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{Checksum, TcpOptions};
    use Side::{Client as C, Server as V};

    struct Watch {
        observer: Observer,
        states: States,
        counts: Counts,
        history: History,
        now: Nanos,
    }

    impl Watch {
        fn new() -> Self {
            let mut watch = Self {
                observer: Observer::default(),
                states: States::default(),
                counts: Counts::default(),
                history: History::default(),
                now: Nanos(0),
            };
            watch.segment(C, 2, (99, 0), 0, 512);
            watch.segment(V, 18, (499, 100), 0, 512);
            watch.segment(C, 16, (100, 500), 0, 512);
            watch
        }

        /// A segment a second after the last.
        fn segment(
            &mut self,
            side: Side,
            flags: u8,
            (seq, ack): (u32, u32),
            length: u32,
            window: u16,
        ) -> Judged {
            self.stamped(side, flags, (seq, ack), length, window, None)
        }

        fn stamped(
            &mut self,
            side: Side,
            flags: u8,
            (seq, ack): (u32, u32),
            length: u32,
            window: u16,
            stamp: Option<u32>,
        ) -> Judged {
            self.now = self.now + Span::SECOND;
            let segment = Segment {
                source_port: 0,
                destination_port: 0,
                seq: SeqNo(seq),
                ack: SeqNo(ack),
                flags: Flags(flags),
                window,
                urgent: 0,
                options: TcpOptions {
                    timestamps: stamp.map(|stamp| (stamp, 0)),
                    ..TcpOptions::default()
                },
                payload: &[],
                length,
                checksum: Checksum::Good,
            };
            let judged = self.observer.take(
                (self.now, side),
                &segment,
                self.states,
                &mut self.counts,
                &mut self.history,
            );
            self.states.advance(side, segment.flags, length);
            judged
        }
    }

    #[test]
    fn a_keep_alive_and_its_answer_are_told_from_data() {
        let mut watch = Watch::new();
        watch.segment(C, 24, (100, 500), 10, 512);
        watch.segment(V, 16, (500, 110), 0, 512);
        for length in [0, 1] {
            let judged = watch.segment(C, 16, (109, 500), length, 512);
            assert_eq!(judged.purpose, Purpose::Probe, "{length}");
            watch.segment(V, 16, (500, 110), 0, 512);
        }
        let counts = watch.counts;
        assert_eq!((counts.of(C).keep_alives, counts.of(V).keep_alives), (2, 0));
        assert_eq!(counts.of(V).keep_alive_answers, 2);
    }

    #[test]
    fn one_octet_sent_again_before_its_acknowledgement_is_no_keep_alive() {
        let mut watch = Watch::new();
        watch.segment(C, 24, (100, 500), 1, 512);
        let again = watch.segment(C, 24, (100, 500), 1, 512);
        assert_eq!((again.purpose, again.needless), (Purpose::Usual, false));
        watch.segment(V, 16, (500, 101), 0, 512);
        assert_eq!(watch.counts.of(C).keep_alives, 0);
    }

    #[test]
    fn a_closed_window_is_probed_and_its_time_counted() {
        let mut watch = Watch::new();
        watch.segment(C, 24, (100, 500), 10, 512);
        watch.segment(V, 16, (500, 110), 0, 0);
        // The next octet, which may be taken; sent again it is no data.
        for purpose in [Purpose::Usual, Purpose::Probe] {
            assert_eq!(watch.segment(C, 16, (110, 500), 1, 512).purpose, purpose);
        }
        watch.segment(V, 16, (500, 110), 0, 0);
        watch.segment(V, 16, (500, 110), 0, 512);
        let (client, server) = (*watch.counts.of(C), *watch.counts.of(V));
        assert_eq!((client.window_probes, client.keep_alives), (2, 0));
        assert_eq!(server.zero_windows, 2);
        assert_eq!(server.window_closed, Span::seconds(4));
        assert!(watch.history.as_str().contains('w'));
    }

    #[test]
    fn data_sent_again_is_needless_once_it_is_acknowledged() {
        let mut watch = Watch::new();
        watch.segment(C, 24, (100, 500), 10, 512);
        assert!(!watch.segment(C, 24, (100, 500), 10, 512).needless);
        watch.segment(V, 16, (500, 110), 0, 512);
        assert!(watch.segment(C, 24, (100, 500), 10, 512).needless);
    }

    #[test]
    fn a_stamp_older_than_one_in_order_is_old() {
        let mut watch = Watch::new();
        watch.stamped(C, 24, (100, 500), 10, 512, Some(1000));
        watch.stamped(C, 24, (120, 500), 10, 512, Some(1010));
        // It fills the hole: sent before the other, and no receiver has acknowledged beyond it.
        watch.stamped(C, 24, (110, 500), 10, 512, Some(1005));
        assert_eq!(watch.counts.of(C).old_timestamps, 0);
        watch.segment(V, 16, (500, 130), 0, 512);
        watch.stamped(C, 24, (130, 500), 10, 512, Some(1020));
        watch.stamped(C, 24, (140, 500), 10, 512, Some(900));
        assert_eq!(watch.counts.of(C).old_timestamps, 1);
    }

    #[test]
    fn a_reset_is_stray_outside_the_window() {
        let mut watch = Watch::new();
        for (seq, stray) in [(500, false), (600, false), (499, true), (500 + 513, true)] {
            assert_eq!(watch.observer.stray(V, SeqNo(seq)), stray, "{seq}");
        }
        assert!(!Observer::default().stray(V, SeqNo(1)));
    }
}
