//! The coarse offset of a log's clock: every possible pair votes for the offsets at which its times agree.

use std::cmp::Reverse;

use crate::model::Span;

use super::sweep::Key;

/// Seconds around the coarse offset within which the true one is looked for.
pub(super) const REACH: f64 = 3.0;
/// Pairs that vote; beyond that the rows are thinned evenly.
pub(super) const VOTES: usize = 500_000;
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
pub(super) fn coarse<Pairs: AsRef<[(f64, f64)]>>(
    rows: &[usize],
    choice: Choice,
    possible: impl Fn(usize) -> Pairs,
) -> Option<Span> {
    let voters = thinned(rows, VOTES, |row| possible(row).as_ref().len());
    elected(&voters, choice, possible)
}

/// The same where all of some rows vote, in whatever order.
pub(super) fn elected<Pairs: AsRef<[(f64, f64)]>>(
    voters: &[usize],
    choice: Choice,
    possible: impl Fn(usize) -> Pairs,
) -> Option<Span> {
    let offsets = told(voters, possible);
    let offset = deepest(&offsets)?;
    if choice == Choice::Sole && !is_sole(&offsets, offset) {
        return None;
    }
    believed(offset, &offsets)
}

/// The offset that most of some voters agree on and hardly any other comes near; `None` too where they have more than `most` pairs, with which others
/// would come near.
pub(super) fn agreed<Pairs: AsRef<[(f64, f64)]>>(
    voters: &[usize],
    most: usize,
    possible: impl Fn(usize) -> Pairs,
) -> Option<Span> {
    let mut left = most;
    let mut offsets = Vec::with_capacity(voters.len());
    for &row in voters {
        let row = possible(row);
        left = left.checked_sub(row.as_ref().len())?;
        if !row.as_ref().is_empty() {
            offsets.push(row);
        }
    }
    let offset = deepest(&offsets)?;
    let agree = agreeing(offset, &offsets) * 2 > voters.len();
    (agree && is_sole(&offsets, offset)).then(|| Span::from_seconds_f64(offset))
}

/// The offsets for which some rows, that are too few to tell, have the most votes, the most voted for first.
pub(super) fn nominated<Pairs: AsRef<[(f64, f64)]>>(
    voters: &[usize],
    most: usize,
    possible: impl Fn(usize) -> Pairs,
) -> Vec<(f64, f64)> {
    let ends = ends(&told(voters, possible));
    let levels = levels(&ends).map(|(middle, level)| (middle, level + prior(middle)));
    highest(levels.collect(), most)
}

/// The offsets with the greatest heights, the greatest first. They differ by more than is looked at around each.
pub(super) fn highest(mut heights: Vec<(f64, f64)>, most: usize) -> Vec<(f64, f64)> {
    heights.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    apart(heights, most)
}

/// The first of these offsets that differ by more than is looked at around each.
pub(super) fn apart(offsets: impl IntoIterator<Item = (f64, f64)>, most: usize) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::with_capacity(most);
    for (offset, height) in offsets {
        if kept.len() == most {
            break;
        }
        let mut known = kept.iter();
        if known.all(|(known, _)| (known - offset).abs() > REACH) {
            kept.push((offset, height));
        }
    }
    kept
}

/// What the voters that have anything to say allow.
fn told<Pairs: AsRef<[(f64, f64)]>>(
    voters: &[usize],
    possible: impl Fn(usize) -> Pairs,
) -> Vec<Pairs> {
    let told = voters.iter().map(|&row| possible(row));
    told.filter(|row| !row.as_ref().is_empty()).collect()
}

/// The offset, where so many of the rows agree that it is no chance.
pub(super) fn believed(offset: f64, offsets: &[impl AsRef<[(f64, f64)]>]) -> Option<Span> {
    let agreeing = agreeing(offset, offsets);
    // With few sessions any offset fits some of them: then only a clock that is kept is believed.
    let believable = agreeing >= 3 || (agreeing >= 1 && prior(offset) > 0.0);
    (believable && agreeing * 5 >= offsets.len().min(50)).then(|| Span::from_seconds_f64(offset))
}

/// How many of the rows an offset would suit.
fn agreeing(offset: f64, offsets: &[impl AsRef<[(f64, f64)]>]) -> usize {
    let near = |&(lo, hi): &(f64, f64)| lo - REACH <= offset && offset <= hi + REACH;
    let suits = |row: &&_| AsRef::<[_]>::as_ref(*row).iter().any(near);
    offsets.iter().filter(suits).count()
}

/// So many of the rows that their pairs are no more than `votes`.
pub(super) fn thinned(rows: &[usize], votes: usize, pairs: impl Fn(usize) -> usize) -> Vec<usize> {
    /// Rows whose pairs are counted.
    const SAMPLE: usize = 32;
    let step = rows.len().div_ceil(SAMPLE).max(1);
    let sample: Vec<usize> = rows.iter().step_by(step).map(|&row| pairs(row)).collect();
    let each = sample.iter().sum::<usize>() / sample.len().max(1);
    let stride = rows.len().saturating_mul(each).div_ceil(votes).max(1);
    rows.iter().step_by(stride).copied().collect()
}

