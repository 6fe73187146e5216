//! TCP of the public traces held against tshark, where it is installed, and against what Zeek publishes of them.
//!
//! Differences are those listed in docs/conformance.md, each with who is right: one that is not listed fails, and
//! so does one that is listed and gone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use bothends::capture::open;
use bothends::flow::{Connection, FlowEvent, FlowTable, Limits};
use bothends::input::Input;
use bothends::link::LinkDecoder;
use bothends::model::{PacketNo, Side};

use crate::program::bundled;
use crate::traces::traces;

/// Where the differences are told.
const TOLD: &str = "docs/conformance.md";

/// Address and port.
type End = (IpAddr, u16);

/// What one direction of a connection gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Sent {
    /// Octets of payload.
    octets: u64,
    /// Octets missing.
    missing: u64,
    /// Segments with payload that were sent again.
    again: u64,
    /// Segments with payload that others overtook.
    overtaken: u64,
}

/// A connection by its two ends in order, with what each sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    ends: [End; 2],
    sent: [Sent; 2],
}

/// The connections in a capture, by this project.
fn connections(path: &Path) -> Vec<Connection> {
    let input = Input::open(path).unwrap();
    let mut reader = open(&input.bytes).unwrap();
    let mut link = LinkDecoder::default();
    let mut table = FlowTable::new(Limits::default());
    let mut found = Vec::new();
    let mut take = |event: FlowEvent<'_>| {
        if let FlowEvent::Closed(connection) = event {
            found.push(*connection);
        }
    };
    let mut number = 0;
    while let Some(record) = reader.advance() {
        number += 1;
        let mut n = 0;
        while n == 0 || n < link.subframes() {
            if let Ok(datagram) = link.decode_nth(&record, reader.bytes(), n) {
                table.push(record.time, PacketNo(number), &datagram, &mut |_, event| {
                    take(event);
                });
            }
            n += 1;
        }
    }
    table.finish(&mut |_, event| take(event));
    found
}

fn by_us(path: &Path) -> Vec<Seen> {
    let seen = connections(path).into_iter().map(|connection| {
        let of = |side: Side| {
            let sent = connection.counts.of(side);
            Sent {
                octets: sent.bytes + sent.cut,
                missing: sent.missing - sent.cut,
                again: sent.retransmissions + sent.copies + sent.refilled,
                overtaken: sent.out_of_order,
            }
        };
        let conversation = connection.conversation;
        let client = (conversation.client.ip, conversation.client.port);
        let server = (conversation.server.ip, conversation.server.port);
        in_order([client, server], [of(Side::Client), of(Side::Server)])
    });
    let mut seen: Vec<Seen> = seen.collect();
    seen.sort();
    seen
}

fn in_order(ends: [End; 2], sent: [Sent; 2]) -> Seen {
    if ends[0] <= ends[1] {
        Seen { ends, sent }
    } else {
        Seen {
            ends: [ends[1], ends[0]],
            sent: [sent[1], sent[0]],
        }
    }
}

/// One direction as tshark's list of segments gives it.
#[derive(Debug, Default)]
struct Direction {
    /// Number of the first octet, and the last one looked at, to follow the circle.
    first: Option<u32>,
    /// Ranges that came, relative to the first octet.
    ranges: Vec<(i64, i64)>,
    /// Behind the highest octet acknowledged.
    acknowledged: i64,
    /// Whether a FIN came, which has a number and is no octet; or one number more was acknowledged by who had closed
    /// before.
    fin: bool,
    again: u64,
    overtaken: u64,
}

impl Direction {
    fn relative(&self, number: u32) -> i64 {
        let reach = self.ranges.iter().map(|range| range.1).max().unwrap_or(0);
        let base = self.first.unwrap_or(number);
        let here = base.wrapping_add(u32::try_from(reach & 0xffff_ffff).unwrap());
        reach + i64::from(number.wrapping_sub(here).cast_signed())
    }

