//! Octets that a log counts from the login on, beside those that passed.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::model::{LogSession, LoggedOctets, WireSession};

use super::background::damaged;
use super::turn;

/// How the octets that a log counts from the login on compare with those that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OctetsFit {
    /// They passed from some moment on.
    Exact,
    /// They did not, but the capture may lack some, or the server may have counted what it could not send any more: the connection was reset,
    /// or is not seen to end.
    Unfinished,
    /// They did not, of a connection that the capture has from the first packet to the last.
    Differ,
}

impl OctetsFit {
    /// How what a log counts compares with what passed; `None` where the capture does not show all of it.
    pub(super) fn of(wire: &WireSession, told: LoggedOctets) -> Option<Self> {
        if damaged(wire) {
            return None;
        }
        if sums(wire).any(|passed| is_told(told, passed)) {
            return Some(Self::Exact);
        }
        let over = wire.history.contains('F') && wire.history.contains('f');
        let reset = wire.history.contains(['R', 'r']);
        Some(if over && !reset {
            Self::Differ
        } else {
            Self::Unfinished
        })
    }
}

/// Octets from the client and to it that passed from each of its commands on.
fn sums(wire: &WireSession) -> impl Iterator<Item = (u64, u64)> {
    let (mut received, mut sent) = (0, 0);
    let turns = turn::octets(wire).rev();
    turns.map(move |(asked, answered)| {
        sent += answered;
        let passed = (received, sent);
        received += asked;
        passed
    })
}

fn is_told(told: LoggedOctets, (received, sent): (u64, u64)) -> bool {
    let most = told.received.saturating_add(told.unread);
    sent == told.sent && (told.received..=most).contains(&received)
}

/// Whether what a log counts is what passes. Where sessions are compressed, for one, it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// Most of its counts are those of some session in the capture.
    Exactly,
    /// They are not, or there are too few to tell.
    Otherwise,
}

/// Counts that are looked at, and how many there must be.
const SAMPLE: usize = 256;
const ENOUGH: usize = 12;

impl Counted {
    /// From the counts of a log's sessions, whatever the time.
    pub(super) fn of(logs: &[&LogSession], wires: &[WireSession]) -> Self {
        let step = logs.len().div_ceil(SAMPLE).max(1);
        let told = logs
            .iter()
            .filter_map(|log| log.rare().octets)
            .step_by(step);
        let mut by_sent: HashMap<u64, Vec<(LoggedOctets, bool)>, RandomState> = HashMap::default();
        for told in told {
            by_sent.entry(told.sent).or_default().push((told, false));
        }
        if by_sent.is_empty() {
            return Self::Otherwise;
        }
        for passed in wires.iter().filter(|wire| !damaged(wire)).flat_map(sums) {
            for (told, found) in by_sent.get_mut(&passed.1).into_iter().flatten() {
                *found |= is_told(*told, passed);
            }
        }
        let all = || by_sent.values().flatten();
        let found = all().filter(|(_, found)| *found).count();
        if found >= ENOUGH && found * 2 >= all().count() {
            Self::Exactly
        } else {
            Self::Otherwise
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Burst, LogId, Nanos, PacketNo, Proto, Side, testing};

    /// A session inside TLS with a login and these octets up and down behind it, and its packets by Zeek's letters.
    fn wire(behind: &[(u64, u64)], history: &str) -> WireSession {
        let mut wire = testing::wire("imap", 993, Nanos(0));
        wire.history = history.into();
        for &(up, down) in [(30, 0)].iter().chain(behind) {
            for (side, plaintext) in [(Side::Client, up), (Side::Server, down)] {
                wire.bursts.push(Burst {
                    side,
                    start: Nanos(0),
                    end: Nanos(0),
                    packet: PacketNo(1),
                    records: 1,
                    plaintext,
                    parts: Vec::new(),
                    damaged: false,
                });
            }
        }
        wire
    }

    const fn told(received: u64, sent: u64) -> LoggedOctets {
        LoggedOctets {
            received,
            sent,
            unread: 0,
        }
    }

    #[test]
    fn what_passed_behind_the_login_is_found() {
        let whole = wire(&[(20, 300), (9, 50)], "ShADadFf");
        let fit = |told| OctetsFit::of(&whole, told);
        assert_eq!(fit(told(29, 350)), Some(OctetsFit::Exact));
        assert_eq!(fit(told(28, 350)), Some(OctetsFit::Differ));
    }

    #[test]
    fn what_was_reset_or_is_not_seen_to_end_does_not_differ_for_sure() {
        for history in ["ShADadFR", "ShADadF", "ShADad"] {
            let cut = wire(&[(20, 300)], history);
            let fit = OctetsFit::of(&cut, told(20, 405));
            assert_eq!(fit, Some(OctetsFit::Unfinished), "{history}");
        }
    }

    #[test]
    fn a_log_counts_exactly_if_most_of_its_counts_pass() {
        let wires: Vec<WireSession> = (0..20).map(|n| wire(&[(n, 100 + n)], "ShADadFf")).collect();
        let log = |(received, sent)| {
            let mut log = LogSession::new(LogId(0), Proto("imap"));
            log.rare_mut().octets = Some(told(received, sent));
            log
        };
        let exact: Vec<LogSession> = (0..20).map(|n| log((n, 100 + n))).collect();
        let compressed: Vec<LogSession> = (0..20).map(|n| log((n, 900 + n))).collect();
        let counted = |logs: &[LogSession]| Counted::of(&logs.iter().collect::<Vec<_>>(), &wires);
        assert_eq!(counted(&exact), Counted::Exactly);
        assert_eq!(counted(&compressed), Counted::Otherwise);
        assert_eq!(counted(&exact[..8]), Counted::Otherwise);
    }
}
