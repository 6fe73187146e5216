//! The coarse offset of a log's clock: every possible pair votes for the offsets at which its times agree.

use std::cmp::Reverse;

use crate::model::Span;

use super::sweep::Key;

/// Seconds around the coarse offset within which the true one is looked for.
pub(super) const REACH: f64 = 3.0;
/// Pairs that vote; beyond that the rows are thinned evenly.
const VOTES: usize = 500_000;
/// Share of the votes that another offset may have, where none must come near.
const NEARLY: f64 = 0.6;
/// Clocks that are kept differ by less than this, apart from the zone (a whole number of quarter hours).
const KEPT_WITHIN: f64 = 60.0;

/// Whether the offset that most rows agree on is taken although another has nearly as many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Most,
    Sole,
}

/// The offset that most rows agree on; `None` when that is no more than chance would give.
///
/// `possible` lists, for a row, the offsets that each allows of what it could be if the clock did not matter.
pub(super) fn coarse(
    rows: &[usize],
    choice: Choice,
    possible: impl Fn(usize) -> Vec<(f64, f64)>,
) -> Option<Span> {
    let voters = thinned(rows, &possible);
    let offsets: Vec<Vec<(f64, f64)>> = voters
        .iter()
        .map(|&row| possible(row))
        .filter(|row| !row.is_empty())
        .collect();
    let offset = deepest(&offsets)?;
    if choice == Choice::Sole && !is_sole(&offsets, offset) {
        return None;
    }
    let near = |&(lo, hi): &(f64, f64)| lo - REACH <= offset && offset <= hi + REACH;
    let agreeing = offsets.iter().filter(|row| row.iter().any(near)).count();
    // With few sessions any offset fits some of them: then only a clock that is kept is believed.
    let believable = agreeing >= 3 || (agreeing >= 1 && prior(offset) > 0.0);
    (believable && agreeing * 5 >= offsets.len().min(50)).then(|| Span::from_seconds_f64(offset))
}

/// So many of the rows that their pairs are no more than may vote.
pub(super) fn thinned(rows: &[usize], possible: impl Fn(usize) -> Vec<(f64, f64)>) -> Vec<usize> {
    /// Rows whose pairs are counted.
    const SAMPLE: usize = 32;
    let step = rows.len().div_ceil(SAMPLE).max(1);
    let sample: Vec<usize> = rows
        .iter()
        .step_by(step)
        .map(|&row| possible(row).len())
        .collect();
    let each = sample.iter().sum::<usize>() / sample.len().max(1);
    let stride = rows.len().saturating_mul(each).div_ceil(VOTES).max(1);
    rows.iter().step_by(stride).copied().collect()
}

/// Where votes begin and end, in order, each with its weight.
fn ends(offsets: &[Vec<(f64, f64)>]) -> Vec<(f64, f64)> {
    let mut ends: Vec<(Key, Reverse<Key>)> = Vec::new();
    for row in offsets {
        #[expect(clippy::cast_precision_loss, reason = "a count of pairs")]
        let weight = 1.0 / (row.len() as f64).sqrt();
        for &(lo, hi) in row {
            ends.push((Key::of(lo), Reverse(Key::of(weight))));
            ends.push((Key::of(hi), Reverse(Key::of(-weight))));
        }
    }
    ends.sort_unstable();
    let ends = ends.into_iter();
    ends.map(|(at, Reverse(weight))| (at.number(), weight.number()))
        .collect()
}

/// The offset at which the votes are deepest.
fn deepest(offsets: &[Vec<(f64, f64)>]) -> Option<f64> {
    let ends = ends(offsets);
    let mut best: Option<(f64, f64)> = None;
    for (middle, level) in levels(&ends) {
        let worth = level + prior(middle);
        if best.is_none_or(|(most, _)| worth > most + 1e-9) {
            best = Some((worth, middle));
        }
    }
    best.map(|(_, offset)| offset)
}

/// The votes from each end to the next, by the middle between them.
fn levels(ends: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    let mut level = 0.0;
    ends.windows(2).filter_map(move |pair| {
        let [(lo, weight), (hi, _)] = *pair else {
            return None;
        };
        level += weight;
        Some((f64::midpoint(lo, hi), level))
    })
}

/// Whether no other offset has nearly as many votes: sessions that come at even intervals have many that fit.
fn is_sole(offsets: &[Vec<(f64, f64)>], offset: f64) -> bool {
    let (mut here, mut elsewhere) = (0.0f64, 0.0f64);
    for (middle, level) in levels(&ends(offsets)) {
        let most = if (middle - offset).abs() <= REACH {
            &mut here
        } else {
            &mut elsewhere
        };
        *most = most.max(level);
    }
    elsewhere <= here * NEARLY
}

/// A clock that is kept is likelier than one that is not, by half a vote.
fn prior(offset: f64) -> f64 {
    let beside_zone = offset - (offset / 900.0).round() * 900.0;
    if beside_zone.abs() < KEPT_WITHIN {
        0.5
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_intervals_leave_more_than_one_offset() {
        let rows: Vec<usize> = (0..12).collect();
        // Each row may be any of twelve that come every five seconds, or only its own.
        let even = |row: usize| -> Vec<(f64, f64)> {
            (0..12u32)
                .map(|other| {
                    let apart = 5.0 * (f64::from(other) - f64::from(u32::try_from(row).unwrap()));
                    (apart, apart + 1.0)
                })
                .collect()
        };
        assert!(coarse(&rows, Choice::Most, even).is_some());
        assert_eq!(coarse(&rows, Choice::Sole, even), None);
        let own = |_| vec![(0.0, 1.0)];
        assert!(coarse(&rows, Choice::Sole, own).is_some());
    }
}
