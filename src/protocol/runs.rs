//! What encrypted runs are in each protocol, and the exchanges that they so let infer.
//!
//! A run is what one side sends before the other does ([`Burst`]). A client's run and the server's run after it are
//! one exchange, but for what [`Runs`] says of the protocol; `docs/bursts.md` tells why and how often it is right.

use crate::model::{Burst, BurstPart, Exchange, Seen, Side, Verb};

/// What runs are in a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runs {
    /// Octets, from and to, of a server's run that is no reply: it bids the client go on with its request.
    pub go_on: Option<(u64, u64)>,
    /// Octets of a client's run that ends the request before it.
    pub ends: Option<u64>,
    /// What several records in one run of the client are.
    pub records: Records,
}

/// What several records in one run of the client are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Records {
    /// Commands sent together, one in each, if each has as many octets as a command may have.
    Commands {
        /// Of the shortest command.
        at_least: u64,
        /// Of the longest.
        at_most: u64,
    },
    /// Parts of one request.
    Parts,
}

impl Runs {
    /// A client's run is a request, the server's run after it the reply.
    pub const PLAIN: Self = Self {
        go_on: None,
        ends: None,
        records: Records::Parts,
    };

    fn bids_go_on(&self, answered: Option<&Burst>) -> bool {
        match (self.go_on, answered) {
            (Some((from, to)), Some(run)) => {
                !run.damaged && run.records == 1 && (from..=to).contains(&run.plaintext)
            }
            _ => false,
        }
    }

    fn ends_request(&self, asked: &Burst) -> bool {
        !asked.damaged && asked.records == 1 && self.ends == Some(asked.plaintext)
    }

    /// The commands in `run`, where it holds more than one.
    fn commands<'a>(&self, run: &'a Burst) -> Option<&'a [BurstPart]> {
        let Records::Commands { at_least, at_most } = self.records else {
            return None;
        };
        let parts = records(run);
        let fits = |part: &BurstPart| (at_least..=at_most).contains(&part.plaintext);
        (parts.len() > 1 && parts.iter().all(fits)).then_some(parts)
    }
}

/// One request and its reply: several runs where the server had the client go on.
struct Turn<'a> {
    asked: Vec<&'a Burst>,
    answered: Vec<&'a Burst>,
}

/// The exchanges that `runs` lets infer from `bursts`.
pub(super) fn infer(bursts: &[Burst], runs: &Runs) -> Vec<Exchange> {
    let mut inferred = Inferred::default();
    for turn in turns(bursts, runs) {
        match (turn.asked.as_slice(), turn.answered.as_slice()) {
            ([asked], answered) if answered.len() < 2 => {
                let answered = answered.first().copied();
                match runs.commands(asked) {
                    Some(parts) => inferred.together(parts, answered),
                    None if inferred.waiting > 0 => {
                        inferred.together(&[BurstPart::of(asked)], answered);
                    }
                    None => inferred.one(&turn),
                }
            }
            _ => inferred.one(&turn),
        }
    }
    inferred.give_up(0);
    inferred.exchanges
}

fn turns<'a>(bursts: &'a [Burst], runs: &Runs) -> Vec<Turn<'a>> {
    let mut turns: Vec<Turn<'a>> = Vec::new();
    for burst in bursts {
        let last = turns.last_mut();
        match (burst.side, last) {
            (Side::Server, Some(turn))
                if turn.answered.is_empty() || turn.answered.len() < turn.asked.len() =>
            {
                turn.answered.push(burst);
            }
            (Side::Client, Some(turn))
                if !turn.asked.is_empty()
                    && !turn.answered.is_empty()
                    && (runs.ends_request(burst)
                        || runs.bids_go_on(turn.answered.last().copied())) =>
            {
                turn.asked.push(burst);
            }
            (side, _) => {
                let (asked, answered) = match side {
                    Side::Client => (vec![burst], Vec::new()),
                    Side::Server => (Vec::new(), vec![burst]),
                };
                turns.push(Turn { asked, answered });
            }
        }
    }
    turns
}

#[derive(Default)]
struct Inferred {
    exchanges: Vec<Exchange>,
    /// How many of the last have no reply yet that is known to be theirs.
    waiting: usize,
    /// The one record that answered the first of them, and it may be the others too.
    shared: Option<BurstPart>,
}

impl Inferred {
    fn one(&mut self, turn: &Turn<'_>) {
        self.give_up(0);
        let octets = |runs: &[&Burst]| runs.iter().map(|run| run.plaintext).sum();
        let mut exchange = new();
        let (asked, answered) = (&turn.asked, &turn.answered);
        let first = asked.first().or(answered.first());
        exchange.start = first.map(|run| run.start);
        exchange.packets = [asked.first(), answered.last()].map(|run| Some(run?.packet));
        if let Some(last) = asked.last() {
            exchange.asked = Some(last.end);
            exchange.request_bytes = Some(octets(asked));
        }
        // Where the client went on and has had no answer since, there is none.
        if let Some(last) = answered.last().filter(|_| answered.len() >= asked.len()) {
            exchange.answered = Some(last.start);
            exchange.end = Some(last.end);
        }
        if !answered.is_empty() {
            exchange.response_bytes = Some(octets(answered));
        }
        self.exchanges.push(exchange);
    }

