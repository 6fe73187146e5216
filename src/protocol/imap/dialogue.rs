//! Commands and replies of one IMAP connection, put together by their tags.
//!
//! What the server says before a tagged reply counts to the command that this ends.

use std::collections::VecDeque;

use super::command::{self, Kind, Literal};
use super::reply::{self, Reply};
use crate::model::{BodyKind, BodyNo, Exchange, Side};
use crate::protocol::Dialogue;
use crate::protocol::bodies::{Completeness, Framing};
use crate::protocol::line::{Body, Line, Mode};
use crate::protocol::record::{
    add_name, answer, answer_body, ask, ask_more, ask_octets, bad_reply, forget_answer, greeting,
    remark, spoke_early, text, unknown, unmatched,
};
use crate::protocol::sasl::{Awaited, Mechanism};
use crate::protocol::talk::{Talk, Wire};

/// Most commands that wait for their replies; the oldest is given up when there are more.
const MAX_RUNNING: usize = 1000;

/// The state of one connection.
#[derive(Debug, Default)]
pub(super) struct Imap {
    running: VecDeque<Running>,
    client: Client,
    /// What the server has said since the last tagged reply, for the command that the next one ends.
    said: Body,
    /// Messages among that, where bodies are wanted.
    fetched: Vec<BodyNo>,
    /// How many messages there are among it.
    brought: u32,
    /// The server's line goes on after a literal.
    in_line: bool,
    greeted: bool,
    /// Lines were lost: what cannot be read may be the rest of something, even of a secret.
    uncertain: bool,
}

/// A command without its tagged reply.
#[derive(Debug)]
struct Running {
    tag: Vec<u8>,
    exchange: Exchange,
    kind: Kind,
    /// Replies were lost while it was running.
    doubtful: bool,
}

/// What a literal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Message,
    Other,
}

/// What the client sends next.
#[derive(Debug, Default)]
enum Client {
    /// A command.
    #[default]
    Command,
    /// The rest of the last command, after a literal.
    Rest,
    /// A literal of the last command, once the server has said `+`.
    Literal(u64, Holds),
    /// A response of the last command's SASL exchange, once the server has said `+`.
    Sasl(Mechanism),
    /// A response of the last command's SASL exchange.
    Response(Awaited),
}

impl Talk for Imap {
    fn line(&mut self, side: Side, line: Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        match side {
            Side::Client => self.client_line(&line, wire, out),
            Side::Server => self.server_line(&line, wire, out),
        }
    }

    fn body(&mut self, side: Side, body: Body, _wire: &mut Wire, out: &mut Dialogue) {
        out.bodies.end(side, Completeness::seen(body.complete));
        match side {
            Side::Server => self.hear(&body),
            Side::Client => {
                if let Some(last) = self.running.back_mut() {
                    ask_octets(&mut last.exchange, &body);
                }
            }
        }
    }

    fn hole(&mut self, side: Side, wire: &mut Wire, out: &mut Dialogue) {
        self.uncertain = true;
        if side == Side::Client {
            remark(&mut out.notes, "commands are missing from the capture");
            self.client = Client::Command;
            return;
        }
        remark(&mut out.notes, "replies are missing from the capture");
        self.greeted = true;
        self.in_line = false;
        for running in &mut self.running {
            running.doubtful = true;
        }
        // The `+` that the client waited for may be lost, so it is taken to have come.
        if wire.client.is_holding() {
            self.go_on(wire, out);
        }
    }

    fn in_step(&self, _side: Side) -> bool {
        !self.uncertain
    }

    fn resume(&mut self) {
        self.greeted = true;
    }

    fn finish(&mut self, _wire: &mut Wire, out: &mut Dialogue) {
        let said = std::mem::take(&mut self.said);
        if let Some(first) = self.running.front_mut() {
            answer_body(&mut first.exchange, &said);
            for number in self.fetched.drain(..) {
                keep_body(&mut first.exchange, Side::Server, number);
            }
            first.exchange.brought = std::mem::take(&mut self.brought);
        }
        while let Some(running) = self.running.pop_front() {
            running.give_up(out);
        }
    }
}

