//! SMTP of the Internet Mail Connector and Service, and the feeds of the Internet News Service: `L0000001.LOG` in `imcdata` and `insdata`.
//!
//! `<<<` is received, `>>>` is sent, whoever of the two is the client. No line names its session: [`super::deal`] finds it by what can be said when,
//! and leaves out what more than one may have said.

use crate::model::{
    ClockStep, LineRef, LogId, LogSession, Marks, Proto, Role, Shown, Shows, Side, Span, Stamp,
    Zone, as_text, from_wire,
};

use super::super::stamp::{self, DateOrder};
use super::super::{Builder, Entry, Head, Line, Parsed, Sureness};
use super::deal::Deal;

/// Row of the registry.
pub(in crate::log) const ENTRY: Entry = Entry {
    name: "exchange55-connector",
    about: "Exchange 4.0 to 5.5 SMTP (Internet Mail) and NNTP (Internet News) protocol logs",
    shows: Shows {
        client_port: Shown::Never,
        session_id: Shown::Never,
        step: ClockStep::Of(Span::SECOND),
        marks: Marks::Line,
        octets: Shown::Partly("lengths of lines"),
        commands: Shown::With("SMTP Protocol Log at Medium; ProtocolLoggingLevel 4"),
        replies: Shown::With("SMTP Protocol Log at Medium; ProtocolLoggingLevel 4"),
        tls: Shown::Never,
        users: Shown::Never,
    },
    probe,
    open: |id, head| Box::new(Connector::new(id, head)),
};

fn probe(head: &Head<'_>) -> Sureness {
    let order = order(head);
    let mut fits = 0;
    let mut stamped = 0;
    for line in head.lines {
        let text = as_text(line);
        let read = Row::read(&text, order).is_some();
        stamped += usize::from(read);
        fits += usize::from(read || (stamped > 0 && is_further(&text)));
    }
    match stamped {
        0 => Sureness::default(),
        _ => Sureness::share(fits, head.lines.len()),
    }
}

fn order(head: &Head<'_>) -> DateOrder {
    let texts: Vec<String> = head.lines.iter().map(|line| from_wire(line)).collect();
    DateOrder::of(&texts)
}

/// The lines of a reply behind its first have no stamp.
fn is_further(text: &str) -> bool {
    let (code, rest) = text.split_at_checked(3).unwrap_or(("", ""));
    code.bytes().all(|digit| digit.is_ascii_digit())
        && !code.is_empty()
        && (rest.is_empty() || rest.starts_with([' ', '-']))
}

/// A line with its stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row<'a> {
    stamp: Stamp,
    what: What<'a>,
}

