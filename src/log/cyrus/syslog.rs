//! Cyrus IMAP, POP3 and NNTP servers in any syslog envelope, as free text up to 3.10 and as `key=value` list since.
//!
//! A process serves one client at a time. The client is named at its login, without port.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::model::{
    ClockStep, Encryption, Event, LineRef, LogEvent, LogId, LogSession, LogTime, LoggedOctets,
    LoggedTls, Marks, Proto, Shown, Shows, Span, TlsVersion, Zone, from_wire,
};

use super::super::by_host;
use super::super::hidden_clock;
use super::super::syslog::{self, Envelope, Syslog};
use super::super::{Builder, Entry, Head, Line, Parsed, Sureness};

/// Row of the registry.
pub(in super::super) const ENTRY: Entry = Entry {
    name: "cyrus",
    about: "Cyrus IMAP, POP3 and NNTP servers, in any syslog envelope",
    shows: Shows {
        client_port: Shown::Never,
        session_id: Shown::Partly("the process; SESSIONID from the login on"),
        step: ClockStep::Envelope,
        marks: Marks::Line,
        octets: Shown::With("auditlog: yes"),
        commands: Shown::Never,
        replies: Shown::Never,
        tls: Shown::Always,
        users: Shown::Always,
    },
    probe,
    open: |id, head| by_host::open(id, head, |id, head| Cyrus::new(id, head.year)),
};

/// Processes that may be serving at once; more are not believed.
const MAX_OPEN: usize = 50_000;

fn probe(head: &Head<'_>) -> Sureness {
    syslog::share(head, |envelope| {
        proto(envelope.program).is_some()
            && (envelope.program.starts_with("cyrus/") || told(envelope.text) != Told::Other)
    })
}

/// What a program of Cyrus speaks: `cyrus/imap`, `imaps`, `pop3`.
fn proto(program: &str) -> Option<(Proto, bool)> {
    match program.strip_prefix("cyrus/").unwrap_or(program) {
        "imap" | "imapd" => Some((Proto("imap"), false)),
        "imaps" => Some((Proto("imap"), true)),
        "pop3" | "pop3d" => Some((Proto("pop3"), false)),
        "pop3s" => Some((Proto("pop3"), true)),
        "nntp" | "nntpd" => Some((Proto("nntp"), false)),
        "nntps" => Some((Proto("nntp"), true)),
        _ => None,
    }
}

/// A line of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told<'a> {
    /// `accepted connection`
    Accepted,
    /// `login: host [192.0.2.10] bob plaintext+TLS User logged in SESSIONID=<…>`
    Login {
        peer: &'a str,
        user: &'a str,
        session: Option<&'a str>,
    },
    /// `badlogin: host [192.0.2.10] plaintext (bob) [SASL(-13): …]`
    BadLogin {
        peer: &'a str,
        why: &'a str,
    },
    /// `starttls: TLSv1.3 with cipher X (256/256 bits new) no authentication`
    StartTls {
        version: &'a str,
        cipher: &'a str,
    },
    /// `auditlog: traffic sessionid=<…> bytes_in=<341> bytes_out=<1577>`
    Traffic {
        received: u64,
        sent: u64,
    },
    Other,
}

fn told(text: &str) -> Told<'_> {
    reads(text).unwrap_or(Told::Other)
}

fn reads(text: &str) -> Option<Told<'_>> {
    if text == "accepted connection" {
        return Some(Told::Accepted);
    }
    if let Some(rest) = text.strip_prefix("login: ") {
        let (peer, rest) = client(rest)?;
        return Some(Told::Login {
            peer,
            user: rest.split(' ').next()?,
            session: marked(rest, "SESSIONID=<"),
        });
    }
    if let Some(rest) = text.strip_prefix("badlogin: ") {
        let (peer, why) = client(rest)?;
        return Some(Told::BadLogin { peer, why });
    }
    if let Some(rest) = text.strip_prefix("starttls: ") {
        let (version, rest) = rest.split_once(" with cipher ")?;
        let cipher = rest.split(' ').next()?;
        return Some(Told::StartTls { version, cipher });
    }
    if text.starts_with("auditlog: traffic ") {
        return Some(Told::Traffic {
            received: marked(text, "bytes_in=<")?.parse().ok()?,
            sent: marked(text, "bytes_out=<")?.parse().ok()?,
        });
    }
    let event = text.strip_prefix("event=")?.split(' ').next()?;
    let peer = || client(pair(text, "r.clienthost=")?).map(|(peer, _)| peer);
    Some(match event {
        "login.good" => Told::Login {
            peer: peer()?,
            user: pair(text, "u.username=")?,
            session: pair(text, "session.id="),
        },
        "login.bad" => Told::BadLogin {
            peer: peer()?,
            why: pair(text, "error=").unwrap_or_default(),
        },
        "auditlog.traffic" => Told::Traffic {
            received: pair(text, "used.bytes.in=")?.parse().ok()?,
            sent: pair(text, "used.bytes.out=")?.parse().ok()?,
        },
        _ => return None,
    })
}

