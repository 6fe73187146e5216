//! Pairs that hang together, and which of them are chosen: the assignment of greatest total score, among equals the one that keeps
//! the order of the log, and for each chosen pair what the next best would have been.

use std::ops::Range;

use super::assign::{Assignment, Detour, Pair};
use super::chosen::{Chosen, NEAR, Told, near};
use super::groups::{Column, Edge, Edges, Groups};
use super::jitter::Jitter;
use super::moment::LATE;
use crate::model::Threads;

/// Least score for a pair to be claimed: one unrelated session in three would fit as well, and a wrong
/// one has the right one to beat.
pub(super) const CLAIM: f64 = 1.0;
/// Least distance to the best alternative: it is seven times less likely.
pub(super) const CLEAR: f64 = 2.0;
/// What each second costs by which two lines are in the wrong order, and the most.
const DISORDER: f64 = 200.0;
const DISORDER_MOST: f64 = 8.0;
/// Above so many rows the next best choice is looked for among changes of two rows only.
const EXACT: usize = 60;
/// Times that rows change places.
const PASSES: usize = 8;

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
                gain: edge.score - CLAIM + CLEAR,
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

    /// The edges to a column that may be chosen, where these are known by column.
    fn to_column(&self, column: usize) -> impl Iterator<Item = (usize, &Pair)> {
        let pair = |&edge: &usize| Some((edge, self.pairs.get(edge)?));
        let is_before = |edge: &usize| pair(edge).is_some_and(|(_, pair)| pair.column < column);
        let from = self.by_column.partition_point(is_before);
        let edges = self.by_column.get(from..).unwrap_or_default().iter();
        let edges = edges.filter_map(pair);
        edges
            .take_while(move |(_, pair)| pair.column == column)
            .filter(|(_, pair)| pair.gain > CLEAR)
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

    /// What the rows have, where that is not what is chosen, in the best assignment in which `row` may not have `wire`, if that loses less than `least`.
    fn next(
        &self,
        around: &mut Around<'_>,
        chosen: &Chosen,
        (row, wire): (usize, usize),
        least: f64,
    ) -> Option<Vec<(usize, Option<usize>)>> {
        let barred = |column: usize| self.columns.get(column).is_some_and(|&(at, _)| at == wire);
        let limit = least + around.ahead;
        let way = around.detour.around(row, barred, limit)?;
        let edge = |(row, column): (usize, Option<usize>)| {
            (row, column.and_then(|column| self.edge(row, column)))
        };
        let mut next: Vec<_> = way.into_iter().map(edge).collect();
        for &moved in &around.moved {
            if next.iter().all(|&(row, _)| row != moved.0) {
                next.push(moved);
            }
        }
        next.retain(|&(row, edge)| edge != chosen.of(row));
        next.sort_unstable_by_key(|&(row, _)| row);
        Some(next)
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

    /// What it costs that two pairs are in the wrong order.
    fn disorder(&self, one: usize, other: Option<usize>, jitter: &Jitter) -> f64 {
        let mut cost = 0.0;
        let edge = |at: usize| self.edges.get(at);
        let Some((one, other)) = edge(one).zip(other.and_then(edge)) else {
            return cost;
        };
        for &(line, window) in one.places {
            for &(other_line, other_window) in other.places {
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
    fn order_cost(&self, chosen: &Chosen, changed: &[(usize, Option<usize>)]) -> f64 {
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
    fn present_cost(&self, chosen: &Chosen, having: &[(usize, Option<usize>)]) -> f64 {
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
    fn gains(&self, edges: &[(usize, Option<usize>)]) -> f64 {
        edges.iter().map(|&(_, edge)| self.gain(edge)).sum()
    }

    /// What rows are worth with the edges that they have.
    fn worth(&self, chosen: &Chosen, having: &[(usize, Option<usize>)]) -> f64 {
        self.gains(having) - self.present_cost(chosen, having)
    }

    /// What is lost by giving rows that are worth so much `now` other edges.
    fn loss(&self, now: f64, chosen: &Chosen, changed: &[(usize, Option<usize>)]) -> f64 {
        now - self.gains(changed) + self.order_cost(chosen, changed)
    }

    /// The lesser of a loss and that of giving rows that are worth so much `now` other edges. The order, which can but cost, is looked at only where
    /// that may be less.
    fn lesser(
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
    fn keep_order(&self, chosen: &mut Chosen) {
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
    fn margin(&self, around: Option<&mut Around<'_>>, chosen: &Chosen, row: usize) -> f64 {
        let edge = chosen.of(row);
        let wire = self.wire(edge);
        let mut least = self.gain(edge);
        let now = self.worth(chosen, &[(row, edge)]);
        for (at, pair) in self.allowed(row) {
            if self.wire(Some(at)) == wire {
                continue;
            }
            let Some(other) = chosen.owner(pair.column) else {
                least = self.lesser(least, now, chosen, &[(row, Some(at))]);
                continue;
            };
            let now = self.worth(chosen, &[(row, edge), (other, chosen.of(other))]);
            least = self.lesser(least, now, chosen, &[(row, Some(at)), (other, None)]);
            let free = |pair: &Pair| chosen.owner(pair.column).is_none_or(|owner| owner == row);
            for (edge, _) in self.allowed(other).filter(|(_, pair)| free(pair)) {
                let changed = [(row, Some(at)), (other, Some(edge))];
                least = self.lesser(least, now, chosen, &changed);
            }
        }
        // Another row may have waited for this one's place.
        let column = edge
            .and_then(|edge| self.pairs.get(edge))
            .map(|pair| pair.column);
        for (taken, pair) in column.into_iter().flat_map(|column| self.to_column(column)) {
            let other = pair.row;
            if other == row {
                continue;
            }
            let now = self.worth(chosen, &[(row, edge), (other, chosen.of(other))]);
            let free = |pair: &Pair| chosen.owner(pair.column).is_none_or(|owner| owner == other);
            let elsewhere = self
                .allowed(row)
                .filter(|&(at, pair)| self.wire(Some(at)) != wire && free(pair));
            for own in elsewhere.map(|(at, _)| Some(at)).chain([None]) {
                let changed = [(row, own), (other, Some(taken))];
                least = self.lesser(least, now, chosen, &changed);
            }
        }
        // What is too near is so whatever else there is.
        if let Some(around) = around.filter(|_| least >= CLEAR)
            && let Some(wire) = wire
            && let Some(changed) = self.next(around, chosen, (row, wire), least)
        {
            let having = changed.iter().map(|&(row, _)| (row, chosen.of(row)));
            let now = self.worth(chosen, &having.collect::<Vec<_>>());
            least = self.lesser(least, now, chosen, &changed);
        }
        least.max(0.0)
    }
}

/// The assignment of greatest gain, and the edges of its rows.
struct Best {
    assignment: Assignment,
    edges: Vec<Option<usize>>,
}

/// What is the same for all ways around in a group.
struct Around<'b> {
    detour: Detour<'b>,
    /// The rows that do not have what they have in the best assignment, with what that is.
    moved: Vec<(usize, Option<usize>)>,
    /// What the best assignment gains more than what is chosen, and all that the order costs there: by no more is another nearer to what is chosen
    /// than to the best.
    ahead: f64,
}

impl<'b> Around<'b> {
    fn of(component: &Component<'_>, best: &'b Best, chosen: &Chosen) -> Self {
        let rows = best.edges.iter().copied().enumerate();
        let moved: Vec<_> = rows.filter(|&(row, edge)| edge != chosen.of(row)).collect();
        let gained = moved.iter().map(|&(row, _)| component.gain(chosen.of(row)));
        let ordered = (0..component.rows()).map(|row| {
            let own = (row, chosen.of(row));
            chosen.cost(row, || component.order_cost(chosen, &[own]))
        });
        Self {
            detour: best.assignment.detour(),
            // Sums in another order differ by so little.
            ahead: component.gains(&moved) - gained.sum::<f64>() + ordered.sum::<f64>() + 1e-6,
            moved,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::align::moment::Window;
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
            left_out: f64::NEG_INFINITY,
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

    /// Rows of a line each that may be of some sessions, by how much each is worth there and when that was, in order of sessions.
    fn groups() -> impl Strategy<Value = Vec<Vec<Option<(u8, u16)>>>> {
        let pair = proptest::option::of((0u8..20, 0u16..400));
        proptest::collection::vec(proptest::collection::vec(pair, 5), 3..7)
    }

    proptest! {
        #[test]
        fn what_is_not_looked_at_could_make_no_margin_less(rows in groups()) {
            let places: Vec<Vec<[(u64, Window); 1]>> = (0u64..)
                .zip(&rows)
                .map(|(line, row)| row.iter().map(|pair| [(line, at(pair.map_or(0, |(_, millis)| millis.into())))]).collect())
                .collect();
            let mut edges = Vec::new();
            for (row, pairs) in rows.iter().enumerate() {
                for (wire, pair) in pairs.iter().enumerate() {
                    edges.extend(pair.map(|(score, _)| edge(row, wire, f64::from(score) / 2.0, &places[row][wire])));
                }
            }
            let jitter = Jitter::default();
            let group = Component::new(&edges, Lines::InOrder(&jitter));
            let best = group.best();
            let mut chosen = Chosen::new(group.rows(), group.columns.len());
            for (row, edge) in best.edges.iter().enumerate() {
                if let Some(edge) = *edge {
                    group.take(&mut chosen, row, edge);
                }
            }
            group.keep_order(&mut chosen);
            let mut bounded = Around::of(&group, &best, &chosen);
            let mut unbounded = Around { ahead: f64::INFINITY, ..Around::of(&group, &best, &chosen) };
            for row in (0..group.rows()).filter(|&row| chosen.of(row).is_some()) {
                let margins = [&mut bounded, &mut unbounded].map(|around| group.margin(Some(around), &chosen, row));
                prop_assert!((margins[0] - margins[1]).abs() < 1e-9, "{margins:?}");
            }
        }
    }

    #[test]
    fn a_session_that_two_rows_may_be_is_neithers() {
        let (one, other) = ([(1, at(100))], [(2, at(102))]);
        for lines in [Lines::Unknown, Lines::InOrder(&Jitter::default())] {
            let chosen = choose(vec![edge(0, 7, 5.0, &one), edge(1, 7, 4.9, &other)], lines);
            assert!(
                chosen.iter().all(|choice| choice.margin < CLEAR),
                "{chosen:?}"
            );
        }
    }

    #[test]
    fn a_session_that_another_row_waits_for_is_neithers_among_however_many() {
        let places: Vec<[(u64, Window); 1]> = (0u8..80)
            .map(|row| [(row.into(), at(100 * i64::from(row)))])
            .collect();
        for rows in [3, 20, 80] {
            // What all fit too badly to be it holds them together.
            let mut edges = Vec::new();
            for (row, places) in places.iter().enumerate().take(rows) {
                if row + 1 < rows {
                    edges.push(edge(row, row, 9.0, places));
                    edges.push(edge(row, 100, 0.5, places));
                } else {
                    edges.push(edge(row, 0, 8.9, places));
                    edges.push(edge(row, 100, 0.5, places));
                }
            }
            let chosen = choose(edges, Lines::Unknown);
            let is_clear = |row: usize| {
                let mut of_row = chosen.iter().filter(|choice| choice.row == row);
                of_row.any(|choice| choice.margin >= CLEAR)
            };
            assert!(
                !is_clear(0) && !is_clear(rows - 1) && is_clear(1),
                "{rows}: {chosen:?}"
            );
        }
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
}
