//! Conversations that ended in the middle of a message or page.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Endpoint, Evidence, Finding, LogSession, PacketNo, Severity, Side, WireSession,
};

use super::View;
use super::group::{Group, Words, counted, server};
use super::registry::Rule;
use super::view::{End, ended_by, place};

pub(super) const RULE: Rule = Rule {
    code: "dropped-in-transfer",
    about: "connection ended in mid-message; who ended it",
    decided: "Requests and replies in the clear that break off inside a message or a body, and messages inside TLS of which the server's log says that the connection was gone \
              in the middle, in connections that the capture saw end and that it has no holes in. Who sent the first FIN or RST ended it.",
    example: "2 transfers with 198.51.100.25 port 25 broke off in the middle: the client (192.0.2.10) reset the connection",
    find,
};

fn find(view: View<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<(Endpoint, Side, End), (Group, u64)> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        let whole = wire.counts.0.iter().all(|direction| direction.gaps == 0);
        let Some((side, end)) = ended_by(wire).filter(|_| whole) else {
            continue;
        };
        let broken = case.joined.exchanges.iter().find(|exchange| {
            exchange
                .notes
                .iter()
                .any(|note| note.contains("ends in mid-"))
        });
        // Inside TLS the log alone knows.
        let cut = case.log.and_then(|log| log.rare().cut);
        let seen = broken.and_then(place);
        let Some(place) = seen.or(cut.map(Evidence::Line)) else {
            continue;
        };
        let key = (wire.conversation.server, side, end);
        let (group, logged) = groups.entry(key).or_default();
        group.add(&case, Some(wire.end), Some(place));
        if let Some(line) = cut {
            group.show(Evidence::Line(line));
        }
        if let Some(packet) = ending_packet(wire, side, end) {
            group.show(Evidence::Packet(packet));
        }
        *logged += u64::from(seen.is_none());
    }
    let told = groups
        .into_iter()
        .map(|((endpoint, side, end), (group, logged))| tell(endpoint, side, end, group, logged));
    told.chain(by_log_alone(view)).collect()
}

/// What the log alone knows of: its server was sent a message that broke off, and no packet of that was seen.
fn by_log_alone(view: View<'_>) -> Option<Finding> {
    let seen = LazyCell::new(|| -> BTreeSet<Endpoint> {
        view.wires
            .iter()
            .map(|wire| wire.conversation.client)
            .collect()
    });
    let unseen = |log: &LogSession| {
        let client = log.peer.zip(log.peer_port);
        !client.is_some_and(|(ip, port)| seen.contains(&Endpoint { ip, port }))
    };
    let mut group = Group::default();
    for case in view.cases().filter(|case| case.wire.is_none()) {
        let cut = case.log.and_then(|log| Some((log, log.rare().cut?)));
        if let Some((_, line)) = cut.filter(|(log, _)| unseen(log)) {
            group.add(&case, None, Some(Evidence::Line(line)));
        }
    }
    (group.count > 0).then(|| {
        let message = format!(
            "{} with a server in the log broke off in the middle: the connection of {} was gone",
            counted(group.count, "transfer"),
            group.sources()
        );
        group.finding(Words {
            code: RULE.code,
            severity: Severity::Error,
            endpoint: None,
            message,
            not: "not refused: the server was still reading".into(),
            next: "a capture would show who ended it, and how; see the client's own log of that moment".into(),
        })
    })
}

fn tell(endpoint: Endpoint, side: Side, end: End, group: Group, logged: u64) -> Finding {
    let who = match side {
        Side::Client => format!("the client ({})", group.sources()),
        Side::Server => "the server".to_owned(),
    };
    let how = match end {
        End::Closed => "closed",
        End::Reset => "reset",
    };
    let by_log = if logged > 0 {
        format!("; {logged} of them by the log's word")
    } else {
        String::new()
    };
    let message = format!(
        "{} with {} broke off in the middle: {who} {how} the connection{by_log}",
        counted(group.count, "transfer"),
        server(endpoint)
    );
    group.finding(Words {
                code: RULE.code,
                severity: Severity::Error,
                endpoint: Some(endpoint),
                message,
                not: "not a hole in the capture: every octet up to the end is there".into(),
                next: "look for a crash, a time limit or a size limit of the side that ended it; a reset may also come from a box between".into(),
            })
}

/// The packet by which a side ended the connection.
fn ending_packet(wire: &WireSession, side: Side, end: End) -> Option<PacketNo> {
    let way = wire.passage.of(side);
    match end {
        End::Closed => way.closed.map(|closed| closed.packet),
        End::Reset => way.reset.map(|reset| reset.packet),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, exchange, logged, wire};
    use super::*;

    #[test]
    fn the_side_that_ended_it_is_named_and_holes_excuse() {
        let mut broken = wire(25, 0, "RSTO", "ShAdDaR");
        let mut body = exchange(0, "<body 99 bytes>", "", 0);
        body.notes.push("ends in mid-message".into());
        broken.exchanges.push(body);
        let mut scene = Scene::default();
        scene.add(broken.clone());
        broken.counts.of_mut(Side::Client).gaps = 1;
        scene.add(broken);
        let found = scene.find(find);
        assert_eq!((found.len(), found[0].count), (1, 1));
        assert!(found[0].message.contains("the client (192.0.2.10) reset"));
    }

    #[test]
    fn inside_tls_the_log_says_that_it_was_in_a_message() {
        for cut in [true, false] {
            let mut log = logged(0, 3);
            log.rare_mut().cut = cut.then(|| log.events.first().unwrap().line);
            let mut scene = Scene::default();
            scene.add_both(wire(25, 0, "RSTO", "ShADadR"), log);
            let found = scene.find(find);
            assert_eq!(found.len(), usize::from(cut));
            assert!(
                found
                    .iter()
                    .all(|one| { one.message.ends_with("1 of them by the log's word") })
            );
        }
    }

    #[test]
    fn the_log_alone_tells_of_it_too() {
        let mut log = logged(0, 3);
        log.rare_mut().cut = Some(log.events.first().unwrap().line);
        let mut scene = Scene::default();
        scene.add_logged(log);
        scene.add_logged(logged(5, 9));
        let found = scene.find(find);
        assert_eq!((found.len(), found[0].count), (1, 1));
        assert!(found[0].message.contains("a server in the log"));
    }
}
