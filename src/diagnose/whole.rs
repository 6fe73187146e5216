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
    /// Sessions in which causes were found of what these rules find.
    caused: BTreeSet<usize>,
}

impl Default for Whole {
    fn default() -> Self {
        Self {
            dead: host_dead::Heard::new(MOST),
            missing: not_captured::Told::new(MOST),
            silent: log_incomplete::Heard::new(MOST),
            witness: one_witness::Heard::default(),
            caused: BTreeSet::new(),
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
        for session in causes.flat_map(|finding| &finding.sessions) {
            if self.caused.len() < MOST {
                self.caused.extend(place(*session));
            }
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
        ]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{count} {words}"))
        .collect()
    }

    /// What is found; `view` has what is known of captures and logs at the end. Its sessions have the indices that they would have if all were in it.
    pub(super) fn findings(self, view: View<'_>) -> Vec<Finding> {
        let caused = self.caused;
        let is_caused = |finding: &Finding| {
            let sessions = &finding.sessions;
            !sessions.is_empty() && sessions.iter().all(|at| caused.contains(at))
        };
        let mut found = self.dead.findings(view);
        found.retain(|finding| !is_caused(finding));
        found.extend(self.missing.findings(view));
        found.extend(self.silent.findings(view));
        found.extend(self.witness.findings(view));
        found
    }
}
