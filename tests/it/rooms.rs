//! Which room may use which: data goes one way, and the compiler does not watch over it.

use std::path::{Path, PathBuf};

/// Each room and what it may import beside itself.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("align", &["model"]),
    ("capture", &["model", "input"]),
    (
        "cli",
        &[
            "model", "pipeline", "report", "log", "protocol", "capture", "diagnose",
        ],
    ),
    ("diagnose", &["model", "align"]),
    ("flow", &["model", "link"]),
    ("input", &["model"]),
    ("link", &["model", "capture"]),
    ("log", &["model", "input"]),
    ("model", &[]),
    (
        "pipeline",
        &[
            "model", "input", "capture", "link", "flow", "protocol", "log", "align", "diagnose",
            "report",
        ],
    ),
    ("protocol", &["model", "link", "flow"]),
    ("report", &["model", "align", "diagnose"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Rooms named behind `crate::` on a line; a list in braces is refused, as it could hide one.
fn imports(line: &str) -> Vec<String> {
    line.match_indices("crate::")
        .map(|(at, key)| {
            let rest = &line[at + key.len()..];
            rest.chars()
                .take_while(|character| {
                    character.is_alphanumeric() || matches!(character, '_' | '{')
                })
                .collect()
        })
        .collect()
}

#[test]
fn no_room_imports_what_it_may_not() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (room, allowed) in MAY_IMPORT {
        let mut files = Vec::new();
        sources(&root.join(room), &mut files);
        assert!(!files.is_empty(), "room {room} is gone");
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            for (line, number) in text.lines().zip(1..) {
                if line.trim_start().starts_with("//") {
                    continue;
                }
                for import in imports(line) {
                    if import != *room && !allowed.contains(&import.as_str()) {
                        wrong.push(format!(
                            "{}:{number}: {room} may not import {import}",
                            file.display()
                        ));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_is_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            assert!(MAY_IMPORT.iter().any(|(room, _)| *room == name), "{name}");
        }
    }
}
