//! Clients that ask for mail too often.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{Endpoint, Finding, Nanos, Proto, Seen, Severity, Span};

use super::View;
use super::group::{Group, Words, server};
use super::registry::Rule;
use super::rhythm::Rhythm;
use super::view::{Case, place};

pub(super) const RULE: Rule = Rule {
    code: "polling-too-often",
    about: "a mailbox is asked for news too often, with period and count",
    decided: "Four or more POP3 sessions of one client and user that log in and fetch nothing, half a minute apart or less; and IMAP sessions \
              that ask NOOP, CHECK, STATUS or SELECT five times or more at such pauses and never use IDLE.",
    example: "user2 at 192.0.2.10 asks 198.51.100.25 port 110 for mail every 2.0 s, 8 times, and finds none",
    find,
};

/// Sessions, and questions within one session, from which on it is polling.
const SESSIONS: usize = 4;
const QUESTIONS: usize = 5;
/// Pauses up to which it is too often: mail programs ask once a minute at most.
const OFTEN: Span = Span::seconds(30);

fn find(view: View<'_>) -> Vec<Finding> {
    let mut findings = sessions(view);
    findings.extend(view.cases().filter_map(|case| within(&case)));
    findings
}

/// POP3 clients that come back.
fn sessions(view: View<'_>) -> Vec<Finding> {
    let mut polls: BTreeMap<(IpAddr, Endpoint, &str), Vec<Case<'_>>> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        if let Some(user) = case.name().filter(|_| found_nothing(&case)) {
            let key = (wire.conversation.client.ip, wire.conversation.server, user);
            polls.entry(key).or_default().push(case);
        }
    }
    polls
        .into_iter()
        .filter_map(|((client, endpoint, user), cases)| {
            let cases = one_by_one(cases);
            let starts = cases.iter().filter_map(Case::start).collect();
            let rhythm = Rhythm::of(starts)
                .filter(|rhythm| rhythm.times >= SESSIONS && rhythm.pause <= OFTEN)?;
            let mut group = Group::default();
            for case in &cases {
                group.add(case, None, case.joined.exchanges.last().and_then(place));
            }
            let message = format!(
                "{user} at {client} asks {} for mail every {:.1} s, {} times, and finds none",
                server(endpoint),
                rhythm.pause.as_seconds_f64(),
                rhythm.times
            );
            Some(group.finding(words(endpoint, message)))
        })
        .collect()
}

