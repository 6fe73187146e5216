//! From the lines of Sendmail to sessions.

use std::collections::HashMap;

use crate::model::{
    ClockStep, Delivery, Ending, Event, LineRef, LogCommand, LogId, LogSession, Marks, Role, Shown,
    Shows, Side, Span, Stamp, Verb, Zone, from_wire,
};

use super::super::by_host;
use super::super::fates::Fates;
use super::super::hidden_clock;
use super::super::syslog::{self, Envelope, Syslog};
use super::super::{Builder, Due, Entry, Head, Line, Parsed, Sureness};
use super::line::{Said, address, is_sendmail, made, said, split, value};
use super::serving::Serving;

/// Row of the registry.
pub(in super::super) const ENTRY: Entry = Entry {
    name: "sendmail",
    about: "Sendmail, in any syslog envelope",
    shows: Shows {
        client_port: Shown::Never,
        session_id: Shown::Partly("the process"),
        step: ClockStep::Envelope,
        marks: Marks::Line,
        octets: Shown::Partly("of messages, line ends as one"),
        commands: Shown::With("LogLevel=15"),
        replies: Shown::With("LogLevel=15"),
        tls: Shown::Always,
        users: Shown::Always,
    },
    probe,
    open: |id, head| by_host::open(id, head, Sendmail::new),
};

/// Processes that may be serving at once.
const MAX_OPEN: usize = 50_000;

fn probe(head: &Head<'_>) -> Sureness {
    syslog::share(head, |envelope| is_sendmail(envelope.program))
}

/// Puts the lines of one log together.
struct Sendmail {
    id: LogId,
    syslog: Syslog,
    year: i32,
    /// Where the stamps say it.
    stated: Option<Span>,
    /// Where queue ids, which are in UTC, show it.
    shown: Option<Span>,
    /// Sessions by process, with that of its client side.
    open: HashMap<(String, Role), Serving>,
    done: Vec<Serving>,
    messages: Fates,
}

impl Sendmail {
    fn new(id: LogId, head: &Head<'_>) -> Self {
        let year = year(head);
        let mut sendmail = Self {
            id,
            syslog: Syslog::new(year),
            year,
            stated: None,
            shown: None,
            open: HashMap::new(),
            done: Vec::new(),
            messages: Fates::default(),
        };
        let mut syslog = Syslog::new(year);
        for line in head.lines {
            let text = from_wire(line);
            if let Some(envelope) = syslog.open(&text).filter(|e| is_sendmail(e.program))
                && sendmail.shown.is_none()
            {
                sendmail.learn_zone(&envelope);
            }
        }
        sendmail
    }

    /// A queue id is made in the connection whose first line it stands in.
    fn learn_zone(&mut self, envelope: &Envelope<'_>) {
        let (id, rest) = split(envelope.text);
        let begins = matches!(said(rest), Said::From | Said::Received(_) | Said::Reject);
        if envelope.zone.is_none() && begins {
            let zone =
                made(id, self.year).and_then(|made| hidden_clock::zone(envelope.stamp.at, made));
            self.shown = zone.or(self.shown);
        }
    }

    fn session(&mut self, pid: &str, role: Role, stamp: Stamp) -> Option<&mut Serving> {
        let key = (pid.to_owned(), role);
        if self.open.len() >= MAX_OPEN && !self.open.contains_key(&key) {
            return None;
        }
        let id = self.id;
        Some(
            self.open
                .entry(key)
                .or_insert_with(|| Serving::new(id, role, stamp)),
        )
    }

    fn end(&mut self, pid: &str, role: Role) {
        let over = self.open.remove(&(pid.to_owned(), role));
        self.done.extend(over);
    }

