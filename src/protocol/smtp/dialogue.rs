//! Commands and replies of one SMTP connection, put together in order.

use std::collections::VecDeque;

use super::command::{self, Kind};
use super::reply::{self, ReplyLine};
use crate::model::{Exchange, Seen, Side, Verb};
use crate::protocol::Dialogue;
use crate::protocol::dots::{Endings, Odd};
use crate::protocol::line::{Body, Line, Mode};
use crate::protocol::record::{answer, ask, ask_body, greeting, remark, text};
use crate::protocol::sasl;
use crate::protocol::talk::{Talk, Wire};

/// Most commands that wait for their replies; the oldest is given up when there are more.
const MAX_OUTSTANDING: usize = 1000;

/// The state of one connection.
#[derive(Debug, Default)]
pub(super) struct Smtp {
    outstanding: VecDeque<Ask>,
    greeted: Greeted,
    /// The reply being read belongs to no command.
    stray: Option<u16>,
    /// A hole took lines, and not all commands of before it are answered yet.
    uncertain: bool,
    /// Whether the client's next line is a message or a secret.
    next: Next,
    tried_auth: bool,
    lmtp: bool,
    recipients: u32,
}

/// A command that waits for its reply.
#[derive(Debug)]
struct Ask {
    exchange: Exchange,
    kind: Kind,
    /// Replies of the server that are due, more than one only in LMTP.
    due: u32,
    /// Asked before replies were lost: its own may be among them.
    doubtful: bool,
}

/// Whether the server has greeted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Greeted {
    #[default]
    NotYet,
    /// Its greeting has more lines.
    Now,
    Done,
}

/// What the client's next line is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Next {
    #[default]
    Command,
    /// A message, unless it looks like a command: the reply to DATA was lost.
    PerhapsMessage,
    /// A secret, unless it looks like a command: the reply to AUTH was lost.
    PerhapsSecret,
    /// A response of this SASL mechanism; so many came before.
    Secret(String, u32),
}

impl Talk for Smtp {
    fn line(&mut self, side: Side, line: Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        match side {
            Side::Client => self.command(&line, wire, out),
            Side::Server => self.reply(&line, wire, out),
        }
    }

    fn body(&mut self, side: Side, body: Body, _wire: &mut Wire, _out: &mut Dialogue) {
        let empty = !body.complete && body.octets == 0;
        if side == Side::Client
            && !empty
            && let Some(ask) = self.outstanding.back_mut()
        {
            ask.sent(body);
        }
    }

    fn hole(&mut self, side: Side, wire: &mut Wire, out: &mut Dialogue) {
        self.uncertain = true;
        if side == Side::Client {
            remark(&mut out.notes, "commands are missing from the capture");
            if matches!(self.next, Next::Secret(..)) {
                self.next = Next::PerhapsSecret;
            }
            return;
        }
        remark(&mut out.notes, "replies are missing from the capture");
        self.stray = None;
        if self.greeted != Greeted::Done && self.outstanding.is_empty() {
            self.greeted = Greeted::Done;
        }
        // The hole holds at least the reply that was due, or the rest of the one being read.
        let in_reply = self
            .outstanding
            .front()
            .is_some_and(|ask| ask.exchange.answered.is_some());
        let in_message = self.outstanding.len() == 1
            && wire
                .client
                .open_body()
                .is_some_and(|body| body.missing == 0);
        if !in_reply && !in_message {
            self.give_up_first(wire, out);
        }
        for ask in &mut self.outstanding {
            ask.doubtful = true;
        }
    }

    fn finish(&mut self, wire: &mut Wire, out: &mut Dialogue) {
        let held = wire.client.held_octets();
        if let Some(ask) = self.outstanding.back_mut().filter(|_| held > 0) {
            remark(
                &mut ask.exchange.notes,
                format!("the client went on for {held} octets without an answer"),
            );
        }
        while !self.outstanding.is_empty() {
            self.give_up_first(wire, out);
        }
    }
}

