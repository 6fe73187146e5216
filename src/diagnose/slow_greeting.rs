//! Servers that make clients wait for their greeting.

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{Endpoint, Finding, Nanos, Severity, Span, WireSession};

use super::View;
use super::group::{Group, Words, counted, listed, server};
use super::registry::Rule;
use super::shares::{percentile, round_trip};
use super::view::{Case, place};

pub(super) const RULE: Rule = Rule {
    code: "slow-greeting",
    about: "the server takes long before its greeting, told from how long it thinks later",
    decided: "By server: two or more greetings in the clear (SMTP, POP3, IMAP, NNTP), half of all at least, that came a second or more after the handshake and \
              took five times the median of the later replies. Look-ups of the client's address (PTR) and connections to its port 113 (ident, RFC 1413) \
              that the server made meanwhile are named.",
    example: "198.51.100.25 port 25 greets late: 3 of 3 greetings took 5.0 s (median), its other replies 0.4 ms; meanwhile it asked port 113 of 192.0.2.10 (ident) without an answer",
    find,
};

/// What a person notices.
const LATE: Span = Span::seconds(1);
/// From here on clients give up or fall behind.
const VERY_LATE: Span = Span::seconds(3);
const TIMES: usize = 2;
/// How much longer than other replies.
const LONGER: i64 = 5;

#[derive(Default)]
struct Greetings {
    group: Group,
    late: Vec<Span>,
    all: usize,
    others: Vec<Span>,
    meanwhile: Vec<String>,
}

fn find(view: View<'_>) -> Vec<Finding> {
    let asked = LazyCell::new(|| by_client(view));
    let mut servers: BTreeMap<Endpoint, Greetings> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        let Some(greeting) = wire.exchanges.first().filter(|one| one.verb.is_greeting()) else {
            continue;
        };
        let (Some(taken), Some(greeted)) = (wire.handshake.ack, greeting.answered) else {
            continue;
        };
        let trip = round_trip(wire).unwrap_or(Span::ZERO);
        let greetings = servers.entry(wire.conversation.server).or_default();
        greetings.all += 1;
        let replies = wire.exchanges.iter().skip(1);
        greetings
            .others
            .extend(replies.filter_map(crate::model::Exchange::response_time));
        let waited = greeted.since(taken) - trip;
        if waited >= LATE && wire.counts.0.iter().all(|one| one.retransmissions == 0) {
            greetings.late.push(waited);
            greetings.group.add(&case, Some(taken), place(greeting));
            if let Some((words, part)) = meanwhile(&asked, wire, (taken, greeted)) {
                greetings.group.include(&part);
                greetings.meanwhile.push(words);
            }
        }
    }
    servers
        .into_iter()
        .filter_map(|(endpoint, greetings)| tell(endpoint, greetings))
        .collect()
}

/// Conversations by who began them, in order.
type Asked<'a> = BTreeMap<IpAddr, Vec<(Case<'a>, &'a WireSession)>>;

fn by_client(view: View<'_>) -> Asked<'_> {
    let mut asked = Asked::new();
    for (case, wire) in view.on_wire() {
        let of = asked.entry(wire.conversation.client.ip).or_default();
        of.push((case, wire));
    }
    asked
}

/// What the server asked others while the client waited, in words and where.
fn meanwhile<'a>(
    asked: &Asked<'a>,
    wire: &WireSession,
    (from, to): (Nanos, Nanos),
) -> Option<(String, Case<'a>)> {
    let (client, server) = (wire.conversation.client.ip, wire.conversation.server.ip);
    let during = |at: Nanos| at >= from && at <= to;
    let how = |answered: bool| if answered { "" } else { " without an answer" };
    let others = asked.get(&server).map(Vec::as_slice).unwrap_or_default();
    others
        .iter()
        .filter(|(_, other)| other.start <= to)
        .find_map(|&(case, other)| {
            let ident = other.conversation.server.ip == client
                && other.conversation.server.port == 113
                && during(other.start);
            if ident {
                let how = how(other.history.contains(['h', 'r']));
                return Some((format!("asked port 113 of {client} (ident){how}"), case));
            }
            let lookup = other.lookups.iter().find(|lookup| {
                lookup.name.rsplit('.').next() == Some("arpa") && during(lookup.asked)
            })?;
            // Only what took most of the time explains it.
            let took = lookup.answered.unwrap_or(to).since(lookup.asked);
            let how = how(lookup.answered.is_some());
            took.is_half_of(to.since(from))
                .then(|| (format!("looked up {}{how}", lookup.name), case))
        })
}

