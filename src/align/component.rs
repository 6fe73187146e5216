//! Pairs that hang together, and which of them are chosen: the assignment of greatest total score, among equals the one that keeps
//! the order of the log, and for each chosen pair what the next best would have been.

use super::assign::{Assignment, Pair};
use super::jitter::Jitter;
use super::moment::{LATE, Window};
use crate::model::Threads;

/// Least score for a pair to be claimed: one unrelated session in three would fit as well, and a wrong
/// one has the right one to beat.
pub(super) const CLAIM: f64 = 1.0;
/// Least distance to the best alternative: it is seven times less likely.
pub(super) const CLEAR: f64 = 2.0;
/// What each second costs by which two lines are in the wrong order, and the most.
const DISORDER: f64 = 200.0;
const DISORDER_MOST: f64 = 8.0;
/// Rows on either side of one whose order is compared with its own, and which it may change places with.
const NEAR: usize = 24;
/// Above so many rows the next best choice is looked for among changes of two rows only.
const EXACT: usize = 60;
/// Times that rows change places.
const PASSES: usize = 8;

/// A wire session and, where a log has a line for each exchange, which one.
pub(super) type Column = (usize, Option<usize>);

/// A pair that could be.
#[derive(Clone, Copy)]
pub(super) struct Edge<'a> {
    pub(super) row: usize,
    pub(super) column: Column,
    pub(super) score: f64,
    /// The lines that tell of a moment, and when on the wire that was.
    pub(super) places: &'a [(u64, Window)],
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

/// All pairs that could be, in order of rows.
pub(super) struct Edges<'a> {
    edges: Vec<Edge<'a>>,
    /// Each column once, in order.
    columns: Vec<Column>,
}

impl<'a> Edges<'a> {
    pub(super) fn new(edges: Vec<Edge<'a>>) -> Self {
        let mut columns: Vec<Column> = edges.iter().map(|edge| edge.column).collect();
        columns.sort_unstable();
        columns.dedup();
        Self { edges, columns }
    }

    /// How many columns there are.
    pub(super) const fn columns(&self) -> usize {
        self.columns.len()
    }

    /// The row of each edge.
    pub(super) fn rows(&self) -> impl Iterator<Item = usize> {
        self.edges.iter().map(|edge| edge.row)
    }
}

/// What was chosen of all `edges`.
pub(super) fn choose(edges: &Edges<'_>, lines: Lines<'_>, threads: Threads) -> Vec<Choice> {
    let groups = Groups::of(edges);
    let mut chosen = threads.gather(groups.ends.len(), |range| {
        let groups = range.filter_map(|at| groups.get(at));
        groups.flat_map(|edges| solve(edges, lines)).collect()
    });
    chosen.sort_by_key(|choice| choice.row);
    chosen
}

/// What was chosen of one group.
fn solve(edges: &[Edge<'_>], lines: Lines<'_>) -> Vec<Choice> {
    // Most have one row: the best of its edges, and the next best that leads elsewhere.
    let first = edges.first().map(|edge| edge.row);
    if edges.last().map(|edge| edge.row) == first {
        return single(edges).into_iter().collect();
    }
    Component::new(edges, lines).solve()
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
        margin: best.score - next,
    })
}

/// One group, its rows and columns numbered from 0.
struct Component<'a> {
    edges: &'a [Edge<'a>],
    rows: Vec<usize>,
    columns: Vec<Column>,
    pairs: Vec<Pair>,
    /// Edges of each row.
    of_row: Vec<Vec<usize>>,
    lines: Lines<'a>,
}

