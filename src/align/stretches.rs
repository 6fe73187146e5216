//! Stretches of a log that are each under a clock of their own, found before any pair is claimed.
//!
//! Parts of the log of every size vote for an offset. Then the one course of offsets along the lines is taken that explains most: a line that
//! a session of the wire fits under an offset speaks for it by how seldom chance gives one, a line inside the capture's time that none fits
//! speaks against it, and each change costs. (The dynamic programme of Viterbi, 1967.) What the clock drifts throughout is taken out first, as
//! in a long log it is more than a step may be.

use crate::model::{Nanos, Span};

use super::common_drift::{self, Part};
use super::view::View;
use super::vote::{self, Count, End};

/// Rows of the smallest part that votes, and into how many such parts a log is divided at most.
const PART: usize = 8;
const PARTS: usize = 64;
/// Sessions without which a stretch has no clock of its own.
pub(super) const ENOUGH: usize = 6;
/// Seconds by which the offsets of two stretches must differ to be of two clocks.
pub(super) const APART: f64 = 0.8;
/// Share of the log's sessions that the wire is taken to have.
const SEEN: f64 = 0.6;
/// The least chance that any offset fits a row; a row alone must not outweigh a change.
const LEAST_CHANCE: f64 = 0.01;
/// What a change of clock costs, in nats.
const CHANGE: f64 = 12.0;

/// A stretch of a log with one clock: its rows in order of their lines, and what is supposed of it.
#[derive(Clone)]
pub(super) struct Stretch {
    pub(super) rows: Vec<usize>,
    /// The offset as at the capture's beginning, and what it gains each second.
    pub(super) offset: Span,
    pub(super) drift: f64,
    /// Seconds on either side.
    pub(super) bound: f64,
}

/// A row of the log, and what it says of offsets.
struct Voter {
    row: usize,
    /// Seconds, on the log's clock, from the capture's beginning.
    stamp: f64,
    /// The offsets that each session which it may be allows.
    allowed: Vec<(f64, f64)>,
    /// What a fit is worth, in nats.
    worth: f64,
}

/// The stretches of `rows`, which are in order of their lines, where several offsets explain more than one. `others` are the offsets of other
/// logs, which may be of the same host.
pub(super) fn find(view: &View<'_>, rows: &[usize], others: &[Span]) -> Vec<Stretch> {
    if rows.len() < 2 * PART {
        return Vec::new();
    }
    let mut told = tell(view, rows);
    let drift = common_drift::of(&parts(&told));
    let (from, _) = view.wires.background.span();
    let lead = from.since(view.wires.origin).as_seconds_f64();
    for voter in &mut told {
        voter.take_out(drift, lead);
    }
    let offsets = candidates(&told, others);
    let course = course(&told, &offsets, length(view));
    let runs = vote_again(&told, runs(&course, &offsets));
    share_out(rows, &told, &runs, drift)
}

/// The smallest parts, as far as they tell of the drift.
fn parts(told: &[Voter]) -> Vec<Part> {
    let part = |rows: &[Voter]| {
        let (lo, hi) = vote::deep(rows, APART)?;
        // When they were, by those that agree.
        let times = rows.iter().filter_map(|row| {
            let mut fitting = row.allowed.iter();
            fitting.find(|&&(from, to)| from <= hi && lo <= to)?;
            Some(row.stamp - f64::midpoint(lo, hi))
        });
        let (sum, count) = times.fold((0.0, 0.0), |(sum, count), at| (sum + at, count + 1.0));
        (count > 0.0).then(|| Part {
            at: sum / count,
            lo,
            hi,
        })
    };
    told.chunks(smallest(told.len())).filter_map(part).collect()
}

/// Seconds that the capture took.
fn length(view: &View<'_>) -> f64 {
    let (from, to) = view.wires.background.span();
    to.since(from).as_seconds_f64()
}

/// What the rows say that could be of a session at all: so many of them as may vote.
fn tell(view: &View<'_>, rows: &[usize]) -> Vec<Voter> {
    let (from, _) = view.wires.background.span();
    let length = length(view).max(1.0);
    let tell = |row: usize| {
        let (first, _) = view.log(row)?.stamps()?;
        let allowed = view.offsets(row);
        if allowed.is_empty() {
            return None;
        }
        let chance = (covered(&allowed) / length).clamp(LEAST_CHANCE, 1.0);
        Some(Voter {
            row,
            stamp: Nanos(first.at.0).since(from).as_seconds_f64(),
            worth: (SEEN + (1.0 - SEEN) * chance).ln() - chance.ln(),
            allowed,
        })
    };
    let voters = vote::thinned(rows, vote::VOTES, |row| view.offsets(row).len());
    voters.into_iter().filter_map(tell).collect()
}

/// Seconds of offsets that any of `allowed` covers.
fn covered(allowed: &[(f64, f64)]) -> f64 {
    let mut allowed = allowed.to_vec();
    allowed.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut reached = f64::NEG_INFINITY;
    let mut covered = 0.0;
    for (lo, hi) in allowed {
        covered += (hi - lo.max(reached)).max(0.0);
        reached = reached.max(hi);
    }
    covered
}

