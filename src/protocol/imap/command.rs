//! What a client of IMAP says.

use crate::model::Verb;
use crate::protocol::record::text;
use crate::protocol::sasl::{self, Mechanism};

/// The first line of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// By which its reply is found.
    pub(super) tag: Vec<u8>,
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
    /// Begins a SASL exchange.
    Authenticate(Mechanism),
    /// Asks for compression.
    Compress,
    /// Waits for news until DONE.
    Idle,
    /// Nothing out of the ordinary.
    Plain,
    /// Asks for TLS.
    StartTls,
    /// No command of IMAP.
    Unknown,
}

/// A literal that a line announces at its end: octets that follow the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    /// After the server's consent.
    Asked(u64),
    /// At once.
    Unasked(u64),
}

/// Commands that do nothing out of the ordinary to the dialogue.
const PLAIN: &[&str] = &[
    "APPEND",
    "CAPABILITY",
    "CHECK",
    "CLOSE",
    "COPY",
    "CREATE",
    "DELETE",
    "DELETEACL",
    "ENABLE",
    "EXAMINE",
    "EXPUNGE",
    "FETCH",
    "GETACL",
    "GETMETADATA",
    "GETQUOTA",
    "GETQUOTAROOT",
    "ID",
    "LIST",
    "LISTRIGHTS",
    "LOGIN",
    "LOGOUT",
    "LSUB",
    "MOVE",
    "MYRIGHTS",
    "NAMESPACE",
    "NOOP",
    "NOTIFY",
    "RENAME",
    "REPLACE",
    "SEARCH",
    "SELECT",
    "SETACL",
    "SETMETADATA",
    "SETQUOTA",
    "SORT",
    "STATUS",
    "STORE",
    "SUBSCRIBE",
    "THREAD",
    "UID",
    "UNAUTHENTICATE",
    "UNSELECT",
    "UNSUBSCRIBE",
    "X-REALLY-SPECIAL",
    "XLIST",
];

/// Longest tag kept, in octets.
const MAX_TAG: usize = 64;

/// Reads the first line of a command.
pub(super) fn read(line: &[u8]) -> Command {
    let (tag, rest) = split_word(line);
    let (word, rest) = split_word(rest);
    let verb = Verb::new(&text(word));
    let mut command = Command {
        tag: tag.get(..MAX_TAG).unwrap_or(tag).to_vec(),
        request: text(line),
        kind: Kind::Unknown,
        name: None,
        verb,
    };
    let shown = format!("{} {}", text(tag), text(word));
    command.kind = match command.verb.as_str() {
        _ if !is_tag(tag) => Kind::Unknown,
        "AUTHENTICATE" => {
            let (mechanism, response) = split_word(rest);
            let response = (!response.is_empty()).then_some(response);
            let begun = sasl::command(&shown, mechanism, response);
            command.request = begun.request;
            command.name = begun.user;
            Kind::Authenticate(begun.mechanism)
        }
        "COMPRESS" => Kind::Compress,
        "IDLE" => Kind::Idle,
        "LOGIN" => {
            let (user, secret) = split_string(rest);
            command.request = format!("{shown} {}", text(user));
            if literal(secret).is_some() {
                // The secret follows in octets that are counted, not kept.
                command.request.push(' ');
                command.request.push_str(&text(secret));
            } else if !secret.is_empty() {
                command.request.push_str(" ***");
            }
            let user = user.trim_ascii();
            if literal(user).is_none() && !user.is_empty() {
                command.name = Some(unquoted(user));
            }
            Kind::Plain
        }
        "STARTTLS" => Kind::StartTls,
        plain if PLAIN.contains(&plain) => Kind::Plain,
        _ => Kind::Unknown,
    };
    command
}

/// The literal that `line` announces at its end: `{n}`, or `{n+}` where it follows at once.
pub(super) fn literal(line: &[u8]) -> Option<Literal> {
    let inside = line.strip_suffix(b"}")?;
    let start = memchr::memrchr(b'{', inside)?;
    let digits = inside.get(start + 1..)?;
    let (digits, make): (&[u8], fn(u64) -> Literal) = match digits.strip_suffix(b"+") {
        Some(digits) => (digits, Literal::Unasked),
        None => (digits, Literal::Asked),
    };
    let all_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let octets = std::str::from_utf8(digits).ok().filter(|_| all_digits)?;
    octets.parse().ok().map(make)
}

