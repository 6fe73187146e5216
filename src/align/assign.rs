//! One log session to one wire session: the assignment of greatest total gain.
//!
//! Successive shortest paths with node prices (Edmonds and Karp 1972; Dijkstra on reduced costs). Leaving a
//! row alone is worth 0, so only pairs of positive gain are ever chosen.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A possible pair and what it is worth, in nats; only positive gains matter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pair {
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) gain: f64,
}

/// The pairs of the assignment of greatest total gain among `rows` × `columns`, in order of rows.
pub(super) fn best(rows: usize, columns: usize, pairs: &[Pair]) -> Vec<Pair> {
    let mut matching = Matching::new(rows, columns, pairs);
    for row in 0..rows {
        matching.add(row);
    }
    let edges = matching.edge_of.iter().enumerate();
    edges
        .filter_map(|(row, edge)| {
            edge.map(|edge| Pair {
                row,
                column: edge.column,
                gain: -edge.cost,
            })
        })
        .collect()
}

/// An edge from a row.
#[derive(Clone, Copy)]
struct Edge {
    column: usize,
    cost: f64,
}

struct Matching {
    edges: Vec<Vec<Edge>>,
    row_of: Vec<Option<usize>>,
    edge_of: Vec<Option<Edge>>,
    row_price: Vec<f64>,
    column_price: Vec<f64>,
}

/// How far a search has come.
struct Frontier {
    best: Vec<f64>,
    came_from: Vec<Option<usize>>,
    heap: BinaryHeap<Node>,
}

impl Frontier {
    /// Looks at the columns that `row`, reached at `so_far`, could take.
    fn relax(&mut self, matching: &Matching, row: usize, so_far: f64) {
        for &edge in matching.edges.get(row).into_iter().flatten() {
            let distance = so_far + matching.reduced(row, edge);
            let (Some(known), Some(source)) = (
                self.best.get_mut(edge.column),
                self.came_from.get_mut(edge.column),
            ) else {
                continue;
            };
            if distance < *known {
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
    came_from: Vec<Option<usize>>,
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
        let mut edges = vec![Vec::new(); rows];
        for pair in pairs
            .iter()
            .filter(|pair| pair.gain > 0.0 && pair.column < columns)
        {
            if let Some(of_row) = edges.get_mut(pair.row) {
                of_row.push(Edge {
                    column: pair.column,
                    cost: -pair.gain,
                });
            }
        }
        let row_price = edges
            .iter()
            .map(|of_row| of_row.iter().map(|edge| edge.cost).fold(0.0, f64::min))
            .collect();
        Self {
            edges,
            row_of: vec![None; columns],
            edge_of: vec![None; rows],
            row_price,
            column_price: vec![0.0; columns],
        }
    }

    /// Gives `row` its place, moving others where that is worth more in all.
    fn add(&mut self, row: usize) {
        let search = self.search(row);
        self.reprice(&search);
        self.walk_back(row, &search);
    }

    fn reduced(&self, row: usize, edge: Edge) -> f64 {
        (edge.cost - price(&self.row_price, row) - price(&self.column_price, edge.column)).max(0.0)
    }

    /// Shortest path in reduced costs from `row` to a free column or to a row left alone.
    fn search(&self, row: usize) -> Search {
        let columns = self.row_of.len();
        let mut frontier = Frontier {
            best: vec![f64::INFINITY; columns],
            came_from: vec![None; columns],
            heap: BinaryHeap::new(),
        };
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
            let Some(owner) = self.row_of.get(column).copied().flatten() else {
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
            came_from: frontier.came_from,
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
                .row_of
                .get(column)
                .copied()
                .flatten()
                .and_then(|row| self.row_price.get_mut(row))
            {
                *price += change;
            }
        }
    }

    fn walk_back(&mut self, start: usize, search: &Search) {
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
            let Some(row) = search.came_from.get(column).copied().flatten() else {
                return;
            };
            let edge = self
                .edges
                .get(row)
                .into_iter()
                .flatten()
                .find(|edge| edge.column == column)
                .copied();
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
            let chosen = best(rows, columns, &pairs);
            let most = brute(rows, 0, 0, &pairs);
            let total: f64 = chosen.iter().map(|pair| pair.gain).sum();
            prop_assert!((total - most).abs() < 1e-9, "{total} is not {most}");
            let mut columns_used: Vec<_> = chosen.iter().map(|pair| pair.column).collect();
            columns_used.sort_unstable();
            columns_used.dedup();
            prop_assert_eq!(columns_used.len(), chosen.len());
        }
    }
}
