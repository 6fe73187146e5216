//! What the diagnosis says of conditions that were made on purpose (`captures/conditions`).

use std::collections::BTreeSet;
use std::path::Path;

use bothends::diagnose::registry::RULES;
use bothends::model::Side;
use bothends::pipeline::{LogInput, LogPlace, Options, Progress, Show, run};
use bothends::report::Account;

fn conditions() -> impl Iterator<Item = (String, std::path::PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/conditions");
    let mut found: Vec<_> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("expect.json").exists())
        .collect();
    found.sort();
    found
        .into_iter()
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
}

/// Which witnesses are heard.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Both,
    Log,
    Wire,
}

fn account(path: &Path, heard: Heard) -> Account {
    let mut logs: Vec<_> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        // Error logs hold no sessions.
        .filter(|path| {
            !path
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .contains("error")
        })
        .collect();
    logs.sort();
    let options = Options {
        captures: match heard {
            Heard::Both | Heard::Wire => vec![path.join("wire.pcapng")],
            Heard::Log => Vec::new(),
        },
        logs: logs
            .into_iter()
            .filter(|_| heard != Heard::Wire)
            .map(LogPlace::Files)
            .map(|place| LogInput {
                place,
                format: None,
            })
            .collect(),
        ..Options::default()
    };
    run(&options, &mut Progress::new(Show::Never)).account
}

/// Codes of warnings and errors found in one condition, and of all.
fn found(path: &Path, heard: Heard) -> (BTreeSet<String>, BTreeSet<String>) {
    let account = account(path, heard);
    let codes = |all: bool| {
        account
            .findings
            .iter()
            .filter(|finding| all || finding.severity.name() != "info")
            .map(|finding| finding.code.to_owned())
            .collect()
    };
    (codes(false), codes(true))
}

