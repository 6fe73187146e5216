//! SMTP virtual servers of IIS and Exchange 2000/2003 in W3C extended logs.
//!
//! One row is one command, written when it was answered. Nothing names the session: rows belong together by the client's address,
//! the name that it gave in HELO, and the order that the protocol demands, up to the QUIT row.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{
    ClockStep, CommandRef, Encryption, Ending, Event, LineRef, LogEvent, LogId, LogSession,
    LogTime, LoggedMessage, Marks, PackedCommand, Proto, Shown, Shows, Span, Stamp, Verb, Zone,
    as_text,
};

use super::super::read::{Apart, Pieces, Sink};
use super::super::w3c::{self, Row, W3c, W3cLine};
use super::super::{Builder, Entry, Head, Line, Parsed, Sureness};

/// Row of the registry.
pub(in crate::log) const ENTRY: Entry = Entry {
    name: "iis-smtp",
    about: "IIS and Exchange 2000/2003 SMTP virtual server, W3C extended",
    shows: SHOWS,
    probe,
    open: |id, _| Box::new(IisSmtp::new(id)),
};

/// What an IIS SMTP server's log shows in each of its formats, W3C extended being the fullest.
pub(super) const SHOWS: Shows = Shows {
    session_id: Shown::Partly("the name given in HELO, up to the QUIT row"),
    step: ClockStep::Of(Span::SECOND),
    marks: Marks::End,
    octets: Shown::Always,
    commands: Shown::Always,
    replies: Shown::Partly("the code"),
    ..Shows::NOTHING
};

/// The server drops clients that are silent for ten minutes.
const SILENCE: Span = Span::seconds(660);
/// How often those are looked for.
const SWEPT_EVERY: Span = Span::seconds(60);
/// Sessions that may be open at once.
const MAX_OPEN: usize = 50_000;
/// A `DATA` row counts the message; whether the verb and the final dot are in it differs.
const DATA_SLACK: u64 = 11;

fn probe(head: &Head<'_>) -> Sureness {
    w3c::share(head, is_smtp)
}

fn is_smtp(row: &Row<'_, '_>) -> bool {
    row.get("s-sitename")
        .is_some_and(|site| site.starts_with("SMTPSVC"))
        || row.get("cs-version") == Some("SMTP")
}

struct IisSmtp {
    id: LogId,
    w3c: W3c,
    /// By their two ends.
    open: BTreeMap<Ends, Vec<Serving>>,
    count: usize,
    /// When those that are silent for too long were last looked for.
    swept: LogTime,
    /// Sessions whose QUIT row came in this second: which of two alike it ended may yet turn out otherwise.
    closed: Vec<Serving>,
}

/// Address of the client, and of the server.
type Ends = (Option<IpAddr>, Option<IpAddr>);

/// A session whose QUIT row has not come.
struct Serving {
    session: LogSession,
    helo: Option<String>,
    step: Step,
    first: LogTime,
    last: LogTime,
}

/// How far its dialogue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Greeted,
    Idle,
    Mail,
    Recipient,
    Tls,
}

impl IisSmtp {
    fn new(id: LogId) -> Self {
        Self {
            id,
            w3c: W3c::default(),
            open: BTreeMap::new(),
            count: 0,
            swept: LogTime(i64::MIN),
            closed: Vec::new(),
        }
    }
}

