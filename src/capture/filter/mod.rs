//! Filters in the language of pcap-filter(7): libpcap compiles them, once for each link type.

mod machine;

use std::collections::BTreeMap;

use pcap::{Capture, Linktype};

use super::{LinkType, Record};
use machine::Machine;

/// Link types for which a filter is compiled to tell whether it is understood at all.
const USUAL: [LinkType; 4] = [
    LinkType::ETHERNET,
    LinkType::RAW,
    LinkType::LINUX_SLL,
    LinkType::RADIOTAP,
];

/// Lets packets of any link type through, or not.
#[derive(Debug)]
pub struct Filter {
    text: String,
    programs: BTreeMap<LinkType, Result<Machine, String>>,
}

/// Why a filter cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the filter '{text}' is not understood: {why}\nman pcap-filter has its language")]
pub struct FilterError {
    text: String,
    why: String,
}

impl Filter {
    /// A filter for packets of all link types.
    ///
    /// # Errors
    /// When libpcap understands it for none of the usual ones.
    pub fn new(text: &str) -> Result<Self, FilterError> {
        let mut tried = USUAL.map(|link_type| compile(text, link_type)).into_iter();
        let first = tried.next();
        if let Some(Err(why)) = first
            && tried.all(|program| program.is_err())
        {
            return Err(FilterError {
                text: text.to_owned(),
                why,
            });
        }
        Ok(Self {
            text: text.to_owned(),
            programs: BTreeMap::new(),
        })
    }

    /// Whether it lets a packet through: none of a link type that it cannot be compiled for.
    pub fn passes(&mut self, record: &Record, bytes: &[u8]) -> bool {
        let Self { text, programs } = self;
        let program = programs
            .entry(record.link_type)
            .or_insert_with(|| compile(text, record.link_type));
        match program {
            Ok(program) => program.passes(bytes, record.length),
            Err(_) => false,
        }
    }

    /// Link types that came and for which it could not be compiled, with the reason.
    pub fn unusable(&self) -> impl Iterator<Item = (LinkType, &str)> {
        self.programs
            .iter()
            .filter_map(|(link_type, program)| Some((*link_type, program.as_ref().err()?.as_str())))
    }
}

fn compile(text: &str, link_type: LinkType) -> Result<Machine, String> {
    let dead = Capture::dead(Linktype(link_type.to_device())).map_err(|error| said(&error))?;
    let program = dead.compile(text, true).map_err(|error| said(&error))?;
    Machine::new(program.get_instructions()).ok_or_else(|| "libpcap gave no program".into())
}

/// What libpcap said, without the crate's words around it.
fn said(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Input;
    use crate::model::Nanos;

    fn record(link_type: LinkType, length: u32) -> Record {
        Record {
            time: Nanos(0),
            link_type,
            length,
            interface: 0,
            at: 0,
            process: None,
        }
    }

    #[test]
    fn what_passes_is_what_libpcap_lets_pass() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
        let dead = Capture::dead(Linktype(1)).unwrap();
        for text in [
            "port 25",
            "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and not net 192.0.2.0/25",
            "ip[0] & 0xf > 5 or ip6 or arp or vlan",
            "tcp[((tcp[12] & 0xf0) >> 2):4] = 0x45484c4f",
            "(ip[2:2] - ((ip[0]&0xf)<<2)) * 3 / 2 % 7 >= 4 and ip[6:2] ^ 3 != 1",
            "portrange 20-1000 and src host 192.0.2.10",
            "ip proto 6 and -ip[8] != 0",
        ] {
            let (program, mut filter) = (
                dead.compile(text, false).unwrap(),
                Filter::new(text).unwrap(),
            );
            let (mut passed, mut all) = (0, 0);
            for name in ["postfix/wire.pcapng", "conditions/filtered/wire.pcapng"] {
                let input = Input::open(&folder.join(name)).unwrap();
                let mut reader = super::super::open(&input.bytes).unwrap();
                while let Some(record) = reader.advance() {
                    let bytes = reader.bytes();
                    let expected = program.filter(bytes);
                    assert_eq!(filter.passes(&record, bytes), expected, "{text}");
                    passed += u32::from(expected);
                    all += 1;
                }
            }
            assert!(
                all > 400 && passed < all,
                "{text} tells {passed} from {all}"
            );
        }
    }

    #[test]
    fn a_length_is_that_on_the_wire_and_what_is_cut_off_does_not_pass() {
        let mut long = Filter::new("greater 100").unwrap();
        assert!(long.passes(&record(LinkType::ETHERNET, 1500), &[0; 68]));
        assert!(!long.passes(&record(LinkType::ETHERNET, 68), &[0; 68]));
        let mut beyond = Filter::new("ether[80] = 0").unwrap();
        assert!(!beyond.passes(&record(LinkType::ETHERNET, 1500), &[0; 68]));
    }

    #[test]
    fn each_link_type_has_its_program_or_a_reason() {
        let mut filter = Filter::new("ether host 02:00:00:00:00:01").unwrap();
        assert!(!filter.passes(&record(LinkType::RAW, 40), &[0x45; 40]));
        let mut frame = [0; 60];
        frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        assert!(filter.passes(&record(LinkType::ETHERNET, 60), &frame));
        let unusable: Vec<_> = filter.unusable().map(|(link_type, _)| link_type).collect();
        assert_eq!(unusable, [LinkType::RAW]);
        let error = Filter::new("port foo bar").unwrap_err().to_string();
        assert!(
            error.contains("port foo bar") && error.contains("man pcap-filter"),
            "{error}"
        );
    }
}