    /// Commands sent together, after those that wait. They are answered in their order; whose each record is, is
    /// known where there are as many as commands.
    fn together(&mut self, parts: &[BurstPart], answered: Option<&Burst>) {
        for part in parts {
            let mut exchange = new();
            exchange.start = Some(part.start);
            exchange.asked = Some(part.end);
            exchange.packets = [Some(part.packet), None];
            exchange.request_bytes = Some(part.plaintext);
            self.exchanges.push(exchange);
        }
        let Some(answered) = answered else {
            self.give_up(parts.len());
            self.waiting = parts.len();
            return;
        };
        let all = self.waiting + parts.len();
        let replies = records(answered);
        if replies.len() != all {
            // They were answered in the run before after all.
            self.give_up(parts.len());
        }
        self.waiting = if replies.len() == all {
            all
        } else {
            parts.len()
        };
        let from = self.exchanges.len().saturating_sub(self.waiting);
        let waiting = self.exchanges.get_mut(from..).unwrap_or_default();
        let whole = [BurstPart::of(answered)];
        let replies = match waiting.len() {
            1 => &whole,
            _ => replies,
        };
        if replies.len() == waiting.len() {
            for (exchange, reply) in waiting.iter_mut().zip(replies) {
                exchange.answered = Some(reply.start);
                exchange.end = Some(reply.end);
                exchange.response_bytes = Some(reply.plaintext);
                let [asked, _] = exchange.packets;
                exchange.packets = [asked, Some(reply.packet)];
            }
            self.waiting = 0;
            self.shared = None;
        } else if let Some(first) = waiting.first_mut() {
            first.answered = Some(answered.start);
            self.waiting -= 1;
            self.shared = replies.first().copied().filter(|_| replies.len() == 1);
            if self.shared.is_none() {
                self.give_up(0);
            }
        }
    }

    /// Those that wait, before the last `newer`, will not be told apart: they were all answered in one record, or
    /// it cannot be told which answers which.
    fn give_up(&mut self, newer: usize) {
        let to = self.exchanges.len().saturating_sub(newer);
        let from = to.saturating_sub(self.waiting);
        for exchange in self.exchanges.get_mut(from..to).unwrap_or_default() {
            let note = if let Some(reply) = self.shared {
                exchange.answered = Some(reply.start);
                exchange.end = Some(reply.end);
                "answered in one record with the command before it, if it was answered"
            } else {
                "sent together with others: which part of the replies is its own is not known"
            };
            exchange.notes.push(note.to_owned());
        }
        self.shared = None;
        self.waiting = 0;
    }
}

/// The records of a run, where all of them are known.
fn records(run: &Burst) -> &[BurstPart] {
    let known = !run.damaged && usize::try_from(run.records) == Ok(run.parts.len());
    if known { &run.parts } else { &[] }
}

