//! Access log of Envoy: its default text, Istio's, and JSON with Istio's keys. The stamp is of the beginning, and the time taken is told.
//!
//! The octets are those of bodies, or of the streams of a connection that was only passed on. Only Istio's tell the client's address.

use std::net::IpAddr;

use crate::model::{
    ClockStep, Event, LogId, LogSession, Marks, Proto, Shown, Shows, Span, Stamp, Zone, as_text,
};

use super::super::{Builder, Due, Entry, Head, Line, Parsed, Sureness, stamp};
use super::escape::quoted;
use super::json::{Object, end};
use super::{Connections, Request, asked, command};

/// Row of the registry.
pub(in crate::log) const ENTRY: Entry = Entry {
    name: "envoy",
    about: "Envoy access log, default or Istio's, text or JSON",
    shows: Shows {
        client_port: Shown::With("%DOWNSTREAM_REMOTE_ADDRESS%, as Istio's format has it"),
        step: ClockStep::Of(Span::MILLISECOND),
        marks: Marks::Begin,
        octets: Shown::Partly("of bodies"),
        commands: Shown::Always,
        replies: Shown::Partly("the code"),
        ..Shows::NOTHING
    },
    probe,
    open: |id, _| {
        Box::new(Envoy {
            id,
            connections: Connections::new(id),
        })
    },
};

fn probe(head: &Head<'_>) -> Sureness {
    head.share(|line| Row::of(line).is_some())
}

/// One file.
struct Envoy {
    id: LogId,
    connections: Connections,
}

/// A line taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    begin: Stamp,
    taken: Span,
    /// `None` when a connection was only passed on.
    what: Option<Event>,
    flags: Option<String>,
    received: Option<u64>,
    sent: Option<u64>,
    peer: Option<(IpAddr, u16)>,
    local: Option<(IpAddr, u16)>,
}

impl Row {
    fn of(line: &[u8]) -> Option<Self> {
        if line.starts_with(b"{") {
            return Self::of_json(&Object::read(line)?);
        }
        Self::of_text(&as_text(line))
    }

    fn of_text(line: &str) -> Option<Self> {
        let stamped = stamp::iso(line.strip_prefix('[')?)?;
        let (request, rest) = quoted(stamped.rest.strip_prefix("] \"")?)?;
        let values = values(rest)?;
        let value = |at: usize| {
            let value = values.get(at)?.as_str();
            (value != "-").then_some(value)
        };
        let number = |at: usize| value(at)?.parse::<u64>().ok();
        // Istio tells here how the reply and the connection came about.
        let at = if number(2).is_some() { 2 } else { 5 };
        let taken = i64::try_from(number(at + 2)?).ok()?;
        let code = value(0).filter(|code| *code != "0");
        Some(Self {
            begin: stamped.stamp,
            taken: Span::millis(taken),
            what: (request != "- - -").then(|| asked(&request, code)),
            flags: value(1).map(str::to_owned),
            received: number(at),
            sent: number(at + 1),
            local: value(at + 11).and_then(end),
            peer: value(at + 12).and_then(end),
        })
    }

    fn of_json(line: &Object) -> Option<Self> {
        let taken = i64::try_from(line.number("duration")?).ok()?;
        let code = line.text("response_code")?;
        let what = line.text("method").map(|method| {
            let path = line.text("path").unwrap_or_default();
            let version = line.text("protocol").unwrap_or_default();
            let code = Some(code.as_str()).filter(|code| *code != "0");
            command(&method, &path, &version, code)
        });
        Some(Self {
            begin: line.stamp("start_time")?,
            taken: Span::millis(taken),
            what,
            flags: line.text("response_flags"),
            received: line.number("bytes_received"),
            sent: line.number("bytes_sent"),
            peer: line.end("downstream_remote_address"),
            local: line.end("downstream_local_address"),
        })
    }

