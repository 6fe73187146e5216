//! What `OpenSMTPD` tells of its sessions, those that it serves and those in which it delivers, in any syslog envelope.
//!
//! Every line has the session's id. Of the commands only those are logged that failed.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::model::{
    ClockStep, CommandRef, Encryption, Ending, Event, EventRef, LineRef, LogCommand, LogEvent,
    LogId, LogSession, LoggedMessage, LoggedTls, Marks, Proto, Role, Shown, Shows, Span,
    TlsVersion, Verb, Zone, as_text,
};

use super::syslog::{self, Envelope, Syslog};
use super::transcript::masked;
use super::{Builder, Entry, Head, Line, Parsed, Sureness};

/// Row of the registry.
pub(super) const ENTRY: Entry = Entry {
    name: "opensmtpd",
    about: "OpenSMTPD, in any syslog envelope",
    shows: Shows {
        client_port: Shown::Never,
        session_id: Shown::Always,
        step: ClockStep::Envelope,
        marks: Marks::Line,
        octets: Shown::Never,
        commands: Shown::Partly("those that failed"),
        replies: Shown::Partly("of commands that failed"),
        tls: Shown::Always,
        users: Shown::Always,
    },
    probe,
    open: |id, head| {
        Box::new(OpenSmtpd {
            id,
            syslog: Syslog::new(head.year),
            zone: None,
            open: BTreeMap::new(),
        })
    },
};

/// Sessions that may be open at once.
const MAX_OPEN: usize = 50_000;

fn probe(head: &Head<'_>) -> Sureness {
    syslog::share(head, |envelope| told(envelope).is_some())
}

/// One file.
struct OpenSmtpd {
    id: LogId,
    syslog: Syslog,
    zone: Option<Span>,
    /// By session id, which is counted up.
    open: BTreeMap<String, LogSession>,
}

/// A line of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told<'a> {
    session: &'a str,
    /// `smtp` where it serves, `mta` where it delivers to another host, `mda` where to a mailbox.
    part: &'a str,
    event: &'a str,
    values: &'a str,
}

/// `8b6f1d2a4c3e5f70 smtp connected address=…`; of old `8b6f1d2a4c3e5f70 smtp event=connected address=…`.
fn told<'a>(envelope: &Envelope<'a>) -> Option<Told<'a>> {
    let mut words = envelope.text.splitn(4, ' ');
    let session = words.next()?;
    let part = words.next()?;
    let event = words.next()?;
    let is_id = session.len() == 16 && session.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_own = envelope.program == "smtpd" && ["mda", "mta", "smtp"].contains(&part);
    (is_id && is_own).then_some(Told {
        session,
        part,
        event: event.strip_prefix("event=").unwrap_or(event),
        values: words.next().unwrap_or_default(),
    })
}

impl<'a> Told<'a> {
    /// The value of a key, without its quotes.
    fn get(&self, wanted: &str) -> Option<&'a str> {
        let mut rest = self.values;
        loop {
            let (key, behind) = rest.split_once('=')?;
            let quoted = behind.strip_prefix('"').and_then(|b| b.split_once('"'));
            let (value, behind) =
                quoted.unwrap_or_else(|| behind.split_once(' ').unwrap_or((behind, "")));
            if key.trim_start() == wanted {
                return Some(value);
            }
            rest = behind;
        }
    }
}

