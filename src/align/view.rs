//! One log against the capture: a coarse offset by vote, the clock by fit, pairs by assignment, then clock and pairs from each
//! other until neither changes.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::OnceLock;

use crate::model::{LogId, LogSession, Nanos, Proto, Span, WireSession};

use super::candidates::Index;
use super::clock::Clock;
use super::component::{self, CLEAR, Choice, Edge, Edges};
use super::evidence::{self, Background, Evidence};
use super::figure::Figure;
use super::fit::{self, Constraint, Line, Slack};
use super::jitter::Placed;
use super::moment;
use super::order::Order;
use super::overhead::Overheads;
use super::pairing::{Known, Pairing};
use super::rows::{self, Slot};
use super::translation::{Own, Translation};
use super::vote;
use crate::model::Threads;

/// Times that clock and pairs are found anew from each other.
const ROUNDS: usize = 6;
/// A share of unknown sessions that is no smaller than by this is the same.
const SAME_SHARE: f64 = 0.75;
/// Seconds around the coarse offset in which pairs are looked for, and how many more for each second since the beginning: clocks
/// gain or lose no more.
const REACH: f64 = 1.5;
const REACH_GROWS: f64 = 6e-4;
/// Seconds within which an offset that the user gives is believed.
const GIVEN_WITHIN: f64 = 0.1;
/// Sessions that are claimed at least where a clock goes by how many have a candidate.
const FEW: usize = 3;

/// The wire's side of every view.
pub(super) struct Wires<'a> {
    pub(super) sessions: &'a [WireSession],
    pub(super) background: Background,
    pub(super) index: Index,
    /// Time of the first packet.
    pub(super) origin: Nanos,
    pub(super) threads: Threads,
    slots: Vec<OnceLock<Vec<Slot<'a>>>>,
}

impl<'a> Wires<'a> {
    pub(super) fn new(sessions: &'a [WireSession], origin: Nanos, threads: Threads) -> Self {
        Self {
            sessions,
            background: Background::of(sessions),
            index: Index::of(sessions),
            origin,
            threads,
            slots: (0..sessions.len()).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The places of a connection where one request was answered.
    fn slots(&self, wire: usize) -> &[Slot<'a>] {
        let cell = self.slots.get(wire).zip(self.sessions.get(wire));
        cell.map_or(&[], |(cell, wire)| cell.get_or_init(|| rows::slots(wire)))
    }
}

/// A log session's best wire session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict {
    /// Index among the log sessions.
    pub(super) log: usize,
    pub(super) wire: usize,
    /// Where a log has a line for each exchange: which one.
    pub(super) place: Option<usize>,
    pub(super) score: f64,
    pub(super) margin: f64,
}

impl Verdict {
    /// Whether it is claimed.
    pub(super) fn is_clear(&self) -> bool {
        self.margin >= CLEAR
    }
}

/// What earlier rounds taught.
pub(super) struct Learnt {
    pub(super) order: Order,
    overheads: Overheads,
    /// Share of the log's sessions that are not on the wire.
    share: f64,
    /// By how much more than usual lines were late and stamps lagged.
    slack: Slack,
}

impl Default for Learnt {
    fn default() -> Self {
        Self {
            order: Order::default(),
            overheads: Overheads::default(),
            share: 1.0,
            slack: Slack::default(),
        }
    }
}

/// How much of a log the wire lacks, as far as it can be told.
#[derive(Clone, Copy)]
struct Lack {
    /// Share of the sessions that have no possible partner.
    share: f64,
    /// Possible partners that each has beside the right one.
    crowd: f64,
}

impl Lack {
    /// The share, those counted in that have a possible partner by chance only: in a crowd hardly one is without.
    fn beside_chance(self) -> f64 {
        (self.share * self.crowd.exp()).min(1.0)
    }
}

/// A clock, and for each row what it was joined with.
pub(super) struct Settled {
    pub(super) clock: Clock,
    /// The offset that the line is relative to, and the line; none where the clock was given.
    pub(super) coarse: Span,
    pub(super) line: Option<Line>,
    /// What the pairs said that the clock was fitted to, each with its line in the log.
    pub(super) constraints: Vec<(u64, Constraint)>,
    pub(super) learnt: Learnt,
    pub(super) chosen: Vec<Option<Verdict>>,
}

impl Settled {
    /// How many log sessions were claimed.
    pub(super) fn claimed(&self) -> usize {
        self.clear().count()
    }

