//! Resets that somebody between the two sent in their name.

use std::collections::BTreeMap;

use crate::model::{Endpoint, Evidence, Finding, Reset, Severity, Side, WireSession};

use super::View;
use super::group::{Group, Words, counted, server};
use super::registry::Rule;
use super::reset_signs::{Signs, signs};

pub(super) const RULE: Rule = Rule {
    code: "reset-in-middle",
    about: "a reset that neither side sent: a box between them is suspected",
    decided: "Resets in connections that came about with one SYN, in the name of a side that went on talking more than a round trip after it; or of which five packets or more were seen, all with the same hops left (TTL), and \
              the reset from another distance (hops counted from 32, 64, 128 or 255, whichever is next above); or that acknowledges data sooner than a quarter of the least time that the side ever took to, where that is 5 ms or more. \
              Told beside these, and never enough alone: a sequence number beyond all that the side sent, an identification out of the side's count, resets in both names, and the request before it. \
              One sign alone in one connection says suspected.",
    example: "2 connections of 192.0.2.10 with 198.51.100.25 port 25 were reset by neither side (TTL 64, the server's packets have 63), each after DATA",
    find,
};

#[derive(Default)]
struct Forged {
    group: Group,
    signs: Vec<Signs>,
    after: Vec<String>,
}

fn find(view: View<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<Endpoint, Forged> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        for side in [Side::Server, Side::Client] {
            let Some(signs) = signs(wire, side) else {
                continue;
            };
            let reset = signs.reset;
            let forged = groups.entry(wire.conversation.server).or_default();
            forged
                .group
                .add(&case, Some(reset.at), Some(Evidence::Packet(reset.packet)));
            forged.signs.push(signs);
            forged.after.extend(request_before(wire, reset));
        }
    }
    groups
        .into_iter()
        .map(|(endpoint, forged)| tell(endpoint, forged))
        .collect()
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
    // The reset with most signs speaks for all.
    let most = signs.iter().max_by_key(|signs| signs.words().len());
    let mut clues = most.map(Signs::words).unwrap_or_default();
    let both = [Side::Client, Side::Server]
        .iter()
        .all(|side| signs.iter().any(|one| one.side == *side));
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
        group.sources(),
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
        not: "not the server and not the client, as far as these signs tell: their own packets come another way".into(),
        next: "look at the firewalls, proxies and intrusion prevention between the two; a capture at the other end shows whether that end sent the reset".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, at, exchange, wire};
    use super::*;
    use crate::model::{PacketNo, Reset, Span};

    fn reset(second: i64, hops: u8, after: u64) -> WireSession {
        let mut wire = wire(25, second, "RSTR", "ShADadr");
        wire.exchanges.push(exchange(second, "DATA", "", 1));
        wire.counts.of_mut(Side::Server).packets = 9;
        let way = wire.passage.of_mut(Side::Server);
        way.hops = Some((63, 63));
        way.after_reset = after;
        way.reset = Some(Reset::plain(at(second + 1), PacketNo(30), hops));
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
    fn one_that_comes_too_soon_is_suspected_and_its_number_is_told_beside() {
        let mut soon = reset(0, 63, 0);
        if let Some(reset) = &mut soon.passage.of_mut(Side::Server).reset {
            reset.too_soon = Some([Span::millis(1), Span::millis(40)]);
        }
        let mut scene = Scene::default();
        scene.add(soon.clone());
        let found = scene.find(find);
        assert!(found[0].message.contains("as is suspected"));
        assert_eq!(found[0].severity, Severity::Warning);
        // A number ahead is no sign alone.
        for alone in [true, false] {
            let mut ahead = if alone { reset(0, 63, 0) } else { soon.clone() };
            if let Some(reset) = &mut ahead.passage.of_mut(Side::Server).reset {
                reset.ahead = 1460;
            }
            let mut scene = Scene::default();
            scene.add(ahead);
            assert_eq!(scene.find(find).is_empty(), alone);
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
