//! The bundled captures, whole: what a person sees, and what a program reads.

use serde_json::Value;

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

/// `--since` and `--until` take the sessions that were open at some moment between them, to the nanosecond, with their exchanges.
#[test]
fn a_stretch_of_time_takes_the_sessions_that_were_open_in_it() {
    let whole = records(&POSTFIX);
    let of_type = |records: &[Value], kind: &str| -> Vec<Value> {
        let these = records.iter().filter(|record| record["type"] == kind);
        these.cloned().collect()
    };
    let sessions = of_type(&whole, "session");
    let text = |record: &Value, field: &str| record[field].as_str().unwrap().to_owned();
    let [first, middle, last] = [0, 7, 15].map(|at: usize| &sessions[at]);
    for (since, until) in [
        (text(middle, "start"), text(middle, "end")),
        (text(middle, "end"), text(middle, "end")),
        (text(first, "start"), text(last, "end")),
        (text(first, "end"), text(last, "start")),
        (
            "2026-11-24 03:29:16".to_owned(),
            "2026-11-24T04:29:20+01:00".to_owned(),
        ),
        (
            "2026-11-25T00:00:00Z".to_owned(),
            "2026-11-26T00:00:00Z".to_owned(),
        ),
    ] {
        let narrowed = records(&[&POSTFIX[..], &["--since", &since, "--until", &until]].concat());
        // Text in this form is in the order of time.
        let moment = |text: &str| match text {
            "2026-11-24 03:29:16" => "2026-11-24T03:29:16.000000000Z".to_owned(),
            "2026-11-24T04:29:20+01:00" => "2026-11-24T03:29:20.000000000Z".to_owned(),
            other => other.to_owned(),
        };
        let mut expected = sessions.clone();
        expected.retain(|one| {
            text(one, "end") >= moment(&since) && text(one, "start") <= moment(&until)
        });
        assert!(
            of_type(&narrowed, "session") == expected,
            "{since} to {until}"
        );
        let ids: Vec<String> = expected.iter().map(|one| text(one, "id")).collect();
        let mut exchanges = of_type(&whole, "exchange");
        exchanges.retain(|one| ids.contains(&text(one, "session")));
        assert!(
            of_type(&narrowed, "exchange") == exchanges,
            "{since} to {until}"
        );
    }
}

/// Behind a firewall that forwards ports the server knows itself by another address than the capture before it has.
#[test]
fn a_server_that_has_another_address_in_its_own_log_is_known_again() {
    let text = std::fs::read_to_string("captures/iis-netmon/ex_smtp.log").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("ex.log");
    std::fs::write(&log, text.replace(" 198.51.100.25 ", " 10.1.2.3 ")).unwrap();
    let args = [IIS[0], IIS[1], IIS[2], log.to_str().unwrap()];
    let told = records(&args);
    let both: Vec<_> = told
        .iter()
        .filter(|record| record["type"] == "session" && record["seen"] == "both")
        .collect();
    assert_eq!(both.len(), 14);
    let reasons = both[0]["match"]["reasons"].to_string();
    assert!(reasons.contains("10.1.2.3 in its own log"), "{reasons}");
    // A log of a few of many sessions is no evidence of it.
    let head: Vec<&str> = text.lines().take(4).collect();
    let other: Vec<String> = text
        .lines()
        .skip(4)
        .map(|line| {
            line.replace("192.0.2.10 ", "192.0.2.77 ")
                .replace(" 198.51.100.25 ", " 10.1.2.3 ")
        })
        .filter(|line| line.contains("192.0.2.77 "))
        .collect();
    std::fs::write(&log, format!("{}\n{}\n", head.join("\n"), other.join("\n"))).unwrap();
    let joined = records(&args)
        .iter()
        .any(|record| record["type"] == "session" && record["seen"] == "both");
    assert!(!joined);
}
