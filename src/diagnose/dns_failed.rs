//! Names that could not be looked up.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{Evidence, Finding, Lookup, LookupOutcome, Severity};

use super::View;
use super::group::{Group, Words, counted, listed};
use super::registry::Rule;

pub(super) const RULE: Rule = Rule {
    code: "dns-failed",
    about: "no answer, NXDOMAIN or SERVFAIL, and what the client then did",
    decided: "Look-ups that ended in NXDOMAIN, SERVFAIL, REFUSED or without any answer, by client, name and outcome. Left out are names that the same client \
              found in another way: by another type, with a search domain, or at a later try; and questions in the last two seconds of the \
              capture.",
    example: "192.0.2.10 cannot look up mail.example.com: no answer from 198.51.100.53 to 3 questions; it then made no connection",
    find,
};

/// Time that a name server is given.
const PATIENCE: crate::model::Span = crate::model::Span::seconds(2);

/// Who asked, for what, and how it ended.
type Key<'a> = (IpAddr, &'a str, LookupOutcome);

fn find(view: View<'_>) -> Vec<Finding> {
    let found: BTreeSet<(IpAddr, &str)> = lookups(view)
        .filter(|(_, _, lookup)| {
            matches!(lookup.outcome, LookupOutcome::Found | LookupOutcome::Empty)
        })
        .map(|(client, _, lookup)| (client, lookup.name.as_str()))
        .collect();
    let mut groups: BTreeMap<Key<'_>, (Group, BTreeSet<IpAddr>, u64)> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        for lookup in &wire.lookups {
            let client = wire.conversation.client.ip;
            let late = view
                .end()
                .is_some_and(|end| end.since(lookup.asked) < PATIENCE);
            let unanswered = lookup.outcome == LookupOutcome::Unanswered;
            if !failed(lookup) || elsewhere(&found, client, &lookup.name) || (unanswered && late) {
                continue;
            }
            let key = (client, base(&lookup.name), lookup.outcome);
            let (group, servers, tries) = groups.entry(key).or_default();
            let place = lookup.answer.unwrap_or(lookup.question);
            group.add(&case, Some(lookup.asked), Some(Evidence::Packet(place)));
            servers.insert(wire.conversation.server.ip);
            *tries += u64::from(lookup.tries);
        }
    }
    groups
        .into_iter()
        .map(|((client, name, outcome), (group, servers, tries))| {
            let went_on = view.wires.iter().any(|wire| {
                wire.conversation.client.ip == client
                    && wire.lookups.is_empty()
                    && view_after(&group, wire.start)
            });
            let then = if went_on {
                ""
            } else {
                "; it then made no connection"
            };
            let message = format!(
                "{client} cannot look up {name}: {} {} to {}{then}",
                words(outcome),
                listed(&servers),
                counted(tries, "question")
            );
            group.finding(Words {
                code: RULE.code,
                severity: Severity::Error,
                endpoint: None,
                message,
                not: not(outcome),
                next: next(outcome).into(),
            })
        })
        .collect()
}

/// All look-ups with who asked and whom.
fn lookups(view: View<'_>) -> impl Iterator<Item = (IpAddr, IpAddr, &Lookup)> {
    view.wires.iter().flat_map(|wire| {
        let (client, server) = (wire.conversation.client.ip, wire.conversation.server.ip);
        wire.lookups
            .iter()
            .map(move |lookup| (client, server, lookup))
    })
}

fn failed(lookup: &Lookup) -> bool {
    match lookup.outcome {
        LookupOutcome::NoSuchName
        | LookupOutcome::ServerFailed
        | LookupOutcome::Refused
        | LookupOutcome::Other(_)
        | LookupOutcome::Unanswered => true,
        // What was cut or referred is asked again, over TCP or elsewhere, and counts there.
        LookupOutcome::Truncated
        | LookupOutcome::Referred
        | LookupOutcome::Found
        | LookupOutcome::Empty
        | LookupOutcome::Unknown => false,
    }
}

