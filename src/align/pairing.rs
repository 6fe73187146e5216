//! A log session and a wire session that it may be, with what does not depend on the clock worked out once, when it is
//! first asked for.

use std::sync::OnceLock;

use smallvec::SmallVec;

use crate::model::Span;

use super::evidence::Evidence;
use super::fit::Constraint;
use super::groups::Column;
use super::moment::{self, Window};
use super::row::Row;
use super::view::View;

/// A possible partner of a log session. There are many of them, so each is small.
pub(super) struct Pairing {
    /// Index among the wire sessions.
    wire: u32,
    /// Where a log has a line for each exchange: which one.
    place: Option<u32>,
    /// Offsets that their times allow, in seconds beside the coarse one.
    pub(super) lo: f64,
    pub(super) hi: f64,
    worth: OnceLock<Option<f64>>,
    seen: OnceLock<Box<Seen>>,
}

/// What of a whole wire session is asked for again and again.
struct Seen {
    places: SmallVec<[(u64, Window); 3]>,
    constraint: OnceLock<Option<Constraint>>,
}

/// The lines of a session that tell of a moment, and when on the wire that was.
#[derive(Clone, Copy)]
pub(super) enum Places<'p> {
    One(u64, &'p Window),
    All(&'p [(u64, Window)]),
}

impl<'p> Places<'p> {
    pub(super) const NONE: Self = Self::All(&[]);

    pub(super) fn iter(self) -> impl Iterator<Item = (u64, Window)> + 'p {
        let (one, all): (_, &[_]) = match self {
            Self::One(line, window) => (Some((line, *window)), &[]),
            Self::All(all) => (None, all),
        };
        one.into_iter().chain(all.iter().copied())
    }
}

impl Pairing {
    pub(super) fn new((wire, place): Column, (lo, hi): (f64, f64)) -> Self {
        // What cannot be counted is no session that there is.
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            wire: small(wire),
            place: place.map(small),
            lo,
            hi,
            worth: OnceLock::new(),
            seen: OnceLock::new(),
        }
    }

    /// Index among the wire sessions.
    pub(super) fn wire(&self) -> usize {
        usize::try_from(self.wire).unwrap_or(usize::MAX)
    }

    /// Where a log has a line for each exchange: which one.
    pub(super) fn place(&self) -> Option<usize> {
        Some(usize::try_from(self.place?).unwrap_or(usize::MAX))
    }

    pub(super) fn column(&self) -> Column {
        (self.wire(), self.place())
    }

    /// What its words and sizes are worth beside those of `row`, which it may be; `None` when it cannot be.
    pub(super) fn worth(&self, row: &Row<'_, '_>) -> Option<f64> {
        let worth = self.worth.get_or_init(|| {
            let mut evidence = Evidence::default();
            row.tell(self.column(), &mut evidence)
                .then_some(evidence.score)
        });
        *worth
    }

    /// The lines that tell of a moment, and when on the wire that was.
    pub(super) fn places<'p, 'a: 'p>(&'p self, row: &Row<'_, 'a>) -> Places<'p> {
        let Some(place) = self.place() else {
            return Places::All(&self.seen(row).places);
        };
        let slot = row.view.slot(self.wire(), place);
        slot.zip(row.facts.line)
            .map_or(Places::NONE, |(slot, line)| Places::One(line, &slot.window))
    }

    /// Octets of request and reply, where the log has a line for each exchange and encryption hides the rest of it.
    pub(super) fn hidden_octets(&self, view: &View<'_>) -> Option<(u64, u64)> {
        view.slot(self.wire(), self.place()?)?.hidden_octets()
    }

    fn seen(&self, row: &Row<'_, '_>) -> &Seen {
        self.seen.get_or_init(|| {
            let moments = row.view.wires.moments(self.wire());
            let lines = row.facts.lines.iter();
            let places = lines.filter_map(|&(line, moment)| Some((line, moments?.at(moment)?)));
            Box::new(Seen {
                places: places.collect(),
                constraint: OnceLock::new(),
            })
        })
    }

    /// What all its events allow the clock together.
    pub(super) fn constraint(
        &self,
        view: &View<'_>,
        row: usize,
        coarse: Span,
    ) -> Option<Constraint> {
        let row = Row::of(view, row)?;
        if let Some(place) = self.place() {
            let event = row.log.events.first()?;
            let slot = view.slot(self.wire(), place)?;
            let lag = row.log.lag;
            return Some(slot.window.constraint(event, lag, coarse, view.origin));
        }
        let wire = view.wire(self.wire())?;
        let constraint = self.seen(&row).constraint.get_or_init(|| {
            let moments = view.wires.moments(self.wire())?;
            let events = moment::constraints(moments, row.log, coarse, view.origin);
            let commands = moment::command_constraints(wire, row.log, coarse, view.origin);
            Constraint::shared(events.chain(commands))
        });
        *constraint
    }
}
