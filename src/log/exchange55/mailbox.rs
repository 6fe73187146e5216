//! POP3 and IMAP4 (and news readers) of Exchange 5.5, in the information store's logs: `L0000001.log`.
//!
//! `MM/DD/YYYY HH:MM:SS.mmm`, `<<<` from the client or `>>>` to it, the number of the thread, text. A thread serves one session at a time, from
//! `accepted from` on. What a level of logging leaves out is told from what the log has.

use std::collections::BTreeMap;

use crate::model::{
    ClockStep, Ending, LineRef, LogId, LogSession, Marks, Proto, Role, Shown, Shows, Side, Span,
    Stamp, Zone, as_text, from_wire,
};

use super::super::stamp::{self, DateOrder};
use super::super::transcript::{Detail, Transcript};
use super::super::{Builder, Entry, Head, Line, Parsed, Sureness};

/// Row of the registry.
pub(in crate::log) const ENTRY: Entry = Entry {
    name: "exchange55-mailbox",
    about: "Exchange 5.5 POP3 and IMAP4 protocol logs, levels 1 to 5",
    shows: Shows {
        client_port: Shown::Never,
        session_id: Shown::Partly("the thread, from connect to logout"),
        step: ClockStep::Of(Span::MILLISECOND),
        marks: Marks::Line,
        octets: Shown::Partly("lengths of lines"),
        commands: Shown::With("level 3 or more of POP3/IMAP Protocol Logging Level"),
        replies: Shown::With("level 4 or more of POP3/IMAP Protocol Logging Level"),
        tls: Shown::Never,
        users: Shown::Partly("with commands"),
    },
    probe,
    open: |id, head| Box::new(Mailbox::new(id, head)),
};

/// Threads that may be serving at once; more are not believed.
const MAX_OPEN: usize = 10_000;

fn probe(head: &Head<'_>) -> Sureness {
    let order = order(head);
    let is_first = |line: &[u8]| line.starts_with(b"Microsoft Exchange ") && !line.contains(&b'\t');
    let mut fits = 0;
    let mut stamped = 0;
    for line in head.lines {
        let text = as_text(line);
        let read = Row::read(&text, order).is_some();
        stamped += usize::from(read);
        // What has no stamp goes on with the line above.
        fits += usize::from(read || is_first(line) || (stamped > 0 && !looks_stamped(&text)));
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

/// Whether a line begins as those with a stamp do.
fn looks_stamped(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (1..=2).contains(&digits) && text.as_bytes().get(digits) == Some(&b'/')
}

/// A line with its stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row<'a> {
    stamp: Stamp,
    /// Whose words they are; none for a remark.
    side: Option<Side>,
    thread: u32,
    text: &'a str,
}

impl<'a> Row<'a> {
    fn read(line: &'a str, order: DateOrder) -> Option<Self> {
        let stamped = stamp::numeric(line, order)?;
        let (side, rest) = stamped.rest.split_once("(TID:")?;
        let side = match side.trim() {
            "" => None,
            ">>>" => Some(Side::Server),
            "<<<" => Some(Side::Client),
            _ => return None,
        };
        let (thread, rest) = rest.split_once("):")?;
        Some(Self {
            stamp: stamped.stamp,
            side,
            thread: thread.parse().ok()?,
            text: rest.strip_prefix(' ').unwrap_or(rest),
        })
    }
}

/// One file.
struct Mailbox {
    id: LogId,
    order: DateOrder,
    /// What the first line says is spoken.
    proto: Option<Proto>,
    open: BTreeMap<u32, Transcript>,
    /// Of the last line with a stamp: its thread, whose words they were, and when.
    last: Option<(u32, Side, Stamp)>,
    /// The least level that writes what the log has had so far.
    level: Option<Level>,
}

/// What a level of logging puts into the log (Microsoft KB Q182504), as far as the log itself can tell it: 0 writes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Connections,
    Commands,
    Replies,
    Messages,
}

