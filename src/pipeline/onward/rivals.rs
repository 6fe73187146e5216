//! Connections that still go on, and may be what a log session tells of.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::align::Clock;
use crate::flow::GoingOn;
use crate::model::{Endpoint, LogSession, Proto, Role, Span, What, WireSession};

use super::marks::Now;

/// Time by which lines and packets of one thing may differ beside the clock's bound.
const AROUND: Span = Span::seconds(2);
/// What is sent after a session's last line.
const LINGERS: Span = Span::seconds(10);

/// All connections that go on.
pub(super) struct Rivals<'a> {
    all: &'a [GoingOn],
    by_client: BTreeMap<IpAddr, Vec<&'a GoingOn>>,
    /// Clients that are in the capture.
    clients: BTreeSet<IpAddr>,
    /// What was spoken with a server.
    spoken: BTreeMap<Endpoint, BTreeSet<Proto>>,
}

impl<'a> Rivals<'a> {
    /// Those that go on `now`, beside the sessions that are over.
    pub(super) fn of(now: &Now<'a>, over: &[WireSession]) -> Self {
        let mut rivals = Self {
            all: now.open,
            by_client: BTreeMap::new(),
            clients: BTreeSet::new(),
            spoken: BTreeMap::new(),
        };
        for open in now.open {
            let client = open.conversation.client.ip;
            rivals.clients.insert(client);
            rivals.by_client.entry(client).or_default().push(open);
        }
        for wire in over {
            let ends = wire.conversation;
            rivals.clients.insert(ends.client.ip);
            let spoken = rivals.spoken.entry(ends.server).or_default();
            spoken.insert(wire.proto);
        }
        rivals
    }

    /// Whether one of them may be what `log` tells of, under `clock`.
    pub(super) fn may_be(&self, log: &LogSession, clock: &Clock) -> bool {
        let Some((first, last)) = log.stamps() else {
            return false;
        };
        let slack = clock.bound + AROUND;
        let from = clock.to_capture(first.at) - slack;
        let to = clock.to_capture(last.at) + last.resolution + slack;
        let is_over = log.events.iter().any(|event| event.what == What::Close);
        let fits = |open: &&GoingOn| {
            let in_time = open.start <= to && open.last >= from;
            let went_on = is_over && open.last > to + LINGERS;
            open.answered && in_time && !went_on && self.is_of_kind(open, log)
        };
        match log.peer {
            Some(peer) if log.role == Role::Server && self.clients.contains(&peer) => {
                let of_client = self.by_client.get(&peer).into_iter().flatten().copied();
                let mut of_client = of_client.filter(|open| {
                    let port = open.conversation.client.port;
                    log.peer_port.is_none_or(|told| told == port)
                });
                of_client.any(|open| fits(&open))
            }
            // Its client is behind a translation or a proxy, if it passes here at all.
            _ => self.all.iter().any(|open| fits(&open)),
        }
    }

    /// Whether the server has spoken the log's protocol, as far as is known.
    fn is_of_kind(&self, open: &GoingOn, log: &LogSession) -> bool {
        let spoken = self.spoken.get(&open.conversation.server);
        spoken.is_none_or(|spoken| {
            [log.proto, Proto::UNKNOWN, Proto::TLS]
                .iter()
                .any(|proto| spoken.contains(proto))
        })
    }
}
