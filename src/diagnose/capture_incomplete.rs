//! Captures that lack something.

use crate::model::{Evidence, Finding, Severity, Transport, WireSession};

use super::View;
use super::group::{Group, Words, counted};
use super::registry::Rule;

pub(super) const RULE: Rule = Rule {
    code: "capture-incomplete",
    about: "drops, snap length, holes, late start",
    decided: "Packets that the capturing machine says it lost, packets cut by the snap length, holes that were acknowledged and that nothing \
              filled, connections whose beginning is not there, and connections of which one side acknowledges octets of the other, from whom there \
              is no packet.",
    example: "the capture lacks packets: 12 holes of 14,480 octets in 9 sessions; 3 connections began before it",
    find,
};

fn find(view: View<'_>) -> Vec<Finding> {
    let dropped: u64 = view.captures.iter().map(|source| source.lost.total()).sum();
    let cut: u64 = view.captures.iter().map(|source| source.truncated).sum();
    let (mut gaps, mut octets, mut passed, mut late) = (0u64, 0u64, 0u64, 0u64);
    let (mut one_sided, mut elsewhere) = (0u64, 0u64);
    let mut holed = Group::default();
    let mut first_late = None;
    for (case, wire) in view.on_wire() {
        let here: u64 = wire.counts.0.iter().map(|direction| direction.gaps).sum();
        if here > 0 && !is_keep_alive(wire, here) {
            gaps += here;
            octets += wire
                .counts
                .0
                .iter()
                .map(|direction| direction.missing)
                .sum::<u64>();
            passed += wire
                .counts
                .0
                .iter()
                .map(|direction| direction.lost_in_capture)
                .sum::<u64>();
            holed.add(&case, None, Some(Evidence::Packet(wire.first_packet)));
        }
        if began_before(wire) {
            late += 1;
            first_late.get_or_insert(Evidence::Packet(wire.first_packet));
        }
        if is_one_sided(wire) {
            one_sided += 1;
        } else {
            elsewhere += here;
        }
    }
    let mut parts = Vec::new();
    if dropped > 0 {
        parts.push(format!(
            "{} lost by the capturing machine",
            counted(dropped, "packet")
        ));
    }
    if cut > 0 {
        parts.push(format!("{} not captured whole", counted(cut, "packet")));
    }
    if gaps > 0 {
        let sessions = counted(holed.count, "session");
        let known = if passed > 0 && cut == 0 {
            format!(", {passed} of them acknowledged by the other side")
        } else {
            String::new()
        };
        parts.push(format!(
            "{} of {} in {sessions}{known}",
            counted(gaps, "hole"),
            counted(octets, "octet")
        ));
    }
    if late > 0 {
        parts.push(format!("{} began before it", counted(late, "connection")));
    }
    if one_sided > 0 {
        let connections = counted(one_sided, "connection");
        parts.push(format!(
            "{connections} of which one direction alone was captured"
        ));
    }
    if parts.is_empty() {
        return Vec::new();
    }
    if let Some(place) = first_late {
        holed.show(place);
    }
    let only_late = dropped + cut + gaps == 0;
    let next = if one_sided > 0 && dropped + cut + elsewhere == 0 {
        "capture where both directions pass: both ports of a mirror, all links of a route that differs by direction"
    } else {
        "capture with a larger buffer, whole packets (snap length 0) and a filter, or nearer to the server"
    };
    vec![
        holed.finding(Words {
            code: RULE.code,
            severity: if only_late {
                Severity::Info
            } else {
                Severity::Warning
            },
            endpoint: None,
            message: format!("the capture lacks packets: {}", parts.join("; ")),
            not: if passed > 0 {
                "not loss on the network: the other side acknowledged what the capture lacks"
            } else {
                "not a fault of client or server: what the capture lacks says nothing of them"
            }
            .into(),
            next: next.into(),
        }),
    ]
}

/// Whether the only hole is the octet before the next that a keep-alive repeats (RFC 9293 §3.8.4), at the start of what the capture has of
/// a connection.
fn is_keep_alive(wire: &WireSession, holes: u64) -> bool {
    let missing: u64 = wire
        .counts
        .0
        .iter()
        .map(|direction| direction.missing)
        .sum();
    holes == 1 && missing == 1 && began_before(wire)
}

/// Whether there is no packet of one side, though the other acknowledges what it said.
fn is_one_sided(wire: &WireSession) -> bool {
    let mut sides = wire.counts.0.iter();
    wire.conversation.transport == Transport::Tcp
        && sides.any(|sent| sent.packets == 0 && sent.lost_in_capture > 0)
}

/// Whether the beginning of a connection is missing; only TCP has one that can be told.
fn began_before(wire: &WireSession) -> bool {
    wire.conversation.transport == Transport::Tcp
        && !wire.history.is_empty()
        && !wire.history.contains(['S', 's', 'h', 'H'])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, wire};
    use super::*;

    #[test]
    fn a_whole_capture_says_nothing_and_holes_are_counted() {
        let mut scene = Scene::default();
        scene.add(wire(25, 0, "SF", "ShAdDaFf"));
        assert!(scene.find(find).is_empty());
        let mut holed = wire(25, 1, "SF", "ShAdDagFf");
        holed.counts.0[0].gaps = 2;
        holed.counts.0[0].missing = 99;
        scene.add(holed);
        assert!(
            scene.find(find)[0]
                .message
                .contains("2 holes of 99 octets in 1 session")
        );
    }

    #[test]
    fn a_direction_that_is_not_there_at_all_is_named() {
        let mut scene = Scene::default();
        let mut one = wire(25, 0, "SH", "SADgF");
        let [client, server] = &mut one.counts.0;
        (client.packets, client.bytes) = (9, 99);
        (server.gaps, server.missing, server.lost_in_capture) = (1, 40, 40);
        // An attempt that nobody answered is none.
        scene.add(wire(25, 1, "S0", "S"));
        scene.add(one.clone());
        let found = scene.find(find);
        assert!(
            found[0]
                .message
                .ends_with("; 1 connection of which one direction alone was captured")
        );
        assert!(found[0].next.contains("both directions"));
        let [_, server] = &mut one.counts.0;
        server.packets = 1;
        scene.add(one);
        let found = scene.find(find);
        assert!(
            found[0].next.contains("buffer"),
            "a hole of another kind as well"
        );
    }

    #[test]
    fn a_conversation_over_udp_has_no_beginning_to_miss() {
        let mut scene = Scene::default();
        let mut late = wire(53, 0, "SF", "Dd");
        late.conversation.transport = Transport::Udp;
        scene.add(late.clone());
        assert!(scene.find(find).is_empty());
        late.conversation.transport = Transport::Tcp;
        scene.add(late);
        assert!(
            scene.find(find)[0]
                .message
                .contains("1 connection began before")
        );
    }
}
