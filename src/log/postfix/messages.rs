//! What Postfix's other daemons tell of messages: sizes, recipients, and what became of them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{Delivery, LineRef};

use super::line::is_queue_id;

/// Messages and deliveries of one message that are kept; of more nothing is known.
const MAX_MESSAGES: usize = 2_000_000;
const MAX_DELIVERIES: usize = 1_000;
/// How often a message is followed from one queue id to the next (content filters queue it anew).
const MAX_HOPS: usize = 4;

/// What is known of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// Queue id.
    pub(super) id: String,
    pub(super) from: Option<String>,
    /// Octets in the queue; known once it was taken in whole.
    pub(super) size: Option<u64>,
    pub(super) recipients: Option<u32>,
    /// Their addresses, in the order of delivery.
    pub(super) to: Vec<String>,
    /// Its Message-ID field.
    pub(super) header_id: Option<String>,
    pub(super) deliveries: Vec<Arc<Delivery>>,
}

/// All messages of a log. A queue id may be used again once its message is removed.
#[derive(Default)]
pub(super) struct Messages {
    all: Vec<Message>,
    /// The last message of each id, and whether it is removed.
    latest: HashMap<String, (usize, bool)>,
}

/// A line of another daemon about a message.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum About<'a> {
    /// `cleanup`: `message-id=<…>`.
    MessageId(&'a str),
    /// `qmgr`: `from=<…>, size=…, nrcpt=…`.
    Active {
        from: &'a str,
        size: u64,
        recipients: u32,
    },
    /// A delivery agent: `to=<…>, orig_to=<…>, relay=…, dsn=…, status=sent (…)`.
    Delivered(Delivered<'a>),
    /// `bounce`: `sender non-delivery notification: QID`.
    Notified(&'a str),
    /// `qmgr`: `from=<…>, status=expired, returned to sender`.
    Expired(&'a str),
    /// `qmgr`: `removed`.
    Removed,
}

/// What a delivery agent did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Delivered<'a> {
    pub(super) to: &'a str,
    /// The address that the client gave, before it was rewritten.
    pub(super) original: Option<&'a str>,
    pub(super) relay: &'a str,
    /// Of its connection, from 2 on where it was used before.
    pub(super) use_of_connection: Option<u32>,
    /// Seconds before the queue manager, in it, for the connection, and for the transmission.
    pub(super) delays: Option<[f64; 4]>,
    pub(super) status: &'a str,
    pub(super) reply: &'a str,
}

/// Reads a line of another daemon: the queue id and what is said of it.
pub(super) fn about(text: &str) -> Option<(&str, About<'_>)> {
    let (id, rest) = text.split_once(": ")?;
    if !is_queue_id(id) {
        return None;
    }
    let about = if let Some(rest) = rest.strip_prefix("message-id=") {
        About::MessageId(rest.trim_start_matches('<').trim_end_matches('>'))
    } else if let Some(rest) = rest.strip_prefix("from=<") {
        from(rest)?
    } else if let Some(rest) = rest.strip_prefix("to=<") {
        About::Delivered(delivered(rest)?)
    } else if rest.ends_with(" notification: ") || rest.contains(" notification: ") {
        About::Notified(rest)
    } else if rest == "removed" {
        About::Removed
    } else {
        return None;
    };
    Some((id, about))
}

fn from(rest: &str) -> Option<About<'_>> {
    if let Some((_, status)) = rest.split_once(">, status=") {
        return Some(About::Expired(status));
    }
    let (from, rest) = rest.split_once(">, size=")?;
    let (size, rest) = rest.split_once(", nrcpt=")?;
    let recipients = rest.split(' ').next()?;
    Some(About::Active {
        from,
        size: size.parse().ok()?,
        recipients: recipients.parse().ok()?,
    })
}

/// Behind `to=<`.
fn delivered(rest: &str) -> Option<Delivered<'_>> {
    let (to, rest) = rest.split_once(">, ")?;
    let mut told = Delivered {
        to,
        ..Delivered::default()
    };
    let mut rest = rest;
    if let Some((original, behind)) = rest
        .strip_prefix("orig_to=<")
        .and_then(|rest| rest.split_once('>'))
    {
        told.original = Some(original);
        rest = behind.trim_start_matches(", ");
    }
    while let Some((key, behind)) = rest.split_once('=') {
        if key == "status" {
            let (status, reply) = behind.split_once(' ').unwrap_or((behind, ""));
            told.status = status;
            told.reply = reply
                .strip_prefix('(')
                .map_or(reply, |reply| reply.strip_suffix(')').unwrap_or(reply));
            break;
        }
        let (value, behind) = behind.split_once(", ").unwrap_or((behind, ""));
        match key {
            "relay" => told.relay = value,
            "conn_use" => told.use_of_connection = value.parse().ok(),
            "delays" => told.delays = delays(value),
            _ => {}
        }
        rest = behind;
    }
    Some(told)
}

/// `0.01/0/0.1/0.2`
fn delays(text: &str) -> Option<[f64; 4]> {
    let mut parts = text.split('/').map(|part| {
        let seconds: f64 = part.parse().ok()?;
        (seconds >= 0.0 && seconds.is_finite()).then_some(seconds)
    });
    let all = [
        parts.next()??,
        parts.next()??,
        parts.next()??,
        parts.next()??,
    ];
    parts.next().is_none().then_some(all)
}

impl Messages {
    /// A queue file was made: a message of which nothing is known yet.
    pub(super) fn begin(&mut self, id: &str) -> usize {
        let at = self.all.len();
        if at < MAX_MESSAGES {
            self.all.push(Message {
                id: id.to_owned(),
                ..Message::default()
            });
            self.latest.insert(id.to_owned(), (at, false));
        }
        at
    }

