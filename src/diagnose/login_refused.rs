//! Logins that were refused.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::align::Said;
use crate::model::{Evidence, Finding, Matter, Nanos, Proto, Severity, Span, Verb, What};

use super::View;
use super::group::{Group, Words, counted, listed};
use super::registry::Rule;
use super::shares::percentile;
use super::view::{Case, place, speaks_of};

pub(super) const RULE: Rule = Rule {
    code: "login-refused",
    about: "logins refused, by client and user",
    decided: "Login commands that were answered by -ERR (POP3), NO (IMAP), 535 and kin (SMTP) or 481 (NNTP), on the wire or in the log, \
              and log lines that tell of a failed authentication, by client. Three or more names that never get in, and ten refusals or more to each success, are guessing; one or two names of which \
              one is refused three times or more and never gets in are a password that the client has wrong.",
    example: "7 logins of 192.0.2.10 refused, as admin, root, test and 2 more: guessing",
    find,
};

/// Names from which on one client guesses.
const GUESSES: usize = 3;
/// Refusals to one success from which on a client is no house full of people.
const MOSTLY: u64 = 10;
/// Refusals of one name from which on it is no slip of the finger.
const AGAIN: u64 = 3;
/// Delays of refusals that are made on purpose.
const NOTICED: Span = Span::millis(500);

#[derive(Default)]
struct Refused {
    group: Group,
    names: BTreeMap<String, u64>,
    protos: BTreeSet<Proto>,
    delays: Vec<Span>,
}

/// A client's logins that succeeded.
#[derive(Default)]
struct Welcome<'a> {
    names: BTreeSet<&'a str>,
    times: u64,
}

fn welcome(view: View<'_>) -> BTreeMap<IpAddr, Welcome<'_>> {
    let mut welcome: BTreeMap<IpAddr, Welcome<'_>> = BTreeMap::new();
    for case in view.cases() {
        let (Some(client), Some(name)) = (case.client(), case.name()) else {
            continue;
        };
        let seen = case.about(&[Matter::Login], is_accepted).next().is_some();
        let mut events = case.log.into_iter().flat_map(|log| &log.events);
        let told = events.any(|event| matches!(event.what, What::Login(_)));
        if (seen || told) && refusals(&case).is_empty() {
            let welcome = welcome.entry(client).or_default();
            welcome.names.insert(name);
            welcome.times += 1;
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
            if let Some(name) = case.name() {
                *refused.names.entry(name.to_owned()).or_default() += 1;
            }
            let proto = case.wire.map(|wire| wire.proto);
            refused
                .protos
                .extend(proto.or(case.log.map(|log| log.proto)));
        }
        if let Some(refused) = by_client.get_mut(&client) {
            let refusals = case.about(&REFUSED, is_refused);
            refused
                .delays
                .extend(refusals.filter_map(|exchange| exchange.response_time()));
        }
    }
    let welcome = welcome(view);
    by_client
        .into_iter()
        .map(|(client, refused)| tell(client, refused, welcome.get(&client)))
        .collect()
}

/// What refusals look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    Guessing,
    Slips,
    StalePassword,
}

fn habit(refused: &Refused, welcome: Option<&Welcome<'_>>) -> Habit {
    let is_welcome = |name: &str| welcome.is_some_and(|welcome| welcome.names.contains(name));
    let strangers = refused
        .names
        .keys()
        .filter(|name| !is_welcome(name))
        .count();
    let succeeded = welcome.map_or(0, |welcome| welcome.times);
    // Several names of which some are welcome are several people behind one address.
    if strangers >= GUESSES && succeeded.saturating_mul(MOSTLY) <= refused.group.count {
        return Habit::Guessing;
    }
    let few = refused.names.len() < GUESSES;
    let again = few
        && refused
            .names
            .iter()
            .any(|(name, times)| *times >= AGAIN && !is_welcome(name));
    let nameless = refused.names.is_empty() && refused.group.count >= AGAIN && succeeded == 0;
    if again || nameless {
        Habit::StalePassword
    } else {
        Habit::Slips
    }
}

fn tell(client: IpAddr, mut refused: Refused, welcome: Option<&Welcome<'_>>) -> Finding {
    let habit = habit(&refused, welcome);
    let how = match habit {
        Habit::Guessing => ": guessing",
        Habit::StalePassword => ": a client that keeps a wrong password",
        Habit::Slips => "",
    };
    let of = if refused.names.is_empty() {
        String::new()
    } else {
        format!(", as {}", listed(refused.names.keys()))
    };
    let delay = percentile(&mut refused.delays, 50);
    let late = if delay >= NOTICED {
        format!(", each after {:.1} s (median)", delay.as_seconds_f64())
    } else {
        String::new()
    };
    let message = format!(
        "{} of {client} refused{of} ({}){late}{how}",
        counted(refused.group.count, "login"),
        listed(&refused.protos)
    );
    let names = refused.names.len();
    refused.group.finding(Words {
        code: RULE.code,
        severity: if habit == Habit::Slips { Severity::Info } else { Severity::Warning },
        endpoint: None,
        message,
        not: match habit {
            Habit::Guessing => format!("not one user's old password: {names} names"),
            Habit::StalePassword => "not guessing: the same name each time".into(),
            Habit::Slips => "not guessing: the client logs in otherwise, or has hardly tried".into(),
        },
        next: if habit == Habit::Guessing {
            format!("see whether {client} is known, and whether it should be kept out")
        } else {
            "ask the user whether the password was changed, and look for a second device that still has the old one".into()
        },
    })
}

/// What a refused login is.
const REFUSED: [Matter; 2] = [Matter::Login, Matter::Refusal];

/// Each refused login of a session.
pub(super) fn refusals(case: &Case<'_>) -> Vec<(Option<Nanos>, Option<Evidence>)> {
    let seen: Vec<_> = case
        .about(&REFUSED, is_refused)
        .map(|exchange| (exchange.start, place(&exchange)))
        .collect();
    if !seen.is_empty() {
        return seen;
    }
    let told = case.failures().filter(|(text, _)| {
        speaks_of(
            text,
            &["auth failed", "authentication failed", "login refused"],
        )
    });
    told.take(1).map(|(_, line)| (None, Some(line))).collect()
}

/// Whether an exchange is a login that succeeded.
pub(super) fn is_accepted(said: Said<'_>) -> bool {
    Verb::LOGINS.contains(&said.verb) && ["+OK", "OK", "235", "281"].contains(&said.code)
}

/// Whether an exchange is a login that was refused.
pub(super) fn is_refused(said: Said<'_>) -> bool {
    Verb::LOGINS.contains(&said.verb)
        && ["-ERR", "NO", "535", "534", "538", "481", "482"].contains(&said.code)
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
        // A name that gets in otherwise has no wrong password.
        scene.add(attempt(9, "carol", "+OK Logged in."));
        assert_eq!(scene.find(find)[0].severity, Severity::Info);
    }

    #[test]
    fn a_login_that_succeeds_is_none() {
        let mut scene = Scene::default();
        scene.add(attempt(0, "carol", "+OK Logged in."));
        assert!(scene.find(find).is_empty());
    }
}
