//! From the lines of all of Postfix's daemons to sessions.

use std::collections::{HashMap, HashSet};

use smallvec::SmallVec;

use crate::model::{
    ClockStep, LineRef, LogId, LogSession, Marks, Shown, Shows, Span, Stamp, Zone, as_text,
    from_wire,
};

use super::super::by_host;
use super::super::cut::{cut, cut_last};
use super::super::hidden_clock;
use super::super::read::{Apart, RawLine};
use super::super::syslog::{self, Envelope, Syslog, Undated};
use super::super::{Builder, Due, Entry, Head, Line, Parsed, Sureness};
use super::about::{About, about};
use super::line::{Client, Said, said, who};
use super::messages::Messages;
use super::outgoing::Outgoing;
use super::queue_id;
use super::screen::Screen;
use super::serving::{Over, Serving};
use super::waiting::Waiting;

/// Row of the registry.
pub(in super::super) const ENTRY: Entry = Entry {
    name: "postfix",
    about: "Postfix, in any syslog envelope",
    shows: Shows {
        client_port: Shown::With("smtpd_client_port_logging=yes"),
        session_id: Shown::Partly("the process, from connect to disconnect"),
        step: ClockStep::Envelope,
        marks: Marks::Line,
        octets: Shown::Partly("of messages in the queue"),
        commands: Shown::Partly("counts; those refused one by one; all with smtpd -v"),
        replies: Shown::Partly("refusals, and what other hosts said to deliveries"),
        tls: Shown::With("smtpd_tls_loglevel=1"),
        users: Shown::Always,
    },
    probe,
    open: |id, head| by_host::apart(id, head, Postfix::new),
};

/// Commands of one session that are put in order; of more only the tally is known.
const MAX_LISTED: u64 = 10_000;
/// Those of a session that nothing is made of, and how many all sessions of a log together may have beyond them.
const USUAL_LISTED: u64 = 100;
const MAX_LISTED_BEYOND: u64 = 10_000_000;
/// Processes that may be serving at once; more are not believed.
const MAX_OPEN: usize = 100_000;

fn probe(head: &Head<'_>) -> Sureness {
    syslog::share(head, |envelope| daemon(envelope.program).is_some())
}

/// `smtpd` of `postfix/smtpd`, `smtps/smtpd` of `postfix-in/smtps/smtpd`; empty where rsyslog has cut the name at the slash.
fn daemon(program: &str) -> Option<&str> {
    let (syslog_name, daemon) = cut(program, "/").unwrap_or((program, ""));
    let is_whole = !daemon.is_empty() || syslog_name == "postfix";
    (syslog_name.starts_with("postfix") && is_whole).then_some(daemon)
}

/// A line by itself.
#[expect(clippy::large_enum_variant, reason = "nearly all are of the largest")]
pub(super) enum Row<'a> {
    /// It is in no envelope.
    Bare,
    /// It is not in UTF-8.
    Foreign(&'a [u8]),
    Told(Undated<'a>, Told<'a>),
}

/// What a line tells, as far as its program says what it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Told<'a> {
    /// A line of another program.
    Aside,
    /// Of `smtpd` under the name of its service.
    Served(&'a str, Said<'a>),
    /// Of another daemon, about a message or not.
    Done(&'a str, Option<(&'a str, About<'a>)>),
    /// Which daemon it is of was cut off: it is told by the processes known.
    Cut,
}

impl<'a> Row<'a> {
    fn read(line: &'a str) -> Self {
        Undated::read(line).map_or(Self::Bare, |line| {
            Self::Told(line, Told::read(line.program, line.text))
        })
    }
}

impl<'a> Told<'a> {
    fn read(program: &'a str, text: &'a str) -> Self {
        let Some(daemon) = daemon(program) else {
            return Self::Aside;
        };
        match cut_last(daemon, "/").unwrap_or(("", daemon)) {
            (_, "") => Self::Cut,
            (service, "smtpd") => Self::Served(service, said(text)),
            (_, daemon) => Self::Done(daemon, about(text)),
        }
    }
}

/// A process id as it is written; nearly all are short.
type Pid = SmallVec<[u8; 16]>;

/// Puts the lines of one log together.
struct Postfix {
    id: LogId,
    syslog: Syslog,
    /// Where the stamps say it.
    stated: Option<Span>,
    /// Where long queue ids, which are in UTC, show it.
    shown: Option<Span>,
    /// By process id, while it serves.
    open: HashMap<Pid, Box<Serving>, foldhash::fast::RandomState>,
    /// Processes of which the log shows how they met a client: what they say later begins in it too.
    met: HashSet<u32, foldhash::fast::RandomState>,
    waiting: Waiting,
    messages: Messages,
    outgoing: Outgoing,
    screen: Screen,
    listed: Listed,
    /// Sessions without messages that the last line completed.
    whole: Vec<LogSession>,
}

