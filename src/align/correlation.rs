//! The coarse offset of a log's clock from how busy both sides were from second to second, for logs whose sessions have too many possible
//! partners to be asked one by one: the two rates, each without its slow changes, agree at the right offset and at hardly any other.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{Nanos, Span};

use super::rows;
use super::view::View;
use super::vote::{self, REACH};

/// Bins of the wire's time at most, and of the log's, of all clients together; of more of these some are left out evenly, of the wire's each
/// is wider.
const WIRE_BINS: usize = 1 << 17;
const LOG_BINS: usize = 2048;
/// Clients whose rates are looked at, those with the most sessions first.
const CLIENTS: usize = 16;
/// Bins on either side of one whose mean is taken from it: slower changes are of the day, not of the session.
const SLOW: usize = 30;
/// Standard deviations by which the best offset must stand out of all others, and the share of its height that another may have.
const CERTAIN: f64 = 6.0;
const NEARLY: f64 = 0.6;
const SECOND: i64 = Span::SECOND.0;

/// How well the rates of both sides agree, by offset.
pub(super) struct Correlation {
    /// Seconds of a bin, and the offset of the first.
    width: f64,
    first: f64,
    heights: Vec<f64>,
}

impl Correlation {
    /// Of the first and the last lines of a log with the beginnings and the ends of the sessions that they may be of.
    pub(super) fn of(view: &View<'_>) -> Option<Self> {
        let (from, to) = span(view);
        let length = to.since(from).as_seconds_f64();
        let resolution = view.resolution()?.as_seconds_f64();
        #[expect(clippy::cast_precision_loss, reason = "a number of bins")]
        let width = resolution.max(1.0).max(length / WIRE_BINS as f64);
        // Clients are told apart: each has a rate of its own.
        let mut clients: BTreeMap<Option<IpAddr>, Vec<usize>> = BTreeMap::new();
        for row in 0..view.mine.len() {
            clients.entry(view.log(row)?.peer).or_default().push(row);
        }
        let bin = |seconds: f64| bin(seconds / width);
        let bins_of = |row: usize| {
            let (first, last) = view.log(row)?.stamps()?;
            let since = |at: i64| Nanos(at).since(from).as_seconds_f64();
            Some((bin(since(first.at.0)), bin(since(last.at.0))))
        };
        let spans = || (0..view.mine.len()).filter_map(bins_of);
        let earliest = spans().map(|(first, _)| first).min()?;
        let latest = spans().map(|(_, last)| last).max()?;
        let wire_bins = usize::try_from(bin(length) + 1).ok()?;
        let log_bins = usize::try_from(latest - earliest + 1).ok()?;
        // A log of years beside a capture of seconds is no matter of rates.
        let mut heights = vec![0.0; (wire_bins + log_bins).min(4 * WIRE_BINS)];
        if heights.len() < wire_bins + log_bins {
            return None;
        }
        let mut clients: Vec<Vec<usize>> = clients.into_values().collect();
        clients.sort_by_key(|rows| Reverse(rows.len()));
        clients.truncate(CLIENTS);
        let ends: &[End] = if view.has_rows() {
            &[End::Last]
        } else {
            &[End::First, End::Last]
        };
        let most = LOG_BINS / (clients.len() * ends.len()).max(1);
        for rows in &clients {
            for end in ends {
                let seen = end.seen(view, rows, width, wire_bins)?;
                let told = rows.iter().filter_map(|&row| bins_of(row));
                let told = counts(told.map(|span| end.of(span) - earliest), most);
                add(&mut heights, &told, &seen);
            }
        }
        let shift = earliest - i64::try_from(wire_bins).ok()?;
        #[expect(clippy::cast_precision_loss, reason = "a number of bins")]
        let first = shift as f64 * width;
        Some(Self {
            width,
            first,
            heights: smoothed(&heights),
        })
    }

