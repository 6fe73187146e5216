//! Alignment of made sessions whose true clock and partners are known.

use std::iter;
use std::net::{IpAddr, Ipv4Addr};

use bothends::align::{Alignment, Standing, Stretch, align};
use bothends::model::{
    Conversation, Encryption, Endpoint, Event, Exchange, LineRef, LogCommand, LogEvent, LogId,
    LogSession, LogSource, LogTime, Nanos, Proto, Seen, Sender, Side, Span, Stamp, Station,
    Threads, Transport, Verb, WireSession,
};

const SERVER: Endpoint = Endpoint {
    ip: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 25)),
    port: 25,
};
pub(crate) const ORIGIN: Nanos = Nanos::new(1_795_490_000, 0);

/// A small generator (Knuth's MMIX numbers), so that the cases are the same everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

fn exchange(verb: &str, code: &str, at: Nanos) -> Exchange {
    Exchange {
        start: Some(at),
        asked: Some(at),
        answered: Some(at + Span::micros(300)),
        end: Some(at + Span::micros(400)),
        code: Some(code.into()),
        response: Some(code.into()),
        ..Exchange::new(Verb::new(verb), verb.into(), Seen::Wire)
    }
}

/// A session in the clear with `recipients` recipients, a pause after each command.
fn wire(chance: &mut Chance, start: Nanos, port: u16) -> WireSession {
    let client = Endpoint {
        ip: IpAddr::V4(Ipv4Addr::new(
            192,
            0,
            2,
            u8::try_from(10 + chance.below(3)).unwrap(),
        )),
        port,
    };
    let mut at = start + Span::MILLISECOND;
    let mut exchanges = vec![exchange("", "220", at)];
    let recipients = chance.below(4);
    let verbs = ["EHLO", "MAIL"]
        .into_iter()
        .chain((0..recipients).map(|_| "RCPT"))
        .chain(["QUIT"]);
    for verb in verbs {
        at = at + Span::millis(5 + i64::try_from(chance.below(600)).unwrap());
        exchanges.push(exchange(
            verb,
            if verb == "QUIT" { "221" } else { "250" },
            at,
        ));
    }
    let conversation = Conversation {
        client,
        server: SERVER,
        transport: Transport::Tcp,
    };
    WireSession {
        end: at + Span::millis(2),
        conn_state: "SF",
        history: "ShADadFf".into(),
        exchanges,
        ..WireSession::new(conversation, Proto("smtp"), start)
    }
}

/// The whole-second log, without ports, that a server whose clock is ahead by `offset` writes of `wire`.
fn log(wire: &WireSession, line: &mut u64, offset: Span) -> LogSession {
    let mut session = LogSession::new(LogId(0), Proto("smtp"));
    let mut event = |at: Nanos, what: Event| {
        *line += 1;
        let at = (at + offset).0.div_euclid(1_000_000_000);
        let stamp = Stamp {
            at: LogTime::new(at, 0),
            resolution: Span::SECOND,
        };
        session.events.push(LogEvent {
            line: LineRef {
                log: LogId(0),
                line: *line,
            },
            stamp,
            what,
        });
    };
    event(wire.start + Span::micros(500), Event::Open);
    for exchange in wire.exchanges.iter().skip(1) {
        let command = LogCommand {
            verb: exchange.verb.clone(),
            request: exchange.request.clone(),
            code: exchange.code.clone(),
            ..LogCommand::default()
        };
        event(exchange.end.unwrap(), Event::command(command));
    }
    event(wire.end, Event::Close);
    session.peer = Some(wire.conversation.client.ip);
    session.encryption = Some(Encryption::None);
    session.every_command = true;
    session
}

pub(crate) fn source() -> LogSource {
    LogSource::new(LogId(0), "smtp.log", "made")
}

