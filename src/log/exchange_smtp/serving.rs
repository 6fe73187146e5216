//! The dialogue of one session.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::model::{
    Encryption, Ending, Event, LineRef, LogCommand, LogEvent, LogId, LogSession, LoggedMessage,
    LoggedTls, Proto, Role, Stamp, TlsVersion, Verb,
};

/// Commands that may wait for their replies, and events of a session; more are not kept.
const MAX_PENDING: usize = 1_000;
const MAX_EVENTS: usize = 100_000;
/// A command line may stand before the octets of a chunk.
const CHUNK_SLACK: u64 = 64;

/// What a row tells.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told<'a> {
    /// With which side it was that ended it.
    Close(&'a str),
    Command(&'a str),
    Note(&'a str),
    Open,
    Reply(&'a str),
}

/// A session whose last row has not come.
pub(super) struct Serving {
    session: LogSession,
    pending: VecDeque<Asked>,
    /// The next reply is that to a message, or of an authentication.
    expects: Expects,
    recipients: u32,
    from_start: bool,
    /// Octets of the chunks so far.
    chunks: u64,
}

/// A command that waits for its reply.
struct Asked {
    line: LineRef,
    command: LogCommand,
    chunk: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expects {
    Anything,
    Body,
    Secret,
}

impl Serving {
    pub(super) fn new(id: LogId, role: Role, from_start: bool) -> Self {
        let mut session = LogSession::new(id, Proto("smtp"));
        session.lag = LogSession::WINDOWS_LAG;
        session.role = role;
        session.every_command = from_start;
        Self {
            session,
            pending: VecDeque::new(),
            expects: Expects::Anything,
            recipients: 0,
            from_start,
            chunks: 0,
        }
    }

    /// Takes in what a row says of the two ends.
    pub(super) fn ends(&mut self, local: Option<SocketAddr>, remote: Option<SocketAddr>) {
        if let Some(local) = local {
            self.session.local = Some(local.ip());
            self.session.local_port = Some(local.port());
        }
        if let Some(remote) = remote {
            self.session.peer = Some(remote.ip());
            self.session.peer_port = Some(remote.port());
        }
    }

    pub(super) fn take(&mut self, line: LineRef, stamp: Stamp, told: &Told<'_>) {
        let what = match *told {
            Told::Close(by) => {
                self.close(by);
                Event::Close
            }
            Told::Command(text) => self.command(line, text),
            Told::Note(text) => self.note(text),
            Told::Open => {
                self.from_start = true;
                Event::Open
            }
            Told::Reply(text) => self.reply(text),
        };
        if self.session.events.len() < MAX_EVENTS || what == Event::Close {
            self.session.events.push(LogEvent { line, stamp, what });
        }
    }

    fn command(&mut self, line: LineRef, text: &str) -> Event {
        if self.expects == Expects::Secret {
            return Event::Note("***".to_owned());
        }
        let mut words = text.split(' ');
        let verb = Verb::new(words.next().unwrap_or_default());
        let mut command = LogCommand {
            verb,
            request: masked(text),
            ..LogCommand::default()
        };
        let mut chunk = None;
        if command.verb.as_str() == "BDAT" {
            command.verb = Verb::new(Verb::BODY);
            chunk = words.next().and_then(|octets| octets.parse().ok());
        }
        let note = Event::Note(command.request.clone());
        if self.pending.len() < MAX_PENDING {
            self.pending.push_back(Asked {
                line,
                command,
                chunk,
            });
        }
        note
    }

    fn reply(&mut self, text: &str) -> Event {
        let code = text.get(..3).filter(|code| is_code(code));
        let accepted = code.is_some_and(|code| code.starts_with('2'));
        match std::mem::replace(&mut self.expects, Expects::Anything) {
            Expects::Body => {
                if accepted {
                    self.message(None, text);
                }
                return Event::Command(LogCommand {
                    verb: Verb::new(Verb::BODY),
                    request: String::new(),
                    code: code.map(str::to_owned),
                    response: Some(text.to_owned()),
                    ..LogCommand::default()
                });
            }
            Expects::Secret => {
                if code == Some("334") {
                    self.expects = Expects::Secret;
                }
                return Event::Note(text.to_owned());
            }
            Expects::Anything => {}
        }
        let Some(asked) = self.pending.pop_front() else {
            // The greeting, or of a command whose row is missing.
            return Event::Note(text.to_owned());
        };
        let mut command = asked.command;
        match (command.verb.as_str(), code) {
            ("AUTH", Some("334")) => self.expects = Expects::Secret,
            ("DATA", Some("354")) => self.expects = Expects::Body,
            ("EHLO" | "HELO", _) if accepted => self.name(&command.request),
            ("MAIL" | "RSET", _) if accepted => (self.recipients, self.chunks) = (0, 0),
            ("RCPT", _) if accepted => self.recipients = self.recipients.saturating_add(1),
            ("STARTTLS" | "X-ANONYMOUSTLS", Some("220")) => {
                self.session.encryption = Some(Encryption::StartTls);
            }
            (Verb::BODY, _) if accepted => {
                let octets = asked.chunk.unwrap_or_default();
                self.chunks = self.chunks.saturating_add(octets);
                if command.request.to_ascii_uppercase().ends_with(" LAST") {
                    // Only a message in one piece has a size of its own on the wire.
                    self.message(asked.chunk.filter(|chunk| *chunk == self.chunks), text);
                    self.chunks = 0;
                }
            }
            _ => {}
        }
        command.code = code.map(str::to_owned);
        command.response = Some(text.to_owned());
        Event::Command(command)
    }

    /// A message was taken in, of so many octets if it came in one piece.
    fn message(&mut self, octets: Option<u64>, reply: &str) {
        let message_id = reply
            .split_once('<')
            .and_then(|(_, rest)| rest.split_once('>'))
            .map(|(id, _)| id.to_owned());
        self.session.messages.push(LoggedMessage {
            wire_bytes: octets.map(|octets| (octets, octets.saturating_add(CHUNK_SLACK))),
            recipients: Some(self.recipients),
            message_id: message_id.filter(|_| self.session.role == Role::Server),
        });
    }

    fn name(&mut self, request: &str) {
        let name = request.split(' ').nth(1).filter(|name| !name.is_empty());
        if let Some(name) = name
            && !self.session.names.iter().any(|known| known == name)
        {
            self.session.names.push(name.to_owned());
        }
    }

    /// `TLS protocol SP_PROT_TLS1_2_SERVER negotiation succeeded using …`
    fn note(&mut self, text: &str) -> Event {
        let protocol = text
            .strip_prefix("TLS protocol SP_PROT_")
            .and_then(|rest| rest.split_once(" negotiation succeeded"));
        let Some((protocol, _)) = protocol else {
            return Event::Note(text.to_owned());
        };
        let version = protocol
            .trim_end_matches("_SERVER")
            .trim_end_matches("_CLIENT")
            .replace("TLS", "TLSv")
            .replace('_', ".");
        self.session.tls = Some(LoggedTls {
            version: TlsVersion::from_name(&version),
            cipher: None,
        });
        Event::TlsDone
    }

    fn close(&mut self, by: &str) {
        let quit = self.session.events.iter().rev().take(4).any(|event| {
            matches!(&event.what, Event::Command(command) if command.verb.as_str() == "QUIT")
        }) || self.unanswered("QUIT");
        self.session.ending = match by {
            _ if quit => Ending::Quit,
            by if by.starts_with("Remote") && self.session.role == Role::Server => Ending::Lost,
            _ => Ending::Unknown,
        };
        if self.from_start && self.session.encryption.is_none() {
            self.session.encryption = Some(Encryption::None);
        }
    }

    fn unanswered(&self, verb: &str) -> bool {
        self.pending
            .iter()
            .any(|asked| asked.command.verb.as_str() == verb)
    }

    /// The session as it is; commands without a reply are told by their own rows.
    pub(super) fn into_session(mut self) -> LogSession {
        for asked in self.pending {
            let own = self
                .session
                .events
                .iter_mut()
                .rev()
                .find(|event| event.line == asked.line);
            if let Some(event) = own {
                event.what = Event::Command(asked.command);
            }
        }
        self.session
    }
}

fn is_code(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A command line as it was, but for secrets.
fn masked(text: &str) -> String {
    let mut words = text.splitn(3, ' ');
    match (words.next(), words.next(), words.next()) {
        (Some(verb), Some(mechanism), Some(_)) if verb.eq_ignore_ascii_case("AUTH") => {
            format!("{verb} {mechanism} ***")
        }
        _ => text.to_owned(),
    }
}
