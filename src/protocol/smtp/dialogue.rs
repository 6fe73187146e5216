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

#[cfg(test)]
mod tests {
    use crate::model::{Encryption, PacketNo, Proto};
    use crate::protocol::testing::{
        C, S, Script, a_hole_costs_little, pairs, rubbish_is_survived, run,
        segmentation_does_not_matter,
    };

    const SEND: Script<'_> = &[
        (S, "220-mx.example.com ESMTP\r\n220 no spam\r\n"),
        (C, "EHLO papa.client.example\r\n"),
        (
            S,
            "250-mx.example.com\r\n250-PIPELINING\r\n250 CHUNKING\r\n",
        ),
        (C, "MAIL FROM:<a@b>\r\n"),
        (S, "250 2.1.0 Ok\r\n"),
        (C, "RCPT TO:<c@d>\r\n"),
        (S, "550 5.1.1 no such user\r\n"),
        (C, "RCPT TO:<e@f>\r\n"),
        (S, "250 2.1.5 Ok\r\n"),
        (C, "DATA\r\n"),
        (S, "354 go on\r\n"),
        (C, "Subject: x\r\n\r\n..\r\nhelp\r\nend\r\n.\r\n"),
        (S, "250 2.0.0 queued as 1\r\n"),
        (C, "NOOP\r\n"),
        (S, "250 2.0.0 Ok\r\n"),
        (C, "RSET\r\n"),
        (S, "250 2.0.0 fresh\r\n"),
        (C, "QUIT\r\n"),
        (S, "221 2.0.0 Bye\r\n"),
    ];

    const PIPELINED: Script<'_> = &[
        (S, "220 mx LMTP\r\n"),
        (C, "LHLO x\r\n"),
        (S, "250 mx\r\n"),
        (
            C,
            "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n",
        ),
        (S, "250 1\r\n250 2\r\n250 3\r\n354 4\r\n"),
        (
            C,
            ".\r\nMAIL FROM:<g@h>\r\nBDAT 6\r\nQUIT\r\nBDAT 0 LAST\r\nQUIT\r\n",
        ),
        (S, "250 c\r\n452 e\r\n250 5\r\n250 6\r\n503 7\r\n221 8\r\n"),
    ];

    #[test]
    fn a_message_is_sent_step_by_step() {
        let (proto, dialogue) = run(25, SEND);
        assert_eq!(proto, Proto("smtp"));
        assert_eq!(dialogue.names, ["papa.client.example"]);
        assert_eq!(dialogue.notes, [""; 0]);
        let exchanges = &dialogue.exchanges;
        assert_eq!(exchanges.len(), 10);
        assert!(exchanges[0].verb.is_greeting());
        assert_eq!(exchanges[0].response_bytes, Some(39));
        assert_eq!(exchanges[1].response.as_deref(), Some("250-mx.example.com"));
        assert_eq!(exchanges[1].response_bytes, Some(50));
        assert_eq!(exchanges[3].code.as_deref(), Some("550"));
        let body = &exchanges[6];
        assert!(body.verb.is_body());
        assert_eq!(body.request, "<body 27 bytes>");
        assert_eq!(body.request_bytes, Some(32));
        assert_eq!(body.packets, [Some(PacketNo(12)), Some(PacketNo(13))]);
        assert_eq!(body.start.unwrap().0, 12);
        assert_eq!(body.end.unwrap().0, 13);
        assert!(exchanges.iter().all(|exchange| exchange.notes.is_empty()));
    }

    #[test]
    fn pipelined_commands_get_their_replies_in_order() {
        let (_, dialogue) = run(25, PIPELINED);
        let pairs = pairs(&dialogue);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(
            pairs[1..],
            [
                ("LHLO x", "250 mx"),
                ("MAIL FROM:<a@b>", "250 1"),
                ("RCPT TO:<c@d>", "250 2"),
                ("RCPT TO:<e@f>", "250 3"),
                ("DATA", "354 4"),
                ("<body 0 bytes>", "250 c"),
                ("MAIL FROM:<g@h>", "250 5"),
                ("BDAT 6", "250 6"),
                ("BDAT 0 LAST", "503 7"),
                ("QUIT", "221 8"),
            ]
        );
        let body = &dialogue.exchanges[6];
        assert_eq!(
            (body.request_bytes, body.response_bytes),
            (Some(3), Some(14))
        );
        assert_eq!(dialogue.exchanges[8].request_bytes, Some(14));
    }

    #[test]
    fn segments_do_not_matter() {
        segmentation_does_not_matter(25, SEND);
        segmentation_does_not_matter(25, PIPELINED);
        segmentation_does_not_matter(25, AUTH);
    }

    #[test]
    fn after_a_hole_it_finds_its_feet() {
        a_hole_costs_little(25, SEND, 2);
        a_hole_costs_little(25, AUTH, 1);
    }

    #[test]
    fn rubbish_is_no_danger() {
        rubbish_is_survived(
            25,
            &[
                "DATA\r\n",
                "354 x\r\n",
                "250 x\r\n",
                "250-x\r\n",
                ".\r\n",
                "\n.\n",
                "AUTH LOGIN\r\n",
                "334 \r\n",
                "dGlt\r\n",
                "STARTTLS\r\n",
                "220 x\r\n",
                "BDAT 9\r\n",
                "EHLO x\r\n",
                "BDAT 99999999999999999999\r\n",
                "\r\n",
                "\n",
                "LHLO y\r\n",
                "RCPT TO:<>\r\n",
            ],
        );
    }

    const AUTH: Script<'_> = &[
        (S, "220 mx ESMTP\r\n"),
        (C, "EHLO x\r\n"),
        (S, "250-mx\r\n250 AUTH LOGIN PLAIN\r\n"),
        (C, "AUTH LOGIN\r\n"),
        (S, "334 VXNlcm5hbWU6\r\n"),
        (C, "dGlt\r\n"),
        (S, "334 UGFzc3dvcmQ6\r\n"),
        (C, "c2VjcmV0\r\n"),
        (S, "535 5.7.8 no\r\n"),
        (C, "AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n"),
        (S, "235 2.7.0 ok\r\n"),
        (C, "QUIT\r\n"),
        (S, "221 Bye\r\n"),
    ];

    #[test]
    fn secrets_are_never_kept_even_after_holes() {
        let (_, dialogue) = run(587, AUTH);
        let requests: Vec<&str> = dialogue.exchanges.iter().map(|e| &*e.request).collect();
        assert_eq!(
            requests,
            [
                "",
                "EHLO x",
                "AUTH LOGIN",
                "***",
                "***",
                "AUTH PLAIN ***",
                "QUIT"
            ]
        );
        assert_eq!(dialogue.names, ["x", "tim"]);
        for lost in 0..AUTH.len() {
            let rest: Vec<(crate::model::Side, &str)> = AUTH
                .iter()
                .enumerate()
                .filter(|&(n, _)| n != lost)
                .map(|(_, &part)| part)
                .collect();
            let shown = format!("{:?}", run(587, &rest));
            assert!(
                !shown.contains("c2VjcmV0") && !shown.contains("tanstaaf"),
                "{lost}: {shown}"
            );
        }
    }

    #[test]
    fn tls_begins_with_the_reply_and_no_sooner() {
        let (_, dialogue) = run(
            25,
            &[
                (S, "220 mx ESMTP\r\n"),
                (C, "EHLO x\r\n"),
                (S, "250 mx\r\n"),
                (C, "STARTTLS\r\nMAIL FROM:<evil@x>\r\n"),
                (S, "220 2.0.0 go on\r\n\x16\x03\x03"),
                (C, "EHLO inside\r\n"),
            ],
        );
        assert_eq!(dialogue.encryption, Encryption::StartTls);
        assert_eq!(dialogue.exchanges.len(), 3);
        assert!(
            dialogue.notes[0].contains("sent 20 octets in the clear"),
            "{:?}",
            dialogue.notes
        );
        let (_, refused) = run(
            25,
            &[
                (C, "EHLO x\r\n"),
                (S, "250 mx\r\n"),
                (C, "STARTTLS\r\nNOOP\r\n"),
                (S, "454 not now\r\n"),
                (S, "250 noop\r\n"),
            ],
        );
        assert_eq!(refused.encryption, Encryption::None);
        assert_eq!(pairs(&refused)[2], ("NOOP".into(), "250 noop".into()));
    }

    #[test]
    fn what_departs_from_the_protocol_is_noted() {
        let (_, dialogue) = run(
            25,
            &[
                (C, "EHLO early\n"),
                (S, "220 mx ESMTP\r\n250 mx\r\n"),
                (C, "XYZZY 1\r\n"),
                (S, "500 what\r\n"),
                (C, "DATA\r\n"),
                (S, "354 go\r\n"),
                (C, "text\n.\r\n"),
                (S, "250 smuggled\r\n"),
                (C, "QUIT\r\n"),
                (S, "221 bye\r\n"),
                (S, "421 and out\r\n"),
            ],
        );
        let notes = |n: usize| dialogue.exchanges[n].notes.join("; ");
        assert_eq!(notes(0), "request line ended by a bare LF");
        assert_eq!(notes(1), "the client spoke before the server had greeted");
        assert_eq!(notes(2), "not a command of SMTP");
        assert!(notes(4).contains("lone dot with a bare LF"));
        assert_eq!(pairs(&dialogue)[5], ("QUIT".into(), "221 bye".into()));
        assert_eq!(
            dialogue.notes,
            ["a reply without a command, in packet 11: 421 and out"]
        );
    }

    #[test]
    fn a_message_cut_off_by_the_end_is_written_out() {
        let mut script = SEND[..11].to_vec();
        script.push((C, "Subject: half"));
        let (_, dialogue) = run(25, &script);
        let last = dialogue.exchanges.last().unwrap();
        assert_eq!(last.request, "<body 13 bytes>");
        assert_eq!(last.response, None);
        assert_eq!(last.notes, ["ends in mid-message", "no reply captured"]);
    }
}