/// `host.name [192.0.2.10]`, or `[192.0.2.10]`: the address, and what follows.
fn client(text: &str) -> Option<(&str, &str)> {
    let (_, rest) = text.split_once('[')?;
    let (peer, rest) = rest.split_once(']')?;
    Some((peer, rest.trim_start()))
}

fn marked<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split_once(key)?.1.split('>').next()
}

/// The value of a key, without its quotes.
fn pair<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(key)?;
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split(' ').next(),
    }
}

/// When a session began, by its id: `server-1795491820-2211-1-9377421135206112411`, from the right.
fn began(session: &str) -> Option<LogTime> {
    let mut parts = session.rsplitn(5, '-');
    let all = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_id = all.iter().all(|part| digits(part));
    let [_, _, _, seconds] = all;
    let seconds = seconds
        .parse()
        .ok()
        .filter(|_| is_id && seconds.len() >= 9)?;
    Some(LogTime::new(seconds, 0))
}

/// One file.
struct Cyrus {
    id: LogId,
    syslog: Syslog,
    /// Where the stamps say it.
    stated: Option<Span>,
    /// Where session ids, which are in UTC, show it.
    shown: Option<Span>,
    open: HashMap<String, LogSession>,
}

impl Cyrus {
    fn new(id: LogId, year: i32) -> Self {
        Self {
            id,
            syslog: Syslog::new(year),
            stated: None,
            shown: None,
            open: HashMap::new(),
        }
    }

    fn take(&mut self, line: LineRef, envelope: &Envelope<'_>, told: Told<'_>) -> Option<()> {
        let stamp = envelope.stamp;
        let session = self.open.get_mut(envelope.pid)?;
        let what = match told {
            Told::Accepted => Event::Open,
            Told::Login {
                peer,
                user,
                session: id,
            } => {
                session.peer = peer.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
                session.names.push(user.to_owned());
                let shown = self.stated.is_none().then(|| {
                    let began = id.and_then(began)?;
                    hidden_clock::zone(stamp.at, began)
                });
                self.shown = shown.flatten().or(self.shown);
                Event::Note(format!("login {user}"))
            }
            Told::BadLogin { peer, why } => {
                session.peer = peer.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
                Event::Note(format!("login refused: {why}"))
            }
            Told::StartTls { version, cipher } => {
                session.tls = Some(LoggedTls {
                    version: TlsVersion::from_name(version),
                    cipher: Some(cipher.to_owned()),
                });
                if session.encryption.is_none() {
                    session.encryption = Some(Encryption::StartTls);
                }
                Event::TlsDone
            }
            Told::Traffic { received, sent } => {
                // All octets are counted, also those before TLS, which are not among those that it hides.
                let whole = session.encryption != Some(Encryption::StartTls);
                session.rare_mut().octets = whole.then_some(LoggedOctets {
                    received,
                    sent,
                    unread: 0,
                });
                Event::Close
            }
            Told::Other => return None,
        };
        session.events.push(LogEvent { line, stamp, what });
        Some(())
    }
}

