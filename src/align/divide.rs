//! Steps of a clock that are too small to leave sessions without a partner: a region of possible clocks that is empty for the whole and not
//! for its two parts.

use super::fit::{self, Constraint, Line};
use super::piece::first_line;
use super::settled::Settled;
use super::stretches::Stretch;
use super::view::View;
use crate::model::Span;

/// Constraints on either side of a split, and places that are tried for one.
pub(super) const SIDE: usize = 8;
const TRIES: usize = 24;
/// Constraints that are divided at most; more are thinned evenly.
const DIVIDED: usize = 2400;
/// Of so many it is soon seen whether any split explains them, and at so many places.
const ROUGHLY: usize = 600;
const ROUGH_TRIES: usize = 12;

/// Pairs whose times no one clock explains.
pub(super) fn unexplained(settled: &Settled) -> usize {
    wrong(&settled.constraints)
}

/// So many of all that they are soon looked at: which of many constraints say it does not matter.
pub(super) fn thinned(
    constraints: &[(u64, Constraint)],
) -> impl Iterator<Item = (u64, Constraint)> {
    let step = constraints.len().div_ceil(DIVIDED).max(1);
    constraints.iter().step_by(step).copied()
}

/// The two parts of a log whose clock was set by so little that its sessions are found by either clock, where at least `least` pairs are not
/// explained by one.
pub(super) fn divide(
    view: &View<'_>,
    whole: &Settled,
    rows: &[usize],
    least: usize,
) -> Vec<Stretch> {
    let mut constraints = whole.constraints.clone();
    constraints.sort_by(|(_, one), (_, other)| one.at.total_cmp(&other.at));
    let constraints: Vec<_> = thinned(&constraints).collect();
    let wrong = wrong(&constraints);
    if wrong < least || wrong * 12 < constraints.len() * least / SIDE {
        return Vec::new();
    }
    let stride = (constraints.len() / TRIES).max(1);
    if constraints.len() > 2 * ROUGHLY && !may_divide(view, &constraints) {
        return Vec::new();
    }
    let try_at = |at: usize| {
        let (before, behind) = constraints.split_at_checked(at)?;
        let (one, other) = (fits(before)?, fits(behind)?);
        let apart = one.range.1 < other.range.0 || other.range.1 < one.range.0;
        apart.then_some((one.satisfied + other.satisfied, at, one, other))
    };
    let ends = constraints.len().saturating_sub(SIDE);
    let places: Vec<usize> = (SIDE..ends).step_by(stride).collect();
    let roughly = tried(view, &places, try_at)
        .into_iter()
        .max_by_key(|&(satisfied, ..)| satisfied);
    let Some((_, near, ..)) = roughly else {
        return Vec::new();
    };
    // Closer by: of all that explain as much the middle, as nothing tells where between them it was.
    let places: Vec<usize> = (near.saturating_sub(stride).max(SIDE)..(near + stride).min(ends))
        .step_by(stride.div_ceil(TRIES).max(1))
        .collect();
    let closer = tried(view, &places, try_at);
    let most = closer.iter().map(|&(satisfied, ..)| satisfied).max();
    let equal: Vec<_> = closer
        .iter()
        .filter(|&&(satisfied, ..)| Some(satisfied) == most)
        .collect();
    let split = equal.get(equal.len() / 2).map(|&&split| split).or(roughly);
    let Some((satisfied, at, one, other)) = split else {
        return Vec::new();
    };
    // A split that leaves more than a few unexplained explains nothing: the lines are late, or the pairs wrong.
    if (constraints.len() - satisfied) * 4 > wrong {
        return Vec::new();
    }
    let Some(&(line, _)) = constraints.get(at) else {
        return Vec::new();
    };
    let (before, behind) = rows
        .iter()
        .partition::<Vec<usize>, _>(|&&row| first_line(view, row) < line);
    [(before, one), (behind, other)]
        .into_iter()
        .map(|(rows, line)| Stretch {
            rows,
            offset: whole.coarse + Span::from_seconds_f64(line.offset),
            bound: line.offset_bound,
            drift: line.drift,
        })
        .collect()
}

/// The line that explains most of some pairs, were all lines written in time.
fn fits(part: &[(u64, Constraint)]) -> Option<Line> {
    fit::prompt(&without_lines(part), 0.0)
}

/// How many one clock leaves unexplained.
fn wrong(part: &[(u64, Constraint)]) -> usize {
    part.len() - fit::satisfied(&without_lines(part))
}

fn without_lines(part: &[(u64, Constraint)]) -> Vec<Constraint> {
    part.iter().map(|&(_, constraint)| constraint).collect()
}

/// Whether some split might leave few of those unexplained that one clock does, as far as every so many-th of them tell: chance hardly makes half
/// of the quarter that is asked for, and a split beside the true one leaves what lies between them.
fn may_divide(view: &View<'_>, constraints: &[(u64, Constraint)]) -> bool {
    let step = constraints.len() / ROUGHLY;
    let few: Vec<_> = constraints.iter().step_by(step).copied().collect();
    let stride = few.len() / ROUGH_TRIES;
    let most = wrong(&few) / 2 + stride / 2;
    let places: Vec<usize> = (stride..few.len()).step_by(stride).collect();
    let left = tried(view, &places, |at| {
        let (before, behind) = few.split_at_checked(at)?;
        Some(wrong(before) + wrong(behind))
    });
    left.into_iter().any(|left| left <= most)
}

/// What trying each of `places` gave, in their order.
fn tried<R: Send>(
    view: &View<'_>,
    places: &[usize],
    try_at: impl Fn(usize) -> Option<R> + Sync,
) -> Vec<R> {
    let tried = view
        .wires
        .threads
        .each(places.len(), |at| try_at(*places.get(at)?));
    tried.into_iter().flatten().collect()
}