/// Commands that tallies count: a line of a hundred octets can count thousands of millions.
#[derive(Default)]
struct Listed {
    /// Of sessions that have many.
    beyond: u64,
    /// Sessions whose commands are too many.
    left_out: u64,
}

impl Listed {
    /// Whether so many more of one session are put in order.
    fn take(&mut self, commands: u64) -> bool {
        let beyond = commands.saturating_sub(USUAL_LISTED);
        let is_room = commands <= MAX_LISTED && self.beyond + beyond <= MAX_LISTED_BEYOND;
        if is_room {
            self.beyond += beyond;
        } else {
            self.left_out += 1;
        }
        is_room
    }

    /// What a person should know of the bounds.
    fn remarks(&self) -> Option<String> {
        (self.left_out > 0).then(|| {
            format!(
                "the commands of {} sessions are counted but not listed, as they are more than {MAX_LISTED} in one or {MAX_LISTED_BEYOND} in all",
                self.left_out
            )
        })
    }
}

impl Postfix {
    fn new(id: LogId, head: &Head<'_>) -> Self {
        let mut postfix = Self {
            id,
            syslog: Syslog::new(head.year),
            stated: None,
            shown: None,
            open: HashMap::default(),
            met: HashSet::default(),
            waiting: Waiting::default(),
            messages: Messages::default(),
            outgoing: Outgoing::new(id),
            screen: Screen::new(id),
            listed: Listed::default(),
            whole: Vec::new(),
        };
        let mut syslog = Syslog::new(head.year);
        for line in head.lines {
            let text = as_text(line);
            if postfix.shown.is_none()
                && let Some(envelope) = syslog.open(&text)
            {
                postfix.learn_zone(&envelope);
            }
        }
        postfix
    }

    /// A queue id is made just before the line that first names it.
    fn learn_zone(&mut self, envelope: &Envelope<'_>) {
        let Some((id, rest)) = cut(envelope.text, ":") else {
            return;
        };
        if envelope.zone.is_some() || !rest.starts_with(" client=") {
            return;
        }
        let zone =
            queue_id::began(id).and_then(|began| hidden_clock::zone(envelope.stamp.at, began));
        self.shown = zone.or(self.shown);
    }

    fn smtpd(
        &mut self,
        line: LineRef,
        stamp: Stamp,
        service: &str,
        said: Said<'_>,
        envelope: &Envelope<'_>,
        out: &mut Vec<Over>,
    ) -> Parsed {
        match &said {
            &Said::Connect(client) => self.connect(stamp, service, envelope.pid, client, out),
            Said::Sent(_) | Said::Received(_) | Said::Other => {}
            _ => self.come_late(stamp, service, envelope, out),
        }
        let Some(serving) = self.open.get_mut(envelope.pid.as_bytes()) else {
            // It is of no session, or of one of which more cannot be told.
            return Parsed::Aside(Some(stamp));
        };
        let over = matches!(said, Said::Disconnect(_));
        serving.line(line, stamp, said, &mut self.messages);
        if over && let Some(mut serving) = self.open.remove(envelope.pid.as_bytes()) {
            if !self.listed.take(serving.counts()) {
                serving.leave_unlisted();
            }
            self.waiting.over(serving, &mut self.messages, out);
        }
        Parsed::Event(stamp)
    }

    fn connect(
        &mut self,
        stamp: Stamp,
        service: &str,
        pid: &str,
        client: Client,
        out: &mut Vec<Over>,
    ) {
        if let Ok(pid) = pid.parse()
            && self.met.len() < MAX_OPEN
        {
            self.met.insert(pid);
        }
        if self.open.len() >= MAX_OPEN {
            return;
        }
        let mut serving = Box::new(Serving::new(self.id, client, service));
        if let Some(before) = self.screen.passed(stamp, client) {
            serving.inherit(before);
        }
        // A process that never said goodbye to its last client was killed.
        if let Some(lost) = self.open.insert(pid.as_bytes().into(), serving) {
            self.waiting.over(lost, &mut self.messages, out);
        }
    }

    /// Where the log begins in the middle of a session, or somebody picked lines out of it, the first that names a client
    /// begins one.
    fn come_late(
        &mut self,
        stamp: Stamp,
        service: &str,
        envelope: &Envelope<'_>,
        out: &mut Vec<Over>,
    ) {
        let known = self.open.get(envelope.pid.as_bytes());
        if known.is_some_and(|serving| !serving.is_late()) {
            return;
        }
        let Some(client) = who(envelope.text) else {
            return;
        };
        if known.is_some_and(|serving| serving.may_go_on(client, stamp)) {
            return;
        }
        let room = self.open.len() < MAX_OPEN && self.met.len() < MAX_OPEN;
        let met = |pid| self.met.contains(&pid);
        if !room || envelope.pid.parse().map_or(true, met) {
            return;
        }
        let serving = Box::new(Serving::late(self.id, client, service));
        if let Some(lost) = self.open.insert(envelope.pid.as_bytes().into(), serving) {
            self.waiting.over(lost, &mut self.messages, out);
        }
    }

