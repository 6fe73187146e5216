//! Addresses where nobody is at home.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{Affected, Evidence, Finding, IcmpReason, Neighbour, Severity, WireSession};

use super::View;
use super::group::{Group, Words, counted, listed};
use super::registry::Rule;

pub(super) const RULE: Rule = Rule {
    code: "host-dead",
    about: "the address answers nothing on any port (ARP unanswered, host unreachable)",
    decided: "Addresses of which the capture has no packet at all, and for which one host on their link asked by ARP three times or more in a row, \
              as it would not with an answer, or of which a router says host unreachable.",
    example: "198.51.100.99 is dead: 192.0.2.1 says host unreachable to 2 connections of 192.0.2.10",
    find,
};

fn find(view: View<'_>) -> Vec<Finding> {
    let (alive, names) = (LazyCell::new(|| alive(view)), LazyCell::new(|| names(view)));
    let mut groups: BTreeMap<(IpAddr, IpAddr), Group> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        let host = wire.conversation.server.ip;
        let said = wire
            .icmp_errors
            .iter()
            .find(|error| error.reason == IcmpReason::HostUnreachable);
        if let Some(error) = said.filter(|_| !alive.contains(&host)) {
            let group = groups.entry((host, error.by)).or_default();
            group.add(&case, Some(error.at), Some(Evidence::Packet(error.packet)));
        }
    }
    let silent = view
        .neighbours
        .iter()
        .filter(|neighbour| neighbour.asked >= ASKED && !alive.contains(&neighbour.wanted))
        // Told already, by the router that asked.
        .filter(|neighbour| !groups.keys().any(|(host, _)| *host == neighbour.wanted))
        .map(|neighbour| unanswered(&names, neighbour));
    let mut findings: Vec<Finding> = silent.collect();
    let told = groups.into_iter().map(|((host, by), group)| {
        let message = format!(
            "{host} is dead: {by} says host unreachable to {} of {}{}",
            counted(group.count, "connection"),
            group.sources(),
            named(&names, host)
        );
        group.finding(Words {
            code: RULE.code,
            severity: Severity::Error,
            endpoint: None,
            message,
            not: format!("not a filter: {by} forwards to it and gets no answer from its link"),
            next: format!("see whether {host} is up, and whether the address is the right one"),
        })
    });
    findings.extend(told);
    findings
}

/// Questions by ARP from which on silence means that nobody is there: Linux asks three times.
const ASKED: u64 = 3;

/// The names by which clients were led to addresses.
type Names<'a> = BTreeMap<IpAddr, BTreeSet<&'a str>>;

fn names(view: View<'_>) -> Names<'_> {
    let mut names = Names::new();
    for lookup in view.wires.iter().flat_map(|wire| &wire.lookups) {
        for address in &lookup.addresses {
            names.entry(*address).or_default().insert(&lookup.name);
        }
    }
    names
}

/// The names of an address, to follow a sentence.
fn named(names: &Names<'_>, host: IpAddr) -> String {
    let led = names.get(&host).into_iter().flatten().collect::<Vec<_>>();
    if led.is_empty() {
        String::new()
    } else {
        format!("; the name service gives it for {}", listed(led))
    }
}

/// An address that nobody on its link answers for.
fn unanswered(names: &Names<'_>, neighbour: &Neighbour) -> Finding {
    let Neighbour {
        wanted,
        by,
        asked,
        first,
        last,
        packet,
    } = neighbour;
    Finding {
        code: RULE.code,
        severity: Severity::Error,
        sessions: Vec::new(),
        clients: vec![Affected {
            ip: *by,
            count: *asked,
        }],
        endpoint: None,
        count: *asked,
        first: Some(*first),
        last: Some(*last),
        message: format!(
            "{wanted} is dead: {by} asked for it on its link {asked} times in a row and nobody answered{}",
            named(names, *wanted)
        ),
        not: "not a filter: a host answers ARP whatever it filters".into(),
        evidence: vec![Evidence::Packet(*packet)],
        next: format!("see whether {wanted} is up, on this link, and the address meant"),
    }
}

/// Hosts of which the capture has a packet.
fn alive(view: View<'_>) -> BTreeSet<IpAddr> {
    let heard = |wire: &WireSession| {
        let conversation = wire.conversation;
        [conversation.client.ip, conversation.server.ip]
            .into_iter()
            .zip(wire.counts.0)
            .filter(|(_, sent)| sent.packets > 0)
            .map(|(host, _)| host)
    };
    view.wires.iter().flat_map(heard).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, wire};
    use super::*;
    use crate::model::{IcmpError, PacketNo, Side};

    #[test]
    fn a_host_that_sent_anything_is_not_dead() {
        let mut unreachable = wire(25, 0, "S0", "S");
        unreachable.icmp_errors.push(IcmpError {
            at: unreachable.start,
            packet: PacketNo(2),
            by: [192, 0, 2, 1].into(),
            reason: IcmpReason::HostUnreachable,
        });
        let mut scene = Scene::default();
        scene.add(unreachable.clone());
        assert_eq!(scene.find(find).len(), 1);
        let mut answered = wire(110, 5, "SF", "ShAdDaFf");
        answered.counts.of_mut(Side::Server).packets = 4;
        scene.add(answered);
        assert!(scene.find(find).is_empty());
    }
}
