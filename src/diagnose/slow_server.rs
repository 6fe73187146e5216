//! Servers that take long to answer.

use std::collections::BTreeMap;

use crate::align::Said;
use crate::model::{Endpoint, Exchange, Finding, Nanos, Severity, Side, Span};

use super::View;
use super::group::{Group, Words, counted, server};
use super::login_refused::{is_accepted, is_refused};
use super::registry::Rule;
use super::shares::{is_smooth, percentile, round_trip, stopped_reading};
use super::view::place;

pub(super) const RULE: Rule = Rule {
    code: "slow-server",
    about: "the server itself takes long to answer, by command, with percentiles",
    decided: "Response times less the round trip of the handshake, in sessions without retransmissions and holes, from the request or the reply before it, whichever came later. Three or more replies to one \
              command, a fifth of them at least, that took a second or more. Left out are logins, which servers delay on purpose (see slow-login), commands that wait by \
              design (IDLE), replies that tell of a timeout, and transfers. And connections in which the server's receive window was closed for a second or more in all.",
    example: "198.51.100.25 port 25 took a second or more for 4 of 4 replies to RCPT: median 2.003 s, 95th percentile 2.011 s; the round trip takes 0.2 ms",
    find,
};

/// Requests that nobody read.
const HIDDEN: &str = "hidden requests";
/// What a person notices.
const SLOW: Span = Span::seconds(1);
/// Replies that must be slow, and of how many one.
const TIMES: usize = 3;
const OF: usize = 5;

#[derive(Default)]
struct Replies {
    group: Group,
    thought: Vec<Span>,
    trips: Vec<Span>,
    slow: usize,
}

fn find(view: View<'_>) -> Vec<Finding> {
    let mut found = thinking(view);
    found.extend(not_reading(view));
    found
}

/// Servers that do not read what comes.
fn not_reading(view: View<'_>) -> impl Iterator<Item = Finding> {
    stopped_reading(view, Side::Server).into_iter().map(|(endpoint, (group, closed))| {
        let message = format!(
            "{} stopped reading: its receive window was closed for {:.1} s in {}",
            server(endpoint),
            closed.as_seconds_f64(),
            counted(group.count, "connection"),
        );
        group.finding(Words {
            code: RULE.code,
            severity: Severity::Warning,
            endpoint: Some(endpoint),
            message,
            not: "not the network and not the client: the server asked it to stop sending".into(),
            next: "see what keeps the server from reading: its disk, a content filter before the queue, or too few processes".into(),
        })
    })
}

/// Servers that think long.
fn thinking(view: View<'_>) -> Vec<Finding> {
    let mut by_command: BTreeMap<(Endpoint, String), Replies> = BTreeMap::new();
    for (case, wire) in view.on_wire().filter(|(_, wire)| is_smooth(wire)) {
        let trip = round_trip(wire).unwrap_or(Span::ZERO);
        let mut ends: Vec<Nanos> = case
            .joined
            .exchanges
            .iter()
            .filter_map(|one| one.end)
            .collect();
        ends.sort_unstable();
        for exchange in &case.joined.exchanges {
            let Some(taken) = taken(exchange, &ends).filter(|_| counts(exchange)) else {
                continue;
            };
            let key = (wire.conversation.server, named(exchange));
            let replies = by_command.entry(key).or_default();
            let thought = taken - trip;
            replies.thought.push(thought);
            replies.trips.push(trip);
            if thought >= SLOW {
                replies.slow += 1;
                replies.group.add(&case, exchange.start, place(exchange));
            }
        }
    }
    by_command
        .into_iter()
        .filter(|(_, replies)| replies.slow >= TIMES && replies.slow * OF >= replies.thought.len())
        .map(|((endpoint, verb), replies)| tell(endpoint, &verb, replies))
        .collect()
}

/// How long the server took: what is asked before the last of its replies (`ends`, in order) is not begun before that.
fn taken(exchange: &Exchange, ends: &[Nanos]) -> Option<Span> {
    let (asked, answered) = (exchange.asked?, exchange.answered?);
    let before = ends.partition_point(|end| *end <= answered);
    // Its own end is among them where it is but a moment.
    let own = usize::from(exchange.end == Some(answered));
    let last = before.checked_sub(1 + own).and_then(|at| ends.get(at));
    Some(answered.since(last.map_or(asked, |last| asked.max(*last))))
}

