//! Long logs of one busy client, whose clock is looked for in parts of them and in how busy both sides were.

use bothends::align::{Alignment, Standing, align};
use bothends::model::{EventRef, LogId, LogSource, Span, Stamp, Threads, What};

#[path = "../../examples/alignment_study/made.rs"]
#[allow(dead_code, reason = "the study of alignment uses all of it")]
mod sessions;

use sessions::{Case, Made, OFFSET, ORIGIN, PLAIN, made};

/// Sessions joined, how many of them rightly, and what was found.
fn joined(case: Case, count: u32) -> (usize, usize, Alignment) {
    aligned(made(case, count, 1))
}

fn aligned(mut made: Made) -> (usize, usize, Alignment) {
    let source = LogSource::new(LogId(0), "made.log", "made");
    let threads = Threads::default();
    let alignment = align(&made.wires, &[source], &mut made.logs, ORIGIN, threads);
    let Made {
        truth_of_wire,
        truth_of_log,
        ..
    } = made;
    let matched = alignment.sessions.iter();
    let matched = matched.filter(|joined| joined.verdict.standing == Standing::Matched);
    let pairs: Vec<bool> = matched
        .filter_map(|joined| {
            let wire = *truth_of_wire.get(joined.wire?)?;
            Some(wire == *truth_of_log.get(*joined.logs.first()?)?)
        })
        .collect();
    let right = pairs.iter().filter(|&&right| right).count();
    (pairs.len(), right, alignment)
}

const BUSY: Case = Case {
    rate: 10.0,
    octets: true,
    ..PLAIN
};

fn assert_clock_holds(alignment: &Alignment) {
    let [clock] = alignment.clocks.as_slice() else {
        panic!("{:?}", alignment.clocks);
    };
    let error = (clock.offset - OFFSET).abs();
    assert!(error <= clock.bound, "{error:?} of {:?}", clock.bound);
}

#[test]
fn thousands_of_sessions_of_one_client_are_joined_by_their_octets() {
    let (all, right, alignment) = joined(BUSY, 6_000);
    assert_eq!((all, right), (6_000, 6_000));
    assert_clock_holds(&alignment);
}

/// Sessions that are left over on both sides fall in with others by chance: that says nothing of the clock.
#[test]
fn the_clock_stays_where_many_sessions_are_missing_on_both_sides() {
    let sparse = Case {
        rate: 0.1,
        loss: 0.3,
        ..PLAIN
    };
    for (count, seed) in [(600, 2), (600, 3), (8_000, 2)] {
        let (all, right, alignment) = aligned(made(sparse, count, seed));
        assert_clock_holds(&alignment);
        let bound = alignment.clocks[0].bound;
        assert!(bound < Span::millis(80), "{bound:?}");
        assert!(right * 100 >= all * 98, "{right} of {all}");
        assert!(all * 5 > 2 * usize::try_from(count).unwrap(), "{all}");
    }
}

/// A session whose partner is missing must not be given to another that comes near in time when the octets, which the log counts
/// exactly, say otherwise.
#[test]
fn octets_that_differ_keep_apart_what_times_would_join() {
    let case = Case {
        loss: 0.3,
        rate: 5.0,
        ..BUSY
    };
    let (all, right, alignment) = joined(case, 6_000);
    assert!(all > 2_500, "{all}");
    assert_eq!(right, all);
    assert_clock_holds(&alignment);
}

#[test]
fn more_sessions_than_times_can_tell_apart_are_not_guessed() {
    let case = Case {
        octets: false,
        ..BUSY
    };
    let (all, ..) = joined(case, 5_000);
    assert_eq!(all, 0);
}

/// The stamps of all lines from one on moved by so much, as by a clock that was set.
fn stepped(mut made: Made, from: u64, by: Span) -> Made {
    for log in &mut made.logs {
        let events = log.events.iter().map(|event| {
            let late = if event.line.line < from {
                Span::ZERO
            } else {
                by
            };
            let stamp = Stamp {
                at: event.stamp.at + late,
                ..event.stamp
            };
            EventRef { stamp, ..event }
        });
        log.events = events.collect();
    }
    made
}