/// A line by itself.
#[expect(clippy::large_enum_variant, reason = "nearly all are of the largest")]
enum Said<'a> {
    /// `#Fields:` and kin.
    Directive(&'a str),
    /// Of another server or of the server's own sending.
    Aside(Stamp),
    Told(Told<'a>),
    /// It cannot be read under the columns in force.
    Failed,
    /// It takes the lines before it to read: it has no date, or is not in UTF-8.
    Late(&'a [u8]),
}

/// A row as this format means it.
struct Told<'a> {
    stamp: Stamp,
    peer: Option<IpAddr>,
    local: Option<IpAddr>,
    helo: Option<Cow<'a, str>>,
    verb: Verb,
    request: Cow<'a, str>,
    /// All of the command but its words.
    command: CommandRef<'a>,
    win32: Option<u64>,
    /// Octets of a message, on its `DATA` row.
    message: Option<u64>,
    message_id: Option<Cow<'a, str>>,
}

impl<'a> Said<'a> {
    fn read(w3c: &mut W3c, text: &'a str) -> Self {
        let row = match w3c.line(text) {
            Some(W3cLine::Row(row)) => row,
            Some(W3cLine::Directive) => return Self::Directive(text),
            None => return Self::Failed,
        };
        let outbound = row
            .get("cs-username")
            .is_some_and(|name| name.starts_with("OutboundConnection"));
        if outbound || !is_smtp(&row) {
            return Self::Aside(row.stamp);
        }
        Told::of(&row).map_or(Self::Failed, Self::Told)
    }
}

impl Apart for IisSmtp {
    type Known = W3c;
    type Row<'a> = Said<'a>;

    fn known(&self) -> W3c {
        self.w3c.clone()
    }

    fn read<'a>(w3c: &mut W3c, line: &'a [u8]) -> Said<'a> {
        match std::str::from_utf8(line) {
            Ok(text) if w3c.has("date") || text.starts_with('#') => Said::read(w3c, text),
            _ => Said::Late(line),
        }
    }

    fn take(&mut self, row: Said<'_>, number: u64, out: &mut Vec<LogSession>) -> Parsed {
        let line = LineRef {
            log: self.id,
            line: number,
        };
        match row {
            Said::Directive(text) => {
                self.w3c.line(text);
                Parsed::Aside(None)
            }
            Said::Aside(stamp) => Parsed::Aside(Some(stamp)),
            Said::Told(told) => {
                let stamp = told.stamp;
                self.told(line, &told, out);
                Parsed::Event(stamp)
            }
            Said::Failed => Parsed::Failed,
            Said::Late(bytes) => {
                let text = as_text(bytes);
                let mut w3c = std::mem::take(&mut self.w3c);
                let parsed = self.take(Said::read(&mut w3c, &text), number, out);
                self.w3c = w3c;
                parsed
            }
        }
    }
}

impl Builder for IisSmtp {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        self.take(Said::Late(line.bytes), line.number, out)
    }

    fn pieces(&mut self, pieces: Pieces<'_>, sink: &mut dyn Sink) -> bool {
        pieces.give(self, sink);
        true
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        let open = std::mem::take(&mut self.open).into_values().flatten();
        let all = self.closed.drain(..).chain(open);
        out.extend(all.map(|serving| serving.session));
    }

    fn zone(&self) -> Zone {
        Zone::Stated(Span::ZERO)
    }
}

impl<'a> Told<'a> {
    fn of(row: &Row<'a, '_>) -> Option<Self> {
        let method = row.get("cs-method")?;
        let argument = row
            .get("cs-uri-query")
            .map(|query| spaced(query.strip_prefix('+').unwrap_or(query)));
        let mut verb = Verb::new(method);
        let mut request = request(method, argument.as_deref());
        let mut command = CommandRef {
            code: row.get("sc-status"),
            request_bytes: row.number("cs-bytes").map(|octets| octets + 2),
            response_bytes: row.number("sc-bytes"),
            taken: row
                .number("time-taken")
                .and_then(|millis| i64::try_from(millis).ok())
                .map(Span::millis),
            ..CommandRef::default()
        };
        let mut message = None;
        match verb.as_str() {
            "DATA" => {
                message = row.number("cs-bytes");
                command.request_bytes = message;
                // The row tells of the message's fate; the 354 before it was sure to come.
                if command.code.is_some_and(|code| code != "354") {
                    verb = Verb::new(Verb::BODY);
                }
            }
            // 240 is the log's own word for the end.
            "QUIT" => {
                command.code = None;
                request = "QUIT".into();
            }
            _ => {}
        }
        Some(Self {
            stamp: row.stamp,
            peer: row.get("c-ip").and_then(address),
            local: row.get("s-ip").and_then(address),
            helo: row.get("cs-username").map(spaced),
            verb,
            request,
            command,
            win32: row.number("sc-win32-status"),
            message,
            message_id: argument.filter(|_| message.is_some()),
        })
    }