impl Running {
    fn give_up(mut self, out: &mut Dialogue) {
        remark(&mut self.exchange.notes, "no tagged reply captured");
        out.exchanges.push(self.exchange);
    }
}

impl Imap {
    fn client_line(&mut self, line: &Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        match std::mem::take(&mut self.client) {
            Client::Command => self.command(line, wire, out),
            Client::Rest => {
                if let Some(last) = self.running.back_mut() {
                    again(&mut last.exchange, line);
                }
                self.announce(&line.text, wire, out);
            }
            Client::Response(mut awaited) => {
                let known = command::read(&line.text).kind != Kind::Unknown;
                let Some((user, mechanism)) = awaited.take(known, &line.text) else {
                    return self.command(line, wire, out);
                };
                if let Some(user) = user {
                    add_name(out, user);
                }
                if let Some(last) = self.running.back_mut() {
                    again(&mut last.exchange, line);
                }
                self.client = Client::Sasl(mechanism);
                self.wait(wire, out);
            }
            // Held lines are not read, so these cannot be lines of the client.
            Client::Literal(..) | Client::Sasl(_) => {}
        }
    }

    fn command(&mut self, line: &Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        let idle = self.running.iter_mut().rfind(|it| it.kind == Kind::Idle);
        if let Some(idle) = idle.filter(|_| line.text.eq_ignore_ascii_case(b"DONE")) {
            // The reply to IDLE began long before, so the moment of asking stays.
            let asked = idle.exchange.asked;
            ask_more(&mut idle.exchange, line);
            idle.exchange.asked = asked;
            return;
        }
        let command = command::read(&line.text);
        let unread = self.uncertain || !self.greeted;
        if command.kind == Kind::Unknown && (line.after_hole() || unread) {
            return;
        }
        if let Some(name) = command.name {
            add_name(out, name);
        }
        let mut exchange = ask(command.verb, command.request, line);
        match &command.kind {
            Kind::Unknown => unknown("IMAP", line, &mut exchange, out),
            Kind::Authenticate(mechanism) => {
                self.client = Client::Sasl(mechanism.clone());
                self.wait(wire, out);
            }
            Kind::Compress | Kind::StartTls => self.wait(wire, out),
            Kind::Idle | Kind::Plain => {}
        }
        let announces = matches!(command.kind, Kind::Idle | Kind::Plain);
        if self.running.is_empty() {
            // What was said while nothing was asked is news, not a reply.
            self.said = Body::default();
            self.fetched.clear();
            self.brought = 0;
        }
        self.running.push_back(Running {
            tag: command.tag,
            exchange,
            kind: command.kind,
            doubtful: false,
        });
        if self.running.len() > MAX_RUNNING
            && let Some(oldest) = self.running.pop_front()
        {
            oldest.give_up(out);
        }
        if announces {
            self.announce(&line.text, wire, out);
        }
    }

    /// The client goes on when the server has answered; where the server cannot be heard, as if it had.
    fn wait(&mut self, wire: &mut Wire, out: &mut Dialogue) {
        if !wire.hold_client() {
            self.uncertain = true;
            self.go_on(wire, out);
        }
    }

    /// Expects the literal that a line of the client announces.
    fn announce(&mut self, line: &[u8], wire: &mut Wire, out: &mut Dialogue) {
        let last = self.running.back();
        let appends = last.is_some_and(|last| {
            last.exchange.verb.as_str() == "APPEND" && command::appends_message(line, &last.tag)
        });
        let holds = if appends {
            Holds::Message
        } else {
            Holds::Other
        };
        match command::literal(line) {
            Some(Literal::Unasked(octets)) => self.begin_literal(octets, holds, wire, out),
            Some(Literal::Asked(octets)) => {
                self.client = Client::Literal(octets, holds);
                self.wait(wire, out);
            }
            None => {}
        }
    }

