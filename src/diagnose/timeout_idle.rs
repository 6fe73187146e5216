//! Connections that the server closed for silence.

use std::collections::BTreeMap;

use crate::model::{
    Ending, Endpoint, Evidence, Finding, Matter, Nanos, Role, Seen, Severity, Side, Span,
    WireSession,
};

use super::View;
use super::group::{Group, Words, counted, server};
use super::registry::Rule;
use super::view::{Case, End, ended_by, place, speaks_of};

pub(super) const RULE: Rule = Rule {
    code: "timeout-idle",
    about: "the server closed for silence",
    decided: "Sessions in which the server says so (421 with a timeout, BYE for inactivity), those whose log says so, and connections \
              that a server closed after all was answered and at least three seconds of silence, without an upgrade to another protocol or a tunnel.",
    example: "198.51.100.25 port 25 closed 2 connections of 192.0.2.10 for silence, after up to 300.0 s",
    find,
};

/// Silence after which the end is for silence.
const SILENCE: Span = Span::seconds(3);
/// Words that speak of silence.
const SILENT: [&str; 4] = ["timeout", "timed out", "inactiv", "idle"];
/// Segments sent again from which on a side spoke and was not heard.
const UNHEARD: u64 = 3;

fn find(view: View<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<(Option<Endpoint>, bool), (Group, Span)> = BTreeMap::new();
    for case in view.cases() {
        if let Some((said, silent, place)) = timed_out(&case) {
            let (group, longest) = groups.entry((case.server(), said)).or_default();
            let place = place.or(case.wire.map(closing));
            group.add(&case, case.wire.map(|wire| wire.end), place);
            *longest = (*longest).max(silent);
        }
    }
    groups
        .into_iter()
        .map(|((endpoint, said), (group, longest))| {
            let who = endpoint.map_or_else(|| "the server".into(), server);
            let after = if longest > Span::ZERO {
                format!(", after up to {:.1} s", longest.as_seconds_f64())
            } else {
                String::new()
            };
            let message = format!(
                "{who} closed {} of {} for silence{after}",
                counted(group.count, "connection"),
                group.sources()
            );
            group.finding(Words {
                code: RULE.code,
                // A kept connection that is closed without a word has done nobody harm.
                severity: if said { Severity::Warning } else { Severity::Info },
                endpoint,
                message,
                not: "not a fault of the network: the server's end came in order".into(),
                next: "see why the client stayed silent: it waits for something, or holds connections that it does not need".into(),
            })
        })
        .collect()
}

/// The packet by which the server closed, else the first of the connection.
fn closing(wire: &WireSession) -> Evidence {
    let closed = wire.passage.of(Side::Server).closed;
    Evidence::Packet(closed.map_or(wire.first_packet, |closed| closed.packet))
}

/// Whether the server says that it was for silence, how long that was, and where to see it.
fn timed_out(case: &Case<'_>) -> Option<(bool, Span, Option<Evidence>)> {
    // What was sent again and again was not silence.
    let unheard = |wire: &WireSession| {
        wire.counts
            .0
            .iter()
            .any(|one| one.retransmissions >= UNHEARD)
    };
    if case.wire.is_some_and(unheard) {
        return None;
    }
    let last = |at: fn(&crate::model::Exchange) -> Option<Nanos>| {
        case.joined.exchanges.iter().filter_map(at).max()
    };
    let silent = case
        .wire
        .zip(last(|exchange| {
            exchange.end.filter(|_| !says_timeout(exchange))
        }))
        .map_or(Span::ZERO, |(wire, last)| wire.end.since(last));
    if let Some(said) = said_timeout(case) {
        return Some((true, silent, said.place));
    }
    let wire = case.wire?;
    let orderly = ended_by(wire) == Some((Side::Server, End::Closed));
    let clear = wire.bursts.is_empty() && !wire.exchanges.is_empty();
    let answered = wire.exchanges.iter().all(|exchange| exchange.end.is_some());
    // What is said behind an upgrade or through a tunnel is no exchange.
    let other = wire.exchanges.iter().any(|exchange| {
        exchange.code.as_deref() == Some("101") || exchange.verb.as_str() == "CONNECT"
    });
    (orderly && clear && answered && !other && silent >= SILENCE).then_some((false, silent, None))
}

/// That a side closed for silence, by its own words or its log.
pub(super) struct SaidTimeout {
    pub(super) by: Side,
    pub(super) words: Option<String>,
    pub(super) place: Option<Evidence>,
    pub(super) seen: Seen,
}

/// Whether the server says that it closed for silence, or a log says so of its own side.
pub(super) fn said_timeout(case: &Case<'_>) -> Option<SaidTimeout> {
    let mut exchanges = case.about(&[Matter::Goodbye], |said| is_timeout(said.reply));
    if let Some(exchange) = exchanges.next() {
        return Some(SaidTimeout {
            by: Side::Server,
            words: exchange.response.clone(),
            place: place(&exchange),
            seen: exchange.seen,
        });
    }
    let mut remarks = case.wire.iter().flat_map(|wire| &wire.notes);
    // `a reply without a command, in packet 24: 421 4.4.2 Error: timeout exceeded`
    let remark = remarks.find_map(|note| {
        let (_, said) = note.split_once(": ")?;
        is_timeout(said).then_some(said)
    });
    let log = case.log.filter(|log| log.ending == Ending::Timeout);
    if remark.is_none() && log.is_none() {
        return None;
    }
    let told = case.notes().filter(|(text, _)| speaks_of(text, &SILENT));
    let (words, place) = told.last().unzip();
    let line = log.and_then(|log| log.events.last());
    Some(SaidTimeout {
        by: match log.map(|log| log.role) {
            Some(Role::Client) => Side::Client,
            Some(Role::Server) | None => Side::Server,
        },
        words: remark.or(words).map(str::to_owned),
        place: place.or(line.map(|event| Evidence::Line(event.line))),
        seen: match (remark, log) {
            (Some(_), None) => Seen::Wire,
            (Some(_), Some(_)) => Seen::Both,
            (None, _) => Seen::Log,
        },
    })
}

fn says_timeout(exchange: &crate::model::Exchange) -> bool {
    exchange.response.as_deref().is_some_and(is_timeout)
}

fn is_timeout(text: &str) -> bool {
    let starts = |word: &str| {
        let head = text.as_bytes().get(..word.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()))
    };
    ["421", "400 ", "* bye"].into_iter().any(starts) && speaks_of(text, &SILENT)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, at, exchange, wire};
    use super::*;

    #[test]
    fn a_word_of_the_server_counts_and_so_does_a_long_silence() {
        let mut said = wire(25, 0, "SF", "ShAdDafF");
        said.notes.push(
            "a reply without a command, in packet 24: 421 4.4.2 Error: timeout exceeded".into(),
        );
        let mut silent = wire(80, 20, "SF", "ShADadfF");
        silent
            .exchanges
            .push(exchange(20, "GET / HTTP/1.1", "HTTP/1.1 200 OK", 5));
        silent.end = at(30);
        let mut prompt = silent.clone();
        prompt.end = at(21);
        let mut upgraded = silent.clone();
        upgraded.exchanges[0].code = Some("101".into());
        let mut scene = Scene::default();
        for wire in [said, silent, prompt, upgraded] {
            scene.add(wire);
        }
        let found = scene.find(find);
        assert_eq!(found.len(), 2);
        assert_eq!(found.iter().map(|finding| finding.count).sum::<u64>(), 2);
    }
}
