//! One conversation as a server's log tells it.

use std::net::IpAddr;

use thin_vec::ThinVec;

use super::commands::{RawText, Skimmed};
use super::{
    CommandRef, Commands, DamageLog, Delivery, Encryption, Events, LineRef, LogTime, PackedCommand,
    Proto, Shows, Side, Span, Stamp, TlsVersion, Verb, What,
};

/// Which input log, in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub u16);

/// Where a log's time zone is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Zone {
    /// Nothing says it: the stamps are read as if they were UTC.
    Assumed,
    /// The user gave it.
    Given(Span),
    /// The user gave it by the name of a place (`Europe/Berlin`): how far east it is changes with the season.
    Place(&'static str),
    /// Found by comparison with the capture: east of UTC is positive.
    Inferred(Span),
    /// The log or the rule of its format says it.
    Stated(Span),
}

/// One log file as a whole.
#[derive(Clone, Debug)]
pub struct LogSource {
    /// Which one.
    pub id: LogId,
    /// Path as given; of a rotated set that of its newest file.
    pub file: String,
    /// The files of a rotated set, the oldest first; empty where there is only one.
    pub parts: Vec<LogPart>,
    /// Name of its format in the registry.
    pub format: &'static str,
    /// Share of the lines looked at that this format takes, in thousandths.
    pub sureness: u16,
    /// How its letters are written, where that is not UTF-8.
    pub encoding: Option<&'static str>,
    /// What that format can show.
    pub shows: Shows,
    /// Time zone of its stamps.
    pub zone: Zone,
    /// Its clock minus the capture's, where the user says it.
    pub offset: Option<Span>,
    /// Lines read.
    pub lines: u64,
    /// Lines that became part of a session.
    pub events: u64,
    /// Lines that the format should know and could not read.
    pub unparsed: u64,
    /// The first few of those, by line number and text.
    pub unparsed_first: Vec<(u64, String)>,
    /// Of those, lines that were too long to read.
    pub overlong: u64,
    /// Where a program says in it that its disk is full.
    pub disk_full: Option<DiskFull>,
    /// Lines with a stamp before that of a line above them.
    pub late: u64,
    /// By how much the latest of them.
    pub late_by: Span,
    /// What else a person should know of how it was read.
    pub remarks: Vec<String>,
    /// Earliest stamp.
    pub first: Option<LogTime>,
    /// Latest stamp.
    pub last: Option<LogTime>,
    /// What was wrong with the file itself.
    pub damage: DamageLog,
}

/// Lines that say that a disk is full, with the number of the first and the last and when they were written, where that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskFull {
    /// How many.
    pub lines: u64,
    /// The first.
    pub first: (u64, Option<LogTime>),
    /// The last.
    pub last: (u64, Option<LogTime>),
}

/// A file of a rotated set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPart {
    /// Path as given.
    pub file: String,
    /// Lines of the set in the files before it.
    pub before: u64,
}

impl LogSource {
    /// A log of which nothing has been read.
    pub fn new(id: LogId, file: &str, format: &'static str) -> Self {
        Self {
            id,
            file: file.to_owned(),
            parts: Vec::new(),
            format,
            sureness: 0,
            encoding: None,
            shows: Shows::NOTHING,
            zone: Zone::Assumed,
            offset: None,
            lines: 0,
            events: 0,
            unparsed: 0,
            unparsed_first: Vec::new(),
            overlong: 0,
            disk_full: None,
            late: 0,
            late_by: Span::ZERO,
            remarks: Vec::new(),
            first: None,
            last: None,
            damage: DamageLog::default(),
        }
    }

    /// Its files, the oldest first.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let alone = self.parts.is_empty().then_some(self.file.as_str());
        self.parts
            .iter()
            .map(|part| part.file.as_str())
            .chain(alone)
    }

    /// In which file a line is, and its number there.
    pub fn place(&self, line: u64) -> (&str, u64) {
        let at = self.parts.partition_point(|part| part.before < line);
        match self.parts.get(at.saturating_sub(1)) {
            Some(part) => (&part.file, line - part.before),
            None => (&self.file, line),
        }
    }
}

/// Whether the log's host was the server of the conversation or its client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It connected to somebody (`smtp` of Postfix, outbound rows of IIS).
    Client,
    /// Somebody connected to it.
    #[default]
    Server,
}

/// How a conversation ended, as far as the log says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ending {
    /// The client went away without a word.
    Lost,
    /// By command.
    Quit,
    /// The server gave up waiting.
    Timeout,
    /// The log does not say, or not yet.
    #[default]
    Unknown,
}

