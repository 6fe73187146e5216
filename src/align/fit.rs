//! Offset and drift of a clock from intervals: the largest set of pairs that one straight line can satisfy, and
//! the region of all lines that do.
//!
//! After Moon, Skelly, Towsley (INFOCOM 1999) and Zhang, Liu, Xia (INFOCOM 2002), with intervals instead of one-sided
//! delays because a log stamp is cut to its resolution.

use std::ops::Range;

use super::sweep::Sweep;

mod region;

use region::Region;

/// A pair of wire event and log line: at `at`, the offset lies in `[lo, hi]`. All in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Constraint {
    pub(super) at: f64,
    pub(super) lo: f64,
    pub(super) hi: f64,
    /// How much of the interval is there only because a line may be written late, at its lower end, and because stamps
    /// may lag, at its upper.
    pub(super) late: f64,
    pub(super) tick: f64,
}

impl Constraint {
    /// The same with more slack than is usual.
    fn looser(&self, by: Slack) -> Self {
        Self {
            lo: self.lo - by.late,
            hi: self.hi + by.lag,
            late: self.late + by.late,
            tick: self.tick + by.lag,
            ..*self
        }
    }

    /// Whether a line of this drift and offset satisfies it.
    fn allows(&self, (drift, offset): (f64, f64)) -> bool {
        (self.lo..=self.hi).contains(&(offset + drift * self.at))
    }

    /// What all events of a pair allow together: one constraint, so that a wrong pair counts once however many lines it
    /// has. None when they contradict each other, as only wrong pairs do.
    pub(super) fn shared(constraints: impl Iterator<Item = Self>) -> Option<Self> {
        let all = constraints.reduce(|one, other| Self {
            at: one.at.min(other.at),
            lo: one.lo.max(other.lo),
            hi: one.hi.min(other.hi),
            late: if one.lo > other.lo {
                one.late
            } else {
                other.late
            },
            tick: if one.hi < other.hi {
                one.tick
            } else {
                other.tick
            },
        })?;
        (all.lo <= all.hi).then_some(all)
    }
}

/// A line through the constraints: `offset + drift × at`, each with its bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    /// Seconds, at time 0.
    pub(super) offset: f64,
    pub(super) offset_bound: f64,
    /// Where the true offset lies, and where it does were every line written in time by an exact clock.
    pub(super) range: (f64, f64),
    pub(super) likely: (f64, f64),
    /// Seconds per second.
    pub(super) drift: f64,
    pub(super) drift_bound: f64,
    /// Constraints that the line satisfies.
    pub(super) satisfied: usize,
    /// Seconds by which lines were late, and by which stamps lagged, beside what is usual.
    pub(super) slack: Slack,
}

/// By how many seconds more than usual lines may be late and stamps may lag.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Slack {
    pub(super) late: f64,
    pub(super) lag: f64,
}

impl Slack {
    /// Lateness for lag and lag for lateness.
    const fn turned(self) -> Self {
        Self {
            late: self.lag,
            lag: self.late,
        }
    }
}

impl Line {
    /// What a vote tells before any pair is known: about here, to half a second.
    pub(super) const fn vague() -> Self {
        Self {
            offset: 0.0,
            offset_bound: 0.5,
            range: (-0.5, 0.5),
            likely: (-0.5, 0.5),
            drift: 0.0,
            drift_bound: MAX_DRIFT,
            satisfied: 0,
            slack: Slack {
                late: 0.0,
                lag: 0.0,
            },
        }
    }

    /// Whether it is another by so little, up to `far` seconds from time 0, that pairs fit both alike.
    pub(super) fn is_like(&self, other: &Self, far: f64) -> bool {
        let by = ALIKE.max(other.offset_bound * ALIKE_SHARE);
        let (offset, drift) = (self.offset - other.offset, self.drift - other.drift);
        let moved = offset.abs().max((offset + drift * far).abs());
        self.slack == other.slack && moved <= by
    }

