//! Clock and pairs, found from each other in rounds.

use crate::model::{LogSession, Nanos, Span};

use super::clock::Clock;
use super::component::{self, Choice};
use super::fit::{self, Constraint, Line};
use super::groups::{Edge, Edges};
use super::jitter::Placed;
use super::kept::Kept;
use super::order::Order;
use super::overhead::Overheads;
use super::pairing::Pairing;
use super::row::Row;
use super::settled::{Learnt, Settled, Verdict, claimed_pairs, nearly_same};
use super::share::{Lack, Lacking};
use super::view::View;
use super::weighing::{self, Known, Weighing};
use super::{sure, trust};

/// Times that clock and pairs are found anew from each other.
const ROUNDS: usize = 6;
/// Pairs of one row that are looked at.
const CROWD: usize = 48;
/// Of so many rows at least one has to be sure for these to stand for all.
const FEW_SURE: usize = 10;
/// A share of unknown sessions that is no smaller than by this is the same.
const SAME_SHARE: f64 = 0.75;
/// Seconds within which an offset that the user gives is believed.
const GIVEN_WITHIN: f64 = 0.1;

impl<'a> View<'a> {
    /// Clock and pairs begun from the offset that most rows agree on.
    pub(super) fn run_whole(&self, coarse: Span) -> Option<Settled> {
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

    /// Clock and pairs begun from an offset that is known to within `bound` seconds, and what the clock gains each second.
    pub(super) fn near(&self, offset: Span, bound: f64, drift: f64) -> Option<Settled> {
        let line = Line::near(bound, drift);
        let clock = Clock::from_line(self.id, self.origin, offset, self.resolution()?, &line);
        Some(self.settle(&self.gather(offset), clock, offset))
    }

    /// Pairs under a clock that is `offset` ahead of the capture's, as the user says.
    pub(super) fn given(&self, offset: Span) -> Option<Settled> {
        let line = Line::near(GIVEN_WITHIN, 0.0);
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

    /// Clock and pairs begun from what a part of the log told.
    pub(super) fn extended(&self, part: Settled) -> Settled {
        let slack = weighing::reach(part.learnt.slack);
        let pairings = self.gather_under(&part.clock, slack, part.coarse);
        let mut learnt = part.learnt;
        let edges = self.edges(
            &pairings,
            &part.clock,
            part.coarse,
            &learnt,
            &Kept::default(),
        );
        learnt.share = self.lack(&edges, &part.clock).share_by(learnt.lacking);
        // Those that need no others to be chosen teach the first round, unless they are few.
        let mut chosen = sure::choose(&edges);
        if chosen.len() * FEW_SURE < self.mine.len() {
            chosen = component::choose(&edges, learnt.order.lines(), self.wires.threads);
        }
        drop(edges);
        let chosen = self.verdicts(chosen);
        self.rounds(&pairings, chosen, part.clock, part.coarse, learnt)
    }

    /// The same where lines are late and stamps lag no more than is usual, and what does not fit so is wrong.
    pub(super) fn promptly(&self, settled: Settled) -> Settled {
        let constraints = settled.constraints.iter();
        let plain: Vec<Constraint> = constraints.map(|&(_, constraint)| constraint).collect();
        let Some(line) = fit::prompt(&plain, 1.0) else {
            return settled;
        };
        let (coarse, resolution) = (settled.coarse, settled.clock.resolution);
        let clock = Clock::from_line(self.id, self.origin, coarse, resolution, &line);
        let learnt = Learnt {
            slack: line.slack,
            ..settled.learnt
        };
        let (chosen, _) = self.choose(&self.gather(coarse), &clock, coarse, &learnt);
        Settled {
            clock,
            line: Some(line),
            learnt,
            chosen,
            ..settled
        }
    }

    /// For each row whether it is claimed, within the bound, under a clock that another part of the log told.
    pub(super) fn held_by(&self, told: &Settled) -> Vec<bool> {
        let clock = self.extrapolated(&told.clock);
        let slack = weighing::reach(told.learnt.slack);
        let pairings = self.gather_under(&clock, slack, told.coarse);
        let (chosen, _) = self.choose(&pairings, &clock, told.coarse, &told.learnt);
        let offset_at = |at: Nanos| clock.offset_at(at) - told.coarse;
        let known = self.known(&clock, &offset_at, &told.learnt);
        let mut held = vec![false; self.mine.len()];
        for (row, pairing, _) in claimed_pairs(&pairings, &chosen) {
            let wire = self.wire(pairing.wire());
            if let Some(held) = held.get_mut(row) {
                *held = wire.is_some_and(|wire| known.miss(pairing, wire.start) <= 0.0);
            }
        }
        held
    }

    /// A clock with the bound that it has at the middle of this part of the log.
    fn extrapolated(&self, clock: &Clock) -> Clock {
        let middle = self.log(self.mine.len() / 2).and_then(LogSession::stamps);
        let since = middle.map_or(0.0, |(first, _)| {
            let at = clock.to_capture(first.at);
            at.since(clock.origin).abs().as_seconds_f64()
        });
        let grown = Span::from_seconds_f64(clock.drift_bound_ppm * 1e-6 * since);
        Clock {
            bound: clock.bound + grown,
            ..clock.clone()
        }
    }

    /// Pairs and clock found from each other until neither changes.
    fn settle(&self, pairings: &[Vec<Pairing>], clock: Clock, coarse: Span) -> Settled {
        let mut learnt = Learnt::default();
        // What is possible teaches the first round, what was chosen those that follow.
        if self.has_rows() {
            learnt.overheads = self.overheads(pairings, &clock, coarse, &learnt);
        }
        let (mut chosen, lack) = self.choose(pairings, &clock, coarse, &learnt);
        // Times alone say something only where it is known how few of the log's sessions are not on the wire.
        if !chosen.iter().flatten().any(Verdict::is_clear) {
            learnt.lacking = Lacking::BesideChance;
            learnt.share = lack.share_by(learnt.lacking);
            (chosen, _) = self.choose(pairings, &clock, coarse, &learnt);
        }
        self.rounds(pairings, chosen, clock, coarse, learnt)
    }

    /// Goes on from what was chosen. Wrong pairs of a rough clock fall away under a better one, which then knows better still.
    fn rounds(
        &self,
        pairings: &[Vec<Pairing>],
        mut chosen: Vec<Option<Verdict>>,
        mut clock: Clock,
        coarse: Span,
        mut learnt: Learnt,
    ) -> Settled {
        let mut fitted = None;
        let mut constraints = Vec::new();
        for _ in 0..ROUNDS {
            let (paired, doubt) = self.paired(pairings, &chosen, coarse);
            let plain: Vec<Constraint> = paired.iter().map(|&(_, constraint)| constraint).collect();
            let Some(line) = fit::fit(&plain, doubt) else {
                break;
            };
            let far = plain.iter().map(|c| c.at.abs()).fold(0.0, f64::max);
            let is_known = fitted.is_some_and(|before| line.is_like(&before, far));
            (fitted, constraints) = (Some(line), paired);
            clock = Clock::from_line(self.id, self.origin, coarse, clock.resolution, &line);
            learnt.slack = line.slack;
            learnt.order = self.order(pairings, &chosen, &learnt.order);
            if !self.tells_sizes() {
                learnt.overheads = self.believed(pairings, &chosen);
            }
            // Short logs take no time worth saving.
            let (better, share) = if is_known && self.is_long() {
                let better = self.choose_rest(pairings, &clock, coarse, (&learnt, &chosen));
                (better, learnt.share)
            } else {
                let (better, lack) = self.choose(pairings, &clock, coarse, &learnt);
                (better, lack.share_by(learnt.lacking))
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
            Some((line, constraint, trust::wrong(verdict.margin)))
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
        let known = claimed_pairs(pairings, chosen).filter_map(|(row, pairing, _)| {
            let places = pairing.places(&Row::of(self, row)?).iter();
            Some(places.map(move |(line, window)| Placed { row, line, window }))
        });
        let known = known.flatten();
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
        let edges = self.edges(pairings, clock, coarse, learnt, &Kept::default());
        let lack = self.lack(&edges, clock);
        let chosen = component::choose(&edges, learnt.order.lines(), self.wires.threads);
        (self.verdicts(chosen), lack)
    }

    /// The same where what was learnt is as it was when they were `chosen`: those that are far ahead of all else stay.
    fn choose_rest(
        &self,
        pairings: &[Vec<Pairing>],
        clock: &Clock,
        coarse: Span,
        (learnt, chosen): (&Learnt, &[Option<Verdict>]),
    ) -> Vec<Option<Verdict>> {
        let kept = Kept::of(chosen);
        let edges = self.edges(pairings, clock, coarse, learnt, &kept);
        let rest = component::choose(&edges, learnt.order.lines(), self.wires.threads);
        kept.with(self.verdicts(rest))
    }

    /// What was chosen, for each row.
    fn verdicts(&self, chosen: Vec<Choice>) -> Vec<Option<Verdict>> {
        let mut verdicts: Vec<Option<Verdict>> = vec![None; self.mine.len()];
        for choice in chosen {
            if let (Some(slot), Some(&log)) =
                (verdicts.get_mut(choice.row), self.mine.get(choice.row))
            {
                *slot = Some(Verdict::of(log, choice));
            }
        }
        verdicts
    }

    /// The pairs that have a score under `clock`, but for those that are `kept` and what these take.
    fn edges<'p>(
        &self,
        pairings: &'p [Vec<Pairing>],
        clock: &Clock,
        coarse: Span,
        learnt: &Learnt,
        kept: &Kept<'_>,
    ) -> Edges<'p>
    where
        'a: 'p,
    {
        let offset_at = |at: Nanos| clock.offset_at(at) - coarse;
        let known = self.known(clock, &offset_at, learnt);
        let edges = self.wires.threads.gather(pairings.len(), |rows| {
            let most = pairings.get(rows.clone()).unwrap_or_default().iter();
            let mut edges = Vec::with_capacity(most.map(Vec::len).sum());
            for row in rows.filter(|&row| kept.is_open(row)) {
                let Some(found) = pairings.get(row).filter(|found| !found.is_empty()) else {
                    continue;
                };
                let Some(weighing) = Weighing::of(self, row, &known) else {
                    continue;
                };
                let from = edges.len();
                let free = found.iter().filter(|pairing| kept.leaves(pairing.column()));
                edges.extend(free.filter_map(|pairing| weighing.edge(pairing)));
                Edge::thin(&mut edges, from, CROWD);
            }
            edges
        });
        Edges::new(edges)
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

    /// Lengths of requests and replies, as the pairs that were claimed have them.
    fn believed(&self, pairings: &[Vec<Pairing>], chosen: &[Option<Verdict>]) -> Overheads {
        let mut overheads = Overheads::default();
        for (row, pairing, _) in claimed_pairs(pairings, chosen) {
            let command = self.facts(row).and_then(|facts| facts.command);
            if let Some((octets, command)) = pairing.hidden_octets(self).zip(command) {
                overheads.learn(command, &[octets], 1.0);
            }
        }
        overheads
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
        let rows = pairings.iter().enumerate();
        for (row, found) in rows.filter(|(_, found)| !found.is_empty()) {
            let Some(weighing) = Weighing::of(self, row, &known) else {
                continue;
            };
            let Some(command) = weighing.command() else {
                continue;
            };
            let possible: Vec<(u64, u64)> = found
                .iter()
                .filter(|pairing| weighing.allows(pairing))
                .filter_map(|pairing| pairing.hidden_octets(self))
                .collect();
            if possible.is_empty() {
                continue;
            }
            let of = u32::try_from(possible.len()).unwrap_or(u32::MAX);
            overheads.learn(command, &possible, 1.0 / f64::from(of));
        }
        overheads
    }
}
