//! How fast sessions are joined, on made ones: of a log that counts octets, at ten sessions a second, and of one whose one busy client leaves nothing but
//! times to go by.

use std::hint::black_box;

use bothends::align::align;
use bothends::model::{LogId, LogSource, Threads};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

#[path = "../examples/alignment_study/made.rs"]
mod made;

use made::{Case, ORIGIN, PLAIN, made};

fn alignment(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("align");
    group.sample_size(10);
    let octets = Case {
        rate: 10.0,
        octets: true,
        ..PLAIN
    };
    let times = Case {
        octets: false,
        ..octets
    };
    for (what, case) in [("octets", octets), ("times only", times)] {
        for sessions in [600, 6_000] {
            let made = made(case, sessions, 1);
            let source = [LogSource::new(LogId(0), "made.log", "made")];
            let both = made.truth_of_wire.len() + made.truth_of_log.len();
            group.throughput(Throughput::Elements(both as u64));
            group.bench_function(BenchmarkId::new(what, sessions), |bencher| {
                bencher.iter(|| {
                    let mut logs = made.logs.clone();
                    let threads = Threads::default();
                    black_box(align(&made.wires, &source, &mut logs, ORIGIN, threads))
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, alignment);
criterion_main!(benches);
