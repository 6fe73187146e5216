//! Search domains that make storms of questions.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{Evidence, Finding, LookupOutcome, Nanos, Severity, Span};

use super::View;
use super::group::{Group, Words, counted, listed};
use super::registry::Rule;

pub(super) const RULE: Rule = Rule {
    code: "dns-search-list",
    about: "a client asks for full names with its search domains hung on first: questions in vain",
    decided: "By client: six questions or more that ended in NXDOMAIN, for names that are another name of two labels or more, asked for by the same client within ten seconds, \
              with a domain hung on, in two rounds or more.",
    example: "192.0.2.10 asked 12 questions in vain for 2 names with search domains hung on (corp.example, example.net)",
    find,
};

/// Questions in vain from which on it is a habit.
const QUESTIONS: u64 = 6;
/// The names that belong together are asked for one after the other.
const ROUND: Span = Span::seconds(10);

#[derive(Default)]
struct Storm {
    group: Group,
    questions: u64,
    names: BTreeSet<String>,
    domains: BTreeSet<String>,
    rounds: BTreeSet<(String, String)>,
}

fn find(view: View<'_>) -> Vec<Finding> {
    let mut asked: BTreeMap<(IpAddr, &str), Vec<Nanos>> = BTreeMap::new();
    for wire in view.wires {
        for lookup in &wire.lookups {
            let key = (wire.conversation.client.ip, lookup.name.as_str());
            asked.entry(key).or_default().push(lookup.asked);
        }
    }
    let mut storms: BTreeMap<IpAddr, Storm> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        let client = wire.conversation.client.ip;
        for lookup in &wire.lookups {
            if lookup.outcome != LookupOutcome::NoSuchName {
                continue;
            }
            let plain = lookup.name.match_indices('.').find_map(|(dot, _)| {
                let (name, domain) = lookup.name.split_at_checked(dot)?;
                let times = asked.get(&(client, name))?;
                let near = times
                    .iter()
                    .any(|at| lookup.asked.since(*at).abs() <= ROUND);
                (near && name.contains('.')).then_some((name, domain.trim_start_matches('.')))
            });
            let Some((name, domain)) = plain else {
                continue;
            };
            let storm = storms.entry(client).or_default();
            let place = lookup.answer.unwrap_or(lookup.question);
            storm
                .group
                .add(&case, Some(lookup.asked), Some(Evidence::Packet(place)));
            storm.questions += u64::from(lookup.tries.max(1));
            storm.names.insert(name.to_owned());
            storm.domains.insert(domain.to_owned());
            storm.rounds.insert((name.to_owned(), domain.to_owned()));
        }
    }
    storms
        .into_iter()
        .filter(|(_, storm)| storm.questions >= QUESTIONS && storm.rounds.len() > 1)
        .map(|(client, storm)| tell(client, storm))
        .collect()
}

fn tell(client: IpAddr, storm: Storm) -> Finding {
    let names = u64::try_from(storm.names.len()).unwrap_or(u64::MAX);
    let message = format!(
        "{client} asked {} in vain for {} with search domains hung on ({})",
        counted(storm.questions, "question"),
        counted(names, "name"),
        listed(&storm.domains),
    );
    storm.group.finding(Words {
        code: RULE.code,
        severity: Severity::Info,
        endpoint: None,
        message,
        not: "not names that are missing: they are asked for without the domains too".into(),
        next: "end full names by a dot in the client's settings, shorten the search list, or lower ndots in resolv.conf".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, lookup, wire};
    use super::*;

    #[test]
    fn a_storm_is_told_and_a_short_name_is_not() {
        for (name, expected) in [("mail.example.com", 1), ("mail", 0)] {
            let mut scene = Scene::default();
            for (second, domain) in [(0, ".corp.example"), (1, ".example.net"), (2, "")] {
                let mut dns = wire(53, second, "SF", "Dd");
                for _ in 0..3 {
                    let outcome = if domain.is_empty() {
                        LookupOutcome::Found
                    } else {
                        LookupOutcome::NoSuchName
                    };
                    dns.lookups
                        .push(lookup(second, &format!("{name}{domain}"), outcome));
                }
                scene.add(dns);
            }
            assert_eq!(scene.find(find).len(), expected, "{name}");
        }
    }
}