impl<'a> Component<'a> {
    /// From edges in order of rows.
    fn new(edges: &'a [Edge<'a>], lines: Lines<'a>) -> Self {
        let mut rows: Vec<usize> = edges.iter().map(|edge| edge.row).collect();
        let mut columns: Vec<Column> = edges.iter().map(|edge| edge.column).collect();
        rows.dedup();
        columns.sort_unstable();
        columns.dedup();
        let mut of_row = vec![Vec::new(); rows.len()];
        let mut pairs = Vec::with_capacity(edges.len());
        for (at, edge) in edges.iter().enumerate() {
            let row = rows.binary_search(&edge.row).unwrap_or_default();
            pairs.push(Pair {
                row,
                column: columns.binary_search(&edge.column).unwrap_or_default(),
                gain: edge.score - CLAIM + CLEAR,
            });
            if let Some(of_row) = of_row.get_mut(row) {
                of_row.push(at);
            }
        }
        Self {
            edges,
            rows,
            columns,
            pairs,
            of_row,
            lines,
        }
    }

    fn solve(&self) -> Vec<Choice> {
        let best = self.best();
        let mut chosen = Chosen::new(self.rows.len(), self.columns.len());
        for pair in best.assignment.pairs() {
            chosen.take(pair.row, pair.column, self.edge(pair.row, pair.column));
        }
        if matches!(self.lines, Lines::InOrder(_)) {
            self.keep_order(&mut chosen);
        }
        (0..self.rows.len())
            .filter_map(|row| {
                let edge = self.edges.get(chosen.of(row)?)?;
                Some(Choice {
                    row: edge.row,
                    column: edge.column,
                    score: edge.score,
                    margin: self.margin(&best, &chosen, row),
                })
            })
            .collect()
    }

    /// The assignment of greatest gain.
    fn best(&self) -> Best {
        let allowed = self.pairs.iter().filter(|pair| pair.gain > CLEAR);
        let pairs: Vec<Pair> = allowed.copied().collect();
        let assignment = Assignment::best(self.rows.len(), self.columns.len(), &pairs);
        let mut edges = vec![None; self.rows.len()];
        for pair in assignment.pairs() {
            if let Some(slot) = edges.get_mut(pair.row) {
                *slot = self.edge(pair.row, pair.column);
            }
        }
        Best { assignment, edges }
    }

    /// What the rows have, where that is not what is chosen, in the best assignment in which `row` may not have `wire`.
    fn next(
        &self,
        best: &Best,
        chosen: &Chosen,
        row: usize,
        wire: usize,
    ) -> Vec<(usize, Option<usize>)> {
        let barred = |column: usize| self.columns.get(column).is_some_and(|&(at, _)| at == wire);
        let mut next = best.edges.clone();
        for (row, column) in best.assignment.without(row, barred) {
            if let Some(slot) = next.get_mut(row) {
                *slot = column.and_then(|column| self.edge(row, column));
            }
        }
        let rows = next.into_iter().enumerate();
        rows.filter(|&(row, edge)| edge != chosen.of(row)).collect()
    }

    fn edge(&self, row: usize, column: usize) -> Option<usize> {
        let of_row = self.of_row.get(row)?;
        of_row.iter().copied().find(|&at| {
            self.pairs
                .get(at)
                .is_some_and(|pair| pair.column == column && pair.gain > CLEAR)
        })
    }

    fn gain(&self, edge: Option<usize>) -> f64 {
        edge.and_then(|at| self.pairs.get(at))
            .map_or(0.0, |pair| pair.gain)
    }

    fn wire(&self, edge: Option<usize>) -> Option<usize> {
        Some(self.edges.get(edge?)?.column.0)
    }

    /// What it costs that two pairs are in the wrong order.
    fn disorder(&self, one: Option<usize>, other: Option<usize>) -> f64 {
        let (Some(one), Some(other), Lines::InOrder(jitter)) = (
            one.and_then(|at| self.edges.get(at)),
            other.and_then(|at| self.edges.get(at)),
            self.lines,
        ) else {
            return 0.0;
        };
        let mut cost = 0.0;
        for &(line, window) in one.places {
            for &(other_line, other_window) in other.places {
                let (before, behind) = if line < other_line {
                    (window, other_window)
                } else {
                    (other_window, window)
                };
                let wrong = before.lo.since(behind.hi).as_seconds_f64();
                if wrong > 0.0 && line != other_line {
                    let late = (wrong - LATE.as_seconds_f64()).max(0.0);
                    let usual = jitter.cost(wrong);
                    cost += (DISORDER * late).min(DISORDER_MOST).max(usual);
                }
            }
        }
        cost
    }

    /// What the order costs of `row` having `edge`, and of `changed` having another, against the rows around them.
    fn order_cost(&self, chosen: &Chosen, changed: &[(usize, Option<usize>)]) -> f64 {
        let mut cost = 0.0;
        if matches!(self.lines, Lines::Unknown) {
            return cost;
        }
        for (at, &(row, edge)) in changed.iter().enumerate() {
            for near in row.saturating_sub(NEAR)..(row + NEAR + 1).min(self.rows.len()) {
                if changed.iter().all(|&(changed, _)| changed != near) {
                    cost += self.disorder(edge, chosen.of(near));
                }
            }
            for &(_, other) in changed.iter().skip(at + 1) {
                cost += self.disorder(edge, other);
            }
        }
        cost
    }

    /// What is lost by giving these rows other edges.
    fn loss(&self, chosen: &Chosen, changed: &[(usize, Option<usize>)]) -> f64 {
        let now: Vec<(usize, Option<usize>)> = changed
            .iter()
            .map(|&(row, _)| (row, chosen.of(row)))
            .collect();
        let gain = |of: &[(usize, Option<usize>)]| {
            of.iter().map(|&(_, edge)| self.gain(edge)).sum::<f64>()
        };
        gain(&now) - self.order_cost(chosen, &now) - gain(changed)
            + self.order_cost(chosen, changed)
    }

    /// Lets rows change places while that is worth more, order included.
    fn keep_order(&self, chosen: &mut Chosen) {
        for _ in 0..PASSES {
            let mut changed = false;
            for row in 0..self.rows.len() {
                for other in row + 1..(row + NEAR + 1).min(self.rows.len()) {
                    let Some(swap) = self.swap(chosen, row, other) else {
                        continue;
                    };
                    if self.loss(chosen, &swap) < -1e-9 {
                        for (row, edge) in swap {
                            let column = edge
                                .and_then(|at| self.pairs.get(at))
                                .map(|pair| pair.column);
                            if let Some(column) = column {
                                chosen.take(row, column, edge);
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
    fn swap(
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

    /// What the whole loses when `row` may not have its wire session.
    fn margin(&self, best: &Best, chosen: &Chosen, row: usize) -> f64 {
        let edge = chosen.of(row);
        let wire = self.wire(edge);
        let mut least = self.gain(edge);
        for &at in self.of_row.get(row).into_iter().flatten() {
            let Some(pair) = self.pairs.get(at).filter(|pair| pair.gain > CLEAR) else {
                continue;
            };
            if self.wire(Some(at)) == wire {
                continue;
            }
            match chosen.owner(pair.column) {
                None => least = least.min(self.loss(chosen, &[(row, Some(at))])),
                Some(other) => {
                    least = least.min(self.loss(chosen, &[(row, Some(at)), (other, None)]));
                    let free = self
                        .of_row
                        .get(other)
                        .into_iter()
                        .flatten()
                        .copied()
                        .filter(|&edge| {
                            let pair = self.pairs.get(edge);
                            pair.is_some_and(|pair| {
                                pair.gain > CLEAR
                                    && chosen.owner(pair.column).is_none_or(|owner| owner == row)
                            })
                        });
                    for edge in free {
                        least =
                            least.min(self.loss(chosen, &[(row, Some(at)), (other, Some(edge))]));
                    }
                }
            }
        }
        // Two rows and fewer have no other changes; and what is too near is so whatever else there is.
        let look_farther = (3..=EXACT).contains(&self.rows.len()) && least >= CLEAR;
        if let Some(wire) = wire.filter(|_| look_farther) {
            let changed = self.next(best, chosen, row, wire);
            least = least.min(self.loss(chosen, &changed));
        }
        least.max(0.0)
    }
}

/// The assignment of greatest gain, and the edges of its rows.
struct Best {
    assignment: Assignment,
    edges: Vec<Option<usize>>,
}

/// Which edge each row has, and which row each column.
struct Chosen {
    edge_of: Vec<Option<usize>>,
    row_of: Vec<Option<usize>>,
}

impl Chosen {
    fn new(rows: usize, columns: usize) -> Self {
        Self {
            edge_of: vec![None; rows],
            row_of: vec![None; columns],
        }
    }

    fn of(&self, row: usize) -> Option<usize> {
        self.edge_of.get(row).copied().flatten()
    }

    fn owner(&self, column: usize) -> Option<usize> {
        self.row_of.get(column).copied().flatten()
    }

    fn take(&mut self, row: usize, column: usize, edge: Option<usize>) {
        if let (Some(of_row), Some(of_column)) =
            (self.edge_of.get_mut(row), self.row_of.get_mut(column))
        {
            *of_row = edge;
            *of_column = Some(row);
        }
    }
}

/// The edges, in groups that share no row and no column.
struct Groups<'a> {
    /// One group after the other, in each in order of rows.
    edges: Vec<Edge<'a>>,
    /// Where each group ends.
    ends: Vec<usize>,
}

impl<'a> Groups<'a> {
    fn of(all: &Edges<'a>) -> Self {
        let rows = all.rows().map(|row| row + 1).max().unwrap_or(0);
        let mut parent: Vec<usize> = (0..rows + all.columns()).collect();
        for edge in &all.edges {
            let column = rows + all.columns.binary_search(&edge.column).unwrap_or_default();
            let (one, other) = (root(&mut parent, edge.row), root(&mut parent, column));
            if let Some(slot) = parent.get_mut(one.max(other)) {
                *slot = one.min(other);
            }
        }
        let mut order: Vec<(usize, usize)> = all
            .rows()
            .enumerate()
            .map(|(at, row)| (root(&mut parent, row), at))
            .collect();
        order.sort_unstable();
        let ends = order
            .chunk_by(|(one, _), (other, _)| one == other)
            .scan(0, |end, group| {
                *end += group.len();
                Some(*end)
            })
            .collect();
        let edges = order
            .iter()
            .filter_map(|&(_, at)| all.edges.get(at).copied());
        Self {
            edges: edges.collect(),
            ends,
        }
    }

    fn get(&self, at: usize) -> Option<&[Edge<'a>]> {
        let from = at.checked_sub(1).and_then(|before| self.ends.get(before));
        let from = from.copied().unwrap_or(0);
        self.edges.get(from..*self.ends.get(at)?)
    }
}

fn root(parent: &mut [usize], mut group: usize) -> usize {
    while let Some(&up) = parent.get(group).filter(|&&up| up != group) {
        // Halves the way for the next look.
        let above = parent.get(up).copied().unwrap_or(up);
        if let Some(slot) = parent.get_mut(group) {
            *slot = above;
        }
        group = above;
    }
    group
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Nanos, Span};

    fn choose(edges: Vec<Edge<'_>>, lines: Lines<'_>) -> Vec<Choice> {
        super::choose(&Edges::new(edges), lines, Threads::default())
    }

    fn at(millis: i64) -> Window {
        let time = Nanos(0) + Span::millis(millis);
        Window::acted(time, time + Span::millis(1))
    }

    fn edge(row: usize, wire: usize, score: f64, places: &[(u64, Window)]) -> Edge<'_> {
        Edge {
            row,
            column: (wire, None),
            score,
            places,
        }
    }

    #[test]
    fn the_order_of_lines_tells_twins_apart() {
        let (early, late) = (at(100), at(500));
        let (first_early, first_late) = ([(1, early)], [(1, late)]);
        let (second_early, second_late) = ([(2, early)], [(2, late)]);
        let chosen = choose(
            vec![
                edge(0, 7, 5.0, &first_late),
                edge(0, 8, 5.0, &first_early),
                edge(1, 7, 5.0, &second_late),
                edge(1, 8, 5.0, &second_early),
            ],
            Lines::InOrder(&Jitter::default()),
        );
        let columns: Vec<usize> = chosen.iter().map(|choice| choice.column.0).collect();
        assert_eq!(columns, [8, 7]);
        assert!(
            chosen.iter().all(|choice| choice.margin >= CLEAR),
            "{chosen:?}"
        );
    }

    #[test]
    fn twins_at_one_moment_are_not_told_apart() {
        let (one, other) = (at(100), at(105));
        let (a, b) = ([(1, one)], [(1, other)]);
        let (c, d) = ([(2, one)], [(2, other)]);
        let chosen = choose(
            vec![
                edge(0, 7, 5.0, &a),
                edge(0, 8, 5.0, &b),
                edge(1, 7, 5.0, &c),
                edge(1, 8, 5.0, &d),
            ],
            Lines::InOrder(&Jitter::default()),
        );
        assert_eq!(chosen.len(), 2);
        assert!(
            chosen.iter().all(|choice| choice.margin < CLEAR),
            "{chosen:?}"
        );
    }

    #[test]
    fn pairs_without_anything_in_common_are_solved_apart() {
        let edges = Edges::new(vec![
            edge(0, 1, 1.0, &[]),
            edge(1, 2, 1.0, &[]),
            edge(2, 1, 1.0, &[]),
        ]);
        let groups = Groups::of(&edges);
        let rows = |at: usize| -> Vec<usize> {
            let edges = groups.get(at).unwrap_or_default().iter();
            edges.map(|edge| edge.row).collect()
        };
        assert_eq!([rows(0), rows(1), rows(2)], [vec![0, 2], vec![1], vec![]]);
    }
}
