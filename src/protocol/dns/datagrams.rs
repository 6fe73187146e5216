//! Name service over UDP: one message a datagram.

use std::net::IpAddr;

use super::message;
use super::name::{skip_name, u16_at};
use super::pairing::{Pairing, Passed};
use crate::model::{Nanos, PacketNo, Side};
use crate::protocol::Dialogue;

/// Whether a name server listens on `port`: DNS, multicast DNS or LLMNR.
pub fn is_server_port(port: u16) -> bool {
    [53, 5353, 5355].contains(&port)
}

/// Whether a datagram that begins a conversation comes from its name server: by the ports, and between two servers by what
/// it is. On multicast ports, where answers come unasked, the first sender is the client.
pub fn is_from_server(ports: (u16, u16), payload: &[u8]) -> bool {
    const RESPONSE: u8 = 0x80;
    match ports {
        (53, 53) => payload.get(2).is_some_and(|flags| flags & RESPONSE != 0),
        (from, to) => is_server_port(from) && !is_server_port(to),
    }
}

/// Whether a datagram is a plain question for records of a name, whatever its port: one question in the class of the
/// Internet for a known type, of a name of two labels or more that a host may have, and nothing else but what EDNS adds.
/// Nothing else is known to look so.
pub fn is_question(payload: &[u8]) -> bool {
    const INTERNET: u16 = 1;
    const TYPES: [u16; 20] = [
        1, 2, 5, 6, 12, 13, 15, 16, 28, 33, 35, 43, 44, 48, 52, 64, 65, 99, 255, 257,
    ];
    // A question, perhaps recursion desired; of the answer's flags none but those of DNSSEC; one question.
    let Some([0 | 1, flags, 0, 1, 0, 0, 0, 0, 0, 0 | 1]) = payload.get(2..12) else {
        return false;
    };
    let Some(message) = message::read(payload).filter(|_| flags & !0x30 == 0) else {
        return false;
    };
    let Some(question) = &message.question else {
        return false;
    };
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    let class = skip_name(payload, 12).and_then(|after| u16_at(payload, after + 2));
    message.octets == payload.len()
        && class == Some(INTERNET)
        && TYPES.contains(&question.record_type.0)
        && question.name.contains('.')
        && question.name.bytes().all(allowed)
}

/// What a client and a name server said to each other.
#[derive(Debug, Default)]
pub struct DnsDialogue {
    pairing: Pairing,
    out: Dialogue,
}

impl DnsDialogue {
    /// Takes the next datagram.
    pub fn datagram(&mut self, side: Side, at: Nanos, packet: PacketNo, bytes: &[u8]) {
        let passed = Passed {
            side,
            first: at,
            last: at,
            packet,
            octets: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        };
        self.pairing
            .message(message::read(bytes), &passed, &mut self.out);
    }