    /// The offsets at which the rates agree best, at most so many, the best first, each with its height in standard deviations of those
    /// that are not near the best.
    pub(super) fn best(&self, most: usize) -> Vec<(f64, f64)> {
        let heights = self.heights.iter().enumerate();
        let heights = heights.map(|(at, &height)| (self.offset(at), height));
        let mut best = vote::highest(heights.collect(), most);
        let deviation = best.first().map_or(1.0, |&(best, _)| self.deviation(best));
        for (_, height) in &mut best {
            *height /= deviation;
        }
        best
    }

    /// The standard deviation of the heights that are not near an offset.
    fn deviation(&self, near: f64) -> f64 {
        let bins = 0..self.heights.len();
        let far = bins.filter(|&at| (self.offset(at) - near).abs() > REACH);
        let (mut sum, mut count) = (0.0, 0.0);
        for height in far.filter_map(|at| self.heights.get(at)) {
            sum += height * height;
            count += 1.0;
        }
        f64::max(sum / f64::max(count, 1.0), f64::MIN_POSITIVE).sqrt()
    }

    /// The offset at which the rates agree and at no other, if there is one.
    pub(super) fn certain(best: &[(f64, f64)]) -> Option<f64> {
        let &(offset, height) = best.first()?;
        let next = best.get(1).map_or(0.0, |&(_, height)| height);
        (height >= CERTAIN && next <= height * NEARLY).then_some(offset)
    }

    /// The middle of the heights around a bin.
    fn offset(&self, at: usize) -> f64 {
        let around = at.saturating_sub(1)..(at + 2).min(self.heights.len());
        let (mut sum, mut weight) = (0.0, 0.0);
        for bin in around {
            #[expect(clippy::cast_precision_loss, reason = "a number of bins")]
            let place = bin as f64;
            let height = self.heights.get(bin).copied().unwrap_or(0.0).max(0.0);
            sum += place * height;
            weight += height;
        }
        self.first + sum / f64::max(weight, f64::MIN_POSITIVE) * self.width
    }
}

/// The capture's time from a whole second on: stamps that are cut to seconds then lie at the beginning of a bin.
fn span(view: &View<'_>) -> (Nanos, Nanos) {
    let (from, to) = view.wires.background.span();
    (Nanos(from.0.div_euclid(SECOND) * SECOND), to)
}

/// Which end of a session is laid beside which line.
#[derive(Clone, Copy)]
enum End {
    First,
    Last,
}

impl End {
    const fn of(self, span: (i64, i64)) -> i64 {
        match self {
            Self::First => span.0,
            Self::Last => span.1,
        }
    }

    /// The rate of what `rows`, which name one client, may be, without its slow changes.
    fn seen(self, view: &View<'_>, rows: &[usize], width: f64, bins: usize) -> Option<Vec<f64>> {
        let log = view.log(*rows.first()?)?;
        let (from, _) = span(view);
        let mut seen = vec![0.0; bins];
        let mut count = |at: Nanos| {
            let bin = bin(at.since(from).as_seconds_f64() / width);
            let slot = usize::try_from(bin).ok().and_then(|bin| seen.get_mut(bin));
            if let Some(slot) = slot {
                *slot += 1.0;
            }
        };
        for at in view.wires.index.any(log, &view.translation) {
            if !view.allows(at, log) {
                continue;
            }
            if rows::is_single(log) {
                view.slots(at).iter().for_each(|slot| count(slot.window.hi));
            } else if let Some(wire) = view.wire(at) {
                count(match self {
                    Self::First => wire.start,
                    Self::Last => wire.end,
                });
            }
        }
        Some(without_slow(&seen))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "seconds of any clock fit")]
fn bin(widths: f64) -> i64 {
    widths.floor() as i64
}

/// How often each bin occurs; of at most so many, which lie evenly.
fn counts(bins: impl Iterator<Item = i64>, most: usize) -> Vec<(usize, f64)> {
    let mut counts: BTreeMap<usize, f64> = BTreeMap::new();
    for bin in bins {
        if let Ok(bin) = usize::try_from(bin) {
            *counts.entry(bin).or_default() += 1.0;
        }
    }
    let step = counts.len().div_ceil(most).max(1);
    counts.into_iter().step_by(step).collect()
}

