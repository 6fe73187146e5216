//! Who was asked for on the link, and who was there.
//!
//! Questions go to all on a link, answers to the one that asked, so a capture may see the first and not the second. What
//! tells is therefore how often one host asks in a row: it stops when it has an answer.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::link::Neighbourly;
use crate::model::{Nanos, Neighbour, PacketNo, Span};

/// Addresses remembered of each kind; a scan of a network asks for more.
const MAX_KNOWN: usize = 65_536;
/// Longest time between two questions in a row: systems ask again after one second, some after two.
const IN_A_ROW: Span = Span::seconds(3);
/// Two questions nearer than this are one, seen twice.
const SEEN_TWICE: Span = Span::millis(100);

/// Addresses asked for, and those that are there.
#[derive(Debug, Default)]
pub struct Neighbours {
    /// By the address asked for and who asks.
    asked: BTreeMap<(IpAddr, IpAddr), Asked>,
    there: BTreeSet<IpAddr>,
    dropped: u64,
}

/// Questions of one host for one address: the run under way, and the longest.
#[derive(Debug)]
struct Asked {
    run: Neighbour,
    longest: Neighbour,
}

impl Neighbours {
    /// Takes what a packet said.
    pub fn heard(&mut self, at: Nanos, packet: PacketNo, said: Neighbourly) {
        match said {
            Neighbourly::IsThere { who } => self.is_there(who),
            Neighbourly::Asks { by, wanted } => {
                self.is_there(by);
                self.asks(at, packet, by, wanted);
            }
        }
    }

    /// Addresses not remembered, as there were too many.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Those that nobody answered for, in order of address, each with the host that asked most often in a row.
    pub fn unanswered(self) -> Vec<Neighbour> {
        // Who was not remembered might be taken for one that is not there.
        if self.dropped > 0 {
            return Vec::new();
        }
        let mut found: Vec<Neighbour> = Vec::new();
        for ((wanted, _), Asked { run, longest }) in self.asked {
            let most = if run.asked > longest.asked {
                run
            } else {
                longest
            };
            match found.last_mut() {
                _ if self.there.contains(&wanted) => {}
                Some(last) if last.wanted == wanted => {
                    if most.asked > last.asked {
                        *last = most;
                    }
                }
                _ => found.push(most),
            }
        }
        found
    }

    fn is_there(&mut self, who: IpAddr) {
        if self.there.len() < MAX_KNOWN {
            self.there.insert(who);
        } else if !self.there.contains(&who) {
            self.dropped += 1;
        }
    }

    fn asks(&mut self, at: Nanos, packet: PacketNo, by: IpAddr, wanted: IpAddr) {
        let first = Neighbour {
            wanted,
            by,
            asked: 1,
            first: at,
            last: at,
            packet,
        };
        if self.asked.len() >= MAX_KNOWN && !self.asked.contains_key(&(wanted, by)) {
            self.dropped += 1;
            return;
        }
        let Asked { run, longest } = match self.asked.entry((wanted, by)) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => {
                new.insert(Asked {
                    run: first.clone(),
                    longest: first,
                });
                return;
            }
        };
        let since = at.since(run.last);
        if since < SEEN_TWICE {
            return;
        }
        if since <= IN_A_ROW {
            run.asked += 1;
            run.last = at;
            return;
        }
        let ended = std::mem::replace(run, first);
        if ended.asked > longest.asked {
            *longest = ended;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY: [u8; 4] = [192, 0, 2, 1];
    const WANTED: [u8; 4] = [192, 0, 2, 3];

    /// What is unanswered after these questions, by the last octet of who asks and the millisecond.
    fn asking(questions: &[(u8, i64)]) -> Vec<(u8, u64)> {
        let mut neighbours = Neighbours::default();
        for &(who, millis) in questions {
            let by = [192, 0, 2, who].into();
            let asks = Neighbourly::Asks {
                by,
                wanted: WANTED.into(),
            };
            neighbours.heard(Nanos(0) + Span::millis(millis), PacketNo(1), asks);
        }
        let found = neighbours.unanswered();
        found
            .iter()
            .map(|one| match one.by {
                IpAddr::V4(by) => (by.octets()[3], one.asked),
                IpAddr::V6(_) => panic!("not asked"),
            })
            .collect()
    }

    #[test]
    fn who_answers_once_or_asks_is_there() {
        let (by, one, other) = (BY.into(), [192, 0, 2, 2].into(), WANTED.into());
        let mut neighbours = Neighbours::default();
        for (second, wanted) in [(0, one), (0, other), (1, other)] {
            let at = Nanos(0) + Span::seconds(second);
            neighbours.heard(at, PacketNo(1), Neighbourly::Asks { by, wanted });
        }
        let asks_back = Neighbourly::Asks {
            by: one,
            wanted: by,
        };
        neighbours.heard(Nanos(2), PacketNo(2), asks_back);
        let unanswered = neighbours.unanswered();
        assert_eq!(
            (unanswered.len(), unanswered[0].wanted, unanswered[0].asked),
            (1, other, 2)
        );
    }

    #[test]
    fn only_questions_of_one_host_in_a_row_count() {
        assert_eq!(asking(&[(1, 0), (1, 1000), (1, 2000)]), [(1, 3)]);
        // Once a minute, as a cache runs out: the answers may pass where the capture does not see them.
        assert_eq!(asking(&[(1, 0), (1, 60_000), (1, 120_000)]), [(1, 1)]);
        assert_eq!(asking(&[(1, 0), (2, 10), (4, 20)]), [(1, 1)]);
        assert_eq!(
            asking(&[(1, 0), (1, 1), (1, 2)]),
            [(1, 1)],
            "copies of one question"
        );
        assert_eq!(
            asking(&[(1, 0), (1, 1000), (1, 90_000), (4, 0), (4, 1000), (4, 2000)]),
            [(4, 3)]
        );
    }

    #[test]
    fn when_some_are_not_remembered_nobody_is_called_missing() {
        let mut neighbours = Neighbours::default();
        let by = BY.into();
        let wanted = WANTED.into();
        neighbours.heard(Nanos(0), PacketNo(1), Neighbourly::Asks { by, wanted });
        for n in 0..u32::try_from(MAX_KNOWN).unwrap() {
            let who = IpAddr::V4((0x0a00_0000 + n).into());
            neighbours.heard(Nanos(0), PacketNo(1), Neighbourly::IsThere { who });
        }
        assert_eq!(neighbours.dropped(), 1);
        assert!(neighbours.unanswered().is_empty());
    }
}
