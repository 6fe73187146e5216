//! One direction of a protocol of lines: whole lines, and between them bodies that are counted and never kept.
//!
//! Comes in: segments, in order, cut anywhere. Goes out: [`Unit`]s. At most [`MAX_LINE`] octets of a line and
//! [`MAX_HELD`] octets of a side that has run ahead are kept; the rest is counted.

use std::borrow::Cow;

use memchr::memchr;

use super::dots::{DotSearch, Endings, Odd};
use super::mail_head::MailHead;
use crate::model::{Nanos, PacketNo};

/// Longest line kept, in octets; what goes beyond is counted and dropped.
pub(super) const MAX_LINE: usize = 64 << 10;
/// Octets kept of a side whose bytes cannot be read before the other side has answered.
pub(super) const MAX_HELD: usize = 64 << 10;

/// What holding a segment costs besides its octets.
const HELD_COST: usize = 64;

/// Bytes of one segment that are still to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'p> {
    /// When they passed.
    pub(super) at: Nanos,
    /// In which packet.
    pub(super) packet: PacketNo,
    /// What is left of them.
    pub(super) bytes: &'p [u8],
}

/// A line without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line<'p> {
    /// The text; borrowed where the line lies in one segment.
    pub(super) text: Cow<'p, [u8]>,
    /// Octets on the wire, with the line end.
    pub(super) size: u64,
    /// First byte.
    pub(super) first: Nanos,
    /// Last byte.
    pub(super) last: Nanos,
    /// Packet of the first byte.
    pub(super) packet: PacketNo,
    /// How it ends.
    pub(super) ending: Ending,
    /// Whether its beginning may be missing.
    pub(super) beginning: Beginning,
}

/// How a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// LF without CR.
    BareLf,
    /// CRLF.
    CrLf,
}

/// Whether the beginning of a line was captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Beginning {
    /// A hole comes just before: this may be the rest of a line.
    AfterHole,
    /// It was.
    #[default]
    Known,
}

/// A body that was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Body {
    /// Octets on the wire, with what ends it, and with what the capture lacks of it.
    pub(super) octets: u64,
    /// Octets before what ends it: without CRLF.CRLF.
    pub(super) content: u64,
    /// Octets that the capture lacks.
    pub(super) missing: u64,
    /// First byte, its packet, and last byte; `None` for an empty one.
    pub(super) span: Option<(Nanos, PacketNo, Nanos)>,
    /// Whether its end was seen.
    pub(super) complete: bool,
    /// Whether a lone dot with wrong line ends was in it.
    pub(super) odd: Odd,
}

/// What a direction is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unit<'p> {
    /// A body came to its end; lines follow.
    Body(Body),
    /// A line.
    Line(Line<'p>),
}

/// What comes next in a direction.
#[derive(Clone, Debug, Default)]
pub(super) enum Mode {
    /// A text up to a lone dot.
    Dots(DotSearch),
    /// Unknown until the other side answers.
    Hold,
    /// Lines.
    #[default]
    Lines,
    /// That many octets.
    Octets(u64),
    /// Octets without structure up to the end of the connection.
    Opaque,
}

/// What was held back.
#[derive(Clone, Debug)]
pub(super) enum Held {
    /// Bytes.
    Data(Nanos, PacketNo, Vec<u8>),
    /// So many octets that were not captured, or went beyond the bound.
    Gap(Nanos, u64),
}

/// What a hole struck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Struck {
    /// A body, which goes on.
    Body,
    /// The rest of a body, no more.
    BodyEnd(Body),
    /// The rest of a body and lines after it.
    BodyEndAndLines(Body),
    /// Bytes that are held: told again when they are released.
    Held,
    /// Lines.
    Lines,
}

/// Reads one direction.
#[derive(Clone, Debug, Default)]
pub(super) struct Reader {
    mode: Mode,
    partial: Vec<u8>,
    /// Octets of the current line so far, kept or not.
    size: u64,
    first: Option<(Nanos, PacketNo)>,
    beginning: Beginning,
    body: Body,
    held: Vec<Held>,
    /// Octets kept, with what keeping a segment costs.
    kept: usize,
    held_octets: u64,
    heard: bool,
    /// Looks through the message that passes.
    head: Option<Box<MailHead>>,
}

impl<'p> Piece<'p> {
    /// Takes the next `n` octets, or what there is.
    fn take(&mut self, n: usize) -> &'p [u8] {
        let (taken, rest) = self.bytes.split_at(n.min(self.bytes.len()));
        self.bytes = rest;
        taken
    }
}

impl Line<'_> {
    /// What ended it.
    pub(super) fn end(&self) -> &'static [u8] {
        match self.ending {
            Ending::BareLf => b"\n",
            Ending::CrLf => b"\r\n",
        }
    }

    /// Whether a hole comes just before it.
    pub(super) fn after_hole(&self) -> bool {
        self.beginning == Beginning::AfterHole
    }
}

