//! One session of Exim as server or client.

use crate::model::{
    Encryption, Ending, Event, LineRef, LogCommand, LogEvent, LogId, LogSession, LoggedMessage,
    LoggedTls, Proto, Role, Stamp, TlsVersion, Verb,
};

use super::line::{Ends, duration, value};

/// A session and what its lines told.
pub(super) struct Serving {
    pub(super) session: LogSession,
    /// Process that serves it; none until a line tells.
    pub(super) pid: Option<String>,
    pub(super) last: Stamp,
    /// Ids of the messages that it brought.
    pub(super) messages: Vec<String>,
    /// Commands of the transaction that is not over: those refused.
    refused: Vec<LogCommand>,
    /// What it did that no line tells of, in order.
    pub(super) implied: Vec<LogCommand>,
    greeted: bool,
    mail: bool,
}

/// What Exim adds to a message before it measures it.
const ADDED: u64 = 1200;

impl Serving {
    pub(super) fn new(id: LogId, role: Role, ends: &Ends<'_>, stamp: Stamp) -> Self {
        let mut session = LogSession::new(id, Proto("smtp"));
        session.role = role;
        session.peer = ends.peer;
        session.peer_port = ends.peer_port;
        session.local = ends.local;
        session.local_port = ends.local_port;
        Self {
            session,
            pid: None,
            last: stamp,
            messages: Vec::new(),
            refused: Vec::new(),
            implied: Vec::new(),
            greeted: false,
            mail: false,
        }
    }

    pub(super) fn push(&mut self, line: LineRef, stamp: Stamp, what: Event) {
        self.last = stamp;
        self.session.events.push(LogEvent { line, stamp, what });
    }

    pub(super) fn ends(&mut self, ends: &Ends<'_>) {
        let session = &mut self.session;
        session.peer_port = session.peer_port.or(ends.peer_port);
        session.local = session.local.or(ends.local);
        session.local_port = session.local_port.or(ends.local_port);
        if let Some(helo) = ends.helo
            && session.role == Role::Server
            && !session.names.iter().any(|name| name == helo)
        {
            session.names.push(helo.to_owned());
        }
    }

    /// `<= sender H=… P=esmtps X=… A=… S=361 id=… for bob@example.com`: a message was taken in.
    pub(super) fn arrived(&mut self, line: LineRef, stamp: Stamp, id: &str, text: &str) {
        let sender = text.split(' ').nth(1).unwrap_or_default();
        let sender = if sender == "<>" { "" } else { sender };
        self.tls(text);
        self.speak(value(text, "P=").unwrap_or_default());
        if let Some((_, user)) = value(text, "A=").and_then(|auth| auth.split_once(':')) {
            self.session.names.push(user.to_owned());
        }
        // The subject may hold anything, also what looks like a list of recipients.
        let rest = value(text, "T=")
            .and_then(|subject| text.split_once(subject))
            .map_or(text, |(_, rest)| rest);
        let recipients: Vec<&str> = rest
            .rsplit_once(" for ")
            .map(|(_, list)| list.split(' ').collect())
            .unwrap_or_default();
        self.imply("MAIL", format!("MAIL FROM:<{sender}>"), Some("250"), None);
        self.mail = false;
        self.implied.append(&mut self.refused);
        for to in &recipients {
            self.imply("RCPT", format!("RCPT TO:<{to}>"), Some("250"), None);
        }
        self.imply("DATA", "DATA".into(), Some("354"), None);
        let reply = format!("250 OK id={id}");
        self.imply(Verb::BODY, String::new(), Some("250"), Some(reply.clone()));
        let size: Option<u64> = value(text, "S=").and_then(|size| size.parse().ok());
        self.session.messages.push(LoggedMessage {
            // Line ends count as one octet, and there is at most one for each octet.
            wire_bytes: size.map(|size| (size.saturating_sub(ADDED), size.saturating_mul(2))),
            recipients: u32::try_from(recipients.len()).ok().filter(|n| *n > 0),
            message_id: value(text, "id=").map(str::to_owned),
        });
        self.messages.push(id.to_owned());
        let what = Event::command(LogCommand {
            verb: Verb::new(Verb::BODY),
            code: Some("250".into()),
            response: Some(reply),
            ..LogCommand::default()
        });
        self.push(line, stamp, what);
    }

    /// The protocol of a message tells how the session began: `esmtpsa` by EHLO, STARTTLS, EHLO, AUTH.
    fn speak(&mut self, protocol: &str) {
        if std::mem::replace(&mut self.greeted, true) {
            return;
        }
        let rest = protocol.strip_prefix("esmtp");
        let hello = if rest.is_some() { "EHLO" } else { "HELO" };
        let letters = rest.or(protocol.strip_prefix("smtp")).unwrap_or_default();
        let port = self.session.local_port;
        let implicit = port == Some(465);
        if letters.contains('s') {
            // Without the port it may be either.
            self.session.encryption = match port {
                Some(465) => Some(Encryption::Implicit),
                Some(_) => Some(Encryption::StartTls),
                None => None,
            };
        } else {
            self.session.encryption = Some(Encryption::None);
        }
        if letters.contains('s') && !implicit {
            self.imply("EHLO", "EHLO".into(), Some("250"), None);
            self.imply("STARTTLS", "STARTTLS".into(), Some("220"), None);
        }
        self.imply(hello, hello.to_owned(), Some("250"), None);
        if letters.contains('a') {
            self.imply("AUTH", "AUTH ***".into(), None, None);
        }
    }

