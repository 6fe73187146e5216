//! Classic libpcap files: 24 bytes of header, then a header before each packet.
//!
//! Format: draft-ietf-opsawg-pcap. Either byte order, microseconds or nanoseconds; also the "modified" form of
//! patched libpcap 0.6, whose packet headers are eight bytes longer. Behind a record that cannot be one, reading goes on where
//! [`CHAIN`] plausible ones follow each other.

use std::ops::Range;

use nom::bytes::complete::take;
use nom::number::Endianness;
use nom::number::complete::{u16 as n16, u32 as n32};

use crate::input::Window;
use crate::model::{DamageLog, Nanos};

use super::{CaptureClock, CaptureReport, Format, LinkType, MAX_PACKET, Reader, Record};

/// Length of the file header and of a record header.
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
/// What a modified record header has beside: interface, protocol, direction.
const MODIFIED_EXTRA: usize = 8;
/// How far behind a damaged record others are looked for.
const MAX_SEARCH: usize = 1 << 20;
/// Records in a row that must be plausible before reading goes on.
const CHAIN: usize = 3;
/// Records found by search lie within this many seconds of the one read last.
const NEAR: u32 = 86_400;

type Parsed<'m, T> = nom::IResult<&'m [u8], T, ()>;

/// What the sub-second field counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Micro,
    Nano,
}

/// What the magic number tells.
#[derive(Clone, Copy, Debug)]
struct Variant {
    endian: Endianness,
    unit: Unit,
    record_header: usize,
}

/// Reads a libpcap file, or a stream in its format.
#[derive(Debug)]
pub struct Pcap<'m> {
    window: Window<'m>,
    /// Octets of the record given last, passed over before the next.
    done: usize,
    /// Where the packet given last lies in the window.
    packet: Range<usize>,
    variant: Variant,
    version: (u16, u16),
    link_type: LinkType,
    /// Seconds of the record read last.
    last: Option<u32>,
    damage: DamageLog,
}

/// The fields of a record header.
#[derive(Clone, Copy, Debug)]
struct Header {
    seconds: u32,
    fraction: u32,
    captured: u32,
    length: u32,
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
    /// When what is ahead does not begin as a libpcap capture, or is too short for its header.
    pub fn open(mut window: Window<'m>) -> Result<Self, PcapError> {
        let file = window.ahead(FILE_HEADER);
        let variant = magic(file).ok_or(PcapError::Foreign)?;
        let endian = variant.endian;
        let header = |file| -> Parsed<'_, (u16, u16, u32)> {
            let (rest, _) = take(4usize)(file)?;
            let (rest, major) = n16(endian)(rest)?;
            let (rest, minor) = n16(endian)(rest)?;
            // Zone and accuracy of the stamps, which nobody writes; and the snap length, which many write wrong.
            let (rest, _) = take(12usize)(rest)?;
            let (rest, link) = n32(endian)(rest)?;
            Ok((rest, (major, minor, link)))
        };
        let cut = PcapError::Cut(file.len());
        let (_, (major, minor, link)) = header(file).map_err(|_| cut)?;
        window.skip(FILE_HEADER);
        Ok(Self {
            window,
            done: 0,
            packet: 0..0,
            variant,
            version: (major, minor),
            // The upper half holds the length of a frame check sequence, where there is one.
            link_type: LinkType(u16::try_from(link & 0xffff).unwrap_or(u16::MAX)),
            last: None,
            damage: DamageLog::default(),
        })
    }

    /// Ends the file here, because of `what`.
    fn stop(&mut self, what: impl FnOnce() -> String) -> Option<Record> {
        self.damage.note(self.window.at(), what);
        self.window.end();
        None
    }

    /// A record that claims more than any packet has: goes on behind it, where that can be found.
    fn search(&mut self, claimed: u32) -> Option<()> {
        let from = self.window.at();
        let Some(skip) = self.find_chain() else {
            self.stop(|| {
                format!("a record claims {claimed} bytes, more than any packet has, and no other is found behind it; the rest is not read")
            });
            return None;
        };
        self.damage.note(from, || {
            format!("a record claims {claimed} bytes, more than any packet has; {skip} bytes are passed over")
        });
        self.window.skip(skip);
        Some(())
    }

    /// How far ahead plausible records begin.
    fn find_chain(&mut self) -> Option<usize> {
        let near = self.last?;
        // Enough for the search, and for the chain behind where it ends.
        let ahead = self.window.ahead(MAX_SEARCH);
        let ahead = ahead.get(..ahead.len().min(MAX_SEARCH))?;
        (1..ahead.len()).find(|&skip| {
            let mut rest = ahead.get(skip..).unwrap_or_default();
            let mut found = 0;
            while found < CHAIN {
                let Some(length) = self.variant.plausible(rest, near) else {
                    return false;
                };
                found += 1;
                match rest.get(length..) {
                    // The last records of a file may be the only ones left.
                    Some([]) => return true,
                    Some(more) => rest = more,
                    None => return false,
                }
            }
            true
        })
    }

    fn time(&mut self, header: &Header) -> Nanos {
        let (per_second, nanos) = self.variant.unit.steps();
        let Header {
            seconds, fraction, ..
        } = *header;
        if fraction >= per_second {
            self.damage.note(self.window.at(), || {
                format!(
                    "a sub-second field of {fraction}, which is a second or more; added as it is"
                )
            });
        }
        Nanos::new(i64::from(seconds), i64::from(fraction) * nanos)
    }
}

