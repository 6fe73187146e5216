//! Sessions that are made, on the wire and in a log of them, with the truth: for the study of alignment and its bench.

use std::net::{IpAddr, Ipv4Addr};

use bothends::model::{
    Burst, Conversation, Encryption, Endpoint, Event, LineRef, LogEvent, LogId, LogSession,
    LogTime, LoggedOctets, Nanos, PacketNo, Proto, Side, Span, Stamp, TlsSummary, TlsVersion,
    Transport, WireSession,
};

pub(crate) const ORIGIN: Nanos = Nanos::new(1_795_490_000, 0);
pub(crate) const OFFSET: Span = Span::millis(37_420);

/// What is varied.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    /// Sessions a second, all from one address.
    pub(crate) rate: f64,
    pub(crate) resolution: Span,
    /// Share of the sessions that the capture lacks, and share that the log lacks.
    pub(crate) loss: f64,
    pub(crate) ppm: f64,
    /// Whether the log counts octets.
    pub(crate) octets: bool,
}

pub(crate) const PLAIN: Case = Case {
    rate: 1.0,
    resolution: Span::SECOND,
    loss: 0.0,
    ppm: 0.0,
    octets: false,
};

/// What was made. The truth gives for each session of either side its number among all.
pub(crate) struct Made {
    pub(crate) wires: Vec<WireSession>,
    pub(crate) logs: Vec<LogSession>,
    pub(crate) truth_of_wire: Vec<usize>,
    pub(crate) truth_of_log: Vec<usize>,
}

/// A small generator (Knuth's MMIX numbers), so that the study is the same everywhere.
struct Chance(u64);

impl Chance {
    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.0 >> 32).unwrap_or(0)) / f64::from(u32::MAX)
    }

    /// A waiting time whose mean is `mean` seconds.
    fn wait(&mut self, mean: f64) -> Span {
        Span::from_seconds_f64(-mean * (1.0 - self.share()).max(1e-9).ln())
    }

    fn below(&mut self, n: u32) -> u32 {
        let at = self.share() * f64::from(n);
        (0..n).rev().find(|&k| f64::from(k) <= at).unwrap_or(0)
    }
}

/// A mailbox session inside TLS: some commands, each answered at once, with pauses between.
fn session(chance: &mut Chance, start: Nanos, port: u16) -> WireSession {
    let conversation = Conversation {
        client: Endpoint {
            ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)),
            port,
        },
        server: Endpoint {
            ip: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 25)),
            port: 993,
        },
        transport: Transport::Tcp,
    };
    let mut wire = WireSession::new(conversation, Proto("imap"), start);
    wire.encryption = Encryption::Implicit;
    wire.tls = Some(TlsSummary {
        version: Some(TlsVersion::TLS_1_3),
        ..TlsSummary::default()
    });
    wire.history = "ShADadFf".into();
    wire.conn_state = "SF";
    let mut at = start + Span::millis(30);
    for _ in 0..3 + chance.below(5) {
        let sizes = [
            (Side::Client, 20 + chance.below(60)),
            (Side::Server, 40 + chance.below(2000)),
        ];
        for (side, octets) in sizes {
            wire.bursts.push(Burst {
                side,
                start: at,
                end: at,
                packet: PacketNo(1),
                records: 1,
                plaintext: u64::from(octets),
                parts: Vec::new(),
                damaged: false,
            });
            at = at + Span::micros(400);
        }
        at = at + chance.wait(0.15);
    }
    wire.end = at;
    wire
}

/// What the server writes of it: a line at the beginning and one at the end.
fn told(wire: &WireSession, case: Case, chance: &mut Chance) -> Vec<(Nanos, Event)> {
    let late = |chance: &mut Chance| chance.wait(0.002);
    let last = wire.bursts.last().map_or(wire.end, |burst| burst.end);
    let opened = wire.start + late(chance);
    let closed = last + late(chance);
    let on_log = |at: Nanos| {
        let drift = at.since(ORIGIN).as_seconds_f64() * case.ppm * 1e-6;
        at + OFFSET + Span::from_seconds_f64(drift)
    };
    vec![
        (on_log(opened), Event::Open),
        (on_log(closed), Event::Close),
    ]
}

fn log_session(wire: &WireSession, case: Case) -> LogSession {
    let mut log = LogSession::new(LogId(0), Proto("imap"));
    log.peer = Some(wire.conversation.client.ip);
    log.encryption = Some(Encryption::Implicit);
    if case.octets {
        // From the second command on, as after a login.
        let sum = |side: Side, skip: usize| {
            let bursts = wire.bursts.iter().filter(|burst| burst.side == side);
            bursts.skip(skip).map(|burst| burst.plaintext).sum()
        };
        log.rare_mut().octets = Some(LoggedOctets {
            received: sum(Side::Client, 1),
            sent: sum(Side::Server, 0),
            unread: 0,
        });
    }
    log
}

/// So many sessions and their log.
pub(crate) fn made(case: Case, sessions: u32, seed: u64) -> Made {
    let mut chance = Chance(seed);
    let mut at = ORIGIN;
    let all: Vec<WireSession> = (0..sessions)
        .map(|n| {
            at = at + chance.wait(1.0 / case.rate);
            session(
                &mut chance,
                at,
                u16::try_from(20_000 + n % 40_000).unwrap_or(0),
            )
        })
        .collect();
    let mut logs = Vec::new();
    let mut lines: Vec<(Nanos, usize, Event)> = Vec::new();
    let mut truth_of_log = Vec::new();
    for (number, wire) in all.iter().enumerate() {
        if chance.share() < case.loss {
            continue;
        }
        let index = logs.len();
        lines.extend(
            told(wire, case, &mut chance)
                .into_iter()
                .map(|(at, what)| (at, index, what)),
        );
        logs.push(log_session(wire, case));
        truth_of_log.push(number);
    }
    lines.sort_by_key(|&(at, ..)| at);
    for (line, (at, index, what)) in (1..).zip(lines) {
        let step = case.resolution.0;
        let stamp = Stamp {
            at: LogTime(at.0.div_euclid(step) * step),
            resolution: case.resolution,
        };
        let line = LineRef {
            log: LogId(0),
            line,
        };
        if let Some(log) = logs.get_mut(index) {
            log.events.push(LogEvent { line, stamp, what });
        }
    }
    let (mut wires, mut truth_of_wire) = (Vec::new(), Vec::new());
    for (number, wire) in all.into_iter().enumerate() {
        if chance.share() >= case.loss {
            wires.push(wire);
            truth_of_wire.push(number);
        }
    }
    Made {
        wires,
        logs,
        truth_of_wire,
        truth_of_log,
    }
}