    /// A line of any daemon but `smtpd`.
    fn other(
        &mut self,
        line: LineRef,
        stamp: Stamp,
        daemon: &str,
        told: Option<&(&str, About<'_>)>,
        envelope: &Envelope<'_>,
        out: &mut Vec<Over>,
    ) -> Parsed {
        let whole = &mut self.whole;
        if matches!(daemon, "postscreen" | "")
            && self.screen.line(line, stamp, envelope.text, whole)
        {
            return Parsed::Event(stamp);
        }
        if daemon == "tlsproxy" && self.screen.tls(line, stamp, envelope.text) {
            return Parsed::Event(stamp);
        }
        if let Some((id, about)) = told {
            for waited in self.messages.take(line, id, about) {
                self.waiting.removed(waited, &mut self.messages, out);
            }
        }
        if !matches!(daemon, "smtp" | "lmtp" | "") {
            return Parsed::Aside(Some(stamp));
        }
        let part = match told {
            Some((id, About::Delivered(delivered))) => {
                let from = self.messages.sender(id);
                self.outgoing
                    .delivered(line, stamp, envelope.pid, (id, from), delivered, whole)
            }
            Some(_) => false,
            None => self
                .outgoing
                .said(line, stamp, envelope.pid, envelope.text, whole),
        };
        if part {
            Parsed::Event(stamp)
        } else {
            Parsed::Aside(Some(stamp))
        }
    }
}

impl Apart for Postfix {
    type Known = ();
    type Row<'a> = Row<'a>;
    type Over = Over;

    fn known(&self) {}

    fn read<'a>((): &mut (), line: RawLine<'a>) -> Row<'a> {
        line.utf8().map_or(Row::Foreign(line.bytes()), Row::read)
    }

    fn take(&mut self, row: Row<'_>, number: u64, out: &mut Vec<Over>) -> Parsed {
        let parsed = self.told(row, number, out);
        out.extend(self.whole.drain(..).map(Over::from));
        parsed
    }
}

impl Postfix {
    fn told(&mut self, row: Row<'_>, number: u64, out: &mut Vec<Over>) -> Parsed {
        let (line, told) = match row {
            Row::Bare => return Parsed::Failed,
            Row::Foreign(line) => return self.told(Row::read(&from_wire(line)), number, out),
            Row::Told(line, told) => (line, told),
        };
        let Some(envelope) = self.syslog.date(line) else {
            return Parsed::Failed;
        };
        self.stated = self.stated.or(envelope.zone);
        if let Told::Served(_, Said::Queued { .. }) | Told::Cut = told {
            self.learn_zone(&envelope);
        }
        let east = self.shown.filter(|_| envelope.zone.is_none());
        let stamp = Stamp {
            at: envelope.stamp.at - east.unwrap_or_default(),
            ..envelope.stamp
        };
        let line = LineRef {
            log: self.id,
            line: number,
        };
        match told {
            Told::Aside => Parsed::Aside(Some(stamp)),
            Told::Served(service, said) => self.smtpd(line, stamp, service, said, &envelope, out),
            Told::Done(daemon, told) => {
                self.other(line, stamp, daemon, told.as_ref(), &envelope, out)
            }
            Told::Cut => {
                let text = envelope.text;
                if text.starts_with("connect from ")
                    || self.open.contains_key(envelope.pid.as_bytes())
                {
                    self.smtpd(line, stamp, "", said(text), &envelope, out)
                } else {
                    self.other(line, stamp, "", about(text).as_ref(), &envelope, out)
                }
            }
        }
    }
}

impl Builder for Postfix {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let read = Self::read(&mut (), RawLine::new(line.bytes));
        let mut over = Vec::new();
        let parsed = self.take(read, line.number, &mut over);
        out.extend(over.into_iter().map(LogSession::from));
        parsed
    }

    fn settle(&mut self, due: &Due<'_>, out: &mut Vec<LogSession>) {
        let mut over = Vec::new();
        self.waiting
            .settle_before(due.before, &mut self.messages, &mut over);
        out.extend(over.into_iter().map(LogSession::from));
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        let mut all: Vec<Box<Serving>> = self.waiting.drain().collect();
        all.extend(self.open.drain().map(|(_, serving)| serving));
        out.extend(super::super::parallel::map(all, |serving| {
            serving.over(&self.messages).into()
        }));
        self.outgoing.finish(out);
        self.screen.finish(out);
    }

    fn zone(&self) -> Zone {
        self.stated
            .or(self.shown)
            .map_or(Zone::Assumed, Zone::Stated)
    }

    fn remarks(&self) -> Vec<String> {
        let remarks = [self.messages.remarks(), self.listed.remarks()];
        remarks.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests;