impl Reader for Pcap<'_> {
    fn advance(&mut self) -> Option<Record> {
        self.window.skip(std::mem::take(&mut self.done));
        self.packet = 0..0;
        loop {
            let start = self.variant.record_header;
            let ahead = self.window.ahead(start);
            if ahead.is_empty() {
                return None;
            }
            let left = ahead.len();
            let Some(header) = self.variant.header(ahead) else {
                return self.stop(|| {
                    format!("the file ends {left} bytes into a record header of {start}")
                });
            };
            let claimed = header.captured;
            let length = usize::try_from(claimed).unwrap_or(usize::MAX);
            if length > MAX_PACKET {
                self.search(claimed)?;
                continue;
            }
            let record = start + length;
            let left = self.window.ahead(record).len();
            if left < record {
                let left = left - start;
                return self
                    .stop(|| format!("the file ends {left} bytes into a packet of {claimed}"));
            }
            let time = self.time(&header);
            if claimed > header.length {
                self.damage.note(self.window.at(), || {
                    format!("{claimed} bytes captured of a packet of {}", header.length)
                });
            }
            self.last = Some(header.seconds);
            self.packet = start..record;
            self.done = record;
            return Some(Record {
                time,
                link_type: self.link_type,
                length: header.length.max(claimed),
                interface: 0,
                at: self.window.at(),
                process: None,
            });
        }
    }

    fn bytes(&self) -> &[u8] {
        let held = self.window.held();
        held.get(self.packet.clone()).unwrap_or_default()
    }

    fn consumed(&self) -> u64 {
        self.window.consumed()
    }

    fn report(&self) -> CaptureReport {
        let unit = match self.variant.unit {
            Unit::Micro => "microseconds",
            Unit::Nano => "nanoseconds",
        };
        let order = match self.variant.endian {
            Endianness::Big => "big-endian",
            Endianness::Little | Endianness::Native => "little-endian",
        };
        let modified = if self.variant.record_header == RECORD_HEADER {
            ""
        } else {
            ", modified"
        };
        // Why the stream ended explains what is cut in it.
        let mut damage = self.window.damage().clone();
        damage.absorb(self.damage.clone());
        CaptureReport {
            variant: format!(
                "{}.{}, {unit}, {order}{modified}",
                self.version.0, self.version.1
            ),
            damage,
            ..CaptureReport::new(Format("pcap"), CaptureClock::Utc)
        }
    }
}

impl Unit {
    /// Steps in a second, and nanoseconds in a step.
    const fn steps(self) -> (u32, i64) {
        match self {
            Self::Micro => (1_000_000, 1_000),
            Self::Nano => (1_000_000_000, 1),
        }
    }
}

impl Variant {
    fn header(self, bytes: &[u8]) -> Option<Header> {
        let bytes = bytes.get(..self.record_header)?;
        let number = n32::<_, ()>(self.endian);
        let mut fields = [0; 4];
        nom::multi::fill(number, &mut fields)(bytes).ok()?;
        let [seconds, fraction, captured, length] = fields;
        Some(Header {
            seconds,
            fraction,
            captured,
            length,
        })
    }

