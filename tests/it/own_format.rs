//! Formats that the user describes, through the command line.

use crate::program::{complained, records, run};

/// What stands between the fences of the first block of `kind` in the guide.
fn block(kind: &str) -> String {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/own-format.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let (_, rest) = guide.split_once(&format!("```{kind}\n")).unwrap();
    rest.split("```").next().unwrap().to_owned()
}

#[test]
fn the_worked_example_of_the_guide_works() {
    let folder = tempfile::tempdir().unwrap();
    let definition = folder.path().join("gateway.toml");
    let log = folder.path().join("gateway.log");
    std::fs::write(&definition, block("toml")).unwrap();
    std::fs::write(&log, block("text")).unwrap();
    let (definition, log) = (definition.to_str().unwrap(), log.to_str().unwrap());
    let named = records(&["-l", &format!("{definition}:{log}")]);
    let tried = records(&["-l", log, "--log-definition", definition]);
    assert_eq!(named, tried);
    assert_eq!(named[0]["unparsed_lines"], 0);
    assert_eq!(named[0]["zone"], "+01:00");
    let sessions: Vec<_> = named
        .iter()
        .filter(|record| record["type"] == "session")
        .collect();
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions[0]["src_port"], 40001);
    assert_eq!(sessions[0]["start"], "2026-11-24T03:29:09.112000000Z");
    let text = format!("{named:?}");
    assert!(text.contains("AUTH PLAIN ***") && !text.contains("AGFubgBzZWNyZXQ="));
}

#[test]
fn a_faulty_definition_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let definition = folder.path().join("bad.toml");
    std::fs::write(&definition, block("toml").replace("'smtp'", "'uucp'")).unwrap();
    let output = run(&["-l", &format!("{}:x.log", definition.display())]);
    assert_eq!(output.status.code(), Some(2));
    let text = complained(&output);
    assert!(
        text.contains("bad.toml:3: 'uucp'") && text.contains("one of:"),
        "{text}"
    );
}

#[test]
fn a_log_format_of_a_web_server_is_named_or_tried() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    std::fs::write(
        &log,
        "192.0.2.10:40001 [24/Nov/2026:03:29:09 +0000] \"GET / HTTP/1.1\" 200 0.012\n",
    )
    .unwrap();
    let log = log.to_str().unwrap();
    let format = "timed=$remote_addr:$remote_port [$time_local] \"$request\" $status $request_time";
    let named = records(&["-l", &format!("timed:{log}"), "--log-format", format]);
    assert_eq!(named, records(&["-l", log, "--log-format", format]));
    assert_eq!(named[1]["src_port"], 40001);
    let output = run(&["-l", log, "--log-format", "x=$remote_addr"]);
    assert_eq!(output.status.code(), Some(2));
    let text = complained(&output);
    assert!(
        text.contains("'x'") && text.contains("add $request"),
        "{text}"
    );
}
