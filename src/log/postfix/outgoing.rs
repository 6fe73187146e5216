//! Sessions in which Postfix is the client: what `smtp` and `lmtp` tell of their deliveries.
//!
//! A line is written when the fate of a recipient is known; the connection is named by the other end alone, and used again for further
//! messages where `conn_use=` says so.

use std::collections::HashMap;

use crate::model::{
    Ending, Event, LineRef, LogCommand, LogEvent, LogId, LogSession, Proto, Role, Side, Span,
    Stamp, Verb,
};

use super::super::fates;
use super::super::transcript::{Detail, Transcript};
use super::about::Delivered;
use super::line::{Said, client, spoken, tls};

/// A connection is not used for longer (`smtp_connection_reuse_time_limit`).
const REUSED: Span = Span::seconds(300);
/// Relays and connections to one that are kept open.
const MAX_RELAYS: usize = 20_000;
const MAX_OF_RELAY: usize = 64;

/// All connections that may still be used.
pub(super) struct Outgoing {
    id: LogId,
    /// By the other end as it is named: `mx.example.org[203.0.113.25]:25`.
    open: HashMap<String, Vec<Sending>>,
}

/// A connection.
struct Sending {
    transcript: Transcript,
    verbose: bool,
    pid: String,
    /// Queue id of the message that was last sent; empty before the first.
    message: String,
    uses: u32,
    last: Stamp,
    /// What was sent that no line tells of, in order.
    implied: Vec<LogCommand>,
}

impl Outgoing {
    pub(super) fn new(id: LogId) -> Self {
        Self {
            id,
            open: HashMap::new(),
        }
    }

    /// A line that is of no message; gives whether it is of a connection.
    pub(super) fn said(
        &mut self,
        line: LineRef,
        stamp: Stamp,
        pid: &str,
        text: &str,
        out: &mut Vec<LogSession>,
    ) -> bool {
        let (_, rest) = text.split_once(' ').unwrap_or_default();
        if let Some(rest) = rest.strip_prefix("TLS connection established to ") {
            let (Some((relay, _)), Some(Said::Tls { version, cipher })) =
                (rest.split_once(": "), tls(rest))
            else {
                return false;
            };
            let logged = crate::model::LoggedTls {
                version,
                cipher: Some(cipher.to_owned()),
            };
            let found = self.find(relay, |sending| {
                sending.pid == pid && sending.verbose && sending.transcript.session.tls.is_none()
            });
            let sending = match found {
                Some(at) => self.open.get_mut(relay).and_then(|list| list.get_mut(at)),
                None => self.begin(relay, pid, stamp, out),
            };
            if let Some(sending) = sending {
                sending.transcript.tls(line, stamp, logged);
                sending.last = stamp;
            }
            return true;
        }
        let (side, rest) = match text.split_at_checked(2) {
            Some(("> ", rest)) => (Side::Client, rest),
            Some(("< ", rest)) => (Side::Server, rest),
            _ => return false,
        };
        let Some((relay, said)) = spoken(rest) else {
            return false;
        };
        let going_on = self.find(relay, |sending| {
            sending.pid == pid && sending.verbose && !sending.transcript.is_over()
        });
        let sending = match going_on {
            Some(at) => self.open.get_mut(relay).and_then(|list| list.get_mut(at)),
            None => self.begin(relay, pid, stamp, out),
        };
        if let Some(sending) = sending {
            sending.verbose = true;
            sending.transcript.session.every_command = true;
            sending.transcript.line(line, stamp, side, said);
            sending.last = stamp;
        }
        true
    }

    /// A recipient's fate is known; gives whether there was a connection.
    pub(super) fn delivered(
        &mut self,
        line: LineRef,
        stamp: Stamp,
        pid: &str,
        (id, from): (&str, Option<&str>),
        told: &Delivered<'_>,
        out: &mut Vec<LogSession>,
    ) -> bool {
        if client(told.relay).ip.is_none() {
            return false;
        }
        let same = |sending: &Sending| sending.pid == pid && sending.message == id;
        let found = match told.use_of_connection {
            None => self.find(told.relay, |sending| {
                same(sending) || (sending.pid == pid && sending.message.is_empty())
            }),
            Some(nth) => self
                .find(told.relay, |sending| same(sending) && sending.uses == nth)
                .or_else(|| {
                    self.find(told.relay, |sending| {
                        sending.uses + 1 == nth && stamp.at.since(sending.last.at) <= REUSED
                    })
                }),
        };
        let sending = match found {
            Some(at) => self
                .open
                .get_mut(told.relay)
                .and_then(|list| list.get_mut(at)),
            None => self.begin(told.relay, pid, stamp, out),
        };
        if let Some(sending) = sending {
            sending.delivered(line, stamp, pid, (id, from), told);
        }
        true
    }

    /// The only connection to a relay of which `is_it` holds.
    fn find(&self, relay: &str, is_it: impl Fn(&Sending) -> bool) -> Option<usize> {
        let mut found = self
            .open
            .get(relay)?
            .iter()
            .enumerate()
            .filter(|(_, sending)| is_it(sending))
            .map(|(at, _)| at);
        found.next().filter(|_| found.next().is_none())
    }

