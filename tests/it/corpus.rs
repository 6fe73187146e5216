//! The fuzz targets' corpora, replayed.

use std::path::Path;

use bothends::protocol::registry::PROTOCOLS;

#[path = "../../fuzz/bodies/mod.rs"]
pub(crate) mod bodies;

/// A target takes any bytes and panics when something is wrong.
type Target = fn(&[u8]);

#[test]
fn every_seed_and_every_cut_of_it_passes() {
    let targets: [(&str, Target); 12] = [
        ("capture", bodies::capture),
        ("datagrams", bodies::datagrams),
        ("flow", bodies::flow),
        ("link", bodies::link),
        ("log", bodies::log),
        ("log_format", bodies::log_format),
        ("netmon", bodies::netmon),
        ("pcap", bodies::pcap),
        ("pcapng", bodies::pcapng),
        ("protocol", bodies::protocol),
        ("secrets", bodies::secrets),
        ("tcp", bodies::tcp),
    ];
    for (name, target) in targets {
        replay(name, target);
    }
}

/// Each seed of `name`, whole and cut anywhere.
fn replay(name: &str, target: impl Fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut seeds = 0;
    for entry in std::fs::read_dir(corpus.join(name)).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        seeds += 1;
        for cut in (0..=bytes.len()).rev().step_by(1 + bytes.len() / 60) {
            target(&bytes[..cut]);
        }
    }
    assert!(seeds > 0, "{name} has no corpus");
}

#[test]
fn each_protocol_has_a_target_and_seeds_of_its_own() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let protocols = PROTOCOLS.iter().map(bodies::name_of);
    for name in protocols.chain(["tls"]) {
        let target = format!("name = \"{name}\"\npath = \"fuzz_targets/dialogue.rs\"");
        assert!(manifest.contains(&target), "no target for {name}");
        replay(name, |data| bodies::dialogue(name, data));
    }
}

#[test]
fn each_protocol_has_a_seed_that_reaches_it() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/protocol");
    let mut reached: Vec<&str> = std::fs::read_dir(corpus)
        .unwrap()
        .filter_map(|entry| bodies::spoken(&std::fs::read(entry.unwrap().path()).unwrap()))
        .map(|proto| proto.0)
        .collect();
    reached.sort_unstable();
    for entry in PROTOCOLS {
        assert!(
            reached.contains(&entry.proto.0),
            "no seed for {}",
            entry.proto
        );
    }
}
