//! What every capture reader gives.

use std::fmt;

use crate::model::{DamageLog, Endpoint, Nanos, Process};

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

    /// What is known of the capture as a whole; complete once `advance` gave `None`.
    fn report(&self) -> CaptureReport;
}

/// Name of a capture format in the output contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Format(pub &'static str);

/// One capture as a whole, apart from its packets.
#[derive(Clone, Debug)]
pub struct CaptureReport {
    /// `pcap`, `pcapng`, `netmon`.
    pub format: Format,
    /// Version and variant in words (`2.4, nanoseconds, big-endian`), for a person.
    pub variant: String,
    /// Whether packet times are UTC, or the capturing machine's wall clock read as UTC.
    pub clock: CaptureClock,
    /// Records that are no packets (NetMon events, unknown pcapng blocks) and were passed over.
    pub skipped: u64,
    /// Packets that the capturing machine lost for want of room, as far as it says.
    pub dropped: u64,
    /// What could not be read.
    pub damage: DamageLog,
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
