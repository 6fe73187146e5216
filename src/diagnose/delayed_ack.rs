//! Nagle's algorithm against delayed acknowledgements.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{Endpoint, Evidence, Finding, Severity, Side, Span};

use super::View;
use super::group::{Group, Words, counted, listed, server, who};
use super::registry::Rule;

pub(super) const RULE: Rule = Rule {
    code: "delayed-ack",
    about: "one side waits for acknowledgements that the other holds back (Nagle against delayed ACK)",
    decided: "By server and side: three times or more in one connection that a side sent a segment, got a bare acknowledgement of all it had sent 30 to 300 ms \
              later than a round trip, and sent the rest within 5 ms and a round trip, so that it had waited for it (RFC 896, RFC 1122 §4.2.3.2).",
    example: "the client (192.0.2.10) waits for late acknowledgements of 198.51.100.25 port 25: 12 times 41 ms in 2 connections",
    find,
};

/// Waits within one connection that are no coincidence.
const TIMES: u64 = 3;

#[derive(Default)]
struct Waits {
    group: Group,
    times: u64,
    lasted: Span,
    clients: Vec<IpAddr>,
}

fn find(view: View<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<(Endpoint, Side), Waits> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        for side in [Side::Client, Side::Server] {
            let way = wire.passage.of(side);
            if way.delayed < TIMES {
                continue;
            }
            let waits = groups.entry((wire.conversation.server, side)).or_default();
            waits
                .group
                .add(&case, None, Some(Evidence::Packet(wire.first_packet)));
            waits.times += way.delayed;
            waits.lasted = waits.lasted + way.delay;
            waits.clients.push(wire.conversation.client.ip);
        }
    }
    groups
        .into_iter()
        .map(|((endpoint, side), waits)| tell(endpoint, side, waits))
        .collect()
}

fn tell(endpoint: Endpoint, side: Side, mut waits: Waits) -> Finding {
    waits.clients.sort_unstable();
    waits.clients.dedup();
    let clients = listed(&waits.clients);
    let (waiting, holding) = match side {
        Side::Client => (format!("the client ({clients})"), server(endpoint)),
        Side::Server => (server(endpoint), format!("the client ({clients})")),
    };
    let times = i64::try_from(waits.times).unwrap_or(i64::MAX).max(1);
    let message = format!(
        "{waiting} waits for late acknowledgements of {holding}: {} times {:.0} ms in {}",
        waits.times,
        Span(waits.lasted.0 / times).as_millis_f64(),
        counted(waits.group.count, "connection"),
    );
    waits.group.finding(Words {
        code: RULE.code,
        severity: Severity::Warning,
        endpoint: Some(endpoint),
        message,
        not: "not the network and not a server that thinks: the rest follows the bare acknowledgement at once".into(),
        next: format!(
            "have the {} send a request in one piece, or switch Nagle's algorithm off there (TCP_NODELAY)",
            who(side)
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, wire};
    use super::*;

    #[test]
    fn three_waits_are_told_and_two_are_not() {
        for (times, expected) in [(2, 0), (3, 1)] {
            let mut slow = wire(25, 0, "SF", "ShADadFf");
            let way = slow.passage.of_mut(Side::Client);
            (way.delayed, way.delay) = (times, Span::millis(40 * 3));
            let mut scene = Scene::default();
            scene.add(slow);
            let found = scene.find(find);
            assert_eq!(found.len(), expected);
            assert!(
                found
                    .iter()
                    .all(|one| one.message.contains("3 times 40 ms"))
            );
        }
    }
}