/// Whether the literal at the end of a line of an APPEND is a message: it comes last, behind the mailbox, which may be a
/// literal itself (RFC 9051 §6.3.12); with CATENATE (RFC 4469) it is a part of one.
pub(super) fn appends_message(line: &[u8], tag: &[u8]) -> bool {
    let before = memchr::memrchr(b'{', line).and_then(|at| line.get(..at));
    let before = before.unwrap_or_default().trim_ascii_end();
    let (first, rest) = split_word(before);
    let names_mailbox = first != tag || split_word(rest).1.iter().any(|byte| *byte != b' ');
    let text = before.to_ascii_uppercase();
    names_mailbox && memchr::memmem::find(&text, b"CATENATE").is_none() && !text.ends_with(b"TEXT")
}

/// Whether `word` can be a tag (RFC 9051 §9: any astring character but `+`).
fn is_tag(word: &[u8]) -> bool {
    !word.is_empty()
        && word
            .iter()
            .all(|byte| byte.is_ascii_graphic() && !b"(){%*+\"\\".contains(byte))
}

/// The word before the first blank, and what follows it.
pub(super) fn split_word(line: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b' ', line) {
        Some(blank) => (
            line.get(..blank).unwrap_or_default(),
            line.get(blank + 1..).unwrap_or_default(),
        ),
        None => (line, &[]),
    }
}

/// The string, in quotes or not, at the beginning, and what follows the blank after it.
fn split_string(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(quoted) = line.strip_prefix(b"\"") else {
        return split_word(line);
    };
    let mut escaped = false;
    let end = quoted.iter().position(|&byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    // A quote that is not closed hides where the user ends and the secret begins.
    let Some(end) = end else { return (b"***", &[]) };
    let (string, rest) = line.split_at((end + 2).min(line.len()));
    (string, rest.strip_prefix(b" ").unwrap_or(rest))
}

/// The text of a string without its quotes.
fn unquoted(string: &[u8]) -> String {
    let inside = string
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    text(inside.unwrap_or(string))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_shows_the_user_and_not_the_secret() {
        let shown = |line: &str| {
            let command = read(line.as_bytes());
            assert_eq!(command.kind, Kind::Plain, "{line}");
            (command.request, command.name.unwrap_or_default())
        };
        let both = |request: &str, name: &str| (request.to_owned(), name.to_owned());
        assert_eq!(shown("a1 LOGIN tim s3"), both("a1 LOGIN tim ***", "tim"));
        assert_eq!(
            shown("a1 login \"t i\\\"m\" \"s 3\""),
            both("a1 login \"t i\\\"m\" ***", "t i\\\"m")
        );
        assert_eq!(shown("a LOGIN {3}"), both("a LOGIN {3}", ""));
        assert_eq!(shown("a LOGIN tim {2+}"), both("a LOGIN tim {2+}", "tim"));
        assert_eq!(shown("a LOGIN \"tim s3").0, "a LOGIN ***");
        assert_eq!(
            read(b"a AUTHENTICATE PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm").request,
            "a AUTHENTICATE PLAIN ***"
        );
    }

    #[test]
    fn the_last_literal_of_an_append_is_the_message() {
        assert!(appends_message(b"a APPEND INBOX (\\Seen) {310}", b"a"));
        assert!(appends_message(
            b" \"24-Nov-2026 03:29:09 +0000\" ~{310}",
            b"a"
        ));
        assert!(!appends_message(b"a APPEND {5}", b"a"));
        assert!(!appends_message(
            b"a APPEND x CATENATE (URL \"u\" TEXT {5}",
            b"a"
        ));
    }

    #[test]
    fn literals_are_announced_at_the_end_only() {
        assert_eq!(literal(b"a APPEND INBOX {310}"), Some(Literal::Asked(310)));
        assert_eq!(literal(b"x ~{5+}"), Some(Literal::Unasked(5)));
        assert_eq!(literal(b"x {5} "), None);
        assert_eq!(literal(b"x {}"), None);
        assert_eq!(literal(b"x {+5}"), None);
        assert_eq!(literal(b"x {99999999999999999999}"), None);
        assert_eq!(read(b"* OK hello").kind, Kind::Unknown);
        assert_eq!(read(b"").kind, Kind::Unknown);
    }
}