/// `count` sessions over `seconds`, and their log in the same order.
pub(crate) fn made(
    seed: u64,
    count: u16,
    seconds: u64,
    offset: Span,
) -> (Vec<WireSession>, Vec<LogSession>) {
    let mut chance = Chance(seed);
    let mut line = 0;
    let wires: Vec<WireSession> = (0..count)
        .map(|n| {
            let at = Span::millis(i64::try_from(chance.below(seconds * 1000)).unwrap());
            wire(&mut chance, ORIGIN + at, 40_000 + n)
        })
        .collect();
    let logs = wires
        .iter()
        .map(|wire| log(wire, &mut line, offset))
        .collect();
    (wires, logs)
}

/// The wire sessions that are joined, each with its sessions of the log.
fn claimed(alignment: &Alignment) -> Vec<(usize, &[usize])> {
    let matched = alignment.sessions.iter();
    let matched = matched.filter(|joined| joined.verdict.standing == Standing::Matched);
    matched
        .filter_map(|joined| Some((joined.wire?, joined.logs.as_slice())))
        .collect()
}

/// The two sides put together, the log's clock unknown.
fn joined(wires: &[WireSession], logs: &[LogSession]) -> Alignment {
    let mut logs = logs.to_vec();
    align(wires, &[source()], &mut logs, ORIGIN, Threads::default())
}

#[test]
fn sessions_without_ports_are_joined_rightly_under_an_unknown_clock() {
    let offset = Span::millis(-37_420);
    let mut joined_in_all = 0;
    for seed in 1..=8 {
        let (wires, logs) = made(seed, 60, 60, offset);
        let alignment = joined(&wires, &logs);

        let clock = alignment.clocks.first().unwrap();
        let error = (clock.offset - offset).abs();
        assert!(error <= clock.bound, "seed {seed}: {clock:?}");
        assert!(
            error < Span::millis(50) && clock.bound < Span::millis(100),
            "seed {seed}: {clock:?}"
        );

        let matched: Vec<(usize, usize)> = alignment
            .sessions
            .iter()
            .filter(|joined| joined.verdict.standing == Standing::Matched)
            .filter_map(|joined| Some((joined.wire?, *joined.logs.first()?)))
            .collect();
        assert!(
            matched.iter().all(|(wire, log)| wire == log),
            "seed {seed}: {matched:?}"
        );
        let both = alignment
            .sessions
            .iter()
            .flat_map(|joined| &joined.exchanges)
            .filter(|e| e.seen == Seen::Both);
        assert!(both.count() >= 3 * matched.len());
        joined_in_all += matched.len();
    }
    assert!(
        joined_in_all >= 8 * 52,
        "only {joined_in_all} of 480 joined"
    );
}

/// A log of many sessions and one of few, each of a server of its own; `stations` and `hops` of the servers' packets.
fn of_two_servers(stations: [u8; 2], hops: u8, offset: Span) -> Alignment {
    let (mut wires, mut logs) = made(1, 120, 120, offset);
    let (few, few_logs) = made(2, 6, 120, offset);
    for wire in &few {
        let mut wire = wire.clone();
        wire.conversation.server.ip = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 26));
        wire.conversation.client.port += 1_000;
        wires.push(wire);
    }
    for wire in &mut wires {
        let at = usize::from(wire.conversation.server.ip != SERVER.ip);
        let way = wire.passage.of_mut(Side::Server);
        way.hops = Some((hops, hops));
        way.sender = Sender::One(Station([2, 0, 0, 0, 0, stations[at]]));
    }
    for log in few_logs {
        let mut log = log;
        log.log = LogId(1);
        log.peer_port = None;
        log.local = Some(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 26)));
        let few = log.events.iter().map(|event| {
            let mut event = event.owned();
            event.line.log = LogId(1);
            event
        });
        log.events = few.collect();
        logs.push(log);
    }
    for log in &mut logs {
        log.local = log.local.or(Some(SERVER.ip));
    }
    let sources = [source(), LogSource::new(LogId(1), "few.log", "made")];
    align(&wires, &sources, &mut logs, ORIGIN, Threads::default())
}

