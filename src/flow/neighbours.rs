//! Who was asked for on the link, and who was there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::link::Neighbourly;
use crate::model::{Nanos, Neighbour, PacketNo};

/// Addresses remembered; a scan of a network asks for more.
const MAX_KNOWN: usize = 10_000;

/// Addresses asked for, and those that answered.
#[derive(Debug, Default)]
pub struct Neighbours {
    asked: BTreeMap<IpAddr, Neighbour>,
    there: BTreeSet<IpAddr>,
}

impl Neighbours {
    /// Takes what a packet said.
    pub fn heard(&mut self, at: Nanos, packet: PacketNo, said: Neighbourly) {
        match said {
            Neighbourly::IsThere { who } => {
                if self.there.len() < MAX_KNOWN {
                    self.there.insert(who);
                }
            }
            Neighbourly::Asks { by, wanted } => {
                if self.asked.len() >= MAX_KNOWN && !self.asked.contains_key(&wanted) {
                    return;
                }
                let entry = self.asked.entry(wanted).or_insert(Neighbour {
                    wanted,
                    by,
                    asked: 0,
                    first: at,
                    last: at,
                    packet,
                });
                entry.asked += 1;
                entry.last = entry.last.max(at);
            }
        }
    }

    /// Those that nobody answered for, in order of address.
    pub fn unanswered(self) -> Vec<Neighbour> {
        let there = self.there;
        self.asked
            .into_values()
            .filter(|neighbour| !there.contains(&neighbour.wanted))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_answers_once_is_there() {
        let (by, one, other) = (
            [192, 0, 2, 1].into(),
            [192, 0, 2, 2].into(),
            [192, 0, 2, 3].into(),
        );
        let mut neighbours = Neighbours::default();
        for wanted in [one, other, other] {
            neighbours.heard(Nanos(1), PacketNo(1), Neighbourly::Asks { by, wanted });
        }
        neighbours.heard(Nanos(2), PacketNo(2), Neighbourly::IsThere { who: one });
        let unanswered = neighbours.unanswered();
        assert_eq!(
            (unanswered.len(), unanswered[0].wanted, unanswered[0].asked),
            (1, other, 2)
        );
    }
}
