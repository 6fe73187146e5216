//! Clients that keep a ready server waiting.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{Evidence, Finding, Nanos, Severity, Side, Span, WireSession};

use super::View;
use super::group::{Group, Words, counted, server};
use super::registry::Rule;
use super::shares::stopped_reading;
use super::view::Case;

pub(super) const RULE: Rule = Rule {
    code: "slow-client",
    about: "the client pauses between commands or stops reading, with its share of the time",
    decided: "SMTP sessions in which the pauses between a reply and the next command are three or more of a second each and make up half the \
              time; and connections in which the client's receive window was closed for a second or more in all.",
    example: "192.0.2.10 pauses between commands: 12.1 of 12.3 s in 2 sessions",
    find,
};

/// A pause that no program needs.
const PAUSE: Span = Span::seconds(1);
/// Pauses that are a habit.
const TIMES: usize = 3;

#[derive(Default)]
struct Slow {
    group: Group,
    paused: Span,
    lasted: Span,
}

fn find(view: View<'_>) -> Vec<Finding> {
    let mut pausing: BTreeMap<IpAddr, Slow> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        let client = wire.conversation.client.ip;
        if let Some(paused) = pauses(&case, wire) {
            let slow = pausing.entry(client).or_default();
            let place = Evidence::Packet(wire.first_packet);
            slow.group.add(&case, None, Some(place));
            slow.paused = slow.paused + paused;
            slow.lasted = slow.lasted + wire.end.since(wire.start);
        }
    }
    let pausing = pausing.into_iter().map(|(client, slow)| {
        let sessions = u64::try_from(slow.group.sessions()).unwrap_or(u64::MAX);
        let message = format!(
            "{client} pauses between commands: {:.1} of {:.1} s in {}",
            slow.paused.as_seconds_f64(),
            slow.lasted.as_seconds_f64(),
            counted(sessions, "session")
        );
        slow.group
            .finding(words(message, "not the server: its replies had come"))
    });
    let stalled =
        stopped_reading(view, Side::Client)
            .into_iter()
            .map(|(endpoint, (group, closed))| {
                let message = format!(
                    "{} stopped reading from {}: its receive window was closed for {:.1} s in {}",
                    group.sources(),
                    server(endpoint),
                    closed.as_seconds_f64(),
                    counted(group.count, "connection")
                );
                group.finding(words(
                    message,
                    "not the network and not the server: the client asked it to stop sending",
                ))
            });
    pausing.chain(stalled).collect()
}

fn words(message: String, not: &str) -> Words {
    Words {
        code: RULE.code,
        severity: Severity::Warning,
        endpoint: None,
        message,
        not: not.to_owned(),
        next: "see what keeps the client busy: a virus scanner, its disk, or a program that does one thing at a time".into(),
    }
}

/// Time that an SMTP client let pass between replies and its next commands, where that is most of the session.
fn pauses(case: &Case<'_>, wire: &WireSession) -> Option<Span> {
    if wire.proto.0 != "smtp" {
        return None;
    }
    let exchanges = &case.joined.exchanges;
    let long: Vec<Span> = exchanges
        .iter()
        .zip(exchanges.iter().skip(1))
        .filter_map(|(one, next)| pause(one.end?, next.start?))
        .collect();
    let all = long.iter().fold(Span::ZERO, |all, &one| all + one);
    let lasted = wire.end.since(wire.start);
    (long.len() >= TIMES && all.is_half_of(lasted)).then_some(all)
}

fn pause(answered: Nanos, next: Nanos) -> Option<Span> {
    let pause = next.since(answered);
    (pause >= PAUSE).then_some(pause)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, at, exchange, wire};
    use super::*;

    #[test]
    fn pauses_of_a_client_are_told_and_a_quick_one_is_not() {
        for (pause, expected) in [(2, 1), (0, 0)] {
            let mut slow = wire(25, 0, "SF", "ShAdDaFf");
            for n in 0..5 {
                slow.exchanges
                    .push(exchange(pause * n, "NOOP", "250 Ok", 1));
            }
            slow.end = at(9);
            let mut scene = Scene::default();
            scene.add(slow);
            assert_eq!(scene.find(find).len(), expected);
        }
    }

    #[test]
    fn a_closed_window_is_the_readers_fault() {
        for (millis, expected) in [(200, 0), (4000, 1)] {
            let mut stalled = wire(80, 0, "SF", "ShADadtWfF");
            stalled.end = at(5);
            stalled.counts.of_mut(Side::Client).window_closed = Span::millis(millis);
            let mut scene = Scene::default();
            scene.add(stalled);
            let found = scene.find(find);
            assert_eq!(found.len(), expected);
            assert!(
                found
                    .iter()
                    .all(|one| one.message.contains("closed for 4.0 s"))
            );
        }
    }
}
