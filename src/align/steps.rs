//! Clocks that were set while a log was written: no one offset explains its sessions then. The log is split where one clock ends and
//! the next begins, and each stretch has a clock and a bound of its own.
//!
//! Large steps are found by what each line allows (see `stretches`), small ones by a region of possible clocks that is empty for the
//! whole and not for its two parts (see `divide`).

use std::collections::BTreeSet;
use std::ops::Range;

use crate::model::{Endpoint, Nanos, Span, WireSession};

use super::border::{is_one_clock, leave_out_straddling, leave_out_unsure, shift_border};
use super::clock::{Clock, Step};
use super::divide::{SIDE, divide, thinned, unexplained};
use super::fit::{self, Constraint};
use super::groups::Column;
use super::piece::{Piece, apart, first_line, in_order};
use super::settled::{Settled, Verdict};
use super::stretches::{self, ENOUGH, Stretch};
use super::view::View;

/// Sessions that each further stretch must explain: by chance a stretch has a few more under some other clock.
pub(super) const EACH: usize = 3;
/// Connections of which it means nothing that no line is theirs.
const FEW: usize = 3;

/// Why a log is split: several votes have to explain more; the parts of an empty region nearly as much; and what is supposed because another
/// log's clock was set, either more sessions or most of what one clock leaves unexplained.
#[derive(Clone, Copy)]
pub(super) enum Reason {
    EmptyRegion,
    Likeness,
    Votes,
}

/// What one clock explains of a log, or what several do where that is more. `others` are the offsets of other logs' clocks.
pub(super) fn follow(view: &View<'_>, whole: Option<Settled>, others: &[Span]) -> Option<Settled> {
    let rows = in_order(view);
    let leaves_nothing = |whole: &Settled| {
        (view.is_long() || is_all(view, whole))
            && leaves_no_stretch(view, whole, &rows)
            && keeps_its_times(whole, rows.len())
    };
    let voted = if whole.as_ref().is_some_and(leaves_nothing) {
        Vec::new()
    } else {
        stretches::find(view, &rows, others)
    };
    let pieces = if voted.len() >= 2 {
        believed(view, voted)
    } else {
        Vec::new()
    };
    if pieces.len() >= 2 {
        return taken_for(view, whole, pieces, Reason::Votes);
    }
    let Some(settled) = &whole else { return whole };
    let pieces = apart(view, divide(view, settled, &rows, SIDE));
    taken_for(view, whole, pieces, Reason::EmptyRegion)
}

/// The stretches settled: those that are not believed with the stretch before them, and neighbours that have one clock as one.
fn believed(view: &View<'_>, stretches: Vec<Stretch>) -> Vec<Piece> {
    let mut pieces = apart(view, stretches);
    let borders = 1..pieces.len();
    shift_borders(view, &mut pieces, borders);
    // The borders that are known to part two clocks, by the first line behind them.
    let mut real: BTreeSet<u64> = BTreeSet::new();
    while pieces.len() > 1 {
        let Some((at, heir)) = doubtful(&pieces).or_else(|| same(view, &pieces, &mut real)) else {
            break;
        };
        join(view, &mut pieces, at, heir);
    }
    pieces
}

/// Shifts some borders to where they explain most, and settles anew what that touches.
fn shift_borders(view: &View<'_>, pieces: &mut [Piece], borders: Range<usize>) {
    for border in borders {
        if shift_border(view, pieces, border) {
            for at in border - 1..=border {
                settle_again(view, pieces, at);
            }
        }
    }
}

fn settle_again(view: &View<'_>, pieces: &mut [Piece], at: usize) {
    if let Some(piece) = pieces.get_mut(at)
        && let Some(again) = Piece::of(view, piece.stretch.clone(), at > 0)
    {
        *piece = again;
    }
}

/// The least of the stretches that are not believed, and the one that it goes to.
fn doubtful(pieces: &[Piece]) -> Option<(usize, usize)> {
    let doubtful = pieces.iter().enumerate();
    let doubtful = doubtful.filter(|(_, piece)| !piece.is_believable());
    let (at, _) = doubtful.min_by_key(|(_, piece)| piece.settled.claimed())?;
    Some((at, if at == 0 { 1 } else { at - 1 }))
}

