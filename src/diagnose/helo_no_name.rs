//! Clients that greet by something that is no host name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{Finding, Seen, Severity};

use super::View;
use super::group::{Group, Words, counted, listed};
use super::registry::Rule;
use super::view::place;

pub(super) const RULE: Rule = Rule {
    code: "helo-no-name",
    about: "the client greets by something that is no full host name",
    decided: "Arguments of HELO and EHLO that are neither a host name of two labels or more nor an address in brackets (RFC 5321 §4.1.1.1, §4.1.3), by client and \
              what is wrong; not on the ports of submission (465, 587), where mail programs do so.",
    example: "192.0.2.10 greets by a name without a domain in 3 sessions: pc7",
    find,
};

/// Ports of submission, where the client's name is of no use.
const SUBMISSION: [u16; 2] = [465, 587];

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wrong {
    Address,
    Characters,
    Missing,
    OneLabel,
}

impl Wrong {
    const fn words(self) -> &'static str {
        match self {
            Self::Address => "an address without brackets",
            Self::Characters => "characters that no host name has",
            Self::Missing => "no name at all",
            Self::OneLabel => "a name without a domain",
        }
    }
}

fn find(view: View<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<(IpAddr, Wrong), (Group, BTreeSet<String>)> = BTreeMap::new();
    for case in view.cases() {
        let submission = case
            .server()
            .is_some_and(|server| SUBMISSION.contains(&server.port));
        let (Some(client), false) = (case.client(), submission) else {
            continue;
        };
        let mut greetings = case.greetings();
        // A client says the same again after STARTTLS.
        let wrong = greetings.find_map(|exchange| {
            // What a log implies or hides has no argument; that says nothing of the client's.
            let whole = [Seen::Both, Seen::Wire].contains(&exchange.seen);
            let wrong = wrong(&exchange.request)?;
            (whole || wrong != Wrong::Missing).then_some((exchange, wrong))
        });
        if let Some((exchange, wrong)) = wrong {
            let (group, names) = groups.entry((client, wrong)).or_default();
            group.add(&case, exchange.start, place(&exchange));
            names.extend(argument(&exchange.request).map(str::to_owned));
        }
    }
    groups
        .into_iter()
        .map(|((client, wrong), (group, names))| {
            let named = if names.is_empty() { String::new() } else { format!(": {}", listed(&names)) };
            let message = format!(
                "{client} greets by {} in {}{named}",
                wrong.words(),
                counted(group.count, "session"),
            );
            group.finding(Words {
                code: RULE.code,
                severity: Severity::Info,
                endpoint: None,
                message,
                not: "not what a mail server sends: those know their full name".into(),
                next: "set the client's host name (myhostname of Postfix); if it is no mail server of yours, it may be a program that sends junk".into(),
            })
        })
        .collect()
}

fn argument(request: &str) -> Option<&str> {
    request.split_ascii_whitespace().nth(1)
}

/// What is wrong with the name in a greeting, if anything.
fn wrong(request: &str) -> Option<Wrong> {
    let Some(name) = argument(request) else {
        return Some(Wrong::Missing);
    };
    if name.starts_with('[') && name.ends_with(']') {
        return None;
    }
    if name.parse::<IpAddr>().is_ok() {
        return Some(Wrong::Address);
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let label = |label: &str| {
        let inner = label
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
        inner && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    // Names beyond ASCII are right where both sides speak SMTPUTF8.
    if name.is_ascii() && !name.split('.').all(label) {
        return Some(Wrong::Characters);
    }
    (!name.contains('.')).then_some(Wrong::OneLabel)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, exchange, wire};
    use super::*;

    #[test]
    fn names_and_addresses_in_brackets_are_right() {
        for (request, expected) in [
            ("EHLO mail.example.com", None),
            ("EHLO mail.example.com.", None),
            ("HELO [192.0.2.1]", None),
            ("EHLO [IPv6:2001:db8::1]", None),
            ("EHLO 192.0.2.1", Some(Wrong::Address)),
            ("HELO pc7", Some(Wrong::OneLabel)),
            ("HELO my_pc.local", Some(Wrong::Characters)),
            ("HELO", Some(Wrong::Missing)),
        ] {
            assert_eq!(wrong(request), expected, "{request}");
        }
    }

    #[test]
    fn submission_is_left_out() {
        for (port, expected) in [(25, 1), (587, 0)] {
            let mut smtp = wire(port, 0, "SF", "ShAdDaFf");
            smtp.exchanges.push(exchange(0, "EHLO pc7", "250 ok", 1));
            let mut scene = Scene::default();
            scene.add(smtp);
            assert_eq!(scene.find(find).len(), expected);
        }
    }
}
