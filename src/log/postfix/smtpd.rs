//! Sessions of Postfix's SMTP server, one per process at a time.

use std::collections::HashMap;

use crate::model::{
    ClockStep, Encryption, Ending, Event, LineRef, LogCommand, LogEvent, LogId, LogSession,
    LoggedMessage, LoggedTls, Marks, Proto, Shown, Shows, Span, Tally, Verb, Zone, from_wire,
};

use super::super::syslog::{self, Envelope, Syslog};
use super::super::{Builder, Entry, Head, Line, Parsed, Sureness};
use super::implied::{self, Message, Told};
use super::line::{About, Client, Count, Said, about, said};

/// Row of the registry.
pub(in super::super) const ENTRY: Entry = Entry {
    name: "postfix",
    about: "Postfix, in any syslog envelope",
    shows: Shows {
        client_port: Shown::With("smtpd_client_port_logging=yes"),
        session_id: Shown::Partly("the process, from connect to disconnect"),
        step: ClockStep::Envelope,
        marks: Marks::Line,
        octets: Shown::Partly("of messages in the queue"),
        commands: Shown::Partly("counts; those refused one by one"),
        replies: Shown::Partly("refusals"),
        tls: Shown::With("smtpd_tls_loglevel=1"),
        users: Shown::Always,
    },
    probe,
    open: |id, head| Box::new(Postfix::new(id, head.year)),
};

/// Processes that may be serving at once; more are not believed.
const MAX_OPEN: usize = 100_000;

fn probe(head: &Head<'_>) -> Sureness {
    syslog::share(head, |envelope| is_postfix(envelope.program))
}

/// `postfix/smtpd`, `postfix-in/smtps/smtpd`.
fn is_postfix(program: &str) -> bool {
    program
        .split_once('/')
        .is_some_and(|(syslog_name, _)| syslog_name.starts_with("postfix"))
}

/// Puts the lines of one log together.
struct Postfix {
    id: LogId,
    syslog: Syslog,
    zone: Option<Span>,
    /// By process id, while it serves.
    open: HashMap<String, Serving>,
    done: Vec<Serving>,
    /// What is known of messages, by the queue id that they had last.
    messages: HashMap<String, Message>,
}

/// A session and what its lines told.
struct Serving {
    session: LogSession,
    told: Vec<Told>,
    tls_port: bool,
}

impl Postfix {
    fn new(id: LogId, year: i32) -> Self {
        Self {
            id,
            syslog: Syslog::new(year),
            zone: None,
            open: HashMap::new(),
            done: Vec::new(),
            messages: HashMap::new(),
        }
    }

    fn smtpd(&mut self, line: LineRef, envelope: &Envelope<'_>) -> Parsed {
        let said = said(envelope.text);
        if let Said::Connect(client) = said {
            self.connect(envelope, client);
        }
        let Some(serving) = self.open.get_mut(envelope.pid) else {
            // The log begins in the middle of this session, or the line is of none.
            return Parsed::Aside(Some(envelope.stamp));
        };
        let over = matches!(said, Said::Disconnect(_));
        let what = serving.take(said);
        serving.session.events.push(LogEvent {
            line,
            stamp: envelope.stamp,
            what,
        });
        if over && let Some(serving) = self.open.remove(envelope.pid) {
            self.done.push(serving);
        }
        Parsed::Event(envelope.stamp)
    }

    fn connect(&mut self, envelope: &Envelope<'_>, client: Client) {
        if self.open.len() >= MAX_OPEN {
            return;
        }
        let mut session = LogSession::new(self.id, Proto("smtp"));
        session.peer = client.ip;
        session.peer_port = client.port;
        let service = envelope.program.rsplit('/').nth(1).unwrap_or_default();
        let serving = Serving {
            session,
            told: Vec::new(),
            tls_port: ["smtps", "submissions", "465"].contains(&service),
        };
        // A process that never said goodbye to its last client was killed.
        if let Some(lost) = self.open.insert(envelope.pid.to_owned(), serving) {
            self.done.push(lost);
        }
    }

    fn note(&mut self, text: &str) {
        let Some((id, about)) = about(text) else {
            return;
        };
        let message = self.messages.entry(id.to_owned()).or_default();
        match about {
            About::MessageId(id) => message.header_id = Some(id.to_owned()),
            About::Active {
                from,
                size,
                recipients,
            } => {
                message.from = Some(from.to_owned());
                message.size = Some(size);
                message.recipients = Some(recipients);
            }
            About::Recipient(to) => {
                if !message.to.iter().any(|known| known == to) {
                    message.to.push(to.to_owned());
                }
            }
        }
    }
}

