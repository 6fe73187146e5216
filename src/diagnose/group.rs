//! The same thing in many sessions is one finding.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::model::{Endpoint, Evidence, Finding, Nanos, Severity, Side};

use super::view::Case;

/// Places named in a finding.
const PLACES: usize = 8;
/// Names or addresses listed in a sentence.
const LISTED: usize = 4;

/// What belongs together.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    sessions: BTreeSet<usize>,
    pub(super) clients: BTreeSet<IpAddr>,
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
    pub(super) not: Option<String>,
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
        self.sessions.insert(case.number);
        self.clients.extend(case.client());
        self.count += 1;
        if let Some(at) = at.or(case.start()) {
            self.first = Some(self.first.map_or(at, |first| first.min(at)));
            self.last = self.last.max(Some(at));
        }
        let new = place.filter(|place| !self.evidence.contains(place));
        if self.evidence.len() < PLACES {
            self.evidence.extend(new);
        }
    }

    /// A session that is part of it and no occurrence of its own.
    pub(super) fn include(&mut self, case: &Case<'_>) {
        self.sessions.insert(case.number);
    }

    /// One more place to look at.
    pub(super) fn show(&mut self, place: Evidence) {
        if self.evidence.len() < PLACES && !self.evidence.contains(&place) {
            self.evidence.push(place);
        }
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
        self.sessions.len()
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
        Finding {
            code,
            severity,
            sessions: self.sessions.into_iter().collect(),
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