#[test]
fn logs_of_one_machine_share_what_is_known_of_its_clock() {
    let offset = Span::millis(-37_420);
    let bound = |stations, hops| {
        let alignment = of_two_servers(stations, hops, offset);
        for clock in &alignment.clocks {
            assert!((clock.offset - offset).abs() <= clock.bound, "{clock:?}");
        }
        alignment.clocks.get(1).unwrap().bound
    };
    let alone = bound([1, 2], 64);
    assert!(alone > Span::millis(50), "{alone}");
    let shared = bound([1, 1], 64);
    assert!(shared < Span::millis(45), "{shared}");
    assert_eq!(bound([1, 1], 63), alone, "a router stands before them");
}

#[test]
fn a_log_whose_sessions_were_not_captured_is_not_joined() {
    let (wires, _) = made(1, 60, 60, Span::ZERO);
    let (others, mut logs) = made(2, 20, 60, Span::seconds(100_000));
    assert_eq!(others.len(), logs.len());
    for log in &mut logs {
        log.peer = Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)));
    }
    let alignment = joined(&wires, &logs);
    assert!(alignment.clocks.is_empty());
    assert!(
        alignment
            .sessions
            .iter()
            .all(|joined| joined.verdict.standing == Standing::Unmatched)
    );
    assert_eq!(alignment.sessions.len(), 80);
}

/// Made sessions whose log's clock is set by `by` half way.
fn set_half_way(by: Span) -> (Vec<WireSession>, Vec<LogSession>, Span) {
    let offset = Span::millis(1_250);
    let (mut wires, _) = made(3, 160, 160, offset);
    wires.sort_by_key(|wire| wire.start);
    let mut line = 0;
    let logs = wires
        .iter()
        .enumerate()
        .map(|(n, wire)| {
            let set = if n < 80 { Span::ZERO } else { by };
            log(wire, &mut line, offset + set)
        })
        .collect();
    (wires, logs, offset)
}

#[test]
fn a_clock_that_was_set_is_followed() {
    for by in [
        Span::seconds(3600),
        Span::seconds(-3600),
        Span::seconds(5),
        Span::millis(400),
    ] {
        let (wires, logs, offset) = set_half_way(by);
        let alignment = joined(&wires, &logs);
        let clock = alignment.clocks.first().unwrap();
        assert!(
            (clock.offset - offset).abs() <= clock.bound,
            "{by}: {clock:?}"
        );
        let [step] = clock.steps.as_slice() else {
            panic!("{by}: {clock:?}");
        };
        let error = (step.offset - offset - by).abs();
        assert!(
            error <= step.bound && step.bound < Span::millis(200),
            "{by}: {clock:?}"
        );
        let pairs = claimed(&alignment).into_iter();
        let wrong = pairs.filter(|&(wire, log)| *log != [wire]);
        assert_eq!(wrong.count(), 0, "{by}");
    }
}

/// A short log, begun before the capture, whose clock is set twice.
#[test]
fn a_clock_that_was_set_more_than_once_is_followed() {
    let offset = Span::millis(-37_420);
    let sets = [Span::ZERO, Span::seconds(30), Span::seconds(5)];
    for seed in 1..=6 {
        let (mut wires, _) = made(seed, 60, 60, offset);
        wires.sort_by_key(|wire| wire.start);
        let mut line = 0;
        let logs: Vec<LogSession> = wires
            .iter()
            .enumerate()
            .map(|(n, wire)| log(wire, &mut line, offset + sets[n.saturating_sub(15) / 15]))
            .collect();
        let alignment = joined(&wires[15..], &logs);
        let clock = alignment.clocks.first().unwrap();
        let told = iter::once((clock.offset, clock.bound))
            .chain(clock.steps.iter().map(|step| (step.offset, step.bound)));
        let told: Vec<(Span, Span)> = told.collect();
        assert_eq!(told.len(), 3, "seed {seed}: {clock:?}");
        for ((told, bound), set) in told.into_iter().zip(sets) {
            assert!(
                (told - offset - set).abs() <= bound && bound < Span::millis(300),
                "seed {seed}: {clock:?}"
            );
        }
        let pairs = claimed(&alignment);
        assert!(pairs.len() >= 36, "seed {seed}: {}", pairs.len());
        let wrong = pairs.iter().filter(|&&(wire, log)| *log != [wire + 15]);
        assert_eq!(wrong.count(), 0, "seed {seed}");
    }
}

