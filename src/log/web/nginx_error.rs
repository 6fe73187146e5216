//! nginx's error log: what went wrong with requests, and at level `info` how clients left, and the connections of its mail and stream proxies.
//!
//! Lines of one connection have its number and the process's. What a client sent stands in the middle of a line as it is and may look like the
//! fields behind it: an address that is told twice is believed neither time.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::model::{
    ClockStep, Encryption, Ending, Event, LineRef, LogEvent, LogId, LogSession, Marks, Proto,
    Shown, Shows, Span, Stamp, Zone, as_text, masked_line,
};

use super::super::{Builder, Due, Entry, Head, Line, Parsed, Sureness, stamp};
use super::asked;

/// Row of the registry.
pub(in crate::log) const ENTRY: Entry = Entry {
    name: "nginx-error",
    about: "nginx error log, also of its mail and stream proxies",
    shows: Shows {
        client_port: Shown::With("error_log at level info, of the mail and stream proxies"),
        session_id: Shown::Always,
        step: ClockStep::Of(Span::SECOND),
        marks: Marks::Line,
        commands: Shown::Partly("requests that failed"),
        users: Shown::Partly("logins of the mail proxy"),
        ..Shows::NOTHING
    },
    probe,
    open: |id, _| {
        Box::new(NginxError {
            id,
            open: BTreeMap::new(),
        })
    },
};

/// Connections that may be open at once, and events of one.
const MAX_OPEN: usize = 50_000;
const MAX_EVENTS: usize = 1_000;

fn probe(head: &Head<'_>) -> Sureness {
    head.share(|line| Row::read(&as_text(line)).is_some())
}

/// One file.
struct NginxError {
    id: LogId,
    /// By process and the number of the connection.
    open: BTreeMap<(u32, u64), LogSession>,
}

/// A line taken apart: `2026/11/24 03:49:17 [error] 14953#14953: *4 open() "/x" failed (2: No such file or directory), client: …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row<'a> {
    stamp: Stamp,
    process: u32,
    /// Of a connection; none where the line is of the server itself.
    connection: Option<u64>,
    text: &'a str,
}

impl<'a> Row<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let stamped = stamp::slashed(line)?;
        let (level, rest) = stamped.rest.strip_prefix(" [")?.split_once("] ")?;
        let (ids, rest) = rest.split_once(": ")?;
        let (process, thread) = ids.split_once('#')?;
        thread.parse::<u64>().ok()?;
        let numbered = rest.strip_prefix('*').and_then(|rest| rest.split_once(' '));
        let connection = numbered.and_then(|(number, _)| number.parse().ok());
        let is_word = level.bytes().all(|byte| byte.is_ascii_lowercase());
        is_word.then_some(Self {
            stamp: stamped.stamp,
            process: process.parse().ok()?,
            connection,
            text: match (numbered, connection) {
                (Some((_, text)), Some(_)) => text,
                _ => rest,
            },
        })
    }

    /// What happened, and the fields behind it.
    fn parts(&self) -> (&'a str, Fields<'a>) {
        let begins = self.text.match_indices(CLIENT);
        let fields = begins.filter_map(|(at, _)| Some((at, Fields::read(self.text.get(at..)?)?)));
        let mut fields = fields.peekable();
        let Some((at, first)) = fields.next() else {
            return (self.text, Fields::default());
        };
        let what = self.text.get(..at).unwrap_or(self.text);
        match fields.peek() {
            // Which of them nginx wrote is not known.
            Some(_) => (what, Fields::default()),
            None => (what, first),
        }
    }
}

const CLIENT: &str = ", client: ";

/// `, client: 192.0.2.10, server: _, request: "GET / HTTP/1.1", host: "x"` and `…, server: 0.0.0.0:110, login: "ann", upstream: …`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fields<'a> {
    client: Option<IpAddr>,
    /// The server's end, which only the mail proxy names.
    server: Option<SocketAddr>,
    request: Option<&'a str>,
    login: Option<&'a str>,
    is_starttls: bool,
}

impl<'a> Fields<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (client, rest) = text.strip_prefix(CLIENT)?.split_once(", server: ")?;
        let client = client.strip_suffix(" using starttls").unwrap_or(client);
        let server = rest.split(", ").next().unwrap_or(rest);
        let behind = rest.get(server.len()..).unwrap_or_default();
        let quoted = |key: &str| {
            let (_, value) = behind.split_once(key)?;
            value.split_once('"').map(|(value, _)| value)
        };
        // A request has its quotes as they were sent.
        let request = behind.split_once(", request: \"").map(|(_, rest)| {
            let ends = [
                "\", upstream: \"",
                "\", subrequest: \"",
                "\", host: \"",
                "\", referrer: \"",
            ];
            let end = ends.iter().filter_map(|end| rest.find(end)).min();
            let whole = rest.strip_suffix('"').unwrap_or(rest);
            end.and_then(|end| rest.get(..end)).unwrap_or(whole)
        });
        Some(Self {
            client: Some(client.parse().ok()?),
            server: server.parse().ok(),
            request,
            login: quoted(", login: \"").filter(|_| request.is_none()),
            is_starttls: text.contains(" using starttls, server: "),
        })
    }
}

/// `client 192.0.2.10:41510 connected to 198.51.100.25:110` of the mail and stream proxies.
fn connected(text: &str) -> Option<(SocketAddr, SocketAddr)> {
    let (client, server) = text.strip_prefix("client ")?.split_once(" connected to ")?;
    Some((client.parse().ok()?, server.parse().ok()?))
}

/// `client 192.0.2.10 closed keepalive connection`, which has no fields.
fn left(text: &str) -> Option<IpAddr> {
    let (client, rest) = text.strip_prefix("client ")?.split_once(' ')?;
    let client = client.parse().ok()?;
    rest.starts_with(KEEPALIVE).then_some(client)
}

