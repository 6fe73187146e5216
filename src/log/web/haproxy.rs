//! HAProxy: lines of `option httplog` and `option tcplog`, in a syslog envelope or alone.
//!
//! The stamp in brackets is of the request's first octet, or of the connection's accept; the last timer leads to the end. The octets of
//! HTTP are counted in HAProxy's own form of a message and compared with nothing.

use std::net::IpAddr;

use crate::model::{
    ClockStep, Encryption, LogId, LogSession, Marks, Proto, Shown, Shows, Span, Stamp, Zone,
    as_text, from_wire,
};

use super::super::{Builder, Due, Entry, Head, Line, Parsed, Sureness, stamp};
use super::{Connections, Request, asked};

/// Row of the registry.
pub(in crate::log) const ENTRY: Entry = Entry {
    name: "haproxy",
    about: "HAProxy, httplog and tcplog",
    shows: Shows {
        client_port: Shown::Always,
        step: ClockStep::Of(Span::MILLISECOND),
        marks: Marks::Begin,
        commands: Shown::Partly("with httplog"),
        replies: Shown::Partly("the code, with httplog"),
        ..Shows::NOTHING
    },
    probe,
    open: |id, _| {
        Box::new(HaProxy {
            id,
            connections: Connections::new(id),
        })
    },
};

fn probe(head: &Head<'_>) -> Sureness {
    head.share(|line| Row::read(&as_text(line)).is_some())
}

/// One file.
struct HaProxy {
    id: LogId,
    connections: Connections,
}

/// A line taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row<'a> {
    peer: IpAddr,
    port: u16,
    begin: Stamp,
    encryption: Encryption,
    /// In milliseconds; less than nothing where a phase was not reached.
    timers: Vec<i64>,
    status: Option<&'a str>,
    octets: Option<u64>,
    /// How it ended, in HAProxy's letters.
    state: &'a str,
    request: Option<String>,
}

impl<'a> Row<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (before, rest) = line.split_once(" [")?;
        let (address, port) = before.rsplit(' ').next()?.rsplit_once(':')?;
        let stamped = stamp::common(rest)?;
        let (fields, request) = match stamped.rest.split_once(" \"") {
            Some((fields, request)) => (fields, request.split('"').next()),
            None => (stamped.rest, None),
        };
        let mut fields = fields.strip_prefix("] ")?.split(' ');
        let frontend = fields.next()?;
        let _backend = fields.next()?.split_once('/')?;
        let timers: Option<Vec<i64>> = fields.next()?.split('/').map(millis).collect();
        let timers = timers?;
        let status = match timers.len() {
            5 => Some(fields.next()?).filter(|status| *status != "-1"),
            3 => None,
            _ => return None,
        };
        let octets = fields.next()?.trim_start_matches('+').parse().ok();
        let mut fields = fields.skip(if timers.len() == 5 { 2 } else { 0 });
        Some(Self {
            peer: address.parse().ok()?,
            port: port.parse().ok()?,
            begin: stamped.stamp,
            encryption: if frontend.ends_with('~') {
                Encryption::Implicit
            } else {
                Encryption::None
            },
            timers,
            status,
            octets,
            state: fields.next()?,
            request: request.map(unescaped),
        })
    }

    /// From the stamp to the end.
    fn total(&self) -> Span {
        Span::millis(self.timers.last().copied().unwrap_or_default().max(0))
    }

    fn is_http(&self) -> bool {
        self.timers.len() == 5
    }

    fn end(&self) -> Stamp {
        Stamp {
            at: self.begin.at + self.total(),
            resolution: self.begin.resolution + Span::MILLISECOND,
        }
    }

    fn told(&self) -> Request {
        let mut what = asked(self.request.as_deref().unwrap_or_default(), self.status);
        what.amend(|command| {
            let came = Span::millis(self.timers.first().copied().unwrap_or_default().max(0));
            command.taken = Some(self.total() - came);
        });
        let ending = ending(self.state);
        let passed = match self.octets {
            Some(octets) if !self.is_http() => Some(format!("{octets} octets to the client")),
            _ => None,
        };
        let notes: Vec<String> = passed.into_iter().chain(ending).collect();
        Request {
            proto: if self.is_http() {
                Proto("http")
            } else {
                Proto::UNKNOWN
            },
            peer: Some(self.peer),
            peer_port: Some(self.port),
            // Behind a plain frontend in TCP mode there may be any kind of TLS.
            encryption: (self.is_http() || self.encryption == Encryption::Implicit)
                .then_some(self.encryption),
            note: (!notes.is_empty()).then(|| notes.join("; ")),
            ..Request::new(self.end(), what)
        }
    }
}

/// A timer; `+` stands before one that was not over when the line was written.
fn millis(text: &str) -> Option<i64> {
    text.trim_start_matches('+').parse().ok()
}

