//! Commands of NNTP, and the replies that each can have (RFC 3977 appendix C and its extensions).

use crate::model::Verb;
use crate::protocol::detect::{first_line, has_ignoring_case};
use crate::protocol::record::text;
use crate::protocol::sasl::{self, Mechanism};
use crate::protocol::{Opening, Verdict};

/// A command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// The word by which it is compared.
    pub(super) verb: Verb,
    /// The line, secrets masked.
    pub(super) request: String,
    /// What it does to the dialogue.
    pub(super) kind: Kind,
    /// The user it names.
    pub(super) name: Option<String>,
}

/// What a command does to the dialogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Begins or continues a SASL exchange.
    Auth(Mechanism),
    /// A message; not a command line.
    Body,
    /// Asks for compression.
    Compress,
    /// Asks whether it may send a message.
    Offer,
    /// Nothing out of the ordinary.
    Plain,
    /// Asks for TLS.
    StartTls,
    /// The message follows at once.
    TakeThis,
    /// No command of NNTP.
    Unknown,
}

/// A command and the codes of its positive replies: with one line, and with many.
struct Row(&'static str, &'static [u16], &'static [u16]);

/// Codes from 400 on can answer any command.
const COMMANDS: &[Row] = &[
    Row("ARTICLE", &[], &[220]),
    Row("AUTHINFO", &[281, 283, 381, 383], &[]),
    Row("BODY", &[], &[222]),
    Row("CAPABILITIES", &[], &[101]),
    Row("CHECK", &[238], &[]),
    Row("COMPRESS", &[206], &[]),
    Row("DATE", &[111], &[]),
    Row("GROUP", &[211], &[]),
    Row("HDR", &[], &[225]),
    Row("HEAD", &[], &[221]),
    Row("HELP", &[], &[100]),
    Row("IHAVE", &[335], &[]),
    Row("LAST", &[223], &[]),
    Row("LIST", &[], &[215]),
    Row("LISTGROUP", &[], &[211]),
    Row("MODE", &[200, 201, 203], &[]),
    Row("NEWGROUPS", &[], &[231]),
    Row("NEWNEWS", &[], &[230]),
    Row("NEXT", &[223], &[]),
    Row("OVER", &[], &[224]),
    Row("POST", &[340], &[]),
    Row("QUIT", &[205], &[]),
    Row("SLAVE", &[202], &[]),
    Row("STARTTLS", &[382], &[]),
    Row("STAT", &[223], &[]),
    Row("TAKETHIS", &[239], &[]),
    Row("XGTITLE", &[], &[282]),
    Row("XHDR", &[], &[221]),
    Row("XOVER", &[], &[224]),
    Row("XPAT", &[], &[221]),
];

/// Codes of the replies to a message.
const TO_MESSAGE: &[u16] = &[235, 240];

/// Reads a command line.
pub(super) fn read(line: &[u8]) -> Command {
    let line = line.trim_ascii();
    let mut words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let word = text(words.next().unwrap_or_default());
    let mut command = Command {
        verb: Verb::new(&word),
        request: text(line),
        kind: Kind::Unknown,
        name: None,
    };
    command.kind = match command.verb.as_str() {
        "AUTHINFO" => {
            let what = words.next().map(text).unwrap_or_default();
            let (first, second) = (words.next(), words.next());
            match what.to_ascii_uppercase().as_str() {
                "SASL" => {
                    let prefix = format!("{word} {what}");
                    let begun = sasl::command(&prefix, first.unwrap_or_default(), second);
                    command.request = begun.request;
                    command.name = begun.user;
                    Kind::Auth(begun.mechanism)
                }
                "USER" => {
                    command.name = first.map(text);
                    Kind::Plain
                }
                // PASS, and whatever else there was (GENERIC).
                _ => {
                    command.request = format!("{word} {what} ***");
                    Kind::Plain
                }
            }
        }
        "COMPRESS" => Kind::Compress,
        "IHAVE" | "POST" => Kind::Offer,
        "STARTTLS" => Kind::StartTls,
        "TAKETHIS" => Kind::TakeThis,
        verb if row(verb).is_some() => Kind::Plain,
        _ => Kind::Unknown,
    };
    command
}

/// The code of a reply; `None` for any other line.
pub(super) fn code(line: &[u8]) -> Option<u16> {
    let (&[a, b, c], rest) = line.split_first_chunk()?;
    let digits = matches!(a, b'1'..=b'5') && [b, c].iter().all(u8::is_ascii_digit);
    let ends = rest.first().is_none_or(u8::is_ascii_whitespace);
    (digits && ends).then(|| {
        [a, b, c]
            .iter()
            .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'))
    })
}

/// Whether the reply `code` to `verb` has many lines.
pub(super) fn has_many_lines(code: u16, verb: &str) -> bool {
    match row(verb) {
        Some(Row(_, _, many)) => many.contains(&code),
        None => matches!(
            code,
            100 | 101 | 215 | 220 | 221 | 222 | 224 | 225 | 230 | 231
        ),
    }
}

/// Whether the reply `code` can answer `verb`: asked only after a hole.
pub(super) fn fits(code: u16, verb: &str) -> bool {
    if code >= 400 {
        return true;
    }
    if verb == Verb::BODY {
        return TO_MESSAGE.contains(&code);
    }
    row(verb).is_none_or(|Row(_, one, many)| one.contains(&code) || many.contains(&code))
}

fn row(verb: &str) -> Option<&'static Row> {
    COMMANDS.iter().find(|Row(name, ..)| *name == verb)
}

