//! Clients that fetch a whole mailbox again each time.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{Endpoint, Evidence, Exchange, Finding, Proto, Severity};

use super::View;
use super::group::{Group, Words, counted, listed, server};
use super::registry::Rule;
use super::view::{Case, place, speaks_of};

pub(super) const RULE: Rule = Rule {
    code: "mailbox-refetched",
    about: "a client fetches all its mail again in every session",
    decided: "Three or more sessions of POP3 or IMAP of one client and user that each fetch whole all the messages (two or more) that the first one did, and delete none: by number or UID and size, \
              read in the clear or decrypted; of IMAP also a set of several by the same request, with as many messages and octets, or more of both; and where neither is to be read, by as many messages and octets \
              as the server's log counts (Dovecot). It is told how many octets passed for each message that was new, where the number of messages is known.",
    example: "user4 at 192.0.2.10 fetched the same 5 messages from 198.51.100.25 port 110 in 4 sessions: 14097 octets for nothing; \
              3759 octets passed for each message that was new, where 939 would do",
    find,
};

/// Sessions from which on it is a habit, and messages that are a mailbox.
const SESSIONS: usize = 3;
const MESSAGES: u64 = 2;

/// What a request fetched whole.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fetch {
    /// One message, by the request that names it.
    One { name: String, octets: u64 },
    /// Several, by the request that names them or the log that counts them; how many, where that is known.
    Set {
        name: String,
        messages: Option<u32>,
        octets: u64,
    },
}

/// A session and what it fetched.
struct Session<'a> {
    case: Case<'a>,
    fetched: Vec<Fetch>,
}

fn find(view: View<'_>) -> Vec<Finding> {
    type Key<'a> = (IpAddr, Option<Endpoint>, Proto, &'a str);
    let mut by_user: BTreeMap<Key<'_>, Vec<Session<'_>>> = BTreeMap::new();
    for case in view.cases() {
        let proto = case.wire.map(|wire| wire.proto);
        let proto = proto.or(case.log.map(|log| log.proto));
        let Some(proto) = proto.filter(|proto| ["imap", "pop3"].contains(&proto.0)) else {
            continue;
        };
        let fetched = fetched(&case, proto);
        let known = case.client().zip(case.name());
        if let (Some((client, user)), false) = (known, fetched.is_empty()) {
            let key = (client, case.server(), proto, user);
            let sessions = by_user.entry(key).or_default();
            sessions.push(Session { case, fetched });
        }
    }
    by_user
        .into_iter()
        .filter_map(|((client, endpoint, _, user), sessions)| {
            tell(client, endpoint, user, &sessions)
        })
        .collect()
}

/// What a session fetched whole: as it was read, or else as its log counts it. Nothing where messages were deleted, since fetching them was right.
fn fetched(case: &Case<'_>, proto: Proto) -> Vec<Fetch> {
    if deletes(case) {
        return Vec::new();
    }
    let exchanges = case.joined.exchanges.iter();
    let seen: Vec<Fetch> = match proto.0 {
        "pop3" => exchanges.filter_map(retrieved).collect(),
        _ => exchanges.filter_map(fetched_by).collect(),
    };
    if !seen.is_empty() {
        return seen;
    }
    let told = case.log.and_then(|log| log.rare().fetched);
    told.filter(|told| told.messages > 0)
        .map(|told| Fetch::Set {
            name: "by the log".to_owned(),
            messages: Some(told.messages),
            octets: told.octets,
        })
        .into_iter()
        .collect()
}

fn deletes(case: &Case<'_>) -> bool {
    let told = case.log.and_then(|log| log.rare().fetched);
    let mut exchanges = case.joined.exchanges.iter();
    told.is_some_and(|told| told.deleted > 0)
        || exchanges.any(|exchange| match exchange.verb.as_str() {
            "DELE" | "EXPUNGE" | "MOVE" => true,
            "STORE" | "UID" => {
                speaks_of(&exchange.request, &["\\deleted", "uid move", "uid expunge"])
            }
            _ => false,
        })
}

/// A message that POP3 retrieved, where it is known which: a log tells of hidden ones only that they were.
fn retrieved(exchange: &Exchange) -> Option<Fetch> {
    let taken = exchange.verb.as_str() == "RETR" && exchange.code.as_deref() == Some("+OK");
    (taken && exchange.request.contains(' ')).then_some(())?;
    Some(Fetch::One {
        name: exchange.request.clone(),
        octets: exchange.response_bytes?,
    })
}

