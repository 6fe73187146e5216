//! TLS against tshark: what the hellos say on public traces, and what is inside the records where
//! there are keys. Skipped, saying so, where tshark, traces or keys are absent.
#![expect(
    clippy::indexing_slicing,
    reason = "the columns are those that were asked for"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use bothends::flow::StreamEvent;
use bothends::model::{Burst, Nanos, PacketNo, Side};
use bothends::protocol::tls::{Opener, Tls, opening};
use bothends::protocol::{Decoder as _, Dialogue, Verdict};
use tls_parser::TlsCipherSuite;

/// A tshark run on `file`; `None` where it is not installed.
fn tshark(file: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("tshark")
        .arg("-n")
        .arg("-r")
        .arg(file)
        .args(args)
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A segment with payload.
struct Segment {
    packet: u64,
    at: Nanos,
    side: Side,
    seq: u64,
    bytes: Vec<u8>,
}

/// One connection's segments and its server's port.
#[derive(Default)]
struct Stream {
    client: Option<(String, String)>,
    port: u16,
    segments: Vec<Segment>,
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| u8::try_from(digit).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// The connections in `file`, by tshark's number.
fn streams(file: &Path) -> Option<BTreeMap<u32, Stream>> {
    let fields = [
        "tcp.stream",
        "frame.number",
        "frame.time_epoch",
        "ip.src",
        "ipv6.src",
        "tcp.srcport",
        "tcp.dstport",
        "tcp.seq",
        "tcp.payload",
        "tcp.flags.syn",
    ];
    let mut args = vec!["-Y", "tcp && !icmp", "-T", "fields"];
    for field in fields {
        args.extend(["-e", field]);
    }
    let mut streams: BTreeMap<u32, Stream> = BTreeMap::new();
    for line in tshark(file, &args)?.lines() {
        let field: Vec<&str> = line.split('\t').collect();
        let stream = streams.entry(field[0].parse().unwrap()).or_default();
        let from = (format!("{}{}", field[3], field[4]), field[5].to_owned());
        if stream.client.is_none() {
            stream.client = Some(from.clone());
            stream.port = field[6].parse().unwrap();
        }
        let side = if stream.client.as_ref() == Some(&from) {
            Side::Client
        } else {
            Side::Server
        };
        let (seconds, fraction) = field[2].split_once('.').unwrap();
        stream.segments.push(Segment {
            packet: field[1].parse().unwrap(),
            at: Nanos::new(seconds.parse().unwrap(), fraction.parse().unwrap()),
            side,
            // A SYN takes a number and carries nothing here.
            seq: field[7].parse::<u64>().unwrap() + u64::from(field[9] == "1"),
            bytes: hex(field[8]),
        });
    }
    Some(streams)
}

/// Each byte once and in order; what comes too early waits.
fn in_order(segments: Vec<Segment>) -> Vec<Segment> {
    let mut next: [Option<u64>; 2] = [None, None];
    let mut early: Vec<Segment> = Vec::new();
    let mut ordered = Vec::new();
    for segment in segments {
        early.push(segment);
        while let Some(found) = early.iter().position(|held| {
            let next = next[held.side.index()];
            held.seq <= next.unwrap_or(held.seq)
        }) {
            let mut segment = early.remove(found);
            let next = next[segment.side.index()].get_or_insert(segment.seq);
            let known = usize::try_from(*next - segment.seq).unwrap();
            segment.bytes.drain(..known.min(segment.bytes.len()));
            *next += segment.bytes.len() as u64;
            if !segment.bytes.is_empty() {
                ordered.push(segment);
            }
        }
    }
    ordered
}

/// What the decoder makes of a connection, from the client's hello on; `None` where there is none.
fn observe(stream: Stream) -> Option<Dialogue> {
    let segments = in_order(stream.segments);
    let hello = segments.iter().position(|segment| {
        segment.side == Side::Client && opening(&segment.bytes) == Verdict::Certain
    })?;
    // A port of a test server ends like the one it stands for: 10465.
    let opener = match stream.port % 1_000 {
        _ if hello > 0 => Opener::Client,
        443 => Opener::Client,
        465 | 993 | 995 => Opener::Server,
        _ => Opener::Unknown,
    };
    let mut tls = Tls::new(opener);
    let mut out = Dialogue::default();
    for segment in &segments[hello..] {
        let event = StreamEvent::Data {
            side: segment.side,
            at: segment.at,
            packet: PacketNo(segment.packet),
            bytes: &segment.bytes,
        };
        tls.event(event, &mut out);
    }
    tls.finish(&mut out);
    Some(out)
}

fn beside(variable: &str, path: &str) -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::env::var_os(variable).map_or(beside, PathBuf::from)
}

/// What tshark says of the first hello of each kind, by stream: its fields joined by tabs.
fn by_tshark(file: &Path, kind: &str, fields: &[&str]) -> BTreeMap<u32, Vec<String>> {
    let filter = format!("tls.handshake.type == {kind} && !icmp");
    let mut args = vec!["-Y", &filter, "-T", "fields", "-E", "occurrence=f"];
    for field in ["tcp.stream"].iter().chain(fields) {
        args.extend(["-e", field]);
    }
    let mut first = BTreeMap::new();
    for line in tshark(file, &args).unwrap_or_default().lines() {
        let mut fields = line.split('\t').map(str::to_owned);
        if let Some(stream) = fields.next().and_then(|n| n.parse().ok()) {
            first.entry(stream).or_insert_with(|| fields.collect());
        }
    }
    first
}

/// Traces whose hellos tshark counts otherwise, with what is right: see docs/conformance.md.
const DIFFERENT: [(&str, (usize, usize)); 2] = [
    ("tls__https-to-http.pcap", (1, 0)),
    ("tls__xmpp-starttls.pcap", (0, 0)),
];

/// Connections with a client's and with a server's hello, as tshark counts them unless a difference is known.
fn counted(file: &Path, clients: usize, servers: usize) -> (usize, usize) {
    let name = file.file_name().unwrap().to_str().unwrap();
    let known = DIFFERENT.iter().find(|(trace, _)| *trace == name);
    known.map_or((clients, servers), |(_, right)| *right)
}

/// The same as the program counts them.
fn hellos(file: &Path) -> (usize, usize) {
    let records = crate::program::records(&["-q", "-r", file.to_str().unwrap()]);
    let with = |hello: &str| {
        let sessions = records.iter().filter(|record| record["type"] == "session");
        sessions
            .filter(|session| session["tls"].get(hello).is_some())
            .count()
    };
    (with("client_hello"), with("server_hello"))
}

#[test]
fn hellos_of_the_public_traces_are_as_tshark_reads_them() {
    let folder = beside("BOTHENDS_TRACES", "../shared/captures/zeek");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().contains("tls"))
        .collect();
    files.sort();
    if files.is_empty() {
        eprintln!("skipped: no TLS traces; set BOTHENDS_TRACES");
    }
    let mut compared = 0;
    for file in files {
        let Some(streams) = streams(&file) else {
            eprintln!("skipped: no tshark");
            return;
        };
        let clients = by_tshark(
            &file,
            "1",
            &["tls.handshake.extensions_server_name", "tls.handshake.ja3"],
        );
        let servers = by_tshark(
            &file,
            "2",
            &[
                "tls.handshake.extensions.supported_version",
                "tls.handshake.version",
                "tls.handshake.ciphersuite",
            ],
        );
        assert_eq!(
            hellos(&file),
            counted(&file, clients.len(), servers.len()),
            "{}",
            file.display()
        );
        for (number, stream) in streams {
            let what = format!("{} stream {number}", file.display());
            let out = observe(stream);
            let tls = out.and_then(|out| out.tls).unwrap_or_default();
            if let Some(fields) = clients.get(&number) {
                let name = tls.server_name.map_or(String::new(), |name| name.0);
                assert_eq!(name, fields[0], "{what}");
                assert_eq!(tls.ja3.unwrap_or_default(), fields[1], "{what}");
                compared += 1;
            }
            if let Some(fields) = servers.get(&number) {
                // A server hello of SSLv2 has neither field; its suites have no IANA names.
                let version = fields[..2].iter().find(|field| !field.is_empty());
                let version = version.map_or("2", |version| version.trim_start_matches("0x"));
                let version = u16::from_str_radix(version, 16).unwrap();
                assert_eq!(
                    tls.version.map(|version| version.0),
                    Some(version),
                    "{what}"
                );
                let suite = u16::from_str_radix(fields[2].trim_start_matches("0x"), 16).ok();
                let suite = suite.map(|n| TlsCipherSuite::from_id(n).unwrap().name);
                assert_eq!(tls.cipher.as_deref(), suite, "{what}");
                compared += 1;
            }
        }
    }
    eprintln!("compared {compared} hellos with tshark");
}