impl Builder for Postfix {
    fn line(&mut self, line: Line<'_>, _: &mut Vec<LogSession>) -> Parsed {
        let text = from_wire(line.bytes);
        let Some(envelope) = self.syslog.open(&text) else {
            return Parsed::Failed;
        };
        self.zone = self.zone.or(envelope.zone);
        if !is_postfix(envelope.program) {
            return Parsed::Aside(Some(envelope.stamp));
        }
        if envelope.program.ends_with("/smtpd") {
            let line = LineRef {
                log: self.id,
                line: line.number,
            };
            return self.smtpd(line, &envelope);
        }
        self.note(envelope.text);
        Parsed::Aside(Some(envelope.stamp))
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        let mut all = std::mem::take(&mut self.done);
        all.extend(self.open.drain().map(|(_, serving)| serving));
        out.extend(
            all.into_iter()
                .map(|serving| serving.into_session(&self.messages)),
        );
    }

    fn zone(&self) -> Zone {
        self.zone.map_or(Zone::Assumed, Zone::Stated)
    }
}

impl Serving {
    fn take(&mut self, said: Said<'_>) -> Event {
        match said {
            Said::Connect(_) => Event::Open,
            Said::Tls { version, cipher } => {
                self.session.tls = Some(LoggedTls {
                    version,
                    cipher: Some(cipher.to_owned()),
                });
                Event::TlsDone
            }
            Said::Queued { id, user } => {
                if let Some(user) = user {
                    self.name(user);
                }
                self.told.push(Told::Message(Message {
                    id: id.to_owned(),
                    ..Message::default()
                }));
                Event::Note(format!("message {id}"))
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
            Said::Lost => {
                self.session.ending = Ending::Lost;
                Event::Note("lost connection".into())
            }
            Said::Timeout => {
                self.session.ending = Ending::Timeout;
                Event::Note("timeout".into())
            }
            Said::Disconnect(counts) => {
                self.count(&counts);
                Event::Close
            }
            Said::Other => Event::Note(String::new()),
        }
    }

    fn name(&mut self, name: &str) {
        if !self.session.names.iter().any(|known| known == name) {
            self.session.names.push(name.to_owned());
        }
    }

    fn reject(&mut self, verb: &str, reply: &str, from: Option<&str>, to: Option<&str>) -> Event {
        let request = match (verb, from, to) {
            ("MAIL", Some(from), _) => format!("MAIL FROM:<{from}>"),
            ("RCPT", _, Some(to)) => format!("RCPT TO:<{to}>"),
            _ => verb.to_owned(),
        };
        self.told.push(Told::Reject {
            verb: verb.to_owned(),
            request: request.clone(),
            reply: reply.to_owned(),
        });
        Event::Command(LogCommand {
            verb: Verb::new(verb),
            request,
            code: reply.get(..3).map(str::to_owned),
            response: Some(reply.to_owned()),
            request_bytes: None,
            response_bytes: u64::try_from(reply.len() + 2).ok(),
            body_octets: None,
            taken: None,
        })
    }

    fn count(&mut self, counts: &[Count<'_>]) {
        // `commands` is the sum; `unknown` counts commands whose words are not logged.
        self.session.tally = counts
            .iter()
            .filter(|count| count.word != "commands")
            .map(|count| {
                let verb = match count.word {
                    "unknown" => Verb::new("?"),
                    word => Verb::new(word),
                };
                let tally = Tally {
                    accepted: count.accepted,
                    total: count.total,
                };
                (verb, tally)
            })
            .collect();
        if self.counted("QUIT") && self.session.ending == Ending::Unknown {
            self.session.ending = Ending::Quit;
        }
    }

    fn counted(&self, verb: &str) -> bool {
        self.session
            .tally
            .iter()
            .any(|(of, tally)| of.as_str() == verb && tally.accepted > 0)
    }

    /// Adds what became known of the messages since, and puts the commands in order.
    fn into_session(mut self, messages: &HashMap<String, Message>) -> LogSession {
        for step in &mut self.told {
            if let Told::Message(message) = step
                && let Some(known) = messages.get(&message.id)
            {
                *message = Message {
                    id: std::mem::take(&mut message.id),
                    ..known.clone()
                };
            }
        }
        self.session.encryption = self.encryption();
        self.session.messages = self.told.iter().filter_map(logged_message).collect();
        let tls_first = self.session.encryption == Some(Encryption::Implicit);
        self.session.implied = implied::commands(&self.session.tally, &self.told, tls_first);
        self.session
    }

    fn encryption(&self) -> Option<Encryption> {
        let ended = !self.session.tally.is_empty();
        if self.counted("STARTTLS") {
            Some(Encryption::StartTls)
        } else if self.tls_port || (ended && self.session.tls.is_some()) {
            Some(Encryption::Implicit)
        } else {
            // At log level 0 TLS leaves no line, but STARTTLS is counted all the same.
            ended.then_some(Encryption::None)
        }
    }
}

fn logged_message(told: &Told) -> Option<LoggedMessage> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
Nov 24 03:29:09 mail postfix/smtpd[1]: connect from a.example[192.0.2.10]:41088
Nov 24 03:29:09 mail postfix/smtps/smtpd[2]: connect from unknown[192.0.2.20]
Nov 24 03:29:09 mail postfix/smtpd[1]: Anonymous TLS connection established from a.example[192.0.2.10]:41088: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)
Nov 24 03:29:10 mail postfix/smtps/smtpd[2]: Anonymous TLS connection established from unknown[192.0.2.20]: TLSv1.2 with cipher ECDHE-RSA-AES128-GCM-SHA256 (128/128 bits)
Nov 24 03:29:10 mail postfix/smtpd[1]: 7E58B98E33D: client=a.example[192.0.2.10]:41088
Nov 24 03:29:10 mail postfix/cleanup[3]: 7E58B98E33D: message-id=<x@y>
Nov 24 03:29:10 mail postfix/qmgr[4]: 7E58B98E33D: from=<ann@a.example>, size=2343, nrcpt=1 (queue active)
Nov 24 03:29:10 mail postfix/smtps/smtpd[2]: lost connection after EHLO from unknown[192.0.2.20]
Nov 24 03:29:10 mail postfix/smtps/smtpd[2]: disconnect from unknown[192.0.2.20] ehlo=1 commands=1
Nov 24 03:29:11 mail postfix/local[5]: 7E58B98E33D: to=<bob@example.com>, relay=local, status=sent
Nov 24 03:29:11 mail postfix/smtpd[1]: disconnect from a.example[192.0.2.10]:41088 ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7
Nov 24 03:29:11 mail dovecot: imap-login: Login: user=<x>
not syslog at all
Nov 24 03:29
<22>garbage
";

