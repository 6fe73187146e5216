//! Commands and replies of one SMTP connection, put together in order.

use super::command::{self, Kind};
use super::envelope::Envelope;
use super::reply::{self, ReplyLine};
use crate::model::{BodyKind, Exchange, FaultCode, Side, Verb};
use crate::protocol::Dialogue;
use crate::protocol::bodies::{Completeness, Framing, Unstuff};
use crate::protocol::dots::Endings;
use crate::protocol::line::{Body, Line, Mode};
use crate::protocol::message;
use crate::protocol::pending::{Ask, Pending};
use crate::protocol::record::{
    add_name, answer, ask, bad_reply, greeting, perhaps_text, remark, spoke_early, unknown,
    unmatched, unmatched_text,
};
use crate::protocol::sasl::{self, Awaited};
use crate::protocol::talk::{Talk, Wire};

/// The state of one connection.
#[derive(Debug, Default)]
pub(super) struct Smtp {
    pending: Pending<Kind>,
    greeted: Greeted,
    /// The reply being read belongs to no command.
    stray: Option<u16>,
    awaited: Awaited,
    /// The client's next line begins a message, unless it reads like a command: the reply to DATA was lost.
    message_perhaps: bool,
    /// Behind a hole the client has sent lines that are no commands.
    text_perhaps: bool,
    tried_auth: bool,
    answers: Answers,
    /// Recipients of the message under way that the server took.
    recipients: u32,
    /// Replies to it so far: LMTP has one for each recipient.
    replies: u32,
    envelope: Envelope,
}

/// How often a message is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Answers {
    /// Once.
    #[default]
    Once,
    /// Once for each recipient that was taken: LMTP (RFC 2033 §4.2).
    PerRecipient,
}

impl Answers {
    const fn of(lmtp: bool) -> Self {
        if lmtp { Self::PerRecipient } else { Self::Once }
    }
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

impl Talk for Smtp {
    fn line(&mut self, side: Side, line: Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        match side {
            Side::Client => self.command(&line, wire, out),
            Side::Server => self.reply(&line, wire, out),
        }
    }

    fn body(&mut self, side: Side, body: Body, wire: &mut Wire, out: &mut Dialogue) {
        let empty = !body.complete && body.octets == 0;
        if side == Side::Client
            && !empty
            && let Some(ask) = self.pending.last()
        {
            if matches!(ask.kind, Kind::Body | Kind::Chunk { .. }) {
                let stored = out.bodies.under_way(Side::Client);
                self.envelope
                    .passed(&body, wire.client.message_id(), stored);
            }
            if matches!(ask.kind, Kind::Body | Kind::Chunk { last: true, .. }) {
                wire.client.forget_head();
                let how = Completeness::seen(body.complete);
                out.bodies.end(Side::Client, how);
            }
            match ask.kind {
                Kind::Body => message::sent(&mut ask.exchange, &body),
                Kind::Chunk { .. } => message::sent_with_command(&mut ask.exchange, &body),
                _ => {}
            }
        }
    }

    fn hole(&mut self, side: Side, wire: &mut Wire, out: &mut Dialogue) {
        if side == Side::Client {
            self.awaited.lose_sight();
            self.message_perhaps = false;
            out.bodies.end(Side::Client, Completeness::BrokenOff);
            return self.pending.lose_commands(out);
        }
        self.stray = None;
        if self.pending.is_empty() {
            self.greeted = Greeted::Done;
        }
        if let Some(ask) = self.pending.lose_replies(message::is_under_way(wire), out) {
            self.give_up(ask, wire, out);
        }
    }

    fn answer_lost(&mut self, wire: &mut Wire, out: &mut Dialogue) {
        while let Some(ask) = self.pending.pop() {
            self.give_up(ask, wire, out);
        }
    }

    fn in_step(&self, _side: Side) -> bool {
        !self.pending.is_uncertain()
    }

    fn resume(&mut self) {
        self.greeted = Greeted::Done;
    }