    fn event(&self) -> Event {
        Event::Command(PackedCommand::from(CommandRef {
            verb: self.verb.as_str(),
            request: &self.request,
            ..self.command
        }))
    }

    fn is_hello(&self) -> bool {
        ["EHLO", "HELO"].contains(&self.verb.as_str())
    }

    fn accepted(&self) -> bool {
        let code = self.command.code;
        code.is_some_and(|code| code.starts_with(['2', '3']))
    }
}

/// The command line as it was, but for secrets.
fn request<'a>(method: &'a str, argument: Option<&str>) -> Cow<'a, str> {
    let Some(argument) = argument.filter(|argument| !argument.is_empty()) else {
        return method.into();
    };
    if method.eq_ignore_ascii_case("AUTH") {
        let mechanism = argument.split(' ').next().unwrap_or_default();
        let secret = if argument.contains(' ') { " ***" } else { "" };
        return [method, " ", mechanism, secret].concat().into();
    }
    [method, " ", argument].concat().into()
}

/// Blanks are written as `+`.
fn spaced(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        text.replace('+', " ").into()
    } else {
        text.into()
    }
}

/// An address, which may carry a scope (`fe80::1%4`).
fn address(text: &str) -> Option<IpAddr> {
    text.split('%').next()?.parse().ok()
}

impl IisSmtp {
    fn told(&mut self, line: LineRef, told: &Told<'_>, out: &mut Vec<LogSession>) {
        self.expire(told.stamp.at, out);
        let ends = (told.peer, told.local);
        let alike = self.open.entry(ends).or_default();
        let at = find(alike, told).unwrap_or_else(|| {
            let mut session = LogSession::new(self.id, Proto("smtp"));
            session.lag = LogSession::WINDOWS_LAG;
            session.peer = told.peer;
            session.local = told.local;
            session.every_command = true;
            alike.push(Serving {
                session,
                helo: None,
                step: Step::Greeted,
                first: told.stamp.at,
                last: told.stamp.at,
            });
            self.count += 1;
            alike.len() - 1
        });
        let over = told.verb.as_str() == "QUIT";
        if let Some(serving) = alike.get_mut(at) {
            serving.take(line, told);
        }
        if over {
            let ended = alike.remove(at);
            self.count -= 1;
            self.close(ended);
        }
    }

    /// Sets a session aside that has ended.
    ///
    /// Of two alike, one that ended no later and lasted longer began first: where the rows were dealt out otherwise, they are
    /// exchanged.
    fn close(&mut self, mut ended: Serving) {
        for other in &mut self.closed {
            let alike = other.session.peer == ended.session.peer
                && other.session.local == ended.session.local
                && other.helo == ended.helo;
            let older = other.began() < ended.began();
            let longer = other.session.duration > ended.session.duration;
            if alike && longer && !older {
                other.exchange_ends(&mut ended);
            }
        }
        self.closed.push(ended);
    }

    fn expire(&mut self, now: LogTime, out: &mut Vec<LogSession>) {
        if self
            .closed
            .last()
            .is_some_and(|serving| serving.last != now)
        {
            out.extend(self.closed.drain(..).map(|serving| serving.session));
        }
        if now.since(self.swept) > SWEPT_EVERY {
            self.swept = now;
            self.sweep(now, SILENCE, out);
        }
        // Too many at once: those that are silent longest go first.
        let mut silence = SILENCE;
        while self.count >= MAX_OPEN {
            silence = match silence.0 / 2 {
                0 => Span(i64::MIN),
                half => Span(half),
            };
            self.sweep(now, silence, out);
        }
    }

