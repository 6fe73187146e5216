//! Stretches in which one side says nothing while the other shows what it should have told.

use crate::model::{Nanos, Span};

/// How unlikely a stretch must be before it is told: one in a thousand, for all stretches looked at together.
const CHANCE: f64 = 1e-3;

/// A stretch without a word.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Silence {
    pub(super) from: Nanos,
    pub(super) to: Nanos,
    /// Which of the events looked at lie in it, in order.
    pub(super) events: Vec<usize>,
    /// How likely that is by chance.
    chance: f64,
}

/// Something that the silent side tells of most times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) from: Nanos,
    pub(super) to: Nanos,
    /// Whether the silent side tells of it.
    pub(super) told: bool,
}

/// The stretches between two of `heard` (in order) whose silence is no chance: `events` lie in them, more than `slack` from their ends,
/// and events elsewhere are seldom left out. Worst first.
pub(super) fn silences(heard: &[Nanos], events: &[Expected], slack: Span) -> Vec<Silence> {
    let told = events.iter().filter(|event| event.told).count();
    let mut order: Vec<usize> = (0..events.len()).collect();
    order.sort_by_key(|&at| events.get(at).map(|event| event.from));
    let stretches: Vec<(Nanos, Nanos)> = heard
        .iter()
        .zip(heard.iter().skip(1))
        .map(|(from, to)| (*from, *to))
        .filter(|(from, to)| to.since(*from) > slack + slack)
        .collect();
    let mut found: Vec<Silence> = stretches
        .iter()
        .filter_map(|&(from, to)| {
            let begin = order.partition_point(|&at| {
                events
                    .get(at)
                    .is_some_and(|event| event.from <= from + slack)
            });
            let inside: Vec<usize> = order
                .iter()
                .skip(begin)
                .copied()
                .take_while(|&at| events.get(at).is_some_and(|event| event.from < to))
                .filter(|&at| {
                    events
                        .get(at)
                        .is_some_and(|event| !event.told && event.to + slack < to)
                })
                .collect();
            // The rule of succession, by the others: of what never failed yet nobody knows that it never will.
            let others = events.len() - inside.len();
            let missed = ratio(others - told + 1, others + 2);
            let count = i32::try_from(inside.len()).unwrap_or(i32::MAX);
            let chance = missed.powi(count) * ratio(stretches.len(), 1);
            (count > 0 && chance < CHANCE).then_some(Silence {
                from,
                to,
                events: inside,
                chance,
            })
        })
        .collect();
    found.sort_by(|one, other| {
        one.chance
            .total_cmp(&other.chance)
            .then(one.from.cmp(&other.from))
    });
    found
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn ratio(part: usize, of: usize) -> f64 {
    part as f64 / of as f64
}

#[cfg(test)]
mod tests {
    use super::super::testing::at;
    use super::*;

    /// Thirty events a second apart, each told but those in the stretch.
    fn events(silent: std::ops::Range<i64>, also: &[i64]) -> (Vec<Nanos>, Vec<Expected>) {
        let told = |second: &i64| !silent.contains(second) && !also.contains(second);
        let heard = (0..30).filter(told).map(at).collect();
        let events = (0..30)
            .map(|second| Expected {
                from: at(second),
                to: at(second),
                told: told(&second),
            })
            .collect();
        (heard, events)
    }

    #[test]
    fn a_stretch_is_told_where_silence_is_rare() {
        let (heard, all) = events(10..20, &[]);
        let found = silences(&heard, &all, Span::millis(1500));
        assert_eq!(
            (found.len(), found[0].from, found[0].to),
            (1, at(9), at(20))
        );
        assert_eq!(found[0].events.len(), 8);
    }

    #[test]
    fn it_is_none_where_silence_is_common_or_the_stretch_short() {
        let (heard, all) = events(10..20, &[1, 2, 3, 5, 6, 7, 21, 22, 23, 25, 26, 27, 28]);
        assert!(silences(&heard, &all, Span::millis(1500)).is_empty());
        let (heard, all) = events(10..13, &[]);
        assert!(silences(&heard, &all, Span::millis(1500)).is_empty());
    }
}
