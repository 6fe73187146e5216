//! What the client says in a transcript, read line by line. Secrets end here.

use crate::model::{Proto, Verb};

/// A command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Command {
    /// Of IMAP, by which its reply is found; else empty.
    pub(super) tag: String,
    pub(super) verb: Verb,
    /// The line, secrets masked.
    pub(super) request: String,
    /// The name that it tells: of the host, or of the user.
    pub(super) name: Option<String>,
    /// Octets of the literal that it announces at its end (IMAP).
    pub(super) literal: Option<u64>,
}

/// What stands for a secret.
pub(super) const MASK: &str = "***";

/// Reads a line of the client; `None` where it cannot be a command.
pub(super) fn read(proto: Proto, line: &str) -> Option<Command> {
    let line = line.trim_end();
    match proto {
        Proto("imap") => imap(line),
        Proto("pop3") => Some(pop3(line)),
        Proto("nntp") => Some(nntp(line)),
        _ => Some(smtp(line)),
    }
}

/// A line of the client as it was, but for secrets.
pub(in crate::log) fn masked(proto: Proto, line: &str) -> String {
    read(proto, line).map_or_else(|| line.to_owned(), |command| command.request)
}

fn plain(line: &str) -> Command {
    Command {
        verb: Verb::new(word(line).0),
        request: line.to_owned(),
        ..Command::default()
    }
}

fn smtp(line: &str) -> Command {
    let mut command = plain(line);
    match command.verb.as_str() {
        "AUTH" => command.request = sasl(line, 1),
        "BDAT" => command.verb = Verb::new(Verb::BODY),
        "EHLO" | "HELO" | "LHLO" => command.name = first(word(line).1),
        _ => {}
    }
    command
}

fn pop3(line: &str) -> Command {
    let mut command = plain(line);
    let (verb, rest) = word(line);
    match command.verb.as_str() {
        "APOP" => {
            command.name = first(rest);
            command.request = format!("{verb} {} {MASK}", word(rest).0);
        }
        "AUTH" => command.request = sasl(line, 1),
        "PASS" => command.request = format!("{verb} {MASK}"),
        "USER" => command.name = first(rest),
        _ => {}
    }
    command
}

fn nntp(line: &str) -> Command {
    let mut command = plain(line);
    if command.verb.as_str() != "AUTHINFO" {
        return command;
    }
    let (verb, rest) = word(line);
    let (what, value) = word(rest);
    match what.to_ascii_uppercase().as_str() {
        "USER" => command.name = first(value),
        "SASL" => command.request = sasl(line, 2),
        // PASS, and whatever else there was (GENERIC, SIMPLE).
        _ => command.request = format!("{verb} {what} {MASK}"),
    }
    command
}

fn imap(line: &str) -> Option<Command> {
    let (tag, rest) = word(line);
    let (name, arguments) = word(rest);
    let is_tag = !tag.is_empty()
        && tag.len() <= 64
        && tag
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"(){%*+\"\\".contains(&byte));
    let is_word = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-');
    if !is_tag || !is_word {
        return None;
    }
    let mut command = Command {
        tag: tag.to_owned(),
        verb: Verb::new(name),
        request: line.to_owned(),
        literal: literal(line),
        name: None,
    };
    match command.verb.as_str() {
        "AUTHENTICATE" => command.request = sasl(line, 2),
        "LOGIN" => {
            let (user, secret) = string(arguments);
            command.request = format!("{tag} {name} {user}");
            // A secret in a literal is on the lines that follow.
            command.request.push_str(match secret {
                "" => "",
                secret if literal(secret).is_some() => " {…}",
                _ => " ***",
            });
            if literal(user).is_none() {
                command.name = first(user.trim_matches('"'));
            }
        }
        _ => {}
    }
    Some(command)
}

/// The literal that a line announces at its end: `{n}`, `{n+}`.
pub(super) fn literal(line: &str) -> Option<u64> {
    let (_, digits) = line.strip_suffix('}')?.rsplit_once('{')?;
    let digits = digits.strip_suffix(['+', '-']).unwrap_or(digits);
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

/// A line whose words behind the mechanism, `before` words from the start, are secret.
fn sasl(line: &str, before: usize) -> String {
    let mut words = line.splitn(before + 2, ' ');
    let shown: Vec<&str> = words.by_ref().take(before + 1).collect();
    let shown = shown.join(" ");
    match words.next() {
        Some(_) => format!("{shown} {MASK}"),
        None => shown,
    }
}

fn word(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

fn first(text: &str) -> Option<String> {
    let name = word(text).0;
    (!name.is_empty()).then(|| name.to_owned())
}

/// The string, in quotes or not, at the beginning, and what follows the blank after it.
fn string(text: &str) -> (&str, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        return word(text);
    };
    let mut escaped = false;
    let end = quoted.find(|character| {
        let ends = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        ends
    });
    let (string, rest) = end
        .and_then(|end| text.split_at_checked(end + 2))
        .unwrap_or((text, ""));
    (string, rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(proto: &'static str, line: &str) -> String {
        read(Proto(proto), line).map_or_else(|| "none".to_owned(), |command| command.request)
    }

    #[test]
    fn secrets_end_at_the_reader() {
        for (proto, line, expected) in [
            ("smtp", "AUTH PLAIN AGFubgBzZWNyZXQ=", "AUTH PLAIN ***"),
            ("smtp", "auth login", "auth login"),
            ("pop3", "PASS two words", "PASS ***"),
            (
                "pop3",
                "APOP ann c4c9334bac560ecc979e58001b3e22fb",
                "APOP ann ***",
            ),
            ("nntp", "AUTHINFO PASS secret", "AUTHINFO PASS ***"),
            ("nntp", "authinfo user ann", "authinfo user ann"),
            (
                "nntp",
                "AUTHINFO SASL PLAIN AGFubgBz",
                "AUTHINFO SASL PLAIN ***",
            ),
            ("nntp", "AUTHINFO GENERIC x y", "AUTHINFO GENERIC ***"),
            ("imap", "1 LOGIN carol PASSWORD", "1 LOGIN carol ***"),
            (
                "imap",
                "1 login \"a \\\" b\" \"s t\"",
                "1 login \"a \\\" b\" ***",
            ),
            ("imap", "1 LOGIN {5}", "1 LOGIN {5}"),
            ("imap", "1 LOGIN carol {8}", "1 LOGIN carol {…}"),
            (
                "imap",
                "a AUTHENTICATE PLAIN AGFubgBz",
                "a AUTHENTICATE PLAIN ***",
            ),
            ("imap", "AGFubgBzZWNyZXQ=", "none"),
            ("imap", "DONE", "none"),
        ] {
            assert_eq!(shown(proto, line), expected, "{line}");
        }
    }

    #[test]
    fn names_and_literals_are_read() {
        let command = read(Proto("imap"), "LOFG2 APPEND INBOX {72+}").unwrap();
        assert_eq!((command.literal, command.tag.as_str()), (Some(72), "LOFG2"));
        let name = |proto, line| read(Proto(proto), line).unwrap().name;
        assert_eq!(
            name("smtp", "EHLO client.example").as_deref(),
            Some("client.example")
        );
        assert_eq!(
            name("imap", "1 LOGIN \"carol\" x").as_deref(),
            Some("carol")
        );
        assert_eq!(name("pop3", "USER bob").as_deref(), Some("bob"));
    }
}
