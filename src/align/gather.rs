//! For each session of a log the wire sessions that it may be, as far as addresses and a rough clock tell.

use std::cell::OnceCell;

use crate::model::{Nanos, Span};

use super::clock::Clock;
use super::evidence::Evidence;
use super::moment::{self, Stamps};
use super::pairing::Pairing;
use super::row::Row;
use super::rows;
use super::view::View;

/// Seconds around the coarse offset in which pairs are looked for, and how many more for each second since the beginning: clocks
/// gain or lose no more.
const REACH: f64 = 1.5;
const REACH_GROWS: f64 = 6e-4;

/// Offsets around the coarse one at a time.
fn near_coarse(origin: Nanos, at: Nanos) -> (f64, f64) {
    let since = at.since(origin).abs().as_seconds_f64();
    let reach = REACH + REACH_GROWS * since;
    (-reach, reach)
}

/// Offsets beside the coarse one within `slack` of what a clock allows at a time.
fn near_clock(clock: &Clock, slack: f64, coarse: Span, at: Nanos) -> (f64, f64) {
    let since = at.since(clock.origin).abs().as_seconds_f64();
    let drift = clock.drift_bound_ppm * 1e-6 * since;
    let reach = clock.bound.as_seconds_f64() + slack + drift;
    let middle = (clock.offset_at(at) - coarse).as_seconds_f64();
    (middle - reach, middle + reach)
}

impl View<'_> {
    /// All rows, those of one client together: laid beside its wire sessions one after the other, they find these in the processor's cache, where
    /// those of a busy log, in their order, find another client's.
    pub(super) fn by_client(&self) -> Vec<usize> {
        let mut rows: Vec<usize> = (0..self.mine.len()).collect();
        rows.sort_by_cached_key(|&row| self.log(row).and_then(|log| log.peer));
        rows
    }

    /// What `work` gives for each row, in order of rows, worked on by client.
    pub(super) fn each_row<R: Send>(&self, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
        let rows = self.by_client();
        let mut done: Vec<(usize, R)> = self.wires.threads.gather(rows.len(), |range| {
            let rows = rows.get(range).unwrap_or_default().iter();
            rows.map(|&row| (row, work(row))).collect()
        });
        done.sort_unstable_by_key(|&(row, _)| row);
        done.into_iter().map(|(_, found)| found).collect()
    }

    /// For each row the wire sessions that it may be near the coarse offset.
    pub(super) fn gather(&self, coarse: Span) -> Vec<Vec<Pairing>> {
        self.each_row(|row| self.gather_row(row, coarse))
    }

    /// The same under a clock that is known already, within `slack` of what it allows, but for those that it cannot be by its words: most exchanges
    /// of a client are not the one that a line tells of.
    pub(super) fn gather_under(
        &self,
        clock: &Clock,
        slack: f64,
        coarse: Span,
    ) -> Vec<Vec<Pairing>> {
        self.each_row(|row| {
            let near = |began: Nanos| near_clock(clock, slack, coarse, began);
            // A log may have millions of rows that nothing is near.
            let told = OnceCell::new();
            let told = || told.get_or_init(|| Row::of(self, row)).as_ref();
            let can_be = |pairing: &Pairing| {
                pairing.place().is_none() || told().and_then(|row| pairing.worth(row)).is_some()
            };
            let mut found = self.gather_within(row, coarse, near, |_| true, can_be);
            found.shrink_to_fit();
            found
        })
    }

    pub(super) fn gather_row(&self, row: usize, coarse: Span) -> Vec<Pairing> {
        let near = |began: Nanos| near_coarse(self.origin, began);
        self.gather_within(row, coarse, near, |_| true, |_| true)
    }

    /// Those of some wire sessions that a row may be near the coarse offset, and within `slack` of what a clock allows.
    pub(super) fn gather_of(
        &self,
        row: usize,
        (clock, slack, coarse): (&Clock, f64, Span),
        wanted: impl Fn(usize) -> bool,
    ) -> Vec<Pairing> {
        let near = |began: Nanos| {
            let near = near_coarse(self.origin, began);
            let also = near_clock(clock, slack, coarse, began);
            (near.0.max(also.0), near.1.min(also.1))
        };
        self.gather_within(row, coarse, near, wanted, |_| true)
    }

    /// The wanted wire sessions that a row may be if the clock is between two offsets, in seconds beside the coarse one, when it began: those of the
    /// pairs that `can_be`.
    fn gather_within(
        &self,
        row: usize,
        coarse: Span,
        offsets: impl Fn(Nanos) -> (f64, f64),
        wanted: impl Fn(usize) -> bool,
        can_be: impl Fn(&Pairing) -> bool,
    ) -> Vec<Pairing> {
        let Some((log, (first, last))) = self.log(row).and_then(|log| Some((log, log.stamps()?)))
        else {
            return Vec::new();
        };
        let began = Nanos(first.at.0) - coarse;
        let within = offsets(began);
        // What the stamps leave open, and a second.
        let early = began - Span::from_seconds_f64(within.1 + 1.0);
        let late = Nanos(last.at.0) - coarse - Span::from_seconds_f64(within.0 - 1.0);
        let times = (early, late + last.resolution);
        let mut found = Vec::new();
        let mut take = |wire, place, (lo, hi): (f64, f64)| {
            if lo <= within.1 && hi >= within.0 {
                let pairing = Pairing::new((wire, place), (lo, hi));
                if can_be(&pairing) {
                    found.push(pairing);
                }
            }
        };
        let single = log.events.first().filter(|_| rows::is_single(log));
        let stamps = single.is_none().then(|| Stamps::of(log));
        let each = |at: usize| {
            if !wanted(at) || !self.is_open(row, at) || !self.allows(at, log) {
                return;
            }
            let Some(event) = single else {
                let both = self.wires.moments(at).zip(stamps.as_ref());
                let allowed = both
                    .and_then(|(moments, stamps)| moment::shared_offsets(moments, stamps, coarse));
                if let Some(range) = allowed {
                    take(at, None, range);
                }
                return;
            };
            let slots = self.slots(at);
            let from = slots.partition_point(|slot| slot.window.hi < times.0);
            let open = slots.get(from..).unwrap_or_default().iter();
            for (place, slot) in (from..).zip(open.take_while(|slot| slot.window.lo <= times.1)) {
                let range = slot.window.offsets(event, log.lag, coarse);
                take(at, Some(place), range);
            }
        };
        self.wires.index.within(log, &self.translation, times, each);
        found
    }

    /// The pairing of a row that has one only near what a clock says.
    pub(super) fn only(&self, row: usize, clock: &Clock, coarse: Span) -> Option<Pairing> {
        let near = |began: Nanos| {
            let middle = (clock.offset_at(began) - coarse).as_seconds_f64();
            (middle - REACH, middle + REACH)
        };
        let mut found = self.gather_within(row, coarse, near, |_| true, |_| true);
        let only = found.pop().filter(|_| found.is_empty())?;
        let told = Row::of(self, row)?.tell(only.column(), &mut Evidence::default());
        told.then_some(only)
    }
}