#[test]
fn an_offset_that_is_given_is_used() {
    let offset = Span::millis(-37_420);
    let (wires, logs) = made(5, 60, 60, offset);
    let mut source = source();
    source.offset = Some(offset);
    let right = align(
        &wires,
        &[source.clone()],
        &mut logs.clone(),
        ORIGIN,
        Threads::default(),
    );
    assert_eq!(right.clocks.first().unwrap().offset, offset);
    let both = |alignment: &bothends::align::Alignment| {
        let matched = alignment
            .sessions
            .iter()
            .filter(|joined| joined.verdict.standing == Standing::Matched && joined.wire.is_some());
        matched.count()
    };
    assert!(both(&right) >= 50);
    source.offset = Some(Span::seconds(7200));
    assert_eq!(
        both(&align(
            &wires,
            &[source],
            &mut logs.clone(),
            ORIGIN,
            Threads::default()
        )),
        0
    );
}

#[test]
fn a_log_of_another_day_is_not_joined() {
    let (wires, _) = made(1, 200, 200, Span::ZERO);
    let (others, logs) = made(2, 200, 200, Span::seconds(100_000));
    assert_eq!(others.len(), logs.len());
    let alignment = joined(&wires, &logs);
    assert!(alignment.clocks.is_empty(), "{:?}", alignment.clocks);
}

/// Where a clock is set by so little that either clock finds a log's sessions, both offsets are told, or a bound that holds both.
#[test]
fn no_bound_leaves_out_what_a_small_step_made_of_the_clock() {
    for (millis, seed) in [250, 300, 400, 500]
        .into_iter()
        .flat_map(|millis| (1..=6).map(move |seed| (millis, seed)))
    {
        let offset = Span::millis(1_250);
        let after = offset + Span::millis(millis);
        let (mut wires, _) = made(seed, 40, 60, offset);
        wires.sort_by_key(|wire| wire.start);
        let mut line = 0;
        let logs: Vec<LogSession> = wires
            .iter()
            .enumerate()
            .map(|(n, wire)| log(wire, &mut line, if n < 20 { offset } else { after }))
            .collect();
        let alignment = joined(&wires, &logs);
        let Some(clock) = alignment.clocks.first() else {
            continue;
        };
        let first = (clock.offset - offset).abs() <= clock.bound;
        let last = clock
            .steps
            .last()
            .map_or((clock.offset, clock.bound), |step| {
                (step.offset, step.bound)
            });
        let second = (last.0 - after).abs() <= last.1;
        assert!(first && second, "{millis} ms, seed {seed}: {clock:?}");
    }
}

/// Like sessions at irregular times, every other of them in a log that names no port and no command.
#[test]
fn no_clock_is_told_where_hardly_anything_is_joined() {
    for (seed, pause) in
        (1..=12).flat_map(|seed| [100, 400, 1_000, 2_500].map(|pause| (seed, pause)))
    {
        let mut chance = Chance(seed);
        let mut at = Span::ZERO;
        let wires: Vec<WireSession> = (0..24u16)
            .map(|n| {
                at = at + Span::millis(50 + i64::try_from(chance.below(pause)).unwrap());
                let mut wire = wire(&mut Chance(0), ORIGIN + at, 40_000 + n);
                wire.exchanges.truncate(1);
                wire.end = wire.start + Span::millis(40);
                wire
            })
            .collect();
        let mut line = 0;
        let logs: Vec<LogSession> = wires
            .iter()
            .step_by(2)
            .map(|wire| log(wire, &mut line, Span::millis(400)))
            .collect();
        let alignment = joined(&wires, &logs);
        let joined = alignment
            .sessions
            .iter()
            .filter(|joined| joined.verdict.standing == Standing::Matched)
            .count();
        if let Some(clock) = alignment.clocks.first() {
            let error = (clock.offset - Span::millis(400)).abs();
            assert!(joined >= 3, "seed {seed}: {joined} joined, {clock:?}");
            assert!(error <= clock.bound, "seed {seed}: {clock:?}");
        }
    }
}

