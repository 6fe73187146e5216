//! How well sessions are joined and clocks are found, on made sessions whose truth is known: against load, resolution of the stamps, loss and
//! drift. Prints a table in Markdown, and writes a plot to the file named on the command line.
//!
//!     cargo run --release --example alignment_study -- docs/alignment.svg

use std::fmt::Write as _;
use std::io::Write as _;

use bothends::align::{Alignment, Standing, align};
use bothends::model::{LogId, LogSource, Span, Threads};

mod made;

use made::{Case, Made, OFFSET, ORIGIN, PLAIN, made};

/// Sessions of most cases: enough for the clock, few enough for a minute in all; and of long logs.
const SESSIONS: u32 = 600;
const MANY_SESSIONS: u32 = 20_000;

/// What came of it.
struct Outcome {
    precision: f64,
    recall: f64,
    error: Option<f64>,
    bound: Option<f64>,
}

/// Made sessions and their log, aligned and held against the truth.
fn run(case: Case, sessions: u32, seed: u64) -> Outcome {
    let mut made = made(case, sessions, seed);
    let source = LogSource::new(LogId(0), "made.log", "made");
    let alignment = align(
        &made.wires,
        &[source],
        &mut made.logs,
        ORIGIN,
        Threads::default(),
    );
    judge(&alignment, &made)
}

fn judge(alignment: &Alignment, made: &Made) -> Outcome {
    let (truth_of_wire, truth_of_log) = (&made.truth_of_wire, &made.truth_of_log);
    let joined: Vec<(usize, usize)> = alignment
        .sessions
        .iter()
        .filter(|joined| joined.verdict.standing == Standing::Matched)
        .filter_map(|joined| {
            let wire = *truth_of_wire.get(joined.wire?)?;
            Some((wire, *truth_of_log.get(*joined.logs.first()?)?))
        })
        .collect();
    let right = joined.iter().filter(|(wire, log)| wire == log).count();
    let common = truth_of_log
        .iter()
        .filter(|log| truth_of_wire.contains(log))
        .count();
    let clock = alignment.clocks.first();
    let share = |part: usize, of: usize| {
        let (part, of) = (
            u32::try_from(part).unwrap_or(0),
            u32::try_from(of).unwrap_or(1),
        );
        f64::from(part) / f64::from(of.max(1))
    };
    Outcome {
        precision: if joined.is_empty() {
            1.0
        } else {
            share(right, joined.len())
        },
        recall: share(right, common),
        error: clock.map(|clock| (clock.offset - OFFSET).as_seconds_f64().abs()),
        bound: clock.map(|clock| clock.bound.as_seconds_f64()),
    }
}

