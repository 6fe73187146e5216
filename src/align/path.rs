//! Two captures of the same traffic, taken at two points of its path: connections known again by their sequence numbers, the clocks of the two
//! put on each other, and what was lost between them.
//!
//! Routers and most address translation leave sequence numbers alone (RFC 9293 §3.4.1 makes the initial ones hard to meet twice). A firewall that
//! rewrites them leaves nothing to know a connection by here; such connections count as seen at one point only.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{Handshake, Nanos, Side, Span, WireSession};

use super::fit::{self, Constraint};

/// Two captures compared. The first is the one that logs are joined with, the second the other.
#[derive(Clone, Debug, Default)]
pub struct Path {
    /// The clock of the second against the first, where connections tell it.
    pub clock: Option<PathClock>,
    /// Which of the two is nearer to the clients.
    pub nearer: Nearer,
    /// Connections seen at both points, in the order of the first.
    pub passages: Vec<Passage>,
    /// Connections of the first whose opening it shows and the second does not, in the time of the second.
    pub first_only: Vec<usize>,
    /// The same of the second.
    pub second_only: Vec<usize>,
    /// Addresses of clients that differ, the first capture's before the second's, and in how many connections.
    pub translated: Vec<(IpAddr, IpAddr, u64)>,
}

/// How the clock of the second capture relates to that of the first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathClock {
    /// Second minus first at the first packet of the first.
    pub offset: Span,
    /// The true offset lies within this of `offset`.
    pub bound: Span,
    /// Gain of the second on the first, in parts per million, and its bound.
    pub drift_ppm: f64,
    /// The true drift lies within this of `drift_ppm`.
    pub drift_bound_ppm: f64,
    /// Connections that agree.
    pub pairs: usize,
}

/// Which capture is nearer to the clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nearer {
    /// The first.
    First,
    /// The second.
    Second,
    /// No connection tells.
    #[default]
    Unknown,
}

/// A connection at both points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Index among the wire sessions of the first capture.
    pub first: usize,
    /// Index among those of the second.
    pub second: usize,
    /// Packets to the server, and to the client, that passed the point nearer to their sender and not the other.
    pub lost: [u64; 2],
    /// What the way between the two points and back took when the connection was opened.
    pub round_trip: Option<Span>,
}

/// The initial sequence numbers of both sides: that of the client, and the server's where it answered.
type Key = (u32, Option<u32>);

/// Compares the sessions of two captures; `origin` is the time of the first packet of the first.
pub fn compare(first: &[WireSession], second: &[WireSession], origin: Nanos) -> Path {
    let pairs = pairs(first, second);
    let nearer = nearer(&pairs, first, second);
    let passages = pairs
        .iter()
        .filter_map(|&(one, other)| {
            let (here, there) = (first.get(one)?, second.get(other)?);
            Some(Passage {
                first: one,
                second: other,
                lost: lost(here, there, nearer),
                round_trip: round_trip(&here.handshake, &there.handshake),
            })
        })
        .collect();
    let clock = clock(&pairs, first, second, origin, nearer);
    let apart = clock.map_or(Span::ZERO, |clock| clock.offset);
    let mut translated: BTreeMap<(IpAddr, IpAddr), u64> = BTreeMap::new();
    for &(one, other) in &pairs {
        if let (Some(here), Some(there)) = (first.get(one), second.get(other)) {
            let clients = (here.conversation.client.ip, there.conversation.client.ip);
            if clients.0 != clients.1 {
                *translated.entry(clients).or_default() += 1;
            }
        }
    }
    let seen: Vec<usize> = pairs.iter().map(|&(one, _)| one).collect();
    let mut there: Vec<usize> = pairs.iter().map(|&(_, other)| other).collect();
    there.sort_unstable();
    Path {
        clock,
        nearer,
        passages,
        first_only: alone(first, &seen, second, apart),
        second_only: alone(second, &there, first, -apart),
        translated: translated
            .into_iter()
            .map(|((one, other), count)| (one, other, count))
            .collect(),
    }
}