/// Rows of a log that names neither port nor session: when two sessions of one client and name are open at once, their reader cannot but guess.
#[test]
fn rows_in_one_heap_go_where_the_wire_shows_them() {
    let offset = Span::millis(4_200);
    let mut chance = Chance(7);
    // Two and two run side by side. All are of different clients but those of one pair.
    let mut wires: Vec<WireSession> = (0..28u16)
        .map(|n| {
            let at = Span::seconds(4 * i64::from(n / 2)) + Span::millis(40 * i64::from(n % 2));
            wire(&mut chance, ORIGIN + at, 40_000 + n)
        })
        .collect();
    for (at, wire) in wires.iter_mut().enumerate() {
        let start = wire.start;
        let client = Ipv4Addr::new(
            192,
            0,
            2,
            if at == 7 {
                6
            } else {
                u8::try_from(at).unwrap()
            },
        );
        let verbs = [
            ("EHLO", "250"),
            ("MAIL", "250"),
            (if at == 7 { "RSET" } else { "RCPT" }, "250"),
            ("QUIT", "221"),
        ];
        let mut moment = start + Span::MILLISECOND;
        wire.exchanges.truncate(1);
        for (verb, code) in verbs {
            moment = moment + Span::millis(90);
            let request = match verb {
                "MAIL" => format!("MAIL FROM:<{at}@example.com>"),
                _ => verb.to_owned(),
            };
            wire.exchanges.push(Exchange {
                request,
                ..exchange(verb, code, moment)
            });
        }
        (wire.start, wire.end) = (start, moment + Span::millis(2));
        wire.conversation.client.ip = IpAddr::V4(client);
        wire.names.push("gate.example.com".into());
    }
    let mut logs: Vec<LogSession> = wires
        .iter()
        .enumerate()
        .map(|(at, wire)| {
            let mut log = log(wire, &mut 0, offset);
            log.names.push("gate.example.com".into());
            let commands = log.events.iter().filter(|event| event.command().is_some());
            // The rows of both sessions of a pair take turns.
            let rows = commands.zip(0u64..).map(|(event, row)| {
                let mut event = event.owned();
                event.line.line = 1 + 8 * (at as u64 / 2) + 2 * row + at as u64 % 2;
                event
            });
            log.events = rows.collect();
            log
        })
        .collect();
    let first = logs[6].events.first().unwrap().line.line;
    // The second half of the rows given to the wrong session.
    let (one, two) = (logs[6].events.clone(), logs[7].events.clone());
    logs[6].events = one.iter().take(2).chain(two.iter().skip(2)).collect();
    logs[7].events = two.iter().take(2).chain(one.iter().skip(2)).collect();

    let alignment = align(&wires, &[source()], &mut logs, ORIGIN, Threads::default());
    for (at, number) in [(6, first), (7, first + 1)] {
        let joined = &alignment.sessions[at];
        let lines: Vec<u64> = joined
            .logs
            .iter()
            .flat_map(|&log| &logs[log].events)
            .map(|event| event.line.line)
            .collect();
        let own: Vec<u64> = (0..4).map(|at| number + 2 * at).collect();
        assert_eq!(lines, own, "{:?}", joined.verdict);
    }
}

/// Half of the log has a clock that nothing explains: the other half is joined, and that the rest is not is told.
#[test]
fn a_stretch_that_no_clock_explains_is_told() {
    let (mut wires, _) = made(3, 60, 60, Span::ZERO);
    wires.sort_by_key(|wire| wire.start);
    let last = wires[35].start;
    let stretches = |shift: &dyn Fn(usize) -> Span, kept: usize| {
        let mut line = 0;
        let mut logs: Vec<LogSession> = wires
            .iter()
            .take(kept)
            .enumerate()
            .map(|(n, wire)| log(wire, &mut line, shift(n)))
            .collect();
        let alignment = align(&wires, &[source()], &mut logs, ORIGIN, Threads::default());
        alignment.clocks[0].unproven.clone()
    };
    let mad = |n: usize| match n {
        0..=35 => Span::ZERO,
        _ => Span::seconds(100 + 37 * i64::try_from(n * n % 23).unwrap()),
    };
    let told = stretches(&mad, 60);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].side, Stretch::After);
    assert!(
        told[0].from <= last + Span::SECOND && told[0].logged >= 20,
        "{told:?}"
    );
    assert_eq!(stretches(&|_| Span::ZERO, 60), [], "all of it is joined");
    assert_eq!(stretches(&|_| Span::ZERO, 36), [], "the log ends there");
}

