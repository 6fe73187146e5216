//! Clocks that were set while a log was written: no one offset explains its sessions then. The log is split where one clock ends and
//! the next begins, and each stretch has a clock and a bound of its own.
//!
//! Large steps are found by what each line allows (see `stretches`), small ones by a region of possible clocks that is empty for the
//! whole and not for its two parts.

use std::collections::BTreeSet;

use crate::model::{Endpoint, Nanos, Span, WireSession};

use super::clock::{Clock, Step};
use super::fit::{self, Constraint};
use super::groups::Column;
use super::settled::{Settled, Verdict};
use super::share::Share;
use super::stretches::{self, ENOUGH, Stretch};
use super::view::View;

/// Rows on either side of a border that may go to the other, at least.
const BORDER: usize = 16;
/// Sessions that each further stretch must explain: by chance a stretch has a few more under some other clock.
const EACH: usize = 3;
/// Connections of which it means nothing that no line is theirs.
const FEW: usize = 3;
/// Steps smaller than this leave sessions where either clock finds them.
const SMALL: Span = Span::SECOND;
/// Constraints on either side of a split, and places that are tried for one.
const SIDE: usize = 8;
const TRIES: usize = 24;
/// Constraints that are divided at most; more are thinned evenly.
const DIVIDED: usize = 2400;

/// Why a log is split: several votes have to explain more; the parts of an empty region nearly as much; and what is supposed because another
/// log's clock was set, either more sessions or most of what one clock leaves unexplained.
#[derive(Clone, Copy)]
enum Reason {
    EmptyRegion,
    Likeness,
    Votes,
}

/// What a stretch gave.
struct Piece {
    rows: Vec<usize>,
    settled: Settled,
    share: Share,
}

/// What one clock explains of a log, or what several do where that is more. `others` are the offsets of other logs' clocks.
pub(super) fn follow(view: &View<'_>, whole: Option<Settled>, others: &[Span]) -> Option<Settled> {
    let mut rows: Vec<usize> = (0..view.mine.len()).collect();
    rows.sort_by_key(|&row| first_line(view, row));
    let leaves_nothing =
        |whole: &Settled| is_all(view, whole) || leaves_no_stretch(view, whole, &rows);
    let voted = if whole.as_ref().is_some_and(leaves_nothing) {
        Vec::new()
    } else {
        stretches::find(view, &rows, others)
    };
    if voted.len() >= 2 {
        let pieces = believed(view, voted);
        return taken_for(view, whole, pieces, Reason::Votes);
    }
    let Some(settled) = &whole else { return whole };
    let pieces = apart(view, &divide(view, settled, &rows, SIDE));
    taken_for(view, whole, pieces, Reason::EmptyRegion)
}