    /// Gives the sessions that were silent for longer.
    fn sweep(&mut self, now: LogTime, silence: Span, out: &mut Vec<LogSession>) {
        self.open.retain(|_, alike| {
            let over = alike.extract_if(.., |serving| now.since(serving.last) > silence);
            let before = out.len();
            out.extend(over.map(|serving| serving.session));
            self.count -= out.len() - before;
            !alike.is_empty()
        });
    }
}

/// The session that a row belongs to: of those that it fits, the one that spoke last.
fn find(open: &[Serving], told: &Told<'_>) -> Option<usize> {
    let fitting = open
        .iter()
        .enumerate()
        .filter(|(_, serving)| serving.fits(told));
    fitting
        .max_by_key(|(at, serving)| (serving.likeness(told), serving.last, *at))
        .map(|(at, _)| at)
}

impl Serving {
    /// Whether a row can be the next of this session.
    fn fits(&self, told: &Told<'_>) -> bool {
        if told.stamp.at.since(self.last) > SILENCE {
            return false;
        }
        if told.is_hello() {
            return match self.step {
                Step::Tls => told.helo.is_none() || self.helo.as_deref() == told.helo.as_deref(),
                Step::Greeted => self.helo.is_none(),
                _ => false,
            };
        }
        if self.helo.is_some() && self.helo.as_deref() != told.helo.as_deref() {
            return false;
        }
        match told.verb.as_str() {
            "MAIL" | "STARTTLS" if told.accepted() => self.step == Step::Idle,
            "RCPT" if told.accepted() => matches!(self.step, Step::Mail | Step::Recipient),
            Verb::BODY | "BDAT" if told.accepted() => self.step == Step::Recipient,
            _ => self.step != Step::Tls || told.verb.as_str() == "QUIT",
        }
    }

    fn began(&self) -> Option<LineRef> {
        self.session.events.first().map(|event| event.line)
    }

    /// Gives each the other's QUIT row.
    fn exchange_ends(&mut self, other: &mut Self) {
        let (mine, theirs) = (&mut self.session, &mut other.session);
        if let (Some(one), Some(two)) = (mine.events.last_mut(), theirs.events.last_mut()) {
            std::mem::swap(one, two);
            std::mem::swap(&mut mine.duration, &mut theirs.duration);
            std::mem::swap(&mut mine.ending, &mut theirs.ending);
        }
    }

    /// How well a QUIT row's length of session fits, to the second of a stamp.
    fn likeness(&self, told: &Told<'_>) -> u8 {
        let Some(millis) = told.win32.filter(|_| told.verb.as_str() == "QUIT") else {
            return 0;
        };
        let length = Span::millis(i64::try_from(millis).unwrap_or(i64::MAX));
        let miss = told.stamp.at.since(self.first) - length;
        u8::from(miss.abs() <= Span::SECOND)
    }

    fn take(&mut self, line: LineRef, told: &Told<'_>) {
        self.last = told.stamp.at;
        let accepted = told.accepted();
        if told.is_hello() && accepted {
            self.helo = told.helo.as_deref().map(str::to_owned);
            if let Some(name) = &self.helo
                && !self.session.names.contains(name)
            {
                self.session.names.push(name.clone());
            }
        }
        if accepted {
            self.step = match told.verb.as_str() {
                "EHLO" | "HELO" | "RSET" | Verb::BODY => Step::Idle,
                "MAIL" => Step::Mail,
                "RCPT" => Step::Recipient,
                "STARTTLS" => {
                    self.session.encryption = Some(Encryption::StartTls);
                    Step::Tls
                }
                _ => self.step,
            };
        }
        if let Some(octets) = told.message.filter(|_| accepted) {
            self.session.messages.push(LoggedMessage {
                wire_bytes: Some((octets.saturating_sub(DATA_SLACK), octets + DATA_SLACK)),
                recipients: None,
                message_id: told
                    .message_id
                    .as_ref()
                    .map(|id| id.trim_matches(['<', '>']).to_owned()),
            });
        }
        // A row tells the name that was given before, also where the row of the greeting is not among these.
        if let Some(name) = told.helo.as_ref().filter(|_| self.session.names.is_empty()) {
            self.session.names.push(name.clone().into_owned());
        }
        let stamp = told.stamp;
        let what = self.event(told);
        self.session.events.push(LogEvent { line, stamp, what });
    }

