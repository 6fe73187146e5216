//! Made sessions for the tests of rules.

use crate::align::{Alignment, Clock, Joined};
use crate::model::{
    CaptureSource, Event, Exchange, Finding, LineRef, LogEvent, LogId, LogSession, LogSource,
    LogTime, Lookup, LookupOutcome, Nanos, Neighbour, PacketNo, Proto, RecordType, Seen, Span,
    Stamp, Unlisted, Verb, WireSession, testing,
};

use super::View;

/// Sessions to be looked at.
#[derive(Default)]
pub(super) struct Scene {
    pub(super) captures: Vec<CaptureSource>,
    pub(super) sources: Vec<LogSource>,
    wires: Vec<WireSession>,
    logs: Vec<LogSession>,
    pub(super) unlisted: Vec<Unlisted>,
    pub(super) neighbours: Vec<Neighbour>,
    pub(super) alignment: Alignment,
}

impl Scene {
    /// A session on the wire, not in a log.
    pub(super) fn add(&mut self, wire: WireSession) {
        self.alignment.sessions.push(Joined {
            wire: Some(self.wires.len()),
            exchanges: wire.exchanges.clone(),
            ..Joined::default()
        });
        self.wires.push(wire);
    }

    /// A session that both sides tell of.
    pub(super) fn add_both(&mut self, wire: WireSession, log: LogSession) {
        self.add(wire);
        if let Some(joined) = self.alignment.sessions.last_mut() {
            joined.logs.push(self.logs.len());
        }
        self.logs.push(log);
    }

    /// A session that only a log tells of.
    pub(super) fn add_logged(&mut self, log: LogSession) {
        self.alignment.sessions.push(Joined {
            logs: smallvec::smallvec![self.logs.len()],
            ..Joined::default()
        });
        self.logs.push(log);
    }

    pub(super) fn find(&self, find: fn(View<'_>) -> Vec<Finding>) -> Vec<Finding> {
        find(self.view())
    }

    pub(super) fn view(&self) -> View<'_> {
        View {
            captures: &self.captures,
            sources: &self.sources,
            wires: &self.wires,
            logs: &self.logs,
            unlisted: &self.unlisted,
            neighbours: &self.neighbours,
            alignment: &self.alignment,
        }
    }
}

/// A moment `second` seconds into the capture.
pub(super) fn at(second: i64) -> Nanos {
    Nanos::new(1_795_491_000, 0) + Span::seconds(second)
}

/// A connection of 192.0.2.10 to a port of 198.51.100.25 that began at `second`.
pub(super) fn wire(port: u16, second: i64, conn_state: &'static str, history: &str) -> WireSession {
    let proto = match port {
        110 => "pop3",
        143 => "imap",
        80 => "http",
        _ => "smtp",
    };
    let mut wire = testing::wire(proto, port, at(second));
    wire.conversation.client.ip = [192, 0, 2, 10].into();
    WireSession {
        end: at(second + 1),
        first_packet: PacketNo(u64::try_from(second).unwrap_or(0) * 10 + 1),
        conn_state,
        history: history.into(),
        ..wire
    }
}

/// A capture from one second to another.
pub(super) fn capture(from: i64, to: i64) -> CaptureSource {
    CaptureSource {
        file: "wire.pcapng".into(),
        format: "pcapng",
        packets: 9,
        bytes: 900,
        first: Some(at(from)),
        last: Some(at(to)),
        ..CaptureSource::default()
    }
}

/// The clock of the only log: right, and a millisecond is its bound.
pub(super) fn clock() -> Clock {
    Clock {
        log: LogId(0),
        offset: Span::ZERO,
        bound: Span::MILLISECOND,
        drift_ppm: 0.0,
        drift_bound_ppm: 1.0,
        resolution: Span::SECOND,
        pairs: 2,
        steps: Vec::new(),
        unproven: Vec::new(),
        origin: at(0),
    }
}

/// The only log.
pub(super) fn log_source() -> LogSource {
    LogSource::new(LogId(0), "mail.log", "postfix")
}

/// A session of 192.0.2.10 of which the log has one line.
pub(super) fn logged(second: i64, number: u64) -> LogSession {
    let mut log = LogSession::new(LogId(0), Proto("smtp"));
    log.peer = Some([192, 0, 2, 10].into());
    log.events.push(LogEvent {
        line: LineRef {
            log: LogId(0),
            line: number,
        },
        stamp: Stamp {
            at: LogTime(at(second).0),
            resolution: Span::SECOND,
        },
        what: Event::Open,
    });
    log
}

/// A question for an address at `second`, answered at once where there was an answer.
pub(super) fn lookup(second: i64, name: &str, outcome: LookupOutcome) -> Lookup {
    let answered = outcome != LookupOutcome::Unanswered;
    Lookup {
        name: name.into(),
        record_type: RecordType::A,
        asked: at(second),
        answered: answered.then(|| at(second)),
        tries: 1,
        outcome,
        addresses: Vec::new(),
        names: Vec::new(),
        ttl: None,
        question: PacketNo(1),
        answer: answered.then_some(PacketNo(2)),
    }
}

/// A request at `second` that was answered after `millis`.
pub(super) fn exchange(second: i64, request: &str, response: &str, millis: i64) -> Exchange {
    let mut words = request.split(' ');
    let first = words.next().unwrap_or_default();
    let is_tag = first.len() > 1 && first.starts_with('a') && first.as_bytes()[1].is_ascii_digit();
    let verb = if is_tag {
        words.next().unwrap_or_default()
    } else {
        first
    };
    let code = response.split(' ').nth(usize::from(is_tag));
    Exchange {
        start: Some(at(second)),
        asked: Some(at(second)),
        answered: Some(at(second) + Span::millis(millis)),
        end: Some(at(second) + Span::millis(millis)),
        response: Some(response.into()),
        code: code.map(str::to_owned),
        packets: [Some(PacketNo(7)), Some(PacketNo(8))],
        ..Exchange::new(Verb::new(verb), request.into(), Seen::Wire)
    }
}
