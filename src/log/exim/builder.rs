//! From the lines of Exim to sessions.

mod outgoing;

use crate::model::{
    ClockStep, Event, LineRef, LogId, LogSession, Marks, Role, Shown, Shows, Span, Stamp, Zone,
    from_wire,
};

use super::super::by_host;
use super::super::fates::Fates;
use super::super::hidden_clock;
use super::super::syslog::Syslog;
use super::super::{Builder, Due, Entry, Head, Line, Parsed, Sureness};
use super::line::{Ends, Said, ends, said};
use super::message_id::{MessageId, Unit};
use super::serving::Serving;

/// Row of the registry.
pub(in super::super) const ENTRY: Entry = Entry {
    name: "exim",
    about: "Exim main log, own file or any syslog envelope",
    shows: Shows {
        client_port: Shown::With("log_selector = +incoming_port"),
        session_id: Shown::With("log_selector = +pid"),
        step: ClockStep::Varies,
        marks: Marks::Line,
        octets: Shown::Partly("of messages, line ends as one"),
        commands: Shown::Partly("those refused, and what a message tells"),
        replies: Shown::Partly("refusals, and what other hosts said to deliveries"),
        tls: Shown::Always,
        users: Shown::Always,
    },
    probe,
    open: |id, head| by_host::open(id, head, Exim::new),
};

/// Sessions that may be open at once.
const MAX_OPEN: usize = 20_000;
/// A session of which nothing was heard for so long is over (`smtp_receive_timeout` is five minutes).
const SILENCE: Span = Span::seconds(660);
/// Lines between two looks for sessions that are over.
const SWEEP: u64 = 1024;

fn probe(head: &Head<'_>) -> Sureness {
    let mut syslog = Syslog::new(head.year);
    head.share(|line| said(&mut syslog, &from_wire(line)).is_some_and(|said| said.is_own()))
}

/// Puts the lines of one log together.
struct Exim {
    id: LogId,
    syslog: Syslog,
    /// Where the stamps say it.
    stated: Option<Span>,
    /// Where the ids of messages, which are in UTC, show it.
    shown: Option<Span>,
    unit: Unit,
    open: Vec<Serving>,
    done: Vec<Serving>,
    messages: Fates,
}

impl Exim {
    fn new(id: LogId, head: &Head<'_>) -> Self {
        let mut exim = Self {
            id,
            syslog: Syslog::new(head.year),
            stated: None,
            shown: None,
            unit: Unit::Unknown,
            open: Vec::new(),
            done: Vec::new(),
            messages: Fates::default(),
        };
        let mut syslog = Syslog::new(head.year);
        for line in head.lines {
            let text = from_wire(line);
            if let Some(said) = said(&mut syslog, &text) {
                exim.learn(&said);
            }
        }
        exim
    }

    /// What the line shows of zone and version.
    fn learn(&mut self, said: &Said<'_>) {
        if let Some(version) = said.text.strip_prefix("exim 4.") {
            let digits = version.bytes().take_while(u8::is_ascii_digit).count();
            self.unit = match version
                .get(..digits)
                .and_then(|version| version.parse().ok())
            {
                Some(96u16) => Unit::Coarse,
                Some(14..=95) => Unit::Fine,
                _ => self.unit,
            };
        }
        let Some((_, id)) = said.message else {
            return;
        };
        if id.shows() != Unit::Unknown {
            self.unit = id.shows();
        }
        if said.zone.is_none() && said.text.starts_with("<= ") {
            let zone = hidden_clock::zone(said.stamp.at, id.second);
            self.shown = zone.or(self.shown);
        }
    }