/// How much of a conversation the lines of a session tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Extent {
    /// All that the log has of it.
    #[default]
    Whole,
    /// Only its end: several conversations were open, and the log does not tell which of them it ended.
    End,
}

/// The lines of a log that tell of one conversation.
#[derive(Clone, Debug)]
pub struct LogSession {
    /// The log they are in.
    pub log: LogId,
    /// How much of it they tell.
    pub extent: Extent,
    /// What was spoken.
    pub proto: Proto,
    /// Which side wrote the log.
    pub role: Role,
    /// Address of the other end as the log has it (the client, unless `role` is `Client`).
    pub peer: Option<IpAddr>,
    /// Port of the other end.
    pub peer_port: Option<u16>,
    /// Address of the log's own end.
    pub local: Option<IpAddr>,
    /// Port of the log's own end; listening port when `role` is `Server`.
    pub local_port: Option<u16>,
    /// Protection, where the log tells.
    pub encryption: Option<Encryption>,
    /// TLS parameters, where the log tells.
    pub tls: Option<LoggedTls>,
    /// Names the client gave: HELO argument, user.
    pub names: ThinVec<String>,
    /// What happened, in the order of the lines.
    pub events: Events,
    /// Commands that the log counts but does not list one by one, in the order the protocol
    /// demands; `code` is what the server always answers to an accepted command of that kind.
    pub implied: Commands,
    /// Messages that the server took in.
    pub messages: ThinVec<LoggedMessage>,
    /// What became of them, as far as the log goes on to tell.
    pub deliveries: ThinVec<Delivery>,
    /// Commands that the log counts as unknown, whether it has their words or not.
    pub unknown: u32,
    /// How it ended.
    pub ending: Ending,
    /// Length of the session where the log states it.
    pub duration: Option<Span>,
    /// Whether the log shows every command (and not only some).
    pub every_command: bool,
    /// By how much its stamps may lag behind the clock of its host.
    pub lag: Span,
    /// What it has nothing of, as far as that was looked at.
    pub gist: Gist,
    rare: Option<Box<Rare>>,
}

/// What the lines of few sessions tell: of a large log most are better off without room for it.
#[derive(Clone, Debug, Default)]
pub struct Rare {
    /// Octets that the log says passed after login.
    pub octets: Option<LoggedOctets>,
    /// Sizes that must be found among what passed.
    pub sizes: Vec<LoggedSize>,
    /// Messages that the client fetched whole, where the log counts them.
    pub fetched: Option<LoggedFetch>,
    /// The line that says that the connection was gone in the middle of a message.
    pub cut: Option<LineRef>,
}

/// What rules look for among the commands and remarks of a session. Most have none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matter {
    /// A remark that something failed or was refused.
    Failure,
    /// A reply by which the server closes the connection (421, 400 of NNTP, BYE).
    Goodbye,
    /// A greeting (EHLO, HELO) with a name.
    Greeting,
    /// A login.
    Login,
    /// A command without a code that accepts it (2xx, 3xx).
    Refusal,
    /// A message that was refused, when it was announced (MAIL) or when it came (a body, BDAT), or anything that IMAP answers by NO.
    RefusedMessage,
}

/// What a session is known to have nothing of, a bit for each [`Matter`]: nothing is known where nobody looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gist(u8);

impl Gist {
    /// That of a session without a line.
    const NOTHING: Self = Self(u8::MAX);

    /// Whether it is known to have nothing of it.
    pub const fn has_no(self, matter: Matter) -> bool {
        self.0 & Self::bit(matter) != 0
    }

    const fn bit(matter: Matter) -> u8 {
        1 << matter as u8
    }

    const fn has(&mut self, matter: Matter, is_there: bool) {
        if is_there {
            self.0 &= !Self::bit(matter);
        }
    }

    fn hear(&mut self, command: Skimmed<'_>) {
        let code = command.code.map(RawText::get).unwrap_or_default();
        let verb = command.verb.get();
        self.has(Matter::Login, Verb::LOGINS.contains(&verb));
        let greets = ["EHLO", "HELO"].contains(&verb);
        self.has(
            Matter::Greeting,
            greets && command.request.get().contains(' '),
        );
        if code.len() == 3 && code.starts_with(['2', '3']) {
            return;
        }
        self.has(Matter::Refusal, true);
        let reply = command.response.map_or(code, RawText::get);
        let goodbyes = ["421", "400", "*"];
        let closes = goodbyes.iter().any(|goodbye| reply.starts_with(goodbye));
        self.has(Matter::Goodbye, closes);
        let is_message = ["MAIL", "BDAT", Verb::BODY].contains(&verb);
        let is_refused = code == "NO" || is_message && code.starts_with('5');
        self.has(Matter::RefusedMessage, is_refused);
    }
}