/// A row of the study: what is varied, its value, and the case.
fn cases() -> Vec<(&'static str, String, Case)> {
    let mut cases = Vec::new();
    for octets in [false, true] {
        let what = if octets {
            "load, octets logged"
        } else {
            "load, times only"
        };
        for rate in [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0] {
            cases.push((
                what,
                format!("{rate} sessions/s"),
                Case {
                    rate,
                    octets,
                    ..PLAIN
                },
            ));
        }
    }
    for (octets, rates) in [(true, [1.0, 10.0, 100.0]), (false, [1.0, 10.0, 100.0])] {
        let what = if octets {
            "long log, octets logged"
        } else {
            "long log, times only"
        };
        for rate in rates {
            let case = Case {
                rate,
                octets,
                ..PLAIN
            };
            cases.push((what, format!("{rate} sessions/s"), case));
        }
    }
    for (name, resolution) in [
        ("1 s", Span::SECOND),
        ("100 ms", Span::millis(100)),
        ("1 ms", Span::MILLISECOND),
    ] {
        cases.push((
            "resolution, at 10 sessions/s",
            name.into(),
            Case {
                rate: 10.0,
                resolution,
                ..PLAIN
            },
        ));
    }
    for loss in [0.0, 0.1, 0.3, 0.5] {
        let share = format!("{:.0} % of either side", loss * 100.0);
        cases.push(("sessions missing", share.clone(), Case { loss, ..PLAIN }));
        let octets = Case {
            loss,
            rate: 10.0,
            octets: true,
            ..PLAIN
        };
        cases.push(("sessions missing, octets, 10/s", share, octets));
    }
    for what in [
        "sessions missing, 0.1/s",
        "long log, sessions missing, 0.1/s",
    ] {
        for loss in [0.1, 0.3, 0.5] {
            let case = Case {
                loss,
                rate: 0.1,
                ..PLAIN
            };
            cases.push((what, format!("{:.0} % of either side", loss * 100.0), case));
        }
    }
    for ppm in [0.0, 20.0, 100.0, 300.0] {
        cases.push((
            "drift, over 100 minutes",
            format!("{ppm} ppm"),
            Case {
                rate: 0.1,
                ppm,
                ..PLAIN
            },
        ));
    }
    cases
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "| varied | | precision | recall | offset error | bound | |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    let mut curves: Vec<(&'static str, Vec<(f64, f64)>)> = Vec::new();
    for (what, value, case) in cases() {
        // The worst of some seeds is what counts.
        let sessions = if what.starts_with("long") {
            MANY_SESSIONS
        } else {
            SESSIONS
        };
        let outcomes: Vec<Outcome> = (1..=3).map(|seed| run(case, sessions, seed)).collect();
        let least = |of: fn(&Outcome) -> f64| outcomes.iter().map(of).fold(f64::INFINITY, f64::min);
        let most =
            |of: fn(&Outcome) -> Option<f64>| outcomes.iter().filter_map(of).fold(0.0, f64::max);
        let (precision, recall) = (least(|o| o.precision), least(|o| o.recall));
        let clocks = outcomes.iter().filter(|o| o.error.is_some()).count();
        let within = outcomes.iter().all(|o| {
            o.error
                .zip(o.bound)
                .is_none_or(|(error, bound)| error <= bound)
        });
        writeln!(
            out,
            "| {what} | {value} | {precision:.4} | {recall:.3} | {:.1} ms | {:.1} ms | {} |",
            most(|o| o.error) * 1e3,
            most(|o| o.bound) * 1e3,
            match (clocks, within) {
                (3, true) => "",
                (3, false) => "outside its bound",
                _ => "not always a clock",
            }
        )?;
        if what.starts_with("load") {
            match curves.last_mut() {
                Some((name, points)) if *name == what => points.push((case.rate, recall)),
                _ => curves.push((what, vec![(case.rate, recall)])),
            }
        }
    }
    match std::env::args_os().nth(1) {
        Some(path) => std::fs::write(path, plot(&curves)),
        None => Ok(()),
    }
}

/// Recall against load, as SVG.
fn plot(curves: &[(&'static str, Vec<(f64, f64)>)]) -> String {
    let x = |rate: f64| 60.0 + 140.0 * (rate.log10() + 1.0);
    let y = |recall: f64| 220.0 - 190.0 * recall;
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 520 270\" font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"520\" height=\"270\" fill=\"white\"/>\n",
    );
    let mut put = |text: std::fmt::Arguments<'_>| {
        svg.write_fmt(text)
            .and_then(|()| svg.write_char('\n'))
            .unwrap_or_default();
    };
    for tenth in (0..=10).step_by(2) {
        let recall = f64::from(tenth) / 10.0;
        put(format_args!(
            "<path d=\"M60 {0}H480\" stroke=\"#ddd\"/><text x=\"34\" y=\"{0}\">{recall:.1}</text>",
            y(recall)
        ));
    }
    for rate in [0.1, 1.0, 10.0, 100.0] {
        put(format_args!(
            "<text x=\"{}\" y=\"238\" text-anchor=\"middle\">{rate}</text>",
            x(rate)
        ));
    }
    put(format_args!(
        "<text x=\"270\" y=\"258\" text-anchor=\"middle\">sessions a second from one address, stamps of whole seconds, no port: share joined</text>"
    ));
    for ((name, points), colour) in curves.iter().zip(["#b33", "#36b"]) {
        let path: Vec<String> = points
            .iter()
            .map(|&(rate, recall)| format!("{:.1},{:.1}", x(rate), y(recall)))
            .collect();
        put(format_args!(
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>",
            path.join(" ")
        ));
        let last = points.last().copied().unwrap_or_default();
        put(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{colour}\">{name}</text>",
            x(last.0),
            y(last.1) - 6.0
        ));
    }
    svg.push_str("</svg>\n");
    svg
}
