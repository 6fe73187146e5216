//! Where each conversation is followed, when several interfaces or captures saw it.

use std::net::IpAddr;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use crate::capture::Record;
use crate::link::{Datagram, Upper, device};
use crate::model::{Nanos, Span};

/// Directions remembered at once.
const MAX_REMEMBERED: usize = 1 << 20;
/// Copies come sooner behind each other than this: a direction that was silent for so long where it is followed, and is heard
/// of elsewhere, has moved there.
const MOVED: Span = Span::SECOND;

/// Where a packet was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    capture: usize,
    interface: u32,
    /// The one among all that a single interface stands for (`any`).
    device: Option<u32>,
}

/// Datagrams from one end to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Direction {
    source: (IpAddr, u16),
    destination: (IpAddr, u16),
    /// Number of the protocol (IANA).
    number: u8,
}

#[derive(Clone, Copy, Debug)]
struct Followed {
    at: Point,
    last: Nanos,
}

/// Which point each direction is followed at: the one that saw it first.
///
/// Directions and not conversations, as their ways may differ.
#[derive(Debug)]
pub(super) struct Points {
    directions: HashMap<Direction, Followed, RandomState>,
    most: usize,
    /// Directions forgotten while copies of their packets could still come.
    forgotten: u64,
}

impl Default for Points {
    fn default() -> Self {
        Self {
            directions: HashMap::default(),
            most: MAX_REMEMBERED,
            forgotten: 0,
        }
    }
}

impl Point {
    /// Where the packet `bytes` of a capture was captured.
    pub(super) fn of(capture: usize, record: &Record, bytes: &[u8]) -> Self {
        Self {
            capture,
            interface: record.interface,
            device: device(record.link_type, bytes),
        }
    }
}

impl Direction {
    fn of(datagram: &Datagram<'_>) -> Self {
        let (number, from, to) = match &datagram.upper {
            Upper::Tcp(segment) => (6, segment.source_port, segment.destination_port),
            Upper::Udp(udp) => (17, udp.source_port, udp.destination_port),
            Upper::Icmp(_) => (1, 0, 0),
            Upper::Esp { .. } => (50, 0, 0),
            Upper::Other { number, .. } => (*number, 0, 0),
        };
        Self {
            source: (datagram.source, from),
            destination: (datagram.destination, to),
            number,
        }
    }
}

impl Points {
    /// Whether a datagram that was captured at `point` is of a direction that is followed at another.
    pub(super) fn is_elsewhere(
        &mut self,
        point: Point,
        at: Nanos,
        datagram: &Datagram<'_>,
    ) -> bool {
        if self.directions.len() >= self.most {
            self.forget(at);
        }
        let followed = self
            .directions
            .entry(Direction::of(datagram))
            .or_insert(Followed {
                at: point,
                last: at,
            });
        if followed.at != point && at.since(followed.last) <= MOVED {
            return true;
        }
        followed.at = point;
        followed.last = followed.last.max(at);
        false
    }

    /// Makes room: forgets what is silent, or all where that is not enough.
    fn forget(&mut self, now: Nanos) {
        self.directions
            .retain(|_, followed| now.since(followed.last) <= MOVED);
        if self.directions.len() > self.most / 2 {
            self.forgotten += u64::try_from(self.directions.len()).unwrap_or(0);
            self.directions.clear();
        }
    }

    /// Directions forgotten while copies of their packets could still come.
    pub(super) const fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::LinkType;

    fn record(interface: u32, link_type: LinkType) -> Record {
        Record {
            time: Nanos(0),
            link_type,
            length: 60,
            interface,
            at: 0,
            process: None,
        }
    }

    fn point(interface: u32) -> Point {
        Point::of(0, &record(interface, LinkType::ETHERNET), &[])
    }

    fn datagram(from: u8, to: u8) -> Datagram<'static> {
        Datagram {
            source: [10, 0, 0, from].into(),
            destination: [10, 0, 0, to].into(),
            ttl: 64,
            station: None,
            id: None,
            authenticated: None,
            upper: Upper::Other {
                number: 132,
                length: 8,
            },
        }
    }

    #[test]
    fn each_direction_is_followed_where_it_was_seen_first() {
        let mut points = Points::default();
        let mut elsewhere = |millis: i64, interface: u32, from: u8, to: u8| {
            let at = Nanos(0) + Span::millis(millis);
            points.is_elsewhere(point(interface), at, &datagram(from, to))
        };
        let told = [
            elsewhere(0, 1, 1, 2),
            elsewhere(40, 2, 1, 2),
            // The answer goes another way.
            elsewhere(50, 2, 2, 1),
            elsewhere(51, 1, 2, 1),
            elsewhere(500, 1, 1, 2),
            elsewhere(540, 2, 1, 2),
        ];
        assert_eq!(told, [false, true, false, true, false, true]);
    }

    #[test]
    fn a_direction_that_is_silent_and_heard_of_elsewhere_has_moved() {
        let mut points = Points::default();
        let told =
            [(0, 1), (900, 2), (1001, 2), (1010, 1), (1500, 2)].map(|(millis, interface)| {
                let at = Nanos(0) + Span::millis(millis);
                points.is_elsewhere(point(interface), at, &datagram(1, 2))
            });
        assert_eq!(told, [false, true, false, true, false]);
    }

    #[test]
    fn interfaces_are_told_apart_behind_the_one_that_stands_for_all() {
        let on = |device: u8| {
            let header = [8, 0, 0, 0, 0, 0, 0, device];
            Point::of(0, &record(0, LinkType::LINUX_SLL2), &header)
        };
        assert!(on(1) == on(1) && on(1) != on(2));
        assert_ne!(
            point(0),
            Point {
                capture: 1,
                ..point(0)
            }
        );
    }

    #[test]
    fn what_is_remembered_is_bounded_and_what_is_forgotten_early_counted() {
        let mut points = Points {
            most: 8,
            ..Points::default()
        };
        for n in 0..100 {
            points.is_elsewhere(point(1), Nanos(0), &datagram(n, 200));
            assert!(points.directions.len() <= 8);
        }
        assert_eq!(points.forgotten(), 96);
        points.is_elsewhere(point(1), Nanos(0) + Span::seconds(2), &datagram(1, 2));
    }
}
