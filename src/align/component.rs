//! Pairs that hang together, and which of them are chosen: the assignment of greatest total score, among equals the one that keeps
//! the order of the log, and for each chosen pair what the next best would have been.

use std::ops::Range;

use super::assign::{Assignment, Pair};
use super::chosen::{Chosen, Told};
use super::groups::{Column, Edge, Edges, Groups};
use super::jitter::Jitter;
use crate::model::Threads;

mod margin;
mod order;

use margin::Around;

/// Least score for a pair to be claimed: one unrelated session in three would fit as well, and a wrong
/// one has the right one to beat.
pub(super) const CLAIM: f64 = 1.0;
/// Least distance to the best alternative: it is seven times less likely.
pub(super) const CLEAR: f64 = 2.0;
/// Above so many rows the next best choice is looked for among changes of two rows only.
const EXACT: usize = 60;

/// What a pair of such a score gains the whole: more than a clear margin where it may be chosen.
pub(super) fn gain(score: f64) -> f64 {
    score - CLAIM + CLEAR
}

/// A pair that was chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) row: usize,
    pub(super) column: Column,
    pub(super) score: f64,
    /// What the whole loses without it.
    pub(super) margin: f64,
}

/// Whether the lines of a log stand in the order in which they were written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lines<'j> {
    /// They do, as far as is known of such lines.
    InOrder(&'j Jitter),
    Unknown,
}

/// What was chosen of all `edges`, group by group.
pub(super) fn choose(edges: &Edges<'_>, lines: Lines<'_>, threads: Threads) -> Vec<Choice> {
    let groups = Groups::of(edges);
    threads.gather(groups.len(), |range| {
        let mut chosen = Vec::new();
        for edges in range.filter_map(|at| groups.get(at)) {
            solve(edges, lines, &mut chosen);
        }
        chosen
    })
}

/// Adds what was chosen of one group.
fn solve(edges: &[Edge<'_>], lines: Lines<'_>, chosen: &mut Vec<Choice>) {
    // Most have one row: the best of its edges, and the next best that leads elsewhere.
    let first = edges.first().map(|edge| edge.row);
    if edges.last().map(|edge| edge.row) == first {
        chosen.extend(single(edges));
    } else {
        Component::new(edges, lines).solve(chosen);
    }
}

/// The choice of the only row.
fn single(edges: &[Edge<'_>]) -> Option<Choice> {
    let possible = edges.iter().filter(|edge| edge.score > CLAIM);
    // Of equals the first.
    let best = possible
        .clone()
        .rev()
        .max_by(|one, other| one.score.total_cmp(&other.score))?;
    let next = possible
        .filter(|edge| edge.column.0 != best.column.0)
        .map(|edge| edge.score)
        .fold(CLAIM - CLEAR, f64::max);
    Some(Choice {
        row: best.row,
        column: best.column,
        score: best.score,
        margin: best.score - next.max(best.left_out),
    })
}

/// One group, its rows and columns numbered from 0.
struct Component<'a> {
    edges: &'a [Edge<'a>],
    columns: Vec<Column>,
    pairs: Vec<Pair>,
    /// Where the edges of each row end.
    ends: Vec<usize>,
    /// Edges in order of columns, where rows are too many for all ways around to be looked at.
    by_column: Vec<usize>,
    /// When the lines of each edge were written.
    told: Vec<Told>,
    lines: Lines<'a>,
}

