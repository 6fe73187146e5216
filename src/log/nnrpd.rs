//! INN's news reader daemon, in any syslog envelope: one process for each client.
//!
//! The port that a line names is the server's. With tracing every command and the first line of its reply are told.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::model::{
    ClockStep, Encryption, Ending, LineRef, LogId, LogSession, LoggedTls, Marks, Proto, Role,
    Shown, Shows, Side, Span, Stamp, TlsVersion, Zone, from_wire,
};

use super::syslog::{self, Envelope, Syslog};
use super::transcript::{Detail, Transcript};
use super::{Builder, Entry, Head, Line, Parsed, Sureness};

/// Row of the registry.
pub(super) const ENTRY: Entry = Entry {
    name: "nnrpd",
    about: "INN news readers (nnrpd), in any syslog envelope",
    shows: Shows {
        client_port: Shown::Never,
        session_id: Shown::Partly("the process"),
        step: ClockStep::Envelope,
        marks: Marks::Line,
        octets: Shown::Partly("of articles"),
        commands: Shown::With("nnrpd -t"),
        replies: Shown::With("nnrpd -t"),
        tls: Shown::Always,
        users: Shown::Always,
    },
    probe,
    open: |id, head| {
        Box::new(Nnrpd {
            id,
            syslog: Syslog::new(head.year),
            zone: None,
            open: HashMap::new(),
        })
    },
};

/// Processes that may be serving at once; more are not believed.
const MAX_OPEN: usize = 50_000;

fn probe(head: &Head<'_>) -> Sureness {
    syslog::share(head, is_reader)
}

/// `nnrpd`, and with TLS from the first octet `nnrpd-ssl`.
fn is_reader(envelope: &Envelope<'_>) -> bool {
    envelope.program == "nnrpd" || envelope.program.starts_with("nnrpd-")
}

/// One file.
struct Nnrpd {
    id: LogId,
    syslog: Syslog,
    zone: Option<Span>,
    open: HashMap<String, Serving>,
}

struct Serving {
    transcript: Transcript,
    /// As the lines name the client.
    host: String,
}

/// `client.example.net (192.0.2.44) connect - port 119`, also without the port and without a name.
fn connect(text: &str) -> Option<(&str, IpAddr, Option<u16>)> {
    let (client, rest) = text.split_once(" connect")?;
    if !rest.is_empty() && !rest.starts_with(" - ") {
        return None;
    }
    let (host, address) = client
        .split_once(" (")
        .and_then(|(host, rest)| Some((host, rest.strip_suffix(')')?)))
        .unwrap_or((client, client));
    let port = rest
        .strip_prefix(" - port ")
        .and_then(|port| port.trim().parse().ok());
    Some((host, address.parse().ok()?, port))
}

impl Serving {
    fn new(id: LogId, host: &str, peer: IpAddr, port: Option<u16>) -> Self {
        let mut transcript = Transcript::new(id, Proto("nntp"), Role::Server, Detail::Lines);
        transcript.session.peer = Some(peer);
        transcript.session.local_port = port;
        if port == Some(563) {
            transcript.session.encryption = Some(Encryption::Implicit);
        }
        Self {
            transcript,
            host: host.to_owned(),
        }
    }

    /// Takes a line behind the client's name; gives whether it is the last.
    fn line(&mut self, line: LineRef, stamp: Stamp, said: &str) -> bool {
        let transcript = &mut self.transcript;
        if let Some(text) = said.strip_prefix("< ") {
            transcript.session.every_command = true;
            transcript.line(line, stamp, Side::Client, text);
        } else if let Some(text) = said.strip_prefix("> ") {
            transcript.line(line, stamp, Side::Server, text);
        } else if let Some(rest) = said.strip_prefix("times ") {
            // How long the process served; the client may hold its end of the connection open for longer.
            let served = rest
                .rsplit_once("elapsed ")
                .and_then(|(_, seconds)| seconds.trim().parse::<f64>().ok())
                .filter(|seconds| (0.0..1e7).contains(seconds))
                .map(Span::from_seconds_f64);
            if let Some(served) = served {
                let began = Stamp {
                    at: stamp.at - served,
                    ..stamp
                };
                transcript.note(line, began, "process begun, by elapsed");
            }
            transcript.close(line, stamp, Ending::Unknown);
            return true;
        } else {
            let mut words = said.split(' ');
            let word = words.next().unwrap_or_default();
            let user = words.next().filter(|_| matches!(word, "auth" | "user"));
            if let Some(user) = user {
                transcript.session.names.push(user.to_owned());
            }
            if word == "timeout" {
                transcript.session.ending = Ending::Timeout;
            }
            transcript.note(line, stamp, said);
        }
        false
    }
}

