use std::time::Duration;

use super::super::super::follow::Mark;
use super::super::marks::{Ahead, SILENT};
use super::*;
use crate::flow::GoingOn;
use crate::model::{
    Conversation, Endpoint, Event, LineRef, LogEvent, LogTime, Nanos, PacketNo, Proto, Side, Span,
    Stamp, Transport,
};
use crate::report::Account;

mod clocks;

/// The log's clock is ahead by this.
const OFFSET: Span = Span::millis(7_300);
/// A session begins in each of so many seconds.
const EACH: i64 = 2;
/// Seconds after its end in which a connection is over.
const OVER: i64 = 60;

fn at(seconds: i64) -> Nanos {
    Nanos::new(1_700_000_000 + seconds, 250_000_000)
}

fn conversation(number: i64) -> Conversation {
    let end = |last, port| Endpoint {
        ip: [192, 0, 2, last].into(),
        port,
    };
    Conversation {
        client: end(10, u16::try_from(20_000 + number % 30_000).unwrap()),
        server: end(25, 25),
        transport: Transport::Tcp,
    }
}

/// The session numbered so, of a second and a half.
fn wire(number: i64) -> WireSession {
    let start = at(number * EACH);
    let mut wire = WireSession::new(conversation(number), Proto("smtp"), start);
    wire.end = start + Span::millis(1_500);
    wire.first_packet = PacketNo(u64::try_from(number * 10 + 1).unwrap());
    wire.conn_state = "SF";
    wire.history = "ShADadFf".into();
    for side in [Side::Client, Side::Server] {
        wire.counts.of_mut(side).bytes = 100;
    }
    wire
}

fn log(number: i64) -> LogSession {
    let mut log = LogSession::new(LogId(0), Proto("smtp"));
    let ends = conversation(number);
    log.peer = Some(ends.client.ip);
    log.peer_port = Some(ends.client.port);
    let wire = wire(number);
    for (line, (what, moment)) in (1..).zip([(Event::Open, wire.start), (Event::Close, wire.end)]) {
        let told = (moment + OFFSET).0;
        log.events.push(LogEvent {
            line: LineRef {
                log: LogId(0),
                line: u64::try_from(number * 2).unwrap() + line,
            },
            stamp: Stamp {
                at: LogTime(told - told % 1_000_000_000),
                resolution: Span::SECOND,
            },
            what,
        });
    }
    log
}

/// A run of `seconds`; what was given is checked.
struct Made {
    held: Held,
    begun: Instant,
    /// Which wire session each number of the run was given with.
    joined: BTreeMap<usize, (PacketNo, Vec<u64>)>,
    most: usize,
}

impl Made {
    fn new(bounds: Bounds) -> Self {
        Self {
            held: Held::new(bounds),
            begun: Instant::now(),
            joined: BTreeMap::new(),
            most: 0,
        }
    }

    /// The first twenty sessions are over on both sides, and settled at second 200.
    fn with_twenty() -> Self {
        let mut made = Self::new(Bounds::default());
        let (wires, logs) = ((0..20).map(wire), (0..20).map(log));
        let now = made.clock(100);
        made.held
            .add(wires.collect(), logs.collect(), now, Some(at(100)));
        made.settle(200, Ahead::More);
        made
    }

    /// Time of this machine at a second of the run.
    fn clock(&self, second: i64) -> Instant {
        self.begun + Duration::from_secs(u64::try_from(second).unwrap())
    }

    /// Settles at `second`, the last line of the log being of then.
    fn settle(&mut self, second: i64, ahead: Ahead) {
        let last = self.clock(second);
        self.settle_after(second, last, ahead, &[]);
    }

    fn settle_after(&mut self, second: i64, heard: Instant, ahead: Ahead, open: &[GoingOn]) {
        let marks = [Mark {
            log: LogId(0),
            present: Some(LogTime((at(second) + OFFSET).0)),
            heard,
            begun: Some(self.begun),
        }];
        let now = Now {
            at: self.clock(second),
            marks: &marks,
            begun: None,
            capture: Some(at(second)),
            has_capture: true,
            packets: ahead,
            lines: ahead,
            open,
        };
        let sources = [LogSource::new(LogId(0), "mail.log", "postfix")];
        // The first time nothing but the clock is learnt.
        for _ in 0..2 {
            while let Some(given) = self.held.settle(&now, &sources, Threads::default()) {
                self.note(&given.account);
                self.held.take_back(given);
            }
        }
        self.most = self.most.max(self.held.len());
    }

    fn note(&mut self, account: &Account) {
        for (joined, number) in account.alignment.sessions.iter().zip(&account.part.numbers) {
            let Some(number) = number.filter(|number| *number >= account.part.from) else {
                continue;
            };
            let packet = joined
                .wire
                .map_or(PacketNo(0), |at| account.wires[at].first_packet);
            let lines = joined
                .logs
                .iter()
                .map(|&at| account.logs[at].events.first().unwrap().line.line);
            let before = self.joined.insert(number, (packet, lines.collect()));
            assert!(before.is_none(), "given twice");
        }
    }

