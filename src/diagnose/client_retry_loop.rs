//! Clients that try the same thing again and again, and fail each time.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::align::Said;
use crate::model::{Endpoint, Evidence, Finding, Severity};

use super::View;
use super::group::{Group, Words, listed, server};
use super::login_refused::is_refused;
use super::registry::Rule;
use super::rhythm::Rhythm;
use super::view::{Case, place};

pub(super) const RULE: Rule = Rule {
    code: "client-retry-loop",
    about: "the same failure again and again, with the same pause",
    decided: "Four or more sessions of one client with one server in which the same command, of the same user, fails in the same way, none in \
              between that succeeds, at pauses that differ by less than half.",
    example: "192.0.2.10 comes back to 198.51.100.25 port 25 every 2.0 s and fails in the same way: RCPT TO:<nobody@example.com> 550, 6 times",
    find,
};

/// Sessions from which on it is a loop.
const TIMES: usize = 4;

fn find(view: View<'_>) -> Vec<Finding> {
    type Key = (IpAddr, Endpoint, String);
    let mut tries: BTreeMap<Key, Vec<(Case<'_>, Option<Evidence>)>> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        if let Some((what, place)) = failure(&case) {
            let key = (wire.conversation.client.ip, wire.conversation.server, what);
            tries.entry(key).or_default().push((case, place));
        }
    }
    tries
        .into_iter()
        .filter_map(|((client, endpoint, what), tries)| {
            let starts = tries.iter().filter_map(|(case, _)| case.start()).collect();
            let rhythm = Rhythm::of(starts).filter(|rhythm| rhythm.times >= TIMES && rhythm.regular)?;
            let mut group = Group::default();
            for (case, place) in &tries {
                group.add(case, None, *place);
            }
            let message = format!(
                "{} comes back to {} every {:.1} s and fails in the same way: {what}, {} times",
                listed([client]),
                server(endpoint),
                rhythm.pause.as_seconds_f64(),
                rhythm.times
            );
            Some(group.finding(Words {
                code: RULE.code,
                severity: Severity::Warning,
                endpoint: Some(endpoint),
                message,
                not: "not a person: the pauses are too even".into(),
                next: "stop the client's retries, or mend what it fails at; a queue should wait longer after each failure".into(),
            }))
        })
        .collect()
}

/// What a session fails at, and where to see it.
fn failure(case: &Case<'_>) -> Option<(String, Option<Evidence>)> {
    let exchange = case.joined.exchanges.iter().find(|exchange| {
        let code = exchange.code.as_deref().unwrap_or_default();
        let refused = ["-ERR", "NO", "BAD"].contains(&code)
            || (code.len() == 3 && code.starts_with(['4', '5']) && code != "421");
        is_refused(Said::by(exchange)) || refused
    })?;
    let code = exchange.code.as_deref().unwrap_or_default();
    // An IMAP tag is another each time.
    let request = match exchange.request.split_once(' ') {
        Some((_, rest)) if code == "NO" || code == "BAD" => rest,
        _ => exchange.request.as_str(),
    };
    let user = case.name().filter(|_| is_refused(Said::by(exchange)));
    let of = user.map_or(String::new(), |user| format!(" of {user}"));
    Some((format!("{request}{of} {code}"), place(exchange)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, exchange, wire};
    use super::*;

    fn attempt(second: i64) -> crate::model::WireSession {
        let mut wire = wire(25, second, "SF", "ShAdDaFf");
        wire.exchanges.push(exchange(
            second,
            "RCPT TO:<nobody@example.com>",
            "550 5.1.1 no",
            1,
        ));
        wire
    }

    #[test]
    fn even_pauses_are_a_loop_and_uneven_ones_are_not() {
        let mut scene = Scene::default();
        (0..5).for_each(|n| scene.add(attempt(2 * n)));
        assert_eq!(scene.find(find).len(), 1);
        let mut scene = Scene::default();
        for second in [0, 1, 40, 43, 300] {
            scene.add(attempt(second));
        }
        assert!(scene.find(find).is_empty());
        let mut scene = Scene::default();
        (0..3).for_each(|n| scene.add(attempt(2 * n)));
        assert!(scene.find(find).is_empty(), "three times is no loop yet");
    }
}