fn tell(endpoint: Endpoint, mut greetings: Greetings) -> Option<Finding> {
    let times = greetings.late.len();
    let median = percentile(&mut greetings.late, 50);
    let later = percentile(&mut greetings.others, 50);
    if times < TIMES || times * 2 < greetings.all || median.0 < later.0.saturating_mul(LONGER) {
        return None;
    }
    let then = if greetings.others.is_empty() {
        String::new()
    } else {
        format!(", its other replies {:.1} ms", later.as_millis_f64())
    };
    greetings.meanwhile.sort_unstable();
    greetings.meanwhile.dedup();
    let why = if greetings.meanwhile.is_empty() {
        String::new()
    } else {
        format!("; meanwhile it {}", listed(&greetings.meanwhile))
    };
    let all = u64::try_from(greetings.all).unwrap_or(u64::MAX);
    let message = format!(
        "{} greets late: {times} of {} took {:.1} s (median){then}{why}",
        server(endpoint),
        counted(all, "greeting"),
        median.as_seconds_f64(),
    );
    let next = if greetings.meanwhile.is_empty() {
        "see what the server does before it greets: look-ups of the client's name (PTR), ident, block lists, or a pause against junk senders (postscreen, greet_pause)"
    } else {
        "mend what it waits for, or switch that look-up off"
    };
    Some(greetings.group.finding(Words {
        code: RULE.code,
        severity: if median >= VERY_LATE {
            Severity::Warning
        } else {
            Severity::Info
        },
        endpoint: Some(endpoint),
        message,
        not: "not the network: nothing was lost, and the host had taken the connection".into(),
        next: next.into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, at, exchange, wire};
    use super::*;

    fn greeted(second: i64, millis: i64) -> WireSession {
        let mut wire = wire(25, second, "SF", "ShAdDaFf");
        wire.handshake.ack = Some(at(second));
        wire.exchanges.push(exchange(second, "", "220 hi", millis));
        wire.exchanges
            .push(exchange(second + 5, "EHLO a", "250 ok", 1));
        wire
    }

    #[test]
    fn late_greetings_are_told_with_what_the_server_did_meanwhile() {
        let mut scene = Scene::default();
        scene.add(greeted(0, 5000));
        scene.add(greeted(9, 5000));
        let mut ident = wire(113, 1, "S0", "S");
        std::mem::swap(
            &mut ident.conversation.client.ip,
            &mut ident.conversation.server.ip,
        );
        scene.add(ident);
        let found = scene.find(find);
        assert!(
            found[0]
                .message
                .ends_with("meanwhile it asked port 113 of 192.0.2.10 (ident) without an answer"),
            "{}",
            found[0].message
        );
    }

    #[test]
    fn quick_ones_and_a_server_that_is_slow_throughout_are_none() {
        let mut scene = Scene::default();
        (0..3).for_each(|n| scene.add(greeted(n, 300)));
        assert!(scene.find(find).is_empty());
        let mut scene = Scene::default();
        for n in 0..3 {
            let mut slow = greeted(n * 9, 2000);
            slow.exchanges
                .push(exchange(n * 9 + 5, "NOOP", "250 ok", 2000));
            slow.exchanges
                .push(exchange(n * 9 + 8, "NOOP", "250 ok", 2000));
            scene.add(slow);
        }
        assert!(scene.find(find).is_empty());
    }
}
