//! Commands and replies of one NNTP connection, put together in order.

use super::command::{self, Kind};
use crate::model::{BodyKind, Exchange, Side, Verb};
use crate::protocol::Dialogue;
use crate::protocol::bodies::{Completeness, Framing, Unstuff};
use crate::protocol::dots::Endings;
use crate::protocol::line::{Body, Ending, Line, Mode};
use crate::protocol::message;
use crate::protocol::pending::{Ask, Pending};
use crate::protocol::record::{
    add_name, answer, answer_body, ask, bad_reply, greeting, perhaps_text, remark, spoke_early,
    unknown, unmatched,
};
use crate::protocol::sasl::{self, Awaited};
use crate::protocol::talk::{Talk, Wire};

/// The state of one connection.
#[derive(Debug, Default)]
pub(super) struct Nntp {
    pending: Pending<Kind>,
    awaited: Awaited,
    /// The client's next line begins a message, unless it reads like a command: the reply to POST was lost.
    message_perhaps: bool,
    /// Behind a hole the client has sent lines that are no commands.
    text_perhaps: bool,
    greeted: bool,
}

impl Talk for Nntp {
    fn line(&mut self, side: Side, line: Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        match side {
            Side::Client => self.command(&line, wire, out),
            Side::Server => self.reply(&line, wire, out),
        }
    }

    fn body(&mut self, side: Side, body: Body, wire: &mut Wire, out: &mut Dialogue) {
        if side == Side::Server {
            return self.text_ended(&body, wire, out);
        }
        out.bodies.end(side, Completeness::seen(body.complete));
        let empty = !body.complete && body.octets == 0;
        if let Some(ask) = self.pending.last().filter(|_| !empty) {
            match ask.kind {
                Kind::Body => message::sent(&mut ask.exchange, &body),
                Kind::TakeThis => message::sent_with_command(&mut ask.exchange, &body),
                _ => {}
            }
        }
    }

    fn hole(&mut self, side: Side, wire: &mut Wire, out: &mut Dialogue) {
        if side == Side::Client {
            self.awaited.lose_sight();
            self.message_perhaps = false;
            return self.pending.lose_commands(out);
        }
        self.greeted = true;
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
        self.greeted = true;
    }

    fn finish(&mut self, wire: &mut Wire, out: &mut Dialogue) {
        while let Some(ask) = self.pending.pop() {
            self.give_up(ask, wire, out);
        }
    }
}

impl Nntp {
    fn command(&mut self, line: &Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        let mut command = command::read(&line.text);
        let known = command.kind != Kind::Unknown;
        if std::mem::take(&mut self.message_perhaps) && !known {
            wire.client.expect_more_dots(line);
            let exchange = with_message(message::invited(), out);
            out.bodies.pass_line(Side::Client, line);
            return self.push(exchange, Kind::Body, wire, out);
        }
        if let Some((user, mechanism)) = self.awaited.take_line(known, line) {
            command.name = user;
            sasl::masked(&line.text).clone_into(&mut command.request);
            command.verb = Verb::new("AUTHINFO");
            command.kind = Kind::Auth(mechanism);
        } else if !known && (line.after_hole() || self.pending.is_uncertain() || !self.greeted) {
            // The rest of a line may be the rest of a secret.
            self.text_perhaps |= self.pending.is_uncertain() && !line.after_hole();
            return;
        }
        self.catch_up(wire, out);
        let mut exchange = ask(command.verb, command.request, line);
        self.text_perhaps &= self.pending.is_uncertain();
        if self.text_perhaps {
            perhaps_text(&mut exchange);
        }
        if let Some(name) = command.name {
            add_name(out, name);
        }
        match command.kind {
            // What comes before the reply is a message or commands, in the clear or not: the reply tells.
            Kind::Auth(_) if !wire.hold_client() => self.awaited = Awaited::Perhaps,
            Kind::Offer => self.message_perhaps = !wire.hold_client(),
            Kind::Compress | Kind::StartTls => {
                wire.hold_client();
            }
            Kind::TakeThis => {
                exchange = with_message(exchange, out);
                wire.client.expect_dots(Endings::Strict);
            }
            Kind::Unknown => unknown("NNTP", line, &mut exchange, out),
            Kind::Auth(_) | Kind::Body | Kind::Plain => {}
        }
        self.push(exchange, command.kind, wire, out);
    }

