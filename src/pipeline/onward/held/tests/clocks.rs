//! Clocks that prove wrong, or are set.

use super::*;

/// The second at which a session begins: no stretch of them is like another.
fn second(number: i64) -> i64 {
    number * 7 + (number * number * 2_654_435_761 % 1_000_003) % 6
}

/// A session on the wire that begins so, and as a log without ports tells it, whose clock is further ahead by so much.
fn alike(number: i64, second: i64, ahead: Span) -> (WireSession, LogSession) {
    let mut wire = wire(number);
    let moved = at(second).since(wire.start);
    (wire.start, wire.end) = (wire.start + moved, wire.end + moved);
    let mut log = log(number);
    log.peer_port = None;
    log.events.restamp(|event| {
        let told = event.stamp.at + moved + ahead;
        Stamp {
            at: LogTime(told.0 - told.0.rem_euclid(1_000_000_000)),
            ..event.stamp
        }
    });
    (wire, log)
}

/// Pairs, all of which are right, and sessions given alone, so far; and the log's clock.
fn tally(made: &Made) -> (usize, usize, Option<Span>) {
    let is_pair = |(packet, lines): &&(PacketNo, Vec<u64>)| packet.0 > 0 && !lines.is_empty();
    let pairs = made.joined.values().filter(is_pair);
    let wrong = pairs
        .clone()
        .filter(|(packet, lines)| lines[..] != [(packet.0 / 10) * 2 + 1]);
    assert_eq!(wrong.count(), 0);
    let pairs = pairs.count();
    let clock = made.held.clocks().first();
    (
        pairs,
        made.joined.len() - pairs,
        clock.map(|clock| clock.offset_at(clock.origin)),
    )
}

/// The sessions of `numbers` pass, `later` seconds after their usual time: each line at once, each connection a minute after its end.
fn pass(made: &mut Made, numbers: std::ops::Range<i64>, later: i64, ahead: Span) -> i64 {
    let mut last = 0;
    for number in numbers {
        let begun = second(number) + later;
        let (wire, log) = alike(number, begun, ahead);
        let (told, over) = (begun + 3, begun + 62);
        made.held
            .add(Vec::new(), vec![log], made.clock(told), Some(at(told)));
        made.held
            .add(vec![wire], Vec::new(), made.clock(over), Some(at(over)));
        made.settle(over, Ahead::More);
        last = over;
    }
    last
}

/// The first lines are of another server's sessions, and by chance as far apart as what passes here. What comes then bears another clock out.
#[test]
fn a_first_clock_that_proves_wrong_is_left_and_nothing_else_is_lost() {
    for wrong in [300, -300] {
        let mut made = Made::new(Bounds::default());
        for number in 0..5 {
            let (wire, log) = alike(number, second(number), Span::seconds(wrong));
            made.held
                .add(vec![wire], vec![log], made.clock(80), Some(at(80)));
        }
        made.settle(160, Ahead::More);
        made.settle(161 + wrong.max(0), Ahead::More);
        let (pairs, alone, clock) = tally(&made);
        assert_eq!((pairs, alone), (5, 0), "{wrong}");
        assert!((clock.unwrap() - OFFSET - Span::seconds(wrong)).abs() < Span::SECOND);
        let last = pass(&mut made, 20..45, 200 + wrong.max(0), Span::ZERO);
        made.settle(last + 100, Ahead::More);
        let (pairs, alone, clock) = tally(&made);
        assert_eq!((pairs, alone), (30, 0), "{wrong}");
        assert!((clock.unwrap() - OFFSET).abs() < Span::SECOND);
        let contradicted: Vec<usize> = made
            .held
            .contradicted
            .iter()
            .map(|one| one.joined)
            .collect();
        assert_eq!(contradicted, [5], "it is told once");
    }
}

/// A clock that was set: what comes after the step waits until it is known, and is joined by it, but for the first of it.
#[test]
fn what_comes_after_a_step_waits_until_it_is_known() {
    for step in [
        Span::seconds(40),
        Span::seconds(-40),
        Span::millis(-3_600_000),
    ] {
        let mut made = Made::new(Bounds::default());
        pass(&mut made, 0..40, 0, Span::ZERO);
        let last = pass(&mut made, 40..70, 0, step);
        made.settle(last + 100, Ahead::More);
        let (pairs, alone, _) = tally(&made);
        assert!(pairs >= 68 && pairs * 2 + alone == 140, "{step}: {pairs}");
    }
}

/// A log that has none of what passes for a while is not waited for longer than for a first clock.
#[test]
fn what_is_in_no_log_waits_no_longer_than_for_a_first_clock() {
    let mut made = Made::new(Bounds::default());
    let last = pass(&mut made, 0..30, 0, Span::ZERO);
    let (wires, logs): (Vec<_>, Vec<_>) = (60..80)
        .map(|number| alike(number, second(number), Span::ZERO))
        .unzip();
    made.held
        .add(wires, Vec::new(), made.clock(600), Some(at(600)));
    let other = logs.into_iter().map(|mut log| {
        log.peer = Some([203, 0, 113, 9].into());
        log
    });
    made.held
        .add(Vec::new(), other.collect(), made.clock(600), Some(at(600)));
    assert!(last < 600);
    made.settle(700, Ahead::More);
    let before = tally(&made).1;
    made.settle(600 + 601, Ahead::More);
    assert_eq!((before, tally(&made).1), (0, 40));
}

/// Lines that are read as soon as they are written tell of which clock they are, so that sessions as far apart as others do not mislead.
#[test]
fn when_lines_came_tells_what_a_first_clock_cannot_be() {
    for (heard, apart, given) in [
        (false, -300, 5),
        (true, -300, 0),
        (false, 0, 0),
        (true, 0, 12),
    ] {
        let mut made = Made::new(Bounds::default());
        for second in (0..90).filter(|_| heard) {
            let now = at(second);
            let stamp = LogTime((now + OFFSET).0);
            made.held.arrivals.hear(LogId(0), stamp, now);
        }
        // Of five as far apart as those of another time, or of twelve at even intervals.
        let count = if apart == 0 { 12 } else { 5 };
        for number in 0..count {
            let begun = if apart == 0 {
                number * 7
            } else {
                second(number)
            };
            let (wire, log) = alike(number, begun, Span::seconds(apart));
            made.held
                .add(vec![wire], vec![log], made.clock(80), Some(at(80)));
        }
        made.settle(160, Ahead::More);
        assert_eq!(tally(&made).0, given, "{heard} {apart}");
    }
}
