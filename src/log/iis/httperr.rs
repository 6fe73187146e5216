//! Error log of HTTP.sys (`httperr*.log`): requests that it answered itself and connections that it ended, with the client's port.

use crate::model::{ClockStep, Event, LogSession, Marks, Shown, Shows, Span, Zone, as_text};

use super::super::w3c::{self, Row, W3c, W3cLine};
use super::super::web::{Connections, Request, address, command};
use super::super::{Builder, Due, Entry, Line, Parsed};
use super::http::port;

/// Row of the registry.
pub(in crate::log) const ENTRY: Entry = Entry {
    name: "httperr",
    about: "Windows HTTP.sys error log",
    shows: Shows {
        client_port: Shown::Always,
        step: ClockStep::Of(Span::SECOND),
        marks: Marks::End,
        commands: Shown::Partly("requests that HTTP.sys itself answered or dropped"),
        replies: Shown::Partly("the code and the reason"),
        ..Shows::NOTHING
    },
    probe: |head| w3c::share(head, is_ours),
    open: |id, _| {
        Box::new(HttpErr {
            w3c: W3c::default(),
            connections: Connections::new(id),
        })
    },
};

fn is_ours(row: &Row<'_, '_>) -> bool {
    row.get("s-reason").is_some() && row.get("c-port").is_some()
}

/// Reasons that say more in words (Microsoft's "Error logging in HTTP APIs").
const REASONS: [(&str, &str); 7] = [
    (
        "Connection_Abandoned_By_ReqQueue",
        "the worker process went away",
    ),
    (
        "Connection_Dropped",
        "the connection was lost in mid-request",
    ),
    ("Timer_ConnectionIdle", "the client was silent too long"),
    ("Timer_EntityBody", "the request's body came too late"),
    ("Timer_HeaderWait", "the request's head came too late"),
    (
        "Timer_MinBytesPerSecond",
        "the client took the reply too slowly",
    ),
    ("Timer_Response", "the worker process answered too late"),
];

/// One file.
struct HttpErr {
    w3c: W3c,
    connections: Connections,
}

fn request(row: &Row<'_, '_>) -> Option<Request> {
    let reason = row.get("s-reason")?;
    let words = REASONS.iter().find(|(known, _)| *known == reason);
    let note = match words {
        Some((_, words)) => format!("HTTP.sys: {words} ({reason})"),
        None => format!("HTTP.sys: {reason}"),
    };
    let what = match (row.get("cs-method"), row.get("cs-uri")) {
        (Some(method), Some(uri)) => {
            let version = row.get("cs-version").unwrap_or_default();
            command(method, uri, version, row.get("sc-status"))
        }
        _ => Event::Close,
    };
    Some(Request {
        peer: row.get("c-ip").and_then(address),
        peer_port: port(row, "c-port"),
        local: row.get("s-ip").and_then(address),
        local_port: port(row, "s-port"),
        note: Some(note),
        ..Request::new(row.stamp, what)
    })
}

impl Builder for HttpErr {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = as_text(line.bytes);
        let row = match self.w3c.line(&text) {
            Some(W3cLine::Row(row)) => row,
            Some(W3cLine::Directive) => return Parsed::Aside(None),
            None => return Parsed::Failed,
        };
        let Some(request) = request(&row) else {
            return Parsed::Failed;
        };
        let stamp = request.stamp;
        self.connections.take(line.number, request, out);
        Parsed::Event(stamp)
    }

    fn settle(&mut self, due: &Due<'_>, out: &mut Vec<LogSession>) {
        self.connections.settle(due, out);
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        self.connections.finish(out);
    }

    fn zone(&self) -> Zone {
        Zone::Stated(Span::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::read;
    use super::*;
    use crate::model::What;

    const LOG: &str = "#Software: Microsoft HTTP API 2.0
#Fields: date time c-ip c-port s-ip s-port cs-version cs-method cs-uri sc-status s-siteid s-reason s-queuename
2024-03-05 09:14:40 192.0.2.10 49822 198.51.100.80 80 HTTP/1.1 GET /?token=t 400 - Hostname -
2024-03-05 09:14:41 2001:db8::31%0 51544 2001:db8::80%0 443 HTTP/1.1 GET /app/list.aspx 503 2 AppOffline ExampleAppPool
2024-03-05 09:16:12 192.0.2.10 49822 198.51.100.80 80 - - - - - Timer_ConnectionIdle -
2024-03-05 09:17:02 203.0.113.9 40111 198.51.100.80 80 HTTP/0.0 - - 400 - BadRequest -
2024-03-05 09:17:02 203.0.113.9
2024-03-05 99:17:02 203.0.113.9 40111 198.51.100.80 80 HTTP/0.0 - - 400 - BadRequest -
2024-03-05 09:17:02 203.0.113.9 40111 198.51.100.80 80 HTTP/0.0 - - 400 - - -
";

    #[test]
    fn what_http_sys_ended_and_why() {
        let told = read(&ENTRY, LOG, 2024);
        assert_eq!((told.sessions.len(), told.failed, told.aside), (3, 3, 2));
        let idle = &told.sessions[0];
        assert_eq!(idle.peer_port, Some(49822));
        let events: Vec<_> = idle.events.iter().map(|event| event.what).collect();
        let [
            What::Command(get),
            What::Note(_),
            What::Close,
            What::Note(why),
        ] = events[..]
        else {
            panic!("{events:?}");
        };
        assert_eq!(get.get().request, "GET /?token=*** HTTP/1.1");
        assert!(why.contains("silent too long"), "{why}");
        assert_eq!(told.sessions[1].peer, "2001:db8::31".parse().ok());
    }
}