    fn finish(&mut self, wire: &mut Wire, out: &mut Dialogue) {
        let held = wire.client.held_octets();
        if let Some(ask) = self.pending.last().filter(|_| held > 0) {
            remark(
                &mut ask.exchange.notes,
                format!("the client went on for {held} octets without an answer"),
            );
        }
        while let Some(ask) = self.pending.pop() {
            self.give_up(ask, wire, out);
        }
        self.envelope.end(out);
    }
}

impl Smtp {
    fn command(&mut self, line: &Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        let mut command = command::read(&line.text);
        let known = command.kind != Kind::Unknown;
        if std::mem::take(&mut self.message_perhaps) && !known {
            wire.client.expect_more_dots(line);
            begin_text(out);
            out.bodies.pass_line(Side::Client, line);
            return self.push(message::invited(), Kind::Body, wire, out);
        }
        if let Some((user, mechanism)) = self.awaited.take_line(known, line) {
            command.name = user;
            sasl::masked(&line.text).clone_into(&mut command.request);
            command.verb = Verb::new("AUTH");
            command.kind = Kind::Auth(mechanism);
        } else if !known {
            let uncertain = self.pending.is_uncertain();
            // A SASL exchange may be under way without its beginning having been seen.
            let perhaps = uncertain || self.tried_auth || self.greeted == Greeted::NotYet;
            let secret = perhaps && sasl::looks_like_response(&line.text);
            if line.after_hole() || uncertain && !secret {
                self.text_perhaps |= uncertain && !line.after_hole();
                return;
            }
            if secret {
                sasl::masked(&line.text).clone_into(&mut command.request);
                command.verb = Verb::new("AUTH");
            }
        }
        while let Some(ask) = self.pending.pop_doubtful() {
            self.give_up(ask, wire, out);
        }
        if matches!(command.verb.as_str(), "DATA" | "MAIL" | "RSET") {
            // Chunks without a last one before it are no whole message.
            out.bodies.end(Side::Client, Completeness::BrokenOff);
        }
        let mut exchange = ask(command.verb, command.request, line);
        self.text_perhaps &= self.pending.is_uncertain();
        if self.text_perhaps {
            perhaps_text(&mut exchange);
        }
        if let Some(name) = command.name {
            add_name(out, name);
        }
        match &command.kind {
            Kind::Auth(_) => {
                self.tried_auth = true;
                if !wire.hold_client() {
                    self.awaited = Awaited::Perhaps;
                }
            }
            Kind::Hello { lmtp } => self.answers = Answers::of(*lmtp).max(self.answers),
            Kind::Chunk { octets, .. } => {
                wire.client.expect(Mode::Octets(*octets));
                wire.client.watch_head();
                begin_chunk(*octets, out);
            }
            // What comes before the reply is a message or commands, in the clear or TLS: the reply tells.
            Kind::Data => self.message_perhaps = !wire.hold_client(),
            Kind::StartTls => {
                wire.hold_client();
            }
            Kind::Unknown => unknown("SMTP", line, &mut exchange, out),
            Kind::Body | Kind::Plain | Kind::Recipient => {}
        }
        self.push(exchange, command.kind, wire, out);
    }

    fn push(&mut self, exchange: Exchange, kind: Kind, wire: &mut Wire, out: &mut Dialogue) {
        if let Some(oldest) = self.pending.push(exchange, kind) {
            self.give_up(oldest, wire, out);
        }
    }