impl<'a> Component<'a> {
    /// From edges in order of rows.
    fn new(edges: &'a [Edge<'a>], lines: Lines<'a>) -> Self {
        let mut columns: Vec<Column> = edges.iter().map(|edge| edge.column).collect();
        columns.sort_unstable();
        columns.dedup();
        let mut ends = Vec::new();
        let mut pairs = Vec::with_capacity(edges.len());
        for edges in edges.chunk_by(|one, other| one.row == other.row) {
            pairs.extend(edges.iter().map(|edge| Pair {
                row: ends.len(),
                column: columns.binary_search(&edge.column).unwrap_or_default(),
                gain: gain(edge.score),
            }));
            ends.push(pairs.len());
        }
        let mut by_column = Vec::new();
        if ends.len() > EXACT {
            by_column.extend(0..pairs.len());
            by_column.sort_by_key(|&edge| pairs.get(edge).map(|pair| pair.column));
        }
        Self {
            edges,
            columns,
            pairs,
            ends,
            by_column,
            told: edges.iter().map(|edge| Told::of(edge.places)).collect(),
            lines,
        }
    }

    fn rows(&self) -> usize {
        self.ends.len()
    }

    /// The edges of a row.
    fn of_row(&self, row: usize) -> Range<usize> {
        let from = row.checked_sub(1).and_then(|before| self.ends.get(before));
        from.copied().unwrap_or(0)..self.ends.get(row).copied().unwrap_or(0)
    }

    /// The edges of a row that may be chosen, with what they gain.
    fn allowed(&self, row: usize) -> impl Iterator<Item = (usize, &Pair)> {
        let edges = self.of_row(row);
        let pairs = self.pairs.get(edges.clone()).unwrap_or_default();
        edges.zip(pairs).filter(|(_, pair)| pair.gain > CLEAR)
    }

    /// Adds what is chosen.
    fn solve(&self, all: &mut Vec<Choice>) {
        let best = self.best();
        let mut chosen = Chosen::new(self.rows(), self.columns.len());
        for (row, &edge) in best.edges.iter().enumerate() {
            if let Some(edge) = edge {
                self.take(&mut chosen, row, edge);
            }
        }
        if matches!(self.lines, Lines::InOrder(_)) {
            self.keep_order(&mut chosen);
        }
        let is_looked_around = self.rows() <= EXACT;
        let mut around = is_looked_around.then(|| Around::of(self, &best, &chosen));
        all.extend((0..self.rows()).filter_map(|row| {
            let edge = self.edges.get(chosen.of(row)?)?;
            Some(Choice {
                row: edge.row,
                column: edge.column,
                score: edge.score,
                // One that was not looked at may be free.
                margin: (edge.score - edge.left_out).min(self.margin(
                    around.as_mut(),
                    &chosen,
                    row,
                )),
            })
        }));
    }

    fn take(&self, chosen: &mut Chosen, row: usize, edge: usize) {
        if let (Some(pair), Some(told)) = (self.pairs.get(edge), self.told.get(edge)) {
            chosen.take(row, pair.column, edge, *told);
        }
    }

    /// The assignment of greatest gain.
    fn best(&self) -> Best {
        let allowed = self.pairs.iter().filter(|pair| pair.gain > CLEAR);
        let pairs: Vec<Pair> = allowed.copied().collect();
        let assignment = Assignment::best(self.rows(), self.columns.len(), &pairs);
        let mut edges = vec![None; self.rows()];
        for pair in assignment.pairs() {
            if let Some(slot) = edges.get_mut(pair.row) {
                *slot = self.edge(pair.row, pair.column);
            }
        }
        Best { assignment, edges }
    }

    fn edge(&self, row: usize, column: usize) -> Option<usize> {
        let mut allowed = self.allowed(row);
        Some(allowed.find(|(_, pair)| pair.column == column)?.0)
    }

    fn gain(&self, edge: Option<usize>) -> f64 {
        edge.and_then(|at| self.pairs.get(at))
            .map_or(0.0, |pair| pair.gain)
    }

    fn wire(&self, edge: Option<usize>) -> Option<usize> {
        Some(self.edges.get(edge?)?.column.0)
    }
}

/// The assignment of greatest gain, and the edges of its rows.
struct Best {
    assignment: Assignment,
    edges: Vec<Option<usize>>,
}

#[cfg(test)]
mod tests;
