//! The same thing in many sessions is one finding.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{Affected, Endpoint, Evidence, Finding, Nanos, Severity, Side};

use super::view::Case;

/// Places named in a finding.
pub(super) const PLACES: usize = 8;
/// Names or addresses listed in a sentence.
const LISTED: usize = 4;

/// What belongs together.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    /// As they came; one may be there again.
    sessions: Vec<usize>,
    clients: BTreeMap<IpAddr, u64>,
    pub(super) count: u64,
    first: Option<Nanos>,
    last: Option<Nanos>,
    evidence: Vec<Evidence>,
}

/// What a rule says of a group.
pub(super) struct Words {
    pub(super) code: &'static str,
    pub(super) severity: Severity,
    pub(super) endpoint: Option<Endpoint>,
    pub(super) message: String,
    pub(super) not: String,
    pub(super) next: String,
}

impl Group {
    /// So many of what is no part of a session.
    pub(super) fn of(count: u64) -> Self {
        Self {
            count,
            ..Self::default()
        }
    }

    /// One more occurrence.
    pub(super) fn add(&mut self, case: &Case<'_>, at: Option<Nanos>, place: Option<Evidence>) {
        self.add_many(case, 1, at, place);
    }

    /// So many more occurrences in one place.
    pub(super) fn add_many(
        &mut self,
        case: &Case<'_>,
        count: u64,
        at: Option<Nanos>,
        place: Option<Evidence>,
    ) {
        // Where a log begins is found by its lines, of which a session may have hundreds of thousands.
        let is_counted = case.wire.is_none() && self.sessions.last() == Some(&case.number);
        let at = at.or_else(|| if is_counted { None } else { case.start() });
        self.put((case.number, case.client()), count, at, place);
    }

    /// One more occurrence, in the session of a number and a client.
    pub(super) fn note(
        &mut self,
        of: (usize, Option<IpAddr>),
        at: Option<Nanos>,
        place: Option<Evidence>,
    ) {
        self.put(of, 1, at, place);
    }

    fn put(
        &mut self,
        (session, client): (usize, Option<IpAddr>),
        count: u64,
        at: Option<Nanos>,
        place: Option<Evidence>,
    ) {
        self.list(session);
        if let Some(client) = client {
            *self.clients.entry(client).or_default() += count;
        }
        self.count += count;
        self.took_place(at, place);
    }

    /// One more occurrence of which neither session nor client is named.
    pub(super) fn count(&mut self, at: Option<Nanos>, place: Option<Evidence>) {
        self.count += 1;
        self.took_place(at, place);
    }

    fn list(&mut self, session: usize) {
        if self.sessions.last() != Some(&session) {
            self.sessions.push(session);
        }
    }

    fn took_place(&mut self, at: Option<Nanos>, place: Option<Evidence>) {
        self.lasted(at);
        if let Some(place) = place {
            self.show(place);
        }
    }

    /// A moment at which it was so.
    pub(super) fn lasted(&mut self, at: Option<Nanos>) {
        self.first = [self.first, at].into_iter().flatten().min();
        self.last = self.last.max(at);
    }

    /// Occurrences between these two moments that are in no session.
    pub(super) fn add_unlisted(&mut self, count: u64, (first, last): (Nanos, Nanos)) {
        self.count += count;
        self.first = Some(self.first.map_or(first, |known| known.min(first)));
        self.last = self.last.max(Some(last));
    }

    /// A session that is part of it and no occurrence of its own.
    pub(super) fn include(&mut self, case: &Case<'_>) {
        self.list(case.number);
    }

    /// One more place to look at.
    pub(super) fn show(&mut self, place: Evidence) {
        if self.evidence.len() < PLACES && !self.evidence.contains(&place) {
            self.evidence.push(place);
        }
    }

    /// Another group's occurrences beside its own.
    pub(super) fn absorb(&mut self, other: Self) {
        self.sessions.extend(other.sessions);
        for (client, count) in other.clients {
            *self.clients.entry(client).or_default() += count;
        }
        self.count += other.count;
        let first = [self.first, other.first].into_iter().flatten().min();
        (self.first, self.last) = (first, self.last.max(other.last));
        other
            .evidence
            .into_iter()
            .for_each(|place| self.show(place));
    }

    /// Its clients, the most frequent first.
    pub(super) fn clients(&self) -> Vec<Affected> {
        let all = self.clients.iter();
        let mut sources: Vec<Affected> = all.map(|(&ip, &count)| Affected { ip, count }).collect();
        sources.sort_by_key(|source| (Reverse(source.count), source.ip));
        sources
    }

    /// Whether `client` is one of them.
    pub(super) fn is_of(&self, client: IpAddr) -> bool {
        self.clients.contains_key(&client)
    }

    /// Its clients, by address.
    pub(super) fn ips(&self) -> impl Iterator<Item = IpAddr> {
        self.clients.keys().copied()
    }

    /// Its clients in words, the most frequent first.
    pub(super) fn sources(&self) -> String {
        listed(self.clients().iter().map(|source| source.ip))
    }

    /// From the first moment to the last.
    pub(super) fn time(&self) -> Option<(Nanos, Nanos)> {
        self.first.zip(self.last)
    }

    /// Last moment.
    pub(super) const fn last(&self) -> Option<Nanos> {
        self.last
    }

    /// Sessions in it.
    pub(super) fn sessions(&self) -> usize {
        distinct(self.sessions.clone()).len()
    }

    pub(super) fn finding(self, words: Words) -> Finding {
        let Words {
            code,
            severity,
            endpoint,
            message,
            not,
            next,
        } = words;
        let clients = self.clients();
        Finding {
            code,
            severity,
            clients,
            sessions: distinct(self.sessions),
            endpoint,
            count: self.count,
            first: self.first,
            last: self.last,
            message,
            not,
            evidence: self.evidence,
            next,
        }
    }
}

/// In order, each once.
fn distinct(mut sessions: Vec<usize>) -> Vec<usize> {
    sessions.sort_unstable();
    sessions.dedup();
    sessions
}

/// The first few of a list, and how many more there are.
pub(super) fn listed<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = all.into_iter().map(|one| one.to_string()).collect();
    let (shown, more) = all.split_at_checked(LISTED).unwrap_or((&all, &[]));
    let text = shown.join(", ");
    if more.is_empty() {
        text
    } else {
        format!("{text} and {} more", more.len())
    }
}

/// `1 connection`, `3 connections`, `3 replies`.
pub(super) fn counted(count: u64, what: &str) -> String {
    match what.strip_suffix('y') {
        _ if count == 1 => format!("{count} {what}"),
        Some(stem) => format!("{count} {stem}ies"),
        None => format!("{count} {what}s"),
    }
}

/// The side in a word.
pub(super) const fn who(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Server => "server",
    }
}

/// `198.51.100.25 port 25`.
pub(super) fn server(endpoint: Endpoint) -> String {
    format!("{} port {}", endpoint.ip, endpoint.port)
}
