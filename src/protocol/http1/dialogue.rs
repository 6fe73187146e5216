//! Requests and replies of one HTTP/1 connection, put together in order.

use super::head::{self, Framing};
use crate::model::{BodyKind, FaultCode, PacketNo, Side};
use crate::protocol::Dialogue;
use crate::protocol::bodies::{self, Completeness};
use crate::protocol::line::{Body, Line, Mode};
use crate::protocol::pending::Pending;
use crate::protocol::record::{
    add_name, answer, answer_body, answer_more, ask, ask_body, ask_more, forget_answer, remark,
    unmatched,
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
            return self.first_request_line(line, out);
        }
        if let Some(ask) = self.pending.last() {
            ask_more(&mut ask.exchange, line);
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

    fn first_request_line(&mut self, line: &Line<'_>, out: &mut Dialogue) {
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
        let line = after(line, skip);
        let request = head::request_line(&line.text);
        let malformed = request.is_none();
        let request = request.unwrap_or_else(|| head::malformed(&line.text));
        while let Some(ask) = self.pending.pop_doubtful() {
            self.reply.stage = Stage::Lost;
            ask.write(out);
        }
        let mut kind = match request.method.as_str() {
            "CONNECT" => Method::Connect,
            "HEAD" => Method::Head,
            _ => Method::Other,
        };
        let simple = malformed && head::is_simple(&line.text);
        self.request = Message {
            stage: if simple { Stage::Start } else { Stage::Fields },
            ..Message::default()
        };
        let mut exchange = ask(request.method, request.request, &line);
        if simple {
            kind = Method::Simple;
            remark(&mut exchange.notes, "as in HTTP/0.9: the reply has no head");
        } else if malformed {
            out.fault(FaultCode::UnknownCommand, line.packet);
            remark(&mut exchange.notes, "not a request of HTTP/1");
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
        match self.pending.first() {
            Some(ask) => answer(&mut ask.exchange, &line, || status.to_string()),
            None => unmatched(&line, out),
        }
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
mod tests {
    use crate::model::{Encryption, FaultCode, Nanos, PacketNo, Proto};
    use crate::protocol::testing::{
        C, S, Script, a_hole_costs_little, pairs, rubbish_is_survived, run,
        segmentation_does_not_matter,
    };

    const BROWSE: Script<'_> = &[
        (
            C,
            "GET / HTTP/1.1\r\nHost: x\r\nCookie: s3cret\r\nAuthorization: Basic dGltOnMzY3JldA==\r\n\r\n",
        ),
        (
            S,
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: s3cret\r\n\r\nhello",
        ),
        (C, "HEAD / HTTP/1.1\r\n\r\n"),
        (S, "HTTP/1.1 200 Head\r\nContent-Length: 5\r\n\r\n"),
        (
            C,
            "POST /put HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
        ),
        (S, "HTTP/1.1 100 Continue\r\n\r\n"),
        (C, "G / "),
        (S, "HTTP/1.1 204 Put\r\nContent-Length: 9\r\n\r\n"),
        (
            C,
            "PUT /chunks HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
        ),
        (
            S,
            "HTTP/1.1 200 Chunks\r\nTransfer-Encoding: chunked\r\n\r\nb;x=y\r\nHTTP/1.1 50\r\n1\r\nx\r\n0\r\n\r\n",
        ),
        (C, "GET /old HTTP/1.1\r\n\r\n"),
        (S, "HTTP/1.1 304 Old\r\n\r\n"),
        (C, "GET /last HTTP/1.0\r\n\r\n"),
        (S, "HTTP/1.0 200 Last\r\n\r\nuntil\r\n\r\nthe end"),
    ];

    #[test]
    fn messages_end_where_their_heads_say() {
        let (proto, dialogue) = run(80, BROWSE);
        assert_eq!(proto, Proto("http"));
        assert_eq!(dialogue.notes, [""; 0]);
        assert_eq!(dialogue.names, ["tim"]);
        assert!(!format!("{dialogue:?}").contains("s3cret"));
        let rows: Vec<(&str, &str, u64, u64)> = dialogue
            .exchanges
            .iter()
            .map(|e| {
                assert_eq!(e.notes, [""; 0]);
                (
                    &*e.request,
                    e.response.as_deref().unwrap(),
                    e.request_bytes.unwrap(),
                    e.response_bytes.unwrap(),
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                ("GET / HTTP/1.1", "HTTP/1.1 200 OK", 82, 63),
                ("HEAD / HTTP/1.1", "HTTP/1.1 200 Head", 19, 40),
                ("POST /put HTTP/1.1", "HTTP/1.1 204 Put", 67, 64),
                ("PUT /chunks HTTP/1.1", "HTTP/1.1 200 Chunks", 71, 82),
                ("GET /old HTTP/1.1", "HTTP/1.1 304 Old", 21, 20),
                ("GET /last HTTP/1.0", "HTTP/1.0 200 Last", 22, 37),
            ]
        );
        let put = &dialogue.exchanges[2];
        assert_eq!((put.asked, put.answered), (Some(Nanos(7)), Some(Nanos(8))));
        assert_eq!(put.packets, [Some(PacketNo(5)), Some(PacketNo(8))]);
        assert_eq!(put.code.as_deref(), Some("204"));
    }

    #[test]
    fn pipelined_requests_get_their_replies_in_order() {
        let (_, dialogue) = run(
            8080,
            &[
                (
                    C,
                    "GET /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n",
                ),
                (S, "HTTP/1.1 200 1\r\nContent-Length: 1\r\n\r\n."),
                (
                    S,
                    "HTTP/1.1 200 2\r\nContent-Length: 1\r\n\r\nHTTP/1.1 404 3\r\nContent-Length: 0\r\n\r\n",
                ),
            ],
        );
        let pairs = pairs(&dialogue);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(
            pairs,
            [
                ("GET /1 HTTP/1.1", "HTTP/1.1 200 1"),
                ("HEAD /2 HTTP/1.1", "HTTP/1.1 200 2"),
                ("GET /3 HTTP/1.1", "HTTP/1.1 404 3"),
            ]
        );
    }

    #[test]
    fn a_tunnel_and_an_upgrade_are_handed_over() {
        for (request, reply, what) in [
            (
                "CONNECT x:443 HTTP/1.1\r\n\r\n",
                "HTTP/1.1 200 go\r\n\r\n",
                "a tunnel",
            ),
            (
                "GET / HTTP/1.1\r\n\r\n",
                "HTTP/1.1 101 go\r\nUpgrade: websocket\r\n\r\n",
                "websocket",
            ),
        ] {
            let (_, dialogue) = run(
                80,
                &[(C, request), (S, reply), (C, "GET / HTTP/1.1\r\n\r\n")],
            );
            // A tunnel may carry more of the same; WebSocket is not read.
            let read = if what == "websocket" { 1 } else { 2 };
            assert_eq!(dialogue.exchanges.len(), read);
            assert_eq!(
                dialogue.notes[0],
                format!("handed over to {what} after the reply")
            );
        }
        let (_, refused) = run(
            3128,
            &[
                (C, "CONNECT x:443 HTTP/1.1\r\n\r\n"),
                (S, "HTTP/1.1 403 no\r\nContent-Length: 0\r\n\r\n"),
                (C, "GET / HTTP/1.1\r\n\r\n"),
                (S, "HTTP/1.1 200 yes\r\nContent-Length: 0\r\n\r\n"),
            ],
        );
        assert_eq!(pairs(&refused)[1].1, "HTTP/1.1 200 yes");
    }

    #[test]
    fn what_a_tunnel_carries_is_told_by_content_even_if_sent_ahead() {
        let hello = "\u{16}\u{3}\u{1}\0\u{5}\u{1}\0\0\u{1}\0";
        let ahead = format!("CONNECT x:443 HTTP/1.1\r\n\r\n{hello}");
        let (proto, dialogue) = run(3128, &[(C, ahead.as_str()), (S, "HTTP/1.1 200 go\r\n\r\n")]);
        assert_eq!(
            (proto, dialogue.encryption),
            (Proto("http"), Encryption::StartTls)
        );
        let (_, dialogue) = run(
            3128,
            &[
                (C, "CONNECT x:25 HTTP/1.1\r\n\r\n"),
                (S, "HTTP/1.1 200 go\r\n\r\n220 mx ESMTP\r\n"),
                (C, "QUIT\r\n"),
                (S, "221 bye\r\n"),
            ],
        );
        assert_eq!(
            pairs(&dialogue)[1..],
            [
                (String::new(), "220 mx ESMTP".into()),
                ("QUIT".into(), "221 bye".into()),
            ]
        );
        assert_eq!(dialogue.notes[1], "spoken after it: smtp");
    }

    #[test]
    fn a_reply_without_a_head_answers_a_request_without_a_version() {
        let (proto, dialogue) = run(
            80,
            &[(C, "GET /\r\n\r\n"), (S, "<html>\r\n"), (S, "</html>")],
        );
        assert_eq!(proto, Proto("http"));
        let [exchange] = dialogue.exchanges.as_slice() else {
            panic!("{dialogue:?}")
        };
        assert_eq!(
            (exchange.request.as_str(), exchange.response_bytes),
            ("GET /", Some(15))
        );
        assert_eq!(dialogue.faults, []);
    }

    #[test]
    fn the_rest_of_a_body_behind_a_hole_is_not_judged() {
        let script = [
            (C, "GET / HTTP/1.1\r\n\r\n"),
            (S, "HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\n"),
            (S, "a\nb\nc\nd\n"),
        ];
        let (_, dialogue) = crate::protocol::testing::without(80, &script, 1);
        assert_eq!(dialogue.faults, []);
    }

    #[test]
    fn an_end_told_in_two_ways_is_named() {
        for (fields, ambiguous) in [
            ("Content-Length: 4", false),
            ("Content-Length: 4\r\nContent-Length: 4", false),
            ("Content-Length: 4\r\nContent-Length: 5", true),
            ("Content-Length: 4\r\nTransfer-Encoding: chunked", true),
            ("Transfer-Encoding: chunked\r\nContent-Length: 4", true),
            ("Transfer-Encoding: chunked", false),
            ("Transfer-Encoding: chunked, x", true),
            ("Content-Length: +4", true),
            ("Content-Length: 18446744073709551616", true),
            ("Content-Length : 4", true),
        ] {
            let request = format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n");
            let (_, dialogue) = run(80, &[(C, request.as_str()), (S, "HTTP/1.1 200 x\r\n")]);
            let codes: Vec<_> = dialogue.faults.iter().map(|fault| fault.code).collect();
            let expected = if ambiguous {
                vec![FaultCode::Framing]
            } else {
                vec![]
            };
            assert_eq!(codes, expected, "{fields}");
        }
    }

    #[test]
    fn segments_and_holes_and_rubbish() {
        segmentation_does_not_matter(80, BROWSE);
        a_hole_costs_little(80, BROWSE, 2);
        rubbish_is_survived(
            80,
            &[
                "GET / HTTP/1.1\r\n",
                "\r\n",
                "HTTP/1.1 200 x\r\n",
                "Content-Length: 4\r\n",
                "abcd",
                "Transfer-Encoding: chunked\r\n",
                "5\r\n",
                "0\r\n",
                "HTTP/1.1 100 x\r\n\r\n",
                "CONNECT x HTTP/1.1\r\n\r\n",
                "HTTP/1.1 101 x\r\n\r\n",
                "ffffffffffffffff\r\n",
            ],
        );
    }

    #[test]
    fn a_malformed_request_gets_its_reply_and_is_shown_only_if_it_looks_like_one() {
        for (sent, shown) in [
            ("GET HTTP/1.1\r\nHost: x\r\n\r\n", "GET HTTP/1.1"),
            ("user=x&password=s3cret\r\n\r\n", "<no request line>"),
        ] {
            let (proto, dialogue) = run(
                80,
                &[
                    (C, sent),
                    (S, "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n"),
                ],
            );
            assert_eq!(proto, Proto("http"));
            assert_eq!(
                pairs(&dialogue),
                [(shown.into(), "HTTP/1.1 400 Bad".into())]
            );
            assert_eq!(dialogue.exchanges[0].notes, ["not a request of HTTP/1"]);
        }
    }
}
