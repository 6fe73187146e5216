//! A session of a log, as it is laid beside one wire session after the other: what is the same for all is worked out once.

use std::cell::OnceCell;

use smallvec::SmallVec;

use crate::model::{CommandRef, LogSession};

use super::evidence::Evidence;
use super::moment::{self, Moment};
use super::pairing::Pairing;
use super::rows;
use super::sequence::{self, Told};
use super::view::View;

/// One row of a view.
pub(super) struct Row<'r, 'a> {
    pub(super) view: &'r View<'a>,
    pub(super) at: usize,
    pub(super) log: &'a LogSession,
    /// The command of such a line, read when it is first asked for.
    command: OnceCell<Option<CommandRef<'a>>>,
    /// All commands, read when they are first asked for.
    told: OnceCell<Vec<Told<'a>>>,
    /// The lines that tell of a moment, found when they are first asked for.
    lines: OnceCell<SmallVec<[(u64, Moment); 4]>>,
}

impl<'r, 'a> Row<'r, 'a> {
    pub(super) fn of(view: &'r View<'a>, at: usize) -> Option<Self> {
        let log = view.log(at)?;
        Some(Self {
            view,
            at,
            log,
            command: OnceCell::new(),
            told: OnceCell::new(),
            lines: OnceCell::new(),
        })
    }

    /// The command of a log that has a line for each exchange.
    pub(super) fn command(&self) -> Option<CommandRef<'a>> {
        *self.command.get_or_init(|| rows::single(self.log))
    }

    /// The lines that tell of a moment.
    pub(super) fn lines(&self) -> &[(u64, Moment)] {
        self.lines.get_or_init(|| moment::lines(self.log).collect())
    }

    /// Adds what the words and sizes of a possible partner say; false when it is none.
    pub(super) fn tell(&self, pairing: &Pairing, evidence: &mut Evidence) -> bool {
        let Some(wire) = self.view.wire(pairing.wire) else {
            return false;
        };
        let Some(place) = pairing.place else {
            let told = self.told.get_or_init(|| sequence::told(self.log));
            let counts = sequence::count(wire, self.log, told);
            let log = (self.view.usual(self.at), self.view.counted());
            evidence.weigh(wire, self.log, counts, log);
            return true;
        };
        evidence.ports(wire, self.log);
        match (self.view.slot(pairing.wire, place), self.command()) {
            (Some(slot), Some(command)) => {
                slot.weigh(self.log, command, self.view.figure(), evidence)
            }
            _ => false,
        }
    }
}