/// The stretches settled, those that are not believed with the stretch before them.
fn believed(view: &View<'_>, mut stretches: Vec<Stretch>) -> Vec<Piece> {
    for border in 1..stretches.len() {
        shift_border(view, &mut stretches, border);
    }
    let mut pieces = apart(view, &stretches);
    while stretches.len() > 1 {
        let doubtful = pieces.iter().enumerate();
        let doubtful = doubtful
            .filter(|(_, piece)| !piece.is_believable())
            .min_by_key(|(_, piece)| piece.settled.claimed());
        let Some((at, _)) = doubtful else { break };
        let rows = stretches.remove(at).rows;
        pieces.remove(at);
        let heir = at.saturating_sub(1);
        if let Some(heir) = stretches.get_mut(heir) {
            heir.rows.extend(rows);
            heir.rows.sort_by_key(|&row| first_line(view, row));
        }
        for border in [heir, heir + 1] {
            shift_border(view, &mut stretches, border);
        }
        for at in heir.saturating_sub(1)..=heir + 1 {
            let again = stretches
                .get(at)
                .map(|stretch| stretch_piece(view, stretch.rows.clone(), stretch, at > 0));
            if let (Some(slot), Some(Some(piece))) = (pieces.get_mut(at), again) {
                *slot = piece;
            }
        }
    }
    pieces
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

/// Whether each stretch of a long log, of `rows` in order of their lines, that is long enough to have another clock is explained by this one.
fn leaves_no_stretch(view: &View<'_>, whole: &Settled, rows: &[usize]) -> bool {
    // Half of the smallest, so that one lies within any that is longer wherever it begins.
    let size = stretches::smallest(rows.len()) / 2;
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
    view.is_long() && rows.chunks(size.max(1)).all(explained)
}

/// What other logs' clock, which was set, explains of this log, where that is more than `whole` does.
pub(super) fn follow_like(
    view: &View<'_>,
    whole: Option<Settled>,
    clock: &Clock,
) -> Option<Settled> {
    let mut rows: Vec<usize> = (0..view.mine.len()).collect();
    rows.sort_by_key(|&row| first_line(view, row));
    if let (Some(settled), [step]) = (&whole, clock.steps.as_slice())
        && (step.offset - clock.offset).abs() < SMALL
    {
        let pieces = apart(view, &divide(view, settled, &rows, 3));
        return taken_for(view, whole, pieces, Reason::EmptyRegion);
    }
    let first = (clock.offset, clock.bound);
    let later = clock.steps.iter().map(|step| (step.offset, step.bound));
    let mut stretches: Vec<Stretch> = std::iter::once(first)
        .chain(later)
        .map(|(offset, bound)| Stretch {
            rows: rows.clone(),
            offset,
            bound: bound.as_seconds_f64(),
        })
        .collect();
    let claims: Vec<BTreeSet<usize>> = stretches
        .iter()
        .map(|stretch| {
            let piece = stretch_piece(view, rows.clone(), stretch, false);
            piece
                .iter()
                .flat_map(Piece::clear)
                .map(|(row, _)| row)
                .collect()
        })
        .collect();
    let clock_of = in_turn(&rows, &claims);
    for (at, stretch) in stretches.iter_mut().enumerate() {
        let mine = rows
            .iter()
            .zip(&clock_of)
            .filter(|&(_, &clock)| clock == at);
        stretch.rows = mine.map(|(&row, _)| row).collect();
    }
    stretches.retain(|stretch| !stretch.rows.is_empty());
    taken_for(view, whole, apart(view, &stretches), Reason::Likeness)
}

/// Which of the clocks, one after the other, each row is under, so that most rows are claimed by theirs.
fn in_turn(rows: &[usize], claims: &[BTreeSet<usize>]) -> Vec<usize> {
    // For each row, the most that can be claimed from it on under each clock, and whether the next row is under the same.
    let mut stays: Vec<Vec<bool>> = Vec::with_capacity(rows.len());
    let mut most = vec![0u32; claims.len()];
    for row in rows.iter().rev() {
        let mut here = vec![true; claims.len()];
        let behind = most.clone();
        for (at, claims) in claims.iter().enumerate() {
            let stay = behind.get(at).copied().unwrap_or(0);
            let go = behind.get(at + 1).copied().unwrap_or(0);
            if let (Some(here), Some(most)) = (here.get_mut(at), most.get_mut(at)) {
                *here = stay >= go;
                *most = stay.max(go) + u32::from(claims.contains(row));
            }
        }
        stays.push(here);
    }
    let mut clock = 0;
    stays
        .iter()
        .rev()
        .map(|stays| {
            let now = clock;
            clock += usize::from(!stays.get(now).copied().unwrap_or(true));
            now
        })
        .collect()
}

/// The pieces, where they explain more than `whole` does.
fn taken_for(
    view: &View<'_>,
    whole: Option<Settled>,
    pieces: Vec<Piece>,
    reason: Reason,
) -> Option<Settled> {
    if pieces.len() < 2 {
        return whole;
    }
    let claimed: usize = pieces.iter().map(|piece| piece.settled.claimed()).sum();
    let believable = pieces.iter().all(Piece::is_believable);
    let before = whole.as_ref().map_or(0, Settled::claimed);
    let more = claimed > before + before / 20 + EACH * (pieces.len() - 1);
    let better = match reason {
        Reason::Votes => more,
        Reason::Likeness if !more => {
            let wrong = whole.as_ref().map_or(0, unexplained);
            let left: usize = pieces.iter().map(|piece| unexplained(&piece.settled)).sum();
            wrong >= 3 && left * 2 < wrong && claimed + before / 30 >= before
        }
        Reason::Likeness => true,
        Reason::EmptyRegion => claimed + before / 30 >= before,
    };
    if believable && better {
        put_together(view, pieces)
    } else {
        whole
    }
}

/// Pairs whose times no one clock explains.
fn unexplained(settled: &Settled) -> usize {
    let all: Vec<Constraint> = settled
        .constraints
        .iter()
        .map(|&(_, constraint)| constraint)
        .collect();
    all.len() - fit::prompt(&all, 0.0).map_or(0, |line| line.satisfied)
}

/// The two parts of a log whose clock was set by so little that its sessions are found by either clock, where at least `least` pairs are not
/// explained by one.
fn divide(view: &View<'_>, whole: &Settled, rows: &[usize], least: usize) -> Vec<Stretch> {
    let mut constraints = whole.constraints.clone();
    constraints.sort_by(|(_, one), (_, other)| one.at.total_cmp(&other.at));
    let fits = |part: &[(u64, Constraint)]| {
        let part: Vec<Constraint> = part.iter().map(|&(_, constraint)| constraint).collect();
        fit::prompt(&part, 0.0)
    };
    // Which of many constraints say it does not matter.
    let step = constraints.len().div_ceil(DIVIDED).max(1);
    let constraints: Vec<_> = constraints.into_iter().step_by(step).collect();
    let satisfied = fits(&constraints).map_or(0, |line| line.satisfied);
    let wrong = constraints.len() - satisfied;
    if wrong < least || wrong * 12 < constraints.len() * least / SIDE {
        return Vec::new();
    }
    let stride = (constraints.len() / TRIES).max(1);
    let try_at = |at: usize| {
        let (before, behind) = constraints.split_at_checked(at)?;
        let (one, other) = (fits(before)?, fits(behind)?);
        let apart = one.range.1 < other.range.0 || other.range.1 < one.range.0;
        apart.then_some((one.satisfied + other.satisfied, at, one, other))
    };
    let ends = constraints.len().saturating_sub(SIDE);
    let places: Vec<usize> = (SIDE..ends).step_by(stride).collect();
    let roughly = tried(view, &places, try_at)
        .into_iter()
        .max_by_key(|&(satisfied, ..)| satisfied);
    let Some((_, near, ..)) = roughly else {
        return Vec::new();
    };
    // Closer by: of all that explain as much the middle, as nothing tells where between them it was.
    let places: Vec<usize> = (near.saturating_sub(stride).max(SIDE)..(near + stride).min(ends))
        .step_by(stride.div_ceil(TRIES).max(1))
        .collect();
    let closer = tried(view, &places, try_at);
    let most = closer.iter().map(|&(satisfied, ..)| satisfied).max();
    let equal: Vec<_> = closer
        .iter()
        .filter(|&&(satisfied, ..)| Some(satisfied) == most)
        .collect();
    let split = equal.get(equal.len() / 2).map(|&&split| split).or(roughly);
    let Some((satisfied, at, one, other)) = split else {
        return Vec::new();
    };
    // A split that leaves more than a few unexplained explains nothing: the lines are late, or the pairs wrong.
    if (constraints.len() - satisfied) * 4 > wrong {
        return Vec::new();
    }
    let Some(&(line, _)) = constraints.get(at) else {
        return Vec::new();
    };
    let (before, behind) = rows
        .iter()
        .partition::<Vec<usize>, _>(|&&row| first_line(view, row) < line);
    [(before, one), (behind, other)]
        .into_iter()
        .map(|(rows, line)| Stretch {
            rows,
            offset: whole.coarse + Span::from_seconds_f64(line.offset),
            bound: line.offset_bound,
        })
        .collect()
}

/// What trying each of `places` gave, in their order.
fn tried<R: Send>(
    view: &View<'_>,
    places: &[usize],
    try_at: impl Fn(usize) -> Option<R> + Sync,
) -> Vec<R> {
    let tried = view
        .wires
        .threads
        .each(places.len(), |at| try_at(*places.get(at)?));
    tried.into_iter().flatten().collect()
}

/// Gives the rows around the border before stretch `at`, where there is one, to the side that claims more of them.
fn shift_border(view: &View<'_>, stretches: &mut [Stretch], at: usize) {
    let Some([before, behind]) = at.checked_sub(1).and_then(|from| stretches.get(from..=at)) else {
        return;
    };
    let (left, right) = (&before.rows, &behind.rows);
    let reach = BORDER.max(left.len().max(right.len()) / 4);
    let zone: Vec<usize> = left
        .iter()
        .skip(left.len().saturating_sub(reach))
        .chain(right.iter().take(reach))
        .copied()
        .collect();
    let claims = |stretch: &Stretch, rows: &[usize]| -> BTreeSet<usize> {
        let piece = stretch_piece(view, rows.to_vec(), stretch, at > 1);
        piece
            .iter()
            .flat_map(Piece::clear)
            .map(|(row, _)| row)
            .collect()
    };
    let with_zone = |own: &[usize]| -> Vec<usize> {
        let mut all: Vec<usize> = own.iter().chain(&zone).copied().collect();
        all.sort_by_key(|&row| first_line(view, row));
        all.dedup();
        all
    };
    let one = claims(before, &with_zone(left));
    let other = claims(behind, &with_zone(right));
    let gain = |cut: usize| {
        let first = zone
            .iter()
            .take(cut)
            .filter(|row| one.contains(row))
            .count();
        first
            + zone
                .iter()
                .skip(cut)
                .filter(|row| other.contains(row))
                .count()
    };
    let Some(cut) = (0..=zone.len()).rev().max_by_key(|&cut| gain(cut)) else {
        return;
    };
    let Some(&border) = zone.get(cut).or(zone.last()) else {
        return;
    };
    let line = first_line(view, border) + u64::from(cut == zone.len());
    let both: Vec<usize> = with_zone(left)
        .into_iter()
        .chain(right.iter().copied())
        .collect();
    let both: BTreeSet<usize> = both.into_iter().collect();
    let mut both: Vec<usize> = both.into_iter().collect();
    both.sort_by_key(|&row| first_line(view, row));
    let (first, second) = both.iter().partition(|&&row| first_line(view, row) < line);
    if let Some([before, behind]) = stretches.get_mut(at - 1..=at) {
        (before.rows, behind.rows) = (first, second);
    }
}

/// Each stretch settled by itself; none where one of them cannot be.
fn apart(view: &View<'_>, stretches: &[Stretch]) -> Vec<Piece> {
    let settled = stretches
        .iter()
        .enumerate()
        .map(|(at, stretch)| stretch_piece(view, stretch.rows.clone(), stretch, at > 0));
    settled.collect::<Option<_>>().unwrap_or_default()
}

/// A stretch settled near its supposed offset. `later` stretches count their drift from their own beginning, where their bound is to hold.
fn stretch_piece(
    view: &View<'_>,
    rows: Vec<usize>,
    stretch: &Stretch,
    later: bool,
) -> Option<Piece> {
    let mine: Vec<usize> = rows
        .iter()
        .filter_map(|&row| view.mine.get(row).copied())
        .collect();
    let mut part = view.part(mine);
    if later {
        let (first, _) = view.log(*rows.first()?)?.stamps()?;
        part.origin = Nanos(first.at.0) - stretch.offset;
    }
    let settled = part.near(stretch.offset, stretch.bound)?;
    let share = part.explained(&settled);
    Some(Piece {
        rows,
        settled,
        share,
    })
}

impl Piece {
    /// What was claimed, by row of the whole log.
    fn clear(&self) -> impl Iterator<Item = (usize, &Verdict)> {
        self.rows
            .iter()
            .zip(&self.settled.chosen)
            .filter_map(|(&row, verdict)| Some((row, verdict.as_ref()?)))
            .filter(|(_, verdict)| verdict.is_clear())
    }

    /// Whether much of what the capture should show of it is explained.
    fn is_believable(&self) -> bool {
        self.share.is_half_of(ENOUGH)
    }

    /// When on the capture's clock the first and the last of its sessions began.
    fn times(&self, view: &View<'_>) -> Option<(Nanos, Nanos)> {
        let starts = || {
            self.clear()
                .filter_map(|(_, verdict)| Some(view.wire(verdict.wire)?.start))
        };
        Some((starts().min()?, starts().max()?))
    }
}

/// One clock with steps, and all verdicts.
fn put_together(view: &View<'_>, pieces: Vec<Piece>) -> Option<Settled> {
    let mut chosen: Vec<Option<Verdict>> = vec![None; view.mine.len()];
    let mut taken: BTreeSet<Column> = BTreeSet::new();
    for piece in &pieces {
        for (&row, verdict) in piece.rows.iter().zip(&piece.settled.chosen) {
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
    let mut rest = pieces.into_iter().zip(times);
    let (first, mut before) = rest.next()?;
    let mut settled = first.settled;
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

fn first_line(view: &View<'_>, row: usize) -> u64 {
    let log = view.log(row);
    log.and_then(|log| log.events.first())
        .map_or(0, |event| event.line.line)
}
