//! One direction's bytes become records, whatever the segments and the holes.

use std::mem;

use smallvec::SmallVec;

use super::record::{Bodies, Facts, HEADER, Header, Mark, Piece, sslv2_length};
use crate::model::Nanos;

/// How far a header is looked for after a hole before the direction is given up. A record is at most
/// 18 432 octets, so a stream of records shows a header within that.
const HUNT: u64 = 65_536;

/// What a splitter waits for.
#[derive(Debug)]
enum State {
    /// The rest of a header.
    Header,
    /// The rest of a body.
    Body {
        header: Header,
        sslv2: bool,
        start: Mark,
        left: u16,
        /// No byte of it is missing.
        whole: bool,
        /// It came after a hole.
        found: bool,
    },
    /// Something that looks like a header, after so many bytes that do not.
    Hunt(u64),
    /// Nothing any more.
    Silent,
}

/// Splits one direction into records.
///
/// A record that lies in one segment is passed on where it stands; only the others are copied, and application
/// data only where whoever takes the pieces asks for all [`Bodies`]. A hole inside a body does not put it out of step, as the header told
/// where the body ends. After any other hole it goes on at the next bytes that are a header of
/// the kind seen so far; by chance that is so once in 60 million places.
#[derive(Debug)]
pub(super) struct Splitter {
    state: State,
    /// Bytes of a header, with their marks.
    head: SmallVec<[(u8, Mark); HEADER]>,
    body: Vec<u8>,
    /// Record version seen in this direction, once it is sure.
    version: Option<u16>,
    /// No byte has passed yet.
    fresh: bool,
    /// Whose bodies are kept.
    bodies: Bodies,
}

impl Default for Splitter {
    fn default() -> Self {
        Self {
            state: State::Header,
            head: SmallVec::new(),
            body: Vec::new(),
            version: None,
            fresh: true,
            bodies: Bodies::default(),
        }
    }
}

impl Splitter {
    /// Keeps these bodies from now on.
    pub(super) const fn keep(&mut self, bodies: Bodies) {
        self.bodies = bodies;
    }

    /// Octets still to come of the record under way.
    pub(super) const fn left(&self) -> u64 {
        match self.state {
            State::Body { left, .. } => left as u64,
            State::Header | State::Hunt(_) | State::Silent => 0,
        }
    }

