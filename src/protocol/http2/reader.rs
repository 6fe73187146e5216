//! One direction's bytes become frames, whatever the segments and the holes.

use super::PREFACE;
use super::frame::{Frame, HEADER, flag, kind};
use super::hunt::Hunt;
use crate::model::{Nanos, PacketNo};

/// Longest payload that is kept; of a longer one the rest is passed over.
const MAX_KEPT: usize = 64 << 10;

/// A frame, as far as it was captured.
pub(super) struct Piece<'a> {
    pub(super) frame: Frame,
    /// The payload, where it is kept and whole.
    pub(super) payload: Option<&'a [u8]>,
    /// First byte of the header.
    pub(super) start: (Nanos, PacketNo),
    /// Last byte of the payload.
    pub(super) end: Nanos,
    /// Octets of the payload that were not captured.
    pub(super) missing: u64,
}

/// What comes of the frames of a direction.
pub(super) enum Found<'a> {
    /// The next octets of a body, in a DATA frame of this stream, without its padding.
    Content(u32, &'a [u8]),
    /// So many octets of one that were not captured.
    Hole(u32, u64),
    /// A frame came to its end.
    Frame(Piece<'a>),
}

#[derive(Debug)]
enum State {
    /// So many octets of the client's preface have passed.
    Preface(usize),
    /// The beginning of a header.
    Header(Vec<u8>, Option<(Nanos, PacketNo)>),
    Payload(Payload),
    /// Octets after a hole, from a place where a frame may begin.
    Hunt(Hunt, (Nanos, PacketNo)),
    /// Nothing any more.
    Silent,
}

#[derive(Debug)]
struct Payload {
    frame: Frame,
    start: (Nanos, PacketNo),
    left: u64,
    missing: u64,
    /// Octets of padding at its end, once its length is known (RFC 9113 §6.1).
    padding: u64,
    body: Vec<u8>,
}

/// Splits one direction into frames.
#[derive(Debug)]
pub(super) struct Reader(State);

impl Reader {
    /// Of the client, which sends a preface, or of the server.
    pub(super) fn new(client: bool) -> Self {
        Self(if client {
            State::Preface(0)
        } else {
            State::Header(Vec::new(), None)
        })
    }

    /// Takes the next bytes and gives the frames they complete to `sink`.
    pub(super) fn push(
        &mut self,
        at: (Nanos, PacketNo),
        bytes: &[u8],
        sink: &mut impl FnMut(Found<'_>),
    ) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = match &mut self.0 {
                State::Preface(passed) => {
                    let (octet, after) = (rest.first(), rest.get(1..).unwrap_or_default());
                    if octet != PREFACE.get(*passed) {
                        // Joined in mid-connection.
                        self.0 = State::Hunt(Hunt::default(), at);
                        continue;
                    }
                    *passed += 1;
                    if *passed == PREFACE.len() {
                        self.0 = State::Header(Vec::new(), None);
                    }
                    after
                }
                State::Header(head, start) => {
                    let start = *start.get_or_insert(at);
                    let wanted = HEADER.saturating_sub(head.len()).min(rest.len());
                    let (part, after) = rest.split_at_checked(wanted).unwrap_or((rest, &[]));
                    head.extend_from_slice(part);
                    if let Some(octets) = head.first_chunk::<HEADER>() {
                        let frame = Frame::read(*octets);
                        self.begin(frame, start);
                        self.count(0, at.0, sink);
                    }
                    after
                }
                State::Payload(payload) => {
                    let wanted = usize::try_from(payload.left).unwrap_or(usize::MAX);
                    let (part, after) = rest
                        .split_at_checked(wanted.min(rest.len()))
                        .unwrap_or((rest, &[]));
                    if payload.frame.is_kept() && payload.body.len() + part.len() <= MAX_KEPT {
                        payload.body.extend_from_slice(part);
                    }
                    if payload.frame.kind == kind::DATA {
                        let content = payload.content(part);
                        sink(Found::Content(payload.frame.stream, content));
                    }
                    let passed = part.len() as u64;
                    self.count(passed, at.0, sink);
                    after
                }
                State::Hunt(..) => {
                    self.hunt(at, rest, sink);
                    return;
                }
                State::Silent => return,
            };
        }
    }

    /// `missing` octets are not there; 0 where their number is not known. Gives whether frames were lost.
    pub(super) fn gap(
        &mut self,
        at: Nanos,
        missing: u64,
        sink: &mut impl FnMut(Found<'_>),
    ) -> bool {
        if let State::Payload(payload) = &mut self.0 {
            if (1..=payload.left).contains(&missing) {
                payload.missing += missing;
                payload.lose(missing, sink);
                self.count(missing, at, sink);
                return false;
            }
            let left = payload.left;
            payload.missing += left;
            payload.lose(left, sink);
            self.count(left, at, sink);
        }
        self.0 = State::Hunt(Hunt::default(), (at, PacketNo(0)));
        true
    }

    fn begin(&mut self, frame: Frame, start: (Nanos, PacketNo)) {
        self.0 = State::Payload(Payload {
            frame,
            start,
            left: u64::from(frame.length),
            missing: 0,
            padding: 0,
            body: Vec::new(),
        });
    }

    /// `passed` more octets of the payload are done; gives the frame when that was all.
    fn count(&mut self, passed: u64, at: Nanos, sink: &mut impl FnMut(Found<'_>)) {
        let State::Payload(payload) = &mut self.0 else {
            return;
        };
        payload.left = payload.left.saturating_sub(passed);
        if payload.left > 0 {
            return;
        }
        let whole = payload.body.len() as u64 == u64::from(payload.frame.length);
        sink(Found::Frame(Piece {
            frame: payload.frame,
            payload: (whole && payload.frame.is_kept()).then_some(&payload.body),
            start: payload.start,
            end: at,
            missing: payload.missing,
        }));
        self.0 = State::Header(Vec::new(), None);
    }

    /// Looks for a place from which headers follow each other.
    fn hunt(&mut self, at: (Nanos, PacketNo), bytes: &[u8], sink: &mut impl FnMut(Found<'_>)) {
        let State::Hunt(hunt, since) = &mut self.0 else {
            return;
        };
        if hunt.is_empty() {
            *since = at;
        }
        if let Some(found) = hunt.look(bytes) {
            self.0 = State::Header(Vec::new(), None);
            self.push(at, &found, sink);
        } else if hunt.is_hopeless() {
            self.0 = State::Silent;
        }
    }
}

impl Payload {
    /// What of `part`, the next octets, is content and not padding.
    fn content<'a>(&mut self, part: &'a [u8]) -> &'a [u8] {
        let mut content = part;
        if self.frame.has(flag::PADDED)
            && self.left == u64::from(self.frame.length)
            && let Some((&padding, rest)) = part.split_first()
        {
            self.padding = u64::from(padding);
            content = rest;
        }
        let behind = self.left - part.len() as u64;
        let cut = self.padding.saturating_sub(behind);
        let cut = usize::try_from(cut).unwrap_or(usize::MAX);
        content
            .get(..content.len().saturating_sub(cut))
            .unwrap_or_default()
    }

    /// So many of the next octets were not captured.
    fn lose(&self, missing: u64, sink: &mut impl FnMut(Found<'_>)) {
        let content = missing.min(self.left.saturating_sub(self.padding));
        if self.frame.kind == kind::DATA && content > 0 {
            sink(Found::Hole(self.frame.stream, content));
        }
    }
}
