//! A session of a log, as it is laid beside one wire session after the other: what is the same for all is worked out once.

use std::cell::OnceCell;
use std::sync::OnceLock;

use smallvec::SmallVec;

use crate::model::{CommandRef, LogSession};

use super::evidence::Evidence;
use super::groups::Column;
use super::moment::{self, Moment};
use super::rows;
use super::sequence::{self, Told};
use super::view::View;

/// What of a row is asked for again and again, read or worked out once.
pub(super) struct Facts<'a> {
    /// The command of a log that has a line for each exchange.
    pub(super) command: Option<CommandRef<'a>>,
    /// The first line.
    pub(super) line: Option<u64>,
    /// Whether all that the log has of the session is in that line.
    pub(super) is_one_line: bool,
    /// The lines that tell of a moment.
    pub(super) lines: SmallVec<[(u64, Moment); 3]>,
    /// For each size that it names, how usual it is to find it.
    pub(super) usual: OnceLock<Vec<f64>>,
    /// How many wire sessions are of its kind.
    pub(super) alike: OnceLock<f64>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(log: &'a LogSession) -> Self {
        let line = log.events.first().map(|event| event.line);
        Self {
            command: rows::single(log),
            line: line.map(|line| line.line),
            is_one_line: line == log.events.last().map(|event| event.line),
            lines: moment::lines(log).collect(),
            usual: OnceLock::new(),
            alike: OnceLock::new(),
        }
    }
}

/// One row of a view.
pub(super) struct Row<'r, 'a> {
    pub(super) view: &'r View<'a>,
    pub(super) at: usize,
    pub(super) log: &'a LogSession,
    pub(super) facts: &'r Facts<'a>,
    /// All commands, read when they are first asked for.
    told: OnceCell<Vec<Told<'a>>>,
}

impl<'r, 'a> Row<'r, 'a> {
    pub(super) fn of(view: &'r View<'a>, at: usize) -> Option<Self> {
        Some(Self {
            view,
            at,
            log: view.log(at)?,
            facts: view.facts(at)?,
            told: OnceCell::new(),
        })
    }

    /// Adds what the words and sizes of a possible partner say; false when it is none.
    pub(super) fn tell(&self, (wire_at, place): Column, evidence: &mut Evidence) -> bool {
        let Some(wire) = self.view.wire(wire_at) else {
            return false;
        };
        let Some(place) = place else {
            let told = self.told.get_or_init(|| sequence::told(self.log));
            let counts = sequence::count(wire, self.log, told);
            let log = (self.view.usual(self.at), self.view.counted());
            evidence.weigh(wire, self.log, counts, log);
            return true;
        };
        evidence.ports(wire, self.log);
        match (self.view.slot(wire_at, place), self.facts.command) {
            (Some(slot), Some(command)) => {
                slot.weigh(self.log, command, self.view.figure(), evidence)
            }
            _ => false,
        }
    }
}
