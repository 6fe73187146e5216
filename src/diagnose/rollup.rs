//! More findings of one kind than a person reads are one.

use std::borrow::{Borrow, Cow};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{Affected, Evidence, Finding, Severity};

use super::group::{PLACES, counted, listed};

/// Findings of one code and severity that are told each by itself: the worst.
const ALONE: usize = 10;

/// `findings`, worst first, with what is beyond the worst ten of a code and severity rolled up into one of them: no occurrence, session,
/// client or moment is lost, only the words for each.
pub fn roll_up<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<Cow<'a, Finding>> {
    let mut kinds: BTreeMap<(Severity, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        let key = (finding.severity, finding.code);
        kinds.entry(key).or_default().push(finding);
    }
    let mut told: Vec<Cow<'_, Finding>> = Vec::new();
    for of_kind in kinds.into_values() {
        // One alone is not shorter for being rolled up.
        let (alone, rest) = match of_kind.split_at_checked(ALONE) {
            Some((alone, rest)) if rest.len() > 1 => (alone, rest),
            _ => (of_kind.as_slice(), [].as_slice()),
        };
        told.extend(alone.iter().copied().map(Cow::Borrowed));
        told.extend(as_one(rest).map(Cow::Owned));
    }
    sort(&mut told);
    told
}

/// Worst first, then most frequent, then first.
pub(super) fn sort<F: Borrow<Finding>>(findings: &mut [F]) {
    findings.sort_by(|one, other| {
        let (one, other) = (one.borrow(), other.borrow());
        let key = |finding: &Finding| {
            (
                Reverse(finding.severity),
                Reverse(finding.count),
                finding.first,
                finding.code,
            )
        };
        key(one)
            .cmp(&key(other))
            .then_with(|| one.message.cmp(&other.message))
    });
}

/// All of `findings`, which are of one kind.
fn as_one(findings: &[&Finding]) -> Option<Finding> {
    let worst = *findings.first()?;
    let sessions: BTreeSet<usize> = all(findings, |one| one.sessions.iter().copied()).collect();
    let clients = clients(findings);
    let count = findings.iter().map(|one| one.count).sum();
    let endpoints: BTreeSet<_> = findings.iter().map(|one| one.endpoint).collect();
    Some(Finding {
        code: worst.code,
        severity: worst.severity,
        endpoint: worst.endpoint.filter(|_| endpoints.len() == 1),
        count,
        first: findings.iter().filter_map(|one| one.first).min(),
        last: findings.iter().filter_map(|one| one.last).max(),
        message: message(findings, worst, count, &sessions, &clients),
        not: same(findings, |one| Some(one.not.as_str()))
            .unwrap_or("not one cause for certain: each was decided for itself")
            .to_owned(),
        evidence: places(findings),
        next: same(findings, |one| Some(one.next.as_str()))
            .unwrap_or(
                "narrow the report to one of them (--host, --session), which tells each by itself",
            )
            .to_owned(),
        sessions: sessions.into_iter().collect(),
        clients,
    })
}

fn all<'a, T: 'a, I: Iterator<Item = T> + 'a>(
    findings: &'a [&'a Finding],
    part: impl Fn(&'a Finding) -> I + 'a,
) -> impl Iterator<Item = T> + 'a {
    findings.iter().flat_map(move |one| part(one))
}

fn message(
    findings: &[&Finding],
    worst: &Finding,
    count: u64,
    sessions: &BTreeSet<usize>,
    clients: &[Affected],
) -> String {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let within = if sessions.is_empty() {
        String::new()
    } else {
        format!(" in {}", counted(number(sessions.len()), "session"))
    };
    let by = if clients.is_empty() {
        String::new()
    } else {
        let most = clients
            .iter()
            .map(|one| format!("{} {}", one.ip, counted(one.count, "time")));
        let all = counted(number(clients.len()), "client");
        format!(" of {all}: {}", listed(most))
    };
    format!(
        "{} more of this kind, {}{within}{by}; the worst of them: {}",
        findings.len(),
        counted(count, "time"),
        worst.message
    )
}