/// By the greeting or the first command.
pub(super) fn probe(opening: &Opening<'_>) -> Verdict {
    let client = first_line(opening.client).map(|line| {
        let command = read(line);
        match command.verb.as_str() {
            // HTTP's, perhaps damaged: here the one has no argument and the other no path.
            "POST" if line.trim_ascii().len() > "POST".len() => Verdict::RuledOut,
            "HEAD" if line.contains(&b'/') => Verdict::RuledOut,
            "ARTICLE" | "AUTHINFO" | "CAPABILITIES" | "GROUP" | "IHAVE" | "LISTGROUP"
            | "NEWGROUPS" | "NEWNEWS" | "TAKETHIS" | "XOVER" => Verdict::Certain,
            "MODE" if has_ignoring_case(line, b"READER") => Verdict::Certain,
            "MODE" if has_ignoring_case(line, b"STREAM") => Verdict::Certain,
            _ if command.kind == Kind::Unknown => Verdict::RuledOut,
            _ => Verdict::Likely,
        }
    });
    let server = first_line(opening.server).map(|line| match code(line) {
        Some(200 | 201)
            if has_ignoring_case(line, b"NNTP") || has_ignoring_case(line, b"posting") =>
        {
            Verdict::Certain
        }
        // Others begin so too: FTP says `200 Type set to I`.
        Some(200 | 201 | 400 | 480 | 502) => Verdict::NeedMore,
        Some(code)
            if COMMANDS
                .iter()
                .any(|Row(_, one, many)| one.contains(&code) || many.contains(&code)) =>
        {
            Verdict::NeedMore
        }
        _ => Verdict::RuledOut,
    });
    match (client, server) {
        (Some(Verdict::Certain), _) | (_, Some(Verdict::Certain)) => Verdict::Certain,
        (_, Some(Verdict::RuledOut))
        | (Some(Verdict::RuledOut), None | Some(Verdict::NeedMore)) => Verdict::RuledOut,
        (_, Some(Verdict::Likely)) | (Some(Verdict::Likely), _) => Verdict::Likely,
        _ => Verdict::NeedMore,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_code_has_one_line_or_many_by_its_command() {
        assert!(has_many_lines(211, "LISTGROUP"));
        assert!(!has_many_lines(211, "GROUP"));
        assert!(!has_many_lines(423, "LISTGROUP"));
        assert!(has_many_lines(215, "XSOMETHING"));
        assert!(fits(340, "POST") && !fits(340, "QUIT") && fits(500, "QUIT"));
        assert_eq!(code(b"205"), Some(205));
        assert_eq!(code(b"2055 x"), None);
        assert_eq!(code(b"605 x"), None);
    }

    #[test]
    fn secrets_are_masked() {
        assert_eq!(read(b"authinfo user tim").name.as_deref(), Some("tim"));
        assert_eq!(read(b"AUTHINFO PASS s e").request, "AUTHINFO PASS ***");
        assert_eq!(
            read(b"AUTHINFO GENERIC x y").request,
            "AUTHINFO GENERIC ***"
        );
        assert_eq!(
            read(b"AUTHINFO SASL PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm").request,
            "AUTHINFO SASL PLAIN ***"
        );
    }

    #[test]
    fn greeting_or_first_command_tells() {
        let verdict = |client: &str, server: &str| {
            probe(&Opening {
                client: client.as_bytes(),
                server: server.as_bytes(),
                port: 119,
            })
        };
        assert_eq!(verdict("", ""), Verdict::NeedMore);
        assert_eq!(
            verdict("", "200 news ready, posting ok\r\n"),
            Verdict::Certain
        );
        assert_eq!(verdict("", "200 hi\r\n"), Verdict::NeedMore);
        assert_eq!(verdict("LIST\r\n", "200 hi\r\n"), Verdict::Likely);
        assert_eq!(verdict("POST /a HTTP/9\r\n", ""), Verdict::RuledOut);
        assert_eq!(verdict("HEAD /a HTTP/9\r\n", ""), Verdict::RuledOut);
        assert_eq!(verdict("POST\r\n", ""), Verdict::Likely);
        assert_eq!(verdict("MODE READER\r\n", ""), Verdict::Certain);
        assert_eq!(verdict("QUIT\r\n", ""), Verdict::Likely);
        assert_eq!(verdict("EHLO x\r\n", ""), Verdict::RuledOut);
        assert_eq!(verdict("", "+OK\r\n"), Verdict::RuledOut);
    }
}
