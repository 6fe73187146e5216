//! A log session and a wire session that it may be, with what does not depend on the clock worked out once, when it is
//! first asked for.

use std::sync::OnceLock;

use crate::model::{LogSession, Nanos, Span, WireSession};

use super::evidence::{Background, Evidence, Within};
use super::fit::{Constraint, Slack};
use super::moment::{self, Window};
use super::order::Order;
use super::overhead::Overheads;
use super::rows;
use super::sequence;
use super::view::View;

/// Times may miss by this much beside the clock's bound.
const TIME_SLACK: f64 = 0.05;
/// Times that miss by more than this are another session's.
const TIME_LIMIT: f64 = 0.6;
/// What each second costs by which times miss: ten times less likely for each tenth.
const MISS: f64 = 23.0;
/// What each second costs by which the order of the lines misses, and the most.
const DISORDER: f64 = 200.0;
const DISORDER_MOST: f64 = 10.0;

/// A possible partner of a log session.
pub(super) struct Pairing {
    /// Index among the wire sessions.
    pub(super) wire: usize,
    /// Where a log has a line for each exchange: which one.
    pub(super) place: Option<usize>,
    /// Offsets that their times allow, in seconds beside the coarse one.
    pub(super) lo: f64,
    pub(super) hi: f64,
    worth: OnceLock<Option<f64>>,
    places: OnceLock<Vec<(u64, Window)>>,
    constraint: OnceLock<Option<Constraint>>,
}

impl Pairing {
    pub(super) fn new(wire: usize, place: Option<usize>, (lo, hi): (f64, f64)) -> Self {
        Self {
            wire,
            place,
            lo,
            hi,
            worth: OnceLock::new(),
            places: OnceLock::new(),
            constraint: OnceLock::new(),
        }
    }

    /// What its words and sizes are worth; `None` when it cannot be.
    fn worth(&self, view: &View<'_>, row: usize) -> Option<f64> {
        let worth = self.worth.get_or_init(|| {
            let mut evidence = Evidence::default();
            self.tell(view, row, &mut evidence)
                .then_some(evidence.score)
        });
        *worth
    }

    /// Adds what its words and sizes say; false when it cannot be.
    pub(super) fn tell(&self, view: &View<'_>, row: usize, evidence: &mut Evidence) -> bool {
        let (Some(wire), Some(log)) = (view.wire(self.wire), view.log(row)) else {
            return false;
        };
        let Some(place) = self.place else {
            let laid = sequence::lay(wire, log);
            evidence.weigh(wire, log, &laid, view.usual(row));
            return true;
        };
        evidence.ports(wire, log);
        match (view.slot(self.wire, place), rows::single(log)) {
            (Some(slot), Some(command)) => slot.weigh(log, command, view.figure(), evidence),
            _ => false,
        }
    }

    /// The lines that tell of a moment, and when on the wire that was.
    pub(super) fn places(&self, view: &View<'_>, row: usize) -> &[(u64, Window)] {
        self.places.get_or_init(|| {
            let (Some(wire), Some(log)) = (view.wire(self.wire), view.log(row)) else {
                return Vec::new();
            };
            match self.place {
                None => moment::places(wire, log),
                Some(place) => view
                    .slot(self.wire, place)
                    .zip(log.events.first())
                    .map(|(slot, event)| (event.line.line, slot.window))
                    .into_iter()
                    .collect(),
            }
        })
    }

    /// What all its events allow the clock together.
    pub(super) fn constraint(
        &self,
        view: &View<'_>,
        row: usize,
        coarse: Span,
    ) -> Option<Constraint> {
        let constraint = self.constraint.get_or_init(|| {
            let (wire, log) = (view.wire(self.wire)?, view.log(row)?);
            if let Some(place) = self.place {
                let event = log.events.first()?;
                let slot = view.slot(self.wire, place)?;
                return Some(slot.window.constraint(event, log.lag, coarse, view.origin));
            }
            let events = moment::constraints(wire, log, coarse, view.origin);
            let commands = moment::command_constraints(wire, log, coarse, view.origin);
            Constraint::shared(events.chain(commands))
        });
        *constraint
    }

    /// The score under what is known of clock and order; `None` when the times are too far apart.
    pub(super) fn score(&self, view: &View<'_>, row: usize, known: &Known<'_>) -> Option<f64> {
        let (wire, log) = (view.wire(self.wire)?, view.log(row)?);
        let miss = self.miss(wire, known);
        if miss > TIME_LIMIT {
            return None;
        }
        let mut within = Within {
            opening: known.window(),
            // One line tells of one moment.
            closing: if is_one_line(log) {
                f64::INFINITY
            } else {
                known.window()
            },
        };
        let mut disorder = 0.0f64;
        let places = self.places(view, row);
        for (at, &(line, window)) in places.iter().enumerate() {
            let between = known.order.around(line);
            disorder = disorder.max(between.miss(window));
            let length = between.length().map_or(f64::INFINITY, Span::as_seconds_f64);
            if at == 0 {
                within.opening = within.opening.min(length);
            } else {
                within.closing = within.closing.min(length);
            }
        }
        if self.place.is_some() && disorder > 0.0 {
            return None;
        }
        let mut score = self.worth(view, row)?
            + known
                .background
                .rarity(view.alike(row) * known.share, within);
        score -= MISS * miss + (DISORDER * disorder).min(DISORDER_MOST);
        if let (Some(octets), Some(command)) = (
            self.place
                .and_then(|place| view.slot(self.wire, place)?.hidden_octets()),
            rows::single(log),
        ) {
            score += known.overheads.gain(command, octets);
        }
        Some(score)
    }

    /// Seconds by which the times miss what the clock allows.
    pub(super) fn miss(&self, wire: &WireSession, known: &Known<'_>) -> f64 {
        let offset = (known.offset_at)(wire.start).as_seconds_f64();
        let early = self.lo - offset - known.looser.late;
        let late = offset - self.hi - known.looser.lag;
        (early.max(late) - known.slack()).max(0.0)
    }
}

/// Whether all that the log has of a session is in one line.
fn is_one_line(log: &LogSession) -> bool {
    let lines = || log.events.iter().map(|event| event.line);
    lines().next() == lines().next_back()
}

/// What weighing goes by.
pub(super) struct Known<'a> {
    pub(super) background: &'a Background,
    pub(super) order: &'a Order,
    pub(super) overheads: &'a Overheads,
    /// Offset beside the coarse one.
    pub(super) offset_at: &'a (dyn Fn(Nanos) -> Span + Sync),
    /// Bound of the clock and resolution of the stamps, in seconds.
    pub(super) bound: f64,
    pub(super) resolution: f64,
    /// By how much more than usual lines were late and stamps lagged.
    pub(super) looser: Slack,
    /// Share of the log's sessions that are not on the wire.
    pub(super) share: f64,
}

impl Known<'_> {
    fn slack(&self) -> f64 {
        self.bound + TIME_SLACK
    }

    /// Within how many seconds a line must have been written.
    fn window(&self) -> f64 {
        self.resolution + 2.0 * self.slack() + self.looser.late + self.looser.lag
    }
}
