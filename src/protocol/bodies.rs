//! Bodies passed on to whoever wants them; nobody does unless asked for.
//!
//! Comes in: the octets of bodies as they pass, with their framing. Goes out: [`BodyPiece`]s without dot-stuffing and
//! chunk framing, which the reader takes away after each event. Off, nothing is copied.

use super::dots::Endings;
use super::line::Line;
use crate::model::{BodyKind, BodyNo, Side};

/// What came of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyPiece {
    /// Its next octets.
    Bytes(BodyNo, BodyKind, Vec<u8>),
    /// So many octets of it that the capture lacks.
    Hole(BodyNo, u64),
    /// Nothing more comes of it.
    End(BodyNo, Completeness),
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// Its end was seen.
    Ended,
    /// It broke off, or what ends it was not captured.
    BrokenOff,
}

/// Whether bodies are passed on, and those under way.
#[derive(Clone, Debug, Default)]
pub struct Bodies {
    wanted: bool,
    last: u32,
    open: [Option<Open>; 2],
    pieces: Vec<BodyPiece>,
}

/// A body under way.
#[derive(Clone, Debug)]
struct Open {
    number: BodyNo,
    kind: BodyKind,
    framing: Framing,
}

/// How a body lies in the stream.
#[derive(Clone, Debug)]
pub(super) enum Framing {
    /// In parts of counted octets; so many are left of the one under way. What follows them is framing.
    Counted(u64),
    /// Lines up to a lone dot.
    Dots(Unstuff),
    /// All octets up to the end of the connection.
    UntilClose,
}

impl Bodies {
    /// Bodies are passed on from here on.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// What came since the last call.
    pub fn drain(&mut self) -> impl Iterator<Item = BodyPiece> + '_ {
        self.pieces.drain(..)
    }

    /// A body begins beside others of its side: its octets are given by its number. HTTP/2 has many at once.
    pub(super) fn begin_apart(&mut self) -> Option<BodyNo> {
        if !self.wanted {
            return None;
        }
        self.last = self.last.checked_add(1)?;
        Some(BodyNo(self.last))
    }

    /// The next octets of a body that is read beside others.
    pub(super) fn pass_apart(&mut self, number: BodyNo, kind: BodyKind, content: &[u8]) {
        if !content.is_empty() {
            let content = content.to_vec();
            self.pieces.push(BodyPiece::Bytes(number, kind, content));
        }
    }

    /// The capture lacks the next octets of a body that is read beside others.
    pub(super) fn lack_apart(&mut self, number: BodyNo, missing: u64) {
        if missing > 0 {
            self.pieces.push(BodyPiece::Hole(number, missing));
        }
    }

    /// A body that is read beside others is over.
    pub(super) fn end_apart(&mut self, number: BodyNo, how: Completeness) {
        self.pieces.push(BodyPiece::End(number, how));
    }

    /// A body of `side` begins; its number, where bodies are wanted. One that is still open has broken off.
    pub(super) fn begin(&mut self, side: Side, kind: BodyKind, framing: Framing) -> Option<BodyNo> {
        if !self.wanted {
            return None;
        }
        self.end(side, Completeness::BrokenOff);
        self.last = self.last.checked_add(1)?;
        let number = BodyNo(self.last);
        if let Some(open) = self.open.get_mut(side.index()) {
            *open = Some(Open {
                number,
                kind,
                framing,
            });
        }
        Some(number)
    }

    /// The next part of the open body of `side` has so many octets.
    pub(super) fn part(&mut self, side: Side, octets: u64) {
        if let Some(Open { framing, .. }) = self.of(side) {
            *framing = Framing::Counted(octets);
        }
    }

    /// The body of `side` under way.
    pub(super) fn under_way(&self, side: Side) -> Option<BodyNo> {
        let open = self.open.get(side.index())?.as_ref()?;
        Some(open.number)
    }

    /// Octets of a body have passed, with what frames them.
    pub(super) fn pass(&mut self, side: Side, bytes: &[u8]) {
        let Some(open) = self.of(side) else {
            return;
        };
        let content = match &mut open.framing {
            Framing::UntilClose => bytes.to_vec(),
            Framing::Counted(left) => {
                let room = usize::try_from(*left).unwrap_or(usize::MAX);
                let content = bytes.get(..room).unwrap_or(bytes);
                *left -= content.len() as u64;
                content.to_vec()
            }
            Framing::Dots(unstuff) => unstuff.feed(bytes),
        };
        let (number, kind) = (open.number, open.kind);
        if !content.is_empty() {
            self.pieces.push(BodyPiece::Bytes(number, kind, content));
        }
    }

    /// The same, where they were read as a line.
    pub(super) fn pass_line(&mut self, side: Side, line: &Line<'_>) {
        if self.under_way(side).is_none() {
            return;
        }
        let end = line.end();
        self.pass(side, &line.text);
        let kept = (line.text.len() + end.len()) as u64;
        if let Some(cut) = line.size.checked_sub(kept).filter(|&cut| cut > 0) {
            self.hole(side, cut);
        }
        self.pass(side, end);
    }

    /// The capture lacks `missing` octets that come next; those of them that are the body's are counted.
    pub(super) fn hole(&mut self, side: Side, missing: u64) {
        let Some(open) = self.of(side) else {
            return;
        };
        let inside = match &mut open.framing {
            Framing::UntilClose => missing,
            Framing::Counted(left) => {
                let inside = missing.min(*left);
                *left -= inside;
                inside
            }
            Framing::Dots(unstuff) => {
                unstuff.hole();
                missing
            }
        };
        let number = open.number;
        if inside > 0 {
            self.pieces.push(BodyPiece::Hole(number, inside));
        }
    }

    /// `side` has closed its direction in good order: that ends a body that goes on until then.
    pub(super) fn closed(&mut self, side: Side) {
        if let Some(Open {
            framing: Framing::UntilClose,
            ..
        }) = self.of(side)
        {
            self.end(side, Completeness::Ended);
        }
    }

    /// The open body of `side`, if any, is over.
    pub(super) fn end(&mut self, side: Side, how: Completeness) {
        if let Some(open) = self.open.get_mut(side.index()).and_then(Option::take) {
            self.pieces.push(BodyPiece::End(open.number, how));
        }
    }

    fn of(&mut self, side: Side) -> Option<&mut Open> {
        self.open.get_mut(side.index())?.as_mut()
    }
}

