//! Public traces with random errors in their packets: never a panic, never a hang. Skipped, saying so, without traces or `editcap`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::traces::traces;

/// Chance of an octet to be changed.
const ERRORS: &str = "0.02";
/// Far longer than any trace takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Writes `trace` with errors to `damaged`; whether that could be done.
fn damage(trace: &Path, seed: u32, damaged: &Path) -> bool {
    let made = Command::new("editcap")
        .args(["-E", ERRORS, "--seed", &seed.to_string()])
        .args([trace, damaged])
        .output();
    made.is_ok_and(|made| made.status.success())
}

/// How a run over `damaged` ends: its exit status, and what it said.
fn outcome(damaged: &Path) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bothends"))
        .args(["--json", "-r"])
        .arg(damaged)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let since = Instant::now();
    let mut pause = Duration::from_millis(1);
    while child.try_wait().unwrap().is_none() {
        if since.elapsed() > PATIENCE {
            child.kill().unwrap();
            return (None, format!("not over after {PATIENCE:?}"));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

/// Damages every trace with every seed and runs over it; gives what went wrong.
fn wrong(seeds: &[u32]) -> Vec<String> {
    let traces = traces();
    let folder = tempfile::tempdir().unwrap();
    let damaged = |n: usize| folder.path().join(format!("{n}.pcapng"));
    if let Some(first) = traces.first()
        && !damage(first, 0, &damaged(0))
    {
        eprintln!("skipped: editcap is not installed or knows no --seed");
        return Vec::new();
    }
    let runs: Vec<_> = seeds
        .iter()
        .flat_map(|&seed| traces.iter().map(move |trace| (trace, seed)))
        .collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut wrong = Vec::new();
        while let Some(&(trace, seed)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let path = tempfile::NamedTempFile::new_in(folder.path()).unwrap();
            // A trace that editcap cannot read is none of ours.
            if !damage(trace, seed, path.path()) {
                continue;
            }
            let (status, said) = outcome(path.path());
            // Done, with or without findings, or with damage.
            if !matches!(status, Some(0 | 1 | 3)) || said.contains("panicked") {
                wrong.push(format!(
                    "{} with seed {seed}: {status:?}: {said}",
                    trace.display()
                ));
            }
        }
        wrong
    };
    std::thread::scope(|scope| {
        let workers = [scope.spawn(work), scope.spawn(work)];
        let results = workers.into_iter().map(|worker| worker.join().unwrap());
        results.flatten().collect()
    })
}

#[test]
fn errors_in_packets_are_no_panic_and_no_hang() {
    let wrong = wrong(&[1]);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// For a long run: `BOTHENDS_SEEDS=100 cargo test --release --test it -- --ignored seeds`.
#[test]
#[ignore = "takes minutes"]
fn many_seeds_of_errors_are_no_panic_and_no_hang() {
    let seeds = std::env::var("BOTHENDS_SEEDS").ok();
    let seeds = seeds.and_then(|seeds| seeds.parse().ok()).unwrap_or(10);
    let seeds: Vec<u32> = (2..2 + seeds).collect();
    let wrong = wrong(&seeds);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