    fn sent(&mut self) -> Sent {
        self.ranges.retain(|range| range.1 > range.0);
        self.ranges.sort_unstable();
        let (mut octets, mut missing, mut at) = (0, 0, 0);
        for &(from, to) in &self.ranges {
            if from > at {
                missing += from - at;
            }
            octets += (to - from.max(at)).max(0);
            at = at.max(to);
        }
        missing += (self.acknowledged - at - i64::from(self.fin)).max(0);
        Sent {
            octets: octets.cast_unsigned(),
            missing: missing.cast_unsigned(),
            again: self.again,
            overtaken: self.overtaken,
        }
    }
}

const FIN: u32 = 1;
const SYN: u32 = 2;
const RST: u32 = 4;
const ACK: u32 = 16;

/// The connections in a capture, from tshark's segments; `None` where it is not installed.
fn by_tshark(path: &Path) -> Option<Vec<Seen>> {
    let output = Command::new("tshark")
        .arg("-n")
        .arg("-r")
        .arg(path)
        .args(["-o", "tcp.check_checksum:FALSE"])
        // Not what ICMP errors quote.
        .args(["-Y", "tcp && !icmp && !icmpv6"])
        .args(["-T", "fields", "-E", "occurrence=l", "-E", "separator=;"])
        .args(["-e", "tcp.stream", "-e", "ip.src", "-e", "ip.dst"])
        .args(["-e", "ipv6.src", "-e", "ipv6.dst", "-e", "ip.version"])
        .args(["-e", "tcp.srcport", "-e", "tcp.dstport"])
        .args(["-e", "tcp.seq_raw", "-e", "tcp.ack_raw"])
        .args(["-e", "tcp.flags", "-e", "tcp.len"])
        .args(["-e", "tcp.analysis.retransmission"])
        .args(["-e", "tcp.analysis.out_of_order"])
        .args(["-e", "tcp.analysis.keep_alive"])
        .args(["-e", "tcp.analysis.zero_window_probe"])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut streams: BTreeMap<u64, (BTreeMap<End, Direction>, [End; 2])> = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(';').collect();
        let [
            stream,
            from4,
            to4,
            from6,
            to6,
            version,
            sport,
            dport,
            seq,
            ack,
            flags,
            length,
            again,
            overtaken,
            keep_alive,
            probe,
        ] = fields[..]
        else {
            panic!("{line}");
        };
        let (Ok(stream), Ok(seq), Ok(ack)) = (stream.parse(), seq.parse(), ack.parse()) else {
            continue;
        };
        // Of a packet with both kinds of header the last version is the innermost.
        let (from, to) = match version {
            "4" => (from4, to4),
            _ => (from6, to6),
        };
        let end = |ip: &str, port: &str| -> End { (ip.parse().unwrap(), port.parse().unwrap()) };
        let (from, to) = (end(from, sport), end(to, dport));
        let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap();
        let length: i64 = length.parse().unwrap_or(0);
        let (directions, _) = streams
            .entry(stream)
            .or_insert_with(|| (BTreeMap::new(), [from.min(to), from.max(to)]));
        if length > 0 && keep_alive.is_empty() && probe.is_empty() {
            let own = directions.entry(from).or_default();
            own.again += u64::from(!again.is_empty());
            own.overtaken += u64::from(!overtaken.is_empty());
        }
        segment(directions, (from, to), (seq, ack), flags, length);
    }
    let mut seen: Vec<Seen> = streams
        .into_values()
        .map(|(mut directions, ends)| Seen {
            sent: ends.map(|end| directions.entry(end).or_default().sent()),
            ends,
        })
        .collect();
    seen.sort();
    Some(seen)
}

fn segment(
    directions: &mut BTreeMap<End, Direction>,
    (from, to): (End, End),
    (seq, ack): (u32, u32),
    flags: u32,
    length: i64,
) {
    if flags & RST != 0 {
        directions.entry(from).or_default();
        return;
    }
    let first = seq.wrapping_add(u32::from(flags & SYN != 0));
    let own = directions.entry(from).or_default();
    own.first.get_or_insert(first);
    let at = own.relative(first);
    own.ranges.push((at, at + length));
    if flags & ACK != 0 {
        let closed = own.fin;
        let other = directions.entry(to).or_default();
        other.first.get_or_insert(ack);
        let at = other.relative(ack);
        other.fin |= closed && at == other.acknowledged + 1;
        other.acknowledged = other.acknowledged.max(at);
    }
    if flags & FIN != 0 {
        directions.entry(from).or_default().fin = true;
    }
}

