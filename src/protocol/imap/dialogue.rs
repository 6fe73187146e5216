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
mod tests;
