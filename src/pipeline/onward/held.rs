//! Sessions of both sides that wait for each other while a run goes on, and the last of those that were given: by them clocks and habits are
//! known further on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::align::{Before, Clock, LogFate, Onward, WireFate, align_on};
use crate::model::{LogId, LogSession, LogSource, Nanos, Threads, WireSession};
use crate::protocol::dns;
use crate::report::Contradicted;

use super::arrival::Arrivals;
use super::choose::{Came, Compared};
use super::marks::{Known, Now};
use super::part::Given;
use super::rivals::Rivals;

/// How many sessions are held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Of the wire, not given yet.
    pub(super) wires: usize,
    /// Of the logs, not given yet.
    pub(super) logs: usize,
    /// Of each log, and of the wire without a log, that were given.
    pub(super) given: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            wires: 50_000,
            logs: 200_000,
            given: 1_000,
        }
    }
}

/// What is held.
pub(super) struct Held {
    bounds: Bounds,
    pub(super) wires: Vec<WireSession>,
    /// What is known of each of them.
    pub(super) seen: Vec<Seen>,
    pub(super) logs: Vec<Told>,
    /// Log sessions that the capture has not passed.
    ahead: Vec<Told>,
    /// The latest clock of each log.
    pub(super) clocks: Vec<Clock>,
    /// When lines came, where that tells something.
    pub(super) arrivals: Arrivals,
    /// Clocks that were told and are contradicted, and of which that is not told yet.
    pub(super) contradicted: Vec<Contradicted>,
    /// Wire sessions that came so far.
    came: u64,
    /// Sessions that were given so far: the last number.
    pub(super) given: usize,
    /// Sessions that were given before they were settled, as too many were held.
    pub(super) early: u64,
}

/// What is known of a wire session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// In the order in which they came.
    pub(super) key: u64,
    pub(super) came: Instant,
    pub(super) given: Option<GivenWire>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct GivenWire {
    pub(super) number: usize,
    pub(super) fate: WireFate,
}

