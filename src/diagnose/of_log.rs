//! What one log had, and what the wire shows that it should have: where it is silent, and how much it tells.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::align::Clock;
use crate::model::{
    Endpoint, Evidence, Finding, LineRef, LogSession, LogSource, Role, Severity, Shown, What,
    WireSession,
};

use super::group::{Group, Words, counted};
use super::hearing::{Hearing, Mark, times};
use super::silence::{Expected, Stretch, silences};
use super::view::Case;
use super::{View, log_incomplete};

/// Sessions from which on a log without a command in them is one that is told not to write any.
const SESSIONS: u64 = 3;

/// What one log had.
pub(super) struct OfLog {
    most: usize,
    /// When it had lines; of a log whose clock is not known nothing.
    hearing: Option<Hearing>,
    /// Servers of which it tells.
    served: BTreeSet<Endpoint>,
    /// Sessions of these: those it tells of, and all.
    told: u64,
    all: u64,
    /// Those it does not tell of; of other servers too, as it may tell of them later.
    untold: Vec<Untold>,
    /// How many of these it should have told of were not remembered.
    forgotten: u64,
    /// Sessions of the server that it tells of, the first of their lines, and whether there are commands in them.
    sessions: u64,
    first: Vec<LineRef>,
    has_commands: bool,
}

/// A session that a log does not tell of.
struct Untold {
    server: Endpoint,
    number: usize,
    client: Option<IpAddr>,
    time: Stretch,
}

impl OfLog {
    pub(super) const fn new(most: usize) -> Self {
        Self {
            most,
            hearing: None,
            served: BTreeSet::new(),
            told: 0,
            all: 0,
            untold: Vec::new(),
            forgotten: 0,
            sessions: 0,
            first: Vec::new(),
            has_commands: false,
        }
    }

    /// It has this session.
    pub(super) fn take_log(&mut self, log: &LogSession, clock: Option<&Clock>) {
        if log.role == Role::Server {
            self.sessions += 1;
            self.has_commands |= !log.implied.is_empty()
                || log
                    .events
                    .iter()
                    .any(|event| matches!(event.what, What::Command(_)));
            if self.first.len() < 2 {
                self.first
                    .extend(log.events.first().map(|event| event.line));
            }
        }
        if let Some(clock) = clock {
            // Below twice a step of its stamps nothing is silence.
            let near = clock.resolution + clock.resolution;
            let hearing = self
                .hearing
                .get_or_insert_with(|| Hearing::new(self.most, near));
            for event in &log.events {
                hearing.push((clock.to_capture(event.stamp.at), Some(event.line)));
            }
        }
    }

    /// The wire has this session, and the log tells of it or does not.
    pub(super) fn take_wire(&mut self, case: &Case<'_>, wire: &WireSession, is_told: bool) {
        let server = wire.conversation.server;
        if is_told && (self.served.len() < self.most) {
            self.served.insert(server);
        }
        let spoke = wire.counts.0.iter().all(|direction| direction.bytes > 0);
        if !spoke || !case.joined.candidates.is_empty() {
            return;
        }
        self.all += u64::from(is_told);
        self.told += u64::from(is_told);
        if !is_told {
            self.untold.push(Untold {
                server,
                number: case.number,
                client: case.client(),
                time: (wire.start, wire.end),
            });
            if self.untold.len() >= self.most {
                self.let_go();
            }
        }
    }

    /// Forgets sessions of servers that it does not tell of, and of the others the older half where there are still too many.
    fn let_go(&mut self) {
        self.untold.retain(|one| self.served.contains(&one.server));
        if self.untold.len() > self.most / 2 {
            let gone = self.untold.len() - self.most / 2;
            self.untold.drain(..gone);
            let gone = u64::try_from(gone).unwrap_or(u64::MAX);
            self.forgotten += gone;
            self.all += gone;
        }
    }