/// Of so many rows, those of the smallest part that votes.
pub(super) fn smallest(rows: usize) -> usize {
    PART.max(rows / PARTS)
}

/// The offsets that parts of the log vote for, from the whole down to a few rows, and those of other logs.
fn candidates(told: &[Voter], others: &[Span]) -> Vec<f64> {
    let mut offsets: Vec<f64> = others
        .iter()
        .map(|offset| offset.as_seconds_f64())
        .collect();
    let ends = ends(told);
    let mut size = told.len();
    let smallest = smallest(told.len());
    while size >= smallest {
        offsets.extend(of_parts(told, &ends, size));
        size /= 2;
    }
    offsets.sort_by(f64::total_cmp);
    offsets.dedup();
    offsets
}

/// Where the votes of all rows begin and end, in order, each with the place of its row.
fn ends(told: &[Voter]) -> Vec<(End, u32)> {
    let rows = told.iter().zip(0..);
    let ends = rows.flat_map(|(row, place)| End::of(&row.allowed).map(move |end| (end, place)));
    let mut ends: Vec<(End, u32)> = ends.collect();
    ends.sort_unstable();
    ends
}

/// What parts of so many rows vote for; each half of one is half of another too.
fn of_parts(told: &[Voter], ends: &[(End, u32)], size: usize) -> Vec<f64> {
    let step = size.div_ceil(2);
    let parts: Vec<&[Voter]> = (0..told.len())
        .step_by(step)
        .filter_map(|from| told.get(from..told.len().min(from + size)))
        .collect();
    let mut counts = vec![Count::default(); parts.len()];
    for &(end, place) in ends {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let first = (place + 1).saturating_sub(size).div_ceil(step);
        for count in counts.get_mut(first..=place / step).unwrap_or_default() {
            count.take(end);
        }
    }
    let voted = parts.into_iter().zip(counts).filter_map(|(part, count)| {
        let places: Vec<usize> = (0..part.len()).collect();
        let pairs = |place: usize| part.get(place).map_or(0, |row| row.allowed.len());
        if vote::thinned(&places, vote::VOTES, pairs).len() < part.len() {
            return voted(part, &places);
        }
        let offset = vote::believed(count.deepest()?, part)?;
        Some(offset.as_seconds_f64())
    });
    voted.collect()
}

/// What some of the rows, given by their places, vote for.
fn voted(told: &[Voter], places: &[usize]) -> Option<f64> {
    let allowed = |place: usize| told.get(place).map_or(&[][..], |row| &row.allowed);
    let offset = vote::coarse(places, vote::Choice::Most, allowed)?;
    Some(offset.as_seconds_f64())
}

impl AsRef<[(f64, f64)]> for Voter {
    fn as_ref(&self) -> &[(f64, f64)] {
        &self.allowed
    }
}

impl Voter {
    /// Lays what it allows as it would have been at the capture's beginning, `lead` before all stamps count, were the clock to gain so much
    /// each second.
    fn take_out(&mut self, drift: f64, lead: f64) {
        for (lo, hi) in &mut self.allowed {
            let since = lead + self.stamp - f64::midpoint(*lo, *hi);
            *lo -= drift * since;
            *hi -= drift * since;
        }
    }

    /// What the row says for clocks that are `offsets` ahead, which are in order, in nats.
    fn speaks_for(&self, offsets: &[f64], length: f64, says: &mut [f64]) {
        let unseen = (1.0 - SEEN).ln();
        for (says, offset) in says.iter_mut().zip(offsets) {
            let at = self.stamp - offset;
            *says = if at >= 0.0 && at < length {
                unseen
            } else {
                0.0
            };
        }
        for &(lo, hi) in &self.allowed {
            let from = offsets.partition_point(|&offset| offset < lo);
            let to = offsets.partition_point(|&offset| offset <= hi);
            if let Some(fitting) = says.get_mut(from..to) {
                fitting.fill(self.worth);
            }
        }
    }
}

/// How the best course to each offset came to a row: where from, if the clock was set, and a bit for each offset that tells whether it was.
struct Way {
    changed_from: usize,
    changed: Vec<u64>,
}

impl Way {
    /// The offset before, of the course that has `here` now.
    fn back(&self, here: usize) -> usize {
        let bits = self.changed.get(here / BITS).copied().unwrap_or(0);
        if bits >> (here % BITS) & 1 == 1 {
            self.changed_from
        } else {
            here
        }
    }
}

const BITS: usize = 64;