fn tells_failure(text: &str) -> bool {
    let text = text.as_bytes();
    let mut heads = memchr::memchr2_iter(b'd', b'D', text).filter_map(|at| text.get(..=at));
    heads.any(|head| {
        let end = head.last_chunk::<6>();
        end.is_some_and(|end| {
            [b"failed", b"efused"]
                .iter()
                .any(|word| end.eq_ignore_ascii_case(*word))
        })
    })
}

/// TLS parameters in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedTls {
    /// Protocol version.
    pub version: Option<TlsVersion>,
    /// Cipher suite in the log's spelling.
    pub cipher: Option<String>,
}

/// A message that the server took in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedMessage {
    /// Smallest and largest number of octets it can have had on the wire.
    pub wire_bytes: Option<(u64, u64)>,
    /// Recipients accepted.
    pub recipients: Option<u32>,
    /// Message-ID without the angle brackets.
    pub message_id: Option<String>,
}

/// Octets of the dialogue behind the login, as servers count them: from the reply to the login on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedOctets {
    /// From the client.
    pub received: u64,
    /// To the client.
    pub sent: u64,
    /// Octets of the last request that the server may have left uncounted.
    pub unread: u64,
}

/// Messages that a client fetched, as a log counts them at the end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LoggedFetch {
    /// How many were sent whole; a message that was sent twice counts twice.
    pub messages: u32,
    /// Octets of them together.
    pub octets: u64,
    /// How many were deleted or removed.
    pub deleted: u32,
}

/// Octets that some requests or replies of a session have together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedSize {
    /// What they are, in words for a person.
    pub what: String,
    /// Who sent them.
    pub side: Side,
    /// How many of them there are; at least one.
    pub count: u32,
    /// Octets of all together with line ends.
    pub octets: u64,
    /// In how many of a hundred sessions they are there when the log says so: clients differ in the commands that they use.
    pub percent: u8,
}

/// A line that belongs to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// Which line.
    pub line: LineRef,
    /// When it was written.
    pub stamp: Stamp,
    /// What it tells.
    pub what: Event,
}

/// What a log line tells of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The connection ended.
    Close,
    /// A command was answered.
    Command(PackedCommand),
    /// The client logged in, in the log's words.
    Login(String),
    /// Something took place in the middle of the session.
    Note(String),
    /// A connection was accepted.
    Open,
    /// The TLS handshake was done.
    TlsDone,
}

/// A command and its reply as a log tells them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogCommand {
    /// Command word for comparison.
    pub verb: Verb,
    /// The command's text, secrets masked.
    pub request: String,
    /// Reply code or status word.
    pub code: Option<String>,
    /// The reply's text, where the log has it.
    pub response: Option<String>,
    /// Octets of the request with line ends.
    pub request_bytes: Option<u64>,
    /// Octets of the reply with line ends.
    pub response_bytes: Option<u64>,
    /// Octets of the reply's body, where the log counts only that.
    pub body_octets: Option<u64>,
    /// Octets of the reply, where it is not told whether its head is counted and, with TLS, its records.
    pub reply_octets: Option<u64>,
    /// Time the server spent on it.
    pub taken: Option<Span>,
}

impl LogEvent {
    /// The command that it tells of, if it tells of one.
    pub fn command(&self) -> Option<CommandRef<'_>> {
        match &self.what {
            Event::Command(command) => Some(command.get()),
            _ => None,
        }
    }
}

impl Event {
    /// A command was answered.
    pub fn command(command: LogCommand) -> Self {
        Self::Command(command.into())
    }

    /// Adds to the command what else is known of it; what is none stays as it is.
    pub fn amend(&mut self, add: impl FnOnce(&mut LogCommand)) {
        if let Self::Command(packed) = self {
            let mut command = packed.get().owned();
            add(&mut command);
            *packed = command.into();
        }
    }
}

impl LogSession {
    /// Unix servers stamp their lines by the clock of the last timer tick, up to 10 ms old (`CLOCK_REALTIME_COARSE` of Linux at 100 Hz).
    pub const UNIX_LAG: Span = Span::millis(10);
    /// The clock of Windows moves 64 times a second.
    pub const WINDOWS_LAG: Span = Span::millis(16);

