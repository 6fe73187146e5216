//! Frames of both directions become exchanges, one a stream.

use std::collections::VecDeque;

use super::fields::{Fields, Table};
use super::frame::{Frame, HEADER, error_name, flag, kind};
use super::reader::{Found, Piece, Reader};
use crate::flow::StreamEvent;
use crate::model::{BodyKind, BodyNo, Exchange, Nanos, PacketNo, Seen, Side, Verb, masked_request};
use crate::protocol::bodies::Completeness;
use crate::protocol::record::remark;
use crate::protocol::{Decoder, Dialogue, Step};

/// Most streams under way; the oldest is given up when there are more.
const MAX_STREAMS: usize = 1000;
/// Longest header block that is put together, and the most frames it may come in: without such a bound a block
/// can go on for ever (CVE-2024-27316 and kin).
const MAX_BLOCK: usize = 64 << 10;
const MAX_FRAMES: u32 = 64;

/// Reads one connection.
pub(super) struct Http2 {
    client: Direction,
    server: Direction,
    streams: VecDeque<Stream>,
}

struct Direction {
    reader: Reader,
    table: Table,
    /// A header block that goes on in the next frame.
    block: Option<Block>,
}

/// A header block, or what came of it.
struct Block {
    /// Stream it is of: in a push promise the one promised.
    stream: u32,
    octets: Vec<u8>,
    frames: u32,
    /// Octets of its frames on the wire.
    size: u64,
    ends_stream: bool,
    promised: bool,
    start: (Nanos, PacketNo),
    /// It is too long, or a part of it is missing.
    spoilt: bool,
}

/// A stream under way.
struct Stream {
    id: u32,
    exchange: Exchange,
    /// Bodies that have begun and not ended.
    open: [Option<BodyNo>; 2],
}

impl Default for Http2 {
    fn default() -> Self {
        let direction = |client| Direction {
            reader: Reader::new(client),
            table: Table::default(),
            block: None,
        };
        Self {
            client: direction(true),
            server: direction(false),
            streams: VecDeque::new(),
        }
    }
}

impl Decoder for Http2 {
    fn event(&mut self, event: StreamEvent<'_>, out: &mut Dialogue) -> Step {
        let side = event.side();
        // Taken out, so that what it gives may change the rest.
        let mut reader = std::mem::replace(&mut self.of(side).reader, Reader::new(false));
        match event {
            StreamEvent::Data {
                at, packet, bytes, ..
            } => reader.push((at, packet), bytes, &mut |found| {
                self.found(side, &found, out);
            }),
            StreamEvent::Gap { at, missing, .. } => {
                let lost = reader.gap(at, missing, &mut |found| self.found(side, &found, out));
                if lost {
                    self.lose(side, out);
                }
            }
            StreamEvent::Fin { .. } | StreamEvent::Rst { .. } => {}
        }
        self.of(side).reader = reader;
        Step::Continue
    }

    fn finish(&mut self, out: &mut Dialogue) {
        while let Some(stream) = self.streams.pop_front() {
            stream.write(out);
        }
    }
}

