//! One session of Postfix's SMTP server, from connect to disconnect.

use smallvec::SmallVec;
use thin_vec::ThinVec;

use crate::model::{
    Delivery, Encryption, Ending, Event, Events, LineRef, LogCommand, LogEvent, LogId, LogSession,
    LoggedMessage, LoggedTls, Proto, Role, Side, Span, Stamp, Verb,
};

use super::super::hidden_clock::is_prompt;
use super::super::transcript::{Detail, Transcript};
use super::implied::{self, Rejected, Told};
use super::line::{Client, Said};
use super::messages::{self, Chain, MessageNo, Messages};
use super::queue_id;
use super::tally::{Tallies, Word};

/// Octets that the events of most sessions take, while they are put together.
const USUAL_EVENTS: usize = 256;

/// A session and what its lines told.
pub(super) struct Serving {
    /// Of `smtpd -v`; else only its session is used.
    transcript: Transcript,
    commands: Commands,
    told: Vec<Step>,
    /// How often each command was used.
    tally: Tallies,
    tls_port: bool,
    /// Whether the line that opens it is missing.
    late: bool,
}

/// What its commands are known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Commands {
    /// By the tally, which is put in order.
    Counted,
    /// By the tally alone: they are too many.
    Many,
    /// By a transcript.
    Told,
}

/// What the log tells beside the tally, in the order of its lines.
enum Step {
    /// A message, by its place among all.
    Message(MessageNo),
    Reject(Rejected),
}

impl Serving {
    pub(super) fn new(id: LogId, client: Client, service: &str) -> Self {
        let mut transcript = Transcript::new(id, Proto("smtp"), Role::Server, Detail::Lines);
        transcript.session.events = Events::with_room(USUAL_EVENTS);
        transcript.session.peer = client.ip;
        transcript.session.peer_port = client.port;
        Self {
            transcript,
            commands: Commands::Counted,
            told: Vec::new(),
            tally: Tallies::default(),
            tls_port: ["smtps", "submissions", "465"].contains(&service),
            late: false,
        }
    }

    /// The stamp of its last line.
    pub(super) fn last(&self) -> Option<Stamp> {
        let events = &self.transcript.session.events;
        events.last().map(|event| event.stamp)
    }

    /// A session that the log shows from its middle on.
    pub(super) fn late(id: LogId, client: Client, service: &str) -> Self {
        Self {
            late: true,
            ..Self::new(id, client, service)
        }
    }

    /// Whether the log shows it from its middle on, and a line at `now` that names `client` may be of it.
    pub(super) fn may_go_on(&self, client: Client, now: Stamp) -> bool {
        /// Postfix waits no longer for a client (`smtpd_timeout`).
        const PATIENCE: Span = Span::seconds(300);
        let session = &self.transcript.session;
        let last = session.events.last().map_or(now, |event| event.stamp);
        let ports = [session.peer_port, client.port];
        session.peer == client.ip
            && (ports.contains(&None) || session.peer_port == client.port)
            && now.at.since(last.at) <= PATIENCE
    }

    pub(super) const fn is_late(&self) -> bool {
        self.late
    }

    /// What another process knew of the connection before this one had it.
    pub(super) fn inherit(&mut self, mut before: LogSession) {
        let session = &mut self.transcript.session;
        session.peer_port = before.peer_port;
        session.local = before.local;
        session.local_port = before.local_port;
        before.events.extend(&session.events);
        session.events = before.events;
    }

    /// Takes the next line; `messages` are those of the whole log.
    pub(super) fn line(
        &mut self,
        line: LineRef,
        stamp: Stamp,
        said: Said<'_>,
        messages: &mut Messages,
    ) {
        let side = match &said {
            Said::Sent(_) => Side::Server,
            _ => Side::Client,
        };
        match &said {
            Said::Sent(text) | Said::Received(text) => {
                self.commands = Commands::Told;
                return self.transcript.line(line, stamp, side, text);
            }
            // Of a process that tells all, much is of no session.
            Said::Other if self.commands == Commands::Told => return,
            Said::Queued { id, .. } => self.queued(line, stamp, id, messages),
            // Only inside a message is it counted how far it came.
            Said::Lost(state) | Said::Timeout(state)
                if state.starts_with("DATA (") || state.starts_with("BDAT (") =>
            {
                self.transcript.session.rare_mut().cut = Some(line);
            }
            _ => {}
        }
        let what = match self.take(said) {
            Event::Command(command) if self.commands == Commands::Told => {
                Event::Note(command.get().response.unwrap_or_default().to_owned())
            }
            what => what,
        };
        let events = &mut self.transcript.session.events;
        events.push(LogEvent { line, stamp, what });
    }

