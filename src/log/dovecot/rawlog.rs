//! Dovecot's rawlog: all octets of a session behind its login, each line with the microsecond of its read or write.
//!
//! Two files hold a session, `.in` what the client sent and `.out` what it was sent; a log to one place marks lines `I:` and `O:`. Neither says who
//! the client is. Stamps are UTC. Of a pair the client's half is kept until the server's comes, and the two are put together by their stamps: a
//! line is read before the reply to it is written. Bound: [`MAX_HELD`].

use std::collections::VecDeque;

use crate::model::{
    ClockStep, LineRef, LogId, LogSession, LogTime, Marks, Proto, Role, Shown, Shows, Side, Span,
    Stamp, Zone, from_wire,
};

use super::super::stamp;
use super::super::transcript::{Detail, Transcript};
use super::super::{Builder, Entry, Follows, Head, Line, Parsed, Sureness};

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
        let (proto, side) = spoken(head).unwrap_or(UNTOLD);
        Box::new(Rawlog {
            id,
            proto,
            side,
            transcript: None,
            held: VecDeque::new(),
            octets: 0,
            half: Half::First,
            too_long: 0,
        })
    },
};

/// Octets of the client's half that are kept; of a longer one the halves are told as two.
const MAX_HELD: usize = 32 << 20;

/// Of lines that do not sound like anything: most sessions are of IMAP, and there the client may say what it likes first.
const UNTOLD: (Proto, Side) = (Proto("imap"), Side::Client);

fn probe(head: &Head<'_>) -> Sureness {
    // Others stamp their lines so too, as all do that are run by daemontools.
    if spoken(head).is_none() {
        return Sureness::default();
    }
    // A journal names a host and a process.
    let of_journal = |row: &Row<'_>| {
        let tag = row.text.split(' ').nth(1);
        tag.is_some_and(|tag| tag.ends_with("]:"))
    };
    head.share(|line| Row::read(&from_wire(line)).is_some_and(|row| !of_journal(&row)))
}

/// One file, or the two of a session.
struct Rawlog {
    id: LogId,
    proto: Proto,
    /// Whose words they are, where lines do not say.
    side: Side,
    transcript: Option<Transcript>,
    /// The client's lines that wait for the server's.
    held: VecDeque<(LineRef, Stamp, String)>,
    octets: usize,
    half: Half,
    /// Sessions whose halves could not be put together.
    too_long: usize,
}

/// What is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    /// The first file, which may be the only one.
    First,
    /// A client's half that is too long to be kept: it is told by itself.
    TooLong,
    /// The server's half, put together with the client's.
    Second,
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
        let (stamp, rest) = stamp::unix(line)?;
        let text = rest.strip_prefix(' ')?;
        let marked = [
            ("I: ", Side::Client),
            ("I> ", Side::Client),
            ("O: ", Side::Server),
            ("O> ", Side::Server),
        ]
        .into_iter()
        .find_map(|(mark, side)| Some((side, text.strip_prefix(mark)?)));
        Some(Self {
            stamp,
            side: marked.map(|(side, _)| side),
            text: marked.map_or(text, |(_, text)| text),
        })
    }
}

/// What is spoken, and by which side, as the first lines sound.
fn spoken(head: &Head<'_>) -> Option<(Proto, Side)> {
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
    let (proto, side) = rows.iter().find_map(sounds)?;
    Some((Proto(proto), side))
}

impl Rawlog {
    fn say(&mut self, line: LineRef, stamp: Stamp, side: Side, text: &str) {
        let (id, proto) = (self.id, self.proto);
        let transcript = self.transcript.get_or_insert_with(|| {
            let mut transcript = Transcript::new(id, proto, Role::Server, Detail::Everything);
            transcript.session.encryption = None;
            transcript
        });
        transcript.line(line, stamp, side, text);
    }

    /// Tells the lines that were kept, up to a moment or all.
    fn release(&mut self, until: Option<LogTime>) {
        while let Some((line, stamp, text)) = self.held.pop_front() {
            if until.is_some_and(|until| stamp.at > until) {
                self.held.push_front((line, stamp, text));
                return;
            }
            self.octets = self.octets.saturating_sub(text.len());
            self.say(line, stamp, Side::Client, &text);
        }
    }