    fn reply(&mut self, line: &Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        let Some(reply) = reply::read(&line.text) else {
            if !line.after_hole() {
                bad_reply("SMTP", line, out);
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
        let unsure = self.pending.is_uncertain();
        if unsure {
            self.skip_to_fitting(reply, wire, out);
        }
        let due = self
            .pending
            .first()
            .filter(|ask| !unsure || reply::fits(reply, &ask.kind, ask.exchange.verb.as_str()));
        let Some(ask) = due else {
            return self.unasked(line, reply, wire, out);
        };
        if message::is_awaited(&ask.exchange)
            && let Some(body) = message::end(&mut ask.exchange, wire, out)
        {
            broken_off(&mut self.envelope, &body, wire, out);
        }
        answer(&mut ask.exchange, line, || reply.code.to_string());
        if reply.more {
            return;
        }
        if reply.code == 503 {
            let [asked, _] = ask.exchange.packets;
            out.fault(FaultCode::OutOfOrder, asked.unwrap_or(line.packet));
        }
        let ends_message = matches!(ask.kind, Kind::Body | Kind::Chunk { last: true, .. });
        let each = self.answers == Answers::PerRecipient && ends_message;
        if each {
            self.envelope.recipient_told(reply.code);
        }
        self.replies += 1;
        if each && self.replies < self.recipients {
            return;
        }
        self.replies = 0;
        if let Some(ask) = self.pending.pop() {
            self.answered(&ask, reply, wire, out);
            ask.write(out);
        }
    }

    /// Whether `reply` is the server's greeting: the first it says, unless the capture starts later.
    fn greets(&mut self, reply: ReplyLine) -> bool {
        let first = self.pending.first().map(|ask| &ask.kind);
        self.greeted == Greeted::Now
            || reply.code == 220 && first != Some(&Kind::StartTls)
            || first.is_none() && matches!(reply.code, 421 | 521 | 554)
    }

    fn greeting(&mut self, line: &Line<'_>, reply: ReplyLine, out: &mut Dialogue) {
        if self.greeted == Greeted::NotYet {
            let mut exchange = greeting(line);
            if let Some(early) = self.pending.first() {
                let [packet, _] = early.exchange.packets;
                spoke_early(packet, &mut exchange, out);
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
    fn answered(&mut self, ask: &Ask<Kind>, reply: ReplyLine, wire: &mut Wire, out: &mut Dialogue) {
        match &ask.kind {
            Kind::Data if reply.code == 354 => self.expect_message(wire, out),
            Kind::StartTls if reply.code == 220 => wire.start_tls(out),
            Kind::Data | Kind::StartTls => {
                self.message_perhaps = false;
                wire.client.expect(Mode::Lines);
            }
            Kind::Auth(mechanism) => {
                wire.client.expect(Mode::Lines);
                self.awaited = Awaited::Command;
                if reply.code == 334 {
                    self.awaited = Awaited::Response(mechanism.clone());
                }
            }
            Kind::Recipient => {
                self.recipients += u32::from(reply.code / 100 == 2);
                self.envelope.recipient(&ask.exchange.request, reply.code);
            }
            Kind::Body | Kind::Chunk { last: true, .. } => {
                self.recipients = 0;
                self.envelope.taken();
                self.envelope.answered(reply.code, out);
            }
            Kind::Plain => match ask.exchange.verb.as_str() {
                "MAIL" if reply.code / 100 == 2 => {
                    self.recipients = 0;
                    self.envelope.begin(&ask.exchange.request, out);
                }
                "MAIL" | "RSET" => {
                    self.recipients = 0;
                    self.envelope.end(out);
                }
                _ => {}
            },
            Kind::Chunk { .. } => self.envelope.taken(),
            Kind::Hello { .. } | Kind::Unknown => {}
        }
    }

    fn expect_message(&mut self, wire: &mut Wire, out: &mut Dialogue) {
        self.message_perhaps = false;
        // The client may not have waited, and the message be under way.
        if self
            .pending
            .last()
            .is_some_and(|ask| ask.kind == Kind::Body)
        {
            return;
        }
        wire.client.expect_dots(Endings::Strict);
        wire.client.watch_head();
        begin_text(out);
        self.push(message::invited(), Kind::Body, wire, out);
    }

    /// A reply to nothing that was captured.
    fn unasked(&mut self, line: &Line<'_>, reply: ReplyLine, wire: &mut Wire, out: &mut Dialogue) {
        self.stray = reply.more.then_some(reply.code);
        self.pending.reply_to_none();
        if reply.code == 421 {
            // The server may end it at any time (RFC 5321 §3.8).
            remark(&mut out.notes, unmatched_text(line));
        } else {
            unmatched(line, out);
        }
        if reply.more || !self.pending.is_empty() {
            return;
        }
        // Only DATA and AUTH are answered so: what they ask for comes whether or not they were captured.
        match reply.code {
            334 => self.awaited = Awaited::Perhaps,
            354 => self.expect_message(wire, out),
            _ => {}
        }
    }

    /// After a hole: gives up the commands that `reply` cannot answer, where it can answer a later one.
    fn skip_to_fitting(&mut self, reply: ReplyLine, wire: &mut Wire, out: &mut Dialogue) {
        let fits = |ask: &Ask<Kind>| reply::fits(reply, &ask.kind, ask.exchange.verb.as_str());
        for ask in self.pending.before_fitting(fits) {
            self.give_up(ask, wire, out);
        }
    }

    /// Writes `ask` out as it is, and reads on without its reply.
    fn give_up(&mut self, mut ask: Ask<Kind>, wire: &mut Wire, out: &mut Dialogue) {
        if self.pending.is_empty() && wire.client.is_holding() {
            wire.client.expect(Mode::Lines);
            match ask.kind {
                Kind::Data => self.message_perhaps = true,
                Kind::Auth(_) => self.awaited = Awaited::Perhaps,
                _ => {}
            }
        }
        if message::is_awaited(&ask.exchange) {
            if let Some(body) = message::end(&mut ask.exchange, wire, out) {
                broken_off(&mut self.envelope, &body, wire, out);
            }
            if ask.exchange.start.is_none() {
                return;
            }
        }
        if matches!(ask.kind, Kind::Body | Kind::Chunk { .. }) {
            self.envelope.taken();
        }
        ask.write(out);
    }
}

/// A message up to a lone dot comes next.
fn begin_text(out: &mut Dialogue) {
    let framing = Framing::Dots(Unstuff::new(Endings::Strict));
    out.bodies.begin(Side::Client, BodyKind::Mail, framing);
}

/// A chunk comes next, of the message under way or of a new one.
fn begin_chunk(octets: u64, out: &mut Dialogue) {
    if out.bodies.under_way(Side::Client).is_some() {
        out.bodies.part(Side::Client, octets);
    } else {
        let framing = Framing::Counted(octets);
        out.bodies.begin(Side::Client, BodyKind::Mail, framing);
    }
}

/// The server has answered a message whose end was not seen.
fn broken_off(envelope: &mut Envelope, body: &Body, wire: &mut Wire, out: &mut Dialogue) {
    let stored = out.bodies.under_way(Side::Client);
    envelope.passed(body, wire.client.message_id(), stored);
    wire.client.forget_head();
    out.bodies.end(Side::Client, Completeness::BrokenOff);
}

#[cfg(test)]
mod tests;