/// That the one step was told, with bounds that hold what is true on either side.
fn assert_step_holds(alignment: &Alignment, by: Span) {
    let clock = &alignment.clocks[0];
    let [step] = clock.steps.as_slice() else {
        panic!("{clock:?}");
    };
    assert!((clock.offset - OFFSET).abs() <= clock.bound, "{clock:?}");
    assert!(
        (step.offset - (OFFSET + by)).abs() <= step.bound,
        "{step:?}"
    );
}

/// A clock set by less than what its sessions are looked for within is told by their times alone.
#[test]
fn a_small_step_of_a_long_log_is_told() {
    let case = Case {
        rate: 2.0,
        octets: true,
        ..PLAIN
    };
    for (from, by) in [(9_000, Span::millis(700)), (2_000, Span::millis(-900))] {
        let (all, right, alignment) = aligned(stepped(made(case, 6_000, 1), from, by));
        assert!(right == all && all > 5_900, "{right} of {all}");
        assert_step_holds(&alignment, by);
    }
}

/// A session that was open when the clock was set is longer or shorter in the log than it was: it must not narrow what is known of either clock.
#[test]
fn sessions_that_a_step_falls_into_do_not_narrow_its_bound() {
    let case = Case {
        rate: 8.0,
        octets: true,
        ..PLAIN
    };
    let by = Span::SECOND;
    let steps = (1..6).flat_map(|seed| (40..120).step_by(6).map(move |from| (seed, from)));
    let mut told = 0;
    for (seed, from) in steps {
        let (_, _, alignment) = aligned(stepped(made(case, 80, seed), from, by));
        if alignment.clocks.iter().any(|clock| !clock.steps.is_empty()) {
            assert_step_holds(&alignment, by);
            told += 1;
        }
    }
    assert!(told > 60, "{told} of 70");
}

/// What is left out at one border of a stretch stays left out at the next.
#[test]
fn a_stretch_between_two_steps_has_a_bound_that_holds() {
    let case = Case {
        rate: 1.0,
        octets: true,
        ..PLAIN
    };
    let (first, second) = (Span::SECOND, Span::seconds(3));
    let truth = [OFFSET, OFFSET + first, OFFSET + first + second];
    for (seed, from) in [(1, 52), (1, 108), (5, 108), (7, 60)] {
        let made = stepped(made(case, 110, seed), from, first);
        let (_, _, alignment) = aligned(stepped(made, from + 50, second));
        let clock = &alignment.clocks[0];
        let steps = clock.steps.iter().map(|step| (step.offset, step.bound));
        let told: Vec<_> = std::iter::once((clock.offset, clock.bound))
            .chain(steps)
            .collect();
        assert_eq!(told.len(), truth.len(), "{clock:?}");
        for ((offset, bound), truth) in told.into_iter().zip(truth) {
            assert!((offset - truth).abs() <= bound, "{truth:?}: {clock:?}");
        }
    }
}

/// A connection that was open when the capture began may have begun at any time: that its time fits a session says nothing.
#[test]
fn a_session_without_its_beginning_is_not_given_to_one_before_the_capture() {
    let case = Case { rate: 0.2, ..PLAIN };
    let mut made = made(case, 60, 1);
    // Of one session the log has the login only and the capture nothing; of a later one the capture has the end only and the log nothing.
    let login = made.logs[30].events.iter().take(1).map(|event| EventRef {
        what: What::Login("ann"),
        ..event
    });
    made.logs[30].events = login.collect();
    made.wires[40].history = "ADadFf".into();
    made.wires[40].counts.0[0].bytes = 1;
    made.logs.remove(40);
    made.truth_of_log.remove(40);
    made.wires.remove(30);
    made.truth_of_wire.remove(30);
    let (all, right, alignment) = aligned(made);
    assert!(right == all && all > 50, "{right} of {all}");
    assert_clock_holds(&alignment);
}
