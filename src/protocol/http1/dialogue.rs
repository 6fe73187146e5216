//! Requests and replies of one HTTP/1 connection, put together in order.

use super::head::{self, Framing};
use crate::model::{BodyKind, FaultCode, PacketNo, Side};
use crate::protocol::Dialogue;
use crate::protocol::bodies::{self, Completeness};
use crate::protocol::forwarded;
use crate::protocol::line::{Body, Line, Mode};
use crate::protocol::pending::Pending;
use crate::protocol::record::{
    add_name, answer, answer_body, answer_more, ask, ask_body, ask_more, forget_answer,
    perhaps_text, remark, unmatched,
};
use crate::protocol::talk::{Talk, Wire};

/// The state of one connection.
#[derive(Debug, Default)]
pub(super) struct Http {
    pending: Pending<Method>,
    request: Message,
    reply: Message,
    /// Status of the reply being read.
    status: u16,
    /// Protocol that the reply being read changes to.
    upgrade: Option<String>,
}

/// Methods whose replies have a shape of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Connect,
    Head,
    Other,
    /// GET of HTTP/0.9: one line, and the reply has no head.
    Simple,
}

impl Method {
    fn of(name: &str) -> Self {
        match name {
            "CONNECT" => Self::Connect,
            "HEAD" => Self::Head,
            _ => Self::Other,
        }
    }
}

/// A message in one direction, as far as it has been read.
#[derive(Debug, Default)]
struct Message {
    stage: Stage,
    framing: Framing,
    /// Packet of a field that contradicts another, or itself, about the end of the message.
    ambiguous: Option<PacketNo>,
}

/// What the next line of a direction is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// The first of a message.
    #[default]
    Start,
    /// A header field.
    Fields,
    /// No line but a counted body.
    Body,
    /// The size of a chunk.
    ChunkSize,
    /// A field after the last chunk.
    Trailers,
    /// Anything: a hole took the place where the message ended.
    Lost,
}

/// What a line was to its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// More is to come.
    Inside,
    /// The head ended.
    HeadEnd,
    /// The message ended.
    End,
}

impl Talk for Http {
    fn line(&mut self, side: Side, line: Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        match side {
            Side::Client => self.request_line(&line, wire, out),
            Side::Server => self.reply_line(&line, wire, out),
        }
    }

    fn body(&mut self, side: Side, body: Body, wire: &mut Wire, out: &mut Dialogue) {
        match side {
            Side::Client => {
                if self.request.stage == Stage::Start {
                    return;
                }
                if let Some(ask) = self.pending.last() {
                    ask_body(&mut ask.exchange, &body);
                    if !body.complete {
                        remark(&mut ask.exchange.notes, "the request ends in mid-body");
                    }
                }
                if self.request.body_ended() {
                    let how = Completeness::seen(body.complete);
                    out.bodies.end(Side::Client, how);
                }
            }
            Side::Server => {
                if self.reply.stage == Stage::Start {
                    return;
                }
                let until_close = self.reply.framing == Framing::Unsaid;
                if let Some(ask) = self.pending.first() {
                    answer_body(&mut ask.exchange, &body);
                    if !body.complete && !until_close {
                        remark(&mut ask.exchange.notes, "the reply ends in mid-body");
                    }
                }
                if self.reply.body_ended() {
                    let how = Completeness::seen(body.complete);
                    out.bodies.end(Side::Server, how);
                    self.reply_ended(wire, out);
                }
            }
        }
    }

    fn broken_line(&mut self, side: Side, line: &Line<'_>, out: &mut Dialogue) {
        let asks = side == Side::Client && self.request.stage == Stage::Start;
        let request = asks
            .then(|| head::broken_request_line(&line.text))
            .flatten();
        let Some(request) = request else {
            return;
        };
        let kind = Method::of(request.method.as_str());
        let mut exchange = ask(request.method, request.request, line);
        exchange.request_bytes = None;
        remark(&mut exchange.notes, "the request line was captured in part");
        if let Some(oldest) = self.pending.push(exchange, kind) {
            oldest.write(out);
        }
    }

    fn hole(&mut self, side: Side, _wire: &mut Wire, out: &mut Dialogue) {
        out.bodies.end(side, Completeness::BrokenOff);
        match side {
            Side::Client => {
                self.pending.lose_commands(out);
                self.request.stage = Stage::Lost;
            }
            Side::Server => {
                self.reply.stage = Stage::Lost;
                if let Some(ask) = self.pending.lose_replies(false, out) {
                    ask.write(out);
                }
            }
        }
    }