/// A row of a table: trace, what is compared, the other's word and ours.
type Row = [String; 4];

/// How the two lists differ.
fn differences(name: &str, theirs: &[Seen], ours: &[Seen]) -> Vec<Row> {
    let row = |what: String, theirs: String, ours: String| [name.to_owned(), what, theirs, ours];
    if theirs.len() != ours.len() {
        let [theirs, ours] = [theirs.len(), ours.len()].map(|count| count.to_string());
        return vec![row("connections".to_owned(), theirs, ours)];
    }
    let mut rows = Vec::new();
    for (theirs, ours) in theirs.iter().zip(ours) {
        if theirs.ends != ours.ends {
            let ends = |seen: &Seen| format!("{:?}", seen.ends);
            rows.push(row("ends".to_owned(), ends(theirs), ends(ours)));
            continue;
        }
        let sent = theirs.sent.iter().zip(&ours.sent);
        for ((ip, port), (theirs, ours)) in ours.ends.iter().zip(sent) {
            for (what, theirs, ours) in [
                ("bytes", theirs.octets, ours.octets),
                ("missing", theirs.missing, ours.missing),
                ("sent again", theirs.again, ours.again),
                ("overtaken", theirs.overtaken, ours.overtaken),
            ] {
                if theirs != ours {
                    let what = format!("{what} from {ip} port {port}");
                    rows.push(row(what, theirs.to_string(), ours.to_string()));
                }
            }
        }
    }
    rows
}

/// The rows of the table under `heading` in the documentation; each must say who is right.
fn told(heading: &str) -> BTreeSet<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TOLD);
    let text = std::fs::read_to_string(path).unwrap();
    let section = text.split("\n## ").find(|part| part.starts_with(heading));
    let mut rows = BTreeSet::new();
    for line in section
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("| "))
    {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [trace, what, theirs, ours, why] = cells[..] else {
            panic!("five cells: {line}");
        };
        if trace != "trace" {
            assert!(!why.is_empty(), "who is right? {line}");
            rows.insert([trace, what, theirs, ours].map(str::to_owned));
        }
    }
    rows
}

/// Fails with what is not told, and with what is told and is not so.
fn compare(heading: &str, found: &BTreeSet<Row>) {
    let told = told(heading);
    let lines = |rows: Vec<&Row>| -> String {
        let lines = rows.iter().map(|row| format!("| {} |", row.join(" | ")));
        lines.collect::<Vec<_>>().join("\n")
    };
    let new = lines(found.difference(&told).collect());
    let gone = lines(told.difference(found).collect());
    assert!(
        new.is_empty() && gone.is_empty(),
        "{TOLD}, {heading}\nnot told:\n{new}\ntold and gone:\n{gone}"
    );
}

/// The name of a trace without its folder.
fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// How what is read of these captures, each with its name, differs from what tshark has.
fn unlike_tshark(captures: Vec<(String, PathBuf)>) -> BTreeSet<Row> {
    const AT_ONCE: usize = 3;
    let left = Mutex::new(captures);
    let found: Mutex<BTreeSet<Row>> = Mutex::default();
    let next = || left.lock().unwrap().pop();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((name, path)) = next() {
                    let theirs = by_tshark(&path).unwrap();
                    let rows = differences(&name, &theirs, &by_us(&path));
                    found.lock().unwrap().extend(rows);
                }
            });
        }
    });
    found.into_inner().unwrap()
}

fn tshark_is_here() -> bool {
    let here = Command::new("tshark").arg("--version").output().is_ok();
    if !here {
        eprintln!("skipped: tshark is not installed");
    }
    here
}

