//! How many lines of a log are read in a second, by format and by threads. Only ratios within one run mean anything;
//! `lab/log_speed.sh` sets the program beside others.

#![expect(clippy::expect_used, reason = "a bench without its input cannot go on")]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::path::Path;

use bothends::log::{Chosen, Era, How, Opening, registry::FORMATS};
use bothends::model::{LogId, Threads};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Octets of a log, about: what is done once for a log is little beside them.
const OCTETS: usize = 8 << 20;

/// A sample of each format, by the path from the project's root.
const SAMPLES: [(&str, &str); 4] = [
    ("postfix", "captures/postfix/postfix.log"),
    ("dovecot", "tests/logs/dovecot.log"),
    ("iis-smtp", "captures/iis-netmon/ex_smtp.log"),
    ("clf", "captures/real-logs/apache/access.log"),
];

fn logs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log lines");
    group.sample_size(10);
    for (name, sample) in SAMPLES {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join(sample);
        let sample = std::fs::read(sample).expect("the bundled log");
        let log = sample.repeat(OCTETS / sample.len() + 1);
        let lines = memchr::memchr_iter(b'\n', &log).count();
        group.throughput(Throughput::Elements(lines as u64));
        let entry = FORMATS.iter().find(|entry| entry.name == name);
        let format = entry.map(Chosen::Known);
        let how = How {
            format: format.as_ref(),
            era: Era::Year(2026),
            ..How::default()
        };
        let openings = Opening::of(&log, how).expect("a log");
        let opening = openings.first().expect("a format");
        for threads in [1, 2] {
            let threads = NonZeroUsize::new(threads).map(Threads::from);
            let threads = threads.unwrap_or_default();
            group.bench_function(format!("{name}, {threads}"), |bencher| {
                bencher.iter(|| {
                    let mut reader = opening.reader(LogId(0), name, &log);
                    reader.whole(&log, threads, &mut |_| {});
                    black_box(reader.finish())
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, logs);
criterion_main!(benches);
