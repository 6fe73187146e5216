//! What single lines of Postfix's other daemons say of a message.

use super::super::cut::{cut, head};
use super::line::is_queue_id;

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
    /// Seconds before the queue manager, in it, for the connection, and for the transmission: `0.01/0/0.1/0.2`.
    pub(super) delays: &'a str,
    pub(super) status: &'a str,
    pub(super) reply: &'a str,
}

/// Reads a line of another daemon: the queue id and what is said of it.
pub(super) fn about(text: &str) -> Option<(&str, About<'_>)> {
    let (id, rest) = cut(text, ": ")?;
    if !is_queue_id(id) {
        return None;
    }
    let about = if rest == "removed" {
        About::Removed
    } else if let Some(rest) = rest.strip_prefix("message-id=") {
        About::MessageId(rest.trim_start_matches('<').trim_end_matches('>'))
    } else if let Some(rest) = rest.strip_prefix("from=<") {
        from(rest)?
    } else if let Some(rest) = rest.strip_prefix("to=<") {
        About::Delivered(delivered(rest)?)
    } else if cut(rest, " notification: ").is_some() {
        About::Notified(rest)
    } else {
        return None;
    };
    Some((id, about))
}

fn from(rest: &str) -> Option<About<'_>> {
    if let Some((_, status)) = cut(rest, ">, status=") {
        return Some(About::Expired(status));
    }
    let (from, rest) = cut(rest, ">, size=")?;
    let (size, rest) = cut(rest, ", nrcpt=")?;
    let recipients = head(rest, " ");
    Some(About::Active {
        from,
        size: size.parse().ok()?,
        recipients: recipients.parse().ok()?,
    })
}

/// Behind `to=<`.
fn delivered(rest: &str) -> Option<Delivered<'_>> {
    let (to, rest) = cut(rest, ">, ")?;
    let mut told = Delivered {
        to,
        ..Delivered::default()
    };
    let mut rest = rest;
    if let Some((original, behind)) = rest
        .strip_prefix("orig_to=<")
        .and_then(|rest| cut(rest, ">"))
    {
        told.original = Some(original);
        rest = behind.trim_start_matches(", ");
    }
    while let Some((key, behind)) = cut(rest, "=") {
        if key == "status" {
            let (status, reply) = cut(behind, " ").unwrap_or((behind, ""));
            told.status = status;
            told.reply = reply
                .strip_prefix('(')
                .map_or(reply, |reply| reply.strip_suffix(')').unwrap_or(reply));
            break;
        }
        let (value, behind) = cut(behind, ", ").unwrap_or((behind, ""));
        match key {
            "relay" => told.relay = value,
            "conn_use" => told.use_of_connection = value.parse().ok(),
            "delays" => told.delays = value,
            _ => {}
        }
        rest = behind;
    }
    Some(told)
}

impl Delivered<'_> {
    /// The seconds of its `delays`, where they are four.
    pub(super) fn delays(&self) -> Option<[f64; 4]> {
        let mut parts = self.delays.split('/').map(|part| {
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
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(told.delays(), Some([0.05, 0.01, 0.1, 0.2]));
        assert_eq!(told.status, "bounced");
        assert!(told.reply.ends_with("(in reply to RCPT TO command)"));
        assert_eq!(about("daemon started -- version 3.7.11"), None);
        assert_eq!(
            about("7E58B98E33D: removed"),
            Some(("7E58B98E33D", About::Removed))
        );
    }
}