    /// The same with a bound that holds `range` too.
    fn holding(self, range: (f64, f64)) -> Self {
        let (lo, hi) = (self.range.0.min(range.0), self.range.1.max(range.1));
        Self {
            offset_bound: (hi - self.offset).max(self.offset - lo),
            range: (lo, hi),
            ..self
        }
    }

    /// What the clock of another log or stretch tells, which is known to within `bound` seconds.
    pub(super) const fn near(bound: f64, drift: f64) -> Self {
        Self {
            drift,
            offset_bound: bound,
            range: (-bound, bound),
            likely: (-bound, bound),
            ..Self::vague()
        }
    }
}

/// Seconds by which two lines are apart that are alike, or the share of the bound, where that is more.
const ALIKE: f64 = 0.01;
const ALIKE_SHARE: f64 = 0.05;
/// Seconds of slack beside what is usual, tried one after the other.
const LOOSER: [f64; 6] = [0.02, 0.06, 0.14, 0.3, 0.62, 1.05];
/// Pairs expected to be wrong from which on they count as a reason for lines that no clock explains.
const DOUBTED: f64 = 3.0;
/// Stamps of a whole clock lag by a timer's tick; by so much only those that were cut to seconds twice.
const CUT_TWICE: f64 = 0.5;
/// Clocks that are kept at all run within this of each other (NTP slews at most 500 ppm).
pub(super) const MAX_DRIFT: f64 = 500e-6;
/// Drifts tried on either side of the best known, at least and at most, and seconds that the far end of a log moves from one of them to the next
/// where it need not be more.
const GRID: (f64, f64) = (8.0, 50.0);
const GRID_STEP: f64 = 5e-3;
/// Constraints looked at while searching the grid; more are thinned evenly.
const GRID_SAMPLE: usize = 600;

/// The line that satisfies most constraints, with bounds; `None` without constraints.
///
/// `doubt` is how many of them are expected to be wrong pairs. The bounds hold as long as no more of those satisfied are, one in
/// fifty at most, and even if all that are not satisfied should be right ones; of less than a hundred, even if any one is wrong.
pub(super) fn fit(constraints: &[Constraint], doubt: f64) -> Option<Line> {
    let mut sweep = Sweep::default();
    let prompt = Agreed::of(constraints, doubt, Slack::default(), &mut sweep)?;
    let satisfied = prompt.inside.len();
    // What chance explains needs no other reason. Of one or two lines it is likelier that they were late.
    let by_chance = if doubt < DOUBTED {
        0
    } else {
        whole(doubt).min(constraints.len() / 4)
    };
    let enough = constraints.len() - by_chance.max(constraints.len() / 50);
    if satisfied >= enough {
        return Some(prompt.line());
    }
    // A server short of time writes late, another stamps by an old clock: then no clock explains all lines, until they may.
    // How many may, goes by lateness and lag together: of lateness alone and lag alone one stands for both.
    sweep.over(without_drift(constraints.iter().copied(), prompt.drift));
    let late = LOOSER.iter().map(|&by| Slack { late: by, lag: 0.0 });
    let both = LOOSER.iter().map(|&by| Slack { late: by, lag: by });
    let mut best: Option<(usize, Slack)> = None;
    for slack in late.chain(both) {
        let explained = sweep.depth_of_longer(slack.late + slack.lag);
        if best.is_none_or(|(most, _)| explained > most) {
            best = Some((explained, slack));
        }
        if explained >= enough {
            break;
        }
    }
    let (explained_by_it, slack) = best?;
    // What slack does not explain is wrong for another reason.
    if (explained_by_it - satisfied.min(explained_by_it)) * 2 < constraints.len() - satisfied {
        return Some(prompt.line());
    }
    let line = Agreed::of(constraints, doubt, slack, &mut sweep)?.line();
    // Lines that are late look like stamps that lag under a clock that is behind by as much: where both can be, the bound holds both.
    let other = slack.turned();
    if other != slack
        && slack.late >= CUT_TWICE
        && let Some(turned) = Agreed::of(constraints, doubt, other, &mut sweep)
    {
        return Some(line.holding(turned.range));
    }
    Some(line)
}