    /// Stretches and sessions that were not remembered.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten + self.hearing.as_ref().map_or(0, Hearing::forgotten)
    }

    /// A log that tells of sessions and of nothing in them, where its server can be told to.
    pub(super) fn low_level(&self, source: &LogSource) -> Option<Finding> {
        let Shown::With(setting) = source.shows.commands else {
            return None;
        };
        (self.sessions >= SESSIONS && !self.has_commands).then(|| {
            let mut group = Group::of(self.sessions);
            for line in &self.first {
                group.show(Evidence::Line(*line));
            }
            group.finding(Words {
                code: log_incomplete::RULE.code,
                severity: Severity::Info,
                endpoint: None,
                message: format!(
                    "{} tells of {} and of no command in them: its level is too low",
                    source.file,
                    counted(self.sessions, "session")
                ),
                not: "not a log without sessions, and not one whose server cannot write more"
                    .into(),
                next: format!("{setting} makes the server write them"),
            })
        })
    }

    /// Stretches of a log in which sessions of the wire are without a line.
    pub(super) fn gap(mut self, view: View<'_>, source: &LogSource) -> Option<Finding> {
        let clocks = &view.alignment.clocks;
        let clock = clocks.iter().find(|clock| clock.log == source.id)?;
        let mut hearing = self.hearing?;
        let captures = view.captures.iter();
        let ends = captures.flat_map(|capture| [capture.first, capture.last]);
        for end in ends.flatten() {
            hearing.push((end, None));
        }
        self.untold.retain(|one| self.served.contains(&one.server));
        let without = u64::try_from(self.untold.len()).unwrap_or(u64::MAX);
        let all = self.all + without;
        let slack = clock.resolution + clock.bound;
        let silent = hearing.silent(slack + slack);
        let stretches: Vec<Stretch> = silent.iter().map(times).collect();
        let looked_at = u64::try_from(silent.len()).unwrap_or(u64::MAX) + hearing.forgotten();
        let untold: Vec<Stretch> = self.untold.iter().map(|one| one.time).collect();
        let expected = Expected {
            untold: &untold,
            told: self.told,
            all,
        };
        let found = silences(&stretches, looked_at, expected, slack);
        let worst = found.first()?;
        let mut group = Group::default();
        for silence in &found {
            let (from, to) = silent.get(silence.stretch)?;
            let around = [from.1, to.1].into_iter().flatten().map(Evidence::Line);
            let around: Vec<Evidence> = around.collect();
            for (nth, at) in silence.events.iter().enumerate() {
                if let Some(one) = self.untold.get(*at) {
                    let who = (one.number, one.client);
                    group.note(who, Some(one.time.0), around.get(nth.min(1)).copied());
                }
            }
        }
        let (from, to) = silent.get(worst.stretch)?;
        let more = if found.len() > 1 {
            format!(", and in {} more stretches", found.len() - 1)
        } else {
            String::new()
        };
        let message = format!(
            "{} is silent for {:.1} s while the wire shows {} with its server{more}; of all {all} it has no line of {}",
            source.file,
            to.0.since(from.0).as_seconds_f64(),
            counted(
                u64::try_from(worst.events.len()).unwrap_or(u64::MAX),
                "session"
            ),
            all - self.told
        );
        Some(group.finding(Words {
            code: log_incomplete::RULE.code,
            severity: Severity::Warning,
            endpoint: None,
            message,
            not: "not an idle server: it answered all that time".into(),
            next: next(view, from, to).into(),
        }))
    }
}

/// What to look at where a log is silent from a moment to another.
fn next(view: View<'_>, from: &Mark, to: &Mark) -> &'static str {
    // By the words of any log: the one with the gap could not write them.
    let full = view.sources.iter().any(|source| source.disk_full.is_some());
    // The ends of the capture are no lines.
    match (from.1.is_none(), to.1.is_none()) {
        _ if full => {
            "see whether it was this log's disk that was full, as a log says: then these lines are lost"
        }
        (true, false) => {
            "see whether the log was rotated at that time, and give the older file too"
        }
        (false, true) => {
            "see whether its disk is full, its writer stopped, or it goes on in another file"
        }
        _ => {
            "see whether a file of it is missing, its disk was full, or its writer limited (rate limits of syslog and journald)"
        }
    }
}
