//! What the whole of a group loses without a pair that was chosen: how far the next best choice is.

use super::super::assign::{Detour, Pair};
use super::super::chosen::Chosen;
use super::{Best, CLEAR, Component};

impl Component<'_> {
    /// What the whole loses when `row` may not have its wire session.
    pub(super) fn margin(
        &self,
        around: Option<&mut Around<'_>>,
        chosen: &Chosen,
        row: usize,
    ) -> f64 {
        let edge = chosen.of(row);
        let own = (row, edge);
        let mut least = self.elsewhere(self.gain(edge), chosen, own);
        least = self.waited_for(least, chosen, own);
        // What is too near is so whatever else there is.
        if let Some(around) = around.filter(|_| least >= CLEAR)
            && let Some(wire) = self.wire(edge)
            && let Some(changed) = self.next(around, chosen, (row, wire), least)
        {
            let having = changed.iter().map(|&(row, _)| (row, chosen.of(row)));
            let now = self.worth(chosen, &having.collect::<Vec<_>>());
            least = self.lesser(least, now, chosen, &changed);
        }
        least.max(0.0)
    }

    /// The lesser of a loss and that of `row` having another wire session, whose owner then has none or another.
    fn elsewhere(
        &self,
        mut least: f64,
        chosen: &Chosen,
        (row, edge): (usize, Option<usize>),
    ) -> f64 {
        let wire = self.wire(edge);
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
        least
    }

    /// The lesser of a loss and that of another row having the place of `row`, which then has none or one that is free. Nothing is known where all
    /// ways around are looked at.
    fn waited_for(
        &self,
        mut least: f64,
        chosen: &Chosen,
        (row, edge): (usize, Option<usize>),
    ) -> f64 {
        let Some(taken) = edge.and_then(|edge| self.pairs.get(edge)) else {
            return least;
        };
        let wire = self.wire(edge);
        for (taking, pair) in self.to_column(taken.column) {
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
                let changed = [(row, own), (other, Some(taking))];
                least = self.lesser(least, now, chosen, &changed);
            }
        }
        least
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
}

/// What is the same for all ways around in a group.
pub(super) struct Around<'b> {
    detour: Detour<'b>,
    /// The rows that do not have what they have in the best assignment, with what that is.
    moved: Vec<(usize, Option<usize>)>,
    /// What the best assignment gains more than what is chosen, and all that the order costs there: by no more is another nearer to what is chosen
    /// than to the best.
    pub(super) ahead: f64,
}

impl<'b> Around<'b> {
    pub(super) fn of(component: &Component<'_>, best: &'b Best, chosen: &Chosen) -> Self {
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
