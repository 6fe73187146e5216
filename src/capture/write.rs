//! Packets back into a pcapng file: each interface of each capture with its link type, times in nanoseconds.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::model::Span;

use super::{LinkType, Record, Secrets};

/// Block types and options (draft-ietf-opsawg-pcapng).
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const SECRETS: u32 = 10;
const OPTION_END: u16 = 0;
const OPTION_COMMENT: u16 = 1;
const OPTION_NAME: u16 = 2;
const OPTION_TSRESOL: u16 = 9;

/// Writes packets as they come, in one section.
#[derive(Debug)]
pub struct PcapNgWriter<W> {
    out: W,
    /// By capture, and interface and link type there.
    interfaces: BTreeMap<(usize, u32, LinkType), Described>,
    block: Vec<u8>,
}

/// Where a packet comes from.
#[derive(Clone, Copy)]
pub struct Origin<'o> {
    /// Which capture.
    pub capture: usize,
    /// The interface's name, and the zone east of UTC to be taken off its times; asked once for each interface.
    pub about: &'o dyn Fn() -> (Option<String>, Span),
}

/// An interface that was described.
#[derive(Clone, Copy, Debug)]
struct Described {
    number: u32,
    east: Span,
}

impl<W: Write> PcapNgWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(out: W) -> io::Result<Self> {
        let mut writer = Self {
            out,
            interfaces: BTreeMap::new(),
            block: Vec::new(),
        };
        writer.begin(SECTION);
        writer.u32(0x1a2b_3c4d);
        // Version 1.0; the length of the section is left open.
        writer.u32(1);
        writer.block.extend([0xff; 8]);
        writer.finish_block()?;
        Ok(writer)
    }

    /// Writes one packet with its comments.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn packet(
        &mut self,
        origin: Origin<'_>,
        record: &Record,
        bytes: &[u8],
        comments: &[&[u8]],
    ) -> io::Result<()> {
        let Described { number, east } = self.interface(origin, record)?;
        // The format knows no time before 1970.
        let ticks = u64::try_from((record.time - east).0).unwrap_or(0);
        self.begin(PACKET);
        self.u32(number);
        let [high, low] = [ticks >> 32, ticks & u64::from(u32::MAX)];
        for half in [high, low] {
            self.u32(u32::try_from(half).unwrap_or(u32::MAX));
        }
        self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.u32(record.length);
        self.padded(bytes);
        for comment in comments {
            self.option(OPTION_COMMENT, comment);
        }
        if !comments.is_empty() {
            self.option(OPTION_END, &[]);
        }
        self.finish_block()
    }

    /// Writes secrets, for packets that come after them.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn secrets(&mut self, secrets: &Secrets) -> io::Result<()> {
        self.begin(SECRETS);
        self.u32(secrets.kind.0);
        self.u32(u32::try_from(secrets.bytes.len()).unwrap_or(u32::MAX));
        self.padded(&secrets.bytes);
        self.finish_block()
    }

    /// Hands on all that is held back.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// The number of a packet's interface, described before its first packet.
    fn interface(&mut self, origin: Origin<'_>, record: &Record) -> io::Result<Described> {
        let key = (origin.capture, record.interface, record.link_type);
        if let Some(&described) = self.interfaces.get(&key) {
            return Ok(described);
        }
        let (name, east) = (origin.about)();
        let number = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        let described = Described { number, east };
        self.interfaces.insert(key, described);
        self.begin(INTERFACE);
        // The upper half is reserved.
        self.u32(record.link_type.0.into());
        self.u32(0);
        if let Some(name) = name {
            self.option(OPTION_NAME, name.as_bytes());
        }
        self.option(OPTION_TSRESOL, &[9]);
        self.option(OPTION_END, &[]);
        self.finish_block()?;
        Ok(described)
    }

    fn begin(&mut self, kind: u32) {
        self.block.clear();
        self.u32(kind);
        // Its length, once that is known.
        self.u32(0);
    }

    fn finish_block(&mut self) -> io::Result<()> {
        let length = u32::try_from(self.block.len() + 4).unwrap_or(u32::MAX);
        self.u32(length);
        if let Some(field) = self.block.get_mut(4..8) {
            field.copy_from_slice(&length.to_le_bytes());
        }
        self.out.write_all(&self.block)
    }

    fn u32(&mut self, value: u32) {
        self.block.extend(value.to_le_bytes());
    }

    fn padded(&mut self, bytes: &[u8]) {
        self.block.extend(bytes);
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    /// Options are no longer than 65,535 octets; what does not fit is left out.
    fn option(&mut self, code: u16, value: &[u8]) {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.block.extend(code.to_le_bytes());
        self.block.extend(length.to_le_bytes());
        self.padded(value.get(..usize::from(length)).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PcapNg, Reader, SecretsKind};
    use super::*;
    use crate::input::Window;
    use crate::model::Nanos;

    #[test]
    fn what_is_written_is_read_back() {
        let record = |time, link_type, interface| Record {
            time: Nanos(time),
            link_type,
            length: 99,
            interface,
            at: 0,
            process: None,
        };
        let [first, second] = [("a", 0), ("b", 3600)]
            .map(|(name, east)| move || (Some(name.to_owned()), Span::seconds(east)));
        let (first, second) = (
            Origin {
                capture: 0,
                about: &first,
            },
            Origin {
                capture: 1,
                about: &second,
            },
        );
        let secrets = Secrets {
            kind: SecretsKind::TLS_KEY_LOG,
            bytes: b"CLIENT_RANDOM".to_vec(),
        };
        let mut file = Vec::new();
        let mut writer = PcapNgWriter::new(&mut file).unwrap();
        writer.secrets(&secrets).unwrap();
        let packets: [(_, _, &[u8], &[&[u8]]); 3] = [
            (
                first,
                record(1_795_491_820_629_303_007, LinkType::ETHERNET, 0),
                b"one",
                &[],
            ),
            (
                second,
                record(3_600_000_000_005, LinkType::RAW, 0),
                b"three",
                &[b"look", b"here"],
            ),
            (first, record(6, LinkType::ETHERNET, 0), b"", &[]),
        ];
        for (origin, record, bytes, comments) in packets {
            writer.packet(origin, &record, bytes, comments).unwrap();
        }
        writer.flush().unwrap();
        drop(writer);
        let mut reader = PcapNg::open(Window::of(&file));
        for ((origin, written, bytes, comments), number) in packets.into_iter().zip([0, 1, 0]) {
            let read = reader.advance().unwrap();
            assert_eq!(read.time, written.time - (origin.about)().1);
            assert_eq!(
                (read.link_type, read.length, read.interface),
                (written.link_type, 99, number)
            );
            assert_eq!((reader.bytes(), &reader.comments()[..]), (bytes, comments));
        }
        assert_eq!(reader.advance(), None);
        assert_eq!(reader.secrets(), [secrets]);
        let report = reader.report();
        assert!(report.damage.is_empty(), "{}", report.damage);
        assert_eq!(report.interfaces[&1], "b");
    }
}