    fn request(&self) -> Request {
        let stamp = Stamp {
            at: self.begin.at + self.taken,
            resolution: self.begin.resolution + Span::MILLISECOND,
        };
        let mut what = self.what.clone().unwrap_or(Event::Close);
        what.amend(|command| {
            command.body_octets = self.sent;
            command.taken = Some(self.taken);
        });
        Request {
            peer: self.peer.map(|(ip, _)| ip),
            peer_port: self.peer.map(|(_, port)| port),
            local: self.local.map(|(ip, _)| ip),
            local_port: self.local.map(|(_, port)| port),
            note: self.note(),
            ..Request::new(stamp, what)
        }
    }

    /// The flags, and what passed where nothing else tells it.
    fn note(&self) -> Option<String> {
        let flags = self
            .flags
            .as_ref()
            .map(|flags| format!("Envoy flags {flags}"));
        if self.what.is_some() {
            return flags;
        }
        let passed = format!(
            "{} octets from the client, {} to it",
            self.received?, self.sent?
        );
        Some(flags.map_or(passed.clone(), |flags| format!("{passed}; {flags}")))
    }
}

/// The values of a line, with or without quotes.
fn values(mut text: &str) -> Option<Vec<String>> {
    let mut values = Vec::new();
    while let Some(rest) = text.strip_prefix(' ') {
        let (value, behind) = if let Some(rest) = rest.strip_prefix('"') {
            quoted(rest)?
        } else {
            let end = rest.find(' ').unwrap_or(rest.len());
            let (value, behind) = rest.split_at_checked(end)?;
            (value.to_owned(), behind)
        };
        values.push(value);
        text = behind;
    }
    text.is_empty().then_some(values)
}

impl Builder for Envoy {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let Some(row) = Row::of(line.bytes) else {
            return Parsed::Failed;
        };
        let request = row.request();
        let stamp = request.stamp;
        if row.what.is_some() {
            self.connections.take(line.number, request, out);
        } else {
            let request = Request {
                proto: Proto::UNKNOWN,
                ..request
            };
            out.push(request.connection(self.id, line.number, row.begin));
        }
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

    const LOG: &str = r#"[2026-11-24T03:49:17.868Z] "GET /index.html?token=t HTTP/1.1" 200 - 0 13 2 1 "192.0.2.10" "lab/1" "5f1c" "www.example.com" "198.51.100.81:80"
[2026-11-24T03:49:19.112Z] "- - -" 0 UF 341 1577 11420 - "-" "-" "-" "-" "198.51.100.25:143"
[2026-11-24T03:49:18.000Z] "GET /a HTTP/1.1" 503 UF via_upstream - "-" 0 91 20 - "-" "lab/1" "5f1c" "www" "198.51.100.81:80" outbound|80||x 10.0.0.1:1 198.51.100.80:80 192.0.2.10:47216 - default
{"start_time":"2026-11-24T03:49:18.100Z","method":"GET","path":"/b","protocol":"HTTP/1.1","response_code":200,"response_flags":"-","bytes_received":0,"bytes_sent":5,"duration":7,"downstream_remote_address":"192.0.2.10:47216"}
[2026-11-24T03:49:17.868Z] "GET /index.html HTTP/1.1" 200 - 0
[2026-11-24T03:49:17.868Z] "GET
x
"#;

    #[test]
    fn requests_and_connections_passed_on() {
        let told = read(&ENTRY, LOG, 2026);
        assert_eq!((told.sessions.len(), told.failed), (3, 3));
        let [plain, passed, istio] = told.sessions.as_slice() else {
            panic!("{:?}", told.sessions);
        };
        assert!(plain.peer.is_none());
        let get = plain.events.first().unwrap().command().unwrap();
        assert_eq!(get.request, "GET /index.html?token=*** HTTP/1.1");
        assert_eq!(get.body_octets, Some(13));
        assert_eq!(passed.proto, Proto::UNKNOWN);
        assert_eq!(passed.duration, Some(Span::millis(11_420)));
        assert_eq!(passed.events.first().unwrap().what, What::Open);
        assert_eq!((istio.peer_port, istio.local_port), (Some(47216), Some(80)));
        assert_eq!(istio.events.len(), 3, "503 with its flags, then 200");
    }
}
