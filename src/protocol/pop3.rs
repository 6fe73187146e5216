//! POP3 (RFC 1939), with CAPA and pipelining (RFC 2449), AUTH (RFC 5034) and STLS (RFC 2595).

use super::bodies::{Completeness, Framing, Unstuff};
use super::detect::{first_line, has_ignoring_case};
use super::dots::Endings;
use super::line::{Body, Ending, Line, Mode};
use super::pending::Pending;
use super::record::{
    add_name, answer, answer_body, ask, bad_reply, greeting, remark, spoke_early, text, unknown,
    unmatched,
};
use super::runs::{Records, Runs};
use super::sasl::{self, Awaited, Mechanism};
use super::talk::{Talk, Talking, Wire};
use super::tls::Opener;
use super::{Dialogue, Entry, Opening, Verdict};
use crate::model::{BodyKind, Proto, Side, Verb};

/// The row of the registry.
pub(super) const ENTRY: Entry = Entry {
    proto: Proto("pop3"),
    ports: &[110],
    tls_ports: &[995],
    opener: Opener::Server,
    runs: Runs {
        // RFC 2449 §4: a command has at most 255 octets.
        records: Records::Commands {
            at_least: 6,
            at_most: 255,
        },
        ..Runs::PLAIN
    },
    alpn: &["pop3"],
    probe,
    start: || Box::new(Talking::<Pop3>::default()),
};

/// Commands whose reply has one line.
const PLAIN: &[&str] = &[
    "APOP", "DELE", "LAST", "NOOP", "PASS", "QUIT", "RSET", "STAT", "USER", "UTF8", "XCLIENT",
];

/// The state of one connection.
#[derive(Debug, Default)]
struct Pop3 {
    pending: Pending<Kind>,
    awaited: Awaited,
    greeted: bool,
}

/// What a command does to the dialogue.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// Begins or continues a SASL exchange.
    Auth(Mechanism),
    /// Its positive reply has many lines.
    Many,
    /// Nothing out of the ordinary.
    Plain,
    /// Asks for TLS.
    StartTls,
    /// No command of POP3.
    Unknown,
}

impl Talk for Pop3 {
    fn line(&mut self, side: Side, line: Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        match side {
            Side::Client => self.command(&line, wire, out),
            Side::Server => self.reply(&line, wire, out),
        }
    }

    fn body(&mut self, side: Side, body: Body, _wire: &mut Wire, out: &mut Dialogue) {
        out.bodies.end(side, Completeness::seen(body.complete));
        if let Some(mut ask) = self.pending.pop() {
            answer_body(&mut ask.exchange, &body);
            if !body.complete {
                remark(&mut ask.exchange.notes, "the reply ends in mid-text");
            }
            ask.write(out);
        }
    }

    fn hole(&mut self, side: Side, wire: &mut Wire, out: &mut Dialogue) {
        if side == Side::Client {
            self.awaited.lose_sight();
            return self.pending.lose_commands(out);
        }
        self.greeted = true;
        if let Some(ask) = self.pending.lose_replies(false, out) {
            wire.client.expect(Mode::Lines);
            if let Kind::Auth(_) = ask.kind {
                self.awaited = Awaited::Perhaps;
            }
            ask.write(out);
        }
    }

    fn in_step(&self, _side: Side) -> bool {
        !self.pending.is_uncertain()
    }

    fn resume(&mut self) {
        self.greeted = true;
    }

    fn finish(&mut self, _wire: &mut Wire, out: &mut Dialogue) {
        while let Some(ask) = self.pending.pop() {
            ask.write(out);
        }
    }
}