    /// What was said to `server`; nothing where none of it was name service.
    ///
    /// What is sent to a group is asked of every host on the link, and who answers does so from its own address, in
    /// another conversation, or not at all where it has nothing to say (RFC 6762 §5, RFC 4795 §2): such a question
    /// is an exchange and no look-up.
    pub fn finish(mut self, server: IpAddr) -> Option<Dialogue> {
        if !self.pairing.is_any() {
            return None;
        }
        let multicast = server.is_multicast();
        let unpaired = if multicast {
            "announcements and answers"
        } else {
            "answers to questions not seen in this conversation"
        };
        self.pairing.finish(unpaired, &mut self.out);
        if multicast {
            self.out.lookups.clear();
            self.out.faults.clear();
            if !self.out.exchanges.is_empty() {
                let told =
                    "asked of every host on the link: who answers does so in another conversation";
                self.out.notes.push(told.to_owned());
            }
        }
        Some(self.out)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{Lookup, LookupOutcome, Span};

    const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 53));

    /// A message about `example` with this id and these flags.
    fn message(id: u16, answer: bool, code: u8) -> Vec<u8> {
        let mut bytes = id.to_be_bytes().to_vec();
        bytes.extend([if answer { 0x81 } else { 1 }, code, 0, 1, 0, 0, 0, 0, 0, 0]);
        bytes.extend_from_slice(b"\x07example\0\0\x01\0\x01");
        bytes
    }

    fn at(second: i64) -> Nanos {
        Nanos(0) + Span::seconds(second)
    }

    /// Who says what at which second.
    fn said(messages: &[(Side, i64, Vec<u8>)]) -> Dialogue {
        let mut dns = DnsDialogue::default();
        for (number, (side, second, bytes)) in (1..).zip(messages) {
            dns.datagram(*side, at(*second), PacketNo(number), bytes);
        }
        dns.finish(SERVER).unwrap()
    }

    fn outcomes(dialogue: &Dialogue) -> Vec<(u32, LookupOutcome)> {
        let told = |lookup: &Lookup| (lookup.tries, lookup.outcome);
        dialogue.lookups.iter().map(told).collect()
    }

    #[test]
    fn retries_are_one_question_and_strangers_answers_none() {
        let ask = |second| (Side::Client, second, message(7, false, 0));
        let dialogue = said(&[
            ask(0),
            ask(1),
            ask(2),
            (Side::Server, 3, message(8, true, 0)),
        ]);
        assert_eq!(outcomes(&dialogue), [(3, LookupOutcome::Unanswered)]);
        assert_eq!(dialogue.exchanges[0].notes, ["asked 3 times"]);
        assert_eq!(
            dialogue.notes,
            ["answers to questions not seen in this conversation: 1"]
        );
        let dialogue = said(&[ask(0), ask(1), (Side::Server, 4, message(7, true, 3))]);
        assert_eq!(outcomes(&dialogue), [(2, LookupOutcome::NoSuchName)]);
        assert_eq!(dialogue.exchanges[0].code.as_deref(), Some("NXDOMAIN"));
        assert_eq!(dialogue.exchanges[0].request, "A? example");
    }

    #[test]
    fn a_question_is_known_on_any_port() {
        let with = |name: &[u8], kind: u8, more: &[u8]| {
            let records = u8::from(!more.is_empty());
            let head = [0, 7, 1, 0x20, 0, 1, 0, 0, 0, 0, 0, records];
            [&head, name, &[0, kind, 0, 1], more].concat()
        };
        let name = b"\x02mx\x07example\0";
        let edns = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
        assert!(is_question(&with(name, 15, b"")));
        assert!(is_question(&with(name, 1, &edns)));
        // NetBIOS, an unknown type, what is behind a message, an answer, and no name of a host.
        assert!(!is_question(&with(
            b"\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0",
            33,
            b""
        )));
        assert!(!is_question(&with(name, 32, b"")));
        assert!(!is_question(&[with(name, 1, b""), vec![0]].concat()));
        let mut answer = with(name, 1, b"");
        answer[2] = 0x81;
        assert!(!is_question(&answer));
        assert!(!is_question(&with(b"\x02m\x01\x07example\0", 1, b"")));
        assert!(!is_question(b""));
    }

    #[test]
    fn what_cannot_be_read_may_be_the_answer() {
        let mut broken = message(7, true, 0);
        broken.truncate(13);
        let dialogue = said(&[
            (Side::Client, 1, message(7, false, 0)),
            (Side::Server, 2, broken),
        ]);
        assert_eq!(outcomes(&dialogue), [(1, LookupOutcome::Unknown)]);
    }

    #[test]
    fn a_question_that_passes_behind_its_answer_is_no_new_one_unless_it_is_answered_too() {
        let (ask, answer) = (message(7, false, 0), message(7, true, 0));
        let empty = (1, LookupOutcome::Empty);
        let late = said(&[
            (Side::Client, 0, ask.clone()),
            (Side::Server, 1, answer.clone()),
            (Side::Client, 2, ask.clone()),
        ]);
        assert_eq!(outcomes(&late), [empty]);
        let anew = said(&[
            (Side::Client, 0, ask.clone()),
            (Side::Server, 1, answer.clone()),
            (Side::Client, 2, ask.clone()),
            (Side::Server, 3, answer.clone()),
        ]);
        assert_eq!(outcomes(&anew), [empty, empty]);
        assert_eq!(anew.lookups[1].asked, at(2));
        // Long after, it is a question of its own: some clients never change the id.
        let long_after = said(&[
            (Side::Client, 0, ask.clone()),
            (Side::Server, 1, answer),
            (Side::Client, 30, ask),
        ]);
        assert_eq!(
            outcomes(&long_after),
            [empty, (1, LookupOutcome::Unanswered)]
        );
    }

    #[test]
    fn a_cut_answer_and_a_referral_are_neither_found_nor_empty() {
        let mut cut = message(7, true, 0);
        cut[2] |= 2;
        let dialogue = said(&[
            (Side::Client, 0, message(7, false, 0)),
            (Side::Server, 1, cut),
        ]);
        assert_eq!(outcomes(&dialogue), [(1, LookupOutcome::Truncated)]);
        assert_eq!(
            dialogue.exchanges[0].notes,
            ["answer cut: to be asked again over TCP"]
        );
        let mut referral = message(7, true, 0);
        referral[9] = 1;
        referral.extend_from_slice(b"\0\0\x02\0\x01\0\0\0\x05\0\x04\x02ns\0");
        let dialogue = said(&[
            (Side::Client, 0, message(7, false, 0)),
            (Side::Server, 1, referral),
        ]);
        assert_eq!(outcomes(&dialogue), [(1, LookupOutcome::Referred)]);
        assert_eq!(
            dialogue.exchanges[0].response.as_deref(),
            Some("referred to ns")
        );
    }

    #[test]
    fn what_is_asked_of_a_group_is_no_look_up_and_what_it_is_told_no_answer() {
        let mut dns = DnsDialogue::default();
        dns.datagram(Side::Client, at(0), PacketNo(1), &message(0, false, 0));
        dns.datagram(Side::Client, at(1), PacketNo(2), &message(0, true, 0));
        let group = IpAddr::from([224, 0, 0, 251]);
        let dialogue = dns.finish(group).unwrap();
        assert!(dialogue.lookups.is_empty());
        assert_eq!(dialogue.exchanges.len(), 1);
        assert_eq!(
            dialogue.notes,
            [
                "announcements and answers: 1",
                "asked of every host on the link: who answers does so in another conversation"
            ]
        );
    }

    #[test]
    fn operations_other_than_a_query_are_exchanges_and_no_look_ups() {
        let mut notify = message(9, false, 0);
        notify[2] = 0x20;
        let mut answer = message(9, true, 0);
        answer[2] = 0xa0;
        let dialogue = said(&[(Side::Client, 0, notify), (Side::Server, 1, answer)]);
        assert!(dialogue.lookups.is_empty());
        let [exchange] = dialogue.exchanges.as_slice() else {
            panic!("{dialogue:?}")
        };
        assert_eq!(
            (exchange.request.as_str(), exchange.code.as_deref()),
            ("NOTIFY A example", Some("NOERROR"))
        );
    }

    #[test]
    fn an_error_that_repeats_no_question_answers_the_one_of_its_id() {
        let refused = vec![0, 7, 0x81, 5, 0, 0, 0, 0, 0, 0, 0, 0];
        let dialogue = said(&[
            (Side::Client, 0, message(7, false, 0)),
            (Side::Server, 1, refused),
        ]);
        assert_eq!(outcomes(&dialogue), [(1, LookupOutcome::Refused)]);
    }

    #[test]
    fn between_two_name_servers_the_one_that_answers_is_the_server() {
        let (question, answer) = ([0, 7, 1, 0], [0, 7, 0x81, 0x80]);
        assert!(!is_from_server((53, 53), &question));
        assert!(is_from_server((53, 53), &answer));
        assert!(!is_from_server((5353, 5353), &answer), "an announcement");
        assert!(is_from_server((53, 40_000), &answer));
        assert!(!is_from_server((40_000, 53), &question));
    }

    proptest! {
        #[test]
        fn each_answer_finds_its_question_in_any_order(ids in proptest::collection::vec(0u16..2000, 1..400), seed in any::<u64>()) {
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
            let dialogue = dns.finish(SERVER).unwrap();
            prop_assert_eq!(dialogue.lookups.len(), unique.len());
            prop_assert!(dialogue.lookups.iter().all(|lookup| lookup.outcome == LookupOutcome::Empty));
            prop_assert!(dialogue.notes.is_empty());
        }
    }
}