    /// A queue file was made for a message.
    fn queued(&mut self, line: LineRef, stamp: Stamp, id: &str, messages: &mut Messages) {
        self.told.extend(messages.brought(id).map(Step::Message));
        let made = queue_id::began(id).filter(|&made| is_prompt(stamp.at, made));
        if let Some(at) = made {
            let stamp = Stamp {
                at,
                resolution: Span::MICROSECOND,
            };
            self.transcript.note(line, stamp, "queue id made");
        }
    }

    fn take(&mut self, said: Said<'_>) -> Event {
        match said {
            Said::Connect(_) => Event::Open,
            Said::Sent(text) | Said::Received(text) | Said::Remark(text) => {
                Event::Note(text.to_owned())
            }
            Said::Tls { version, cipher } => {
                self.transcript.session.tls = Some(LoggedTls {
                    version,
                    cipher: Some(cipher.to_owned()),
                });
                Event::TlsDone
            }
            Said::Queued { id, user } => {
                if let Some(user) = user {
                    self.name(user);
                }
                Event::Note(["message ", id].concat())
            }
            Said::Reject {
                verb,
                reply,
                from,
                to,
                helo,
                ..
            } => {
                if let Some(helo) = helo {
                    self.name(helo);
                }
                self.reject(verb, reply, from, to)
            }
            Said::Lost(state) => {
                self.transcript.session.ending = Ending::Lost;
                Event::Note(format!("lost connection after {state}"))
            }
            Said::Timeout(state) => {
                self.transcript.session.ending = Ending::Timeout;
                Event::Note(format!("timeout after {state}"))
            }
            Said::Disconnect(counts) => {
                self.count(counts);
                Event::Close
            }
            Said::LoginFailed { user } => {
                if let Some(user) = user {
                    self.name(user);
                }
                Event::Note("login refused".to_owned())
            }
            Said::Other => Event::Note(String::new()),
        }
    }

    fn name(&mut self, name: &str) {
        if !self
            .transcript
            .session
            .names
            .iter()
            .any(|known| known == name)
        {
            self.transcript.session.names.reserve_exact(1);
            self.transcript.session.names.push(name.to_owned());
        }
    }

    fn reject(&mut self, verb: &str, reply: &str, from: Option<&str>, to: Option<&str>) -> Event {
        let request = match (verb, from, to) {
            ("MAIL", Some(from), _) => ["MAIL FROM:<", from, ">"].concat(),
            ("RCPT", _, Some(to)) => ["RCPT TO:<", to, ">"].concat(),
            _ => verb.to_owned(),
        };
        self.told.push(Step::Reject(Rejected {
            verb: verb.to_owned(),
            request: request.clone(),
            reply: reply.to_owned(),
        }));
        // A milter's refusal is told without the code that the client was sent.
        let code = reply
            .get(..3)
            .filter(|code| code.bytes().all(|digit| digit.is_ascii_digit()));
        let size = code.and_then(|_| u64::try_from(reply.len() + 2).ok());
        Event::command(LogCommand {
            verb: match verb {
                "END-OF-MESSAGE" => Verb::new(Verb::BODY),
                verb => Verb::new(verb),
            },
            request,
            code: code.map(str::to_owned),
            response: Some(reply.to_owned()),
            request_bytes: None,
            response_bytes: size,
            body_octets: None,
            reply_octets: None,
            taken: None,
        })
    }

    fn count(&mut self, counts: &str) {
        self.tally = Tallies::read(counts);
        self.transcript.session.unknown = self.tally.get(Word::Unknown).total;
        if self.counted(Word::Quit) && self.transcript.session.ending == Ending::Unknown {
            self.transcript.session.ending = Ending::Quit;
        }
    }

    /// Whether the server accepted one.
    fn counted(&self, word: Word) -> bool {
        self.tally.get(word).accepted > 0
    }

    /// How many commands it counts.
    pub(super) fn counts(&self) -> u64 {
        self.tally.sum()
    }

