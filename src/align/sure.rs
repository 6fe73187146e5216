//! Pairs that are chosen whatever becomes of the others: where they are so much better than all that either side could have instead that no way
//! around is worth as much. They are found without one, edge by edge, and teach as well as all of them.

use super::component::{self, CLEAR, Choice};
use super::groups::{Edge, Edges};

/// What a row or a column has best and next best.
#[derive(Clone, Copy, Debug, Default)]
struct Best {
    first: f64,
    second: f64,
}

impl Best {
    fn take(&mut self, gain: f64) {
        if gain > self.first {
            (self.first, self.second) = (gain, self.first);
        } else {
            self.second = self.second.max(gain);
        }
    }

    /// The best beside one of its own.
    fn beside(self, gain: f64) -> f64 {
        if gain < self.first {
            self.first
        } else {
            self.second
        }
    }
}

/// What an edge gains where it may be chosen, and nothing where not.
fn gain(score: f64) -> f64 {
    let gain = component::gain(score);
    if gain > CLEAR { gain } else { 0.0 }
}

/// The pairs that are sure, in order of rows. Whoever has one of the two only without the other gains less by at least what makes a pair clear: what is
/// best instead on both sides is less than the pair by so much.
pub(super) fn choose(edges: &Edges<'_>) -> Vec<Choice> {
    let mut columns = vec![Best::default(); edges.numbers()];
    for edge in edges.all() {
        if let Some(column) = columns.get_mut(edges.number(edge.column)) {
            column.take(gain(edge.score));
        }
    }
    let of_column = |edge: &Edge<'_>| columns.get(edges.number(edge.column)).copied();
    let rows = edges.all().chunk_by(|one, other| one.row == other.row);
    let sure = rows.filter_map(|edges| {
        let mut row = Best::default();
        for edge in edges {
            row.take(gain(edge.score));
        }
        let best = edges
            .iter()
            .max_by(|one, other| one.score.total_cmp(&other.score))?;
        let own = gain(best.score);
        let instead = row.second.max(gain(best.left_out)) + of_column(best)?.beside(own);
        (own - instead >= CLEAR).then_some(Choice {
            row: best.row,
            column: best.column,
            score: best.score,
            margin: own - instead,
        })
    });
    sure.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::component::{CLAIM, Lines};
    use super::super::pairing::Places;
    use super::*;
    use crate::model::Threads;

    /// Pairs of row, wire session and score.
    fn edges(pairs: &[(usize, usize, f64)]) -> Edges<'static> {
        let mut pairs = pairs.to_vec();
        pairs.sort_by_key(|&(row, wire, _)| (row, wire));
        pairs.dedup_by_key(|&mut (row, wire, _)| (row, wire));
        let edge = |(row, wire, score)| Edge {
            row,
            column: (wire, None),
            score,
            places: Places::NONE,
            left_out: f64::NEG_INFINITY,
        };
        Edges::new(pairs.into_iter().map(edge).collect())
    }

    fn chosen(pairs: &[(usize, usize, f64)]) -> Vec<(usize, usize)> {
        let sure = choose(&edges(pairs));
        sure.iter().map(|sure| (sure.row, sure.column.0)).collect()
    }

    #[test]
    fn a_pair_is_sure_that_outweighs_what_both_sides_could_have_instead() {
        assert_eq!(chosen(&[(0, 0, 9.0)]), [(0, 0)]);
        assert_eq!(chosen(&[(0, 0, CLAIM)]), []);
        // The row has another.
        assert_eq!(chosen(&[(0, 0, 9.0), (0, 1, 1.5)]), [(0, 0)]);
        assert_eq!(chosen(&[(0, 0, 9.0), (0, 1, 8.0)]), []);
        // Another row has none but this: together they may do better.
        assert_eq!(chosen(&[(0, 0, 9.0), (0, 1, 6.0), (1, 0, 6.0)]), []);
        assert_eq!(chosen(&[(0, 0, 9.0), (1, 0, 9.0)]), []);
        assert_eq!(chosen(&[(1, 3, 2.0), (0, 0, 9.0), (1, 0, 2.0)]), [(0, 0)]);
    }

    #[test]
    fn what_is_not_looked_at_counts_against_a_pair() {
        let mut one = edges(&[(0, 0, 9.0)]).all().to_vec();
        one[0].left_out = 8.0;
        assert!(choose(&Edges::new(one)).is_empty());
    }

    proptest! {
        #[test]
        fn what_is_sure_is_claimed_by_the_best_assignment(
            pairs in proptest::collection::vec((0usize..9, 0usize..9, -2.0f64..20.0), 0..40),
        ) {
            let edges = edges(&pairs);
            let all = component::choose(&edges, Lines::Unknown, Threads::default());
            for sure in choose(&edges) {
                let same = all.iter().find(|choice| choice.row == sure.row);
                let same = same.filter(|choice| choice.column == sure.column);
                prop_assert!(same.is_some_and(|choice| choice.margin >= sure.margin - 1e-9), "{:?}", sure);
            }
        }
    }
}
