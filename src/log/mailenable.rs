//! `MailEnable`'s activity logs: tab-separated, a row for each command with its reply.
//!
//! The number of the socket stays the same during a connection; it is no port. Secrets of AUTH stand in the rows in clear.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::model::{
    ClockStep, Ending, Event, LineRef, LogCommand, LogEvent, LogId, LogSession, Marks, Proto, Role,
    Shown, Shows, Span, Stamp, Verb, Zone, from_wire,
};

use super::stamp::{self, DateOrder};
use super::{Builder, Entry, Head, Line, Parsed, Sureness};

/// Row of the registry.
pub(super) const ENTRY: Entry = Entry {
    name: "mailenable",
    about: "MailEnable activity logs of SMTP, POP and IMAP",
    shows: Shows {
        client_port: Shown::Never,
        session_id: Shown::Partly("the number of the socket"),
        step: ClockStep::Of(Span::SECOND),
        marks: Marks::Line,
        octets: Shown::Always,
        commands: Shown::Always,
        replies: Shown::Always,
        tls: Shown::Never,
        users: Shown::Always,
    },
    probe,
    open: |id, _| {
        Box::new(MailEnable {
            id,
            open: HashMap::new(),
        })
    },
};

/// Sessions that may be open at once.
const MAX_OPEN: usize = 50_000;

fn probe(head: &Head<'_>) -> Sureness {
    head.share(|line| Row::read(&from_wire(line)).is_some())
}

/// By service and side, socket, and the other end.
type Key = (&'static str, Role, u64, IpAddr);

/// One file.
struct MailEnable {
    id: LogId,
    open: HashMap<Key, LogSession>,
}

/// A line taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row<'a> {
    stamp: Stamp,
    key: Key,
    verb: &'a str,
    request: &'a str,
    reply: &'a str,
    sent: u64,
    received: u64,
    user: &'a str,
}

impl<'a> Row<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut fields = line.split('\t');
        let stamp = stamp::numeric(fields.next()?, DateOrder::MonthFirst)?.stamp;
        let (service, side) = fields.next()?.split_once('-')?;
        let proto = match service {
            "SMTP" => "smtp",
            "POP" | "POP3" => "pop3",
            "IMAP" | "IMAP4" => "imap",
            _ => return None,
        };
        let role = match side {
            "IN" => Role::Server,
            "OU" | "OUT" => Role::Client,
            _ => return None,
        };
        let _message = fields.next()?;
        let socket = fields.next()?.parse().ok()?;
        let peer = fields.next()?.parse().ok()?;
        let (verb, request, reply) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Self {
            stamp,
            key: (proto, role, socket, peer),
            verb: verb.trim(),
            request: request.trim(),
            reply: reply.trim(),
            sent: fields.next()?.trim().parse().ok()?,
            received: fields.next()?.trim().parse().ok()?,
            user: fields.next().unwrap_or_default().trim(),
        })
    }

    /// Whether it is the greeting, with which a session begins.
    fn greets(&self) -> bool {
        self.verb.is_empty() && self.sent == 0 && self.received == 0
    }

    /// The code or status word of the reply.
    fn code(&self) -> Option<&'a str> {
        let mut words = self.reply.split([' ', '-']);
        let first = words.next().filter(|word| !word.is_empty());
        match self.key.0 {
            "smtp" => self
                .reply
                .get(..3)
                .filter(|code| code.bytes().all(|digit| digit.is_ascii_digit())),
            "imap" => self.reply.split(' ').nth(1),
            _ if self.reply.starts_with("-ERR") => Some("-ERR"),
            _ => first,
        }
    }

    fn command(&self) -> LogCommand {
        let is_server = self.key.1 == Role::Server;
        let own = |octets: u64| Some(octets).filter(|octets| is_server && *octets > 0);
        // What comes back with no command is the reply to the message.
        let verb = if self.verb.is_empty() {
            Verb::BODY
        } else {
            self.verb
        };
        LogCommand {
            verb: Verb::new(verb),
            request: self.shown(),
            code: self.code().map(str::to_owned),
            response: Some(self.reply.to_owned()),
            request_bytes: own(self.received),
            response_bytes: own(self.sent),
            ..LogCommand::default()
        }
    }

    /// The command line as it was, but for secrets.
    fn shown(&self) -> String {
        let mut words = self.request.split(' ');
        let first = words.next().unwrap_or_default();
        let verb = self.verb.to_ascii_uppercase();
        match verb.as_str() {
            "PASS" => format!("{first} ***"),
            // The command itself, or a response.
            "AUTH" | "AUTHENTICATE" => {
                match (first.eq_ignore_ascii_case(self.verb), words.next()) {
                    (true, Some(mechanism)) if words.next().is_some() => {
                        format!("{first} {mechanism} ***")
                    }
                    (true, _) => self.request.to_owned(),
                    (false, _) => "***".to_owned(),
                }
            }
            "LOGIN" | "APOP" => match words.next() {
                Some(second) => format!("{first} {second} ***"),
                None => first.to_owned(),
            },
            _ => self.request.to_owned(),
        }
    }
}

