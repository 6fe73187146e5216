//! Clocks that the last sessions do not bear out: a first one may have come of few pairs that fitted by chance, or a clock was set.
//!
//! By how many of a log's sessions were joined so far it is told how many more should be. Where so few are that chance does not explain it, and
//! the capture has connections with the log's servers that were not joined either, nothing of that stretch is given, not even what fits: it waits
//! until it is explained, under this clock or the next, or for as long as sessions wait for a first clock.

use std::collections::{BTreeMap, BTreeSet};

use crate::align::{Alignment, Clock};
use crate::model::{Endpoint, Extent, LogId, LogSession, Nanos, WireSession};

use super::choose::Came;
use super::held::{Seen, Told};

/// Pairs from which on a clock is no chance. Before that every session that was not joined is a doubt.
const SURE: usize = 20;
/// Nats by which the last sessions must speak for so few pairs that the clock explains a third of what it did.
const DOUBT: f64 = 5.0;
/// The most that is thought to be joined usually: one session that is not is no doubt yet.
const USUAL: f64 = 0.95;
/// What is joined later brings the doubt back from here, however great it was.
const MOST: f64 = 12.0;

/// The logs whose clocks are in doubt.
#[derive(Default)]
pub(super) struct Doubts(BTreeMap<LogId, Doubt>);

/// Where a clock is not borne out.
struct Doubt {
    /// The last line before it with which a session began.
    line: u64,
    /// When the last connection before it began that was joined.
    from: Nanos,
    /// The servers of which sessions were joined; any where there are none.
    servers: BTreeSet<Endpoint>,
}

/// Sessions of both sides, and what they are as far as is known.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) alignment: &'a Alignment,
    pub(super) came: &'a Came,
    pub(super) wires: &'a [WireSession],
    pub(super) seen: &'a [Seen],
    pub(super) logs: &'a [Told],
    /// Log sessions that the capture has not passed by their clocks, although it has by the time at which they came.
    pub(super) ahead: &'a [&'a Told],
}

impl Doubts {
    /// What is in doubt of `clocks`, as they were known before this alignment.
    pub(super) fn of<'c>(clocks: impl Iterator<Item = &'c Clock>, known: Known<'_>) -> Self {
        let doubts = clocks.filter_map(|clock| Some((clock.log, Doubt::of(clock, known)?)));
        Self(doubts.collect())
    }

    /// Of which logs.
    pub(super) fn logs(&self) -> impl Iterator<Item = LogId> {
        self.0.keys().copied()
    }

    /// Whether a log session may be of a pair that another clock would join.
    pub(super) fn hold_log(&self, log: &LogSession) -> bool {
        let doubt = self.0.get(&log.log);
        doubt.is_some_and(|doubt| doubt.is_after(log))
    }

    /// The same of a connection.
    pub(super) fn hold_wire(&self, wire: &WireSession) -> bool {
        self.0.values().any(|doubt| doubt.is_behind(wire))
    }
}

/// What became of a log session under a clock.
#[derive(Clone, Copy)]
enum Outcome<'a> {
    /// It was joined with this connection.
    Joined(&'a WireSession),
    /// It may be one of some.
    Unclear,
    Alone,
}

impl Doubt {
    /// What is in doubt of `clock`, if anything.
    fn of(clock: &Clock, known: Known<'_>) -> Option<Self> {
        let sequence = outcomes(clock.log, known);
        let mut doubt = Self {
            line: 0,
            from: Nanos(i64::MIN),
            servers: BTreeSet::new(),
        };
        for (_, outcome) in &sequence {
            if let Outcome::Joined(wire) = outcome {
                doubt.servers.insert(wire.conversation.server);
            }
        }
        let mut clocks = known.alignment.clocks.iter();
        // It may not be believed any more.
        let holds = clocks.any(|other| other.log == clock.log);
        let worth = doubt.find(&sequence);
        let least = if clock.pairs < SURE || !holds {
            0.0
        } else {
            DOUBT
        };
        (worth > least && doubt.is_seen(known)).then_some(doubt)
    }

