//! From the lines of Dovecot to sessions.

mod counts;
mod delivery;
mod early;
mod mailbox;

use std::collections::HashMap;
use std::net::IpAddr;

use crate::model::{
    ClockStep, Encryption, Event, LineRef, LogEvent, LogId, LogSession, Marks, Proto, Shown, Shows,
    Span, Stamp, Zone, as_text,
};

use super::super::by_host;
use super::super::hidden_clock::{is_prompt, zone};
use super::super::syslog::Syslog;
use super::super::{Builder, Entry, Head, Line, Parsed, Sureness};
use super::line::{Elements, Said, ending, said};
use super::session_id::SessionId;
use counts::user_command;
use delivery::Deliveries;
use early::Early;

/// Row of the registry.
pub(in super::super) const ENTRY: Entry = Entry {
    name: "dovecot",
    about: "Dovecot logins and mailboxes, own file or any syslog envelope",
    shows: Shows {
        client_port: Shown::Partly("inside the session id"),
        session_id: Shown::Always,
        step: ClockStep::Envelope,
        marks: Marks::Line,
        octets: Shown::Partly("behind the login"),
        commands: Shown::Never,
        replies: Shown::Never,
        tls: Shown::With("%k in login_log_format_elements"),
        users: Shown::Always,
    },
    probe,
    open: |id, head| by_host::open(id, head, Dovecot::new),
};

/// Lines kept of one session; of those that tell of mails there may be as many as mails.
const MAX_TOLD: usize = 1_000;
/// Sessions that may be open at once, in all and of one user.
const MAX_OPEN: usize = 50_000;
const MAX_OF_USER: usize = 1_000;

fn probe(head: &Head<'_>) -> Sureness {
    let mut syslog = Syslog::new(head.year);
    head.share(|line| said(&mut syslog, &as_text(line)).is_some_and(|said| said.is_own()))
}

/// Puts the lines of one log together.
struct Dovecot {
    id: LogId,
    syslog: Syslog,
    /// Where the stamps say it.
    stated: Option<Span>,
    /// Where session ids, which are in UTC, show it.
    shown: Option<Span>,
    /// Whether login lines tell of TLS at all: the list of what they tell can be changed.
    tells_tls: bool,
    open: HashMap<u64, Serving>,
    next: u64,
    by_session: HashMap<String, u64>,
    by_user: HashMap<(Proto, String), User>,
    early: Early,
    deliveries: Deliveries,
}

/// A session whose last line has not come.
struct Serving {
    session: LogSession,
    key: Option<String>,
    user: (Proto, String),
    mpid: String,
}

/// The sessions of a user in one protocol.
#[derive(Default)]
struct User {
    open: Vec<u64>,
    /// Lines that ended one of them, it cannot be told which.
    ended: usize,
}

impl Dovecot {
    fn new(id: LogId, head: &Head<'_>) -> Self {
        let mut dovecot = Self {
            id,
            syslog: Syslog::new(head.year),
            stated: None,
            shown: None,
            tells_tls: false,
            open: HashMap::new(),
            next: 0,
            by_session: HashMap::new(),
            by_user: HashMap::new(),
            early: Early::default(),
            deliveries: Deliveries::new(id),
        };
        let mut syslog = Syslog::new(head.year);
        for line in head.lines {
            let text = as_text(line);
            let Some(said) = said(&mut syslog, &text) else {
                continue;
            };
            if let Some((_, told)) = said.login() {
                dovecot.tells_tls |= told.tls.is_some() || told.secured;
                if dovecot.shown.is_none() && said.zone.is_none() {
                    dovecot.learn_zone(said.stamp, told.session);
                }
            }
        }
        dovecot
    }

    fn learn_zone(&mut self, stamp: Stamp, session: &str) {
        let zone = SessionId::read(session, stamp.at).and_then(|id| zone(stamp.at, id.began));
        self.shown = zone.or(self.shown);
    }