impl Builder for Cyrus {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = from_wire(line.bytes);
        let Some(envelope) = self.syslog.open(&text) else {
            return Parsed::Failed;
        };
        self.stated = self.stated.or(envelope.zone);
        let aside = Parsed::Aside(Some(envelope.stamp));
        let Some((proto, tls_first)) = proto(envelope.program) else {
            return aside;
        };
        let told = told(envelope.text);
        let begins = told == Told::Accepted
            || match (told, self.open.get(envelope.pid)) {
                (Told::Login { .. } | Told::BadLogin { .. } | Told::StartTls { .. }, None) => true,
                // The next client of the same process.
                (Told::Login { .. }, Some(open)) => !open.names.is_empty(),
                _ => false,
            };
        if begins && self.open.len() < MAX_OPEN {
            let mut session = LogSession::new(self.id, proto);
            session.encryption = tls_first.then_some(Encryption::Implicit);
            let before = self.open.insert(envelope.pid.to_owned(), session);
            out.extend(before.filter(|session| session.peer.is_some()));
        }
        let line = LineRef {
            log: self.id,
            line: line.number,
        };
        let taken = self.take(line, &envelope, told);
        if matches!(told, Told::Traffic { .. }) {
            let over = self.open.remove(envelope.pid);
            out.extend(over.filter(|session| session.peer.is_some()));
        }
        match taken {
            Some(()) => Parsed::Event(envelope.stamp),
            None if told == Told::Other && envelope.text.starts_with("login: ") => Parsed::Failed,
            None => aside,
        }
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        let open = std::mem::take(&mut self.open);
        // A client that is not named cannot be found again.
        let mut all: Vec<_> = open
            .into_values()
            .filter(|session| session.peer.is_some())
            .collect();
        all.sort_by_key(|session| session.events.first().map(|event| event.line));
        out.extend(all);
    }

    fn zone(&self) -> Zone {
        self.stated.map_or(Zone::Assumed, Zone::Stated)
    }

    fn remarks(&self) -> Vec<String> {
        let Some(east) = self.shown.filter(|_| self.stated.is_none()) else {
            return Vec::new();
        };
        let hours = east.as_seconds_f64() / 3600.0;
        vec![format!(
            "its session ids show a zone of {hours:+} hours from UTC"
        )]
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::read;
    use super::*;

    const LOG: &str = "\
Nov 24 03:43:40 mail cyrus/imap[2211]: accepted connection
Nov 24 03:43:40 mail cyrus/imap[2211]: starttls: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits new) no authentication
Nov 24 03:43:40 mail cyrus/imap[2212]: accepted connection
Nov 24 03:43:40 mail cyrus/imap[2211]: login: client.example.net [192.0.2.10] bob plaintext+TLS User logged in SESSIONID=<mail-1.example.com-1795491820-2211-1-9377421135206112411>
Nov 24 03:43:41 mail cyrus/imap[2212]: badlogin: [203.0.113.77] plaintext (bob) [SASL(-13): authentication failure: checkpass failed]
Nov 24 03:43:52 mail cyrus/imap[2211]: auditlog: traffic sessionid=<mail.example.com-1795491820-2211-1-9377421135206112411> bytes_in=<341> bytes_out=<1577>
Nov 24 03:43:52 mail cyrus/imap[2211]: USAGE bob user: 0.012000 sys: 0.004000
Nov 24 03:44:01 mail cyrus/pop3[2219]: event=login.good session.id=mail-1795491841-2219-1-12 r.clienthost=\"pc31 [192.0.2.31]\" u.username=carol login.mech=plaintext login.tls=0
Nov 24 03:44:02 mail cyrus/pop3[2219]: event=auditlog.traffic session.id=x used.bytes.in=64 used.bytes.out=238
Nov 24 03:44:03 mail cyrus/pop3[2219]: login: pc32 [192.0.2.32] dan plaintext User logged in
Nov 24 03:44:03 mail cyrus/pop3[2219]: login: pc33
Nov 24 03:44
nothing of the kind
";

    #[test]
    fn processes_serve_one_client_after_the_other() {
        let told = read(&ENTRY, LOG, 2026);
        assert_eq!((told.sessions.len(), told.failed), (4, 3));
        let [bob, refused, carol, dan] = &told.sessions[..] else {
            panic!("four sessions");
        };
        assert_eq!(
            (bob.peer, bob.rare().octets),
            ("192.0.2.10".parse().ok(), None)
        );
        assert_eq!(bob.encryption, Some(Encryption::StartTls));
        assert_eq!(refused.peer, "203.0.113.77".parse().ok());
        let octets = carol.rare().octets.unwrap();
        assert_eq!(
            (octets.received, octets.sent, carol.proto),
            (64, 238, Proto("pop3"))
        );
        assert_eq!(dan.names, ["dan"]);
        assert_eq!(
            told.remarks,
            ["its session ids show a zone of +0 hours from UTC"]
        );
    }

    #[test]
    fn session_ids_are_read_from_the_right() {
        let began = began("mail-1.example.com-1795491820-2211-1-9377421135206112411");
        assert_eq!(began, Some(LogTime::new(1_795_491_820, 0)));
        assert_eq!(super::began("mail-1-2-3"), None);
    }
}