    /// Takes the next bytes and gives the pieces they complete to `sink`.
    pub(super) fn push(
        &mut self,
        mark: Mark,
        bytes: &[u8],
        sink: &mut impl FnMut(Piece<'_>) -> Bodies,
    ) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = match self.state {
                State::Header => self.in_header(mark, rest, sink),
                State::Body { .. } => self.in_body(mark, rest, sink),
                State::Hunt(skipped) => self.in_hunt(skipped, mark, rest, sink),
                State::Silent => return,
            };
        }
    }

    /// `missing` bytes of the stream are not there; 0 where their number is not known.
    pub(super) fn gap(
        &mut self,
        at: Nanos,
        missing: u64,
        sink: &mut impl FnMut(Piece<'_>) -> Bodies,
    ) {
        self.fresh = false;
        if let State::Body {
            left,
            ref mut whole,
            ..
        } = self.state
        {
            *whole = false;
            self.body = Vec::new();
            let inside = u16::try_from(missing).is_ok_and(|missing| (1..=left).contains(&missing));
            let lost = if inside {
                u16::try_from(missing).unwrap_or(left)
            } else {
                left
            };
            self.count_down(lost, at, sink);
            if inside {
                return;
            }
        }
        self.stray(at, sink);
        self.state = State::Hunt(0);
    }

    /// The stream is over: what is begun is given as it is.
    pub(super) fn finish(&mut self, at: Nanos, sink: &mut impl FnMut(Piece<'_>) -> Bodies) {
        if let State::Body {
            mut header,
            sslv2: false,
            start,
            left,
            ..
        } = self.state
        {
            header.length = header.length.saturating_sub(left);
            self.bodies = sink(Piece::Record {
                header,
                facts: Facts {
                    start,
                    end: at,
                    length: header.length,
                    damaged: true,
                },
                body: None,
            });
        }
        self.silence();
    }

    /// Reads no further: this is not a stream of TLS records.
    pub(super) fn silence(&mut self) {
        self.state = State::Silent;
        self.head = SmallVec::new();
        self.body = Vec::new();
    }

    fn in_header<'a>(
        &mut self,
        mark: Mark,
        bytes: &'a [u8],
        sink: &mut impl FnMut(Piece<'_>) -> Bodies,
    ) -> &'a [u8] {
        let wanted = HEADER.saturating_sub(self.head.len()).min(bytes.len());
        let (part, rest) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
        self.head.extend(part.iter().map(|&byte| (byte, mark)));
        let Some(begun) = self.whole_head() else {
            return rest;
        };
        if mem::take(&mut self.fresh)
            && let Some(length) = sslv2_length(begun)
        {
            let header = Header {
                kind: Header::HANDSHAKE,
                version: 2,
                length,
            };
            let start = self.first_mark(mark);
            let [_, _, inside @ ..] = begun;
            self.body.extend_from_slice(&inside);
            self.begin(header, true, start, false);
            self.count_down(3, mark.at, sink);
        } else if let Some(header) = Header::read(begun) {
            let start = self.first_mark(mark);
            self.version = Some(header.version);
            self.begin(header, false, start, false);
            self.count_down(0, mark.at, sink);
        } else {
            // Not a header: let the search have these bytes too.
            let bytes = mem::take(&mut self.head);
            self.state = State::Hunt(0);
            for (byte, then) in bytes {
                self.push(then, &[byte], sink);
            }
        }
        rest
    }

    fn in_body<'a>(
        &mut self,
        mark: Mark,
        bytes: &'a [u8],
        sink: &mut impl FnMut(Piece<'_>) -> Bodies,
    ) -> &'a [u8] {
        let State::Body {
            header,
            sslv2,
            start,
            left,
            whole,
            found,
        } = self.state
        else {
            return bytes;
        };
        let (part, rest) = bytes
            .split_at_checked(usize::from(left))
            .unwrap_or((bytes, &[]));
        let took = u16::try_from(part.len()).unwrap_or(left);
        if took == left && self.body.is_empty() && took == header.length && !sslv2 {
            self.state = State::Header;
            self.bodies = sink(Piece::Record {
                header,
                facts: Facts {
                    start,
                    end: mark.at,
                    length: header.length,
                    damaged: found || !whole,
                },
                body: whole.then_some(part),
            });
        } else {
            if whole && self.bodies.hold(header.kind) {
                self.body.extend_from_slice(part);
            }
            self.count_down(took, mark.at, sink);
        }
        rest
    }

    /// Looks at every place for a header, whatever the segments.
    fn in_hunt<'a>(
        &mut self,
        mut skipped: u64,
        mark: Mark,
        bytes: &'a [u8],
        sink: &mut impl FnMut(Piece<'_>) -> Bodies,
    ) -> &'a [u8] {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            if self.head.len() == HEADER {
                let (_, first) = self.head.remove(0);
                skipped += 1;
                self.bodies = sink(Piece::Stray {
                    start: first,
                    end: first.at,
                    octets: 1,
                });
                if skipped >= HUNT {
                    self.silence();
                    return &[];
                }
            }
            self.head.push((byte, mark));
            let header = self.whole_head().and_then(Header::read);
            if let Some(header) = header.filter(|header| header.is_strict(self.version)) {
                let start = self.first_mark(mark);
                self.begin(header, false, start, true);
                self.count_down(0, mark.at, sink);
                return rest;
            }
        }
        self.state = State::Hunt(skipped);
        rest
    }

    fn begin(&mut self, header: Header, sslv2: bool, start: Mark, found: bool) {
        self.head.clear();
        self.state = State::Body {
            header,
            sslv2,
            start,
            left: header.length,
            whole: true,
            found,
        };
    }

    /// `took` more bytes of the body are done; gives the record when that was all.
    fn count_down(&mut self, took: u16, at: Nanos, sink: &mut impl FnMut(Piece<'_>) -> Bodies) {
        let State::Body {
            header,
            sslv2,
            start,
            ref mut left,
            whole,
            found,
        } = self.state
        else {
            return;
        };
        *left = left.saturating_sub(took);
        if *left > 0 {
            return;
        }
        self.state = State::Header;
        // An idle connection holds no memory.
        let body = mem::take(&mut self.body);
        let facts = Facts {
            start,
            end: at,
            length: header.length,
            damaged: found || !whole,
        };
        if sslv2 {
            self.bodies = sink(Piece::Sslv2 { facts, body: &body });
        } else {
            // What began before anybody asked for it was not kept whole.
            let kept = whole && body.len() == usize::from(header.length);
            self.bodies = sink(Piece::Record {
                header,
                facts,
                body: kept.then_some(body.as_slice()),
            });
        }
    }

    fn whole_head(&self) -> Option<[u8; HEADER]> {
        let head: SmallVec<[u8; HEADER]> = self.head.iter().map(|&(byte, _)| byte).collect();
        head.first_chunk().copied()
    }

    fn first_mark(&self, otherwise: Mark) -> Mark {
        self.head.first().map_or(otherwise, |&(_, mark)| mark)
    }

    fn stray(&mut self, at: Nanos, sink: &mut impl FnMut(Piece<'_>) -> Bodies) {
        let held = mem::take(&mut self.head);
        if let Some(&(_, start)) = held.first() {
            self.bodies = sink(Piece::Stray {
                start,
                end: at,
                octets: held.len() as u64,
            });
        }
    }
}

#[cfg(test)]
impl Splitter {
    /// Octets held back.
    pub(super) fn held(&self) -> usize {
        self.head.len() + self.body.capacity()
    }
}
