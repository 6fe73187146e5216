//! Questions and their answers.

use crate::model::{
    Exchange, Lookup, LookupOutcome, Nanos, PacketNo, RecordType, Seen, Side, Verb,
};

use super::message::{self, Message, code_name, type_name};

/// Questions kept of one conversation; beyond that they are counted.
const MAX_QUESTIONS: usize = 10_000;
/// Questions looked back for the one that an answer belongs to.
const LOOKED_BACK: usize = 64;

/// Whether a name server listens on `port`: DNS, multicast DNS or LLMNR.
pub fn is_server_port(port: u16) -> bool {
    [53, 5353, 5355].contains(&port)
}

/// What a client and a name server said to each other.
#[derive(Debug, Default)]
pub struct DnsDialogue {
    /// One for each question, with the answer that came first.
    pub exchanges: Vec<Exchange>,
    /// The same as look-ups.
    pub lookups: Vec<Lookup>,
    ids: Vec<u16>,
    odd: u64,
    unpaired: u64,
    beyond: u64,
}

impl DnsDialogue {
    /// Takes the next datagram.
    pub fn datagram(&mut self, side: Side, at: Nanos, packet: PacketNo, bytes: &[u8]) {
        let Some(message) = message::read(bytes) else {
            self.odd += 1;
            return;
        };
        let octets = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        match (message.is_answer, side) {
            (false, _) => self.question(message, at, packet, octets),
            (true, Side::Server) => self.answer(message, at, packet, octets),
            (true, Side::Client) => self.unpaired += 1,
        }
    }

    /// Whether anything of it was name service.
    pub fn is_any(&self) -> bool {
        !self.exchanges.is_empty() || self.unpaired > 0
    }

    /// Departures from what is expected, in words for a person.
    pub fn notes(&self) -> Vec<String> {
        [
            (self.odd, "datagrams that are no messages of DNS"),
            (self.unpaired, "answers to questions that were not seen"),
            (self.beyond, "questions not kept, as there were too many"),
        ]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{count} {words}"))
        .collect()
    }

    /// Where the question of `message` is, among the last ones.
    fn asked(&self, message: &Message, open_only: bool) -> Option<usize> {
        let from = self.lookups.len().saturating_sub(LOOKED_BACK);
        (from..self.lookups.len()).rev().find(|&at| {
            self.ids.get(at) == Some(&message.id)
                && self.lookups.get(at).is_some_and(|lookup| {
                    (!open_only || lookup.answered.is_none())
                        && lookup.record_type.0 == message.record_type
                        && lookup.name == message.name
                })
        })
    }

    fn question(&mut self, message: Message, at: Nanos, packet: PacketNo, octets: u64) {
        // The same id and question once more is a retry.
        if let Some(known) = self.asked(&message, true)
            && let Some(lookup) = self.lookups.get_mut(known)
        {
            lookup.tries += 1;
            return;
        }
        if self.lookups.len() >= MAX_QUESTIONS {
            self.beyond += 1;
            return;
        }
        let record_type = RecordType(message.record_type);
        let kind = type_name(record_type);
        let request = format!("{kind}? {}", message.name);
        self.exchanges.push(Exchange {
            start: Some(at),
            asked: Some(at),
            request_bytes: Some(octets),
            packets: [Some(packet), None],
            ..Exchange::new(Verb::new(&kind), request, Seen::Wire)
        });
        self.ids.push(message.id);
        self.lookups.push(Lookup {
            name: message.name,
            record_type,
            asked: at,
            answered: None,
            tries: 1,
            outcome: LookupOutcome::Unanswered,
            addresses: Vec::new(),
            names: Vec::new(),
            ttl: None,
            question: packet,
            answer: None,
        });
    }

