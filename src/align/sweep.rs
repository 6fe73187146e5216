//! Where intervals overlap most, by a sweep over their ends in order.

/// The ends of intervals, each kind in order.
///
/// It is used again from one sweep to the next: nothing is allocated anew, and intervals that come again a little moved, as they do under one drift after
/// another, are nearly in order already.
#[derive(Default)]
pub(super) struct Sweep {
    opens: Ends,
    closes: Ends,
}

/// Ends of one kind in order, each with the number of its interval.
#[derive(Default)]
struct Ends {
    sorted: Vec<(Key, u32)>,
    given: Vec<Key>,
}

/// A number that has the order of [`f64::total_cmp`] as an integer: integers are sorted several times as fast.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(i64);

impl Key {
    pub(super) const fn of(number: f64) -> Self {
        Self(Self::turned(number.to_bits().cast_signed()))
    }

    pub(super) const fn number(self) -> f64 {
        f64::from_bits(Self::turned(self.0).cast_unsigned())
    }

    /// Turns the order of negative numbers around, and back.
    const fn turned(bits: i64) -> i64 {
        bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
    }
}

impl Ends {
    fn keys(&self) -> impl Iterator<Item = Key> {
        self.sorted.iter().map(|&(key, _)| key)
    }

    /// Takes these ends in place of those before.
    fn take(&mut self, ends: impl Iterator<Item = f64>) {
        self.given.clear();
        self.given.extend(ends.map(Key::of));
        self.sort();
    }

    /// Puts those that were given in order, beginning from the order that those before them had.
    fn sort(&mut self) {
        let known = self.sorted.len() == self.given.len();
        if known {
            for (key, interval) in &mut self.sorted {
                let place = usize::try_from(*interval).unwrap_or(usize::MAX);
                *key = self.given.get(place).copied().unwrap_or(*key);
            }
        } else {
            self.sorted.clear();
            self.sorted.extend(self.given.iter().copied().zip(0..));
        }
        if !known || !nearly_sorted(&mut self.sorted) {
            self.sorted.sort_unstable();
        }
    }
}

/// Sorts what takes few exchanges of neighbours; false where it took too many and is left as it is.
fn nearly_sorted(ends: &mut [(Key, u32)]) -> bool {
    let mut left = ends.len() * EXCHANGES;
    for from in 1..ends.len() {
        let mut at = from;
        while let Some([before, here]) = ends.get_mut(at - 1..=at)
            && before.0 > here.0
        {
            std::mem::swap(before, here);
            at -= 1;
            if at == 0 {
                break;
            }
            left = left.saturating_sub(1);
        }
        if left == 0 {
            return false;
        }
    }
    true
}

impl Sweep {
    /// Takes these intervals in place of those before.
    pub(super) fn over(&mut self, intervals: impl Iterator<Item = (f64, f64)> + Clone) -> &Self {
        // One kind after the other: of a list its length is known, and no room need be looked for.
        self.opens.take(intervals.clone().map(|(lo, _)| lo));
        self.closes.take(intervals.map(|(_, hi)| hi));
        self
    }

    /// The greatest number of intervals that share a point.
    pub(super) fn depth(&self) -> usize {
        self.depth_where(|open, close| open <= close)
    }

    /// The same were each longer by so much.
    pub(super) fn depth_of_longer(&self, by: f64) -> usize {
        self.depth_where(|open, close| open.number() <= close.number() + by)
    }

    fn depth_where(&self, is_shared: impl Fn(Key, Key) -> bool) -> usize {
        let ends = (&self.opens.sorted, &self.closes.sorted);
        let (mut begun, mut over, mut most) = (0usize, 0, 0);
        // Behind the last that opens no more are shared.
        while let (Some((open, _)), Some((close, _))) = (ends.0.get(begun), ends.1.get(over)) {
            let opens = usize::from(is_shared(*open, *close));
            begun += opens;
            over += 1 - opens;
            most = most.max(begun.saturating_sub(over));
        }
        most
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
        let (mut opens, mut closes) = (self.opens.keys(), self.closes.keys());
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

/// Exchanges of neighbours for each end, above which a sort from the beginning takes less.
const EXCHANGES: usize = 8;

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
            by in 0i32..5,
        ) {
            let by = f64::from(by);
            let intervals: Vec<(f64, f64)> = intervals
                .iter()
                .map(|&(lo, length)| (f64::from(lo), f64::from(lo + length)))
                .collect();
            let at = |point: f64| intervals.iter().filter(|(lo, hi)| *lo <= point && point <= *hi).count();
            let most = intervals.iter().map(|&(lo, _)| at(lo)).max().unwrap();
            let mut sweep = Sweep::default();
            let (depth, lo, hi) = sweep.over(intervals.iter().copied()).deepest().unwrap();
            prop_assert_eq!(depth, most);
            prop_assert_eq!(sweep.depth(), most);
            let longer = intervals.iter().map(|&(lo, hi)| (lo, hi + by));
            prop_assert_eq!(sweep.depth_of_longer(by), Sweep::default().over(longer).depth());
            prop_assert!(at(f64::midpoint(lo, hi)) == most);
        }

        #[test]
        fn what_was_swept_before_does_not_matter(
            before in proptest::collection::vec((-9i32..9, 0i32..9), 0..40),
            intervals in proptest::collection::vec((-9i32..9, 0i32..9), 0..40),
        ) {
            let ends = |intervals: &[(i32, i32)]| -> Vec<(f64, f64)> {
                let ends = intervals.iter().map(|&(lo, length)| (f64::from(lo), f64::from(lo + length)));
                ends.collect()
            };
            let mut used = Sweep::default();
            used.over(ends(&before).into_iter());
            let (mut new, intervals) = (Sweep::default(), ends(&intervals));
            let used = used.over(intervals.iter().copied());
            let new = new.over(intervals.iter().copied());
            prop_assert_eq!(used.deepest(), new.deepest());
            prop_assert_eq!(used.shared_by(2), new.shared_by(2));
            prop_assert_eq!(used.depth(), new.deepest().map_or(0, |(depth, ..)| depth));
        }

        #[test]
        fn keys_have_the_order_of_numbers(one in any::<f64>(), other in any::<f64>()) {
            prop_assert_eq!(Key::of(one).cmp(&Key::of(other)), one.total_cmp(&other));
            prop_assert_eq!(Key::of(one).number().to_bits(), one.to_bits());
        }
    }
}