    fn line(&mut self, line: LineRef, stamp: Stamp, envelope: &Envelope<'_>) -> Parsed {
        let (id, rest) = split(envelope.text);
        let said = said(rest);
        let pid = envelope.pid;
        let aside = Parsed::Aside(Some(stamp));
        match said {
            Said::Other => return aside,
            Said::To => return self.delivered(line, stamp, pid, id, rest),
            Said::ClientTls => {
                // A new connection: the last one of this process is over.
                self.end(pid, Role::Client);
                if let Some(serving) = self.session(pid, Role::Client, stamp) {
                    serving.tls(line, stamp, rest);
                }
                return Parsed::Event(stamp);
            }
            Said::Connect => self.end(pid, Role::Server),
            Said::From if self.given_here(pid, rest) => {
                self.sender(id, rest);
                return aside;
            }
            _ => {}
        }
        let peer = match said {
            Said::Received(_) | Said::Sent(_) => None,
            Said::Connect | Said::Idle | Said::Lost | Said::Timeout => address(rest),
            Said::Forbidden(who, _) | Said::Suspect(who) => address(who),
            // The user's name stands before it as the client gave it, and may look like it.
            Said::AuthFailed => rest
                .rsplit_once("relay=")
                .and_then(|(_, relay)| address(relay)),
            _ => value(rest, "relay=").and_then(address),
        };
        let Some(serving) = self.session(pid, Role::Server, stamp) else {
            return aside;
        };
        let known = &mut serving.transcript.session.peer;
        *known = known.or(peer);
        match said {
            Said::Connect => serving.push(line, stamp, Event::Open),
            Said::Received(text) => serving.spoken(line, stamp, Side::Client, text),
            Said::Sent(text) => serving.spoken(line, stamp, Side::Server, text),
            Said::From => {
                serving.arrived(line, stamp, id, rest);
                self.sender(id, rest);
            }
            Said::ServerTls => serving.tls(line, stamp, rest),
            Said::Auth => {
                serving.name(value(rest, "authid=").unwrap_or_default());
                serving.push(line, stamp, Event::Note("authenticated".to_owned()));
            }
            Said::AuthFailed => serving.login_refused(line, stamp, rest),
            Said::Reject => serving.refused(line, stamp, rest),
            Said::Forbidden(_, command) => serving.forbidden(line, stamp, command),
            Said::Suspect(_) => serving.push(line, stamp, Event::Note(rest.to_owned())),
            Said::Lost => serving.close(line, stamp, Ending::Lost),
            Said::Timeout => serving.close(line, stamp, Ending::Timeout),
            Said::Idle => serving.close(line, stamp, Ending::Unknown),
            Said::ClientTls | Said::Other | Said::To => {}
        }
        let over = match said {
            Said::Idle | Said::Timeout => true,
            Said::Sent(_) => self
                .open
                .get_mut(&(pid.to_owned(), Role::Server))
                .is_some_and(|serving| {
                    let over = serving.transcript.is_over();
                    if over {
                        serving.close(line, stamp, Ending::Quit);
                    }
                    over
                }),
            _ => false,
        };
        if over {
            self.end(pid, Role::Server);
        }
        Parsed::Event(stamp)
    }

    /// Its session, with what became of its messages so far; `None` for a client that is not named, and cannot be found again.
    fn told(&self, mut serving: Serving) -> Option<LogSession> {
        let session = &mut serving.transcript.session;
        if session.events.is_empty() {
            return None;
        }
        if session.role == Role::Server {
            session.deliveries = self.messages.of(&serving.messages);
        }
        Some(serving.into_session())
    }

    /// Whether a message was given by a program of this host, over no connection.
    fn given_here(&self, pid: &str, rest: &str) -> bool {
        let relay = value(rest, "relay=").and_then(address);
        relay.is_none() && !self.open.contains_key(&(pid.to_owned(), Role::Server))
    }

    fn sender(&mut self, id: &str, rest: &str) {
        let from = value(rest, "from=").map(|from| from.trim_matches(['<', '>']).to_owned());
        self.messages.begin(id, from);
    }