impl Ask {
    /// The client has sent the message or chunk that this is, as far as it goes.
    fn sent(&mut self, body: Body) {
        match self.kind {
            Kind::Body => {
                self.exchange.request = format!("<body {} bytes>", body.content);
                ask_body(&mut self.exchange, &body);
            }
            Kind::Chunk(_) => ask_body(&mut self.exchange, &body),
            _ => return,
        }
        if !body.complete {
            remark(&mut self.exchange.notes, "ends in mid-message");
        }
        if body.odd != Odd::Never {
            remark(
                &mut self.exchange.notes,
                "a lone dot with a bare LF in the message: servers differ on whether it ends there",
            );
        }
    }

    /// The server answers a message whose end was not seen.
    fn end_message(&mut self, wire: &mut Wire) {
        let Some(body) = wire.client.open_body() else {
            return;
        };
        let ended = body.missing > 0 || body.odd == Odd::Last;
        if ended {
            wire.client.break_body();
        }
        self.sent(Body {
            complete: ended,
            ..body
        });
        if body.missing > 0 {
            remark(&mut self.exchange.notes, "its end was not captured");
        } else if !ended {
            remark(&mut self.exchange.notes, "answered before its end");
        }
    }
}

impl Smtp {
    fn command(&mut self, line: &Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        let command = command::read(&line.text);
        let known = command.kind != Kind::Unknown;
        match std::mem::take(&mut self.next) {
            Next::Command => {}
            Next::PerhapsMessage | Next::PerhapsSecret if known => {}
            Next::PerhapsMessage => return self.message_began(line, wire),
            Next::PerhapsSecret => return self.secret(line, "", 1, wire, out),
            Next::Secret(mechanism, nth) => return self.secret(line, &mechanism, nth, wire, out),
        }
        if line.after_hole() && !known {
            return;
        }
        self.drop_doubtful(wire, out);
        let mut exchange = ask(command.verb, command.request, line);
        if command.kind == Kind::Unknown {
            remark(&mut exchange.notes, "not a command of SMTP");
            if self.may_be_secret() && command::looks_like_secret(&line.text) {
                exchange.request = command::sasl_response(&line.text);
                exchange.verb = Verb::new("AUTH");
            }
        }
        if let Some(name) = command.name {
            add_name(out, name);
        }
        match &command.kind {
            Kind::Auth { .. } => {
                self.tried_auth = true;
                wire.client.expect(Mode::Hold);
            }
            Kind::Hello { lmtp } => self.lmtp |= *lmtp,
            Kind::Chunk(octets) => wire.client.expect(Mode::Octets(*octets)),
            // What comes before the reply is a message or commands, in the clear or TLS: the reply tells.
            Kind::Data | Kind::StartTls => wire.client.expect(Mode::Hold),
            _ => {}
        }
        self.wait(exchange, command.kind, wire, out);
    }

    /// Whether a SASL exchange may be under way without its beginning having been seen.
    fn may_be_secret(&self) -> bool {
        self.uncertain || self.tried_auth || self.greeted == Greeted::NotYet
    }

    fn wait(&mut self, exchange: Exchange, kind: Kind, wire: &mut Wire, out: &mut Dialogue) {
        if self.outstanding.len() >= MAX_OUTSTANDING {
            self.give_up_first(wire, out);
        }
        self.outstanding.push_back(Ask {
            exchange,
            kind,
            due: 1,
            doubtful: false,
        });
    }

    /// The client's response within a SASL exchange.
    fn secret(
        &mut self,
        line: &Line<'_>,
        mechanism: &str,
        nth: u32,
        wire: &mut Wire,
        out: &mut Dialogue,
    ) {
        if let Some(user) = sasl::user(mechanism, nth, &line.text) {
            add_name(out, user);
        }
        let exchange = ask(Verb::new("AUTH"), command::sasl_response(&line.text), line);
        let kind = Kind::Auth {
            mechanism: mechanism.to_owned(),
            responses: nth + 1,
        };
        wire.client.expect(Mode::Hold);
        self.wait(exchange, kind, wire, out);
    }

