//! Connections to which nobody answered.

use std::collections::BTreeMap;

use crate::model::{Endpoint, Evidence, Finding, Proto, Severity, Span, Unlisted, WireSession};

use super::View;
use super::group::{Group, Words, counted, listed, server};
use super::reached::Reached;
use super::registry::Rule;
use super::server_log::ServerLogs;

pub(super) const RULE: Rule = Rule {
    code: "connection-dropped",
    about: "SYN repeated, no answer: a filter on the way, or the host dead",
    decided: "Connections of which the capture has SYNs only (state S0) and no ICMP error, where the SYN was sent again or the capture \
              went on for three seconds after it. Where none was sent again it is information: a scan, or a client that gave up at once. Ports of the host that answer others tell a filter from a dead host; \
              connections that it took and never greeted tell a full queue of its listener.",
    example: "198.51.100.25 port 25 never answered 2 connections of 192.0.2.10: 8 SYNs, waited for up to 7.0 s",
    find,
};

/// Attempts to reach one server.
struct Attempts {
    group: Group,
    syns: u64,
    waited: Span,
    proto: Proto,
    /// How many of them are no sessions.
    unlisted: u64,
}

impl Attempts {
    fn new(proto: Proto) -> Self {
        Self {
            group: Group::default(),
            syns: 0,
            waited: Span::ZERO,
            proto,
            unlisted: 0,
        }
    }

    fn sent(&mut self, syns: u64, waited: Span) {
        self.syns += syns;
        self.waited = self.waited.max(waited);
    }
}

fn find(view: View<'_>) -> Vec<Finding> {
    let mut servers: BTreeMap<Endpoint, Attempts> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        if !unanswered(view, wire) {
            continue;
        }
        let fresh = || Attempts::new(wire.proto);
        let attempts = servers
            .entry(wire.conversation.server)
            .or_insert_with(fresh);
        let place = Evidence::Packet(wire.first_packet);
        attempts.group.add(&case, None, Some(place));
        attempts.sent(wire.handshake.syns.into(), wire.end.since(wire.start));
    }
    for more in view.unlisted {
        let fresh = || Attempts::new(Proto::UNKNOWN);
        let attempts = servers.entry(more.server).or_insert_with(fresh);
        let between = (more.first, more.last);
        attempts.group.add_unlisted(more.attempts, between);
        attempts.group.show(Evidence::Packet(more.packet));
        attempts.sent(more.syns, more.waited);
        attempts.unlisted += more.attempts;
    }
    if servers.is_empty() {
        return Vec::new();
    }
    let (reached, logs) = (Reached::of(view), ServerLogs::of(view));
    servers
        .into_iter()
        .map(|(endpoint, attempts)| {
            // Who asks once does not wait for an answer: nobody is served badly for certain.
            let once = attempts.syns <= attempts.group.count;
            let message = told(endpoint, &attempts);
            let (not, next) = why(&reached, endpoint);
            let Attempts {
                group,
                waited,
                proto,
                ..
            } = attempts;
            // What a log has of clients that are not listed cannot be asked.
            let listed = group.time().filter(|_| group.sessions() > 0);
            let log = listed.map_or_else(String::new, |(from, last)| {
                logs.told(endpoint, proto, &group, (from, last + waited))
            });
            group.finding(Words {
                code: RULE.code,
                severity: if once {
                    Severity::Info
                } else {
                    Severity::Error
                },
                endpoint: Some(endpoint),
                message,
                not: not + &log,
                next,
            })
        })
        .collect()
}

fn told(endpoint: Endpoint, attempts: &Attempts) -> String {
    let Attempts {
        group,
        syns,
        waited,
        unlisted,
        ..
    } = attempts;
    let clients = match (group.sessions(), unlisted) {
        (0, _) => String::new(),
        (_, 0) => format!(" of {}", group.sources()),
        _ => format!(" of {} and others", group.sources()),
    };
    let counted_only = match unlisted {
        0 => String::new(),
        unlisted => format!("; {unlisted} of them are counted and not listed"),
    };
    let how = if *syns <= group.count {
        "none of them sent again".to_owned()
    } else {
        format!("waited for up to {:.1} s", waited.as_seconds_f64())
    };
    format!(
        "{} never answered {}{clients}: {}, {how}{counted_only}",
        server(endpoint),
        counted(group.count, "connection"),
        counted(*syns, "SYN"),
    )
}

/// Whether all that there is of a connection is SYNs that nobody answered, and it was watched for long enough to say so. A client that goes on was
/// answered where the capture did not see it.
pub(super) fn unanswered(view: View<'_>, wire: &WireSession) -> bool {
    let watched = view
        .end()
        .is_some_and(|end| end.since(wire.start) >= Unlisted::WAITED);
    wire.conn_state == "S0"
        && wire.history.chars().all(is_of_syns)
        && wire.handshake.syns > 0
        && wire.icmp_errors.is_empty()
        && (wire.handshake.syns > 1 || watched)
}

/// Letters of SYNs: themselves, with a wrong checksum, and sent again.
const fn is_of_syns(letter: char) -> bool {
    matches!(letter, 'S' | 'C' | 'T')
}