/// Sessions that are one connection, each once, in the order of the first.
fn pairs(first: &[WireSession], second: &[WireSession]) -> Vec<(usize, usize)> {
    let mut known: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (at, wire) in second.iter().enumerate() {
        if let Some((client, _)) = key(wire) {
            known.entry(client).or_default().push(at);
        }
    }
    let mut taken = vec![false; second.len()];
    let mut pairs = Vec::new();
    for (at, wire) in first.iter().enumerate() {
        let Some((client, server)) = key(wire) else {
            continue;
        };
        let same = |&&other: &&usize| {
            let free = taken.get(other) == Some(&false);
            second.get(other).and_then(key).is_some_and(|(_, theirs)| {
                free && (server.is_none() || theirs.is_none() || server == theirs)
            })
        };
        // Of several with the client's number the one whose answer is the same.
        let found: Vec<usize> = known
            .get(&client)
            .into_iter()
            .flatten()
            .filter(same)
            .copied()
            .collect();
        let sure = |&&other: &&usize| second.get(other).and_then(key) == Some((client, server));
        let other = match found.as_slice() {
            &[only] => Some(only),
            several => several.iter().find(sure).copied(),
        };
        if let Some(other) = other {
            if let Some(taken) = taken.get_mut(other) {
                *taken = true;
            }
            pairs.push((at, other));
        }
    }
    pairs
}

fn key(wire: &WireSession) -> Option<Key> {
    let [client, server] = wire.handshake.initial;
    Some((client?, server))
}

/// From the SYN to its answer, at the point of the capture.
fn answer(handshake: &Handshake) -> Option<Span> {
    Some(handshake.syn_ack?.since(handshake.syn?))
}

/// The point nearer to the clients waits longer for the answer to a SYN.
fn nearer(pairs: &[(usize, usize)], first: &[WireSession], second: &[WireSession]) -> Nearer {
    let mut longer = [0usize; 2];
    for &(one, other) in pairs {
        let waits = first
            .get(one)
            .zip(second.get(other))
            .and_then(|(here, there)| Some((answer(&here.handshake)?, answer(&there.handshake)?)));
        match waits {
            Some((here, there)) if here > there => longer[0] += 1,
            Some((here, there)) if here < there => longer[1] += 1,
            _ => {}
        }
    }
    match longer {
        [here, there] if here > there => Nearer::First,
        [here, there] if there > here => Nearer::Second,
        _ => Nearer::Unknown,
    }
}

/// Packets that did not come from the one point to the other, to the server and to the client.
fn lost(here: &WireSession, there: &WireSession, nearer: Nearer) -> [u64; 2] {
    let (client_side, server_side) = match nearer {
        Nearer::First => (here, there),
        Nearer::Second => (there, here),
        Nearer::Unknown => return [0, 0],
    };
    let packets = |wire: &WireSession, side: Side| wire.counts.of(side).packets;
    [
        packets(client_side, Side::Client).saturating_sub(packets(server_side, Side::Client)),
        packets(server_side, Side::Server).saturating_sub(packets(client_side, Side::Server)),
    ]
}

fn round_trip(here: &Handshake, there: &Handshake) -> Option<Span> {
    Some((answer(here)? - answer(there)?).abs())
}

/// The clock of the second against the first: a packet passes the point nearer to its sender before the other, so that those to the
/// server bound the offset from one side and those to the client from the other.
fn clock(
    pairs: &[(usize, usize)],
    first: &[WireSession],
    second: &[WireSession],
    origin: Nanos,
    nearer: Nearer,
) -> Option<PathClock> {
    let moments: Vec<(Nanos, Span, Span)> = pairs
        .iter()
        .filter_map(|&(one, other)| {
            let (here, there) = (first.get(one)?.handshake, second.get(other)?.handshake);
            // A SYN that was sent again may be another at the other point.
            if here.syns != 1 || there.syns != 1 || here.syn_acks != 1 || there.syn_acks != 1 {
                return None;
            }
            let up = there.syn?.since(here.syn?);
            let down = there.syn_ack?.since(here.syn_ack?);
            Some((here.syn?, up, down))
        })
        .collect();
    let base = moments.first()?.1;
    let constraints: Vec<Constraint> = moments
        .iter()
        .map(|&(at, up, down)| {
            let (lo, hi) = match nearer {
                Nearer::Second => (up, down),
                _ => (down, up),
            };
            Constraint {
                at: at.since(origin).as_seconds_f64(),
                lo: (lo - base).as_seconds_f64(),
                hi: (hi - base).as_seconds_f64(),
                late: 0.0,
                tick: 0.0,
            }
        })
        .filter(|constraint| constraint.lo <= constraint.hi)
        .collect();
    let line = fit::prompt(&constraints, 0.0)?;
    Some(PathClock {
        offset: base + Span::from_seconds_f64(line.offset),
        bound: Span::from_seconds_f64(line.offset_bound),
        drift_ppm: line.drift * 1e6,
        drift_bound_ppm: line.drift_bound * 1e6,
        pairs: line.satisfied,
    })
}