    fn push(&mut self, exchange: Exchange, kind: Kind, wire: &mut Wire, out: &mut Dialogue) {
        if let Some(oldest) = self.pending.push(exchange, kind) {
            self.give_up(oldest, wire, out);
        }
    }

    /// The client goes on: what it waited for has come, captured or not.
    fn catch_up(&mut self, wire: &mut Wire, out: &mut Dialogue) {
        let doubtful = self.pending.first().is_some_and(|ask| ask.is_doubtful());
        let body = wire.server.open_body();
        if body.is_some_and(|body| body.missing > 0 || doubtful)
            && let Some(body) = wire.server.break_body()
        {
            self.text_ended(&body, wire, out);
            self.pending.doubt_all();
        }
        while let Some(ask) = self.pending.pop_doubtful() {
            self.give_up(ask, wire, out);
        }
    }

    fn reply(&mut self, line: &Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        let unsure = self.pending.is_uncertain();
        let Some(code) = command::code(&line.text) else {
            // After a hole this is the rest of a text.
            if !line.after_hole() && !unsure {
                bad_reply("NNTP", line, out);
            }
            return;
        };
        let first = !std::mem::replace(&mut self.greeted, true);
        if first && self.greets(code) {
            let mut exchange = greeting(line);
            answer(&mut exchange, line, || code.to_string());
            if let Some(early) = self.pending.first() {
                let [packet, _] = early.exchange.packets;
                spoke_early(packet, &mut exchange, out);
            }
            out.exchanges.push(exchange);
            return;
        }
        if unsure {
            self.skip_to_fitting(code, &line.text, wire, out);
        }
        self.end_holed_message(code, wire, out);
        let due = self
            .pending
            .first()
            .filter(|ask| !unsure || fits(ask, code, &line.text));
        let Some(ask) = due else {
            return self.unasked(line, code, wire, out);
        };
        if message::is_awaited(&ask.exchange) {
            end_message(&mut ask.exchange, wire, out);
        }
        answer(&mut ask.exchange, line, || code.to_string());
        if command::has_many_lines(code, ask.exchange.verb.as_str()) {
            let endings = match line.ending {
                Ending::BareLf => Endings::Lenient,
                Ending::CrLf => Endings::Strict,
            };
            let kind = match ask.exchange.verb.as_str() {
                "ARTICLE" => Some(BodyKind::Mail),
                "BODY" => Some(BodyKind::Text),
                _ => None,
            };
            if let (Some(kind), [_, stored]) = (kind, &mut ask.exchange.bodies) {
                let framing = Framing::Dots(Unstuff::new(endings));
                *stored = out.bodies.begin(Side::Server, kind, framing);
            }
            wire.server.expect_dots(endings);
            return;
        }
        if let Some(ask) = self.pending.pop() {
            self.answered(&ask.kind, code, wire, out);
            ask.write(out);
        }
    }

    /// The server goes on although it waits for a message of which the end may lie in a hole: it does.
    fn end_holed_message(&mut self, code: u16, wire: &mut Wire, out: &mut Dialogue) {
        let holed = wire.client.open_body().is_some_and(|body| body.missing > 0);
        let awaited = |ask: &mut Ask<Kind>| {
            message::is_awaited(&ask.exchange) && !command::fits(code, ask.exchange.verb.as_str())
        };
        if holed
            && self.pending.first().is_some_and(awaited)
            && let Some(ask) = self.pending.pop()
        {
            self.give_up(ask, wire, out);
        }
    }

    /// Whether the first reply, of this code, is the greeting (RFC 3977 §5.1.1).
    fn greets(&mut self, code: u16) -> bool {
        match self.pending.first() {
            None => matches!(code, 200 | 201 | 400 | 502),
            Some(ask) => matches!(code, 200 | 201) && ask.exchange.verb.as_str() != "MODE",
        }
    }

