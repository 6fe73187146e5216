//! Rows of sessions that a log does not tell apart, dealt out anew by what the capture shows.
//!
//! A log that names neither port nor session has the rows of two sessions of one client and name in one heap, when both were open at once. Its
//! reader deals them out by the grammar of the protocol, which leaves much open. The wire shows both dialogues: the rows, in the order of the
//! log, go where they fit command by command, and what the order of the log is worth is learnt from the sessions that are sure.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    CommandRef, Ending, EventRef, LogSession, LoggedMessage, Nanos, Span, WireSession,
};

use super::component::CLEAR;
use super::jitter::{Jitter, Placed};
use super::moment::{self, Window};
use super::rows;
use super::sequence;
use super::settled::{Settled, Verdict};
use super::view::View;

mod dialogue;

use dialogue::Dialogue;

/// Sessions, wire sessions and rows of one heap; larger ones are left as they are.
const SESSIONS: usize = 4;
const WIRES: usize = 4;
const ROWS: usize = 120;
/// Ways of dealing that are followed at once.
const WAYS: usize = 256;
/// Worth of a row that goes nowhere.
const NOWHERE: f64 = -3.0;
/// What each second costs by which a stamp misses the moment, and how many may be missed.
const MISS: f64 = 23.0;
const MISS_MOST: f64 = 0.6;

/// Sessions dealt out anew: what each of the log's sessions is now. One that is left without rows is none.
pub(super) type Dealt = BTreeMap<usize, LogSession>;

/// Whether a log can have rows in a heap at all.
pub(super) fn may_be_mixed(log: &LogSession) -> bool {
    log.every_command && log.peer_port.is_none() && !rows::is_single(log)
}

/// Whether the log may have taken lines of either session for the other's.
pub fn share_lines(one: &LogSession, other: &LogSession) -> bool {
    one.log == other.log && may_be_mixed(one) && may_be_mixed(other) && alike(one, other)
}

/// Whether the rows of two sessions may be in one heap: one client of one name, at the same time.
pub(super) fn alike(one: &LogSession, other: &LogSession) -> bool {
    let (Some(mine), Some(theirs)) = (one.stamps(), other.stamps()) else {
        return false;
    };
    theirs.0.at <= mine.1.at + mine.1.resolution
        && mine.0.at <= theirs.1.at + theirs.1.resolution
        && one.peer == other.peer
        && one.names.iter().any(|name| other.names.contains(name))
}

/// The sessions of `view`, by row, that share a heap.
pub(super) fn heaps(view: &View<'_>) -> Vec<Vec<usize>> {
    /// Sessions further on in the log among which one like it is looked for.
    const WITHIN: usize = 64;
    let open = |row: usize| {
        let gone = view
            .mine
            .get(row)
            .is_none_or(|&log| view.wires.before.is_gone(log));
        view.log(row).filter(|_| !gone)
    };
    let mut heaps: Vec<Vec<usize>> = Vec::new();
    let mut heap_of: BTreeMap<usize, usize> = BTreeMap::new();
    for row in 0..view.mine.len() {
        let Some(log) = open(row).filter(|log| may_be_mixed(log)) else {
            continue;
        };
        let like = (row + 1..row + WITHIN)
            .filter(|&other| open(other).is_some_and(|other| alike(log, other)));
        for other in like {
            let heap = *heap_of.entry(row).or_insert_with(|| {
                heaps.push(vec![row]);
                heaps.len() - 1
            });
            if !heap_of.contains_key(&other)
                && let Some(of) = heaps.get_mut(heap)
            {
                of.push(other);
                heap_of.insert(other, heap);
            }
        }
    }
    heaps.retain(|heap| heap.len() > 1 && heap.len() <= SESSIONS);
    heaps
}

/// Deals out what is in one heap in `view`, where the wire leaves no doubt.
pub(super) fn deal(view: &View<'_>, settled: &Settled) -> Dealt {
    let mut dealt = Dealt::new();
    let heaps = heaps(view);
    if heaps.is_empty() {
        return dealt;
    }
    let mixed: BTreeSet<usize> = heaps.iter().flatten().copied().collect();
    let jitter = jitter(view, settled, &mixed);
    for heap in heaps {
        if let Some(sessions) = Heap::of(view, settled, &heap, &jitter).and_then(|heap| heap.sure())
        {
            let numbers = heap.iter().filter_map(|&row| view.mine.get(row).copied());
            let mut sessions = sessions.into_iter();
            dealt.extend(numbers.map(|at| (at, sessions.next().unwrap_or_else(|| nothing(view)))));
        }
    }
    dealt
}

fn nothing(view: &View<'_>) -> LogSession {
    LogSession::new(view.id, crate::model::Proto::UNKNOWN)
}