const KEEPALIVE: &str = "closed keepalive connection";

/// What is served on a port.
fn proto(port: u16) -> Proto {
    match port {
        25 | 465 | 587 => Proto("smtp"),
        110 | 995 => Proto("pop3"),
        143 | 993 => Proto("imap"),
        80 | 443 | 8080 | 8443 => Proto("http"),
        _ => Proto::UNKNOWN,
    }
}

impl NginxError {
    fn session(&self, text: &str, fields: Fields<'_>) -> LogSession {
        let ends = connected(text);
        let server = ends.map(|(_, server)| server).or(fields.server);
        let proto = server.map_or(Proto("http"), |server| proto(server.port()));
        let mut session = LogSession::new(self.id, proto);
        let peer = ends.map(|(client, _)| client.ip()).or(fields.client);
        session.peer = peer.or_else(|| left(text));
        session.peer_port = ends.map(|(client, _)| client.port());
        session.local = server
            .map(|server| server.ip())
            .filter(|ip| !ip.is_unspecified());
        session.local_port = server.map(|server| server.port());
        session
    }
}

/// Errors of the system that mean that the other side is gone.
const GONE: [&str; 2] = ["(104: Connection reset by peer)", "(32: Broken pipe)"];

/// Whether the client of a stream is found gone; that the connection is over a line of its own says.
fn is_gone(text: &str) -> bool {
    const WITH_CLIENT: [&str; 2] = [
        " while proxying and reading from client",
        " while proxying and writing to client",
    ];
    let has = |words: &[&str]| words.iter().any(|words| text.contains(words));
    has(&WITH_CLIENT) && has(&GONE)
}

/// Whether the connection is over with this line, and how. What becomes of a server behind nginx is another connection's.
fn ending(text: &str) -> Option<Ending> {
    /// Where nginx is when it reads from the client or writes to it.
    const WITH_CLIENT: [&str; 5] = [
        " while reading client ",
        " while sending to client",
        " while sending response to client",
        " while waiting for request",
        " while SSL handshaking",
    ];
    let has = |words: &[&str]| words.iter().any(|words| text.contains(words));
    let begins = |words: &[&str]| words.iter().any(|words| text.starts_with(words));
    if begins(&["client timed out", "connection timed out"]) {
        return Some(Ending::Timeout);
    }
    let is_of_client = has(&WITH_CLIENT) && !text.contains("upstream");
    if text.contains("client prematurely closed connection")
        || begins(&["client closed connection", "peer closed connection in SSL"])
        || is_of_client && has(&GONE)
    {
        return Some(Ending::Lost);
    }
    let over = begins(&[
        "proxied session done",
        "client disconnected",
        "upstream disconnected",
    ]) || left(text).is_some()
        || is_of_client && text.starts_with("SSL_do_handshake() failed");
    over.then_some(Ending::Unknown)
}

/// What a line tells, beside the request.
fn event(text: &str, fields: Fields<'_>) -> Event {
    if connected(text).is_some() {
        return Event::Open;
    }
    match fields.login {
        Some(login) if text.starts_with("client logged in") => Event::Login(login.to_owned()),
        Some(_) if text.starts_with("client login failed") => {
            Event::Note(format!("login refused: {}", masked_line(text)))
        }
        _ => Event::Note(masked_line(text)),
    }
}

/// Adds a line to its session.
fn add(session: &mut LogSession, line: LineRef, stamp: Stamp, text: &str, fields: Fields<'_>) {
    session.peer = session.peer.or(fields.client);
    if fields.is_starttls {
        session.encryption = Some(Encryption::StartTls);
    }
    if let Some(login) = fields.login
        && !session.names.iter().any(|known| known == login)
    {
        session.names.push(login.to_owned());
    }
    let mut push = |what| {
        if session.events.len() < MAX_EVENTS {
            session.events.push(LogEvent { line, stamp, what });
        }
    };
    if let Some(request) = fields.request {
        push(asked(request, None));
    }
    push(event(text, fields));
}

impl Builder for NginxError {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = as_text(line.bytes);
        let Some(row) = Row::read(&text) else {
            return Parsed::Failed;
        };
        let Some(connection) = row.connection else {
            return Parsed::Aside(Some(row.stamp));
        };
        let (what, fields) = row.parts();
        let key = (row.process, connection);
        if !self.open.contains_key(&key) {
            if self.open.len() >= MAX_OPEN {
                return Parsed::Aside(Some(row.stamp));
            }
            let session = self.session(what, fields);
            self.open.insert(key, session);
        }
        let line = LineRef {
            log: self.id,
            line: line.number,
        };
        if let Some(session) = self.open.get_mut(&key) {
            add(session, line, row.stamp, what, fields);
            if is_gone(what) {
                session.ending = Ending::Lost;
            }
            if let Some(ending) = ending(what) {
                if ending != Ending::Unknown {
                    session.ending = ending;
                }
                session.events.push(LogEvent {
                    line,
                    stamp: row.stamp,
                    what: Event::Close,
                });
                out.extend(self.open.remove(&key));
            }
        }
        Parsed::Event(row.stamp)
    }

    fn settle(&mut self, due: &Due<'_>, out: &mut Vec<LogSession>) {
        let over = |session: &LogSession| {
            let last = session.events.last();
            last.is_none_or(|last| last.stamp.at < due.before)
        };
        out.extend(
            self.open
                .extract_if(.., |_, session| over(session))
                .map(|(_, session)| session),
        );
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        out.extend(std::mem::take(&mut self.open).into_values());
    }

    fn zone(&self) -> Zone {
        Zone::Assumed
    }
}

#[cfg(test)]
mod tests;
