//! Mail exchangers that have no address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{Evidence, Finding, Lookup, LookupOutcome, RecordType, Severity};

use super::View;
use super::group::{Group, Words, counted, listed};
use super::registry::Rule;

pub(super) const RULE: Rule = Rule {
    code: "mx-without-address",
    about: "a domain names a mail exchanger that has no address",
    decided: "Answers to MX questions that name hosts none of which has an address: of each that the same client asked for, every question \
              for A and AAAA ended in NXDOMAIN or without a record, one at least was asked, and the answer brought no address along. A null MX (RFC 7505) says that \
              there is no mail and is left out.",
    example: "example.org has mail exchangers without an address: mx1.example.org, by 2 questions of 192.0.2.10; mail to it cannot be sent",
    find,
};

fn find(view: View<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<&str, (Group, BTreeSet<&str>)> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        let client = wire.conversation.client.ip;
        for lookup in wire
            .lookups
            .iter()
            .filter(|lookup| names_exchangers(lookup))
        {
            let exchangers: Vec<&str> = lookup
                .names
                .iter()
                .map(|name| name.trim_end_matches('.'))
                .collect();
            if exchangers
                .iter()
                .any(|name| has_address(view, client, name) != Some(false))
            {
                continue;
            }
            let (group, names) = groups.entry(lookup.name.as_str()).or_default();
            let place = lookup.answer.unwrap_or(lookup.question);
            group.add(&case, Some(lookup.asked), Some(Evidence::Packet(place)));
            names.extend(exchangers);
            // The questions for the address are part of it.
            for (case, other) in view
                .on_wire()
                .filter(|(_, other)| other.conversation.client.ip == client)
            {
                for asked in other
                    .lookups
                    .iter()
                    .filter(|asked| names.contains(asked.name.as_str()))
                {
                    let place = asked.answer.unwrap_or(asked.question);
                    group.add(&case, Some(asked.asked), Some(Evidence::Packet(place)));
                }
            }
        }
    }
    groups
        .into_iter()
        .map(|(domain, (group, names))| {
            let message = format!(
                "{domain} has mail exchangers without an address: {}, by {} of {}; mail to it cannot be sent",
                listed(&names),
                counted(group.count, "question"),
                group.sources(),
            );
            group.finding(Words {
                code: RULE.code,
                severity: Severity::Error,
                endpoint: None,
                message,
                not: "not a name server that fails: it answered each question".into(),
                next: format!("correct the MX of {domain}, or give the host it names an address"),
            })
        })
        .collect()
}

fn names_exchangers(lookup: &Lookup) -> bool {
    lookup.record_type == RecordType::MX
        && lookup.outcome == LookupOutcome::Found
        && lookup.addresses.is_empty()
        && !lookup.names.is_empty()
        && lookup
            .names
            .iter()
            .all(|name| !name.trim_end_matches('.').is_empty())
}

/// Whether a client found an address of a name; `None` when it did not ask, or got no answer.
fn has_address(view: View<'_>, client: IpAddr, name: &str) -> Option<bool> {
    let mine = view
        .wires
        .iter()
        .filter(|wire| wire.conversation.client.ip == client);
    let asked = mine.flat_map(|wire| &wire.lookups).filter(|lookup| {
        let address = [RecordType::A, RecordType::AAAA].contains(&lookup.record_type);
        address && lookup.name.eq_ignore_ascii_case(name)
    });
    let mut has = None;
    for lookup in asked {
        match lookup.outcome {
            LookupOutcome::NoSuchName | LookupOutcome::Empty => has = has.or(Some(false)),
            LookupOutcome::Found if lookup.addresses.is_empty() => has = has.or(Some(false)),
            LookupOutcome::Found => return Some(true),
            _ => return None,
        }
    }
    has
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, lookup, wire};
    use super::*;

    fn scene(outcome: LookupOutcome) -> Scene {
        let mut scene = Scene::default();
        let mut dns = wire(53, 0, "SF", "Dd");
        let mut mx = lookup(0, "example.org", LookupOutcome::Found);
        mx.record_type = RecordType::MX;
        mx.names.push("mx1.example.org".into());
        dns.lookups.push(mx);
        let mut address = lookup(1, "mx1.example.org", outcome);
        if outcome == LookupOutcome::Found {
            address.addresses.push([198, 51, 100, 25].into());
        }
        dns.lookups.push(address);
        scene.add(dns);
        scene
    }

    #[test]
    fn an_exchanger_without_an_address_is_told_with_both_questions() {
        let found = scene(LookupOutcome::NoSuchName).find(find);
        assert_eq!((found.len(), found[0].count), (1, 2));
        assert_eq!(scene(LookupOutcome::Empty).find(find).len(), 1);
    }

    #[test]
    fn one_with_an_address_or_without_an_answer_is_not() {
        for outcome in [
            LookupOutcome::Found,
            LookupOutcome::Unanswered,
            LookupOutcome::ServerFailed,
        ] {
            assert!(scene(outcome).find(find).is_empty(), "{outcome:?}");
        }
    }
}
