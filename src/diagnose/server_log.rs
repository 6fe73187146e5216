//! Whether the log of a server that a client did not reach has anything of it.

use crate::align::Clock;
use crate::model::{Endpoint, LogId, LogSession, Nanos, Proto, Role, Span};

use super::View;
use super::group::{Group, listed};

/// Time by which a line may come late.
const LATE: Span = Span::SECOND;

/// What the logs of `endpoint`'s server say of the clients of `group` between two moments, to follow a sentence; nothing where none of them is
/// known to be its log and to cover that time.
pub(super) fn told(
    view: View<'_>,
    endpoint: Endpoint,
    proto: Proto,
    group: &Group,
    (from, to): (Nanos, Nanos),
) -> String {
    let silent: Vec<&str> = view
        .alignment
        .clocks
        .iter()
        .filter(|clock| is_of(view, clock.log, endpoint, proto))
        .filter(|clock| covers(view, clock, from, to))
        .filter(|clock| !names(view, clock, group, (from, to)))
        .filter_map(|clock| view.sources.iter().find(|source| source.id == clock.log))
        .map(|source| source.file.as_str())
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

/// Whether sessions of this log were seen to be with this server and of this protocol.
fn is_of(view: View<'_>, log: LogId, endpoint: Endpoint, proto: Proto) -> bool {
    view.on_wire().any(|(case, wire)| {
        let server = wire.conversation.server;
        server.ip == endpoint.ip
            && (server.port == endpoint.port || wire.proto == proto)
            && case.log.is_some_and(|found| found.log == log)
    })
}

fn bounds(clock: &Clock) -> Span {
    clock.bound + clock.resolution + LATE
}

/// Whether the log has lines on both sides of a stretch.
fn covers(view: View<'_>, clock: &Clock, from: Nanos, to: Nanos) -> bool {
    let Some(source) = view.sources.iter().find(|source| source.id == clock.log) else {
        return false;
    };
    let slack = bounds(clock);
    source
        .first
        .is_some_and(|first| clock.to_capture(first) + slack < from)
        && source
            .last
            .is_some_and(|last| clock.to_capture(last) > to + slack)
}

/// Whether a session of one of the clients that is in no capture, or whose client the log does not tell, lies in a stretch.
fn names(view: View<'_>, clock: &Clock, group: &Group, (from, to): (Nanos, Nanos)) -> bool {
    let slack = bounds(clock);
    let within = |log: &LogSession| {
        log.stamps().is_some_and(|(first, last)| {
            clock.to_capture(last.at) + slack >= from && clock.to_capture(first.at) <= to + slack
        })
    };
    view.cases().filter(|case| case.wire.is_none()).any(|case| {
        case.log.is_some_and(|log| {
            log.log == clock.log
                && log.role == Role::Server
                && log.peer.is_none_or(|peer| group.is_of(peer))
                && within(log)
        })
    })
}
