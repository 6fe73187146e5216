//! Ways that swallow large packets without a word.

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{Evidence, Finding, IcmpReason, Nanos, Repeated, Severity, Side, WireSession};

use super::View;
use super::group::{Group, Words, counted};
use super::registry::Rule;

pub(super) const RULE: Rule = Rule {
    code: "mtu-black-hole",
    about: "large packets vanish on the way while small ones pass",
    decided: "By sender and receiver: segments of 512 octets or more that were sent three times or more and never acknowledged, over a second \
              at least, while smaller ones of the same connection were acknowledged, none as large ever was between the two, and the receiver acknowledged anew what it had (so that a \
              smaller one behind arrived) or later connections of the two came about, or an ICMP error said that they are too big. Such errors are named; without one the way drops them too.",
    example: "no segment of more than 536 octets gets from 192.0.2.10 to 198.51.100.25: one of 1448 was sent 5 times in 1 connection and never acknowledged",
    find,
};

/// Smaller ones pass everywhere: a datagram of 576 octets must be taken by every host (RFC 1122 §3.3.2).
const LARGE: u32 = 512;
/// Times that it must have been sent.
const TIMES: u32 = 3;

/// From one host to another.
#[derive(Default)]
struct Way {
    group: Group,
    passed: u32,
    stuck: Option<Repeated>,
    told: Option<(IpAddr, u32)>,
}

fn find(view: View<'_>) -> Vec<Finding> {
    let last = LazyCell::new(|| last_made(view));
    let mut ways: BTreeMap<(IpAddr, IpAddr), Way> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        for side in [Side::Client, Side::Server] {
            let way = ways.entry(ends(wire, side)).or_default();
            let seen = wire.passage.of(side);
            way.passed = way.passed.max(seen.passed);
            let told = too_big(wire);
            let alive = |stuck: &Repeated| {
                told.is_some() || stuck.duplicates > 0 || goes_on(&last, wire, stuck)
            };
            let large = seen.stuck.filter(|stuck| is_stuck(stuck, seen.passed));
            let Some(stuck) = large.filter(alive) else {
                continue;
            };
            way.group.add(
                &case,
                Some(stuck.first),
                Some(Evidence::Packet(stuck.packet)),
            );
            if way.stuck.is_none_or(|least| stuck.length < least.length) {
                way.stuck = Some(stuck);
            }
            way.told = way.told.or(told);
        }
    }
    ways.into_iter()
        .filter_map(|(ends, way)| tell(ends, way))
        .collect()
}

/// Sender and receiver.
const fn ends(wire: &WireSession, side: Side) -> (IpAddr, IpAddr) {
    let (client, server) = (wire.conversation.client.ip, wire.conversation.server.ip);
    match side {
        Side::Client => (client, server),
        Side::Server => (server, client),
    }
}

fn is_stuck(stuck: &Repeated, passed: u32) -> bool {
    stuck.length >= LARGE
        && stuck.times >= TIMES
        && stuck.last.since(stuck.first) >= crate::model::Span::millis(500)
        && passed > 0
        && passed < stuck.length
}

/// When the last connection of a client and a server came about.
type Last = BTreeMap<(IpAddr, IpAddr), Nanos>;

fn last_made(view: View<'_>) -> Last {
    let mut last = Last::new();
    for wire in view
        .wires
        .iter()
        .filter(|wire| wire.handshake.ack.is_some())
    {
        let at = last.entry(ends(wire, Side::Client)).or_insert(wire.start);
        *at = wire.start.max(*at);
    }
    last
}

/// Whether a later connection of the two hosts came about, so that small packets pass still.
fn goes_on(last: &Last, wire: &WireSession, stuck: &Repeated) -> bool {
    last.get(&ends(wire, Side::Client))
        .is_some_and(|start| *start > stuck.first)
}

/// Who said that packets are too big, and what the next link takes.
fn too_big(wire: &WireSession) -> Option<(IpAddr, u32)> {
    wire.icmp_errors
        .iter()
        .find_map(|error| match error.reason {
            IcmpReason::TooBig(mtu) => Some((error.by, mtu)),
            _ => None,
        })
}

fn tell((from, to): (IpAddr, IpAddr), way: Way) -> Option<Finding> {
    let stuck = way.stuck.filter(|stuck| way.passed < stuck.length)?;
    let heeded = way.told.map_or_else(String::new, |(by, mtu)| {
        format!("; {by} says that packets are too big for its next link ({mtu} octets), and the sender does not heed it")
    });
    let message = format!(
        "no segment of more than {} octets gets from {from} to {to}: one of {} was sent {} times in {} and never acknowledged{heeded}",
        way.passed,
        stuck.length,
        stuck.times,
        counted(way.group.count, "connection"),
    );
    let next = if way.told.is_some() {
        format!(
            "see why {from} does not lower its packets: a filter in it that drops ICMP, or path MTU discovery switched off"
        )
    } else {
        "send pings of growing size with don't-fragment set to find the hop; let ICMP fragmentation needed (type 3 code 4, in IPv6 packet \
         too big) through every filter, or clamp the MSS at the narrow link"
            .to_owned()
    };
    Some(way.group.finding(Words {
        code: RULE.code,
        severity: Severity::Error,
        endpoint: None,
        message,
        not: "not common loss, and not a dead way: smaller segments passed before and after".into(),
        next,
    }))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, at, wire};
    use super::*;
    use crate::model::PacketNo;

    fn stuck(second: i64, length: u32, passed: u32) -> WireSession {
        let mut wire = wire(25, second, "S1", "ShADadT");
        let way = wire.passage.of_mut(Side::Client);
        way.passed = passed;
        way.stuck = Some(Repeated {
            length,
            times: 5,
            first: at(second),
            last: at(second + 6),
            packet: PacketNo(9),
            duplicates: 1,
        });
        wire
    }

    #[test]
    fn large_segments_that_never_arrive_are_told() {
        let mut scene = Scene::default();
        scene.add(stuck(0, 1448, 320));
        let found = scene.find(find);
        assert!(
            found[0]
                .message
                .starts_with("no segment of more than 320 octets gets from 192.0.2.10"),
            "{}",
            found[0].message
        );
    }

    #[test]
    fn a_way_that_carried_as_large_ones_or_died_is_none() {
        let mut scene = Scene::default();
        scene.add(stuck(0, 1448, 320));
        let mut well = wire(25, 20, "SF", "ShADadFf");
        well.passage.of_mut(Side::Client).passed = 1448;
        scene.add(well);
        assert!(scene.find(find).is_empty());
        let mut dead = stuck(0, 1448, 320);
        if let Some(stuck) = &mut dead.passage.of_mut(Side::Client).stuck {
            stuck.duplicates = 0;
        }
        let mut scene = Scene::default();
        scene.add(dead);
        scene.add(stuck(20, 400, 320));
        assert!(scene.find(find).is_empty());
    }

    #[test]
    fn a_router_that_says_so_is_enough() {
        for (said, expected) in [(true, 1), (false, 0)] {
            let mut unheeded = stuck(0, 1448, 320);
            if let Some(stuck) = &mut unheeded.passage.of_mut(Side::Client).stuck {
                stuck.duplicates = 0;
            }
            if said {
                unheeded.icmp_errors.push(crate::model::IcmpError {
                    at: at(1),
                    packet: PacketNo(10),
                    by: [192, 0, 2, 1].into(),
                    reason: IcmpReason::TooBig(1100),
                });
            }
            let mut scene = Scene::default();
            scene.add(unheeded);
            assert_eq!(scene.find(find).len(), expected);
        }
    }
}
