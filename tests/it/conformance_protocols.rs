//! Requests and replies of the public traces, counted beside tshark's reading of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use bothends::model::{FaultCode, WireSession};
use bothends::pipeline::{Options, Progress, Show, run};

use super::traces::traces;

/// Requests and replies.
type Counts = [usize; 2];

/// A protocol, and tshark's fields for a request and for a reply.
const FIELDS: &[(&str, &str, &str)] = &[
    ("ftp", "ftp.request.command", "ftp.response.code"),
    ("http", "http.request.method", "http.response.code"),
    ("imap", "imap.request.command", "imap.response.status"),
    ("nntp", "nntp.request", "nntp.response"),
    ("pop3", "pop.request.command", "pop.response.indicator"),
    ("smtp", "smtp.req.command", "smtp.response.code"),
];

/// Traces that are compared, by the beginnings of their names.
const COMPARED: &[&str] = &["dns", "ftp", "http", "imap", "nntp", "pop3", "smtp"];

/// A difference that is understood: file, protocol, tshark's counts and ours. docs/conformance.md says why.
struct Known(&'static str, &'static str, Counts, Counts);

const KNOWN: &[Known] = &[
    Known("dns-two-responses.pcap", "dns", [1, 2], [1, 1]),
    Known("dns__dns-invalid-names.pcap", "dns", [3, 0], [0, 0]),
    Known("dns__mdns-no-assoc.pcap", "dns", [3, 3], [3, 0]),
    Known(
        "http__1000-requests-one-dropped-response.pcap.gz",
        "http",
        [1000, 0],
        [1000, 999],
    ),
    Known(
        "http__261__variant-02-cl_uint64max.pcap",
        "http",
        [2, 0],
        [1, 0],
    ),
    Known("http__content-range-gap.pcap", "http", [1, 0], [1, 1]),
    Known("http__entity_gap.pcap", "http", [1, 0], [1, 1]),
    Known("http__entity_gap2.pcap", "http", [1, 0], [1, 1]),
    Known(
        "http__http-11-request-then-cruft.pcap",
        "http",
        [1, 2],
        [5, 2],
    ),
    Known("http__http-lower-case.pcap", "http", [1, 0], [1, 1]),
    Known("http__http-single-conn-22.pcap", "http", [0, 0], [1, 1]),
    Known("http__putty-upload.pcap", "http", [1, 2], [2, 2]),
    Known(
        "http__query-method-non-standard-port.pcap",
        "http",
        [0, 1],
        [1, 1],
    ),
    Known(
        "http__zeek-image-post-1080-8000-x.pcap",
        "http",
        [0, 0],
        [1, 1],
    ),
    Known("smtp__rfc3030-bdat-nonascii.pcap", "smtp", [6, 9], [6, 8]),
    Known(
        "smtp__smtp-bdat-cmd-chunk-size-overflow.pcap",
        "smtp",
        [3, 5],
        [4, 5],
    ),
    Known(
        "smtp__smtp-bdat-cmd-chunk-size-overflow2.pcap",
        "smtp",
        [3, 5],
        [5, 5],
    ),
    Known(
        "smtp__smtp-bdat-pipeline-8bitmime.pcap",
        "smtp",
        [2, 9],
        [8, 9],
    ),
];

/// What tshark counts in `file`, by protocol; `None` where it is not installed.
fn by_tshark(file: &Path) -> Option<BTreeMap<&'static str, Counts>> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args([
        "-o",
        "tcp.reassemble_out_of_order:TRUE",
        "-o",
        "tcp.desegment_tcp_streams:TRUE",
        "-T",
        "fields",
        "-E",
        "occurrence=a",
        "-E",
        "aggregator=|",
        "-e",
        "dns.flags.response",
    ]);
    for (_, request, reply) in FIELDS {
        command.args(["-e", request, "-e", reply]);
    }
    let output = command.output().ok()?;
    let mut counts: BTreeMap<&str, Counts> = BTreeMap::new();
    for row in String::from_utf8_lossy(&output.stdout).lines() {
        let mut columns = row.split('\t');
        for flag in values(columns.next()) {
            let is_reply = usize::from(matches!(flag, "1" | "True"));
            counts.entry("dns").or_default()[is_reply] += 1;
        }
        for (proto, ..) in FIELDS {
            for at in 0..2 {
                let found = values(columns.next()).count();
                if found > 0 {
                    counts.entry(proto).or_default()[at] += found;
                }
            }
        }
    }
    Some(counts)
}

