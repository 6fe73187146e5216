//! pcapng files: sections of blocks (draft-ietf-opsawg-pcapng).
//!
//! A block that cannot be read is damage and passed over; the length before and after a block lets the next one be
//! found.

use nom::bytes::complete::take;
use nom::number::Endianness;
use nom::number::complete::{u16 as n16, u32 as n32};

use crate::model::{DamageLog, Nanos};

use super::{
    CaptureClock, CaptureReport, Format, LinkType, MAX_PACKET, Reader, Record, Secrets, SecretsKind,
};

/// Block types.
mod block {
    pub(super) const SECTION: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE: u32 = 1;
    pub(super) const PACKET_OLD: u32 = 2;
    pub(super) const SIMPLE: u32 = 3;
    pub(super) const PACKET: u32 = 6;
    pub(super) const SECRETS: u32 = 10;
}

/// Options of an interface.
mod option {
    pub(super) const TSRESOL: u16 = 9;
    pub(super) const TSOFFSET: u16 = 14;
}

const SECTION_MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// Largest block believed.
const MAX_BLOCK: usize = 16 << 20;
/// Interfaces kept in a section, and secrets kept in all.
const MAX_INTERFACES: usize = 65_536;
const MAX_SECRETS: usize = 16 << 20;
const MAX_SECRETS_BLOCKS: usize = 65_536;

type Parsed<'m, T> = nom::IResult<&'m [u8], T, ()>;

/// Reads a pcapng file that lies in memory.
#[derive(Debug)]
pub struct PcapNg<'m> {
    file: &'m [u8],
    at: usize,
    packet: &'m [u8],
    endian: Endianness,
    interfaces: Vec<Interface>,
    /// Interfaces of earlier sections.
    interfaces_before: u32,
    sections: u32,
    skipped: u64,
    secrets: Vec<Secrets>,
    damage: DamageLog,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link_type: LinkType,
    snap: u32,
    unit: Unit,
    offset: i64,
}

/// What time stamps count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// Negative powers of ten of a second.
    Decimal(u8),
    /// Negative powers of two.
    Binary(u8),
}

/// A block between its two lengths.
struct Block<'m> {
    kind: u32,
    body: &'m [u8],
    length: usize,
}

impl<'m> PcapNg<'m> {
    /// Whether `file` begins with a section header.
    pub fn is(file: &[u8]) -> bool {
        file.starts_with(&SECTION_MAGIC)
    }

    /// A reader from the start of `file`.
    pub fn open(file: &'m [u8]) -> Self {
        Self {
            file,
            at: 0,
            packet: &[],
            endian: Endianness::Little,
            interfaces: Vec::new(),
            interfaces_before: 0,
            sections: 0,
            skipped: 0,
            secrets: Vec::new(),
            damage: DamageLog::default(),
        }
    }

