//! One log session to one wire session: the assignment of greatest total gain.
//!
//! Successive shortest paths with node prices (Edmonds and Karp 1972; Dijkstra on reduced costs). Leaving a
//! row alone is worth 0, so only pairs of positive gain are ever chosen.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

mod detour;

pub(super) use detour::Detour;

/// A possible pair and what it is worth, in nats; only positive gains matter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pair {
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) gain: f64,
}

/// The assignment of greatest total gain.
pub(super) struct Assignment {
    matching: Matching,
}

impl Assignment {
    /// Of all that `pairs` allow among `rows` × `columns`.
    pub(super) fn best(rows: usize, columns: usize, pairs: &[Pair]) -> Self {
        let mut matching = Matching::new(rows, columns, pairs);
        let mut frontier = Frontier::new(columns);
        for row in 0..rows {
            matching.add(row, &mut frontier);
        }
        Self { matching }
    }

    /// What is chosen, in order of rows.
    pub(super) fn pairs(&self) -> impl Iterator<Item = Pair> {
        let edges = self.matching.edge_of.iter().enumerate();
        edges.filter_map(|(row, edge)| {
            edge.map(|edge| Pair {
                row,
                column: edge.column,
                gain: -edge.cost,
            })
        })
    }

    /// To look for the best assignments in which a row may not have what it has.
    pub(super) fn detour(&self) -> Detour<'_> {
        Detour::of(&self.matching)
    }
}

/// An edge from a row.
#[derive(Clone, Copy)]
struct Edge {
    column: usize,
    cost: f64,
}

struct Matching {
    /// Those of one row after the other, and where those of each end.
    edges: Vec<Edge>,
    ends: Vec<usize>,
    row_of: Vec<Option<usize>>,
    edge_of: Vec<Option<Edge>>,
    row_price: Vec<f64>,
    column_price: Vec<f64>,
}

/// How far a search has come. It is used for one search after the other: each costs what it looks at, not what there is.
struct Frontier {
    best: Vec<f64>,
    came_from: Vec<Option<usize>>,
    heap: BinaryHeap<Node>,
    /// Columns of which something is known.
    seen: Vec<usize>,
}

impl Frontier {
    fn new(columns: usize) -> Self {
        Self {
            best: vec![f64::INFINITY; columns],
            came_from: vec![None; columns],
            heap: BinaryHeap::new(),
            seen: Vec::new(),
        }
    }

    /// Forgets the search before.
    fn clear(&mut self) {
        self.heap.clear();
        for column in self.seen.drain(..) {
            if let (Some(known), Some(source)) =
                (self.best.get_mut(column), self.came_from.get_mut(column))
            {
                *known = f64::INFINITY;
                *source = None;
            }
        }
    }

    /// Looks at the columns that `row`, reached at `so_far`, could take.
    fn relax(&mut self, matching: &Matching, row: usize, so_far: f64) {
        for &edge in matching.of_row(row) {
            let distance = so_far + matching.reduced(row, edge);
            let (Some(known), Some(source)) = (
                self.best.get_mut(edge.column),
                self.came_from.get_mut(edge.column),
            ) else {
                continue;
            };
            if distance < *known {
                if source.is_none() {
                    self.seen.push(edge.column);
                }
                *known = distance;
                *source = Some(row);
                self.heap.push(Node {
                    distance,
                    column: edge.column,
                });
            }
        }
    }
}

/// What a search from a row found.
struct Search {
    distance: Vec<(usize, f64)>,
    end: End,
    length: f64,
}

/// Where an augmenting path ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// At a column that nobody has.
    Column(usize),
    /// At a row that is left alone.
    Alone(usize),
}

impl Matching {
    /// Gains become costs below zero; `columns` real columns, and a private one for each row, of cost 0, that stands
    /// for being left alone (numbers `columns..columns + rows`).
    fn new(rows: usize, columns: usize, pairs: &[Pair]) -> Self {
        let gains = |pair: &&Pair| pair.gain > 0.0 && pair.column < columns;
        let mut ends = vec![0; rows];
        for pair in pairs.iter().filter(gains) {
            if let Some(count) = ends.get_mut(pair.row) {
                *count += 1;
            }
        }
        let mut next = 0;
        for end in &mut ends {
            next += std::mem::replace(end, next);
        }
        let none = Edge {
            column: 0,
            cost: 0.0,
        };
        let mut edges = vec![none; next];
        let mut row_price = vec![0.0; rows];
        for pair in pairs.iter().filter(gains) {
            let (Some(end), Some(price)) = (ends.get_mut(pair.row), row_price.get_mut(pair.row))
            else {
                continue;
            };
            let cost = -pair.gain;
            *price = f64::min(*price, cost);
            if let Some(slot) = edges.get_mut(*end) {
                *slot = Edge {
                    column: pair.column,
                    cost,
                };
            }
            *end += 1;
        }
        Self {
            edges,
            ends,
            row_of: vec![None; columns],
            edge_of: vec![None; rows],
            row_price,
            column_price: vec![0.0; columns],
        }
    }

