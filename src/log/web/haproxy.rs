//! HAProxy: lines of `option httplog` and `option tcplog`, of connections that came to nothing, and of proxies with no such option, in a syslog
//! envelope or alone.
//!
//! The stamp in brackets is of the request's first octet, or of the connection's accept; the last timer leads to the end. The octets of
//! HTTP are counted in HAProxy's own form of a message and compared with nothing.

use std::net::IpAddr;

use crate::model::{
    ClockStep, Encryption, Event, LogId, LogSession, Marks, Proto, Shown, Shows, Span, Stamp, Zone,
    as_text, from_wire,
};

use super::super::stamp::{self, Stamped};
use super::super::syslog::Syslog;
use super::super::{Builder, Due, Entry, Head, Line, Parsed, Sureness};
use super::{Connections, Request, asked, proto};

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
    open: |id, head| {
        Box::new(HaProxy {
            id,
            syslog: Syslog::new(head.year),
            connections: Connections::new(id),
        })
    },
};

fn probe(head: &Head<'_>) -> Sureness {
    head.share(|line| {
        let text = as_text(line);
        Row::read(&text).is_some() || Refused::read(&text).is_some() || connected(&text).is_some()
    })
}

/// One file.
struct HaProxy {
    id: LogId,
    /// For lines that have no time of their own.
    syslog: Syslog,
    connections: Connections,
}

/// A line taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row<'a> {
    /// None of a socket of this machine's own.
    peer: Option<(IpAddr, u16)>,
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
        let (peer, stamped) = accepted(line)?;
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
            peer,
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
                proto(&what)
            } else {
                Proto::UNKNOWN
            },
            peer: self.peer.map(|(ip, _)| ip),
            peer_port: self.peer.map(|(_, port)| port),
            // Behind a plain frontend in TCP mode there may be any kind of TLS.
            encryption: (self.is_http() || self.encryption == Encryption::Implicit)
                .then_some(self.encryption),
            note: (!notes.is_empty()).then(|| notes.join("; ")),
            ..Request::new(self.end(), what)
        }
    }
}

/// Whose connection was accepted, and when, with what follows: `192.0.2.10:51059 [24/Nov/2026:03:50:25.868`.
fn accepted(line: &str) -> Option<(Option<(IpAddr, u16)>, Stamped<'_>)> {
    let (before, rest) = line.split_once(" [")?;
    let (address, port) = before.rsplit(' ').next()?.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let peer = match address {
        "unix" => None,
        address => Some((address.parse().ok()?, port)),
    };
    Some((peer, stamp::common(rest)?))
}

/// A connection that came to nothing (`error-log-format`): `192.0.2.10:51059 [24/Nov/2026:03:50:25.868] www/1: SSL handshake failure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refused<'a> {
    peer: Option<(IpAddr, u16)>,
    begin: Stamp,
    why: &'a str,
}

impl<'a> Refused<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (peer, stamped) = accepted(line)?;
        let (listener, why) = stamped.rest.strip_prefix("] ")?.split_once(": ")?;
        let is_listener = listener.contains('/') && !listener.contains(' ');
        is_listener.then_some(Self {
            peer,
            begin: stamped.stamp,
            why,
        })
    }
}

/// `Connect from 192.0.2.10:51059 to 198.51.100.80:80 (www/HTTP)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Connected {
    client: (IpAddr, u16),
    server: (IpAddr, u16),
    proto: Proto,
}

fn connected(text: &str) -> Option<Connected> {
    let (_, ends) = text.split_once("Connect from ")?;
    let (client, rest) = ends.split_once(" to ")?;
    let (server, proxy) = rest.split_once(" (")?;
    let end = |text: &str| {
        let (address, port) = text.rsplit_once(':')?;
        Some((address.parse().ok()?, port.parse().ok()?))
    };
    let (_, mode) = proxy.strip_suffix(')')?.rsplit_once('/')?;
    Some(Connected {
        client: end(client)?,
        server: end(server)?,
        proto: match mode {
            "HTTP" => Proto("http"),
            _ => Proto::UNKNOWN,
        },
    })
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

impl HaProxy {
    /// A line that tells no request and no connection with its end.
    fn other(&mut self, line: Line<'_>, text: &str, out: &mut Vec<LogSession>) -> Parsed {
        let opened = |stamp| Request {
            proto: Proto::UNKNOWN,
            ..Request::new(stamp, Event::Open)
        };
        if let Some(Refused { peer, begin, why }) = Refused::read(text) {
            let request = Request {
                peer: peer.map(|(ip, _)| ip),
                peer_port: peer.map(|(_, port)| port),
                note: Some(why.to_owned()),
                ..opened(begin)
            };
            return self.told(line, request, out);
        }
        let envelope = self.syslog.open(text);
        if let Some(told) = connected(text)
            && let Some(envelope) = envelope
        {
            // Its other lines have local times.
            let at = envelope.stamp.at + envelope.zone.unwrap_or_default();
            let request = Request {
                proto: told.proto,
                peer: Some(told.client.0),
                peer_port: Some(told.client.1),
                local: Some(told.server.0),
                local_port: Some(told.server.1),
                ..opened(Stamp {
                    at,
                    ..envelope.stamp
                })
            };
            return self.told(line, request, out);
        }
        // Starts, stops and health checks of its servers.
        match text.split_once(" haproxy[") {
            Some(_) if accepted(text).is_none() => Parsed::Aside(None),
            _ => Parsed::Failed,
        }
    }

    fn told(&mut self, line: Line<'_>, request: Request, out: &mut Vec<LogSession>) -> Parsed {
        let stamp = request.stamp;
        // What has no address is no connection over a wire.
        if request.peer.is_none() {
            return Parsed::Aside(Some(stamp));
        }
        self.connections.take(line.number, request, out);
        Parsed::Event(stamp)
    }
}

impl Builder for HaProxy {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = as_text(line.bytes);
        let Some(row) = Row::read(&text) else {
            return self.other(line, &text, out);
        };
        let request = row.told();
        if row.is_http() || row.peer.is_none() {
            return self.told(line, request, out);
        }
        let stamp = request.stamp;
        out.push(request.connection(self.id, line.number, row.begin));
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
mod tests;