/// For each row the offset, as a place among `offsets`, on the course that explains most.
fn course(told: &[Voter], offsets: &[f64], length: f64) -> Vec<usize> {
    let mut most = vec![0.0f64; offsets.len()];
    let mut says = vec![0.0f64; offsets.len()];
    let mut ways: Vec<Way> = Vec::with_capacity(told.len());
    // The first of the largest.
    let mut best = (0, most.first().copied().unwrap_or(0.0));
    for row in told {
        row.speaks_for(offsets, length, &mut says);
        let changed = best.1 - CHANGE;
        let mut way = Way {
            changed_from: best.0,
            changed: Vec::with_capacity(offsets.len().div_ceil(BITS)),
        };
        best.1 = f64::NEG_INFINITY;
        let blocks = most.chunks_mut(BITS).zip(says.chunks(BITS)).enumerate();
        for (block, (most, says)) in blocks {
            let mut bits = 0u64;
            for (at, (most, says)) in most.iter_mut().zip(says).enumerate() {
                bits |= u64::from(changed > *most) << at;
                *most = most.max(changed) + says;
                if *most > best.1 {
                    best = (block * BITS + at, *most);
                }
            }
            way.changed.push(bits);
        }
        ways.push(way);
    }
    let mut at = best.0;
    let back = ways.iter().rev().map(|way| {
        let here = at;
        at = way.back(at);
        here
    });
    let mut course: Vec<usize> = back.collect();
    course.reverse();
    course
}

/// A run of rows under one offset, as places among those that were asked.
struct Run {
    places: Vec<usize>,
    offset: f64,
}

/// The runs of a course; those too short for a clock of their own go to what is before them.
fn runs(course: &[usize], offsets: &[f64]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for same in (0..course.len())
        .collect::<Vec<_>>()
        .chunk_by(|&one, &other| course.get(one) == course.get(other))
    {
        let at = same.first().and_then(|&first| course.get(first));
        let Some(&offset) = at.and_then(|&at| offsets.get(at)) else {
            continue;
        };
        match runs.last_mut() {
            Some(last) if same.len() < ENOUGH || (last.offset - offset).abs() < APART => {
                last.places.extend_from_slice(same);
            }
            _ => runs.push(Run {
                places: same.to_vec(),
                offset,
            }),
        }
    }
    runs
}

/// The runs with what each votes for as a whole, where that is near what it was found by; those that then agree are one.
fn vote_again(told: &[Voter], runs: Vec<Run>) -> Vec<Run> {
    let mut again: Vec<Run> = Vec::new();
    for mut run in runs {
        let voted =
            voted(told, &run.places).filter(|offset| (offset - run.offset).abs() < vote::REACH);
        run.offset = voted.unwrap_or(run.offset);
        match again.last_mut() {
            Some(last) if (last.offset - run.offset).abs() < APART => {
                last.places.extend(run.places);
            }
            _ => again.push(run),
        }
    }
    again
}

/// All rows by the runs of those that were asked: one that was not belongs to the run that is open at its line.
fn share_out(rows: &[usize], told: &[Voter], runs: &[Run], drift: f64) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut left = rows;
    for (at, run) in runs.iter().enumerate() {
        let next = runs
            .get(at + 1)
            .and_then(|next| told.get(*next.places.first()?));
        let end = next.and_then(|next| left.iter().position(|&row| row == next.row));
        let (mine, rest) = left.split_at(end.unwrap_or(left.len()));
        left = rest;
        stretches.push(Stretch {
            rows: mine.to_vec(),
            offset: Span::from_seconds_f64(run.offset),
            drift,
            // A clock that is farther is nearer to another.
            bound: APART / 2.0,
        });
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows a second apart, each of which fits its own offset; every third fits the next one's as well.
    fn rows(offsets: &[f64]) -> Vec<Voter> {
        let rows = (0u32..).zip(offsets).map(|(at, &offset)| {
            let mut allowed = vec![(offset - 0.4, offset + 0.4)];
            if at % 3 == 0 {
                allowed.push((offset + 0.6, offset + 1.4));
            }
            Voter {
                row: usize::try_from(at).unwrap(),
                stamp: f64::from(at) + offset,
                worth: 2.0,
                allowed,
            }
        });
        rows.collect()
    }

    fn found(offsets: &[f64]) -> Vec<(usize, f64)> {
        let told = rows(offsets);
        let candidates = candidates(&told, &[]);
        let course = course(&told, &candidates, 100.0);
        let runs = runs(&course, &candidates).into_iter();
        runs.map(|run| (run.places.len(), run.offset)).collect()
    }

    #[test]
    fn each_stretch_is_found_with_its_offset() {
        let told = [[5.0; 20], [35.0; 20], [10.0; 20]].concat();
        let found = found(&told);
        let lengths: Vec<usize> = found.iter().map(|&(rows, _)| rows).collect();
        assert_eq!(lengths, [20, 20, 20], "{found:?}");
        for ((_, offset), of) in found.into_iter().zip([5.0, 35.0, 10.0]) {
            assert!((offset - of).abs() < 0.5, "{offset} for {of}");
        }
    }

    #[test]
    fn a_few_rows_by_themselves_are_no_stretch() {
        let told = [vec![5.0; 20], vec![35.0; 4], vec![5.0; 20]].concat();
        assert_eq!(found(&told).len(), 1);
    }

    #[test]
    fn what_overlaps_is_covered_once() {
        let covered = covered(&[(3.0, 4.0), (0.0, 2.0), (1.0, 2.5), (1.5, 1.6)]);
        assert!((covered - 3.5).abs() < 1e-9, "{covered}");
    }
}