    /// What was claimed.
    pub(super) fn clear(&self) -> impl Iterator<Item = &Verdict> {
        self.chosen
            .iter()
            .flatten()
            .filter(|verdict| verdict.is_clear())
    }

    /// Total score of what was claimed.
    pub(super) fn worth(&self) -> f64 {
        self.clear().map(|verdict| verdict.score).sum()
    }
}

/// How many sessions a clock explains.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    claimed: usize,
    /// Those that have a candidate.
    fitting: usize,
    of: usize,
}

impl Share {
    /// So many that it is not by chance. That most have candidates says so only where some were told apart: under a wrong clock
    /// regular sessions have candidates too, and what is not claimed does not bear out a bound.
    pub(super) const fn is_most(self) -> bool {
        let some = self.claimed >= FEW && self.is_some();
        self.claimed > 0 && self.claimed * 3 >= self.of || some && self.fitting * 4 >= self.of * 3
    }

    /// So many that a clock known from elsewhere is borne out.
    pub(super) const fn is_some(self) -> bool {
        self.claimed > 0 && self.claimed * 10 >= self.of
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
    usual: Vec<OnceLock<Vec<f64>>>,
    alike: Vec<OnceLock<f64>>,
    figure: OnceLock<Figure>,
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
            usual: mine.iter().map(|_| OnceLock::new()).collect(),
            alike: mine.iter().map(|_| OnceLock::new()).collect(),
            figure: OnceLock::new(),
            mine,
            translation,
            own,
            origin: wires.origin,
        }
    }

    /// The same with only these sessions.
    pub(super) fn part(&self, mine: Vec<usize>) -> Self {
        Self::new(
            self.wires,
            self.logs,
            self.id,
            mine,
            (self.translation.clone(), self.own),
        )
    }

    pub(super) fn log(&self, row: usize) -> Option<&'a LogSession> {
        self.logs.get(*self.mine.get(row)?)
    }

    pub(super) fn wire(&self, at: usize) -> Option<&'a WireSession> {
        self.wires.sessions.get(at)
    }

    pub(super) fn slot(&self, wire: usize, place: usize) -> Option<&Slot<'a>> {
        self.wires.slots(wire).get(place)
    }

    /// For each size that the log session of `row` names, how usual it is to find it.
    pub(super) fn usual(&self, row: usize) -> &[f64] {
        let cell = self.usual.get(row).zip(self.log(row));
        cell.map_or(&[], |(cell, log)| {
            cell.get_or_init(|| evidence::usual(self.possible(log), log))
        })
    }

    /// How many wire sessions are of the kind that the log session of `row` tells of.
    pub(super) fn alike(&self, row: usize) -> f64 {
        let cell = self.alike.get(row).zip(self.log(row));
        cell.map_or(1.0, |(cell, log)| {
            *cell.get_or_init(|| self.wires.background.alike(log))
        })
    }

    /// Whether the two can be the same at all, whatever the clock.
    pub(super) fn allows(&self, wire: &WireSession, log: &LogSession) -> bool {
        let background = &self.wires.background;
        background.possible(wire, log, &self.translation, self.own)
    }

    /// The wire sessions that `log` may be, whatever the clock.
    fn possible<'v>(&'v self, log: &'v LogSession) -> impl Iterator<Item = &'a WireSession> + 'v {
        self.wires
            .index
            .any(log, &self.translation)
            .filter_map(|at| self.wires.sessions.get(at))
            .filter(|wire| self.allows(wire, log))
    }

    /// What the log means by the octets of a reply, where it has a line for each exchange.
    pub(super) fn figure(&self) -> Figure {
        *self.figure.get_or_init(|| {
            let lines = (0..self.mine.len()).filter_map(|row| rows::single(self.log(row)?));
            let wires = 0..self.wires.sessions.len();
            Figure::of(lines, wires.flat_map(|wire| self.wires.slots(wire)))
        })
    }

    /// Whether the log has a line for each exchange.
    pub(super) fn has_rows(&self) -> bool {
        self.log(0).is_some_and(|log| rows::single(log).is_some())
    }

    fn resolution(&self) -> Option<Span> {
        let stamps = (0..self.mine.len()).filter_map(|row| self.log(row)?.events.first());
        stamps.map(|event| event.stamp.resolution).max()
    }

    /// Clock and pairs from a vote.
    pub(super) fn run(&self) -> Option<Settled> {
        let all: Vec<&LogSession> = (0..self.mine.len())
            .filter_map(|row| self.log(row))
            .collect();
        let coarse = vote::coarse(&all, |log| self.offsets(log))?;
        let pairings = self.gather(coarse);
        let lone = fit::fit(&self.lone(&pairings, coarse), 1.0);
        // Two beginnings, as either may mislead: the sessions that can have one partner only, and the vote itself.
        let mut best: Option<Settled> = None;
        for line in [lone, Some(Line::vague())].iter().flatten() {
            let clock = Clock::from_line(self.id, self.origin, coarse, self.resolution()?, line);
            let settled = self.settle(&pairings, clock, coarse);
            let explains = settled.claimed();
            if best
                .as_ref()
                .is_none_or(|best| settled.worth() > best.worth())
            {
                best = Some(settled);
            }
            // What explains nearly all cannot be bettered.
            if explains * 10 >= self.mine.len() * 9 {
                break;
            }
        }
        best
    }

    /// The offsets that each allows of what `log` may be, whatever the clock.
    pub(super) fn offsets(&self, log: &LogSession) -> Vec<(f64, f64)> {
        let possible = self.wires.index.any(log, &self.translation).filter(|&at| {
            let wire = self.wire(at);
            wire.is_some_and(|wire| self.allows(wire, log))
        });
        let (Some(command), Some(event)) = (rows::single(log), log.events.first()) else {
            return possible
                .filter_map(|at| moment::shared_offsets(self.wire(at)?, log, Span::ZERO))
                .collect();
        };
        possible
            .flat_map(|at| self.wires.slots(at))
            .filter(|slot| slot.weigh(log, command, self.figure(), &mut Evidence::default()))
            .map(|slot| slot.window.offsets(event, log.lag, Span::ZERO))
            .collect()
    }

    /// Clock and pairs begun from an offset that is known to within `bound` seconds.
    pub(super) fn near(&self, offset: Span, bound: f64) -> Option<Settled> {
        let line = Line::near(bound);
        let clock = Clock::from_line(self.id, self.origin, offset, self.resolution()?, &line);
        Some(self.settle(&self.gather(offset), clock, offset))
    }

    /// Pairs under a clock that is `offset` ahead of the capture's, as the user says.
    pub(super) fn given(&self, offset: Span) -> Option<Settled> {
        let line = Line::near(GIVEN_WITHIN);
        let mut clock = Clock::from_line(self.id, self.origin, offset, self.resolution()?, &line);
        let pairings = self.gather(offset);
        let mut learnt = Learnt::default();
        let (mut chosen, _) = self.choose(&pairings, &clock, offset, &learnt);
        for _ in 0..2 {
            learnt.order = self.order(&pairings, &chosen, &learnt.order);
            if self.has_rows() {
                learnt.overheads = self.overheads(&pairings, &clock, offset, &learnt);
            }
            let lack;
            (chosen, lack) = self.choose(&pairings, &clock, offset, &learnt);
            learnt.share = lack.share;
        }
        clock.drift_bound_ppm = 0.0;
        let mut settled = Settled {
            clock,
            coarse: offset,
            line: None,
            constraints: Vec::new(),
            learnt,
            chosen,
        };
        settled.clock.pairs = settled.claimed();
        Some(settled)
    }

    /// For each row the wire sessions that it may be near the coarse offset.
    pub(super) fn gather(&self, coarse: Span) -> Vec<Vec<Pairing>> {
        self.wires.threads.map(self.mine.len(), |row| {
            self.log(row)
                .map_or_else(Vec::new, |log| self.gather_row(log, coarse))
        })
    }

    pub(super) fn gather_row(&self, log: &LogSession, coarse: Span) -> Vec<Pairing> {
        let Some((first, last)) = log.stamps() else {
            return Vec::new();
        };
        let began = Nanos(first.at.0) - coarse;
        let since = began.since(self.origin).abs().as_seconds_f64();
        let reach = REACH + REACH_GROWS * since;
        let slack = Span::from_seconds_f64(reach + 1.0);
        let times = (
            began - slack,
            Nanos(last.at.0) - coarse + last.resolution + slack,
        );
        let near = |&(lo, hi): &(f64, f64)| lo <= reach && hi >= -reach;
        let mut found = Vec::new();
        let single = rows::single(log).is_some();
        for at in self.wires.index.within(log, &self.translation, times) {
            let Some(wire) = self.wire(at) else { continue };
            if !self.allows(wire, log) {
                continue;
            }
            if !single {
                let allowed = moment::shared_offsets(wire, log, coarse).filter(near);
                found.extend(allowed.map(|range| Pairing::new(at, None, range)));
                continue;
            }
            let Some(event) = log.events.first() else {
                continue;
            };
            let slots = self.wires.slots(at);
            let from = slots.partition_point(|slot| slot.window.hi < times.0);
            let open = slots.get(from..).unwrap_or_default().iter();
            for (place, slot) in (from..).zip(open.take_while(|slot| slot.window.lo <= times.1)) {
                let range = Some(slot.window.offsets(event, log.lag, coarse)).filter(near);
                found.extend(range.map(|range| Pairing::new(at, Some(place), range)));
            }
        }
        found
    }

    /// The pairing of a row that has one only near the coarse offset.
    pub(super) fn only(&self, row: usize, coarse: Span) -> Option<Pairing> {
        let mut found = self.gather_row(self.log(row)?, coarse);
        let only = found.pop().filter(|_| found.is_empty())?;
        only.tell(self, row, &mut Evidence::default())
            .then_some(only)
    }

    /// Pairs and clock found from each other until neither changes.
    fn settle(&self, pairings: &[Vec<Pairing>], mut clock: Clock, coarse: Span) -> Settled {
        let mut learnt = Learnt::default();
        // What is possible teaches the first round, what was chosen those that follow.
        if self.has_rows() {
            learnt.overheads = self.overheads(pairings, &clock, coarse, &learnt);
        }
        let (mut chosen, lack) = self.choose(pairings, &clock, coarse, &learnt);
        // Times alone say something only where it is known how few of the log's sessions are not on the wire.
        let by_times = !chosen.iter().flatten().any(Verdict::is_clear);
        if by_times {
            learnt.share = lack.beside_chance();
            (chosen, _) = self.choose(pairings, &clock, coarse, &learnt);
        }
        // Wrong pairs of a rough clock fall away under a better one, which then knows better still.
        let mut fitted = None;
        let mut constraints = Vec::new();
        for _ in 0..ROUNDS {
            let (paired, doubt) = self.paired(pairings, &chosen, coarse);
            let plain: Vec<Constraint> = paired.iter().map(|&(_, constraint)| constraint).collect();
            let Some(line) = fit::fit(&plain, doubt) else {
                break;
            };
            (fitted, constraints) = (Some(line), paired);
            clock = Clock::from_line(self.id, self.origin, coarse, clock.resolution, &line);
            learnt.slack = line.slack;
            learnt.order = self.order(pairings, &chosen, &learnt.order);
            let (better, lack) = self.choose(pairings, &clock, coarse, &learnt);
            let share = if by_times {
                lack.beside_chance()
            } else {
                lack.share
            };
            // What is chosen has to go by what it teaches itself.
            let settled = nearly_same(&better, &chosen) && share >= learnt.share * SAME_SHARE;
            learnt.share = share;
            chosen = better;
            if settled {
                break;
            }
        }
        Settled {
            clock,
            coarse,
            line: fitted,
            constraints,
            learnt,
            chosen,
        }
    }

    /// Pairs under a clock that other logs have made better known since they were chosen.
    pub(super) fn choose_again(&self, settled: &mut Settled) {
        let pairings = self.gather(settled.coarse);
        (settled.chosen, _) =
            self.choose(&pairings, &settled.clock, settled.coarse, &settled.learnt);
    }

    /// Constraints from log sessions that have one possible partner near the coarse offset.
    fn lone(&self, pairings: &[Vec<Pairing>], coarse: Span) -> Vec<Constraint> {
        let lone = pairings
            .iter()
            .enumerate()
            .filter_map(|(row, found)| match found.as_slice() {
                [only] => only.constraint(self, row, coarse),
                _ => None,
            });
        lone.collect()
    }

    /// Constraints from pairs that were claimed, and how many of these are expected to be wrong.
    fn paired(
        &self,
        pairings: &[Vec<Pairing>],
        chosen: &[Option<Verdict>],
        coarse: Span,
    ) -> (Vec<(u64, Constraint)>, f64) {
        let claimed: Vec<_> = claimed_pairs(pairings, chosen).collect();
        let constraints = self.wires.threads.map(claimed.len(), |at| {
            let &(row, pairing, verdict) = claimed.get(at)?;
            let constraint = pairing.constraint(self, row, coarse)?;
            let line = self.log(row)?.events.first()?.line.line;
            Some((line, constraint, 1.0 / (1.0 + verdict.margin.exp())))
        });
        let mut doubt = 0.0;
        let constraints = constraints.into_iter().flatten();
        let constraints = constraints.map(|(line, constraint, wrong)| {
            doubt += wrong;
            (line, constraint)
        });
        (constraints.collect(), doubt)
    }

    /// Where the lines that were claimed lie on the wire.
    fn order(
        &self,
        pairings: &[Vec<Pairing>],
        chosen: &[Option<Verdict>],
        before: &Order,
    ) -> Order {
        let known = claimed_pairs(pairings, chosen).flat_map(|(row, pairing, _)| {
            let places = pairing.places(self, row).iter();
            places.map(move |&(line, window)| Placed { row, line, window })
        });
        Order::of(&known.collect::<Vec<_>>(), before)
    }

    /// The assignment of greatest total score under `clock`, and the share of the rows that cannot be on the wire.
    fn choose(
        &self,
        pairings: &[Vec<Pairing>],
        clock: &Clock,
        coarse: Span,
        learnt: &Learnt,
    ) -> (Vec<Option<Verdict>>, Lack) {
        let offset_at = |at: Nanos| clock.offset_at(at) - coarse;
        let known = self.known(clock, &offset_at, learnt);
        let threads = self.wires.threads;
        let edges = threads.gather(pairings.len(), |rows| {
            let found = rows.filter_map(|row| Some((row, pairings.get(row)?)));
            let pairs = found.flat_map(|(row, found)| found.iter().map(move |pair| (row, pair)));
            let edges = pairs.filter_map(|(row, pairing)| {
                let score = pairing.score(self, row, &known)?;
                Some(Edge {
                    row,
                    column: (pairing.wire, pairing.place),
                    score,
                    places: pairing.places(self, row),
                })
            });
            edges.collect()
        });
        let edges = Edges::new(edges);
        let lack = self.lack(&edges, clock);
        let mut verdicts: Vec<Option<Verdict>> = vec![None; self.mine.len()];
        for choice in component::choose(&edges, learnt.order.lines(), threads) {
            if let (Some(slot), Some(&log)) =
                (verdicts.get_mut(choice.row), self.mine.get(choice.row))
            {
                *slot = Some(Verdict::of(log, choice));
            }
        }
        (verdicts, lack)
    }

    pub(super) fn known<'k>(
        &'k self,
        clock: &Clock,
        offset_at: &'k (dyn Fn(Nanos) -> Span + Sync),
        learnt: &'k Learnt,
    ) -> Known<'k> {
        Known {
            background: &self.wires.background,
            order: &learnt.order,
            overheads: &learnt.overheads,
            offset_at,
            bound: clock.bound.as_seconds_f64(),
            resolution: clock.resolution.as_seconds_f64(),
            looser: learnt.slack,
            share: learnt.share,
        }
    }

    /// The share of the log's sessions in the capture's time that are not on the wire, as far as can be told: those without any partner
    /// that their time and kind allow. One of them and one of the others is supposed on top, so that few sessions prove little.
    fn lack(&self, edges: &Edges<'_>, clock: &Clock) -> Lack {
        let mut has: Vec<bool> = vec![false; self.mine.len()];
        for row in edges.rows() {
            if let Some(has) = has.get_mut(row) {
                *has = true;
            }
        }
        let with = has.iter().filter(|has| **has).count();
        let covered = has
            .iter()
            .enumerate()
            .filter(|&(row, has)| {
                // Clients that the capture never saw say nothing of those that it did.
                let missed = |log| self.covers(log, clock) && self.possible(log).next().is_some();
                *has || self.log(row).is_some_and(missed)
            })
            .count();
        let alone = covered - with.min(edges.columns());
        #[expect(clippy::cast_precision_loss, reason = "counts of sessions")]
        let (alone, covered, pairs) = (alone as f64, covered as f64, edges.rows().count() as f64);
        Lack {
            share: (alone + 1.0) / (covered + 2.0),
            crowd: (pairs / covered.max(1.0) - 1.0).max(0.0),
        }
    }

    /// How much is explained of what the capture should show: sessions in its time, with clients and protocols that it knows.
    pub(super) fn explained(&self, settled: &Settled) -> Share {
        let mut share = Share::default();
        for (row, verdict) in settled.chosen.iter().enumerate() {
            let Some(log) = self.log(row) else { continue };
            if verdict.is_none()
                && !(self.covers(log, &settled.clock) && self.possible(log).next().is_some())
            {
                continue;
            }
            share.of += 1;
            share.fitting += usize::from(verdict.is_some());
            share.claimed += usize::from(verdict.is_some_and(|verdict| verdict.is_clear()));
        }
        share
    }

    /// Whether all of `log` took place while the capture ran.
    pub(super) fn covers(&self, log: &LogSession, clock: &Clock) -> bool {
        let (from, to) = self.wires.background.span();
        log.stamps().is_some_and(|(first, last)| {
            clock.to_capture(first.at) >= from && clock.to_capture(last.at) + last.resolution <= to
        })
    }

    /// Lengths of hidden heads, as the pairs that are possible would have them: each line counts once.
    fn overheads(
        &self,
        pairings: &[Vec<Pairing>],
        clock: &Clock,
        coarse: Span,
        learnt: &Learnt,
    ) -> Overheads {
        let offset_at = |at: Nanos| clock.offset_at(at) - coarse;
        let known = self.known(clock, &offset_at, learnt);
        let mut overheads = Overheads::default();
        for (row, found) in pairings.iter().enumerate() {
            let Some(command) = self.log(row).and_then(rows::single) else {
                continue;
            };
            let possible: Vec<(u64, u64)> = found
                .iter()
                .filter(|pairing| pairing.score(self, row, &known).is_some())
                .filter_map(|pairing| self.slot(pairing.wire, pairing.place?)?.hidden_octets())
                .collect();
            let of = u32::try_from(possible.len()).unwrap_or(u32::MAX);
            for octets in possible {
                overheads.learn(command, octets, 1.0 / f64::from(of));
            }
        }
        overheads
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

impl Verdict {
    pub(super) fn of(log: usize, choice: Choice) -> Self {
        Self {
            log,
            wire: choice.column.0,
            place: choice.column.1,
            score: choice.score,
            margin: choice.margin,
        }
    }
}

/// The pairs that were claimed.
fn claimed_pairs<'p>(
    pairings: &'p [Vec<Pairing>],
    chosen: &'p [Option<Verdict>],
) -> impl Iterator<Item = (usize, &'p Pairing, &'p Verdict)> {
    pairings
        .iter()
        .zip(chosen)
        .enumerate()
        .filter_map(|(row, (found, verdict))| {
            let verdict = verdict.as_ref().filter(|verdict| verdict.is_clear())?;
            let pairing = found
                .iter()
                .find(|pairing| pairing.wire == verdict.wire && pairing.place == verdict.place)?;
            Some((row, pairing, verdict))
        })
}

/// Whether two choices differ in one session of a hundred at most.
fn nearly_same(one: &[Option<Verdict>], other: &[Option<Verdict>]) -> bool {
    let wire = |verdict: &Option<Verdict>| {
        let clear = verdict.as_ref().filter(|verdict| verdict.is_clear());
        clear.map(|verdict| verdict.wire)
    };
    let changed = one
        .iter()
        .zip(other)
        .filter(|(one, other)| wire(one) != wire(other));
    changed.count() * 100 <= one.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_under_which_hardly_anything_is_claimed_is_not_borne_out() {
        let share = |claimed, fitting, of| Share {
            claimed,
            fitting,
            of,
        };
        for few in [share(0, 12, 12), share(2, 12, 12), share(0, 0, 0)] {
            assert!(!few.is_most(), "{few:?}");
        }
        for most in [share(1, 1, 1), share(4, 4, 12), share(3, 20, 24)] {
            assert!(most.is_most(), "{most:?}");
        }
        assert!(!share(0, 0, 0).is_some() && share(1, 1, 10).is_some());
    }
}
