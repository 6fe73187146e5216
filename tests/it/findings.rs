//! What the diagnosis says of conditions that were made on purpose (`captures/conditions`).

use std::collections::BTreeSet;
use std::path::Path;

use bothends::diagnose::registry::RULES;
use bothends::pipeline::{LogInput, LogPlace, Options, Progress, Show, run};

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

/// Codes of warnings and errors found in one condition, and of all.
fn found(path: &Path) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut logs: Vec<_> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        // Error logs hold no sessions.
        .filter(|path| !path.to_str().unwrap().contains("error"))
        .collect();
    logs.sort();
    let options = Options {
        captures: vec![path.join("wire.pcapng")],
        logs: logs
            .into_iter()
            .map(LogPlace::Files)
            .map(|place| LogInput {
                place,
                format: None,
            })
            .collect(),
        ..Options::default()
    };
    let account = run(&options, &mut Progress::new(Show::Never)).account;
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

#[test]
fn each_condition_gives_its_findings_and_no_other() {
    let mut wrong = Vec::new();
    for (name, path) in conditions() {
        let expect = std::fs::read_to_string(path.join("expect.json")).unwrap();
        let expect: serde_json::Value = serde_json::from_str(&expect).unwrap();
        let fires: BTreeSet<String> = expect["fires"]
            .as_array()
            .unwrap()
            .iter()
            .map(|code| code.as_str().unwrap().to_owned())
            .collect();
        let (loud, all) = found(&path);
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
