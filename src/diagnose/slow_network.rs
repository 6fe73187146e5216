//! Ways on which packets take long or are lost.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{Direction, Evidence, Finding, Severity, Span};

use super::View;
use super::group::{Group, Words, counted};
use super::registry::Rule;
use super::shares::{percentile, round_trip};

pub(super) const RULE: Rule = Rule {
    code: "slow-network",
    about: "the way between the two is long or loses packets",
    decided: "By pair of hosts: the median round trip of the handshakes is 100 ms or more in two connections at least, or segments were lost and sent again \
              in three packets of a hundred, eight at least, while windows were open and the capture has no holes.",
    example: "between 192.0.2.10 and 198.51.100.25 a round trip takes 300.4 ms (median of 3 connections), and 12 of 240 packets were sent again",
    find,
};

/// A round trip that a dialogue of ten commands makes a second of.
const LONG: Span = Span::millis(100);
/// Connections that must show it.
const TIMES: usize = 2;
/// Segments sent again that speak for loss, in all and of a hundred packets.
const AGAIN: u64 = 8;
const AGAIN_PERCENT: u64 = 3;

#[derive(Default)]
struct Way {
    group: Group,
    trips: Vec<Span>,
    packets: u64,
    again: u64,
    /// The sessions in which segments were sent again.
    lossy: Group,
}

fn find(view: View<'_>) -> Vec<Finding> {
    let mut ways: BTreeMap<(IpAddr, IpAddr), Way> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        let key = (wire.conversation.client.ip, wire.conversation.server.ip);
        let way = ways.entry(key).or_default();
        way.trips.extend(round_trip(wire));
        let sound = wire
            .counts
            .0
            .iter()
            .all(|direction| direction.gaps == 0 && direction.zero_windows == 0);
        if sound && wire.history.contains(['h', 'H']) {
            let again: u64 = wire.counts.0.iter().map(lost).sum();
            way.packets += wire.counts.0.iter().map(|one| one.packets).sum::<u64>();
            way.again += again;
            if again > 0 {
                let place = Some(Evidence::Packet(wire.first_packet));
                way.lossy.add(&case, None, place);
            }
        }
        way.group
            .add(&case, None, Some(Evidence::Packet(wire.first_packet)));
    }
    ways.into_iter()
        .filter_map(|(ends, way)| tell(ends, way))
        .collect()
}

/// Segments that were lost: what the other side had already was not, and what filled a hole late was, before the capture.
const fn lost(direction: &Direction) -> u64 {
    direction.retransmissions.saturating_sub(direction.needless) + direction.refilled
}

fn tell((client, server): (IpAddr, IpAddr), mut way: Way) -> Option<Finding> {
    let connections = way.trips.len();
    let trip = percentile(&mut way.trips, 50);
    let long = connections >= TIMES && trip >= LONG;
    let lossy = way.again >= AGAIN && way.again * 100 >= way.packets * AGAIN_PERCENT;
    if !long && !lossy {
        return None;
    }
    let mut parts = Vec::new();
    if long {
        let of = counted(u64::try_from(connections).unwrap_or(u64::MAX), "connection");
        parts.push(format!(
            "a round trip takes {:.1} ms (median of {of})",
            trip.as_millis_f64()
        ));
    }
    if way.again > 0 {
        parts.push(format!(
            "{} of {} packets were sent again",
            way.again, way.packets
        ));
    }
    let message = format!("between {client} and {server} {}", parts.join(", and "));
    let group = if long { way.group } else { way.lossy };
    Some(group.finding(Words {
        code: RULE.code,
        severity: Severity::Warning,
        endpoint: None,
        message,
        not: if long {
            "not the server: the round trip is that of the handshake, which its kernel answers"
                .into()
        } else {
            "not the server and not a closed window: the segments themselves were lost on the way"
                .to_owned()
        },
        next: "measure the way hop by hop (mtr), from both ends".into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, at, wire};
    use super::*;

    fn scene(millis: i64, again: u64) -> Scene {
        let mut scene = Scene::default();
        for second in 0..3 {
            let mut wire = wire(25, second, "SF", "ShAdDaFf");
            wire.handshake.syn = Some(at(second));
            wire.handshake.syns = 1;
            wire.handshake.ack = Some(at(second) + Span::millis(millis));
            wire.counts.0[0].packets = 50;
            wire.counts.0[0].retransmissions = again;
            scene.add(wire);
        }
        scene
    }

    #[test]
    fn long_ways_and_lossy_ones_are_told() {
        assert_eq!(scene(300, 0).find(find).len(), 1);
        assert_eq!(scene(1, 4).find(find).len(), 1);
        assert!(scene(1, 1).find(find).is_empty());
        assert!(scene(30, 0).find(find).is_empty());
    }
}