impl Http2 {
    const fn of(&mut self, side: Side) -> &mut Direction {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Frames of `side` were lost.
    fn lose(&mut self, side: Side, out: &mut Dialogue) {
        let direction = self.of(side);
        direction.table.lose();
        direction.block = None;
        remark(
            &mut out.notes,
            "frames are missing from the capture: fields that refer to those before are not known",
        );
        if side == Side::Server {
            for stream in &mut self.streams {
                remark(
                    &mut stream.exchange.notes,
                    "frames of the server are missing from the capture",
                );
            }
        }
    }

    fn found(&mut self, side: Side, found: &Found<'_>, out: &mut Dialogue) {
        match *found {
            Found::Content(stream, content) => {
                if let Some(number) = self.body(stream, side, out) {
                    out.bodies.pass_apart(number, BodyKind::Http, content);
                }
            }
            Found::Hole(stream, missing) => {
                if let Some(number) = self.body(stream, side, out) {
                    out.bodies.lack_apart(number, missing);
                }
            }
            Found::Frame(ref piece) => self.frame(side, piece, out),
        }
    }

    /// The body that `side` sends in a stream, begun where it was not; `None` where bodies are not wanted.
    fn body(&mut self, stream: u32, side: Side, out: &mut Dialogue) -> Option<BodyNo> {
        let stream = self.find(stream)?;
        let body = stream.exchange.bodies.get_mut(side.index())?;
        if body.is_none() {
            *body = out.bodies.begin_apart();
            let open = stream.open.get_mut(side.index())?;
            *open = *body;
        }
        *body
    }

    fn frame(&mut self, side: Side, piece: &Piece<'_>, out: &mut Dialogue) {
        let frame = piece.frame;
        let goes_on = frame.kind == kind::CONTINUATION;
        if let Some(block) = self.of(side).block.take_if(|_| !goes_on) {
            self.of(side).table.lose();
            remark(
                &mut out.notes,
                format!("a header block of stream {} does not end", block.stream),
            );
        }
        match frame.kind {
            kind::DATA => self.data(side, piece, out),
            kind::HEADERS | kind::PUSH_PROMISE => {
                let block = Block::begin(piece);
                self.go_on(side, block, piece, out);
            }
            kind::CONTINUATION => {
                if let Some(block) = self.of(side).block.take() {
                    let block = block.more(piece);
                    self.go_on(side, block, piece, out);
                }
            }
            kind::RST_STREAM => self.reset(side, piece, out),
            kind::GOAWAY => {
                let code = piece.payload.and_then(|payload| number(payload.get(4..)?));
                let code = code.map_or_else(|| "no code".to_owned(), error_name);
                let who = who(side);
                remark(&mut out.notes, format!("the {who} says GOAWAY: {code}"));
            }
            _ => {}
        }
    }

    /// A header block ends with this frame, or goes on.
    fn go_on(&mut self, side: Side, mut block: Block, piece: &Piece<'_>, out: &mut Dialogue) {
        if block.frames > MAX_FRAMES || block.octets.len() > MAX_BLOCK {
            block.octets = Vec::new();
            block.spoilt = true;
            remark(&mut out.notes, "a header block is too long to be read");
        }
        if !piece.frame.has(flag::END_HEADERS) {
            self.of(side).block = Some(block);
            return;
        }
        let table = &mut self.of(side).table;
        let fields = if block.spoilt {
            table.lose();
            Fields {
                cut: true,
                ..Fields::default()
            }
        } else {
            table.read(&block.octets)
        };
        match (side, block.promised) {
            (Side::Client, _) | (Side::Server, true) => self.asked(&block, &fields, piece, out),
            (Side::Server, false) => self.answered(&block, &fields, piece, out),
        }
    }

    /// A request, or the trailers of one.
    fn asked(&mut self, block: &Block, fields: &Fields, piece: &Piece<'_>, out: &mut Dialogue) {
        if let Some(stream) = self.find(block.stream) {
            grow(&mut stream.exchange.request_bytes, block.size);
            stream.exchange.asked = Some(piece.end);
            if block.ends_stream {
                stream.end_body(Side::Client, Completeness::Ended, out);
            }
            return;
        }
        let method = fields.method.as_deref().unwrap_or_default();
        let target = fields.path.as_ref().or(fields.authority.as_ref());
        let known = !method.is_empty() && target.is_some();
        let request = match (method, target) {
            ("", None) => String::new(),
            (method, target) => masked_request(&format!(
                "{} {} HTTP/2",
                if method.is_empty() { "?" } else { method },
                target.map_or("?", String::as_str)
            )),
        };
        let mut exchange = Exchange::new(Verb::new(method), request, Seen::Wire);
        exchange.start = Some(block.start.0);
        exchange.asked = Some(piece.end);
        exchange.packets = [Some(block.start.1), None];
        exchange.request_bytes = Some(block.size);
        exchange.forwarded.clone_from(&fields.forwarded);
        if block.promised {
            remark(&mut exchange.notes, "pushed by the server");
        }
        if !known {
            remark(
                &mut exchange.notes,
                "its fields are not known, as they refer to what was not captured or cannot be read",
            );
        }
        self.streams.push_back(Stream {
            id: block.stream,
            exchange,
            open: [None, None],
        });
        if self.streams.len() > MAX_STREAMS
            && let Some(oldest) = self.streams.pop_front()
        {
            oldest.write(out);
        }
    }

    /// A reply, an interim one, or the trailers of one.
    fn answered(&mut self, block: &Block, fields: &Fields, piece: &Piece<'_>, out: &mut Dialogue) {
        if self.find(block.stream).is_none() {
            let note = if block.stream == 1 {
                "the reply to the request that asked for HTTP/2"
            } else {
                "its request was not captured"
            };
            let mut exchange = Exchange::new(Verb::default(), String::new(), Seen::Wire);
            exchange.start = Some(block.start.0);
            remark(&mut exchange.notes, note);
            let id = block.stream;
            self.streams.push_back(Stream {
                id,
                exchange,
                open: [None, None],
            });
        }
        let Some(stream) = self.find(block.stream) else {
            return;
        };
        let exchange = &mut stream.exchange;
        grow(&mut exchange.response_bytes, block.size);
        let interim = fields
            .status
            .as_deref()
            .is_some_and(|status| status.starts_with('1'));
        if !interim {
            if exchange.answered.is_none() {
                exchange.answered = Some(block.start.0);
                let [asked, _] = exchange.packets;
                exchange.packets = [asked, Some(block.start.1)];
            }
            exchange.end = Some(piece.end);
            if let (Some(status), None) = (&fields.status, &exchange.response) {
                exchange.response = Some(format!("HTTP/2 {status}"));
                exchange.code = Some(status.clone());
            }
            if exchange.response.is_none() && fields.cut {
                remark(&mut exchange.notes, "the status of the reply is not known");
            }
        }
        if block.ends_stream {
            stream.end_body(Side::Server, Completeness::Ended, out);
            self.write(block.stream, out);
        }
    }

    fn data(&mut self, side: Side, piece: &Piece<'_>, out: &mut Dialogue) {
        let Some(stream) = self.find(piece.frame.stream) else {
            return;
        };
        let exchange = &mut stream.exchange;
        match side {
            Side::Client => {
                grow(&mut exchange.request_bytes, size(piece.frame));
                exchange.asked = Some(piece.end);
            }
            Side::Server => {
                grow(&mut exchange.response_bytes, size(piece.frame));
                exchange.end = Some(piece.end);
            }
        }
        if piece.missing > 0 {
            remark(
                &mut exchange.notes,
                format!("{} octets of a body not captured", piece.missing),
            );
        }
        if piece.frame.has(flag::END_STREAM) {
            stream.end_body(side, Completeness::Ended, out);
            if side == Side::Server {
                self.write(piece.frame.stream, out);
            }
        }
    }

    fn reset(&mut self, side: Side, piece: &Piece<'_>, out: &mut Dialogue) {
        if let Some(stream) = self.find(piece.frame.stream) {
            let code = piece.payload.and_then(number);
            let code = code.map_or_else(|| "no code".to_owned(), error_name);
            let note = format!("the {} reset the stream: {code}", who(side));
            remark(&mut stream.exchange.notes, note);
            self.write(piece.frame.stream, out);
        }
    }

    fn find(&mut self, id: u32) -> Option<&mut Stream> {
        // The newest are the likeliest.
        self.streams.iter_mut().rev().find(|stream| stream.id == id)
    }

    /// A stream is over.
    fn write(&mut self, id: u32, out: &mut Dialogue) {
        if let Some(at) = self.streams.iter().position(|stream| stream.id == id)
            && let Some(stream) = self.streams.remove(at)
        {
            stream.write(out);
        }
    }
}

impl Stream {
    /// The body that `side` sends, if any, is over.
    fn end_body(&mut self, side: Side, how: Completeness, out: &mut Dialogue) {
        let open = self.open.get_mut(side.index()).and_then(Option::take);
        if let Some(number) = open {
            out.bodies.end_apart(number, how);
        }
    }

