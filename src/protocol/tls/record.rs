//! Records as they stand on the wire (RFC 8446 §5.1, RFC 5246 §6.2), and the hello of SSLv2.

use crate::model::{Nanos, PacketNo};

/// Octets of a record header.
pub(super) const HEADER: usize = 5;
/// Longest body a record may have: 2^14 octets and 2 048 of cipher overhead (RFC 5246 §6.2.3).
const LONGEST: u16 = 16_384 + 2_048;

/// When and in which packet a byte passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) at: Nanos,
    pub(super) packet: PacketNo,
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Content type.
    pub(super) kind: u8,
    /// Version of the record layer: not that of the protocol.
    pub(super) version: u16,
    /// Octets of the body.
    pub(super) length: u16,
}

/// Which bodies are put together where they lie in several segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Bodies {
    /// Of all records: somebody has keys.
    All,
    /// Of all but application data, which says nothing without keys.
    #[default]
    Handshake,
}

impl Bodies {
    /// Whether the body of a record of `kind` is wanted.
    pub(super) const fn hold(self, kind: u8) -> bool {
        matches!(self, Self::All) || kind != Header::APPLICATION_DATA
    }
}

/// What is known of a record without its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// First byte of the header.
    pub(super) start: Mark,
    /// Last byte of the body.
    pub(super) end: Nanos,
    /// Octets of the body; where the connection ended inside, those seen.
    pub(super) length: u16,
    /// Whether bytes are missing inside or just before it.
    pub(super) damaged: bool,
}

/// A part of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A record.
    Record {
        header: Header,
        facts: Facts,
        /// `None` where bytes are missing, and for application data that nobody asked to keep.
        body: Option<&'a [u8]>,
    },
    /// A hello in the SSLv2 format, from its message type on.
    Sslv2 { facts: Facts, body: &'a [u8] },
    /// Bytes that belong to no record that could be found.
    Stray {
        start: Mark,
        end: Nanos,
        octets: u64,
    },
}

impl Header {
    pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(super) const ALERT: u8 = 21;
    pub(super) const HANDSHAKE: u8 = 22;
    pub(super) const APPLICATION_DATA: u8 = 23;

    /// The header in `bytes`, if it can be one.
    pub(super) fn read(bytes: [u8; HEADER]) -> Option<Self> {
        let [kind, major, minor, high, low] = bytes;
        let header = Self {
            kind,
            version: u16::from_be_bytes([major, minor]),
            length: u16::from_be_bytes([high, low]),
        };
        ((20..=24).contains(&kind) && major == 3 && minor <= 4 && header.length <= LONGEST)
            .then_some(header)
    }

    /// The header as it stands on the wire.
    pub(super) const fn octets(self) -> [u8; HEADER] {
        let [major, minor] = self.version.to_be_bytes();
        let [high, low] = self.length.to_be_bytes();
        [self.kind, major, minor, high, low]
    }

    /// Whether it would be taken for a header even among random bytes. `version` is the one seen before.
    pub(super) fn is_strict(self, version: Option<u16>) -> bool {
        let known = match version {
            // The first hello may say 1.0 and all after it another (RFC 8446 §5.1).
            Some(0x0301) | None => (0x0301..=0x0303).contains(&self.version),
            Some(seen) => self.version == seen,
        };
        known
            && match self.kind {
                Self::CHANGE_CIPHER_SPEC => self.length == 1,
                Self::ALERT => (2..=128).contains(&self.length),
                Self::APPLICATION_DATA => self.length >= 9,
                _ => false,
            }
    }
}

/// Whether these are the first bytes of an SSLv2 client hello (RFC 5246 appendix E.2): its three lengths must
/// add up to that of the message.
pub(super) fn is_sslv2_client_hello(head: &[u8; 11]) -> bool {
    let Some((&[high, low, kind, major, minor], rest)) = head.split_first_chunk::<HEADER>() else {
        return false;
    };
    let parts = rest.as_chunks::<2>().0;
    let parts = || parts.iter().map(|&part| u16::from_be_bytes(part));
    let inside: u32 = parts().map(u32::from).sum();
    high & 0x80 != 0
        && kind == 1
        && matches!((major, minor), (0, 2) | (3, 0..=4))
        && parts()
            .next()
            .is_some_and(|ciphers| ciphers.is_multiple_of(3))
        && u32::from(u16::from_be_bytes([high & 0x7f, low])) == 9 + inside
}

/// Length of the SSLv2 hello, client's or server's, that begins with `head`.
pub(super) const fn sslv2_length(head: [u8; HEADER]) -> Option<u16> {
    let [high, low, kind, major, minor] = head;
    let known = matches!(
        (kind, major, minor),
        (1, 0, 2) | (1, 3, 0..=4) | (4, 0 | 1, 0 | 1)
    );
    let length = u16::from_be_bytes([high & 0x7f, low]);
    if high & 0x80 != 0 && known && length > 9 && length <= LONGEST {
        Some(length)
    } else {
        None
    }
}
