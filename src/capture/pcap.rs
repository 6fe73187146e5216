//! Classic libpcap files: 24 bytes of header, then a 16-byte header before each packet.
//!
//! Format: draft-ietf-opsawg-pcap. Either byte order, microseconds or nanoseconds.

use nom::bytes::complete::take;
use nom::number::Endianness;
use nom::number::complete::{u16 as n16, u32 as n32};

use crate::model::{DamageLog, Nanos};

use super::{CaptureClock, CaptureReport, Format, LinkType, MAX_PACKET, Reader, Record};

/// Length of the file header and of a record header.
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

type Parsed<'m, T> = nom::IResult<&'m [u8], T, ()>;

/// What the sub-second field counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Micro,
    Nano,
}

/// Reads a libpcap file that lies in memory.
#[derive(Debug)]
pub struct Pcap<'m> {
    file: &'m [u8],
    at: usize,
    packet: &'m [u8],
    endian: Endianness,
    unit: Unit,
    version: (u16, u16),
    link_type: LinkType,
    damage: DamageLog,
}

/// Why a file is no libpcap capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PcapError {
    /// It begins otherwise.
    #[error("not a libpcap capture: the first four bytes are none of its magic numbers")]
    Foreign,
    /// It ends inside its header.
    #[error("a libpcap capture cut after {0} of the 24 bytes of its header")]
    Cut(usize),
}

impl<'m> Pcap<'m> {
    /// Whether `file` begins with one of the magic numbers.
    pub fn is(file: &[u8]) -> bool {
        magic(file).is_some()
    }

    /// Reads the file header.
    ///
    /// # Errors
    /// When the file does not begin as a libpcap capture, or is too short for its header.
    pub fn open(file: &'m [u8]) -> Result<Self, PcapError> {
        let (endian, unit) = magic(file).ok_or(PcapError::Foreign)?;
        let header = |file: &'m [u8]| -> Parsed<'m, (u16, u16, u32)> {
            let (rest, _) = take(4usize)(file)?;
            let (rest, major) = n16(endian)(rest)?;
            let (rest, minor) = n16(endian)(rest)?;
            // Zone and accuracy of the stamps, which nobody writes, and the snap length.
            let (rest, _) = take(12usize)(rest)?;
            let (rest, link) = n32(endian)(rest)?;
            Ok((rest, (major, minor, link)))
        };
        let (_, (major, minor, link)) = header(file).map_err(|_| PcapError::Cut(file.len()))?;
        Ok(Self {
            file,
            at: FILE_HEADER,
            packet: &[],
            endian,
            unit,
            version: (major, minor),
            // The upper half holds the length of a frame check sequence, where there is one.
            link_type: LinkType(u16::try_from(link & 0xffff).unwrap_or(u16::MAX)),
            damage: DamageLog::default(),
        })
    }

    /// Ends the file here, because of `what`.
    fn stop(&mut self, what: impl FnOnce() -> String) -> Option<Record> {
        self.damage.note(offset(self.at), what);
        self.at = self.file.len();
        self.packet = &[];
        None
    }

    fn time(&mut self, seconds: u32, fraction: u32) -> Nanos {
        let (per_second, nanos) = match self.unit {
            Unit::Micro => (1_000_000, 1_000),
            Unit::Nano => (1_000_000_000, 1),
        };
        if fraction >= per_second {
            self.damage.note(offset(self.at), || {
                format!(
                    "a sub-second field of {fraction}, which is a second or more; added as it is"
                )
            });
        }
        Nanos::new(i64::from(seconds), i64::from(fraction) * nanos)
    }
}