/// Connections that opened while the other capture ran and that it does not show. `seen` is in order.
fn alone(mine: &[WireSession], seen: &[usize], others: &[WireSession], apart: Span) -> Vec<usize> {
    let first = others.iter().map(|wire| wire.start).min();
    let last = others.iter().map(|wire| wire.end).max();
    let (Some(first), Some(last)) = (first, last) else {
        return Vec::new();
    };
    let within = |wire: &WireSession| {
        let there = wire.start + apart;
        key(wire).is_some() && first <= there && there <= last
    };
    mine.iter()
        .enumerate()
        .filter(|(at, wire)| seen.binary_search(at).is_err() && within(wire))
        .map(|(at, _)| at)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing;

    fn session(
        client: [u8; 4],
        isn: u32,
        syn: Nanos,
        answered: Nanos,
        packets: [u64; 2],
    ) -> WireSession {
        let mut wire = testing::wire("smtp", 25, syn);
        wire.conversation.client.ip = client.into();
        wire.end = answered + Span::SECOND;
        wire.handshake = Handshake {
            syn: Some(syn),
            syns: 1,
            syn_ack: Some(answered),
            syn_acks: 1,
            initial: [Some(isn), Some(isn ^ 0xffff)],
            ..Handshake::default()
        };
        wire.counts.of_mut(Side::Client).packets = packets[0];
        wire.counts.of_mut(Side::Server).packets = packets[1];
        wire
    }

    /// Connections at a client-side point and, through a translation, at a server-side one whose clock is ahead by `offset`.
    fn two_points(offset: Span) -> (Vec<WireSession>, Vec<WireSession>) {
        (0..40u32)
            .map(|n| {
                let at = Nanos(0) + Span::millis(i64::from(n) * 250);
                let (up, down) = (
                    Span::millis(5 + i64::from(n % 7)),
                    Span::millis(4 + i64::from(n % 3)),
                );
                let there = at + up + offset;
                let answered = there + Span::MILLISECOND;
                (
                    session([10, 9, 0, 7], n, at, answered - offset + down, [10, 9]),
                    session([203, 0, 113, 5], n, there, answered, [9, 12]),
                )
            })
            .unzip()
    }

    #[test]
    fn offset_translation_and_loss_are_found() {
        let offset = Span::millis(-1_900);
        let (here, there) = two_points(offset);
        let path = compare(&here, &there, Nanos(0));
        assert_eq!(path.nearer, Nearer::First);
        assert_eq!(path.passages.len(), 40);
        assert!(path.passages.iter().all(|passage| passage.lost == [1, 3]));
        let clock = path.clock.unwrap();
        assert!((clock.offset - offset).abs() <= clock.bound, "{clock:?}");
        assert!(clock.bound < Span::millis(12), "{clock:?}");
        let translated = (
            IpAddr::from([10, 9, 0, 7]),
            IpAddr::from([203, 0, 113, 5]),
            40,
        );
        assert_eq!(path.translated, [translated]);
    }

    #[test]
    fn the_order_of_the_captures_does_not_matter() {
        let (here, there) = two_points(Span::SECOND);
        let path = compare(&there, &here, Nanos(0));
        assert_eq!(path.nearer, Nearer::Second);
        assert!(path.passages.iter().all(|passage| passage.lost == [1, 3]));
        let clock = path.clock.unwrap();
        assert!(
            (clock.offset + Span::SECOND).abs() <= clock.bound,
            "{clock:?}"
        );
    }

    #[test]
    fn what_one_point_never_saw_is_told() {
        let (here, mut there) = two_points(Span::ZERO);
        there.remove(20);
        let path = compare(&here, &there, Nanos(0));
        assert_eq!(path.first_only, [20]);
        assert!(path.second_only.is_empty());
    }
}
