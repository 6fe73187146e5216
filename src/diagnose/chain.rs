//! Findings that are a part of another: a chain of faults is told once, by its cause.

use std::collections::BTreeSet;

use crate::model::Finding;

/// A cause, and what is not told for itself where all its sessions are the cause's.
const CHAINS: &[(&str, &[&str])] = &[
    ("backlog-full", &["connection-dropped", "slow-greeting"]),
    (
        "delivered-unknown",
        &["connection-reset", "retransmission-storm", "timeout-idle"],
    ),
    ("dns-failed", &["connection-rejected"]),
    (
        "dns-wrong-address",
        &[
            "connection-dropped",
            "connection-refused",
            "connection-rejected",
            "host-dead",
        ],
    ),
    ("dropped-in-transfer", &["connection-reset"]),
    (
        "mtu-black-hole",
        &[
            "connection-reset",
            "dropped-in-transfer",
            "retransmission-storm",
            "slow-network",
            "timeout-idle",
        ],
    ),
    ("mx-without-address", &["dns-failed"]),
    (
        "reset-in-middle",
        &[
            "connection-reset",
            "dropped-in-transfer",
            "retransmission-storm",
        ],
    ),
    ("retransmission-storm", &["slow-network"]),
    (
        "slow-greeting",
        &["connection-dropped", "connection-refused", "dns-failed"],
    ),
    ("tls-failed", &["connection-reset"]),
];

/// What is a part of the cause `code`.
pub(super) fn parts_of(code: &str) -> &'static [&'static str] {
    let mut chains = CHAINS.iter();
    chains
        .find(|(cause, _)| *cause == code)
        .map_or(&[], |(_, parts)| parts)
}

/// Leaves out what a cause tells already.
pub(super) fn fold(findings: Vec<Finding>) -> Vec<Finding> {
    let told: Vec<(&[&str], BTreeSet<usize>)> = CHAINS
        .iter()
        .map(|&(cause, parts)| {
            let causes = findings.iter().filter(|finding| finding.code == cause);
            (
                parts,
                causes
                    .flat_map(|finding| finding.sessions.iter().copied())
                    .collect(),
            )
        })
        .collect();
    let mut findings = findings;
    findings.retain(|finding| {
        finding.sessions.is_empty()
            || !told.iter().any(|(parts, sessions)| {
                parts.contains(&finding.code)
                    && finding
                        .sessions
                        .iter()
                        .all(|session| sessions.contains(session))
            })
    });
    findings
}

#[cfg(test)]
mod tests {
    use super::super::group::{Group, Words};
    use super::super::registry::RULES;
    use super::*;
    use crate::model::Severity;

    fn finding(code: &'static str, sessions: &[usize]) -> Finding {
        let mut finding = Group::of(1).finding(Words {
            code,
            severity: Severity::Error,
            endpoint: None,
            message: String::new(),
            not: String::new(),
            next: String::new(),
        });
        finding.sessions = sessions.to_vec();
        finding
    }

    #[test]
    fn a_part_is_left_out_where_the_cause_has_all_its_sessions() {
        let cause = || finding("dns-wrong-address", &[1, 2]);
        assert_eq!(
            fold(vec![cause(), finding("connection-refused", &[2])]).len(),
            1
        );
        assert_eq!(
            fold(vec![cause(), finding("connection-refused", &[2, 3])]).len(),
            2
        );
        assert_eq!(fold(vec![cause(), finding("host-dead", &[])]).len(), 2);
        assert_eq!(fold(vec![cause(), finding("login-refused", &[2])]).len(), 2);
    }

    #[test]
    fn chains_name_rules() {
        let codes: BTreeSet<&str> = RULES.iter().map(|rule| rule.code).collect();
        for (cause, parts) in CHAINS {
            assert!(codes.contains(cause), "{cause}");
            assert!(parts.iter().all(|part| codes.contains(part)), "{cause}");
        }
    }
}