    pub(super) fn get(&self, at: usize) -> Option<&Message> {
        self.all.get(at)
    }

    /// The sender of the message that has an id now.
    pub(super) fn sender(&self, id: &str) -> Option<&str> {
        let &(at, _) = self.latest.get(id)?;
        self.all.get(at)?.from.as_deref()
    }

    pub(super) fn take(&mut self, line: LineRef, id: &str, about: &About<'_>) {
        let at = match self.latest.get(id) {
            Some(&(at, false)) => at,
            _ => self.begin(id),
        };
        if *about == About::Removed {
            self.latest.insert(id.to_owned(), (at, true));
        }
        let Some(message) = self.all.get_mut(at) else {
            return;
        };
        let mut deliver = |recipient: &str, status: &str, relay: &str, reply: &str| {
            if message.deliveries.len() < MAX_DELIVERIES {
                message.deliveries.push(Arc::new(Delivery {
                    line,
                    message: id.to_owned(),
                    recipient: recipient.to_owned(),
                    status: status.to_owned(),
                    relay: relay.to_owned(),
                    reply: reply.to_owned(),
                }));
            }
        };
        match *about {
            About::MessageId(id) => message.header_id = Some(id.to_owned()),
            About::Active {
                from,
                size,
                recipients,
            } => {
                message.from = Some(from.to_owned());
                message.size = Some(size);
                message.recipients = Some(recipients);
            }
            About::Delivered(told) => {
                let relay = if told.relay == "none" { "" } else { told.relay };
                deliver(told.to, told.status, relay, told.reply);
                let given = told.original.unwrap_or(told.to);
                if message.to.len() < MAX_DELIVERIES && !message.to.iter().any(|to| to == given) {
                    message.to.push(given.to_owned());
                }
            }
            About::Notified(text) => deliver("", "notified", "", text),
            About::Expired(text) => deliver("", "expired", "", text),
            About::Removed => {}
        }
    }

    /// What became of a message, also under the ids that it was queued with next.
    pub(super) fn fate(&self, at: usize) -> Vec<Arc<Delivery>> {
        let mut fate = Vec::new();
        let mut todo = vec![(at, 0)];
        while let Some((at, hops)) = todo.pop() {
            for delivery in self.all.get(at).into_iter().flat_map(|m| &m.deliveries) {
                let next = delivery
                    .reply
                    .rsplit_once("queued as ")
                    .and_then(|(_, id)| self.latest.get(id))
                    .map(|&(next, _)| next)
                    .filter(|&next| next > at && hops < MAX_HOPS);
                let known = next.filter(|&next| !todo.contains(&(next, hops + 1)));
                todo.extend(known.map(|next| (next, hops + 1)));
                if fate.len() < MAX_DELIVERIES {
                    fate.push(delivery.clone());
                }
            }
        }
        fate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LogId;

    const LINE: LineRef = LineRef {
        log: LogId(0),
        line: 1,
    };

    #[test]
    fn deliveries_are_read() {
        let (id, told) = about("4jYSry2mxdz1SW7J: to=<eve@other.example>, orig_to=<root>, relay=mx.other.example[203.0.113.25]:25, conn_use=2, delay=0.36, delays=0.05/0.01/0.1/0.2, dsn=5.1.1, status=bounced (host mx.other.example[203.0.113.25] said: 550 5.1.1 no (in reply to RCPT TO command))").unwrap();
        assert_eq!(id, "4jYSry2mxdz1SW7J");
        let About::Delivered(told) = told else {
            panic!("{told:?}");
        };
        assert_eq!(
            (told.to, told.original),
            ("eve@other.example", Some("root"))
        );
        assert_eq!(told.use_of_connection, Some(2));
        assert_eq!(told.delays, Some([0.05, 0.01, 0.1, 0.2]));
        assert_eq!(told.status, "bounced");
        assert!(told.reply.ends_with("(in reply to RCPT TO command)"));
        assert_eq!(about("daemon started -- version 3.7.11"), None);
        assert_eq!(
            about("7E58B98E33D: removed"),
            Some(("7E58B98E33D", About::Removed))
        );
    }

    #[test]
    fn a_message_is_followed_through_a_content_filter() {
        let mut messages = Messages::default();
        let first = messages.begin("AAAAAAAAAAA");
        let mut tell = |text: &str| {
            let (id, about) = about(text).unwrap();
            messages.take(LINE, id, &about);
        };
        tell(
            "AAAAAAAAAAA: to=<b@c>, relay=127.0.0.1[127.0.0.1]:10024, status=sent (250 2.0.0 Ok: queued as BBBBBBBBBBB)",
        );
        tell("AAAAAAAAAAA: removed");
        tell("BBBBBBBBBBB: from=<a@b>, size=9, nrcpt=1 (queue active)");
        tell(
            "BBBBBBBBBBB: to=<b@c>, relay=none, status=deferred (connect to c[192.0.2.1]:25: Connection refused)",
        );
        tell("BBBBBBBBBBB: from=<a@b>, status=expired, returned to sender");
        tell("AAAAAAAAAAA: to=<x@y>, relay=local, status=sent (delivered to mailbox)");
        let fate = messages.fate(first);
        let told: Vec<_> = fate
            .iter()
            .map(|delivery| (delivery.status.as_str(), delivery.relay.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("sent", "127.0.0.1[127.0.0.1]:10024"),
                ("deferred", ""),
                ("expired", "")
            ],
            "what has the id later is another message"
        );
    }
}
