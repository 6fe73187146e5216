//! Made sessions for the tests of rules.

use crate::align::{Alignment, Joined};
use crate::model::{
    CaptureSource, Conversation, Counts, Encryption, Endpoint, Exchange, Finding, Handshake,
    LogSession, LogSource, Nanos, Neighbour, PacketNo, Passage, Proto, Seen, Span, Transport, Verb,
    WireSession,
};

use super::View;

/// Sessions to be looked at.
#[derive(Default)]
pub(super) struct Scene {
    pub(super) captures: Vec<CaptureSource>,
    pub(super) sources: Vec<LogSource>,
    wires: Vec<WireSession>,
    logs: Vec<LogSession>,
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

    pub(super) fn find(&self, find: fn(View<'_>) -> Vec<Finding>) -> Vec<Finding> {
        find(View {
            captures: &self.captures,
            sources: &self.sources,
            wires: &self.wires,
            logs: &self.logs,
            neighbours: &self.neighbours,
            alignment: &self.alignment,
        })
    }
}

/// A moment `second` seconds into the capture.
pub(super) fn at(second: i64) -> Nanos {
    Nanos::new(1_795_491_000, 0) + Span::seconds(second)
}

/// A connection of 192.0.2.10 to a port of 198.51.100.25 that began at `second`.
pub(super) fn wire(port: u16, second: i64, conn_state: &'static str, history: &str) -> WireSession {
    let client = Endpoint {
        ip: [192, 0, 2, 10].into(),
        port: 40_000,
    };
    let server = Endpoint {
        ip: [198, 51, 100, 25].into(),
        port,
    };
    WireSession {
        conversation: Conversation {
            client,
            server,
            transport: Transport::Tcp,
        },
        proto: match port {
            110 => Proto("pop3"),
            143 => Proto("imap"),
            80 => Proto("http"),
            _ => Proto("smtp"),
        },
        encryption: Encryption::None,
        start: at(second),
        end: at(second + 1),
        first_packet: PacketNo(u64::try_from(second).unwrap_or(0) * 10 + 1),
        conn_state,
        history: history.into(),
        counts: Counts::default(),
        handshake: Handshake::default(),
        passage: Passage::default(),
        tls: None,
        exchanges: Vec::new(),
        bursts: Vec::new(),
        inferred: Vec::new(),
        names: Vec::new(),
        icmp_errors: Vec::new(),
        overlaps: Vec::new(),
        process: None,
        lookups: Vec::new(),
        led_by: None,
        faults: Vec::new(),
        notes: Vec::new(),
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
