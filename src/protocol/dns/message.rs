//! One message (RFC 1035 §4).

use std::net::IpAddr;

use super::name::{read_name, skip_name, u16_at};
use crate::model::{RecordType, Span};
use crate::protocol::record::text;

/// Octets of the header.
const HEADER: usize = 12;
/// Records read of each section, and addresses, names and values kept of them.
const RECORDS: u16 = 256;
const KEPT: usize = 64;
/// Values told of an answer, and octets of a text.
const TOLD: usize = 8;
const TEXT: usize = 80;

/// Numbers of record types that are read.
const NS: u16 = 2;
const SOA: u16 = 6;
const OPT: u16 = 41;

/// Operation of an ordinary query (RFC 6895 §2.2).
pub(super) const QUERY: u8 = 0;

/// What a message asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) name: String,
    pub(super) record_type: RecordType,
    /// Questions in the message behind this one: only multicast DNS asks several things at once.
    pub(super) more: u16,
}

/// What a message asks or answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: u16,
    pub(super) opcode: u8,
    pub(super) is_answer: bool,
    /// Cut by the server: to be asked again over TCP.
    pub(super) truncated: bool,
    /// Response code, with the upper bits of EDNS (RFC 6891 §6.1.3).
    pub(super) code: u16,
    /// The first question; error replies and the later messages of a zone transfer need not repeat it.
    pub(super) question: Option<Question>,
    /// Records in the answer section, as announced.
    pub(super) answers: u16,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) names: Vec<String>,
    /// The first values of the answer, for a person.
    pub(super) told: Vec<String>,
    pub(super) ttl: Option<Span>,
    /// Name servers that the authority section refers to.
    pub(super) referred: Vec<String>,
    /// Octets that were read: all of them where the message is sound.
    pub(super) octets: usize,
}

/// Where a record stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Answer,
    Authority,
    Additional,
}

/// Reads a message; `None` when it is none. Of one that is cut short, the records that are whole.
pub(super) fn read(bytes: &[u8]) -> Option<Message> {
    let flags = u16_at(bytes, 2)?;
    let counts: [u16; 4] = [
        u16_at(bytes, 4)?,
        u16_at(bytes, 6)?,
        u16_at(bytes, 8)?,
        u16_at(bytes, 10)?,
    ];
    let [questions, answers, authorities, additionals] = counts;
    let opcode = u8::try_from(flags >> 11 & 0xf).ok()?;
    // The bit that is kept zero, and the operations without a meaning, tell other protocols apart.
    if flags & 0x0040 != 0 || opcode == 3 || opcode > 6 || questions > 64 {
        return None;
    }
    let mut message = Message {
        id: u16_at(bytes, 0)?,
        opcode,
        is_answer: flags & 0x8000 != 0,
        truncated: flags & 0x0200 != 0,
        code: flags & 0xf,
        answers,
        ..Message::default()
    };
    let mut at = HEADER;
    for number in 0..questions {
        let record_type = |after| Some(RecordType(u16_at(bytes, after)?));
        if number == 0 {
            let (name, after) = read_name(bytes, at)?;
            message.question = Some(Question {
                name,
                record_type: record_type(after)?,
                more: questions - 1,
            });
            at = after.checked_add(4)?;
        } else {
            at = skip_name(bytes, at)?.checked_add(4)?;
        }
    }
    message.octets = at;
    let sections = [
        (Section::Answer, answers),
        (Section::Authority, authorities),
        (Section::Additional, additionals),
    ];
    message.records(bytes, sections);
    // What has an address or a start of authority is no referral, nor is what answers something.
    if message.answers > 0 {
        message.referred.clear();
    }
    Some(message)
}

impl Message {
    /// Reads the records of all sections, up to the first that is not whole.
    fn records(&mut self, bytes: &[u8], sections: [(Section, u16); 3]) -> Option<()> {
        let mut has_authority = false;
        for (section, count) in sections {
            for _ in 0..count.min(RECORDS) {
                let record = Record::read(bytes, self.octets)?;
                self.octets = record.end;
                match (section, record.kind) {
                    // In an update the sections have other meanings (RFC 2136 §2).
                    _ if self.opcode != QUERY && record.kind != OPT => {}
                    (Section::Answer, _) => self.answer(bytes, &record),
                    (Section::Authority, SOA) => has_authority = true,
                    (Section::Authority, NS) if self.referred.len() < TOLD => {
                        let name = read_name(bytes, record.start);
                        self.referred.extend(name.map(|(name, _)| name));
                    }
                    (Section::Additional, OPT) => {
                        self.code |= u16::from(record.ttl.to_be_bytes()[0]) << 4;
                    }
                    (Section::Authority | Section::Additional, _) => {}
                }
            }
            if has_authority {
                self.referred.clear();
            }
            // Not all were read, so it is not known where the next section begins.
            if count > RECORDS {
                return None;
            }
        }
        Some(())
    }

