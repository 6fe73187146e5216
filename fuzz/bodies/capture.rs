//! Capture files, of any format and of each.

use std::io::Read;

use bothends::capture::{self, LinkType, Origin, PcapNgWriter, Reader, Record};
use bothends::input::Window;
use bothends::model::{Nanos, Span};

/// Any bytes as a capture file: never more packet bytes than the file has, and a stream of them gives the same.
pub(crate) fn capture(data: &[u8]) {
    let stream = Window::passing(Box::new(Drops(data)), None);
    match (capture::open(data), capture::open_window(stream)) {
        (Ok(file), Ok(stream)) => both_ways(file, stream, data.len()),
        // Read by a table, which takes all of it.
        (Ok(file), Err(_)) => {
            assert!(capture::by_table(data));
            written_and_read_again(file, data.len());
        }
        (Err(_), stream) => assert!(stream.is_err()),
    }
}

/// As [`capture`], but all of a libpcap file after its magic, which the first byte chooses.
pub(crate) fn pcap(data: &[u8]) {
    const MAGICS: [u32; 4] = [0xa1b2_c3d4, 0xa1b2_3c4d, 0xa1b2_cd34, 0xa1b2_a1b2];
    let Some((&which, rest)) = data.split_first() else {
        return;
    };
    let Some(magic) = MAGICS.get(usize::from(which >> 1) % MAGICS.len()) else {
        return;
    };
    let magic = if which & 1 == 0 {
        magic.to_le_bytes()
    } else {
        magic.to_be_bytes()
    };
    capture(&[&magic, rest].concat());
}

/// As [`capture`], but a pcapng file whose blocks have the lengths that they say. A byte of byte order, then blocks: a byte of type, two
/// of length, the body.
pub(crate) fn pcapng(data: &[u8]) {
    let Some((&order, mut rest)) = data.split_first() else {
        return;
    };
    let number = |value: u32| {
        if order & 1 == 0 {
            value.to_le_bytes()
        } else {
            value.to_be_bytes()
        }
    };
    let mut file = section(&number);
    while let Some((&[kind, low, high], more)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([low, high])).min(more.len());
        let (body, more) = more.split_at(length);
        rest = more;
        if kind == 255 {
            file.extend(section(&number));
            continue;
        }
        let padding = length.next_multiple_of(4) - length;
        let whole = number(u32::try_from(12 + length + padding).unwrap_or(0));
        // Custom blocks are far from the others.
        let kind = match kind {
            254 => 0x0bad,
            253 => 0x4000_0bad,
            kind => kind.into(),
        };
        file.extend([&number(kind), &whole, body].concat());
        file.extend([0; 3].iter().take(padding));
        file.extend(whole);
    }
    capture(&file);
}

/// A section header of pcapng 1.0, of unknown length.
fn section(number: &dyn Fn(u32) -> [u8; 4]) -> Vec<u8> {
    let (first, second) = if number(1) == [0, 0, 0, 1] {
        (1 << 16, u32::MAX)
    } else {
        (1, u32::MAX)
    };
    [0x0a0d_0d0a, 28, 0x1a2b_3c4d, first, second, u32::MAX, 28]
        .into_iter()
        .flat_map(number)
        .collect()
}

/// As [`capture`], but all of a Network Monitor file after its magic, which the first byte chooses.
pub(crate) fn netmon(data: &[u8]) {
    let Some((&which, rest)) = data.split_first() else {
        return;
    };
    let magic: &[u8] = if which & 1 == 0 { b"GMBU" } else { b"RTSS" };
    capture(&[magic, rest].concat());
}

/// Two readers of the same bytes say the same.
fn both_ways(mut file: Box<dyn Reader + '_>, mut stream: Box<dyn Reader + '_>, most: usize) {
    let mut again = Again::default();
    while let Some(record) = file.advance() {
        assert_eq!(stream.advance(), Some(record));
        assert_eq!(stream.bytes(), file.bytes());
        assert_eq!(stream.comments(), file.comments());
        again.packet(&record, &*file, most);
    }
    assert!(file.bytes().is_empty());
    assert_eq!(stream.advance(), None);
    let (file, stream) = (file.report(), stream.report());
    assert_eq!(stream.damage, file.damage);
    assert_eq!(
        (
            stream.skipped,
            stream.variant,
            stream.names,
            stream.comments
        ),
        (file.skipped, file.variant, file.names, file.comments)
    );
    again.compare();
}

fn written_and_read_again(mut file: Box<dyn Reader + '_>, most: usize) {
    let mut again = Again::default();
    while let Some(record) = file.advance() {
        again.packet(&record, &*file, most);
    }
    assert!(file.processes().len() <= most);
    file.report();
    again.compare();
}

/// What was read, to be written and read again: times from 1970 on, lengths, bytes and comments stay.
#[derive(Default)]
struct Again(Vec<Kept>);

#[derive(Debug, PartialEq, Eq)]
struct Kept {
    time: Nanos,
    link_type: LinkType,
    length: u32,
    bytes: Vec<u8>,
    comments: Vec<Vec<u8>>,
}

impl Kept {
    fn of(record: &Record, file: &dyn Reader) -> Self {
        Self {
            time: record.time.max(Nanos(0)),
            link_type: record.link_type,
            length: record.length,
            bytes: file.bytes().to_vec(),
            comments: file.comments().iter().map(|text| text.to_vec()).collect(),
        }
    }

    fn write(&self, writer: &mut PcapNgWriter<&mut Vec<u8>>) {
        let record = Record {
            time: self.time,
            link_type: self.link_type,
            length: self.length,
            interface: 0,
            at: 0,
            process: None,
        };
        let origin = Origin {
            capture: 0,
            about: &|| (None, Span(0)),
        };
        let comments: Vec<&[u8]> = self.comments.iter().map(Vec::as_slice).collect();
        assert!(
            writer
                .packet(origin, &record, &self.bytes, &comments)
                .is_ok()
        );
    }
}

impl Again {
    fn packet(&mut self, record: &Record, file: &dyn Reader, most: usize) {
        assert!(file.bytes().len() <= most);
        assert!(file.bytes().len() <= usize::try_from(record.length).unwrap_or(usize::MAX));
        self.0.push(Kept::of(record, file));
    }

    fn compare(self) {
        let mut bytes = Vec::new();
        if let Ok(mut writer) = PcapNgWriter::new(&mut bytes) {
            for packet in &self.0 {
                packet.write(&mut writer);
            }
        }
        let Ok(mut file) = capture::open(&bytes) else {
            panic!("what was written cannot be opened");
        };
        for packet in self.0 {
            let record = file.advance();
            assert_eq!(record.map(|record| Kept::of(&record, &*file)), Some(packet));
        }
        assert_eq!(file.advance(), None);
        assert!(file.report().damage.is_empty());
    }
}

/// A stream that gives a few octets at a time.
struct Drops<'a>(&'a [u8]);

impl Read for Drops<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let step = into.len().min(1 + self.0.len() % 61).min(self.0.len());
        let (now, later) = self.0.split_at(step);
        if let Some(into) = into.get_mut(..step) {
            into.copy_from_slice(now);
        }
        self.0 = later;
        Ok(step)
    }
}
