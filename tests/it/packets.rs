//! Which packets are used: from pipes, of several captures, through filters; and what is written of them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use bothends::capture::{self, Origin, PcapNgWriter};
use bothends::input::Input;
use bothends::model::Span;
use serde_json::Value;

use crate::program::{bundled, complained, records, run, said};

const WIRE: &str = "captures/postfix/wire.pcapng";

/// Sessions and exchanges, as they must be however the packets came.
fn told(args: &[&str]) -> Vec<Value> {
    sessions(records(args))
}

fn sessions(records: Vec<Value>) -> Vec<Value> {
    let mut kept = records;
    kept.retain(|record| record["type"] == "session" || record["type"] == "exchange");
    kept
}

/// The record of the first capture.
fn source(args: &[&str]) -> Value {
    let mut captures = records(args);
    captures.retain(|record| record["type"] == "capture");
    captures.remove(0)
}

/// The packets of a bundled capture, `way` saying which of the files each goes to.
fn dealt(folder: &std::path::Path, names: &[&str], way: impl Fn(usize) -> usize) {
    let input = Input::open(&bundled("postfix/wire.pcapng")).unwrap();
    let mut reader = capture::open(&input.bytes).unwrap();
    let mut files: Vec<_> = names
        .iter()
        .map(|name| std::fs::File::create(folder.join(name)).unwrap())
        .map(|file| PcapNgWriter::new(file).unwrap())
        .collect();
    let mut number = 0;
    while let Some(record) = reader.advance() {
        let origin = Origin {
            capture: 0,
            about: &|| (None, Span::ZERO),
        };
        let file = files.get_mut(way(number)).unwrap();
        file.packet(origin, &record, reader.bytes(), &[]).unwrap();
        number += 1;
    }
}

/// The bundled capture with at most `most` octets of each packet.
fn snapped(folder: &std::path::Path, most: usize) -> String {
    let path = folder.join("snapped.pcapng");
    let input = Input::open(&bundled("postfix/wire.pcapng")).unwrap();
    let mut reader = capture::open(&input.bytes).unwrap();
    let mut file = PcapNgWriter::new(std::fs::File::create(&path).unwrap()).unwrap();
    while let Some(record) = reader.advance() {
        let origin = Origin {
            capture: 0,
            about: &|| (None, Span::ZERO),
        };
        let bytes = reader.bytes();
        let kept = &bytes[..bytes.len().min(most)];
        file.packet(origin, &record, kept, &[]).unwrap();
    }
    path.to_str().unwrap().to_owned()
}

/// What a run says when its captures come on standard input.
fn piped(bytes: &[u8]) -> Vec<Value> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bothends"))
        .args(["-r", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writing = std::thread::spawn(move || {
        for piece in bytes.chunks(10_007) {
            pipe.write_all(piece).unwrap();
        }
    });
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_pipe_tells_what_the_file_tells() {
    for name in ["postfix/wire.pcapng", "iis-netmon/wire.cap"] {
        let file = bundled(name);
        let expected = told(&["-r", file.to_str().unwrap()]);
        assert!(expected.len() > 50);
        let bytes = std::fs::read(&file).unwrap();
        assert!(sessions(piped(&bytes)) == expected, "{name}");
        let packed = zstd::encode_all(&bytes[..], 1).unwrap();
        assert!(sessions(piped(&packed)) == expected, "{name} in zstd");
    }
}

#[test]
fn a_cut_compressed_stream_gives_what_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(bundled("postfix/wire.pcapng")).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&bytes).unwrap();
    let packed = gzip.finish().unwrap();
    let path = folder.path().join("cut.gz");
    std::fs::write(&path, &packed[..packed.len() / 2]).unwrap();
    let capture = source(&["-r", path.to_str().unwrap()]);
    assert!(capture["packets"].as_u64().unwrap() > 100);
    let damage = capture["damaged"].as_str().unwrap();
    assert!(damage.contains("the stream breaks off here"), "{damage}");
    assert!(
        damage.contains("and 1 more"),
        "the block it cut as well: {damage}"
    );
}

