//! What comes out does not depend on how many threads worked on it.

use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;

use bothends::align::align;
use bothends::model::{Span, Threads};

use crate::alignment::{ORIGIN, made, source};

const COUNTS: [usize; 3] = [1, 2, 8];

#[test]
fn alignment_is_the_same_on_any_number_of_threads() {
    let (wires, logs) = made(11, 320, 300, Span::millis(-7_250));
    let mut told = COUNTS.map(|count| {
        let threads = Threads::from(NonZeroUsize::new(count).unwrap());
        let alignment = align(&wires, &[source()], &mut logs.clone(), ORIGIN, threads);
        assert_eq!(alignment.clocks.len(), 1);
        format!("{alignment:?}")
    });
    let first = std::mem::take(&mut told[0]);
    assert!(told[1..].iter().all(|other| *other == first));
}

#[test]
fn what_the_program_writes_is_the_same_on_any_number_of_threads() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/lab/dev");
    if !case.exists() {
        eprintln!("skipped: {} is not there", case.display());
        return;
    }
    let outputs = COUNTS.map(|count| {
        let output = Command::new(env!("CARGO_BIN_EXE_bothends"))
            .args(["--json", "-q", "--threads", &count.to_string(), "-r"])
            .arg(case.join("server.pcap"))
            .arg("-l")
            .args(["postfix.log", "dovecot.log", "nginx.log"].map(|log| case.join(log)))
            .output()
            .unwrap();
        assert!(output.stdout.len() > 1000, "{:?}", output.status);
        output.stdout
    });
    assert!(outputs.iter().all(|output| *output == outputs[0]));
}
