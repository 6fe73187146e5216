//! The whole of alignment, log by log, and the sessions of both sides put together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smallvec::smallvec;

use crate::model::{Extent, LogId, LogSession, LogSource, Nanos, Span, Station, WireSession};

use super::background::damaged;
use super::before::{Before, LogFate};
use super::clock::Clock;
use super::component::{CLAIM, CLEAR};
use super::evidence::Evidence;
use super::last_lines::{self, LastLine};
use super::pairing::Pairing;
use super::row::Row;
use super::settled::{Settled, Verdict};
use super::share::Share;
use super::translation::{Own, Translation};
use super::verdict::{Alignment, Joined, Match, Standing};
use super::view::{View, Wires};
use super::{beyond, deal, host, likeness, missed, placed, sequence, steps, unproven};
use crate::model::Threads;

/// Pairs are chosen again under a clock that moved by more than this.
const MOVED: Span = Span::millis(10);
/// By how much the clocks of guests may differ that share one machine's station.
const KEPT: Span = Span::millis(10);
/// Sessions of a log on either side of one among which one like it is looked for.
const TWINS_WITHIN: usize = 64;

/// Puts every log on the capture's clock and joins its sessions to the wire's.
///
/// `origin` is the time of the capture's first packet. Lines of which `logs` does not tell whose end they are go to the sessions that they
/// ended, or away where the capture does not tell either.
pub fn align(
    wires: &[WireSession],
    sources: &[LogSource],
    logs: &mut Vec<LogSession>,
    origin: Nanos,
    threads: Threads,
) -> Alignment {
    align_on(wires, sources, logs, origin, threads, &Before::default()).alignment
}

/// What alignment gives in a run that goes on.
#[derive(Clone, Debug)]
pub struct Onward {
    /// Clocks, and all sessions, those that were given before among them.
    pub alignment: Alignment,
    /// For each log session that went in its index among those that came out; `None` for a line that ended none.
    pub places: Vec<Option<usize>>,
}

/// The same in a run that goes on: what was given `before` stays as it was given.
pub fn align_on(
    wires: &[WireSession],
    sources: &[LogSource],
    logs: &mut Vec<LogSession>,
    origin: Nanos,
    threads: Threads,
    before: &Before,
) -> Onward {
    if wires.is_empty() && sources.iter().all(|source| source.offset.is_none()) {
        let places = last_lines::put(logs, &[]);
        let alone = Arc::new(Match::alone(NO_CAPTURE));
        let logs = (0..logs.len()).map(|log| joined_log(log, alone.clone()));
        let alignment = Alignment {
            sessions: logs.collect(),
            clocks: Vec::new(),
        };
        return Onward { alignment, places };
    }
    let seen = Seen {
        wires,
        origin,
        threads,
        before,
    };
    let dealt = deal_out(seen, sources, logs);
    let Verdicts {
        clocks,
        mut pairs,
        mut alone,
        ends,
    } = decide(seen, sources, logs, &dealt);
    last_lines::note(&ends, &mut pairs);
    let places = last_lines::put(logs, &ends);
    let moved = |log: usize| places.get(log).copied().flatten();
    for pair in &mut pairs {
        pair.0.log = moved(pair.0.log).unwrap_or(usize::MAX);
    }
    let mut places = places.clone();
    for (end, owner) in ends.iter().filter_map(LastLine::absorbed) {
        if let Some(place) = places.get_mut(end) {
            *place = moved(owner);
        }
    }
    alone.retain_mut(|(log, _)| moved(*log).map(|at| *log = at).is_some());
    let mut of_wire: BTreeMap<usize, Vec<(Verdict, Arc<Match>)>> = BTreeMap::new();
    for (verdict, found) in pairs {
        let pairs = of_wire.entry(verdict.wire).or_default();
        pairs.push((verdict, Arc::new(found)));
    }
    let alignment = Alignment {
        sessions: sessions(wires, logs, &of_wire, alone, threads),
        clocks,
    };
    Onward { alignment, places }
}