impl Pop3 {
    fn command(&mut self, line: &Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        let (verb, request, kind, name) = read(&line.text);
        let known = kind != Kind::Unknown;
        let (request, verb, kind) = match self.awaited.take_line(known, line) {
            Some((user, mechanism)) => {
                if let Some(user) = user {
                    add_name(out, user);
                }
                let shown = sasl::masked(&line.text).to_owned();
                (shown, Verb::new("AUTH"), Kind::Auth(mechanism))
            }
            // The rest of a line may be the rest of a secret.
            None if !known && (line.after_hole() || !self.greeted) => return,
            None => (request, verb, kind),
        };
        self.catch_up(wire, out);
        let mut exchange = ask(verb, request, line);
        match kind {
            Kind::Auth(_) if !wire.hold_client() => self.awaited = Awaited::Perhaps,
            Kind::StartTls => {
                wire.hold_client();
            }
            Kind::Unknown => {
                unknown("POP3", line, &mut exchange, out);
                if self.pending.is_uncertain() {
                    sasl::masked(&line.text).clone_into(&mut exchange.request);
                }
            }
            Kind::Auth(_) | Kind::Many | Kind::Plain => {}
        }
        if let Some(name) = name {
            add_name(out, name);
        }
        if let Some(oldest) = self.pending.push(exchange, kind) {
            oldest.write(out);
        }
    }

    /// The client goes on: what it waited for has come, captured or not.
    fn catch_up(&mut self, wire: &mut Wire, out: &mut Dialogue) {
        let doubtful = self.pending.first().is_some_and(|ask| ask.is_doubtful());
        let body = wire.server.open_body();
        if body.is_some_and(|body| body.missing > 0 || doubtful)
            && let Some(body) = wire.server.break_body()
        {
            self.body(Side::Server, body, wire, out);
            self.pending.doubt_all();
        }
        while let Some(ask) = self.pending.pop_doubtful() {
            ask.write(out);
        }
    }

    fn reply(&mut self, line: &Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        let Some(status) = status(&line.text) else {
            // After a hole this is the rest of a text.
            if !line.after_hole() && !self.pending.is_uncertain() {
                bad_reply("POP3", line, out);
            }
            return;
        };
        let first = !std::mem::replace(&mut self.greeted, true);
        if first && (self.pending.is_empty() || greets(&line.text)) {
            let mut exchange = greeting(line);
            answer(&mut exchange, line, || status.to_owned());
            if let Some(early) = self.pending.first() {
                let [packet, _] = early.exchange.packets;
                spoke_early(packet, &mut exchange, out);
            }
            out.exchanges.push(exchange);
            return;
        }
        let Some(ask) = self.pending.first() else {
            unmatched(line, out);
            self.pending.reply_to_none();
            if status == "+" {
                self.awaited = Awaited::Perhaps;
            }
            return;
        };
        answer(&mut ask.exchange, line, || status.to_owned());
        if ask.kind == Kind::Many && status == "+OK" {
            let endings = match line.ending {
                Ending::BareLf => Endings::Lenient,
                Ending::CrLf => Endings::Strict,
            };
            if ask.exchange.verb.as_str() == "RETR" {
                let framing = Framing::Dots(Unstuff::new(endings));
                let [_, stored] = &mut ask.exchange.bodies;
                *stored = out.bodies.begin(Side::Server, BodyKind::Mail, framing);
            }
            wire.server.expect_dots(endings);
            return;
        }
        if let Some(ask) = self.pending.pop() {
            self.answered(&ask.kind, status, wire, out);
            ask.write(out);
        }
    }

    /// What the reply means for what comes next.
    fn answered(&mut self, kind: &Kind, status: &str, wire: &mut Wire, out: &mut Dialogue) {
        match kind {
            Kind::StartTls if status == "+OK" => wire.start_tls(out),
            Kind::StartTls => wire.client.expect(Mode::Lines),
            Kind::Auth(mechanism) => {
                wire.client.expect(Mode::Lines);
                self.awaited = Awaited::Command;
                if status == "+" {
                    self.awaited = Awaited::Response(mechanism.clone());
                }
            }
            Kind::Many | Kind::Plain | Kind::Unknown => {}
        }
    }
}

