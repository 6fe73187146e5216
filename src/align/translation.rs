//! Address translation between the place of the capture and the server: clients have one address on the wire and another
//! in the log.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{LogSession, Role};

use super::background::Background;

/// Log sessions without which nothing is concluded from addresses that differ.
const ENOUGH: usize = 5;

/// What a log calls the clients of the capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Translation {
    /// By addresses that never occur in the capture; which is whose is not known yet.
    Any,
    /// By these addresses.
    Learnt(BTreeMap<IpAddr, IpAddr>),
    /// By their own.
    None,
}

/// What a log calls its own machine, where it has an address of it at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// As the capture does.
    Compared,
    /// By an address that no server of the capture has: ports are forwarded to it.
    Translated,
}

impl Own {
    /// Suspects a translation where no server of the capture has an address by which the log calls its own machine.
    pub(super) fn suspect(seen: &Background, logs: &[LogSession], mine: &[usize]) -> Self {
        let told = || of_servers(logs, mine).filter_map(|log| log.local);
        if are_strange(told, |local| seen.has_server(local)) && mine.len() >= ENOUGH {
            Self::Translated
        } else {
            Self::Compared
        }
    }

    /// Whether the log's machine, by the address it is told by, may have the address `seen`.
    pub(super) fn allows(self, told: Option<IpAddr>, seen: IpAddr) -> bool {
        self == Self::Translated || told.is_none_or(|told| told == seen)
    }
}

/// Whether there are addresses, of which none `is_seen`.
fn are_strange<I: Iterator<Item = IpAddr>>(
    told: impl Fn() -> I,
    is_seen: impl Fn(IpAddr) -> bool,
) -> bool {
    told().next().is_some() && !told().any(is_seen)
}

/// Sessions of a log in which its machine is the server.
fn of_servers<'a>(
    logs: &'a [LogSession],
    mine: &'a [usize],
) -> impl Iterator<Item = &'a LogSession> {
    let sessions = mine.iter().filter_map(|&log| logs.get(log));
    sessions.filter(|log| log.role == Role::Server)
}

impl Translation {
    /// Suspects a translation where no client of the log occurs in the capture at all: with a single one in common, addresses are believed.
    pub(super) fn suspect(seen: &Background, logs: &[LogSession], mine: &[usize]) -> Self {
        let told = || of_servers(logs, mine).filter_map(|log| log.peer);
        if are_strange(told, |client| seen.knows(client)) && mine.len() >= ENOUGH {
            Self::Any
        } else {
            Self::None
        }
    }

    /// Whether addresses are compared as they stand.
    pub(super) fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Whether the wire's `client` may be the log's `peer`.
    pub(super) fn allows(&self, client: IpAddr, peer: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Learnt(known) => known.get(&client) == Some(&peer),
            Self::None => client == peer,
        }
    }

    /// What the pairs that were found say: each client's commonest name, where most of its pairs agree.
    pub(super) fn learn(pairs: impl Iterator<Item = (IpAddr, IpAddr)>) -> Self {
        let mut counts: BTreeMap<IpAddr, BTreeMap<IpAddr, usize>> = BTreeMap::new();
        for (client, peer) in pairs {
            *counts.entry(client).or_default().entry(peer).or_default() += 1;
        }
        let known = counts.iter().filter_map(|(client, peers)| {
            let all: usize = peers.values().sum();
            let (peer, most) = peers.iter().max_by_key(|(_, count)| **count)?;
            (most * 3 >= all * 2).then_some((*client, *peer))
        });
        Self::Learnt(known.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commonest_name_is_learnt_where_most_agree() {
        let ip = |n: u8| IpAddr::from([192, 0, 2, n]);
        let pairs = [(1, 9), (1, 9), (1, 8), (2, 9), (2, 8)];
        let learnt = Translation::learn(pairs.iter().map(|&(client, peer)| (ip(client), ip(peer))));
        assert!(learnt.allows(ip(1), ip(9)) && !learnt.allows(ip(1), ip(8)));
        assert!(!learnt.allows(ip(2), ip(9)), "as often one as the other");
    }
}