/// A log session and what is known of it.
pub(super) struct Told {
    pub(super) session: LogSession,
    pub(super) came: Instant,
    /// How far the capture was then.
    pub(super) since: Option<Nanos>,
    pub(super) given: Option<GivenLog>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct GivenLog {
    /// The wire session that it was given with, or that it may be.
    pub(super) with: Option<u64>,
    /// Where it was given as a session of its own.
    pub(super) number: Option<usize>,
}

impl Held {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            arrivals: Arrivals::default(),
            wires: Vec::new(),
            seen: Vec::new(),
            logs: Vec::new(),
            ahead: Vec::new(),
            clocks: Vec::new(),
            contradicted: Vec::new(),
            came: 0,
            given: 0,
            early: 0,
        }
    }

    /// Takes what came.
    pub(super) fn add(
        &mut self,
        wires: Vec<WireSession>,
        logs: Vec<LogSession>,
        now: Instant,
        capture: Option<Nanos>,
    ) {
        for wire in wires {
            self.came += 1;
            self.wires.push(wire);
            self.seen.push(Seen {
                key: self.came,
                came: now,
                given: None,
            });
        }
        self.logs.extend(logs.into_iter().map(|session| Told {
            session,
            came: now,
            since: capture,
            given: None,
        }));
    }

    /// How many more log sessions may come.
    pub(super) fn room_for_logs(&self) -> usize {
        self.bounds.logs.saturating_sub(self.waiting_logs())
    }

    /// Whether wire sessions may come.
    pub(super) fn has_room_for_wires(&self) -> bool {
        self.waiting_wires() < self.bounds.wires
    }

    pub(super) fn waiting_wires(&self) -> usize {
        self.seen.iter().filter(|seen| seen.given.is_none()).count()
    }

    pub(super) fn waiting_logs(&self) -> usize {
        let logs = self.logs.iter().filter(|log| log.given.is_none());
        logs.count() + self.ahead.len()
    }

    /// All that is held, given or not.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.wires.len() + self.logs.len() + self.ahead.len()
    }

    /// Number of the session that was given last.
    pub(super) const fn given(&self) -> usize {
        self.given
    }

    /// The latest clock of each log.
    pub(super) fn clocks(&self) -> &[Clock] {
        &self.clocks
    }

    /// Logs with sessions that wait for a clock.
    pub(super) fn without_clock(&self) -> BTreeSet<LogId> {
        let all = self.logs.iter().chain(&self.ahead);
        let waiting = all.filter(|log| log.given.is_none());
        let known: BTreeSet<LogId> = self.clocks.iter().map(|clock| clock.log).collect();
        let logs = waiting.map(|log| log.session.log);
        logs.filter(|log| !known.contains(log)).collect()
    }

    /// Which bound was hit, in words.
    pub(super) fn overrun(&self) -> Option<String> {
        (self.early > 0).then(|| {
            format!(
                "{} sessions given before they were settled, as too many waited",
                self.early
            )
        })
    }

    /// How far everything is, under the clocks as they are known.
    pub(super) const fn known<'k>(&'k self, now: &'k Now<'k>) -> Known<'k> {
        Known {
            now,
            clocks: self.clocks.as_slice(),
        }
    }

    /// Whether something may be settled, or a clock found.
    fn is_due(&self, now: &Now<'_>) -> bool {
        let known = self.known(now);
        let is_full = !self.has_room_for_wires() || self.room_for_logs() == 0;
        let to_learn = !self.without_clock().is_empty();
        let wires = || self.wires.iter().zip(&self.seen);
        is_full
            || to_learn && now.has_capture
            || wires().any(|(wire, seen)| seen.given.is_none() && known.is_ripe(wire, seen.came))
            || self
                .logs
                .iter()
                .chain(&self.ahead)
                .any(|log| log.given.is_none() && known.is_told(&log.session, log.came, log.since))
    }

    /// Joins what is held, and gives what is settled of it.
    pub(super) fn settle(
        &mut self,
        now: &Now<'_>,
        sources: &[LogSource],
        threads: Threads,
    ) -> Option<Given> {
        if !self.is_due(now) {
            return None;
        }
        let ahead = self.set_aside(now);
        self.order();
        for wire in &mut self.wires {
            wire.led_by = None;
        }
        dns::tie(&mut self.wires);
        let rivals = Rivals::of(now, &self.wires);
        let before = self.before(now, &rivals);
        let mut logs: Vec<LogSession> = self.logs.iter().map(|log| log.session.clone()).collect();
        let first = self.wires.iter().map(|wire| wire.start).min();
        let origin = first.or(now.capture).unwrap_or_default();
        let Onward { alignment, places } =
            align_on(&self.wires, sources, &mut logs, origin, threads, &before);
        let came = Came::of(&places);
        let doubts = self.doubts(now, sources, &alignment, &came, &ahead);
        let corrected = self.correct(now, &doubts, &ahead, sources, threads);
        let known = self.clocks.len();
        if !corrected {
            self.carry_on(&alignment.clocks);
        }
        // What a first clock says of who is to be compared holds from the next time on.
        if (corrected || self.clocks.len() > known) && !now.is_over() {
            self.ahead = ahead;
            return None;
        }
        let choice = self.choose(Compared {
            now,
            rivals: &rivals,
            before: &before,
            alignment: &alignment,
            came: &came,
            ahead: &ahead,
            doubts: &doubts,
        });
        let given = self.part(now, sources, logs, alignment, (&places, &came), &choice);
        self.ahead = ahead;
        given
    }

    /// Takes out the log sessions that the capture has not passed; what was taken out before comes back first.
    fn set_aside(&mut self, now: &Now<'_>) -> Vec<Told> {
        let known = Known {
            now,
            clocks: &self.clocks,
        };
        self.logs.append(&mut self.ahead);
        let is_ahead =
            |log: &mut Told| log.given.is_none() && !known.is_captured(&log.session, log.since);
        self.logs.extract_if(.., is_ahead).collect()
    }

    /// Takes a clock anew where there is one, and keeps the others.
    fn carry_on(&mut self, clocks: &[Clock]) {
        for clock in clocks {
            match self.clocks.iter_mut().find(|known| known.log == clock.log) {
                Some(known) => known.clone_from(clock),
                None => self.clocks.push(clock.clone()),
            }
        }
    }

    /// Puts wire sessions in the order of their first packets, log sessions in that of their lines.
    fn order(&mut self) {
        let wires = std::mem::take(&mut self.wires);
        let seen = std::mem::take(&mut self.seen);
        let mut both: Vec<(WireSession, Seen)> = wires.into_iter().zip(seen).collect();
        both.sort_by_key(|(wire, seen)| (wire.first_packet, seen.key));
        (self.wires, self.seen) = both.into_iter().unzip();
        self.logs.sort_by_key(|log| {
            let first = log.session.events.first().map(|event| event.line);
            (log.session.log, first)
        });
    }

    /// What was given out, as alignment wants to know it.
    fn before(&self, now: &Now<'_>, rivals: &Rivals<'_>) -> Before {
        let places: BTreeMap<u64, usize> = self
            .seen
            .iter()
            .enumerate()
            .map(|(at, seen)| (seen.key, at))
            .collect();
        let wires = self.seen.iter();
        let wires = wires.map(|seen| seen.given.map_or(WireFate::Open, |given| given.fate));
        let logs = self.logs.iter().map(|log| match log.given {
            // Where the wire session is let go, there is none for it.
            Some(given) => LogFate::Gone(
                given
                    .with
                    .map(|with| places.get(&with).copied().unwrap_or(usize::MAX)),
            ),
            None if self.has_rival(rivals, &log.session) => LogFate::Rivalled,
            None => LogFate::Open,
        });
        let unknown = self.without_clock();
        Before {
            wires: wires.collect(),
            logs: logs.collect(),
            now: now.capture,
            allowed: self.allowed(&unknown),
            unknown: if now.is_over() {
                BTreeSet::new()
            } else {
                unknown
            },
        }
    }

    /// The offsets that the arrival of lines allows, of some logs.
    pub(super) fn allowed(&self, logs: &BTreeSet<LogId>) -> BTreeMap<LogId, (f64, f64)> {
        let logs = logs.iter();
        logs.filter_map(|log| Some((*log, self.arrivals.allowed(*log)?)))
            .collect()
    }

    pub(super) fn has_rival(&self, rivals: &Rivals<'_>, log: &LogSession) -> bool {
        let clock = self.clocks.iter().find(|clock| clock.log == log.log);
        clock.is_some_and(|clock| rivals.may_be(log, clock))
    }

    /// Takes back what was lent for giving it, and lets go what is too old to tell of anything.
    pub(super) fn take_back(&mut self, given: Given) {
        let mut account = given.account;
        account.wires.truncate(given.wires);
        self.wires = account.wires;
        for (at, wire) in given.fresh_wires {
            if let Some(seen) = self.seen.get_mut(at) {
                seen.given = Some(wire);
            }
        }
        let mut came: BTreeMap<usize, (Instant, Option<Nanos>, GivenLog)> = BTreeMap::new();
        let mut gone: BTreeSet<usize> = BTreeSet::new();
        for (origin, at, log) in given.fresh_logs {
            gone.insert(origin);
            if let Some((at, told)) = at.zip(self.logs.get(origin)) {
                came.entry(at).or_insert((told.came, told.since, log));
            }
        }
        let mut place = 0;
        self.logs.retain(|_| {
            place += 1;
            !gone.contains(&(place - 1))
        });
        for (at, session) in account.logs.into_iter().enumerate() {
            if let Some(&(came, since, log)) = came.get(&at) {
                self.logs.push(Told {
                    session,
                    came,
                    since,
                    given: Some(log),
                });
            }
        }
        self.let_go();
    }

    /// Of what was given the last is kept: of each log so many sessions and their connections, and so many connections without.
    fn let_go(&mut self) {
        let mut logs: BTreeMap<LogId, Vec<(Option<u64>, usize)>> = BTreeMap::new();
        for (at, log) in self.logs.iter().enumerate() {
            if log.given.is_some() {
                let first = log.session.events.first().map(|event| event.line.line);
                logs.entry(log.session.log).or_default().push((first, at));
            }
        }
        let mut gone = vec![false; self.logs.len()];
        for list in logs.values_mut() {
            list.sort_unstable();
            let beyond = list.len().saturating_sub(self.bounds.given);
            for (_, at) in list.iter().take(beyond) {
                if let Some(gone) = gone.get_mut(*at) {
                    *gone = true;
                }
            }
        }
        let mut gone = gone.into_iter();
        self.logs.retain(|_| !gone.next().unwrap_or(false));
        let wanted: BTreeSet<u64> = self
            .logs
            .iter()
            .filter_map(|log| log.given.and_then(|given| given.with))
            .collect();
        let alone = |seen: &Seen| seen.given.is_some() && !wanted.contains(&seen.key);
        let mut beyond = self.seen.iter().filter(|seen| alone(seen)).count();
        beyond = beyond.saturating_sub(self.bounds.given);
        let wires = std::mem::take(&mut self.wires).into_iter();
        let seen = std::mem::take(&mut self.seen).into_iter();
        // Sessions without a log go in the order of their first packets.
        (self.wires, self.seen) = wires
            .zip(seen)
            .filter(|(_, seen)| {
                let goes = beyond > 0 && alone(seen);
                beyond -= usize::from(goes);
                !goes
            })
            .unzip();
    }
}

#[cfg(test)]
mod tests;
