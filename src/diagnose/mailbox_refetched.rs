//! Clients that fetch a whole mailbox again each time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{Endpoint, Finding, Proto, Severity};

use super::View;
use super::group::{Group, Words, counted, server};
use super::registry::Rule;
use super::view::{Case, place};

pub(super) const RULE: Rule = Rule {
    code: "mailbox-refetched",
    about: "a client fetches all its mail again in every session",
    decided: "Three or more POP3 sessions of one client and user that each retrieve all the messages (two or more) that an earlier one did, by number \
              and size, and delete none.",
    example: "user4 at 192.0.2.10 fetched the same 5 messages from 198.51.100.25 port 110 in 4 sessions: 14097 octets for nothing",
    find,
};

/// Sessions from which on it is a habit, and messages that are a mailbox.
const SESSIONS: usize = 3;
const MESSAGES: usize = 2;

fn find(view: View<'_>) -> Vec<Finding> {
    type Seen<'a> = (Case<'a>, BTreeSet<(String, u64)>);
    let mut fetches: BTreeMap<(IpAddr, Endpoint, &str), Vec<Seen<'_>>> = BTreeMap::new();
    for (case, wire) in view
        .on_wire()
        .filter(|(_, wire)| wire.proto == Proto("pop3"))
    {
        let messages = fetched(&case);
        if let (Some(user), true) = (case.name(), messages.len() >= MESSAGES) {
            let key = (wire.conversation.client.ip, wire.conversation.server, user);
            fetches.entry(key).or_default().push((case, messages));
        }
    }
    fetches
        .into_iter()
        .filter_map(|((client, endpoint, user), sessions)| {
            let (_, first) = sessions.first()?;
            let again: Vec<&Seen<'_>> = sessions
                .iter()
                .filter(|(_, fetched)| fetched.is_superset(first))
                .collect();
            if again.len() < SESSIONS {
                return None;
            }
            let once: u64 = first.iter().map(|(_, octets)| octets).sum();
            let mut group = Group::default();
            for (case, _) in &again {
                group.add(case, None, case.joined.exchanges.last().and_then(place));
            }
            let times = u64::try_from(again.len()).unwrap_or(u64::MAX);
            let message = format!(
                "{user} at {client} fetched the same {} messages from {} in {}: {} octets for nothing",
                first.len(),
                server(endpoint),
                counted(times, "session"),
                once.saturating_mul(times - 1)
            );
            Some(group.finding(Words {
                code: RULE.code,
                severity: Severity::Warning,
                endpoint: Some(endpoint),
                message,
                not: Some("not new mail: numbers and sizes are the same".into()),
                next: "set the client to delete what it fetched, or to remember it by UIDL; IMAP leaves mail on the server by design".into(),
            }))
        })
        .collect()
}

/// Messages that a session retrieved without deleting any, by number and size.
fn fetched(case: &Case<'_>) -> BTreeSet<(String, u64)> {
    let exchanges = &case.joined.exchanges;
    if exchanges
        .iter()
        .any(|exchange| exchange.verb.as_str() == "DELE")
    {
        return BTreeSet::new();
    }
    exchanges
        .iter()
        .filter(|exchange| exchange.verb.as_str() == "RETR")
        .filter_map(|exchange| Some((exchange.request.clone(), exchange.response_bytes?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, exchange, wire};
    use super::*;

    #[test]
    fn the_same_messages_in_three_sessions_are_told_once() {
        for (delete, expected) in [(false, 1), (true, 0)] {
            let mut scene = Scene::default();
            for second in 0..3 {
                let mut wire = wire(110, second, "SF", "ShAdDaFf");
                wire.names.push("user4".into());
                for number in 1..=3 {
                    let mut retr = exchange(second, &format!("RETR {number}"), "+OK", 1);
                    retr.response_bytes = Some(100 * number);
                    wire.exchanges.push(retr);
                }
                if delete {
                    wire.exchanges.push(exchange(second, "DELE 1", "+OK", 1));
                }
                scene.add(wire);
            }
            let found = scene.find(find);
            assert_eq!(found.len(), expected);
            assert!(
                found
                    .iter()
                    .all(|finding| finding.message.ends_with("1200 octets for nothing"))
            );
        }
    }
}