impl<'m> Reader for Pcap<'m> {
    fn advance(&mut self) -> Option<Record> {
        let rest = self.file.get(self.at..)?;
        if rest.is_empty() {
            self.packet = &[];
            return None;
        }
        let endian = self.endian;
        let header = |rest: &'m [u8]| -> Parsed<'m, [u32; 4]> {
            let mut fields = [0; 4];
            let (rest, ()) = nom::multi::fill(n32(endian), &mut fields)(rest)?;
            Ok((rest, fields))
        };
        let Ok((body, [seconds, fraction, captured, wire])) = header(rest) else {
            let left = rest.len();
            return self.stop(|| format!("the file ends {left} bytes into a record header of 16"));
        };
        let Some(length) = usize::try_from(captured)
            .ok()
            .filter(|&length| length <= MAX_PACKET)
        else {
            return self.stop(|| format!("a record claims {captured} bytes, more than any packet has; the rest is not read"));
        };
        let Some(bytes) = body.get(..length) else {
            let left = body.len();
            return self.stop(|| format!("the file ends {left} bytes into a packet of {captured}"));
        };
        let time = self.time(seconds, fraction);
        if captured > wire {
            self.damage.note(offset(self.at), || {
                format!("{captured} bytes captured of a packet of {wire}")
            });
        }
        let at = offset(self.at);
        self.packet = bytes;
        self.at += RECORD_HEADER + length;
        Some(Record {
            time,
            link_type: self.link_type,
            length: wire.max(captured),
            interface: 0,
            at,
            process: None,
        })
    }

    fn bytes(&self) -> &[u8] {
        self.packet
    }

    fn consumed(&self) -> u64 {
        offset(self.at)
    }

    fn report(&self) -> CaptureReport {
        let unit = match self.unit {
            Unit::Micro => "microseconds",
            Unit::Nano => "nanoseconds",
        };
        let order = match self.endian {
            Endianness::Big => "big-endian",
            Endianness::Little | Endianness::Native => "little-endian",
        };
        CaptureReport {
            format: Format("pcap"),
            variant: format!("{}.{}, {unit}, {order}", self.version.0, self.version.1),
            clock: CaptureClock::Utc,
            skipped: 0,
            dropped: 0,
            damage: self.damage.clone(),
        }
    }
}

/// What the magic number says of byte order and unit.
fn magic(file: &[u8]) -> Option<(Endianness, Unit)> {
    match *file.first_chunk()? {
        [0xa1, 0xb2, 0xc3, 0xd4] => Some((Endianness::Big, Unit::Micro)),
        [0xd4, 0xc3, 0xb2, 0xa1] => Some((Endianness::Little, Unit::Micro)),
        [0xa1, 0xb2, 0x3c, 0x4d] => Some((Endianness::Big, Unit::Nano)),
        [0x4d, 0x3c, 0xb2, 0xa1] => Some((Endianness::Little, Unit::Nano)),
        _ => None,
    }
}