/// Whether `client` found the name all the same, or the one that a search domain was hung on, or that with one.
fn elsewhere(found: &BTreeSet<(IpAddr, &str)>, client: IpAddr, name: &str) -> bool {
    let longer = |other: &str| {
        other
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    let shorter = |other: &str| {
        name.strip_prefix(other)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    found.contains(&(client, name))
        || found
            .iter()
            .any(|&(by, other)| by == client && (longer(other) || shorter(other)))
}

/// A name without a search domain that is plainly one: `mail.example.com.example.com`.
fn base(name: &str) -> &str {
    let labels: Vec<&str> = name.split('.').collect();
    for take in 1..=labels.len() / 2 {
        let (head, tail) = labels
            .split_at_checked(labels.len() - take)
            .unwrap_or_default();
        if head.ends_with(tail) && take > 1 {
            let cut = tail.iter().map(|label| label.len() + 1).sum::<usize>();
            return name.get(..name.len().saturating_sub(cut)).unwrap_or(name);
        }
    }
    name
}

/// Whether `start` lies behind the last of a group.
fn view_after(group: &Group, start: crate::model::Nanos) -> bool {
    group.last().is_some_and(|last| start > last)
}

const fn words(outcome: LookupOutcome) -> &'static str {
    match outcome {
        LookupOutcome::NoSuchName => "no such name (NXDOMAIN), says",
        LookupOutcome::ServerFailed => "SERVFAIL of",
        LookupOutcome::Refused => "refused by",
        LookupOutcome::Unanswered => "no answer from",
        _ => "an error of",
    }
}

fn not(outcome: LookupOutcome) -> Option<String> {
    let text = match outcome {
        LookupOutcome::NoSuchName => "not the network: the name server answered",
        LookupOutcome::ServerFailed => "not a wrong name: the name server could not find out",
        LookupOutcome::Unanswered => "not a wrong name: nobody said so",
        _ => return None,
    };
    Some(text.to_owned())
}

const fn next(outcome: LookupOutcome) -> &'static str {
    match outcome {
        LookupOutcome::NoSuchName => {
            "see whether the name is spelt right and exists in its zone (dig +trace)"
        }
        LookupOutcome::ServerFailed => {
            "see whether the name server reaches the zone's own servers, and whether its signatures are valid"
        }
        LookupOutcome::Refused => "see whether the name server serves this client at all",
        _ => "see whether the name server runs and is reached: UDP and TCP port 53",
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, at, wire};
    use super::*;
    use crate::model::{PacketNo, RecordType};

    fn asked(second: i64, name: &str, outcome: LookupOutcome) -> crate::model::WireSession {
        let mut wire = wire(53, second, "SF", "Dd");
        wire.lookups.push(Lookup {
            name: name.into(),
            record_type: RecordType::A,
            asked: at(second),
            answered: None,
            tries: 1,
            outcome,
            addresses: Vec::new(),
            names: Vec::new(),
            ttl: None,
            question: PacketNo(1),
            answer: None,
        });
        wire
    }

    #[test]
    fn a_name_found_with_its_search_domain_did_not_fail() {
        let mut scene = Scene::default();
        scene.add(asked(0, "mail", LookupOutcome::NoSuchName));
        scene.add(asked(1, "mail.example.com", LookupOutcome::Found));
        assert!(scene.find(find).is_empty());
    }

    #[test]
    fn a_name_and_the_same_with_a_search_domain_are_one_finding() {
        let mut scene = Scene::default();
        for name in ["gone.example.com", "gone.example.com.example.com"] {
            scene.add(asked(0, name, LookupOutcome::NoSuchName));
        }
        let found = scene.find(find);
        assert_eq!((found.len(), found[0].count), (1, 2), "{found:?}");
    }

    #[test]
    fn what_is_asked_again_elsewhere_or_was_not_captured_did_not_fail() {
        let mut scene = Scene::default();
        for outcome in [
            LookupOutcome::Truncated,
            LookupOutcome::Referred,
            LookupOutcome::Unknown,
        ] {
            scene.add(asked(0, "mail.example.com", outcome));
        }
        assert!(scene.find(find).is_empty());
        scene.add(asked(1, "mail.example.com", LookupOutcome::Refused));
        assert_eq!(scene.find(find).len(), 1);
    }
}