/// Who sent how many octets, run by run.
type Runs = Vec<(Side, u64)>;

/// The decrypted runs of each stream, by `follow`.
fn decrypted(file: &Path, keys: &Path, ports: &BTreeMap<u32, u16>) -> Option<BTreeMap<u32, Runs>> {
    let keys = format!("tls.keylog_file:{}", keys.display());
    let mut args = vec!["-q".to_owned(), "-o".to_owned(), keys];
    for number in ports.keys() {
        args.extend(["-z".to_owned(), format!("follow,tls,raw,{number}")]);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut all = BTreeMap::new();
    let mut current: Option<u32> = None;
    let mut first = Side::Client;
    for line in tshark(file, &args)?.lines() {
        if let Some(filter) = line.strip_prefix("Filter: tcp.stream eq ") {
            current = Some(filter.parse().unwrap());
        } else if line.starts_with("====") {
            current = None;
        } else if let Some(node) = line.strip_prefix("Node 0: ") {
            // The one that sent the first octets.
            let port = node.rsplit(':').next().unwrap().parse().ok();
            first = if port == current.map(|number| ports[&number]) {
                Side::Server
            } else {
                Side::Client
            };
        } else if let (Some(number), false) = (current, line.starts_with("Node ")) {
            let side = match line.strip_prefix('\t') {
                None => first,
                Some(_) => first.other(),
            };
            let octets = (line.trim().len() / 2) as u64;
            let runs: &mut Runs = all.entry(number).or_default();
            match runs.last_mut() {
                Some(last) if last.0 == side => last.1 += octets,
                _ => runs.push((side, octets)),
            }
        }
    }
    Some(all)
}

#[test]
fn bursts_hold_what_tshark_decrypts() {
    let folder = beside("BOTHENDS_LAB", "../shared/lab/dev");
    let (file, keys) = (folder.join("server.pcap"), folder.join("keys.log"));
    if !file.exists() || !keys.exists() {
        eprintln!(
            "skipped: no capture with keys in {}; set BOTHENDS_LAB",
            folder.display()
        );
        return;
    }
    let Some(streams) = streams(&file) else {
        eprintln!("skipped: no tshark");
        return;
    };
    let ports = streams
        .iter()
        .map(|(&number, stream)| (number, stream.port));
    let truth = decrypted(&file, &keys, &ports.collect()).unwrap();
    // By port and version: bursts exactly right, and all.
    let mut tally: BTreeMap<(u16, String), (usize, usize)> = BTreeMap::new();
    let mut missed = truth.clone();
    for (number, stream) in streams {
        let port = stream.port;
        let Some(out) = observe(stream) else {
            continue;
        };
        let right = missed.remove(&number).unwrap_or_default();
        let tls = out.tls.unwrap();
        let good = |(burst, &(side, octets)): (&Burst, &(Side, u64))| {
            let slack = u64::from(tls.padding) * u64::from(burst.records);
            burst.side == side && (octets..=octets + slack).contains(&burst.plaintext)
        };
        let same = out
            .bursts
            .iter()
            .zip(&right)
            .filter(|&pair| good(pair))
            .count();
        let most = out.bursts.len().max(right.len());
        if same < most {
            eprintln!("stream {number}: {:?}\n   not {right:?}", out.bursts);
        }
        let count = tally
            .entry((port, tls.version.unwrap().to_string()))
            .or_default();
        count.0 += same;
        count.1 += most;
    }
    let (mut right, mut all) = (0, 0);
    for ((port, version), count) in &tally {
        eprintln!("port {port} {version}: {} of {}", count.0, count.1);
        right += count.0;
        all += count.1;
    }
    eprintln!("{right} of {all} bursts hold what tshark decrypts");
    assert!(missed.is_empty(), "no TLS found in {:?}", missed.keys());
    assert!(all > 0 && right * 100 >= all * 99, "{right} of {all}");
}