    fn write(mut self, out: &mut Dialogue) {
        for side in [Side::Client, Side::Server] {
            self.end_body(side, Completeness::BrokenOff, out);
        }
        if self.exchange.answered.is_none() {
            remark(&mut self.exchange.notes, "no reply captured");
        }
        out.exchanges.push(self.exchange);
    }
}

impl Block {
    fn begin(piece: &Piece<'_>) -> Self {
        let frame = piece.frame;
        let promised = frame.kind == kind::PUSH_PROMISE;
        let mut this = Self {
            stream: frame.stream,
            octets: Vec::new(),
            frames: 1,
            size: size(frame),
            ends_stream: frame.has(flag::END_STREAM) && !promised,
            promised,
            start: piece.start,
            spoilt: false,
        };
        match piece.payload.and_then(|payload| fragment(frame, payload)) {
            Some((stream, octets)) => {
                this.stream = stream.unwrap_or(frame.stream);
                this.octets.extend_from_slice(octets);
            }
            None => this.spoilt = true,
        }
        this
    }

    fn more(mut self, piece: &Piece<'_>) -> Self {
        self.frames += 1;
        self.size += size(piece.frame);
        match piece.payload {
            Some(octets) if piece.frame.stream == self.stream || self.promised => {
                if !self.spoilt {
                    self.octets.extend_from_slice(octets);
                }
            }
            _ => self.spoilt = true,
        }
        self
    }
}

/// The part of a header block in a frame (RFC 9113 §6.2, §6.6), and the stream that it promises.
fn fragment(frame: Frame, payload: &[u8]) -> Option<(Option<u32>, &[u8])> {
    let mut rest = payload;
    let mut padding = 0;
    if frame.has(flag::PADDED) {
        let (&octets, after) = rest.split_first()?;
        (padding, rest) = (usize::from(octets), after);
    }
    let mut promised = None;
    if frame.kind == kind::PUSH_PROMISE {
        promised = Some(number(rest)? & 0x7fff_ffff);
        rest = rest.get(4..)?;
    } else if frame.has(flag::PRIORITY) {
        rest = rest.get(5..)?;
    }
    Some((promised, rest.get(..rest.len().checked_sub(padding)?)?))
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes
        .first_chunk()
        .map(|octets| u32::from_be_bytes(*octets))
}

/// Octets of a frame on the wire.
fn size(frame: Frame) -> u64 {
    HEADER as u64 + u64::from(frame.length)
}

fn grow(octets: &mut Option<u64>, more: u64) {
    *octets = Some(octets.unwrap_or(0).saturating_add(more));
}

const fn who(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Server => "server",
    }
}
