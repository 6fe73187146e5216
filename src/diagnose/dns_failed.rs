//! Names that could not be looked up.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use crate::model::{
    Evidence, Finding, Lookup, LookupOutcome, Nanos, RecordType, Severity, Side, Transport,
    WireSession,
};

use super::View;
use super::group::{Group, Words, counted, listed};
use super::registry::Rule;

pub(super) const RULE: Rule = Rule {
    code: "dns-failed",
    about: "no answer, NXDOMAIN or SERVFAIL, and what the client then did",
    decided: "Look-ups that ended in NXDOMAIN, SERVFAIL, REFUSED or without any answer, by name and outcome. Left out are names that the same client \
              found in another way: by another type, with a search domain, or at a later try. No answer counts where the client asked again or the server answered \
              others, not in the last two seconds of the capture, not of questions to all (multicast, broadcast), and not where the server sent something that could not be read. Five names or more of one zone are one finding. Names that are no host's, and questions without an answer that were asked only once, are told as information.",
    example: "192.0.2.10 cannot look up mail.example.com: no answer from 198.51.100.53 to 3 questions; no connection followed",
    find,
};

/// Time that a name server is given.
const PATIENCE: crate::model::Span = crate::model::Span::seconds(2);

/// For what it was asked, how that ended, and whether it matters.
type Key<'a> = (&'a str, LookupOutcome, Severity);

#[derive(Default)]
struct Failed {
    group: Group,
    servers: BTreeSet<IpAddr>,
    tries: u64,
    /// What ICMP said of the questions.
    told: BTreeSet<String>,
}

impl Failed {
    /// The same of another name.
    fn absorb(&mut self, other: Self) {
        self.group.absorb(other.group);
        self.servers.extend(other.servers);
        self.tries += other.tries;
        self.told.extend(other.told);
    }
}

fn find(view: View<'_>) -> Vec<Finding> {
    let found: BTreeSet<(IpAddr, &str)> = lookups(view)
        .filter(|(_, _, lookup)| {
            matches!(lookup.outcome, LookupOutcome::Found | LookupOutcome::Empty)
        })
        .map(|(client, _, lookup)| (client, lookup.name.as_str()))
        .collect();
    let silence = Silence::of(view);
    let names: BTreeSet<&str> = lookups(view)
        .filter(|(_, _, lookup)| failed(lookup))
        .map(|(_, _, lookup)| lookup.name.as_str())
        .collect();
    let mut groups: BTreeMap<Key<'_>, Failed> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        let client = wire.conversation.client.ip;
        for lookup in &wire.lookups {
            let unanswered = lookup.outcome == LookupOutcome::Unanswered;
            if !failed(lookup)
                || elsewhere(&found, client, &lookup.name)
                || (unanswered && !silence.is_real(view, wire, lookup))
            {
                continue;
            }
            // Who asks once and never again has hardly missed the answer.
            let once = unanswered && silence.tries_of(client, lookup) <= 1;
            let severity = if once {
                Severity::Info
            } else {
                severity(lookup)
            };
            let key = (
                without_search(&names, base(&lookup.name)),
                lookup.outcome,
                severity,
            );
            let failed = groups.entry(key).or_default();
            let place = lookup.answer.unwrap_or(lookup.question);
            failed
                .group
                .add(&case, Some(lookup.asked), Some(Evidence::Packet(place)));
            failed.servers.insert(wire.conversation.server.ip);
            failed.tries += u64::from(lookup.tries);
            if unanswered {
                let errors = wire.icmp_errors.iter();
                failed
                    .told
                    .extend(errors.map(|error| format!("{}, says {}", error.reason, error.by)));
            }
        }
    }
    let last = last_connections(view);
    let mut zones: BTreeMap<Key<'_>, Vec<(&str, Failed)>> = BTreeMap::new();
    for ((name, outcome, severity), failed) in groups {
        let key = (zone(name), outcome, severity);
        zones.entry(key).or_default().push((name, failed));
    }
    zones
        .into_iter()
        .flat_map(|((zone, outcome, severity), names)| {
            let telling = move |(name, failed)| (name, outcome, severity, failed);
            together(zone, names).into_iter().map(telling)
        })
        .map(|(name, outcome, severity, failed)| tell(&last, (&name, outcome, severity), failed))
        .collect()
}

/// Names of one zone from which on they are told as one: a service that is gone, or one that makes names up.
const NAMES: usize = 5;

/// The last two labels of a name.
fn zone(name: &str) -> &str {
    let dot = name.rmatch_indices('.').nth(1);
    dot.and_then(|(dot, _)| name.get(dot + 1..)).unwrap_or(name)
}

/// The names of a zone and what became of them, many as one.
fn together(zone: &str, names: Vec<(&str, Failed)>) -> Vec<(String, Failed)> {
    if names.len() < NAMES {
        let each = names.into_iter();
        return each
            .map(|(name, failed)| (name.to_owned(), failed))
            .collect();
    }
    let some = listed(names.iter().map(|(name, _)| name));
    let what = format!("{} names under {zone}: {some}", names.len());
    let mut all = Failed::default();
    for (_, failed) in names {
        all.absorb(failed);
    }
    vec![(what, all)]
}