impl Level {
    /// Which it was, and what it cannot show.
    const fn remark(self) -> &'static str {
        match self {
            Self::Connections => {
                "it has connections and no commands: written at level 1 or 2, which show neither commands, replies nor names; set Protocol Logging Level to 4"
            }
            Self::Commands => {
                "it has commands and no replies: written at level 3 or less, which show no replies; set Protocol Logging Level to 4"
            }
            Self::Replies => {
                "it has commands and replies and no messages: written at level 4, or at 5 while none was read; no level shows the client's port"
            }
            Self::Messages => {
                "it has messages: written at level 5, the highest; no level shows the client's port"
            }
        }
    }
}

/// Whether a line of the server is one of a message: a field that every message has (RFC 822 §4.1).
fn is_of_message(text: &str) -> bool {
    [
        "Date: ",
        "From: ",
        "Message-ID: ",
        "Received: ",
        "Subject: ",
    ]
    .iter()
    .any(|field| text.starts_with(field))
}

impl Mailbox {
    fn new(id: LogId, head: &Head<'_>) -> Self {
        let first = head.lines.first().map(|line| from_wire(line));
        Self {
            id,
            order: order(head),
            proto: first.as_deref().and_then(spoken),
            open: BTreeMap::new(),
            last: None,
            level: None,
        }
    }

    /// `IMAP connection accepted from 192.0.2.35`
    fn accepted(&mut self, line: LineRef, row: &Row<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let Some((what, from)) = row.text.split_once(" accepted from ") else {
            return Parsed::Aside(Some(row.stamp));
        };
        let (Some(proto), Ok(peer)) = (
            spoken(what).or(self.proto),
            from.trim().trim_matches(['[', ']', '.']).parse(),
        ) else {
            return Parsed::Failed;
        };
        self.shows(Level::Connections);
        if self.open.len() >= MAX_OPEN {
            out.extend(self.open.pop_first().map(|(_, old)| old.into_session()));
        }
        let mut transcript = Transcript::new(self.id, proto, Role::Server, Detail::Lines);
        transcript.session.peer = Some(peer);
        transcript.open(line, row.stamp);
        let before = self.open.insert(row.thread, transcript);
        out.extend(before.map(Transcript::into_session));
        Parsed::Event(row.stamp)
    }

    fn shows(&mut self, level: Level) {
        self.level = self.level.max(Some(level));
    }

    /// A line without a stamp goes on with what the one above said.
    fn further(&mut self, line: LineRef, text: &str) -> Parsed {
        let of = self
            .last
            .and_then(|(thread, side, stamp)| Some((self.open.get_mut(&thread)?, side, stamp)));
        match of {
            Some((transcript, side, stamp)) if !looks_stamped(text) => {
                transcript.line(line, stamp, side, text);
                if side == Side::Server && is_of_message(text) {
                    self.shows(Level::Messages);
                }
                Parsed::Event(stamp)
            }
            _ => Parsed::Failed,
        }
    }
}

/// The protocol that a line names.
fn spoken(text: &str) -> Option<Proto> {
    let known = [("IMAP", "imap"), ("POP3", "pop3"), ("NNTP", "nntp")];
    known
        .into_iter()
        .find(|(word, _)| text.contains(word))
        .map(|(_, proto)| Proto(proto))
}

