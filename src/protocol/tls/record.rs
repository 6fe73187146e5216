//! One direction's bytes as TLS records (RFC 8446 §5.1).
//!
//! Bodies of application data are counted and not kept. A hole inside a record costs only that record.

use crate::model::{Nanos, PacketNo};

/// Header of a record: type, version, length.
const HEADER: usize = 5;
/// Longest record: 2^14 and what ciphers of 1.2 may add (RFC 5246 §6.2.3).
const MAX_RECORD: usize = 16_384 + 2_048;

/// What a record carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Alert,
    ApplicationData,
    ChangeCipherSpec,
    Handshake,
    /// Heartbeat and what is to come.
    Other,
}

/// A whole record.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordSeen<'b> {
    pub(super) content: Content,
    /// Octets behind the header.
    pub(super) length: usize,
    /// Empty for application data, and where bytes are missing.
    pub(super) body: &'b [u8],
    pub(super) start: Nanos,
    pub(super) end: Nanos,
    pub(super) packet: PacketNo,
    /// Bytes are missing in it or before it.
    pub(super) damaged: bool,
}

/// Cuts one direction into records.
#[derive(Debug)]
pub(super) struct Splitter {
    header: Vec<u8>,
    open: Option<Open>,
    begun: Option<(Nanos, PacketNo)>,
    damaged: bool,
    /// The borders of records are lost.
    lost: bool,
    first: bool,
}

#[derive(Debug)]
struct Open {
    content: Content,
    length: usize,
    left: usize,
    body: Vec<u8>,
}

impl Default for Splitter {
    fn default() -> Self {
        Self {
            header: Vec::with_capacity(HEADER),
            open: None,
            begun: None,
            damaged: false,
            lost: false,
            first: true,
        }
    }
}

impl Splitter {
    /// Takes bytes that came at `at` in `packet`.
    pub(super) fn data(
        &mut self,
        mut bytes: &[u8],
        at: Nanos,
        packet: PacketNo,
        out: &mut dyn FnMut(RecordSeen<'_>),
    ) {
        if self.lost {
            let Some(start) = find_border(bytes) else {
                return;
            };
            self.lost = false;
            self.damaged = true;
            bytes = bytes.get(start..).unwrap_or_default();
        }
        if std::mem::take(&mut self.first) {
            bytes = without_v2_hello(bytes);
        }
        while !bytes.is_empty() && !self.lost {
            self.begun.get_or_insert((at, packet));
            bytes = if self.open.is_some() {
                self.body(bytes, at, out)
            } else {
                self.head(bytes, at, out)
            };
        }
    }

    /// `missing` octets of the stream were not captured.
    pub(super) fn gap(&mut self, missing: u64, at: Nanos, out: &mut dyn FnMut(RecordSeen<'_>)) {
        self.damaged = true;
        let missing = usize::try_from(missing).unwrap_or(usize::MAX);
        match &mut self.open {
            Some(open) if missing <= open.left => {
                open.left -= missing;
                // What is left of the body cannot be read any more.
                open.body.clear();
                open.content = match open.content {
                    Content::ApplicationData => Content::ApplicationData,
                    _ => Content::Other,
                };
                if open.left == 0 {
                    self.close(at, out);
                }
            }
            _ => {
                self.open = None;
                self.header.clear();
                self.begun = None;
                self.lost = true;
            }
        }
    }

    fn head<'b>(
        &mut self,
        bytes: &'b [u8],
        at: Nanos,
        out: &mut dyn FnMut(RecordSeen<'_>),
    ) -> &'b [u8] {
        let want = HEADER - self.header.len();
        let (part, rest) = bytes.split_at_checked(want).unwrap_or((bytes, &[]));
        self.header.extend_from_slice(part);
        if self.header.len() < HEADER {
            return rest;
        }
        let begun = header(&self.header);
        self.header.clear();
        if let Some((content, length)) = begun {
            self.open = Some(Open {
                content,
                length,
                left: length,
                body: Vec::new(),
            });
            if length == 0 {
                self.close(at, out);
            }
        } else {
            self.begun = None;
            self.lost = true;
            self.damaged = true;
        }
        rest
    }

    fn body<'b>(
        &mut self,
        bytes: &'b [u8],
        at: Nanos,
        out: &mut dyn FnMut(RecordSeen<'_>),
    ) -> &'b [u8] {
        let Some(open) = &mut self.open else {
            return bytes;
        };
        let (part, rest) = bytes.split_at_checked(open.left).unwrap_or((bytes, &[]));
        open.left -= part.len();
        if !matches!(open.content, Content::ApplicationData | Content::Other) {
            open.body.extend_from_slice(part);
        }
        if open.left == 0 {
            self.close(at, out);
        }
        rest
    }

