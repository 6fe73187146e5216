//! The request line: a command, with its secrets masked.

use crate::model::{Event, LogCommand, Verb, masked_request};

/// A request line and its status: a command, or a note when no client of HTTP sent that.
pub(in crate::log) fn asked(line: &str, status: Option<&str>) -> Event {
    let method = line.split(' ').next().unwrap_or_default();
    let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    if !is_method || !line.contains(' ') {
        let status = status.unwrap_or("no status");
        return Event::Note(format!("no request, answered with {status}"));
    }
    Event::command(LogCommand {
        verb: Verb::new(method),
        request: masked_request(line),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_request_is_a_note() {
        for line in ["", "-", "\u{16}\u{3}\u{1}garbage", "HELO"] {
            assert!(matches!(asked(line, Some("400")), Event::Note(_)), "{line}");
        }
    }
}