impl Completeness {
    /// By whether the end was seen.
    pub(super) const fn seen(end_seen: bool) -> Self {
        if end_seen {
            Self::Ended
        } else {
            Self::BrokenOff
        }
    }
}

/// Takes dot-stuffing away (RFC 5321 §4.5.2, RFC 1939 §3, RFC 3977 §3.1.1), and the lone dot at the end. The line end
/// before that dot is the text's own.
#[derive(Clone, Debug, Default)]
pub(super) struct Unstuff {
    at: At,
    endings: Endings,
}

/// Where in a line it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    LineStart,
    /// Behind the dot at its start, which is not passed on.
    Dot,
    /// Behind that and a CR, which is held until it is known whether it ends the text.
    DotCr,
    Inside,
    Cr,
}

impl Unstuff {
    /// At the start of a text whose lines end in one of these ways.
    pub(super) fn new(endings: Endings) -> Self {
        Self {
            endings,
            ..Self::default()
        }
    }

    /// What follows a hole is taken for the start of a line, as by the search for the end.
    fn hole(&mut self) {
        self.at = At::LineStart;
    }

    fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut content = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            self.at = match (self.at, byte) {
                (At::LineStart, b'.') => {
                    self.at = At::Dot;
                    continue;
                }
                (At::Dot, b'\r') => {
                    self.at = At::DotCr;
                    continue;
                }
                // The end: nothing of its line is the text's.
                (At::DotCr, b'\n') => {
                    self.at = At::LineStart;
                    continue;
                }
                (At::Dot, b'\n') if self.endings == Endings::Lenient => {
                    self.at = At::LineStart;
                    continue;
                }
                (At::DotCr, _) => {
                    content.push(b'\r');
                    self.after(At::Cr, byte)
                }
                (at, _) => self.after(at, byte),
            };
            content.push(byte);
        }
        content
    }

    /// Where it stands after `byte` of the text.
    fn after(&self, at: At, byte: u8) -> At {
        match byte {
            b'\r' => At::Cr,
            b'\n' if at == At::Cr || self.endings == Endings::Lenient => At::LineStart,
            _ => At::Inside,
        }
    }
}

#[cfg(test)]
mod decoded;

#[cfg(test)]
mod tests {
    use super::*;

    const C: Side = Side::Client;

    fn unstuffed(endings: Endings, text: &[u8], cut: usize) -> Vec<u8> {
        let mut unstuff = Unstuff::new(endings);
        let mut content = unstuff.feed(&text[..cut]);
        content.extend(unstuff.feed(&text[cut..]));
        content
    }

    #[test]
    fn dots_are_taken_away_wherever_segments_are_cut() {
        let text = b"..a\r\n.b\r\nc\n..d\r\n...\r\n.\rx\r\n\r\n.\r\n";
        for cut in 0..=text.len() {
            assert_eq!(
                unstuffed(Endings::Strict, text, cut),
                b".a\r\nb\r\nc\n..d\r\n..\r\n\rx\r\n\r\n",
                "cut at {cut}"
            );
        }
        let bare = b"..a\nb\n.\n";
        for cut in 0..=bare.len() {
            assert_eq!(unstuffed(Endings::Lenient, bare, cut), b".a\nb\n");
        }
    }

    #[test]
    fn nothing_is_copied_unless_wanted() {
        let mut bodies = Bodies::default();
        let framing = Framing::Counted(3);
        assert_eq!(bodies.begin(C, BodyKind::Http, framing), None);
        bodies.pass(C, b"abc");
        bodies.end(C, Completeness::Ended);
        assert_eq!(bodies.drain().count(), 0);
    }

    #[test]
    fn parts_lose_their_framing_and_holes_are_counted_inside_only() {
        let mut bodies = Bodies::default();
        bodies.want();
        let number = bodies.begin(C, BodyKind::Http, Framing::Counted(0));
        assert_eq!(number, Some(BodyNo(1)));
        bodies.part(C, 3);
        bodies.pass(C, b"abc\r\n");
        bodies.part(C, 4);
        bodies.pass(C, b"d");
        bodies.hole(C, 9);
        // Another begins where one is open: that has broken off.
        bodies.begin(C, BodyKind::Mail, Framing::UntilClose);
        bodies.closed(Side::Server);
        bodies.closed(C);
        let (one, two) = (BodyNo(1), BodyNo(2));
        assert_eq!(
            bodies.drain().collect::<Vec<_>>(),
            [
                BodyPiece::Bytes(one, BodyKind::Http, b"abc".to_vec()),
                BodyPiece::Bytes(one, BodyKind::Http, b"d".to_vec()),
                BodyPiece::Hole(one, 3),
                BodyPiece::End(one, Completeness::BrokenOff),
                BodyPiece::End(two, Completeness::Ended),
            ]
        );
    }
}
