//! The drift that a clock has in all its stretches, whatever it was set to in between: known before any stretch is.
//!
//! Parts of the log vote each for a range of offsets. Two parts under one clock put its drift into a range too, two with a step between them
//! put it anywhere: the drift that the pairs of parts are nearest to agreeing on is that of the clock. (The slopes of Theil, 1950, and where they
//! are densest.)

use super::fit::MAX_DRIFT;

/// Where the votes of a part are deep, and when it was, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) at: f64,
    pub(super) lo: f64,
    pub(super) hi: f64,
}

/// What two parts say of the drift: most for `middle`, nothing farther than `reach` from it.
struct Slope {
    middle: f64,
    reach: f64,
}

/// Seconds by which the votes of a part may mislead.
const SLACK: f64 = 0.05;
/// No drift is the least bold choice where it has this share of what speaks for any.
const NEARLY: f64 = 0.9;
/// Where one step leaves half of the log on either side, half of the pairs are of one clock; and these agree by half.
const AGREEING: f64 = 0.2;

/// Seconds that the clock gains each second, or none where the parts do not tell.
pub(super) fn of(parts: &[Part]) -> f64 {
    let slopes = slopes(parts);
    let agree = |drift: f64| -> f64 {
        let agree = slopes.iter().map(|slope| slope.agrees(drift));
        agree.sum()
    };
    let mut best = (0.0, 0.0);
    for slope in slopes
        .iter()
        .filter(|slope| slope.middle.abs() <= MAX_DRIFT)
    {
        let agreeing = agree(slope.middle);
        if agreeing > best.0 {
            best = (agreeing, slope.middle);
        }
    }
    let (most, drift) = best;
    #[expect(clippy::cast_precision_loss, reason = "a count of pairs")]
    let enough = slopes.len() as f64 * AGREEING;
    if most < enough || agree(0.0) >= most * NEARLY {
        0.0
    } else {
        drift
    }
}

/// What each two parts say.
fn slopes(parts: &[Part]) -> Vec<Slope> {
    let pairs = parts.iter().enumerate().flat_map(|(place, one)| {
        let others = parts.iter().skip(place + 1);
        others.map(move |other| (one, other))
    });
    let slopes = pairs
        .filter(|(one, other)| other.at > one.at)
        .map(|(one, other)| {
            let apart = other.at - one.at;
            let gained = f64::midpoint(other.lo, other.hi) - f64::midpoint(one.lo, one.hi);
            let unknown = (other.hi - other.lo + one.hi - one.lo) / 2.0 + SLACK;
            Slope {
                middle: gained / apart,
                reach: unknown / apart,
            }
        });
    slopes.collect()
}

impl Slope {
    /// How much it speaks for a drift: at most one.
    fn agrees(&self, drift: f64) -> f64 {
        (1.0 - (drift - self.middle).abs() / self.reach).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts a thousand seconds apart, each of which knows its offset to a quarter of a second.
    fn parts(offset: impl Fn(f64) -> f64) -> Vec<Part> {
        let times = (0..50u32).map(|at| f64::from(at) * 1_000.0);
        let part = |at: f64| Part {
            at,
            lo: offset(at) - 0.25,
            hi: offset(at) + 0.25,
        };
        times.map(part).collect()
    }

    #[test]
    fn steps_do_not_hide_the_drift() {
        let set = [
            |_| 0.0,
            |at| if at > 47_500.0 { 1.0 } else { 0.0 },
            |at| if at > 24_500.0 { 2.0 } else { 0.0 },
            |at| if at > 44_500.0 { -3_600.0 } else { 0.0 },
            |at| {
                if (20_500.0..23_500.0).contains(&at) {
                    3.0
                } else {
                    0.0
                }
            },
        ];
        for set in set {
            let found = of(&parts(|at| 5.0 + 60e-6 * at + set(at)));
            assert!((found - 60e-6).abs() < 10e-6, "{found}");
        }
    }

    #[test]
    fn where_it_cannot_be_told_there_is_none() {
        assert!(of(&[]).abs() < f64::EPSILON);
        let scattered = parts(|at| (at * 7_919.0) % 997.0);
        assert!(of(&scattered).abs() < f64::EPSILON);
        let minute: Vec<Part> = parts(|_| 5.0);
        let minute: Vec<Part> = minute
            .into_iter()
            .map(|part| Part {
                at: part.at / 1_000.0,
                ..part
            })
            .collect();
        assert!(of(&minute).abs() < f64::EPSILON);
    }
}
