//! Names that lead to an address where the service is not.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{Endpoint, Evidence, Finding, Lookup, Severity, Span, WireSession};

use super::View;
use super::group::{Group, Words, counted, server};
use super::registry::Rule;
use super::view::established;

pub(super) const RULE: Rule = Rule {
    code: "dns-wrong-address",
    about: "the answer named an address that does not serve, followed by the failing connection",
    decided: "Connections that failed (refused, rejected or not answered) to an address that the same client had been given for a name within the minute before, \
              where nobody reached that port of the address, and nobody any port of it by that name.",
    example: "mail.example.com is 198.51.100.26 by 198.51.100.53, and 1 connection of 192.0.2.10 to 198.51.100.26 port 25 failed",
    find,
};

/// For how long an answer is followed by the connection made from it.
const SOON: Span = Span::seconds(60);

/// A name server and what it answered.
type Answer<'a> = (IpAddr, &'a Lookup);

/// Who was given which address, and by which answers.
type Answers<'a> = BTreeMap<(IpAddr, IpAddr), Vec<Answer<'a>>>;

fn find(view: View<'_>) -> Vec<Finding> {
    type Key<'a> = (&'a str, IpAddr, Endpoint);
    let mut answers: Answers<'_> = BTreeMap::new();
    for wire in view.wires {
        for lookup in wire
            .lookups
            .iter()
            .filter(|lookup| lookup.answered.is_some())
        {
            for address in &lookup.addresses {
                let key = (wire.conversation.client.ip, *address);
                let answer = (wire.conversation.server.ip, lookup);
                answers.entry(key).or_default().push(answer);
            }
        }
    }
    // Hosts that were reached by a name, if by another port: then the port is wrong, not the address.
    let mut right: BTreeSet<(&str, IpAddr)> = BTreeSet::new();
    let mut reached: BTreeSet<Endpoint> = BTreeSet::new();
    for wire in view
        .wires
        .iter()
        .filter(|wire| wire.lookups.is_empty() && established(wire))
    {
        let server = wire.conversation.server;
        reached.insert(server);
        right.extend(led_to(&answers, wire).map(|(_, lookup)| (lookup.name.as_str(), server.ip)));
    }
    let mut groups: BTreeMap<Key<'_>, Group> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        let failed = wire.lookups.is_empty() && !established(wire) && wire.handshake.syns > 0;
        let server = wire.conversation.server;
        if !failed || reached.contains(&server) {
            continue;
        }
        let Some((asked, lookup)) = led_to(&answers, wire) else {
            continue;
        };
        if !right.contains(&(lookup.name.as_str(), server.ip)) {
            let key = (lookup.name.as_str(), asked, server);
            let place = lookup.answer.map(Evidence::Packet);
            groups.entry(key).or_default().add(&case, None, place);
        }
    }
    groups
        .into_iter()
        .map(|((name, asked, endpoint), group)| {
            let clients = super::group::listed(&group.clients);
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
                not: Some("not a failed look-up: there was an answer".into()),
                next: format!(
                    "see whether {name} should have this address: an old record, an old cache, or the service is down there"
                ),
            })
        })
        .collect()
}

/// The last answer that gave the client this address, and who gave it.
fn led_to<'a>(answers: &Answers<'a>, wire: &WireSession) -> Option<Answer<'a>> {
    let key = (wire.conversation.client.ip, wire.conversation.server.ip);
    let given = answers.get(&key)?.iter().filter(|(_, lookup)| {
        let age = lookup.answered.map(|at| wire.start.since(at));
        age.is_some_and(|age| age >= Span::ZERO && age <= SOON)
    });
    given.max_by_key(|(_, lookup)| lookup.answered).copied()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, at, wire};
    use super::*;
    use crate::model::{LookupOutcome, PacketNo, RecordType};

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
        let mut scene = Scene::default();
        scene.add(asked);
        scene.add(refused);
        assert_eq!(scene.find(find).len(), 1);
        // Others get through to it: then the address is right.
        scene.add(wire(25, 5, "SF", "ShAdDaFf"));
        assert!(scene.find(find).is_empty());
        // By this name others reach another port of it: then the port is wrong.
        let mut asked = wire(53, 0, "SF", "Dd");
        let mut found = super::super::testing::lookup(0, "mail.example.com", LookupOutcome::Found);
        found.addresses.push([198, 51, 100, 25].into());
        asked.lookups.push(found);
        let mut refused = wire(2525, 1, "REJ", "Sr");
        refused.handshake.syns = 1;
        let mut scene = Scene::default();
        scene.add(asked);
        scene.add(refused);
        assert_eq!(scene.find(find).len(), 1);
        scene.add(wire(110, 5, "SF", "ShAdDaFf"));
        assert!(scene.find(find).is_empty());
    }
}
