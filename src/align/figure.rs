//! What a web server's log means by the octets of a reply: the body alone (nginx, the common log format), all that was
//! sent (nginx's `$bytes_sent`), or that and under TLS its records too (`%O`, which Debian's Apache has in its combined format).
//!
//! A line does not tell which. Replies in the clear do: where one has exactly as many octets with its head as the log has,
//! the log counts heads. So do, in a format whose columns are known, replies that have no body.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;

use crate::model::{CommandRef, WireSession};

use super::rows::{LEAST_HEAD, has_slot, with_head};

/// What the octets of a reply are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    /// Those of its body.
    Body,
    /// All that was sent, with TLS perhaps its records.
    Sent,
    /// Nothing tells.
    Unknown,
}

/// Statuses of replies that have no body (RFC 9110 section 6.4.1).
const BODILESS: [&str; 2] = ["204", "304"];

/// What a log has for the octets of a reply, whatever it means by them.
pub(super) fn told(command: CommandRef<'_>) -> Option<u64> {
    command.body_octets.or(command.reply_octets)
}

/// What each request that was answered in the clear was answered with: octets with the head, by request and status.
#[derive(Debug, Default)]
pub(super) struct Replies<'w>(HashMap<(&'w str, &'w str), BTreeSet<u64>, RandomState>);

impl<'w> Replies<'w> {
    pub(super) fn of(wires: &'w [WireSession]) -> Self {
        let mut lengths: HashMap<_, BTreeSet<u64>, RandomState> = HashMap::default();
        let exchanges = wires.iter().flat_map(|wire| &wire.exchanges);
        for exchange in exchanges.filter(|exchange| has_slot(exchange)) {
            let Some(octets) = exchange.response_bytes else {
                continue;
            };
            let code = exchange.code.as_deref().unwrap_or_default();
            let of = lengths.entry((exchange.request.as_str(), code));
            of.or_default().insert(octets);
        }
        Self(lengths)
    }
}

impl Figure {
    /// What most lines mean that tell: a format whose columns are known is said to count bodies where none does.
    pub(super) fn of<'s>(
        lines: impl Iterator<Item = CommandRef<'s>>,
        replies: &Replies<'_>,
    ) -> Self {
        let (mut body, mut sent, mut is_said) = (0, 0, false);
        for line in lines {
            is_said |= line.body_octets.is_some();
            match Self::of_line(line, replies) {
                Self::Body => body += 1,
                Self::Sent => sent += 1,
                Self::Unknown => {}
            }
        }
        match (sent > body, body > 0 || is_said) {
            (true, _) => Self::Sent,
            (false, true) => Self::Body,
            (false, false) => Self::Unknown,
        }
    }

    /// What one line tells.
    fn of_line(line: CommandRef<'_>, replies: &Replies<'_>) -> Self {
        let Some(octets) = told(line) else {
            return Self::Unknown;
        };
        let code = line.code.unwrap_or_default();
        if BODILESS.contains(&code) && line.body_octets.is_some() {
            return match octets {
                0 => Self::Body,
                LEAST_HEAD.. => Self::Sent,
                _ => Self::Unknown,
            };
        }
        let Some(lengths) = replies.0.get(&(line.request, code)) else {
            return Self::Unknown;
        };
        if lengths.contains(&octets) {
            return Self::Sent;
        }
        if lengths.range(with_head(octets)).next().is_some() {
            Self::Body
        } else {
            Self::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Exchange, Nanos, Seen, Verb, WireSession, testing};

    fn wire(replies: &[u64]) -> WireSession {
        let mut wire = testing::wire("http", 80, Nanos(0));
        wire.exchanges = replies
            .iter()
            .map(|&octets| Exchange {
                code: Some("200".into()),
                start: Some(Nanos(0)),
                response_bytes: Some(octets),
                ..Exchange::new(Verb::new("GET"), "GET / HTTP/1.1".into(), Seen::Wire)
            })
            .collect();
        wire
    }

    fn line(octets: u64) -> CommandRef<'static> {
        CommandRef {
            request: "GET / HTTP/1.1",
            code: Some("200"),
            body_octets: Some(octets),
            ..CommandRef::default()
        }
    }

    /// Of a column that nobody has named.
    fn unnamed(octets: u64) -> CommandRef<'static> {
        CommandRef {
            body_octets: None,
            reply_octets: Some(octets),
            ..line(octets)
        }
    }

    fn figure(lines: &[CommandRef<'static>], replies: &[u64]) -> Figure {
        let wires = [wire(replies)];
        Figure::of(lines.iter().copied(), &Replies::of(&wires))
    }

    #[test]
    fn replies_in_the_clear_tell_whether_heads_are_counted() {
        assert_eq!(figure(&[859, 640, 859].map(line), &[859]), Figure::Sent);
        assert_eq!(figure(&[640, 640].map(line), &[859]), Figure::Body);
        assert_eq!(figure(&[640].map(line), &[]), Figure::Body, "as is said");
        assert_eq!(figure(&[859].map(unnamed), &[859]), Figure::Sent);
        assert_eq!(figure(&[640].map(unnamed), &[859]), Figure::Body);
        assert_eq!(figure(&[640].map(unnamed), &[]), Figure::Unknown);
    }

    #[test]
    fn replies_without_a_body_tell_it_too() {
        let not_modified = |octets| CommandRef {
            code: Some("304"),
            ..line(octets)
        };
        assert_eq!(
            figure(&[line(859), not_modified(189)], &[]),
            Figure::Sent,
            "that of a head"
        );
        assert_eq!(
            figure(&[line(859), not_modified(0)], &[859]),
            Figure::Body,
            "one line for each: as is said"
        );
        // What is not known to be of a reply at all tells nothing.
        let other = CommandRef {
            code: Some("304"),
            ..unnamed(189)
        };
        assert_eq!(figure(&[other], &[]), Figure::Unknown);
    }
}
