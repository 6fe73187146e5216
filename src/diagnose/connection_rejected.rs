//! Connections that ICMP said no to.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{Endpoint, Evidence, Finding, IcmpReason, Severity};

use super::View;
use super::group::{Group, Words, counted, server};
use super::registry::Rule;
use super::view::established;

pub(super) const RULE: Rule = Rule {
    code: "connection-rejected",
    about: "ICMP said no; names who said it and which code",
    decided: "Connections that were never taken and of which an ICMP error quotes a packet, by server, by sender of the error and by its \
              reason. Host unreachable is told as host-dead.",
    example: "198.51.100.25 port 25: 192.0.2.1 rejected 2 connections of 192.0.2.10: administratively prohibited",
    find,
};

fn find(view: View<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<(Endpoint, IpAddr, IcmpReason), Group> = BTreeMap::new();
    for (case, wire) in view.on_wire().filter(|(_, wire)| !established(wire)) {
        let said = wire.icmp_errors.iter().find(|error| {
            !matches!(
                error.reason,
                IcmpReason::HostUnreachable | IcmpReason::TooBig(_)
            )
        });
        if let Some(error) = said {
            let key = (wire.conversation.server, error.by, error.reason);
            let group = groups.entry(key).or_default();
            group.add(&case, Some(error.at), Some(Evidence::Packet(error.packet)));
        }
    }
    groups
        .into_iter()
        .map(|((endpoint, by, reason), group)| {
            let itself = by == endpoint.ip;
            let not = if itself {
                "not a filter on the way: the host itself said so".to_owned()
            } else {
                format!("not the host: {by} on the way said so")
            };
            let message = format!(
                "{}: {by} rejected {} of {}: {reason}",
                server(endpoint),
                counted(group.count, "connection"),
                group.sources()
            );
            group.finding(Words {
                code: RULE.code,
                severity: Severity::Error,
                endpoint: Some(endpoint),
                message,
                not,
                next: format!("look at the filter rules and routes of {by}"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, wire};
    use super::*;
    use crate::model::{IcmpError, PacketNo};

    #[test]
    fn the_sender_of_the_error_is_named() {
        let mut scene = Scene::default();
        let mut rejected = wire(25, 0, "S0", "S");
        rejected.icmp_errors.push(IcmpError {
            at: rejected.start,
            packet: PacketNo(2),
            by: [192, 0, 2, 1].into(),
            reason: IcmpReason::Prohibited,
        });
        scene.add(rejected.clone());
        rejected.history = "ShAdDa".into();
        scene.add(rejected);
        let found = scene.find(find);
        assert_eq!((found.len(), found[0].count), (1, 1));
        assert!(found[0].message.contains("192.0.2.1 rejected 1 connection"));
    }
}
