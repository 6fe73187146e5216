//! Where intervals overlap most, by a sweep over their ends in order.

/// The ends of intervals, each kind in order. It is used again from one sweep to the next, so that nothing is allocated anew.
#[derive(Default)]
pub(super) struct Sweep {
    opens: Vec<Key>,
    closes: Vec<Key>,
}

/// A number that has the order of [`f64::total_cmp`] as an integer: integers are sorted several times as fast.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(i64);

impl Key {
    pub(super) const fn of(number: f64) -> Self {
        Self(Self::turned(number.to_bits().cast_signed()))
    }

    const fn number(self) -> f64 {
        f64::from_bits(Self::turned(self.0).cast_unsigned())
    }

    /// Turns the order of negative numbers around, and back.
    const fn turned(bits: i64) -> i64 {
        bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
    }
}

impl Sweep {
    /// Takes these intervals in place of those before.
    pub(super) fn over(&mut self, intervals: impl Iterator<Item = (f64, f64)>) -> &Self {
        self.opens.clear();
        self.closes.clear();
        for (lo, hi) in intervals {
            self.opens.push(Key::of(lo));
            self.closes.push(Key::of(hi));
        }
        self.opens.sort_unstable();
        self.closes.sort_unstable();
        self
    }

    /// The greatest number of intervals that share a point, and the first stretch they share.
    pub(super) fn deepest(&self) -> Option<(usize, f64, f64)> {
        let mut best = (0, 0.0, 0.0);
        self.stretches(|level, lo, hi| {
            if level > best.0 {
                best = (level, lo, hi);
            }
        });
        (best.0 > 0).then_some(best)
    }

    /// From the first to the last point that at least `level` intervals share.
    pub(super) fn shared_by(&self, level: usize) -> Option<(f64, f64)> {
        let mut range: Option<(f64, f64)> = None;
        self.stretches(|here, lo, hi| {
            if here >= level.max(1) {
                range = Some(range.map_or((lo, hi), |(first, _)| (first, hi)));
            }
        });
        range
    }

    /// Calls `each` with every stretch between neighbouring ends and how many intervals cover it.
    fn stretches(&self, mut each: impl FnMut(usize, f64, f64)) {
        let (mut opens, mut closes) = (self.opens.iter(), self.closes.iter());
        let (mut next_open, mut next_close) = (opens.next(), closes.next());
        let mut level = 0usize;
        let mut before: Option<f64> = None;
        loop {
            let (end, then) = match (next_open, next_close) {
                // What closes where another opens shares that point with it.
                (Some(open), close) if close.is_none_or(|close| open <= close) => {
                    next_open = opens.next();
                    (open, level + 1)
                }
                (_, Some(close)) => {
                    next_close = closes.next();
                    (close, level.saturating_sub(1))
                }
                _ => break,
            };
            let end = end.number();
            if let Some(before) = before {
                each(level, before, end);
            }
            (before, level) = (Some(end), then);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ends_that_meet_are_shared() {
        let mut sweep = Sweep::default();
        let found = sweep.over([(0.0, 1.0), (1.0, 3.0), (-2.0, -1.0)].into_iter());
        assert_eq!(found.deepest(), Some((2, 1.0, 1.0)));
        assert_eq!(found.shared_by(1), Some((-2.0, 3.0)));
        assert_eq!(sweep.over(std::iter::empty()).deepest(), None);
    }

    proptest! {
        #[test]
        fn the_depth_is_that_of_the_point_most_share(
            intervals in proptest::collection::vec((-20i32..20, 0i32..9), 1..30),
        ) {
            let intervals: Vec<(f64, f64)> = intervals
                .iter()
                .map(|&(lo, length)| (f64::from(lo), f64::from(lo + length)))
                .collect();
            let at = |point: f64| intervals.iter().filter(|(lo, hi)| *lo <= point && point <= *hi).count();
            let most = intervals.iter().map(|&(lo, _)| at(lo)).max().unwrap();
            let mut sweep = Sweep::default();
            let (depth, lo, hi) = sweep.over(intervals.iter().copied()).deepest().unwrap();
            prop_assert_eq!(depth, most);
            prop_assert!(at(f64::midpoint(lo, hi)) == most);
        }

        #[test]
        fn keys_have_the_order_of_numbers(one in any::<f64>(), other in any::<f64>()) {
            prop_assert_eq!(Key::of(one).cmp(&Key::of(other)), one.total_cmp(&other));
            prop_assert_eq!(Key::of(one).number().to_bits(), one.to_bits());
        }
    }
}