impl Reader {
    /// Takes the next unit from `piece`; `None` when it is used up.
    pub(super) fn next<'p>(&mut self, piece: &mut Piece<'p>) -> Option<Unit<'p>> {
        self.heard |= !piece.bytes.is_empty();
        match &mut self.mode {
            Mode::Lines => self.line(piece).map(Unit::Line),
            Mode::Octets(0) => Some(Unit::Body(self.end_body())),
            _ if piece.bytes.is_empty() => None,
            Mode::Hold => {
                self.hold(piece);
                None
            }
            Mode::Opaque => {
                self.count(*piece);
                piece.take(usize::MAX);
                None
            }
            Mode::Octets(left) => {
                let n = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(piece.bytes.len());
                *left -= n as u64;
                let left = *left;
                let bytes = piece.take(n);
                self.count(Piece { bytes, ..*piece });
                (left == 0).then(|| Unit::Body(self.end_body()))
            }
            Mode::Dots(search) => {
                let end = search.feed(piece.bytes);
                let bytes = piece.take(end.unwrap_or(usize::MAX));
                self.count(Piece { bytes, ..*piece });
                end.map(|_| Unit::Body(self.end_body()))
            }
        }
    }

    /// Changes what comes next. Lines that are half read stay so.
    pub(super) fn expect(&mut self, mode: Mode) {
        self.body = Body::default();
        self.mode = mode;
    }

    /// A text up to a lone dot comes next.
    pub(super) fn expect_dots(&mut self, endings: Endings) {
        self.expect(Mode::Dots(DotSearch::new(endings)));
    }

    /// As [`Self::expect_dots`], and `line` was its first line.
    pub(super) fn expect_more_dots(&mut self, line: &Line<'_>) {
        self.expect_dots(Endings::Strict);
        self.body.octets = line.size;
        self.body.span = Some((line.first, line.packet, line.last));
    }

    /// What passes next is a message, or more of it: its head is looked through.
    pub(super) fn watch_head(&mut self) {
        self.head.get_or_insert_default();
    }

    /// The Message-ID of the message that passed, or of what came of it so far.
    pub(super) fn message_id(&self) -> Option<String> {
        self.head.as_ref()?.message_id().map(str::to_owned)
    }

    /// The message is over.
    pub(super) fn forget_head(&mut self) {
        self.head = None;
    }

    /// Whether anything has come in this direction.
    pub(super) fn is_heard(&self) -> bool {
        self.heard
    }

    /// Whether bytes are held back until the other side answers.
    pub(super) fn is_holding(&self) -> bool {
        matches!(self.mode, Mode::Hold)
    }

    /// Whether lines come next.
    pub(super) fn reads_lines(&self) -> bool {
        matches!(self.mode, Mode::Lines)
    }

    /// Whether a body comes next, or more of one.
    pub(super) fn reads_body(&self) -> bool {
        matches!(self.mode, Mode::Dots(_) | Mode::Octets(_) | Mode::Opaque)
    }

    /// Whether a line is half read.
    pub(super) fn in_mid_line(&self) -> bool {
        self.reads_lines() && self.size > 0
    }

    /// The body being read, as far as it has come.
    pub(super) fn open_body(&self) -> Option<Body> {
        let odd = match &self.mode {
            Mode::Dots(search) => search.odd(),
            Mode::Octets(_) | Mode::Opaque => Odd::Never,
            Mode::Hold | Mode::Lines => return None,
        };
        Some(Body {
            odd,
            content: self.body.octets,
            ..self.body
        })
    }

    /// Gives the body up as it is: lines come next, the first of them perhaps without its beginning.
    pub(super) fn break_body(&mut self) -> Option<Body> {
        let body = self.open_body()?;
        self.expect(Mode::Lines);
        self.beginning = Beginning::AfterHole;
        Some(body)
    }

    /// Octets held back.
    pub(super) fn held_octets(&self) -> u64 {
        self.held_octets
    }

    /// Packet of the first octets held back.
    pub(super) fn held_from(&self) -> Option<PacketNo> {
        self.held.iter().find_map(|held| match held {
            Held::Data(_, packet, _) => Some(*packet),
            Held::Gap(..) => None,
        })
    }

    /// Takes what was held back, to be read again now that it is known what it is.
    pub(super) fn release(&mut self) -> Vec<Held> {
        self.held_octets = 0;
        self.kept = 0;
        std::mem::take(&mut self.held)
    }

    /// `missing` octets were not captured.
    pub(super) fn gap(&mut self, at: Nanos, missing: u64) -> Struck {
        if let Some(head) = &mut self.head {
            head.hole();
        }
        match &mut self.mode {
            Mode::Lines => {
                self.lose_line();
                Struck::Lines
            }
            Mode::Hold => {
                self.held_octets += missing;
                self.kept += HELD_COST;
                self.hold_gap(at, missing);
                Struck::Held
            }
            Mode::Opaque => {
                self.body.octets += missing;
                self.body.missing += missing;
                Struck::Body
            }
            Mode::Dots(search) => {
                search.hole();
                self.body.octets += missing;
                self.body.missing += missing;
                Struck::Body
            }
            Mode::Octets(left) => {
                let inside = missing.min(*left);
                *left -= inside;
                let left = *left;
                self.body.octets += inside;
                self.body.missing += inside;
                if left > 0 {
                    return Struck::Body;
                }
                let body = self.end_body();
                if missing == inside {
                    return Struck::BodyEnd(body);
                }
                self.lose_line();
                Struck::BodyEndAndLines(body)
            }
        }
    }

    /// What there is of a line whose rest is in a hole, if its beginning is known; asked before the hole is told.
    pub(super) fn broken_line(&mut self) -> Option<Line<'static>> {
        if !self.in_mid_line() || self.beginning == Beginning::AfterHole {
            return None;
        }
        let (first, packet) = self.first?;
        Some(Line {
            text: Cow::Owned(std::mem::take(&mut self.partial)),
            size: self.size,
            first,
            last: first,
            packet,
            ending: Ending::CrLf,
            beginning: Beginning::Known,
        })
    }

    fn lose_line(&mut self) {
        self.partial.clear();
        self.size = 0;
        self.first = None;
        self.beginning = Beginning::AfterHole;
    }

    fn line<'p>(&mut self, piece: &mut Piece<'p>) -> Option<Line<'p>> {
        if piece.bytes.is_empty() {
            return None;
        }
        let (first, packet) = *self.first.get_or_insert((piece.at, piece.packet));
        let Some(lf) = memchr(b'\n', piece.bytes) else {
            let bytes = piece.take(usize::MAX);
            self.keep(bytes);
            return None;
        };
        let bytes = piece.take(lf + 1);
        let text = if self.size == 0 {
            self.size = bytes.len() as u64;
            Cow::Borrowed(bytes.get(..MAX_LINE).unwrap_or(bytes))
        } else {
            self.keep(bytes);
            Cow::Owned(std::mem::take(&mut self.partial))
        };
        let (text, ending) = without_end(text);
        self.first = None;
        Some(Line {
            text,
            size: std::mem::take(&mut self.size),
            first,
            last: piece.at,
            packet,
            ending,
            beginning: std::mem::take(&mut self.beginning),
        })
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = MAX_LINE - self.partial.len().min(MAX_LINE);
        self.partial
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.size += bytes.len() as u64;
    }

    fn count(&mut self, piece: Piece<'_>) {
        if let Some(head) = &mut self.head {
            head.feed(piece.bytes);
        }
        self.body.octets += piece.bytes.len() as u64;
        let first = self
            .body
            .span
            .map_or((piece.at, piece.packet), |(at, packet, _)| (at, packet));
        self.body.span = Some((first.0, first.1, piece.at));
    }

    fn end_body(&mut self) -> Body {
        let mut body = self.open_body().unwrap_or_default();
        if matches!(self.mode, Mode::Dots(_)) {
            body.content = body.octets.saturating_sub(5);
        }
        body.complete = true;
        self.expect(Mode::Lines);
        body
    }

    fn hold(&mut self, piece: &mut Piece<'_>) {
        let bytes = piece.take(usize::MAX);
        self.kept += HELD_COST;
        let (keep, drop) = bytes.split_at(MAX_HELD.saturating_sub(self.kept).min(bytes.len()));
        self.kept += keep.len();
        self.held_octets += bytes.len() as u64;
        if !keep.is_empty() {
            self.held
                .push(Held::Data(piece.at, piece.packet, keep.to_vec()));
        }
        if drop.is_empty() {
            return;
        }
        self.hold_gap(piece.at, drop.len() as u64);
    }

    fn hold_gap(&mut self, at: Nanos, lost: u64) {
        match self.held.last_mut() {
            Some(Held::Gap(_, missing)) => *missing += lost,
            _ => self.held.push(Held::Gap(at, lost)),
        }
    }
}

/// `text` without CRLF or LF at its end. A line that was cut has neither and counts as ended well.
fn without_end(text: Cow<'_, [u8]>) -> (Cow<'_, [u8]>, Ending) {
    let (drop, ending) = match text.as_ref() {
        [.., b'\r', b'\n'] => (2, Ending::CrLf),
        [.., b'\n'] => (1, Ending::BareLf),
        _ => (0, Ending::CrLf),
    };
    let len = text.len() - drop;
    let text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(..len).unwrap_or_default()),
        Cow::Owned(mut text) => {
            text.truncate(len);
            Cow::Owned(text)
        }
    };
    (text, ending)
}

#[cfg(test)]
mod tests;
