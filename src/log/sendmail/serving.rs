//! One session of Sendmail as server or client.

use crate::model::{
    Encryption, Ending, Event, LineRef, LogCommand, LogEvent, LogId, LogSession, LoggedMessage,
    LoggedTls, Proto, Role, Side, Stamp, TlsVersion, Verb,
};

use super::super::transcript::{Detail, Transcript};
use super::line::value;

/// What Sendmail adds to a message before it counts it.
const ADDED: u64 = 1200;

/// A session and what its lines told.
pub(super) struct Serving {
    pub(super) transcript: Transcript,
    /// At log level 15.
    verbose: bool,
    pub(super) last: Stamp,
    /// Queue ids of its messages.
    pub(super) messages: Vec<String>,
    implied: Vec<LogCommand>,
    /// The last reply that is logged: it was sent if none follows before the next command.
    held: Vec<(LineRef, Stamp, String)>,
    /// Of the transaction that is not over.
    refused: Vec<LogCommand>,
}

impl Serving {
    pub(super) fn new(id: LogId, role: Role, stamp: Stamp) -> Self {
        Self {
            transcript: Transcript::new(id, Proto("smtp"), role, Detail::Lines),
            verbose: false,
            last: stamp,
            messages: Vec::new(),
            implied: Vec::new(),
            held: Vec::new(),
            refused: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, line: LineRef, stamp: Stamp, what: Event) {
        self.last = stamp;
        let events = &mut self.transcript.session.events;
        events.push(LogEvent { line, stamp, what });
    }

    /// A command or reply as it was. Replies are logged also where Sendmail then thinks better of them: the last one before the next command is
    /// what was sent.
    pub(super) fn spoken(&mut self, line: LineRef, stamp: Stamp, side: Side, text: &str) {
        self.verbose = true;
        self.last = stamp;
        if side == Side::Client {
            self.send();
            return self.transcript.line(line, stamp, side, text);
        }
        // Told to a user at a terminal, never to a client.
        if text.starts_with("050") {
            return;
        }
        let goes_on = |text: &str| text.as_bytes().get(3) == Some(&b'-');
        if !self.held.last().is_some_and(|(.., before)| goes_on(before)) {
            self.held.clear();
        }
        self.held.push((line, stamp, text.to_owned()));
        // No command follows these before the next reply.
        if text.starts_with(['3']) || text.starts_with("221") || text.starts_with("421") {
            self.send();
        }
    }

    fn send(&mut self) {
        for (line, stamp, text) in self.held.drain(..) {
            self.transcript.line(line, stamp, Side::Server, &text);
        }
    }

    pub(super) fn name(&mut self, name: &str) {
        let names = &mut self.transcript.session.names;
        if !name.is_empty() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }

    /// `from=<a@b>, size=746, class=0, nrcpts=1, msgid=<…>, proto=ESMTP, …`: a message was taken in.
    pub(super) fn arrived(&mut self, line: LineRef, stamp: Stamp, id: &str, rest: &str) {
        let plain = |text: &str| text.trim_matches(['<', '>']).to_owned();
        let from = value(rest, "from=").map(plain).unwrap_or_default();
        let recipients: Option<u32> = value(rest, "nrcpts=").and_then(|n| n.parse().ok());
        let size: Option<u64> = value(rest, "size=").and_then(|size| size.parse().ok());
        // A transaction that was broken off is told as a message of no octets.
        let taken = recipients.is_some_and(|n| n > 0) && size.is_some_and(|size| size > 0);
        if taken {
            self.transcript.session.messages.push(LoggedMessage {
                // Line ends count as one octet, and there is at most one for each octet.
                wire_bytes: size.map(|size| (size.saturating_sub(ADDED), size.saturating_mul(2))),
                recipients,
                message_id: value(rest, "msgid=").map(plain),
            });
            self.messages.push(id.to_owned());
            self.imply("MAIL", format!("MAIL FROM:<{from}>"), Some("250"), None);
        }
        let reply = format!("250 2.0.0 {id} Message accepted for delivery");
        self.implied.append(&mut self.refused);
        if taken {
            for _ in 0..recipients.unwrap_or(0).min(1000) {
                self.imply("RCPT", "RCPT".into(), Some("250"), None);
            }
            self.imply("DATA", "DATA".into(), Some("354"), None);
            self.imply(Verb::BODY, String::new(), Some("250"), Some(&reply));
        }
        self.push(line, stamp, Event::Note(format!("message {id}")));
    }

    /// `ruleset=check_rcpt, arg1=<x@relay.example>, relay=…, reject=550 5.7.1 …`
    pub(super) fn refused(&mut self, line: LineRef, stamp: Stamp, rest: &str) {
        let argument = value(rest, "arg1=").unwrap_or_default();
        let reply = value(rest, "reject=").unwrap_or_default();
        let code = reply
            .get(..3)
            .filter(|code| code.bytes().all(|digit| digit.is_ascii_digit()));
        let (verb, request) = match value(rest, "ruleset=") {
            Some("check_rcpt") => ("RCPT", format!("RCPT TO:{argument}")),
            Some("check_mail") => ("MAIL", format!("MAIL FROM:{argument}")),
            _ => return self.push(line, stamp, Event::Note(rest.to_owned())),
        };
        let command = LogCommand {
            verb: Verb::new(verb),
            request,
            code: code.map(str::to_owned),
            response: Some(reply.to_owned()),
            ..LogCommand::default()
        };
        self.told(line, stamp, command, reply);
    }

    /// A login that was refused; all such are answered alike.
    pub(super) fn login_refused(&mut self, line: LineRef, stamp: Stamp, rest: &str) {
        // The text before it may hold what a client said.
        let user = rest.rsplit_once(", user=").map(|(_, user)| user);
        self.name(
            user.and_then(|user| user.split(", ").next())
                .unwrap_or_default(),
        );
        let command = LogCommand {
            verb: Verb::new("AUTH"),
            request: "AUTH ***".to_owned(),
            code: Some("535".to_owned()),
            ..LogCommand::default()
        };
        self.told(line, stamp, command, "login refused");
    }

    /// A command that the server's settings forbid, whatever its argument.
    pub(super) fn forbidden(&mut self, line: LineRef, stamp: Stamp, request: &str) {
        let command = LogCommand {
            verb: Verb::new(request.split(' ').next().unwrap_or_default()),
            request: request.to_owned(),
            ..LogCommand::default()
        };
        self.told(line, stamp, command, "rejected");
    }

    /// A command that is told by a line of its own, unless each is.
    fn told(&mut self, line: LineRef, stamp: Stamp, command: LogCommand, note: &str) {
        let what = if self.verbose {
            Event::Note(note.to_owned())
        } else {
            Event::command(command.clone())
        };
        self.refused.push(command);
        self.push(line, stamp, what);
    }

    /// `STARTTLS=server, relay=…, version=TLSv1.3, verify=NO, cipher=…, bits=256/256`
    pub(super) fn tls(&mut self, line: LineRef, stamp: Stamp, rest: &str) {
        self.last = stamp;
        let tls = LoggedTls {
            version: value(rest, "version=").and_then(TlsVersion::from_name),
            cipher: value(rest, "cipher=").map(str::to_owned),
        };
        self.transcript.tls(line, stamp, tls);
    }

    pub(super) fn imply(
        &mut self,
        verb: &str,
        request: String,
        code: Option<&str>,
        response: Option<&str>,
    ) {
        self.implied.push(LogCommand {
            verb: Verb::new(verb),
            request,
            code: code.map(str::to_owned),
            response: response.map(str::to_owned),
            response_bytes: response.and_then(|reply| u64::try_from(reply.len() + 2).ok()),
            ..LogCommand::default()
        });
    }

    pub(super) fn close(&mut self, line: LineRef, stamp: Stamp, ending: Ending) {
        self.last = stamp;
        self.send();
        self.transcript.close(line, stamp, ending);
    }

    pub(super) fn into_session(mut self) -> LogSession {
        self.send();
        let messages = std::mem::take(&mut self.transcript.session.messages);
        let role = self.transcript.session.role;
        let mut session = self.transcript.into_session();
        // What the lines of messages tell is more than the transcript does.
        session.messages = messages
            .into_iter()
            .filter(|message| !self.verbose || message.wire_bytes.is_some())
            .collect();
        if !self.verbose {
            self.implied.append(&mut self.refused);
            session.implied = self.implied.iter().collect();
        }
        if role == Role::Server
            && session.tls.is_some()
            && session.encryption.is_none()
            && self.verbose
        {
            session.encryption = Some(Encryption::StartTls);
        }
        session
    }
}