/// What the order of the log's lines is worth, by the commands of the sessions that are sure.
fn jitter(view: &View<'_>, settled: &Settled, mixed: &BTreeSet<usize>) -> Jitter {
    let mut known = Vec::new();
    for (row, verdict) in settled.chosen.iter().enumerate() {
        let clear = verdict.filter(|verdict| verdict.is_clear() && !mixed.contains(&row));
        let Some((wire, log)) = clear
            .and_then(|verdict| view.wire(verdict.wire))
            .zip(view.log(row))
        else {
            continue;
        };
        let laid = sequence::lay(wire, log);
        known.extend(laid.iter().filter_map(|exchange| {
            Some(Placed {
                row,
                line: exchange.line?.line,
                window: moment::answering(exchange)?,
            })
        }));
    }
    Jitter::learn(&known)
}

/// A row with what the reader of the log made of it.
struct Row<'a> {
    event: EventRef<'a>,
    message: Option<&'a LoggedMessage>,
    /// Length and ending of the session that it ends.
    end: Option<(Option<Span>, Ending)>,
}

/// Rows that lie in one heap, and the dialogues that they may be of.
struct Heap<'a> {
    sessions: Vec<&'a LogSession>,
    rows: Vec<Row<'a>>,
    dialogues: Vec<Dialogue<'a>>,
    jitter: &'a Jitter,
    lag: Span,
    /// Seconds by which the clock's offset may be wrong.
    slack: f64,
    offset_at: Box<dyn Fn(Nanos) -> Span + 'a>,
}

/// Where a row may go.
#[derive(Clone, Copy)]
struct Step {
    dialogue: usize,
    next: usize,
    worth: f64,
    window: Window,
}

/// A way of dealing the first rows.
#[derive(Clone)]
struct Way {
    /// The next place of each dialogue.
    next: [usize; WIRES],
    /// The last moment.
    last: Option<Window>,
    worth: f64,
    /// Which dialogue each row went to.
    dealt: Vec<Option<usize>>,
}

impl<'a> Heap<'a> {
    fn of(
        view: &'a View<'_>,
        settled: &'a Settled,
        heap: &[usize],
        jitter: &'a Jitter,
    ) -> Option<Self> {
        let sessions: Vec<&LogSession> = heap.iter().filter_map(|&row| view.log(row)).collect();
        let mut rows: Vec<Row<'_>> = sessions.iter().flat_map(|log| rows_of(log)).collect();
        rows.sort_by_key(|row| row.event.line);
        let others: BTreeSet<usize> = settled
            .chosen
            .iter()
            .enumerate()
            .filter(|(row, _)| !heap.contains(row))
            .filter_map(|(_, verdict)| verdict.filter(Verdict::is_clear))
            .map(|verdict| verdict.wire)
            .collect();
        let mut wires: BTreeSet<usize> = BTreeSet::new();
        for &row in heap {
            let near = view.gather_row(row, settled.coarse).into_iter();
            wires.extend(near.map(|pairing| pairing.wire()));
        }
        let dialogues: Vec<Dialogue<'_>> = wires
            .into_iter()
            .filter(|wire| !others.contains(wire))
            .filter_map(|wire| view.wire(wire))
            .filter(|wire| goes_by(wire, &sessions))
            .map(Dialogue::of)
            .collect();
        let fits = (2..=WIRES).contains(&dialogues.len()) && rows.len() <= ROWS;
        let clock = &settled.clock;
        fits.then(|| Self {
            lag: sessions.first().map_or(Span::ZERO, |log| log.lag),
            sessions,
            rows,
            dialogues,
            jitter,
            slack: clock.bound.as_seconds_f64(),
            offset_at: Box::new(|at| clock.offset_at(at)),
        })
    }

    /// The sessions dealt out, where no row could as well have gone elsewhere.
    fn sure(&self) -> Option<Vec<LogSession>> {
        let best = self.best(None)?;
        for (row, dealt) in best.dealt.iter().enumerate() {
            let Some(dialogue) = *dealt else { continue };
            let other = self.best(Some((row, dialogue)));
            if other.is_some_and(|other| best.worth - other.worth < CLEAR) {
                return None;
            }
        }
        let all = (0..self.dialogues.len()).map(Some).chain([None]);
        let sessions: Vec<LogSession> = all
            .filter_map(|dialogue| self.session(&best.dealt, dialogue))
            .collect();
        (sessions.len() <= self.sessions.len()).then_some(sessions)
    }

