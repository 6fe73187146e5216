//! What a run that goes on has given out already. It stands, whatever comes: a pair that was given stays one, and what was given alone
//! stays alone. All of it still tells of the clock and of how usual things are.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{LogId, Nanos};

/// What became of each session so far, in the order of the sessions; those beyond the end are open.
#[derive(Clone, Debug, Default)]
pub struct Before {
    /// Of the wire sessions.
    pub wires: Vec<WireFate>,
    /// Of the log sessions.
    pub logs: Vec<LogFate>,
    /// How far the capture is: nothing that ended later can be there. As far as its sessions reach when `None`.
    pub now: Option<Nanos>,
    /// Logs whose clocks are not known yet. Of the sessions that a first clock leaves unexplained many are of what the other side has not given
    /// yet: they are no step of it.
    pub unknown: BTreeSet<LogId>,
    /// Between which offsets, in seconds, the clock of a log must be by when its lines came.
    pub allowed: BTreeMap<LogId, (f64, f64)>,
}

/// What became of a wire session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WireFate {
    /// It was given without a log session.
    Alone,
    /// It was given with one.
    Joined,
    /// It was not given yet.
    #[default]
    Open,
}

/// What became of a log session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFate {
    /// It was given, with this wire session or alone.
    Gone(Option<usize>),
    /// It was not given yet.
    #[default]
    Open,
    /// The same, and a connection that it may be of still goes on: what is over cannot claim it.
    Rivalled,
}

impl Before {
    /// Whether the two may be one.
    pub(super) fn allows(&self, log: usize, wire: usize) -> bool {
        let seen = self.wires.get(wire).copied().unwrap_or_default();
        match self.fate(log) {
            LogFate::Gone(Some(with)) => with == wire,
            LogFate::Gone(None) => seen == WireFate::Alone,
            LogFate::Open | LogFate::Rivalled => seen == WireFate::Open,
        }
    }

    /// Whether the clock of a log may have one of the offsets from `lo` to `hi`, in seconds.
    pub(super) fn admits(&self, log: LogId, (lo, hi): (f64, f64)) -> bool {
        let allowed = self.allowed.get(&log);
        allowed.is_none_or(|&(least, most)| hi >= least && lo <= most)
    }

    /// What became of a log session.
    pub(super) fn fate(&self, log: usize) -> LogFate {
        self.logs.get(log).copied().unwrap_or_default()
    }

    /// Whether a log session was given.
    pub(super) fn is_gone(&self, log: usize) -> bool {
        matches!(self.fate(log), LogFate::Gone(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_keeps_its_partner_and_takes_no_other() {
        let before = Before {
            wires: vec![WireFate::Joined, WireFate::Alone, WireFate::Open],
            logs: vec![LogFate::Gone(Some(0)), LogFate::Gone(None)],
            ..Before::default()
        };
        let allowed = |log| -> Vec<usize> { (0..4).filter(|&at| before.allows(log, at)).collect() };
        assert_eq!(allowed(0), [0]);
        assert_eq!(allowed(1), [1]);
        assert_eq!(allowed(2), [2, 3], "what is new takes what is open");
        assert!(before.is_gone(1) && !before.is_gone(2));
    }
}