#[test]
fn tcp_of_the_public_traces_is_as_tshark_has_it() {
    let traces = traces();
    if !traces.is_empty() && tshark_is_here() {
        let named = traces.into_iter().map(|path| (name(&path), path));
        compare("tshark", &unlike_tshark(named.collect()));
    }
}

/// The captures that come with the project, each under its path there.
fn bundled_captures() -> Vec<(String, PathBuf)> {
    let root = bundled("");
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_stem().is_some_and(|stem| stem == "wire") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
                found.push((name.to_owned(), path));
            }
        }
    }
    found
}

#[test]
fn tcp_of_the_bundled_captures_is_as_tshark_has_it() {
    let captures = bundled_captures();
    assert!(captures.len() > 50);
    if tshark_is_here() {
        compare("Bundled captures", &unlike_tshark(captures));
    }
}

/// What Zeek publishes of a connection in the results of its own tests (`conn.log` of its baselines).
struct Published {
    trace: &'static str,
    /// `orig_h:orig_p resp_h:resp_p`.
    ends: &'static str,
    conn_state: &'static str,
    history: &'static str,
    /// `orig_bytes` and `resp_bytes`, which are reckoned from sequence numbers: what is missing counts. Not published of all.
    sizes: Option<[u64; 2]>,
}

const fn published(
    trace: &'static str,
    ends: &'static str,
    conn_state: &'static str,
    history: &'static str,
    sizes: [u64; 2],
) -> Published {
    Published {
        trace,
        ends,
        conn_state,
        history,
        sizes: Some(sizes),
    }
}

/// The same, where only these two words are published.
const fn words_of(
    trace: &'static str,
    ends: &'static str,
    history: &'static str,
    conn_state: &'static str,
) -> Published {
    Published {
        trace,
        ends,
        conn_state,
        history,
        sizes: None,
    }
}

/// From `testing/btest/Baseline`: `core.tcp.missing-syn`, `core.vlan-mpls`, `core.tcp.miss-end-data`,
/// `core.pppoe-over-qinq`, `core.tunnels.gtp.different_dl_and_ul`, `core.tunnels.gre`, `core.tunnels.gre-aruba-amsdu`,
/// `core.tcp.flip-without-syn`, `core.tunnels.socks`, `scripts.base.protocols.http.http-connect-with-header` and
/// `scripts.base.protocols.conn.conn_state-RST-behavior`.
const PUBLISHED: [Published; 16] = [
    published(
        "tcp__missing-syn.pcap",
        "141.42.64.125:56730 125.190.109.199:80",
        "SF",
        "^hADdFaf",
        [98, 9417],
    ),
    published(
        "mixed-vlan-mpls.pcap",
        "10.1.2.1:11001 10.34.0.1:23",
        "SH",
        "SADF",
        [26, 0],
    ),
    published(
        "mixed-vlan-mpls.pcap",
        "141.42.64.125:56730 125.190.109.199:80",
        "SF",
        "ShADdFaf",
        [98, 9417],
    ),
    published(
        "mixed-vlan-mpls.pcap",
        "10.20.80.1:50343 10.0.0.15:80",
        "SF",
        "ShADadfF",
        [9, 3429],
    ),
    published(
        "tcp__miss_end_data.pcap",
        "192.168.122.230:60648 77.238.160.184:80",
        "SF",
        "ShADafgF",
        [538, 2902],
    ),
    published(
        "pppoe-over-qinq.pcap",
        "1.1.1.1:20394 2.2.2.2:443",
        "SF",
        "ShADdtaTTtFf",
        [11352, 4984],
    ),
    published(
        "tunnels__gtp__gtp2_different_udp_port.pcap",
        "10.131.17.170:51803 173.199.115.168:80",
        "S3",
        "ShADadf",
        [1138, 63424],
    ),
    published(
        "tunnels__gre-sample.pcap",
        "66.59.111.190:40264 172.28.2.3:22",
        "SF",
        "ShAdDaFf",
        [952, 1671],
    ),
    published(
        "tunnels__gre-aruba-amsdu.pcap",
        "157.240.18.16:443 149.159.130.184:49392",
        "OTH",
        "D",
        [252, 0],
    ),
    published(
        "tcp__http-on-irc-port-missing-syn.pcapng",
        "141.142.228.5:6669 192.150.187.43:80",
        "SF",
        "^hADadFf",
        [136, 5007],
    ),
    published(
        "tunnels__socks.pcap",
        "127.0.0.1:62270 127.0.0.1:1080",
        "SF",
        "ShAaDdfF",
        [152, 3950],
    ),
    published(
        "http__connect-with-header.pcap",
        "[::1]:52522 [::1]:80",
        "S1",
        "ShAaDd",
        [3644, 55499],
    ),
    words_of(
        "tcp__single-rst.pcap",
        "10.0.0.10:48777 10.0.0.80:80",
        "R",
        "OTH",
    ),
    words_of(
        "tcp__syn-then-rst.pcap",
        "1.1.1.1:13131 1.1.1.2:31313",
        "SR",
        "RSTOS0",
    ),
    words_of(
        "tcp__syn-then-ack-then-rst.pcap",
        "1.1.1.1:13131 1.1.1.2:31313",
        "SaR",
        "RSTOS0",
    ),
    words_of(
        "tcp__syn-then-stuff-then-rst.pcap",
        "1.1.1.1:13131 1.1.1.2:31313",
        "SaFR",
        "OTH",
    ),
];

