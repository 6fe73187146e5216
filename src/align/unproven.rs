//! Where a log's clock is not borne out: a part of it of which nothing was joined, or so little as a wrong clock joins by chance.
//!
//! A step that was not found leaves what is behind it unjoined, to the end or to the next step. So does the mere end of log or capture:
//! only where both sides go on, and most else was joined, is it told.

use std::collections::BTreeSet;

use crate::model::{Endpoint, Nanos, WireSession};

use super::clock::{Clock, Stretch, Unproven};
use super::piece::in_order;
use super::settled::Settled;
use super::view::View;

/// Sessions on either side from which on it is no chance that none is joined: where half are, one in a thousand such stretches.
const ENOUGH: usize = 10;
/// A wrong clock joins so much less than the right one.
const BY_CHANCE: f64 = 0.25;
/// The share that is taken to be joined otherwise, at most: of any clock a few are missed together.
const MOST: f64 = 0.9;
/// How many nats must speak for a stretch under another clock: there are many stretches.
const SURE: f64 = 12.0;

/// A session of the log, and whether it is joined.
#[derive(Clone, Copy)]
struct Told {
    /// When it began, by the clock.
    at: Nanos,
    joined: bool,
}

/// The stretches of `view` that its clock does not explain.
pub(super) fn find(view: &View<'_>, settled: &Settled) -> Vec<Unproven> {
    let told = told(view, settled);
    let joined = |told: &Told| told.joined;
    let (Some(first), Some(last)) = (told.iter().position(joined), told.iter().rposition(joined))
    else {
        return Vec::new();
    };
    let within = told.get(first..=last).unwrap_or_default();
    let share = share(within);
    if share < 0.5 {
        return Vec::new();
    }
    let left = left(view, settled);
    let stretches = unjoined(&told, share).into_iter();
    stretches
        .filter_map(|stretch| tell(&told, stretch, &settled.clock, &left))
        .collect()
}

/// The log's sessions that say something of its clock, in order of their lines: those that are joined, and those that nothing fits although
/// they are of the capture's time and clients.
fn told(view: &View<'_>, settled: &Settled) -> Vec<Told> {
    let clock = &settled.clock;
    let told = in_order(view).into_iter().filter_map(|row| {
        let log = view.log(row)?;
        let at = clock.to_capture(log.stamps()?.0.at);
        let verdict = settled.chosen.get(row)?;
        if let Some(verdict) = verdict {
            return verdict.is_clear().then_some(Told { at, joined: true });
        }
        let possible = view.possible(log).next().is_some();
        possible.then_some(Told { at, joined: false })
    });
    told.collect()
}

/// The share of these that is joined.
fn share(told: &[Told]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of sessions")]
    let share = told.iter().filter(|told| told.joined).count() as f64 / told.len().max(1) as f64;
    share
}

/// When those sessions began, in order, that the servers of those that were joined had beside these.
fn left(view: &View<'_>, settled: &Settled) -> Vec<Nanos> {
    let wires = &view.wires.sessions;
    let mut joined = vec![false; wires.len()];
    for verdict in settled.clear() {
        if let Some(joined) = joined.get_mut(verdict.wire) {
            *joined = true;
        }
    }
    let server = |wire: &WireSession| wire.conversation.server;
    let all = || joined.iter().zip(wires.iter());
    let servers = all().filter(|(joined, _)| **joined);
    let servers: BTreeSet<Endpoint> = servers.map(|(_, wire)| server(wire)).collect();
    let left = all().filter(|(joined, wire)| !**joined && servers.contains(&server(wire)));
    let mut left: Vec<Nanos> = left.map(|(_, wire)| wire.start).collect();
    left.sort_unstable();
    left
}

/// The stretches, by their first place and the one behind their last, in which so few are joined that it is likelier that they have another
/// clock. (The stretch of greatest sum, of what each session says for that; then those on either side of it.)
fn unjoined(told: &[Told], share: f64) -> Vec<(usize, usize)> {
    let share = share.min(MOST);
    let by_chance = share * BY_CHANCE;
    let says = |told: &Told| {
        if told.joined {
            (by_chance / share).ln()
        } else {
            ((1.0 - by_chance) / (1.0 - share)).ln()
        }
    };
    let mut found = Vec::new();
    let mut open = vec![(0, told.len())];
    while let Some((from, to)) = open.pop() {
        let part = told.get(from..to).unwrap_or_default();
        let (mut best, mut sum, mut first) = ((0.0, 0, 0), 0.0, 0);
        for (at, told) in part.iter().enumerate() {
            if sum <= 0.0 {
                (sum, first) = (0.0, at);
            }
            sum += says(told);
            if sum > best.0 {
                best = (sum, from + first, from + at + 1);
            }
        }
        let (sum, first, end) = best;
        if sum >= SURE {
            found.push((first, end));
            open.extend([(from, first), (end, to)]);
        }
    }
    found.sort_unstable();
    found
}

/// What is to be told of a stretch, where both sides have enough sessions in it.
fn tell(
    told: &[Told],
    (first, end): (usize, usize),
    clock: &Clock,
    left: &[Nanos],
) -> Option<Unproven> {
    let joined = |part: Option<&[Told]>, last: bool| {
        let mut joined = part?.iter().filter(|told| told.joined);
        let found = if last {
            joined.next_back()
        } else {
            joined.next()
        };
        found.map(|told| told.at)
    };
    let (side, from) = match (
        joined(told.get(..first), true),
        joined(told.get(end..), false),
    ) {
        (Some(from), Some(until)) => (Stretch::Between(until), from),
        (Some(from), None) => (Stretch::After, from),
        (None, Some(until)) => (Stretch::Before, until),
        (None, None) => return None,
    };
    let is_there = |at: &&Nanos| match side {
        Stretch::Before => **at + clock.resolution < from,
        Stretch::After => **at > from + clock.resolution,
        Stretch::Between(until) => {
            **at > from + clock.resolution && **at + clock.resolution < until
        }
    };
    let unjoined = told.get(first..end)?.iter().filter(|told| !told.joined);
    let (logged, seen) = (unjoined.count(), left.iter().filter(is_there).count());
    let found = Unproven {
        side,
        from,
        logged,
        seen,
    };
    (logged >= ENOUGH && seen >= ENOUGH).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One session a second, of which these are joined.
    fn told(joined: impl Fn(usize) -> bool) -> Vec<Told> {
        let told = (0..400).map(|at| Told {
            at: Nanos::new(i64::try_from(at).unwrap(), 0),
            joined: joined(at),
        });
        told.collect()
    }

    #[test]
    fn a_stretch_in_which_hardly_any_is_joined_is_found_wherever_it_lies() {
        for lost in [100..140, 0..30, 370..400, 200..212] {
            let told = told(|at| !lost.contains(&at) || at % 9 == 8);
            let found = unjoined(&told, 0.9);
            let [(first, end)] = found[..] else {
                panic!("{lost:?}: {found:?}");
            };
            assert!(
                first.abs_diff(lost.start) <= 2 && end.abs_diff(lost.end) <= 2,
                "{found:?}"
            );
        }
    }

    #[test]
    fn those_that_are_missing_here_and_there_are_no_stretch() {
        for every in [2, 3, 9] {
            let told = told(|at| at % every != 0);
            assert_eq!(unjoined(&told, share(&told)), [], "every {every}");
        }
    }
}
