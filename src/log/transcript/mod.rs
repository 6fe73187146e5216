//! Transcripts: logs that hold the lines of both sides, put together into commands and replies.
//!
//! A format gives each line with its side; this finds which reply answers which command, in SMTP, POP3, IMAP and NNTP. What a client sends as a
//! secret or as a message is never kept.

mod answer;
mod command;
mod reply;

use std::collections::VecDeque;

pub(super) use command::masked;
use command::{Command, MASK, literal};
use reply::Reply;

use crate::model::{
    Encryption, Ending, Event, EventRef, LineRef, LogCommand, LogEvent, LogId, LogSession,
    LoggedTls, Proto, Role, Side, Stamp, Verb,
};

/// Commands that may wait for their replies, and events of a session; more are not kept.
const MAX_PENDING: usize = 1_000;
const MAX_EVENTS: usize = 100_000;
/// A command line may stand before the octets of a chunk.
const CHUNK_SLACK: u64 = 64;

/// Whether a transcript shows what passes beside commands and replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// Messages and lists as well: every octet.
    Everything,
    /// Commands and replies, hardly messages.
    Lines,
    /// Commands and replies with lines put together and secrets replaced, so that their lengths say nothing.
    Words,
}

/// A session that is being put together.
pub(super) struct Transcript {
    pub(super) session: LogSession,
    detail: Detail,
    pending: VecDeque<Asked>,
    client: Client,
    /// What the server has said of the reply that is not over.
    said: Said,
    /// The server's lines are those of a message or a list, up to a dot.
    in_data: bool,
    /// Octets of a literal of the server that are still to come.
    in_literal: Option<u64>,
    recipients: u32,
    /// Octets of the chunks of a message so far (RFC 3030).
    chunks: u64,
}

/// A command without its reply.
struct Asked {
    line: LineRef,
    tag: String,
    command: LogCommand,
    name: Option<String>,
}

/// What the client's next line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Command,
    /// Of a message, up to a dot.
    Message,
    /// Of an exchange that proves who it is.
    Secret,
    /// Of a literal: so many octets are still to come.
    Literal(u64),
}

/// The lines of a reply so far.
#[derive(Default)]
struct Said {
    first: Option<String>,
    octets: Octets,
}

/// A sum of octets with line ends; unknown once a line had bytes that are shown by more characters than they are.
#[derive(Clone, Copy, Debug, Default)]
struct Octets {
    sum: u64,
    unsure: bool,
}

impl Octets {
    fn add(&mut self, line: &str) {
        self.unsure |= line.contains("\\x");
        self.sum = self.sum.saturating_add(octets(line));
    }

    fn known(self) -> Option<u64> {
        (!self.unsure).then_some(self.sum)
    }
}

fn octets(line: &str) -> u64 {
    u64::try_from(line.len())
        .unwrap_or(u64::MAX)
        .saturating_add(2)
}

impl Transcript {
    pub(super) fn new(log: LogId, proto: Proto, role: Role, detail: Detail) -> Self {
        let mut session = LogSession::new(log, proto);
        session.role = role;
        Self {
            session,
            detail,
            pending: VecDeque::new(),
            client: Client::Command,
            said: Said::default(),
            in_data: false,
            in_literal: None,
            recipients: 0,
            chunks: 0,
        }
    }

    /// The connection was made: the transcript is whole.
    pub(super) fn open(&mut self, line: LineRef, stamp: Stamp) {
        self.session.every_command = true;
        self.push(line, stamp, Event::Open);
    }

    pub(super) fn note(&mut self, line: LineRef, stamp: Stamp, text: impl Into<String>) {
        self.push(line, stamp, Event::Note(text.into()));
    }

    pub(super) fn tls(&mut self, line: LineRef, stamp: Stamp, tls: LoggedTls) {
        self.session.tls = Some(tls);
        self.push(line, stamp, Event::TlsDone);
    }

    /// The connection is over; `ending` where the client did not say goodbye.
    pub(super) fn close(&mut self, line: LineRef, stamp: Stamp, ending: Ending) {
        if self.session.ending == Ending::Unknown {
            self.session.ending = ending;
        }
        self.push(line, stamp, Event::Close);
    }

    /// Whether the client has said goodbye and the server has answered.
    pub(super) fn is_over(&self) -> bool {
        self.session.ending == Ending::Quit
    }