impl Builder for Mailbox {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = as_text(line.bytes);
        let first = line.number == 1;
        let line = LineRef {
            log: self.id,
            line: line.number,
        };
        let Some(row) = Row::read(&text, self.order) else {
            if first && spoken(&text).is_some() {
                return Parsed::Aside(None);
            }
            return self.further(line, &text);
        };
        let Some(side) = row.side else {
            self.last = None;
            return self.accepted(line, &row, out);
        };
        self.last = Some((row.thread, side, row.stamp));
        self.shows(match side {
            Side::Client => Level::Commands,
            Side::Server if is_of_message(row.text) => Level::Messages,
            Side::Server => Level::Replies,
        });
        let Some(transcript) = self.open.get_mut(&row.thread) else {
            // The log begins in the middle of this session.
            return Parsed::Aside(Some(row.stamp));
        };
        transcript.line(line, row.stamp, side, row.text);
        if transcript.is_over() {
            transcript.close(line, row.stamp, Ending::Quit);
            let over = self.open.remove(&row.thread);
            out.extend(over.map(Transcript::into_session));
        }
        Parsed::Event(row.stamp)
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        let open = std::mem::take(&mut self.open);
        out.extend(open.into_values().map(Transcript::into_session));
    }

    fn zone(&self) -> Zone {
        Zone::Assumed
    }

    fn remarks(&self) -> Vec<String> {
        let level = self.level.map(Level::remark);
        level.map(str::to_owned).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{commands, read};
    use super::*;

    const LOG: &str = "\
Microsoft Exchange POP3 protocol log
01/26/1998 16:54:39.267     (TID:140): POP3 connection accepted from 192.0.2.35
01/26/1998 16:54:39.267 >>> (TID:140): +OK Microsoft Exchange POP3 server version 5.5.2147.0 ready
01/26/1998 16:54:41.810     (TID:141): IMAP connection accepted from 192.0.2.36
01/26/1998 16:54:55.370 <<< (TID:140): USER carol
01/26/1998 16:54:55.370 >>> (TID:140): +OK
01/26/1998 16:54:56.011 <<< (TID:141): A001 LOGIN bob PASSWORD
01/26/1998 16:54:56.151 >>> (TID:141): A001 NO Logon failure
01/26/1998 16:54:57.353 <<< (TID:140): PASS secret
01/26/1998 16:54:57.373 >>> (TID:140): +OK
01/26/1998 16:54:57.373 <<< (TID:140): LIST
01/26/1998 16:54:57.383 >>> (TID:140): +OK 2 messages
1 340
2 712
.
01/26/1998 16:55:02.220 <<< (TID:140): QUIT
01/26/1998 16:55:02.220 >>> (TID:140): +OK signing off
01/26/1998 16:55:03.220     (TID:140): POP3 connection accepted from 192.0.2.37
01/26/1998 16:55
01/26/1998 16:55:02.220 ??? (TID:141): x
13/26/1998 16:55:02.220 <<< (TID:141): x
";

    #[test]
    fn a_thread_serves_one_session_after_the_other() {
        let told = read(&ENTRY, LOG, 2026);
        assert_eq!((told.sessions.len(), told.failed), (3, 3));
        let [pop, imap, next] = &told.sessions[..] else {
            panic!("three sessions");
        };
        assert_eq!(
            commands(pop),
            ["USER carol +OK", "PASS *** +OK", "LIST +OK", "QUIT +OK"]
        );
        assert_eq!((pop.ending, pop.proto), (Ending::Quit, Proto("pop3")));
        assert_eq!(commands(imap), ["A001 LOGIN bob *** NO"]);
        assert_eq!(next.peer, "192.0.2.37".parse().ok());
        let all = format!("{:?}", told.sessions);
        assert!(!all.contains("PASSWORD") && !all.contains("secret"));
    }

    #[test]
    fn the_level_is_told_with_what_it_cannot_show() {
        let without = |log: &str, mark: &str| {
            let lines: Vec<&str> = log.lines().filter(|line| !line.contains(mark)).collect();
            lines.join("\n")
        };
        let commands = without(LOG, ">>>");
        let connections = without(&commands, "<<<");
        let messages = LOG.replace("\n1 340\n", "\nReceived: from x\nSubject: hi\n");
        for (log, level, lacks) in [
            (connections.as_str(), "level 1 or 2", "neither commands"),
            (&commands, "level 3", "no replies"),
            (LOG, "level 4", "client's port"),
            (&messages, "level 5", "client's port"),
        ] {
            let told = read(&ENTRY, log, 2026);
            let [remark] = &told.remarks[..] else {
                panic!("one remark: {:?}", told.remarks);
            };
            assert!(remark.contains(level) && remark.contains(lacks), "{remark}");
        }
        // At level 0 nothing is written.
        let told = read(&ENTRY, "Microsoft Exchange POP3 protocol log\n", 2026);
        assert!(told.remarks.is_empty());
    }
}