    /// Takes a record of the answer in.
    fn answer(&mut self, bytes: &[u8], record: &Record<'_>) {
        let ttl = Span::seconds(i64::from(record.ttl));
        self.ttl = Some(self.ttl.map_or(ttl, |least| least.min(ttl)));
        let address: Option<IpAddr> = match (record.kind, record.data.len()) {
            (1, 4) => record.data.first_chunk::<4>().map(|ip| IpAddr::from(*ip)),
            (28, 16) => record.data.first_chunk::<16>().map(|ip| IpAddr::from(*ip)),
            _ => None,
        };
        if self.addresses.len() < KEPT {
            self.addresses.extend(address);
        }
        let name = record.target(bytes);
        let told = match (address, &name) {
            (Some(address), _) => Some(address.to_string()),
            (None, Some(name)) => record.with_numbers(name),
            (None, None) => record.text(),
        };
        if self.told.len() < TOLD {
            self.told.extend(told);
        }
        if self.names.len() < KEPT {
            self.names.extend(name);
        }
    }
}

/// A resource record (RFC 1035 §4.1.3).
struct Record<'a> {
    kind: u16,
    /// As on the wire: OPT keeps other things in it.
    ttl: u32,
    /// Where its data begins.
    start: usize,
    data: &'a [u8],
    /// Where the next record begins.
    end: usize,
}

impl<'a> Record<'a> {
    fn read(bytes: &'a [u8], at: usize) -> Option<Self> {
        let at = skip_name(bytes, at)?;
        let kind = u16_at(bytes, at)?;
        let ttl = bytes.get(at.checked_add(4)?..)?.first_chunk()?;
        let length = usize::from(u16_at(bytes, at.checked_add(8)?)?);
        let start = at.checked_add(10)?;
        let end = start.checked_add(length)?;
        Some(Self {
            kind,
            ttl: u32::from_be_bytes(*ttl),
            start,
            data: bytes.get(start..end)?,
            end,
        })
    }

    /// The name in what it says: behind nothing, a preference, or priority, weight and port.
    fn target(&self, bytes: &[u8]) -> Option<String> {
        let ahead = match self.kind {
            NS | 5 | 12 | 39 => 0,
            15 => 2,
            33 => 6,
            _ => return None,
        };
        // The name lies within the data; its pointers may lead out of it, back into the message.
        let (name, after) = read_name(bytes, self.start + ahead)?;
        (after <= self.end).then_some(name)
    }

    /// `10 mx.example` of MX, `0 5 25 mx.example` of SRV, `CNAME mx.example`; other names stand for themselves.
    fn with_numbers(&self, name: &str) -> Option<String> {
        let number = |at| u16_at(self.data, at);
        Some(match self.kind {
            5 | 39 => format!("CNAME {name}"),
            15 => format!("{} {name}", number(0)?),
            33 => format!("{} {} {} {name}", number(0)?, number(2)?, number(4)?),
            _ => name.to_owned(),
        })
    }