/// The wire's side as it was given.
#[derive(Clone, Copy)]
struct Seen<'a> {
    wires: &'a [WireSession],
    origin: Nanos,
    threads: Threads,
    before: &'a Before,
}

impl<'a> Seen<'a> {
    fn wires(self) -> Wires<'a> {
        Wires::new(self.wires, self.origin, self.threads, self.before)
    }
}

/// Deals out rows of which the logs do not tell whose they are. Gives the sessions that are sure now.
fn deal_out(seen: Seen<'_>, sources: &[LogSource], logs: &mut [LogSession]) -> BTreeSet<usize> {
    if !logs.iter().any(deal::may_be_mixed) {
        return BTreeSet::new();
    }
    let wires = seen.wires();
    let mixed = sources.iter().any(|source| {
        let mine = sessions_of(source.id, logs);
        let as_logged = (Translation::None, Own::Compared);
        let view = View::new(&wires, logs, source.id, mine, as_logged);
        !deal::heaps(&view).is_empty()
    });
    if !mixed {
        return BTreeSet::new();
    }
    let all = settle_all(&wires, sources, logs);
    let dealt: deal::Dealt = all
        .iter()
        .filter_map(|(view, settled)| Some(deal::deal(view, settled.as_ref()?)))
        .flatten()
        .collect();
    drop(all);
    let sure = dealt.keys().copied().collect();
    for (at, session) in dealt {
        if let Some(log) = logs.get_mut(at) {
            *log = session;
        }
    }
    sure
}