/// An end of a vote, and what the votes gain or lose there. They have the order in which they are counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct End {
    at: Key,
    gain: Reverse<Key>,
}

impl End {
    /// The ends of the votes of one row.
    pub(super) fn of(row: &[(f64, f64)]) -> impl Iterator<Item = Self> {
        #[expect(clippy::cast_precision_loss, reason = "a count of pairs")]
        let weight = 1.0 / (row.len() as f64).sqrt();
        let end = |at: f64, gain: f64| Self {
            at: Key::of(at),
            gain: Reverse(Key::of(gain)),
        };
        row.iter()
            .flat_map(move |&(lo, hi)| [end(lo, weight), end(hi, -weight)])
    }
}

/// Votes that are counted from end to end.
#[derive(Clone, Copy, Default)]
pub(super) struct Count {
    last: Option<End>,
    level: f64,
    best: Option<(f64, f64)>,
}

impl Count {
    /// Goes on to the next end.
    pub(super) fn take(&mut self, end: End) {
        if let Some(last) = self.last.replace(end) {
            self.level += last.gain.0.number();
            // Only what the prior could make the most is looked at.
            if self.level + KEPT > self.most() {
                let middle = f64::midpoint(last.at.number(), end.at.number());
                let worth = self.level + prior(middle);
                if worth > self.most() {
                    self.best = Some((worth, middle));
                }
            }
        }
    }

    /// What has to be exceeded.
    fn most(&self) -> f64 {
        self.best.map_or(f64::NEG_INFINITY, |(most, _)| most + 1e-9)
    }

    /// The offset at which the votes are deepest.
    pub(super) fn deepest(&self) -> Option<f64> {
        self.best.map(|(_, offset)| offset)
    }
}

/// Where votes begin and end, in order.
fn ends(offsets: &[impl AsRef<[(f64, f64)]>]) -> Vec<End> {
    let ends = offsets.iter().flat_map(|row| End::of(row.as_ref()));
    let mut ends: Vec<End> = ends.collect();
    ends.sort_unstable();
    ends
}

/// The offset at which the votes are deepest.
fn deepest(offsets: &[impl AsRef<[(f64, f64)]>]) -> Option<f64> {
    let mut count = Count::default();
    for end in ends(offsets) {
        count.take(end);
    }
    count.deepest()
}

/// The range around the deepest point, no farther than `reach` from it, in which nine of ten agree that agree there.
pub(super) fn deep(offsets: &[impl AsRef<[(f64, f64)]>], reach: f64) -> Option<(f64, f64)> {
    const NEARLY_ALL: f64 = 0.9;
    let middle = deepest(offsets)?;
    let ends = ends(offsets);
    let near = |&(at, _): &(f64, f64)| (at - middle).abs() <= reach;
    let near: Vec<(f64, f64)> = levels(&ends).filter(near).collect();
    let most = near.iter().map(|&(_, level)| level).fold(0.0, f64::max);
    let mut deep = near
        .iter()
        .filter(|&&(_, level)| level >= most * NEARLY_ALL);
    let &(first, _) = deep.next()?;
    Some((first, deep.next_back().map_or(first, |&(last, _)| last)))
}

/// The votes from each end to the next, by the middle between them.
fn levels(ends: &[End]) -> impl Iterator<Item = (f64, f64)> {
    let mut level = 0.0;
    ends.windows(2).filter_map(move |pair| {
        let [from, to] = *pair else {
            return None;
        };
        level += from.gain.0.number();
        Some((f64::midpoint(from.at.number(), to.at.number()), level))
    })
}

/// Whether no other offset has nearly as many votes: sessions that come at even intervals have many that fit.
fn is_sole(offsets: &[impl AsRef<[(f64, f64)]>], offset: f64) -> bool {
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
const KEPT: f64 = 0.5;

fn prior(offset: f64) -> f64 {
    let beside_zone = offset - (offset / 900.0).round() * 900.0;
    if beside_zone.abs() < KEPT_WITHIN {
        KEPT
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

    #[test]
    fn few_voters_speak_for_all_only_where_they_agree_on_one_offset() {
        let rows: Vec<usize> = (0..9).collect();
        let agreed = |most, fits: &dyn Fn(usize) -> Vec<(f64, f64)>| agreed(&rows, most, fits);
        let own = |_| vec![(40.0, 41.0)];
        assert_eq!(agreed(9, &own), Some(Span::from_seconds_f64(40.5)));
        assert_eq!(
            agreed(8, &own),
            None,
            "they have more pairs than are looked at"
        );
        let two = |row: usize| vec![(40.0, 41.0), (if row < 7 { 90.0 } else { 190.0 }, 191.0)];
        assert_eq!(agreed(99, &two), None, "another comes near");
        let silent = |row: usize| if row < 4 { own(row) } else { Vec::new() };
        assert_eq!(agreed(99, &silent), None, "most say nothing");
    }

    #[test]
    fn the_highest_are_apart_and_no_more_than_asked_for() {
        let heights = vec![(0.0, 1.0), (10.0, 5.0), (11.0, 4.0), (20.0, 3.0)];
        assert_eq!(highest(heights.clone(), 2), [(10.0, 5.0), (20.0, 3.0)]);
        assert_eq!(highest(heights, 9).len(), 3);
    }
}
