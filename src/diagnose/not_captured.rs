//! Sessions of the logs that the capture has no packet of.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{
    Evidence, Finding, LogId, LogSession, Nanos, Proto, Severity, Span, WireSession,
};

use super::View;
use super::group::{Group, Words, counted, listed};
use super::registry::Rule;
use super::spans::Spans;
use super::unmatched::pairs;

pub(super) const RULE: Rule = Rule {
    code: "not-captured",
    about: "sessions in a log, in the time of the capture, of which it has no packet",
    decided: "By log whose clock is known: three or more sessions that lie within the capture's time, more than the clock's bound away from its ends, and that no \
              conversation on the wire can be: not one of that protocol at that time that is in no log. Clients that the capture has otherwise tell a hole in it from a way that does not pass it.",
    example: "postfix.log has 31 sessions of 2 clients of which the capture has no packet, of 229: 192.0.2.10, 192.0.2.20",
    find,
};

/// Sessions from which on it is no slip of the comparison.
const SESSIONS: u64 = 3;

#[derive(Default)]
struct Missing {
    group: Group,
    all: u64,
    peers: BTreeSet<IpAddr>,
}

fn find(view: View<'_>) -> Vec<Finding> {
    let seen: BTreeSet<IpAddr> = view
        .wires
        .iter()
        .flat_map(WireSession::named_clients)
        .collect();
    let unjoined = Unjoined::of(view);
    let elsewhere: BTreeSet<usize> = pairs(view).iter().map(|pair| pair.row).collect();
    let mut by_log: BTreeMap<LogId, Missing> = BTreeMap::new();
    for case in view.cases() {
        let Some(log) = case.log else {
            continue;
        };
        let Some((first, last)) = within(view, log) else {
            continue;
        };
        let missing = by_log.entry(log.log).or_default();
        missing.all += 1;
        let none = case.wire.is_none()
            && case.joined.candidates.is_empty()
            && !elsewhere.contains(&case.number);
        if none && !unjoined.may_be(log.proto, first, last) {
            let line = log.events.first().map(|event| Evidence::Line(event.line));
            missing.group.add(&case, Some(first), line);
            missing.peers.extend(log.peer);
        }
    }
    by_log
        .into_iter()
        .filter(|(_, missing)| missing.group.count >= SESSIONS)
        .filter_map(|(id, missing)| tell(view, id, missing, &seen))
        .collect()
}

/// Conversations on the wire that are in no log, as far as is known: each may be one that a log tells of.
struct Unjoined(BTreeMap<Proto, Spans>);

impl Unjoined {
    /// Time by which the two views of a session may differ beside the clock's bound.
    const AROUND: Span = Span::seconds(2);

    fn of(view: View<'_>) -> Self {
        let mut spans: BTreeMap<Proto, Vec<(Nanos, Nanos)>> = BTreeMap::new();
        for (case, wire) in view.on_wire() {
            if case.joined.logs.is_empty() && wire.lookups.is_empty() {
                spans
                    .entry(wire.proto)
                    .or_default()
                    .push((wire.start, wire.end));
            }
        }
        let spans = spans.into_iter();
        Self(spans.map(|(proto, all)| (proto, Spans::of(all))).collect())
    }

    /// Whether a session of `proto` between two moments may be one of them. Its address tells nothing: it may be translated.
    fn may_be(&self, proto: Proto, first: Nanos, last: Nanos) -> bool {
        let (from, to) = (first - Self::AROUND, last + Self::AROUND);
        [proto, Proto::UNKNOWN]
            .iter()
            .filter_map(|one| self.0.get(one))
            .any(|spans| spans.meet(from, to))
    }
}

/// First and last moment of a logged session on the capture's clock, where it surely lies in the capture's time.
fn within(view: View<'_>, log: &LogSession) -> Option<(Nanos, Nanos)> {
    let clock = view
        .alignment
        .clocks
        .iter()
        .find(|clock| clock.log == log.log)?;
    let (first, last) = log.stamps()?;
    let (first, last) = (clock.to_capture(first.at), clock.to_capture(last.at));
    let slack = clock.bound + clock.resolution;
    let begin = view
        .captures
        .iter()
        .filter_map(|source| source.first)
        .min()?;
    (first.since(begin) > slack && view.end()?.since(last) > slack).then_some((first, last))
}

fn tell(view: View<'_>, id: LogId, missing: Missing, seen: &BTreeSet<IpAddr>) -> Option<Finding> {
    let file = &view.sources.iter().find(|source| source.id == id)?.file;
    let peers = u64::try_from(missing.peers.len()).unwrap_or(u64::MAX);
    let message = format!(
        "{file} has {} of {} of which the capture has no packet, of {}: {}",
        counted(missing.group.count, "session"),
        counted(peers, "client"),
        missing.all,
        listed(&missing.peers),
    );
    let known = missing.peers.iter().any(|peer| seen.contains(peer));
    let (not, next) = if known {
        (
            "not another way alone: the capture has other packets of some of these clients",
            "see whether the capture lost packets, or was started with a filter or on one of several interfaces",
        )
    } else {
        (
            "not a hole in the capture: it has nothing of these clients at all",
            "capture where these clients pass too: their way, or an address translation, lies elsewhere",
        )
    };
    Some(missing.group.finding(Words {
        code: RULE.code,
        severity: Severity::Info,
        endpoint: None,
        message,
        not: not.into(),
        next: next.into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, at, capture, clock, log_source, logged, wire};
    use super::*;

    fn scene(sessions: i64) -> Scene {
        let mut scene = Scene::default();
        scene.captures.push(capture(0, 100));
        scene.alignment.clocks.push(clock());
        scene.sources.push(log_source());
        for n in 0..sessions {
            scene.add_logged(logged(10 + n, u64::try_from(n).unwrap()));
        }
        scene
    }

    #[test]
    fn three_sessions_of_the_log_alone_are_told_and_two_are_not() {
        let found = scene(3).find(find);
        assert!(
            found[0]
                .message
                .starts_with("mail.log has 3 sessions of 1 client"),
            "{}",
            found[0].message
        );
        assert_eq!(found[0].first, Some(at(10)));
        assert!(scene(2).find(find).is_empty());
    }

    #[test]
    fn what_may_be_a_conversation_that_was_not_joined_is_not_missed() {
        let mut scene = scene(3);
        let mut long = wire(25, 5, "SF", "ShAdDaFf");
        long.end = at(40);
        scene.add(long);
        assert!(scene.find(find).is_empty());
    }

    #[test]
    fn what_lies_before_the_capture_is_not_missed() {
        let mut scene = scene(3);
        scene.captures[0] = capture(50, 100);
        assert!(scene.find(find).is_empty());
    }
}