/// Reads a command line: verb, line with secrets masked, what it does, and the user it names.
fn read(line: &[u8]) -> (Verb, String, Kind, Option<String>) {
    let line = line.trim_ascii_end();
    let mut words = line.split(|&byte| byte == b' ');
    let word = text(words.next().unwrap_or_default());
    let argument = words.next();
    let verb = Verb::new(&word);
    let mut request = text(line);
    let mut name = None;
    let kind = match verb.as_str() {
        "AUTH" => match argument {
            None => Kind::Many,
            Some(mechanism) => {
                let auth = sasl::command(&word, mechanism, words.next());
                request = auth.request;
                name = auth.user;
                Kind::Auth(auth.mechanism)
            }
        },
        "CAPA" | "RETR" | "TOP" => Kind::Many,
        // With an argument the reply is a single line.
        "LANG" | "LIST" | "UIDL" if argument.is_none() => Kind::Many,
        "LANG" | "LIST" | "UIDL" => Kind::Plain,
        "STLS" => Kind::StartTls,
        plain if PLAIN.contains(&plain) => {
            let given = argument.map(text).filter(|name| !name.is_empty());
            match plain {
                "PASS" => request = format!("{word} ***"),
                "APOP" => request = format!("{word} {} ***", given.as_deref().unwrap_or("")),
                _ => {}
            }
            if matches!(plain, "APOP" | "USER") {
                name = given;
            }
            Kind::Plain
        }
        _ => Kind::Unknown,
    };
    (verb, request, kind, name)
}

/// The status word of a reply: `+OK`, `-ERR`, or `+` where the server wants more.
fn status(line: &[u8]) -> Option<&'static str> {
    let word = line.split(|&byte| byte == b' ').next()?.trim_ascii_end();
    ["+OK", "-ERR", "+"]
        .into_iter()
        .find(|status| word.eq_ignore_ascii_case(status.as_bytes()))
}

/// Whether a reply reads like a greeting although the client has already spoken.
fn greets(line: &[u8]) -> bool {
    has_ignoring_case(line, b"POP3") || has_ignoring_case(line, b"ready")
}

