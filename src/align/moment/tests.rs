use super::*;
use crate::model::{
    Closed, Event, LineRef, LogEvent, LogId, LogTime, PacketNo, Proto, Stamp, testing,
};

#[test]
fn of_lines_that_tell_of_one_moment_the_last_written_and_the_finest_count() {
    let mut wire = testing::wire("smtp", 25, Nanos(0));
    (wire.end, wire.history) = (Nanos(0) + Span::seconds(4), "ShFf".into());
    let moments = Moments::of(&wire);
    let mut log = LogSession::new(LogId(0), Proto("smtp"));
    log.lag = Span::ZERO;
    let mut note = |at: i64, resolution| {
        log.events.push(LogEvent {
            line: LineRef {
                log: LogId(0),
                line: 1,
            },
            stamp: Stamp {
                at: LogTime::new(at, 0),
                resolution,
            },
            what: Event::Note(String::new()),
        });
        shared_offsets(&moments, &Stamps::of(&log), Span::ZERO)
    };
    let seconds = |lo, hi| [lo, hi].map(|millis| Span::millis(millis).as_seconds_f64());
    let range = |lo, hi| Some(seconds(lo, hi).into());
    assert_eq!(note(3, Span::SECOND), range(-1020, 4000));
    assert_eq!(note(5, Span::SECOND), range(980, 4000));
    assert_eq!(note(3, Span::MILLISECOND), range(980, 3001));
    assert_eq!(note(9, Span::SECOND), None, "they are too far apart");
}

#[test]
fn a_client_that_went_away_was_missed_after_its_fin_and_not_before() {
    let at = |millis| Nanos(0) + Span::millis(millis);
    let mut wire = testing::wire("imap", 143, Nanos(0));
    (wire.end, wire.history) = (at(4000), "ShAdDaFf".into());
    wire.passage.of_mut(Side::Client).closed = Some(Closed {
        at: at(3000),
        packet: PacketNo(9),
    });
    let mut log = LogSession::new(LogId(0), Proto("imap"));
    log.lag = Span::ZERO;
    log.events.push(LogEvent {
        line: LineRef {
            log: LogId(0),
            line: 1,
        },
        stamp: Stamp {
            at: LogTime::new(3, 0),
            resolution: Span::SECOND,
        },
        what: Event::Close,
    });
    // The earliest moment of a stamp of 3 s that is true is 3 to 4 s: the offset is at most that beyond the window's begin.
    let greatest = |wire: &WireSession, log: &LogSession| {
        let offsets = shared_offsets(&Moments::of(wire), &Stamps::of(log), Span::ZERO);
        offsets.map(|(_, greatest)| (greatest * 1000.0).round())
    };
    assert_eq!(greatest(&wire, &log), Some(4000.0), "the log does not say");
    log.ending = Ending::Lost;
    assert_eq!(greatest(&wire, &log), Some(1000.0));
    wire.encryption = Encryption::Implicit;
    assert_eq!(
        greatest(&wire, &log),
        Some(1020.0),
        "it may have taken leave inside TLS"
    );
    wire.history = "ShAdDafF".into();
    assert_eq!(
        greatest(&wire, &log),
        Some(4000.0),
        "the server closed first"
    );
    log.role = Role::Client;
    wire.history = "ShAdDaFf".into();
    assert_eq!(
        greatest(&wire, &log),
        Some(4000.0),
        "it was written by the client"
    );
}