    fn in_step(&self, side: Side) -> bool {
        let stage = match side {
            Side::Client => self.request.stage,
            Side::Server => self.reply.stage,
        };
        stage != Stage::Lost
    }

    fn finish(&mut self, _wire: &mut Wire, out: &mut Dialogue) {
        while let Some(ask) = self.pending.pop() {
            ask.write(out);
        }
    }
}

impl Http {
    fn request_line(&mut self, line: &Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        if matches!(self.request.stage, Stage::Start | Stage::Lost) {
            return self.first_request_line(line, wire, out);
        }
        if let Some(ask) = self.pending.last() {
            ask_more(&mut ask.exchange, line);
            if self.request.stage == Stage::Fields
                && let Some((name, value)) = head::field(&line.text)
            {
                forwarded::http_field(name, value, &mut ask.exchange.forwarded);
            }
        }
        if self.request.stage == Stage::Fields
            && let Some(user) = head::user(&line.text)
        {
            add_name(out, user);
        }
        let part = self.request.read(line, Side::Client, wire, out);
        if let Some(packet) = self.request.ambiguous.take()
            && let Some(ask) = self.pending.last()
        {
            out.fault(FaultCode::Framing, packet);
            remark(&mut ask.exchange.notes, AMBIGUOUS);
        }
        if part == Part::End {
            out.bodies.end(Side::Client, Completeness::Ended);
        }
        if part != Part::HeadEnd {
            return;
        }
        self.begin_body(Side::Client, out);
        match self.request.framing {
            Framing::Chunked => self.request.stage = Stage::ChunkSize,
            Framing::Length(octets @ 1..) => {
                self.request.stage = Stage::Body;
                wire.client.expect(Mode::Octets(octets));
            }
            Framing::Length(0) | Framing::Unsaid => self.request.stage = Stage::Start,
        }
        // What follows CONNECT is of the tunnel, if there will be one.
        if self
            .pending
            .last()
            .is_some_and(|ask| ask.kind == Method::Connect)
        {
            wire.client.expect(Mode::Hold);
        }
    }

    fn first_request_line(&mut self, line: &Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        // Empty lines before a request are allowed (RFC 9112 §2.2).
        if line.text.is_empty() {
            return;
        }
        let lost = self.request.stage == Stage::Lost || line.after_hole();
        let skip = if lost {
            head::find_request_line(&line.text)
        } else {
            Some(0)
        };
        let Some(skip) = skip else {
            return;
        };
        let text = line.text.get(skip..).unwrap_or_default();
        let before = match head::request_line(text) {
            Some(_) => 0,
            None => head::find_request_line(text).unwrap_or(0),
        };
        let line = after(line, skip + before);
        let request = head::request_line(&line.text);
        let malformed = request.is_none();
        let request = request.unwrap_or_else(|| head::malformed(&line.text));
        while let Some(ask) = self.pending.pop_doubtful() {
            self.reply.stage = Stage::Lost;
            if wire.server.break_body().is_some() {
                out.bodies.end(Side::Server, Completeness::BrokenOff);
            }
            ask.write(out);
        }
        let mut kind = Method::of(request.method.as_str());
        let simple = malformed && head::is_simple(&line.text);
        let behind_hole = self.request.stage == Stage::Lost;
        self.request = Message {
            stage: if simple { Stage::Start } else { Stage::Fields },
            ..Message::default()
        };
        let mut exchange = ask(request.method, request.request, &line);
        if simple {
            kind = Method::Simple;
            remark(&mut exchange.notes, "as in HTTP/0.9: the reply has no head");
        } else if before > 0 {
            out.fault(FaultCode::UnknownCommand, line.packet);
            let octets = format!("{before} octets stand before it that are no part of a request");
            remark(&mut exchange.notes, octets);
        } else if malformed {
            out.fault(FaultCode::UnknownCommand, line.packet);
            remark(&mut exchange.notes, "not a request of HTTP/1");
        }
        if behind_hole {
            perhaps_text(&mut exchange);
        }
        if let Some(oldest) = self.pending.push(exchange, kind) {
            oldest.write(out);
        }
    }