impl Told<'_> {
    fn begins(&self) -> bool {
        match self.part {
            "mta" => self.event == "connecting",
            _ => self.event == "connected",
        }
    }

    /// The session that begins with this line; `None` where its address cannot be read.
    fn opened(&self, log: LogId) -> Option<LogSession> {
        let mut session = LogSession::new(log, Proto("smtp"));
        let address = self.get("address")?;
        if self.part == "smtp" {
            session.peer = Some(address.trim_matches(['[', ']']).parse().ok()?);
            return Some(session);
        }
        // `smtp+tls://203.0.113.25:25`
        let (scheme, end) = address.split_once("://")?;
        let end: SocketAddr = end.parse().ok()?;
        session.role = Role::Client;
        session.peer = Some(end.ip());
        session.peer_port = Some(end.port());
        session.encryption = (scheme == "smtps").then_some(Encryption::Implicit);
        Some(session)
    }

    /// The commands with which a message was handed on that was taken; those of a further recipient stand before its end, and are not told.
    fn sent(&self, session: &LogSession) -> Vec<Event> {
        let is_body = |event: EventRef<'_>| event.command().is_some_and(CommandRef::is_body);
        if self.event != "delivery"
            || self.get("result") != Some("Ok")
            || session.events.last().is_some_and(is_body)
        {
            return Vec::new();
        }
        let reply = self.get("stat").unwrap_or_default();
        let command = |verb: &str, request: String, reply: Option<&str>| {
            Event::command(LogCommand {
                verb: Verb::new(verb),
                request,
                code: reply.and_then(|reply| reply.get(..3)).map(str::to_owned),
                response: reply.map(str::to_owned),
                ..LogCommand::default()
            })
        };
        let path = |key| self.get(key).unwrap_or("<>");
        vec![
            command("MAIL", format!("MAIL FROM:{}", path("from")), None),
            command("RCPT", format!("RCPT TO:{}", path("to")), None),
            command(Verb::BODY, String::new(), Some(reply)),
        ]
    }
}

impl Builder for OpenSmtpd {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = as_text(line.bytes);
        let Some(envelope) = self.syslog.open(&text) else {
            return Parsed::Failed;
        };
        self.zone = self.zone.or(envelope.zone);
        let aside = Parsed::Aside(Some(envelope.stamp));
        let Some(told) = told(&envelope).filter(|told| told.part != "mda") else {
            return aside;
        };
        if told.begins() {
            // Of this machine's own socket: nothing passes a wire.
            if told.get("address") == Some("local") {
                return aside;
            }
            let Some(session) = told.opened(self.id) else {
                return Parsed::Failed;
            };
            if self.open.len() >= MAX_OPEN {
                out.extend(self.open.pop_first().map(|(_, old)| old));
            }
            out.extend(self.open.insert(told.session.to_owned(), session));
        }
        let Some(session) = self.open.get_mut(told.session) else {
            // The log begins in the middle of this session.
            return aside;
        };
        let line = LineRef {
            log: self.id,
            line: line.number,
        };
        let stamp = envelope.stamp;
        let sent = told.sent(session);
        let what = event(session, &told);
        let over = what == Event::Close;
        let events = sent.into_iter().chain([what]);
        let events = events.map(|what| LogEvent { line, stamp, what });
        session.events.extend(events);
        if over {
            out.extend(self.open.remove(told.session));
        }
        Parsed::Event(envelope.stamp)
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        out.extend(std::mem::take(&mut self.open).into_values());
    }

    fn zone(&self) -> Zone {
        self.zone.map_or(Zone::Assumed, Zone::Stated)
    }
}