    fn line(&mut self, line: LineRef, stamp: Stamp, said: &Said<'_>) -> Parsed {
        let text = said.text;
        match (said.message, text.split(' ').next().unwrap_or_default()) {
            (Some((id, read)), "<=") => return self.arrived(line, stamp, said, id, read),
            (Some((id, _)), flag @ ("=>" | "->" | ">>" | "**" | "==")) => {
                return self.delivered(line, stamp, said.pid, id, flag, text);
            }
            (Some(_), "Completed") => return Parsed::Aside(Some(stamp)),
            _ => {}
        }
        let ends = ends(text);
        if text.starts_with("SMTP connection from ") && text.contains("(TCP/IP connection count") {
            let mut serving = Serving::new(self.id, Role::Server, &ends, stamp);
            serving.push(line, stamp, Event::Open);
            self.begin(serving);
            return Parsed::Event(stamp);
        }
        if ends.peer.is_none() || !concerns_client(text) {
            return Parsed::Aside(Some(stamp));
        }
        let at = self.session(stamp, said.pid, &ends);
        let Some(serving) = self.open.get_mut(at) else {
            return Parsed::Aside(Some(stamp));
        };
        serving.ends(&ends);
        let no_mail = text.starts_with("no MAIL in SMTP connection ");
        if no_mail {
            serving.listed(text);
            serving.tls(text);
        }
        if is_end(text) {
            serving.closed(line, stamp, text);
            // What the session did may follow on a line of its own.
            if no_mail || !serving.messages.is_empty() {
                let over = self.open.remove(at);
                self.done.push(over);
            }
            return Parsed::Event(stamp);
        }
        let what = match serving.refused(text) {
            Some(command) => Event::command(command),
            None => Event::Note(text.to_owned()),
        };
        serving.push(line, stamp, what);
        Parsed::Event(stamp)
    }

    fn arrived(
        &mut self,
        line: LineRef,
        stamp: Stamp,
        said: &Said<'_>,
        id: &str,
        read: MessageId,
    ) -> Parsed {
        let text = said.text;
        let sender = text.split(' ').nth(1).map(str::to_owned);
        self.messages.begin(id, sender);
        let ends = ends(text);
        if ends.peer.is_none() {
            // Given by a program of this host.
            return Parsed::Aside(Some(stamp));
        }
        let own = read.pid.to_string();
        let pid = if said.pid.is_empty() { &own } else { said.pid };
        let at = self.session(stamp, pid, &ends);
        let began = read.began(self.unit);
        let zoned = self.stated.is_some() || self.shown.is_some();
        if let Some(serving) = self.open.get_mut(at) {
            serving.ends(&ends);
            if zoned
                && began.resolution < Span::SECOND
                && stamp.at.since(began.at) <= hidden_clock::LATEST
            {
                let note = Event::Note("message id made".to_owned());
                serving.push(line, began, note);
            }
            serving.arrived(line, stamp, id, text);
        }
        Parsed::Event(stamp)
    }

    /// The session of a process, of a port, or the only one of an address that has no process yet; else a new one.
    fn session(&mut self, stamp: Stamp, pid: &str, ends: &Ends<'_>) -> usize {
        let of_peer = |serving: &Serving| {
            serving.session.role == Role::Server && serving.session.peer == ends.peer
        };
        let port_fits = |serving: &Serving| match (serving.session.peer_port, ends.peer_port) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        let named = self.open.iter().rposition(|serving| {
            of_peer(serving)
                && port_fits(serving)
                && !pid.is_empty()
                && serving.pid.as_deref() == Some(pid)
        });
        let by_port = self.open.iter().rposition(|serving| {
            of_peer(serving)
                && ends.peer_port.is_some()
                && serving.session.peer_port == ends.peer_port
                && (pid.is_empty() || serving.pid.as_deref().is_none_or(|own| own == pid))
        });
        let mut alone = self.open.iter().enumerate().filter(|(_, serving)| {
            of_peer(serving) && port_fits(serving) && (serving.pid.is_none() || pid.is_empty())
        });
        let alone = alone
            .next()
            .map(|(at, _)| at)
            .filter(|_| alone.next().is_none());
        let at = named.or(by_port).or(alone).unwrap_or_else(|| {
            let serving = Serving::new(self.id, Role::Server, ends, stamp);
            self.begin(serving);
            self.open.len() - 1
        });
        if let Some(serving) = self.open.get_mut(at)
            && !pid.is_empty()
        {
            serving.pid.get_or_insert_with(|| pid.to_owned());
        }
        at
    }

