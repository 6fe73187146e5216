//! Bodies written to files.

use std::path::Path;

use serde_json::Value;

use crate::program::{complained, records, run};

const CLEAN: &str = "captures/conditions/clean/wire.pcapng";

/// SHA-256 of what `tshark --export-objects` (imf, http) makes of the same capture.
const MAIL: &str = "a2ac3387f46200b90cd2e89b4bf3735a69fa8f2f9730dd4d96c92bed218d9b8f";
const PAGE: &str = "c20c17f2e7298544a336a8d800425a01b4a92bec4f50040887c70ddc716c2863";

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names
}

/// The records of bodies in `records`, wherever they hang.
fn bodies(records: &[Value]) -> Vec<&Value> {
    records.iter().flat_map(bodies_of).collect()
}

fn bodies_of(record: &Value) -> Vec<&Value> {
    let messages = record["messages"].as_array().into_iter().flatten();
    let sent = messages.map(|message| &message["body"]);
    let all = sent.chain([&record["request_body"], &record["response_body"]]);
    all.filter(|body| !body.is_null()).collect()
}

#[test]
fn bodies_are_written_as_they_were_sent_and_told_in_json() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("bodies");
    let told = records(&["-r", CLEAN, "--bodies", folder.to_str().unwrap()]);
    let bodies = bodies(&told);
    let rows: Vec<_> = bodies
        .iter()
        .map(|body| {
            (
                body["file"].as_str().unwrap(),
                body["bytes"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("s1-1.eml", 361),
            ("s3-1.eml", 557),
            ("s6-1.http", 896),
            ("s6-2.http", 896),
        ]
    );
    assert_eq!(
        files(&folder),
        rows.iter().map(|row| row.0).collect::<Vec<_>>()
    );
    let digests: Vec<_> = bodies
        .iter()
        .map(|body| body["sha256"].as_str().unwrap())
        .collect();
    assert_eq!([digests[0], digests[2], digests[3]], [MAIL, PAGE, PAGE]);
    for (body, (file, octets)) in bodies.iter().zip(&rows) {
        let content = std::fs::read(folder.join(file)).unwrap();
        assert_eq!(content.len() as u64, *octets);
        assert_eq!(body["complete"], true);
        let digest = <sha2::Sha256 as sha2::Digest>::digest(&content);
        let hex = body["sha256"].as_str().unwrap();
        let stated: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect();
        assert_eq!(stated, digest.to_vec());
    }
}

#[test]
fn a_folder_that_holds_anything_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("s1-1.eml");
    std::fs::write(&there, "mine").unwrap();
    let output = run(&["-r", CLEAN, "--bodies", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(4));
    let complaint = complained(&output);
    assert!(complaint.contains("is not empty"), "{complaint}");
    assert!(complaint.contains("new or an empty folder"), "{complaint}");
    assert_eq!(files(folder.path()), ["s1-1.eml"]);
    assert_eq!(std::fs::read(&there).unwrap(), b"mine");
}

#[test]
fn nothing_is_told_of_bodies_unless_asked_for() {
    let told = records(&["-r", CLEAN]);
    assert!(bodies(&told).is_empty());
}