/// The first of two neighbours that have one clock, the lesser of the two first.
fn same(view: &View<'_>, pieces: &[Piece], real: &mut BTreeSet<u64>) -> Option<(usize, usize)> {
    for (at, pair) in pieces.windows(2).enumerate() {
        let [one, other] = pair else { continue };
        let line = other.rows().first().map(|&row| first_line(view, row))?;
        if real.contains(&line) {
            continue;
        }
        if is_one_clock(view, one, other) {
            let lesser = one.settled.claimed() < other.settled.claimed();
            return Some(if lesser { (at, at + 1) } else { (at + 1, at) });
        }
        real.insert(line);
    }
    None
}

/// Gives the rows of one piece to a neighbour of it, and settles what that touches anew.
fn join(view: &View<'_>, pieces: &mut Vec<Piece>, at: usize, heir: usize) {
    let rows = pieces.remove(at).stretch.rows;
    let heir = if heir > at { heir - 1 } else { heir };
    if let Some(heir) = pieces.get_mut(heir) {
        heir.stretch.rows.extend(rows);
        heir.stretch.rows.sort_by_key(|&row| first_line(view, row));
    }
    settle_again(view, pieces, heir);
    let borders = heir.max(1)..(heir + 2).min(pieces.len());
    shift_borders(view, pieces, borders);
}

/// Whether a clock leaves nothing for another: of the log in the capture's time, as it has it, or of the servers that were joined.
fn is_all(view: &View<'_>, whole: &Settled) -> bool {
    let joined: BTreeSet<usize> = whole.clear().map(|verdict| verdict.wire).collect();
    let server = |wire: &WireSession| wire.conversation.server;
    let servers: BTreeSet<Endpoint> = joined
        .iter()
        .filter_map(|&wire| view.wire(wire).map(server))
        .collect();
    let wires = view.wires.sessions.iter();
    let seen = wires.filter(|wire| servers.contains(&server(wire))).count();
    let left = seen - joined.len();
    view.explained(whole).is_nearly_all() && left < FEW.max(seen / 10)
}

/// Whether each stretch of a log, of `rows` in order of their lines, that is long enough to have another clock is explained by this one.
fn leaves_no_stretch(view: &View<'_>, whole: &Settled, rows: &[usize]) -> bool {
    let explained = |stretch: &[usize]| {
        let verdicts = || stretch.iter().map(|&row| (row, whole.chosen.get(row)));
        let claimed = verdicts().filter(|(_, verdict)| {
            let verdict = verdict.and_then(Option::as_ref);
            verdict.is_some_and(Verdict::is_clear)
        });
        let possible = verdicts().filter(|&(row, verdict)| {
            let has = |log| view.possible(log).next().is_some();
            verdict.is_some_and(Option::is_some) || view.log(row).is_some_and(has)
        });
        claimed.count() * 3 >= possible.count()
    };
    rows.chunks(half_of_smallest(rows.len())).all(explained)
}

/// Whether the times of pairs that follow one another mostly lie on the line that explains most of all: two clocks that differ by a second or
/// two join as much, if one may have written late or the other lag. Where all lines are late or stamps lag, some miss it everywhere.
fn keeps_its_times(whole: &Settled, rows: usize) -> bool {
    let mut constraints = whole.constraints.clone();
    constraints.sort_by_key(|&(line, _)| line);
    let some: Vec<Constraint> = thinned(&constraints).map(|(_, pair)| pair).collect();
    let Some(line) = fit::prompt(&some, 0.0) else {
        return true;
    };
    let misses = |(_, pair): &&(u64, Constraint)| {
        let at = line.offset + line.drift * pair.at;
        at < pair.lo || at > pair.hi
    };
    let mut parts = constraints.chunks(half_of_smallest(rows));
    parts.all(|part| part.iter().filter(misses).count() * 2 <= part.len())
}

/// Half of the smallest stretch, so that one lies within any that is longer wherever it begins.
fn half_of_smallest(rows: usize) -> usize {
    (stretches::smallest(rows) / 2).max(1)
}

