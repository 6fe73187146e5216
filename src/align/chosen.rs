//! What is chosen so far in a group of pairs, and when its lines were written.

use std::cell::Cell;
use std::ops::Range;

use super::pairing::Places;
use crate::model::Nanos;

/// Which edge each row has, and which row each column.
pub(super) struct Chosen {
    edge_of: Vec<Option<usize>>,
    row_of: Vec<Option<usize>>,
    /// When the lines of each row were written, going by its edge.
    told: Vec<Told>,
    /// What the order of a row's lines and those near it costs, where that is known.
    cost: Vec<Cell<Option<f64>>>,
}

/// Rows on either side of one whose order is compared with its own, and which it may change places with.
pub(super) const NEAR: usize = 24;

/// The rows near one of so many, itself among them.
pub(super) fn near(row: usize, rows: usize) -> Range<usize> {
    row.saturating_sub(NEAR)..(row + NEAR + 1).min(rows)
}

/// Between which lines those of an edge are, and what their windows leave for the order of others.
#[derive(Clone, Copy)]
pub(super) struct Told {
    first: u64,
    last: u64,
    /// When the latest of the windows begins and the earliest ends.
    lo: Nanos,
    hi: Nanos,
}

impl Told {
    const NOTHING: Self = Self {
        first: u64::MAX,
        last: 0,
        lo: Nanos(i64::MIN),
        hi: Nanos(i64::MAX),
    };

    pub(super) fn of(places: Places<'_>) -> Self {
        let mut all = Self::NOTHING;
        for (line, window) in places.iter() {
            all.first = all.first.min(line);
            all.last = all.last.max(line);
            all.lo = all.lo.max(window.lo);
            all.hi = all.hi.min(window.hi);
        }
        all
    }

    /// Whether it can be told so that no two lines are in the wrong order.
    pub(super) fn is_in_order(&self, other: &Self) -> bool {
        (self.first > other.last || self.lo <= other.hi)
            && (other.first > self.last || other.lo <= self.hi)
    }
}

impl Chosen {
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        Self {
            edge_of: vec![None; rows],
            row_of: vec![None; columns],
            told: vec![Told::NOTHING; rows],
            cost: vec![Cell::new(None); rows],
        }
    }

    pub(super) fn of(&self, row: usize) -> Option<usize> {
        self.edge_of.get(row).copied().flatten()
    }

    pub(super) fn owner(&self, column: usize) -> Option<usize> {
        self.row_of.get(column).copied().flatten()
    }

    /// When the lines of some rows were written.
    pub(super) fn told(&self, rows: Range<usize>) -> &[Told] {
        self.told.get(rows).unwrap_or_default()
    }

    /// What the order of a row's lines and those near it costs, worked out where it is not known.
    pub(super) fn cost(&self, row: usize, work_out: impl FnOnce() -> f64) -> f64 {
        let Some(known) = self.cost.get(row) else {
            return 0.0;
        };
        let cost = known.get().unwrap_or_else(work_out);
        known.set(Some(cost));
        cost
    }

    pub(super) fn take(&mut self, row: usize, column: usize, edge: usize, told: Told) {
        if let (Some(of_row), Some(of_column), Some(slot)) = (
            self.edge_of.get_mut(row),
            self.row_of.get_mut(column),
            self.told.get_mut(row),
        ) {
            *of_row = Some(edge);
            *of_column = Some(row);
            *slot = told;
        }
        let near = near(row, self.cost.len());
        for cost in self.cost.get(near).unwrap_or_default() {
            cost.set(None);
        }
    }
}
