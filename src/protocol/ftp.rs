//! FTP's control connection (RFC 959), with AUTH (RFC 2228, RFC 4217), FEAT (RFC 2389) and EPSV (RFC 2428). The
//! connections that carry files are not read.

use super::detect::{first_line, has_ignoring_case};
use super::line::{Body, Line, Mode};
use super::pending::Pending;
use super::record::{
    add_name, answer, answer_more, ask, bad_reply, forget_answer, greeting, spoke_early, text,
    unknown, unmatched,
};
use super::runs::Runs;
use super::talk::{Talk, Talking, Wire};
use super::tls::Opener;
use super::{Dialogue, Entry, Opening, Verdict};
use crate::model::{FaultCode, Proto, Side, Verb};

/// The row of the registry.
pub(super) const ENTRY: Entry = Entry {
    proto: Proto("ftp"),
    ports: &[21],
    tls_ports: &[990],
    opener: Opener::Server,
    runs: Runs::PLAIN,
    alpn: &["ftp"],
    probe,
    start: || Box::new(Talking::<Ftp>::default()),
};

/// Commands that do nothing out of the ordinary to the dialogue (RFC 5797 and its registry).
const PLAIN: &[&str] = &[
    "ABOR", "ALLO", "APPE", "CCC", "CDUP", "CWD", "DELE", "EPRT", "EPSV", "FEAT", "HELP", "HOST",
    "LANG", "LIST", "MDTM", "MFCT", "MFMT", "MKD", "MLSD", "MLST", "MODE", "NLST", "NOOP", "OPTS",
    "PASV", "PBSZ", "PORT", "PROT", "PWD", "QUIT", "REIN", "REST", "RETR", "RMD", "RNFR", "RNTO",
    "SITE", "SIZE", "SMNT", "STAT", "STOR", "STOU", "STRU", "SYST", "TYPE", "USER", "XCRC", "XCUP",
    "XCWD", "XMKD", "XPWD", "XRMD",
];
/// Commands whose argument is a secret.
const SECRET: &[&str] = &["ACCT", "ADAT", "CONF", "ENC", "MIC", "PASS"];

/// The state of one connection.
#[derive(Debug, Default)]
struct Ftp {
    pending: Pending<Kind>,
    greeted: bool,
    /// The code of a reply whose last line is still to come: what is between may look like anything (§4.2).
    inside: Option<Inside>,
}

/// A reply of several lines under way.
#[derive(Clone, Copy, Debug)]
struct Inside {
    code: u16,
    owner: Owner,
}

/// What a reply belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Command,
    Greeting,
    Nothing,
}

/// What a command does to the dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Asks for TLS.
    Auth,
    Plain,
    Unknown,
}

impl Talk for Ftp {
    fn line(&mut self, side: Side, line: Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        match side {
            Side::Client => self.command(&line, wire, out),
            Side::Server => self.reply(&line, wire, out),
        }
    }

    fn body(&mut self, _side: Side, _body: Body, _wire: &mut Wire, _out: &mut Dialogue) {}

