//! What the diagnosis says of the development run and of the cases cut from it, against the truth that its clients wrote down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use bothends::model::Finding;
use bothends::pipeline::{LogInput, LogPlace, Options, Progress, Show, run};
use serde_json::Value;

/// A case: its name, and the codes that must fire beside [`ALWAYS`].
struct Case {
    name: &'static str,
    also: &'static [&'static str],
}

/// What is wrong in the run itself and is seen from everywhere: clients ask for a name that does not exist (dns-failed), say what no server
/// knows, out of order, or for recipients that are refused (command-rejected), log in with a wrong password (login-refused), announce mail that
/// is too large, ask for a page that answers 503, and close POP3 with replies unread, which makes a reset.
const ALWAYS: &[&str] = &[
    "command-rejected",
    "connection-reset",
    "dns-failed",
    "login-refused",
    "message-too-large",
    "server-error",
];

/// Silent everywhere, although the run has what is near them: clients that wait six seconds and go before the server's time is over
/// (timeout-idle), that leave without QUIT, refused logins that take half a second, IDLE of some seconds, NOOP and CHECK in one breath
/// (polling-too-often), single messages fetched (mailbox-refetched), sessions of TLS 1.2 beside 1.3 (tls-outdated), twelve users of whom
/// some mistype their password (no guessing), and checksums that the network card was to fill in.
/// Dovecot makes those wait four seconds whose address was refused before (slow-login): inside TLS only its log tells which replies those are.
const CASES: &[Case] = &[
    Case {
        name: "1-ports",
        also: &["slow-login"],
    },
    Case {
        name: "2-noports",
        also: &["slow-login"],
    },
    Case {
        name: "3-offset",
        also: &["slow-login"],
    },
    Case {
        name: "4-iis-netmon",
        also: &[],
    },
    // A hundredth of the frames is missing, the capture begins late, and ten seconds of each log are cut out. The web server's log may
    // lack so few sessions by chance.
    Case {
        name: "5-lossy",
        also: &["capture-incomplete", "log-incomplete", "slow-login"],
    },
    // On the clients' side of the translation: two attempts at the filtered port pass here, the addresses differ from the log's, and the
    // clients of the other network are in the logs alone.
    Case {
        name: "6-nat",
        also: &[
            "connection-dropped",
            "not-captured",
            "slow-login",
            "views-differ",
        ],
    },
];

fn dev() -> Option<PathBuf> {
    let dev = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/lab/dev");
    if dev.exists() {
        return Some(dev);
    }
    eprintln!("skipped: {} is not there", dev.display());
    None
}

/// The six cases, made anew; `None` where that cannot be done here.
fn made() -> Option<tempfile::TempDir> {
    let dev = dev()?;
    let folder = tempfile::tempdir().unwrap();
    let cases = Command::new("python3")
        .arg(dev.join("../cases.py"))
        .arg(&dev)
        .arg(folder.path())
        .output();
    match cases {
        Ok(made) if made.status.success() => Some(folder),
        other => {
            eprintln!("skipped: python3 and editcap do not make the cases: {other:?}");
            None
        }
    }
}

fn findings(captures: Vec<PathBuf>, logs: Vec<PathBuf>) -> Vec<Finding> {
    let logs = logs.into_iter().map(|file| LogInput {
        place: LogPlace::Files(file),
        format: None,
    });
    let options = Options {
        captures,
        logs: logs.collect(),
        ..Options::default()
    };
    run(&options, &mut Progress::new(Show::Never))
        .account
        .findings
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// How often each code was found in all.
fn counts(findings: &[Finding]) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for finding in findings {
        *counts.entry(finding.code).or_default() += finding.count;
    }
    counts
}

/// What the clients wrote down: refused logins, mail too large, and answers of 503 among the sessions that `wanted` takes.
fn truth(case: &Path, wanted: impl Fn(&Value) -> bool) -> [u64; 3] {
    let text = std::fs::read_to_string(case.join("truth.json")).unwrap();
    let truth: Value = serde_json::from_str(&text).unwrap();
    let mut sums = [0; 3];
    for session in truth["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| wanted(one))
    {
        for exchange in session["exchanges"].as_array().unwrap() {
            let [request, response] =
                ["request", "response"].map(|key| exchange[key].as_str().unwrap());
            let login = request.starts_with("PASS ") || request.contains(" LOGIN ");
            sums[0] += u64::from(login && !response.contains("OK"));
            sums[1] += u64::from(response.starts_with("552"));
            sums[2] += u64::from(response.contains(" 503 ") && response.starts_with("HTTP"));
        }
    }
    sums
}

#[test]
fn the_cases_of_the_development_run_give_what_happened_in_them_and_no_more() {
    let Some(made) = made() else {
        return;
    };
    let mut wrong = Vec::new();
    for case in CASES {
        let folder = made.path().join(case.name);
        let captures: Vec<PathBuf> = files(&folder)
            .into_iter()
            .filter(|file| file.file_stem().is_some_and(|stem| stem == "capture"))
            .collect();
        let found = findings(captures, files(&folder.join("logs")));
        let found = counts(&found);
        let codes: BTreeSet<&str> = found.keys().copied().collect();
        let fires: BTreeSet<&str> = ALWAYS.iter().chain(case.also).copied().collect();
        let missing: Vec<&&str> = fires.difference(&codes).collect();
        let more: Vec<&&str> = codes.difference(&fires).collect();
        if !missing.is_empty() || !more.is_empty() {
            wrong.push(format!(
                "{}: missing {missing:?}, not expected {more:?}",
                case.name
            ));
        }
        // The logs of IIS know nothing of POP3 and IMAP, and TLS hides their logins.
        let iis = case.name == "4-iis-netmon";
        let seen = |session: &Value| session["tls"] == "none";
        let [_, large, failed] = truth(&folder, |_| true);
        let [refused, ..] = truth(&folder, |session| !iis || seen(session));
        let told = ["login-refused", "message-too-large", "server-error"]
            .map(|code| found.get(code).copied().unwrap_or(0));
        // What lies in a hole of a log and was not captured in the clear nobody tells; nobody invents any either.
        let lossy = case.name == "5-lossy";
        let right = told == [refused, large, failed]
            || (lossy
                && told
                    .iter()
                    .zip([refused, large, failed])
                    .all(|(told, all)| *told <= all && *told * 2 > all));
        if !right {
            wrong.push(format!(
                "{}: {told:?} of {:?}",
                case.name,
                [refused, large, failed]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