    fn begin(&mut self, serving: Serving) {
        if self.open.len() >= MAX_OPEN {
            let oldest = self.open.remove(0);
            self.done.push(oldest);
        }
        self.open.push(serving);
    }

    /// Its session, with what became of its messages so far.
    fn told(&self, mut serving: Serving) -> LogSession {
        if serving.session.role == Role::Server {
            serving.session.deliveries = self.messages.of(&serving.messages);
        }
        serving.into_session()
    }

    /// Ends sessions of which nothing was heard for long.
    fn sweep(&mut self, now: Stamp) {
        let over = |serving: &mut Serving| now.at.since(serving.last.at) > SILENCE;
        self.done.extend(self.open.extract_if(.., over));
    }
}

/// Whether a line with an address is of a client's session.
fn concerns_client(text: &str) -> bool {
    const WORDS: [&str; 15] = [
        " rejected ",
        "H=",
        "SMTP call from ",
        "SMTP command timeout",
        "SMTP connection from",
        "SMTP data timeout",
        "SMTP protocol",
        "SMTP syntax error",
        "TLS error on connection from",
        "authenticator failed for",
        "no MAIL in SMTP connection",
        "refused connection from",
        "rejected connection",
        "too many ",
        "unexpected disconnection",
    ];
    WORDS.iter().any(|word| text.contains(word))
}

/// Whether a session is over with this line.
fn is_end(text: &str) -> bool {
    const ENDS: [&str; 6] = [
        "SMTP call from ",
        "SMTP command timeout ",
        "SMTP connection from ",
        "SMTP data timeout ",
        "no MAIL in SMTP connection ",
        "unexpected disconnection while ",
    ];
    ENDS.iter().any(|end| text.starts_with(end))
}

impl Builder for Exim {
    fn line(&mut self, line: Line<'_>, _: &mut Vec<LogSession>) -> Parsed {
        let text = from_wire(line.bytes);
        let Some(said) = said(&mut self.syslog, &text) else {
            // Another program's line in the same file of syslog is none of this one's business.
            return match self.syslog.open(&text) {
                // A message of several lines goes on behind a blank.
                None if text.starts_with(' ') => Parsed::Aside(None),
                Some(envelope) => Parsed::Aside(Some(envelope.stamp)),
                None => Parsed::Failed,
            };
        };
        self.stated = self.stated.or(said.zone);
        self.learn(&said);
        let east = self.shown.filter(|_| said.zone.is_none());
        let stamp = Stamp {
            at: said.stamp.at - east.unwrap_or_default(),
            ..said.stamp
        };
        if line.number.is_multiple_of(SWEEP) {
            self.sweep(stamp);
        }
        let line = LineRef {
            log: self.id,
            line: line.number,
        };
        self.line(line, stamp, &said)
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        let mut all = std::mem::take(&mut self.done);
        all.append(&mut self.open);
        out.extend(all.into_iter().map(|serving| self.told(serving)));
    }

    fn settle(&mut self, due: &Due<'_>, out: &mut Vec<LogSession>) {
        let over = |serving: &mut Serving| serving.last.at < due.before;
        let over: Vec<Serving> = self.done.extract_if(.., over).collect();
        out.extend(over.into_iter().map(|serving| self.told(serving)));
    }

    fn zone(&self) -> Zone {
        self.stated
            .or(self.shown)
            .map_or(Zone::Assumed, Zone::Stated)
    }

    fn remarks(&self) -> Vec<String> {
        self.messages.remarks()
    }
}

#[cfg(test)]
mod tests;
