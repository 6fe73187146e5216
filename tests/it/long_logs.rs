//! Long logs of one busy client, whose clock is looked for in parts of them and in how busy both sides were.

use bothends::align::{Alignment, Standing, align};
use bothends::model::{LogId, LogSource, Threads};

#[path = "../../examples/alignment_study/made.rs"]
#[allow(dead_code, reason = "the study of alignment uses all of it")]
mod sessions;

use sessions::{Case, Made, OFFSET, ORIGIN, PLAIN, made};

/// Sessions joined, how many of them rightly, and what was found.
fn joined(case: Case, count: u32) -> (usize, usize, Alignment) {
    let mut made = made(case, count, 1);
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
