//! Frame headers (RFC 9113 §4.1).

/// Octets of a frame header.
pub(super) const HEADER: usize = 9;
/// Longest payload that a header may claim, after a hole or before: what servers and clients allow in practice is
/// 2^14, and the most that a setting may allow 2^24 - 1.
const USUAL: u32 = 1 << 14;

/// Frame types (IANA HTTP/2 Frame Type registry).
pub(super) mod kind {
    pub(in super::super) const DATA: u8 = 0;
    pub(in super::super) const HEADERS: u8 = 1;
    pub(in super::super) const RST_STREAM: u8 = 3;
    pub(in super::super) const SETTINGS: u8 = 4;
    pub(in super::super) const PUSH_PROMISE: u8 = 5;
    pub(in super::super) const PING: u8 = 6;
    pub(in super::super) const GOAWAY: u8 = 7;
    pub(in super::super) const WINDOW_UPDATE: u8 = 8;
    pub(in super::super) const CONTINUATION: u8 = 9;
}

/// Flags.
pub(super) mod flag {
    pub(in super::super) const END_STREAM: u8 = 0x01;
    pub(in super::super) const END_HEADERS: u8 = 0x04;
    pub(in super::super) const PADDED: u8 = 0x08;
    pub(in super::super) const PRIORITY: u8 = 0x20;
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Octets of the payload.
    pub(super) length: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// 0 for what is said of the connection.
    pub(super) stream: u32,
}

impl Frame {
    /// The header in `bytes`.
    pub(super) const fn read(bytes: [u8; HEADER]) -> Self {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = bytes;
        Self {
            length: u32::from_be_bytes([0, l0, l1, l2]),
            kind,
            flags,
            stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]),
        }
    }

    pub(super) const fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether the payload is read, and not only counted.
    pub(super) const fn is_kept(self) -> bool {
        matches!(
            self.kind,
            kind::HEADERS
                | kind::CONTINUATION
                | kind::PUSH_PROMISE
                | kind::GOAWAY
                | kind::RST_STREAM
        )
    }

    /// Whether it keeps what RFC 9113 §6 says of a frame of its type; octets that are no header seldom do.
    pub(super) const fn is_plausible(self, reserved: bool) -> bool {
        let right = match self.kind {
            kind::DATA => self.stream > 0 && self.flags & !0x09 == 0,
            kind::HEADERS => self.stream > 0 && self.flags & !0x2d == 0 && self.length > 0,
            kind::RST_STREAM | kind::WINDOW_UPDATE => self.length == 4 && self.flags == 0,
            kind::SETTINGS => {
                self.stream == 0 && self.length.is_multiple_of(6) && self.flags & !1 == 0
            }
            kind::PING => self.stream == 0 && self.length == 8 && self.flags & !1 == 0,
            kind::GOAWAY => self.stream == 0 && self.length >= 8 && self.flags == 0,
            kind::CONTINUATION => self.stream > 0 && self.flags & !4 == 0,
            _ => false,
        };
        right && !reserved && self.length <= USUAL
    }
}

/// Whether `bytes` begin with the settings that each side sends first.
pub(super) fn is_settings(bytes: &[u8]) -> bool {
    bytes.first_chunk::<HEADER>().is_some_and(|head| {
        let frame = Frame::read(*head);
        frame.kind == kind::SETTINGS && frame.flags == 0 && frame.is_plausible(head[5] & 0x80 != 0)
    })
}

/// Whether `bytes` begin with the header of a frame by which a client opens a stream.
pub(super) fn begins_stream(bytes: &[u8]) -> bool {
    bytes.first_chunk::<HEADER>().is_some_and(|head| {
        let frame = Frame::read(*head);
        let opens = frame.kind == kind::HEADERS && frame.stream % 2 == 1;
        opens && frame.is_plausible(head[5] & 0x80 != 0)
    })
}

/// Name of an error code (RFC 9113 §7).
pub(super) fn error_name(code: u32) -> String {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    let name = usize::try_from(code).ok().and_then(|at| NAMES.get(at));
    name.map_or_else(|| format!("error {code:#x}"), |name| (*name).to_owned())
}
