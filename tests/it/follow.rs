//! Logs that are read while they are written.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

fn append(path: &Path, text: &str) {
    let mut file = std::fs::File::options()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Long enough for the program to begin or to look again.
fn pause() {
    std::thread::sleep(Duration::from_millis(900));
}

#[test]
fn a_log_is_followed_over_its_rotation_until_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mail.log");
    let later = folder.path().join("later.log");
    append(
        &path,
        "Nov 24 03:29:09 mail postfix/smtpd[7]: connect from unknown[192.0.2.10]\n",
    );
    let child = Command::new(env!("CARGO_BIN_EXE_bothends"))
        .args(["--follow", "--json", "-q", "--year", "2026", "-l"])
        .arg(&path)
        .arg(&later)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    pause();
    append(
        &path,
        "Nov 24 03:29:10 mail postfix/smtpd[8]: connect from un",
    );
    pause();
    append(&path, "known[192.0.2.31]\n");
    std::fs::rename(&path, folder.path().join("mail.log.1")).unwrap();
    append(
        &path,
        "Nov 24 03:29:11 mail postfix/smtpd[7]: disconnect from unknown[192.0.2.10] quit=1 commands=1\n",
    );
    append(
        &later,
        "192.0.2.10 - - [24/Nov/2026:03:49:17 +0000] \"GET / HTTP/1.1\" 200 13 \"-\" \"x\"\n",
    );
    pause();
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let records: Vec<serde_json::Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |kind: &str| {
        records
            .iter()
            .filter(|record| record["type"] == kind)
            .collect::<Vec<_>>()
    };
    let logs: Vec<_> = of("log")
        .iter()
        .map(|log| (log["format"].clone(), log["lines"].clone()))
        .collect();
    assert_eq!(
        logs,
        [("postfix".into(), 3.into()), ("clf".into(), 1.into())]
    );
    let first = of("session")[0]["log_lines"].clone();
    let file = path.display().to_string();
    assert_eq!(
        first,
        serde_json::json!([{"file": file, "line": 1}, {"file": file, "line": 1}]),
        "the second is line 1 of the new file"
    );
}
