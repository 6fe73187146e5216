//! How fast each room is, on the bundled captures many times over. Only ratios within one run mean anything.

#![expect(clippy::expect_used, reason = "a bench without its input cannot go on")]

use std::hint::black_box;
use std::path::Path;

use bothends::capture::open;
use bothends::flow::{FlowTable, Limits};
use bothends::input::Input;
use bothends::link::LinkDecoder;
use bothends::model::PacketNo;
use bothends::pipeline::{LogInput, LogPlace, Options, Progress, Show, run};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn bundled(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("captures")
        .join(name)
}

fn rooms(criterion: &mut Criterion) {
    let input = Input::open(&bundled("postfix/wire.pcapng")).expect("the bundled capture");
    let mut group = criterion.benchmark_group("capture");
    group.throughput(Throughput::Bytes(input.bytes.len() as u64));
    group.bench_function("read", |bencher| {
        bencher.iter(|| {
            let mut reader = open(&input.bytes).expect("a capture");
            while let Some(record) = reader.advance() {
                black_box((record, reader.bytes()));
            }
        });
    });
    group.bench_function("read, link", |bencher| {
        bencher.iter(|| {
            let mut reader = open(&input.bytes).expect("a capture");
            let mut link = LinkDecoder::default();
            while let Some(record) = reader.advance() {
                black_box(link.decode(&record, reader.bytes()).is_ok());
            }
        });
    });
    group.bench_function("read, link, flow", |bencher| {
        bencher.iter(|| {
            let mut reader = open(&input.bytes).expect("a capture");
            let mut link = LinkDecoder::default();
            let mut table = FlowTable::new(Limits::default());
            let mut events = 0u64;
            let mut number = 0;
            while let Some(record) = reader.advance() {
                number += 1;
                if let Ok(datagram) = link.decode(&record, reader.bytes()) {
                    table.push(record.time, PacketNo(number), &datagram, &mut |_, _| {
                        events += 1;
                    });
                }
            }
            table.finish(&mut |_, _| events += 1);
            black_box(events)
        });
    });
    group.bench_function("all rooms with a log", |bencher| {
        let options = Options {
            captures: vec![bundled("postfix/wire.pcapng")],
            logs: vec![LogInput {
                place: LogPlace::Files(bundled("postfix/postfix.log")),
                format: None,
            }],
            ..Options::default()
        };
        bencher.iter(|| black_box(run(&options, &mut Progress::new(Show::Never))));
    });
    group.finish();
}

criterion_group!(benches, rooms);
criterion_main!(benches);
