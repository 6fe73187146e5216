//! Running the program as its users do.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A file of the bundled captures.
pub(crate) fn bundled(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("captures")
        .join(name)
}

/// Runs the program in the project's folder, so that names in its output are the same everywhere.
pub(crate) fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bothends"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

/// Standard output as text.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Standard error as text.
pub(crate) fn complained(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The JSON Lines of a run, one value each.
pub(crate) fn records(args: &[&str]) -> Vec<serde_json::Value> {
    let output = run(&[args, &["--json"]].concat());
    said(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
