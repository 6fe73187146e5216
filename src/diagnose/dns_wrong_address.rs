//! Names that lead to an address where the service is not.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{Endpoint, Evidence, Finding, Lookup, Severity, WireSession};

use super::View;
use super::connection_dropped::unanswered;
use super::group::{Group, Words, counted, server};
use super::registry::Rule;
use super::view::established;

pub(super) const RULE: Rule = Rule {
    code: "dns-wrong-address",
    about: "the answer named an address that does not serve, followed by the failing connection",
    decided: "Connections that failed (refused, rejected, or not answered where a SYN was sent again or three seconds passed) to an address that the same client had been given for one name shortly before (a minute, or as long as the answer may be kept, up to ten), \
              where nobody reached that port of the address, and nobody any port of it by that name.",
    example: "mail.example.com is 198.51.100.26 by 198.51.100.53, and 1 connection of 192.0.2.10 to 198.51.100.26 port 25 failed",
    find,
};

fn find(view: View<'_>) -> Vec<Finding> {
    type Key<'a> = (&'a str, IpAddr, Endpoint);
    // Hosts that were reached by a name, if by another port: then the port is wrong, not the address.
    let mut right: BTreeSet<(&str, IpAddr)> = BTreeSet::new();
    let mut reached: BTreeSet<Endpoint> = BTreeSet::new();
    let taken = |wire: &&WireSession| wire.lookups.is_empty() && established(wire);
    for wire in view.wires.iter().filter(taken) {
        reached.insert(wire.conversation.server);
        let named = led_to(view, wire);
        right.extend(named.map(|(_, by)| (by.name.as_str(), wire.conversation.server.ip)));
    }
    let mut groups: BTreeMap<Key<'_>, Group> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        let failed = wire.lookups.is_empty() && failed(view, wire);
        let server = wire.conversation.server;
        if !failed || reached.contains(&server) {
            continue;
        }
        let Some((asked, lookup)) = led_to(view, wire) else {
            continue;
        };
        if !right.contains(&(lookup.name.as_str(), server.ip)) {
            let group = groups
                .entry((lookup.name.as_str(), asked, server))
                .or_default();
            let place = lookup.answer.map(Evidence::Packet);
            group.add(&case, None, place);
        }
    }
    groups
        .into_iter()
        .map(|((name, asked, endpoint), group)| {
            let clients = group.sources();
            let message = format!(
                "{name} is {} by {asked}, and {} of {clients} to {} failed",
                endpoint.ip,
                counted(group.count, "connection"),
                server(endpoint)
            );
            group.finding(Words {
                code: RULE.code,
                severity: Severity::Error,
                endpoint: Some(endpoint),
                message,
                not: "not a failed look-up: there was an answer".into(),
                next: format!(
                    "see whether {name} should have this address: an old record, an old cache, or the service is down there"
                ),
            })
        })
        .collect()
}

/// Whether it is plain that a connection failed: it was refused, rejected, or not answered for long enough.
fn failed(view: View<'_>, wire: &WireSession) -> bool {
    let told = !established(wire) && wire.handshake.syns > 0;
    let refused = wire.conn_state == "REJ" || !wire.icmp_errors.is_empty();
    told && (refused || unanswered(view, wire))
}

/// The look-up that gave the client this address, and who answered it.
fn led_to<'a>(view: View<'a>, wire: &WireSession) -> Option<(IpAddr, &'a Lookup)> {
    let by = wire.led_by?;
    let asked = view.wires.get(by.session)?;
    Some((asked.conversation.server.ip, asked.lookups.get(by.lookup)?))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, at, capture, lookup, wire};
    use super::*;
    use crate::model::{LedBy, LookupOutcome, PacketNo, RecordType};

    #[test]
    fn a_refused_connection_after_an_answer_is_the_answers_fault() {
        let mut asked = wire(53, 0, "SF", "Dd");
        asked.lookups.push(Lookup {
            name: "mail.example.com".into(),
            record_type: RecordType::A,
            asked: at(0),
            answered: Some(at(0)),
            tries: 1,
            outcome: LookupOutcome::Found,
            addresses: vec![[198, 51, 100, 25].into()],
            names: Vec::new(),
            ttl: None,
            question: PacketNo(1),
            answer: Some(PacketNo(2)),
        });
        let mut refused = wire(25, 1, "REJ", "Sr");
        refused.handshake.syns = 1;
        refused.led_by = Some(LedBy {
            session: 0,
            lookup: 0,
        });
        let mut scene = Scene::default();
        scene.add(asked);
        scene.add(refused);
        assert_eq!(scene.find(find).len(), 1);
        // Others get through to it: then the address is right.
        scene.add(wire(25, 5, "SF", "ShAdDaFf"));
        assert!(scene.find(find).is_empty());
    }

    #[test]
    fn a_name_by_which_others_reach_the_host_is_right_and_the_port_is_wrong() {
        let led = Some(LedBy {
            session: 0,
            lookup: 0,
        });
        let mut asked = wire(53, 0, "SF", "Dd");
        asked
            .lookups
            .push(lookup(0, "mail.example.com", LookupOutcome::Found));
        let mut refused = wire(2525, 1, "REJ", "Sr");
        (refused.handshake.syns, refused.led_by) = (1, led);
        let mut scene = Scene::default();
        scene.add(asked);
        scene.add(refused);
        assert_eq!(scene.find(find).len(), 1);
        let mut reached = wire(110, 5, "SF", "ShAdDaFf");
        reached.led_by = led;
        scene.add(reached);
        assert!(scene.find(find).is_empty());
    }

    #[test]
    fn a_capture_that_ends_behind_the_syn_says_nothing() {
        for (end, expected) in [(2, 0), (20, 1)] {
            let mut asked = wire(53, 0, "SF", "Dd");
            asked
                .lookups
                .push(lookup(0, "mail.example.com", LookupOutcome::Found));
            let mut waiting = wire(25, 1, "S0", "S");
            waiting.handshake.syns = 1;
            waiting.led_by = Some(LedBy {
                session: 0,
                lookup: 0,
            });
            let mut scene = Scene::default();
            scene.captures.push(capture(0, end));
            scene.add(asked);
            scene.add(waiting);
            assert_eq!(scene.find(find).len(), expected);
        }
    }
}