/// How much a name that is not found matters: others than hosts are often asked for in vain, on purpose.
fn severity(lookup: &Lookup) -> Severity {
    const SERVICES: [RecordType; 5] = [
        RecordType::A,
        RecordType::AAAA,
        RecordType::MX,
        RecordType(33),
        RecordType(65),
    ];
    let probe = !lookup.name.contains('.')
        || ["local", "arpa"].contains(&last_label(&lookup.name))
        || !SERVICES.contains(&lookup.record_type);
    if lookup.outcome == LookupOutcome::NoSuchName && probe {
        Severity::Info
    } else {
        Severity::Error
    }
}

/// The top of a name.
fn last_label(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or_default()
}

/// What tells a question without an answer from one whose answer the capture did not see.
struct Silence<'a> {
    /// Questions of a client for a name and type that had no answer.
    tries: BTreeMap<(IpAddr, &'a str, RecordType), u64>,
    /// Servers that answered something.
    talks: BTreeSet<IpAddr>,
}

impl<'a> Silence<'a> {
    fn of(view: View<'a>) -> Self {
        let mut silence = Self {
            tries: BTreeMap::new(),
            talks: BTreeSet::new(),
        };
        for (client, server, lookup) in lookups(view) {
            if lookup.answered.is_some() {
                silence.talks.insert(server);
            } else {
                let key = (client, lookup.name.as_str(), lookup.record_type);
                *silence.tries.entry(key).or_default() += u64::from(lookup.tries);
            }
        }
        silence
    }

    /// How often a client asked what had no answer.
    fn tries_of(&self, client: IpAddr, lookup: &'a Lookup) -> u64 {
        let key = (client, lookup.name.as_str(), lookup.record_type);
        self.tries.get(&key).copied().unwrap_or(0)
    }

    /// Whether the client asked again, so that it got none, or the server is heard otherwise. Nobody has to answer a question to all.
    fn is_real(&self, view: View<'_>, wire: &WireSession, lookup: &'a Lookup) -> bool {
        let server = wire.conversation.server;
        let client = wire.conversation.client.ip;
        let again = self.tries_of(client, lookup) > 1;
        let late = view
            .end()
            .is_some_and(|end| end.since(lookup.asked) < PATIENCE);
        server.port == 53
            && !server.ip.is_multicast()
            && server.ip != IpAddr::V4(Ipv4Addr::BROADCAST)
            && !has_more(wire)
            && !late
            && (again || self.talks.contains(&server.ip))
    }
}

/// Whether more came from the server than answers that were read: one of them may be the answer.
fn has_more(wire: &WireSession) -> bool {
    let datagrams = wire.conversation.transport == Transport::Udp;
    let read = wire.lookups.iter().filter(|one| one.answered.is_some());
    datagrams
        && wire.counts.of(Side::Server).packets > u64::try_from(read.count()).unwrap_or(u64::MAX)
}

fn tell(
    last: &BTreeMap<IpAddr, Nanos>,
    (name, outcome, severity): Key<'_>,
    failed: Failed,
) -> Finding {
    let Failed {
        group,
        servers,
        tries,
        told,
    } = failed;
    let clients = group.clients();
    let went_on = clients
        .iter()
        .any(|client| last.get(&client.ip).copied() > group.last());
    let then = if went_on {
        ""
    } else {
        "; no connection followed"
    };
    let cannot = if clients.len() == 1 {
        "cannot look up"
    } else {
        "cannot look up the name"
    };
    let icmp = if told.is_empty() {
        String::new()
    } else {
        format!(" ({})", listed(&told))
    };
    let message = format!(
        "{} {cannot} {name}: {} {} to {}{icmp}{then}",
        group.sources(),
        words(outcome),
        listed(&servers),
        counted(tries, "question")
    );
    group.finding(Words {
        code: RULE.code,
        severity,
        endpoint: None,
        message,
        not: not(outcome).into(),
        next: next(outcome).into(),
    })
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
    let with_more = format!("{name}.");
    let longer = found
        .range((client, with_more.as_str())..)
        .next()
        .is_some_and(|(by, other)| *by == client && other.starts_with(&with_more));
    let shorter = name
        .match_indices('.')
        .any(|(dot, _)| found.contains(&(client, name.get(..dot).unwrap_or_default())));
    found.contains(&(client, name)) || longer || shorter
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

/// A name without a search domain, where the same without it failed too: `mail.example.com.lan`.
fn without_search<'a>(failed: &BTreeSet<&str>, name: &'a str) -> &'a str {
    let heads = name
        .match_indices('.')
        .filter_map(|(dot, _)| name.get(..dot));
    let mut full = heads.filter(|head| head.contains('.'));
    full.find(|head| failed.contains(head)).unwrap_or(name)
}

/// When each client made its last connection.
fn last_connections(view: View<'_>) -> BTreeMap<IpAddr, Nanos> {
    let mut last = BTreeMap::new();
    for wire in view.wires.iter().filter(|wire| wire.lookups.is_empty()) {
        let at = last
            .entry(wire.conversation.client.ip)
            .or_insert(wire.start);
        *at = wire.start.max(*at);
    }
    last
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

const fn not(outcome: LookupOutcome) -> &'static str {
    match outcome {
        LookupOutcome::NoSuchName => "not the network: the name server answered",
        LookupOutcome::ServerFailed => "not a wrong name: the name server could not find out",
        LookupOutcome::Unanswered => "not a wrong name: nobody said so",
        LookupOutcome::Refused => "not a wrong name: the name server did not look for it",
        _ => "not silence: the name server answered by an error",
    }
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
mod tests;
