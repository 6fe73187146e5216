//! Dovecot's rawlog: all octets of a session behind its login, each line with the microsecond of its read or write.
//!
//! Two files hold a session, `.in` what the client sent and `.out` what it was sent; a log to one place marks lines `I:` and `O:`. Neither says who
//! the client is. Stamps are UTC.

use crate::model::{
    ClockStep, LineRef, LogId, LogSession, LogTime, Marks, Proto, Role, Shown, Shows, Side, Span,
    Stamp, Zone, from_wire,
};

use super::super::transcript::{Detail, Transcript};
use super::super::{Builder, Entry, Head, Line, Parsed, Sureness};

/// Row of the registry.
pub(in super::super) const ENTRY: Entry = Entry {
    name: "dovecot-rawlog",
    about: "Dovecot rawlog, one side or both of a session",
    shows: Shows {
        client_port: Shown::Never,
        session_id: Shown::Partly("a file is a session"),
        step: ClockStep::Of(Span::MICROSECOND),
        marks: Marks::Begin,
        octets: Shown::Always,
        commands: Shown::Partly("in the file of what the client sent"),
        replies: Shown::Partly("in the file of what it was sent"),
        tls: Shown::Never,
        users: Shown::Never,
    },
    probe,
    open: |id, head| {
        let (proto, side) = spoken(head);
        let mut transcript = Transcript::new(id, proto, Role::Server, Detail::Everything);
        transcript.session.encryption = None;
        Box::new(Rawlog {
            id,
            side,
            transcript: Some(transcript),
            told: false,
        })
    },
};

fn probe(head: &Head<'_>) -> Sureness {
    let fits = head
        .lines
        .iter()
        .filter(|line| Row::read(&from_wire(line)).is_some())
        .count();
    Sureness::share(fits, head.lines.len())
}

/// One file.
struct Rawlog {
    id: LogId,
    /// Whose words they are, where lines do not say.
    side: Side,
    transcript: Option<Transcript>,
    told: bool,
}

/// A line taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row<'a> {
    stamp: Stamp,
    side: Option<Side>,
    text: &'a str,
}

impl<'a> Row<'a> {
    /// `1795491820.635236 LOFG2 APPEND INBOX {72}`, `1795491820.635236 I: LOFG2 …`
    fn read(line: &'a str) -> Option<Self> {
        let (seconds, rest) = line.split_once('.')?;
        let (micros, rest) = rest.split_at_checked(6)?;
        let text = rest.strip_prefix(' ')?;
        let digits = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
        if !(9..=11).contains(&seconds.len()) || !digits(seconds) || !digits(micros) {
            return None;
        }
        let micros: i64 = micros.parse().ok()?;
        let marked = [
            ("I: ", Side::Client),
            ("I> ", Side::Client),
            ("O: ", Side::Server),
            ("O> ", Side::Server),
        ]
        .into_iter()
        .find_map(|(mark, side)| Some((side, text.strip_prefix(mark)?)));
        Some(Self {
            stamp: Stamp {
                at: LogTime::new(seconds.parse().ok()?, micros * 1000),
                resolution: Span::MICROSECOND,
            },
            side: marked.map(|(side, _)| side),
            text: marked.map_or(text, |(_, text)| text),
        })
    }
}

