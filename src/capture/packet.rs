//! What every capture reader gives.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::model::{DamageLog, Endpoint, LostPackets, Nanos, Process};

/// Largest packet taken seriously: libpcap's own limit (`MAXIMUM_SNAPLEN`).
pub const MAX_PACKET: usize = 262_144;

/// A link-layer type in libpcap's numbering (`LINKTYPE_…`, draft-ietf-opsawg-pcaplinktype).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u16);

/// The record header of one packet; the bytes are asked of the [`Reader`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it passed, on the capture's clock.
    pub time: Nanos,
    /// How its first header is to be read.
    pub link_type: LinkType,
    /// Octets it had on the wire; at least as many as were captured.
    pub length: u32,
    /// Interface within the capture, from 0.
    pub interface: u32,
    /// Byte offset of its record in the (decompressed) capture.
    pub at: u64,
    /// Row of the process table that owned it, from 0, where the capturing machine noted that.
    pub process: Option<u32>,
}

/// A source of packets, read once from front to back.
pub trait Reader {
    /// Goes on to the next packet; `None` at the end of all that could be read.
    ///
    /// Damage on the way is noted in the report and skipped where the format allows it.
    fn advance(&mut self) -> Option<Record>;

    /// The captured bytes of the packet that `advance` gave last; empty before the first.
    fn bytes(&self) -> &[u8];

    /// What somebody wrote about the packet that `advance` gave last, in the order stored.
    fn comments(&self) -> Vec<&[u8]> {
        Vec::new()
    }

    /// Secrets found so far that may open what is encrypted, in the order found; only ever grows.
    ///
    /// Writers put them before the first packet that takes them.
    fn secrets(&self) -> &[Secrets] {
        &[]
    }

    /// Programs that owned connections, where the capturing machine noted them; complete from the start.
    fn processes(&self) -> &[OwnedConnection] {
        &[]
    }

    /// Bytes of the input consumed so far, as stored (compressed where it is), for progress.
    fn consumed(&self) -> u64;

    /// Packets lost so far before they could be captured, as far as is known while it is read.
    fn lost(&self) -> LostPackets {
        LostPackets::default()
    }

    /// No more packets are wanted: what is to be asked before the report is asked now.
    fn end(&mut self) {}

    /// What is known of the capture as a whole; complete once `advance` gave `None`.
    fn report(&self) -> CaptureReport;
}

/// Name of a capture format in the output contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Format(pub &'static str);

/// One capture as a whole, apart from its packets.
#[derive(Clone, Debug)]
pub struct CaptureReport {
    /// `pcap`, `pcapng`, `netmon`, `live`.
    pub format: Format,
    /// Version and variant in words (`2.4, nanoseconds, big-endian`), for a person.
    pub variant: String,
    /// Whether packet times are UTC, or the capturing machine's wall clock read as UTC.
    pub clock: CaptureClock,
    /// Names of the interfaces that have one, by number.
    pub interfaces: BTreeMap<u32, String>,
    /// Records that are no packets (NetMon events, unknown pcapng blocks) and were passed over.
    pub skipped: u64,
    /// Packets that were lost before they could be captured.
    pub lost: LostPackets,
    /// Names of addresses that are stored beside the packets.
    pub names: Vec<(IpAddr, String)>,
    /// What somebody wrote about the capture as a whole.
    pub comments: Vec<String>,
    /// What else a person should know of how it was read, in words.
    pub notes: Vec<String>,
    /// What could not be read.
    pub damage: DamageLog,
}

impl CaptureReport {
    /// Of a capture of which nothing else is known.
    pub fn new(format: Format, clock: CaptureClock) -> Self {
        Self {
            format,
            variant: String::new(),
            clock,
            interfaces: BTreeMap::new(),
            skipped: 0,
            lost: LostPackets::default(),
            names: Vec::new(),
            comments: Vec::new(),
            notes: Vec::new(),
            damage: DamageLog::default(),
        }
    }
}

/// What secrets are for, in the numbering of pcapng's decryption secrets block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretsKind(pub u32);

/// Secrets that were stored beside the packets.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets {
    /// What they are for.
    pub kind: SecretsKind,
    /// As stored; for TLS the lines of a key log file.
    pub bytes: Vec<u8>,
}

impl SecretsKind {
    /// TLS, as an NSS key log (`SSLKEYLOGFILE`).
    pub const TLS_KEY_LOG: Self = Self(0x544c_534b);
}

/// Shows how much there is, never what.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, bytes } = self;
        write!(f, "Secrets({:#x}, {} octets)", kind.0, bytes.len())
    }
}

/// A row of the process table: a program of the capturing machine and a connection that it owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedConnection {
    /// The program.
    pub process: Process,
    /// Address and port on the capturing machine.
    pub local: Endpoint,
    /// Address and port of the other end.
    pub remote: Endpoint,
}

/// What packet times of a capture mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureClock {
    /// Wall clock of an unknown zone, read as if it were UTC (NetMon before 2.3).
    Local,
    /// UTC.
    Utc,
}

impl LinkType {
    /// BSD loopback: a 4-byte family in host order.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// PPP, from the address field or the protocol field on.
    pub const PPP: Self = Self(9);
    /// PPP in HDLC framing.
    pub const PPP_HDLC: Self = Self(50);
    /// Raw IP, version by first nibble.
    pub const RAW: Self = Self(101);
    /// OpenBSD loopback: a 4-byte family in network order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture.
    pub const LINUX_SLL: Self = Self(113);
    /// 802.11 behind a radiotap header.
    pub const RADIOTAP: Self = Self(127);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux cooked capture version 2.
    pub const LINUX_SLL2: Self = Self(276);

    /// The type of a live device: raw IP has other numbers there (`DLT_RAW`) than in files.
    #[cfg(feature = "live")]
    pub(super) fn of_device(number: i32) -> Self {
        match number {
            12 | 14 => Self::RAW,
            number => Self(u16::try_from(number).unwrap_or(u16::MAX)),
        }
    }

    /// The number that libpcap has for it within a program.
    #[cfg(feature = "live")]
    pub(super) const fn to_device(self) -> i32 {
        match self {
            Self::RAW => 12,
            // RFC 1483 over ATM.
            Self(100) => 11,
            Self(number) => number as i32,
        }
    }

    /// libpcap's name in lower case (`ethernet`), or the number.
    pub fn name(self) -> String {
        match self {
            Self::NULL => "null".into(),
            Self::ETHERNET => "ethernet".into(),
            Self(12 | 14 | 101) => "raw".into(),
            Self::LOOP => "loop".into(),
            Self::PPP => "ppp".into(),
            Self::LINUX_SLL => "linux_sll".into(),
            Self::IPV4 => "ipv4".into(),
            Self::IPV6 => "ipv6".into(),
            Self::LINUX_SLL2 => "linux_sll2".into(),
            Self(number) => number.to_string(),
        }
    }
}

/// Holds what comes of a stream against what comes of the same octets as a file, to the end of both.
#[cfg(test)]
pub(super) fn assert_alike(stream: &mut dyn Reader, file: &mut dyn Reader) {
    loop {
        let record = file.advance();
        assert_eq!(stream.advance(), record);
        assert_eq!(stream.bytes(), file.bytes());
        if record.is_none() {
            assert_eq!(stream.report().damage, file.report().damage);
            return;
        }
    }
}