    fn hold(&mut self, line: LineRef, stamp: Stamp, text: &str) {
        self.octets += text.len();
        self.held.push_back((line, stamp, text.to_owned()));
        if self.octets > MAX_HELD {
            self.half = Half::TooLong;
            self.release(None);
        }
    }

    fn close(&mut self, out: &mut Vec<LogSession>) {
        self.release(None);
        out.extend(self.transcript.take().map(Transcript::into_session));
    }
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
        match (self.half, row.side, self.side) {
            (Half::First, None, Side::Client) => self.hold(line, row.stamp, row.text),
            (_, marked, side) => {
                self.release(Some(row.stamp.at));
                self.say(line, row.stamp, marked.unwrap_or(side), row.text);
            }
        }
        Parsed::Event(row.stamp)
    }

    fn next_file(&mut self, head: &Head<'_>, out: &mut Vec<LogSession>) -> Follows {
        let (proto, side) = spoken(head).unwrap_or(UNTOLD);
        let first = (self.half, self.side);
        self.side = side;
        match (first, side) {
            ((Half::First, Side::Client), Side::Server) if proto == self.proto => {
                self.half = Half::Second;
                return Follows::Meanwhile;
            }
            ((Half::TooLong, Side::Client), Side::Server) => self.too_long += 1,
            _ => {}
        }
        self.close(out);
        self.proto = proto;
        self.half = Half::First;
        Follows::Later
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        self.close(out);
    }

    fn zone(&self) -> Zone {
        Zone::Stated(Span::ZERO)
    }

    fn remarks(&self) -> Vec<String> {
        let told = (self.too_long > 0).then(|| {
            format!(
                "the halves of {} sessions are told by themselves: what the client sent is longer than {MAX_HELD} octets",
                self.too_long
            )
        });
        told.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{commands, read, read_files};
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
            session.events.first().unwrap().stamp.at,
            LogTime::new(1_795_491_820, 635_236_000)
        );
        assert!(
            !format!("{session:?}").contains("ann@x"),
            "no text of messages"
        );
    }

    #[test]
    fn lines_of_others_that_are_stamped_so_are_not_taken_for_it() {
        let log = "1157519909.633171 qmail-smtpd: 421 badiprbl: ip 192.0.2.7\n";
        assert_eq!(read(&ENTRY, log, 2026).sureness, Sureness(0));
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

    const CLIENT: &str = "\
1795491820.635236 A2 APPEND INBOX {9}
1795491820.635908 hello
1795491820.635908 
1795491820.636639 
1795491820.709706 A4 SELECT INBOX
1795491820.809706 A5 LOGOUT
";
    const SERVER: &str = "\
1795491820.634989 A1 OK Logged in
1795491820.635812 + OK
1795491820.655314 A2 OK [APPENDUID 1795491820 1] Append completed.
1795491820.709978 * 1 EXISTS
1795491820.709985 A4 OK [READ-WRITE] Select completed.
1795491820.809906 * BYE Logging out
1795491820.809907 A5 OK Logout completed.
";

    #[test]
    fn the_halves_of_a_pair_are_one_dialogue() {
        let told = read_files(&ENTRY, &[CLIENT, SERVER], 2026);
        assert_eq!((told.sessions.len(), told.failed), (1, 0));
        assert_eq!(
            commands(&told.sessions[0]),
            [
                "A2 APPEND INBOX {9} OK",
                "A4 SELECT INBOX OK",
                "A5 LOGOUT OK"
            ]
        );
    }

    #[test]
    fn files_of_other_sessions_are_not_put_together() {
        let told = read_files(&ENTRY, &[CLIENT, CLIENT], 2026);
        assert_eq!(told.sessions.len(), 2);
        let told = read_files(&ENTRY, &[SERVER, CLIENT], 2026);
        assert_eq!(told.sessions.len(), 2);
        assert_eq!(commands(&told.sessions[1])[1], "A4 SELECT INBOX ?");
    }

    #[test]
    fn a_half_beyond_the_bound_is_told_by_itself_and_said() {
        let long = format!("{CLIENT}1795491820.909706 {}\n", "x".repeat(MAX_HELD));
        let told = read_files(&ENTRY, &[&long, SERVER], 2026);
        assert_eq!((told.sessions.len(), told.remarks.len()), (2, 1));
    }
}