/// What is spoken, and by which side, as the first lines sound.
fn spoken(head: &Head<'_>) -> (Proto, Side) {
    let lines: Vec<String> = head.lines.iter().map(|line| from_wire(line)).collect();
    let rows: Vec<Row<'_>> = lines.iter().filter_map(|line| Row::read(line)).collect();
    let sounds = |row: &Row<'_>| {
        let mut words = row.text.split(' ');
        let (first, second) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let code = first.split('-').next().unwrap_or_default();
        let is_code = code.len() == 3 && code.bytes().all(|digit| digit.is_ascii_digit());
        match first.to_ascii_uppercase().as_str() {
            "*" => Some(("imap", Side::Server)),
            "+OK" | "-ERR" => Some(("pop3", Side::Server)),
            "CAPA" | "DELE" | "LIST" | "RETR" | "STAT" | "TOP" | "UIDL" => {
                Some(("pop3", Side::Client))
            }
            "DATA" | "EHLO" | "HELO" | "MAIL" | "RCPT" => Some(("smtp", Side::Client)),
            _ if is_code => Some(("smtp", Side::Server)),
            _ => match second.to_ascii_uppercase().as_str() {
                "BAD" | "NO" | "OK" => Some(("imap", Side::Server)),
                "APPEND" | "CAPABILITY" | "CLOSE" | "COPY" | "CREATE" | "ENABLE" | "EXAMINE"
                | "EXPUNGE" | "FETCH" | "ID" | "IDLE" | "LIST" | "LOGOUT" | "LSUB"
                | "NAMESPACE" | "NOOP" | "SEARCH" | "SELECT" | "STATUS" | "STORE" | "SUBSCRIBE"
                | "UID" => Some(("imap", Side::Client)),
                _ => None,
            },
        }
    };
    let first = rows.iter().find_map(sounds);
    first.map_or((Proto("imap"), Side::Client), |(proto, side)| {
        (Proto(proto), side)
    })
}

impl Builder for Rawlog {
    fn line(&mut self, line: Line<'_>, _: &mut Vec<LogSession>) -> Parsed {
        let text = from_wire(line.bytes);
        let Some(row) = Row::read(&text) else {
            return Parsed::Failed;
        };
        let line = LineRef {
            log: self.id,
            line: line.number,
        };
        if let Some(transcript) = &mut self.transcript {
            transcript.line(line, row.stamp, row.side.unwrap_or(self.side), row.text);
            self.told = true;
        }
        Parsed::Event(row.stamp)
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        let transcript = self.transcript.take().filter(|_| self.told);
        out.extend(transcript.map(Transcript::into_session));
    }

    fn zone(&self) -> Zone {
        Zone::Stated(Span::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{commands, read};
    use super::*;

    const IN: &str = "\
1795491820.635236 LOFG2 APPEND INBOX {21}
1795491820.635908 From: ann@x
1795491820.635908 \n\
1795491820.635908 3 NOOP
1795491820.636639 \n\
1795491820.709706 LOFG4 SELECT INBOX
1795491820.809706 LOFG5 LOGOUT
1795491820
nothing of the kind
x795491820.809706 LOFG5 LOGOUT
";

    #[test]
    fn what_the_client_sent_is_told_by_the_microsecond() {
        let told = read(&ENTRY, IN, 2026);
        assert_eq!((told.sessions.len(), told.failed), (1, 3));
        let session = &told.sessions[0];
        assert_eq!(
            commands(session),
            [
                "LOFG2 APPEND INBOX {21} ?",
                "LOFG4 SELECT INBOX ?",
                "LOFG5 LOGOUT ?"
            ]
        );
        assert_eq!(
            session.events[0].stamp.at,
            LogTime::new(1_795_491_820, 635_236_000)
        );
        assert!(
            !format!("{session:?}").contains("ann@x"),
            "no text of messages"
        );
    }

    #[test]
    fn both_sides_in_one_log_are_a_dialogue() {
        let log = "\
1795491820.634989 O: +OK Logged in.
1795491820.635236 I: STAT
1795491820.635300 O: +OK 1 72
1795491820.635400 I: RETR 1
1795491820.635500 O: +OK 72 octets
1795491820.635500 O: hello
1795491820.635500 O: .
1795491820.709706 I: QUIT
1795491820.709800 O: +OK Logging out.
";
        let told = read(&ENTRY, log, 2026);
        let session = &told.sessions[0];
        assert_eq!(session.proto, Proto("pop3"));
        assert_eq!(commands(session), ["STAT +OK", "RETR 1 +OK", "QUIT +OK"]);
    }

    #[test]
    fn what_was_sent_alone_is_of_the_server() {
        let log = IN
            .replace("LOFG4 SELECT", "* 3 EXISTS")
            .replace("LOFG2 APPEND", "LOFG1 OK");
        let told = read(&ENTRY, &log, 2026);
        assert_eq!(commands(&told.sessions[0]), Vec::<String>::new());
    }
}
