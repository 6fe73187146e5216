//! Pairs that could be, in groups that share neither a row nor a column: each is solved by itself.

use super::pairing::Places;

/// A wire session and, where a log has a line for each exchange, which one.
pub(super) type Column = (usize, Option<usize>);

/// A pair that could be.
#[derive(Clone, Copy)]
pub(super) struct Edge<'a> {
    pub(super) row: usize,
    pub(super) column: Column,
    pub(super) score: f64,
    /// The lines that tell of a moment, and when on the wire that was.
    pub(super) places: Places<'a>,
    /// The best score of those pairs of the row that are not looked at, as it has too many.
    pub(super) left_out: f64,
}

impl Edge<'_> {
    /// Leaves of the pairs of one row, which `edges` has from `from` on, the best `most`.
    pub(super) fn thin(edges: &mut Vec<Self>, from: usize, most: usize) {
        let row = edges.get_mut(from..).unwrap_or_default();
        if row.len() <= most {
            return;
        }
        // The first of equals stays.
        row.sort_by(|one, other| other.score.total_cmp(&one.score));
        let left_out = row.get(most).map_or(f64::NEG_INFINITY, |edge| edge.score);
        edges.truncate(from + most);
        for edge in edges.iter_mut().skip(from) {
            edge.left_out = left_out;
        }
    }
}

/// All pairs that could be, in order of rows.
pub(super) struct Edges<'a> {
    all: Vec<Edge<'a>>,
    /// For each wire session the number of its first column: all columns are numbered in order, those that no pair has among them.
    first: Vec<usize>,
    /// How many columns the pairs have.
    columns: usize,
}

impl<'a> Edges<'a> {
    pub(super) fn new(edges: Vec<Edge<'a>>) -> Self {
        let wires = edges.iter().map(|edge| edge.column.0 + 1).max();
        let mut first = vec![0; wires.unwrap_or(0) + 1];
        for edge in &edges {
            if let Some(places) = first.get_mut(edge.column.0 + 1) {
                *places = (place(edge.column) + 1).max(*places);
            }
        }
        let mut next = 0;
        for of_wire in &mut first {
            next += *of_wire;
            *of_wire = next;
        }
        let mut known = Self {
            all: edges,
            first,
            columns: 0,
        };
        let mut taken = vec![false; known.numbers()];
        for edge in &known.all {
            if let Some(taken) = taken.get_mut(known.number(edge.column)) {
                known.columns += usize::from(!*taken);
                *taken = true;
            }
        }
        known
    }

    /// How many columns there are.
    pub(super) const fn columns(&self) -> usize {
        self.columns
    }

    /// All of them.
    pub(super) fn all(&self) -> &[Edge<'a>] {
        &self.all
    }

    /// The row of each edge.
    pub(super) fn rows(&self) -> impl ExactSizeIterator<Item = usize> {
        self.all.iter().map(|edge| edge.row)
    }

    /// Numbers that are given to columns.
    pub(super) fn numbers(&self) -> usize {
        self.first.last().copied().unwrap_or(0)
    }

    /// The number of a column.
    pub(super) fn number(&self, column: Column) -> usize {
        self.first.get(column.0).copied().unwrap_or(0) + place(column)
    }
}

/// The number of a column among those of its wire session.
const fn place((_, place): Column) -> usize {
    match place {
        Some(place) => place + 1,
        None => 0,
    }
}

/// The edges, in groups that share no row and no column. Those that score too little to be claimed hold a group together too: in a group the order of
/// lines counts, and without it more joins are wrong where sessions are missing.
pub(super) struct Groups<'a> {
    /// One group after the other, in each in order of rows.
    edges: Vec<Edge<'a>>,
    /// Where each group ends.
    ends: Vec<usize>,
}

impl<'a> Groups<'a> {
    pub(super) fn of(edges: &Edges<'a>) -> Self {
        let rows = edges.all.last().map_or(0, |edge| edge.row + 1);
        let mut parent: Vec<usize> = (0..rows + edges.numbers()).collect();
        for edge in &edges.all {
            let column = rows + edges.number(edge.column);
            let (one, other) = (root(&mut parent, edge.row), root(&mut parent, column));
            if let Some(slot) = parent.get_mut(one.max(other)) {
                *slot = one.min(other);
            }
        }
        // A group is called by the first of its rows, so that the groups come in the order of these.
        let mut ends: Vec<usize> = Vec::new();
        let mut group_of: Vec<usize> = vec![0; rows];
        for row in edges.rows() {
            let first = root(&mut parent, row);
            let known = group_of.get(first).copied().unwrap_or(0);
            let group = if first == row && known == 0 {
                ends.push(0);
                ends.len()
            } else {
                known
            };
            if let (Some(of), Some(size)) =
                (group_of.get_mut(row), ends.get_mut(group.wrapping_sub(1)))
            {
                *of = group;
                *size += 1;
            }
        }
        let mut next = 0;
        let mut free: Vec<usize> = Vec::with_capacity(ends.len());
        for end in &mut ends {
            free.push(next);
            next += *end;
            *end = next;
        }
        let mut order: Vec<usize> = vec![0; edges.all.len()];
        for (at, row) in edges.rows().enumerate() {
            let group = group_of.get(row).copied().unwrap_or(0).wrapping_sub(1);
            if let Some(free) = free.get_mut(group) {
                if let Some(slot) = order.get_mut(*free) {
                    *slot = at;
                }
                *free += 1;
            }
        }
        let sorted = order.iter().filter_map(|&at| edges.all.get(at).copied());
        Self {
            edges: sorted.collect(),
            ends,
        }
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.ends.len()
    }

    /// The edges of one.
    pub(super) fn get(&self, at: usize) -> Option<&[Edge<'a>]> {
        let from = at.checked_sub(1).and_then(|before| self.ends.get(before));
        let from = from.copied().unwrap_or(0);
        self.edges.get(from..*self.ends.get(at)?)
    }
}

/// The least number of the group of `at`.
fn root(parent: &mut [usize], mut at: usize) -> usize {
    while let Some(&up) = parent.get(at).filter(|&&up| up != at) {
        // Halves the way for the next look.
        let above = parent.get(up).copied().unwrap_or(up);
        if let Some(slot) = parent.get_mut(at) {
            *slot = above;
        }
        at = above;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(row: usize, column: Column) -> Edge<'static> {
        Edge {
            row,
            column,
            score: 1.0,
            places: Places::NONE,
            left_out: f64::NEG_INFINITY,
        }
    }

    #[test]
    fn pairs_without_anything_in_common_are_solved_apart() {
        let wires = [(0, 1), (1, 2), (2, 1)];
        let edges = Edges::new(wires.map(|(row, wire)| edge(row, (wire, None))).to_vec());
        let groups = Groups::of(&edges);
        let rows = |at: usize| -> Vec<usize> {
            let edges = groups.get(at).unwrap_or_default().iter();
            edges.map(|edge| edge.row).collect()
        };
        assert_eq!([rows(0), rows(1), rows(2)], [vec![0, 2], vec![1], vec![]]);
        assert_eq!((edges.columns(), groups.len()), (2, 2));
    }

    #[test]
    fn places_of_one_wire_session_are_columns_of_their_own() {
        let columns = [
            (0, (3, Some(0))),
            (2, (3, Some(4))),
            (5, (3, None)),
            (7, (3, Some(4))),
        ];
        let edges = Edges::new(columns.map(|(row, column)| edge(row, column)).to_vec());
        assert_eq!((edges.columns(), Groups::of(&edges).len()), (3, 3));
    }
}