    fn begin(
        &mut self,
        relay: &str,
        pid: &str,
        stamp: Stamp,
        out: &mut Vec<LogSession>,
    ) -> Option<&mut Sending> {
        if self.open.len() >= MAX_RELAYS && !self.open.contains_key(relay) {
            self.finish(out);
        }
        let list = self.open.entry(relay.to_owned()).or_default();
        let is_over = |sending: &Sending| {
            // A process has one connection, unless it has given the last one away to be used again.
            (sending.pid == pid && sending.uses == 1 && sending.transcript.is_over())
                || stamp.at.since(sending.last.at) > REUSED
        };
        out.extend(
            list.extract_if(.., |sending| is_over(sending))
                .map(Sending::into_session),
        );
        if list.len() >= MAX_OF_RELAY {
            out.push(list.remove(0).into_session());
        }
        let mut transcript = Transcript::new(self.id, Proto("smtp"), Role::Client, Detail::Lines);
        let end = client(relay);
        transcript.session.peer = end.ip;
        transcript.session.peer_port = end.port;
        list.push(Sending {
            transcript,
            verbose: false,
            pid: pid.to_owned(),
            message: String::new(),
            uses: 1,
            last: stamp,
            implied: Vec::new(),
        });
        list.last_mut()
    }

    pub(super) fn finish(&mut self, out: &mut Vec<LogSession>) {
        let mut all: Vec<Sending> = self.open.drain().flat_map(|(_, list)| list).collect();
        all.sort_by_key(|sending| sending.transcript.session.events.first().map(|e| e.line));
        out.extend(all.into_iter().map(Sending::into_session));
    }
}

impl Sending {
    fn delivered(
        &mut self,
        line: LineRef,
        stamp: Stamp,
        pid: &str,
        (id, from): (&str, Option<&str>),
        told: &Delivered<'_>,
    ) {
        let again = self.message == id;
        let first = self.message.is_empty();
        self.last = stamp;
        self.uses = told.use_of_connection.unwrap_or(1);
        pid.clone_into(&mut self.pid);
        id.clone_into(&mut self.message);
        if first
            && told.use_of_connection.is_none()
            && let Some(stamp) = told.delays().and_then(|delays| began(stamp, delays))
        {
            self.transcript
                .note(line, stamp, "connection begun, by delays=");
        }
        let answered = answered(told);
        if !again && let Some(from) = from {
            self.imply("MAIL", format!("MAIL FROM:<{from}>"), Some("250"));
        }
        if let Some(command) = &answered
            && command.verb.is_body()
        {
            self.recipient(told.to, again);
            if !again {
                self.imply("DATA", "DATA".into(), Some("354"));
                self.implied.push(command.clone());
            }
        } else {
            self.implied.extend(answered.clone());
        }
        let what = match answered {
            Some(command) if !self.verbose && (!again || !command.verb.is_body()) => {
                Event::command(command)
            }
            _ => Event::Note(format!("{} {}", told.status, told.reply)),
        };
        let session = &mut self.transcript.session;
        if told.reply.starts_with("lost connection with ") {
            session.ending = Ending::Lost;
        } else if told.reply.contains(" timed out while ") {
            session.ending = Ending::Timeout;
        }
        session.events.push(LogEvent { line, stamp, what });
    }

    /// A recipient that was accepted: before DATA, also where the line of another of the same message came first.
    fn recipient(&mut self, to: &str, again: bool) {
        let data = self
            .implied
            .iter()
            .rposition(|command| command.verb.as_str() == "DATA")
            .filter(|_| again);
        let command = LogCommand {
            verb: Verb::new("RCPT"),
            request: format!("RCPT TO:<{to}>"),
            ..LogCommand::default()
        };
        match data {
            Some(at) => self.implied.insert(at, command),
            None => self.implied.push(command),
        }
    }

    fn imply(&mut self, verb: &str, request: String, code: Option<&str>) {
        self.implied.push(LogCommand {
            verb: Verb::new(verb),
            request,
            code: code.map(str::to_owned),
            ..LogCommand::default()
        });
    }

    fn into_session(self) -> LogSession {
        let mut session = self.transcript.into_session();
        if session.tls.is_some() {
            // By port 465 from the first octet, else by command; the log does not say which.
            session.encryption = None;
        }
        if !self.verbose {
            session.implied = self.implied.iter().collect();
        }
        session
    }
}

/// When the connection was begun: before its set-up and the transmission, both of which are told with two digits.
fn began(stamp: Stamp, [_, _, setup, transmission]: [f64; 4]) -> Option<Stamp> {
    const DIGITS: f64 = 0.05;
    let took = setup + transmission;
    if took <= 0.0 || took > 86_400.0 {
        return None;
    }
    let slack = Span::from_seconds_f64(took * DIGITS + 0.01);
    Some(Stamp {
        at: stamp.at - Span::from_seconds_f64(took) - slack,
        resolution: stamp.resolution + slack + slack,
    })
}

/// The command whose reply a delivery line tells: `(250 2.0.0 Ok)`, `(host mx[192.0.2.1] said: 550 no (in reply to RCPT TO command))`.
fn answered(told: &Delivered<'_>) -> Option<LogCommand> {
    let (verb, reply) = match told.reply.split_once(" said: ") {
        Some((host, said)) if host.starts_with("host ") => {
            let (reply, place) = said.rsplit_once(" (in reply to ")?;
            (place_of(place)?, reply)
        }
        _ if told.status == "sent" => (Verb::BODY, told.reply),
        _ => return None,
    };
    fates::answered(verb, told.to, reply)
}

/// `RCPT TO command)`, `end of DATA command)`.
fn place_of(place: &str) -> Option<&'static str> {
    const PLACES: [(&str, &str); 5] = [
        ("RCPT TO", "RCPT"),
        ("MAIL FROM", "MAIL"),
        ("end of DATA", Verb::BODY),
        ("DATA", "DATA"),
        ("EHLO", "EHLO"),
    ];
    let found = PLACES.iter().find(|(words, _)| place.starts_with(words));
    found.map(|(_, verb)| *verb)
}
