//! How far the order of a log's lines can be trusted, learnt from lines whose place on the wire is known by other means.

use super::moment::Window;

/// Neighbours from whom enough is learnt.
const ENOUGH: usize = 40;
/// Most that the order of two lines can say, in nats.
const MOST: f64 = 6.0;

/// A line whose event is known on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    /// Which session of the log it is of.
    pub(super) row: usize,
    pub(super) line: u64,
    pub(super) window: Window,
}

/// How often lines that follow one another stood in the order in which things happened on the wire, by the time between these.
#[derive(Clone, Debug, Default)]
pub(super) struct Jitter {
    /// Seconds between two neighbours, ascending, with how many so far and nearer were in the right order and how many in the wrong one.
    steps: Vec<(f64, u32, u32)>,
}

impl Jitter {
    /// From lines whose place is known.
    pub(super) fn learn(known: &[Placed]) -> Self {
        let mut known = known.to_vec();
        known.sort_unstable_by_key(|known| (known.line, known.window.lo));
        let mut apart: Vec<(f64, bool)> = known
            .iter()
            .zip(known.iter().skip(1))
            // The lines of one session cannot but be in order.
            .filter(|(one, next)| one.line != next.line && one.row != next.row)
            .filter_map(|(one, next)| {
                // Windows that overlap say nothing.
                let right = next.window.lo.since(one.window.hi).as_seconds_f64();
                let wrong = one.window.lo.since(next.window.hi).as_seconds_f64();
                (right.max(wrong) > 0.0).then_some((right.max(wrong), right > 0.0))
            })
            .collect();
        apart.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        let (mut right, mut wrong) = (0, 0);
        let steps = apart.into_iter().map(|(seconds, in_order)| {
            right += u32::from(in_order);
            wrong += u32::from(!in_order);
            (seconds, right, wrong)
        });
        Self {
            steps: steps.collect(),
        }
    }

    /// Whether so much is known that no more is needed.
    pub(super) fn is_enough(&self) -> bool {
        self.steps.len() >= ENOUGH
    }

    /// What it costs that two lines stand in the wrong order although `seconds` lay between their events.
    ///
    /// Lines whose events were nearer to each other are exchanged at least as easily, so how often these were bounds how often those are.
    pub(super) fn cost(&self, seconds: f64) -> f64 {
        if seconds <= 0.0 {
            return 0.0;
        }
        let nearer = self.steps.partition_point(|step| step.0 <= seconds);
        let known = nearer.checked_sub(1).and_then(|at| self.steps.get(at));
        let (right, wrong) = known.map_or((0, 0), |&(_, right, wrong)| (right, wrong));
        ((f64::from(right) + 1.0) / (f64::from(wrong) + 1.0))
            .ln()
            .clamp(0.0, MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Nanos, Span};

    /// Line `n`, of a session of its own, at so many milliseconds.
    fn at(n: u32, millis: i64) -> Placed {
        let time = Nanos(0) + Span::millis(millis);
        Placed {
            row: n as usize,
            line: n.into(),
            window: Window::acted(time, time),
        }
    }

    #[test]
    fn a_log_that_keeps_its_order_tells_lines_apart_that_were_milliseconds_apart() {
        let jitter = Jitter::learn(&(0..50).map(|n| at(n, 2 * i64::from(n))).collect::<Vec<_>>());
        assert!(jitter.cost(0.003) > 3.0);
        assert!(jitter.cost(0.001).abs() < 1e-9, "none were known so near");
        assert!(jitter.cost(-1.0).abs() < 1e-9);
    }

    #[test]
    fn a_log_whose_lines_change_places_says_little() {
        let late = |n: u32| if n.is_multiple_of(2) { 5 } else { 0 };
        let known = (0..50).map(|n| at(n, i64::from(n) * 2 + late(n)));
        let jitter = Jitter::learn(&known.collect::<Vec<_>>());
        assert!(jitter.cost(0.003) < 1.0 && jitter.cost(0.05) < 1.5);
        assert!(Jitter::default().cost(9.0).abs() < 1e-9);
    }
}