#[test]
fn what_is_written_tells_the_same_and_is_never_an_input() {
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("used.pcapng");
    let written = written.to_str().unwrap();
    let expected = told(&["-r", WIRE, "-w", written]);
    assert!(told(&["-r", written]) == expected);
    let before = std::fs::read(written).unwrap();
    for target in [
        written,
        &format!("{}/./used.pcapng", folder.path().display()),
    ] {
        let output = run(&["-r", written, "-w", target]);
        assert_eq!(output.status.code(), Some(4));
        assert!(complained(&output).contains("would overwrite"));
    }
    assert_eq!(std::fs::read(written).unwrap(), before);
    let nowhere = run(&["-r", WIRE, "-w", "/nowhere/at/all"]);
    assert_eq!(nowhere.status.code(), Some(4));
    assert!(complained(&nowhere).contains("/nowhere/at/all"));
}

/// A block of pcapng that nobody but its maker reads.
fn custom(kind: u32) -> Vec<u8> {
    let length = 20u32.to_le_bytes();
    let body = [[0x01, 0x7d, 0, 0], *b"mine"].concat();
    [&kind.to_le_bytes()[..], &length, &body, &length].concat()
}

#[test]
fn custom_blocks_are_counted_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read(bundled("postfix/wire.pcapng")).unwrap();
    // The length of the section header is its second word.
    let begins = usize::try_from(u32::from_le_bytes(bytes[4..8].try_into().unwrap())).unwrap();
    bytes.splice(
        begins..begins,
        [custom(0x0bad), custom(0x4000_0bad)].concat(),
    );
    bytes.extend(custom(0x8000_1234));
    let path = folder.path().join("custom.pcapng");
    std::fs::write(&path, bytes).unwrap();
    let path = path.to_str().unwrap();
    assert_eq!(source(&["-r", path])["skipped_records"], 3);
    assert!(told(&["-r", path]) == told(&["-r", WIRE]));
    let text = said(&run(&["-r", path]));
    assert!(text.contains("3 records that are no packets"), "{text}");
}

#[test]
fn captures_are_merged_by_time_or_read_as_given() {
    let folder = tempfile::tempdir().unwrap();
    let whole = told(&["-r", WIRE]);
    let names = ["ring_2.pcapng", "ring_10.pcapng"];
    // Two taps, packets in turn.
    dealt(folder.path(), &names, |number| number % 2);
    let taps = folder.path().to_str().unwrap();
    assert!(told(&["-r", taps]) == whole);
    assert!(told(&["-r", taps, "--no-merge"]) != whole);
    // A ring of files, one after the other: 2 comes before 10.
    dealt(folder.path(), &names, |number| usize::from(number >= 200));
    for order in [&["-r", taps][..], &["-r", taps, "--no-merge"]] {
        assert!(told(order) == whole, "{order:?}");
    }
}

/// Records without the numbers of packets, which are those of the packets read, copies among them.
fn unnumbered(records: &[Value]) -> Vec<String> {
    let texts = records.iter().map(|record| {
        let mut record = record.clone();
        let fields = record.as_object_mut().unwrap();
        fields.retain(|name, _| {
            !["first_packet", "messages", "protocol_errors"].contains(&name.as_str())
        });
        if let Some(ended) = fields.get_mut("ended") {
            ended.as_object_mut().unwrap().remove("packet");
        }
        record.to_string()
    });
    texts.collect()
}

/// Both ways through a machine: each packet comes again 40 ms later, on another interface.
fn seen_by_two(path: &std::path::Path) {
    let input = Input::open(&bundled("postfix/wire.pcapng")).unwrap();
    let mut reader = capture::open(&input.bytes).unwrap();
    let mut packets = Vec::new();
    while let Some(record) = reader.advance() {
        for interface in 0..2 {
            let time = record.time + Span::millis(40 * i64::from(interface));
            let record = capture::Record {
                time,
                interface,
                ..record
            };
            packets.push((record, reader.bytes().to_vec()));
        }
    }
    packets.sort_by_key(|(record, _)| record.time);
    let mut file = PcapNgWriter::new(std::fs::File::create(path).unwrap()).unwrap();
    for (record, bytes) in packets {
        let origin = Origin {
            capture: 0,
            about: &|| (None, Span::ZERO),
        };
        file.packet(origin, &record, &bytes, &[]).unwrap();
    }
}