/// What was decided of each log session.
#[derive(Default)]
struct Verdicts {
    clocks: Vec<Clock>,
    /// Those that may be of a wire session.
    pairs: Vec<(Verdict, Match)>,
    /// Those that are of none, by their index, and why.
    alone: Vec<(usize, &'static str)>,
    ends: Vec<LastLine>,
}

fn decide(
    seen: Seen<'_>,
    sources: &[LogSource],
    logs: &[LogSession],
    dealt: &BTreeSet<usize>,
) -> Verdicts {
    let wires = seen.wires();
    let mut decided = Verdicts::default();
    let all = settle_all(&wires, sources, logs);
    for (source, (view, settled)) in sources.iter().zip(all) {
        let Some(settled) = settled else {
            let why = why_no_clock(&view);
            let mine = view.mine.iter();
            decided.alone.extend(mine.map(|&log| (log, why)));
            continue;
        };
        let missing = missing(&view, source);
        let found = wires.threads.map(view.mine.len(), |row| {
            let verdict = settled.chosen.get(row).copied().flatten();
            let Some(verdict) = verdict else {
                let &log = view.mine.get(row)?;
                return Some(Err((log, why_alone(&view, log, &settled.clock))));
            };
            let mut found = judge(&view, row, &verdict);
            let beyond = beyond::find(&view, row, &verdict, &settled);
            found.reasons.extend(beyond.map(beyond::words));
            if let Some(doubt) = doubt(&view, row, &verdict, dealt)
                && found.standing == Standing::Matched
            {
                found.standing = Standing::Ambiguous;
                found.reasons.push(doubt.into());
            }
            if found.standing == Standing::Ambiguous {
                found.reasons.extend(missing.clone());
            }
            Some(Ok((verdict, found)))
        });
        for found in found.into_iter().flatten() {
            match found {
                Ok(pair) => decided.pairs.push(pair),
                Err(alone) => decided.alone.push(alone),
            }
        }
        decided.ends.extend(last_lines::find(&view, &settled));
        let unproven = unproven::find(&view, &settled);
        decided.clocks.push(Clock {
            unproven,
            ..settled.clock
        });
    }
    decided
}

/// The sessions of both sides put together, those on the wire first.
fn sessions(
    wires: &[WireSession],
    logs: &[LogSession],
    of_wire: &BTreeMap<usize, Vec<(Verdict, Arc<Match>)>>,
    alone: Vec<(usize, &'static str)>,
    threads: Threads,
) -> Vec<Joined> {
    let mut sessions = threads.gather(wires.len(), |range| {
        let mut pairs = of_wire.range(range.clone()).peekable();
        let wires = range.filter_map(|at| Some((at, wires.get(at)?)));
        let joined = wires.map(|(at, wire)| {
            let own = pairs.next_if(|&(&of, _)| of == at);
            joined_wire(at, wire, logs, own.map_or(&[], |(_, pairs)| pairs))
        });
        joined.collect()
    });
    let pairs = || of_wire.values().flatten();
    let claimed: BTreeSet<usize> = pairs()
        .filter(|(_, found)| found.standing == Standing::Matched)
        .map(|(verdict, _)| verdict.log)
        .collect();
    // Millions may be alone, for one of a few reasons.
    let mut reasons: BTreeMap<&str, Arc<Match>> = BTreeMap::new();
    let mut verdicts: Vec<Option<Arc<Match>>> = vec![None; logs.len()];
    for (log, why) in alone {
        let verdict = reasons
            .entry(why)
            .or_insert_with(|| Arc::new(Match::alone(why)));
        if let Some(of_log) = verdicts.get_mut(log) {
            *of_log = Some(verdict.clone());
        }
    }
    for (verdict, found) in pairs() {
        if let Some(of_log) = verdicts.get_mut(verdict.log) {
            *of_log = Some(found.clone());
        }
    }
    let rest = verdicts
        .into_iter()
        .enumerate()
        .filter(|(log, _)| !claimed.contains(log));
    sessions.reserve_exact(logs.len() - claimed.len());
    sessions.extend(rest.map(|(log, verdict)| joined_log(log, verdict.unwrap_or_default())));
    sessions
}

/// One that the log alone knows.
fn joined_log(log: usize, verdict: Arc<Match>) -> Joined {
    Joined {
        logs: smallvec![log],
        verdict,
        ..Joined::default()
    }
}

/// Each log with what was found of it.
pub(super) fn settle_all<'a>(
    wires: &'a Wires<'a>,
    sources: &[LogSource],
    logs: &'a [LogSession],
) -> Vec<(View<'a>, Option<Settled>)> {
    let mut views: Vec<View<'a>> = sources
        .iter()
        .map(|source| {
            let mine = sessions_of(source.id, logs);
            let translation = Translation::suspect(wires.sessions, logs, &mine);
            let own = Own::suspect(wires.sessions, logs, &mine);
            View::new(wires, logs, source.id, mine, (translation, own))
        })
        .collect();
    // What one log bears out of a translation holds for the others.
    let translation = views.iter().find_map(learn_translation);
    for view in &mut views {
        if let (Translation::Any, Some(known)) = (&view.translation, &translation) {
            view.translation = known.clone();
        }
    }
    let mut found: Vec<Option<Settled>> = views
        .iter()
        .zip(sources)
        .map(|(view, source)| match (&view.translation, source.offset) {
            (Translation::Any, _) => None,
            (_, Some(offset)) => view.given(offset),
            (_, None) => view.run(),
        })
        .collect();
    // Logs of one host are written by one clock: what is known of one may put another on its feet.
    let known: Vec<Clock> = found
        .iter()
        .flatten()
        .map(|found| found.clock.clone())
        .collect();
    for ((view, source), found) in views.iter().zip(sources).zip(&mut found) {
        if source.offset.is_some() {
            continue;
        }
        let share = found.as_ref().map_or(0, Settled::claimed);
        if share * 10 >= view.mine.len() * 8 || view.translation == Translation::Any {
            continue;
        }
        for clock in known.iter().filter(|clock| clock.log != view.id) {
            // What it is near already it need not be brought to.
            let is_near = |found: &Settled| {
                (found.clock.offset - clock.offset).abs() <= found.clock.bound.min(clock.bound)
            };
            if found.as_ref().is_some_and(is_near) {
                continue;
            }
            let again = view.near(clock.offset, clock.bound.as_seconds_f64(), 0.0);
            if again.as_ref().map_or(0.0, Settled::worth)
                > found.as_ref().map_or(0.0, Settled::worth)
            {
                *found = again;
            }
        }
    }
    let offsets: Vec<Span> = found
        .iter()
        .flatten()
        .map(|found| found.clock.offset)
        .collect();
    for ((view, source), found) in views.iter().zip(sources).zip(&mut found) {
        let first = wires.before.unknown.contains(&view.id);
        if source.offset.is_none() && view.translation != Translation::Any && !first {
            *found = steps::follow(view, found.take(), &offsets);
        }
    }
    let stepped: Vec<Clock> = found
        .iter()
        .flatten()
        .map(|found| found.clock.clone())
        .filter(|clock| !clock.steps.is_empty())
        .collect();
    for ((view, source), found) in views.iter().zip(sources).zip(&mut found) {
        for clock in stepped.iter().filter(|clock| clock.log != view.id) {
            let first = wires.before.unknown.contains(&view.id);
            if source.offset.is_none() && view.translation != Translation::Any && !first {
                *found = likeness::follow_like(view, found.take(), clock);
            }
        }
    }
    for (view, found) in views.iter().zip(&mut found) {
        if let Some(found) = found {
            missed::widen(view, found);
        }
    }
    disbelieve(&views, sources, &mut found);
    // A server of another name is believed to be this one only if most of its sessions are here.
    for (view, found) in views.iter().zip(&mut found) {
        found.take_if(|settled| view.own == Own::Translated && !view.bears_out(settled));
    }
    settle_together(&views, &mut found);
    views.into_iter().zip(found).collect()
}

/// Puts the clocks of one host on one offset, and chooses the pairs again of those that it moved.
fn settle_together(views: &[View<'_>], found: &mut [Option<Settled>]) {
    let offset = |found: &Option<Settled>| Some(found.as_ref()?.clock.offset);
    let before: Vec<Option<Span>> = found.iter().map(offset).collect();
    agree(views, found);
    for ((view, before), found) in views.iter().zip(before).zip(found) {
        if let (Some(before), Some(found)) = (before, found)
            && found.clock.steps.is_empty()
            && (before - found.clock.offset).abs() > MOVED
        {
            view.choose_again(found);
        }
    }
}

/// Drops clocks that explain no more than chance does: between a capture and a log of another day or server some offset always fits a
/// few sessions. A clock that agrees with one that is believed needs less.
fn disbelieve(views: &[View<'_>], sources: &[LogSource], found: &mut [Option<Settled>]) {
    let shares: Vec<Share> = views
        .iter()
        .zip(found.iter())
        .map(|(view, found)| {
            found
                .as_ref()
                .map_or_else(Share::default, |found| view.explained(found))
        })
        .collect();
    let believed: Vec<Clock> = found
        .iter()
        .zip(&shares)
        .filter(|(_, share)| share.is_most())
        .filter_map(|(found, _)| Some(found.as_ref()?.clock.clone()))
        .collect();
    for ((source, found), share) in sources.iter().zip(found.iter_mut()).zip(&shares) {
        let Some(settled) = found else { continue };
        let agrees = believed.iter().any(|clock| {
            (clock.offset - settled.clock.offset).abs() <= clock.bound + settled.clock.bound
        });
        let enough = share.is_most() || agrees && share.is_some();
        if source.offset.is_none() && !enough {
            *found = None;
        }
    }
}

/// What is known of a log's clock, to be laid beside the others.
struct Known {
    clock: Clock,
    /// Where its offset lies, and where it likely does.
    range: (Span, Span),
    likely: (Span, Span),
    machine: Option<Station>,
}

impl Known {
    fn of(view: &View<'_>, found: &Settled) -> Option<Self> {
        let line = found.line?;
        let at = |seconds: f64| found.coarse + Span::from_seconds_f64(seconds);
        Some(Self {
            clock: found.clock.clone(),
            range: (at(line.range.0), at(line.range.1)),
            likely: (at(line.likely.0), at(line.likely.1)),
            machine: host::of(view, found),
        })
    }

    /// Whether one clock can have written both logs.
    fn meets(&self, other: &Self) -> bool {
        let drifts = (other.clock.drift_ppm - self.clock.drift_ppm).abs()
            <= other.clock.drift_bound_ppm + self.clock.drift_bound_ppm;
        drifts && other.range.0 <= self.range.1 && self.range.0 <= other.range.1
    }

    /// Whether one clock wrote both logs, as far as packets tell.
    fn is_of_one_machine(&self, other: &Self) -> bool {
        let unset = self.clock.steps.is_empty() && other.clock.steps.is_empty();
        unset && self.machine.is_some() && self.machine == other.machine
    }
}

/// Logs given together are mostly of one host, or of hosts whose clocks are kept together. Where the ranges in which their offsets lie meet, the
/// best guess for each is therefore what all have in common. The range of each, and so its bound, stays its own, but for logs of one machine: the
/// offset lies where all of theirs do.
fn agree(views: &[View<'_>], found: &mut [Option<Settled>]) {
    let known: Vec<Known> = views
        .iter()
        .zip(found.iter())
        .filter_map(|(view, found)| Known::of(view, found.as_ref()?))
        .collect();
    for found in found.iter_mut().flatten() {
        let Some(own) = known
            .iter()
            .find(|known| known.clock.log == found.clock.log)
        else {
            continue;
        };
        let (mut common, mut range) = (own.likely, own.range);
        for other in known.iter().filter(|other| own.meets(other)) {
            common = narrowed(common, other.likely).unwrap_or(common);
            if own.is_of_one_machine(other) {
                let wider = (other.range.0 - KEPT, other.range.1 + KEPT);
                range = narrowed(range, wider).unwrap_or(range);
            }
        }
        let middle = common.0 + Span((common.1 - common.0).0 / 2);
        let offset = middle.max(range.0).min(range.1);
        found.clock.settle_on(offset, range);
    }
}

/// What two ranges have in common.
fn narrowed(one: (Span, Span), other: (Span, Span)) -> Option<(Span, Span)> {
    let common = (one.0.max(other.0), one.1.min(other.1));
    (common.0 <= common.1).then_some(common)
}

/// The translation that a log's sessions speak for, if they do.
fn learn_translation(view: &View<'_>) -> Option<Translation> {
    if view.translation != Translation::Any {
        return None;
    }
    let first = view.run()?;
    // What the pairs say of the addresses makes better pairs.
    let learnt = Translation::learn(view.names(&first));
    let mut again = view.part(view.mine.clone());
    again.translation = learnt;
    let second = again.run()?;
    again.bears_out(&second).then_some(again.translation)
}

fn sessions_of(id: LogId, logs: &[LogSession]) -> Vec<usize> {
    logs.iter()
        .enumerate()
        .filter(|(_, log)| log.log == id && log.extent == Extent::Whole && !log.events.is_empty())
        .map(|(at, _)| at)
        .collect()
}

/// The wire session as both saw it.
fn joined_wire(
    at: usize,
    wire: &WireSession,
    logs: &[LogSession],
    verdicts: &[(Verdict, Arc<Match>)],
) -> Joined {
    let mut joined = Joined {
        wire: Some(at),
        ..Joined::default()
    };
    let mut placed = Vec::new();
    for (verdict, found) in verdicts {
        match found.standing {
            Standing::Matched => {
                joined.logs.push(verdict.log);
                placed.extend(verdict.place.zip(logs.get(verdict.log)));
            }
            _ => joined.candidates.push(verdict.log),
        }
        if joined.verdict.standing != Standing::Matched {
            joined.verdict = found.clone();
        }
    }
    let first = joined.logs.first().and_then(|&log| logs.get(log));
    joined.exchanges = match first {
        // Of lines each of which is a session of its own, all are of this connection.
        Some(_) if placed.len() == joined.logs.len() => placed::lay(wire, &placed),
        Some(log) => sequence::lay(wire, log),
        None => sequence::alone(wire),
    };
    joined
}

/// Why a session is not claimed although nothing that is over comes near.
const RIVALLED: &str =
    "another connection that it may be of still goes on, and was waited for long enough";

/// Why a session is not claimed although nothing else comes near.
const MIXED: &str = "the log does not tell its lines from those of a like session at the same time, and they do not all fit";

/// What forbids to claim a session although nothing else comes near.
fn doubt(
    view: &View<'_>,
    row: usize,
    verdict: &Verdict,
    dealt: &BTreeSet<usize>,
) -> Option<&'static str> {
    if view.wires.before.fate(verdict.log) == LogFate::Rivalled {
        return Some(RIVALLED);
    }
    let mixed = !dealt.contains(&verdict.log) && is_mixed(view, row, verdict);
    mixed.then_some(MIXED)
}

/// Whether lines of two sessions may have been mixed up: some commands have no place on the wire, and another session of the same client and
/// name went on at the same time in a log that names neither port nor session.
fn is_mixed(view: &View<'_>, row: usize, verdict: &Verdict) -> bool {
    let (Some(log), Some(wire)) = (view.log(row), view.wire(verdict.wire)) else {
        return false;
    };
    if !log.every_command || log.peer_port.is_some() || verdict.place.is_some() || damaged(wire) {
        return false;
    }
    let alike = |other: usize| view.log(other).is_some_and(|other| deal::alike(log, other));
    let near = row.saturating_sub(TWINS_WITHIN)..=row + TWINS_WITHIN;
    sequence::count(wire, log, &sequence::told(log)).left_over > 1
        && near.filter(|&other| other != row).any(alike)
}

/// What a verdict amounts to, in words.
fn judge(view: &View<'_>, row: usize, verdict: &Verdict) -> Match {
    let mut evidence = Evidence::told();
    let pairing = Pairing::new(verdict.wire, verdict.place, (0.0, 0.0));
    if let Some(row) = Row::of(view, row) {
        row.tell(&pairing, &mut evidence);
    }
    // Of least worth is to leave the session alone; that is no other candidate.
    let next = verdict.score - verdict.margin;
    let runner_up = (next > CLAIM - CLEAR + 1e-9).then_some(next);
    let mut reasons = evidence.reasons.unwrap_or_default();
    reasons.push(match (runner_up, verdict.is_clear()) {
        (None, true) => "nothing else comes near".into(),
        (Some(next), true) => format!("the next best choice scores {next:.1}"),
        (_, false) => format!("the next best choice scores {next:.1}, too near to tell"),
    });
    Match {
        standing: if verdict.is_clear() {
            Standing::Matched
        } else {
            Standing::Ambiguous
        },
        score: Some(verdict.score),
        runner_up,
        reasons,
    }
}

/// What the log could be made to say that it does not, and which would make its sessions sure.
fn missing(view: &View<'_>, source: &LogSource) -> Option<String> {
    let setting = source.shows.client_port.remedy()?;
    let mut mine = view.mine.iter().filter_map(|&log| view.logs.get(log));
    let silent = mine.all(|log| log.peer_port.is_none());
    silent.then(|| format!("the log names no client port; {setting} would write it"))
}

/// Why no session is joined.
const NO_CAPTURE: &str = "there is no capture to compare with";

fn why_no_clock(view: &View<'_>) -> &'static str {
    if view.wires.sessions.is_empty() {
        NO_CAPTURE
    } else if view.mine.is_empty() {
        "the log has no sessions"
    } else {
        "no offset between the two clocks makes the log's sessions fall on the capture's: another server, another day, or too few to tell"
    }
}

fn why_alone(view: &View<'_>, log: usize, clock: &Clock) -> &'static str {
    let stamps = view.logs.get(log).and_then(LogSession::stamps);
    let (first, last) = view.wires.background.span();
    let last = view.wires.before.now.unwrap_or(last);
    match stamps {
        Some((_, end)) if clock.to_capture(end.at) + end.resolution < first => {
            "before the capture began"
        }
        Some((start, _)) if clock.to_capture(start.at) > last => "after the capture ended",
        _ => "nothing in the capture fits its time, address and commands",
    }
}