    /// A literal of the client comes next.
    fn begin_literal(&mut self, octets: u64, holds: Holds, wire: &mut Wire, out: &mut Dialogue) {
        if let (Holds::Message, Some(last)) = (holds, self.running.back_mut())
            && let Some(number) = begin_message(Side::Client, octets, out)
        {
            keep_body(&mut last.exchange, Side::Client, number);
        }
        wire.client.expect(Mode::Octets(octets));
        self.client = Client::Rest;
    }

    fn server_line(&mut self, line: &Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        let reply = reply::read(&line.text);
        if std::mem::take(&mut self.in_line) {
            self.hear_line(line);
            return self.expect_literal(&line.text, wire, out);
        }
        match reply {
            Reply::Tagged(tag, word) => self.tagged(tag, word, line, wire, out),
            Reply::GoOn => {
                if let Some(last) = self.running.back_mut()
                    && wire.client.is_holding()
                {
                    let octets = last.exchange.response_bytes.unwrap_or(0) + line.size;
                    last.exchange.response_bytes = Some(octets);
                    self.go_on(wire, out);
                } else {
                    self.hear_line(line);
                }
            }
            Reply::Untagged(Some(word))
                if !self.greeted && (self.running.is_empty() || reply::greets(&line.text)) =>
            {
                self.greeted = true;
                let mut exchange = greeting(line);
                answer(&mut exchange, line, || word.to_owned());
                if let Some(early) = self.running.front() {
                    let [packet, _] = early.exchange.packets;
                    spoke_early(packet, &mut exchange, out);
                }
                out.exchanges.push(exchange);
            }
            Reply::Untagged(word) => {
                self.greeted = true;
                if word == Some("BYE") && self.running.is_empty() {
                    remark(
                        &mut out.notes,
                        format!("the server ended it: {}", text(&line.text)),
                    );
                }
                self.hear_line(line);
                if word.is_none() {
                    self.expect_literal(&line.text, wire, out);
                }
            }
            Reply::Other => {
                if !line.after_hole() && !self.uncertain {
                    bad_reply("IMAP", line, out);
                }
                self.hear_line(line);
                if line.after_hole() {
                    self.expect_literal(&line.text, wire, out);
                }
            }
        }
    }

    fn expect_literal(&mut self, line: &[u8], wire: &mut Wire, out: &mut Dialogue) {
        if let Some(Literal::Asked(octets) | Literal::Unasked(octets)) = command::literal(line) {
            if reply::announces_message(line) && !self.running.is_empty() {
                self.brought = self.brought.saturating_add(1);
                self.fetched
                    .extend(begin_message(Side::Server, octets, out));
            }
            wire.server.expect(Mode::Octets(octets));
            self.in_line = true;
        }
    }

    /// The client may go on with what it had to wait with.
    fn go_on(&mut self, wire: &mut Wire, out: &mut Dialogue) {
        match std::mem::take(&mut self.client) {
            Client::Literal(octets, holds) => self.begin_literal(octets, holds, wire, out),
            Client::Sasl(mechanism) => {
                let sure = !self.uncertain;
                self.client = Client::Response(if sure {
                    Awaited::Response(mechanism)
                } else {
                    Awaited::Perhaps
                });
                wire.client.expect(Mode::Lines);
            }
            other => {
                self.client = other;
                wire.client.expect(Mode::Lines);
            }
        }
    }