/// What a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What<'a> {
    Accepted(&'a str),
    Established(&'a str),
    Received(&'a str),
    Sent(&'a str),
    /// A packet as it came, beside the line that tells what is in it.
    Raw,
}

impl<'a> Row<'a> {
    fn read(line: &'a str, order: DateOrder) -> Option<Self> {
        let stamped = stamp::numeric(line, order)?;
        let text = stamped.rest.strip_prefix(" : ")?;
        let what = if let Some(from) = text.strip_prefix("A connection was accepted from ") {
            What::Accepted(from.trim_end().trim_end_matches('.'))
        } else if let Some(rest) = text.strip_prefix("Connection to ") {
            What::Established(rest.split_once(" established")?.0)
        } else if text.starts_with("<<< IO: |") {
            What::Raw
        } else if let Some(text) = text.strip_prefix("<<< ") {
            What::Received(text)
        } else if let Some(text) = text.strip_prefix(">>> ") {
            What::Sent(text)
        } else if text == "<<<" || text == ">>>" {
            What::Raw
        } else {
            return None;
        };
        Some(Self {
            stamp: stamped.stamp,
            what,
        })
    }
}

/// One file.
struct Connector {
    id: LogId,
    order: DateOrder,
    proto: Proto,
    deal: Deal,
    /// When the last line was, and whether it was sent.
    last: Option<(Stamp, bool)>,
    spoken: bool,
}

impl Connector {
    fn new(id: LogId, head: &Head<'_>) -> Self {
        let order = order(head);
        let is_news = head.lines.iter().any(|line| {
            let text = as_text(line);
            let words = match Row::read(&text, order).map(|row| row.what) {
                Some(What::Received(words) | What::Sent(words)) => words.to_ascii_lowercase(),
                _ => return false,
            };
            [
                "200 ",
                "201 ",
                "group ",
                "ihave ",
                "mode reader",
                "newnews ",
                "xover ",
            ]
            .iter()
            .any(|start| words.starts_with(start))
        });
        Self {
            id,
            order,
            proto: Proto(if is_news { "nntp" } else { "smtp" }),
            deal: Deal::default(),
            last: None,
            spoken: false,
        }
    }
}

impl Builder for Connector {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = as_text(line.bytes);
        let line = LineRef {
            log: self.id,
            line: line.number,
        };
        let Some(row) = Row::read(&text, self.order) else {
            let Some((stamp, sent)) = self.last.filter(|_| is_further(&text)) else {
                return Parsed::Failed;
            };
            return self.deal.further(line, stamp, sent, &text, out);
        };
        let stamp = row.stamp;
        let (sent, said) = match row.what {
            What::Accepted(from) => {
                self.last = None;
                self.deal
                    .begin(self.id, line, stamp, (self.proto, Role::Server), from, out);
                return Parsed::Event(stamp);
            }
            What::Established(to) => {
                self.last = None;
                self.deal
                    .begin(self.id, line, stamp, (self.proto, Role::Client), to, out);
                return Parsed::Event(stamp);
            }
            What::Raw => return Parsed::Aside(Some(stamp)),
            What::Received(said) => (false, said),
            What::Sent(said) => (true, said),
        };
        self.spoken = true;
        self.last = Some((stamp, sent));
        self.deal.spoken(line, stamp, sent, said, out)
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        self.deal.finish(out);
    }

    fn zone(&self) -> Zone {
        Zone::Assumed
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if !self.spoken {
            remarks.push(
                "it has connections and no commands: written at Minimum; set SMTP Protocol Log to Medium"
                    .to_owned(),
            );
        }
        if self.deal.undecided > 0 {
            remarks.push(format!(
                "{} lines may be of more than one session and are left out",
                self.deal.undecided
            ));
        }
        remarks
    }
}

/// Which side said what was sent or received.
pub(super) const fn side(role: Role, sent: bool) -> Side {
    match (role, sent) {
        (Role::Server, true) | (Role::Client, false) => Side::Server,
        (Role::Server, false) | (Role::Client, true) => Side::Client,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{commands, read};
    use super::*;
    use crate::model::Ending;

    const LOG: &str = "\
5/13/00 2:36:27 PM : A connection was accepted from [192.0.2.10].
5/13/00 2:36:27 PM : <<< EHLO client.example.net
5/13/00 2:36:27 PM : >>> 250-mail.example.com Hello [client.example.net]
250-SIZE 0
250 AUTH=LOGIN

5/13/00 2:36:28 PM : A connection was accepted from mx.other.example.
5/13/00 2:36:28 PM : <<< AUTH LOGIN
5/13/00 2:36:28 PM : >>> 334 VXNlcm5hbWU6
5/13/00 2:36:28 PM : <<< IO: |AUTH LOGIN
5/13/00 2:36:28 PM : <<< HELO mx.other.example
5/13/00 2:36:28 PM : >>> 250 OK
5/13/00 2:36:28 PM : <<< c2VjcmV0
5/13/00 2:36:28 PM : >>> 235 OK
5/13/00 2:36:29 PM : <<< MAIL FROM:<ann@example.net> SIZE=1460 RET=FULL
5/13/00 2:36:29 PM : >>> 250 OK - mail from <ann@example.net>; can accomodate 1460 bytes
5/13/00 2:36:29 PM : <<< RCPT TO:<bob@example.com>
5/13/00 2:36:30 PM : >>> 250 OK - Recipient <bob@example.com>
5/13/00 2:36:30 PM : <<< DATA
5/13/00 2:36:30 PM : >>> 354 Send data.  End with CRLF.CRLF
5/13/00 2:36:31 PM : >>> 250 OK
5/13/00 2:36:31 PM : <<< QUIT
5/13/00 2:36:31 PM : >>> 221 closing connection
5/13/00 2:36 PM : <<< QUIT
nothing of the kind
13/13/00 2:36:31 PM : <<< QUIT
";

    #[test]
    fn lines_go_to_the_only_session_that_can_have_them() {
        let told = read(&ENTRY, LOG, 2026);
        assert_eq!((told.sessions.len(), told.failed), (2, 3));
        let [ann, other] = &told.sessions[..] else {
            panic!("two sessions");
        };
        assert_eq!(ann.peer, "192.0.2.10".parse().ok());
        assert_eq!(
            commands(ann)[..3],
            ["EHLO client.example.net 250", "AUTH LOGIN 334", "*** 235"]
        );
        assert_eq!(commands(other), ["HELO mx.other.example 250"]);
        let all = format!("{:?}", told.sessions);
        assert!(!all.contains("c2VjcmV0"));
    }

    #[test]
    fn what_two_may_have_said_is_left_out_and_counted() {
        // Both have said hello: MAIL may be of either, and so may all that follows.
        let told = read(&ENTRY, LOG, 2026);
        assert!(told.remarks[0].starts_with("9 lines"), "{:?}", told.remarks);
        assert!(told.sessions.iter().all(|session| !session.every_command));
        // One alone has all of its lines.
        let of_the_other = |line: &&str| {
            line.contains("other.example") || *line == "5/13/00 2:36:28 PM : >>> 250 OK"
        };
        let alone: Vec<&str> = LOG.lines().filter(|line| !of_the_other(line)).collect();
        let alone = alone.join("\n");
        let told = read(&ENTRY, &alone, 2026);
        let session = &told.sessions[0];
        assert_eq!(commands(session).len(), 8, "{:?}", commands(session));
        assert!(told.remarks.is_empty() && session.ending == Ending::Quit);
    }

    #[test]
    fn in_a_session_of_its_own_what_it_sends_are_commands() {
        let told = read(
            &ENTRY,
            "\
9/30/98 1:15:14 PM : Connection to [203.0.113.119] established
9/30/98 1:15:14 PM : <<< 200 news.example.net ready (posting ok).
9/30/98 1:15:15 PM : >>> mode reader
9/30/98 1:15:15 PM : <<< 200 news.example.net ready (posting ok).
9/30/98 1:15:17 PM : >>> quit
9/30/98 1:15:17 PM : <<< 205 .
",
            2026,
        );
        let session = &told.sessions[0];
        assert_eq!((session.role, session.proto), (Role::Client, Proto("nntp")));
        assert_eq!(commands(session), ["mode reader 200", "quit 205"]);
    }
}
