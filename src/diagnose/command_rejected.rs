//! Commands that a server did not accept.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::align::Said;
use crate::model::{Endpoint, Evidence, Finding, Matter, Nanos, Proto, Role, Severity};

use super::View;
use super::group::{Group, Words, counted, listed, server};
use super::login_refused::is_refused;
use super::message_too_large::is_too_large;
use super::registry::Rule;
use super::view::{Case, speaks_of};

pub(super) const RULE: Rule = Rule {
    code: "command-rejected",
    about: "commands unknown, out of order or refused, by client",
    decided: "Replies 500 to 504 of SMTP and NNTP, BAD of IMAP, and -ERR of POP3 to what is not known, told as unknown or out of order; \
              replies 550 to 556 and 552 of SMTP, NO of IMAP and other -ERR of POP3 as refused; 450 to 454 of SMTP as put off. One finding for each client, and one for all that fail at the same commands of the same servers. Left out is EHLO where HELO follows and is accepted. Logins are told as login-refused, messages that are too large as \
              message-too-large.",
    example: "3 commands of 192.0.2.10 rejected by 198.51.100.25 port 25: 1 out of order (DATA 503), 2 not allowed (RCPT 550)",
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

/// A command and its reply, by their place among all that differ.
type What = usize;

/// What was not accepted, by kind: how often, and which commands by which reply.
type Kinds = BTreeMap<Kind, (u64, BTreeSet<What>)>;

/// Where a client failed and at what: who has it in common with others is told with them.
type Habit = (BTreeSet<Endpoint>, BTreeSet<(Kind, What)>);

/// What was not accepted of a client: of a large log there are tens of thousands, each with hardly more than one kind.
#[derive(Default)]
struct OfClient {
    group: Group,
    servers: BTreeSet<Endpoint>,
    what: BTreeMap<(Kind, What), u64>,
}

impl OfClient {
    fn add(
        &mut self,
        case: &Case<'_>,
        failed: (Kind, What, u64),
        heard: (Option<Nanos>, Option<Evidence>),
    ) {
        let (kind, what, count) = failed;
        let (at, place) = heard;
        self.group.add_many(case, count, at, place);
        self.servers.extend(case.server());
        *self.what.entry((kind, what)).or_default() += count;
    }

    fn habit(&self) -> Habit {
        (self.servers.clone(), self.what.keys().copied().collect())
    }
}

#[derive(Default)]
struct Rejected {
    group: Group,
    servers: BTreeSet<Endpoint>,
    kinds: Kinds,
}

impl Rejected {
    fn absorb(&mut self, of_client: OfClient) {
        self.group.absorb(of_client.group);
        self.servers.extend(of_client.servers);
        for ((kind, what), count) in of_client.what {
            let (all, commands) = self.kinds.entry(kind).or_default();
            *all += count;
            commands.insert(what);
        }
    }
}

/// Texts, each once.
#[derive(Default)]
struct Texts {
    places: BTreeMap<String, What>,
    /// What was asked for last, that not each takes memory anew.
    text: String,
}

impl Texts {
    fn place(&mut self, parts: &[&str]) -> What {
        self.text.clear();
        self.text.extend(parts.iter().copied());
        if let Some(&known) = self.places.get(&self.text) {
            return known;
        }
        let next = self.places.len();
        self.places.insert(self.text.clone(), next);
        next
    }

    /// The place of each in the order of the words.
    fn ranks(&self) -> Vec<usize> {
        let mut ranks = vec![0; self.places.len()];
        for (rank, &what) in self.places.values().enumerate() {
            if let Some(place) = ranks.get_mut(what) {
                *place = rank;
            }
        }
        ranks
    }
}

fn find(view: View<'_>) -> Vec<Finding> {
    let mut texts = Texts::default();
    let mut by_client: BTreeMap<IpAddr, OfClient> = BTreeMap::new();
    for case in view.cases() {
        failed(&case, &mut texts, &mut by_client);
    }
    let ranks = texts.ranks();
    let mut alike: BTreeMap<Habit, Rejected> = BTreeMap::new();
    for mut of_client in by_client.into_values() {
        let ranked = of_client.what.into_iter().map(|((kind, what), count)| {
            let rank = ranks.get(what).copied().unwrap_or_default();
            ((kind, rank), count)
        });
        of_client.what = ranked.collect();
        let rejected = alike.entry(of_client.habit()).or_default();
        rejected.absorb(of_client);
    }
    let words: Vec<String> = texts.places.into_keys().collect();
    let rejected = alike.into_values();
    rejected.map(|rejected| tell(rejected, &words)).collect()
}

/// Adds what was not accepted in a session.
fn failed(case: &Case<'_>, texts: &mut Texts, by_client: &mut BTreeMap<IpAddr, OfClient>) {
    let Some(client) = case.client() else {
        return;
    };
    let wire = case.wire.map(|wire| wire.proto);
    let Some(proto) = wire.or(case.log.map(|log| log.proto)) else {
        return;
    };
    let falls_back = LazyCell::new(|| falls_back(case));
    let mut unknown = 0;
    for heard in case.heard(&[Matter::Refusal], |said| kind(proto, said).is_some()) {
        let Some(kind) = kind(proto, heard.said) else {
            continue;
        };
        unknown += u64::from(kind == Kind::Unknown);
        if heard.said.verb == "EHLO" && *falls_back {
            continue;
        }
        let what = texts.place(&[heard.said.verb, " ", heard.said.code]);
        let of_client = by_client.entry(client).or_default();
        of_client.add(case, (kind, what, 1), (heard.start, heard.place));
    }
    // Unknown commands that the log only counts, beyond those that are seen.
    let counting = case.log.filter(|log| log.role == Role::Server);
    if let Some(log) = counting.filter(|log| u64::from(log.unknown) > unknown) {
        let hidden = u64::from(log.unknown) - unknown;
        let what = texts.place(&["by the log's count"]);
        let line = log.events.last().map(|event| Evidence::Line(event.line));
        let of_client = by_client.entry(client).or_default();
        of_client.add(case, (Kind::Unknown, what, hidden), (None, line));
    }
}

/// Whether the client greets anew by HELO and is welcome, as it is to where a server knows no EHLO (RFC 5321 §3.2).
fn falls_back(case: &Case<'_>) -> bool {
    let welcome = |said: Said<'_>| said.verb == "HELO" && said.code == "250";
    case.heard(&[], welcome).next().is_some()
}

fn tell(rejected: Rejected, texts: &[String]) -> Finding {
    let Rejected {
        group,
        servers,
        kinds,
    } = rejected;
    let by = if servers.is_empty() {
        String::new()
    } else {
        format!(" by {}", listed(servers.iter().map(|one| server(*one))))
    };
    let parts: Vec<String> = kinds
        .iter()
        .map(|(kind, (count, what))| {
            let what = what.iter().filter_map(|&what| texts.get(what));
            format!("{count} {} ({})", kind.words(), listed(what))
        })
        .collect();
    let message = format!(
        "{} of {} rejected{by}: {}",
        counted(group.count, "command"),
        group.sources(),
        parts.join(", ")
    );
    let most = kinds
        .iter()
        .max_by_key(|(_, (count, _))| *count)
        .map(|(kind, _)| *kind);
    let endpoint = servers.first().copied().filter(|_| servers.len() == 1);
    group.finding(Words {
        code: RULE.code,
        severity: Severity::Warning,
        endpoint,
        message,
        not: "not the network: the server answered each of them".into(),
        next: next(most.unwrap_or(Kind::Refused)).into(),
    })
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

fn kind(proto: Proto, said: Said<'_>) -> Option<Kind> {
    if said.verb.is_empty() {
        return None;
    }
    let kind = by_code(proto, said)?;
    (!is_refused(said) && !is_too_large(said)).then_some(kind)
}

fn by_code(proto: Proto, said: Said<'_>) -> Option<Kind> {
    match (proto.0, said.code) {
        ("imap", "BAD") | ("smtp" | "nntp" | "lmtp", "500" | "501" | "502" | "504") => {
            Some(Kind::Unknown)
        }
        ("pop3", "-ERR") if speaks_of(said.reply, &["unknown"]) => Some(Kind::Unknown),
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
    use super::super::testing::{Scene, exchange, logged, wire};
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
        assert_eq!((found.len(), found[0].count), (1, 4));
        assert!(
            found[0].message.ends_with(
                "1 out of order (DATA 503), 2 not allowed (RCPT 550), 1 not known or not understood (XYZZY 500)"
            ),
            "{}",
            found[0].message
        );
    }

    #[test]
    fn a_server_that_knows_no_ehlo_is_greeted_anew() {
        for (then, expected) in [("HELO mx.example.com", 0), ("QUIT", 1)] {
            let mut smtp = wire(25, 0, "SF", "ShAdDaFf");
            smtp.exchanges
                .push(exchange(0, "EHLO mx.example.com", "500 what?", 1));
            smtp.exchanges.push(exchange(0, then, "250 ok", 1));
            let mut scene = Scene::default();
            scene.add(smtp);
            assert_eq!(scene.find(find).len(), expected, "{then}");
        }
    }

    #[test]
    fn clients_that_fail_at_the_same_are_one_finding_the_most_frequent_first() {
        let mut scene = Scene::default();
        for (client, request, times) in [
            (1, "RCPT", 1),
            (2, "RCPT", 3),
            (3, "RCPT", 2),
            (4, "DATA", 1),
        ] {
            let mut smtp = wire(25, 0, "SF", "ShAdDaFf");
            smtp.conversation.client.ip = [192, 0, 2, client].into();
            for _ in 0..times {
                smtp.exchanges
                    .push(exchange(0, request, "503 5.5.1 Error", 1));
            }
            scene.add(smtp);
        }
        let found = scene.find(find);
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[1].message,
            "6 commands of 192.0.2.2, 192.0.2.3, 192.0.2.1 rejected by 198.51.100.25 port 25: 6 out of order (RCPT 503)"
        );
        assert_eq!((found[1].count, found[1].clients[0].count), (6, 3));
    }

    #[test]
    fn what_the_log_only_counts_is_added_to_what_is_seen() {
        for (seen, expected) in [(0, 2), (1, 2), (2, 2), (3, 3)] {
            let mut log = logged(0, 4);
            log.unknown = 2;
            let mut smtp = wire(25, 0, "SF", "ShAdDaFf");
            for _ in 0..seen {
                smtp.exchanges.push(exchange(0, "XYZZY", "500 what", 1));
            }
            let mut scene = Scene::default();
            scene.add_both(smtp, log);
            assert_eq!(scene.find(find)[0].count, expected);
        }
    }
}
