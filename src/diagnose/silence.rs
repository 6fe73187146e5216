//! Stretches in which one side says nothing while the other shows what it should have told.

use crate::model::{Nanos, Span};

/// How unlikely a stretch must be before it is told: one in a thousand, for all stretches looked at together.
const CHANCE: f64 = 1e-3;

/// A stretch without a word.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Silence {
    /// Which of the stretches.
    pub(super) stretch: usize,
    /// Which of the events that are not told lie in it, in order.
    pub(super) events: Vec<usize>,
    /// How likely that is by chance.
    chance: f64,
}

/// From a moment to another.
pub(super) type Stretch = (Nanos, Nanos);

/// What the silent side should tell of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    /// What it does not tell of.
    pub(super) untold: &'a [Stretch],
    /// How many it does tell of, and how many there are in all.
    pub(super) told: u64,
    pub(super) all: u64,
}

/// The `stretches` whose silence is no chance: events lie in them, more than `slack` from their ends, and events elsewhere are seldom left
/// out. They are those of `looked_at` that are longer than twice the slack. Worst first.
pub(super) fn silences(
    stretches: &[Stretch],
    looked_at: u64,
    expected: Expected<'_>,
    slack: Span,
) -> Vec<Silence> {
    let Expected { untold, told, all } = expected;
    let mut order: Vec<usize> = (0..untold.len()).collect();
    order.sort_by_key(|&at| untold.get(at).map(|event| event.0));
    let begun_by = |moment: Nanos| {
        order.partition_point(|&at| untold.get(at).is_some_and(|event| event.0 <= moment))
    };
    let mut found: Vec<Silence> = stretches
        .iter()
        .enumerate()
        .filter_map(|(stretch, &(from, to))| {
            let of_time = order.get(begun_by(from + slack)..).unwrap_or_default();
            let events: Vec<usize> = of_time
                .iter()
                .copied()
                .take_while(|&at| untold.get(at).is_some_and(|event| event.0 < to))
                .filter(|&at| untold.get(at).is_some_and(|event| event.1 + slack < to))
                .collect();
            // The rule of succession, by the others: of what never failed yet nobody knows that it never will.
            let inside = u64::try_from(events.len()).unwrap_or(u64::MAX);
            let others = all.saturating_sub(inside);
            let missed = ratio(others.saturating_sub(told) + 1, others + 2);
            let count = i32::try_from(inside).unwrap_or(i32::MAX);
            let chance = missed.powi(count) * ratio(looked_at, 1);
            (count > 0 && chance < CHANCE).then_some(Silence {
                stretch,
                events,
                chance,
            })
        })
        .collect();
    found.sort_by(|one, other| {
        one.chance
            .total_cmp(&other.chance)
            .then(one.stretch.cmp(&other.stretch))
    });
    found
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn ratio(part: u64, of: u64) -> f64 {
    part as f64 / of as f64
}

#[cfg(test)]
mod tests {
    use super::super::testing::at;
    use super::*;

    /// What is found of thirty events a second apart, each told but those in the stretch, and some more.
    fn found(silent: std::ops::Range<i64>, also: &[i64]) -> Vec<(Stretch, usize)> {
        let told = |second: &i64| !silent.contains(second) && !also.contains(second);
        let heard: Vec<Nanos> = (0..30).filter(told).map(at).collect();
        let untold: Vec<Stretch> = (0..30)
            .filter(|second| !told(second))
            .map(|second| (at(second), at(second)))
            .collect();
        let slack = Span::millis(1500);
        let stretches: Vec<Stretch> = heard
            .windows(2)
            .map(|pair| (pair[0], pair[1]))
            .filter(|(from, to)| to.since(*from) > slack + slack)
            .collect();
        let expected = Expected {
            untold: &untold,
            told: heard.len() as u64,
            all: 30,
        };
        let found = silences(&stretches, stretches.len() as u64, expected, slack);
        found
            .iter()
            .map(|silence| (stretches[silence.stretch], silence.events.len()))
            .collect()
    }

    #[test]
    fn a_stretch_is_told_where_silence_is_rare() {
        assert_eq!(found(10..20, &[]), [((at(9), at(20)), 8)]);
    }

    #[test]
    fn it_is_none_where_silence_is_common_or_the_stretch_short() {
        let common = [1, 2, 3, 5, 6, 7, 21, 22, 23, 25, 26, 27, 28];
        assert!(found(10..20, &common).is_empty());
        assert!(found(10..13, &[]).is_empty());
    }
}