    /// `X=TLS1.3:ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM:256`
    pub(super) fn tls(&mut self, text: &str) {
        let Some(told) = value(text, "X=").filter(|_| self.session.tls.is_none()) else {
            return;
        };
        let mut parts = told.splitn(3, ':');
        let version = parts.next().unwrap_or_default();
        // OpenSSL writes `TLSv1.3`, GnuTLS `TLS1.3`.
        let version = if version.starts_with("TLSv") {
            version.to_owned()
        } else {
            version.replacen("TLS", "TLSv", 1)
        };
        self.session.tls = Some(LoggedTls {
            version: TlsVersion::from_name(&version),
            cipher: parts.next().map(str::to_owned),
        });
    }

    /// `F=<a@b> rejected RCPT <x>: relay not permitted`, `SMTP syntax error in "BOGUS x" … unrecognized command`, and logins that fail.
    pub(super) fn refused(&mut self, text: &str) -> Option<LogCommand> {
        let mut command = LogCommand::default();
        if let Some((_, rest)) = text.split_once(" rejected ") {
            let (what, reason) = rest.split_once(": ").unwrap_or((rest, ""));
            let (verb, argument) = what.split_once(' ').unwrap_or((what, ""));
            command.response = Some(reason.to_owned());
            (command.verb, command.request) = match verb {
                "RCPT" => (Verb::new(verb), format!("RCPT TO:{argument}")),
                "MAIL" => (Verb::new(verb), format!("MAIL FROM:{argument}")),
                "VRFY" | "EXPN" | "ETRN" => (Verb::new(verb), format!("{verb} {argument}")),
                "after" if argument == "DATA" => (Verb::new(Verb::BODY), String::new()),
                _ => return None,
            };
        } else if let Some((_, rest)) = text
            .split_once("SMTP syntax error in \"")
            .or_else(|| text.split_once("SMTP protocol error in \""))
        {
            // The client's words may hold quotes; behind them stands who it is.
            let (line, behind) = rest
                .rsplit_once("\" H=")
                .or_else(|| rest.split_once("\" "))?;
            let verb = line.split(' ').next().unwrap_or_default();
            command.verb = Verb::new(verb);
            command.request = match verb.to_ascii_uppercase().as_str() {
                "AUTH" => "AUTH ***".to_owned(),
                _ => line.to_owned(),
            };
            let words = behind.rsplit_once("] ").or_else(|| {
                // Behind the last end there may be a port.
                behind
                    .rsplit_once("]:")
                    .and_then(|(_, rest)| rest.split_once(' '))
            });
            command.response = words.map(|(_, words)| words.to_owned());
        } else if let Some((_, rest)) = text.split_once(" authenticator failed for ") {
            let reply = rest.split_once("]: ").or_else(|| {
                let (_, behind) = rest.split_once("]:")?;
                behind.split_once(": ")
            });
            let reply = reply?.1;
            let reply = reply.split(" (set_id=").next().unwrap_or(reply);
            command.verb = Verb::new("AUTH");
            command.request.push_str("AUTH ***");
            command.code = reply
                .get(..3)
                .filter(|code| code.bytes().all(|digit| digit.is_ascii_digit()))
                .map(str::to_owned);
            command.response = Some(reply.to_owned());
        } else {
            return None;
        }
        let verb = command.verb.as_str();
        if verb == "RCPT"
            && !self.mail
            && let Some(sender) = value(text, "F=")
        {
            self.mail = true;
            // A message that is taken in later tells of its MAIL itself.
            self.refused.push(LogCommand {
                verb: Verb::new("MAIL"),
                request: format!("MAIL FROM:{sender}"),
                code: Some("250".into()),
                ..LogCommand::default()
            });
        }
        self.refused.push(command.clone());
        Some(command)
    }

    /// `C=EHLO,STARTTLS,EHLO,AUTH,QUIT`: all commands of a session that brought no message.
    pub(super) fn listed(&mut self, text: &str) {
        let Some(list) = value(text, "C=").filter(|list| !list.starts_with("...")) else {
            return;
        };
        self.refused.clear();
        self.session.every_command = true;
        for verb in list.split(',') {
            let request = if verb == "AUTH" { "AUTH ***" } else { verb };
            self.imply(verb, request.to_owned(), None, None);
        }
    }

    /// ` closed by QUIT`, ` lost D=0.206s`, ` closed after SIGTERM`.
    pub(super) fn closed(&mut self, line: LineRef, stamp: Stamp, text: &str) {
        // Where the server ends it, the client may hold its end open for longer.
        let by_client = text.contains(" lost");
        self.session.duration = value(text, "D=").and_then(duration).filter(|_| by_client);
        self.session.ending = if text.contains(" closed by QUIT") {
            Ending::Quit
        } else if text.contains(" lost") || text.contains("disconnection") {
            Ending::Lost
        } else if text.contains("timeout") {
            Ending::Timeout
        } else {
            self.session.ending
        };
        self.push(line, stamp, Event::Close);
    }

    pub(super) fn imply(
        &mut self,
        verb: &str,
        request: String,
        code: Option<&str>,
        response: Option<String>,
    ) {
        let size = response
            .as_ref()
            .and_then(|reply| u64::try_from(reply.len() + 2).ok());
        self.implied.push(LogCommand {
            verb: Verb::new(verb),
            request,
            code: code.map(str::to_owned),
            response,
            response_bytes: size,
            ..LogCommand::default()
        });
    }

    pub(super) fn into_session(mut self) -> LogSession {
        self.implied.append(&mut self.refused);
        if self.session.ending == Ending::Quit && self.session.role == Role::Server {
            self.imply("QUIT", "QUIT".into(), Some("221"), None);
        }
        self.session.implied = self.implied.iter().collect();
        self.session
    }
}