/// The same where lines are late and stamps lag no more than is usual.
pub(super) fn prompt(constraints: &[Constraint], doubt: f64) -> Option<Line> {
    let sweep = &mut Sweep::default();
    Some(Agreed::of(constraints, doubt, Slack::default(), sweep)?.line())
}

/// How many constraints one line satisfies, where lines are late and stamps lag no more than is usual.
pub(super) fn satisfied(constraints: &[Constraint]) -> usize {
    let best = best_drift(constraints, &mut Sweep::default());
    best.map_or(0, |best| {
        constraints.iter().filter(|c| c.allows(best)).count()
    })
}

/// What most constraints allow.
struct Agreed {
    /// Those that do.
    inside: Vec<Constraint>,
    /// The drift at which they share a point.
    swept: f64,
    /// The offsets at which all of them are satisfied, and where the true offset lies.
    exact: (f64, f64),
    range: (f64, f64),
    drift: f64,
    drift_bound: f64,
    slack: Slack,
}

impl Agreed {
    /// With `sweep`, which may know the order that the ends of all have.
    fn of(constraints: &[Constraint], doubt: f64, slack: Slack, sweep: &mut Sweep) -> Option<Self> {
        let looser: Vec<Constraint>;
        let constraints = if slack == Slack::default() {
            constraints
        } else {
            looser = constraints.iter().map(|c| c.looser(slack)).collect();
            &looser
        };
        let (swept, offset) = best_drift(constraints, sweep)?;
        let inside = constraints.iter().filter(|c| c.allows((swept, offset)));
        let inside: Vec<Constraint> = inside.copied().collect();
        let region = Region::of(&inside, offset, swept);
        let exact = region.range(|vertex| vertex.0);
        let (drift_lo, drift_hi) = region.range(|vertex| vertex.1);
        let (mut lo, mut hi) = exact;
        // A few wrong pairs may have narrowed the region, and those that disagree may be the right ones: widen it to where
        // so many fewer agree.
        let wrong = wrong_at_most(doubt).min(inside.len() / 50);
        let spare = wrong.max(late_at_least(inside.len())) + (constraints.len() - inside.len());
        let level = inside.len().saturating_sub(spare).max(1);
        // All are swept at this drift.
        if let Some((wide_lo, wide_hi)) = sweep.shared_by(level).filter(|_| spare > 0) {
            lo = lo.min(wide_lo);
            hi = hi.max(wide_hi);
        }
        let span = constraints.iter().map(|c| c.at.abs()).fold(1.0, f64::max);
        let looser = (hi - lo - (exact.1 - exact.0)) / span;
        let drift = f64::midpoint(drift_lo, drift_hi);
        Some(Self {
            inside,
            swept,
            exact,
            range: (lo, hi),
            drift,
            drift_bound: ((drift_hi - drift_lo) / 2.0 + looser).min(MAX_DRIFT + drift.abs()),
            slack,
        })
    }

    fn line(&self) -> Line {
        let (lo, hi) = self.range;
        let likely = likely(&self.inside, self.swept).unwrap_or(self.exact);
        let offset = f64::midpoint(likely.0, likely.1).clamp(self.exact.0, self.exact.1);
        Line {
            offset,
            offset_bound: (hi - offset).max(offset - lo),
            range: self.range,
            likely,
            slack: self.slack,
            drift: self.drift,
            drift_bound: self.drift_bound,
            satisfied: self.inside.len(),
        }
    }
}

/// Pairs among which one that is late or wrong says too much to be believed without another.
const FEW: Range<usize> = 3..100;

/// How many of so many pairs the bound does not rely on, however sure they are.
fn late_at_least(pairs: usize) -> usize {
    usize::from(FEW.contains(&pairs))
}