    /// Leaves the commands that it counts without an order: they are too many.
    pub(super) fn leave_unlisted(&mut self) {
        if self.commands == Commands::Counted {
            self.commands = Commands::Many;
        }
    }

    /// Whether no message came, as its tally says: of queue ids that were given to it nothing more will be told.
    pub(super) fn took_in_nothing(&self) -> bool {
        !self.tally.is_empty() && !self.counted(Word::Data) && !self.counted(Word::Bdat)
    }

    /// The messages that it brought.
    pub(super) fn messages(&self) -> impl Iterator<Item = MessageNo> {
        self.told.iter().filter_map(|step| match step {
            Step::Message(at) => Some(*at),
            Step::Reject(_) => None,
        })
    }

    /// The session is over, and this is what became of its messages.
    pub(super) fn over(self: Box<Self>, messages: &Messages) -> Over {
        let chains = self.messages().map(|at| messages.chain(at)).collect();
        Over::Served(self, chains)
    }

    fn into_session(
        mut self: Box<Self>,
        told: &[Told<'_>],
        brought: usize,
        deliveries: ThinVec<Delivery>,
    ) -> LogSession {
        let encryption = self.encryption();
        // What a transcript tells of messages lacks their sizes.
        self.transcript.session.messages.clear();
        let mut session = self.transcript.into_session();
        session.encryption = encryption;
        session.every_command = self.commands == Commands::Told;
        session.messages.reserve_exact(brought);
        session
            .messages
            .extend(told.iter().filter_map(logged_message));
        session.deliveries = deliveries;
        if self.commands == Commands::Counted {
            let tls_first = encryption == Some(Encryption::Implicit);
            session.implied = implied::commands(&self.tally, told, tls_first);
        }
        session
    }

    fn encryption(&self) -> Option<Encryption> {
        let ended = !self.tally.is_empty();
        if self.counted(Word::StartTls) {
            Some(Encryption::StartTls)
        } else if self.tls_port || (ended && self.transcript.session.tls.is_some()) {
            Some(Encryption::Implicit)
        } else {
            // At log level 0 TLS leaves no line, but STARTTLS is counted all the same. The line of TLS from the start may
            // stand before the log begins.
            (ended && !self.late).then_some(Encryption::None)
        }
    }
}

/// A session of which nothing more is awaited.
pub(super) enum Over {
    /// And what became of each message that it brought.
    Served(Box<Serving>, SmallVec<[Chain; 1]>),
    Whole(Box<LogSession>),
}

impl From<LogSession> for Over {
    fn from(session: LogSession) -> Self {
        Self::Whole(Box::new(session))
    }
}

impl From<Over> for LogSession {
    /// Adds what is known of the messages, and puts the commands in order.
    fn from(over: Over) -> Self {
        let (mut serving, chains) = match over {
            Over::Served(serving, chains) => (serving, chains),
            Over::Whole(session) => return *session,
        };
        let steps = std::mem::take(&mut serving.told);
        let mut told = Vec::with_capacity(steps.len());
        let mut brought = 0;
        let mut deliveries = ThinVec::new();
        let mut ahead = chains.iter();
        for step in &steps {
            match step {
                Step::Message(_) => {
                    let chain = ahead.next().map(SmallVec::as_slice).unwrap_or_default();
                    let message = chain.first();
                    brought += usize::from(message.is_some_and(|it| it.size.is_some()));
                    told.extend(message.map(|message| Told::Message(message)));
                    messages::fate(chain, &mut deliveries);
                }
                Step::Reject(reject) => told.push(Told::Reject(reject)),
            }
        }
        serving.into_session(&told, brought, deliveries)
    }
}

fn logged_message(told: &Told<'_>) -> Option<LoggedMessage> {
    /// What Postfix adds to a message before it measures it: a Received field of two to four lines, and Message-ID, Date and From where
    /// they lack. Line ends count as two octets, as on the wire.
    const ADDED: std::ops::RangeInclusive<u64> = 60..=1200;
    let Told::Message(message) = told else {
        return None;
    };
    let size = message.size?;
    Some(LoggedMessage {
        wire_bytes: Some((
            size.saturating_sub(*ADDED.end()),
            size.saturating_sub(*ADDED.start()),
        )),
        recipients: message.recipients,
        message_id: message.header_id.clone().filter(|id| !id.is_empty()),
    })
}