/// What a line tells of its session.
fn event(session: &mut LogSession, told: &Told<'_>) -> Event {
    match told.event {
        "connected" => Event::Open,
        "tls" => {
            // `TLSv1.3:TLS_AES_256_GCM_SHA384:256`
            let mut parts = told.get("ciphers").unwrap_or_default().split(':');
            session.tls = Some(LoggedTls {
                version: parts.next().and_then(TlsVersion::from_name),
                cipher: parts.next().map(str::to_owned),
            });
            Event::TlsDone
        }
        "authentication" => {
            let accepted = told.get("result") == Some("ok");
            let user = told.get("user").filter(|_| accepted);
            session.names.extend(user.map(str::to_owned));
            Event::Note(format!("authentication {}", told.values))
        }
        "message" => {
            session.messages.push(LoggedMessage {
                // The size is that of the file, with other line ends and more headers.
                wire_bytes: None,
                recipients: told.get("nrcpt").and_then(|count| count.parse().ok()),
                message_id: None,
            });
            Event::Note(format!("message {}", told.values))
        }
        "failed-command" => {
            let text = told.get("command").unwrap_or_default();
            let result = told.get("result").unwrap_or_default();
            if text.is_empty() {
                // A reply to nothing, as when the client was silent for too long.
                return Event::Note(format!("answered: {result}"));
            }
            let code = result.get(..3);
            Event::command(LogCommand {
                verb: Verb::new(text.split(' ').next().unwrap_or_default()),
                request: masked(Proto("smtp"), text),
                code: code.map(str::to_owned),
                response: Some(result.to_owned()),
                ..LogCommand::default()
            })
        }
        "disconnected" => {
            session.ending = match told.get("reason") {
                Some("quit") => Ending::Quit,
                Some("timeout") => Ending::Timeout,
                Some(reason) if reason == "disconnect" || reason.starts_with("io-error") => {
                    Ending::Lost
                }
                _ => Ending::Unknown,
            };
            if session.tls.is_none() && session.role == Role::Server {
                session.encryption = Some(Encryption::None);
            }
            Event::Close
        }
        "connecting" | "delivery" | "error" => {
            Event::Note(format!("{} {}", told.event, told.values))
        }
        other => Event::Note(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    const LOG: &str = r#"Nov 24 10:00:01 mail smtpd[812]: 8b6f1d2a4c3e5f70 smtp connected address=192.0.2.10 host=client.example.net
Nov 24 10:00:01 mail smtpd[812]: 8b6f1d2a4c3e5f70 smtp tls ciphers=TLSv1.3:TLS_AES_256_GCM_SHA384:256
Nov 24 10:00:01 mail smtpd[812]: 8b6f1d2b77aa01c2 smtp event=connected address=[2001:db8::31] host=pc31.example.net
Nov 24 10:00:02 mail smtpd[812]: 8b6f1d2b77aa01c2 smtp authentication user=carol result=ok
Nov 24 10:00:02 mail smtpd[812]: 8b6f1d2a4c3e5f70 smtp failed-command command="RCPT TO:<nobody@example.com>" result="550 Invalid recipient: <nobody@example.com>"
Nov 24 10:00:02 mail smtpd[812]: 8b6f1d2b77aa01c2 smtp failed-command command="AUTH PLAIN c2VjcmV0" result="535 no"
Nov 24 10:00:02 mail smtpd[812]: 8b6f1d2a4c3e5f70 smtp message msgid=7c7a1e0e size=1234 nrcpt=1 proto=ESMTP
Nov 24 10:00:03 mail smtpd[812]: 8b6f1d2a4c3e5f70 smtp disconnected reason=quit
Nov 24 10:00:03 mail smtpd[812]: 8b6f1d2c0f31b9a4 mta connected
Nov 24 10:00:20 mail smtpd[812]: 8b6f1d2b77aa01c2 smtp disconnected reason="io-error: reset"
Nov 24 10:00:20 mail
nothing of the kind
Nov 24 10:00:01 mail smtpd[812]: 8b6f1d2a4c3e5f71 smtp connected address=192.0.2
"#;

    #[test]
    fn lines_go_to_the_session_of_their_id() {
        let told = testing::read(&ENTRY, LOG, 2026);
        assert!(told.sureness > Sureness(700));
        let (out, failed) = (told.sessions, told.failed);
        assert_eq!((out.len(), failed), (2, 3));
        let (sent, carol) = (&out[0], &out[1]);
        assert_eq!((sent.events.len(), sent.ending), (5, Ending::Quit));
        let version = sent.tls.as_ref().and_then(|tls| tls.version);
        assert_eq!(version, Some(TlsVersion::TLS_1_3));
        assert_eq!(sent.messages[0].recipients, Some(1));
        let refused = sent.events.get(2).unwrap().command().unwrap();
        assert_eq!(refused.request, "RCPT TO:<nobody@example.com>");
        assert_eq!(refused.code, Some("550"));
        assert_eq!(carol.peer, "2001:db8::31".parse().ok());
        assert_eq!(
            (carol.ending, carol.encryption),
            (Ending::Lost, Some(Encryption::None))
        );
        assert!(!format!("{carol:?}").contains("c2VjcmV0"));
    }

    #[test]
    fn sessions_in_which_it_delivers_are_those_of_a_client() {
        let log = r#"Nov 24 10:00:05 mx smtpd[812]: 8b6f1d2e00000001 mta connecting address=smtp+tls://[2001:db8::25]:25 host=mx.other.example
Nov 24 10:00:05 mx smtpd[812]: 8b6f1d2e00000001 mta connected
Nov 24 10:00:05 mx smtpd[812]: 8b6f1d2e00000001 mta tls ciphers=TLSv1.3:TLS_AES_256_GCM_SHA384:256
Nov 24 10:00:06 mx smtpd[812]: 8b6f1d2e00000001 mta delivery evpid=7c7a1e0e2a1f5b3c from=<ann@example.net> to=<bob@other.example> rcpt=<-> source="2001:db8::1" relay="2001:db8::25 (mx.other.example)" delay=3s result="Ok" stat="250 2.0.0 Ok: queued as 5F9C"
Nov 24 10:00:06 mx smtpd[812]: 8b6f1d2e00000001 mta delivery evpid=7c7a1e0e2a1f5b3d from=<ann@example.net> to=<eve@other.example> rcpt=<-> source="2001:db8::1" relay="2001:db8::25 (mx.other.example)" delay=3s result="TempFail" stat="451 4.7.1 Greylisted"
Nov 24 10:00:06 mx smtpd[812]: 8b6f1d2e00000001 mta disconnected reason=quit messages=1
Nov 24 10:00:07 mx smtpd[812]: 8b6f1d2f00000001 mta connecting address=mx.other.example
"#;
        let told = testing::read(&ENTRY, log, 2026);
        let [sent] = told.sessions.as_slice() else {
            panic!("{:?}", told.sessions);
        };
        assert_eq!(told.failed, 1);
        assert_eq!((sent.role, sent.peer_port), (Role::Client, Some(25)));
        assert_eq!(sent.peer, "2001:db8::25".parse().ok());
        assert_eq!((sent.encryption, sent.ending), (None, Ending::Quit));
        assert_eq!(
            testing::commands(sent),
            [
                "MAIL FROM:<ann@example.net> ?",
                "RCPT TO:<bob@other.example> ?",
                "<BODY> 250"
            ]
        );
    }

    #[test]
    fn what_passes_no_wire_is_no_session_and_silence_no_command() {
        let log = r#"Nov 24 10:00:03 mx smtpd[812]: 8b6f1d2c00000001 smtp connected address=local host=mx.example.com
Nov 24 10:00:03 mx smtpd[812]: 8b6f1d2c00000001 smtp disconnected reason=quit
Nov 24 10:00:04 mx smtpd[812]: 8b6f1d2d00000001 smtp connected address=203.0.113.5 host=<unknown>
Nov 24 10:00:04 mx smtpd[812]: 8b6f1d2d00000001 smtp failed-command command="" result="421 4.4.2 Connection timeout"
Nov 24 10:00:04 mx smtpd[812]: 8b6f1d2d00000001 smtp disconnected reason=timeout
"#;
        let told = testing::read(&ENTRY, log, 2026);
        let [silent] = told.sessions.as_slice() else {
            panic!("{:?}", told.sessions);
        };
        assert!(testing::commands(silent).is_empty());
        assert_eq!(silent.ending, Ending::Timeout);
    }
}
