//! Logins that were refused.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{Evidence, Exchange, Finding, Nanos, Proto, Severity};

use super::View;
use super::group::{Group, Words, counted, listed};
use super::registry::Rule;
use super::view::{Case, place};

pub(super) const RULE: Rule = Rule {
    code: "login-refused",
    about: "logins refused, by client and user",
    decided: "Login commands that were answered by -ERR (POP3), NO (IMAP), 535 and kin (SMTP) or 481 (NNTP), on the wire or in the log, \
              and log lines that tell of a failed authentication. Three or more names of one client that are more than it logs in as are guessing; one name again and \
              again is a password that the client has wrong.",
    example: "7 logins of 192.0.2.10 refused, as admin, root, test and 2 more: guessing",
    find,
};

/// Names from which on one client guesses.
const GUESSES: usize = 3;
/// Refusals of one name from which on it is no slip of the finger.
const AGAIN: u64 = 3;

#[derive(Default)]
struct Refused {
    group: Group,
    names: BTreeSet<String>,
    protos: BTreeSet<Proto>,
}

/// Clients that logged in with success, and as how many.
fn welcome(view: View<'_>) -> BTreeMap<IpAddr, BTreeSet<&str>> {
    let mut welcome: BTreeMap<IpAddr, BTreeSet<&str>> = BTreeMap::new();
    for case in view.cases().filter(|case| refusals(case).is_empty()) {
        let seen = case.joined.exchanges.iter().any(|exchange| {
            let code = exchange.code.as_deref().unwrap_or_default();
            is_login(exchange) && ["+OK", "OK", "235", "281"].contains(&code)
        });
        let told = case
            .notes()
            .any(|(text, _)| text.starts_with("Login") || text.starts_with("Logged in"));
        if let (Some(client), Some(name), true) = (case.client(), case.name(), seen || told) {
            welcome.entry(client).or_default().insert(name);
        }
    }
    welcome
}

fn find(view: View<'_>) -> Vec<Finding> {
    let mut by_client: BTreeMap<IpAddr, Refused> = BTreeMap::new();
    for case in view.cases() {
        let Some(client) = case.client() else {
            continue;
        };
        for (at, place) in refusals(&case) {
            let refused = by_client.entry(client).or_default();
            refused.group.add(&case, at, place);
            refused.names.extend(case.name().map(str::to_owned));
            let proto = case.wire.map(|wire| wire.proto);
            refused
                .protos
                .extend(proto.or(case.log.map(|log| log.proto)));
        }
    }
    let welcome = welcome(view);
    by_client
        .into_iter()
        .map(|(client, refused)| {
            let others = welcome.get(&client).map_or(0, BTreeSet::len);
            tell(client, refused, others)
        })
        .collect()
}

fn tell(client: IpAddr, refused: Refused, welcome: usize) -> Finding {
    let Refused {
        group,
        names,
        protos,
    } = refused;
    // Several names of which some are welcome are several people behind one address.
    let guessing = names.len() >= GUESSES && welcome < names.len();
    let stale = names.len() < GUESSES && group.count >= AGAIN;
    let how = match () {
        () if guessing => ": guessing",
        () if stale => ": a client that keeps a wrong password",
        () => "",
    };
    let of = if names.is_empty() {
        String::new()
    } else {
        format!(", as {}", listed(&names))
    };
    let message = format!(
        "{} of {client} refused{of} ({}){how}",
        counted(group.count, "login"),
        listed(&protos)
    );
    group.finding(Words {
        code: RULE.code,
        severity: if guessing || stale {
            Severity::Warning
        } else {
            Severity::Info
        },
        endpoint: None,
        message,
        not: guessing.then(|| format!("not one user's old password: {} names", names.len())),
        next: if guessing {
            format!("see whether {client} is known, and whether it should be kept out")
        } else {
            "ask the user whether the password was changed, and look for a second device that still has the old one".into()
        },
    })
}

/// Each refused login of a session.
fn refusals(case: &Case<'_>) -> Vec<(Option<Nanos>, Option<Evidence>)> {
    let seen = case
        .joined
        .exchanges
        .iter()
        .filter(|exchange| is_refused(exchange));
    let seen: Vec<_> = seen
        .map(|exchange| (exchange.start, place(exchange)))
        .collect();
    if !seen.is_empty() {
        return seen;
    }
    let told = case.notes().filter(|(text, _)| {
        let text = text.to_ascii_lowercase();
        text.contains("auth failed") || text.contains("authentication failed")
    });
    told.take(1).map(|(_, line)| (None, Some(line))).collect()
}

fn is_login(exchange: &Exchange) -> bool {
    let verb = exchange.verb.as_str();
    ["APOP", "AUTH", "AUTHENTICATE", "AUTHINFO", "LOGIN", "PASS"].contains(&verb)
}

/// Whether an exchange is a login that was refused.
pub(super) fn is_refused(exchange: &Exchange) -> bool {
    let code = exchange.code.as_deref().unwrap_or_default();
    is_login(exchange) && ["-ERR", "NO", "535", "534", "538", "481", "482"].contains(&code)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, exchange, wire};
    use super::*;

    fn attempt(second: i64, name: &str, reply: &str) -> crate::model::WireSession {
        let mut wire = wire(110, second, "SF", "ShAdDaFf");
        wire.names.push(name.into());
        wire.exchanges
            .push(exchange(second, "PASS ***", reply, 900));
        wire
    }

    #[test]
    fn many_names_are_guessing_and_one_name_an_old_password() {
        let mut scene = Scene::default();
        for (second, name) in [(0, "admin"), (1, "root"), (2, "test")] {
            scene.add(attempt(second, name, "-ERR [AUTH] no"));
        }
        let found = scene.find(find);
        assert!(
            found[0].message.ends_with("guessing"),
            "{}",
            found[0].message
        );
        let mut scene = Scene::default();
        for second in 0..3 {
            scene.add(attempt(second, "carol", "-ERR [AUTH] no"));
        }
        let found = scene.find(find);
        assert!(found[0].message.contains("wrong password"));
        assert_eq!(found[0].severity, Severity::Warning);
    }

    #[test]
    fn a_login_that_succeeds_is_none() {
        let mut scene = Scene::default();
        scene.add(attempt(0, "carol", "+OK Logged in."));
        assert!(scene.find(find).is_empty());
    }
}
