//! The whole of alignment, log by log, and the sessions of both sides put together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smallvec::smallvec;

use crate::model::{LogSession, LogSource, Nanos, Threads, WireSession};

use super::before::Before;
use super::clock::Clock;
use super::judge::{NO_CAPTURE, doubt, judge, missing, why_alone, why_no_clock};
use super::last_lines::{self, LastLine};
use super::settle::{sessions_of, settle_all};
use super::settled::{Settled, Verdict};
use super::translation::{Own, Translation};
use super::verdict::{Alignment, Joined, Match, Standing};
use super::view::{View, Wires};
use super::{beyond, deal, placed, sequence, trust, unproven};

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
    pairs.sort_by_key(|(verdict, _)| verdict.wire);
    let pairs = pairs.into_iter();
    let pairs: Vec<Pair> = pairs
        .map(|(verdict, found)| (verdict, Arc::new(found)))
        .collect();
    let alignment = Alignment {
        sessions: sessions(wires, logs, &pairs, alone, threads),
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
    let all = settle_all(&wires, sources, logs);
    let of_logs = seen.threads.each(all.len(), |at| {
        let (source, (view, settled)) = sources.get(at).zip(all.get(at))?;
        Some(match settled {
            Some(settled) => Verdicts::of(view, source, settled, dealt),
            None => Verdicts::none(view),
        })
    });
    let mut decided = Verdicts::default();
    for mut of_log in of_logs.into_iter().flatten() {
        decided.clocks.append(&mut of_log.clocks);
        decided.pairs.append(&mut of_log.pairs);
        decided.alone.append(&mut of_log.alone);
        decided.ends.append(&mut of_log.ends);
    }
    decided
}

impl Verdicts {
    /// Of a log that has no clock.
    fn none(view: &View<'_>) -> Self {
        let why = why_no_clock(view);
        Self {
            alone: view.mine.iter().map(|&log| (log, why)).collect(),
            ..Self::default()
        }
    }

    /// Of a log whose clock and pairs are settled.
    fn of(view: &View<'_>, source: &LogSource, settled: &Settled, dealt: &BTreeSet<usize>) -> Self {
        let mut decided = Self::default();
        let missing = missing(view, source);
        let least = trust::least(settled);
        let found = view.wires.threads.map(view.mine.len(), |row| {
            let verdict = settled.chosen.get(row).copied().flatten();
            let Some(verdict) = verdict else {
                let &log = view.mine.get(row)?;
                return Some(Err((log, why_alone(view, log, &settled.clock))));
            };
            let mut found = judge(view, row, &verdict);
            let beyond = beyond::find(view, row, &verdict, settled);
            found.reasons.extend(beyond.map(beyond::words));
            if let Some(doubt) = doubt(view, row, &verdict, (dealt, least))
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
        decided.ends = last_lines::find(view, settled);
        decided.clocks.push(Clock {
            unproven: unproven::find(view, settled),
            ..settled.clock.clone()
        });
        decided
    }
}

/// What may be of a wire session, and why.
type Pair = (Verdict, Arc<Match>);

/// The sessions of both sides put together, those on the wire first. The pairs are in the order of these.
fn sessions(
    wires: &[WireSession],
    logs: &[LogSession],
    pairs: &[Pair],
    alone: Vec<(usize, &'static str)>,
    threads: Threads,
) -> Vec<Joined> {
    let mut sessions = threads.gather(wires.len(), |range| {
        let from = pairs.partition_point(|(verdict, _)| verdict.wire < range.start);
        let mut rest = pairs.get(from..).unwrap_or_default();
        let wires = range.filter_map(|at| Some((at, wires.get(at)?)));
        let joined = wires.map(|(at, wire)| {
            let own = rest.iter().take_while(|(verdict, _)| verdict.wire == at);
            let (own, behind) = rest.split_at(own.count());
            rest = behind;
            joined_wire(at, wire, logs, own)
        });
        joined.collect()
    });
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
    let mut claimed = vec![false; logs.len()];
    for (verdict, found) in pairs {
        if let (Some(of_log), Some(claimed)) =
            (verdicts.get_mut(verdict.log), claimed.get_mut(verdict.log))
        {
            *of_log = Some(found.clone());
            *claimed |= found.standing == Standing::Matched;
        }
    }
    let rest = verdicts.into_iter().zip(&claimed).enumerate();
    let rest = rest.filter(|(_, (_, claimed))| !**claimed);
    sessions.reserve_exact(claimed.iter().filter(|claimed| !**claimed).count());
    sessions.extend(rest.map(|(log, (verdict, _))| joined_log(log, verdict.unwrap_or_default())));
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

/// What was found of the least sure of so many log sessions.
fn least_sure(found: &Arc<Match>, of: usize) -> Arc<Match> {
    if of < 2 {
        return found.clone();
    }
    let mut found = Match::clone(found);
    let least = format!("the least sure of {of} that the logs have of this connection");
    found.reasons.insert(0, least);
    Arc::new(found)
}

/// The wire session as both saw it.
fn joined_wire(at: usize, wire: &WireSession, logs: &[LogSession], verdicts: &[Pair]) -> Joined {
    let mut joined = Joined {
        wire: Some(at),
        ..Joined::default()
    };
    let mut placed = Vec::new();
    let matched = |pair: &&Pair| pair.1.standing == Standing::Matched;
    for (verdict, found) in verdicts {
        if found.standing == Standing::Matched {
            joined.logs.push(verdict.log);
            placed.extend(verdict.place.zip(logs.get(verdict.log)));
        } else {
            joined.candidates.push(verdict.log);
            joined.verdict = found.clone();
        }
    }
    if joined.logs.len() > 1 {
        let each = verdicts.iter().filter(matched);
        joined.each = each.map(|(_, found)| found.clone()).collect();
    }
    let of_all = verdicts.iter().filter(matched);
    let least = of_all.min_by(|(one, _), (other, _)| one.margin.total_cmp(&other.margin));
    if let Some((_, found)) = least {
        joined.verdict = least_sure(found, joined.logs.len());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LogId, Proto, testing};

    #[test]
    fn of_several_lines_of_a_connection_each_has_its_verdict_and_the_least_sure_that_of_all() {
        let wire = testing::wire("http", 80, Nanos(0));
        let logs = vec![LogSession::new(LogId(0), Proto("http")); 3];
        let pair = |log: usize, margin: f64, standing: Standing| {
            let verdict = Verdict {
                log,
                wire: 0,
                place: Some(log),
                score: 9.0,
                margin,
            };
            let found = Match {
                standing,
                reasons: vec![format!("row {log}")],
                ..Match::default()
            };
            (verdict, Arc::new(found))
        };
        let pairs = [
            pair(0, 8.0, Standing::Matched),
            pair(1, 3.0, Standing::Matched),
            pair(2, 1.0, Standing::Ambiguous),
        ];
        let joined = joined_wire(0, &wire, &logs, &pairs);
        let least = "the least sure of 2 that the logs have of this connection";
        assert_eq!(joined.verdict.reasons, [least, "row 1"]);
        assert_eq!(joined.verdict_of(0).reasons, ["row 0"]);
        assert_eq!(joined.verdict_of(1).reasons, ["row 1"]);
        assert_eq!(joined.candidates.as_slice(), [2]);
        let joined = joined_wire(0, &wire, &logs, &pairs[..1]);
        assert_eq!(joined.verdict.reasons, ["row 0"]);
        assert!(joined.each.is_empty());
    }
}