fn values(column: Option<&str>) -> impl Iterator<Item = &str> {
    column
        .unwrap_or_default()
        .split('|')
        .filter(|value| !value.is_empty())
}

/// What is counted here: requests but for bodies, and replies with those to nothing.
fn counted(wires: &[WireSession]) -> BTreeMap<&'static str, Counts> {
    let mut counts: BTreeMap<&str, Counts> = BTreeMap::new();
    for wire in wires {
        let requests = wire.exchanges.iter().filter(|exchange| {
            !exchange.request.is_empty() && !exchange.request.starts_with("<body")
        });
        let replies = wire
            .exchanges
            .iter()
            .filter(|exchange| exchange.response.is_some());
        let stray = wire
            .faults
            .iter()
            .filter(|fault| fault.code == FaultCode::UnmatchedReply)
            .map(|fault| usize::try_from(fault.count).unwrap());
        let found = [requests.count(), replies.count() + stray.sum::<usize>()];
        if found != [0, 0] {
            let counts = counts.entry(wire.proto.0).or_default();
            counts[0] += found[0];
            counts[1] += found[1];
        }
    }
    counts
}

/// Differences in one file, each a line.
fn differences(file: &Path) -> Option<(usize, Vec<String>)> {
    let theirs = by_tshark(file)?;
    let options = Options {
        captures: vec![file.to_owned()],
        ..Options::default()
    };
    let ours = counted(&run(&options, &mut Progress::new(Show::Never)).account.wires);
    let name = file.file_name()?.to_str()?;
    let protos: Vec<&str> = theirs.keys().chain(ours.keys()).copied().collect();
    let mut found = Vec::new();
    for proto in protos {
        let pair = [&theirs, &ours].map(|counts| counts.get(proto).copied().unwrap_or_default());
        let known = KNOWN
            .iter()
            .find(|known| known.0 == name && known.1 == proto);
        let expected = known.map_or(pair[0] == pair[1], |known| pair == [known.2, known.3]);
        let line = format!(
            "Known(\"{name}\", \"{proto}\", {:?}, {:?}),",
            pair[0], pair[1]
        );
        if !expected && !found.contains(&line) {
            found.push(line);
        }
    }
    Some((ours.values().flatten().sum(), found))
}

#[test]
fn requests_and_replies_of_the_public_traces_are_as_many_as_tshark_counts() {
    let files: Vec<PathBuf> = traces()
        .into_iter()
        .filter(|file| {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap();
            COMPARED.iter().any(|start| name.starts_with(start))
        })
        .collect();
    let halves: Vec<&[PathBuf]> = files.chunks(files.len().div_ceil(2).max(1)).collect();
    let results: Vec<Option<(usize, Vec<String>)>> = std::thread::scope(|scope| {
        let workers: Vec<_> = halves
            .iter()
            .map(|half| {
                scope.spawn(|| {
                    half.iter()
                        .map(|file| differences(file))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    });
    if results.contains(&None) {
        eprintln!("skipped: no tshark");
        return;
    }
    let messages: usize = results.iter().flatten().map(|(messages, _)| messages).sum();
    let differing: Vec<&String> = results
        .iter()
        .flatten()
        .flat_map(|(_, lines)| lines)
        .collect();
    eprintln!(
        "{} traces, {messages} requests and replies compared",
        files.len()
    );
    assert!(differing.is_empty(), "{differing:#?}");
}
