//! Whether the log of a server that a client did not reach has anything of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::align::Clock;
use crate::model::{Endpoint, LogSource, Nanos, Proto, Role, Span};

use super::View;
use super::group::{Group, listed};
use super::spans::Spans;

/// Time by which a line may come late.
const LATE: Span = Span::SECOND;

/// The logs whose clocks are known; made once, where a rule asks for many servers.
pub(super) struct ServerLogs<'a>(Vec<ServerLog<'a>>);

struct ServerLog<'a> {
    clock: &'a Clock,
    source: &'a LogSource,
    /// Servers of which it has sessions that were seen, by port and by protocol.
    ports: BTreeSet<Endpoint>,
    protos: BTreeSet<(IpAddr, Proto)>,
    /// When it has sessions that are in no capture, by client; of none where it does not tell it.
    unseen: BTreeMap<Option<IpAddr>, Spans>,
}

impl<'a> ServerLogs<'a> {
    pub(super) fn of(view: View<'a>) -> Self {
        let clocks = view.alignment.clocks.iter();
        let known = clocks.filter_map(|clock| {
            let source = view.sources.iter().find(|source| source.id == clock.log)?;
            Some(ServerLog::of(view, clock, source))
        });
        Self(known.collect())
    }

    /// What the logs of `endpoint`'s server say of the clients of `group` between two moments, to follow a sentence; nothing where none
    /// of them is known to be its log and to cover that time.
    pub(super) fn told(
        &self,
        endpoint: Endpoint,
        proto: Proto,
        group: &Group,
        (from, to): (Nanos, Nanos),
    ) -> String {
        let silent: Vec<&str> = self
            .0
            .iter()
            .filter(|log| log.is_of(endpoint, proto) && log.covers(from, to))
            .filter(|log| !log.names(group, (from, to)))
            .map(|log| log.source.file.as_str())
            .collect();
        if silent.is_empty() {
            return String::new();
        }
        format!(
            "; {}, which the server wrote at that time, has no line of {}: they did not reach its program",
            listed(&silent),
            group.sources(),
        )
    }
}

impl<'a> ServerLog<'a> {
    fn of(view: View<'a>, clock: &'a Clock, source: &'a LogSource) -> Self {
        let mut log = Self {
            clock,
            source,
            ports: BTreeSet::new(),
            protos: BTreeSet::new(),
            unseen: BTreeMap::new(),
        };
        let mut unseen: BTreeMap<_, Vec<(Nanos, Nanos)>> = BTreeMap::new();
        for case in view.cases() {
            let Some(told) = case.log.filter(|told| told.log == clock.log) else {
                continue;
            };
            if let Some(wire) = case.wire {
                let server = wire.conversation.server;
                log.ports.insert(server);
                log.protos.insert((server.ip, wire.proto));
            } else if let (Role::Server, Some((first, last))) = (told.role, told.stamps()) {
                let span = (clock.to_capture(first.at), clock.to_capture(last.at));
                unseen.entry(told.peer).or_default().push(span);
            }
        }
        let unseen = unseen.into_iter();
        log.unseen = unseen.map(|(peer, all)| (peer, Spans::of(all))).collect();
        log
    }

    /// Whether sessions of this log were seen to be with this server and of this protocol.
    fn is_of(&self, endpoint: Endpoint, proto: Proto) -> bool {
        self.ports.contains(&endpoint) || self.protos.contains(&(endpoint.ip, proto))
    }

    fn slack(&self) -> Span {
        self.clock.bound + self.clock.resolution + LATE
    }

    /// Whether the log has lines on both sides of a stretch.
    fn covers(&self, from: Nanos, to: Nanos) -> bool {
        let slack = self.slack();
        let at = |moment| self.clock.to_capture(moment);
        self.source
            .first
            .is_some_and(|first| at(first) + slack < from)
            && self.source.last.is_some_and(|last| at(last) > to + slack)
    }

    /// Whether a session of one of the clients that is in no capture, or whose client the log does not tell, lies in a stretch.
    fn names(&self, group: &Group, (from, to): (Nanos, Nanos)) -> bool {
        let (from, to) = (from - self.slack(), to + self.slack());
        let of = |peer| {
            self.unseen
                .get(&peer)
                .is_some_and(|spans| spans.meet(from, to))
        };
        of(None) || group.ips().any(|client| of(Some(client)))
    }
}
