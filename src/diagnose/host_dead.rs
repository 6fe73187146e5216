//! Addresses where nobody is at home.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use crate::model::{
    Affected, Evidence, Finding, IcmpError, IcmpReason, Lookup, Neighbour, Severity,
};

use super::View;
use super::group::{Group, Words, counted, listed};
use super::registry::Rule;
use super::view::{Case, Place};

pub(super) const RULE: Rule = Rule {
    code: "host-dead",
    about: "the address answers nothing on any port (ARP unanswered, host unreachable)",
    decided: "Addresses of which the capture has no packet at all, and for which one host on their link asked by ARP three times or more in a row, \
              as it would not with an answer, or of which a router says host unreachable.",
    example: "198.51.100.99 is dead: 192.0.2.1 says host unreachable to 2 connections of 192.0.2.10",
    find,
};

fn find(view: View<'_>) -> Vec<Finding> {
    let mut heard = Heard::new(usize::MAX);
    heard.take(view, &Some);
    heard.findings(view)
}

/// Who was heard, and who is said not to be reached.
pub(super) struct Heard {
    /// Addresses, names and sessions that are remembered at most, of each so many.
    most: usize,
    alive: BTreeSet<IpAddr>,
    /// Times that an address was heard and could not be remembered.
    forgotten: u64,
    /// By the host and who says it.
    unreachable: BTreeMap<(IpAddr, IpAddr), Group>,
    /// Sessions named in these.
    named: usize,
    names: Names,
    /// Names in these.
    led: usize,
}

impl Heard {
    pub(super) const fn new(most: usize) -> Self {
        Self {
            most,
            alive: BTreeSet::new(),
            forgotten: 0,
            unreachable: BTreeMap::new(),
            named: 0,
            names: Names::new(),
            led: 0,
        }
    }

    /// Looks at a part of the run.
    pub(super) fn take(&mut self, view: View<'_>, place: Place<'_>) {
        for (_, case) in view.taken(place) {
            let Some(wire) = case.wire else {
                continue;
            };
            let ends = wire.conversation;
            for (end, sent) in [ends.client, ends.server].iter().zip(wire.counts.0) {
                if sent.packets > 0 {
                    self.is_alive(end.ip);
                }
            }
            for lookup in &wire.lookups {
                self.is_named(lookup);
            }
            let mut errors = wire.icmp_errors.iter();
            if let Some(error) = errors.find(|one| one.reason == IcmpReason::HostUnreachable) {
                self.is_unreachable(&case, ends.server.ip, error);
            }
        }
    }

    fn is_alive(&mut self, host: IpAddr) {
        if self.alive.len() < self.most {
            self.alive.insert(host);
        } else if !self.alive.contains(&host) {
            self.forgotten += 1;
            let said = self.unreachable.range((host, FIRST)..);
            let said = said.map(|(key, _)| *key).take_while(|key| key.0 == host);
            for key in said.collect::<Vec<_>>() {
                self.unreachable.remove(&key);
            }
        }
    }

    fn is_named(&mut self, lookup: &Lookup) {
        for address in &lookup.addresses {
            if self.led < self.most {
                let names = self.names.entry(*address).or_default();
                self.led += usize::from(names.insert(lookup.name.clone()));
            }
        }
    }

    fn is_unreachable(&mut self, case: &Case<'_>, host: IpAddr, error: &IcmpError) {
        let key = (host, error.by);
        let (at, place) = (Some(error.at), Some(Evidence::Packet(error.packet)));
        // Who was not remembered might be taken for one that is not there.
        let is_new = !self.unreachable.contains_key(&key);
        let is_sure = self.forgotten == 0 && self.unreachable.len() < self.most;
        if self.alive.contains(&host) || is_new && !is_sure {
            return;
        }
        let group = self.unreachable.entry(key).or_default();
        if self.named < self.most {
            self.named += 1;
            group.add(case, at, place);
        } else {
            group.count(at, place);
        }
    }

    /// Times that an address was heard and not remembered.
    pub(super) const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// What is to be said at the end.
    pub(super) fn findings(self, view: View<'_>) -> Vec<Finding> {
        let (alive, names) = (self.alive, self.names);
        let mut groups = self.unreachable;
        groups.retain(|(host, _), _| !alive.contains(host));
        let silent = view
            .neighbours
            .iter()
            .filter(|neighbour| neighbour.asked >= ASKED && !alive.contains(&neighbour.wanted))
            .filter(|_| self.forgotten == 0)
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
}

/// The first of all addresses in their order.
const FIRST: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Questions by ARP from which on silence means that nobody is there: Linux asks three times.
const ASKED: u64 = 3;

/// The names by which clients were led to addresses.
type Names = BTreeMap<IpAddr, BTreeSet<String>>;

/// The names of an address, to follow a sentence.
fn named(names: &Names, host: IpAddr) -> String {
    let led = names.get(&host).into_iter().flatten().collect::<Vec<_>>();
    if led.is_empty() {
        String::new()
    } else {
        format!("; the name service gives it for {}", listed(led))
    }
}

/// An address that nobody on its link answers for.
fn unanswered(names: &Names, neighbour: &Neighbour) -> Finding {
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
