//! Steps that one log shows, tried on another: most logs that are given together were written by one clock.

use std::collections::BTreeSet;

use super::clock::Clock;
use super::divide::divide;
use super::piece::{Piece, apart, in_order};
use super::settled::Settled;
use super::steps::{Reason, taken_for};
use super::stretches::Stretch;
use super::view::View;
use crate::model::Span;

/// Steps smaller than this leave sessions where either clock finds them.
const SMALL: Span = Span::SECOND;

/// What other logs' clock, which was set, explains of this log, where that is more than `whole` does.
pub(super) fn follow_like(
    view: &View<'_>,
    whole: Option<Settled>,
    clock: &Clock,
) -> Option<Settled> {
    let rows = in_order(view);
    if let (Some(settled), [step]) = (&whole, clock.steps.as_slice())
        && (step.offset - clock.offset).abs() < SMALL
    {
        let pieces = apart(view, divide(view, settled, &rows, 3));
        return taken_for(view, whole, pieces, Reason::EmptyRegion);
    }
    let first = (clock.offset, clock.bound);
    let later = clock.steps.iter().map(|step| (step.offset, step.bound));
    let mut stretches: Vec<Stretch> = std::iter::once(first)
        .chain(later)
        .map(|(offset, bound)| Stretch {
            rows: rows.clone(),
            offset,
            drift: clock.drift_ppm * 1e-6,
            bound: bound.as_seconds_f64(),
        })
        .collect();
    let claims: Vec<BTreeSet<usize>> = stretches
        .iter()
        .map(|stretch| {
            let piece = Piece::of(view, stretch.clone(), false);
            piece
                .iter()
                .flat_map(Piece::clear)
                .map(|(row, _)| row)
                .collect()
        })
        .collect();
    let clock_of = in_turn(&rows, &claims);
    for (at, stretch) in stretches.iter_mut().enumerate() {
        let mine = rows
            .iter()
            .zip(&clock_of)
            .filter(|&(_, &clock)| clock == at);
        stretch.rows = mine.map(|(&row, _)| row).collect();
    }
    stretches.retain(|stretch| !stretch.rows.is_empty());
    taken_for(view, whole, apart(view, stretches), Reason::Likeness)
}

/// Which of the clocks, one after the other, each row is under, so that most rows are claimed by theirs.
fn in_turn(rows: &[usize], claims: &[BTreeSet<usize>]) -> Vec<usize> {
    // For each row, the most that can be claimed from it on under each clock, and whether the next row is under the same.
    let mut stays: Vec<Vec<bool>> = Vec::with_capacity(rows.len());
    let mut most = vec![0u32; claims.len()];
    for row in rows.iter().rev() {
        let mut here = vec![true; claims.len()];
        let behind = most.clone();
        for (at, claims) in claims.iter().enumerate() {
            let stay = behind.get(at).copied().unwrap_or(0);
            let go = behind.get(at + 1).copied().unwrap_or(0);
            if let (Some(here), Some(most)) = (here.get_mut(at), most.get_mut(at)) {
                *here = stay >= go;
                *most = stay.max(go) + u32::from(claims.contains(row));
            }
        }
        stays.push(here);
    }
    let mut clock = 0;
    stays
        .iter()
        .rev()
        .map(|stays| {
            let now = clock;
            clock += usize::from(!stays.get(now).copied().unwrap_or(true));
            now
        })
        .collect()
}