    fn read() -> (Vec<LogSession>, Vec<Parsed>) {
        let mut postfix = Postfix::new(LogId(0), 2026);
        let mut out = Vec::new();
        let parsed = LOG
            .lines()
            .zip(1..)
            .map(|(line, number)| {
                let bytes = line.as_bytes();
                postfix.line(Line { number, bytes }, &mut out)
            })
            .collect();
        postfix.finish(&mut out);
        (out, parsed)
    }

    #[test]
    fn interleaved_processes_are_told_apart() {
        let (sessions, parsed) = read();
        assert_eq!(sessions.len(), 2);
        let failed = parsed.iter().filter(|parsed| **parsed == Parsed::Failed);
        assert_eq!(failed.count(), 3);
        let [lost, sent] = &sessions[..] else {
            panic!("two sessions");
        };
        assert_eq!(lost.peer, Some("192.0.2.20".parse().unwrap()));
        assert_eq!(
            (lost.encryption, lost.ending),
            (Some(Encryption::Implicit), Ending::Lost)
        );
        assert_eq!(sent.peer_port, Some(41_088));
        assert_eq!(
            (sent.encryption, sent.ending),
            (Some(Encryption::StartTls), Ending::Quit)
        );
        assert_eq!(sent.events.len(), 4);
    }

    #[test]
    fn other_daemons_tell_of_the_message() {
        let (sessions, _) = read();
        let sent = &sessions[1];
        let requests: Vec<&str> = sent
            .implied
            .iter()
            .map(|command| command.request.as_str())
            .collect();
        assert_eq!(
            requests,
            [
                "EHLO",
                "STARTTLS",
                "EHLO",
                "MAIL FROM:<ann@a.example>",
                "RCPT TO:<bob@example.com>",
                "DATA",
                "<body>",
                "QUIT"
            ]
        );
        assert_eq!(
            sent.implied[6].response.as_deref(),
            Some("250 2.0.0 Ok: queued as 7E58B98E33D")
        );
        assert_eq!(sent.messages[0].message_id.as_deref(), Some("x@y"));
    }
}