    fn close(&mut self, at: Nanos, out: &mut dyn FnMut(RecordSeen<'_>)) {
        let (Some(open), Some((start, packet))) = (self.open.take(), self.begun.take()) else {
            return;
        };
        out(RecordSeen {
            content: open.content,
            length: open.length,
            body: &open.body,
            start,
            end: at,
            packet,
            damaged: std::mem::take(&mut self.damaged),
        });
    }
}

/// Type and length, where the header can be one.
fn header(bytes: &[u8]) -> Option<(Content, usize)> {
    let [kind, 3, 0..=4, high, low] = *bytes.get(..HEADER)? else {
        return None;
    };
    let content = match kind {
        20 => Content::ChangeCipherSpec,
        21 => Content::Alert,
        22 => Content::Handshake,
        23 => Content::ApplicationData,
        24..=26 => Content::Other,
        _ => return None,
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    (length <= MAX_RECORD).then_some((content, length))
}

/// Where a chain of records begins that reaches to the end of `bytes`; a single header counts only at the very start.
fn find_border(bytes: &[u8]) -> Option<usize> {
    (0..bytes.len()).find(|&start| {
        let mut at = start;
        let mut records = 0;
        while let Some((_, length)) = bytes.get(at..).and_then(header) {
            records += 1;
            at += HEADER + length;
            if at >= bytes.len() {
                break;
            }
        }
        at == bytes.len() && records > 0 || at > bytes.len() && (records > 1 || start == 0)
    })
}

/// Passes over a hello in the form of SSL 2 (RFC 5246 appendix E.2), with which old clients ask for newer versions.
fn without_v2_hello(bytes: &[u8]) -> &[u8] {
    match *bytes {
        [high, low, 1, 0 | 3, ..] if high & 0x80 != 0 => {
            let length = usize::from(u16::from_be_bytes([high & 0x7f, low]));
            bytes.get(2 + length..).unwrap_or_default()
        }
        _ => bytes,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(kind: u8, length: u16) -> Vec<u8> {
        let mut bytes = vec![kind, 3, 3];
        bytes.extend(length.to_be_bytes());
        bytes.resize(HEADER + usize::from(length), 0xab);
        bytes
    }

    fn split(parts: &[Result<&[u8], u64>]) -> Vec<(Content, usize, bool)> {
        let mut splitter = Splitter::default();
        let mut seen = Vec::new();
        let mut out =
            |record: RecordSeen<'_>| seen.push((record.content, record.length, record.damaged));
        for part in parts {
            match part {
                Ok(bytes) => splitter.data(bytes, Nanos(0), PacketNo(1), &mut out),
                Err(missing) => splitter.gap(*missing, Nanos(0), &mut out),
            }
        }
        seen
    }

    #[test]
    fn a_hole_inside_a_record_keeps_the_borders() {
        let stream = [record(23, 100), record(23, 40)].concat();
        let seen = split(&[Ok(&stream[..50]), Err(30), Ok(&stream[80..])]);
        assert_eq!(
            seen,
            [
                (Content::ApplicationData, 100, true),
                (Content::ApplicationData, 40, false)
            ]
        );
    }

    #[test]
    fn after_a_lost_header_the_next_chain_is_found() {
        let tail = [record(23, 40), record(23, 50)].concat();
        let seen = split(&[
            Ok(&record(23, 10)),
            Err(500),
            Ok(&[&[1, 2, 3][..], &tail].concat()),
        ]);
        let lengths: Vec<usize> = seen.iter().map(|(_, length, _)| *length).collect();
        assert_eq!(lengths, [10, 40, 50]);
        assert!(seen[1].2);
    }

    proptest! {
        #[test]
        fn any_segmentation_gives_the_same_records(cuts in proptest::collection::vec(0usize..400, 0..8)) {
            let stream = [record(22, 60), record(20, 1), record(23, 200), record(23, 0), record(21, 2), record(23, 90)].concat();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let parts: Vec<_> = cuts.windows(2).map(|pair| Ok(&stream[pair[0]..pair[1]])).collect();
            prop_assert_eq!(split(&parts), split(&[Ok(&stream)]));
        }

        #[test]
        fn any_bytes_are_split_within_bounds(bytes in proptest::collection::vec(any::<u8>(), 0..300), gap in 0u64..400) {
            for (_, length, _) in split(&[Ok(&bytes), Err(gap), Ok(&bytes)]) {
                prop_assert!(length <= MAX_RECORD);
            }
        }
    }
}
