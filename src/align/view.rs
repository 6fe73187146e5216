//! One log against the capture: which wire sessions each of its sessions may be.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::OnceLock;

use crate::model::{LogId, LogSession, Nanos, Proto, Span, WireSession};

use super::background::{self, Background};
use super::before::Before;
use super::candidates::Index;
use super::clock::Clock;
use super::evidence::{self, Evidence};
use super::figure::{self, Figure, Replies};
use super::moment::{self, Moments, Stamps};
use super::octets::Counted;
use super::row::Facts;
use super::rows::{self, Slot};
use super::settled::Settled;
use super::translation::{Own, Translation};
use crate::model::Threads;

/// The wire's side of every view.
pub(super) struct Wires<'a> {
    pub(super) sessions: &'a [WireSession],
    pub(super) background: Background,
    pub(super) index: Index,
    /// Time of the first packet.
    pub(super) origin: Nanos,
    pub(super) threads: Threads,
    pub(super) before: &'a Before,
    slots: Vec<OnceLock<Vec<Slot<'a>>>>,
    moments: Vec<OnceLock<Box<Moments>>>,
    replies: OnceLock<Replies<'a>>,
    /// Of each, close together for those who need no more of it.
    glances: Vec<Glance>,
}

/// What of a wire session is asked for most often.
#[derive(Clone, Copy)]
struct Glance {
    /// When it began.
    start: Nanos,
    /// Whether the capture has its first packet.
    began: bool,
    /// Whether it has holes in it or lacks its beginning.
    damaged: bool,
}

impl Glance {
    fn at(wire: &WireSession) -> Self {
        Self {
            start: wire.start,
            began: moment::began(wire),
            damaged: background::damaged(wire),
        }
    }
}

impl<'a> Wires<'a> {
    pub(super) fn new(
        sessions: &'a [WireSession],
        origin: Nanos,
        threads: Threads,
        before: &'a Before,
    ) -> Self {
        let glances = threads.map(sessions.len(), |at| sessions.get(at).map(Glance::at));
        let (background, index) = threads.both(|| Background::of(sessions), || Index::of(sessions));
        Self {
            sessions,
            background,
            index,
            origin,
            threads,
            before,
            slots: sessions.iter().map(|_| OnceLock::new()).collect(),
            moments: sessions.iter().map(|_| OnceLock::new()).collect(),
            replies: OnceLock::new(),
            glances: glances.into_iter().flatten().collect(),
        }
    }

    /// What requests were answered with in the clear.
    fn replies(&self) -> &Replies<'a> {
        self.replies.get_or_init(|| Replies::of(self.sessions))
    }

    /// When the things happened in a session that a log may tell of.
    pub(super) fn moments(&self, wire: usize) -> Option<&Moments> {
        let (cell, wire) = self.moments.get(wire).zip(self.sessions.get(wire))?;
        Some(cell.get_or_init(|| Box::new(Moments::of(wire))))
    }

    /// When a session began.
    pub(super) fn start(&self, wire: usize) -> Option<Nanos> {
        Some(self.glances.get(wire)?.start)
    }

    /// Whether the capture holds the first packet of a session.
    pub(super) fn began(&self, wire: usize) -> bool {
        self.glances.get(wire).is_some_and(|glance| glance.began)
    }

    /// The places of a connection where one request was answered.
    fn slots(&self, wire: usize) -> &[Slot<'a>] {
        let cell = self.slots.get(wire).zip(self.sessions.get(wire));
        cell.map_or(&[], |(cell, wire)| cell.get_or_init(|| rows::slots(wire)))
    }
}

/// One log, or a part of it, against the capture.
pub(super) struct View<'a> {
    pub(super) wires: &'a Wires<'a>,
    pub(super) logs: &'a [LogSession],
    pub(super) id: LogId,
    /// The sessions of this log, as indices.
    pub(super) mine: Vec<usize>,
    pub(super) translation: Translation,
    pub(super) own: Own,
    pub(super) origin: Nanos,
    facts: Vec<OnceLock<Box<Facts<'a>>>>,
    figure: OnceLock<Figure>,
    counted: OnceLock<Counted>,
}