fn tell(endpoint: Endpoint, verb: &str, mut replies: Replies) -> Finding {
    let all = u64::try_from(replies.thought.len()).unwrap_or(u64::MAX);
    let message = format!(
        "{} took a second or more for {} of {} to {verb}: median {:.3} s, 95th percentile {:.3} s; the round trip takes {:.1} ms",
        server(endpoint),
        replies.slow,
        counted(all, "reply"),
        percentile(&mut replies.thought, 50).as_seconds_f64(),
        percentile(&mut replies.thought, 95).as_seconds_f64(),
        percentile(&mut replies.trips, 50).as_millis_f64(),
    );
    replies.group.finding(Words {
        code: RULE.code,
        // A request that nobody read may be one that waits by design.
        severity: if verb == HIDDEN { Severity::Info } else { Severity::Warning },
        endpoint: Some(endpoint),
        message,
        not: "not the network: nothing was lost, and the round trip is taken off".into(),
        next: "see what the server waits for at this command: a name look-up, a policy service, a filter, a database or its disk".into(),
    })
}

/// What a command is called; hidden ones have no name.
fn named(exchange: &Exchange) -> String {
    match exchange.verb.as_str() {
        "" => HIDDEN.into(),
        crate::model::Verb::BODY => "a message".into(),
        // What a web server is slow with is a page.
        "GET" | "HEAD" | "POST" => {
            let page = exchange
                .request
                .split(['?', ' '])
                .nth(1)
                .unwrap_or_default();
            format!("{} {page}", exchange.verb)
        }
        verb => verb.to_owned(),
    }
}

fn counts(exchange: &Exchange) -> bool {
    let waits = ["IDLE"].contains(&exchange.verb.as_str());
    let timed_out = exchange.code.as_deref() == Some("421");
    !waits
        && !timed_out
        && !is_refused(Said::by(exchange))
        && !is_accepted(Said::by(exchange))
        && exchange.notes.is_empty()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, at, exchange, wire};
    use super::*;

    fn scene(millis: i64, retransmissions: u64) -> Scene {
        let mut scene = Scene::default();
        for second in 0..4 {
            let mut wire = wire(25, second, "SF", "ShAdDaFf");
            wire.exchanges.push(exchange(
                second,
                "RCPT TO:<a@example.com>",
                "250 Ok",
                millis,
            ));
            wire.counts.0[1].retransmissions = retransmissions;
            scene.add(wire);
        }
        scene
    }

    #[test]
    fn long_thought_is_told_and_loss_excuses() {
        let found = scene(2000, 0).find(find);
        assert!(
            found[0]
                .message
                .contains("4 of 4 replies to RCPT: median 2.000 s"),
            "{}",
            found[0].message
        );
        assert!(scene(2000, 2).find(find).is_empty());
        assert!(scene(300, 0).find(find).is_empty());
    }

    #[test]
    fn a_server_that_stops_reading_is_told() {
        for (millis, expected) in [(300, 0), (1500, 1)] {
            let mut shut = wire(25, 0, "SF", "ShAdDaFf");
            shut.counts.of_mut(Side::Server).window_closed = Span::millis(millis);
            let mut scene = Scene::default();
            scene.add(shut);
            assert_eq!(scene.find(find).len(), expected);
        }
    }

    #[test]
    fn what_was_asked_before_the_greeting_or_the_reply_before_waits_for_these() {
        let mut scene = Scene::default();
        for second in [0, 20, 40] {
            let mut early = wire(25, second, "SF", "ShADadFf");
            let mut greeting = exchange(second, "", "220 ready", 0);
            (greeting.asked, greeting.start) = (None, None);
            greeting.end = Some(at(second + 5));
            greeting.answered = greeting.end;
            early.exchanges.push(greeting);
            early
                .exchanges
                .push(exchange(second, "EHLO x", "250 ok", 5001));
            early
                .exchanges
                .push(exchange(second, "MAIL x", "250 ok", 5002));
            scene.add(early);
        }
        assert!(scene.find(find).is_empty());
    }
}