/// What IMAP fetched whole.
fn fetched_by(exchange: &Exchange) -> Option<Fetch> {
    let is_fetch = ["FETCH", "UID"].contains(&exchange.verb.as_str());
    if !is_fetch || exchange.code.as_deref() != Some("OK") {
        return None;
    }
    // Without its tag, which differs.
    let (_, request) = exchange.request.split_once(' ')?;
    let upper = request.to_ascii_uppercase();
    let whole = ["BODY[]", "BODY.PEEK[]", "RFC822)", "(RFC822 "]
        .iter()
        .any(|item| upper.contains(item))
        || upper.ends_with(" RFC822");
    let which = upper
        .split(' ')
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    let (name, octets) = (request.to_owned(), exchange.response_bytes?);
    if !whole {
        None
    } else if which.contains([':', ',']) {
        let messages = (exchange.brought > 0).then_some(exchange.brought);
        Some(Fetch::Set {
            name,
            messages,
            octets,
        })
    } else {
        Some(Fetch::One { name, octets })
    }
}

impl Fetch {
    const fn octets(&self) -> u64 {
        match self {
            Self::One { octets, .. } | Self::Set { octets, .. } => *octets,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::One { name, .. } | Self::Set { name, .. } => name,
        }
    }

    /// How many messages it brought, where that is known.
    fn messages(&self) -> Option<u64> {
        match self {
            Self::One { .. } => Some(1),
            Self::Set { messages, .. } => messages.map(u64::from),
        }
    }

    /// Whether it brought all that an earlier one did.
    fn repeats(&self, earlier: &Self) -> bool {
        let grown = match (self, earlier) {
            (
                Self::Set {
                    messages, octets, ..
                },
                Self::Set {
                    messages: before,
                    octets: less,
                    ..
                },
            ) => before.is_some() && messages > before && octets > less,
            _ => false,
        };
        self == earlier || (grown && self.name() == earlier.name())
    }
}

