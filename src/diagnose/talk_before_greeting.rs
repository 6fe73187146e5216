//! Clients that spoke before the server had greeted them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{FaultCode, Finding, ForwardedBy, Severity, Side, WireSession};

use super::View;
use super::group::{Group, Words, counted};
use super::registry::Rule;
use super::tls_failed::TLS_PORTS;
use super::view::place;

pub(super) const RULE: Rule = Rule {
    code: "talk-before-greeting",
    about: "the client spoke before the server's greeting",
    decided: "Sessions in the clear of protocols in which the server speaks first, seen from their beginning and without holes, whose first \
              data is the client's.",
    example: "192.0.2.10 spoke before the greeting in 2 connections",
    find,
};

fn find(view: View<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<IpAddr, Group> = BTreeMap::new();
    for (case, wire) in view.on_wire().filter(|(_, wire)| spoke_first(wire)) {
        let first = wire.exchanges.first();
        let group = groups.entry(wire.conversation.client.ip).or_default();
        group.add(&case, None, first.and_then(place));
    }
    groups
        .into_iter()
        .map(|(client, group)| {
            let message = format!(
                "{client} spoke before the greeting in {}",
                counted(group.count, "connection")
            );
            group.finding(Words {
                code: RULE.code,
                severity: Severity::Warning,
                endpoint: None,
                message,
                not: "not the server: however long its greeting takes, the client has to wait for it (RFC 5321 §3.1)".into(),
                next: "such clients are mostly programs that send junk mail; else mend the client: it must wait for the greeting".into(),
            })
        })
        .collect()
}

fn spoke_first(wire: &WireSession) -> bool {
    let greets = ["imap", "nntp", "pop3", "smtp"].contains(&wire.proto.0);
    // Where the server greeted at all, its greeting tells; what a proxy sends before all else is none of the client's words.
    let greeted = wire.exchanges.iter().any(|one| one.verb.is_greeting());
    let early = wire
        .faults
        .iter()
        .any(|fault| fault.code == FaultCode::TalkBeforeGreeting);
    let behind_header = wire
        .forwarded
        .iter()
        .any(|named| named.by == ForwardedBy::ProxyHeader);
    let whole = wire.counts.0.iter().all(|direction| direction.gaps == 0);
    let first = wire.history.chars().find_map(|letter| match letter {
        'D' => Some(Side::Client),
        'd' => Some(Side::Server),
        _ => None,
    });
    greets
        && whole
        && wire.history.contains('h')
        && wire.tls.is_none()
        // On a port of TLS the fault is another: the server waits for a hello.
        && !TLS_PORTS.contains(&wire.conversation.server.port)
        && !wire.exchanges.is_empty()
        && if greeted { early } else { first == Some(Side::Client) && !behind_header }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, exchange, wire};
    use super::*;

    #[test]
    fn only_who_speaks_first_is_told_of() {
        let mut scene = Scene::default();
        for history in ["ShADadfF", "ShAdDafF"] {
            let mut wire = wire(25, 0, "SF", history);
            wire.exchanges.push(exchange(0, "EHLO a", "250 ok", 1));
            scene.add(wire);
        }
        assert_eq!(scene.find(find)[0].count, 1);
    }
}