/// Adds what the lines in each of `told` say for each offset: `seen` laid beside it.
fn add(heights: &mut [f64], told: &[(usize, f64)], seen: &[f64]) {
    for &(bin, count) in told {
        // An event of the wire's bin `k` and a line of bin `bin` speak for an offset of `bin - k` bins.
        let beside = heights.get_mut(bin + 1..=bin + seen.len());
        for (height, seen) in beside.unwrap_or_default().iter_mut().rev().zip(seen) {
            *height += count * seen;
        }
    }
}

/// Each less the mean around it.
fn without_slow(rate: &[f64]) -> Vec<f64> {
    let mut sums = Vec::with_capacity(rate.len() + 1);
    let mut sum = 0.0;
    sums.push(sum);
    for here in rate {
        sum += here;
        sums.push(sum);
    }
    let mean = |at: usize| {
        let (from, to) = (at.saturating_sub(SLOW), (at + SLOW + 1).min(rate.len()));
        let sum = |at: usize| sums.get(at).copied().unwrap_or(0.0);
        #[expect(clippy::cast_precision_loss, reason = "a number of bins")]
        let count = (to - from) as f64;
        (sum(to) - sum(from)) / count
    };
    rate.iter()
        .enumerate()
        .map(|(at, here)| here - mean(at))
        .collect()
}

/// Each with its neighbours: what happened in one bin of the wire is told in this or the next of the log.
fn smoothed(heights: &[f64]) -> Vec<f64> {
    let height = |at: Option<usize>| at.and_then(|at| heights.get(at)).copied().unwrap_or(0.0);
    (0..heights.len())
        .map(|at| height(at.checked_sub(1)) + height(Some(at)) + height(Some(at + 1)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events in an uneven row of bins.
    fn uneven(bins: usize) -> Vec<f64> {
        // Squares modulo a prime that is larger than the number of bins.
        let event = |at: usize| at * at * 79 % 1009 < 150;
        (0..bins).map(|at| f64::from(u8::from(event(at)))).collect()
    }

    #[test]
    fn rates_agree_at_the_offset() {
        let seen = uneven(400);
        // The log begins with bin 100 of the wire, and its clock is 30 bins ahead.
        let told: Vec<(usize, f64)> = (0..200)
            .filter(|&at| seen[at + 100] > 0.0)
            .map(|at| (at, 1.0))
            .collect();
        let mut heights = vec![0.0; seen.len() + 200];
        add(&mut heights, &told, &without_slow(&seen));
        let found = Correlation {
            width: 1.0,
            first: 130.0 - 400.0,
            heights,
        };
        let best = found.best(3);
        assert!((best[0].0 - 30.0).abs() < 0.5, "{best:?}");
    }

    #[test]
    fn even_intervals_are_not_certain() {
        assert_eq!(Correlation::certain(&[(5.0, 12.0), (15.0, 11.0)]), None);
        assert_eq!(Correlation::certain(&[(5.0, 4.0)]), None);
        assert_eq!(Correlation::certain(&[(5.0, 12.0), (15.0, 4.0)]), Some(5.0));
    }

    #[test]
    fn slow_changes_are_taken_out() {
        let slow: Vec<f64> = (0..1000u32).map(|at| f64::from(at) / 100.0).collect();
        let left = without_slow(&slow);
        assert!(left[100..900].iter().all(|left| left.abs() < 1e-9));
    }

    #[test]
    fn of_many_bins_some_are_counted() {
        let bins = || (0..100).chain(0..100);
        assert_eq!(counts(bins(), 200).len(), 100);
        let few = counts(bins(), 10);
        assert_eq!(few.len(), 10);
        assert!(few.iter().all(|&(_, count)| count > 1.5));
    }
}