    fn answer(&mut self, message: Message, at: Nanos, packet: PacketNo, octets: u64) {
        let Some(known) = self.asked(&message, false) else {
            self.unpaired += 1;
            return;
        };
        let (Some(lookup), Some(exchange)) =
            (self.lookups.get_mut(known), self.exchanges.get_mut(known))
        else {
            return;
        };
        // A second answer, to a retry, says nothing new.
        if lookup.answered.is_some() {
            return;
        }
        let code = code_name(message.code);
        exchange.answered = Some(at);
        exchange.end = Some(at);
        exchange.response = Some(told(&message, &code));
        exchange.code = Some(code);
        exchange.response_bytes = Some(octets);
        exchange.packets[1] = Some(packet);
        if message.truncated {
            exchange
                .notes
                .push("answer cut, to be asked again over TCP".into());
        }
        lookup.answered = Some(at);
        lookup.answer = Some(packet);
        lookup.outcome = outcome(&message);
        lookup.addresses = message.addresses;
        lookup.names = message.names;
        lookup.ttl = message.ttl;
    }
}

fn outcome(message: &Message) -> LookupOutcome {
    match message.code {
        0 if message.answers == 0 && !message.truncated => LookupOutcome::Empty,
        0 => LookupOutcome::Found,
        2 => LookupOutcome::ServerFailed,
        3 => LookupOutcome::NoSuchName,
        5 => LookupOutcome::Refused,
        other => LookupOutcome::Other(other),
    }
}

/// An answer in one line: its addresses, else its names, else its code.
fn told(message: &Message, code: &str) -> String {
    let addresses: Vec<String> = message.addresses.iter().map(ToString::to_string).collect();
    if !addresses.is_empty() {
        addresses.join(", ")
    } else if !message.names.is_empty() {
        message.names.join(", ")
    } else if message.code == 0 {
        format!("{} records", message.answers)
    } else {
        code.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message about `example` with this id and these flags.
    fn message(id: u8, answer: bool, code: u8) -> Vec<u8> {
        let mut bytes = vec![
            0,
            id,
            if answer { 0x81 } else { 1 },
            code,
            0,
            1,
            0,
            0,
            0,
            0,
            0,
            0,
        ];
        bytes.extend_from_slice(b"\x07example\0\0\x01\0\x01");
        bytes
    }

    fn at(second: i64) -> Nanos {
        Nanos(0) + crate::model::Span::seconds(second)
    }

    #[test]
    fn retries_are_one_question_and_strangers_answers_none() {
        let mut dns = DnsDialogue::default();
        for second in 0..3 {
            dns.datagram(Side::Client, at(second), PacketNo(1), &message(7, false, 0));
        }
        dns.datagram(Side::Server, at(3), PacketNo(4), &message(8, true, 0));
        assert_eq!((dns.lookups.len(), dns.lookups[0].tries), (1, 3));
        assert_eq!(dns.lookups[0].outcome, LookupOutcome::Unanswered);
        assert_eq!(dns.notes(), ["1 answers to questions that were not seen"]);
        dns.datagram(Side::Server, at(4), PacketNo(5), &message(7, true, 3));
        assert_eq!(dns.lookups[0].outcome, LookupOutcome::NoSuchName);
        assert_eq!(dns.exchanges[0].code.as_deref(), Some("NXDOMAIN"));
    }

    proptest! {
        #[test]
        fn each_answer_finds_its_question_in_any_order(ids in proptest::collection::vec(0u8..40, 1..40), seed in any::<u64>()) {
            let mut dns = DnsDialogue::default();
            for &id in &ids {
                dns.datagram(Side::Client, at(0), PacketNo(1), &message(id, false, 0));
            }
            let mut unique = ids.clone();
            unique.sort_unstable();
            unique.dedup();
            let turn = usize::try_from(seed % unique.len() as u64).unwrap();
            unique.rotate_left(turn);
            for &id in unique.iter().chain(&unique) {
                dns.datagram(Side::Server, at(1), PacketNo(2), &message(id, true, 0));
            }
            prop_assert_eq!(dns.lookups.len(), unique.len());
            prop_assert!(dns.lookups.iter().all(|lookup| lookup.outcome == LookupOutcome::Empty));
            prop_assert!(dns.notes().is_empty());
        }
    }
}
