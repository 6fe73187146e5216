//! What is told of a whole run at its end where it goes on and on: the rules that go by what is nowhere in it, or by all of it, gather
//! what they need of each part.

use std::collections::BTreeSet;

use crate::model::{Finding, Nanos};

use super::View;
use super::chain::parts_of;
use super::{host_dead, log_incomplete, not_captured, one_witness};

/// What is remembered of each kind at most: addresses, names, sessions, stretches of time.
const MOST: usize = 50_000;

/// What was gathered so far.
pub struct Whole {
    dead: host_dead::Heard,
    missing: not_captured::Told,
    silent: log_incomplete::Heard,
    witness: one_witness::Heard,
    causes: Causes,
}

/// Sessions in which causes were found of what these rules find.
struct Causes {
    sessions: BTreeSet<usize>,
    /// Sessions that are remembered at most.
    most: usize,
    forgotten: u64,
}

impl Causes {
    const fn new(most: usize) -> Self {
        Self {
            sessions: BTreeSet::new(),
            most,
            forgotten: 0,
        }
    }

    fn take(&mut self, session: usize) {
        if self.sessions.len() < self.most {
            self.sessions.insert(session);
        } else if !self.sessions.contains(&session) {
            self.forgotten += 1;
        }
    }

    /// Whether all that a finding is of is told by its cause.
    fn tell(&self, finding: &Finding) -> bool {
        let sessions = &finding.sessions;
        !sessions.is_empty() && sessions.iter().all(|at| self.sessions.contains(at))
    }
}

impl Default for Whole {
    fn default() -> Self {
        Self {
            dead: host_dead::Heard::new(MOST),
            missing: not_captured::Told::new(MOST),
            silent: log_incomplete::Heard::new(MOST),
            witness: one_witness::Heard::default(),
            causes: Causes::new(MOST),
        }
    }
}

impl Whole {
    /// Takes the sessions of a part that are given now: `place` tells, by their index in it, their number in the whole run, from 0 on.
    /// The oldest conversation that is not given yet began `open_since`.
    ///
    /// `found` are the findings of the part.
    pub fn take(
        &mut self,
        view: View<'_>,
        found: &[Finding],
        place: &dyn Fn(usize) -> Option<usize>,
        open_since: Option<Nanos>,
    ) {
        self.dead.take(view, place);
        self.missing.take(view, place, open_since);
        self.silent.take(view, place);
        self.witness.take(view, place);
        let causes = found
            .iter()
            .filter(|finding| parts_of(finding.code).contains(&host_dead::RULE.code));
        let sessions = causes.flat_map(|finding| &finding.sessions);
        for session in sessions.filter_map(|&session| place(session)) {
            self.causes.take(session);
        }
    }

    /// Which bounds were hit, in words.
    pub fn overruns(&self) -> Vec<String> {
        [
            (
                self.dead.forgotten(),
                "times that an address was heard and not remembered, as there were too many: no more hosts are called dead",
            ),
            (
                self.missing.undecided(),
                "sessions of logs of which it is not told whether the capture has them, as too many waited for that",
            ),
            (
                self.silent.forgotten(),
                "sessions without a line, and short silences of logs, that were not remembered, as there were too many",
            ),
            (
                self.causes.forgotten,
                "sessions whose cause was found and not remembered, as there were too many: a host may be called dead beside it",
            ),
        ]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{count} {words}"))
        .collect()
    }

    /// What is found; `view` has what is known of captures and logs at the end. Its sessions have the indices that they would have if all were in it.
    pub(super) fn findings(self, view: View<'_>) -> Vec<Finding> {
        let mut found = self.dead.findings(view);
        found.retain(|finding| !self.causes.tell(finding));
        found.extend(self.missing.findings(view));
        found.extend(self.silent.findings(view));
        found.extend(self.witness.findings(view));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_that_are_too_many_are_counted_once_they_are_new() {
        let mut causes = Causes::new(2);
        for session in [7, 9, 9, 11, 7, 12] {
            causes.take(session);
        }
        assert_eq!((causes.sessions.len(), causes.forgotten), (2, 2));
    }
}