impl<'a> View<'a> {
    pub(super) fn new(
        wires: &'a Wires<'a>,
        logs: &'a [LogSession],
        id: LogId,
        mine: Vec<usize>,
        (translation, own): (Translation, Own),
    ) -> Self {
        Self {
            wires,
            logs,
            id,
            facts: mine.iter().map(|_| OnceLock::new()).collect(),
            figure: OnceLock::new(),
            counted: OnceLock::new(),
            mine,
            translation,
            own,
            origin: wires.origin,
        }
    }

    /// The same with only these sessions.
    pub(super) fn part(&self, mine: Vec<usize>) -> Self {
        let ends = (self.translation.clone(), self.own);
        Self {
            // How it counts is the same in all its parts.
            counted: OnceLock::from(self.counted()),
            ..Self::new(self.wires, self.logs, self.id, mine, ends)
        }
    }

    pub(super) fn log(&self, row: usize) -> Option<&'a LogSession> {
        self.logs.get(*self.mine.get(row)?)
    }

    pub(super) fn wire(&self, at: usize) -> Option<&'a WireSession> {
        self.wires.sessions.get(at)
    }

    /// The places of a connection where one request was answered.
    pub(super) fn slots(&self, wire: usize) -> &'a [Slot<'a>] {
        self.wires.slots(wire)
    }

    pub(super) fn slot(&self, wire: usize, place: usize) -> Option<&'a Slot<'a>> {
        self.wires.slots(wire).get(place)
    }

    /// What the lines of a row say.
    pub(super) fn facts(&self, row: usize) -> Option<&Facts<'a>> {
        let (facts, log) = self.facts.get(row).zip(self.log(row))?;
        Some(facts.get_or_init(|| Box::new(Facts::of(log))))
    }

    /// For each size that the log session of `row` names, how usual it is to find it.
    pub(super) fn usual(&self, row: usize) -> &[f64] {
        let names_any = |log: &&LogSession| !log.rare().sizes.is_empty();
        let known = self.log(row).filter(names_any).zip(self.facts(row));
        known.map_or(&[], |(log, facts)| {
            let usual = || evidence::usual(self.possible(log), log);
            facts.usual.get_or_init(usual)
        })
    }

    /// How many wire sessions are of the kind that the log session of `row` tells of.
    pub(super) fn alike(&self, row: usize) -> f64 {
        let known = self.log(row).zip(self.facts(row));
        known.map_or(1.0, |(log, facts)| {
            let alike = || self.wires.background.alike(log);
            *facts.alike.get_or_init(alike)
        })
    }

    /// Whether the two can be the same at all, whatever the clock.
    pub(super) fn allows(&self, wire: usize, log: &LogSession) -> bool {
        let glance = self.wires.glances.get(wire);
        let damaged = glance.is_some_and(|glance| glance.damaged);
        self.wire(wire).is_some_and(|wire| {
            let background = &self.wires.background;
            background.possible((wire, damaged), log, &self.translation, self.own)
        })
    }

    /// Whether what was given out before leaves the log session of `row` and a wire session to each other.
    pub(super) fn is_open(&self, row: usize, wire: usize) -> bool {
        let log = self.mine.get(row);
        log.is_some_and(|&log| self.wires.before.allows(log, wire))
    }

    /// The wire sessions that `log` may be, whatever the clock.
    pub(super) fn possible<'v>(
        &'v self,
        log: &'v LogSession,
    ) -> impl Iterator<Item = &'a WireSession> + 'v {
        self.wires
            .index
            .any(log, &self.translation)
            .filter(|&at| self.allows(at, log))
            .filter_map(|at| self.wires.sessions.get(at))
    }

    /// What the log means by the octets of a reply, where it has a line for each exchange.
    pub(super) fn figure(&self) -> Figure {
        *self.figure.get_or_init(|| {
            let lines = (0..self.mine.len()).filter_map(|row| rows::single(self.log(row)?));
            Figure::of(lines, self.wires.replies())
        })
    }

    /// Whether the octets that the log counts are those that pass.
    pub(super) fn counted(&self) -> Counted {
        *self.counted.get_or_init(|| {
            let mine = self.mine.iter().filter_map(|&log| self.logs.get(log));
            Counted::of(&mine.collect::<Vec<_>>(), self.wires.sessions)
        })
    }

    /// Whether the log tells how many octets a reply had, as far as its first rows show: with some replies no log does.
    pub(super) fn tells_sizes(&self) -> bool {
        /// Rows that are looked at.
        const FIRST: usize = 64;
        let rows = 0..self.mine.len().min(FIRST);
        let mut commands = rows.filter_map(|row| rows::single(self.log(row)?));
        !self.has_rows() || commands.any(|command| figure::told(command).is_some())
    }

    /// Whether the log has a line for each exchange.
    pub(super) fn has_rows(&self) -> bool {
        self.log(0).is_some_and(rows::is_single)
    }

    pub(super) fn resolution(&self) -> Option<Span> {
        let stamps = (0..self.mine.len()).filter_map(|row| self.log(row)?.events.first());
        stamps.map(|event| event.stamp.resolution).max()
    }

    /// The offsets that each allows of what the log session of `row` may be, whatever the clock.
    pub(super) fn offsets(&self, row: usize) -> Vec<(f64, f64)> {
        let Some(log) = self.log(row) else {
            return Vec::new();
        };
        let possible = self.wires.index.any(log, &self.translation);
        let possible = possible.filter(|&at| self.is_open(row, at) && self.allows(at, log));
        let (Some(command), Some(event)) = (rows::single(log), log.events.first()) else {
            let stamps = Stamps::of(log);
            let offsets = |at| moment::shared_offsets(self.wires.moments(at)?, &stamps, Span::ZERO);
            return possible
                .filter_map(offsets)
                .filter(|range| self.wires.before.admits(self.id, *range))
                .collect();
        };
        possible
            .flat_map(|at| self.wires.slots(at))
            .filter(|slot| slot.weigh(log, command, self.figure(), &mut Evidence::default()))
            .map(|slot| slot.window.offsets(event, log.lag, Span::ZERO))
            .filter(|range| self.wires.before.admits(self.id, *range))
            .collect()
    }

    /// Whether all of `log` took place while the capture ran.
    pub(super) fn covers(&self, log: &LogSession, clock: &Clock) -> bool {
        let (from, to) = self.wires.background.span();
        log.stamps().is_some_and(|(first, last)| {
            clock.to_capture(first.at) >= from && clock.to_capture(last.at) + last.resolution <= to
        })
    }

    /// Address on the wire and in the log of each pair claimed.
    pub(super) fn names<'b>(
        &'b self,
        settled: &'b Settled,
    ) -> impl Iterator<Item = (IpAddr, IpAddr)> + 'b {
        settled.clear().filter_map(|verdict| {
            let wire = self.wire(verdict.wire)?;
            Some((
                wire.conversation.client.ip,
                self.logs.get(verdict.log)?.peer?,
            ))
        })
    }

    /// Whether so many pairs were found that addresses which all differ can be believed to be translated: most of what either side
    /// has of this kind. By chance a few always fit.
    pub(super) fn bears_out(&self, settled: &Settled) -> bool {
        let told: BTreeSet<Proto> = (0..self.mine.len())
            .filter_map(|row| Some(self.log(row)?.proto))
            .collect();
        let seen = self
            .wires
            .sessions
            .iter()
            .filter(|wire| told.contains(&wire.proto))
            .count();
        settled.claimed() * 3 >= seen.min(self.mine.len()) * 2
    }
}
