//! Listeners whose queue is full.

use std::collections::BTreeMap;

use crate::model::{Endpoint, Evidence, Finding, Nanos, Severity, Side, Span, WireSession};

use super::View;
use super::group::{Group, Words, counted, server};
use super::registry::Rule;
use super::spans::Spans;
use super::view::Case;

pub(super) const RULE: Rule = Rule {
    code: "backlog-full",
    about: "the host takes connections that its server does not pick up, and no more: the listener's queue is full",
    decided: "By server: connections that the host took and in which the server did not say a word for three seconds, and while they stood \
              SYNs of the same port that went unanswered or were answered only when sent again after a second or more.",
    example: "198.51.100.25 port 25 does not pick up its connections: 2 taken and never greeted, meanwhile 3 SYNs of 192.0.2.10 not answered",
    find,
};

/// A server that has not spoken by then is not about to.
const SILENT: Span = Span::seconds(3);
/// Linux sends a SYN again after a second.
const AGAIN: Span = Span::millis(900);

fn find(view: View<'_>) -> Vec<Finding> {
    let mut kept: BTreeMap<Endpoint, Vec<(Nanos, Nanos)>> = BTreeMap::new();
    for wire in view.wires.iter().filter(|wire| is_kept(wire)) {
        kept.entry(wire.conversation.server)
            .or_default()
            .push((wire.start, wire.end));
    }
    let mut listeners: BTreeMap<Endpoint, Listener> = kept
        .into_iter()
        .map(|(endpoint, stood)| (endpoint, Listener::of(stood)))
        .collect();
    if listeners.is_empty() {
        return Vec::new();
    }
    for (case, wire) in view.on_wire() {
        if let Some(listener) = listeners.get_mut(&wire.conversation.server) {
            listener.look_at(&case, wire);
        }
    }
    listeners
        .into_iter()
        .filter(|(_, listener)| listener.turned_away > 0)
        .map(|(endpoint, listener)| tell(endpoint, listener))
        .collect()
}

/// A server that does not pick up its connections.
struct Listener {
    group: Group,
    /// When connections stood that it did not pick up.
    stood: Spans,
    /// SYNs turned away meanwhile, and connections that were taken late.
    turned_away: u64,
    late: u64,
}

impl Listener {
    fn of(stood: Vec<(Nanos, Nanos)>) -> Self {
        Self {
            group: Group::default(),
            stood: Spans::of(stood),
            turned_away: 0,
            late: 0,
        }
    }

    fn look_at(&mut self, case: &Case<'_>, wire: &WireSession) {
        let late = is_late(wire);
        let turned_away = self.stood.cover(wire.start) && (is_unanswered(wire) || late);
        if turned_away {
            self.turned_away += u64::from(wire.handshake.syns);
            self.late += u64::from(late);
        }
        if turned_away || is_kept(wire) {
            let place = Evidence::Packet(wire.first_packet);
            self.group.add(case, None, Some(place));
        }
    }
}

/// Taken by the host and never picked up by the server.
fn is_kept(wire: &WireSession) -> bool {
    wire.history.contains('h')
        && wire.handshake.ack.is_some()
        && wire.counts.of(Side::Server).bytes == 0
        && wire.end.since(wire.start) >= SILENT
}

fn is_unanswered(wire: &WireSession) -> bool {
    wire.conn_state == "S0" && wire.handshake.syns > 1 && wire.icmp_errors.is_empty()
}

fn is_late(wire: &WireSession) -> bool {
    let handshake = &wire.handshake;
    let taken = handshake
        .syn
        .zip(handshake.syn_ack)
        .map(|(syn, answer)| answer.since(syn));
    handshake.syns > 1 && taken.is_some_and(|taken| taken >= AGAIN)
}

fn tell(endpoint: Endpoint, listener: Listener) -> Finding {
    let Listener {
        group,
        stood,
        turned_away,
        late,
    } = listener;
    let kept = stood.len();
    let clients = group.sources();
    let also = if late > 0 {
        format!(", {} late", counted(late, "connection"))
    } else {
        String::new()
    };
    let message = format!(
        "{} does not pick up its connections: {kept} taken and never spoken to, meanwhile {} of {clients} not answered at once{also}",
        server(endpoint),
        counted(turned_away, "SYN"),
    );
    group.finding(Words {
        code: "backlog-full",
        severity: Severity::Error,
        endpoint: Some(endpoint),
        message,
        not: "not a filter and not a dead host: it took other connections to this port at that time".into(),
        next: "look whether the server still accepts (ss -ltn shows Recv-Q above Send-Q, nstat TcpExtListenOverflows): it hangs, or has too few processes".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, at, wire};
    use super::*;

    fn kept(second: i64) -> WireSession {
        let mut wire = wire(25, second, "S1", "ShA");
        wire.handshake.ack = Some(at(second));
        wire.end = at(second + 9);
        wire
    }

    fn unanswered(second: i64) -> WireSession {
        let mut wire = wire(25, second, "S0", "S");
        wire.handshake.syns = 3;
        wire
    }

    #[test]
    fn unanswered_syns_beside_ungreeted_connections_are_a_full_queue() {
        let mut scene = Scene::default();
        scene.add(kept(0));
        scene.add(unanswered(2));
        let found = scene.find(find);
        assert!(
            found[0]
                .message
                .contains("1 taken and never spoken to, meanwhile 3 SYNs")
        );
    }

    #[test]
    fn either_alone_or_at_another_time_is_none() {
        for second in [20, -20] {
            let mut scene = Scene::default();
            scene.add(kept(0));
            scene.add(unanswered(second));
            assert!(scene.find(find).is_empty());
        }
        let mut greeted = kept(0);
        greeted.counts.of_mut(Side::Server).bytes = 40;
        let mut scene = Scene::default();
        scene.add(greeted);
        scene.add(unanswered(2));
        assert!(scene.find(find).is_empty());
    }
}
