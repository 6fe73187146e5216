//! Rows of a log and exchanges on the wire that were left over on both sides and are one all the same, as far as all but
//! the reply goes.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::model::{CommandRef, EventRef, Evidence, Exchange, LogSession, Nanos, Proto, Span};

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

/// Those of each client with one request in one protocol.
type ByRequest<'a> = HashMap<(Proto, IpAddr, &'a str), Vec<Silent<'a>>, RandomState>;

/// All such pairs: the same client, the same request, at one time, and nothing else that it could be.
pub(super) fn pairs(view: View<'_>) -> Vec<Pair<'_>> {
    if view.wires.is_empty() {
        return Vec::new();
    }
    let left_over = || {
        let alone = view.cases().filter(|case| case.wire.is_none());
        let alone = alone.filter(|case| case.joined.candidates.is_empty());
        let logged = alone.filter_map(|case| Some((case.number, case.log?)));
        logged.filter(|(_, log)| log.events.len() == 1)
    };
    // Millions may be left over: none is kept.
    let protos: BTreeSet<Proto> = left_over().map(|(_, log)| log.proto).collect();
    let silent = silent(view, &protos);
    left_over()
        .filter_map(|(number, log)| Row::of(view, log)?.pair(number, &silent))
        .collect()
}

/// The exchanges in some protocols that no log line is on.
fn silent<'a>(view: View<'a>, protos: &BTreeSet<Proto>) -> ByRequest<'a> {
    let mut silent = ByRequest::default();
    let seen = view.on_wire();
    for (case, wire) in seen.filter(|(_, wire)| protos.contains(&wire.proto)) {
        for exchange in case
            .joined
            .exchanges
            .iter()
            .filter(|one| one.line.is_none())
        {
            let client = wire.conversation.client.ip;
            let key = (wire.proto, client, plain(&exchange.request));
            silent.entry(key).or_default().push((case, exchange));
        }
    }
    silent
}

/// A row of a log.
struct Row<'a> {
    log: &'a LogSession,
    event: EventRef<'a>,
    command: CommandRef<'a>,
    /// When it was written on the capture's clock, and within how much of that.
    at: Nanos,
    slack: Span,
}

impl<'a> Row<'a> {
    /// A session of one line with a command, in a log whose clock is known.
    fn of(view: View<'a>, log: &'a LogSession) -> Option<Self> {
        let event = log.events.only()?;
        let command = event.command()?;
        let mut clocks = view.alignment.clocks.iter();
        let clock = clocks.find(|clock| clock.log == log.log)?;
        Some(Self {
            log,
            event,
            command,
            at: clock.to_capture(event.stamp.at),
            slack: clock.bound + clock.resolution + LATE,
        })
    }

    fn is_near(&self, moment: Option<Nanos>) -> bool {
        moment.is_some_and(|moment| moment.since(self.at).abs() <= self.slack)
    }

    /// Whether the client of a conversation may have the port that is told.
    fn has_port(&self, case: &Case<'_>) -> bool {
        let port = case.wire.map(|wire| wire.conversation.client.port);
        self.log.peer_port.is_none() || self.log.peer_port == port
    }

    fn pair(&self, number: usize, silent: &ByRequest<'a>) -> Option<Pair<'a>> {
        let all = silent.get(&(self.log.proto, self.log.peer?, plain(self.command.request)))?;
        let is_near =
            |exchange: &Exchange| self.is_near(exchange.start) || self.is_near(exchange.end);
        let mut fitting = all
            .iter()
            .filter(|(case, exchange)| is_near(exchange) && self.has_port(case));
        let (wire, exchange) = *fitting.next()?;
        // Without a port two of them are one too many.
        fitting.next().is_none().then_some(Pair {
            row: number,
            wire,
            exchange,
            command: self.command,
            line: Evidence::Line(self.event.line),
        })
    }
}

/// A request line without its version, which some logs leave out.
fn plain(request: &str) -> &str {
    request.split(" HTTP/").next().unwrap_or(request)
}
