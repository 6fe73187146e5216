//! Connections that one side tore down before the dialogue was over.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{Endpoint, Evidence, Finding, Severity, Side, WireSession};

use super::View;
use super::group::{Group, Words, counted, listed, server};
use super::registry::Rule;
use super::view::{Case, End, ended_by, established};

pub(super) const RULE: Rule = Rule {
    code: "connection-reset",
    about: "one side tore the connection down by RST before either had closed it",
    decided: "Connections in which both sides had spoken and that ended by RST before any FIN, by server and by the side that sent it; with the request that was \
              left without a reply, where one was. Those broken off inside a message are told as dropped-in-transfer, resets of neither side as \
              reset-in-middle.",
    example: "198.51.100.25 port 110 reset 2 connections of 192.0.2.10, with RETR not answered",
    find,
};

#[derive(Default)]
struct Resets {
    group: Group,
    servers: BTreeSet<Endpoint>,
    verbs: BTreeSet<String>,
}

fn find(view: View<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<(IpAddr, Side, bool), Resets> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        let spoke = wire.counts.0.iter().all(|direction| direction.bytes > 0);
        let Some((side, End::Reset)) = ended_by(wire).filter(|_| spoke && established(wire)) else {
            continue;
        };
        let owed = owed(&case, wire);
        let resets = groups
            .entry((wire.conversation.server.ip, side, owed.is_some()))
            .or_default();
        let reset = wire.passage.of(side).reset;
        resets.group.add(
            &case,
            reset.map(|reset| reset.at),
            reset.map(|reset| Evidence::Packet(reset.packet)),
        );
        resets.verbs.extend(owed);
        resets.servers.insert(wire.conversation.server);
    }
    groups
        .into_iter()
        .map(|((_, side, owed), resets)| tell(side, owed, resets))
        .collect()
}

/// The request in the clear that never got its reply.
fn owed(case: &Case<'_>, wire: &WireSession) -> Option<String> {
    let last = case.joined.exchanges.last()?;
    let clear = wire.bursts.is_empty();
    // Whoever says goodbye misses nothing.
    let parting = ["LOGOUT", "QUIT"].contains(&last.verb.as_str());
    (clear
        && !parting
        && !last.verb.is_greeting()
        && last.answered.is_none()
        && last.asked.is_some())
    .then(|| last.verb.to_string())
}

fn tell(side: Side, owed: bool, resets: Resets) -> Finding {
    let Resets {
        group,
        servers,
        verbs,
    } = resets;
    let clients = group.sources();
    let named = listed(servers.iter().map(|one| server(*one)));
    let connections = counted(group.count, "connection");
    let unanswered = if owed {
        format!(", with {} not answered", listed(&verbs))
    } else {
        String::new()
    };
    let message = match side {
        Side::Client => {
            format!("the client ({clients}) reset {connections} with {named}{unanswered}")
        }
        Side::Server => format!("{named} reset {connections} of {clients}{unanswered}"),
    };
    let severity = match side {
        Side::Server if owed => Severity::Error,
        Side::Client if owed => Severity::Warning,
        // A program that closes before it has read all makes a reset; the dialogue was over.
        Side::Client | Side::Server => Severity::Info,
    };
    let not = if owed {
        "not an orderly end: no side had closed before"
    } else {
        "not a loss: no request was without a reply"
    };
    group.finding(Words {
        code: RULE.code,
        severity,
        endpoint: servers.first().copied().filter(|_| servers.len() == 1),
        message,
        not: not.into(),
        next: match side {
            Side::Client => "see why the client gives up: its own time limit, a program that ended, or one that does not wait for the last reply".into(),
            Side::Server => "look in the server's log of that moment for a crash, a limit or a refusal".into(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, exchange, wire};
    use super::*;

    fn spoken(history: &str) -> WireSession {
        let mut wire = wire(110, 0, "RSTR", history);
        wire.counts.of_mut(Side::Client).bytes = 9;
        wire.counts.of_mut(Side::Server).bytes = 9;
        wire.exchanges.push(exchange(0, "STAT", "+OK 1 2", 1));
        wire
    }

    #[test]
    fn who_reset_it_and_what_was_owed_is_told() {
        let mut owed = spoken("ShAdDar");
        let mut last = exchange(1, "RETR 1", "", 1);
        (last.answered, last.end) = (None, None);
        owed.exchanges.push(last);
        let mut scene = Scene::default();
        scene.add(owed);
        scene.add(spoken("ShAdDaR"));
        let found = scene.find(find);
        assert!(found.iter().any(
            |one| one.message.ends_with("RETR not answered") && one.severity == Severity::Error
        ));
        assert!(
            found
                .iter()
                .any(|one| one.message.starts_with("the client") && one.severity == Severity::Info)
        );
    }

    #[test]
    fn a_reset_behind_a_close_is_no_news() {
        let mut scene = Scene::default();
        scene.add(spoken("ShAdDaFr"));
        assert!(scene.find(find).is_empty());
    }
}