    /// Asserts that the first `count` sessions were each given once, as pairs.
    fn all_are_pairs(&self, count: i64) {
        let mut told: Vec<_> = self.joined.values().cloned().collect();
        told.sort();
        let expected: Vec<_> = (0..count)
            .map(|number| {
                let line = u64::try_from(number * 2 + 1).unwrap();
                (wire(number).first_packet, vec![line])
            })
            .collect();
        assert_eq!(told.len(), expected.len());
        for (told, expected) in told.iter().zip(&expected) {
            assert_eq!(told, expected);
        }
    }
}

#[test]
fn what_is_held_does_not_grow_with_the_run_and_all_is_joined() {
    const SESSIONS: i64 = 800;
    let bounds = Bounds {
        given: 40,
        ..Bounds::default()
    };
    let mut made = Made::new(bounds);
    for step in 0..SESSIONS / 10 {
        let over = |number: i64| number * EACH + 2 + OVER;
        let second = (step + 1) * 10 * EACH;
        let begun = step * 10 * EACH;
        let ended = (0..SESSIONS).filter(|&number| (begun..second).contains(&over(number)));
        let wires = ended.map(wire).collect();
        let logs = (step * 10..(step + 1) * 10).map(log).collect();
        let now = made.clock(second);
        made.held.add(wires, logs, now, Some(at(second)));
        made.settle(second, Ahead::More);
    }
    // Those of two minutes, and of those that were given 40 of the log with their connections.
    assert!(made.most < 200, "{} were held", made.most);
    let given = made.held.given();
    assert!(given > 750, "only {given} were given before the end");
    let rest = (0..SESSIONS).filter(|number| number * EACH + 2 + OVER >= SESSIONS * EACH);
    let now = made.clock(SESSIONS * EACH);
    made.held
        .add(rest.map(wire).collect(), Vec::new(), now, None);
    made.settle(SESSIONS * EACH, Ahead::Nothing);
    made.all_are_pairs(SESSIONS);
    assert!(made.held.overrun().is_none());
}

#[test]
fn a_connection_waits_for_its_log_until_that_is_silent_for_long() {
    let mut made = Made::with_twenty();
    made.all_are_pairs(20);
    // The next connection is over; the log says nothing of it, and nothing else.
    let now = made.clock(200);
    made.held
        .add(vec![wire(30)], Vec::new(), now, Some(at(200)));
    let heard = made.clock(70);
    for (second, given) in [(210, 20), (200 + 119, 20), (200 + 121, 21)] {
        let marks = [Mark {
            log: LogId(0),
            present: Some(LogTime((at(70) + OFFSET).0)),
            heard,
            begun: Some(made.begun),
        }];
        let now = Now {
            at: made.clock(second),
            marks: &marks,
            begun: None,
            capture: Some(at(second)),
            has_capture: true,
            packets: Ahead::More,
            lines: Ahead::More,
            open: &[],
        };
        let sources = [LogSource::new(LogId(0), "mail.log", "postfix")];
        if let Some(given) = made.held.settle(&now, &sources, Threads::default()) {
            made.note(&given.account);
            made.held.take_back(given);
        }
        assert_eq!(made.held.given(), given, "at second {second}");
    }
    assert_eq!(SILENT.as_secs(), 120);
}

#[test]
fn a_log_session_waits_for_a_connection_that_may_be_it() {
    let mut made = Made::with_twenty();
    // The log does not say that it is over, and its connection goes on.
    let mut open = log(30);
    open.events.pop();
    made.held
        .add(Vec::new(), vec![open], made.clock(200), Some(at(200)));
    let goes_on = GoingOn {
        conversation: conversation(30),
        start: wire(30).start,
        last: at(190),
        answered: true,
    };
    let heard = made.clock(300);
    made.settle_after(300, heard, Ahead::More, &[goes_on]);
    assert_eq!(made.held.given(), 20);
    let other = GoingOn {
        conversation: conversation(31),
        ..goes_on
    };
    made.settle_after(310, heard, Ahead::More, &[other]);
    assert_eq!(made.held.given(), 21, "another port is another connection");
}

#[test]
fn too_many_that_wait_are_given_as_they_are_and_counted() {
    let bounds = Bounds {
        wires: 50,
        ..Bounds::default()
    };
    let mut made = Made::new(bounds);
    for step in 0..20 {
        let wires = (step * 10..(step + 1) * 10).map(wire).collect();
        let now = made.clock(step);
        made.held.add(wires, Vec::new(), now, Some(at(step)));
        // No line of the log comes.
        let marks = [Mark {
            log: LogId(0),
            present: None,
            heard: now,
            begun: None,
        }];
        let now = Now {
            at: now,
            marks: &marks,
            begun: None,
            capture: Some(at(step)),
            has_capture: true,
            packets: Ahead::More,
            lines: Ahead::More,
            open: &[],
        };
        let sources = [LogSource::new(LogId(0), "mail.log", "postfix")];
        while let Some(given) = made.held.settle(&now, &sources, Threads::default()) {
            made.held.take_back(given);
        }
        assert!(made.held.waiting_wires() < 60);
    }
    assert!(made.held.overrun().unwrap().contains("as too many waited"));
}
