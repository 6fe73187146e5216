//! What a client of SMTP says.

use crate::model::Verb;
use crate::protocol::record::text;
use crate::protocol::sasl::{self, Mechanism};

/// A command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// The word by which it is compared.
    pub(super) verb: Verb,
    /// The line, secrets masked.
    pub(super) request: String,
    /// What it does to the dialogue.
    pub(super) kind: Kind,
    /// A name that it tells: of the host that greets, or of the user.
    pub(super) name: Option<String>,
}

/// What a command does to the dialogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Begins or continues a SASL exchange.
    Auth(Mechanism),
    /// The message follows, after a 354.
    Data,
    /// A chunk of the message follows at once.
    Chunk {
        /// Its size.
        octets: u64,
        /// Whether it is the last.
        last: bool,
    },
    /// A message body; not a command line.
    Body,
    /// Greets; as LMTP, which answers a message once per recipient, when `lmtp`.
    Hello {
        /// Whether by LHLO.
        lmtp: bool,
    },
    /// One recipient.
    Recipient,
    /// Asks for TLS.
    StartTls,
    /// Nothing out of the ordinary.
    Plain,
    /// No command of SMTP.
    Unknown,
}

/// Commands that do nothing out of the ordinary to the dialogue.
const PLAIN: &[&str] = &[
    "ATRN",
    "BURL",
    "ETRN",
    "EXPN",
    "HELP",
    "MAIL",
    "NOOP",
    "QUIT",
    "RSET",
    "SAML",
    "SEND",
    "SOML",
    "TURN",
    "VRFY",
    "X-EXPS",
    "XCLIENT",
    "XFORWARD",
    "XSHADOW",
    "XSESSIONPARAMS",
];

/// Reads a command line.
pub(super) fn read(line: &[u8]) -> Command {
    let (word, rest) = split_word(line);
    let verb = Verb::new(&text(word));
    let mut command = Command {
        kind: Kind::Unknown,
        request: text(line),
        name: None,
        verb,
    };
    command.kind = match command.verb.as_str() {
        "AUTH" => return auth(command, word, rest),
        "BDAT" => match chunk(rest) {
            Some(chunk) => {
                command.verb = Verb::new(Verb::BODY);
                chunk
            }
            None => Kind::Plain,
        },
        "DATA" => Kind::Data,
        greeting @ ("EHLO" | "HELO" | "LHLO") => {
            let (name, _) = split_word(rest);
            command.name = (!name.is_empty()).then(|| text(name));
            Kind::Hello {
                lmtp: greeting == "LHLO",
            }
        }
        "RCPT" => Kind::Recipient,
        "STARTTLS" | "X-ANONYMOUSTLS" => Kind::StartTls,
        word if PLAIN.contains(&word) => Kind::Plain,
        _ => Kind::Unknown,
    };
    command
}

/// `AUTH mechanism [initial-response]`.
fn auth(mut command: Command, word: &[u8], rest: &[u8]) -> Command {
    let (mechanism, response) = split_word(rest);
    let response = (!response.is_empty()).then_some(response);
    let begun = sasl::command(&text(word), mechanism, response);
    begun.request.trim_end().clone_into(&mut command.request);
    command.name = begun.user;
    command.kind = Kind::Auth(begun.mechanism);
    command
}

/// The arguments of BDAT: the size, and whether it is the last.
fn chunk(rest: &[u8]) -> Option<Kind> {
    let (size, last) = split_word(rest);
    Some(Kind::Chunk {
        octets: std::str::from_utf8(size).ok()?.parse().ok()?,
        last: last.eq_ignore_ascii_case(b"LAST"),
    })
}

/// The word before the first blank or colon, and what follows the blanks.
fn split_word(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.trim_ascii();
    let end = line
        .iter()
        .position(|byte| matches!(byte, b' ' | b'\t' | b':'))
        .unwrap_or(line.len());
    let (word, rest) = line.split_at(end);
    (word, rest.trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str) -> (String, String) {
        let command = read(line.as_bytes());
        (command.verb.to_string(), command.request)
    }

    #[test]
    fn the_verb_ends_at_a_blank_or_colon_and_the_request_stays_as_sent() {
        assert_eq!(
            request("mail from:<a@b> SIZE=1"),
            ("MAIL".into(), "mail from:<a@b> SIZE=1".into())
        );
        assert_eq!(request("BDAT 12 LAST").0, Verb::BODY);
        assert_eq!(
            read(b"BDAT 12 LAST").kind,
            Kind::Chunk {
                octets: 12,
                last: true
            }
        );
        assert_eq!(read(b"BDAT x").kind, Kind::Plain);
        assert_eq!(read(b"\xff\xfe").kind, Kind::Unknown);
        assert_eq!(read(b"").kind, Kind::Unknown);
        assert_eq!(
            read(b"ehlo [192.0.2.1]").name.as_deref(),
            Some("[192.0.2.1]")
        );
    }

    #[test]
    fn secrets_are_masked_and_the_user_is_kept() {
        let command = read(b"AUTH plain AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
        assert_eq!(command.request, "AUTH plain ***");
        assert_eq!(command.name.as_deref(), Some("tim"));
        assert_eq!(read(b"AUTH LOGIN").request, "AUTH LOGIN");
    }
}
