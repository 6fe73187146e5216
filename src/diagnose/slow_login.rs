//! Logins that succeed and take long.

use std::collections::BTreeMap;

use crate::model::{Endpoint, Exchange, Finding, Matter, Nanos, Severity, Span};

use super::View;
use super::group::{Group, Words, counted, server};
use super::login_refused::{is_accepted, refusals};
use super::registry::Rule;
use super::shares::{is_smooth, percentile, round_trip};
use super::view::place;

pub(super) const RULE: Rule = Rule {
    code: "slow-login",
    about: "logins that succeed take long: a penalty for earlier refusals, or a slow user database",
    decided: "By server: three or more logins that were accepted after a second or more, less the round trip, in sessions without retransmissions and holes. Where \
              each of their clients was refused within ten minutes before, the server makes it wait (Dovecot's penalty, up to 15 s); else its user database is slow.",
    example: "198.51.100.25 port 143 took a second or more for 5 of 13 logins: median of these 4.0 s; each had a refused login before it",
    find,
};

/// What a person notices.
const SLOW: Span = Span::seconds(1);
const TIMES: u64 = 3;
/// For how long servers remember a refusal.
const MEMORY: Span = Span::seconds(600);

#[derive(Default)]
struct Logins {
    group: Group,
    all: u64,
    slow: Vec<Span>,
    after_refusal: u64,
}

fn find(view: View<'_>) -> Vec<Finding> {
    let mut refused: BTreeMap<_, Vec<Nanos>> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        // A penalty is the host's, whatever the protocol.
        let key = (wire.conversation.client.ip, wire.conversation.server.ip);
        for (at, _) in refusals(&case) {
            let times = refused.entry(key).or_default();
            times.push(at.unwrap_or(wire.start));
        }
    }
    let mut servers: BTreeMap<Endpoint, Logins> = BTreeMap::new();
    for (case, wire) in view.on_wire().filter(|(_, wire)| is_smooth(wire)) {
        let trip = round_trip(wire).unwrap_or(Span::ZERO);
        for exchange in case.about(&[Matter::Login], is_accepted) {
            let (Some(taken), Some(start)) = (response(&exchange), exchange.start) else {
                continue;
            };
            let logins = servers.entry(wire.conversation.server).or_default();
            logins.all += 1;
            if taken - trip < SLOW {
                continue;
            }
            let key = (wire.conversation.client.ip, wire.conversation.server.ip);
            let before = refused.get(&key).is_some_and(|times| {
                times.iter().any(|at| {
                    let age = start.since(*at);
                    age > Span::ZERO && age < MEMORY
                })
            });
            logins.slow.push(taken - trip);
            logins.after_refusal += u64::from(before);
            logins.group.add(&case, Some(start), place(&exchange));
        }
    }
    servers
        .into_iter()
        .filter(|(_, logins)| logins.group.count >= TIMES)
        .map(|(endpoint, logins)| tell(endpoint, logins))
        .collect()
}

/// Time that a login took. AUTH in several steps has the client's pauses in it and is left out.
fn response(exchange: &Exchange) -> Option<Span> {
    exchange
        .response_time()
        .filter(|_| exchange.notes.is_empty())
}

fn tell(endpoint: Endpoint, mut logins: Logins) -> Finding {
    let slow = logins.group.count;
    let penalty = logins.after_refusal == slow;
    let why = if penalty {
        "; each had a refused login of its client before it".to_owned()
    } else if logins.after_refusal > 0 {
        format!(
            "; {} of them had a refused login of their client before",
            logins.after_refusal
        )
    } else {
        String::new()
    };
    let message = format!(
        "{} took a second or more for {slow} of {} of {}: median of these {:.1} s{why}",
        server(endpoint),
        counted(logins.all, "login"),
        logins.group.sources(),
        percentile(&mut logins.slow, 50).as_seconds_f64(),
    );
    logins.group.finding(Words {
        code: RULE.code,
        severity: if penalty { Severity::Info } else { Severity::Warning },
        endpoint: Some(endpoint),
        message,
        not: "not the network: nothing was lost, and the round trip is taken off".into(),
        next: if penalty {
            "mend the client that is refused: it makes the others behind its address wait (Dovecot: auth_failure_delay and the anvil penalty)".into()
        } else {
            "look at what the server asks for a login: its user database, LDAP, PAM, or a look-up of the client's name".into()
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, exchange, wire};
    use super::*;

    fn login(second: i64, reply: &str, millis: i64) -> crate::model::WireSession {
        let mut wire = wire(110, second, "SF", "ShAdDaFf");
        wire.exchanges
            .push(exchange(second, "PASS ***", reply, millis));
        wire
    }

    #[test]
    fn slow_logins_are_told_with_the_refusals_before_them() {
        let mut scene = Scene::default();
        for second in 1..4 {
            scene.add(login(second * 9, "+OK Logged in.", 4000));
        }
        let found = scene.find(find);
        assert_eq!((found.len(), found[0].severity), (1, Severity::Warning));
        scene.add(login(0, "-ERR [AUTH] no", 1000));
        let found = scene.find(find);
        assert_eq!(found[0].severity, Severity::Info);
        assert!(
            found[0].message.contains("3 of 3 logins"),
            "{}",
            found[0].message
        );
    }

    #[test]
    fn quick_logins_and_two_slow_ones_are_none() {
        let mut scene = Scene::default();
        (0..5).for_each(|n| scene.add(login(n, "+OK Logged in.", 20)));
        (0..2).for_each(|n| scene.add(login(20 + 5 * n, "+OK Logged in.", 3000)));
        assert!(scene.find(find).is_empty());
    }
}
