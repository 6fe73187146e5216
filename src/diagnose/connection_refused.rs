//! Connections that the host refused.

use std::collections::BTreeMap;

use crate::model::{Endpoint, Evidence, Finding, Severity, WireSession};

use super::View;
use super::group::{Group, Words, counted, listed, server};
use super::registry::Rule;

pub(super) const RULE: Rule = Rule {
    code: "connection-refused",
    about: "the host answered SYN with RST: nothing listens there",
    decided: "Connections whose SYN was answered by RST and by nothing else (state REJ), by server address and port. Other ports of the host and other \
              clients of the port tell a wrong port from a server that is down and from one that refuses some.",
    example: "198.51.100.25 port 2525 refused 3 connections of 192.0.2.10: it answered SYN with RST",
    find,
};

fn find(view: View<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<Endpoint, Group> = BTreeMap::new();
    for (case, wire) in view.on_wire().filter(|(_, wire)| is_refused(wire)) {
        let group = groups.entry(wire.conversation.server).or_default();
        group.add(&case, None, Some(Evidence::Packet(wire.first_packet)));
    }
    groups
        .into_iter()
        .map(|(endpoint, group)| {
            let others: Vec<u16> = view.open_ports(endpoint.ip);
            let served = view.served(endpoint);
            let not = if !served.is_empty() {
                format!("not a server that is down: it took connections of {}", listed(served))
            } else if others.is_empty() {
                "not a filter that drops: the host itself answered".into()
            } else {
                format!("not a dead host: its port {} takes connections", listed(others))
            };
            let message = format!(
                "{} refused {} of {}: it answered SYN with RST",
                server(endpoint),
                counted(group.count, "connection"),
                listed(&group.clients)
            );
            group.finding(Words {
                code: RULE.code,
                severity: Severity::Error,
                endpoint: Some(endpoint),
                message,
                not: Some(not),
                next: format!(
                    "on {}, see whether the server runs and where it listens (ss -ltn); at the client, whether the port is the one meant",
                    endpoint.ip
                ),
            })
        })
        .collect()
}

/// Whether SYN was answered by RST and by nothing else: one that is taken all the same was refused by somebody else.
fn is_refused(wire: &WireSession) -> bool {
    wire.conn_state == "REJ" && !wire.history.contains('h')
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, wire};
    use super::*;

    #[test]
    fn refused_connections_of_one_port_are_one_finding() {
        let mut scene = Scene::default();
        for second in 0..3 {
            scene.add(wire(2525, second, "REJ", "Sr"));
        }
        scene.add(wire(25, 9, "SF", "ShAdDaFf"));
        let found = scene.find(find);
        assert_eq!((found.len(), found[0].count), (1, 3));
        assert!(found[0].not.as_ref().unwrap().contains("port 25"));
    }

    #[test]
    fn a_connection_reset_later_was_not_refused() {
        let mut scene = Scene::default();
        scene.add(wire(25, 0, "RSTR", "ShAdDar"));
        // A reset that somebody else sent before the server's answer.
        scene.add(wire(25, 2, "REJ", "SrhAD"));
        assert!(scene.find(find).is_empty());
    }
}
