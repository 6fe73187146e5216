//! One message (RFC 1035 §4).

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::model::{RecordType, Span};

/// Octets of the header.
const HEADER: usize = 12;
/// Longest name in octets (RFC 1035 §2.3.4).
const LONGEST_NAME: usize = 255;
/// Pointers followed for one name; a name has 127 labels at most.
const POINTERS: usize = 127;
/// Records read of an answer, and addresses or names kept of them.
const RECORDS: u16 = 256;
const KEPT: usize = 64;

/// What a message asks or answers. Of several questions, which nobody sends, the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: u16,
    pub(super) is_answer: bool,
    /// Cut by the server: to be asked again over TCP.
    pub(super) truncated: bool,
    pub(super) code: u16,
    pub(super) name: String,
    pub(super) record_type: u16,
    pub(super) answers: u16,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) names: Vec<String>,
    pub(super) ttl: Option<Span>,
}

/// Reads a message; `None` when it is none. Of one that is cut short, the answers that are whole.
pub(super) fn read(bytes: &[u8]) -> Option<Message> {
    let header = bytes.get(..HEADER)?;
    let word = |at: usize| Some(u16::from_be_bytes([*header.get(at)?, *header.get(at + 1)?]));
    let flags = word(2)?;
    let (questions, answers) = (word(4)?, word(6)?);
    // Ordinary queries only: opcode 0 (RFC 1035 §4.1.1); the bit that is kept zero tells other protocols apart.
    if flags & 0x7840 != 0 || questions > 16 {
        return None;
    }
    let mut message = Message {
        id: word(0)?,
        is_answer: flags & 0x8000 != 0,
        truncated: flags & 0x0200 != 0,
        code: flags & 0xf,
        answers,
        ..Message::default()
    };
    let mut at = HEADER;
    for question in 0..questions {
        let (name, after) = read_name(bytes, at)?;
        let record_type = u16_at(bytes, after)?;
        at = after.checked_add(4)?;
        if question == 0 {
            message.name = name;
            message.record_type = record_type;
        }
    }
    for _ in 0..answers.min(RECORDS) {
        match record(bytes, at, &mut message) {
            Some(after) => at = after,
            None => break,
        }
    }
    Some(message)
}

/// Takes in the resource record at `at`; gives where the next begins.
fn record(bytes: &[u8], at: usize, message: &mut Message) -> Option<usize> {
    let (_, at) = read_name(bytes, at)?;
    let record_type = u16_at(bytes, at)?;
    let ttl = bytes.get(at.checked_add(4)?..at.checked_add(8)?)?;
    let ttl = u32::from_be_bytes(*ttl.first_chunk()?);
    let length = usize::from(u16_at(bytes, at.checked_add(8)?)?);
    let start = at.checked_add(10)?;
    let end = start.checked_add(length)?;
    let data = bytes.get(start..end)?;
    let ttl = Span::seconds(i64::from(ttl));
    message.ttl = Some(message.ttl.map_or(ttl, |least| least.min(ttl)));
    let address: Option<IpAddr> = match (record_type, data.len()) {
        (1, 4) => data.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
        (28, 16) => data.first_chunk::<16>().map(|octets| IpAddr::from(*octets)),
        _ => None,
    };
    // The name in what a record says: behind nothing, a preference, or priority, weight and port.
    let ahead = match record_type {
        2 | 5 | 12 | 39 => Some(0),
        15 => Some(2),
        33 => Some(6),
        _ => None,
    };
    if message.addresses.len() < KEPT {
        message.addresses.extend(address);
    }
    if let Some(name) = ahead.and_then(|ahead| read_name(bytes, start + ahead))
        && message.names.len() < KEPT
    {
        message.names.push(name.0);
    }
    Some(end)
}