    /// The edges of a row.
    fn of_row(&self, row: usize) -> &[Edge] {
        let from = row.checked_sub(1).and_then(|before| self.ends.get(before));
        let to = self.ends.get(row).copied().unwrap_or(0);
        self.edges
            .get(from.copied().unwrap_or(0)..to)
            .unwrap_or_default()
    }

    /// Gives `row` its place, moving others where that is worth more in all.
    fn add(&mut self, row: usize, frontier: &mut Frontier) {
        if let Some(edge) = self.best_free(row) {
            if let (Some(slot), Some(owner)) =
                (self.edge_of.get_mut(row), self.row_of.get_mut(edge.column))
            {
                (*slot, *owner) = (Some(edge), Some(row));
            }
            return;
        }
        frontier.clear();
        let search = self.search(row, frontier);
        self.reprice(&search);
        self.walk_back(row, &search, frontier);
    }

    /// The best that `row` could have, of equals the first column, where nobody has it: a search would end there, and change no price.
    fn best_free(&self, row: usize) -> Option<Edge> {
        let best = self.of_row(row).iter();
        let best = best.filter(|&&edge| self.reduced(row, edge) == 0.0);
        let best = best.min_by_key(|edge| edge.column)?;
        self.owner(best.column).is_none().then_some(*best)
    }

    /// The column that `row` has.
    fn column(&self, row: usize) -> Option<usize> {
        Some(self.edge_of.get(row).copied().flatten()?.column)
    }

    /// The row that has `column`.
    fn owner(&self, column: usize) -> Option<usize> {
        self.row_of.get(column).copied().flatten()
    }

    fn reduced(&self, row: usize, edge: Edge) -> f64 {
        (edge.cost - price(&self.row_price, row) - price(&self.column_price, edge.column)).max(0.0)
    }

    /// Shortest path in reduced costs from `row` to a free column or to a row left alone.
    fn search(&self, row: usize, frontier: &mut Frontier) -> Search {
        let mut done: Vec<(usize, f64)> = Vec::new();
        let mut end = End::Alone(row);
        let mut length = -price(&self.row_price, row);
        frontier.relax(self, row, 0.0);
        while let Some(Node { distance, column }) = frontier.heap.pop() {
            if distance >= length {
                break;
            }
            if frontier
                .best
                .get(column)
                .is_some_and(|&known| distance > known)
            {
                continue;
            }
            done.push((column, distance));
            let Some(owner) = self.owner(column) else {
                // A free column has no price, and nothing nearer is left.
                (end, length) = (End::Column(column), distance);
                break;
            };
            let alone = distance - price(&self.row_price, owner);
            if alone < length {
                (end, length) = (End::Alone(owner), alone);
            }
            frontier.relax(self, owner, distance);
        }
        Search {
            distance: done,
            end,
            length,
        }
    }

    /// Keeps every reduced cost at zero or above, and those on the path at zero.
    fn reprice(&mut self, search: &Search) {
        for &(column, distance) in &search.distance {
            let change = (search.length - distance).max(0.0);
            if let Some(price) = self.column_price.get_mut(column) {
                *price -= change;
            }
            if let Some(price) = self
                .owner(column)
                .and_then(|row| self.row_price.get_mut(row))
            {
                *price += change;
            }
        }
    }

    fn walk_back(&mut self, start: usize, search: &Search, frontier: &Frontier) {
        if let Some(price) = self.row_price.get_mut(start) {
            *price += search.length;
        }
        let mut column = match search.end {
            End::Column(column) => column,
            End::Alone(row) if row == start => return,
            End::Alone(row) => {
                let Some(freed) = self.edge_of.get_mut(row).and_then(Option::take) else {
                    return;
                };
                freed.column
            }
        };
        loop {
            let Some(row) = frontier.came_from.get(column).copied().flatten() else {
                return;
            };
            let edges = self.of_row(row).iter();
            let edge = edges.copied().find(|edge| edge.column == column);
            let before = self.edge_of.get(row).copied().flatten();
            if let (Some(slot), Some(owner)) =
                (self.edge_of.get_mut(row), self.row_of.get_mut(column))
            {
                *slot = edge;
                *owner = Some(row);
            }
            match before {
                Some(edge) if row != start => column = edge.column,
                _ => return,
            }
        }
    }
}