    fn tagged(
        &mut self,
        tag: &[u8],
        word: &'static str,
        line: &Line<'_>,
        wire: &mut Wire,
        out: &mut Dialogue,
    ) {
        self.greeted = true;
        let mut tags = self.running.iter().map(|it| it.tag.as_slice());
        // A message whose command was lost may have read like commands, so after a hole the later one counts.
        let at = if self.uncertain {
            tags.rposition(|it| it == tag)
        } else {
            tags.position(|it| it == tag)
        };
        let Some(at) = at else {
            self.said = Body::default();
            self.fetched.clear();
            self.brought = 0;
            unmatched(line, out);
            return;
        };
        let composing = at + 1 == self.running.len();
        let Some(mut ended) = self.running.remove(at) else {
            return;
        };
        let said = std::mem::take(&mut self.said);
        answer_body(&mut ended.exchange, &said);
        for number in self.fetched.drain(..) {
            keep_body(&mut ended.exchange, Side::Server, number);
        }
        ended.exchange.brought = std::mem::take(&mut self.brought);
        answer(&mut ended.exchange, line, || word.to_owned());
        out.exchanges.push(ended.exchange);
        // Earlier commands that were running when replies were lost have ended then.
        for _ in 0..at {
            if self.running.front().is_some_and(|first| first.doubtful)
                && let Some(first) = self.running.pop_front()
            {
                first.give_up(out);
            }
        }
        self.uncertain &= !self.running.is_empty();
        match (&ended.kind, word) {
            (Kind::StartTls, "OK") => wire.start_tls(out),
            (Kind::Compress, "OK") => {
                remark(
                    &mut out.notes,
                    "compressed from here on (RFC 4978): not read",
                );
                wire.client.expect(Mode::Opaque);
                wire.server.expect(Mode::Opaque);
            }
            _ if composing && wire.client.is_holding() => {
                // It is over before the client has said all of it.
                self.client = Client::Command;
                wire.client.expect(Mode::Lines);
            }
            _ => {}
        }
        if composing && matches!(self.client, Client::Response(_)) {
            self.client = Client::Command;
        }
    }

    fn hear_line(&mut self, line: &Line<'_>) {
        self.hear(&Body {
            octets: line.size,
            span: Some((line.first, line.packet, line.last)),
            ..Body::default()
        });
    }

    /// Counts what the server says to the command that the next tagged reply ends.
    fn hear(&mut self, part: &Body) {
        if self.running.is_empty() {
            return;
        }
        self.said.octets += part.octets;
        self.said.missing += part.missing;
        self.said.span = match (self.said.span, part.span) {
            (Some((first, packet, _)), Some((_, _, last))) => Some((first, packet, last)),
            (said, part) => said.or(part),
        };
    }
}

/// A literal with a whole message begins.
fn begin_message(side: Side, octets: u64, out: &mut Dialogue) -> Option<BodyNo> {
    out.bodies
        .begin(side, BodyKind::Mail, Framing::Counted(octets))
}

/// `exchange` brought a message.
fn keep_body(exchange: &mut Exchange, side: Side, number: BodyNo) {
    match exchange.bodies.get_mut(side.index()) {
        Some(first @ None) => *first = Some(number),
        _ => exchange.more_bodies.push(number),
    }
}

/// `line` is more of a request of which the server has consented to a part: the reply is still to come.
fn again(exchange: &mut Exchange, line: &Line<'_>) {
    ask_more(exchange, line);
    forget_answer(exchange);
}

#[cfg(test)]
mod tests {
    use crate::model::{Encryption, Nanos, PacketNo, Proto};
    use crate::protocol::testing::{
        C, S, Script, a_hole_costs_little, pairs, rubbish_is_survived, run,
        segmentation_does_not_matter, without,
    };