/// How many may be wrong where `expected` are: the bound that a Poisson law passes once in a hundred times, nearly.
fn wrong_at_most(expected: f64) -> usize {
    if expected < 0.02 {
        return 0;
    }
    whole((expected + 2.3 * expected.sqrt()).ceil().max(1.0))
}

/// A number of pairs without its fraction.
fn whole(number: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped"
    )]
    let whole = number.clamp(0.0, 1e9) as usize;
    whole
}

/// The offsets that most constraints share, were every line written in time by an exact clock.
fn likely(constraints: &[Constraint], drift: f64) -> Option<(f64, f64)> {
    let prompt: Vec<Constraint> = constraints
        .iter()
        .map(|c| Constraint {
            lo: c.lo + if c.late > 1.0 { 0.0 } else { c.late },
            hi: c.hi - c.tick,
            ..*c
        })
        .filter(|c| c.lo <= c.hi)
        .collect();
    let mut sweep = Sweep::default();
    let prompt = prompt.iter().copied();
    let (_, lo, hi) = sweep.over(without_drift(prompt, drift)).deepest()?;
    Some((lo, hi))
}

/// The offsets that most constraints share, from the first stretch of them to the last.
pub(super) fn shared_range(constraints: &[Constraint]) -> Option<(f64, f64)> {
    let mut sweep = Sweep::default();
    let sweep = sweep.over(without_drift(constraints.iter().copied(), 0.0));
    sweep.shared_by(sweep.depth())
}

/// The drift at which most constraints share a point, and the middle of what they share there: `sweep` is left there.
fn best_drift(constraints: &[Constraint], sweep: &mut Sweep) -> Option<(f64, f64)> {
    let stride = constraints.len().div_ceil(GRID_SAMPLE).max(1);
    let sample: Vec<Constraint> = constraints.iter().step_by(stride).copied().collect();
    let span = constraints.iter().map(|c| c.at.abs()).fold(0.0, f64::max);
    let mut of_sample = Sweep::default();
    let (mut drift, mut reach) = (0.0, MAX_DRIFT);
    // Over long times a step of the grid still moves the far end: look closer until it does not.
    loop {
        let steps = (reach * span / GRID_STEP).clamp(GRID.0, GRID.1).ceil();
        drift = search(&sample, drift, (reach, steps), &mut of_sample)?;
        reach /= steps;
        if reach * span <= 1e-3 {
            break;
        }
    }
    let all = constraints.iter().copied();
    let (_, lo, hi) = sweep.over(without_drift(all, drift)).deepest()?;
    Some((drift, f64::midpoint(lo, hi)))
}

/// The best drift on a grid of `reach` and so many steps on either side of `centre`.
fn search(
    sample: &[Constraint],
    centre: f64,
    (reach, steps): (f64, f64),
    sweep: &mut Sweep,
) -> Option<f64> {
    #[expect(clippy::cast_possible_truncation, reason = "fifty at most")]
    let most = steps as i32;
    let tries: Vec<(usize, f64)> = (-most..=most)
        .map(|step| {
            let drift = (centre + reach * f64::from(step) / steps).clamp(-MAX_DRIFT, MAX_DRIFT);
            let all = sample.iter().copied();
            (sweep.over(without_drift(all, drift)).depth(), drift)
        })
        .collect();
    let deepest = tries.iter().map(|&(depth, _)| depth).max()?;
    // The middle of the drifts that do equally well: the least bold choice.
    let equal: Vec<f64> = tries
        .iter()
        .filter(|&&(depth, _)| depth == deepest)
        .map(|&(_, drift)| drift)
        .collect();
    equal.get(equal.len() / 2).copied()
}

/// The offsets that each of `constraints` allows, with the drift taken out.
fn without_drift(
    constraints: impl Iterator<Item = Constraint> + Clone,
    drift: f64,
) -> impl Iterator<Item = (f64, f64)> + Clone {
    constraints.map(move |c| (c.lo - drift * c.at, c.hi - drift * c.at))
}

#[cfg(test)]
mod tests;