    /// A line of a login process: a session begins, or was nothing but an attempt.
    fn login(
        &mut self,
        line: LineRef,
        said: &Said<'_>,
        login: Option<(&str, Elements<'_>)>,
        stamp: Stamp,
        out: &mut Vec<LogSession>,
    ) -> Parsed {
        let aside = Parsed::Aside(Some(stamp));
        let Some(proto) = said.proto() else {
            return aside;
        };
        let Some((message, told)) = login else {
            return if said.text.starts_with("Login: ") {
                Parsed::Failed
            } else {
                aside
            };
        };
        self.tells_tls |= told.tls.is_some() || told.secured;
        let id = SessionId::read(told.session, stamp.at);
        let Some(mut session) = self.session(proto, &told, id.as_ref()) else {
            return Parsed::Failed;
        };
        let mut push = |stamp, what| session.events.push(LogEvent { line, stamp, what });
        if let Some(id) = id.filter(|id| is_prompt(stamp.at, id.began)) {
            let stamp = Stamp {
                at: id.began,
                resolution: Span::MICROSECOND,
            };
            // It is made when it is first wanted, between the connection's beginning and the login.
            push(stamp, Event::Note("session id made".to_owned()));
        }
        let method = match told.method {
            "" => String::new(),
            method => format!(", method {method}"),
        };
        let words = format!("{message}{method}");
        let began = ["Login", "Logged in"].contains(&message) || message.contains("proxying to");
        if began {
            push(stamp, Event::Login(words));
            if self.early.complete(told.session, &mut session) {
                out.push(session);
            } else {
                self.begin(session, &told, out);
            }
            return Parsed::Event(stamp);
        }
        if message.starts_with("proxy(")
            && let Some(&at) = self.by_session.get(told.session)
        {
            self.passed_on(at, (line, stamp), message, out);
            return Parsed::Event(stamp);
        }
        push(stamp, Event::Note(words));
        push(stamp, Event::Close);
        session.ending = ending(message);
        out.push(session);
        Parsed::Event(stamp)
    }

    /// What the login process tells of a session that it passes on to another host, to its end.
    fn passed_on(
        &mut self,
        at: u64,
        (line, stamp): (LineRef, Stamp),
        message: &str,
        out: &mut Vec<LogSession>,
    ) {
        let over = message.contains("isconnected") || message.contains("isconnecting");
        if let Some(serving) = self.open.get_mut(&at) {
            let events = &mut serving.session.events;
            let note = Event::Note(message.to_owned());
            for what in [Some(note), over.then_some(Event::Close)]
                .into_iter()
                .flatten()
            {
                events.push(LogEvent { line, stamp, what });
            }
        }
        if over {
            out.extend(self.close(at));
        }
    }

    /// What the elements of a login line tell; `None` when there is no address in them that can be read.
    fn session(
        &self,
        proto: Proto,
        told: &Elements<'_>,
        id: Option<&SessionId>,
    ) -> Option<LogSession> {
        let mut session = LogSession::new(self.id, proto);
        if !told.rip.is_empty() {
            session.peer = Some(address(told.rip)?);
        }
        // The id of a proxy in front has the port of another connection.
        let id = id.filter(|id| session.peer.is_none_or(|peer| peer == id.peer));
        session.peer = Some(session.peer.or(id.map(|id| id.peer))?);
        session.peer_port = told.rport.parse().ok().or(id.map(|id| id.port));
        session.local = address(told.lip);
        session.local_port = told.lport.parse().ok();
        session.tls.clone_from(&told.tls);
        let clear = self.tells_tls && told.tls.is_none() && !told.secured;
        session.encryption = clear.then_some(Encryption::None);
        if !told.user.is_empty() {
            session.names.push(told.user.to_owned());
            session.rare_mut().sizes.extend(user_command(proto, told));
        }
        Some(session)
    }

    fn begin(&mut self, session: LogSession, told: &Elements<'_>, out: &mut Vec<LogSession>) {
        if self.open.len() >= MAX_OPEN {
            self.flush(out);
        }
        let user = (session.proto, told.user.to_owned());
        let of_user = self.by_user.entry(user.clone()).or_default();
        let oldest = of_user.open.first().copied();
        let full = of_user.open.len() >= MAX_OF_USER;
        of_user.open.push(self.next);
        let key = (!told.session.is_empty()).then(|| told.session.to_owned());
        if let Some(key) = &key {
            self.by_session.insert(key.clone(), self.next);
        }
        let serving = Serving {
            session,
            key,
            user,
            mpid: told.mpid.to_owned(),
        };
        self.open.insert(self.next, serving);
        self.next += 1;
        if full && let Some(oldest) = oldest {
            out.extend(self.close(oldest));
        }
    }

    /// Takes a session out of all lists.
    fn close(&mut self, at: u64) -> Option<LogSession> {
        let serving = self.open.remove(&at)?;
        if let Some(key) = &serving.key
            && self.by_session.get(key) == Some(&at)
        {
            self.by_session.remove(key);
        }
        if let Some(of_user) = self.by_user.get_mut(&serving.user) {
            of_user.open.retain(|&other| other != at);
            if of_user.open.is_empty() {
                self.by_user.remove(&serving.user);
            }
        }
        Some(serving.session)
    }

    fn flush(&mut self, out: &mut Vec<LogSession>) {
        self.early.flush(out);
        self.deliveries.flush(out);
        self.by_session.clear();
        self.by_user.clear();
        out.extend(self.open.drain().map(|(_, serving)| serving.session));
    }
}

impl Builder for Dovecot {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = as_text(line.bytes);
        let Some(said) = said(&mut self.syslog, &text) else {
            return Parsed::Failed;
        };
        self.stated = self.stated.or(said.zone);
        let login = said.is_login().then(|| said.login());
        if said.zone.is_none()
            && let Some(Some((_, told))) = &login
        {
            self.learn_zone(said.stamp, told.session);
        }
        let east = self.shown.filter(|_| said.zone.is_none());
        let stamp = Stamp {
            at: said.stamp.at - east.unwrap_or_default(),
            ..said.stamp
        };
        let line = LineRef {
            log: self.id,
            line: line.number,
        };
        self.early.let_go(stamp.at, out);
        if let Some(login) = login {
            self.login(line, &said, login, stamp, out)
        } else if said.service == "lmtp" {
            if self.deliveries.line(line, &said, stamp, out) {
                Parsed::Event(stamp)
            } else {
                Parsed::Aside(Some(stamp))
            }
        } else {
            self.mailbox(line, &said, stamp, out)
        }
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        self.flush(out);
    }

    fn zone(&self) -> Zone {
        self.stated
            .or(self.shown)
            .map_or(Zone::Assumed, Zone::Stated)
    }
}

fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

#[cfg(test)]
mod tests;
