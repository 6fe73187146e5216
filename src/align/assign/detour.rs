//! The next best assignment when a row may not keep what it has: a shortest way around in the graph of what is chosen.
//!
//! Where two assignments differ, rows and columns alternate on a closed way, if a meeting point stands for everything that is
//! left alone: a row that loses its column goes there, and a column that nobody has any longer comes from there. So the least loss
//! is the shortest way, in reduced costs, from the row back to the column that it had. What is found costs as much as what is looked
//! at, not as much as a new assignment.

use std::collections::BinaryHeap;

use super::{Matching, Node, price};

/// How a node was reached.
#[derive(Clone, Copy)]
enum Before {
    /// A row takes the column.
    Row(usize),
    /// The column, or the row that had none, comes from what is left alone.
    Alone,
}

/// How the meeting point was reached.
#[derive(Clone, Copy)]
enum Meeting {
    /// By a column that nobody had.
    Free(usize),
    /// By a row that has none now.
    Row(usize),
}

/// A search for ways around. It is used for one after the other: each costs what it looks at, not what there is.
pub(in crate::align) struct Detour<'m> {
    matching: &'m Matching,
    /// The column that the way leads back to.
    home: usize,
    /// For columns, then the meeting point, then rows that had no column.
    best: Vec<f64>,
    before: Vec<Option<Before>>,
    /// Nodes of which something is known.
    reached: Vec<usize>,
    meeting: Option<Meeting>,
    heap: BinaryHeap<Node>,
}

impl<'m> Detour<'m> {
    pub(super) fn of(matching: &'m Matching) -> Self {
        let nodes = matching.row_of.len() + 1 + matching.edge_of.len();
        Self {
            matching,
            home: 0,
            best: vec![f64::INFINITY; nodes],
            before: vec![None; nodes],
            reached: Vec::new(),
            meeting: None,
            heap: BinaryHeap::new(),
        }
    }

    /// The rows that have another column, or none, in the best assignment in which `row` has none of the columns that are `barred`; `None` where that
    /// gains less than the best of all by `limit` or more.
    pub(in crate::align) fn around(
        &mut self,
        row: usize,
        barred: impl Fn(usize) -> bool,
        limit: f64,
    ) -> Option<Vec<(usize, Option<usize>)>> {
        let Some(home) = self.matching.column(row).filter(|&column| barred(column)) else {
            return Some(Vec::new());
        };
        self.clear();
        self.home = home;
        // What is farther is not looked at.
        self.note_distance(home, limit);
        self.leave(row, 0.0, barred);
        self.go();
        self.before.get(home).copied().flatten()?;
        Some(self.back(row))
    }

    /// Forgets the search before.
    fn clear(&mut self) {
        self.heap.clear();
        self.meeting = None;
        for node in self.reached.drain(..) {
            if let (Some(known), Some(before)) =
                (self.best.get_mut(node), self.before.get_mut(node))
            {
                (*known, *before) = (f64::INFINITY, None);
            }
        }
    }

    fn note_distance(&mut self, node: usize, distance: f64) {
        if let Some(known) = self.best.get_mut(node) {
            *known = distance;
            self.reached.push(node);
        }
    }

    fn meeting_point(&self) -> usize {
        self.matching.row_of.len()
    }

    /// Whether a node is nearer than known so far; then it is looked at in its turn. One that is no nearer than home leads nowhere.
    fn reach(&mut self, node: usize, distance: f64) -> bool {
        let is_beyond = |node: usize| self.best.get(node).is_none_or(|&known| distance >= known);
        let nearer = !is_beyond(node) && !is_beyond(self.home);
        if nearer {
            self.note_distance(node, distance);
            self.heap.push(Node {
                distance,
                column: node,
            });
        }
        nearer
    }

    fn note(&mut self, node: usize, before: Before) {
        if let Some(slot) = self.before.get_mut(node) {
            *slot = Some(before);
        }
    }

    /// `row` gives up what it has, at `so_far`, for a column that is not barred or for none.
    fn leave(&mut self, row: usize, so_far: f64, barred: impl Fn(usize) -> bool) {
        let matching = self.matching;
        let own = matching.column(row);
        let edges = matching.of_row(row).iter();
        for &edge in edges.filter(|edge| Some(edge.column) != own && !barred(edge.column)) {
            if self.reach(edge.column, so_far + matching.reduced(row, edge)) {
                self.note(edge.column, Before::Row(row));
            }
        }
        let alone = so_far + (-price(&matching.row_price, row)).max(0.0);
        if self.reach(self.meeting_point(), alone) {
            self.meeting = Some(Meeting::Row(row));
        }
    }

    /// What is left alone may be any column that a row has, and what has none may take one.
    fn meet(&mut self, so_far: f64) {
        let matching = self.matching;
        // Home first, as then hardly any other is nearer.
        for column in std::iter::once(self.home).chain(0..matching.row_of.len()) {
            let distance = so_far + (-price(&matching.column_price, column)).max(0.0);
            if matching.owner(column).is_some() && self.reach(column, distance) {
                self.note(column, Before::Alone);
            }
        }
        for row in 0..matching.edge_of.len() {
            let node = self.meeting_point() + 1 + row;
            if matching.column(row).is_none() && self.reach(node, so_far) {
                self.note(node, Before::Alone);
            }
        }
    }

    /// Looks at the nearest node until that is home.
    fn go(&mut self) {
        let meeting_point = self.meeting_point();
        while let Some(Node { distance, column }) = self.heap.pop() {
            if self.best.get(column).is_none_or(|&known| distance > known) {
                continue;
            }
            if column == self.home {
                return;
            }
            if column == meeting_point {
                self.meet(distance);
            } else if let Some(row) = column.checked_sub(meeting_point + 1) {
                self.leave(row, distance, |_| false);
            } else if let Some(owner) = self.matching.owner(column) {
                self.leave(owner, distance, |_| false);
            } else if self.reach(meeting_point, distance) {
                self.meeting = Some(Meeting::Free(column));
            }
        }
    }

    /// The rows on the way from home back to `start`, each with what it has now.
    fn back(&self, start: usize) -> Vec<(usize, Option<usize>)> {
        let mut changed = Vec::new();
        let mut column = self.home;
        // A shortest way meets no row twice.
        for _ in 0..=self.matching.edge_of.len() {
            let mut left = None;
            match self.before.get(column).copied().flatten() {
                Some(Before::Row(row)) => {
                    changed.push((row, Some(column)));
                    left = Some(row);
                }
                Some(Before::Alone) => {}
                None => break,
            }
            // A row that had no column comes from what is left alone too.
            let from_alone =
                left.is_none_or(|row| row != start && self.matching.column(row).is_none());
            if from_alone {
                match self.meeting {
                    Some(Meeting::Free(free)) => {
                        column = free;
                        continue;
                    }
                    Some(Meeting::Row(row)) => {
                        changed.push((row, None));
                        left = Some(row);
                    }
                    None => break,
                }
            }
            match left
                .filter(|&row| row != start)
                .and_then(|row| self.matching.column(row))
            {
                Some(before) => column = before,
                None => break,
            }
        }
        changed
    }
}
