//! hMailServer: the dialogues of its servers, and those that it has as a client, by session number.
//!
//! One row is one write or one line read; what was written in one go has `[nl]` for the line ends inside. Passwords are masked by the writer.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};

use crate::model::{
    ClockStep, Ending, LineRef, LogId, LogSession, LoggedTls, Marks, Proto, Role, Shown, Shows,
    Side, Span, Stamp, TlsVersion, Zone, as_text,
};

use super::transcript::{Detail, Transcript};
use super::{Builder, Entry, Head, Line, Parsed, Sureness, stamp};

/// Row of the registry.
pub(super) const ENTRY: Entry = Entry {
    name: "hmailserver",
    about: "hMailServer: SMTP, POP3, IMAP, as server and as client",
    shows: Shows {
        client_port: Shown::Never,
        session_id: Shown::Always,
        step: ClockStep::Of(Span::MILLISECOND),
        marks: Marks::Line,
        octets: Shown::Partly("lengths of commands and replies; not of messages"),
        commands: Shown::Always,
        replies: Shown::Always,
        tls: Shown::With("Settings, Logging: TCP/IP"),
        users: Shown::Always,
    },
    probe,
    open: |id, _| {
        Box::new(HMailServer {
            id,
            open: BTreeMap::new(),
            accepted: HashMap::new(),
        })
    },
};

/// Sessions that may be open, and connections that may be without one, at once.
const MAX_OPEN: usize = 50_000;
const MAX_ACCEPTED: usize = 1_000;
/// What stands for a line end inside a row.
const NEW_LINE: &str = "[nl]";

fn probe(head: &Head<'_>) -> Sureness {
    head.share(|line| Row::read(&as_text(line)).is_some())
}

/// One file.
struct HMailServer {
    id: LogId,
    /// By session number, which is counted up.
    open: BTreeMap<u64, Transcript>,
    /// Connections that have no session yet, by thread and client.
    accepted: HashMap<(String, IpAddr), Accepted>,
}

/// A connection was accepted.
struct Accepted {
    line: LineRef,
    stamp: Stamp,
    local: Option<SocketAddr>,
}

/// A line taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row<'a> {
    /// `"SMTPD"⇥thread⇥session⇥"time"⇥"address"⇥"text"`
    Spoken {
        thread: &'a str,
        session: u64,
        stamp: Stamp,
        peer: IpAddr,
        proto: Proto,
        role: Role,
        text: &'a str,
    },
    /// `"TCPIP"⇥thread⇥"time"⇥"text"`, of no session.
    Other {
        thread: &'a str,
        stamp: Stamp,
        text: &'a str,
    },
}

impl<'a> Row<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut fields = line.splitn(6, '\t').map(unquoted);
        let (kind, thread) = (fields.next()?, fields.next()?);
        let service = match kind {
            "SMTPD" => Some((Proto("smtp"), Role::Server)),
            "SMTPC" => Some((Proto("smtp"), Role::Client)),
            "POP3D" => Some((Proto("pop3"), Role::Server)),
            "POP3C" => Some((Proto("pop3"), Role::Client)),
            "IMAPD" => Some((Proto("imap"), Role::Server)),
            "APPLICATION" | "DEBUG" | "ERROR" | "TCPIP" => None,
            _ => return None,
        };
        let Some((proto, role)) = service else {
            return Some(Self::Other {
                thread,
                stamp: stamp::iso(fields.next()?)?.stamp,
                text: fields.next()?,
            });
        };
        let session = fields.next()?.parse().ok()?;
        Some(Self::Spoken {
            thread,
            session,
            stamp: stamp::iso(fields.next()?)?.stamp,
            peer: fields.next()?.parse().ok()?,
            proto,
            role,
            text: fields.next()?,
        })
    }
}

/// Without the quotes around it; those inside are not escaped.
fn unquoted(field: &str) -> &str {
    let inner = field.strip_prefix('"').unwrap_or(field);
    inner.strip_suffix('"').unwrap_or(inner)
}

