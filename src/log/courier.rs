//! Courier's IMAP, POP3 and ESMTP servers, in any syslog envelope.
//!
//! Every line has the client's address, and mostly its port: the key. The sizes at the end are those of the process that serves the mailbox, from
//! the reply to the login on.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::model::{
    self, ClockStep, Encryption, Ending, Event, EventRef, LineRef, LogCommand, LogEvent, LogId,
    LogSession, LoggedOctets, Marks, Proto, Shown, Shows, Span, Stamp, Verb, Zone, from_wire,
};

use super::syslog::{self, Envelope, Syslog};
use super::transcript::masked;
use super::{Builder, Entry, Head, Line, Parsed, Sureness};

/// Row of the registry.
pub(super) const ENTRY: Entry = Entry {
    name: "courier",
    about: "Courier IMAP, POP3 and ESMTP servers, in any syslog envelope",
    shows: Shows {
        client_port: Shown::Always,
        session_id: Shown::Partly("the client's port"),
        step: ClockStep::Envelope,
        marks: Marks::Line,
        octets: Shown::Partly("behind the login"),
        commands: Shown::Partly("logins, and those that ESMTP refused"),
        replies: Shown::Partly("refusals of ESMTP"),
        tls: Shown::Never,
        users: Shown::Always,
    },
    probe,
    open: |id, head| {
        Box::new(Courier {
            id,
            syslog: Syslog::new(head.year),
            zone: None,
            open: HashMap::new(),
        })
    },
};

/// What is noted of a login.
const LOGIN: &str = "LOGIN";
/// The reply to a login that fails (RFC 4954 §6).
const LOGIN_REFUSED: &str = "535";
/// Without a port and before a login nothing but time tells two sessions of one client apart.
const SAME_CLIENT: Span = Span::seconds(300);
/// Sessions that may be open at once.
const MAX_OPEN: usize = 50_000;

fn probe(head: &Head<'_>) -> Sureness {
    syslog::share(head, |envelope| {
        is_beside(envelope.program) || Told::read(envelope).is_some()
    })
}

/// Programs of Courier that tell of its queue and not of connections: on a mail server most lines are theirs.
fn is_beside(program: &str) -> bool {
    program.starts_with("courier") || program == "authdaemond"
}

/// By which the lines of a connection are found: its program, and the client; without a port, its process or its user.
type Key = (&'static str, IpAddr, Option<u16>, String);

/// One file.
struct Courier {
    id: LogId,
    syslog: Syslog,
    zone: Option<Span>,
    open: HashMap<Key, LogSession>,
}

/// A line of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told<'a> {
    proto: &'static str,
    /// `imapd-ssl` and its like have TLS from the first octet.
    tls_first: bool,
    what: What<'a>,
    values: &'a str,
}

/// What a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What<'a> {
    Connection,
    Login,
    /// With the command, where the line has it, and the reply.
    Refused(Option<&'a str>, &'a str),
    Over(Ending),
    Other(&'a str),
}

impl<'a> Told<'a> {
    fn read(envelope: &Envelope<'a>) -> Option<Self> {
        let (program, tls_first) = match envelope.program.strip_suffix("-ssl") {
            Some(program) => (program, true),
            None => (envelope.program, false),
        };
        let proto = match program {
            "imapd" | "imaplogin" => "imap",
            "pop3d" | "pop3login" | "courierpop3login" | "courierpop3d" => "pop3",
            "courieresmtpd" => return Self::esmtp(envelope.text, tls_first),
            _ => return None,
        };
        let text = ["DEBUG: ", "ERR: ", "INFO: ", "WARN: "]
            .iter()
            .find_map(|level| envelope.text.strip_prefix(level))
            .unwrap_or(envelope.text);
        let (word, values) = text.split_once(", ")?;
        let what = match word {
            "Connection" => What::Connection,
            "LOGIN" => What::Login,
            "LOGIN FAILED" => What::Refused(None, ""),
            "LOGOUT" => What::Over(Ending::Quit),
            "DISCONNECTED" | "Disconnected" => What::Over(Ending::Lost),
            "TIMEOUT" => What::Over(Ending::Timeout),
            other => What::Other(other),
        };
        value(values, "ip=").map(|_| Self {
            proto,
            tls_first,
            what,
            values,
        })
    }

