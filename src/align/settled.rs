//! What one log and the capture came to: a clock, and for each of the log's sessions the wire session that it is.

use crate::model::Span;

use super::clock::Clock;
use super::component::{CLEAR, Choice};
use super::fit::{Constraint, Line, Slack};
use super::groups::Column;
use super::order::Order;
use super::overhead::Overheads;
use super::pairing::Pairing;
use super::share::Lacking;

/// A log session's best wire session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict {
    /// Index among the log sessions.
    pub(super) log: usize,
    pub(super) wire: usize,
    /// Where a log has a line for each exchange: which one.
    pub(super) place: Option<usize>,
    pub(super) score: f64,
    pub(super) margin: f64,
}

impl Verdict {
    pub(super) const fn column(&self) -> Column {
        (self.wire, self.place)
    }

    /// Whether it is claimed.
    pub(super) fn is_clear(&self) -> bool {
        self.margin >= CLEAR
    }
}

/// What earlier rounds taught.
pub(super) struct Learnt {
    pub(super) order: Order,
    pub(super) overheads: Overheads,
    /// Share of the log's sessions that are not on the wire, and which are counted.
    pub(super) share: f64,
    pub(super) lacking: Lacking,
    /// By how much more than usual lines were late and stamps lagged.
    pub(super) slack: Slack,
}

impl Default for Learnt {
    fn default() -> Self {
        Self {
            order: Order::default(),
            overheads: Overheads::default(),
            share: 1.0,
            lacking: Lacking::default(),
            slack: Slack::default(),
        }
    }
}

/// A clock, and for each row what it was joined with.
pub(super) struct Settled {
    pub(super) clock: Clock,
    /// The offset that the line is relative to, and the line; none where the clock was given.
    pub(super) coarse: Span,
    pub(super) line: Option<Line>,
    /// What the pairs said that the clock was fitted to, each with its line in the log.
    pub(super) constraints: Vec<(u64, Constraint)>,
    pub(super) learnt: Learnt,
    pub(super) chosen: Vec<Option<Verdict>>,
}

impl Settled {
    /// How many log sessions were claimed.
    pub(super) fn claimed(&self) -> usize {
        self.clear().count()
    }

    /// What was claimed.
    pub(super) fn clear(&self) -> impl Iterator<Item = &Verdict> {
        self.chosen
            .iter()
            .flatten()
            .filter(|verdict| verdict.is_clear())
    }

    /// Total score of what was claimed.
    pub(super) fn worth(&self) -> f64 {
        self.clear().map(|verdict| verdict.score).sum()
    }
}

impl Verdict {
    pub(super) fn of(log: usize, choice: Choice) -> Self {
        Self {
            log,
            wire: choice.column.0,
            place: choice.column.1,
            score: choice.score,
            margin: choice.margin,
        }
    }
}

/// The pairs that were claimed.
pub(super) fn claimed_pairs<'p>(
    pairings: &'p [Vec<Pairing>],
    chosen: &'p [Option<Verdict>],
) -> impl Iterator<Item = (usize, &'p Pairing, &'p Verdict)> {
    pairings
        .iter()
        .zip(chosen)
        .enumerate()
        .filter_map(|(row, (found, verdict))| {
            let verdict = verdict.as_ref().filter(|verdict| verdict.is_clear())?;
            let pairing = found
                .iter()
                .find(|pairing| pairing.column() == verdict.column())?;
            Some((row, pairing, verdict))
        })
}

/// Whether two choices differ in one session of a hundred at most.
pub(super) fn nearly_same(one: &[Option<Verdict>], other: &[Option<Verdict>]) -> bool {
    let wire = |verdict: &Option<Verdict>| {
        let clear = verdict.as_ref().filter(|verdict| verdict.is_clear());
        clear.map(|verdict| verdict.wire)
    };
    let changed = one
        .iter()
        .zip(other)
        .filter(|(one, other)| wire(one) != wire(other));
    changed.count() * 100 <= one.len()
}
