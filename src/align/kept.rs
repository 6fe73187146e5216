//! Pairs that stay as they were chosen, while those that are in doubt are chosen once more.
//!
//! What hardly differs from what a pair was chosen by does not take it away where all else is worth far less: without such pairs, and without what they
//! take, few are left, in small groups.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::component::CLEAR;
use super::groups::Column;
use super::settled::Verdict;

/// Least margin of a pair that stays. Whatever makes another pair unclear loses less than [`CLEAR`], so that it leaves such a pair alone.
const FAR: f64 = 2.0 * CLEAR;

/// Which pairs stay.
#[derive(Default)]
pub(super) struct Kept<'c> {
    chosen: &'c [Option<Verdict>],
    columns: HashSet<Column, RandomState>,
}

impl<'c> Kept<'c> {
    /// Those of the `chosen` that are far ahead of all else.
    pub(super) fn of(chosen: &'c [Option<Verdict>]) -> Self {
        let columns = chosen.iter().flatten().filter(|verdict| stays(verdict));
        Self {
            chosen,
            columns: columns.map(Verdict::column).collect(),
        }
    }

    /// What a row keeps.
    fn of_row(&self, row: usize) -> Option<&Verdict> {
        let verdict = self.chosen.get(row)?.as_ref();
        verdict.filter(|verdict| stays(verdict))
    }

    /// Whether a row is chosen for once more.
    pub(super) fn is_open(&self, row: usize) -> bool {
        self.of_row(row).is_none()
    }

    /// Whether nothing that stays takes a column.
    pub(super) fn leaves(&self, column: Column) -> bool {
        !self.columns.contains(&column)
    }

    /// What stays, and what was chosen of the rest, for each row. How far those are ahead that would do better by taking what stays is not known.
    pub(super) fn with(&self, rest: Vec<Option<Verdict>>) -> Vec<Option<Verdict>> {
        let rows = rest.into_iter().enumerate();
        let rows = rows.map(|(row, verdict)| match self.of_row(row) {
            Some(kept) => Some(*kept),
            None => verdict.map(|verdict| Verdict {
                margin: verdict.margin.min(FAR),
                ..verdict
            }),
        });
        rows.collect()
    }
}

fn stays(verdict: &Verdict) -> bool {
    verdict.margin >= FAR
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::component::{self, Lines};
    use super::super::groups::{Edge, Edges};
    use super::super::pairing::Places;
    use super::*;
    use crate::model::Threads;

    /// What is chosen of pairs of row, wire session and score, for each of so many rows.
    fn chosen(rows: usize, pairs: &[(usize, usize, f64)]) -> Vec<Option<Verdict>> {
        let edges = pairs.iter().map(|&(row, wire, score)| Edge {
            row,
            column: (wire, None),
            score,
            places: Places::NONE,
            left_out: f64::NEG_INFINITY,
        });
        let edges = Edges::new(edges.collect());
        let mut chosen = vec![None; rows];
        for choice in component::choose(&edges, Lines::Unknown, Threads::default()) {
            chosen[choice.row] = Some(Verdict::of(choice.row, choice));
        }
        chosen
    }

    proptest! {
        #[test]
        fn what_is_in_doubt_is_chosen_as_it_was_without_what_stays(
            pairs in proptest::collection::btree_map((0usize..12, 0usize..12), -2.0f64..20.0, 0..60),
        ) {
            let pairs: Vec<_> = pairs.into_iter().map(|((row, wire), score)| (row, wire, score)).collect();
            let all = chosen(12, &pairs);
            let kept = Kept::of(&all);
            let open = pairs.iter().filter(|(row, wire, _)| kept.is_open(*row) && kept.leaves((*wire, None)));
            let again = kept.with(chosen(12, &open.copied().collect::<Vec<_>>()));
            for (one, again) in all.iter().zip(&again) {
                let told = |verdict: &Option<Verdict>| verdict.map(|of| (of.wire, of.is_clear()));
                prop_assert_eq!(told(one), told(again));
                let margins = one.zip(*again);
                prop_assert!(margins.is_none_or(|(one, again)| again.margin >= one.margin.min(FAR) - 1e-9));
            }
        }
    }
}