    /// `started,ip=[…],port=[…]`, `error,relay=…,port=…,from=<…>,to=<…>: 513 Relaying denied.`, and
    /// `error,relay=…,port=…,msg="502 ESMTP command error",cmd: BOGUS x`.
    ///
    /// With `ESMTP_LOG_DIALOG` each command is a line too, without anything that tells whose it is: those stay aside.
    fn esmtp(text: &'a str, tls_first: bool) -> Option<Self> {
        let (word, values) = text.split_once(',')?;
        let what = match word {
            "started" => What::Connection,
            "error" => refusal(values),
            other => What::Other(other),
        };
        let has_peer = value(values, "ip=").is_some() || value(values, "relay=").is_some();
        has_peer.then_some(Self {
            proto: "smtp",
            tls_first,
            what,
            values,
        })
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        value(self.values, key)
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.parse().ok()
    }

    /// The client, and its port where the line has it.
    fn peer(&self) -> Option<(IpAddr, Option<u16>)> {
        let text = self.get("ip=").or_else(|| self.get("relay="))?;
        let ip: IpAddr = text.parse().ok()?;
        let port = self.get("port=").and_then(|port| port.parse().ok());
        // IPv4 is written inside IPv6.
        Some((ip.to_canonical(), port))
    }
}

/// What was refused in a line of `courieresmtpd`, and the reply.
fn refusal(values: &str) -> What<'_> {
    let quoted = values
        .split_once(",msg=\"")
        .filter(|(before, _)| !before.contains('<'));
    match quoted.and_then(|(_, rest)| rest.split_once('"')) {
        Some((reply, rest)) => What::Refused(rest.strip_prefix(",cmd: "), reply),
        None => What::Refused(None, values.split_once(": ").map_or("", |(_, reply)| reply)),
    }
}

/// `key=[value]`, `key=<value>` or `key=value`, up to a comma.
fn value<'a>(values: &'a str, key: &str) -> Option<&'a str> {
    let mut rest = values;
    loop {
        let at = rest.find(key)?;
        let begins = rest
            .get(..at)
            .is_some_and(|before| before.is_empty() || before.ends_with([' ', ',']));
        let behind = rest.get(at + key.len()..)?;
        if begins {
            let inner = match behind.as_bytes().first() {
                Some(b'[') => behind.get(1..)?.split(']').next(),
                Some(b'<') => behind.get(1..)?.split('>').next(),
                _ => behind.split([',', ' ']).next(),
            };
            return inner.map(|value| value.trim_end_matches(':'));
        }
        rest = behind;
    }
}

impl Builder for Courier {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = from_wire(line.bytes);
        let Some(envelope) = self.syslog.open(&text) else {
            return Parsed::Failed;
        };
        self.zone = self.zone.or(envelope.zone);
        let stamp = envelope.stamp;
        let Some(told) = Told::read(&envelope) else {
            return Parsed::Aside(Some(stamp));
        };
        let Some((ip, port)) = told.peer() else {
            return Parsed::Failed;
        };
        let user = told.get("user=").unwrap_or_default();
        let further = match (port, told.proto) {
            (Some(_), _) => "",
            // Each connection has a process of its own.
            (None, "smtp") => envelope.pid,
            (None, _) => user,
        };
        let key: Key = (told.proto, ip, port, further.to_owned());
        if told.what == What::Connection && port.is_none() {
            // Without a port nothing ties it to the lines that follow.
            return Parsed::Aside(Some(stamp));
        }
        let line = LineRef {
            log: self.id,
            line: line.number,
        };
        let another = self
            .open
            .get(&key)
            .is_some_and(|open| port.is_none() && is_forgotten(open, stamp));
        if told.what == What::Connection || another {
            out.extend(self.open.remove(&key));
        }
        if self.open.len() >= MAX_OPEN && !self.open.contains_key(&key) {
            self.finish(out);
        }
        let session = self.open.entry(key.clone()).or_insert_with(|| {
            let mut session = LogSession::new(self.id, Proto(told.proto));
            session.peer = Some(ip);
            session.peer_port = port;
            session.encryption = told.tls_first.then_some(Encryption::Implicit);
            session
        });
        told.tell(session, line, stamp);
        if matches!(told.what, What::Over(_)) {
            out.extend(self.open.remove(&key));
        }
        Parsed::Event(stamp)
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        let mut all: Vec<_> = self.open.drain().map(|(_, session)| session).collect();
        all.sort_by_key(|session| session.events.first().map(|event| event.line));
        out.extend(all);
    }

    fn zone(&self) -> Zone {
        self.zone.map_or(Zone::Assumed, Zone::Stated)
    }
}