    fn reply_line(&mut self, line: &Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        if matches!(self.reply.stage, Stage::Start | Stage::Lost) {
            return self.first_reply_line(line, wire, out);
        }
        if let Some(ask) = self.pending.first() {
            answer_more(&mut ask.exchange, line);
        }
        if self.reply.stage == Stage::Fields
            && let Some(upgrade) = head::upgrade(&line.text)
        {
            self.upgrade = Some(upgrade);
        }
        let part = self.reply.read(line, Side::Server, wire, out);
        if let Some(packet) = self.reply.ambiguous.take()
            && let Some(ask) = self.pending.first()
        {
            out.fault(FaultCode::Framing, packet);
            remark(&mut ask.exchange.notes, AMBIGUOUS);
        }
        match part {
            Part::Inside => {}
            Part::End => {
                out.bodies.end(Side::Server, Completeness::Ended);
                self.reply_ended(wire, out);
            }
            Part::HeadEnd => self.reply_head_ended(wire, out),
        }
    }

    fn first_reply_line(&mut self, line: &Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        let lost = self.reply.stage == Stage::Lost;
        let skip = if lost {
            head::find_status_line(&line.text)
        } else {
            Some(0)
        };
        let clean = skip.map(|skip| after(line, skip));
        let read = clean.and_then(|line| Some((head::status_line(&line.text)?, line)));
        let Some((status, line)) = read else {
            let simple = self
                .pending
                .first()
                .filter(|ask| ask.kind == Method::Simple);
            if let Some(ask) = simple.filter(|_| !lost) {
                answer_more(&mut ask.exchange, line);
                self.reply.stage = Stage::Body;
                self.reply.framing = Framing::Unsaid;
                wire.server.expect(Mode::Opaque);
            } else if !lost && !line.text.is_empty() {
                out.fault(FaultCode::BadReply, line.packet);
                remark(
                    &mut out.notes,
                    format!("not a reply of HTTP/1, in packet {}", line.packet.0),
                );
                if self.pending.is_uncertain() {
                    // It was not as long as it said: the reply to a HEAD that was lost.
                    self.reply.stage = Stage::Lost;
                    self.pending.reply_to_none();
                }
            }
            return;
        };
        // The end of the reply before this one was lost.
        if lost
            && self.pending.first().is_some_and(|ask| ask.in_reply())
            && let Some(ask) = self.pending.pop()
        {
            ask.write(out);
        }
        self.status = status;
        self.upgrade = None;
        self.reply = Message {
            stage: Stage::Fields,
            ..Message::default()
        };
        if let Some(ask) = self.pending.first() {
            return answer(&mut ask.exchange, &line, || status.to_string());
        }
        self.pending.reply_to_none();
        unmatched(&line, out);
    }

    fn reply_head_ended(&mut self, wire: &mut Wire, out: &mut Dialogue) {
        let method = self.pending.first().map_or(Method::Other, |ask| ask.kind);
        let tunnel = method == Method::Connect && self.status / 100 == 2;
        if self.status == 101 || tunnel {
            return self.hand_over(tunnel, wire, out);
        }
        if self.status / 100 == 1 {
            // The reply that counts is still to come, and perhaps the body of the request before it.
            if let Some(ask) = self.pending.first() {
                forget_answer(&mut ask.exchange);
            }
            self.reply.stage = Stage::Start;
            return;
        }
        if self.pending.is_empty() {
            // Whether it has a body depends on the request, which nobody saw.
            self.reply.stage = Stage::Lost;
            return;
        }
        let empty = method == Method::Head || matches!(self.status, 204 | 304);
        if !empty {
            self.begin_body(Side::Server, out);
        }
        match self.reply.framing {
            _ if empty => self.reply_ended(wire, out),
            Framing::Chunked => self.reply.stage = Stage::ChunkSize,
            Framing::Length(0) => self.reply_ended(wire, out),
            Framing::Length(octets) => {
                self.reply.stage = Stage::Body;
                wire.server.expect(Mode::Octets(octets));
            }
            Framing::Unsaid => {
                self.reply.stage = Stage::Body;
                wire.server.expect(Mode::Opaque);
            }
        }
    }

