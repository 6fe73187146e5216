//! Clients that hold sessions open and do nothing in them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{Endpoint, Evidence, Finding, Nanos, Severity, Side, Span, WireSession};

use super::View;
use super::group::{Group, Words, counted, server};
use super::registry::Rule;
use super::view::established;

pub(super) const RULE: Rule = Rule {
    code: "sessions-held",
    about: "a client holds several sessions open and does nothing in them",
    decided: "By client and server of SMTP, POP3, IMAP and NNTP: four sessions or more at once in which nothing was said for half a minute or longer, each \
              after its last reply. IMAP sessions in IDLE wait on purpose and are left out.",
    example: "192.0.2.10 held 5 sessions with 198.51.100.25 port 143 open at once and silent, for up to 40.0 s",
    find,
};

/// Silence that is no pause between two commands.
const SILENT: Span = Span::seconds(30);
/// Sessions at once that are more than a mail program needs for its folders.
const AT_ONCE: usize = 4;

fn find(view: View<'_>) -> Vec<Finding> {
    type Held<'a> = Vec<(super::view::Case<'a>, &'a WireSession, (Nanos, Nanos))>;
    let mut groups: BTreeMap<(IpAddr, Endpoint), Held<'_>> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        if let Some(silence) = silence(view, wire) {
            let key = (wire.conversation.client.ip, wire.conversation.server);
            groups.entry(key).or_default().push((case, wire, silence));
        }
    }
    let mut found = Vec::new();
    for ((client, endpoint), held) in groups {
        let spans: Vec<(Nanos, Nanos)> = held.iter().map(|(_, _, span)| *span).collect();
        let most = at_once(&spans);
        if most < AT_ONCE {
            continue;
        }
        let mut group = Group::default();
        for (case, wire, (from, _)) in &held {
            group.add(case, Some(*from), Some(Evidence::Packet(wire.first_packet)));
        }
        let longest = spans
            .iter()
            .map(|(from, to)| to.since(*from))
            .max()
            .unwrap_or(Span::ZERO);
        let message = format!(
            "{client} held {} with {} open at once and silent, for up to {:.1} s",
            counted(u64::try_from(most).unwrap_or(u64::MAX), "session"),
            server(endpoint),
            longest.as_seconds_f64()
        );
        found.push(group.finding(Words {
            code: RULE.code,
            severity: Severity::Info,
            endpoint: Some(endpoint),
            message,
            not: "not a server that does not answer: every request in them had its reply".into(),
            next: "set the client to fewer connections, or to close what it does not use; on the server, look at its limits for each client and its idle timeout".into(),
        }));
    }
    found
}

/// The longest stretch of a session in which nobody said anything, after a reply.
fn silence(view: View<'_>, wire: &WireSession) -> Option<(Nanos, Nanos)> {
    let mail = ["imap", "nntp", "pop3", "smtp"].contains(&wire.proto.0);
    let idles = wire
        .exchanges
        .iter()
        .any(|exchange| exchange.verb.as_str() == "IDLE");
    // Behind encryption nobody sees whether IMAP waits in IDLE; the others have no such command.
    let hidden = !wire.bursts.is_empty();
    if !mail || !established(wire) || idles || (hidden && wire.proto.0 == "imap") {
        return None;
    }
    let over = wire.history.contains(['F', 'f', 'R', 'r']);
    let end = if over { wire.end } else { view.end()? };
    if hidden {
        let next = wire.bursts.iter().skip(1).map(|burst| burst.start);
        return wire
            .bursts
            .iter()
            .zip(next.chain([end]))
            .filter(|(burst, _)| burst.side == Side::Server && !burst.damaged)
            .map(|(burst, next)| (burst.end, next))
            .filter(|(from, to)| to.since(*from) >= SILENT)
            .max_by_key(|(from, to)| to.since(*from));
    }
    let next = wire.exchanges.iter().skip(1).map(|exchange| exchange.start);
    wire.exchanges
        .iter()
        .zip(next.chain([Some(end)]))
        .filter_map(|(exchange, next)| Some((exchange.end?, next?)))
        .filter(|(from, to)| to.since(*from) >= SILENT)
        .max_by_key(|(from, to)| to.since(*from))
}

/// The most of some stretches that there are at one moment.
fn at_once(spans: &[(Nanos, Nanos)]) -> usize {
    let mut turns: Vec<(Nanos, bool)> = Vec::new();
    for (from, to) in spans {
        turns.extend([(*to, false), (*from, true)]);
    }
    // At one moment those that end come first.
    turns.sort_unstable();
    let (mut now, mut most) = (0usize, 0);
    for (_, begins) in turns {
        now = if begins {
            now + 1
        } else {
            now.saturating_sub(1)
        };
        most = most.max(now);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, at, exchange, wire};
    use super::*;
    use crate::model::Burst;

    #[test]
    fn four_at_once_are_held_and_idle_is_no_silence() {
        for (sessions, idle, expected) in [(4, false, 1), (3, false, 0), (4, true, 0)] {
            let mut scene = Scene::default();
            for second in 0..sessions {
                let mut imap = wire(143, second, "SF", "ShAdDaFf");
                imap.exchanges
                    .push(exchange(second, "a1 LOGIN x", "a1 OK", 1));
                if idle {
                    imap.exchanges.push(exchange(second, "a2 IDLE", "a2 OK", 1));
                }
                imap.end = at(second + 60);
                scene.add(imap);
            }
            assert_eq!(scene.find(find).len(), expected, "{sessions} {idle}");
        }
    }

    #[test]
    fn behind_tls_silence_is_seen_and_imap_may_idle() {
        for (port, expected) in [(110, 1), (143, 0)] {
            let mut scene = Scene::default();
            for second in 0..4 {
                let mut held = wire(port, second, "SF", "ShADadFf");
                held.end = at(second + 50);
                held.bursts.push(Burst {
                    side: Side::Server,
                    start: at(second + 1),
                    end: at(second + 1),
                    packet: crate::model::PacketNo(7),
                    records: 1,
                    parts: Vec::new(),
                    plaintext: 9,
                    damaged: false,
                });
                scene.add(held);
            }
            assert_eq!(scene.find(find).len(), expected, "{port}");
        }
    }
}