    /// `to=<a@b>,<c@d>, delay=…, mailer=esmtp, relay=mx. [203.0.113.25], dsn=2.0.0, stat=Sent (…)`
    fn delivered(
        &mut self,
        line: LineRef,
        stamp: Stamp,
        pid: &str,
        id: &str,
        rest: &str,
    ) -> Parsed {
        let list = rest.strip_prefix("to=").unwrap_or(rest);
        let list = list.split(", ").next().unwrap_or_default();
        let recipients: Vec<&str> = list
            .split(',')
            .map(|to| to.trim_matches(['<', '>']))
            .collect();
        let stat = value(rest, "stat=").unwrap_or_default();
        let (status, reply) = stat.split_once(" (").unwrap_or((stat, ""));
        let relay = value(rest, "relay=").unwrap_or_default();
        let (word, words) = (status.trim_end_matches(':'), reply.trim_end_matches(')'));
        for recipient in &recipients {
            let told = [id, recipient, word, relay, words];
            self.messages.add(Delivery::new(line, told));
        }
        let from = self.messages.sender(id).map(str::to_owned);
        let mailer = value(rest, "mailer=").unwrap_or_default();
        let is_smtp = ["smtp", "esmtp", "smtp8", "dsmtp", "relay"].contains(&mailer);
        let (true, Some(peer)) = (is_smtp, address(relay)) else {
            return Parsed::Aside(Some(stamp));
        };
        let going_on = self
            .open
            .get(&(pid.to_owned(), Role::Client))
            .is_some_and(|serving| {
                let session = &serving.transcript.session;
                session.peer.is_none_or(|known| known == peer)
            });
        if !going_on {
            self.end(pid, Role::Client);
        }
        let Some(serving) = self.session(pid, Role::Client, stamp) else {
            return Parsed::Aside(Some(stamp));
        };
        serving.transcript.session.peer = Some(peer);
        let again = serving.messages.iter().any(|message| message == id);
        let sent = status == "Sent";
        let body = LogCommand {
            verb: Verb::new(Verb::BODY),
            code: sent.then(|| "250".to_owned()),
            ..LogCommand::default()
        };
        if !again {
            serving.messages.push(id.to_owned());
            if let Some(from) = from {
                serving.imply("MAIL", format!("MAIL FROM:<{from}>"), Some("250"), None);
            }
            if sent {
                for recipient in &recipients {
                    serving.imply("RCPT", format!("RCPT TO:<{recipient}>"), None, None);
                }
                serving.imply("DATA", "DATA".into(), Some("354"), None);
                serving.imply(Verb::BODY, String::new(), Some("250"), None);
            }
        }
        let what = if sent && !again {
            Event::command(body)
        } else {
            Event::Note(stat.to_owned())
        };
        serving.push(line, stamp, what);
        Parsed::Event(stamp)
    }
}

/// The year of the first queue id, which a stamp of syslog lacks.
fn year(head: &Head<'_>) -> i32 {
    let mut syslog = Syslog::new(head.year);
    let made = head.lines.iter().find_map(|line| {
        let text = from_wire(line);
        let envelope = syslog.open(&text).filter(|e| is_sendmail(e.program))?;
        made(split(envelope.text).0, head.year)
    });
    made.map_or(head.year, |made| {
        let text = made.to_rfc3339();
        text.get(..4)
            .and_then(|year| year.parse().ok())
            .unwrap_or(head.year)
    })
}

impl Builder for Sendmail {
    fn line(&mut self, line: Line<'_>, _: &mut Vec<LogSession>) -> Parsed {
        let text = from_wire(line.bytes);
        let Some(envelope) = self.syslog.open(&text) else {
            return Parsed::Failed;
        };
        self.stated = self.stated.or(envelope.zone);
        if is_sendmail(envelope.program) {
            self.learn_zone(&envelope);
        }
        let east = self.shown.filter(|_| envelope.zone.is_none());
        let stamp = Stamp {
            at: envelope.stamp.at - east.unwrap_or_default(),
            ..envelope.stamp
        };
        if !is_sendmail(envelope.program) {
            return Parsed::Aside(Some(stamp));
        }
        let line = LineRef {
            log: self.id,
            line: line.number,
        };
        self.line(line, stamp, &envelope)
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        let mut all = std::mem::take(&mut self.done);
        all.extend(self.open.drain().map(|(_, serving)| serving));
        out.extend(all.into_iter().filter_map(|serving| self.told(serving)));
    }

    fn settle(&mut self, due: &Due<'_>, out: &mut Vec<LogSession>) {
        let over = |serving: &mut Serving| serving.last.at < due.before;
        let over: Vec<Serving> = self.done.extract_if(.., over).collect();
        out.extend(over.into_iter().filter_map(|serving| self.told(serving)));
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