    /// The body of a message of `side`, if it has one, comes next.
    fn begin_body(&mut self, side: Side, out: &mut Dialogue) {
        let (message, ask) = match side {
            Side::Client => (&self.request, self.pending.last()),
            Side::Server => (&self.reply, self.pending.first()),
        };
        let framing = match (message.framing, side) {
            (Framing::Length(0), _) | (Framing::Unsaid, Side::Client) => return,
            (Framing::Length(octets), _) => bodies::Framing::Counted(octets),
            (Framing::Chunked, _) => bodies::Framing::Counted(0),
            (Framing::Unsaid, Side::Server) => bodies::Framing::UntilClose,
        };
        // Where its request was lost, nothing could tell of the file.
        if let Some(ask) = ask
            && let Some(body) = ask.exchange.bodies.get_mut(side.index())
        {
            *body = out.bodies.begin(side, BodyKind::Http, framing);
        }
    }

    /// From here on the connection speaks something else.
    fn hand_over(&mut self, tunnel: bool, wire: &mut Wire, out: &mut Dialogue) {
        let what = match &self.upgrade {
            _ if tunnel => "a tunnel".to_owned(),
            Some(upgrade) => upgrade.clone(),
            None => "another protocol".to_owned(),
        };
        remark(
            &mut out.notes,
            format!("handed over to {what} after the reply"),
        );
        let mut port = None;
        if let Some(ask) = self.pending.pop() {
            port = head::tunnel_port(&ask.exchange.request).filter(|_| tunnel);
            ask.write(out);
        }
        if tunnel || self.upgrade.as_deref().is_none_or(|it| !is_websocket(it)) {
            return wire.hand_over(port);
        }
        self.request = Message::default();
        self.reply = Message::default();
        wire.client.expect(Mode::Opaque);
        wire.server.expect(Mode::Opaque);
    }

    fn reply_ended(&mut self, wire: &mut Wire, out: &mut Dialogue) {
        self.reply.stage = Stage::Start;
        let Some(mut ask) = self.pending.pop() else {
            return;
        };
        if wire.client.is_holding() {
            wire.client.expect(Mode::Lines);
        }
        if self.pending.is_empty() && self.request.stage != Stage::Start {
            remark(
                &mut ask.exchange.notes,
                "answered before the end of the request",
            );
        }
        ask.write(out);
    }
}

/// A remark on a message whose end is told in two ways, or in none that holds.
const AMBIGUOUS: &str = "the end of the message is told in a way that readers take differently";

/// Whether an upgrade is to WebSocket (RFC 6455), whose frames are not read.
fn is_websocket(upgrade: &str) -> bool {
    upgrade.eq_ignore_ascii_case("websocket")
}

/// `line` without its first `skip` octets.
fn after<'a>(line: &'a Line<'_>, skip: usize) -> Line<'a> {
    Line {
        text: line.text.get(skip..).unwrap_or_default().into(),
        size: line.size - skip as u64,
        ..*line
    }
}

impl Message {
    /// Reads a line that is not the first of the message.
    fn read(&mut self, line: &Line<'_>, side: Side, wire: &mut Wire, out: &mut Dialogue) -> Part {
        match self.stage {
            Stage::Fields if line.text.is_empty() => return Part::HeadEnd,
            Stage::Fields => {
                if head::contradicts(self.framing, &line.text, side) {
                    self.ambiguous = Some(line.packet);
                }
                self.framing = head::framing(self.framing, &line.text);
            }
            Stage::ChunkSize => match head::chunk_size(&line.text) {
                Some(0) => self.stage = Stage::Trailers,
                Some(octets) => {
                    self.stage = Stage::Body;
                    // With the line end after it.
                    wire.of(side).expect(Mode::Octets(octets.saturating_add(2)));
                    out.bodies.part(side, octets);
                }
                None => {
                    self.ambiguous = Some(line.packet);
                    self.stage = Stage::Lost;
                    out.bodies.end(side, Completeness::BrokenOff);
                }
            },
            Stage::Trailers if line.text.is_empty() => {
                self.stage = Stage::Start;
                return Part::End;
            }
            Stage::Body | Stage::Lost | Stage::Start | Stage::Trailers => {}
        }
        Part::Inside
    }

    /// A counted body ended; tells whether the message did.
    fn body_ended(&mut self) -> bool {
        let more = self.framing == Framing::Chunked;
        self.stage = if more { Stage::ChunkSize } else { Stage::Start };
        !more
    }
}

#[cfg(test)]
mod tests;