impl Builder for MailEnable {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = from_wire(line.bytes);
        let Some(row) = Row::read(&text) else {
            return Parsed::Failed;
        };
        if row.greets() {
            out.extend(self.open.remove(&row.key));
        }
        if self.open.len() >= MAX_OPEN && !self.open.contains_key(&row.key) {
            self.finish(out);
        }
        let (proto, role, _, peer) = row.key;
        let session = self.open.entry(row.key).or_insert_with(|| {
            let mut session = LogSession::new(self.id, Proto(proto));
            session.role = role;
            session.peer = Some(peer);
            session.every_command = row.greets();
            session
        });
        let command = row.command();
        let accepted = row.code().is_some_and(|code| code.starts_with(['2', '+']));
        if accepted {
            let greets = ["EHLO", "HELO"].contains(&command.verb.as_str());
            let helo = row.request.split(' ').nth(1).filter(|_| greets);
            for name in helo.into_iter().chain(Some(row.user)) {
                if !name.is_empty() && !session.names.iter().any(|known| known == name) {
                    session.names.push(name.to_owned());
                }
            }
        }
        let over = command.verb.as_str() == "QUIT" || command.verb.as_str() == "LOGOUT";
        session.events.push(LogEvent {
            line: LineRef {
                log: self.id,
                line: line.number,
            },
            stamp: row.stamp,
            what: if row.greets() {
                Event::Open
            } else {
                Event::command(command)
            },
        });
        if over {
            session.ending = Ending::Quit;
            out.extend(self.open.remove(&row.key));
        }
        Parsed::Event(row.stamp)
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        let mut all: Vec<_> = self.open.drain().map(|(_, session)| session).collect();
        all.sort_by_key(|session| session.events.first().map(|event| event.line));
        out.extend(all);
    }

    fn zone(&self) -> Zone {
        Zone::Assumed
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{commands, read};
    use super::*;

    const LOG: &str = "\
10/19/18 00:00:25\tSMTP-IN\tFE7A5EF7F5334F7ABB9DD341121BCE8F.MAI\t816\t203.0.113.14\t\t\t220 mail.example.com ESMTP MailEnable\t0\t0\t\t
10/19/18 00:00:26\tSMTP-IN\tFE7A5EF7F5334F7ABB9DD341121BCE8F.MAI\t816\t203.0.113.14\tHELO\tHELO client.example.net\t250 Requested mail action okay, completed\t43\t25\t\t
10/19/18 00:00:30\tSMTP-IN\t25E7EB033CE24B45B7CD8E3EEEE8726F.MAI\t908\t203.0.113.14\t\t\t220 mail.example.com ESMTP MailEnable\t0\t0\t\t
10/19/18 00:00:33\tSMTP-IN\t25E7EB033CE24B45B7CD8E3EEEE8726F.MAI\t908\t203.0.113.14\tAUTH\tAUTH LOGIN\t334 VXNlcm5hbWU6\t18\t12\t\t
10/19/18 00:00:34\tSMTP-IN\t25E7EB033CE24B45B7CD8E3EEEE8726F.MAI\t908\t203.0.113.14\tAUTH\tY2Fyb2xAZXhhbXBsZS5jb20=\t334 UGFzc3dvcmQ6\t18\t26\t\t
10/19/18 00:00:35\tSMTP-IN\t25E7EB033CE24B45B7CD8E3EEEE8726F.MAI\t908\t203.0.113.14\tAUTH\tMTIzNDU2Nzg5\t535 Invalid Username or Password\t34\t14\tcarol@example.com\t
10/19/18 00:00:36\tSMTP-IN\tFE7A5EF7F5334F7ABB9DD341121BCE8F.MAI\t816\t203.0.113.14\tDATA\tDATA\t354 Start mail input; end with <CRLF>.<CRLF>\t46\t6\t\t
10/19/18 00:00:36\tSMTP-IN\tFE7A5EF7F5334F7ABB9DD341121BCE8F.MAI\t816\t203.0.113.14\t\t\t250 Requested mail action okay, completed\t43\t511\t\t
10/19/18 00:00:37\tSMTP-IN\tFE7A5EF7F5334F7ABB9DD341121BCE8F.MAI\t816\t203.0.113.14\tQUIT\tQUIT\t221 Service closing transmission channel\t42\t6\t\t
10/19/18 00:00:38\tPOP-IN\t\t817\t203.0.113.14\tPASS\tPASS secret\t-ERR no\t9\t13\t\t
10/19/18 00:00
10/19/18 00:00:37\tSMTP-IN\tX.MAI\teight\t203.0.113.14\tQUIT\tQUIT\t221 bye\t42\t6\t\t
nothing of the kind
";

    #[test]
    fn sockets_tell_sessions_apart_and_secrets_end() {
        let told = read(&ENTRY, LOG, 2026);
        assert_eq!((told.sessions.len(), told.failed), (3, 3));
        let [sent, login, pop] = &told.sessions[..] else {
            panic!("three sessions");
        };
        assert_eq!(
            commands(sent),
            [
                "HELO client.example.net 250",
                "DATA 354",
                "<BODY> 250",
                "QUIT 221"
            ]
        );
        assert_eq!((sent.ending, sent.every_command), (Ending::Quit, true));
        assert_eq!(commands(login), ["AUTH LOGIN 334", "*** 334", "*** 535"]);
        assert_eq!(commands(pop), ["PASS *** -ERR"]);
        let hello = sent.events.get(1).unwrap().command().unwrap();
        assert_eq!(
            (hello.request_bytes, hello.response_bytes),
            (Some(25), Some(43))
        );
        let all = format!("{:?}", told.sessions);
        assert!(!all.contains("MTIzNDU2Nzg5") && !all.contains("secret"));
    }
}