    /// The next block; `None` at the end or where no more can be found.
    fn block(&mut self) -> Option<Block<'m>> {
        loop {
            let rest = self.file.get(self.at..).filter(|rest| !rest.is_empty())?;
            if let Some(endian) = section_order(rest) {
                self.endian = endian;
            }
            match read_block(rest, self.endian) {
                Some(block) => {
                    self.at += block.length;
                    return Some(block);
                }
                None => self.resynchronise(rest)?,
            }
        }
    }

    /// Goes on where the next block seems to begin.
    fn resynchronise(&mut self, rest: &'m [u8]) -> Option<()> {
        let length = rest.get(4..8).and_then(|bytes| self.u32(bytes));
        let from = self.at;
        let cut = length.is_none_or(|length| {
            usize::try_from(length).is_ok_and(|length| length > rest.len() && length <= MAX_BLOCK)
        });
        let next = (4..rest.len().saturating_sub(11))
            .step_by(4)
            .take(MAX_BLOCK / 4)
            .find(|&skip| {
                rest.get(skip..).is_some_and(|rest| {
                    let endian = section_order(rest).unwrap_or(self.endian);
                    read_block(rest, endian).is_some_and(|block| known(block.kind))
                })
            });
        if let Some(skip) = next {
            self.damage.note(offset(from), || {
                format!("a block that cannot be read; {skip} bytes are passed over")
            });
            self.at += skip;
            return Some(());
        }
        let left = rest.len();
        self.damage.note(offset(from), || {
            if cut {
                format!("the file ends {left} bytes into a block")
            } else {
                format!("no block can be read from here; {left} bytes are left")
            }
        });
        self.at = self.file.len();
        None
    }

    fn u32(&self, bytes: &[u8]) -> Option<u32> {
        let parsed: Parsed<'_, u32> = n32(self.endian)(bytes);
        parsed.ok().map(|(_, value)| value)
    }

    fn section(&mut self) {
        self.sections += 1;
        let count = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        self.interfaces_before = self.interfaces_before.saturating_add(count);
        self.interfaces.clear();
    }

    fn interface(&mut self, body: &'m [u8], at: usize) {
        let endian = self.endian;
        let parse = |body: &'m [u8]| -> Parsed<'m, (u16, u32)> {
            let (rest, link_type) = n16(endian)(body)?;
            let (rest, _) = take(2usize)(rest)?;
            let (rest, snap) = n32(endian)(rest)?;
            Ok((rest, (link_type, snap)))
        };
        let Ok((options, (link_type, snap))) = parse(body) else {
            self.damage.note(offset(at), || {
                "an interface description too short for its fields".into()
            });
            return;
        };
        if self.interfaces.len() >= MAX_INTERFACES {
            self.damage.note(offset(at), || {
                format!("more than {MAX_INTERFACES} interfaces in a section; this one is not kept")
            });
            return;
        }
        let mut interface = Interface {
            link_type: LinkType(link_type),
            snap,
            unit: Unit::Decimal(6),
            offset: 0,
        };
        for (code, value) in options_of(options, endian) {
            match (code, value) {
                (option::TSRESOL, [unit, ..]) => interface.unit = Unit::new(*unit),
                (option::TSOFFSET, value) => {
                    let parsed: Parsed<'_, i64> = nom::number::complete::i64(endian)(value);
                    interface.offset = parsed.map_or(0, |(_, seconds)| seconds);
                }
                _ => {}
            }
        }
        self.interfaces.push(interface);
    }

    /// An enhanced packet, or its obsolete forerunner with a drop count beside a short interface number.
    fn packet(&mut self, block: &Block<'m>, at: usize) -> Option<Record> {
        let endian = self.endian;
        let old = block.kind == block::PACKET_OLD;
        let parse = |body: &'m [u8]| -> Parsed<'m, (u32, u64, u32, u32)> {
            let (rest, interface) = if old {
                let (rest, interface) = n16(endian)(body)?;
                let (rest, _) = take(2usize)(rest)?;
                (rest, u32::from(interface))
            } else {
                n32(endian)(body)?
            };
            let (rest, high) = n32(endian)(rest)?;
            let (rest, low) = n32(endian)(rest)?;
            let (rest, captured) = n32(endian)(rest)?;
            let (rest, length) = n32(endian)(rest)?;
            let ticks = u64::from(high) << 32 | u64::from(low);
            Ok((rest, (interface, ticks, captured, length)))
        };
        let Ok((data, (number, ticks, captured, length))) = parse(block.body) else {
            self.damage.note(offset(at), || {
                "a packet block too short for its fields".into()
            });
            return None;
        };
        let Some(interface) = usize::try_from(number)
            .ok()
            .and_then(|at| self.interfaces.get(at))
            .copied()
        else {
            self.damage.note(offset(at), || {
                format!("a packet of interface {number}, which is not described; it is left out")
            });
            return None;
        };
        let Some(time) = interface.time(ticks) else {
            self.damage.note(offset(at), || {
                format!("a packet {ticks} ticks after 1970, beyond all dates; it is left out")
            });
            return None;
        };
        self.bytes(data, captured, at)?;
        Some(self.record(time, &interface, number, captured, length, at))
    }

    /// A simple packet: of the first interface, without a time.
    fn simple(&mut self, body: &'m [u8], at: usize) -> Option<Record> {
        let parsed: Parsed<'_, u32> = n32(self.endian)(body);
        let (Ok((data, length)), Some(&interface)) = (parsed, self.interfaces.first()) else {
            self.damage.note(offset(at), || {
                "a simple packet without an interface; it is left out".into()
            });
            return None;
        };
        let room = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let snap = if interface.snap == 0 {
            u32::MAX
        } else {
            interface.snap
        };
        let captured = length.min(snap).min(room);
        self.bytes(data, captured, at)?;
        Some(self.record(Nanos(0), &interface, 0, captured, length, at))
    }

    fn bytes(&mut self, data: &'m [u8], captured: u32, at: usize) -> Option<()> {
        let bytes = usize::try_from(captured)
            .ok()
            .filter(|&length| length <= MAX_PACKET)
            .and_then(|length| data.get(..length));
        if bytes.is_none() {
            let room = data.len();
            self.damage.note(offset(at), || format!("a packet claims {captured} bytes in a block with room for {room}; it is left out"));
        }
        self.packet = bytes?;
        Some(())
    }

    fn record(
        &mut self,
        time: Nanos,
        interface: &Interface,
        number: u32,
        captured: u32,
        length: u32,
        at: usize,
    ) -> Record {
        if captured > length {
            self.damage.note(offset(at), || {
                format!("{captured} bytes captured of a packet of {length}")
            });
        }
        Record {
            time,
            link_type: interface.link_type,
            length: length.max(captured),
            interface: self.interfaces_before.saturating_add(number),
            at: offset(at),
            process: None,
        }
    }

    /// A decryption secrets block.
    fn secrets(&mut self, body: &'m [u8], at: usize) {
        let endian = self.endian;
        let parse = |body: &'m [u8]| -> Parsed<'m, (u32, &'m [u8])> {
            let (rest, kind) = n32(endian)(body)?;
            let (rest, length) = n32(endian)(rest)?;
            let (rest, secrets) = take(length)(rest)?;
            Ok((rest, (kind, secrets)))
        };
        let Ok((_, (kind, bytes))) = parse(body) else {
            self.damage.note(offset(at), || {
                "a secrets block that claims more bytes than it has; it is left out".into()
            });
            return;
        };
        let kept: usize = self.secrets.iter().map(|kept| kept.bytes.len()).sum();
        if self.secrets.len() >= MAX_SECRETS_BLOCKS || kept + bytes.len() > MAX_SECRETS {
            self.damage.note(offset(at), || {
                format!("more than {MAX_SECRETS} bytes of secrets; these are not kept")
            });
            return;
        }
        self.secrets.push(Secrets {
            kind: SecretsKind(kind),
            bytes: bytes.to_vec(),
        });
    }
}

