//! Cut, empty, foreign and missing inputs: a clear word, the right exit status, and all that could be read.

use std::path::Path;

use crate::program::{bundled, complained, run, said};

fn written(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn cut_captures_give_what_they_hold_and_exit_3() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["postfix/wire.pcapng", "iis-netmon/wire.cap"] {
        let whole = std::fs::read(bundled(name)).unwrap();
        let cut = written(folder.path(), "cut", &whole[..whole.len() / 2 + 3]);
        let output = run(&["-r", &cut]);
        assert_eq!(output.status.code(), Some(3), "{name}");
        let text = said(&output);
        assert!(text.contains("damaged: at byte"), "{name}: {text}");
        assert!(text.contains("EHLO"), "{name}: what it holds is told");
    }
}

#[test]
fn what_is_no_capture_is_named_with_a_remedy_and_exit_4() {
    let folder = tempfile::tempdir().unwrap();
    let log = bundled("postfix/postfix.log");
    let empty = written(folder.path(), "empty", b"");
    let noise = written(folder.path(), "noise", &[0x81; 600]);
    for (path, word) in [
        (log.to_str().unwrap(), "give a log with -l"),
        (&empty, "it is empty"),
        (&noise, "81 81 81 81"),
        ("/nowhere/at-all.pcap", "/nowhere/at-all.pcap"),
        ("/nowhere/*.pcap", "/nowhere"),
    ] {
        let output = run(&["-r", path]);
        assert_eq!(output.status.code(), Some(4), "{path}");
        let text = complained(&output);
        assert!(
            text.starts_with("bothends: ") && text.contains(word),
            "{path}: {text}"
        );
        assert!(said(&output).is_empty());
    }
}

#[test]
fn one_bad_input_does_not_hide_the_good_ones() {
    let folder = tempfile::tempdir().unwrap();
    let empty = written(folder.path(), "empty.pcap", b"");
    let output = run(&["-r", "captures/postfix/wire.pcapng", &empty]);
    assert_eq!(output.status.code(), Some(3));
    assert!(complained(&output).contains("empty.pcap"));
    assert!(said(&output).contains("EHLO"));
}

#[test]
fn a_log_that_nobody_knows_is_named_by_its_first_line() {
    let folder = tempfile::tempdir().unwrap();
    let log = written(folder.path(), "odd.log", b"\x1b]0;title\x07 strange\n");
    let output = run(&["-l", &log]);
    assert_eq!(output.status.code(), Some(4));
    let text = complained(&output);
    assert!(text.contains("-l FORMAT:LOG"), "{text}");
    assert!(
        !text.contains('\x1b') && !text.contains('\x07'),
        "nothing from a file reaches the terminal raw"
    );
}

#[test]
fn wrong_usage_is_2_and_says_what_to_do() {
    for args in [
        &["-r"][..],
        &["--capture-zone", "CET", "-r", "x"],
        &["--since", "yesterday", "-r", "x"],
        &["--no-such"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(!complained(&output).is_empty());
    }
}

#[test]
fn damaged_bytes_anywhere_never_stop_the_program() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["postfix/wire.pcapng", "iis-netmon/wire.cap"] {
        let whole = std::fs::read(bundled(name)).unwrap();
        for step in 1..=12 {
            let mut bytes = whole.clone();
            for at in (step * 37..bytes.len()).step_by(997 + step * 61) {
                bytes[at] = bytes[at]
                    .wrapping_mul(31)
                    .wrapping_add(u8::try_from(step).unwrap());
            }
            let path = written(folder.path(), "damaged", &bytes);
            let status = run(&["-r", &path, "-l", "captures/postfix/postfix.log"])
                .status
                .code();
            assert!(matches!(status, Some(0 | 3)), "{name} {step}: {status:?}");
        }
    }
}