    const BROWSE: Script<'_> = &[
        (S, "* OK [CAPABILITY IMAP4rev1] ready\r\n"),
        (C, "a1 LOGIN tim s3cret\r\n"),
        (S, "* CAPABILITY IMAP4rev1\r\na1 OK Logged in\r\n"),
        (C, "a2 SELECT INBOX\r\n"),
        (
            S,
            "* 2 EXISTS\r\n* OK [UIDNEXT 3] {1}\r\na2 OK [READ-WRITE] Selected\r\n",
        ),
        (C, "a3 FETCH 1 BODY[]\r\n"),
        (S, "* 1 FETCH (BODY[] {26}\r\na3 OK no\r\n* 9 X {5}\r\n...."),
        (S, " FLAGS (\\Seen) X {2}\r\nok)\r\na3 OK Fetched\r\n"),
        (C, "a4 APPEND INBOX {17}\r\n"),
        (S, "+ OK\r\n"),
        (C, "a9 NOOP\r\n12345678"),
        (C, "\r\n"),
        (S, "a4 OK Appended\r\n"),
        (
            C,
            "a5 APPEND INBOX {5+}\r\nhello {3+}\r\nabc\r\na6 NOOP\r\n",
        ),
        (S, "a5 NO no\r\na6 OK Noop\r\n"),
        (C, "a7 IDLE\r\n"),
        (S, "+ idling\r\n"),
        (S, "* 3 EXISTS\r\n"),
        (C, "DONE\r\n"),
        (S, "a7 OK Idled\r\n"),
        (C, "a8 CHECK\r\n"),
        (S, "a8 OK Checked\r\n"),
        (C, "a9 UID SEARCH ALL\r\n"),
        (S, "* SEARCH 1\r\na9 OK Searched\r\n"),
        (C, "a10 LOGOUT\r\n"),
        (S, "* BYE\r\na10 OK Out\r\n"),
    ];

    #[test]
    fn literals_are_passed_over_and_sizes_are_whole() {
        let (proto, dialogue) = run(143, BROWSE);
        assert_eq!(proto, Proto("imap"));
        assert_eq!(dialogue.names, ["tim"]);
        assert_eq!(dialogue.notes, [""; 0]);
        let rows: Vec<(&str, &str, u64, u64)> = dialogue
            .exchanges
            .iter()
            .map(|e| {
                (
                    &*e.request,
                    e.response.as_deref().unwrap(),
                    e.request_bytes.unwrap_or(0),
                    e.response_bytes.unwrap(),
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                ("", "* OK [CAPABILITY IMAP4rev1] ready", 0, 35),
                ("a1 LOGIN tim ***", "a1 OK Logged in", 21, 41),
                ("a2 SELECT INBOX", "a2 OK [READ-WRITE] Selected", 17, 63),
                ("a3 FETCH 1 BODY[]", "a3 OK Fetched", 19, 91),
                ("a4 APPEND INBOX {17}", "a4 OK Appended", 41, 22),
                ("a5 APPEND INBOX {5+}", "a5 NO no", 39, 10),
                ("a6 NOOP", "a6 OK Noop", 9, 12),
                ("a7 IDLE", "a7 OK Idled", 15, 35),
                ("a8 CHECK", "a8 OK Checked", 10, 15),
                ("a9 UID SEARCH ALL", "a9 OK Searched", 19, 28),
                ("a10 LOGOUT", "a10 OK Out", 12, 19),
            ]
        );
        let append = &dialogue.exchanges[4];
        assert_eq!(
            (append.asked, append.answered),
            (Some(Nanos(12)), Some(Nanos(13)))
        );
        assert_eq!(append.packets, [Some(PacketNo(9)), Some(PacketNo(13))]);
        let idle = &dialogue.exchanges[7];
        assert_eq!(
            (idle.asked, idle.answered),
            (Some(Nanos(16)), Some(Nanos(17)))
        );
        assert_eq!(dialogue.exchanges[3].code.as_deref(), Some("OK"));
        let brought = dialogue.exchanges.iter().map(|one| one.brought);
        assert_eq!(
            brought.collect::<Vec<_>>(),
            [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
        );
    }

    #[test]
    fn replies_find_their_commands_in_any_order() {
        let (_, dialogue) = run(
            143,
            &[
                (C, "x STATUS a (MESSAGES)\r\ny NOOP\r\nz CHECK\r\n"),
                (S, "z OK 3\r\n* STATUS a ()\r\nx OK 1\r\ny BAD 2\r\n"),
            ],
        );
        let pairs = pairs(&dialogue);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(
            pairs,
            [
                ("z CHECK", "z OK 3"),
                ("x STATUS a (MESSAGES)", "x OK 1"),
                ("y NOOP", "y BAD 2"),
            ]
        );
        assert_eq!(dialogue.exchanges[1].response_bytes, Some(23));
    }

    #[test]
    fn a_refused_literal_is_not_waited_for() {
        let (_, dialogue) = run(
            143,
            &[
                (S, "* OK hi\r\n"),
                (C, "a APPEND x {100}\r\n"),
                (S, "a NO no such mailbox\r\n"),
                (C, "b NOOP\r\n"),
                (S, "b OK\r\n"),
            ],
        );
        assert_eq!(pairs(&dialogue)[2], ("b NOOP".into(), "b OK".into()));
    }

    #[test]
    fn sasl_is_masked_tls_and_compression_begin_with_the_reply() {
        let (_, dialogue) = run(
            143,
            &[
                (S, "* OK hi\r\n"),
                (C, "a AUTHENTICATE LOGIN\r\n"),
                (S, "+ VXNlcm5hbWU6\r\n"),
                (C, "dGlt\r\n"),
                (S, "+ UGFzc3dvcmQ6\r\n"),
                (C, "c2VjcmV0\r\n"),
                (S, "a OK in\r\n"),
                (C, "b COMPRESS DEFLATE\r\n"),
                (S, "b OK on\r\n"),
                (C, "c NOOP\r\n"),
                (S, "c OK\r\n"),
            ],
        );
        assert_eq!(dialogue.names, ["tim"]);
        assert_eq!(dialogue.exchanges.len(), 3);
        assert_eq!(dialogue.exchanges[1].request, "a AUTHENTICATE LOGIN");
        assert_eq!(dialogue.exchanges[1].request_bytes, Some(38));
        assert!(dialogue.notes[0].starts_with("compressed"));
        assert!(!format!("{dialogue:?}").contains("c2Vj"));
        let (_, dialogue) = run(
            143,
            &[(C, "a STARTTLS\r\n"), (S, "a OK go\r\n"), (C, "b NOOP\r\n")],
        );
        assert_eq!(dialogue.encryption, Encryption::StartTls);
        assert_eq!(dialogue.exchanges.len(), 1);
    }

    #[test]
    fn segments_and_holes_and_rubbish() {
        segmentation_does_not_matter(143, BROWSE);
        a_hole_costs_little(143, BROWSE, 2);
        rubbish_is_survived(
            143,
            &[
                "a LOGIN {3}\r\n",
                "+ \r\n",
                "a OK x\r\n",
                "abc",
                "a AUTHENTICATE PLAIN\r\n",
                "a IDLE\r\n",
                "DONE\r\n",
                "* 1 F {4}\r\n",
                "b APPEND {2+}\r\n",
                "a STARTTLS\r\n",
                "a COMPRESS X\r\n",
                "\r\n",
                "* BYE\r\n",
                "a NOOP {18446744073709551615+}\r\n",
            ],
        );
    }

    #[test]
    fn a_secret_is_not_shown_whatever_is_lost() {
        let script: Script<'_> = &[
            (S, "* OK hi\r\n"),
            (C, "a LOGIN {3}\r\n"),
            (S, "+ OK\r\n"),
            (C, "tim {6}\r\n"),
            (S, "+ OK\r\n"),
            (C, "c2Vj-1\r\n"),
            (S, "a OK in\r\n"),
            (C, "b AUTHENTICATE PLAIN\r\n"),
            (S, "+ \r\n"),
            (C, "c2VjcmV0\r\n"),
            (S, "b OK in\r\n"),
        ];
        for lost in 0..script.len() {
            let shown = format!("{:?}", without(143, script, lost));
            assert!(!shown.contains("c2Vj"), "{lost}: {shown}");
        }
    }
}