impl HMailServer {
    fn other(&mut self, line: LineRef, thread: &str, stamp: Stamp, text: &str) -> Parsed {
        let aside = Parsed::Aside(Some(stamp));
        if let Some((peer, local)) = text
            .strip_prefix("TCP - ")
            .and_then(|rest| rest.split_once(" connected to "))
        {
            let Ok(peer) = peer.parse() else {
                return Parsed::Failed;
            };
            if self.accepted.len() >= MAX_ACCEPTED {
                self.accepted.clear();
            }
            let local = local.trim_end_matches('.').parse().ok();
            let accepted = Accepted { line, stamp, local };
            self.accepted.insert((thread.to_owned(), peer), accepted);
            return aside;
        }
        let Some(rest) =
            text.strip_prefix("TCPConnection - TLS/SSL handshake completed. Session Id: ")
        else {
            return aside;
        };
        let value = |key: &str| {
            let mut parts = rest.split(", ");
            parts.find_map(|part| part.strip_prefix(key))
        };
        let number = rest.split(',').next().and_then(|id| id.parse().ok());
        let Some(transcript) = number.and_then(|id: u64| self.open.get_mut(&id)) else {
            return aside;
        };
        let tls = LoggedTls {
            version: value("Version: ").and_then(TlsVersion::from_name),
            cipher: value("Cipher: ").map(str::to_owned),
        };
        transcript.tls(line, stamp, tls);
        Parsed::Event(stamp)
    }

    /// The session that a row belongs to; a new one where it is the first.
    fn session(
        &mut self,
        line: LineRef,
        row: &Row<'_>,
        out: &mut Vec<LogSession>,
    ) -> Option<&mut Transcript> {
        let &Row::Spoken {
            thread,
            session,
            stamp,
            peer,
            proto,
            role,
            text,
        } = row
        else {
            return None;
        };
        let of_another = self.open.get(&session).is_some_and(|open| {
            open.session.peer != Some(peer) || open.session.proto != proto || open.is_over()
        });
        if of_another {
            out.extend(self.open.remove(&session).map(Transcript::into_session));
        }
        if self.open.len() >= MAX_OPEN && !self.open.contains_key(&session) {
            out.extend(self.open.pop_first().map(|(_, old)| old.into_session()));
        }
        let accepted = self.accepted.remove(&(thread.to_owned(), peer));
        let transcript = self.open.entry(session).or_insert_with(|| {
            let mut transcript = Transcript::new(self.id, proto, role, Detail::Lines);
            transcript.session.peer = Some(peer);
            if let Some(accepted) = accepted {
                let local = accepted.local;
                transcript.session.local = local.map(|local| local.ip());
                transcript.session.local_port = local.map(|local| local.port());
                transcript.open(accepted.line, accepted.stamp);
            } else if greets(text) == (role == Role::Server) {
                transcript.open(line, stamp);
            }
            transcript
        });
        Some(transcript)
    }
}

/// Whether a row is of the server's words.
fn greets(text: &str) -> bool {
    text.starts_with("SENT: ")
}

