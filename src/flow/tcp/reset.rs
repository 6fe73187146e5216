//! What gives away a reset that a side did not send itself: how it fits what that side sent before.

use crate::model::{Nanos, Span};

/// Packets of a side from which on the way it numbers them is known.
const NUMBERED: u8 = 4;
/// A host that counts its packets up may send a few others between two of a connection.
const STEP: u16 = 64;
/// A number farther off than this on either side is not of the same count.
const ELSEWHERE: u16 = 1024;
/// Time from one point of a way to another; TCP waits 200 ms at least before it sends again.
const UNDER_WAY: Span = Span::millis(100);
/// Answers of a side from which on its quickest is known.
const ANSWERS: u32 = 3;
/// Below this a busy host, an interface or the capture itself may make all the difference.
const SLOW: Span = Span::millis(5);

/// What the packets of one side have in common.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    numbers: Numbers,
    /// That of its last packet.
    latest: Option<u16>,
    /// The shortest time that an acknowledgement took after what it acknowledges, and how many there were.
    quickest: Option<(Span, u32)>,
}

/// How a side numbers its packets (the identification of RFC 791).
#[derive(Clone, Copy, Debug, Default)]
enum Numbers {
    #[default]
    Unknown,
    /// Each a little after the one before; the last, when it came, and so many of them.
    Counted { last: u16, at: Nanos, packets: u8 },
    /// At random, all alike, or seen out of order.
    Uneven,
}

impl Manner {
    /// A packet that is no reset.
    pub(super) fn packet(&mut self, id: Option<u16>, at: Nanos) {
        self.latest = id;
        self.numbers = match (self.numbers, id) {
            (Numbers::Unknown, Some(last)) => Numbers::Counted {
                last,
                at,
                packets: 1,
            },
            (Numbers::Counted { last, packets, .. }, Some(id))
                if (1..=STEP).contains(&id.wrapping_sub(last)) =>
            {
                Numbers::Counted {
                    last: id,
                    at,
                    packets: packets.saturating_add(1),
                }
            }
            // Overtaken on its way, or captured again.
            (numbers @ Numbers::Counted { last, .. }, Some(id)) if last.wrapping_sub(id) < STEP => {
                numbers
            }
            _ => Numbers::Uneven,
        };
    }

    /// Whether a packet bears a number that the side has counted past, as one does that was captured again, at another point of
    /// its way or by another interface: what TCP sends again is a packet of its own and has the next number. A host that gives the same
    /// number again, as RFC 6864 §4.2 lets it, does so later than a packet is under way.
    pub(super) fn has_passed(&self, id: Option<u16>, now: Nanos) -> bool {
        match (id.filter(|id| *id != 0), self.numbers) {
            (Some(id), Numbers::Counted { last, at, packets }) => {
                packets > 1 && last.wrapping_sub(id) < STEP && now.since(at) < UNDER_WAY
            }
            _ => false,
        }
    }

    /// Whether the side's last packet had this number.
    pub(super) fn is_last(&self, id: Option<u16>) -> bool {
        id.is_some_and(|id| id != 0) && id == self.latest
    }

    /// An acknowledgement, and how long it took.
    pub(super) fn answered(&mut self, waited: Span) {
        let (least, count) = self.quickest.unwrap_or((waited, 0));
        self.quickest = Some((least.min(waited), count.saturating_add(1)));
    }

    /// The number of a reset and the last one before it, where these are of different counts. None at all (0) says nothing:
    /// hosts give it to resets of connections that they know no more.
    pub(super) fn odd_number(&self, id: Option<u16>) -> Option<[u16; 2]> {
        let (id, Numbers::Counted { last, packets, .. }) =
            (id.filter(|id| *id != 0)?, self.numbers)
        else {
            return None;
        };
        let apart = id.wrapping_sub(last).min(last.wrapping_sub(id));
        (packets >= NUMBERED && apart > ELSEWHERE).then_some([id, last])
    }

    /// How soon a reset came after what it acknowledges and how soon the side can, where it came in less than a quarter of that.
    pub(super) fn too_soon(&self, waited: Span) -> Option<[Span; 2]> {
        let (least, count) = self.quickest?;
        let within = waited + waited + waited + waited < least;
        (count >= ANSWERS && least >= SLOW && within).then_some([waited, least])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_out_of_the_count_is_odd_and_one_in_it_is_not() {
        let mut counted = Manner::default();
        for id in [65_500, 65_501, 65_520, 2, 3] {
            counted.packet(Some(id), Nanos(0));
        }
        assert_eq!(counted.odd_number(Some(9000)), Some([9000, 3]));
        for own in [None, Some(0), Some(4), Some(65_530)] {
            assert_eq!(counted.odd_number(own), None);
        }
        let mut random = Manner::default();
        for id in [7, 40_000, 22, 9] {
            random.packet(Some(id), Nanos(0));
        }
        assert_eq!(random.odd_number(Some(30_000)), None);
        let mut none = Manner::default();
        for _ in 0..6 {
            none.packet(Some(0), Nanos(0));
        }
        assert_eq!(none.odd_number(Some(30_000)), None);
    }

    #[test]
    fn a_number_that_was_counted_past_is_a_packet_captured_again() {
        let mut counted = Manner::default();
        for id in [65_534, 65_535, 65_535, 1, 65_535] {
            counted.packet(Some(id), Nanos(0));
        }
        for (id, expected) in [
            (Some(1), true),
            (Some(65_534), true),
            (Some(2), false),
            (Some(40_000), false),
            (Some(0), false),
            (None, false),
        ] {
            assert_eq!(counted.has_passed(id, Nanos(0)), expected, "{id:?}");
        }
        // Much later it is sent again by a host that gives the same number.
        assert!(!counted.has_passed(Some(1), Nanos(0) + Span::millis(310)));
        // One number for all says nothing.
        let mut alike = Manner::default();
        (0..4).for_each(|_| alike.packet(Some(7), Nanos(0)));
        assert!(!alike.has_passed(Some(7), Nanos(0)));
    }

    #[test]
    fn sooner_than_the_side_can_is_too_soon() {
        let mut far = Manner::default();
        for millis in [21, 20, 60] {
            far.answered(Span::millis(millis));
        }
        assert_eq!(
            far.too_soon(Span::millis(1)),
            Some([Span::millis(1), Span::millis(20)])
        );
        assert_eq!(far.too_soon(Span::millis(6)), None);
        let mut near = Manner::default();
        for _ in 0..3 {
            near.answered(Span::millis(2));
        }
        assert_eq!(near.too_soon(Span::ZERO), None);
    }
}
