//! What the parts of a run had that goes on, counted.

use std::collections::BTreeMap;

use crate::model::{Severity, TlsSummary};

use super::account::{Account, Totals};
use super::checksums::Checksums;

/// What parts of a run had.
#[derive(Clone, Debug, Default)]
pub struct Tallies {
    /// Sessions by protocol, protection and witness.
    pub totals: Totals,
    /// Sessions whose TLS was opened.
    pub decrypted: usize,
    /// Whose checksums are wrong, in all sessions, whether they are shown or not.
    checksums: Checksums,
    /// Exchanges.
    pub exchanges: u64,
    /// Findings by code, the worst severity of each and how many times one was given.
    pub findings: BTreeMap<&'static str, (Severity, u64)>,
}

impl Tallies {
    /// Adds what `account`, a part of the run, gives.
    pub fn add(&mut self, account: &Account) {
        for (at, joined) in account.alignment.sessions.iter().enumerate() {
            let wire = joined.wire.and_then(|wire| account.wires.get(wire));
            if let Some(wire) = wire.filter(|_| account.given_now(at).is_some()) {
                self.checksums.add(wire.conversation, &wire.counts);
            }
        }
        for shown in account.shown() {
            let key = (shown.proto(), shown.encryption());
            let counts = self.totals.entry(key).or_default();
            shown.count(counts);
            let tls = shown.wire.and_then(|wire| wire.tls.as_ref());
            self.decrypted += usize::from(tls.is_some_and(TlsSummary::is_opened));
            self.exchanges += u64::try_from(shown.exchanges().len()).unwrap_or(u64::MAX);
        }
        for finding in account.found() {
            let (worst, count) = self
                .findings
                .entry(finding.code)
                .or_insert((finding.severity, 0));
            *worst = (*worst).max(finding.severity);
            *count += 1;
        }
    }
}

impl Account {
    /// Whose checksums are wrong, in this part and those before.
    pub(super) fn checksums(&self) -> Checksums {
        let mut checksums = self.part.before.checksums.clone();
        for wire in &self.wires {
            checksums.add(wire.conversation, &wire.counts);
        }
        checksums
    }
}