impl Builder for HMailServer {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = as_text(line.bytes);
        let Some(row) = Row::read(&text) else {
            return Parsed::Failed;
        };
        let line = LineRef {
            log: self.id,
            line: line.number,
        };
        let (stamp, role, session, text) = match row {
            Row::Other {
                thread,
                stamp,
                text,
            } => return self.other(line, thread, stamp, text),
            Row::Spoken {
                stamp,
                role,
                session,
                text,
                ..
            } => (stamp, role, session, text),
        };
        let (own, other) = match role {
            Role::Server => (Side::Server, Side::Client),
            Role::Client => (Side::Client, Side::Server),
        };
        let said = [("SENT: ", own), ("RECEIVED: ", other)]
            .into_iter()
            .find_map(|(word, side)| Some((side, text.strip_prefix(word)?)));
        let Some(transcript) = self.session(line, &row, out) else {
            return Parsed::Failed;
        };
        let Some((side, said)) = said else {
            transcript.note(line, stamp, text);
            return Parsed::Event(stamp);
        };
        for part in said.split(NEW_LINE) {
            transcript.line(line, stamp, side, part);
        }
        if transcript.is_over() {
            transcript.close(line, stamp, Ending::Quit);
            out.extend(self.open.remove(&session).map(Transcript::into_session));
        }
        Parsed::Event(stamp)
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        let open = std::mem::take(&mut self.open);
        out.extend(open.into_values().map(Transcript::into_session));
    }

    fn zone(&self) -> Zone {
        Zone::Assumed
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{commands, read};
    use super::*;
    use crate::model::Encryption;

    const LOG: &str = "\
\"TCPIP\"\t4820\t\"2024-03-05 09:14:02.101\"\t\"TCP - 192.0.2.10 connected to 198.51.100.25:25.\"
\"SMTPD\"\t4820\t112\t\"2024-03-05 09:14:02.105\"\t\"192.0.2.10\"\t\"SENT: 220 mail.example.com ESMTP\"
\"IMAPD\"\t4820\t113\t\"2024-03-05 09:14:02.141\"\t\"203.0.113.77\"\t\"SENT: * OK IMAPrev1\"
\"SMTPD\"\t4836\t112\t\"2024-03-05 09:14:02.151\"\t\"192.0.2.10\"\t\"RECEIVED: EHLO client.example.net\"
\"SMTPD\"\t4836\t112\t\"2024-03-05 09:14:02.152\"\t\"192.0.2.10\"\t\"SENT: 250-mail.example.com[nl]250-STARTTLS[nl]250 HELP\"
\"IMAPD\"\t4812\t113\t\"2024-03-05 09:14:02.300\"\t\"203.0.113.77\"\t\"RECEIVED: A01 LOGIN carol ***\"
\"IMAPD\"\t4812\t113\t\"2024-03-05 09:14:02.322\"\t\"203.0.113.77\"\t\"SENT: A01 OK LOGIN completed\"
\"SMTPD\"\t4812\t112\t\"2024-03-05 09:14:02.400\"\t\"192.0.2.10\"\t\"RECEIVED: STARTTLS\"
\"SMTPD\"\t4812\t112\t\"2024-03-05 09:14:02.401\"\t\"192.0.2.10\"\t\"SENT: 220 Ready to start TLS\"
\"TCPIP\"\t4812\t\"2024-03-05 09:14:02.431\"\t\"TCPConnection - TLS/SSL handshake completed. Session Id: 112, Remote IP: 192.0.2.10, Version: TLSv1.2, Cipher: ECDHE-RSA-AES128-GCM-SHA256, Bits: 128\"
\"SMTPD\"\t4812\t112\t\"2024-03-05 09:14:02.440\"\t\"192.0.2.10\"\t\"RECEIVED: AUTH PLAIN c2VjcmV0\"
\"SMTPD\"\t4812\t112\t\"2024-03-05 09:14:02.450\"\t\"192.0.2.10\"\t\"SENT: 535 Authentication failed. \"a\" is \"b\"\"
\"SMTPC\"\t4812\t114\t\"2024-03-05 09:14:02.460\"\t\"203.0.113.25\"\t\"RECEIVED: 220 mx.other.example\"
\"SMTPC\"\t4812\t114\t\"2024-03-05 09:14:02.461\"\t\"203.0.113.25\"\t\"SENT: HELO mail.example.com\"
\"SMTPC\"\t4812\t114\t\"2024-03-05 09:14:02.470\"\t\"203.0.113.25\"\t\"RECEIVED: 250 mx.other.example\"
\"SMTPD\"\t4836\t112\t\"2024-03-05 09:14:02.520\"\t\"192.0.2.10\"\t\"RECEIVED: QUIT\"
\"SMTPD\"\t4836\t112\t\"2024-03-05 09:14:02.521\"\t\"192.0.2.10\"\t\"SENT: 221 goodbye\"
\"APPLICATION\"\t4836\t\"2024-03-05 09:14:02.530\"\t\"SMTPDeliverer - Message 7: Delivering message\"
\"SMTPD\"\t4836\t112
nothing of the kind
\"SMTPD\"\t4836\t112\t\"2024-03-05 09:99:02.521\"\t\"192.0.2.10\"\t\"SENT: 221 goodbye\"
";

    #[test]
    fn dialogues_are_told_apart_by_their_numbers() {
        let told = read(&ENTRY, LOG, 2026);
        assert_eq!((told.sessions.len(), told.failed, told.aside), (3, 3, 2));
        assert!(told.sureness > Sureness(800));
        let [mail, imap, out] = &told.sessions[..] else {
            panic!("three sessions");
        };
        assert_eq!(
            commands(mail),
            [
                "EHLO client.example.net 250",
                "STARTTLS 220",
                "AUTH PLAIN *** 535",
                "QUIT 221"
            ]
        );
        assert_eq!((mail.ending, mail.local_port), (Ending::Quit, Some(25)));
        assert_eq!(mail.encryption, Some(Encryption::StartTls));
        assert!(mail.tls.is_some() && mail.every_command);
        assert_eq!(mail.events.first().unwrap().line.line, 1);
        assert_eq!(commands(imap), ["A01 LOGIN carol *** OK"]);
        assert_eq!(imap.names, ["carol"]);
        assert_eq!((out.role, commands(out).len()), (Role::Client, 1));
        assert!(!format!("{:?}", told.sessions).contains("c2VjcmV0"));
    }
}
