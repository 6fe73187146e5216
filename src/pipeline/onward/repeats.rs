//! The same thing found again as more of it comes.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::model::{Endpoint, Finding};
use crate::report::Account;

/// Things that are remembered; beyond it all are forgotten, and told anew.
const MOST: usize = 10_000;

/// What was found before, by what it is, its server, the first of its clients and its words without numbers, and how often it had
/// happened.
#[derive(Default)]
pub(super) struct Repeats(HashMap<Key, u64>);

type Key = (&'static str, Option<Endpoint>, Option<IpAddr>, String);

impl Repeats {
    /// Those of `findings` that are of sessions given now and before, and new, or twice as many as when they were told last.
    pub(super) fn new_ones(&mut self, account: &Account, findings: Vec<Finding>) -> Vec<Finding> {
        let mut findings = findings;
        findings.retain(|finding| self.is_new(account, finding));
        findings
    }

    fn is_new(&mut self, account: &Account, finding: &Finding) -> bool {
        let number = |at: &usize| account.part.numbers.get(*at).copied().flatten();
        let numbers: Option<Vec<usize>> = finding.sessions.iter().map(number).collect();
        // One that is not given yet may still turn out to be another.
        let is_given = numbers
            .is_some_and(|numbers| numbers.iter().any(|&number| number >= account.part.from));
        if !is_given {
            return false;
        }
        if self.0.len() >= MOST {
            self.0.clear();
        }
        let words = finding.message.chars().filter(|c| !c.is_ascii_digit());
        let client = finding.clients.first().map(|affected| affected.ip);
        let key = (finding.code, finding.endpoint, client, words.collect());
        let told = self.0.get(&key).copied().unwrap_or(0);
        let is_new = finding.count >= told.saturating_mul(2).max(1);
        if is_new {
            self.0.insert(key, finding.count);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Severity;
    use crate::report::Part;

    fn finding(count: u64, sessions: &[usize]) -> Finding {
        Finding {
            code: "server-error",
            severity: Severity::Warning,
            sessions: sessions.to_vec(),
            clients: Vec::new(),
            endpoint: None,
            count,
            first: None,
            last: None,
            message: format!("a server answered {count} requests by 503"),
            not: String::new(),
            evidence: Vec::new(),
            next: String::new(),
        }
    }

    #[test]
    fn what_goes_on_is_told_when_it_has_doubled_and_never_of_what_is_not_given() {
        let account = Account {
            part: Part {
                numbers: vec![Some(1), Some(7), None],
                from: 5,
                ..Part::default()
            },
            ..Account::default()
        };
        let mut repeats = Repeats::default();
        let mut told = |count, sessions: &[usize]| {
            let found = vec![finding(count, sessions)];
            !repeats.new_ones(&account, found).is_empty()
        };
        assert!(!told(1, &[0]), "all of it was given before");
        assert!(!told(2, &[1, 2]), "a part of it is not given yet");
        assert!(told(2, &[0, 1]));
        assert!(!told(3, &[0, 1]));
        assert!(told(4, &[0, 1]));
    }
}