/// All clients, the most frequent first.
fn clients(findings: &[&Finding]) -> Vec<Affected> {
    let mut counts: BTreeMap<IpAddr, u64> = BTreeMap::new();
    for client in all(findings, |one| one.clients.iter()) {
        *counts.entry(client.ip).or_default() += client.count;
    }
    let counts = counts.into_iter();
    let mut clients: Vec<Affected> = counts.map(|(ip, count)| Affected { ip, count }).collect();
    clients.sort_by_key(|one| Reverse(one.count));
    clients
}

/// One place of each of the worst.
fn places(findings: &[&Finding]) -> Vec<Evidence> {
    let firsts = findings.iter().filter_map(|one| one.evidence.first());
    firsts.take(PLACES).copied().collect()
}

/// What all of them say, where they say the same.
fn same<'a>(
    findings: &[&'a Finding],
    part: impl Fn(&'a Finding) -> Option<&'a str>,
) -> Option<&'a str> {
    let said = part(findings.first()?)?;
    findings
        .iter()
        .all(|one| part(one) == Some(said))
        .then_some(said)
}

#[cfg(test)]
mod tests {
    use super::super::group::{Group, Words};
    use super::super::testing::{Scene, wire};
    use super::*;

    /// One finding for each client, worst first: the client of number `n` does it `times(n)` times.
    fn findings(clients: u8, times: impl Fn(u8) -> u64) -> Vec<Finding> {
        let mut all: Vec<Finding> = (0..clients)
            .map(|n| {
                let mut spoken = wire(25, i64::from(n), "SF", "ShAdDaFf");
                spoken.conversation.client.ip = [192, 0, 2, n].into();
                let mut scene = Scene::default();
                scene.add(spoken);
                let mut group = Group::default();
                for case in scene.view().cases() {
                    (0..times(n)).for_each(|_| group.add(&case, None, None));
                }
                group.finding(Words {
                    code: "bare-lf",
                    severity: Severity::Warning,
                    endpoint: None,
                    message: format!("192.0.2.{n} does it"),
                    not: "not another".into(),
                    next: "mend it".into(),
                })
            })
            .collect();
        sort(&mut all);
        all
    }

    #[test]
    fn few_are_told_each_by_itself() {
        for clients in [1, 10, 11] {
            let all = findings(clients, |_| 1);
            let told = roll_up(all.iter());
            assert_eq!(told.len(), usize::from(clients));
            assert!(told.iter().all(|one| matches!(one, Cow::Borrowed(_))));
        }
    }

    #[test]
    fn of_many_the_worst_are_and_the_others_are_one() {
        let all = findings(200, |n| u64::from(n) + 1);
        let told = roll_up(all.iter());
        assert_eq!(told.len(), 11);
        // 1 + 2 + … + 190, which is more than the worst alone.
        let rest = &told[0];
        assert_eq!((rest.count, rest.clients.len()), (190 * 191 / 2, 190));
        assert_eq!(
            rest.message,
            "190 more of this kind, 18145 times in 1 session of 190 clients: 192.0.2.189 190 times, 192.0.2.188 189 times, \
             192.0.2.187 188 times, 192.0.2.186 187 times and 186 more; the worst of them: 192.0.2.189 does it"
        );
        assert_eq!((rest.first, rest.last), (all[199].first, all[10].last));
        assert_eq!(rest.next, "mend it");
        assert_eq!(told[1].clients[0].count, 200);
        // Nothing is lost.
        let sum = |counts: Vec<u64>| counts.iter().sum::<u64>();
        assert_eq!(
            sum(told.iter().map(|one| one.count).collect()),
            sum(all.iter().map(|one| one.count).collect())
        );
    }

    #[test]
    fn other_codes_and_severities_are_other_kinds() {
        let mut all = findings(40, |_| 1);
        for one in all.iter_mut().take(9) {
            one.severity = Severity::Info;
        }
        for one in all.iter_mut().skip(9).take(11) {
            one.code = "helo-no-name";
        }
        sort(&mut all);
        assert_eq!(roll_up(all.iter()).len(), 9 + 11 + 11);
    }
}
