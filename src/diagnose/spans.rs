//! Stretches of time, asked for what lies in them.

use crate::model::{Nanos, Span};

/// Stretches in order of their beginnings, each with the latest end up to there.
#[derive(Clone, Debug, Default)]
pub(super) struct Spans(Vec<(Nanos, Nanos)>);

impl Spans {
    /// Of stretches from a moment to another, in any order.
    pub(super) fn of(mut all: Vec<(Nanos, Nanos)>) -> Self {
        all.sort_unstable();
        let mut latest = Nanos(i64::MIN);
        for (_, end) in &mut all {
            latest = latest.max(*end);
            *end = latest;
        }
        Self(all)
    }

    /// One more stretch. In between they are out of order: [`Spans::put_together`] ends that.
    pub(super) fn push(&mut self, stretch: (Nanos, Nanos)) {
        self.0.push(stretch);
    }

    /// Puts them in order, and those that meet or lie no farther apart than `apart` together: of none is asked for how long it was alone.
    pub(super) fn put_together(&mut self, apart: Span) {
        self.0.sort_unstable();
        let mut kept: Vec<(Nanos, Nanos)> = Vec::new();
        for &(start, end) in &self.0 {
            match kept.last_mut() {
                Some((_, until)) if start <= *until + apart => *until = end.max(*until),
                _ => kept.push((start, end)),
            }
        }
        self.0 = kept;
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether one of them has a moment in common with the stretch from `from` to `to`.
    pub(super) fn meet(&self, from: Nanos, to: Nanos) -> bool {
        let begun = self.0.partition_point(|(start, _)| *start <= to);
        self.latest(begun).is_some_and(|end| end >= from)
    }

    /// Whether one of them began before `at` and ended after it.
    pub(super) fn cover(&self, at: Nanos) -> bool {
        let begun = self.0.partition_point(|(start, _)| *start < at);
        self.latest(begun).is_some_and(|end| end > at)
    }

    /// The latest end of the first `begun`.
    fn latest(&self, begun: usize) -> Option<Nanos> {
        let last = self.0.get(begun.checked_sub(1)?)?;
        Some(last.1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_say_what_each_of_them_says(
            all in prop::collection::vec((0i64..30, 0i64..9), 0..8),
            from in 0i64..40,
            length in 0i64..9,
        ) {
            let (from, to) = (Nanos(from), Nanos(from + length));
            let all: Vec<_> = all
                .into_iter()
                .map(|(start, length)| (Nanos(start), Nanos(start + length)))
                .collect();
            let spans = Spans::of(all.clone());
            let meet = all.iter().any(|(start, end)| *start <= to && *end >= from);
            let cover = all.iter().any(|(start, end)| *start < from && *end > from);
            prop_assert_eq!((spans.meet(from, to), spans.cover(from)), (meet, cover));
            let mut pushed = Spans::default();
            for stretch in &all {
                pushed.push(*stretch);
            }
            pushed.put_together(Span(0));
            prop_assert_eq!(pushed.meet(from, to), meet);
            prop_assert!(pushed.len() <= all.len());
        }
    }
}