#[test]
fn what_several_interfaces_saw_is_followed_on_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.pcapng");
    seen_by_two(&path);
    let path = path.to_str().unwrap();
    let expected = unnumbered(&told(&["-r", WIRE]));
    assert!(unnumbered(&told(&["-r", path])) != expected);
    let apart = ["-r", path, "--by-interface"];
    assert!(unnumbered(&told(&apart)) == expected);
    let once = source(&["-r", WIRE]);
    let counted = source(&apart);
    let number = |record: &Value, name: &str| record[name].as_u64().unwrap();
    let passed = |record: &Value| {
        let reasons = record["undecoded_packets"].as_object();
        let counts = reasons.into_iter().flat_map(|reasons| reasons.values());
        counts.filter_map(Value::as_u64).sum::<u64>()
    };
    assert_eq!(
        number(&counted, "packets_followed_elsewhere"),
        number(&once, "packets") - passed(&once)
    );
    assert_eq!(once.get("packets_followed_elsewhere"), None);
    let text = said(&run(&apart));
    assert!(text.contains("as another interface saw"), "{text}");
    // Of two files as of two interfaces of one.
    let files = ["-r", WIRE, WIRE, "--by-interface"];
    assert!(unnumbered(&told(&files)) == expected);
}

#[test]
fn packets_captured_twice_count_once() {
    let expected = told(&["-r", WIRE]);
    let twice = ["-r", WIRE, WIRE, "--dedup"];
    assert!(unnumbered(&told(&twice)) == unnumbered(&expected));
    let captures = records(&twice);
    assert_eq!(captures[0]["packets"], captures[1]["duplicate_packets"]);
    assert_eq!(captures[1]["packets"], 0);
    let once = source(&["-r", WIRE, "--dedup=5ms"]);
    assert_eq!(
        once.get("duplicate_packets"),
        None,
        "nothing in it is the same"
    );
    assert!(told(&["-r", WIRE, "--dedup=5ms"]) == expected);
    assert_eq!(run(&["-r", WIRE, "--dedup=soon"]).status.code(), Some(2));
}

#[test]
fn a_copy_cut_shorter_is_a_duplicate_too() {
    let folder = tempfile::tempdir().unwrap();
    let short = snapped(folder.path(), 96);
    for (files, overrun) in [([WIRE, &short], false), ([&short, WIRE], true)] {
        let told = records(&["-r", files[0], files[1], "--dedup"]);
        assert_eq!(told[1]["packets"], 0, "{files:?}");
        assert_eq!(told[0]["packets"], told[1]["duplicate_packets"]);
        let said = told
            .iter()
            .any(|record| record.to_string().contains("captured longer than the copy"));
        assert_eq!(said, overrun, "{files:?}");
    }
}

#[cfg(feature = "live")]
#[test]
fn filters_and_counts_hold_for_files() {
    let capture = source(&["-r", WIRE, "-f", "tcp port 25"]);
    let number = |field: &str| capture[field].as_u64().unwrap();
    assert_eq!(number("packets") + number("filtered_packets"), 449);
    let filtered = told(&["-r", WIRE, "-f", "tcp port 25"]);
    assert!(!filtered.is_empty());
    for session in filtered.iter().filter(|record| record["type"] == "session") {
        assert_eq!(session["dest_port"], 25);
    }
    let words = run(&["--json", "-r", WIRE, "--", "tcp", "port", "25"]);
    let text = run(&["--json", "-r", WIRE, "-f", "tcp port 25"]);
    assert!(words.stdout == text.stdout);
    let some = source(&["-r", WIRE, "-c", "30", "-f", "tcp port 25"]);
    assert_eq!(some["packets"], 30);
    let wrong = run(&["-r", WIRE, "-f", "port smtp or or"]);
    assert_eq!(wrong.status.code(), Some(4));
    assert!(complained(&wrong).contains("man pcap-filter"));
}

#[cfg(not(feature = "live"))]
#[test]
fn without_libpcap_a_filter_is_refused_with_the_remedy() {
    let output = run(&["-r", WIRE, "-f", "port 25"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(complained(&output).contains("--features live"));
}