/// What it is not, and what to look at.
fn why(reached: &Reached, endpoint: Endpoint) -> (String, String) {
    let ungreeted = reached.ungreeted(endpoint);
    let served = reached.served(endpoint);
    let ports = reached.open_ports(endpoint.ip);
    if ungreeted > 0 {
        return (
            format!(
                "not a filter: the host took {ungreeted} connections to this port and its server never spoke to them"
            ),
            "look whether the server still accepts: the queue of its listener may be full (ss -ltn shows Recv-Q above Send-Q)".into(),
        );
    }
    if !served.is_empty() {
        return (
            format!(
                "not a dead host: it answers {} on this port",
                listed(served)
            ),
            "look for a filter by client address, and for loss on the way of these clients".into(),
        );
    }
    if !ports.is_empty() {
        return (
            match ports.as_slice() {
                [port] => format!("not a dead host: its port {port} answers"),
                _ => format!("not a dead host: its ports {} answer", listed(ports)),
            },
            format!(
                "look for a filter that drops port {} on the way or on the host: one that refuses would answer",
                endpoint.port
            ),
        );
    }
    // Nothing at all was heard of it.
    (
        "not a refusal: a live host without a listener answers RST".into(),
        format!(
            "find out whether {} is up (ping, neighbour table) before looking for a filter: nothing of it was seen",
            endpoint.ip
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, at, capture, clock, log_source, logged, wire};
    use super::*;
    use crate::model::{LogTime, PacketNo};

    fn syns(mut wire: WireSession, count: u32) -> WireSession {
        wire.handshake.syns = count;
        wire
    }

    #[test]
    fn a_filter_is_told_by_the_ports_that_answer() {
        let mut scene = Scene::default();
        scene.add(syns(wire(25, 0, "S0", "S"), 4));
        scene.add(wire(110, 1, "SF", "ShAdDaFf"));
        let found = scene.find(find);
        assert_eq!(found.len(), 1);
        assert!(found[0].not.contains("port 110 answers"));
    }

    #[test]
    fn attempts_that_are_not_listed_count_too() {
        let server = Endpoint {
            ip: [198, 51, 100, 25].into(),
            port: 25,
        };
        let more = Unlisted {
            server,
            attempts: 300,
            syns: 500,
            first: at(3),
            last: at(90),
            waited: Span::seconds(31),
            packet: PacketNo(77),
        };
        let mut scene = Scene::default();
        scene.unlisted.push(more);
        let alone = scene.find(find);
        assert_eq!((alone[0].count, alone[0].clients.len()), (300, 0));
        let message = "198.51.100.25 port 25 never answered 300 connections: 500 SYNs, waited for up to 31.0 s; 300 of them are \
                       counted and not listed";
        assert_eq!(alone[0].message, message);
        assert_eq!(alone[0].evidence, [Evidence::Packet(PacketNo(77))]);
        scene.add(syns(wire(25, 0, "S0", "S"), 4));
        let found = scene.find(find);
        assert_eq!((found.len(), found[0].count), (1, 301));
        assert!(
            found[0]
                .message
                .contains("301 connections of 192.0.2.10 and others: 504 SYNs"),
            "{}",
            found[0].message
        );
        assert_eq!((found[0].first, found[0].last), (Some(at(0)), Some(at(90))));
    }

    #[test]
    fn a_lone_syn_at_the_end_of_the_capture_says_nothing() {
        let mut scene = Scene::default();
        scene.add(wire(110, 0, "SF", "ShAdDaFf"));
        scene.add(syns(wire(25, 1, "S0", "S"), 1));
        assert!(scene.find(find).is_empty());
    }

    #[test]
    fn a_client_that_goes_on_was_answered_and_one_that_asks_once_does_not_wait() {
        for (history, count, expected) in [
            ("S", 2, Some(Severity::Error)),
            ("S", 1, Some(Severity::Info)),
            ("SA", 2, None),
            ("SAD", 1, None),
        ] {
            let mut scene = Scene::default();
            scene.captures.push(capture(0, 60));
            scene.add(syns(wire(25, 1, "S0", history), count));
            let found = scene.find(find);
            let severity = found.first().map(|one| one.severity);
            assert_eq!(severity, expected, "{history}");
        }
    }

    #[test]
    fn the_log_of_the_server_that_has_no_line_of_it_is_named() {
        for (also, expected) in [(false, true), (true, false)] {
            let mut scene = Scene::default();
            scene.alignment.clocks.push(clock());
            let mut source = log_source();
            source.first = Some(LogTime(at(0).0));
            source.last = Some(LogTime(at(40).0));
            scene.sources.push(source);
            scene.add_both(wire(25, 1, "SF", "ShAdDaFf"), logged(1, 1));
            let mut dropped = syns(wire(25, 10, "S0", "S"), 3);
            dropped.conversation.client.ip = [192, 0, 2, 77].into();
            dropped.end = at(13);
            scene.add(dropped);
            if also {
                let mut log = logged(11, 2);
                log.peer = Some([192, 0, 2, 77].into());
                scene.add_logged(log);
            }
            let found = scene.find(find);
            let not = &found[0].not;
            assert_eq!(not.contains("mail.log"), expected, "{not}");
        }
    }
}