fn new() -> Exchange {
    Exchange::new(Verb::default(), String::new(), Seen::Inferred)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Proto;
    use crate::model::{Nanos, PacketNo};
    use crate::protocol::registry::runs_of;

    const C: Side = Side::Client;
    const S: Side = Side::Server;

    /// Runs of the records given, one a nanosecond.
    fn bursts(records: &[(Side, u64)]) -> Vec<Burst> {
        let mut bursts: Vec<Burst> = Vec::new();
        for (at, &(side, plaintext)) in (1..).zip(records) {
            let part = BurstPart {
                start: Nanos(at),
                end: Nanos(at),
                packet: PacketNo(1),
                plaintext,
            };
            match bursts.last_mut() {
                Some(run) if run.side == side => {
                    run.end = Nanos(at);
                    run.records += 1;
                    run.plaintext += plaintext;
                    run.parts.push(part);
                }
                _ => bursts.push(Burst {
                    side,
                    start: Nanos(at),
                    end: Nanos(at),
                    packet: PacketNo(1),
                    records: 1,
                    parts: vec![part],
                    plaintext,
                    damaged: false,
                }),
            }
        }
        bursts
    }

    /// Octets asked and answered, and when asked and answered.
    type Brief = (Option<u64>, Option<u64>, Option<i64>, Option<i64>);

    fn inferred(proto: &'static str, records: &[(Side, u64)]) -> Vec<Brief> {
        infer(&bursts(records), runs_of(Proto(proto)))
            .iter()
            .map(|exchange| {
                (
                    exchange.request_bytes,
                    exchange.response_bytes,
                    exchange.asked.map(|at| at.0),
                    exchange.answered.map(|at| at.0),
                )
            })
            .collect()
    }

    #[test]
    fn a_greeting_and_turns_are_exchanges() {
        let records = [(S, 30), (C, 6), (S, 9), (C, 8), (S, 500), (S, 90), (C, 6)];
        assert_eq!(
            inferred("pop3", &records),
            [
                (None, Some(30), None, Some(1)),
                (Some(6), Some(9), Some(2), Some(3)),
                (Some(8), Some(590), Some(4), Some(5)),
                (Some(6), None, Some(7), None),
            ]
        );
    }

    #[test]
    fn a_literal_and_idle_are_one_exchange_with_their_command() {
        let append = [(C, 24), (S, 6), (C, 3_166), (S, 79)];
        assert_eq!(
            inferred("imap", &append),
            [(Some(3_190), Some(85), Some(3), Some(4))]
        );
        // What the server says in between belongs to the command, however much it is.
        let idle = [(C, 9), (S, 10), (S, 40), (C, 6), (S, 52), (C, 11), (S, 65)];
        assert_eq!(
            inferred("imap", &idle),
            [
                (Some(15), Some(102), Some(4), Some(5)),
                (Some(11), Some(65), Some(6), Some(7))
            ]
        );
        // The client leaves while it waits.
        let left = [(C, 9), (S, 10), (C, 6)];
        assert_eq!(
            inferred("imap", &left),
            [(Some(15), Some(10), Some(3), None)]
        );
        assert_eq!(inferred("pop3", &append).len(), 2);
    }

    #[test]
    fn an_interim_reply_is_part_of_its_exchange() {
        let post = [(C, 200), (S, 25), (C, 16_384), (C, 900), (S, 180)];
        assert_eq!(
            inferred("http", &post),
            [(Some(17_484), Some(205), Some(4), Some(5))]
        );
        // Head and body in records of their own are one request.
        assert_eq!(inferred("http", &[(C, 200), (C, 10), (S, 180)]).len(), 1);
    }

    #[test]
    fn commands_sent_together_are_counted_by_their_records() {
        let told_apart = [(C, 9), (C, 28), (C, 10), (S, 44), (S, 107), (S, 45)];
        assert_eq!(
            inferred("imap", &told_apart),
            [
                (Some(9), Some(44), Some(1), Some(4)),
                (Some(28), Some(107), Some(2), Some(5)),
                (Some(10), Some(45), Some(3), Some(6)),
            ]
        );
        let overtaken = [(C, 9), (C, 28), (S, 44), (C, 10), (S, 107), (S, 45)];
        let answered: Vec<_> = inferred("imap", &overtaken).iter().map(|e| e.3).collect();
        assert_eq!(answered, [Some(3), Some(5), Some(6)]);
        let in_one = [(C, 9), (C, 28), (C, 10), (S, 196), (C, 12), (S, 66)];
        let answered: Vec<_> = inferred("imap", &in_one).iter().map(|e| e.3).collect();
        assert_eq!(answered, [Some(4), Some(4), Some(4), Some(6)]);
        let unclear = [(C, 9), (C, 28), (C, 10), (S, 90), (S, 106)];
        let answered: Vec<_> = inferred("imap", &unclear).iter().map(|e| e.3).collect();
        assert_eq!(answered, [Some(4), None, None]);
    }

    #[test]
    fn records_that_cannot_each_be_a_command_are_parts() {
        // The line end in a record of its own; a literal; more than a line may be long.
        for records in [
            &[(C, 14), (C, 2)][..],
            &[(C, 25), (C, 5_000)],
            &[(C, 3), (C, 4)],
        ] {
            let mut all = records.to_vec();
            all.push((S, 60));
            assert_eq!(inferred("imap", &all).len(), 1, "{records:?}");
        }
    }

    #[test]
    fn a_damaged_run_is_not_judged_by_its_size() {
        let mut runs = bursts(&[(C, 24), (S, 6), (C, 3_166), (S, 79)]);
        runs[1].damaged = true;
        assert_eq!(infer(&runs, runs_of(Proto("imap"))).len(), 2);
    }

    proptest::proptest! {
        #[test]
        fn every_run_of_the_client_is_in_one_exchange(
            records in proptest::collection::vec((proptest::prelude::any::<bool>(), 1..200u64), 0..60),
            which in 0..4usize,
        ) {
            let records: Vec<_> = records
                .iter()
                .map(|&(client, octets)| (if client { C } else { S }, octets))
                .collect();
            let all: u64 = records.iter().filter(|(side, _)| *side == C).map(|(_, n)| n).sum();
            let proto = ["imap", "pop3", "http", "smtp"][which];
            let told = inferred(proto, &records);
            let asked: u64 = told.iter().filter_map(|exchange| exchange.0).sum();
            proptest::prop_assert_eq!(asked, all);
            let in_order = told.iter().all(|&(_, _, asked, answered)| match (asked, answered) {
                (Some(asked), Some(answered)) => asked < answered,
                _ => true,
            });
            proptest::prop_assert!(in_order);
        }
    }
}
