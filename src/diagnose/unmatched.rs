//! Rows of a log and exchanges on the wire that were left over on both sides and are one all the same, as far as all but
//! the reply goes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{CommandRef, Evidence, Exchange, LogSession, Nanos, Span};

use super::View;
use super::view::Case;

/// Time by which a row may come late.
const LATE: Span = Span::SECOND;

/// A row of a log and the exchange on the wire that it must tell of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'a> {
    /// Number of the log's session.
    pub(super) row: usize,
    pub(super) wire: Case<'a>,
    pub(super) exchange: &'a Exchange,
    pub(super) command: CommandRef<'a>,
    pub(super) line: Evidence,
}

/// An exchange on the wire that no log line is on.
type Silent<'a> = (Case<'a>, &'a Exchange);

/// All such pairs: the same client, the same request, at one time, and nothing else that it could be.
pub(super) fn pairs(view: View<'_>) -> Vec<Pair<'_>> {
    if view.wires.is_empty() {
        return Vec::new();
    }
    let mut silent: BTreeMap<(IpAddr, &str), Vec<Silent<'_>>> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        for exchange in case
            .joined
            .exchanges
            .iter()
            .filter(|one| one.line.is_none())
        {
            let key = (wire.conversation.client.ip, plain(&exchange.request));
            silent.entry(key).or_default().push((case, exchange));
        }
    }
    let rows = view.cases().filter(|case| case.wire.is_none());
    rows.filter(|case| case.joined.candidates.is_empty())
        .filter_map(|case| pair(view, case.number, case.log?, &silent))
        .collect()
}

fn pair<'a>(
    view: View<'a>,
    number: usize,
    log: &'a LogSession,
    silent: &BTreeMap<(IpAddr, &str), Vec<Silent<'a>>>,
) -> Option<Pair<'a>> {
    let event = log.events.only()?;
    let command = event.command()?;
    let clock = view
        .alignment
        .clocks
        .iter()
        .find(|clock| clock.log == log.log)?;
    let at = clock.to_capture(event.stamp.at);
    let slack = clock.bound + clock.resolution + LATE;
    let near = |moment: Option<Nanos>| moment.is_some_and(|moment| moment.since(at).abs() <= slack);
    let same_port = |case: &Case<'_>| {
        let port = case.wire.map(|wire| wire.conversation.client.port);
        log.peer_port.is_none() || log.peer_port == port
    };
    let all = silent.get(&(log.peer?, plain(command.request)))?;
    let mut fitting = all
        .iter()
        .filter(|(case, exchange)| (near(exchange.start) || near(exchange.end)) && same_port(case));
    let (wire, exchange) = *fitting.next()?;
    // Without a port two of them are one too many.
    fitting.next().is_none().then_some(Pair {
        row: number,
        wire,
        exchange,
        command,
        line: Evidence::Line(event.line),
    })
}

/// A request line without its version, which some logs leave out.
fn plain(request: &str) -> &str {
    request.split(" HTTP/").next().unwrap_or(request)
}