/// Whether a session without a port has been silent for so long that a line at `now` is another's.
fn is_forgotten(session: &LogSession, now: Stamp) -> bool {
    let login = |event: EventRef<'_>| event.what == model::What::Note(LOGIN);
    let last = session.events.last();
    last.is_some_and(|last| now.at.since(last.stamp.at) > SAME_CLIENT)
        && !session.events.iter().any(login)
}

impl Told<'_> {
    /// Adds what the line tells to its session.
    fn tell(&self, session: &mut LogSession, line: LineRef, stamp: Stamp) {
        let start_tls = ["starttls=1", "stls=1"]
            .iter()
            .any(|word| self.values.ends_with(word));
        let named = ["starttls=", "stls="]
            .iter()
            .any(|key| self.get(key).is_some());
        if start_tls {
            session.encryption = Some(Encryption::StartTls);
        }
        if let Some(user) = self.get("user=").filter(|user| !user.is_empty())
            && !session.names.iter().any(|name| name == user)
        {
            session.names.push(user.to_owned());
        }
        let what = match self.what {
            What::Connection => Event::Open,
            What::Login => Event::Note(LOGIN.to_owned()),
            What::Refused(command, reply) => self.refused(command, reply),
            What::Over(ending) => {
                session.ending = ending;
                // What is counted before a login is the whole, without it the rest.
                session.rare_mut().octets = self.octets();
                // A line that could tell of TLS and does not.
                if !named && session.encryption.is_none() && self.get("time=").is_some() {
                    session.encryption = Some(Encryption::None);
                }
                Event::Close
            }
            What::Other(word) => Event::Note(word.to_owned()),
        };
        session.events.push(LogEvent { line, stamp, what });
    }

    fn octets(&self) -> Option<LoggedOctets> {
        self.get("user=")?;
        Some(LoggedOctets {
            received: self.number("rcvd=")?,
            sent: self.number("sent=")?,
            unread: 0,
        })
    }

    /// A command of ESMTP that was refused; a login, of which the log does not have the words.
    fn refused(&self, command: Option<&str>, reply: &str) -> Event {
        let code = reply
            .get(..3)
            .filter(|code| code.bytes().all(|digit| digit.is_ascii_digit()));
        let Some(code) = code else {
            return Event::Note("LOGIN FAILED".to_owned());
        };
        let (verb, request) = match (command, self.get("to="), self.get("from=")) {
            // What is said last in a login may be the password.
            (Some(_), ..) if code == LOGIN_REFUSED => ("AUTH", "AUTH ***".to_owned()),
            (Some(line), ..) => (
                line.split(' ').next().unwrap_or_default(),
                masked(Proto("smtp"), line),
            ),
            (None, Some(to), _) => ("RCPT", format!("RCPT TO:<{to}>")),
            (None, None, Some(from)) => ("MAIL", format!("MAIL FROM:<{from}>")),
            (None, None, None) => return Event::Note(reply.to_owned()),
        };
        Event::command(LogCommand {
            verb: Verb::new(verb),
            request,
            code: Some(code.to_owned()),
            response: Some(reply.to_owned()),
            ..LogCommand::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{commands, read};
    use super::*;

    const LOG: &str = r#"Nov 24 03:43:39 mail imapd: DEBUG: Connection, ip=[::ffff:192.0.2.10], port=[40112]
Nov 24 03:43:40 mail imapd: Connection, ip=[::ffff:192.0.2.10], port=[40113]
Nov 24 03:43:40 mail imapd: INFO: LOGIN, user=bob, ip=[::ffff:192.0.2.10], port=[40112], protocol=IMAP, starttls=1
Nov 24 03:43:41 mail pop3d-ssl: INFO: LOGIN, user=carol, ip=[2001:db8::31], port=[39501]
Nov 24 03:43:46 mail imapd: LOGIN FAILED, user=bob, ip=[::ffff:192.0.2.10], port=[40113]
Nov 24 03:43:46 mail imapd: LOGOUT, ip=[::ffff:192.0.2.10], port=[40113], rcvd=41, sent=412
Nov 24 03:43:47 mail pop3d-ssl: INFO: DISCONNECTED, user=carol, ip=[2001:db8::31], port=[39501], top=0, retr=87, rcvd=40, sent=233, time=6
Nov 24 03:43:52 mail imapd: INFO: LOGOUT, user=bob, ip=[::ffff:192.0.2.10], port=[40112], headers=118, body=72, rcvd=341, sent=1577, time=12, starttls=1
Nov 24 03:43:52 mail courieresmtpd: started,ip=[::ffff:192.0.2.10],port=[40200]
Nov 24 03:43:52 mail courieresmtpd: error,relay=::ffff:192.0.2.10,port=40200,from=<a@b>,to=<x@relay.example>: 513 Relaying denied.
Nov 24 03:43:53 mail courieresmtpd: error,relay=::ffff:192.0.2.10,port=40200,msg="502 ESMTP command error",cmd: BOGUS x
Nov 24 03:43:54 mail courieresmtpd: error,relay=::ffff:192.0.2.10,port=40200,msg="535 Authentication failed.",cmd: c2VjcmV0
Nov 24 03:43:54 mail courieresmtpd: RCPT TO:<x@example.com>
Nov 24 03:43:52 mail imapd: INFO: LOGOUT, user=bob, ip=[192.0.2], port=[40112], rcvd=341
Nov 24 03:43
nothing of the kind
"#;

    #[test]
    fn ports_tell_sessions_apart() {
        let told = read(&ENTRY, LOG, 2026);
        assert_eq!((told.sessions.len(), told.failed), (4, 3));
        let [bob, failed, carol, mail] = &told.sessions[..] else {
            panic!("four sessions");
        };
        assert_eq!(
            (bob.peer, bob.peer_port),
            ("192.0.2.10".parse().ok(), Some(40_112))
        );
        assert_eq!(
            (bob.encryption, bob.ending),
            (Some(Encryption::StartTls), Ending::Quit)
        );
        let octets = bob.rare().octets.unwrap();
        assert_eq!((octets.received, octets.sent), (341, 1577));
        assert_eq!((failed.events.len(), failed.rare().octets), (3, None));
        assert_eq!(
            (carol.encryption, carol.ending),
            (Some(Encryption::Implicit), Ending::Lost)
        );
        assert_eq!(
            commands(mail),
            [
                "RCPT TO:<x@relay.example> 513",
                "BOGUS x 502",
                "AUTH *** 535"
            ]
        );
    }

    #[test]
    fn without_ports_the_process_tells_and_else_time() {
        let refused = "error,relay=::ffff:192.0.2.10,from=<a@b>,to=<x@y>: 550 User unknown.";
        let log = format!(
            "Nov 24 03:43:39 mail courieresmtpd: {refused}
Nov 24 03:44:39 mail courieresmtpd: {refused}
Nov 24 03:44:40 mail courieresmtpd[7]: {refused}
Nov 24 03:44:40 mail courieresmtpd[8]: {refused}
Nov 24 03:54:40 mail courieresmtpd: {refused}
"
        );
        let told = read(&ENTRY, &log, 2026);
        let lines: Vec<usize> = told
            .sessions
            .iter()
            .map(|session| session.events.len())
            .collect();
        assert_eq!(lines, [2, 1, 1, 1]);
    }

    #[test]
    fn without_ports_the_user_tells() {
        let log = LOG
            .replace(", port=[40112]", "")
            .replace(", port=[40113]", "");
        let told = read(&ENTRY, &log, 2026);
        let bob = told
            .sessions
            .iter()
            .find(|session| session.rare().octets.is_some());
        assert_eq!(bob.map(|session| session.peer_port), Some(None));
    }
}