fn offset(at: usize) -> u64 {
    u64::try_from(at).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A file of three packets: `one`, `twos` (cut from 9 bytes on the wire) and an empty one.
    fn file(endian: Endianness, unit: Unit) -> Vec<u8> {
        let magic: u32 = if unit == Unit::Micro {
            0xa1b2_c3d4
        } else {
            0xa1b2_3c4d
        };
        let n32 = |n: u32| {
            if endian == Endianness::Big {
                n.to_be_bytes()
            } else {
                n.to_le_bytes()
            }
        };
        let n16 = |n: u16| {
            if endian == Endianness::Big {
                n.to_be_bytes()
            } else {
                n.to_le_bytes()
            }
        };
        let mut bytes = Vec::new();
        bytes.extend(n32(magic));
        bytes.extend(n16(2));
        bytes.extend(n16(4));
        bytes.extend([n32(0), n32(0), n32(65_535), n32(0x5000_0001)].concat());
        for (second, data, wire) in [(10u32, &b"one"[..], 3), (11, b"twos", 9), (12, b"", 0)] {
            let length = u32::try_from(data.len()).unwrap();
            bytes.extend([n32(second), n32(250), n32(length), n32(wire)].concat());
            bytes.extend(data);
        }
        bytes
    }

    fn read(bytes: &[u8]) -> (Vec<(Record, Vec<u8>)>, DamageLog) {
        let Ok(mut pcap) = Pcap::open(bytes) else {
            return (Vec::new(), DamageLog::default());
        };
        let mut packets = Vec::new();
        while let Some(record) = pcap.advance() {
            packets.push((record, pcap.bytes().to_vec()));
        }
        (packets, pcap.report().damage)
    }

    #[test]
    fn every_byte_order_and_unit_gives_the_same_packets() {
        for endian in [Endianness::Big, Endianness::Little] {
            for (unit, nanos) in [(Unit::Micro, 250_000), (Unit::Nano, 250)] {
                let (packets, damage) = read(&file(endian, unit));
                assert!(damage.is_empty());
                let times: Vec<_> = packets.iter().map(|(record, _)| record.time).collect();
                assert_eq!(times, [10, 11, 12].map(|second| Nanos::new(second, nanos)));
                let bytes: Vec<_> = packets.iter().map(|(_, bytes)| bytes.as_slice()).collect();
                assert_eq!(bytes, [&b"one"[..], b"twos", b""]);
                assert_eq!(packets[1].0.length, 9);
                assert_eq!(
                    packets[0].0.link_type,
                    LinkType::ETHERNET,
                    "the FCS bits are not part of it"
                );
            }
        }
    }

    #[test]
    fn a_cut_file_gives_what_it_holds_and_says_where_it_ends() {
        let whole = file(Endianness::Little, Unit::Micro);
        let (packets, damage) = read(&whole[..24 + 19 + 18]);
        assert_eq!(packets.len(), 1);
        assert_eq!(
            damage.to_string(),
            "at byte 43: the file ends 2 bytes into a packet of 4"
        );
    }

    #[test]
    fn a_record_of_two_gigabytes_is_not_believed() {
        let mut bytes = file(Endianness::Little, Unit::Micro);
        bytes[24 + 8..24 + 12].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
        let (packets, damage) = read(&bytes);
        assert!(packets.is_empty());
        assert_eq!(damage.count(), 1);
    }

    #[test]
    fn impossible_fractions_and_lengths_are_kept_and_noted() {
        let mut bytes = file(Endianness::Little, Unit::Micro);
        bytes[28..32].copy_from_slice(&2_000_000u32.to_le_bytes());
        bytes[36..40].copy_from_slice(&1u32.to_le_bytes());
        let (packets, damage) = read(&bytes);
        assert_eq!(packets.len(), 3);
        assert_eq!(
            (packets[0].0.time, packets[0].0.length),
            (Nanos::new(12, 0), 3)
        );
        assert_eq!(damage.count(), 2);
    }

    #[test]
    fn foreign_and_short_files_are_refused() {
        assert_eq!(Pcap::open(b"").unwrap_err(), PcapError::Foreign);
        assert_eq!(
            Pcap::open(b"Nov 24 03:29:06 mail postfix").unwrap_err(),
            PcapError::Foreign
        );
        assert_eq!(
            Pcap::open(&file(Endianness::Big, Unit::Nano)[..20]).unwrap_err(),
            PcapError::Cut(20)
        );
    }

    proptest! {
        #[test]
        fn any_cut_leaves_the_packets_before_it(cut in 0usize..90) {
            let whole = file(Endianness::Big, Unit::Nano);
            let (all, _) = read(&whole);
            let (some, _) = read(whole.get(..cut).unwrap_or(&whole));
            prop_assert_eq!(&all[..some.len()], &some[..]);
        }

        #[test]
        fn any_changed_bytes_end_and_give_no_more_than_the_file_has(
            changes in proptest::collection::vec((4usize..79, any::<u8>()), 1..12),
        ) {
            let mut bytes = file(Endianness::Little, Unit::Micro);
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            let (packets, _) = read(&bytes);
            prop_assert!(packets.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() <= bytes.len());
        }
    }
}
