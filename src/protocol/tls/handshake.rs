//! Handshake messages (RFC 8446 §4, RFC 5246 §7.4): several in a record, or one over several.

use std::mem;

/// Longest message that is put together; a longer one is passed over. Certificate chains are a tenth of it.
const LONGEST: usize = 65_536;
/// Octets of a message header: type and length.
const HEADER: usize = 4;

/// Message types (IANA TLS `HandshakeType` registry).
pub(super) mod kind {
    pub(in super::super) const CLIENT_HELLO: u8 = 1;
    pub(in super::super) const SERVER_HELLO: u8 = 2;
    pub(in super::super) const NEW_SESSION_TICKET: u8 = 4;
    pub(in super::super) const END_OF_EARLY_DATA: u8 = 5;
    pub(in super::super) const ENCRYPTED_EXTENSIONS: u8 = 8;
    pub(in super::super) const CERTIFICATE: u8 = 11;
    pub(in super::super) const FINISHED: u8 = 20;
    pub(in super::super) const CERTIFICATE_STATUS: u8 = 22;
    pub(in super::super) const KEY_UPDATE: u8 = 24;
}

/// A message in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) kind: u8,
    /// Empty for the kinds that nobody reads, and for one that is too long.
    pub(super) body: &'a [u8],
}

/// Joins the bodies of handshake records of one direction to messages.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    /// The beginning of a message.
    partial: Vec<u8>,
    /// Octets of an uninteresting message still to come.
    skip: usize,
}

impl Joiner {
    /// Takes the body of the next record and gives the messages it completes to `sink`.
    pub(super) fn push(&mut self, body: &[u8], sink: &mut impl FnMut(Message<'_>)) {
        let mut rest = body;
        while !rest.is_empty() {
            if self.skip > 0 {
                let passed = self.skip.min(rest.len());
                self.skip -= passed;
                rest = rest.get(passed..).unwrap_or_default();
            } else if self.partial.is_empty() {
                rest = self.begin(rest, sink);
            } else {
                rest = self.go_on(rest, sink);
            }
        }
    }

    /// A record is missing: the next one is taken to begin a message, as it mostly does.
    pub(super) fn lose(&mut self) {
        *self = Self::default();
    }

    /// At the beginning of a message.
    fn begin<'a>(&mut self, bytes: &'a [u8], sink: &mut impl FnMut(Message<'_>)) -> &'a [u8] {
        let Some((kind, length)) = header(bytes) else {
            self.partial.extend_from_slice(bytes);
            return &[];
        };
        let after = bytes.get(HEADER..).unwrap_or_default();
        if !is_read(kind, length) {
            self.skip = length;
            sink(Message { kind, body: &[] });
            return after;
        }
        if let Some((body, rest)) = after.split_at_checked(length) {
            sink(Message { kind, body });
            return rest;
        }
        self.partial.extend_from_slice(bytes);
        &[]
    }

    /// In the middle of one.
    fn go_on<'a>(&mut self, bytes: &'a [u8], sink: &mut impl FnMut(Message<'_>)) -> &'a [u8] {
        let wanted = match header(&self.partial) {
            None => HEADER - self.partial.len(),
            Some((_, length)) => (HEADER + length).saturating_sub(self.partial.len()),
        };
        let (part, rest) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
        self.partial.extend_from_slice(part);
        if let Some((kind, length)) = header(&self.partial) {
            if !is_read(kind, length) {
                self.partial = Vec::new();
                self.skip = length;
                sink(Message { kind, body: &[] });
            } else if self.partial.len() >= HEADER + length {
                let message = mem::take(&mut self.partial);
                sink(Message {
                    kind,
                    body: message.get(HEADER..).unwrap_or_default(),
                });
            }
        }
        rest
    }
}

/// Type and length of the message that begins with `bytes`.
fn header(bytes: &[u8]) -> Option<(u8, usize)> {
    let &[kind, a, b, c] = bytes.first_chunk::<HEADER>()?;
    let length = u32::from_be_bytes([0, a, b, c]);
    Some((kind, usize::try_from(length).ok()?))
}

/// Whether the body of such a message is kept.
const fn is_read(kind: u8, length: usize) -> bool {
    matches!(
        kind,
        kind::CLIENT_HELLO | kind::SERVER_HELLO | kind::ENCRYPTED_EXTENSIONS | kind::CERTIFICATE
    ) && length <= LONGEST
}

#[cfg(test)]
impl Joiner {
    /// Octets held back.
    pub(super) fn held(&self) -> usize {
        self.partial.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(records: &[&[u8]]) -> Vec<(u8, Vec<u8>)> {
        let mut joiner = Joiner::default();
        let mut messages = Vec::new();
        for body in records {
            joiner.push(body, &mut |message| {
                messages.push((message.kind, message.body.to_vec()));
            });
        }
        messages
    }

    #[test]
    fn several_messages_in_a_record_and_one_over_several() {
        let bytes = [2, 0, 0, 2, 8, 9, 12, 0, 0, 3, 1, 2, 3, 11, 0, 0, 1, 7];
        let expected = vec![(2, vec![8, 9]), (12, vec![]), (11, vec![7])];
        assert_eq!(joined(&[&bytes]), expected);
        let singly: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(joined(&singly), expected);
    }

    #[test]
    fn a_message_that_is_too_long_is_passed_over() {
        let mut bytes = vec![11, 2, 0, 0];
        bytes.resize(4 + 0x2_0000, 0);
        bytes.extend([2, 0, 0, 1, 5]);
        let records: Vec<&[u8]> = bytes.chunks(16_384).collect();
        assert_eq!(joined(&records), [(11, vec![]), (2, vec![5])]);
    }

    #[test]
    fn after_a_loss_the_next_record_begins_a_message() {
        let mut joiner = Joiner::default();
        let mut kinds = Vec::new();
        joiner.push(&[11, 0, 1, 0, 5, 5], &mut |_| {});
        joiner.lose();
        joiner.push(&[2, 0, 0, 1, 5], &mut |message| kinds.push(message.kind));
        assert_eq!(kinds, [2]);
    }
}
