//! The bundled captures, whole: what a person sees, and what a program reads.

use crate::program::{records, run, said};

const POSTFIX: [&str; 4] = [
    "-r",
    "captures/postfix/wire.pcapng",
    "-l",
    "captures/postfix/postfix.log",
];
const IIS: [&str; 4] = [
    "-r",
    "captures/iis-netmon/wire.cap",
    "-l",
    "captures/iis-netmon/ex_smtp.log",
];

#[test]
fn postfix_as_text() {
    let output = run(&POSTFIX);
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!(said(&output));
}

#[test]
fn postfix_as_json_lines() {
    insta::assert_snapshot!(said(&run(&[&POSTFIX[..], &["--json"]].concat())));
}

#[test]
fn iis_and_network_monitor_as_text() {
    insta::assert_snapshot!(said(&run(&IIS)));
}

#[test]
fn the_wire_alone_and_the_log_alone() {
    insta::assert_snapshot!(
        "wire_alone",
        said(&run(&[&POSTFIX[..2], &["--session", "s1,s2"]].concat()))
    );
    insta::assert_snapshot!(
        "log_alone",
        said(&run(&[&POSTFIX[2..], &["--session", "s1,s2"]].concat()))
    );
}

#[test]
fn every_session_of_both_cases_is_joined() {
    for (args, sessions) in [(POSTFIX, 16), (IIS, 14)] {
        let records = records(&args);
        let matched = records
            .iter()
            .filter(|record| record["type"] == "session")
            .filter(|record| record["match"]["status"] == "matched" && record["seen"] == "both")
            .count();
        assert_eq!(matched, sessions, "{args:?}");
    }
}

#[test]
fn the_zone_of_a_wall_clock_capture_is_found() {
    let records = records(&IIS);
    let capture = &records[0];
    assert_eq!(
        (&capture["zone"], &capture["zone_source"]),
        (&"-05:00".into(), &"inferred".into())
    );
    let clock = records
        .iter()
        .find(|record| record["type"] == "clock")
        .unwrap();
    // The capture was made 5 hours off and 4.2 s ahead.
    let (offset, bound) = (
        clock["offset_s"].as_f64().unwrap(),
        clock["bound_s"].as_f64().unwrap(),
    );
    assert!(
        (offset - 17_995.8).abs() <= bound && bound < 0.5,
        "{offset} ± {bound}"
    );
}

#[test]
fn narrowing_shows_what_was_asked_for() {
    let only = |more: &[&str]| {
        let records = records(&[&POSTFIX[..], more].concat());
        records
            .iter()
            .filter(|record| record["type"] == "session")
            .count()
    };
    assert_eq!(only(&["--session", "s3"]), 1);
    assert_eq!(only(&["--host", "192.0.2.20"]), 5);
    assert_eq!(
        only(&["--until", "2026-11-24T03:29:15Z"])
            + only(&["--since", "2026-11-24T03:29:15.000001Z"]),
        16
    );
}
