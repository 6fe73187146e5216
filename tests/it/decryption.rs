//! What keys open, and what is inferred without them, on one capture that has its keys inside.

use std::path::Path;

use serde_json::Value;

use crate::program::{bundled, complained, records, run, said};

const WITH_KEYS: [&str; 2] = ["-r", "captures/tls/wire.pcapng"];
/// Type of pcapng's decryption secrets block.
const SECRETS: u32 = 10;

#[test]
fn secrets_in_the_capture_open_every_session() {
    let output = run(&[&WITH_KEYS[..], &["--all"]].concat());
    assert_eq!(output.status.code(), Some(0));
    let text = said(&output);
    assert!(!text.contains("secret7"), "passwords are masked");
    insta::assert_snapshot!(text);
}

/// The same capture without its secrets in `folder`, and the secrets.
fn apart(folder: &Path) -> (String, String) {
    let bytes = std::fs::read(bundled("tls/wire.pcapng")).unwrap();
    let (mut bare, mut keylog) = (Vec::new(), Vec::new());
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let number = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
        let (kind, length) = (number(0), number(4) as usize);
        if kind == SECRETS {
            let secrets = number(12) as usize;
            keylog.extend_from_slice(&rest[16..16 + secrets]);
        } else {
            bare.extend_from_slice(&rest[..length]);
        }
        rest = &rest[length..];
    }
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    (write("bare.pcapng", &bare), write("keys.log", &keylog))
}

fn exchanges(args: &[&str]) -> Vec<Value> {
    let all = records(args).into_iter();
    all.filter(|record| record["type"] == "exchange").collect()
}

#[test]
fn a_key_log_beside_the_capture_does_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (bare, keylog) = apart(folder.path());
    let beside = exchanges(&["-r", &bare, "--keylog", &keylog]);
    assert_eq!(beside, exchanges(&WITH_KEYS));
    assert!(beside.iter().all(|exchange| exchange["seen"] == "wire"));
}

#[test]
fn what_is_inferred_without_keys_is_what_they_show() {
    let folder = tempfile::tempdir().unwrap();
    let (bare, _) = apart(folder.path());
    let (told, inferred) = (exchanges(&WITH_KEYS), exchanges(&["-r", &bare]));
    assert_eq!(told.len(), inferred.len());
    let mut hidden = 0;
    for (told, inferred) in told.iter().zip(&inferred) {
        assert_eq!(told["session"], inferred["session"]);
        if inferred["seen"] != "inferred" {
            continue;
        }
        hidden += 1;
        match (
            told["response_ms"].as_f64(),
            inferred["response_ms"].as_f64(),
        ) {
            (Some(one), Some(other)) => assert!((one - other).abs() < 1.0, "{told} {inferred}"),
            (one, other) => assert_eq!(one, other, "{told} {inferred}"),
        }
        // What the server said in one record with other replies cannot be told apart.
        if let Some(octets) = inferred["response_bytes"].as_u64() {
            assert_eq!(
                Some(octets),
                told["response_bytes"].as_u64(),
                "{told} {inferred}"
            );
        }
        assert_eq!(inferred["request_bytes"], told["request_bytes"], "{told}");
    }
    assert!(hidden > 40, "{hidden}");
}

#[test]
fn a_key_log_without_keys_is_told() {
    let output = run(&[
        "-r",
        "captures/postfix/wire.pcapng",
        "--keylog",
        "README.md",
    ]);
    assert_eq!(output.status.code(), Some(3));
    assert!(complained(&output).contains("no TLS secrets in it"));
}

/// Keys that are updated in the middle, sessions taken up again, suites of each kind and HTTP/2: the requests are those of the server's log.
#[test]
fn updated_keys_and_resumed_sessions_are_followed() {
    let told = records(&["-r", "captures/tls-keys/wire.pcapng"]);
    let sessions = || told.iter().filter(|record| record["type"] == "session");
    assert_eq!(sessions().count(), 16);
    let resumed = sessions().filter(|session| session["tls"]["resumed"] == true);
    assert_eq!(resumed.count(), 5);
    let exchanges = told.iter().filter(|record| record["type"] == "exchange");
    let read: Vec<&str> = exchanges
        .inspect(|exchange| assert_eq!(exchange["seen"], "wire"))
        .map(|exchange| exchange["request"].as_str().unwrap())
        .collect();
    let log = std::fs::read_to_string("captures/tls-keys/nginx.log").unwrap();
    let logged: Vec<&str> = log
        .lines()
        .map(|line| line.split('"').nth(1).unwrap())
        // nginx writes HTTP/2 as 2.0.
        .map(|request| {
            request
                .strip_suffix("2.0")
                .map_or(request, |_| &request[..request.len() - 2])
        })
        .collect();
    assert_eq!(read, logged);
}
