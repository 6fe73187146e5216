//! Public traces, where they are at hand: `BOTHENDS_TRACES`, or beside the checkout.

use std::path::{Path, PathBuf};
use std::process::Command;

use bothends::capture::open;
use bothends::input::Input;

/// The files in the folder of traces; none, saying so, where it is absent.
pub(crate) fn traces() -> Vec<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures/zeek");
    let folder = std::env::var_os("BOTHENDS_TRACES").map_or(beside, PathBuf::from);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!(
            "skipped: no traces in {}; set BOTHENDS_TRACES",
            folder.display()
        );
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.is_file());
    files.sort();
    files
}

/// Packets in `file` by capinfos; `None` where it is not installed or cannot read the file.
fn by_capinfos(file: &Path) -> Option<u64> {
    let output = Command::new("capinfos")
        .args(["-c", "-T", "-M", "-r"])
        .arg(file)
        .output()
        .ok()?;
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .rsplit('\t')
        .next()?
        .parse()
        .ok()
}

#[test]
fn packets_of_the_public_traces_are_as_many_as_capinfos_counts() {
    let mut compared = 0;
    for path in traces() {
        let input = Input::open(&path).unwrap();
        let Ok(mut reader) = open(&input.bytes) else {
            eprintln!("no capture: {}", path.display());
            continue;
        };
        let mut packets = 0;
        while reader.advance().is_some() {
            packets += 1;
        }
        match by_capinfos(&path) {
            Some(counted) => assert_eq!(packets, counted, "{}", path.display()),
            None => continue,
        }
        compared += 1;
    }
    eprintln!("compared {compared} traces with capinfos");
}

#[test]
fn what_is_spoken_in_a_tunnel_of_socks_is_read() {
    let name = "tunnels__socks.pcap";
    let Some(path) = traces().into_iter().find(|path| path.ends_with(name)) else {
        return;
    };
    let told = crate::program::records(&["-r", path.to_str().unwrap()]);
    let exchanges: Vec<_> = told
        .iter()
        .filter(|record| record["type"] == "exchange")
        .map(|one| [&one["request"], &one["response"]].map(|text| text.as_str().unwrap()))
        .collect();
    assert_eq!(
        exchanges,
        [
            ["SOCKS4 CONNECT 192.150.187.12:80", "90 granted"],
            ["GET / HTTP/1.1", "HTTP/1.1 200 OK"]
        ]
    );
}
