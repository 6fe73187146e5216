//! The same packets in every capture format give the same sessions. Skipped, saying so, without editcap.

use std::process::Command;

use crate::program::{bundled, records};

/// What must not depend on the format: everything but times and the input's own record.
fn essence(path: &str) -> Vec<String> {
    let dropped = ["start", "end", "start_raw", "response_ms", "first_packet"];
    records(&["-r", path, "-l", "captures/postfix/postfix.log"])
        .into_iter()
        .filter(|record| record["type"] == "session" || record["type"] == "exchange")
        .map(|mut record| {
            let fields = record.as_object_mut().unwrap();
            fields.retain(|name, _| !dropped.contains(&name.as_str()) && name != "match");
            if let Some(tls) = fields.get_mut("tls").and_then(|tls| tls.as_object_mut()) {
                tls.retain(|name, _| !name.ends_with("_hello") && name != "finished");
            }
            if let Some(tcp) = fields.get_mut("tcp") {
                tcp.as_object_mut().unwrap().remove("handshake_ms");
            }
            if let Some(ended) = fields.get_mut("ended") {
                ended.as_object_mut().unwrap().remove("at");
            }
            record.to_string()
        })
        .collect()
}

/// Starts of sessions in nanoseconds.
fn starts(path: &str) -> Vec<i64> {
    records(&["-r", path])
        .iter()
        .filter(|record| record["type"] == "session")
        .map(|record| {
            let start = record["start"].as_str().unwrap();
            chrono::DateTime::parse_from_rfc3339(start)
                .unwrap()
                .timestamp_nanos_opt()
                .unwrap()
        })
        .collect()
}

#[test]
fn every_format_tells_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let source = bundled("postfix/wire.pcapng");
    let source = source.to_str().unwrap();
    let (expected, times) = (essence(source), starts(source));
    assert!(expected.len() > 100);
    for (format, resolution) in [
        ("pcap", 1_000),
        ("nsecpcap", 1),
        ("pcapng", 1),
        ("netmon1", 1_000_000),
        ("netmon2", 1_000),
    ] {
        let path = folder.path().join(format);
        let made = Command::new("editcap")
            .args(["-F", format, source])
            .arg(&path)
            .env("TZ", "UTC")
            .output();
        if !made.is_ok_and(|made| made.status.success()) {
            eprintln!("skipped {format}: editcap is not installed or cannot write it");
            continue;
        }
        let path = path.to_str().unwrap();
        assert_eq!(essence(path), expected, "{format}");
        for (time, other) in times.iter().zip(starts(path)) {
            assert!(
                (time - other).abs() <= resolution,
                "{format}: {time} {other}"
            );
        }
    }
}

#[test]
fn a_compressed_capture_and_log_tell_the_same() {
    use std::io::Write as _;
    let folder = tempfile::tempdir().unwrap();
    let source = bundled("postfix/wire.pcapng");
    let path = folder.path().join("wire");
    let file = std::fs::File::create(&path).unwrap();
    let mut packer = flate2::write::GzEncoder::new(file, flate2::Compression::best());
    packer.write_all(&std::fs::read(&source).unwrap()).unwrap();
    packer.finish().unwrap();
    assert_eq!(
        essence(path.to_str().unwrap()),
        essence(source.to_str().unwrap())
    );
}
