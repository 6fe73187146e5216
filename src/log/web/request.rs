//! The request line: a command, with its secrets masked.

use crate::model::{Event, LogCommand, Verb};

/// Keys of a query whose values are secrets, as they end.
const SECRET: [&str; 9] = [
    "apikey", "api_key", "auth", "key", "pass", "password", "pwd", "secret", "sig",
];
const SECRET_TOO: [&str; 4] = ["passwd", "sid", "signature", "token"];

/// A request line and its status: a command, or a note when no client of HTTP sent that.
pub(in crate::log) fn asked(line: &str, status: Option<&str>) -> Event {
    let method = line.split(' ').next().unwrap_or_default();
    let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    if !is_method || !line.contains(' ') {
        let status = status.unwrap_or("no status");
        return Event::Note(format!("no request, answered with {status}"));
    }
    Event::Command(LogCommand {
        verb: Verb::new(method),
        request: masked(line),
        code: status.map(str::to_owned),
        ..LogCommand::default()
    })
}

/// The command of a request of which method, target and version are told apart.
pub(in crate::log) fn command(
    method: &str,
    target: &str,
    version: &str,
    status: Option<&str>,
) -> Event {
    let line = format!("{method} {target} {version}");
    asked(line.trim_end(), status)
}

/// A request line without the secrets in its URL.
fn masked(line: &str) -> String {
    let line = without_password(line);
    let Some((path, rest)) = line.split_once('?') else {
        return line;
    };
    let (query, version) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut text = format!("{path}?");
    for part in query.split_inclusive(['&', ';']) {
        match part.split_once('=') {
            Some((key, value)) if is_secret(key) => {
                text.push_str(key);
                text.push_str("=***");
                text.extend(value.chars().last().filter(|end| ['&', ';'].contains(end)));
            }
            _ => text.push_str(part),
        }
    }
    if rest.len() > query.len() {
        text.push(' ');
    }
    text + version
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRET
        .iter()
        .chain(&SECRET_TOO)
        .any(|secret| key.ends_with(secret))
}

/// `http://user:password@host/` with the password masked.
fn without_password(line: &str) -> String {
    let parts = line.split_once("://").and_then(|(before, rest)| {
        let end = rest.find(['/', '?', ' ']).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at_checked(end)?;
        let (login, host) = authority.rsplit_once('@')?;
        let (user, _) = login.split_once(':')?;
        Some(format!("{before}://{user}:***@{host}{behind}"))
    });
    parts.unwrap_or_else(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_a_query_are_masked() {
        for (line, expected) in [
            ("GET /a?b=c HTTP/1.1", "GET /a?b=c HTTP/1.1"),
            (
                "GET /a?access_token=x&b=c;Password=y HTTP/1.1",
                "GET /a?access_token=***&b=c;Password=*** HTTP/1.1",
            ),
            ("GET /a?sig=x", "GET /a?sig=***"),
            (
                "GET http://ann:x@host:80/a?b HTTP/1.0",
                "GET http://ann:***@host:80/a?b HTTP/1.0",
            ),
        ] {
            assert_eq!(masked(line), expected);
        }
    }

    #[test]
    fn what_is_no_request_is_a_note() {
        for line in ["", "-", "\u{16}\u{3}\u{1}garbage", "HELO"] {
            assert!(matches!(asked(line, Some("400")), Event::Note(_)), "{line}");
        }
    }
}