    /// A message begins with `line` though nobody saw that it may.
    fn message_began(&mut self, line: &Line<'_>, wire: &mut Wire) {
        wire.client.expect_more_dots(line);
        self.outstanding
            .push_back(message(self.replies_to_message()));
    }

    fn replies_to_message(&self) -> u32 {
        if self.lmtp { self.recipients.max(1) } else { 1 }
    }

    fn reply(&mut self, line: &Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        let Some(reply) = reply::read(&line.text) else {
            if !line.after_hole() {
                remark(
                    &mut out.notes,
                    format!("not a reply of SMTP: {}", text(&line.text)),
                );
            }
            return;
        };
        if self.greeted != Greeted::Done && self.greets(reply) {
            return self.greeting(line, reply, out);
        }
        self.greeted = Greeted::Done;
        if self.stray.take().is_some_and(|code| code == reply.code) {
            self.stray = reply.more.then_some(reply.code);
            return;
        }
        if self.uncertain {
            self.skip_to_fitting(reply, wire, out);
        }
        let fits = self.outstanding.front().is_some_and(|ask| {
            !self.uncertain || reply::fits(reply, &ask.kind, ask.exchange.verb.as_str())
        });
        if !fits {
            return self.unasked(line, reply, wire, out);
        }
        let Some(ask) = self.outstanding.front_mut() else {
            return;
        };
        if ask.kind == Kind::Body && ask.exchange.request_bytes.is_none() {
            ask.end_message(wire);
        }
        answer(&mut ask.exchange, line, || reply.code.to_string());
        if reply.more {
            return;
        }
        ask.due -= 1;
        if ask.due > 0 {
            return;
        }
        if self.uncertain && ask.exchange.response.is_some() && ask.doubtful {
            remark(
                &mut ask.exchange.notes,
                "a hole comes before the reply, which may belong to another command",
            );
        }
        if let Some(ask) = self.outstanding.pop_front() {
            self.answered(&ask, reply, wire, out);
            out.exchanges.push(ask.exchange);
        }
        self.uncertain &= !self.outstanding.is_empty();
    }

    /// Whether `reply` is the server's greeting: the first it says, unless the capture starts later.
    fn greets(&self, reply: ReplyLine) -> bool {
        let asked_for_tls = self
            .outstanding
            .front()
            .is_some_and(|ask| ask.kind == Kind::StartTls);
        self.greeted == Greeted::Now
            || reply.code == 220 && !asked_for_tls
            || self.outstanding.is_empty() && matches!(reply.code, 421 | 521 | 554)
    }

    fn greeting(&mut self, line: &Line<'_>, reply: ReplyLine, out: &mut Dialogue) {
        if self.greeted == Greeted::NotYet {
            let mut exchange = greeting(line);
            if !self.outstanding.is_empty() {
                remark(
                    &mut exchange.notes,
                    "the client spoke before the server had greeted",
                );
            }
            out.exchanges.push(exchange);
        }
        if let Some(exchange) = out.exchanges.last_mut() {
            answer(exchange, line, || reply.code.to_string());
        }
        self.greeted = if reply.more {
            Greeted::Now
        } else {
            Greeted::Done
        };
    }

