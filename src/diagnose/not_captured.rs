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
use super::view::{Case, Place};

pub(super) const RULE: Rule = Rule {
    code: "not-captured",
    about: "sessions in a log, in the time of the capture, of which it has no packet",
    decided: "By log whose clock is known: three or more sessions that lie within the capture's time, more than the clock's bound away from its ends, and that no \
              conversation on the wire can be: not one of that protocol at that time that is in no log. Clients that the capture has otherwise tell a hole in it from a way that does not pass it.",
    example: "postfix.log has 31 sessions of 2 clients of which the capture has no packet, of 229: 192.0.2.10, 192.0.2.20",
    find,
};

fn find(view: View<'_>) -> Vec<Finding> {
    let mut told = Told::new(usize::MAX);
    told.take(view, &Some, None);
    told.findings(view)
}

/// Sessions from which on it is no slip of the comparison.
const SESSIONS: u64 = 3;
/// Time by which the two views of a session may differ beside the clock's bound.
const AROUND: Span = Span::seconds(2);

/// What the logs told that may not be in the capture.
pub(super) struct Told {
    /// Addresses, stretches and sessions that are remembered at most, of each so many.
    most: usize,
    /// Clients of the capture.
    seen: BTreeSet<IpAddr>,
    /// When conversations went on that are in no log, as far as is known: each may be one that a log tells of.
    unjoined: BTreeMap<Proto, Spans>,
    /// Stretches in these that were not put together.
    pushed: usize,
    /// Sessions that were joined with nothing.
    alone: Vec<Alone>,
    /// Of these, how many were let go undecided.
    undecided: u64,
    logs: BTreeMap<LogId, Missing>,
}

/// What is missing of a log.
#[derive(Default)]
struct Missing {
    group: Group,
    /// Sessions that lie in the capture's time, and those that do if it went on for a little after them, by how long it must.
    all: u64,
    late: Vec<Nanos>,
    peers: BTreeSet<IpAddr>,
}

/// A session of a log that was joined with nothing.
struct Alone {
    log: LogId,
    number: usize,
    proto: Proto,
    peer: Option<IpAddr>,
    first: Nanos,
    last: Nanos,
    /// Until when the capture must go on for the session to lie in its time.
    until: Nanos,
    place: Option<Evidence>,
}

impl Told {
    pub(super) const fn new(most: usize) -> Self {
        Self {
            most,
            seen: BTreeSet::new(),
            unjoined: BTreeMap::new(),
            pushed: 0,
            alone: Vec::new(),
            undecided: 0,
            logs: BTreeMap::new(),
        }
    }

    /// Looks at a part of the run, of which the oldest conversation that is not over or not taken yet began `open_since`.
    pub(super) fn take(&mut self, view: View<'_>, place: Place<'_>, open_since: Option<Nanos>) {
        let elsewhere: BTreeSet<usize> = pairs(view).iter().map(|pair| pair.row).collect();
        for (here, case) in view.taken(place) {
            if let Some(wire) = case.wire {
                self.take_wire(&case, wire);
            }
            if let Some((log, within)) = case.log.and_then(|log| Some((log, within(view, log)?))) {
                self.take_log(&case, log, within, elsewhere.contains(&here));
            }
        }
        let now = view.end().unwrap_or_default();
        for missing in self.logs.values_mut() {
            missing.count(now);
        }
        if self.alone.len() >= self.most {
            self.decide(open_since, now);
        }
    }

    fn take_wire(&mut self, case: &Case<'_>, wire: &WireSession) {
        for client in wire.named_clients() {
            if self.seen.len() < self.most {
                self.seen.insert(client);
            }
        }
        if case.joined.logs.is_empty() && wire.lookups.is_empty() {
            let spans = self.unjoined.entry(wire.proto).or_default();
            spans.push((wire.start, wire.end));
            self.pushed += 1;
            if self.pushed >= self.most {
                self.put_together();
            }
        }
    }

    fn take_log(&mut self, case: &Case<'_>, log: &LogSession, within: Within, elsewhere: bool) {
        let Within { first, last, until } = within;
        let missing = self.logs.entry(log.log).or_default();
        missing.late.push(until);
        if case.wire.is_none() && case.joined.candidates.is_empty() && !elsewhere {
            self.alone.push(Alone {
                log: log.log,
                number: case.number,
                proto: log.proto,
                peer: log.peer,
                first,
                last,
                until,
                place: log.events.first().map(|event| Evidence::Line(event.line)),
            });
        }
    }

