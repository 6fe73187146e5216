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
    add_name, answer, ask, bad_reply, greeting, remark, spoke_early, unknown, unmatched,
    unmatched_text,
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
    tried_auth: bool,
    lmtp: bool,
    /// Recipients of the message under way that the server took.
    recipients: u32,
    /// Replies to it so far: LMTP has one for each recipient.
    replies: u32,
    envelope: Envelope,
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
        if let Some((user, mechanism)) = self.awaited.take(known, &line.text) {
            command.name = user;
            sasl::masked(&line.text).clone_into(&mut command.request);
            command.verb = Verb::new("AUTH");
            command.kind = Kind::Auth(mechanism);
        } else if !known {
            if line.after_hole() {
                return;
            }
            // A SASL exchange may be under way without its beginning having been seen.
            let perhaps =
                self.pending.is_uncertain() || self.tried_auth || self.greeted == Greeted::NotYet;
            if perhaps && sasl::looks_like_response(&line.text) {
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
            Kind::Hello { lmtp } => self.lmtp |= *lmtp,
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
        if self.lmtp && ends_message {
            self.envelope.recipient_told(reply.code);
        }
        self.replies += 1;
        if self.lmtp && ends_message && self.replies < self.recipients {
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
mod tests {
    use crate::model::{Encryption, PacketNo, Proto};
    use crate::protocol::testing::{
        C, S, Script, a_hole_costs_little, pairs, rubbish_is_survived, run,
        segmentation_does_not_matter, unsaid,
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

    /// Messages in one line each: id, sender, recipients with their codes, octets, code.
    fn messages(script: Script<'_>) -> Vec<String> {
        let (_, dialogue) = run(25, script);
        let told = dialogue.messages.iter().map(|message| {
            let to: Vec<String> = message
                .recipients
                .iter()
                .map(|one| format!("{} {}", one.address, one.code))
                .collect();
            format!(
                "{} {} [{}] {:?} {}",
                message.message_id.as_deref().unwrap_or("-"),
                message.sender.as_deref().unwrap_or("-"),
                to.join(", "),
                message.octets,
                message.code.as_deref().unwrap_or("-")
            )
        });
        told.collect()
    }

    #[test]
    fn messages_are_told_with_what_became_of_each_recipient() {
        assert_eq!(messages(SEND), ["- a@b [c@d 550, e@f 250] Some(27) 250"]);
        assert_eq!(
            messages(PIPELINED),
            [
                "- a@b [c@d 250, e@f 452] Some(0) 452",
                "- g@h [] Some(6) 503",
            ]
        );
        let ahead: Script<'_> = &[
            (S, "220 mx ESMTP\r\n"),
            (
                C,
                "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 19\r\nMessage-ID: <1@b>\r\nBDAT 3 LAST\r\n\r\nx\
                 MAIL FROM:<>\r\nRCPT TO:<e@f>\r\nBDAT 19 LAST\r\nMessage-ID: <2@b>\r\nMAIL FROM:<g@h>\r\nRCPT TO:<i@j>\r\nQUIT\r\n",
            ),
            (
                S,
                "250 0\r\n250 1\r\n250 2\r\n250 3\r\n250 4\r\n250 5\r\n250 6\r\n550 7\r\n250 8\r\n451 9\r\n221 10\r\n",
            ),
        ];
        assert_eq!(
            messages(ahead),
            [
                "<1@b> a@b [c@d 250] Some(22) 250",
                "<2@b>  [e@f 250] Some(19) 550",
                "- g@h [i@j 451] None -",
            ]
        );
    }

    #[test]
    fn a_client_that_is_passed_on_is_greeted_anew_and_421_may_come_at_any_time() {
        let (_, dialogue) = run(
            25,
            &[
                (S, "220 mx ESMTP\r\n"),
                (C, "EHLO proxy\r\n"),
                (S, "250-mx\r\n250 XCLIENT NAME ADDR\r\n"),
                (C, "XCLIENT NAME=spike ADDR=192.0.2.9\r\n"),
                (S, "220-mx\r\n220 mx ESMTP\r\n"),
                (C, "EHLO spike\r\n"),
                (S, "250 mx\r\n"),
                (C, "HELP\r\nEXPN x\r\nETRN y\r\nBURL imap://z LAST\r\n"),
                (S, "214-a\r\n214 b\r\n252-c\r\n252 d\r\n250 e\r\n503 f\r\n"),
                (S, "421 mx closing\r\n"),
            ],
        );
        let told = pairs(&dialogue);
        let told: Vec<(&str, &str)> = told.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(
            told[2..],
            [
                ("XCLIENT NAME=spike ADDR=192.0.2.9", "220-mx"),
                ("EHLO spike", "250 mx"),
                ("HELP", "214-a"),
                ("EXPN x", "252-c"),
                ("ETRN y", "250 e"),
                ("BURL imap://z LAST", "503 f"),
            ]
        );
        let faults: Vec<&str> = dialogue.faults.iter().map(|it| it.code.name()).collect();
        assert_eq!(faults, ["out-of-order"]);
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
            let rest = unsaid(AUTH, lost);
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
        let faults: Vec<(&str, u64)> = dialogue
            .faults
            .iter()
            .map(|fault| (fault.code.name(), fault.packet.0))
            .collect();
        assert_eq!(
            faults,
            [
                ("bare-lf", 1),
                ("talk-before-greeting", 1),
                ("unknown-command", 3),
                ("smuggled-end", 7),
            ]
        );
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

    #[test]
    fn a_client_without_its_server_is_read_too() {
        let heard: Vec<(crate::model::Side, &str)> = SEND
            .iter()
            .copied()
            .filter(|&(side, _)| side == C)
            .collect();
        let (_, dialogue) = run(25, &heard);
        let requests: Vec<&str> = dialogue.exchanges.iter().map(|e| &*e.request).collect();
        assert_eq!(requests[4..7], ["DATA", "<body 27 bytes>", "NOOP"]);
        let heard: Vec<(crate::model::Side, &str)> = AUTH
            .iter()
            .copied()
            .filter(|&(side, _)| side == C)
            .collect();
        assert!(!format!("{:?}", run(25, &heard)).contains("c2VjcmV0"));
    }

    #[test]
    fn after_lost_replies_the_code_tells_which_command_is_answered() {
        let script: Script<'_> = &[
            (S, "220 mx ESMTP\r\n"),
            (C, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"),
            (S, "250 1\r\n250 2\r\n"),
            (S, "354 3\r\n"),
            (C, "x\r\n.\r\n"),
            (S, "250 4\r\n"),
        ];
        let (_, dialogue) = crate::protocol::testing::without(25, script, 2);
        let pairs = pairs(&dialogue);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(
            pairs[1..],
            [
                ("MAIL FROM:<a@b>", ""),
                ("RCPT TO:<c@d>", ""),
                ("DATA", "354 3"),
                ("<body 1 bytes>", "250 4"),
            ]
        );
    }
}