    /// A session of which only the log and the protocol are known.
    pub fn new(log: LogId, proto: Proto) -> Self {
        Self {
            log,
            extent: Extent::default(),
            proto,
            role: Role::default(),
            peer: None,
            peer_port: None,
            local: None,
            local_port: None,
            encryption: None,
            tls: None,
            names: ThinVec::new(),
            events: Events::default(),
            implied: Commands::default(),
            messages: ThinVec::new(),
            deliveries: ThinVec::new(),
            unknown: 0,
            ending: Ending::default(),
            duration: None,
            every_command: false,
            lag: Self::UNIX_LAG,
            gist: Gist::default(),
            rare: None,
        }
    }

    /// What few logs tell.
    pub fn rare(&self) -> &Rare {
        static NONE: Rare = Rare {
            octets: None,
            sizes: Vec::new(),
            fetched: None,
            cut: None,
        };
        self.rare.as_deref().unwrap_or(&NONE)
    }

    /// The same, to be added to.
    pub fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// The commands that its lines tell, and behind them those that they count.
    pub fn commands(&self) -> impl Iterator<Item = CommandRef<'_>> {
        let listed = self.events.iter().filter_map(|event| event.command());
        listed.chain(self.implied.iter())
    }

    /// Gives back the memory that was held for more to come: logs have millions of sessions.
    pub(crate) fn shrink(&mut self) {
        self.names.shrink_to_fit();
        self.events.shrink();
        self.messages.shrink_to_fit();
        self.deliveries.shrink_to_fit();
    }

    /// Looks at what it has nothing of.
    pub(crate) fn look_at_commands(&mut self) {
        let mut gist = Gist::NOTHING;
        for event in &self.events {
            match event.what {
                What::Command(command) => gist.hear(command.skim()),
                What::Note(text) => gist.has(Matter::Failure, tells_failure(text)),
                _ => {}
            }
        }
        for command in self.implied.skim() {
            gist.hear(command);
        }
        self.gist = gist;
    }

    /// First and last stamp; `None` without events.
    pub fn stamps(&self) -> Option<(Stamp, Stamp)> {
        let mut stamps = self.events.iter().map(|event| event.stamp);
        let one = stamps.next()?;
        Some(stamps.fold((one, one), |(first, last), stamp| {
            (first.min(stamp), last.max(stamp))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gist(told: Event) -> Gist {
        let log = LogId(0);
        let mut session = LogSession::new(log, Proto("smtp"));
        session.events.push(LogEvent {
            line: LineRef { log, line: 1 },
            stamp: Stamp {
                at: LogTime(0),
                resolution: Span::SECOND,
            },
            what: told,
        });
        session.look_at_commands();
        session.gist
    }

    fn command(request: &str, code: &str) -> Event {
        let verb = request.split(' ').next().unwrap_or_default();
        Event::command(LogCommand {
            verb: Verb::new(verb),
            request: request.to_owned(),
            code: Some(code.to_owned()),
            ..LogCommand::default()
        })
    }

    #[test]
    fn the_gist_says_what_there_is_none_of() {
        use Matter::{Failure, Goodbye, Greeting, Login, Refusal, RefusedMessage};
        let all = [Failure, Goodbye, Greeting, Login, Refusal, RefusedMessage];
        let note = |text: &str| Event::Note(text.to_owned());
        for (told, expected) in [
            (command("MAIL FROM:<a@b>", "250"), vec![]),
            (command("RCPT TO:<a@b>", "550"), vec![Refusal]),
            (command("EHLO mx", "250"), vec![Greeting]),
            (command("EHLO", "250"), vec![]),
            (command("AUTH ***", "235"), vec![Login]),
            (
                command("MAIL FROM:<a@b>", "552"),
                vec![Refusal, RefusedMessage],
            ),
            (command("QUIT", "421"), vec![Goodbye, Refusal]),
            (note("message 7E58B98E33D"), vec![]),
            (note("Auth FAILED, 2 attempts"), vec![Failure]),
            (note("login refused"), vec![Failure]),
        ] {
            let gist = gist(told.clone());
            let there = all.into_iter().filter(|matter| !gist.has_no(*matter));
            assert_eq!(there.collect::<Vec<_>>(), expected, "{told:?}");
        }
        assert!(all.iter().all(|matter| !Gist::default().has_no(*matter)));
    }
}