fn price(prices: &[f64], index: usize) -> f64 {
    prices.get(index).copied().unwrap_or(0.0)
}

/// A heap entry; the nearest comes first, ties by column so that results do not depend on chance.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Node {
    distance: f64,
    column: usize,
}

impl Eq for Node {}

impl Ord for Node {
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .distance
            .total_cmp(&self.distance)
            .then(other.column.cmp(&self.column))
    }
}

impl PartialOrd for Node {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Total gain of the best assignment, by trying all.
    fn brute(rows: usize, taken: u32, row: usize, pairs: &[Pair]) -> f64 {
        if row == rows {
            return 0.0;
        }
        let alone = brute(rows, taken, row + 1, pairs);
        pairs
            .iter()
            .filter(|pair| pair.row == row && pair.gain > 0.0 && taken & (1 << pair.column) == 0)
            .map(|pair| pair.gain + brute(rows, taken | (1 << pair.column), row + 1, pairs))
            .fold(alone, f64::max)
    }

    fn grid() -> impl Strategy<Value = (usize, usize, Vec<Pair>)> {
        (1usize..6, 1usize..6).prop_flat_map(|(rows, columns)| {
            proptest::collection::vec(-4.0f64..12.0, rows * columns).prop_map(move |gains| {
                let pairs = gains
                    .into_iter()
                    .enumerate()
                    .map(|(i, gain)| Pair {
                        row: i / columns,
                        column: i % columns,
                        gain,
                    })
                    .filter(|pair| pair.gain > -2.0)
                    .collect();
                (rows, columns, pairs)
            })
        })
    }

    proptest! {
        #[test]
        fn the_total_equals_brute_force((rows, columns, pairs) in grid()) {
            let chosen: Vec<Pair> = Assignment::best(rows, columns, &pairs).pairs().collect();
            let most = brute(rows, 0, 0, &pairs);
            let total: f64 = chosen.iter().map(|pair| pair.gain).sum();
            prop_assert!((total - most).abs() < 1e-9, "{total} is not {most}");
            let mut columns_used: Vec<_> = chosen.iter().map(|pair| pair.column).collect();
            columns_used.sort_unstable();
            columns_used.dedup();
            prop_assert_eq!(columns_used.len(), chosen.len());
        }

        #[test]
        fn without_a_pair_the_total_equals_brute_force((rows, columns, pairs) in grid(), wide in 1usize..4) {
            let best = Assignment::best(rows, columns, &pairs);
            let gain = |row: usize, column: usize| {
                pairs.iter().find(|pair| (pair.row, pair.column) == (row, column)).unwrap().gain
            };
            let mut detour = best.detour();
            for pair in best.pairs() {
                // Columns are barred in groups, as places of one connection are.
                let barred = |column: usize| column / wide == pair.column / wide;
                let mut now: Vec<Option<usize>> = vec![None; rows];
                best.pairs().for_each(|pair| now[pair.row] = Some(pair.column));
                for (row, column) in detour.around(pair.row, barred, f64::INFINITY).unwrap() {
                    now[row] = column;
                }
                prop_assert!(now[pair.row].is_none_or(|column| !barred(column)));
                let mut used: Vec<usize> = now.iter().copied().flatten().collect();
                let total: f64 = now.iter().enumerate().filter_map(|(row, column)| Some(gain(row, (*column)?))).sum();
                used.sort_unstable();
                used.dedup();
                prop_assert_eq!(used.len(), now.iter().flatten().count());
                let allowed: Vec<Pair> = pairs
                    .iter()
                    .filter(|other| other.row != pair.row || !barred(other.column))
                    .copied()
                    .collect();
                let most = brute(rows, 0, 0, &allowed);
                prop_assert!((total - most).abs() < 1e-9, "{total} is not {most}");
                let lost = best.pairs().map(|pair| pair.gain).sum::<f64>() - most;
                if lost > 1e-6 {
                    prop_assert!(detour.around(pair.row, barred, lost - 1e-6).is_none());
                    prop_assert!(detour.around(pair.row, barred, lost + 1e-6).is_some());
                }
            }
        }
    }
}