    /// Finds the last stretch in which fewer are joined than should be; gives how much speaks for it (a cumulative sum: Page 1954).
    fn find(&mut self, sequence: &[(u64, Outcome<'_>)]) -> f64 {
        let is_joined = |one: &&(u64, Outcome<'_>)| matches!(one.1, Outcome::Joined(_));
        let (pairs, all) = (sequence.iter().filter(is_joined).count(), sequence.len());
        let usual = share(pairs + 1, all + 2).min(USUAL);
        let few = usual / 3.0;
        let (gain, loss) = (((1.0 - few) / (1.0 - usual)).ln(), (usual / few).ln());
        let begun = sequence.iter().position(|one| is_joined(&one)).unwrap_or(0);
        let mut worth = 0.0f64;
        for (line, outcome) in sequence.iter().skip(begun) {
            match outcome {
                Outcome::Joined(wire) => {
                    worth = (worth - loss).max(0.0);
                    if worth <= 0.0 {
                        (self.line, self.from) = (*line, wire.start);
                    }
                }
                Outcome::Alone => worth = (worth + gain).min(MOST),
                Outcome::Unclear => {}
            }
        }
        worth
    }

    /// Whether the capture has connections behind it that were not joined.
    fn is_seen(&self, known: Known<'_>) -> bool {
        let alone = known.alignment.sessions.iter();
        let alone = alone.filter(|joined| joined.logs.is_empty() && joined.candidates.is_empty());
        let mut alone = alone.filter_map(|joined| known.wires.get(joined.wire?));
        alone.any(|wire| self.is_behind(wire))
    }

    /// Whether a whole session of the log began behind it.
    fn is_after(&self, log: &LogSession) -> bool {
        log.extent == Extent::Whole && first_line(log) > Some(self.line)
    }

    /// Whether a connection with a server of the log came about behind it.
    fn is_behind(&self, wire: &WireSession) -> bool {
        let spoke = wire.counts.0.iter().all(|direction| direction.bytes > 0);
        let server = wire.conversation.server;
        let is_served = self.servers.is_empty() || self.servers.contains(&server);
        spoke && is_served && wire.start > self.from && wire.lookups.is_empty()
    }
}

/// The sessions of a log by their first lines, in order, and what became of each.
fn outcomes(log: LogId, known: Known<'_>) -> Vec<(u64, Outcome<'_>)> {
    let places: BTreeMap<u64, usize> = (known.seen.iter().enumerate())
        .map(|(at, seen)| (seen.key, at))
        .collect();
    let mut now = BTreeMap::new();
    for session in &known.alignment.sessions {
        let Some(wire) = session.wire.and_then(|at| known.wires.get(at)) else {
            continue;
        };
        let joined = session.logs.iter().map(|at| (at, Outcome::Joined(wire)));
        let unclear = session.candidates.iter().map(|at| (at, Outcome::Unclear));
        for (&at, outcome) in joined.chain(unclear) {
            now.extend(
                known
                    .came
                    .origins(at)
                    .iter()
                    .map(|&origin| (origin, outcome)),
            );
        }
    }
    let told = known.logs.iter().enumerate().map(|(at, log)| {
        let with = log.given.and_then(|given| given.with);
        let with = with.and_then(|with| known.wires.get(*places.get(&with)?));
        let given = with.map_or(Outcome::Alone, Outcome::Joined);
        let outcome = if log.given.is_some() {
            Some(given)
        } else {
            now.get(&at).copied()
        };
        (log, outcome.unwrap_or(Outcome::Alone))
    });
    let ahead = known.ahead.iter().map(|log| (*log, Outcome::Alone));
    let mine = told
        .chain(ahead)
        .filter(|(told, _)| told.session.log == log && told.session.extent == Extent::Whole);
    let mut sequence: Vec<(u64, Outcome<'_>)> = mine
        .filter_map(|(told, outcome)| Some((first_line(&told.session)?, outcome)))
        .collect();
    sequence.sort_by_key(|(line, _)| *line);
    sequence
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn share(part: usize, of: usize) -> f64 {
    part as f64 / of as f64
}

fn first_line(log: &LogSession) -> Option<u64> {
    log.events.first().map(|event| event.line.line)
}
