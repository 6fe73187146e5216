//! Pairs that the bound of a clock does not hold although nothing but their times speaks against them.
//!
//! A few such pairs are late lines or wrong pairs. Many that follow one another and all miss on the same side are a clock that was set, or a
//! server that fell behind: where the log cannot be split there, the bound has to hold what they say too.

use crate::model::Span;

use super::fit::{self, Constraint};
use super::pairing::Pairing;
use super::settled::Settled;
use super::view::View;

/// So many pairs that miss on one side are no accident, at least...
const MANY: usize = 5;
/// ...where they are found among so many pairs that follow one another.
const AMONG: usize = 20;
/// In how many logs chance may put too many on one side somewhere.
const ACCIDENT: f64 = 0.01;

/// Where a pair puts the offset, as seen from what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Below,
    Within,
    Above,
}

/// Widens what is known of a clock by what it misses in one stretch of time.
pub(super) fn widen(view: &View<'_>, settled: &mut Settled) {
    let Some(line) = settled.line.filter(|_| settled.clock.steps.is_empty()) else {
        return;
    };
    let (offset, bound) = (settled.clock.offset, settled.clock.bound);
    let known = |constraint: &Constraint| {
        let at = view.origin + Span::from_seconds_f64(constraint.at);
        let offset = settled.clock.offset_at(at) - settled.coarse;
        let ends = (offset - bound, offset + bound);
        side(
            constraint,
            (ends.0.as_seconds_f64(), ends.1.as_seconds_f64()),
        )
    };
    let mut range = line.range;
    for other in disagreeing(&sure(view, settled), known) {
        range = (range.0.min(other.0), range.1.max(other.1));
    }
    if range == line.range {
        return;
    }
    settled.line = Some(fit::Line {
        range,
        likely: range,
        ..line
    });
    let at = |seconds: f64| settled.coarse + Span::from_seconds_f64(seconds);
    let range = (at(range.0), at(range.1));
    settled.clock.settle_on(offset, range);
}

/// What the pairs say that are claimed or could be no other, in order of time.
fn sure(view: &View<'_>, settled: &Settled) -> Vec<Constraint> {
    let told = view.wires.threads.map(settled.chosen.len(), |row| {
        let pairing = match settled.chosen.get(row)? {
            Some(verdict) if verdict.is_clear() => Pairing::new(verdict.column(), (0.0, 0.0)),
            Some(_) => return None,
            // What the log tells of before the capture began has no partner, but may have one candidate.
            None if !view.covers(view.log(row)?, &settled.clock) => return None,
            None => view.only(row, &settled.clock, settled.coarse)?,
        };
        pairing.constraint(view, row, settled.coarse)
    });
    let mut sure: Vec<Constraint> = told.into_iter().flatten().collect();
    sure.sort_by(|one, other| one.at.total_cmp(&other.at));
    sure
}

fn side(constraint: &Constraint, (lo, hi): (f64, f64)) -> Side {
    if constraint.hi < lo {
        Side::Below
    } else if constraint.lo > hi {
        Side::Above
    } else {
        Side::Within
    }
}

/// The offsets that the stretches allow in which many miss on one side, and those between them, which the rest of the log has pulled
/// towards these.
fn disagreeing(sure: &[Constraint], known: impl Fn(&Constraint) -> Side) -> Vec<(f64, f64)> {
    let sides: Vec<Side> = sure.iter().map(known).collect();
    let many = many(&sides);
    let mut found = Vec::new();
    for wanted in [Side::Below, Side::Above] {
        let mut rest = 0;
        for (first, last) in dense(&sides, wanted, many) {
            let all = sure.get(first..=last).unwrap_or_default();
            let missed: Vec<Constraint> = all
                .iter()
                .zip(sides.get(first..=last).unwrap_or_default())
                .filter(|&(_, side)| *side == wanted)
                .map(|(constraint, _)| *constraint)
                .collect();
            found.extend(allowed(all, &missed));
            found.extend(enough(sure.get(rest..first)));
            rest = last + 1;
        }
        if rest > 0 {
            found.extend(enough(sure.get(rest..)));
        }
    }
    found
}

/// How many pairs on one side, of [`AMONG`] that follow one another, are no accident: sessions whose partners are missing fall in with others by chance,
/// which puts as many on one side as on the other.
fn many(sides: &[Side]) -> usize {
    let count = |wanted| sides.iter().filter(|side| **side == wanted).count();
    let few = count(Side::Below).min(count(Side::Above));
    #[expect(clippy::cast_precision_loss, reason = "counts of pairs")]
    let (few, all) = (few as f64, sides.len().max(1) as f64);
    let share = few / all;
    // Chance puts so many on one side, and so many or more (a binomial law).
    let among = u8::try_from(AMONG).unwrap_or(u8::MAX);
    let mut exactly = (1.0 - share).powi(among.into());
    let mut or_more = 1.0;
    for (hits, many) in (0..among).zip(0..) {
        if many >= MANY && or_more * all <= ACCIDENT {
            return many;
        }
        or_more -= exactly;
        exactly *= f64::from(among - hits) / f64::from(hits + 1) * share / (1.0 - share);
    }
    AMONG
}