/// The pieces, where they explain more than `whole` does.
pub(super) fn taken_for(
    view: &View<'_>,
    whole: Option<Settled>,
    mut pieces: Vec<Piece>,
    reason: Reason,
) -> Option<Settled> {
    if pieces.len() < 2 {
        return whole;
    }
    let claimed: usize = pieces.iter().map(|piece| piece.settled.claimed()).sum();
    let believable = pieces.iter().all(Piece::is_believable);
    let before = whole.as_ref().map_or(0, Settled::claimed);
    let each = EACH * (pieces.len() - 1);
    let as_many = claimed + before / 30 >= before;
    // Under one clock, lines that are late or lag may join as many.
    let in_time = |least: usize| {
        let wrong = whole.as_ref().map_or(0, unexplained);
        let left: usize = pieces.iter().map(|piece| unexplained(&piece.settled)).sum();
        wrong >= least && left * 2 < wrong
    };
    let better = match reason {
        // Each border was borne out by itself.
        Reason::Votes => claimed > before + each || as_many && in_time(ENOUGH),
        Reason::Likeness => claimed > before + before / 20 + each || as_many && in_time(EACH),
        Reason::EmptyRegion => as_many,
    };
    if believable && better {
        for border in 1..pieces.len() {
            if matches!(reason, Reason::Votes) {
                leave_out_unsure(view, &mut pieces, border);
            }
            leave_out_straddling(view, &mut pieces, border);
        }
        put_together(view, pieces)
    } else {
        whole
    }
}

/// One clock with steps, and all verdicts.
fn put_together(view: &View<'_>, pieces: Vec<Piece>) -> Option<Settled> {
    let mut chosen: Vec<Option<Verdict>> = vec![None; view.mine.len()];
    let mut taken: BTreeSet<Column> = BTreeSet::new();
    for piece in &pieces {
        for (&row, verdict) in piece.rows().iter().zip(&piece.settled.chosen) {
            let free = verdict.filter(|verdict| taken.insert((verdict.wire, verdict.place)));
            if let (Some(slot), Some(verdict)) = (chosen.get_mut(row), free) {
                *slot = Some(verdict);
            }
        }
    }
    let mut times: Vec<(Nanos, Nanos)> = Vec::new();
    for piece in &pieces {
        times.push(piece.times(view)?);
    }
    let (drift, drift_bound) = shared_drift(&pieces);
    let mut rest = pieces.into_iter().zip(times);
    let (first, mut before) = rest.next()?;
    let mut settled = first.settled;
    (settled.clock.drift_ppm, settled.clock.drift_bound_ppm) = (drift, drift_bound);
    for (piece, times) in rest {
        settled
            .clock
            .steps
            .push(step(&settled.clock, before, times, &piece.settled.clock));
        settled.clock.pairs += piece.settled.clock.pairs;
        before = times;
    }
    settled.chosen = chosen;
    Some(settled)
}

/// The drift of all stretches with its bound, in ppm: to set a clock does not make it slower or faster, so it lies where the drifts of all do.
/// Where these do not meet it is that of the stretch that knows it best, or between that and the others.
fn shared_drift(pieces: &[Piece]) -> (f64, f64) {
    let range = |piece: &Piece| {
        let clock = &piece.settled.clock;
        let (drift, bound) = (clock.drift_ppm, clock.drift_bound_ppm);
        (drift - bound, drift + bound)
    };
    let ranges: Vec<(f64, f64)> = pieces.iter().map(range).collect();
    let lows = ranges.iter().map(|&(lo, _)| lo);
    let highs = ranges.iter().map(|&(_, hi)| hi);
    let (lo, hi) = (
        lows.fold(f64::NEG_INFINITY, f64::max),
        highs.fold(f64::INFINITY, f64::min),
    );
    let width = |range: &(f64, f64)| range.1 - range.0;
    let best = ranges
        .iter()
        .min_by(|one, other| width(one).total_cmp(&width(other)));
    let (lo, hi) = match best {
        Some(&best) if lo > hi => (best.0.min(hi), best.1.max(lo)),
        _ => (lo, hi),
    };
    (f64::midpoint(lo, hi), (hi - lo) / 2.0)
}

/// The jump from `clock`, last seen in `before`, to `next`, seen in `times`.
fn step(clock: &Clock, before: (Nanos, Nanos), times: (Nanos, Nanos), next: &Clock) -> Step {
    let drift = times.0.since(clock.origin).as_seconds_f64() * clock.drift_ppm * 1e-6;
    // Somewhere between the last session of the one and the first of the other; a capture whose clock was set back has them overlap.
    let gap = times.0.since(before.1);
    let at = if gap > Span::ZERO {
        before.1 + Span(gap.0 / 2)
    } else {
        times.0
    };
    Step {
        at,
        offset: next.offset_at(times.0) - Span::from_seconds_f64(drift),
        bound: next.bound,
    }
}
