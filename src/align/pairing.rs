//! A log session and a wire session that it may be, with what does not depend on the clock worked out once, when it is
//! first asked for.

use std::sync::OnceLock;

use smallvec::{SmallVec, smallvec};

use crate::model::Span;

use super::evidence::Evidence;
use super::fit::Constraint;
use super::moment::{self, Window};
use super::row::Row;
use super::view::View;

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
    seen: OnceLock<Seen>,
    constraint: OnceLock<Option<Box<Constraint>>>,
}

/// What of the wire session is asked for again and again.
#[derive(Default)]
struct Seen {
    places: SmallVec<[(u64, Window); 1]>,
    hidden_octets: Option<(u64, u64)>,
}

impl Pairing {
    pub(super) fn new(wire: usize, place: Option<usize>, (lo, hi): (f64, f64)) -> Self {
        Self {
            wire,
            place,
            lo,
            hi,
            worth: OnceLock::new(),
            seen: OnceLock::new(),
            constraint: OnceLock::new(),
        }
    }

    /// What its words and sizes are worth beside those of `row`, which it may be; `None` when it cannot be.
    pub(super) fn worth(&self, row: &Row<'_, '_>) -> Option<f64> {
        let worth = self.worth.get_or_init(|| {
            let mut evidence = Evidence::default();
            row.tell(self, &mut evidence).then_some(evidence.score)
        });
        *worth
    }

    /// The lines that tell of a moment, and when on the wire that was.
    pub(super) fn places(&self, row: &Row<'_, '_>) -> &[(u64, Window)] {
        &self.seen(row).places
    }

    /// Octets of request and reply, where the log has a line for each exchange and encryption hides the rest of it.
    pub(super) fn hidden_octets(&self, row: &Row<'_, '_>) -> Option<(u64, u64)> {
        self.seen(row).hidden_octets
    }

    fn seen(&self, row: &Row<'_, '_>) -> &Seen {
        self.seen.get_or_init(|| self.look(row).unwrap_or_default())
    }

    fn look(&self, row: &Row<'_, '_>) -> Option<Seen> {
        let Some(place) = self.place else {
            let moments = row.view.wires.moments(self.wire)?;
            let lines = row.lines().iter();
            let places = lines.filter_map(|&(line, moment)| Some((line, moments.at(moment)?)));
            return Some(Seen {
                places: places.collect(),
                hidden_octets: None,
            });
        };
        let slot = row.view.slot(self.wire, place)?;
        let line = row.log.events.first()?.line.line;
        Some(Seen {
            places: smallvec![(line, slot.window)],
            hidden_octets: slot.hidden_octets(),
        })
    }

    /// What all its events allow the clock together.
    pub(super) fn constraint(
        &self,
        view: &View<'_>,
        row: usize,
        coarse: Span,
    ) -> Option<Constraint> {
        let (wire, log) = (view.wire(self.wire)?, view.log(row)?);
        if let Some(place) = self.place {
            let event = log.events.first()?;
            let slot = view.slot(self.wire, place)?;
            return Some(slot.window.constraint(event, log.lag, coarse, view.origin));
        }
        let constraint = self.constraint.get_or_init(|| {
            let moments = view.wires.moments(self.wire)?;
            let events = moment::constraints(moments, log, coarse, view.origin);
            let commands = moment::command_constraints(wire, log, coarse, view.origin);
            Constraint::shared(events.chain(commands)).map(Box::new)
        });
        constraint.as_deref().copied()
    }
}