/// The codes that a condition is there to show.
fn expected(path: &Path) -> BTreeSet<String> {
    let expect = std::fs::read_to_string(path.join("expect.json")).unwrap();
    let expect: serde_json::Value = serde_json::from_str(&expect).unwrap();
    expect["fires"]
        .as_array()
        .unwrap()
        .iter()
        .map(|code| code.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_code_has_a_condition_in_which_it_fires() {
    let shown: BTreeSet<String> = conditions().flat_map(|(_, path)| expected(&path)).collect();
    let unshown: Vec<_> = RULES
        .iter()
        .map(|rule| rule.code)
        .filter(|code| !shown.contains(*code))
        .collect();
    assert!(unshown.is_empty(), "no condition shows {unshown:?}");
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/conditions");
    assert_eq!(found(&root.join("clean"), Heard::Both).1, BTreeSet::new());
}

/// What one side alone tells of a condition, and what it cannot.
#[test]
fn either_side_alone_gives_what_it_can_and_says_what_the_other_would_add() {
    for (name, heard, tells, cannot) in [
        (
            "bad-order",
            Heard::Log,
            "command-rejected",
            "connection-reset",
        ),
        (
            "delivered-unknown-tls",
            Heard::Wire,
            "retransmission-storm",
            "delivered-unknown",
        ),
        (
            "drop-in-tls",
            Heard::Log,
            "dropped-in-transfer",
            "connection-reset",
        ),
        (
            "drop-in-tls",
            Heard::Wire,
            "one-witness",
            "dropped-in-transfer",
        ),
        ("guessing", Heard::Log, "login-refused", "client-retry-loop"),
        ("idle-timeout", Heard::Log, "timeout-idle", "slow-server"),
        ("oversize", Heard::Log, "message-too-large", "slow-server"),
        ("server-error", Heard::Log, "server-error", "slow-server"),
        ("slow-server", Heard::Wire, "slow-server", "log-incomplete"),
        ("status-changed", Heard::Wire, "one-witness", "views-differ"),
    ] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/conditions");
        let (_, all) = found(&root.join(name), heard);
        for code in [tells, "one-witness"] {
            assert!(all.contains(code), "{name}: {code} is not in {all:?}");
        }
        assert!(!all.contains(cannot), "{name}: {cannot}");
    }
}

#[test]
fn each_condition_gives_its_findings_and_no_other() {
    let mut wrong = Vec::new();
    for (name, path) in conditions() {
        let fires = expected(&path);
        let (loud, all) = found(&path, Heard::Both);
        let missing: Vec<_> = fires.difference(&all).collect();
        let more: Vec<_> = loud.difference(&fires).collect();
        if !missing.is_empty() || !more.is_empty() {
            wrong.push(format!(
                "{name}: missing {missing:?}, not expected {more:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_finding_says_what_it_is_not_what_is_next_and_where_to_see_it() {
    // About a capture or a log as a whole.
    const WHOLE: [&str; 2] = ["capture-incomplete", "one-witness"];
    for (name, path) in conditions() {
        for finding in account(&path, Heard::Both).findings {
            let code = finding.code;
            assert!(
                !finding.not.is_empty() && !finding.next.is_empty(),
                "{name}: {code}"
            );
            assert!(
                !finding.evidence.is_empty() || WHOLE.contains(&code),
                "{name}: {code}"
            );
        }
    }
}

#[test]
fn the_table_of_findings_in_the_documentation_is_that_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/findings.md");
    let text = std::fs::read_to_string(path).unwrap();
    for rule in RULES {
        let row = format!(
            "| `{}` | {} | {} | {} |",
            rule.code, rule.about, rule.decided, rule.example
        );
        assert!(
            text.contains(&row),
            "{} differs: bothends findings --markdown",
            rule.code
        );
    }
}

/// How the sessions of a condition ended: as it was made.
#[test]
fn who_ended_it_is_told_as_it_was_made() {
    for (name, expected) in [
        ("delivered-unknown", "timeout by server reply-unheard"),
        ("delivered-unknown-tls", "timeout by server reply-unheard"),
        ("drop-in-data", "closed by client request-cut"),
        ("drop-in-data", "reset by client request-cut"),
        ("drop-in-data", "reset by server reply-cut"),
        ("drop-in-tls", "closed by client request-cut"),
        ("idle-timeout", "timeout by server"),
        // The capture has no packet of these: the log has their QUIT.
        ("not-captured", "closed by client"),
        ("not-captured", "closed by server"),
        ("reset-forged", "reset-in-middle by client request-cut"),
        ("reset-middlebox", "reset-in-middle by server"),
        ("server-resets", "reset by server"),
        ("tls-old", "tls-alert by server"),
        ("tls-expired", "tls-alert by client"),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("captures/conditions")
            .join(name);
        let told: BTreeSet<String> = account(&path, Heard::Both)
            .ended()
            .flatten()
            .map(|ended| {
                let by = ended.by.map_or("nobody", |side| match side {
                    Side::Client => "client",
                    Side::Server => "server",
                });
                let transfer = ended.transfer.map_or("", |transfer| transfer.name());
                format!("{} by {by} {transfer}", ended.how.name())
                    .trim_end()
                    .to_owned()
            })
            .collect();
        assert!(
            told.contains(expected),
            "{name}: {expected} is not in {told:?}"
        );
    }
}

/// The number before `unit` that follows `words` in a sentence.
fn number(text: &str, words: &str, unit: &str) -> f64 {
    let (_, rest) = text.split_once(words).unwrap();
    rest.split_once(unit).unwrap().0.parse().unwrap()
}

/// A server wrote down how long it thought before each reply, sixty milliseconds away from a client that pauses: what is told of
/// it is that, and neither the way nor the pauses.
#[test]
fn the_time_a_server_thinks_is_told_from_the_way_and_the_clients_pauses() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/conditions/think-time");
    let expect = std::fs::read_to_string(root.join("expect.json")).unwrap();
    let expect: serde_json::Value = serde_json::from_str(&expect).unwrap();
    let findings = account(&root, Heard::Both).findings;
    let message = |code: &str, of: &str| {
        let mut all = findings.iter().filter(|one| one.code == code);
        let found = all.find(|one| one.message.contains(of));
        found
            .unwrap_or_else(|| panic!("{code} {of}"))
            .message
            .clone()
    };
    for verb in ["MAIL", "RCPT"] {
        let thought: Vec<f64> = expect["thought_ms"][verb]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one.as_f64().unwrap())
            .collect();
        let told = message("slow-server", &format!(" to {verb}:"));
        for (percent, words) in [(50, "median "), (95, "95th percentile ")] {
            let truth = thought[(thought.len() * percent).div_ceil(100) - 1];
            let told = 1000.0 * number(&told, words, " s");
            // The wire between the two is a program, which other programs keep waiting now and then.
            assert!(
                (told - truth).abs() < 10.0,
                "{verb} {percent}: {told}, {truth}"
            );
        }
        assert!(
            (number(&told, "round trip takes ", " ms") - 120.0).abs() < 3.0,
            "{told}"
        );
    }
    // Five pauses of a second and a half in each of six sessions.
    let pauses = message("slow-client", "pauses between commands");
    assert!(
        (number(&pauses, "between commands: ", " of ") - 45.0).abs() < 0.3,
        "{pauses}"
    );
    // What takes no time is not slow, however far away.
    assert!(!findings.iter().any(|one| {
        one.code == "slow-server"
            && ["EHLO", "RSET"]
                .iter()
                .any(|verb| one.message.contains(verb))
    }));
}

/// The findings of a log of 25 clients, each of which has lines made of `lines`, by number and address.
fn of_many_clients(lines: fn(usize, &str) -> String) -> (String, Vec<serde_json::Value>) {
    let text: String = (0..25).map(|n| lines(n, &format!("192.0.2.{n}"))).collect();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("mail.log");
    std::fs::write(&log, text).unwrap();
    let log = log.to_str().unwrap();
    let shown = crate::program::said(&crate::program::run(&["-l", log]));
    (shown, crate::program::records(&["-l", log]))
}

/// A busy server's log has thousands of clients that fail at the same: they are one finding, and all of them are named in it.
#[test]
fn clients_that_fail_at_the_same_are_one_finding() {
    let (shown, records) = of_many_clients(|n, ip| {
        let line = format!("Nov 24 03:29:{n:02} mail postfix/smtpd[{}]:", 100 + n);
        format!(
            "{line} connect from unknown[{ip}]\n\
             {line} NOQUEUE: reject: RCPT from unknown[{ip}]: 454 4.7.1 <a@b.example>: Relay access denied; from=<x@y.example> to=<a@b.example> proto=ESMTP helo=<h.example>\n\
             {line} disconnect from unknown[{ip}] ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4\n"
        )
    });
    assert!(
        shown.contains("25 commands of 192.0.2.0, 192.0.2.1, 192.0.2.2, 192.0.2.3 and 21 more rejected: 25 to be tried later (RCPT 454)"),
        "{shown}"
    );
    let found: Vec<_> = records
        .iter()
        .filter(|record| record["code"] == "command-rejected")
        .collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["clients"].as_array().unwrap().len(), 25);
    assert_eq!(
        [&found[0]["first"], &found[0]["last"]].map(|at| at.as_str().unwrap()[11..19].to_owned()),
        ["03:29:00", "03:29:24"]
    );
}

/// Where each of many is a finding of its own, the worst are told so and the others as one.
#[test]
fn of_many_findings_of_a_kind_the_worst_are_told_each_by_itself() {
    let (shown, records) = of_many_clients(|n, ip| {
        let line = |again: usize| {
            let second = 2 * n + again % 2;
            format!(
                "2026-11-24 03:29:{second:02} pop3-login: Info: Disconnected: Aborted login by logging out (auth failed, 1 attempts in 1 secs): user=<user{n}>, method=PLAIN, rip={ip}, lip=198.51.100.25, session=<{n}x{again}>"
            )
        };
        let lines: Vec<String> = (0..=n).map(line).collect();
        lines.join("\n") + "\n"
    });
    let logins = records
        .iter()
        .filter(|record| record["code"] == "login-refused" && record["severity"] == "warning");
    let counts: Vec<u64> = logins.map(|one| one["count"].as_u64().unwrap()).collect();
    // Clients of 1 and 2 refusals are told as information; those of 3 to 15 together are the most.
    let worst: Vec<u64> = std::iter::once((3..=15).sum())
        .chain((16..=25).rev())
        .collect();
    assert_eq!(counts, worst);
    assert!(
        shown.contains(
            "13 more of this kind, 117 times in 117 sessions of 13 clients: 192.0.2.14 15 times,"
        ),
        "{shown}"
    );
}