    fn hole(&mut self, side: Side, wire: &mut Wire, out: &mut Dialogue) {
        if side == Side::Client {
            return self.pending.lose_commands(out);
        }
        self.greeted = true;
        self.inside = None;
        if let Some(ask) = self.pending.lose_replies(false, out) {
            wire.client.expect(Mode::Lines);
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

impl Ftp {
    fn command(&mut self, line: &Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        let (verb, request, kind, name) = read(&line.text);
        // The rest of a line may be the rest of a secret.
        let unsure = line.after_hole() || self.pending.is_uncertain() || !self.greeted;
        if kind == Kind::Unknown && unsure {
            return;
        }
        while let Some(ask) = self.pending.pop_doubtful() {
            ask.write(out);
        }
        let mut exchange = ask(verb, request, line);
        if let Some(name) = name {
            add_name(out, name);
        }
        match kind {
            Kind::Auth => {
                wire.hold_client();
            }
            Kind::Unknown => unknown("FTP", line, &mut exchange, out),
            Kind::Plain => {}
        }
        if let Some(oldest) = self.pending.push(exchange, kind) {
            oldest.write(out);
        }
    }

    fn reply(&mut self, line: &Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        if let Some(inside) = self.inside {
            return self.more(inside, line, wire, out);
        }
        let Some((code, more)) = code(&line.text) else {
            if !line.after_hole() && !self.pending.is_uncertain() {
                bad_reply("FTP", line, out);
            }
            return;
        };
        let first = !std::mem::replace(&mut self.greeted, true);
        let owner = if first && matches!(code, 120 | 220 | 421) {
            let mut exchange = greeting(line);
            answer(&mut exchange, line, || code.to_string());
            if let Some(early) = self.pending.first() {
                let [packet, _] = early.exchange.packets;
                spoke_early(packet, &mut exchange, out);
            }
            out.exchanges.push(exchange);
            Owner::Greeting
        } else if let Some(ask) = self.pending.first() {
            answer(&mut ask.exchange, line, || code.to_string());
            if code == 503 {
                out.fault(FaultCode::OutOfOrder, line.packet);
            }
            Owner::Command
        } else {
            unmatched(line, out);
            Owner::Nothing
        };
        let inside = Inside { code, owner };
        if more {
            self.inside = Some(inside);
        } else {
            self.ended(inside, wire, out);
        }
    }

    /// Another line of a reply.
    fn more(&mut self, inside: Inside, line: &Line<'_>, wire: &mut Wire, out: &mut Dialogue) {
        let exchange = match inside.owner {
            Owner::Command => self.pending.first().map(|ask| &mut ask.exchange),
            Owner::Greeting => out.exchanges.last_mut(),
            Owner::Nothing => None,
        };
        if let Some(exchange) = exchange {
            answer_more(exchange, line);
        }
        if code(&line.text) == Some((inside.code, false)) {
            self.inside = None;
            self.ended(inside, wire, out);
        }
    }

    /// The reply is whole.
    fn ended(&mut self, inside: Inside, wire: &mut Wire, out: &mut Dialogue) {
        if inside.owner != Owner::Command {
            return;
        }
        // A preliminary reply: the one that counts is still to come (§4.2.1).
        if inside.code / 100 == 1 {
            if let Some(ask) = self.pending.first() {
                forget_answer(&mut ask.exchange);
            }
            return;
        }
        let Some(ask) = self.pending.pop() else {
            return;
        };
        if ask.kind == Kind::Auth {
            if inside.code == 234 {
                wire.start_tls(out);
            } else {
                wire.client.expect(Mode::Lines);
            }
        }
        ask.write(out);
    }
}

/// Reads a command line: verb, line with secrets masked, what it does, and the user it names.
fn read(line: &[u8]) -> (Verb, String, Kind, Option<String>) {
    // Telnet's signals may stand before ABOR (§4.1.3).
    let start = line.iter().position(|byte| *byte < 0xf0).unwrap_or(0);
    let line = line.get(start..).unwrap_or(line).trim_ascii_end();
    let (word, argument) = match memchr::memchr(b' ', line) {
        Some(blank) => (line.get(..blank), line.get(blank + 1..)),
        None => (Some(line), None),
    };
    let word = text(word.unwrap_or_default());
    let verb = Verb::new(&word);
    let tls = |argument: &[u8]| {
        let argument = argument.to_ascii_uppercase();
        argument.starts_with(b"TLS") || argument.starts_with(b"SSL")
    };
    let (kind, name) = match verb.as_str() {
        "AUTH" if argument.is_some_and(tls) => (Kind::Auth, None),
        "USER" => (Kind::Plain, argument.map(text)),
        known if known == "AUTH" || PLAIN.contains(&known) => (Kind::Plain, None),
        secret if SECRET.contains(&secret) => {
            let masked = if argument.is_some() { " ***" } else { "" };
            return (verb, format!("{word}{masked}"), Kind::Plain, None);
        }
        _ => (Kind::Unknown, None),
    };
    (verb, text(line), kind, name)
}

/// The code of a reply line, and whether more lines follow; `None` for any other line.
fn code(line: &[u8]) -> Option<(u16, bool)> {
    let (&[a @ b'1'..=b'6', b @ b'0'..=b'9', c @ b'0'..=b'9'], rest) = line.split_first_chunk()?
    else {
        return None;
    };
    let more = match rest.first() {
        None | Some(b' ') => false,
        Some(b'-') => true,
        Some(_) => return None,
    };
    let [a, b, c] = [a, b, c].map(|digit| u16::from(digit - b'0'));
    Some((a * 100 + b * 10 + c, more))
}

/// By the greeting and the first command: SMTP greets with the same number.
fn probe(opening: &Opening<'_>) -> Verdict {
    let client = first_line(opening.client).map(read);
    let server = first_line(opening.server).map(|line| (code(line), line));
    let greets = |line: &[u8]| {
        has_ignoring_case(line, b"FTP")
            && !has_ignoring_case(line, b"SMTP")
            && !has_ignoring_case(line, b"LMTP")
    };
    match (&client, server) {
        (_, Some((None, _))) => Verdict::RuledOut,
        (Some((_, _, Kind::Auth, _)), _) => Verdict::Certain,
        (Some((verb, ..)), Some((Some((220 | 331 | 230, _)), _)))
            if matches!(verb.as_str(), "USER" | "FEAT" | "SYST" | "PASV" | "EPSV") =>
        {
            Verdict::Certain
        }
        (Some((_, _, Kind::Unknown, _)), _) => Verdict::RuledOut,
        (_, Some((Some((220, _)), line))) if greets(line) => Verdict::Certain,
        (None, Some((Some((220, _)), _))) | (Some(_), _) => Verdict::Likely,
        (None, Some((Some((120 | 421, _)), _)) | None) => Verdict::NeedMore,
        (None, Some(_)) => Verdict::RuledOut,
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
        (S, "220-welcome\r\n 230 not yet\r\n220 ready\r\n"),
        (C, "USER tim\r\n"),
        (S, "331 password\r\n"),
        (C, "PASS s3cret with blanks\r\n"),
        (S, "230 in\r\n"),
        (C, "XYZZY\r\n"),
        (S, "502 what\r\n"),
        (C, "FEAT\r\n"),
        (S, "211-Features:\r\n UTF8\r\n211 End\r\n"),
        (C, "PASV\r\n"),
        (S, "227 Entering Passive Mode (192,0,2,1,4,1).\r\n"),
        (C, "RETR a.txt\r\n"),
        (S, "150 opening\r\n"),
        (S, "226 done\r\n"),
        (C, "CWD a\r\n"),
        (S, "250 there\r\n"),
        (C, "QUIT\r\n"),
        (S, "221 bye\r\n"),
    ];

    #[test]
    fn replies_of_many_lines_and_preliminary_ones_are_of_one_command() {
        let (proto, dialogue) = run(2121, FETCH);
        assert_eq!(proto, Proto("ftp"));
        let told = pairs(&dialogue);
        let told: Vec<(&str, &str)> = told.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(
            told,
            [
                ("", "220-welcome"),
                ("USER tim", "331 password"),
                ("PASS ***", "230 in"),
                ("XYZZY", "502 what"),
                ("FEAT", "211-Features:"),
                ("PASV", "227 Entering Passive Mode (192,0,2,1,4,1)."),
                ("RETR a.txt", "226 done"),
                ("CWD a", "250 there"),
                ("QUIT", "221 bye"),
            ]
        );
        assert_eq!(dialogue.exchanges[0].response_bytes, Some(38));
        assert_eq!(dialogue.exchanges[6].response_bytes, Some(23));
        assert_eq!(dialogue.names, ["tim"]);
        assert_eq!(dialogue.faults.len(), 1);
    }

    #[test]
    fn it_is_told_from_smtp_by_what_is_said() {
        for (greeting, first, proto) in [
            ("220 ready\r\n", "USER tim\r\n", "ftp"),
            ("220 ready\r\n", "EHLO x\r\n", "smtp"),
            ("220 (vsFTPd 3.0.3)\r\n", "SYST\r\n", "ftp"),
            ("220 ftp.example.com ESMTP\r\n", "QUIT\r\n", "smtp"),
        ] {
            let script = [(S, greeting), (C, first), (S, "200 x\r\n")];
            assert_eq!(run(4711, &script).0, Proto(proto), "{greeting}{first}");
        }
        assert_eq!(run(21, &[(S, "220 ready\r\n")]).0, Proto("ftp"));
        assert_eq!(run(25, &[(S, "220 ready\r\n")]).0, Proto("smtp"));
    }

    #[test]
    fn tls_begins_with_the_consent_to_it() {
        let (_, dialogue) = run(
            21,
            &[
                (S, "220 FTP\r\n"),
                (C, "AUTH TLS\r\n"),
                (S, "234 go\r\n"),
                (C, "USER inside\r\n"),
            ],
        );
        assert_eq!(dialogue.encryption, Encryption::StartTls);
        assert_eq!(dialogue.exchanges.len(), 2);
    }

    #[test]
    fn secrets_are_not_shown_whatever_is_lost() {
        for lost in 0..FETCH.len() {
            assert!(!format!("{:?}", run(21, &unsaid(FETCH, lost))).contains("s3cret"));
        }
    }

    #[test]
    fn segments_and_holes_and_rubbish() {
        segmentation_does_not_matter(21, FETCH);
        a_hole_costs_little(21, FETCH, 2);
        rubbish_is_survived(
            21,
            &[
                "USER x\r\n",
                "PASS y\r\n",
                "220 x\r\n",
                "220-x\r\n",
                "150 x\r\n",
                "226 x\r\n",
                "AUTH TLS\r\n",
                "234 x\r\n",
                "x\r\n",
                "QUIT\n",
            ],
        );
    }
}
