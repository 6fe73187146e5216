//! Connections that the host refused.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{Endpoint, Evidence, Finding, Proto, Severity, WireSession};

use super::View;
use super::group::{Group, Words, counted, listed, server};
use super::reached::Reached;
use super::registry::Rule;
use super::server_log::ServerLogs;

pub(super) const RULE: Rule = Rule {
    code: "connection-refused",
    about: "the host answered SYN with RST: nothing listens there",
    decided: "Connections whose SYN was answered by RST and by nothing else (state REJ), by server address and port. Other ports of the host and other \
              clients of the port tell a wrong port from a server that is down and from one that refuses some.",
    example: "198.51.100.25 port 2525 refused 3 connections of 192.0.2.10: it answered SYN with RST",
    find,
};

fn find(view: View<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<Endpoint, (Group, Proto)> = BTreeMap::new();
    for (case, wire) in view.on_wire().filter(|(_, wire)| is_refused(wire)) {
        let fresh = || (Group::default(), wire.proto);
        let (group, _) = groups.entry(wire.conversation.server).or_insert_with(fresh);
        group.add(&case, None, Some(Evidence::Packet(wire.first_packet)));
    }
    if groups.is_empty() {
        return Vec::new();
    }
    let (reached, logs) = (Reached::of(view), ServerLogs::of(view));
    groups
        .into_iter()
        .map(|(endpoint, (group, proto))| {
            let (not, next) = why(&reached, endpoint, &group);
            let log = group
                .time()
                .map_or_else(String::new, |time| logs.told(endpoint, proto, &group, time));
            let message = format!(
                "{} refused {} of {}: it answered SYN with RST",
                server(endpoint),
                counted(group.count, "connection"),
                group.sources()
            );
            group.finding(Words {
                code: RULE.code,
                severity: Severity::Error,
                endpoint: Some(endpoint),
                message,
                not: not + &log,
                next,
            })
        })
        .collect()
}

/// What it is not, and what to look at.
fn why(reached: &Reached, endpoint: Endpoint, group: &Group) -> (String, String) {
    let served = reached.served(endpoint);
    let others = reached.open_ports(endpoint.ip);
    if !served.is_empty() {
        return (
            format!(
                "not a wrong port and not a server that never runs: it took connections of {}",
                listed(&served)
            ),
            format!(
                "on {}, see whether the server was stopped or restarted at that time, and whether a filter refuses some clients",
                endpoint.ip
            ),
        );
    }
    if others.is_empty() {
        return (
            "not a filter that drops: the host itself answered".into(),
            format!(
                "on {}, see whether the server runs and where it listens (ss -ltn); at the client, whether the port is the one meant",
                endpoint.ip
            ),
        );
    }
    let through: Vec<IpAddr> = others
        .iter()
        .flat_map(|&port| {
            reached.served(Endpoint {
                ip: endpoint.ip,
                port,
            })
        })
        .filter(|client| !group.is_of(*client))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let also = if through.is_empty() {
        String::new()
    } else {
        format!(", also of {}", listed(&through))
    };
    let ports = if others.len() == 1 { "port" } else { "ports" };
    (
        format!(
            "not a dead host: its {ports} {} took connections{also}, and nobody got through to port {}: it may be the wrong port",
            listed(&others),
            endpoint.port
        ),
        format!(
            "at the client, see whether port {} is the one meant; on {}, whether a server should listen there (ss -ltn)",
            endpoint.port, endpoint.ip
        ),
    )
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
        assert!(found[0].not.contains("port 25"));
    }

    #[test]
    fn a_connection_reset_later_was_not_refused() {
        let mut scene = Scene::default();
        scene.add(wire(25, 0, "RSTR", "ShAdDar"));
        // A reset that somebody else sent before the server's answer.
        scene.add(wire(25, 2, "REJ", "SrhAD"));
        assert!(scene.find(find).is_empty());
    }

    #[test]
    fn a_wrong_port_is_told_by_the_others_that_answer() {
        let mut scene = Scene::default();
        scene.add(wire(2525, 0, "REJ", "Sr"));
        scene.add(wire(25, 1, "SF", "ShAdDaFf"));
        let found = scene.find(find);
        let not = &found[0].not;
        assert!(not.contains("its port 25 took connections"), "{not}");
        assert!(not.ends_with("it may be the wrong port"), "{not}");
        // Once somebody was let in, it is not.
        scene.add(wire(2525, 2, "SF", "ShAdDaFf"));
        let found = scene.find(find);
        assert!(found[0].not.starts_with("not a wrong port"));
    }
}
