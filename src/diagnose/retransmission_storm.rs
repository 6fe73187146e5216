//! Segments sent again and again until they arrive, or never.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{Evidence, Finding, Repeated, Severity, Side, Span};

use super::View;
use super::group::{Group, Words, counted};
use super::registry::Rule;

pub(super) const RULE: Rule = Rule {
    code: "retransmission-storm",
    about: "one segment sent again and again: the connection stands still",
    decided: "By sender and receiver: a segment that was sent five times or more, over a second at least, before it was acknowledged or the \
              connection ended, while the receiver's window was open and it had not closed its side. Which sizes pass is told as mtu-black-hole, a reply to a message as delivered-unknown.",
    example: "198.51.100.25 sent the same segment to 192.0.2.10 up to 7 times: 1 connection stood still for up to 25.6 s, and 1 of them never went on",
    find,
};

/// Times from which on loss is more than chance.
const TIMES: u32 = 5;

#[derive(Default)]
struct Storm {
    group: Group,
    times: u32,
    stood: Span,
    dead: u64,
}

fn find(view: View<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<(IpAddr, IpAddr), Storm> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        for side in [Side::Client, Side::Server] {
            let way = wire.passage.of(side);
            let (closed, reset) = match side {
                Side::Client => ('f', 'r'),
                Side::Server => ('F', 'R'),
            };
            // Nobody waits for what a side still sends to one that has left.
            let left = wire.history.contains([closed, reset]);
            let stuck = way.stuck.filter(|stuck| !left && is_storm(stuck));
            let Some(storm) = stuck.or(way.repeated.filter(is_storm)) else {
                continue;
            };
            let (client, server) = (wire.conversation.client.ip, wire.conversation.server.ip);
            let ends = match side {
                Side::Client => (client, server),
                Side::Server => (server, client),
            };
            let all = groups.entry(ends).or_default();
            all.group.add(
                &case,
                Some(storm.first),
                Some(Evidence::Packet(storm.packet)),
            );
            all.times = all.times.max(storm.times);
            all.stood = all.stood.max(storm.last.since(storm.first));
            all.dead += u64::from(stuck.is_some());
        }
    }
    groups
        .into_iter()
        .map(|(ends, storm)| tell(ends, storm))
        .collect()
}

fn is_storm(one: &Repeated) -> bool {
    one.times >= TIMES && one.last.since(one.first) >= Span::SECOND
}

fn tell((from, to): (IpAddr, IpAddr), storm: Storm) -> Finding {
    let end = if storm.dead > 0 {
        format!(", and {} of them never went on", storm.dead)
    } else {
        String::new()
    };
    let message = format!(
        "{from} sent the same segment to {to} up to {} times: {} stood still for up to {:.1} s{end}",
        storm.times,
        counted(storm.group.count, "connection"),
        storm.stood.as_seconds_f64(),
    );
    storm.group.finding(Words {
        code: RULE.code,
        severity: if storm.dead > 0 { Severity::Error } else { Severity::Warning },
        endpoint: None,
        message,
        not: format!("not a slow program on either side, and not a full window of {to}: the segment itself was not acknowledged"),
        next: format!("see whether {to} gets these packets (a capture there), and whether its acknowledgements get back"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, at, wire};
    use super::*;
    use crate::model::PacketNo;

    #[test]
    fn five_times_the_same_is_a_storm_and_three_are_not() {
        for (times, expected) in [(3, 0), (5, 1)] {
            let mut standing = wire(25, 0, "S1", "ShADadt");
            standing.passage.of_mut(Side::Server).stuck = Some(Repeated {
                length: 30,
                times,
                first: at(1),
                last: at(9),
                packet: PacketNo(4),
                duplicates: 0,
            });
            let mut scene = Scene::default();
            scene.add(standing);
            let found = scene.find(find);
            assert_eq!(found.len(), expected);
            assert!(
                found
                    .iter()
                    .all(|one| one.message.contains("never went on"))
            );
        }
    }
}
