//! One direction's bytes become frames, whatever the segments and the holes.

use super::PREFACE;
use super::frame::{Frame, HEADER};
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
        sink: &mut impl FnMut(Piece<'_>),
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
        sink: &mut impl FnMut(Piece<'_>),
    ) -> bool {
        if let State::Payload(payload) = &mut self.0 {
            if (1..=payload.left).contains(&missing) {
                payload.missing += missing;
                self.count(missing, at, sink);
                return false;
            }
            let left = payload.left;
            payload.missing += left;
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
            body: Vec::new(),
        });
    }

    /// `passed` more octets of the payload are done; gives the frame when that was all.
    fn count(&mut self, passed: u64, at: Nanos, sink: &mut impl FnMut(Piece<'_>)) {
        let State::Payload(payload) = &mut self.0 else {
            return;
        };
        payload.left = payload.left.saturating_sub(passed);
        if payload.left > 0 {
            return;
        }
        let whole = payload.body.len() as u64 == u64::from(payload.frame.length);
        sink(Piece {
            frame: payload.frame,
            payload: (whole && payload.frame.is_kept()).then_some(&payload.body),
            start: payload.start,
            end: at,
            missing: payload.missing,
        });
        self.0 = State::Header(Vec::new(), None);
    }

    /// Looks for a place from which headers follow each other.
    fn hunt(&mut self, at: (Nanos, PacketNo), bytes: &[u8], sink: &mut impl FnMut(Piece<'_>)) {
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
