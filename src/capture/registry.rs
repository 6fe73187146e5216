//! The list of capture formats: one row each, told by the first bytes.

use crate::input::Window;

use super::Reader;
use super::netmon::{NetMon, NetMonError};
use super::pcap::{Pcap, PcapError};
use super::pcapng::PcapNg;

/// A reader that borrows the file, or why there is none.
type Opened<'m> = Result<Box<dyn Reader + 'm>, CaptureError>;

/// A row of the registry.
struct Entry {
    is: fn(&[u8]) -> bool,
    order: Order,
    open: fn(Window<'_>) -> Opened<'_>,
}

/// How a format is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// From front to back, so that a stream will do.
    FrontToBack,
    /// By a table at its end, so that all of it must be there.
    ByTable,
}

/// Octets by which every format is told.
pub const HEAD_OF_FORMAT: usize = 4;
/// Octets by which it is told what something else may be.
const HEAD: usize = 512;

/// All formats.
static FORMATS: &[Entry] = &[
    Entry {
        is: NetMon::is,
        order: Order::ByTable,
        open: |window| {
            let bytes = window.whole().ok_or(CaptureError::Passing)?;
            Ok(Box::new(NetMon::open(bytes)?))
        },
    },
    Entry {
        is: PcapNg::is,
        order: Order::FrontToBack,
        open: |window| Ok(Box::new(PcapNg::open(window))),
    },
    Entry {
        is: Pcap::is,
        order: Order::FrontToBack,
        open: |window| Ok(Box::new(Pcap::open(window)?)),
    },
];

/// Why an input is no capture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// It has no bytes.
    #[error("it is empty")]
    Empty,
    /// It begins as no capture does.
    #[error(
        "not a capture: it starts {start}, {looks}\npcap, pcapng and Network Monitor files are read, also compressed{remedy}"
    )]
    Foreign {
        /// The first bytes in hexadecimal.
        start: String,
        /// What it seems to be.
        looks: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A Network Monitor file that cannot be read.
    #[error(transparent)]
    NetMon(#[from] NetMonError),
    /// A stream in a format that is read by a table at its end.
    #[error("a format that cannot be read from a pipe; save it to a file first")]
    Passing,
    /// A libpcap file that cannot be read.
    #[error(transparent)]
    Pcap(#[from] PcapError),
}

/// A reader for the capture in `bytes`, whatever its format.
///
/// # Errors
/// When it is of no known format, or cut inside its header.
pub fn open(bytes: &[u8]) -> Opened<'_> {
    open_window(Window::of(bytes))
}

/// A reader for the capture that is ahead, whatever its format.
///
/// # Errors
/// As [`open`]; and when it is a stream in a format that [`by_table`].
pub fn open_window(mut window: Window<'_>) -> Opened<'_> {
    let head = window.ahead(HEAD_OF_FORMAT);
    if head.is_empty() {
        return Err(CaptureError::Empty);
    }
    match FORMATS.iter().find(|entry| (entry.is)(head)) {
        Some(entry) => (entry.open)(window),
        None => Err(foreign(window.ahead(HEAD))),
    }
}

/// Whether a capture that begins with `head` can be read only once all of it is there.
pub fn by_table(head: &[u8]) -> bool {
    FORMATS
        .iter()
        .any(|entry| entry.order == Order::ByTable && (entry.is)(head))
}

fn foreign(bytes: &[u8]) -> CaptureError {
    let start: Vec<String> = bytes
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let head = bytes.get(..bytes.len().min(HEAD)).unwrap_or_default();
    let (looks, remedy) = match head {
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] | [0xfd, b'7', b'z', b'X', ..] => {
            ("compressed more than twice over", "; unpack it first")
        }
        [b'P', b'K', 3, 4, ..] => ("a ZIP archive", "; unpack it first"),
        [b'%', b'P', b'D', b'F', ..] => ("a PDF document", ""),
        [b's', b'n', b'o', b'o', b'p', 0, ..] => {
            ("a snoop capture", "; convert it with editcap -F pcapng")
        }
        [b'X', b'C', b'P', 0, ..] => (
            "a Network General Sniffer capture",
            "; convert it with editcap -F pcapng",
        ),
        [0x13, 0, _, _, ..] if head.len() > 100 => {
            ("perhaps an ETL trace", "; convert it with etl2pcapng")
        }
        _ if head
            .iter()
            .all(|&byte| byte >= 0x20 || b"\t\r\n".contains(&byte)) =>
        {
            ("text", "; give a log with -l")
        }
        _ => ("nothing known", ""),
    };
    CaptureError::Foreign {
        start: start.join(" "),
        looks,
        remedy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: &[u8]) -> CaptureError {
        match open(bytes) {
            Ok(_) => panic!("{bytes:02x?} was taken for a capture"),
            Err(error) => error,
        }
    }

    #[test]
    fn a_foreign_file_is_named_with_its_remedy() {
        assert_eq!(refused(b""), CaptureError::Empty);
        let log = refused(b"Nov 24 03:29:06 mail postfix/smtpd[1]: connect").to_string();
        assert!(log.contains("4e 6f 76") && log.contains("-l"), "{log}");
        assert!(refused(b"PK\x03\x04").to_string().contains("unpack"));
        let layers = refused(b"\x1f\x8b\x08\0").to_string();
        assert!(layers.contains("more than twice"), "{layers}");
        assert!(matches!(
            refused(b"\xd4\xc3\xb2\xa1"),
            CaptureError::Pcap(_)
        ));
        assert!(matches!(refused(b"GMBU"), CaptureError::NetMon(_)));
    }
}
