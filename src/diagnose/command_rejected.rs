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
use super::view::{Case, place, speaks_of};

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

/// What was not accepted, by kind: how often, and which commands by which reply.
type Kinds = BTreeMap<Kind, (u64, BTreeSet<What>)>;

/// A command and its reply, by their place among all that differ.
type What = usize;

/// Commands that were not accepted for one reason: of a large log there are hundreds of thousands.
struct Failed {
    client: IpAddr,
    /// Number of the case.
    number: usize,
    kind: Kind,
    what: What,
    count: u64,
    at: Option<Nanos>,
    place: Option<Evidence>,
}

#[derive(Default)]
struct Rejected {
    group: Group,
    servers: BTreeSet<Endpoint>,
    kinds: Kinds,
}

impl Rejected {
    fn add(&mut self, case: &Case<'_>, failed: &Failed) {
        for _ in 0..failed.count {
            self.group.add(case, failed.at, failed.place);
        }
        self.servers.extend(case.server());
        let (all, commands) = self.kinds.entry(failed.kind).or_default();
        *all += failed.count;
        commands.insert(failed.what);
    }
}

/// At which servers and at what a client failed: who has it in common with others is told with them.
fn habit(of_client: &[(Case<'_>, &Failed)]) -> (BTreeSet<Endpoint>, BTreeSet<(Kind, What)>) {
    let servers = of_client.iter().filter_map(|(case, _)| case.server());
    let kinds = of_client
        .iter()
        .map(|(_, failed)| (failed.kind, failed.what));
    (servers.collect(), kinds.collect())
}

/// Texts, each once.
#[derive(Default)]
struct Texts(BTreeMap<String, What>);

impl Texts {
    fn place(&mut self, text: String) -> What {
        let next = self.0.len();
        *self.0.entry(text).or_insert(next)
    }
}

fn find(view: View<'_>) -> Vec<Finding> {
    let mut texts = Texts::default();
    // A list that grows is copied again and again.
    let some_refused =
        |case: &Case<'_>| !case.log.is_some_and(|log| log.gist.has_no(Matter::Refusal));
    let mut all = Vec::with_capacity(view.cases().filter(some_refused).count());
    for case in view.cases() {
        failed(&case, &mut texts, &mut all);
    }
    // In the order of their words.
    let mut ranks = vec![0; texts.0.len()];
    for (rank, &what) in texts.0.values().enumerate() {
        if let Some(place) = ranks.get_mut(what) {
            *place = rank;
        }
    }
    for failed in &mut all {
        failed.what = ranks.get(failed.what).copied().unwrap_or_default();
    }
    let mut by_client: BTreeMap<IpAddr, Vec<&Failed>> = BTreeMap::new();
    for failed in &all {
        by_client.entry(failed.client).or_default().push(failed);
    }
    let mut alike: BTreeMap<_, Rejected> = BTreeMap::new();
    for of_client in by_client.into_values() {
        let of_client = of_client.into_iter();
        let of_client = of_client.filter_map(|failed| Some((view.case(failed.number)?, failed)));
        let of_client: Vec<(Case<'_>, &Failed)> = of_client.collect();
        let rejected = alike.entry(habit(&of_client)).or_default();
        for (case, failed) in &of_client {
            rejected.add(case, failed);
        }
    }
    let words: Vec<String> = texts.0.into_keys().collect();
    let rejected = alike.into_values();
    rejected.map(|rejected| tell(rejected, &words)).collect()
}

/// Adds what was not accepted in a session.
fn failed(case: &Case<'_>, texts: &mut Texts, all: &mut Vec<Failed>) {
    let Some(client) = case.client() else {
        return;
    };
    let proto = case
        .wire
        .map(|wire| wire.proto)
        .or(case.log.map(|log| log.proto));
    let falls_back = LazyCell::new(|| falls_back(case));
    let kind = |said: Said<'_>| {
        let kind = kind(proto?, said)?;
        (said.verb != "EHLO" || !*falls_back).then_some(kind)
    };
    for exchange in case.about(&[Matter::Refusal], |said| kind(said).is_some()) {
        let Some(kind) = kind(Said::by(&exchange)) else {
            continue;
        };
        let code = exchange.code.as_deref().unwrap_or_default();
        all.push(Failed {
            client,
            number: case.number,
            kind,
            what: texts.place([exchange.verb.as_str(), " ", code].concat()),
            count: 1,
            at: exchange.start,
            place: place(&exchange),
        });
    }
    let (hidden, line) = counted_only(case, proto);
    if hidden > 0 {
        all.push(Failed {
            client,
            number: case.number,
            kind: Kind::Unknown,
            what: texts.place("by the log's count".to_owned()),
            count: hidden,
            at: None,
            place: line,
        });
    }
}

/// Whether the client greets anew by HELO and is welcome, as it is to where a server knows no EHLO (RFC 5321 §3.2).
fn falls_back(case: &Case<'_>) -> bool {
    let welcome = |said: Said<'_>| said.verb == "HELO" && said.code == "250";
    case.exchanges(welcome).next().is_some()
}

/// Unknown commands that the log only counts, beyond those that are seen, and where it does so.
fn counted_only(case: &Case<'_>, proto: Option<Proto>) -> (u64, Option<Evidence>) {
    let Some(log) = case.log.filter(|log| log.role == Role::Server) else {
        return (0, None);
    };
    let told = u64::from(log.unknown);
    if told == 0 {
        return (0, None);
    }
    let unknown = |said: Said<'_>| proto.and_then(|proto| kind(proto, said)) == Some(Kind::Unknown);
    let seen = case.about(&[Matter::Refusal], unknown).count();
    let line = log.events.last().map(|event| Evidence::Line(event.line));
    let seen = u64::try_from(seen).unwrap_or(u64::MAX);
    (told.saturating_sub(seen), line)
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
