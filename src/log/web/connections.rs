//! Requests of one connection become one session.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{
    Encryption, Event, LineRef, LogEvent, LogId, LogSession, LoggedTls, Proto, Span, Stamp,
};

use super::super::Due;
use super::proto;

/// A connection that was silent for so long is over: its port or number is another's.
const SILENCE: Span = Span::seconds(300);
/// Connections kept open.
const MAX_OPEN: usize = 100_000;

/// What a line tells of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::log) struct Request {
    /// When it was answered, or its line written.
    pub(in crate::log) stamp: Stamp,
    pub(in crate::log) proto: Proto,
    pub(in crate::log) peer: Option<IpAddr>,
    pub(in crate::log) peer_port: Option<u16>,
    pub(in crate::log) local: Option<IpAddr>,
    pub(in crate::log) local_port: Option<u16>,
    pub(in crate::log) user: Option<String>,
    /// The server's own number of the connection.
    pub(in crate::log) serial: Option<String>,
    pub(in crate::log) encryption: Option<Encryption>,
    pub(in crate::log) tls: Option<LoggedTls>,
    pub(in crate::log) what: Event,
    /// What else the line tells, for a person.
    pub(in crate::log) note: Option<String>,
}

impl Request {
    /// A request of which only the time and what it was are known.
    pub(in crate::log) fn new(stamp: Stamp, what: Event) -> Self {
        Self {
            stamp,
            proto: proto(&what),
            peer: None,
            peer_port: None,
            local: None,
            local_port: None,
            user: None,
            serial: None,
            encryption: None,
            tls: None,
            what,
            note: None,
        }
    }

    /// What names its connection; `None` when nothing does.
    fn key(&self) -> Option<Key> {
        let serial = self.serial.clone().map(Key::Serial);
        serial.or_else(|| Some(Key::End(self.peer.zip(self.peer_port)?)))
    }

    /// Whether it can be of `session`, whose key is the same.
    fn follows(&self, session: &LogSession) -> bool {
        let fits = |known: Option<IpAddr>, told: Option<IpAddr>| {
            known.zip(told).is_none_or(|(known, told)| known == told)
        };
        let last = session.events.last();
        last.is_some_and(|last| self.stamp.at.since(last.stamp.at).abs() < SILENCE)
            && session.proto == self.proto
            && fits(session.peer, self.peer)
    }

    /// A connection of which one line tells the beginning and, with its own stamp, the end.
    pub(in crate::log) fn connection(self, log: LogId, line: u64, begin: Stamp) -> LogSession {
        let line = LineRef { log, line };
        let end = self.stamp;
        let event = |stamp, what| LogEvent { line, stamp, what };
        let note = self.note.clone();
        let mut session = self.session(event(begin, Event::Open));
        let notes = note.map(|note| event(end, Event::Note(note)));
        session.events.extend(notes);
        session.events.push(event(end, Event::Close));
        session.duration = Some(end.at.since(begin.at));
        session
    }

    /// Adds what `session` does not yet know.
    fn complete(self, session: &mut LogSession) {
        session.peer = session.peer.or(self.peer);
        session.peer_port = session.peer_port.or(self.peer_port);
        session.local = session.local.or(self.local);
        session.local_port = session.local_port.or(self.local_port);
        session.encryption = session.encryption.or(self.encryption);
        session.tls = session.tls.take().or(self.tls);
        let is_new = |name: &String| !session.names.contains(name);
        let name = self.user.filter(is_new);
        session.names.extend(name);
    }

    fn session(self, event: LogEvent) -> LogSession {
        let mut session = LogSession::new(event.line.log, self.proto);
        session.peer = self.peer;
        session.peer_port = self.peer_port;
        session.local = self.local;
        session.local_port = self.local_port;
        session.names.extend(self.user);
        session.encryption = self.encryption;
        session.tls = self.tls;
        session.events.push(event);
        session
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// The client's address and port.
    End((IpAddr, u16)),
    /// The server's own number of the connection.
    Serial(String),
}

/// The connections of one log.
pub(in crate::log) struct Connections {
    id: LogId,
    open: BTreeMap<Key, LogSession>,
}

impl Connections {
    pub(in crate::log) const fn new(id: LogId) -> Self {
        Self {
            id,
            open: BTreeMap::new(),
        }
    }

    /// Adds a line to its connection, where one is named; else it is a session of its own.
    pub(in crate::log) fn take(
        &mut self,
        line: u64,
        mut request: Request,
        out: &mut Vec<LogSession>,
    ) {
        let log = self.id;
        let line = LineRef { log, line };
        let stamp = request.stamp;
        let what = std::mem::replace(&mut request.what, Event::Open);
        let event = LogEvent { line, stamp, what };
        let note = request.note.take().map(Event::Note);
        let note = note.map(|what| LogEvent { line, stamp, what });
        let Some(key) = request.key() else {
            let mut session = request.session(event);
            session.events.extend(note);
            return out.push(session);
        };
        let is_over = event.what == Event::Close;
        match self.open.get_mut(&key) {
            Some(session) if request.follows(session) => {
                session.events.push(event);
                session.events.extend(note);
                request.complete(session);
            }
            _ => {
                if self.open.len() >= MAX_OPEN {
                    self.finish(out);
                }
                let mut session = request.session(event);
                session.events.extend(note);
                out.extend(self.open.insert(key.clone(), session));
            }
        }
        if is_over {
            out.extend(self.open.remove(&key));
        }
    }

    /// Gives the connections that are due.
    pub(in crate::log) fn settle(&mut self, due: &Due<'_>, out: &mut Vec<LogSession>) {
        let over = |session: &LogSession| {
            let last = session.events.last().map(|event| event.stamp.at);
            let end = session.peer.zip(session.peer_port);
            last.is_none_or(|last| last < due.before)
                && end.is_none_or(|(ip, port)| !(due.goes_on)(ip, port))
        };
        let given = self.open.extract_if(.., |_, session| over(session));
        out.extend(given.map(|(_, session)| session));
    }

    /// No more lines will come.
    pub(in crate::log) fn finish(&mut self, out: &mut Vec<LogSession>) {
        out.extend(std::mem::take(&mut self.open).into_values());
    }
}
