//! Resets that somebody between the two sent in their name.

use std::collections::BTreeMap;

use crate::model::{Endpoint, Evidence, Finding, Reset, Severity, Side, Way, WireSession};

use super::View;
use super::group::{Group, Words, counted, listed, server, who};
use super::registry::Rule;

pub(super) const RULE: Rule = Rule {
    code: "reset-in-middle",
    about: "a reset that neither side sent: a box between them is suspected",
    decided: "Resets in connections that came about with one SYN, in the name of a side that went on talking more than a round trip after it; or of which five packets or more were seen, all with the same hops left (TTL), and \
              the reset from another distance (hops counted from 32, 64, 128 or 255, whichever is next above). Resets in both names within a connection, and the \
              request before it, are told where they are seen. One sign alone in one connection says suspected.",
    example: "2 connections of 192.0.2.10 with 198.51.100.25 port 25 were reset by neither side (TTL 64, the server's packets have 63), each after DATA",
    find,
};

/// Packets of a side from which on their hops left are known.
const PACKETS: u64 = 5;

/// What gives a reset away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    /// Hops left of the reset and of the side's other packets.
    Hops(u8, u8),
    /// Packets that the side sent after it.
    WentOn(u64),
}

#[derive(Default)]
struct Forged {
    group: Group,
    signs: Vec<(Side, Sign)>,
    after: Vec<String>,
}

fn find(view: View<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<Endpoint, Forged> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        for side in [Side::Server, Side::Client] {
            let Some((reset, sign)) = sign(wire, side) else {
                continue;
            };
            let forged = groups.entry(wire.conversation.server).or_default();
            forged
                .group
                .add(&case, Some(reset.at), Some(Evidence::Packet(reset.packet)));
            forged.signs.push((side, sign));
            forged.after.extend(request_before(wire, reset));
        }
    }
    groups
        .into_iter()
        .map(|(endpoint, forged)| tell(endpoint, forged))
        .collect()
}

fn sign(wire: &WireSession, side: Side) -> Option<(Reset, Sign)> {
    let way: &Way = wire.passage.of(side);
    let reset = way.reset?;
    // A client may send its SYN again after a refusal, and be taken then.
    if !wire.history.contains('h') || wire.handshake.syns > 1 {
        return None;
    }
    if way.after_reset > 0 {
        return Some((reset, Sign::WentOn(way.after_reset)));
    }
    let (least, most) = way
        .hops
        .filter(|_| wire.counts.of(side).packets > PACKETS)?;
    let elsewhere = distance(reset.hops) != distance(least);
    (least == most && elsewhere).then_some((reset, Sign::Hops(reset.hops, least)))
}

/// Hops that a packet has made: hosts begin at one of four numbers, and some begin resets at another than data.
fn distance(left: u8) -> u8 {
    let began = [32, 64, 128].into_iter().find(|&first| left <= first);
    began.unwrap_or(u8::MAX) - left
}

/// The last request that went before a reset.
fn request_before(wire: &WireSession, reset: Reset) -> Option<String> {
    let mut before = wire
        .exchanges
        .iter()
        .filter(|exchange| exchange.start.is_some_and(|start| start <= reset.at));
    let last = before.next_back()?;
    (!last.verb.is_greeting()).then(|| last.verb.to_string())
}

fn tell(endpoint: Endpoint, forged: Forged) -> Finding {
    let Forged {
        group,
        signs,
        after,
    } = forged;
    let mut clues = Vec::new();
    let hops = signs.iter().find_map(|(side, sign)| match sign {
        Sign::Hops(of, usual) => Some((side, of, usual)),
        Sign::WentOn(_) => None,
    });
    if let Some((side, of, usual)) = hops {
        clues.push(format!(
            "TTL {of}, the {}'s packets have {usual}",
            who(*side)
        ));
    }
    let on: u64 = signs
        .iter()
        .map(|(_, sign)| {
            if let Sign::WentOn(packets) = sign {
                *packets
            } else {
                0
            }
        })
        .sum();
    if on > 0 {
        clues.push(format!(
            "{} came from the sides after their resets",
            counted(on, "packet")
        ));
    }
    let both = [Side::Client, Side::Server]
        .iter()
        .all(|side| signs.iter().any(|(of, _)| of == side));
    if both {
        clues.push("in the names of both".to_owned());
    }
    let sessions = u64::try_from(group.sessions()).unwrap_or(u64::MAX);
    let certain = sessions > 1 || clues.len() > 1;
    let mut verbs = after;
    verbs.sort_unstable();
    verbs.dedup();
    let when = match verbs.as_slice() {
        [verb] if sessions > 1 => format!(", each after {verb}"),
        [verb] => format!(", after {verb}"),
        _ => String::new(),
    };
    let message = format!(
        "{} of {} with {} {} reset by neither side{} ({}){when}",
        counted(sessions, "connection"),
        listed(&group.clients),
        server(endpoint),
        if sessions == 1 { "was" } else { "were" },
        if certain { "" } else { ", as is suspected" },
        clues.join("; "),
    );
    group.finding(Words {
        code: RULE.code,
        severity: if certain { Severity::Error } else { Severity::Warning },
        endpoint: Some(endpoint),
        message,
        not: Some("not the server and not the client, as far as these signs tell: their own packets come another way".into()),
        next: "look at the firewalls, proxies and intrusion prevention between the two; a capture at the other end shows whether that end sent the reset".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, at, exchange, wire};
    use super::*;
    use crate::model::PacketNo;

    fn reset(second: i64, hops: u8, after: u64) -> WireSession {
        let mut wire = wire(25, second, "RSTR", "ShADadr");
        wire.exchanges.push(exchange(second, "DATA", "", 1));
        wire.counts.of_mut(Side::Server).packets = 9;
        let way = wire.passage.of_mut(Side::Server);
        way.hops = Some((63, 63));
        way.after_reset = after;
        way.reset = Some(Reset {
            at: at(second + 1),
            packet: PacketNo(30),
            hops,
        });
        wire
    }

    #[test]
    fn other_hops_and_talk_after_the_reset_give_it_away() {
        for (hops, after) in [(64, 0), (63, 2)] {
            let mut scene = Scene::default();
            scene.add(reset(0, hops, after));
            scene.add(reset(9, hops, after));
            let found = scene.find(find);
            assert!(
                found[0].message.ends_with("each after DATA"),
                "{}",
                found[0].message
            );
            assert_eq!((found[0].count, found[0].severity), (2, Severity::Error));
        }
    }

    #[test]
    fn a_reset_with_the_hops_of_its_side_is_its_own() {
        let mut scene = Scene::default();
        scene.add(reset(0, 63, 0));
        assert!(scene.find(find).is_empty());
        // The hops of that side change on their own.
        let mut uneven = reset(0, 64, 0);
        uneven.passage.of_mut(Side::Server).hops = Some((62, 63));
        scene.add(uneven);
        // One host that begins resets at 255 and data at 64.
        scene.add(reset(20, 254, 0));
        assert!(scene.find(find).is_empty());
    }
}
