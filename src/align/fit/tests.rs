use proptest::prelude::*;

use super::*;

/// What a whole-second log clock with this offset and drift would give for events at `times`.
fn whole_seconds(times: &[f64], offset: f64, drift: f64) -> Vec<Constraint> {
    times
        .iter()
        .map(|&at| {
            let stamp = (at + offset + drift * at).floor();
            Constraint {
                at,
                lo: stamp - at - 0.002,
                hi: stamp + 1.0 - at,
                late: 0.0,
                tick: 0.0,
            }
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn truth_lies_within_the_bounds(
        times in proptest::collection::vec(0.0f64..20_000.0, 1..200),
        offset in -50_000.0f64..50_000.0,
        ppm in -300.0f64..300.0,
    ) {
        let drift = ppm * 1e-6;
        let line = fit(&whole_seconds(&times, offset, drift), 9.0).unwrap();
        prop_assert!((line.offset - offset).abs() <= line.offset_bound + 1e-6, "{line:?}");
        prop_assert!((line.drift - drift).abs() <= line.drift_bound + 1e-9, "{line:?}");
    }

    #[test]
    fn a_tenth_of_wrong_pairs_does_no_harm(
        times in proptest::collection::vec(0.0f64..3_000.0, 60..200),
        wrong in proptest::collection::vec(prop_oneof![-30.0f64..-4.0, 4.0f64..30.0], 6),
    ) {
        let mut constraints = whole_seconds(&times, 3.5, 20e-6);
        for (c, by) in constraints.iter_mut().step_by(10).zip(&wrong) {
            c.lo += by;
            c.hi += by;
        }
        prop_assert_eq!(satisfied(&constraints), prompt(&constraints, 0.0).unwrap().satisfied);
        let line = fit(&constraints, 9.0).unwrap();
        prop_assert!((line.offset - 3.5).abs() <= line.offset_bound + 1e-6, "{line:?}");
        prop_assert!(line.offset_bound < 0.6, "{line:?}");
    }
}

#[test]
fn what_chance_misses_is_not_taken_for_lateness() {
    // In each ten one pair fell in by chance, up to a second and a half off.
    let times: Vec<f64> = (0..200).map(|i| f64::from(i) * 7.313).collect();
    let mut constraints = whole_seconds(&times, 3.5, 0.0);
    for (c, by) in constraints.iter_mut().step_by(10).zip(1u32..) {
        let by = f64::from(by * 7 % 20) * 0.15 - 1.5;
        (c.lo, c.hi) = (c.lo + by, c.hi + by);
    }
    let line = |doubt| fit(&constraints, doubt).unwrap();
    assert!(line(0.0).slack != Slack::default(), "{:?}", line(0.0));
    let known = line(20.0);
    assert_eq!(known.slack, Slack::default());
    assert!(
        (known.offset - 3.5).abs() <= known.offset_bound,
        "{known:?}"
    );
    assert!(known.offset_bound < 0.2, "{known:?}");
}

#[test]
fn many_whole_seconds_give_milliseconds() {
    let times: Vec<f64> = (0..500).map(|i| f64::from(i) * 7.313).collect();
    let line = fit(&whole_seconds(&times, -18_000.25, 40e-6), 9.0).unwrap();
    assert!((line.offset + 18_000.25).abs() < 0.02, "{line:?}");
    assert!(
        line.offset_bound < 0.05 && line.drift_bound < 20e-6,
        "{line:?}"
    );
    assert_eq!(line.satisfied, 500);
}

/// Logs that were merged or replayed may have been cut to seconds twice: late lines and lagging stamps explain it alike.
#[test]
fn stamps_cut_twice_leave_the_bound_wide_enough_for_either_reason() {
    let times: Vec<f64> = (0..900).map(|i| f64::from(i) * 0.0713).collect();
    let cut_twice = times.iter().zip(0..).map(|(&at, i)| {
        let stamp = (at.floor() + f64::from(i % 130) * 1.37).floor();
        let at = at + f64::from(i % 130) * 1.37;
        Constraint {
            at,
            lo: stamp - at - 0.002,
            hi: stamp + 1.0 - at,
            late: 0.0,
            tick: 0.0,
        }
    });
    let line = fit(&cut_twice.collect::<Vec<_>>(), 9.0).unwrap();
    assert!(line.offset.abs() <= line.offset_bound, "{line:?}");
}

#[test]
fn one_late_line_of_a_few_leaves_the_truth_within_the_bound() {
    let times: Vec<f64> = (0..12).map(|i| f64::from(i) * 7.08 + 0.03).collect();
    let mut constraints = whole_seconds(&times, 0.0, 0.0);
    // What happened at 97.97 was written at 98.02.
    constraints.extend(whole_seconds(&[97.97], 0.05, 0.0));
    // No drift explains it.
    for c in &mut constraints {
        c.at = 0.0;
    }
    let line = fit(&constraints, 0.0).unwrap();
    assert_eq!(line.satisfied, 13, "nothing contradicts it");
    assert!(
        line.offset > 0.02 && line.offset <= line.offset_bound,
        "{line:?}"
    );
}

#[test]
fn lines_are_alike_that_stay_near_each_other_to_the_end() {
    let near = Line::near(0.1, 0.0);
    let moved = |offset: f64, drift: f64| Line {
        offset,
        drift,
        ..near
    };
    assert!(moved(0.009, 0.0).is_like(&near, 1000.0));
    assert!(!moved(0.011, 0.0).is_like(&near, 1000.0));
    assert!(moved(0.0, 9e-6).is_like(&near, 1000.0));
    assert!(!moved(0.0, 9e-6).is_like(&near, 2000.0), "they part");
    let rough = Line::near(1.0, 0.0);
    assert!(moved(0.04, 0.0).is_like(&rough, 1000.0), "nobody knows");
    let slack = Slack {
        late: 0.02,
        lag: 0.0,
    };
    assert!(!Line { slack, ..near }.is_like(&near, 1000.0));
}

#[test]
fn one_pair_leaves_the_bound_wide() {
    let line = fit(&whole_seconds(&[10.0], 2.0, 0.0), 9.0).unwrap();
    assert!(
        line.offset_bound >= 0.5 && (line.drift_bound - MAX_DRIFT).abs() < 1e-9,
        "{line:?}"
    );
    assert_eq!(fit(&[], 0.0), None);
}
