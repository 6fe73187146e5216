use super::*;
use crate::model::{Event, LineRef, LogEvent, LogId, LogTime, Proto, Stamp, testing};

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
