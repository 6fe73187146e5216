//! `postscreen`, which meets clients before `smtpd` does: it names both ends with their ports.
//!
//! A client that passes is handed on, and what `smtpd` then tells is of the same connection.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::model::{
    Encryption, Ending, Event, LineRef, LogCommand, LogEvent, LogId, LogSession, LoggedTls, Proto,
    Span, Stamp, Verb,
};

use super::line::{Client, Said, said};

/// Clients that may be met at once; more are not believed.
const MAX_OPEN: usize = 100_000;
/// From a client's passing to the server's line, as long as it may take.
const HANDED_ON: Span = Span::seconds(30);

/// First words of lines about a client that is being met (`postscreen(8)`).
const SAYS: [&str; 9] = [
    "BARE",
    "BDAT",
    "COMMAND",
    "DATA",
    "DISCONNECT",
    "DNSBL",
    "HANGUP",
    "NOQUEUE:",
    "PREGREET",
];

/// All clients that are being met.
pub(super) struct Screen {
    id: LogId,
    open: HashMap<SocketAddr, LogSession>,
    /// Those that have passed, and when, until a server has them.
    passed: Vec<(Stamp, SocketAddr)>,
}

impl Screen {
    pub(super) fn new(id: LogId) -> Self {
        Self {
            id,
            open: HashMap::new(),
            passed: Vec::new(),
        }
    }

    /// Takes a line; gives whether it is of a client.
    pub(super) fn line(
        &mut self,
        line: LineRef,
        stamp: Stamp,
        text: &str,
        out: &mut Vec<LogSession>,
    ) -> bool {
        if let Some(rest) = text.strip_prefix("CONNECT from ") {
            return self.connect(line, stamp, rest, out);
        }
        let Some(client) = end(text) else {
            return false;
        };
        let word = text.split(' ').next().unwrap_or_default();
        // The line that met the client may stand before the log begins.
        if SAYS.contains(&word) && self.open.len() < MAX_OPEN {
            let id = self.id;
            let session = || {
                let mut session = LogSession::new(id, Proto("smtp"));
                session.peer = Some(client.ip());
                session.peer_port = Some(client.port());
                session
            };
            self.open.entry(client).or_insert_with(session);
        }
        let Some(session) = self.open.get_mut(&client) else {
            return false;
        };
        let what = match word {
            "DISCONNECT" => Event::Close,
            "NOQUEUE:" => reject(text).map_or_else(|| Event::Note(text.into()), Event::command),
            "HANGUP" => {
                session.ending = Ending::Lost;
                Event::Note(text.to_owned())
            }
            _ => Event::Note(text.to_owned()),
        };
        session.events.push(LogEvent { line, stamp, what });
        match word {
            "DISCONNECT" => {
                self.passed.retain(|(_, passed)| *passed != client);
                out.extend(self.open.remove(&client));
            }
            "PASS" | "WHITELISTED" | "ALLOWLISTED" => self.passed.push((stamp, client)),
            _ => {}
        }
        true
    }

    /// What `tlsproxy`, which speaks TLS for it, tells of a client; gives whether it is one that is being met.
    pub(super) fn tls(&mut self, line: LineRef, stamp: Stamp, text: &str) -> bool {
        let (Some(client), Said::Tls { version, cipher }) = (end(text), said(text)) else {
            return false;
        };
        let Some(session) = self.open.get_mut(&client) else {
            return false;
        };
        session.encryption = Some(Encryption::StartTls);
        session.tls = Some(LoggedTls {
            version,
            cipher: Some(cipher.to_owned()),
        });
        let what = Event::TlsDone;
        session.events.push(LogEvent { line, stamp, what });
        true
    }

    /// `[192.0.2.10]:41088 to [198.51.100.25]:25`
    fn connect(
        &mut self,
        line: LineRef,
        stamp: Stamp,
        rest: &str,
        out: &mut Vec<LogSession>,
    ) -> bool {
        let Some((client, local)) = rest.split_once(" to ") else {
            return false;
        };
        let Some(client) = end(client).filter(|_| self.open.len() < MAX_OPEN) else {
            return false;
        };
        let mut session = LogSession::new(self.id, Proto("smtp"));
        session.peer = Some(client.ip());
        session.peer_port = Some(client.port());
        let local = end(local);
        session.local = local.map(|local| local.ip());
        session.local_port = local.map(|local| local.port());
        session.events.push(LogEvent {
            line,
            stamp,
            what: Event::Open,
        });
        out.extend(self.open.insert(client, session));
        true
    }

    /// The session of a client that `smtpd` now has: by its port, or as the only one of its address that has passed.
    pub(super) fn passed(&mut self, stamp: Stamp, client: Client) -> Option<LogSession> {
        self.passed
            .retain(|(at, _)| stamp.at.since(at.at) <= HANDED_ON);
        let mut fits = self.passed.iter().map(|(_, end)| *end).filter(|end| {
            Some(end.ip()) == client.ip && client.port.is_none_or(|port| port == end.port())
        });
        let found = fits.next().filter(|_| fits.next().is_none())?;
        self.passed.retain(|(_, end)| *end != found);
        self.open.remove(&found)
    }

    pub(super) fn finish(&mut self, out: &mut Vec<LogSession>) {
        let mut all: Vec<_> = self.open.drain().map(|(_, session)| session).collect();
        all.sort_by_key(|session| session.events.first().map(|event| event.line));
        out.extend(all);
    }
}

/// The first `[192.0.2.10]:41088` of a text.
fn end(text: &str) -> Option<SocketAddr> {
    let (_, rest) = text.split_once('[')?;
    let (ip, rest) = rest.split_once("]:")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let port = rest.get(..digits)?.parse().ok()?;
    Some(SocketAddr::new(ip.parse().ok()?, port))
}

/// `NOQUEUE: reject: RCPT from [192.0.2.10]:41088: 450 4.3.2 Service currently unavailable; from=<…>, to=<…>, proto=ESMTP, helo=<…>`
fn reject(text: &str) -> Option<LogCommand> {
    let (_, rest) = text.split_once("reject: ")?;
    let (verb, rest) = rest.split_once(" from ")?;
    let (_, rest) = rest.split_once(": ")?;
    let reply = rest.rsplit_once("; ").map_or(rest, |(reply, _)| reply);
    let code = reply
        .get(..3)
        .filter(|code| code.bytes().all(|digit| digit.is_ascii_digit()))?;
    // What is said to a client that only connected is no reply to a command.
    if verb == "CONNECT" {
        return None;
    }
    let to = rest
        .split_once(" to=<")
        .and_then(|(_, to)| to.split_once('>'))
        .filter(|_| verb == "RCPT");
    Some(LogCommand {
        verb: Verb::new(verb),
        request: to.map_or_else(|| verb.to_owned(), |(to, _)| format!("RCPT TO:<{to}>")),
        code: Some(code.to_owned()),
        response: Some(reply.to_owned()),
        ..LogCommand::default()
    })
}
