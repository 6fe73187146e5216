//! What is found of a whole run is found of one that goes on, too: at its end, and without all of it being kept.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::program::{bundled, records};

/// What goes by all sessions of a run, or by what is in none of them.
const OF_A_WHOLE_RUN: [&str; 4] = ["host-dead", "log-incomplete", "not-captured", "one-witness"];

/// The program looks twice a second.
const PAUSE: Duration = Duration::from_millis(600);

/// What was found of these kinds, each in its words.
fn found(records: &[Value], folder: &Path) -> BTreeSet<String> {
    let folder = format!("{}/", folder.display());
    let findings = records.iter().filter(|record| record["type"] == "finding");
    let mine = findings.filter(|finding| {
        let code = finding["code"].as_str().unwrap();
        OF_A_WHOLE_RUN.contains(&code)
    });
    mine.map(|finding| {
        let [code, severity, message, next] =
            ["code", "severity", "message", "next"].map(|key| finding[key].as_str().unwrap());
        let (count, sessions) = (&finding["count"], finding["sessions"].as_array().unwrap());
        let message = message.replace(&folder, "");
        format!(
            "{severity} {code} {count} in {}: {message}; {next}",
            sessions.len()
        )
    })
    .collect()
}

/// The logs of a condition that hold sessions.
fn logs(condition: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(condition).unwrap();
    let all = all.map(|entry| entry.unwrap().path());
    let is_log = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        path.extension().is_some_and(|ending| ending == "log") && !name.contains("error")
    };
    let mut logs: Vec<PathBuf> = all.filter(is_log).collect();
    logs.sort();
    logs
}

/// The records of a run in which packets come through a pipe, and each log's second half after the first of them.
fn going_on(condition: &Path, logs: &[PathBuf], folder: &Path) -> Vec<Value> {
    let pipe = folder.join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let growing: Vec<PathBuf> = logs
        .iter()
        .map(|log| folder.join(log.file_name().unwrap()))
        .collect();
    let texts: Vec<Vec<u8>> = logs.iter().map(|log| std::fs::read(log).unwrap()).collect();
    let append = |second: bool| {
        for (text, path) in texts.iter().zip(&growing) {
            let (begin, rest) = text.split_at(text.len() / 2);
            let mut log = std::fs::File::options()
                .append(true)
                .create(true)
                .open(path)
                .unwrap();
            log.write_all(if second { rest } else { begin }).unwrap();
        }
    };
    append(false);
    let mut command = Command::new(env!("CARGO_BIN_EXE_bothends"));
    command.args(["--follow", "--json", "-q", "--year", "2026", "-r"]);
    command.arg(&pipe);
    for log in &growing {
        command.arg("-l").arg(log);
    }
    if growing.is_empty() {
        // A name that nobody writes to is no log.
        command.arg("-l").arg(folder.join("none.log"));
    }
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    let packets = std::fs::read(condition.join("wire.pcapng")).unwrap();
    let (begin, rest) = packets.split_at(packets.len() / 2);
    // Opened for reading too, it is open at once.
    let mut wire = std::fs::File::options()
        .read(true)
        .write(true)
        .open(&pipe)
        .unwrap();
    wire.write_all(begin).unwrap();
    std::thread::sleep(PAUSE);
    append(true);
    wire.write_all(rest).unwrap();
    drop(wire);
    let out = child.wait_with_output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The same of a run that has all of it at once.
fn at_once(condition: &Path, logs: &[PathBuf]) -> Vec<Value> {
    let wire = condition.join("wire.pcapng").display().to_string();
    let mut arguments = vec!["--year", "2026", "-r", &wire];
    let logs: Vec<String> = logs.iter().map(|log| log.display().to_string()).collect();
    for log in &logs {
        arguments.extend(["-l", log]);
    }
    records(&arguments)
}

/// Whether a condition is found so is asked with its logs and without.
fn compare(name: &str, with_logs: bool) -> (BTreeSet<String>, BTreeSet<String>) {
    let condition = bundled(&format!("conditions/{name}"));
    let logs = if with_logs {
        logs(&condition)
    } else {
        Vec::new()
    };
    let folder = tempfile::tempdir().unwrap();
    let going_on = going_on(&condition, &logs, folder.path());
    (
        found(&going_on, folder.path()),
        found(&at_once(&condition, &logs), &condition),
    )
}

#[test]
fn what_goes_by_all_sessions_is_found_at_the_end_as_it_is_at_once() {
    let conditions = [
        ("dead-host", true, "host-dead"),
        ("dead-host-at-server-link", true, "host-dead"),
        ("dead-host-behind-router", true, "host-dead"),
        ("log-disk-full", true, "log-incomplete"),
        ("log-rotated", true, "log-incomplete"),
        ("not-captured", true, "not-captured"),
        ("not-captured", false, "one-witness"),
        ("server-resets", true, "one-witness"),
        // What is dead is told by the name that led there.
        ("dns-stale-dead", true, ""),
    ];
    std::thread::scope(|scope| {
        let all = conditions.map(|(name, with_logs, code)| {
            (name, code, scope.spawn(move || compare(name, with_logs)))
        });
        for (name, code, compared) in all {
            let (going_on, at_once) = compared.join().unwrap();
            assert_eq!(going_on, at_once, "{name}");
            let is_found = at_once.iter().any(|one| one.contains(code));
            assert!(code.is_empty() || is_found, "{name}");
        }
    });
}