    /// Whether no command waits for its reply.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.client == Client::Command
    }

    /// The word of the command that waits longest for its reply; empty where none does.
    pub(super) fn waiting(&self) -> &str {
        let front = self.pending.front();
        front.map_or("", |asked| asked.command.verb.as_str())
    }

    /// Its text.
    pub(super) fn asked(&self) -> &str {
        let front = self.pending.front();
        front.map_or("", |asked| &asked.command.request)
    }

    /// Whether the client's next line is a secret.
    pub(super) fn expects_secret(&self) -> bool {
        self.client == Client::Secret
    }

    pub(super) fn line(&mut self, line: LineRef, stamp: Stamp, side: Side, text: &str) {
        match side {
            Side::Client => self.client(line, stamp, text),
            Side::Server => self.server(line, stamp, text),
        }
    }

    fn push(&mut self, line: LineRef, stamp: Stamp, what: Event) {
        if self.session.events.len() < MAX_EVENTS || what == Event::Close {
            self.session.events.push(LogEvent { line, stamp, what });
        }
    }

    fn client(&mut self, line: LineRef, stamp: Stamp, text: &str) {
        match self.client {
            Client::Command => self.command(line, stamp, text),
            Client::Message => {
                self.absorb(text);
                if text == "." {
                    self.client = Client::Command;
                }
            }
            Client::Secret => {
                self.client = Client::Command;
                if self.session.proto == Proto("imap") {
                    self.absorb(text);
                    return self.note(line, stamp, MASK);
                }
                // A star breaks the exchange off.
                let broken = text.trim_end() == "*";
                let command = Command {
                    verb: Verb::new("AUTH"),
                    request: if broken { "*" } else { MASK }.to_owned(),
                    ..Command::default()
                };
                self.ask(line, stamp, command, text);
            }
            Client::Literal(left) => {
                self.absorb(text);
                // What the line has behind the literal is the rest of the command.
                self.client = left
                    .checked_sub(octets(text))
                    .or_else(|| literal(text))
                    .map_or(Client::Command, Client::Literal);
            }
        }
    }

    fn command(&mut self, line: LineRef, stamp: Stamp, text: &str) {
        let Some(command) = command::read(self.session.proto, text) else {
            // The end of a command behind its literal, or of IDLE.
            self.absorb(text);
            return self.note(line, stamp, MASK);
        };
        // IMAP waits behind a literal where its octets are not shown.
        if let Some(left) = command
            .literal
            .filter(|_| self.detail == Detail::Everything)
        {
            self.client = Client::Literal(left);
        }
        self.ask(line, stamp, command, text);
    }

    fn ask(&mut self, line: LineRef, stamp: Stamp, command: Command, text: &str) {
        let mut size = Octets::default();
        size.add(text.trim_end_matches(MASK));
        let masked_by_writer = text.ends_with(MASK);
        let hidden = self.detail == Detail::Words
            || command.literal.is_some() && self.detail == Detail::Lines;
        let asked = Asked {
            line,
            tag: command.tag,
            name: command.name,
            command: LogCommand {
                verb: command.verb,
                request: command.request.clone(),
                request_bytes: size.known().filter(|_| !masked_by_writer && !hidden),
                ..LogCommand::default()
            },
        };
        if self.pending.len() < MAX_PENDING {
            self.pending.push_back(asked);
        }
        self.note(line, stamp, command.request);
    }

    /// A line that belongs to what the client said last.
    fn absorb(&mut self, text: &str) {
        if let Some(last) = self.pending.back_mut() {
            let sum = last.command.request_bytes.filter(|_| !text.contains("\\x"));
            last.command.request_bytes = sum.map(|sum| sum.saturating_add(octets(text)));
        }
    }

    fn server(&mut self, line: LineRef, stamp: Stamp, text: &str) {
        if self.in_data {
            self.said.octets.add(text);
            let next = self.detail != Detail::Everything
                && !self.pending.is_empty()
                && matches!(
                    reply::read(self.session.proto, text, std::iter::empty),
                    Reply::Whole { .. }
                );
            if text != "." && !next {
                return;
            }
            self.in_data = false;
            if self.detail == Detail::Everything {
                return self.answer(line, stamp, Side::Server);
            }
            self.said = Said::default();
            if !next {
                return;
            }
        }
        if let Some(left) = self.in_literal {
            self.said.octets.add(text);
            self.in_literal = left.checked_sub(octets(text)).or_else(|| literal(text));
            return;
        }
        let tags = || self.pending.iter().map(|asked| asked.tag.as_str());
        let reply = reply::read(self.session.proto, text, tags);
        if reply != Reply::Other || self.said.first.is_none() {
            // The reply proper of IMAP is its last line.
            let is_tagged = matches!(reply, Reply::Whole { .. });
            if self.said.first.is_none() || (is_tagged && self.session.proto == Proto("imap")) {
                self.said.first = Some(text.to_owned());
            }
        }
        self.said.octets.add(text);
        match reply {
            Reply::Begun => {}
            Reply::Other => {
                if self.session.proto == Proto("imap") && self.detail == Detail::Everything {
                    self.in_literal = literal(text);
                }
                if self.pending.is_empty() {
                    self.said = Said::default();
                    self.note(line, stamp, text);
                }
            }
            Reply::GoOn => {
                if self.waiting() == "AUTHENTICATE" {
                    self.client = Client::Secret;
                }
                self.note(line, stamp, text);
            }
            Reply::Whole { tag, code } => self.whole(line, stamp, &tag, code),
        }
    }

    /// The session as it is; commands without a reply are told by their own lines.
    pub(super) fn into_session(mut self) -> LogSession {
        if !self.pending.is_empty() {
            let mut events: Vec<_> = self.session.events.iter().map(EventRef::owned).collect();
            for asked in self.pending {
                let own = events
                    .iter_mut()
                    .rev()
                    .find(|event| event.line == asked.line && matches!(event.what, Event::Note(_)));
                if let Some(event) = own {
                    event.what = Event::command(asked.command);
                }
            }
            self.session.events = events.into_iter().collect();
        }
        let whole = self.session.every_command;
        if whole && self.session.encryption.is_none() && self.session.tls.is_none() {
            self.session.encryption = Some(Encryption::None);
        }
        self.session
    }
}

#[cfg(test)]
mod tests;
