//! A clock that is in doubt is looked for anew, in what waits: what was given by it may have been joined wrongly, and no longer teaches.

use std::collections::BTreeSet;

use crate::align::{Alignment, Before, Clock, Standing, align_on};
use crate::model::{LogId, LogSession, LogSource, Span, Threads, WireSession};
use crate::report::Contradicted;

use super::choose::Came;
use super::doubt::{self, Doubts};
use super::held::{Held, Told};
use super::marks::{Known, Now};

/// Two clocks that differ by no more than this beside their bounds do not contradict each other.
const APART: Span = Span::SECOND;
/// Pairs that a clock needs to stand against one that was told.
const ENOUGH: usize = 5;

impl Held {
    /// The clocks that the last sessions do not bear out, but for those that the user gives.
    pub(super) fn doubts(
        &self,
        now: &Now<'_>,
        sources: &[LogSource],
        alignment: &Alignment,
        came: &Came,
        ahead: &[Told],
    ) -> Doubts {
        if now.is_over() {
            return Doubts::default();
        }
        let ahead: Vec<&Told> = ahead.iter().filter(|log| has_come(now, log)).collect();
        let known = doubt::Known {
            alignment,
            came,
            wires: &self.wires,
            seen: &self.seen,
            logs: &self.logs,
            ahead: &ahead,
        };
        let is_given = |clock: &&Clock| {
            let mut sources = sources.iter();
            sources.any(|source| source.id == clock.log && source.offset.is_some())
        };
        Doubts::of(self.clocks.iter().filter(|clock| !is_given(clock)), known)
    }

    /// Looks for the clocks that are in doubt among the sessions that wait; gives whether one was found that contradicts what was told.
    pub(super) fn correct(
        &mut self,
        now: &Now<'_>,
        doubts: &Doubts,
        ahead: &[Told],
        sources: &[LogSource],
        threads: Threads,
    ) -> bool {
        let mut corrected = false;
        for log in doubts.logs() {
            if let Some(clock) = self.estimate(now, log, ahead, sources, threads) {
                corrected |= self.replace(clock);
            }
        }
        corrected
    }

    /// The clock of a log by what waits alone, where no other comes near.
    fn estimate(
        &self,
        now: &Now<'_>,
        log: LogId,
        ahead: &[Told],
        sources: &[LogSource],
        threads: Threads,
    ) -> Option<Clock> {
        let source = sources.iter().find(|source| source.id == log)?;
        let open = self.wires.iter().zip(&self.seen);
        let open = open.filter(|(_, seen)| seen.given.is_none());
        let wires: Vec<WireSession> = open.map(|(wire, _)| wire.clone()).collect();
        let waiting = self.logs.iter().chain(ahead);
        let waiting = waiting.filter(|told| told.session.log == log && told.given.is_none());
        let waiting = waiting.filter(|told| has_come(now, told));
        let mut logs: Vec<LogSession> = waiting.map(|told| told.session.clone()).collect();
        let origin = wires.iter().map(|wire| wire.start).min()?;
        let unknown = BTreeSet::from([log]);
        let before = Before {
            now: now.capture,
            allowed: self.allowed(&unknown),
            unknown,
            ..Before::default()
        };
        let sources = std::slice::from_ref(source);
        let found = align_on(&wires, sources, &mut logs, origin, threads, &before).alignment;
        let sessions = found.sessions.iter();
        let pairs = sessions.filter(|joined| joined.verdict.standing == Standing::Matched);
        let is_enough = pairs.count() >= ENOUGH;
        found.clocks.into_iter().next().filter(|_| is_enough)
    }

    /// Takes `clock` instead of the one that is known of its log, where the two contradict each other.
    fn replace(&mut self, clock: Clock) -> bool {
        let Some(known) = self.clocks.iter_mut().find(|known| known.log == clock.log) else {
            return false;
        };
        let apart = (known.offset_at(clock.origin) - clock.offset).abs();
        if apart <= known.bound + clock.bound + APART {
            return false;
        }
        let log = clock.log;
        let before = std::mem::replace(known, clock);
        let mine = |told: &Told| told.session.log == log && told.given.is_some();
        let joined = self.logs.iter().filter(|told| {
            let with = told.given.and_then(|given| given.with);
            mine(told) && with.is_some()
        });
        let joined = joined.count();
        self.logs.retain(|told| !mine(told));
        self.contradicted.push(Contradicted {
            clock: before,
            joined,
        });
        true
    }
}

/// Whether the capture has passed a log session, by the time at which it came.
fn has_come(now: &Now<'_>, told: &Told) -> bool {
    let known = Known { now, clocks: &[] };
    known.is_captured(&told.session, told.since)
}