    /// What the reply means for what comes next.
    fn answered(&mut self, kind: &Kind, code: u16, wire: &mut Wire, out: &mut Dialogue) {
        match (kind, code) {
            (Kind::Offer, 335 | 340) => self.expect_message(wire, out),
            (Kind::StartTls, 382) => wire.start_tls(out),
            (Kind::Compress, 206) => {
                remark(
                    &mut out.notes,
                    "compressed from here on (RFC 8054): not read",
                );
                wire.client.expect(Mode::Opaque);
                wire.server.expect(Mode::Opaque);
            }
            (Kind::Auth(mechanism), code) => {
                wire.client.expect(Mode::Lines);
                self.awaited = Awaited::Command;
                if code == 383 {
                    self.awaited = Awaited::Response(mechanism.clone());
                }
            }
            (Kind::Compress | Kind::Offer | Kind::StartTls, _) => {
                self.message_perhaps = false;
                wire.client.expect(Mode::Lines);
            }
            (Kind::Body | Kind::Plain | Kind::TakeThis | Kind::Unknown, _) => {}
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
        let exchange = with_message(message::invited(), out);
        self.push(exchange, Kind::Body, wire, out);
    }

    /// A reply of many lines came to its end.
    fn text_ended(&mut self, body: &Body, wire: &mut Wire, out: &mut Dialogue) {
        let Some(mut ask) = self.pending.pop() else {
            return;
        };
        out.bodies
            .end(Side::Server, Completeness::seen(body.complete));
        answer_body(&mut ask.exchange, body);
        if !body.complete {
            remark(&mut ask.exchange.notes, "the reply ends in mid-text");
        }
        self.give_up(ask, wire, out);
    }

    /// A reply to nothing that was captured.
    fn unasked(&mut self, line: &Line<'_>, code: u16, wire: &mut Wire, out: &mut Dialogue) {
        unmatched(line, out);
        self.pending.reply_to_none();
        if !self.pending.is_empty() {
            return;
        }
        match code {
            335 | 340 => self.expect_message(wire, out),
            383 => self.awaited = Awaited::Perhaps,
            _ => {}
        }
    }

    /// After a hole: gives up the commands that `code` cannot answer, where it can answer a later one.
    fn skip_to_fitting(&mut self, code: u16, line: &[u8], wire: &mut Wire, out: &mut Dialogue) {
        let fits = |ask: &Ask<Kind>| fits(ask, code, line);
        for ask in self.pending.before_fitting(fits) {
            self.give_up(ask, wire, out);
        }
    }

    /// Writes `ask` out as it is, and reads on without more of its reply.
    fn give_up(&mut self, mut ask: Ask<Kind>, wire: &mut Wire, out: &mut Dialogue) {
        if self.pending.is_empty() && wire.client.is_holding() {
            wire.client.expect(Mode::Lines);
            match ask.kind {
                Kind::Offer => self.message_perhaps = true,
                Kind::Auth(_) => self.awaited = Awaited::Perhaps,
                _ => {}
            }
        }
        if message::is_awaited(&ask.exchange) {
            end_message(&mut ask.exchange, wire, out);
            if ask.exchange.start.is_none() {
                return;
            }
        }
        ask.write(out);
    }
}

/// `exchange` brings an article.
fn with_message(mut exchange: Exchange, out: &mut Dialogue) -> Exchange {
    let framing = Framing::Dots(Unstuff::new(Endings::Strict));
    let [stored, _] = &mut exchange.bodies;
    *stored = out.bodies.begin(Side::Client, BodyKind::Mail, framing);
    exchange
}

/// The server answers an article whose end was not seen.
fn end_message(exchange: &mut Exchange, wire: &mut Wire, out: &mut Dialogue) {
    if message::end(exchange, wire, out).is_some() {
        out.bodies.end(Side::Client, Completeness::BrokenOff);
    }
}

/// Whether the reply `line` of this code can be to `ask`: asked only after a hole. Replies to CHECK and TAKETHIS name the
/// message (RFC 4644 §2.4, §2.5).
fn fits(ask: &Ask<Kind>, code: u16, line: &[u8]) -> bool {
    let verb = ask.exchange.verb.as_str();
    let named = line.split(|&byte| byte == b' ').nth(1);
    let meant = ask.exchange.request.split(' ').nth(1).map(str::as_bytes);
    let streamed = matches!(code, 238 | 239 | 431 | 438 | 439);
    let other = streamed && (!matches!(verb, "CHECK" | "TAKETHIS") || named != meant);
    !other && command::fits(code, verb)
}

#[cfg(test)]
mod tests;
