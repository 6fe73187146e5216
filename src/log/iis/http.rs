//! Web sites of IIS in W3C extended logs.
//!
//! A row is a request, written when it was answered, and each is a session of its own, as nothing names the connection. The
//! octets are those that HTTP.sys handled inside TLS, with heads.

use crate::model::{
    ClockStep, Event, LineRef, LogEvent, LogId, LogSession, Marks, Shown, Shows, Span, Zone,
    as_text,
};

use super::super::w3c::{self, Row, W3c, W3cLine};
use super::super::web::{self, address, proto};
use super::super::{Builder, Entry, Head, Line, Parsed, Sureness};

/// Names that administrators give the column of the server variable `REMOTE_PORT`.
const PORT_COLUMNS: [&str; 4] = ["c-port", "REMOTE_PORT", "remote-port", "ClientPort"];

/// Row of the registry.
pub(in crate::log) const ENTRY: Entry = Entry {
    name: "iis-http",
    about: "IIS web sites, W3C extended",
    shows: Shows {
        client_port: Shown::With(
            "the custom field REMOTE_PORT, logged under that name or as c-port (IIS 8.5 and later)",
        ),
        step: ClockStep::Of(Span::SECOND),
        marks: Marks::End,
        octets: Shown::With("the fields sc-bytes and cs-bytes"),
        commands: Shown::Always,
        replies: Shown::Partly("the code"),
        users: Shown::Always,
        ..Shows::NOTHING
    },
    probe,
    open: |id, _| {
        Box::new(IisHttp {
            id,
            w3c: W3c::default(),
        })
    },
};

fn probe(head: &Head<'_>) -> Sureness {
    w3c::share(head, is_http)
}

/// Other services of IIS write the same columns.
fn is_http(row: &Row<'_, '_>) -> bool {
    let site = row.get("s-sitename").unwrap_or_default();
    let version = row.get("cs-version").unwrap_or("HTTP");
    let is_other = ["SMTPSVC", "NNTPSVC", "FTPSVC"]
        .iter()
        .any(|other| site.contains(other));
    !is_other && version.starts_with("HTTP") && row.get("cs-uri-stem").is_some()
}

/// One file.
struct IisHttp {
    id: LogId,
    w3c: W3c,
}

impl Builder for IisHttp {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = as_text(line.bytes);
        let row = match self.w3c.line(&text) {
            Some(W3cLine::Row(row)) => row,
            Some(W3cLine::Directive) => return Parsed::Aside(None),
            None => return Parsed::Failed,
        };
        if !is_http(&row) {
            return Parsed::Aside(Some(row.stamp));
        }
        let Some(what) = event(&row) else {
            return Parsed::Failed;
        };
        let mut session = LogSession::new(self.id, proto(&what));
        session.lag = LogSession::WINDOWS_LAG;
        session.peer = row.get("c-ip").and_then(address);
        session.peer_port = PORT_COLUMNS.iter().find_map(|name| port(&row, name));
        session.local = row.get("s-ip").and_then(address);
        session.local_port = port(&row, "s-port");
        let user = row.get("cs-username").map(str::to_owned);
        session.names.extend(user);
        let line = LineRef {
            log: self.id,
            line: line.number,
        };
        let stamp = row.stamp;
        session.events.push(LogEvent { line, stamp, what });
        out.push(session);
        Parsed::Event(stamp)
    }

    fn finish(&mut self, _: &mut Vec<LogSession>) {}

    fn zone(&self) -> Zone {
        Zone::Stated(Span::ZERO)
    }
}

/// The request of a row; `None` when it has none.
fn event(row: &Row<'_, '_>) -> Option<Event> {
    let mut request = format!("{} {}", row.get("cs-method")?, row.get("cs-uri-stem")?);
    for (before, field) in [('?', "cs-uri-query"), (' ', "cs-version")] {
        if let Some(value) = row.get(field) {
            request.push(before);
            request.push_str(value);
        }
    }
    let mut what = web::asked(&request, row.get("sc-status"));
    what.amend(|command| {
        command.request_bytes = row.number("cs-bytes");
        command.response_bytes = row.number("sc-bytes");
        command.taken = row
            .number("time-taken")
            .and_then(|millis| i64::try_from(millis).ok())
            .map(Span::millis);
    });
    Some(what)
}

pub(super) fn port(row: &Row<'_, '_>, field: &str) -> Option<u16> {
    row.get(field)?.parse().ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing;
    use super::*;
    use crate::model::CommandRef;

    const LOG: &str = r"#Software: Microsoft Internet Information Services 10.0
#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs-version cs(Cookie) sc-status sc-bytes cs-bytes time-taken
2024-03-05 09:14:02 198.51.100.80 GET /index.html - 80 - 192.0.2.10 HTTP/1.1 - 200 1486 412 15
2024-03-05 09:14:02 198.51.100.80 GET /app/list.aspx id=7&token=x 443 EXAMPLE\carol 2001:db8::31 HTTP/2 sid=a1b2c3 200 20342 688 187
2024-03-05 09:14:03 198.51.100.80 POST /app/save.aspx - 443 EXAMPLE\carol fe80::1%4 HTTP/2 sid=a1b2c3 302 388 2210 62
2024-03-05 09:14:03 198.51.100.80 - /index.html - 80 - 192.0.2.10 HTTP/1.1 - 200 1486 412 15
2024-03-05 09:14
2024-03-05 99:14:03 198.51.100.80 GET /index.html - 80 - 192.0.2.10 HTTP/1.1 - 200 1486 412 15
2024-03-05 09:14:03 198.51.100.80 EHLO - +gw 25 - 192.0.2.10 SMTP - 250 1486 412 15
";

    fn read(log: &str) -> (Vec<LogSession>, usize) {
        let told = testing::read(&ENTRY, log, 2024);
        (told.sessions, told.failed)
    }

    fn command(session: &LogSession) -> CommandRef<'_> {
        session.events.first().unwrap().command().unwrap()
    }

    #[test]
    fn each_row_is_a_session_of_its_own() {
        let (sessions, failed) = read(LOG);
        assert_eq!((sessions.len(), failed), (3, 3));
        let first = command(&sessions[0]);
        assert_eq!(first.request, "GET /index.html HTTP/1.1");
        assert_eq!(first.code, Some("200"));
        assert_eq!(
            (first.request_bytes, first.response_bytes, first.taken),
            (Some(412), Some(1486), Some(Span::millis(15)))
        );
        assert_eq!(sessions[0].local_port, Some(80));
        assert_eq!(sessions[1].names, [r"EXAMPLE\carol"]);
        assert_eq!(sessions[2].peer, "fe80::1".parse().ok());
    }

    #[test]
    fn secrets_are_masked_and_cookies_not_kept() {
        let (sessions, _) = read(LOG);
        assert_eq!(
            command(&sessions[1]).request,
            "GET /app/list.aspx?id=7&token=*** HTTP/2"
        );
        assert!(!format!("{sessions:?}").contains("a1b2c3"));
    }

    #[test]
    fn mail_servers_of_iis_are_no_web_sites() {
        let sureness = |log: &str| {
            let lines: Vec<&[u8]> = log.lines().map(str::as_bytes).collect();
            probe(&Head {
                lines: &lines,
                year: 2024,
            })
        };
        assert!(sureness(LOG) > Sureness(500));
        let mail: String = LOG
            .lines()
            .filter(|line| line.starts_with('#') || line.contains("SMTP"))
            .flat_map(|line| [line, "\n"])
            .collect();
        assert_eq!(sureness(&mail), Sureness(0));
    }
}