/// Sessions that each began when the one before it was over: several that are open at once do not ask again.
fn one_by_one(mut cases: Vec<Case<'_>>) -> Vec<Case<'_>> {
    cases.sort_by_key(Case::start);
    let mut over = None;
    cases.retain(|case| {
        let again = case.start() >= over;
        if again {
            over = case.wire.map(|wire| wire.end);
        }
        again
    });
    cases
}

/// Whether a POP3 session logged in and fetched nothing; where requests are hidden, by the log's count.
fn found_nothing(case: &Case<'_>) -> bool {
    let is_pop3 = case.wire.is_some_and(|wire| wire.proto == Proto("pop3"));
    let verbs = || case.joined.exchanges.iter();
    let logged_in = verbs().any(|exchange| {
        ["PASS", "APOP", "AUTH"].contains(&exchange.verb.as_str())
            && exchange.code.as_deref() == Some("+OK")
    });
    let hidden = verbs().any(|exchange| exchange.seen == Seen::Inferred);
    let fetched = case.log.and_then(|log| log.rare().fetched);
    is_pop3
        && logged_in
        && (!hidden || fetched.is_some_and(|fetched| fetched.messages == 0))
        && verbs().all(|exchange| !["RETR", "TOP"].contains(&exchange.verb.as_str()))
}

/// An IMAP client that asks again and again in one session.
fn within(case: &Case<'_>) -> Option<Finding> {
    let wire = case.wire.filter(|wire| wire.proto == Proto("imap"))?;
    let exchanges = &case.joined.exchanges;
    let idles = exchanges
        .iter()
        .any(|exchange| exchange.verb.as_str() == "IDLE");
    let questions: Vec<_> = exchanges
        .iter()
        .filter(|exchange| ["NOOP", "CHECK", "STATUS", "SELECT"].contains(&exchange.verb.as_str()))
        .collect();
    let moments: Vec<Nanos> = questions
        .iter()
        .filter_map(|exchange| exchange.start)
        .collect();
    let rhythm = Rhythm::of(moments).filter(|rhythm| {
        let spaced = rhythm.pause >= Span::millis(200) && rhythm.pause <= OFTEN;
        !idles && rhythm.times >= QUESTIONS && spaced
    })?;
    let mut group = Group::default();
    for exchange in questions {
        group.add(case, exchange.start, place(exchange));
    }
    let message = format!(
        "{} asks {} for news every {:.1} s, {} times, without IDLE",
        wire.conversation.client.ip,
        server(wire.conversation.server),
        rhythm.pause.as_seconds_f64(),
        rhythm.times
    );
    Some(group.finding(words(wire.conversation.server, message)))
}

fn words(endpoint: Endpoint, message: String) -> Words {
    Words {
        code: RULE.code,
        severity: Severity::Warning,
        endpoint: Some(endpoint),
        message,
        not: "not a fault of the server: it answers each time, and there is nothing new".into(),
        next:
            "set the client to ask less often, or to IMAP with IDLE, by which the server tells it"
                .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, exchange, wire};
    use super::*;
    use crate::model::{LogId, LogSession, LoggedFetch};

    fn poll(second: i64, fetch: bool) -> crate::model::WireSession {
        let mut wire = wire(110, second, "SF", "ShAdDaFf");
        wire.names.push("user2".into());
        wire.exchanges
            .push(exchange(second, "PASS ***", "+OK Logged in.", 1));
        if fetch {
            wire.exchanges.push(exchange(second, "RETR 1", "+OK", 1));
        }
        wire
    }

    #[test]
    fn only_who_comes_often_and_finds_nothing_polls() {
        for (pause, fetch, expected) in [(2, false, 1), (2, true, 0), (300, false, 0)] {
            let mut scene = Scene::default();
            (0..6).for_each(|n| scene.add(poll(pause * n, fetch)));
            assert_eq!(scene.find(find).len(), expected, "{pause} {fetch}");
        }
    }

    #[test]
    fn sessions_that_are_open_at_once_do_not_ask_again() {
        let mut scene = Scene::default();
        for n in 0..6 {
            let mut held = poll(n, false);
            held.end = held.end + Span::seconds(33);
            scene.add(held);
        }
        assert!(scene.find(find).is_empty());
    }

    #[test]
    fn what_hidden_requests_fetched_only_the_log_says() {
        for (messages, expected) in [(None, 0), (Some(1), 0), (Some(0), 1)] {
            let mut scene = Scene::default();
            for n in 0..6 {
                let mut wire = poll(2 * n, false);
                let mut hidden = exchange(2 * n, "", "", 1);
                hidden.seen = Seen::Inferred;
                wire.exchanges.push(hidden);
                let mut log = LogSession::new(LogId(0), Proto("pop3"));
                log.names.push("user2".to_owned());
                log.rare_mut().fetched = messages.map(|messages| LoggedFetch {
                    messages,
                    octets: 0,
                    deleted: 0,
                });
                scene.add_both(wire, log);
            }
            assert_eq!(scene.find(find).len(), expected, "{messages:?}");
        }
    }

    #[test]
    fn imap_with_idle_does_not_poll() {
        for (idle, expected) in [(false, 1), (true, 0)] {
            let mut imap = wire(143, 0, "SF", "ShAdDaFf");
            for n in 0..6 {
                imap.exchanges.push(exchange(
                    n,
                    &format!("a{n} NOOP"),
                    &format!("a{n} OK done"),
                    1,
                ));
            }
            if idle {
                imap.exchanges.push(exchange(9, "a9 IDLE", "a9 OK done", 1));
            }
            let mut scene = Scene::default();
            scene.add(imap);
            assert_eq!(scene.find(find).len(), expected);
        }
    }
}