/// The first and the last places of stretches in which so many are on the side that is wanted.
fn dense(sides: &[Side], wanted: Side, many: usize) -> Vec<(usize, usize)> {
    let missed: Vec<usize> = sides
        .iter()
        .enumerate()
        .filter(|&(_, side)| *side == wanted)
        .map(|(at, _)| at)
        .collect();
    let mut dense: Vec<(usize, usize)> = Vec::new();
    for run in missed.windows(many) {
        let (Some(&first), Some(&last)) = (run.first(), run.last()) else {
            continue;
        };
        if last - first >= AMONG {
            continue;
        }
        // Those that meet are one.
        match dense.last_mut() {
            Some((_, end)) if first <= *end => *end = last,
            _ => dense.push((first, last)),
        }
    }
    dense
}

/// What a stretch allows that is long enough to say something.
fn enough(stretch: Option<&[Constraint]>) -> Option<(f64, f64)> {
    fit::shared_range(stretch.filter(|stretch| stretch.len() >= MANY)?)
}

/// The offsets that a stretch allows, or those of it that were missed, where all together would leave too many of these out.
fn allowed(all: &[Constraint], missed: &[Constraint]) -> Option<(f64, f64)> {
    let range = fit::shared_range(all)?;
    let held = missed
        .iter()
        .filter(|constraint| side(constraint, range) == Side::Within);
    if held.count() * 4 >= missed.len() * 3 {
        Some(range)
    } else {
        fit::shared_range(missed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Second `at`, an offset of `offset` seconds to 0.3 s.
    fn pair(at: u32, offset: f64) -> Constraint {
        Constraint {
            at: f64::from(at),
            lo: offset - 0.15,
            hi: offset + 0.15,
            late: 0.02,
            tick: 0.0,
        }
    }

    fn known(pair: &Constraint) -> Side {
        side(pair, (-0.05, 0.05))
    }

    fn ranges(pairs: &[Constraint]) -> Vec<(f64, f64)> {
        disagreeing(pairs, known)
    }

    fn sides(pairs: &[Constraint]) -> Vec<Side> {
        pairs.iter().map(known).collect()
    }

    #[test]
    fn a_stretch_that_misses_on_one_side_is_held() {
        let pairs: Vec<Constraint> = (0..60)
            .map(|at| pair(at, if at < 40 { 0.0 } else { 0.4 }))
            .collect();
        let found = ranges(&pairs);
        for offset in [0.0, 0.4] {
            let held = found.iter().any(|(lo, hi)| (*lo..=*hi).contains(&offset));
            assert!(held, "{offset} is not in {found:?}");
        }
    }

    #[test]
    fn what_chance_puts_on_both_sides_is_left_out_and_a_stretch_among_it_is_held() {
        // Of 40 that follow one another some eight miss, here on one side and there on the other.
        let chance = |at: u32| {
            let here = at.wrapping_mul(2_654_435_761) >> 16;
            match here % 10 {
                0 => 0.4,
                1 => -0.4,
                _ => 0.0,
            }
        };
        let mut pairs: Vec<Constraint> = (0..4000).map(|at| pair(at, chance(at))).collect();
        assert!(
            dense(&sides(&pairs), Side::Above, MANY).len() > 9,
            "five are not rare"
        );
        assert_eq!(ranges(&pairs), []);
        for stretch in &mut pairs[1000..1040] {
            (stretch.lo, stretch.hi) = (stretch.lo + 0.4, stretch.hi + 0.4);
        }
        let found = ranges(&pairs);
        let held = found.iter().any(|(lo, hi)| (*lo..=*hi).contains(&0.4));
        assert!(held, "{found:?}");
    }

    #[test]
    fn few_and_scattered_ones_are_left_out() {
        let late: Vec<Constraint> = (0..100)
            .map(|at| pair(at, if at % 10 == 0 { 0.4 } else { 0.0 }))
            .collect();
        assert_eq!(ranges(&late), []);
        let wrong: Vec<Constraint> = (0..60)
            .map(|at| match at {
                20..=23 => pair(at, 0.4),
                24..=27 => pair(at, -0.4),
                _ => pair(at, 0.0),
            })
            .collect();
        assert_eq!(ranges(&wrong), []);
    }
}