/// Messages and octets that would have had to pass once: those of each request at its largest, and single messages of one name by their sizes.
fn fresh(sessions: &[Session<'_>]) -> (Option<u64>, u64) {
    let mut largest: BTreeMap<(&str, Option<u64>), &Fetch> = BTreeMap::new();
    for fetch in sessions.iter().flat_map(|session| &session.fetched) {
        let one = match fetch {
            Fetch::One { octets, .. } => Some(*octets),
            Fetch::Set { .. } => None,
        };
        let best = largest.entry((fetch.name(), one)).or_insert(fetch);
        if fetch.octets() > best.octets() {
            *best = fetch;
        }
    }
    let messages = largest.values().map(|fetch| fetch.messages()).sum();
    let octets = largest.values().map(|fetch| fetch.octets()).sum();
    (messages, octets)
}

fn tell(
    client: IpAddr,
    endpoint: Option<Endpoint>,
    user: &str,
    sessions: &[Session<'_>],
) -> Option<Finding> {
    let first = &sessions.first()?.fetched;
    let repeats = |session: &&Session<'_>| {
        let has = |earlier| session.fetched.iter().any(|fetch| fetch.repeats(earlier));
        first.iter().all(has)
    };
    let again: Vec<&Session<'_>> = sessions.iter().filter(repeats).collect();
    let messages = first.iter().map(Fetch::messages).sum::<Option<u64>>();
    let single = first.iter().all(|fetch| matches!(fetch, Fetch::One { .. }));
    // A set is several, even where it is not known how many.
    let several = messages.map_or(!single, |messages| messages >= MESSAGES);
    if again.len() < SESSIONS || !several {
        return None;
    }
    let mut group = Group::default();
    for session in &again {
        let case = &session.case;
        let end = case.log.and_then(|log| log.events.last());
        let end = end.map(|event| Evidence::Line(event.line));
        group.add(
            case,
            None,
            case.joined.exchanges.last().and_then(place).or(end),
        );
    }
    let by = if single {
        String::new()
    } else {
        format!(" ({})", listed(first.iter().map(Fetch::name)))
    };
    let what = messages.map_or("messages".to_owned(), |messages| {
        counted(messages, "message")
    });
    let from = endpoint.map_or_else(|| "a server in the log".to_owned(), server);
    let times = u64::try_from(again.len()).unwrap_or(u64::MAX);
    let passed: u64 = sessions
        .iter()
        .flat_map(|session| &session.fetched)
        .map(Fetch::octets)
        .sum();
    let (new, once) = fresh(sessions);
    let each = new.filter(|new| *new > 0).map_or(String::new(), |new| {
        format!(
            "; {} octets passed for each message that was new, where {} would do",
            passed / new,
            once / new
        )
    });
    let message = format!(
        "{user} at {client} fetched the same {what}{by} from {from} in {}: {} octets for nothing{each}",
        counted(times, "session"),
        passed.saturating_sub(once)
    );
    Some(group.finding(Words {
        code: RULE.code,
        severity: Severity::Warning,
        endpoint,
        message,
        not: "not new mail: numbers and sizes are the same".into(),
        next: "set the client to delete what it fetched, or to remember it (by UIDL in POP3, by UIDVALIDITY and UID in IMAP)".into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, exchange, logged, wire};
    use super::*;
    use crate::model::LoggedFetch;

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

    /// Three sessions of IMAP with one request each, that brought so many messages and octets.
    fn fetches(request: &str, brought: [(u32, u64); 3]) -> Vec<Finding> {
        let mut scene = Scene::default();
        for (second, (messages, octets)) in (0..).zip(brought) {
            let mut wire = wire(143, second, "SF", "ShAdDaFf");
            wire.names.push("user6".into());
            let mut fetch = exchange(second, &format!("a{second} {request}"), "a OK", 1);
            (fetch.brought, fetch.response_bytes) = (messages, Some(octets));
            wire.exchanges.push(fetch);
            scene.add(wire);
        }
        scene.find(find)
    }

    #[test]
    fn a_mailbox_that_grows_is_fetched_again_and_other_messages_are_not() {
        let found = fetches("FETCH 1:* (BODY.PEEK[])", [(4, 800), (4, 800), (5, 1000)]);
        assert!(
            found[0].message.ends_with(
                "fetched the same 4 messages (FETCH 1:* (BODY.PEEK[])) from 198.51.100.25 port 143 in 3 sessions: \
                 1600 octets for nothing; 520 octets passed for each message that was new, where 200 would do"
            ),
            "{}",
            found[0].message
        );
        // As many, but others; and fewer.
        assert!(fetches("FETCH 1:* (BODY.PEEK[])", [(4, 800), (4, 810), (4, 790)]).is_empty());
        assert!(fetches("FETCH 1:* (BODY.PEEK[])", [(4, 800), (3, 700), (2, 600)]).is_empty());
        assert!(fetches("FETCH 1:* (BODY.PEEK[])", [(1, 800); 3]).is_empty());
    }

    #[test]
    fn single_fetches_by_uid_are_messages_too() {
        for (uids, expected) in [(&[7, 9][..], 1), (&[7][..], 0)] {
            let mut scene = Scene::default();
            for second in 0..3 {
                let mut wire = wire(143, second, "SF", "ShAdDaFf");
                wire.names.push("user6".into());
                for uid in uids {
                    let request = format!("a{uid} UID FETCH {uid} (UID RFC822.SIZE BODY.PEEK[])");
                    let mut fetch = exchange(second, &request, "a OK", 1);
                    fetch.response_bytes = Some(300);
                    wire.exchanges.push(fetch);
                }
                scene.add(wire);
            }
            assert_eq!(scene.find(find).len(), expected);
        }
    }

    #[test]
    fn the_log_counts_what_tls_hides_and_what_no_capture_has() {
        for (deleted, seen, expected) in [(0, true, 1), (0, false, 1), (1, true, 0), (1, false, 0)]
        {
            let mut scene = Scene::default();
            for second in 0..3 {
                let mut log = logged(second, 1);
                log.proto = Proto("imap");
                log.names.push("user6".into());
                log.rare_mut().fetched = Some(LoggedFetch {
                    messages: 4,
                    octets: 4208,
                    deleted,
                });
                if seen {
                    scene.add_both(wire(143, second, "SF", "ShAdDaFf"), log);
                } else {
                    scene.add_logged(log);
                }
            }
            let found = scene.find(find);
            assert_eq!(found.len(), expected);
            assert!(found.iter().all(|one| {
                one.message.contains("fetched the same 4 messages (by the log) from")
                    && one.message.ends_with("8416 octets for nothing; 3156 octets passed for each message that was new, where 1052 would do")
            }));
        }
    }
}
