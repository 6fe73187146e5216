//! Why a log session was joined with a wire session or with none: what it could have been, and what spoke for and against each.

use crate::model::{LogSession, LogSource, Nanos, Span, WireSession};

use super::before::Before;
use super::evidence::Evidence;
use super::moment::{self, Stamps};
use super::settle::settle_all;
use super::settled::Settled;
use super::view::{View, Wires};
use super::weighing::Weighing;
use crate::model::Threads;

/// Candidates that are told of at most.
const MOST: usize = 12;

/// What is asked about, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A conversation in a log.
    Log(usize),
    /// A conversation on the wire.
    Wire(usize),
}

/// Two sessions that could be one.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Index among the log sessions.
    pub log: usize,
    /// Index among the wire sessions.
    pub wire: usize,
    /// Whether they were joined.
    pub joined: bool,
    /// Nats in favour; `None` where the times forbid it.
    pub score: Option<f64>,
    /// Seconds by which the log's lines are too early (below zero) or too late to be of it, beyond what the clock's bound allows.
    pub miss: f64,
    /// What speaks for it and against it, in words.
    pub terms: Vec<String>,
}

/// The candidates of what is asked about, the best first.
pub fn why(
    wires: &[WireSession],
    sources: &[LogSource],
    logs: &[LogSession],
    origin: Nanos,
    asked: Asked,
) -> Vec<Candidate> {
    let before = Before::default();
    let wires = Wires::new(wires, origin, Threads::default(), &before);
    let mut found = Vec::new();
    for (view, settled) in settle_all(&wires, sources, logs) {
        let Some(settled) = settled else { continue };
        for (row, &log) in view.mine.iter().enumerate() {
            match asked {
                Asked::Log(wanted) if wanted != log => {}
                Asked::Log(_) => found.extend(of_row(&view, &settled, row, |_| true)),
                Asked::Wire(wanted) => {
                    found.extend(of_row(&view, &settled, row, |wire| wire == wanted));
                }
            }
        }
    }
    found.sort_by(|one, other| {
        let worth =
            |candidate: &Candidate| candidate.score.unwrap_or(-100.0 - candidate.miss.abs());
        other
            .joined
            .cmp(&one.joined)
            .then(worth(other).total_cmp(&worth(one)))
    });
    found.truncate(MOST);
    found
}

/// The candidates of a row among the wire sessions that are wanted, each once.
fn of_row(
    view: &View<'_>,
    settled: &Settled,
    row: usize,
    wanted: impl Fn(usize) -> bool,
) -> Vec<Candidate> {
    let Some(&number) = view.mine.get(row) else {
        return Vec::new();
    };
    let chosen = settled.chosen.get(row).copied().flatten();
    let clock = &settled.clock;
    let offsets = std::iter::once(clock.offset).chain(clock.steps.iter().map(|step| step.offset));
    let mut found: Vec<Candidate> = Vec::new();
    for coarse in offsets {
        let offset_at = |at: Nanos| clock.offset_at(at) - coarse;
        let known = view.known(clock, &offset_at, &settled.learnt);
        let Some(weighing) = Weighing::of(view, row, &known) else {
            continue;
        };
        for pairing in view.gather_row(row, coarse) {
            if !wanted(pairing.wire()) {
                continue;
            }
            let Some(wire) = view.wire(pairing.wire()) else {
                continue;
            };
            let mut evidence = Evidence::told();
            if !weighing.row().tell(pairing.column(), &mut evidence) {
                continue;
            }
            let verdict = chosen.filter(|verdict| verdict.column() == pairing.column());
            let score = verdict
                .map(|verdict| verdict.score)
                .or_else(|| weighing.score(&pairing));
            let candidate = Candidate {
                log: number,
                wire: pairing.wire(),
                joined: verdict.is_some_and(|verdict| verdict.is_clear()),
                score,
                miss: known
                    .miss(&pairing, wire.start)
                    .copysign(pairing.lo - offset_at(wire.start).as_seconds_f64()),
                terms: evidence.reasons.unwrap_or_default(),
            };
            match found.iter_mut().find(|known| known.wire == candidate.wire) {
                Some(known) if known.score < candidate.score => *known = candidate,
                Some(_) => {}
                None => found.push(candidate),
            }
        }
    }
    if found.is_empty() {
        found.extend(nearest(view, settled, row).filter(|candidate| wanted(candidate.wire)));
    }
    found
}

/// The wire session that would fit but for its time, and is least far from it.
fn nearest(view: &View<'_>, settled: &Settled, row: usize) -> Option<Candidate> {
    let log = view.log(row)?;
    let stamps = Stamps::of(log);
    let distance = |at: usize| {
        let offset: Span = settled.clock.offset_at(view.wire(at)?.start);
        let (lo, hi) = moment::shared_offsets(view.wires.moments(at)?, &stamps, offset)?;
        Some(if lo > 0.0 { lo } else { hi.min(0.0) })
    };
    let possible = view
        .wires
        .index
        .any(log, &view.translation)
        .filter(|&at| view.allows(at, log));
    let (wire, miss) = possible
        .filter_map(|at| Some((at, distance(at)?)))
        .min_by(|(_, one), (_, other)| one.abs().total_cmp(&other.abs()))?;
    Some(Candidate {
        log: *view.mine.get(row)?,
        wire,
        joined: false,
        score: None,
        miss,
        terms: Vec::new(),
    })
}