/// The name at `at`, in lower case and escaped as in a zone file (RFC 1035 §5.1), and where what follows it begins.
fn read_name(bytes: &[u8], at: usize) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut octets = 0;
    let mut here = at;
    let mut after = None;
    for _ in 0..=POINTERS * 2 {
        let length = usize::from(*bytes.get(here)?);
        match length >> 6 {
            0 if length == 0 => {
                return Some((name, after.unwrap_or(here + 1)));
            }
            0 => {
                let label = bytes.get(here + 1..here + 1 + length)?;
                octets += length + 1;
                if octets > LONGEST_NAME {
                    return None;
                }
                if !name.is_empty() {
                    name.push('.');
                }
                push_label(&mut name, label);
                here += 1 + length;
            }
            3 => {
                let pointer = usize::from(u16_at(bytes, here)? & 0x3fff);
                after.get_or_insert(here + 2);
                // A pointer leads back, so that there is an end.
                if pointer >= here {
                    return None;
                }
                here = pointer;
            }
            _ => return None,
        }
    }
    None
}

fn push_label(name: &mut String, label: &[u8]) {
    for &octet in label {
        match octet {
            b'.' | b'\\' => {
                name.push('\\');
                name.push(char::from(octet));
            }
            0x21..=0x7e => name.push(char::from(octet.to_ascii_lowercase())),
            _ => {
                // Writing to a String cannot fail.
                let written = write!(name, "\\{octet:03}");
                debug_assert!(written.is_ok(), "a String takes all");
            }
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// What a response code is called (RFC 1035 §4.1.1, RFC 6895 §2.3).
pub(super) fn code_name(code: u16) -> String {
    match code {
        0 => "NOERROR".into(),
        1 => "FORMERR".into(),
        2 => "SERVFAIL".into(),
        3 => "NXDOMAIN".into(),
        4 => "NOTIMP".into(),
        5 => "REFUSED".into(),
        other => format!("RCODE{other}"),
    }
}

/// What a record type is called; `TYPE65` where it has no name here (RFC 3597 §5).
pub(super) fn type_name(record_type: RecordType) -> String {
    const NAMES: [(u16, &str); 16] = [
        (1, "A"),
        (2, "NS"),
        (5, "CNAME"),
        (6, "SOA"),
        (12, "PTR"),
        (13, "HINFO"),
        (15, "MX"),
        (16, "TXT"),
        (28, "AAAA"),
        (33, "SRV"),
        (35, "NAPTR"),
        (43, "DS"),
        (48, "DNSKEY"),
        (52, "TLSA"),
        (65, "HTTPS"),
        (255, "ANY"),
    ];
    NAMES
        .iter()
        .find(|(number, _)| *number == record_type.0)
        .map_or_else(
            || format!("TYPE{}", record_type.0),
            |(_, name)| (*name).to_owned(),
        )
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
        assert_eq!(
            (message.name.as_str(), message.record_type),
            ("mail.example.com", 1)
        );
        assert_eq!(message.names, ["mx.example.com"]);
        assert_eq!(message.addresses, [IpAddr::from([198, 51, 100, 25])]);
        assert_eq!(message.ttl, Some(Span::seconds(60)));
    }

    #[test]
    fn a_pointer_to_itself_is_no_name_and_odd_octets_are_escaped() {
        let mut looped = ANSWER.to_vec();
        looped[12] = 0xc0;
        looped[13] = 0x0c;
        assert_eq!(read(&looped), None);
        assert_eq!(
            read_name(b"\x05a.b\\\x1b\0", 0),
            Some(("a\\.b\\\\\\027".to_owned(), 7))
        );
    }

    #[test]
    fn of_a_message_cut_short_the_whole_answers_are_read() {
        let message = read(&ANSWER[..ANSWER.len() - 1]).unwrap();
        assert_eq!((message.names.len(), message.addresses.len()), (1, 0));
    }

    proptest! {
        #[test]
        fn any_octets_are_a_message_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(message) = read(&bytes) {
                prop_assert!(message.name.len() <= 4 * LONGEST_NAME);
            }
        }
    }
}
