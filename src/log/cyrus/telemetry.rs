//! Cyrus telemetry: all octets of a user's session behind its login, in chunks that begin with the second of their read or write, in UTC.

use crate::model::{
    ClockStep, Ending, LineRef, LogId, LogSession, LogTime, Marks, Proto, Role, Shown, Shows, Side,
    Span, Stamp, Zone, from_wire,
};

use super::super::transcript::{Detail, Transcript};
use super::super::{Builder, Entry, Head, Line, Parsed, Sureness};

/// Row of the registry.
pub(in super::super) const ENTRY: Entry = Entry {
    name: "cyrus-telemetry",
    about: "Cyrus telemetry log of a user's session",
    shows: Shows {
        client_port: Shown::Never,
        session_id: Shown::Partly("a file is a session"),
        step: ClockStep::Of(Span::SECOND),
        marks: Marks::Begin,
        octets: Shown::Always,
        commands: Shown::Always,
        replies: Shown::Always,
        tls: Shown::Never,
        users: Shown::Always,
    },
    probe,
    open: |id, head| {
        Box::new(Telemetry {
            id,
            proto: spoken(head),
            open: None,
            last: None,
        })
    },
};

/// A mark farther than this from the one before is not believed: it is text of a message.
const NEAR: Span = Span::seconds(86_400);

/// A file begins with its header and has marks; lines between are of the last mark's chunk.
fn probe(head: &Head<'_>) -> Sureness {
    let begins = head
        .lines
        .first()
        .is_some_and(|line| header(&from_wire(line)).is_some());
    let marks = head
        .lines
        .iter()
        .any(|line| mark(&from_wire(line)).is_some());
    if begins && marks {
        Sureness(1000)
    } else {
        Sureness::default()
    }
}

/// `---------- bob Tue Nov 24 03:43:40 2026`: the user.
fn header(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("---------- ")?;
    let user = rest.split(' ').next()?;
    (rest.split_whitespace().count() == 6).then_some(user)
}

/// `<1795491820<text` or `>1795491820>text`: whose words, when, and the first line of them.
fn mark(line: &str) -> Option<(Side, LogTime, &str)> {
    let side = match line.bytes().next()? {
        b'<' => Side::Client,
        b'>' => Side::Server,
        _ => return None,
    };
    let rest = line.get(1..)?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (seconds, behind) = rest.split_at_checked(digits)?;
    let text = behind.strip_prefix(line.get(..1)?)?;
    let seconds = seconds
        .parse()
        .ok()
        .filter(|_| (9..=10).contains(&digits))?;
    Some((side, LogTime::new(seconds, 0), text))
}

fn spoken(head: &Head<'_>) -> Proto {
    let pop3 = head.lines.iter().any(|line| {
        let text = from_wire(line);
        mark(&text).is_some_and(|(side, _, text)| {
            side == Side::Server && (text.starts_with("+OK") || text.starts_with("-ERR"))
        })
    });
    Proto(if pop3 { "pop3" } else { "imap" })
}

/// One file.
struct Telemetry {
    id: LogId,
    proto: Proto,
    open: Option<Transcript>,
    /// Of the last mark: whose words followed, and when.
    last: Option<(Side, LogTime)>,
}

impl Telemetry {
    fn close(&mut self, out: &mut Vec<LogSession>) {
        self.last = None;
        out.extend(self.open.take().map(Transcript::into_session));
    }
}

impl Builder for Telemetry {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = from_wire(line.bytes);
        let line = LineRef {
            log: self.id,
            line: line.number,
        };
        if let Some(user) = header(&text) {
            self.close(out);
            let mut open = Transcript::new(self.id, self.proto, Role::Server, Detail::Everything);
            open.session.names.push(user.to_owned());
            self.open = Some(open);
            return Parsed::Aside(None);
        }
        let marked = mark(&text).filter(|(_, at, _)| {
            self.last
                .is_none_or(|(_, before)| at.since(before).abs() <= NEAR)
        });
        let (side, at, said) = match (marked, self.last) {
            (Some((side, at, said)), _) => (side, at, said),
            (None, Some((side, at))) => (side, at, text.as_str()),
            (None, None) => return Parsed::Failed,
        };
        let Some(open) = &mut self.open else {
            return Parsed::Failed;
        };
        self.last = Some((side, at));
        let stamp = Stamp {
            at,
            resolution: Span::SECOND,
        };
        open.line(line, stamp, side, said);
        if open.is_over() && open.is_idle() {
            open.close(line, stamp, Ending::Quit);
        }
        Parsed::Event(stamp)
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        self.close(out);
    }

    fn zone(&self) -> Zone {
        Zone::Stated(Span::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{commands, read};
    use super::*;

    const LOG: &str = "\
nothing of the kind
<1795491820<A1 NOOP
---------- bob Tue Nov 24 03:43:40 2026

<1795491820<A2 SELECT INBOX
>1795491820>* FLAGS (\\Answered)
* 3 EXISTS
A2 OK [READ-WRITE] Completed
<1795491821<A3 APPEND INBOX {19+}
<1111111111<fake
x

>1795491821>A3 OK Completed
<1795491832<A4 LOGOUT
>1795491832>* BYE LOGOUT received
A4 OK Completed
---------- carol Tue Nov 24 03:43:50 2026

not a chunk
<1795491833<B1 NOOP
";

    #[test]
    fn chunks_are_a_dialogue() {
        let told = read(&ENTRY, LOG, 2026);
        assert_eq!((told.sessions.len(), told.failed), (2, 3));
        let [bob, carol] = &told.sessions[..] else {
            panic!("two sessions");
        };
        assert_eq!(
            commands(bob),
            [
                "A2 SELECT INBOX OK",
                "A3 APPEND INBOX {19+} OK",
                "A4 LOGOUT OK"
            ]
        );
        assert_eq!(
            (bob.ending, &bob.names[..]),
            (Ending::Quit, &["bob".to_owned()][..])
        );
        assert_eq!(commands(carol), ["B1 NOOP ?"]);
    }
}