#[test]
fn states_and_histories_are_those_that_zeek_publishes() {
    let traces = traces();
    let mut found = BTreeSet::new();
    for theirs in &PUBLISHED {
        let Some(path) = traces.iter().find(|path| name(path) == theirs.trace) else {
            eprintln!("skipped: no {}", theirs.trace);
            return;
        };
        let all = connections(path);
        let ends = |connection: &Connection, flip: bool| {
            let conversation = connection.conversation;
            let (one, other) = (conversation.client, conversation.server);
            if flip {
                format!("{other} {one}")
            } else {
                format!("{one} {other}")
            }
        };
        let mine = |flip| all.iter().find(|one| ends(one, flip) == theirs.ends);
        let Some(ours) = mine(false).or_else(|| mine(true)) else {
            panic!("{} has no {}", theirs.trace, theirs.ends);
        };
        // Its tests run without looking at checksums.
        let history: String = ours
            .history
            .chars()
            .filter(|c| !"cC".contains(*c))
            .collect();
        let size = |side| ours.counts.of(side).bytes + ours.counts.of(side).missing;
        let sizes = [size(Side::Client), size(Side::Server)];
        let words = [
            ("ends", theirs.ends.to_owned(), ends(ours, false)),
            (
                "conn_state",
                theirs.conn_state.to_owned(),
                ours.conn_state.to_owned(),
            ),
            ("history", theirs.history.to_owned(), history),
        ];
        let told_sizes = theirs
            .sizes
            .map(|told| ("sizes", format!("{told:?}"), format!("{sizes:?}")));
        for (what, told, ours) in words.into_iter().chain(told_sizes) {
            if told != ours {
                let what = format!("{what} of {}", theirs.ends);
                found.insert([theirs.trace.to_owned(), what, told, ours]);
            }
        }
    }
    compare("Zeek", &found);
}

#[test]
fn both_versions_of_an_injected_answer_are_told_as_zeek_tells_them() {
    let traces = traces();
    let injected = "tcp__qi_internet_SYNACK_curl_jsonip.pcap";
    let Some(path) = traces.iter().find(|path| name(path) == injected) else {
        eprintln!("skipped: no {injected}");
        return;
    };
    let all = connections(path);
    let mut versions = all
        .iter()
        .flat_map(|one| &one.overlaps)
        .filter_map(|overlap| overlap.versions.as_ref());
    let found = versions.find(|versions| versions.kept.ends_with(b"\r\n\r\nBANG!"));
    let found = found.expect("the injected answer");
    // Both begin with the same status line.
    assert!(found.kept.starts_with(b"Content-Length: 5"), "{found:?}");
    assert!(found.other.starts_with(b"Server: nginx/1.4.4"), "{found:?}");
}