/// Who or what ended it, and when, where that was not the ordinary way (HAProxy's manual, "Session state at disconnection").
pub(super) fn ending(state: &str) -> Option<String> {
    let mut letters = state.chars();
    let who = match letters.next()? {
        'C' => "the client aborted",
        'S' => "the server aborted or refused",
        'P' => "the proxy refused",
        'L' => "the proxy answered itself",
        'R' => "a resource of the proxy was exhausted",
        'I' => "the proxy met an internal error",
        'D' => "the session was killed as the server went down",
        'U' => "the session was killed as a better server came up",
        'K' => "an administrator killed the session",
        'c' => "the client was silent too long",
        's' => "the server was silent too long",
        _ => return None,
    };
    let phase = match letters.next()? {
        'R' => " while the request was read",
        'Q' => " while it waited in the queue",
        'C' => " while the server was being connected",
        'H' => " while the reply's head was awaited",
        'D' => " in the data",
        'L' => " while the last data were sent",
        'T' => " in a tarpit",
        _ => "",
    };
    Some(format!("{who}{phase} ({state})"))
}

/// `#22` undone.
pub(super) fn unescaped(text: &str) -> String {
    let mut octets = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('#') {
        octets.extend_from_slice(before.as_bytes());
        let hex = behind
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        octets.push(hex.unwrap_or(b'#'));
        rest = behind
            .get(if hex.is_some() { 2 } else { 0 }..)
            .unwrap_or_default();
    }
    octets.extend_from_slice(rest.as_bytes());
    from_wire(&octets)
}

impl Builder for HaProxy {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = as_text(line.bytes);
        let Some(row) = Row::read(&text) else {
            // Starts, stops and health checks of its servers.
            return match text.split_once(" haproxy[") {
                Some((_, rest)) if !rest.contains(" [") => Parsed::Aside(None),
                _ => Parsed::Failed,
            };
        };
        let request = row.told();
        let stamp = request.stamp;
        if row.is_http() {
            self.connections.take(line, request, out);
        } else {
            out.push(request.connection(self.id, line, row.begin));
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
        Zone::Assumed
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::read;
    use super::*;
    use crate::model::Event;

    const LOG: &str = r#"<134>Nov 24 03:50:25 haproxy[14973]: 192.0.2.10:51059 [24/Nov/2026:03:50:25.868] www web/s1 3/0/1/40/44 200 211 - - ---- 1/1/0/0/0 0/0 {www.example.com} "GET /index.html?pass=p HTTP/1.1"
<134>Nov 24 03:50:25 haproxy[14973]: 203.0.113.77:45939 [24/Nov/2026:03:50:25.874] www~ www/<NOSRV> -1/-1/-1/-1/0 400 0 - - PR-- 2/1/0/0/0 0/0 "<BADREQ>"
Nov 24 03:50:25 lb haproxy[14973]: 192.0.2.10:51059 [24/Nov/2026:03:50:25.869] www web/s1 0/0/0/0/+7 404 +283 - - CD-- 1/1/0/0/0 0/0 {www.example.com} "GET /a#22b HTTP/1.1"
2001:db8::31:45461 [24/Nov/2026:03:50:25.870] tcpin webtcp/s1 1/0/204 41435 cD 1/1/0/0/0 0/0
Nov 24 03:50:25 lb haproxy[14973]: Server web/s1 is DOWN
192.0.2.10:51059 [24/Nov/2026:03:50:25.868] www web/s1 0/0/0 x
192.0.2.10:51059 [24/Nov/2026:03:50
rubbish
"#;

    #[test]
    fn requests_and_connections_with_their_ends() {
        let told = read(&ENTRY, LOG, 2026);
        assert_eq!((told.sessions.len(), told.failed, told.aside), (3, 3, 1));
        let [web, bad, tcp] = told.sessions.as_slice() else {
            panic!("{:?}", told.sessions);
        };
        assert_eq!(web.events.len(), 3, "two requests and an abort");
        let stamp = web.events[0].stamp;
        assert_eq!(stamp.at.to_rfc3339(), "2026-11-24T03:50:25.912000000Z");
        assert_eq!(stamp.resolution, Span::millis(2));
        let get = web.events[0].command().unwrap();
        assert_eq!(get.request, "GET /index.html?pass=*** HTTP/1.1");
        assert_eq!(
            (get.taken, get.response_bytes),
            (Some(Span::millis(41)), None)
        );
        assert_eq!(
            web.events[2].what,
            Event::Note("the client aborted in the data (CD--)".into())
        );
        assert_eq!(bad.encryption, Some(Encryption::Implicit));
        assert_eq!((tcp.proto, tcp.encryption), (Proto::UNKNOWN, None));
        assert_eq!(tcp.duration, Some(Span::millis(204)));
        assert_eq!(
            tcp.events[1].what,
            Event::Note(
                "41435 octets to the client; the client was silent too long in the data (cD)"
                    .into()
            )
        );
    }
}
