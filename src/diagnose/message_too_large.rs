//! Messages larger than a server takes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::align::Said;
use crate::model::{Endpoint, Finding, Matter, Severity, Verb};

use super::View;
use super::group::{Group, Words, counted, listed, server};
use super::registry::Rule;
use super::view::{place, speaks_of};

pub(super) const RULE: Rule = Rule {
    code: "message-too-large",
    about: "messages larger than the server takes, and whether they were carried in vain",
    decided: "SMTP and LMTP replies 552 or with the enhanced code 5.3.4 or 5.2.3 whose text speaks of size, or without a text where MAIL states one (RFC 1870), and IMAP's NO [TOOBIG], by server; \
              refused at MAIL by the size that the client stated, or after the message had been carried.",
    example: "198.51.100.25 port 25 refused 2 messages of 192.0.2.10 as too large, up to 5000000 octets; 1 of them was carried first (66030 octets)",
    find,
};

#[derive(Default)]
struct Refused {
    group: Group,
    servers: BTreeSet<Endpoint>,
    largest: u64,
    carried: u64,
    octets: u64,
}

fn find(view: View<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<Option<IpAddr>, Refused> = BTreeMap::new();
    for case in view.cases() {
        for exchange in case.about(&[Matter::RefusedMessage], is_too_large) {
            let refused = groups.entry(case.server().map(|one| one.ip)).or_default();
            refused.servers.extend(case.server());
            refused.group.add(&case, exchange.start, place(&exchange));
            let stated = stated(&exchange.request).unwrap_or(0);
            refused.largest = refused.largest.max(stated);
            if exchange.verb.is_body() {
                let octets = exchange.request_bytes.unwrap_or(0);
                refused.carried += 1;
                refused.octets += octets;
                refused.largest = refused.largest.max(octets);
            }
        }
    }
    groups.into_values().map(tell).collect()
}

/// Whether a server refused a message for its size.
pub(super) fn is_too_large(said: Said<'_>) -> bool {
    let Said {
        verb,
        request,
        code,
        reply,
    } = said;
    if code == "NO" {
        return speaks_of(reply, &["[toobig]"]);
    }
    if !code.starts_with('5') || !["MAIL", "BDAT", Verb::BODY].contains(&verb) {
        return false;
    }
    // A log without the reply's words: to a MAIL that states a size, 552 says that it is too large (RFC 1870 §6.1).
    let wordless = reply.len() <= code.len() && verb == "MAIL" && stated(request).is_some();
    let sized = reply.contains("5.3.4") || reply.contains("5.2.3");
    let worded = || speaks_of(reply, &["size", "large", "too big"]);
    (code == "552" && (sized || wordless || worded())) || (sized && worded())
}

/// The size that a client states with its message (RFC 1870 §5).
fn stated(request: &str) -> Option<u64> {
    let upper = request.to_ascii_uppercase();
    let (_, rest) = upper.split_once(" SIZE=")?;
    rest.split(' ').next()?.parse().ok()
}

fn tell(refused: Refused) -> Finding {
    let Refused {
        group,
        servers,
        largest,
        carried,
        octets,
    } = refused;
    let who = if servers.is_empty() {
        "a server in the log".to_owned()
    } else {
        listed(servers.iter().map(|one| server(*one)))
    };
    let size = if largest > 0 {
        format!(", up to {largest} octets")
    } else {
        String::new()
    };
    let vain = if carried > 0 {
        format!("; {carried} of them carried first ({octets} octets)")
    } else {
        String::new()
    };
    let message = format!(
        "{who} refused {} of {} as too large{size}{vain}",
        counted(group.count, "message"),
        group.sources(),
    );
    group.finding(Words {
        code: RULE.code,
        severity: Severity::Warning,
        endpoint: servers.first().copied().filter(|_| servers.len() == 1),
        message,
        not: "not a fault of the way or of the mailbox: the server states a limit of its own".into(),
        next: if carried > 0 {
            "see that the client heeds the SIZE that EHLO announces and states its own with MAIL, so that nothing is carried in vain; else raise the limit".into()
        } else {
            "tell the sender, or raise the limit (message_size_limit of Postfix)".into()
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, exchange, wire};
    use super::*;

    #[test]
    fn sizes_are_told_and_a_full_mailbox_is_another_thing() {
        let mut smtp = wire(25, 0, "SF", "ShAdDaFf");
        for (request, reply) in [
            (
                "MAIL FROM:<a@example.net> SIZE=5000000",
                "552 5.3.4 Message size exceeds fixed limit",
            ),
            ("RCPT TO:<b@example.net>", "552 5.2.2 Mailbox full"),
            ("MAIL FROM:<a@example.net>", "250 2.1.0 Ok"),
        ] {
            smtp.exchanges.push(exchange(0, request, reply, 1));
        }
        let mut scene = Scene::default();
        scene.add(smtp);
        let found = scene.find(find);
        assert_eq!((found.len(), found[0].count), (1, 1));
        assert!(
            found[0].message.ends_with("up to 5000000 octets"),
            "{}",
            found[0].message
        );
    }

    #[test]
    fn a_log_without_the_words_tells_by_the_size_that_was_stated() {
        for (request, expected) in [
            ("MAIL FROM:<a@client.example> SIZE=900000", 1),
            ("MAIL FROM:<a@client.example>", 0),
            ("RCPT TO:<a@client.example>", 0),
        ] {
            let mut smtp = wire(25, 0, "SF", "ShAdDaFf");
            smtp.exchanges.push(exchange(0, request, "552", 1));
            smtp.exchanges[0].code = Some("552".into());
            let mut scene = Scene::default();
            scene.add(smtp);
            assert_eq!(scene.find(find).len(), expected, "{request}");
        }
    }
}