impl Reader for PcapNg<'_> {
    fn advance(&mut self) -> Option<Record> {
        loop {
            let at = self.at;
            let Some(block) = self.block() else {
                self.packet = &[];
                return None;
            };
            let record = match block.kind {
                block::SECTION => {
                    self.section();
                    None
                }
                block::INTERFACE => {
                    self.interface(block.body, at);
                    None
                }
                block::PACKET | block::PACKET_OLD => self.packet(&block, at),
                block::SIMPLE => self.simple(block.body, at),
                block::SECRETS => {
                    self.secrets(block.body, at);
                    None
                }
                _ => {
                    self.skipped += 1;
                    None
                }
            };
            if record.is_some() {
                return record;
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        self.packet
    }

    fn secrets(&self) -> &[Secrets] {
        &self.secrets
    }

    fn consumed(&self) -> u64 {
        offset(self.at)
    }

    fn report(&self) -> CaptureReport {
        let plural = if self.sections == 1 {
            "section"
        } else {
            "sections"
        };
        CaptureReport {
            format: Format("pcapng"),
            variant: format!("1.0, {} {plural}", self.sections),
            clock: CaptureClock::Utc,
            skipped: self.skipped,
            dropped: 0,
            damage: self.damage.clone(),
        }
    }
}

impl Unit {
    const fn new(byte: u8) -> Self {
        if byte & 0x80 == 0 {
            Self::Decimal(byte)
        } else {
            Self::Binary(byte & 0x7f)
        }
    }
}

impl Interface {
    /// `ticks` since 1970 as nanoseconds; `None` when no date can hold them.
    fn time(&self, ticks: u64) -> Option<Nanos> {
        let ticks = i128::from(ticks);
        let nanos = match self.unit {
            Unit::Decimal(power @ 0..=9) => ticks * 10i128.pow(u32::from(9 - power)),
            Unit::Decimal(power @ 10..=38) => ticks / 10i128.pow(u32::from(power - 9)),
            Unit::Binary(power @ 0..=96) => (ticks * 1_000_000_000) >> power,
            Unit::Decimal(_) | Unit::Binary(_) => return None,
        };
        let offset = i128::from(self.offset) * 1_000_000_000;
        i64::try_from(nanos + offset).ok().map(Nanos)
    }
}

/// The byte order of the section that begins here, if one does.
fn section_order(rest: &[u8]) -> Option<Endianness> {
    match (rest.get(..4)?, rest.get(8..12)?) {
        (magic, [0x1a, 0x2b, 0x3c, 0x4d]) if magic == SECTION_MAGIC => Some(Endianness::Big),
        (magic, [0x4d, 0x3c, 0x2b, 0x1a]) if magic == SECTION_MAGIC => Some(Endianness::Little),
        _ => None,
    }
}

/// A block whose two lengths agree.
fn read_block(rest: &[u8], endian: Endianness) -> Option<Block<'_>> {
    let parse = |rest| -> Parsed<'_, (u32, u32)> {
        let (rest, kind) = n32(endian)(rest)?;
        let (rest, length) = n32(endian)(rest)?;
        Ok((rest, (kind, length)))
    };
    let (_, (kind, claimed)) = parse(rest).ok()?;
    let length = usize::try_from(claimed)
        .ok()
        .filter(|length| (12..=MAX_BLOCK).contains(length))?;
    // Some writers leave the padding out of the length that they state.
    let padded = length.next_multiple_of(4);
    let body = rest.get(8..padded.checked_sub(4)?)?;
    let again: Parsed<'_, u32> = n32(endian)(rest.get(padded - 4..padded)?);
    (again.ok()?.1 == claimed).then_some(Block {
        kind,
        body,
        length: padded,
    })
}