    fn event(&mut self, told: &Told<'_>) -> Event {
        if told.verb.as_str() != "QUIT" {
            return told.event();
        }
        self.session.duration = told
            .win32
            .and_then(|millis| i64::try_from(millis).ok())
            .map(Span::millis);
        self.session.ending = self.ending(told);
        match self.session.ending {
            Ending::Quit => told.event(),
            _ => Event::Close,
        }
    }

    /// When the client just went away, the last row repeats the counts of the one before it.
    fn ending(&self, told: &Told<'_>) -> Ending {
        let before = self
            .session
            .events
            .iter()
            .rev()
            .find_map(|event| event.command()?.response_bytes);
        match told.command.request_bytes {
            Some(6) => Ending::Quit,
            Some(_) => Ending::Lost,
            // Formats without the octets received leave those sent to tell.
            None if before.is_some() && before != told.command.response_bytes => Ending::Quit,
            None => Ending::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
#Software: Microsoft Internet Information Services 6.0
#Fields: date time c-ip cs-username s-sitename s-computername s-ip s-port cs-method cs-uri-stem cs-uri-query sc-status sc-win32-status sc-bytes cs-bytes time-taken cs-version
2006-10-09 05:00:15 203.0.113.77 gw.example SMTPSVC1 MAIL01 198.51.100.25 0 HELO - +gw.example 250 0 43 22 0 SMTP
2006-10-09 05:00:15 203.0.113.78 other.example SMTPSVC1 MAIL01 198.51.100.25 0 EHLO - +other.example 250 0 275 18 0 SMTP
2006-10-09 05:00:15 203.0.113.77 gw.example SMTPSVC1 MAIL01 198.51.100.25 0 MAIL - +FROM:+<a@b> 250 0 30 17 0 SMTP
2006-10-09 05:00:16 203.0.113.78 other.example SMTPSVC1 MAIL01 198.51.100.25 0 AUTH - +PLAIN+AGFubgBzZWNyZXQ= 235 0 40 32 0 SMTP
2006-10-09 05:00:16 203.0.113.77 gw.example SMTPSVC1 MAIL01 198.51.100.25 0 RCPT - +TO:+<c@d> 250 0 30 15 0 SMTP
2006-10-09 05:00:19 203.0.113.77 gw.example SMTPSVC1 MAIL01 198.51.100.25 0 DATA - +<4F50@gw.example> 250 0 116 1399 1922 SMTP
2006-10-09 05:00:19 203.0.113.77 gw.example SMTPSVC1 MAIL01 198.51.100.25 0 QUIT - gw.example 240 4219 65 4 0 SMTP
2006-10-09 05:01:33 203.0.113.140 - SMTPSVC1 MAIL01 198.51.100.25 0 xxxx - +sveta 500 0 32 10 0 SMTP
2006-10-09 05:01:33 203.0.113.140 - SMTPSVC1 MAIL01 198.51.100.25 0 QUIT - - 240 125 32 10 62 SMTP
2006-10-09 05:02:01 203.0.113.25 OutboundConnectionCommand SMTPSVC1 MAIL01 - 25 MAIL - FROM:<b@e> 0 0 4 0 47 SMTP
2006-10-09 05:00
nothing of the kind
2006-10-09 99:01:33 203.0.113.140 - SMTPSVC1 MAIL01 198.51.100.25 0 QUIT - - 240 125 32 10 62 SMTP
";

    fn read(log: &str) -> (Vec<LogSession>, usize) {
        let mut iis = IisSmtp::new(LogId(0));
        let mut out = Vec::new();
        let mut failed = 0;
        for (line, number) in log.lines().zip(1..) {
            let bytes = line.as_bytes();
            let parsed = iis.line(Line { number, bytes }, &mut out);
            failed += usize::from(parsed == Parsed::Failed);
        }
        iis.finish(&mut out);
        (out, failed)
    }

    #[test]
    fn rows_of_interleaved_clients_are_told_apart() {
        let (sessions, failed) = read(LOG);
        assert_eq!((sessions.len(), failed), (3, 3));
        let sent = &sessions[0];
        assert_eq!((sent.events.len(), sent.ending), (5, Ending::Quit));
        assert_eq!(sent.duration, Some(Span::millis(4219)));
        let commands: Vec<_> = sent.events.iter().filter_map(LogEvent::command).collect();
        assert_eq!(commands[1].request, "MAIL FROM: <a@b>");
        assert_eq!(
            (commands[1].request_bytes, commands[1].response_bytes),
            (Some(19), Some(30))
        );
        assert!(commands[3].is_body());
        assert_eq!(commands[4].code, None);
        assert_eq!(sessions[1].ending, Ending::Lost);
    }

    #[test]
    fn secrets_are_masked() {
        let (sessions, _) = read(LOG);
        let auth = format!("{:?}", sessions[2]);
        assert!(
            auth.contains("AUTH PLAIN ***") && !auth.contains("AGFubg"),
            "{auth}"
        );
    }

    #[test]
    fn two_sessions_of_one_client_are_told_apart_by_the_order_of_commands() {
        let row = |verb: &str, query: &str, status: u16| {
            format!(
                "2006-10-09 05:00:15 203.0.113.77 gw.example SMTPSVC1 MAIL01 198.51.100.25 0 {verb} - {query} {status} 0 43 4 0 SMTP"
            )
        };
        let fields = LOG.lines().nth(1).unwrap().to_owned();
        let log = [
            fields,
            row("EHLO", "+gw.example", 250),
            row("STARTTLS", "-", 220),
            row("EHLO", "+gw.example", 250),
            row("EHLO", "+gw.example", 250),
            row("MAIL", "+FROM:<a@b>", 250),
            row("MAIL", "+FROM:<c@d>", 250),
            row("QUIT", "gw.example", 240),
            row("QUIT", "gw.example", 240),
        ]
        .join("\n");
        let (sessions, _) = read(&log);
        let lengths: Vec<usize> = sessions
            .iter()
            .map(|session| session.events.len())
            .collect();
        assert_eq!(sessions.len(), 2);
        assert_eq!(lengths.iter().sum::<usize>(), 8);
    }

    #[test]
    fn of_two_alike_one_that_ended_first_and_lasted_longer_is_the_older() {
        let row = |verb: &str, query: &str, status: u16, millis: u16| {
            format!(
                "2006-10-09 05:00:15 203.0.113.77 gw.example SMTPSVC1 MAIL01 198.51.100.25 0 {verb} - {query} {status} {millis} 43 4 0 SMTP"
            )
        };
        let log = [
            LOG.lines().nth(1).unwrap().to_owned(),
            row("EHLO", "+gw.example", 250, 0),
            row("MAIL", "+FROM:<a@b>", 250, 0),
            row("EHLO", "+gw.example", 250, 0),
            row("QUIT", "gw.example", 240, 225),
            row("QUIT", "gw.example", 240, 37),
        ]
        .join("\n");
        let (sessions, _) = read(&log);
        let told: Vec<_> = sessions
            .iter()
            .map(|session| (session.events[0].line.line, session.duration))
            .collect();
        assert!(told.contains(&(2, Some(Span::millis(225)))), "{told:?}");
        assert!(told.contains(&(4, Some(Span::millis(37)))), "{told:?}");
    }
}
