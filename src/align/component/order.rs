//! What rows are worth with the edges that they have or might have, the order of the log's lines included.

use super::super::chosen::{Chosen, NEAR, near};
use super::super::jitter::Jitter;
use super::super::moment::LATE;
use super::{Component, Lines};

/// What each second costs by which two lines are in the wrong order, and the most.
const DISORDER: f64 = 200.0;
const DISORDER_MOST: f64 = 8.0;
/// Times that rows change places.
const PASSES: usize = 8;

impl Component<'_> {
    /// What it costs that two pairs are in the wrong order.
    pub(super) fn disorder(&self, one: usize, other: Option<usize>, jitter: &Jitter) -> f64 {
        let mut cost = 0.0;
        let edge = |at: usize| self.edges.get(at);
        let Some((one, other)) = edge(one).zip(other.and_then(edge)) else {
            return cost;
        };
        for (line, window) in one.places.iter() {
            for (other_line, other_window) in other.places.iter() {
                let (before, behind) = if line < other_line {
                    (window, other_window)
                } else {
                    (other_window, window)
                };
                if before.lo <= behind.hi || line == other_line {
                    continue;
                }
                let wrong = before.lo.since(behind.hi).as_seconds_f64();
                let late = (wrong - LATE.as_seconds_f64()).max(0.0);
                let usual = jitter.cost(wrong);
                cost += (DISORDER * late).min(DISORDER_MOST).max(usual);
            }
        }
        cost
    }

    /// What the order costs of each of the `changed` rows having its edge, against each other and the rows around them.
    pub(super) fn order_cost(&self, chosen: &Chosen, changed: &[(usize, Option<usize>)]) -> f64 {
        let mut cost = 0.0;
        let Lines::InOrder(jitter) = self.lines else {
            return cost;
        };
        for (at, &(row, edge)) in changed.iter().enumerate() {
            let Some((edge, told)) = edge.and_then(|at| Some((at, self.told.get(at)?))) else {
                continue;
            };
            let around = near(row, self.rows());
            for (near, other) in around.clone().zip(chosen.told(around)) {
                // Nearly all are in order.
                if !told.is_in_order(other) && changed.iter().all(|&(row, _)| row != near) {
                    cost += self.disorder(edge, chosen.of(near), jitter);
                }
            }
            for &(_, other) in changed.iter().skip(at + 1) {
                cost += self.disorder(edge, other, jitter);
            }
        }
        cost
    }

    /// The same of rows having the edges that they have.
    pub(super) fn present_cost(&self, chosen: &Chosen, having: &[(usize, Option<usize>)]) -> f64 {
        let own = |&one: &(usize, _)| chosen.cost(one.0, || self.order_cost(chosen, &[one]));
        let told = |row: usize| chosen.told(row..row + 1).first();
        let in_order = |at: usize, row: usize| {
            let others = having.iter().skip(at + 1);
            let mut others = others.filter_map(|&(other, _)| told(other));
            told(row).is_none_or(|told| others.all(|other| told.is_in_order(other)))
        };
        let mut rows = having.iter().enumerate();
        // Mostly so.
        if rows.all(|(at, one)| own(one) == 0.0 && in_order(at, one.0)) {
            return 0.0;
        }
        self.order_cost(chosen, having)
    }

    /// What these edges gain.
    pub(super) fn gains(&self, edges: &[(usize, Option<usize>)]) -> f64 {
        edges.iter().map(|&(_, edge)| self.gain(edge)).sum()
    }

    /// What rows are worth with the edges that they have.
    pub(super) fn worth(&self, chosen: &Chosen, having: &[(usize, Option<usize>)]) -> f64 {
        self.gains(having) - self.present_cost(chosen, having)
    }

    /// What is lost by giving rows that are worth so much `now` other edges.
    pub(super) fn loss(
        &self,
        now: f64,
        chosen: &Chosen,
        changed: &[(usize, Option<usize>)],
    ) -> f64 {
        now - self.gains(changed) + self.order_cost(chosen, changed)
    }

    /// The lesser of a loss and that of giving rows that are worth so much `now` other edges. The order, which can but cost, is looked at only where
    /// that may be less.
    pub(super) fn lesser(
        &self,
        least: f64,
        now: f64,
        chosen: &Chosen,
        changed: &[(usize, Option<usize>)],
    ) -> f64 {
        if now - self.gains(changed) >= least {
            return least;
        }
        least.min(self.loss(now, chosen, changed))
    }

    /// Lets rows change places while that is worth more, order included.
    pub(super) fn keep_order(&self, chosen: &mut Chosen) {
        for _ in 0..PASSES {
            let mut changed = false;
            for row in 0..self.rows() {
                for other in row + 1..(row + NEAR + 1).min(self.rows()) {
                    let Some(swap) = self.swap(chosen, row, other) else {
                        continue;
                    };
                    let now = [(row, chosen.of(row)), (other, chosen.of(other))];
                    let now = self.worth(chosen, &now);
                    if self.lesser(-1e-9, now, chosen, &swap) < -1e-9 {
                        for (row, edge) in swap {
                            if let Some(edge) = edge {
                                self.take(chosen, row, edge);
                            }
                        }
                        changed = true;
                    }
                }
            }
            if !changed {
                break;
            }
        }
    }

    /// The edges of two rows that have changed places.
    pub(super) fn swap(
        &self,
        chosen: &Chosen,
        row: usize,
        other: usize,
    ) -> Option<[(usize, Option<usize>); 2]> {
        let column = self.pairs.get(chosen.of(row)?)?.column;
        let other_column = self.pairs.get(chosen.of(other)?)?.column;
        let edge = self.edge(row, other_column)?;
        let other_edge = self.edge(other, column)?;
        Some([(row, Some(edge)), (other, Some(other_edge))])
    }
}