    /// What the whole reply to `ask` means for what comes next.
    fn answered(&mut self, ask: &Ask, reply: ReplyLine, wire: &mut Wire, out: &mut Dialogue) {
        match &ask.kind {
            Kind::Data if reply.code == 354 => self.expect_message(wire),
            Kind::StartTls if reply.code == 220 => {
                let held = wire.client.held_octets();
                if held > 0 {
                    remark(
                        &mut out.notes,
                        format!(
                            "the client sent {held} octets in the clear between STARTTLS and the reply: a server must not take them for commands"
                        ),
                    );
                }
                wire.tls = true;
            }
            Kind::Data | Kind::StartTls => wire.client.expect(Mode::Lines),
            Kind::Auth {
                mechanism,
                responses,
            } => {
                wire.client.expect(Mode::Lines);
                if reply.code == 334 {
                    self.next = Next::Secret(mechanism.clone(), *responses);
                }
            }
            Kind::Recipient if reply.code / 100 == 2 => self.recipients += 1,
            Kind::Body => self.recipients = 0,
            Kind::Chunk(_) if ask.exchange.request.to_ascii_uppercase().ends_with("LAST") => {
                self.recipients = 0;
            }
            Kind::Plain if matches!(ask.exchange.verb.as_str(), "MAIL" | "RSET") => {
                self.recipients = 0;
            }
            _ => {}
        }
    }

    fn expect_message(&mut self, wire: &mut Wire) {
        wire.client.expect_dots(Endings::Strict);
        self.outstanding
            .push_back(message(self.replies_to_message()));
    }

    /// A reply to nothing that was captured.
    fn unasked(&mut self, line: &Line<'_>, reply: ReplyLine, wire: &mut Wire, out: &mut Dialogue) {
        self.stray = reply.more.then_some(reply.code);
        remark(
            &mut out.notes,
            format!(
                "a reply without a command, in packet {}: {}",
                line.packet.0,
                text(&line.text)
            ),
        );
        // Only DATA is answered so: the message comes whether or not the command was captured.
        if reply.code == 354 && !reply.more && self.outstanding.is_empty() {
            self.expect_message(wire);
        }
        if reply.code == 334 && self.outstanding.is_empty() {
            self.next = Next::PerhapsSecret;
        }
    }

    /// After a hole: gives up the commands that `reply` cannot answer, where it can answer a later one.
    fn skip_to_fitting(&mut self, reply: ReplyLine, wire: &mut Wire, out: &mut Dialogue) {
        let fits = |ask: &Ask| {
            ask.exchange.answered.is_some()
                || reply::fits(reply, &ask.kind, ask.exchange.verb.as_str())
        };
        let Some(skip) = self.outstanding.iter().position(fits) else {
            return;
        };
        for _ in 0..skip {
            self.give_up_first(wire, out);
        }
    }

    /// The client goes on: what it asked before the hole has been answered within it.
    fn drop_doubtful(&mut self, wire: &mut Wire, out: &mut Dialogue) {
        while self.outstanding.front().is_some_and(|ask| ask.doubtful) {
            self.give_up_first(wire, out);
        }
    }

    /// Writes the oldest command out as it is.
    fn give_up_first(&mut self, wire: &mut Wire, out: &mut Dialogue) {
        let Some(mut ask) = self.outstanding.pop_front() else {
            return;
        };
        if self.outstanding.is_empty() && wire.client.is_holding() {
            wire.client.expect(Mode::Lines);
            match ask.kind {
                Kind::Data => self.next = Next::PerhapsMessage,
                Kind::Auth { .. } => self.next = Next::PerhapsSecret,
                _ => {}
            }
        }
        if ask.kind == Kind::Body && ask.exchange.request_bytes.is_none() {
            ask.end_message(wire);
            if ask.exchange.start.is_none() {
                return;
            }
        }
        if ask.exchange.answered.is_none() {
            remark(&mut ask.exchange.notes, "no reply captured");
        }
        out.exchanges.push(ask.exchange);
    }
}

/// The message that a 354 invites, waiting for `due` replies.
fn message(due: u32) -> Ask {
    Ask {
        exchange: Exchange::new(Verb::new(Verb::BODY), String::new(), Seen::Wire),
        kind: Kind::Body,
        due,
        doubtful: false,
    }
}

fn add_name(out: &mut Dialogue, name: String) {
    if out.names.len() < 32 && !out.names.contains(&name) {
        out.names.push(name);
    }
}
