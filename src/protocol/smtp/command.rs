//! What a client of SMTP says.

use crate::model::Verb;
use crate::protocol::record::text;
use crate::protocol::sasl;

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
    /// Begins a SASL exchange by this mechanism; so many responses of the client are known to have come.
    Auth {
        /// In upper case.
        mechanism: String,
        /// Responses so far, with the initial one.
        responses: u32,
    },
    /// The message follows, after a 354.
    Data,
    /// A chunk of so many octets follows at once.
    Chunk(u64),
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
        "AUTH" => return auth(command, rest),
        "BDAT" => match chunk(rest) {
            Some(octets) => {
                command.verb = Verb::new(Verb::BODY);
                Kind::Chunk(octets)
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

/// A line of the client within a SASL exchange: all of it is masked but the `*` that breaks it off.
pub(super) fn sasl_response(line: &[u8]) -> String {
    if line == b"*" { "*" } else { "***" }.to_owned()
}

/// Whether `line`, which is no command, may be a response of a SASL exchange: one word of whole base64.
pub(super) fn looks_like_secret(line: &[u8]) -> bool {
    line.len() >= 4
        && line.len().is_multiple_of(4)
        && line
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
}

/// `AUTH mechanism [initial-response]`.
fn auth(mut command: Command, rest: &[u8]) -> Command {
    let (mechanism, response) = split_word(rest);
    let upper = text(mechanism).to_uppercase();
    let word = command.request.get(..4).unwrap_or("AUTH").to_owned();
    command.request = if mechanism.is_empty() {
        word
    } else {
        format!("{word} {}", text(mechanism))
    };
    let mut responses = 0;
    if !response.is_empty() {
        command.request.push_str(" ***");
        command.name = sasl::user(&upper, 0, response);
        responses = 1;
    }
    command.kind = Kind::Auth {
        mechanism: upper,
        responses,
    };
    command
}

/// The size in the arguments of BDAT.
fn chunk(rest: &[u8]) -> Option<u64> {
    let (size, _last) = split_word(rest);
    std::str::from_utf8(size).ok()?.parse().ok()
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
        assert_eq!(read(b"BDAT 12 LAST").kind, Kind::Chunk(12));
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
        assert_eq!(sasl_response(b"dGlt"), "***");
        assert_eq!(sasl_response(b"*"), "*");
    }
}
