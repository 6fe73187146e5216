//! What a web server's log means by the octets of a reply: the body alone (nginx, the common log format), or all that was
//! sent, the head and under TLS its records too (`%O`, which Debian's Apache has in its combined format).
//!
//! A line does not tell which. Replies in the clear do: where one has exactly as many octets with its head as the log has,
//! the log counts heads.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::CommandRef;

use super::rows::{Slot, head_fits};

/// What the octets of a reply are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Figure {
    /// Those of its body.
    #[default]
    Body,
    /// All that was sent.
    Sent,
}

/// What each request that was answered in the clear was answered with: octets with the head, by request and status.
#[derive(Debug, Default)]
pub(super) struct Replies<'w>(BTreeMap<(&'w str, &'w str), BTreeSet<u64>>);

impl<'w> Replies<'w> {
    pub(super) fn of<'s>(slots: impl Iterator<Item = &'s Slot<'w>>) -> Self
    where
        'w: 's,
    {
        let mut lengths: BTreeMap<_, BTreeSet<u64>> = BTreeMap::new();
        for (exchange, octets) in slots.filter_map(Slot::clear_reply) {
            let code = exchange.code.as_deref().unwrap_or_default();
            let of = lengths.entry((exchange.request.as_str(), code));
            of.or_default().insert(octets);
        }
        Self(lengths)
    }
}

impl Figure {
    /// What most lines mean whose request was answered in the clear.
    pub(super) fn of<'s>(
        lines: impl Iterator<Item = CommandRef<'s>>,
        replies: &Replies<'_>,
    ) -> Self {
        let (mut body, mut sent) = (0, 0);
        for line in lines {
            let code = line.code.unwrap_or_default();
            let lengths = replies.0.get(&(line.request, code));
            let (Some(told), Some(lengths)) = (line.body_octets, lengths) else {
                continue;
            };
            if lengths.contains(&told) {
                sent += 1;
            } else if lengths.iter().any(|&length| head_fits(told, length)) {
                body += 1;
            }
        }
        if sent > body { Self::Sent } else { Self::Body }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::slots;
    use super::*;
    use crate::model::{
        Conversation, Endpoint, Exchange, Nanos, Proto, Seen, Transport, Verb, WireSession,
    };

    fn wire(replies: &[u64]) -> WireSession {
        let end = |port| Endpoint {
            ip: [192, 0, 2, 1].into(),
            port,
        };
        let conversation = Conversation {
            client: end(40_000),
            server: end(80),
            transport: Transport::Tcp,
        };
        let mut wire = WireSession::new(conversation, Proto("http"), Nanos(0));
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

    fn figure(told: &[u64], replies: &[u64]) -> Figure {
        let wire = wire(replies);
        let slots = slots(&wire);
        let lines = told.iter().map(|&octets| CommandRef {
            request: "GET / HTTP/1.1",
            code: Some("200"),
            body_octets: Some(octets),
            ..CommandRef::default()
        });
        Figure::of(lines, &Replies::of(slots.iter()))
    }

    #[test]
    fn replies_in_the_clear_tell_whether_heads_are_counted() {
        assert_eq!(figure(&[859, 640, 859], &[859]), Figure::Sent);
        assert_eq!(figure(&[640, 640], &[859]), Figure::Body);
        assert_eq!(figure(&[640], &[]), Figure::Body, "nothing tells");
    }
}