    /// Puts the stretches in order. Where they are still too many, what lies between those that are near each other is counted to them:
    /// then fewer sessions are called missing.
    fn put_together(&mut self) {
        let mut apart = Span::ZERO;
        loop {
            for spans in self.unjoined.values_mut() {
                spans.put_together(apart);
            }
            self.pushed = self.unjoined.values().map(Spans::len).sum();
            if self.pushed <= self.most / 2 || apart > Span::seconds(86_400) {
                return;
            }
            apart = apart + apart + Span::SECOND;
        }
    }

    /// Decides of the older half by what is known now: what goes on may be any of it.
    fn decide(&mut self, open_since: Option<Nanos>, now: Nanos) {
        self.put_together();
        self.alone.sort_by_key(|alone| (alone.last, alone.number));
        let rest = self.alone.split_off(self.alone.len() / 2);
        for alone in std::mem::replace(&mut self.alone, rest) {
            if open_since.is_none_or(|open| alone.last + AROUND < open) {
                self.settle(&alone, now);
            } else {
                self.undecided += 1;
            }
        }
    }

    /// Sessions of which it was not decided whether they are in the capture, as too many waited for that.
    pub(super) const fn undecided(&self) -> u64 {
        self.undecided
    }

    /// Whether a session of `proto` between two moments may be a conversation that is in no log. Its address tells nothing: it may be translated.
    fn may_be_seen(&self, alone: &Alone) -> bool {
        let (from, to) = (alone.first - AROUND, alone.last + AROUND);
        [alone.proto, Proto::UNKNOWN]
            .iter()
            .filter_map(|one| self.unjoined.get(one))
            .any(|spans| spans.meet(from, to))
    }

    /// Counts a session that is in the capture's time, which goes on until `end`, and that no conversation can be.
    fn settle(&mut self, alone: &Alone, end: Nanos) {
        if alone.until >= end || self.may_be_seen(alone) {
            return;
        }
        let missing = self.logs.entry(alone.log).or_default();
        if missing.group.sessions() < self.most {
            let who = (alone.number, alone.peer);
            missing.group.note(who, Some(alone.first), alone.place);
            missing.peers.extend(alone.peer);
        } else {
            missing.group.count(Some(alone.first), alone.place);
        }
    }

    /// What is to be said at the end.
    pub(super) fn findings(mut self, view: View<'_>) -> Vec<Finding> {
        let Some(end) = view.end() else {
            return Vec::new();
        };
        self.put_together();
        let mut alone = std::mem::take(&mut self.alone);
        alone.sort_by_key(|alone| alone.number);
        for alone in &alone {
            self.settle(alone, end);
        }
        let is_whole = self.seen.len() < self.most;
        let found = self.logs.into_iter();
        found
            .filter(|(_, missing)| missing.group.count >= SESSIONS)
            .filter_map(|(id, mut missing)| {
                missing.count(end);
                tell(view, id, missing, &self.seen, is_whole)
            })
            .collect()
    }
}

impl Missing {
    /// Counts the sessions that lie in the capture's time, now that it goes on until `end`.
    fn count(&mut self, end: Nanos) {
        let before = self.late.len();
        self.late.retain(|until| *until >= end);
        let counted = before - self.late.len();
        self.all += u64::try_from(counted).unwrap_or(u64::MAX);
    }
}

/// First and last moment of a logged session on the capture's clock.
#[derive(Clone, Copy)]
struct Within {
    first: Nanos,
    last: Nanos,
    /// Until when the capture must go on for the session to lie in its time.
    until: Nanos,
}

/// When a logged session was, where it surely did not begin before the capture.
fn within(view: View<'_>, log: &LogSession) -> Option<Within> {
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
    let until = last + slack;
    (first.since(begin) > slack).then_some(Within { first, last, until })
}

fn tell(
    view: View<'_>,
    id: LogId,
    missing: Missing,
    seen: &BTreeSet<IpAddr>,
    is_whole: bool,
) -> Option<Finding> {
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
    let (not, next) = match (known, is_whole) {
        (true, _) => (
            "not another way alone: the capture has other packets of some of these clients",
            "see whether the capture lost packets, or was started with a filter or on one of several interfaces",
        ),
        (false, true) => (
            "not a hole in the capture: it has nothing of these clients at all",
            "capture where these clients pass too: their way, or an address translation, lies elsewhere",
        ),
        (false, false) => (
            "not before the capture began and not after it ended",
            "see whether anything of these clients passes where it is captured: another way, or a hole in the capture",
        ),
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
