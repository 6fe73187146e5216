//! The order of a log's lines as evidence: a server writes them in the order in which things happened, so that a line lies in
//! time between those that are known before and behind it, however coarse its stamp.

use crate::model::{Nanos, Span};

use super::component::Lines;
use super::jitter::{Jitter, Placed};
use super::moment::{LATE, Window};

/// Lines looked at on either side of one.
const NEIGHBOURS: usize = 8;
/// A log is taken to be in order when at most one in this many neighbours is not.
const IN_ORDER: usize = 20;

/// Lines whose place on the wire is known, in the order of the log.
#[derive(Debug, Default)]
pub(super) struct Order {
    known: Vec<(u64, Window)>,
    jitter: Jitter,
}

/// When a line can have been written: not before the one, not after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Between {
    pub(super) from: Option<Nanos>,
    pub(super) to: Option<Nanos>,
}

impl Order {
    /// From lines whose place is known; empty where these are not in order. How far the order can be trusted is told by `before`, where that is
    /// enough: lines that were told apart by their order bear out nothing.
    pub(super) fn of(known: &[Placed], before: &Self) -> Self {
        let jitter = if before.jitter.is_enough() {
            before.jitter.clone()
        } else {
            Jitter::learn(known)
        };
        let lines = known.iter().map(|known| (known.line, known.window));
        let mut known: Vec<(u64, Window)> = lines.collect();
        known.sort_unstable_by_key(|&(line, _)| line);
        let wrong = known
            .iter()
            .zip(known.iter().skip(1))
            .filter(|((_, one), (_, next))| one.lo > next.hi + LATE)
            .count();
        if wrong * IN_ORDER > known.len() {
            known.clear();
        }
        Self { known, jitter }
    }

    /// Whether so many are known that the log can be said to be in order.
    pub(super) fn lines(&self) -> Lines<'_> {
        if self.known.len() >= IN_ORDER {
            Lines::InOrder(&self.jitter)
        } else {
            Lines::Unknown
        }
    }

    /// What the known lines around `line` say of it. The nearest but one on either side counts, so that one that is wrong does no harm.
    pub(super) fn around(&self, line: u64) -> Between {
        let at = self.known.partition_point(|&(known, _)| known < line);
        let (before, behind) = self.known.split_at_checked(at).unwrap_or_default();
        let behind = behind.iter().filter(|&&(known, _)| known != line);
        let before = before.iter().rev().take(NEIGHBOURS);
        let behind = behind.take(NEIGHBOURS);
        Between {
            from: second(before.map(|(_, window)| window.lo), |one, other| {
                one > other
            }),
            to: second(behind.map(|(_, window)| window.hi), |one, other| {
                one < other
            }),
        }
    }
}

/// The second of them when the one that goes ahead of all others comes first.
fn second(
    times: impl Iterator<Item = Nanos>,
    ahead: impl Fn(Nanos, Nanos) -> bool,
) -> Option<Nanos> {
    let (mut first, mut second): (Option<Nanos>, Option<Nanos>) = (None, None);
    for time in times {
        if first.is_none_or(|first| ahead(time, first)) {
            (first, second) = (Some(time), first);
        } else if second.is_none_or(|second| ahead(time, second)) {
            second = Some(time);
        }
    }
    second
}

impl Between {
    /// Seconds by which something in `window` was too early or too late to be told there.
    pub(super) fn miss(self, window: Window) -> f64 {
        let early = self.from.map(|from| from.since(window.hi + LATE));
        let late = self.to.map(|to| window.lo.since(to + LATE));
        early
            .max(late)
            .unwrap_or_default()
            .max(Span::ZERO)
            .as_seconds_f64()
    }

    /// How much time it leaves, where both sides are known.
    pub(super) fn length(self) -> Option<Span> {
        let length = self.to?.since(self.from?);
        Some(length.max(Span::ZERO) + LATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Window {
        let time = Nanos(0) + Span::millis(millis);
        Window::acted(time, time + Span::millis(2))
    }

    fn order(known: Vec<(u64, Window)>) -> Order {
        let rows = known.into_iter().enumerate();
        let known: Vec<Placed> = rows
            .map(|(row, (line, window))| Placed { row, line, window })
            .collect();
        Order::of(&known, &Order::default())
    }

    #[test]
    fn a_line_lies_between_its_neighbours() {
        let order = order(
            (1..=10u32)
                .map(|n| (u64::from(2 * n), at(100 * i64::from(n))))
                .collect(),
        );
        let between = order.around(9);
        assert!(between.miss(at(450)) == 0.0 && between.miss(at(400)) == 0.0);
        assert!(between.miss(at(700)) > 0.05 && between.miss(at(200)) > 0.05);
        assert_eq!(order.around(2).from, None);
        assert_eq!(order.around(20).to, None);
    }

    #[test]
    fn one_wrong_neighbour_does_no_harm() {
        let mut known: Vec<(u64, Window)> = (1..=40u32)
            .map(|n| (u64::from(2 * n), at(100 * i64::from(n))))
            .collect();
        known[20].1 = at(9000);
        assert!(order(known).around(45).miss(at(2250)) == 0.0);
    }

    #[test]
    fn a_log_out_of_order_says_nothing() {
        let known = (1..=10u32)
            .map(|n| (u64::from(n), at(100 * (10 - i64::from(n)))))
            .collect();
        assert_eq!(order(known).around(5), Between::default());
    }
}