/// By the greeting or the first command.
fn probe(opening: &Opening<'_>) -> Verdict {
    let client = match first_line(opening.client) {
        None => Verdict::NeedMore,
        Some(line) => match read(line) {
            (_, _, Kind::Unknown, _) => Verdict::RuledOut,
            (verb, ..) if matches!(verb.as_str(), "APOP" | "CAPA" | "STLS" | "UIDL") => {
                Verdict::Certain
            }
            _ => Verdict::Likely,
        },
    };
    match (client, first_line(opening.server).map(status)) {
        (Verdict::RuledOut, _) | (_, Some(None)) => Verdict::RuledOut,
        (_, Some(Some("+OK"))) => Verdict::Certain,
        (Verdict::NeedMore, Some(_)) => Verdict::Likely,
        (client, _) => client,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Encryption;
    use crate::protocol::testing::{
        C, S, Script, a_hole_costs_little, pairs, rubbish_is_survived, run,
        segmentation_does_not_matter, unsaid,
    };

    const FETCH: Script<'_> = &[
        (S, "+OK Dovecot ready. <1896.697170952@x>\r\n"),
        (C, "USER tim\r\n"),
        (S, "+OK\r\n"),
        (C, "PASS secret with blanks\r\n"),
        (S, "+OK Logged in.\r\n"),
        (C, "STAT\r\n"),
        (S, "+OK 2 320\r\n"),
        (C, "UIDL\r\n"),
        (S, "+OK\r\n1 a\r\n2 b\r\n.\r\n"),
        (C, "UIDL 2\r\n"),
        (S, "+OK 2 b\r\n"),
        (C, "RETR 1\r\n"),
        (S, "+OK 120 octets\r\nSubject: x\r\n\r\n..\r\n+OK no\r\n"),
        (S, ".dot\r\nend\r\n.\r\n"),
        (C, "RETR 9\r\n"),
        (S, "-ERR no such message\r\n"),
        (C, "TOP 2 0\r\n"),
        (S, "+OK top\r\n.\r\n"),
        (C, "DELE 1\r\n"),
        (S, "+OK Marked.\r\n"),
        (C, "QUIT\r\n"),
        (S, "+OK Bye.\r\n"),
    ];

    #[test]
    fn replies_of_many_lines_are_counted_and_secrets_masked() {
        let (proto, dialogue) = run(110, FETCH);
        assert_eq!(proto, Proto("pop3"));
        assert_eq!(dialogue.names, ["tim"]);
        assert_eq!(dialogue.notes, [""; 0]);
        let octets: Vec<(&str, Option<u64>)> = dialogue
            .exchanges
            .iter()
            .map(|exchange| (&*exchange.request, exchange.response_bytes))
            .collect();
        assert_eq!(
            octets,
            [
                ("", Some(39)),
                ("USER tim", Some(5)),
                ("PASS ***", Some(16)),
                ("STAT", Some(11)),
                ("UIDL", Some(18)),
                ("UIDL 2", Some(9)),
                ("RETR 1", Some(56)),
                ("RETR 9", Some(22)),
                ("TOP 2 0", Some(12)),
                ("DELE 1", Some(13)),
                ("QUIT", Some(10)),
            ]
        );
        assert_eq!(dialogue.exchanges[6].code.as_deref(), Some("+OK"));
        assert_eq!(dialogue.exchanges[7].code.as_deref(), Some("-ERR"));
    }

    #[test]
    fn pipelined_commands_get_their_replies_in_order() {
        let (_, dialogue) = run(
            110,
            &[
                (
                    C,
                    "LIST\r\nRETR 1\r\nDELE 1\r\nAPOP tim c4c9334bac560ecc979e58001b3e22fb\r\n",
                ),
                (S, "+OK\r\n1 2\r\n.\r\n+OK\r\nx\r\n.\r\n-ERR d\r\n+OK a\r\n"),
            ],
        );
        let pairs = pairs(&dialogue);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(
            pairs,
            [
                ("LIST", "+OK"),
                ("RETR 1", "+OK"),
                ("DELE 1", "-ERR d"),
                ("APOP tim ***", "+OK a"),
            ]
        );
    }

    #[test]
    fn sasl_is_masked_and_tls_begins_with_the_reply() {
        let (_, dialogue) = run(
            110,
            &[
                (S, "+OK POP3\r\n"),
                (C, "AUTH\r\n"),
                (S, "+OK\r\nPLAIN\r\n.\r\n"),
                (C, "AUTH PLAIN\r\n"),
                (S, "+ \r\n"),
                (C, "AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n"),
                (S, "-ERR no\r\n"),
                (C, "STLS\r\n"),
                (S, "+OK begin\r\n"),
                (C, "USER inside\r\n"),
            ],
        );
        let requests: Vec<&str> = dialogue.exchanges.iter().map(|e| &*e.request).collect();
        assert_eq!(requests, ["", "AUTH", "AUTH PLAIN", "***", "STLS"]);
        assert_eq!(dialogue.names, ["tim"]);
        assert_eq!(dialogue.encryption, Encryption::StartTls);
    }

    #[test]
    fn segments_and_holes_and_rubbish() {
        segmentation_does_not_matter(110, FETCH);
        a_hole_costs_little(110, FETCH, 2);
        rubbish_is_survived(
            110,
            &[
                "RETR 1\r\n",
                "+OK x\r\n",
                "-ERR\r\n",
                ".\r\n",
                "x\r\n",
                "AUTH PLAIN\r\n",
                "+ \r\n",
                "STLS\r\n",
                "LIST\r\n",
                "dGlt\r\n",
                "+OK\n",
                ".\n",
                "PASS \r\n",
            ],
        );
    }

    #[test]
    fn a_password_is_not_shown_whatever_is_lost() {
        for lost in 0..FETCH.len() {
            let rest = unsaid(FETCH, lost);
            assert!(!format!("{:?}", run(110, &rest)).contains("secret"));
        }
        let shown = format!(
            "{:?}",
            run(
                110,
                &[(C, "secret with\r\n"), (S, "+OK\r\n"), (C, "STAT\r\n")]
            )
        );
        assert!(!shown.contains("secret"), "{shown}");
    }
}