impl Builder for Nnrpd {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = from_wire(line.bytes);
        let Some(envelope) = self.syslog.open(&text) else {
            return Parsed::Failed;
        };
        self.zone = self.zone.or(envelope.zone);
        let stamp = envelope.stamp;
        let aside = Parsed::Aside(Some(stamp));
        if !is_reader(&envelope) {
            return aside;
        }
        let line = LineRef {
            log: self.id,
            line: line.number,
        };
        if let Some((host, peer, port)) = connect(envelope.text) {
            if self.open.len() >= MAX_OPEN {
                return aside;
            }
            let mut serving = Serving::new(self.id, host, peer, port);
            serving.transcript.open(line, stamp);
            // Only a trace has every command.
            serving.transcript.session.every_command = false;
            let before = self.open.insert(envelope.pid.to_owned(), serving);
            out.extend(before.map(|before| before.transcript.into_session()));
            return Parsed::Event(stamp);
        }
        if envelope.text.contains(" connect - port ") {
            return Parsed::Failed;
        }
        let Some(serving) = self.open.get_mut(envelope.pid) else {
            // The log begins in the middle of this session, or it is over.
            return aside;
        };
        if let Some(rest) = envelope.text.strip_prefix("starttls: ") {
            let (version, rest) = rest.split_once(" with cipher ").unwrap_or((rest, ""));
            let tls = LoggedTls {
                version: TlsVersion::from_name(version),
                cipher: rest.split(' ').next().map(str::to_owned),
            };
            serving.transcript.tls(line, stamp, tls);
            return Parsed::Event(stamp);
        }
        let said = envelope
            .text
            .strip_prefix(serving.host.as_str())
            .and_then(|rest| rest.strip_prefix(' '));
        let over = said.is_some_and(|said| serving.line(line, stamp, said));
        if over {
            let over = self.open.remove(envelope.pid);
            out.extend(over.map(|serving| serving.transcript.into_session()));
        }
        match said {
            Some(_) => Parsed::Event(stamp),
            None => aside,
        }
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        let all = self.open.drain().map(|(_, serving)| serving.transcript);
        let mut all: Vec<_> = all.map(Transcript::into_session).collect();
        all.sort_by_key(|session| session.events.first().map(|event| event.line));
        out.extend(all);
    }

    fn zone(&self) -> Zone {
        self.zone.map_or(Zone::Assumed, Zone::Stated)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{commands, read};
    use super::*;

    const LOG: &str = "\
May 12 14:02:10 news nnrpd[3310]: client.example.net (192.0.2.44) connect - port 119
May 12 14:02:10 news nnrpd[3310]: client.example.net > 200 news.example.com InterNetNews ready (posting ok)
May 12 14:02:11 news nnrpd[3311]: 192.0.2.61 (192.0.2.61) connect - port 563
May 12 14:02:11 news nnrpd[3311]: starttls: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) no authentication
May 12 14:02:11 news nnrpd[3310]: client.example.net < GROUP example.general
May 12 14:02:11 news nnrpd[3310]: client.example.net > 211 12 1 12 example.general
May 12 14:02:12 news nnrpd[3311]: 192.0.2.61 user carol
May 12 14:02:13 news nnrpd[3310]: client.example.net < AUTHINFO GENERIC secret
May 12 14:02:15 news nnrpd[3310]: client.example.net < ARTICLE 12
May 12 14:02:16 news nnrpd[3310]: client.example.net < QUIT
May 12 14:02:19 news nnrpd[3310]: client.example.net times user 0.012 system 0.008 idle 8.310 elapsed 8.402
May 12 14:02:19 news nnrpd[3310]: client.example.net artstats get 1 time 2 size 1042
May 12 14:02:21 news nnrpd[3311]: 192.0.2.61 timeout
May 12 14:02:21 news nnrpd[3311]: 192.0.2.61 times user 0.020 system 0.008 idle 9.120 elapsed 10.011
May 12 14:02:21 news nnrpd[3312]: x (192.0.2) connect - port 119
May 12 14:02
nothing of the kind
";

    #[test]
    fn processes_tell_sessions_apart() {
        let told = read(&ENTRY, LOG, 2026);
        assert_eq!((told.sessions.len(), told.failed), (2, 3));
        let [traced, other] = &told.sessions[..] else {
            panic!("two sessions");
        };
        assert_eq!(
            commands(traced),
            [
                "GROUP example.general 211",
                "AUTHINFO GENERIC *** ?",
                "ARTICLE 12 ?",
                "QUIT ?"
            ]
        );
        let began = traced.events.iter().map(|event| event.stamp.at).min();
        let over = traced.events.iter().map(|event| event.stamp.at).max();
        let length = began.zip(over).map(|(began, over)| over.since(began));
        assert_eq!(
            length,
            Some(Span::seconds(9)),
            "the first line is earlier still"
        );
        assert_eq!((traced.local_port, traced.every_command), (Some(119), true));
        assert_eq!(other.encryption, Some(Encryption::Implicit));
        assert_eq!(
            (other.ending, &other.names[..]),
            (Ending::Timeout, &["carol".to_owned()][..])
        );
        assert!(!other.every_command && other.tls.is_some());
        assert!(!format!("{traced:?}").contains("secret"));
    }
}
