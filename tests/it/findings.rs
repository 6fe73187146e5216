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
    assert_eq!(found(&root.join("clean")).1, BTreeSet::new());
}

#[test]
fn each_condition_gives_its_findings_and_no_other() {
    let mut wrong = Vec::new();
    for (name, path) in conditions() {
        let fires = expected(&path);
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
