//! Commands that a server did not accept.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{Endpoint, Exchange, Finding, Proto, Severity};

use super::View;
use super::group::{Group, Words, counted, listed, server};
use super::login_refused::is_refused;
use super::registry::Rule;
use super::view::place;

pub(super) const RULE: Rule = Rule {
    code: "command-rejected",
    about: "commands unknown, out of order or refused, by client",
    decided: "Replies 500 to 504 of SMTP and NNTP, BAD of IMAP, and -ERR of POP3 to what is not known, told as unknown or out of order; \
              replies 550 to 556 and 552 of SMTP, NO of IMAP and other -ERR of POP3 as refused. Logins are told as login-refused.",
    example: "3 commands of 192.0.2.10 rejected by 198.51.100.25 port 25 as not allowed: RCPT 550",
    find,
};

/// Why a command was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Deferred,
    OutOfOrder,
    Refused,
    Unknown,
}

impl Kind {
    const fn words(self) -> &'static str {
        match self {
            Self::Deferred => "to be tried later",
            Self::OutOfOrder => "out of order",
            Self::Refused => "not allowed",
            Self::Unknown => "not known or not understood",
        }
    }
}

fn find(view: View<'_>) -> Vec<Finding> {
    type Key = (IpAddr, Option<Endpoint>, Kind);
    let mut groups: BTreeMap<Key, (Group, BTreeSet<String>)> = BTreeMap::new();
    for case in view.cases() {
        let Some(client) = case.client() else {
            continue;
        };
        let proto = case
            .wire
            .map(|wire| wire.proto)
            .or(case.log.map(|log| log.proto));
        for exchange in &case.joined.exchanges {
            let Some(kind) = proto.and_then(|proto| kind(proto, exchange)) else {
                continue;
            };
            let (group, what) = groups.entry((client, case.server(), kind)).or_default();
            group.add(&case, exchange.start, place(exchange));
            let verb = exchange.verb.as_str();
            let code = exchange.code.as_deref().unwrap_or_default();
            what.insert(format!("{verb} {code}"));
        }
    }
    groups
        .into_iter()
        .map(|((client, endpoint, kind), (group, what))| {
            let by = endpoint.map_or(String::new(), |end| format!(" by {}", server(end)));
            let message = format!(
                "{} of {client} rejected{by} as {}: {}",
                counted(group.count, "command"),
                kind.words(),
                listed(&what)
            );
            group.finding(Words {
                code: RULE.code,
                severity: Severity::Warning,
                endpoint,
                message,
                not: None,
                next: next(kind).into(),
            })
        })
        .collect()
}

const fn next(kind: Kind) -> &'static str {
    match kind {
        Kind::Deferred => {
            "see in the server's log why it put them off, and whether the client comes back"
        }
        Kind::OutOfOrder | Kind::Unknown => {
            "look at what the client sends before it: a program that breaks the protocol, or probes"
        }
        Kind::Refused => {
            "read the server's text: a recipient, a size or a policy, which the client or the server has to change"
        }
    }
}

fn kind(proto: Proto, exchange: &Exchange) -> Option<Kind> {
    if is_refused(exchange) || exchange.verb.is_greeting() {
        return None;
    }
    let code = exchange.code.as_deref()?;
    let text = exchange
        .response
        .as_deref()
        .unwrap_or_default()
        .to_ascii_lowercase();
    match (proto.0, code) {
        ("imap", "BAD") | ("smtp" | "nntp" | "lmtp", "500" | "501" | "502" | "504") => {
            Some(Kind::Unknown)
        }
        ("pop3", "-ERR") if text.contains("unknown") => Some(Kind::Unknown),
        ("smtp" | "nntp" | "lmtp", "503") => Some(Kind::OutOfOrder),
        ("imap", "NO")
        | ("pop3", "-ERR")
        | (
            "smtp" | "lmtp",
            "530" | "550" | "551" | "552" | "553" | "554" | "555" | "556" | "571",
        ) => Some(Kind::Refused),
        ("smtp" | "lmtp", "450" | "451" | "452" | "454") => Some(Kind::Deferred),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, exchange, wire};
    use super::*;

    #[test]
    fn kinds_are_told_apart_and_logins_left_out() {
        let mut smtp = wire(25, 0, "SF", "ShAdDaFf");
        for (request, reply) in [
            ("XYZZY", "500 5.5.2 Error"),
            ("DATA", "503 5.5.1 Error"),
            ("RCPT TO:<a@example.net>", "550 5.1.1 unknown"),
            ("RCPT TO:<b@example.net>", "550 5.1.1 unknown"),
            ("RCPT TO:<c@example.net>", "250 2.1.5 Ok"),
            ("AUTH PLAIN ***", "535 5.7.8 Error"),
        ] {
            smtp.exchanges.push(exchange(0, request, reply, 1));
        }
        let mut scene = Scene::default();
        scene.add(smtp);
        let found = scene.find(find);
        let counts: Vec<u64> = found.iter().map(|finding| finding.count).collect();
        assert_eq!(counts, [1, 2, 1]);
        assert!(
            found[1].message.contains("RCPT 550"),
            "{}",
            found[1].message
        );
    }
}