    /// The length of the record that may begin here, if all of its fields are as they are in real ones.
    fn plausible(self, bytes: &[u8], near: u32) -> Option<usize> {
        let header = self.header(bytes)?;
        let captured = usize::try_from(header.captured).ok()?;
        let fits = header.fraction < self.unit.steps().0
            && (1..=MAX_PACKET).contains(&captured)
            && header.captured <= header.length
            && usize::try_from(header.length).is_ok_and(|length| length <= MAX_PACKET)
            && header.seconds.abs_diff(near) <= NEAR;
        fits.then_some(self.record_header + captured)
    }
}

/// What the magic number says of byte order, unit and record headers.
fn magic(file: &[u8]) -> Option<Variant> {
    use Endianness::{Big, Little};
    let (endian, unit, extra) = match *file.first_chunk()? {
        [0xa1, 0xb2, 0xc3, 0xd4] => (Big, Unit::Micro, 0),
        [0xd4, 0xc3, 0xb2, 0xa1] => (Little, Unit::Micro, 0),
        [0xa1, 0xb2, 0x3c, 0x4d] => (Big, Unit::Nano, 0),
        [0x4d, 0x3c, 0xb2, 0xa1] => (Little, Unit::Nano, 0),
        [0xa1, 0xb2, 0xcd, 0x34] => (Big, Unit::Micro, MODIFIED_EXTRA),
        [0x34, 0xcd, 0xb2, 0xa1] => (Little, Unit::Micro, MODIFIED_EXTRA),
        _ => return None,
    };
    Some(Variant {
        endian,
        unit,
        record_header: RECORD_HEADER + extra,
    })
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
        let Ok(mut pcap) = Pcap::open(Window::of(bytes)) else {
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
    fn behind_garbage_reading_goes_on() {
        let mut bytes = file(Endianness::Little, Unit::Micro);
        let record = |second: u32| {
            let fields = [second, 7, 4, 4].map(u32::to_le_bytes);
            [fields.as_flattened(), b"more"].concat()
        };
        let garbage = [0xfe; 37];
        bytes.truncate(24 + 19 + 20);
        bytes.extend(garbage);
        bytes.extend([record(12), record(13)].concat());
        let (packets, damage) = read(&bytes);
        let texts: Vec<_> = packets.iter().map(|(_, bytes)| bytes.as_slice()).collect();
        assert_eq!(texts, [&b"one"[..], b"twos", b"more", b"more"]);
        assert_eq!(damage.count(), 1);
        assert!(damage.to_string().contains("37 bytes are passed over"));
    }

    #[test]
    fn modified_record_headers_are_longer() {
        let mut bytes = file(Endianness::Big, Unit::Micro)[..24].to_vec();
        bytes[..4].copy_from_slice(&[0xa1, 0xb2, 0xcd, 0x34]);
        for _ in 0..2 {
            bytes.extend(
                [1u32, 2, 3, 3, 0xffff_ffff, 0]
                    .map(u32::to_be_bytes)
                    .concat(),
            );
            bytes.extend(b"abc");
        }
        let (packets, damage) = read(&bytes);
        assert!(damage.is_empty(), "{damage}");
        assert_eq!((packets.len(), &packets[1].1[..]), (2, &b"abc"[..]));
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
        assert_eq!(Pcap::open(Window::of(b"")).unwrap_err(), PcapError::Foreign);
        assert_eq!(
            Pcap::open(Window::of(b"Nov 24 03:29:06 mail postfix")).unwrap_err(),
            PcapError::Foreign
        );
        assert_eq!(
            Pcap::open(Window::of(&file(Endianness::Big, Unit::Nano)[..20])).unwrap_err(),
            PcapError::Cut(20)
        );
    }

    proptest! {
        #[test]
        fn a_stream_gives_what_the_file_gives(cut in 0usize..90, at in 4usize..79, byte: u8) {
            let mut bytes = file(Endianness::Little, Unit::Micro);
            bytes[at] = byte;
            bytes.truncate(cut);
            let stream = Window::passing(Box::new(std::io::Cursor::new(bytes.clone())), None);
            match (Pcap::open(stream), Pcap::open(Window::of(&bytes))) {
                (Ok(mut stream), Ok(mut file)) => loop {
                    let record = file.advance();
                    prop_assert_eq!(stream.advance(), record);
                    prop_assert_eq!(stream.bytes(), file.bytes());
                    if record.is_none() {
                        prop_assert_eq!(stream.report().damage, file.report().damage);
                        break;
                    }
                },
                (one, other) => prop_assert_eq!(one.is_err(), other.is_err()),
            }
        }

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