/// Whether a block of this kind is worth resynchronising on.
const fn known(kind: u32) -> bool {
    matches!(kind, block::SECTION | 1..=6 | block::SECRETS)
}

/// Options as code and value, up to the end mark.
fn options_of(mut rest: &[u8], endian: Endianness) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let parse = |rest| -> Parsed<'_, (u16, &[u8])> {
            let (rest, code) = n16(endian)(rest)?;
            let (rest, length) = n16(endian)(rest)?;
            let (rest, value) = take(length)(rest)?;
            Ok((rest, (code, value)))
        };
        let (after, (code, value)) = parse(rest).ok().filter(|(_, (code, _))| *code != 0)?;
        let padding = value.len().next_multiple_of(4) - value.len();
        rest = after.get(padding..).unwrap_or_default();
        Some((code, value))
    })
}

fn offset(at: usize) -> u64 {
    u64::try_from(at).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(kind: u32, body: &[u8]) -> Vec<u8> {
        let mut padded = body.to_vec();
        padded.resize(body.len().next_multiple_of(4), 0);
        let length = u32::try_from(padded.len() + 12).unwrap().to_le_bytes();
        [&kind.to_le_bytes()[..], &length, &padded, &length].concat()
    }

    fn section() -> Vec<u8> {
        block(
            block::SECTION,
            &[&[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0][..], &[0xff; 8]].concat(),
        )
    }

    fn interface(link_type: u8, options: &[u8]) -> Vec<u8> {
        block(1, &[&[link_type, 0, 0, 0, 0, 0, 4, 0], options].concat())
    }

    fn packet(interface: u32, ticks: u64, data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap().to_le_bytes();
        let high = u32::try_from(ticks >> 32).unwrap().to_le_bytes();
        let low = u32::try_from(ticks & 0xffff_ffff).unwrap().to_le_bytes();
        block(
            6,
            &[
                &interface.to_le_bytes()[..],
                &high,
                &low,
                &length,
                &length,
                data,
            ]
            .concat(),
        )
    }

    fn read(file: &[u8]) -> (Vec<(Record, Vec<u8>)>, CaptureReport) {
        let mut reader = PcapNg::open(file);
        let mut packets = Vec::new();
        while let Some(record) = reader.advance() {
            packets.push((record, reader.bytes().to_vec()));
        }
        (packets, reader.report())
    }

    fn whole() -> Vec<u8> {
        [
            section(),
            interface(1, &[]),
            interface(
                101,
                &[9, 0, 1, 0, 9, 0, 0, 0, 14, 0, 8, 0, 10, 0, 0, 0, 0, 0, 0, 0],
            ),
            packet(0, 5_000_001, b"micro"),
            packet(1, 5_000_000_001, b"nano and ten seconds"),
            block(77, b"unknown"),
            section(),
            interface(113, &[9, 0, 1, 0, 0x81, 0, 0, 0]),
            packet(0, 3, b"halves"),
        ]
        .concat()
    }

    #[test]
    fn sections_and_interfaces_have_their_own_units() {
        let (packets, report) = read(&whole());
        assert!(report.damage.is_empty(), "{}", report.damage);
        assert_eq!(report.skipped, 1);
        let told: Vec<_> = packets
            .iter()
            .map(|(record, bytes)| {
                (
                    record.time.0,
                    record.link_type.0,
                    record.interface,
                    bytes.len(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                (5_000_001_000, 1, 0, 5),
                (15_000_000_001, 101, 1, 20),
                (1_500_000_000, 113, 2, 6)
            ]
        );
    }

    #[test]
    fn secrets_are_given_before_the_packets_that_follow_them() {
        let secrets = |kind: u32, text: &[u8]| {
            let length = u32::try_from(text.len()).unwrap().to_le_bytes();
            block(10, &[&kind.to_le_bytes()[..], &length, text].concat())
        };
        let log = b"CLIENT_RANDOM 00 11";
        let file = [
            section(),
            interface(1, &[]),
            secrets(0x544c_534b, log),
            packet(0, 1, b"first"),
            secrets(7, b"other"),
            block(10, &[0, 0, 0, 0, 99, 0, 0, 0, 1]),
            packet(0, 2, b"second"),
        ]
        .concat();
        let mut reader = PcapNg::open(&file);
        assert!(reader.advance().is_some());
        let kinds = |reader: &PcapNg<'_>| {
            Reader::secrets(reader)
                .iter()
                .map(|secrets| (secrets.kind.0, secrets.bytes.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(kinds(&reader), [(0x544c_534b, log.to_vec())]);
        assert!(reader.advance().is_some());
        assert_eq!(kinds(&reader)[1..], [(7, b"other".to_vec())]);
        assert_eq!(reader.report().damage.count(), 1);
        assert!(!format!("{:?}", Reader::secrets(&reader)).contains("RANDOM"));
    }

    #[test]
    fn a_broken_block_costs_only_itself() {
        let mut file = whole();
        let at = section().len() + interface(1, &[]).len() + interface(101, &[0; 20]).len();
        file[at + 4] = 0xff;
        let (packets, report) = read(&file);
        assert_eq!(packets.len(), 2);
        assert_eq!(report.damage.count(), 1);
    }

    proptest! {
        #[test]
        fn a_cut_file_gives_the_packets_before_the_cut(cut in 0usize..300) {
            let file = whole();
            let (all, _) = read(&file);
            let (some, _) = read(&file[..cut.min(file.len())]);
            let times = |packets: &[(Record, Vec<u8>)]| packets.iter().map(|(record, _)| record.time).collect::<Vec<_>>();
            prop_assert!(times(&all).starts_with(&times(&some)));
        }

        #[test]
        fn changed_bytes_never_give_more_packets(at in 0usize..300, value in any::<u8>()) {
            let mut file = whole();
            let at = at % file.len();
            file[at] = value;
            let (packets, _) = read(&file);
            prop_assert!(packets.len() <= 3);
        }
    }
}
