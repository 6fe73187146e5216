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
        let (fields, _) = bytes.get(..self.record_header)?.as_chunks();
        let &[seconds, fraction, captured, length, ..] = fields else {
            return None;
        };
        let number = |field| match self.endian {
            Endianness::Big => u32::from_be_bytes(field),
            Endianness::Little | Endianness::Native => u32::from_le_bytes(field),
        };
        Some(Header {
            seconds: number(seconds),
            fraction: number(fraction),
            captured: number(captured),
            length: number(length),
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
mod tests;