/// When the clock of a long log is set, by fractions of its sessions, and to what.
type Set = (f64, f64, Span);

/// A log of 24 bursts, a quarter of an hour apart, in which few clients come often, by a clock that gains 60 ppm and is set for a while.
fn long_and_set((from, to, by): Set) -> (Vec<WireSession>, Vec<LogSession>, Vec<Span>) {
    const BURSTS: u16 = 24;
    const EACH: u16 = 16;
    let mut chance = Chance(11);
    let mut wires: Vec<WireSession> = (0..BURSTS * EACH)
        .map(|n| {
            let within = Span::millis(i64::try_from(chance.below(35_000)).unwrap());
            let start = ORIGIN + Span::seconds(i64::from(n / EACH) * 900) + within;
            wire(&mut chance, start, 20_000 + n)
        })
        .collect();
    wires.sort_by_key(|wire| wire.start);
    let offset_of = |(n, wire): (u16, &WireSession)| {
        let gained = wire.start.since(ORIGIN).as_seconds_f64() * 60e-6;
        let share = f64::from(n) / f64::from(BURSTS * EACH);
        let set = (from..to).contains(&share);
        Span::millis(-12_500) + Span::from_seconds_f64(gained) + if set { by } else { Span::ZERO }
    };
    let offsets: Vec<Span> = (0..).zip(&wires).map(offset_of).collect();
    let mut line = 0;
    let logs = wires
        .iter()
        .zip(&offsets)
        .map(|(wire, &offset)| log(wire, &mut line, offset))
        .collect();
    (wires, logs, offsets)
}

#[test]
fn steps_of_a_long_log_that_drifts_are_told_with_bounds_that_hold() {
    let sets: [(f64, f64, i64); 5] = [
        (0.0, 0.0, 0),
        (0.9, 1.0, 3_000),
        (0.4, 0.45, 2_000),
        (0.4, 0.6, -2_000),
        (0.1, 1.0, 1_000),
    ];
    for (from, to, millis) in sets {
        let (wires, logs, offsets) = long_and_set((from, to, Span::millis(millis)));
        let alignment = joined(&wires, &logs);
        let clock = alignment.clocks.first().unwrap();
        let borders: Vec<usize> = (1..offsets.len())
            .filter(|&at| (offsets[at] - offsets[at - 1]).abs() > Span::millis(500))
            .collect();
        let set = format!("{millis} ms from {from} to {to}: {clock:?}");
        assert_eq!(clock.steps.len(), borders.len(), "{set}");
        for (at, (wire, &offset)) in wires.iter().zip(&offsets).enumerate() {
            // The step was somewhere between two sessions that were joined.
            if borders.iter().any(|border| border.abs_diff(at) <= 3) {
                continue;
            }
            let step = clock.steps.iter().rev().find(|step| step.at <= wire.start);
            let (bound, since) = step.map_or((clock.bound, clock.origin), |it| (it.bound, it.at));
            let since = wire.start.since(since).as_seconds_f64();
            let bound = bound + Span::from_seconds_f64(since * clock.drift_bound_ppm * 1e-6);
            let error = (clock.offset_at(wire.start) - offset).abs();
            assert!(error <= bound, "{error} at {at}, {set}");
            assert!(bound < Span::millis(200), "{bound} at {at}, {set}");
        }
        let pairs = claimed(&alignment);
        let wrong = pairs.iter().filter(|&&(wire, log)| *log != [wire]);
        assert_eq!(wrong.count(), 0, "{set}");
        assert!(pairs.len() * 10 >= wires.len() * 9, "{} {set}", pairs.len());
    }
}
