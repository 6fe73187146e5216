//! Clients that fetch a whole mailbox again each time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{Endpoint, Finding, Severity};

use super::View;
use super::group::{Group, Words, counted, listed, server};
use super::registry::Rule;
use super::view::{Case, place};

pub(super) const RULE: Rule = Rule {
    code: "mailbox-refetched",
    about: "a client fetches all its mail again in every session",
    decided: "Three or more POP3 sessions of one client and user that each retrieve all the messages (two or more) that an earlier one did, by number and size, and delete none; \
              and IMAP sessions that fetch the same set of several messages whole, by the same request and with as many octets. Of POP3 it is told how many octets passed for each message that was new.",
    example: "user4 at 192.0.2.10 fetched the same 5 messages from 198.51.100.25 port 110 in 4 sessions: 14097 octets for nothing; \
              3759 octets passed for each message that was new, where 939 would do",
    find,
};

/// Sessions from which on it is a habit, and messages that are a mailbox.
const SESSIONS: usize = 3;
const MESSAGES: usize = 2;

/// What a session fetched: each message (of IMAP each set of them) by its name there and its size.
type Fetched = BTreeSet<(String, u64)>;

fn find(view: View<'_>) -> Vec<Finding> {
    type Key<'a> = (IpAddr, Endpoint, &'a str);
    let mut fetches: BTreeMap<Key<'_>, Vec<(Case<'_>, Fetched)>> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        let got = match wire.proto.0 {
            "imap" => fetched_by_imap(&case),
            "pop3" => fetched_by_pop3(&case),
            _ => continue,
        };
        if let (Some(user), false) = (case.name(), got.is_empty()) {
            let key = (wire.conversation.client.ip, wire.conversation.server, user);
            fetches.entry(key).or_default().push((case, got));
        }
    }
    fetches
        .into_iter()
        .filter_map(|((client, endpoint, user), sessions)| tell(client, endpoint, user, &sessions))
        .collect()
}

fn tell(
    client: IpAddr,
    endpoint: Endpoint,
    user: &str,
    sessions: &[(Case<'_>, Fetched)],
) -> Option<Finding> {
    let (_, first) = sessions.first()?;
    let again: Vec<&(Case<'_>, Fetched)> = sessions
        .iter()
        .filter(|(_, fetched)| fetched.is_superset(first))
        .collect();
    if again.len() < SESSIONS {
        return None;
    }
    let octets = |fetched: &Fetched| fetched.iter().map(|(_, octets)| octets).sum::<u64>();
    let mut group = Group::default();
    for (case, _) in &again {
        group.add(case, None, case.joined.exchanges.last().and_then(place));
    }
    let times = u64::try_from(again.len()).unwrap_or(u64::MAX);
    let single = first.iter().all(|(name, _)| name.starts_with("RETR"));
    let what = if single {
        format!("the same {} messages", first.len())
    } else {
        format!(
            "the same messages ({})",
            listed(first.iter().map(|(name, _)| name))
        )
    };
    let all: u64 = sessions.iter().map(|(_, fetched)| octets(fetched)).sum();
    let fresh: Fetched = sessions
        .iter()
        .flat_map(|(_, fetched)| fetched.iter().cloned())
        .collect();
    let each = if single {
        let count = u64::try_from(fresh.len()).unwrap_or(u64::MAX).max(1);
        format!(
            "; {} octets passed for each message that was new, where {} would do",
            all / count,
            octets(&fresh) / count
        )
    } else {
        String::new()
    };
    let message = format!(
        "{user} at {client} fetched {what} from {} in {}: {} octets for nothing{each}",
        server(endpoint),
        counted(times, "session"),
        octets(first).saturating_mul(times - 1)
    );
    Some(group.finding(Words {
        code: RULE.code,
        severity: Severity::Warning,
        endpoint: Some(endpoint),
        message,
        not: Some("not new mail: numbers and sizes are the same".into()),
        next: "set the client to delete what it fetched, or to remember it (by UIDL in POP3, by UIDVALIDITY and UID in IMAP)".into(),
    }))
}

fn deletes(case: &Case<'_>) -> bool {
    case.joined
        .exchanges
        .iter()
        .any(|exchange| match exchange.verb.as_str() {
            "DELE" | "EXPUNGE" => true,
            "STORE" => exchange.request.to_ascii_uppercase().contains("\\DELETED"),
            _ => false,
        })
}

/// Messages that a session of POP3 retrieved without deleting any.
fn fetched_by_pop3(case: &Case<'_>) -> Fetched {
    let exchanges = case.joined.exchanges.iter();
    let fetched: Fetched = exchanges
        .filter(|exchange| exchange.verb.as_str() == "RETR")
        .filter_map(|exchange| Some((exchange.request.clone(), exchange.response_bytes?)))
        .collect();
    if deletes(case) || fetched.len() < MESSAGES {
        return Fetched::new();
    }
    fetched
}

/// Sets of several messages that a session of IMAP fetched whole without deleting any.
fn fetched_by_imap(case: &Case<'_>) -> Fetched {
    if deletes(case) {
        return Fetched::new();
    }
    let exchanges = case.joined.exchanges.iter();
    exchanges
        .filter(|exchange| ["FETCH", "UID"].contains(&exchange.verb.as_str()))
        .filter_map(|exchange| {
            // Without its tag, which differs.
            let (_, request) = exchange.request.split_once(' ')?;
            let upper = request.to_ascii_uppercase();
            let whole = ["BODY[]", "BODY.PEEK[]", "RFC822)", "(RFC822 "]
                .iter()
                .any(|item| upper.contains(item))
                || upper.ends_with(" RFC822");
            let several = upper.split(' ').any(|word| {
                word.starts_with(|first: char| first.is_ascii_digit()) && word.contains([':', ','])
            });
            (whole && several).then_some((request.to_owned(), exchange.response_bytes?))
        })
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
                    .all(|finding| finding.message.ends_with("1200 octets for nothing; 600 octets passed for each message that was new, where 200 would do"))
            );
        }
    }

    #[test]
    fn whole_fetches_by_imap_count_and_heads_do_not() {
        for (request, octets, expected) in [
            ("FETCH 1:* (UID BODY.PEEK[])", [900, 900, 900], 1),
            ("UID FETCH 3,5 (RFC822)", [900, 900, 900], 1),
            ("FETCH 1:* (FLAGS RFC822.SIZE)", [900, 900, 900], 0),
            ("FETCH 1 (BODY[])", [900, 900, 900], 0),
            ("FETCH 1:* (BODY[])", [900, 901, 902], 0),
        ] {
            let mut scene = Scene::default();
            for (second, octets) in (0..).zip(octets) {
                let mut wire = wire(143, second, "SF", "ShAdDaFf");
                wire.names.push("user6".into());
                let mut fetch = exchange(second, &format!("a{second} {request}"), "a OK", 1);
                fetch.response_bytes = Some(octets);
                wire.exchanges.push(fetch);
                scene.add(wire);
            }
            assert_eq!(scene.find(find).len(), expected, "{request}");
        }
    }
}
