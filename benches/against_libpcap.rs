//! Reading, link and TCP without decoders against a bare loop of libpcap over the same file.
//!
//! `cargo bench --bench against_libpcap -- FILE` runs each in turn and gives the ratio; `-- libpcap FILE` and `-- own FILE` run one, for
//! whoever measures whole processes. Without a file it does nothing, so that all benches can be run together.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench tells what it measured, and cannot go on without its input"
)]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use bothends::capture::open;
use bothends::flow::{FlowTable, Limits};
use bothends::input::Input;
use bothends::link::LinkDecoder;
use bothends::model::PacketNo;

/// Rounds of each when both are run.
const ROUNDS: usize = 5;

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["libpcap", file] => println!("libpcap: {}", libpcap(Path::new(file))),
        ["own", file] => println!("own: {}", own(Path::new(file))),
        [file] => both(Path::new(file)),
        _ => println!("give a capture: cargo bench --bench against_libpcap -- FILE"),
    }
}

/// Packets that a loop of libpcap sees.
fn libpcap(file: &Path) -> u64 {
    let mut capture = pcap::Capture::from_file(file).expect("a capture that libpcap reads");
    let mut packets = 0;
    while let Ok(packet) = capture.next_packet() {
        black_box(packet.data);
        packets += 1;
    }
    packets
}

/// Packets and events of streams of the three lower rooms.
fn own(file: &Path) -> String {
    let input = Input::open(file).expect("a capture");
    let mut reader = open(&input.bytes).expect("a capture");
    let mut link = LinkDecoder::default();
    let mut table = FlowTable::new(Limits::default());
    let (mut packets, mut events) = (0u64, 0u64);
    while let Some(record) = reader.advance() {
        packets += 1;
        if let Ok(datagram) = link.decode(&record, reader.bytes()) {
            table.push(
                record.time,
                PacketNo(packets),
                &datagram,
                &mut |_, event| {
                    black_box(&event);
                    events += 1;
                },
            );
        }
    }
    table.finish(&mut |_, _| events += 1);
    format!("{packets} packets, {events} events; {}", memory())
}

/// Memory of this process that is no mapped file, as Linux tells it.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let wanted = |line: &&str| line.starts_with("RssAnon") || line.starts_with("VmHWM");
    let lines: Vec<String> = status
        .lines()
        .filter(wanted)
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    lines.join(", ")
}

fn both(file: &Path) {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let [one, other] = &mut times;
        one.push(timed(|| {
            black_box(libpcap(file));
        }));
        other.push(timed(|| {
            black_box(own(file));
        }));
    }
    let [theirs, ours] = times.map(|mut times| {
        times.sort_unstable();
        times.get(ROUNDS / 2).copied().unwrap_or_default()
    });
    println!(
        "median of {ROUNDS}: libpcap {:.3} s, own {:.3} s, ratio {:.2}",
        theirs.as_secs_f64(),
        ours.as_secs_f64(),
        ours.as_secs_f64() / theirs.as_secs_f64()
    );
}

fn timed(run: impl FnOnce()) -> Duration {
    let since = Instant::now();
    run();
    since.elapsed()
}