    /// The best way of dealing all rows; without `barred`, a row and a dialogue.
    fn best(&self, barred: Option<(usize, usize)>) -> Option<Way> {
        let mut ways = vec![Way {
            next: [0; WIRES],
            last: None,
            worth: 0.0,
            dealt: Vec::new(),
        }];
        for (at, row) in self.rows.iter().enumerate() {
            let mut further: BTreeMap<([usize; WIRES], Option<usize>), Way> = BTreeMap::new();
            for way in &ways {
                let steps = self.steps(way, row).into_iter();
                let allowed = steps.filter(|step| barred != Some((at, step.dialogue)));
                for step in allowed.map(Some).chain([None]) {
                    let way = way.stepped(step, self.jitter);
                    let key = (way.next, step.map(|step| step.dialogue));
                    match further.get(&key) {
                        Some(known) if known.worth >= way.worth => {}
                        _ => {
                            further.insert(key, way);
                        }
                    }
                }
            }
            ways = further.into_values().collect();
            ways.sort_by(|one, other| other.worth.total_cmp(&one.worth));
            ways.truncate(WAYS);
        }
        // What is left of a dialogue has no row.
        let total = |way: &Way| {
            let dialogues = self.dialogues.iter().zip(way.next);
            let left = dialogues
                .filter(|&(_, next)| next > 0)
                .map(|(dialogue, next)| dialogue.rest(next));
            way.worth + left.sum::<f64>()
        };
        ways.into_iter()
            .map(|way| Way {
                worth: total(&way),
                ..way
            })
            .max_by(|one, other| one.worth.total_cmp(&other.worth))
    }

    /// Where `row` may go on.
    fn steps(&self, way: &Way, row: &Row<'_>) -> Vec<Step> {
        let mut steps = Vec::new();
        for (at, (dialogue, next)) in self.dialogues.iter().zip(way.next).enumerate() {
            for step in dialogue.steps(at, next, row) {
                let offset = (self.offset_at)(step.window.lo);
                let (lo, hi) = step.window.offsets(row.event, self.lag, offset);
                let miss = (lo.max(-hi) - self.slack).max(0.0);
                if miss <= MISS_MOST {
                    steps.push(Step {
                        worth: step.worth - MISS * miss,
                        ..step
                    });
                }
            }
        }
        steps
    }

    /// The session of the rows that went to one dialogue, or to none.
    fn session(&self, dealt: &[Option<usize>], dialogue: Option<usize>) -> Option<LogSession> {
        let rows = || {
            let all = self.rows.iter().zip(dealt);
            all.filter(|&(_, &to)| to == dialogue).map(|(row, _)| row)
        };
        rows().next()?;
        let mut session = (*self.sessions.first()?).clone();
        session.events = rows().map(|row| row.event).collect();
        session.messages = rows().filter_map(|row| row.message.cloned()).collect();
        (session.duration, session.ending) = rows().find_map(|row| row.end).unwrap_or_default();
        // What a session was protected by was told in a row that may have gone to another.
        let mut told = self.sessions.iter().filter_map(|log| log.encryption);
        let seen = dialogue.and_then(|at| Some(self.dialogues.get(at)?.wire.encryption));
        session.encryption = seen.filter(|&seen| told.any(|told| told == seen));
        Some(session)
    }
}

impl Way {
    fn stepped(&self, step: Option<Step>, jitter: &Jitter) -> Self {
        let mut way = self.clone();
        way.dealt.push(step.map(|step| step.dialogue));
        let Some(step) = step else {
            way.worth += NOWHERE;
            return way;
        };
        way.worth += step.worth;
        if let Some(last) = way.last {
            way.worth -= jitter.cost(last.lo.since(step.window.hi).as_seconds_f64());
        }
        way.last = Some(step.window);
        if let Some(next) = way.next.get_mut(step.dialogue) {
            *next = step.next;
        }
        way
    }
}

fn is_accepted(command: CommandRef<'_>) -> bool {
    let code = command.code.unwrap_or_default();
    code.starts_with(['2', '3'])
}

/// Whether the client called itself as the sessions have it, where the wire shows that.
fn goes_by(wire: &WireSession, sessions: &[&LogSession]) -> bool {
    let told = || sessions.iter().flat_map(|log| &log.names);
    wire.names.is_empty()
        || wire
            .names
            .iter()
            .any(|name| told().any(|told| told.eq_ignore_ascii_case(name)))
}

/// The rows of a session, each with what of the session was told in it.
fn rows_of(log: &LogSession) -> Vec<Row<'_>> {
    let mut messages = log.messages.iter();
    let last = log.events.len().saturating_sub(1);
    let rows = log.events.iter().enumerate().map(|(at, event)| {
        let command = event.command();
        let is_message = command.is_some_and(|command| command.is_body() && is_accepted(command));
        let ends = log.duration.is_some() || log.ending != Ending::Unknown;
        Row {
            event,
            message: if is_message { messages.next() } else { None },
            end: (at == last && ends).then_some((log.duration, log.ending)),
        }
    });
    rows.collect()
}