    /// The first string of TXT or SPF (RFC 1035 §3.3.14), in quotes.
    fn text(&self) -> Option<String> {
        if !matches!(self.kind, 16 | 99) {
            return None;
        }
        let (&length, rest) = self.data.split_first()?;
        let string = rest.get(..usize::from(length))?;
        let shown = text(string.get(..TEXT).unwrap_or(string));
        let cut = string.len() > TEXT || rest.len() > string.len();
        Some(format!("\"{shown}\"{}", if cut { "…" } else { "" }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A question for mail.example.com and its answer with a CNAME and an address, names by pointers.
    const ANSWER: &[u8] = b"\x12\x34\x81\x80\0\x01\0\x02\0\0\0\0\
        \x04mail\x07Example\x03com\0\0\x01\0\x01\
        \xc0\x0c\0\x05\0\x01\0\0\x01\x2c\0\x05\x02mx\xc0\x11\
        \xc0\x2e\0\x01\0\x01\0\0\0\x3c\0\x04\xc6\x33\x64\x19";

    #[test]
    fn names_are_followed_through_pointers() {
        let message = read(ANSWER).unwrap();
        assert_eq!(
            (message.id, message.is_answer, message.code),
            (0x1234, true, 0)
        );
        let question = message.question.unwrap();
        assert_eq!(
            (question.name.as_str(), question.record_type),
            ("mail.example.com", RecordType::A)
        );
        assert_eq!(message.names, ["mx.example.com"]);
        assert_eq!(message.addresses, [IpAddr::from([198, 51, 100, 25])]);
        assert_eq!(message.told, ["CNAME mx.example.com", "198.51.100.25"]);
        assert_eq!(message.ttl, Some(Span::seconds(60)));
        assert_eq!(message.octets, ANSWER.len());
    }

    #[test]
    fn a_pointer_to_itself_is_no_name() {
        let mut looped = ANSWER.to_vec();
        looped[12] = 0xc0;
        looped[13] = 0x0c;
        assert_eq!(read(&looped), None);
    }

    #[test]
    fn of_a_message_cut_short_the_whole_answers_are_read() {
        let message = read(&ANSWER[..ANSWER.len() - 1]).unwrap();
        assert_eq!((message.names.len(), message.addresses.len()), (1, 0));
    }

    #[test]
    fn a_referral_names_other_servers_and_an_empty_answer_its_own_authority() {
        let record = |kind: u8| [b"\0\0", &[kind][..], b"\0\x01\0\0\0\x05\0\x04\x02ns\0"].concat();
        let head = |authorities: u8| {
            let counts = [0, 1, 0, 0, 0, authorities, 0, 0];
            [&[0, 1, 0x81, 0][..], &counts, b"\x01x\0\0\x01\0\x01"].concat()
        };
        let referral = [head(1), record(2)].concat();
        assert_eq!(read(&referral).unwrap().referred, ["ns"]);
        let empty = [head(2), record(2), record(6)].concat();
        assert_eq!(read(&empty).unwrap().referred, [""; 0]);
    }

    #[test]
    fn the_upper_bits_of_a_code_stand_in_edns() {
        let mut bytes = b"\0\x01\x81\0\0\0\0\0\0\0\0\x01\0\0\x29\x04\xd0\x01\0\0\0\0\0".to_vec();
        assert_eq!(read(&bytes).unwrap().code, 16);
        bytes[3] = 7;
        assert_eq!(read(&bytes).unwrap().code, 23);
    }

    #[test]
    fn what_mail_asks_for_is_told_briefly() {
        let answer = |kind: u8, data: &[u8]| {
            let head = b"\0\x01\x81\0\0\0\0\x01\0\0\0\0\0\0";
            let length = u8::try_from(data.len()).unwrap();
            let bytes = [head, &[kind][..], b"\0\x01\0\0\0\x05\0", &[length], data].concat();
            read(&bytes).unwrap().told
        };
        assert_eq!(answer(15, b"\0\x0a\x02mx\0"), ["10 mx"]);
        assert_eq!(answer(33, b"\0\0\0\x05\0\x19\x02mx\0"), ["0 5 25 mx"]);
        assert_eq!(answer(12, b"\x04host\0"), ["host"]);
        assert_eq!(answer(16, b"\x0bv=spf1 -all"), ["\"v=spf1 -all\""]);
        assert_eq!(answer(16, b"\x02ab\x02cd"), ["\"ab\"…"]);
        assert_eq!(answer(15, b"\0"), [""; 0]);
    }

    /// A message as another implementation writes it, names compressed.
    fn written(names: &[String], addresses: &[u32]) -> Vec<u8> {
        use simple_dns::rdata::{A, CNAME, MX, RData};
        use simple_dns::{CLASS, Name, Packet, Question, ResourceRecord, TYPE};

        let mut packet = Packet::new_reply(7);
        let name = |at: usize| Name::new_unchecked(names[at % names.len()].as_str());
        let asked = Question::new(name(0), TYPE::A.into(), CLASS::IN.into(), false);
        packet.questions.push(asked);
        let mut add = |data| {
            let record = ResourceRecord::new(name(0), CLASS::IN, 60, data);
            packet.answers.push(record);
        };
        for at in 0..names.len() {
            add(RData::CNAME(CNAME(name(at))));
            add(RData::MX(MX {
                preference: 10,
                exchange: name(at),
            }));
        }
        for &address in addresses {
            add(RData::A(A { address }));
        }
        packet.build_bytes_vec_compressed().unwrap()
    }

    proptest! {
        #[test]
        fn any_octets_are_a_message_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(question) = read(&bytes).and_then(|message| message.question) {
                prop_assert!(question.name.len() <= 4 * super::super::name::LONGEST_NAME);
            }
        }

        #[test]
        fn what_another_implementation_writes_is_read_as_it_was_meant(
            names in proptest::collection::vec("[a-z]{1,8}(\\.[a-z]{1,8}){0,4}", 1..6),
            addresses in proptest::collection::vec(any::<u32>(), 0..10),
        ) {
            let bytes = written(&names, &addresses);
            let message = read(&bytes).unwrap();
            prop_assert_eq!(message.octets, bytes.len());
            prop_assert_eq!(&message.question.unwrap().name, &names[0]);
            let told: Vec<String> = names.iter().flat_map(|name| [name.clone(), name.clone()]).collect();
            prop_assert_eq!(message.names, told);
            let given: Vec<IpAddr> = addresses.iter().map(|&ip| IpAddr::V4(ip.into())).collect();
            prop_assert_eq!(message.addresses, given);
        }
    }
}
