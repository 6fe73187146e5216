//! Whose checksums are wrong, and what that is likely to be.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{Conversation, Counts, Side};

/// Hosts that are told apart; what further ones sent counts together.
const MOST: usize = 100_000;

/// Packets of each host, those with a wrong checksum and all.
#[derive(Clone, Debug, Default)]
pub(super) struct Checksums {
    hosts: BTreeMap<IpAddr, Sent>,
    /// Of hosts beyond.
    others: Sent,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    bad: u64,
    all: u64,
}

impl Checksums {
    /// Adds what both sides of a conversation sent.
    pub(super) fn add(&mut self, conversation: Conversation, counts: &Counts) {
        for (side, end) in [
            (Side::Client, conversation.client),
            (Side::Server, conversation.server),
        ] {
            let sent = counts.of(side);
            let known = self.hosts.len() < MOST || self.hosts.contains_key(&end.ip);
            let host = if known {
                self.hosts.entry(end.ip).or_default()
            } else {
                &mut self.others
            };
            host.bad += sent.bad_checksums;
            host.all += sent.packets;
        }
    }

    /// What is to be said of them, if any is wrong.
    pub(super) fn words(&self) -> Option<String> {
        let wrong: Vec<(&IpAddr, &Sent)> =
            self.hosts.iter().filter(|(_, sent)| sent.bad > 0).collect();
        match wrong[..] {
            [] if self.others.bad == 0 => None,
            // A card that fills them in leaves none right in its own host's capture; one that sends in pieces
            // gives the pieces' to be seen.
            [(ip, &Sent { bad, all })]
                if self.hosts.len() > 1 && bad * 2 > all && self.others.bad == 0 =>
            {
                Some(format!(
                    "bad checksums: {bad} of {all} packets of {ip} and no other host's: likely captured on that host, \
                     before its network card filled them in (offload)"
                ))
            }
            _ => {
                let bad = wrong.iter().map(|(_, sent)| sent.bad).sum::<u64>() + self.others.bad;
                let hosts = wrong.len();
                let more = if self.others.bad > 0 { " and more" } else { "" };
                Some(format!(
                    "bad checksums: {bad} packets of {hosts} hosts{more}"
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Endpoint, Transport};

    /// A connection in which each side sent ten packets, some with a wrong checksum.
    fn words(bad: [u64; 2]) -> Option<String> {
        let end = |last| Endpoint {
            ip: [192, 0, 2, last].into(),
            port: 25,
        };
        let mut counts = Counts::default();
        for (side, bad) in [Side::Client, Side::Server].into_iter().zip(bad) {
            counts.of_mut(side).packets = 10;
            counts.of_mut(side).bad_checksums = bad;
        }
        let conversation = Conversation {
            client: end(1),
            server: end(2),
            transport: Transport::Tcp,
        };
        let mut checksums = Checksums::default();
        checksums.add(conversation, &counts);
        checksums.words()
    }

    #[test]
    fn offload_is_named_where_one_host_alone_has_wrong_checksums() {
        assert_eq!(words([0, 0]), None);
        let one = words([9, 0]).unwrap();
        assert!(one.contains("9 of 10 packets of 192.0.2.1") && one.contains("offload"));
        for bad in [[1, 0], [9, 9]] {
            assert!(!words(bad).unwrap().contains("offload"));
        }
    }
}
