//! The request line: a command, with its secrets masked.

use std::net::IpAddr;

use crate::model::{Event, LogCommand, Proto, Verb, masked_request};

/// A request line and its status. When no client of HTTP sent that, the status alone is told, if there is one.
pub(in crate::log) fn asked(line: &str, status: Option<&str>) -> Event {
    let method = line.split(' ').next().unwrap_or_default();
    let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    if !is_method || !line.contains(' ') {
        return no_request(status);
    }
    Event::command(LogCommand {
        verb: Verb::new(method),
        request: masked_request(line),
        code: status.map(str::to_owned),
        ..LogCommand::default()
    })
}

fn no_request(status: Option<&str>) -> Event {
    let Some(status) = status else {
        return Event::Note("no request, and no status".to_owned());
    };
    Event::command(LogCommand {
        verb: Verb::new(Verb::NO_REQUEST),
        request: Verb::NO_REQUEST_LINE.to_owned(),
        code: Some(status.to_owned()),
        ..LogCommand::default()
    })
}

/// HTTP/3, whose requests are no part of any connection of TCP.
const OVER_QUIC: Proto = Proto("http3");

/// What carries a request.
pub(in crate::log) fn proto(what: &Event) -> Proto {
    let Event::Command(command) = what else {
        return Proto("http");
    };
    let version = command.get().request.rsplit(' ').next();
    match version {
        Some("HTTP/3" | "HTTP/3.0") => OVER_QUIC,
        _ => Proto("http"),
    }
}

/// An address, without the interface that one of a link alone may have behind it (`fe80::1%eth0`).
pub(in crate::log) fn address(text: &str) -> Option<IpAddr> {
    text.split('%').next()?.parse().ok()
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
    fn requests_over_quic_are_of_another_protocol() {
        for (line, expected) in [
            ("GET / HTTP/3.0", "http3"),
            ("GET / HTTP/3", "http3"),
            ("GET /HTTP/3 HTTP/1.1", "http"),
            ("-", "http"),
        ] {
            assert_eq!(proto(&asked(line, Some("200"))).0, expected, "{line}");
        }
    }

    #[test]
    fn what_is_no_request_keeps_its_status_and_is_not_shown() {
        for line in ["", "-", "\u{16}\u{3}\u{1}garbage", "HELO"] {
            let Event::Command(command) = asked(line, Some("400")) else {
                panic!("{line}");
            };
            let told = command.get();
            assert_eq!((told.verb, told.code), ("-", Some("400")), "{line}");
            assert_eq!(told.request, "<no request line>");
            assert!(matches!(asked(line, None), Event::Note(_)), "{line}");
        }
    }
}
