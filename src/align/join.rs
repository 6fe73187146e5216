//! The whole of alignment, log by log: coarse offset by vote, clock by fit, pairs by assignment, then both again with
//! what the pairs have taught.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{
    Event, Exchange, LogCommand, LogId, LogSession, LogSource, Nanos, Proto, Shows, Span,
    WireSession,
};

use super::assign::{Pair, assign};
use super::clock::Clock;
use super::evidence::{self, Background, Evidence};
use super::fit::{Constraint, Line, fit};
use super::order::Order;
use super::overhead::Overheads;
use super::translation::Translation;
use super::vote::{self, Candidates};
use super::{moment, rows, sequence};

/// Least score for a pair to be claimed: one unrelated session in three would fit as well, and a wrong
/// one has the right one to beat.
const CLAIM: f64 = 1.0;
/// Least distance to the best alternative: it is seven times less likely.
const CLEAR: f64 = 2.0;
/// Times may miss by this much beside the clock's bound.
const TIME_SLACK: f64 = 0.05;
/// Times that miss by more than this are another session's.
const TIME_LIMIT: f64 = 2.0;

/// Times that clock and pairs are found anew from each other.
const ROUNDS: usize = 6;

/// What alignment gives.
#[derive(Clone, Debug, Default)]
pub struct Alignment {
    /// One clock for each log that could be put on the capture's.
    pub clocks: Vec<Clock>,
    /// Every session of either side, those on the wire first, in order of time.
    pub sessions: Vec<Joined>,
}

/// A conversation and who saw it.
#[derive(Clone, Debug, Default)]
pub struct Joined {
    /// Index among the wire sessions.
    pub wire: Option<usize>,
    /// Indices among the log sessions that are it.
    pub logs: Vec<usize>,
    /// Indices among the log sessions that may be it, undecided.
    pub candidates: Vec<usize>,
    /// How sure that is.
    pub verdict: Match,
    /// Commands and replies, in order, each marked with who saw it.
    pub exchanges: Vec<Exchange>,
}

/// How sure a join is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Match {
    /// The decision.
    pub standing: Standing,
    /// Nats in favour; `None` without a candidate.
    pub score: Option<f64>,
    /// What the next best choice would score.
    pub runner_up: Option<f64>,
    /// Why, in words.
    pub reasons: Vec<String>,
}

/// The decision on a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// The next best choice is too near to tell.
    Ambiguous,
    /// Both views are of one conversation.
    Matched,
    /// Nothing on the other side fits.
    #[default]
    Unmatched,
}

/// Puts every log on the capture's clock and joins its sessions to the wire's.
///
/// `origin` is the time of the capture's first packet.
pub fn align(
    wires: &[WireSession],
    sources: &[LogSource],
    logs: &[LogSession],
    origin: Nanos,
) -> Alignment {
    let background = Background::of(wires);
    let mut alignment = Alignment::default();
    let mut of_wire: BTreeMap<usize, Vec<Verdict>> = BTreeMap::new();
    let mut of_log: BTreeMap<usize, Match> = BTreeMap::new();
    let views: Vec<(LogId, View<'_>)> = sources
        .iter()
        .map(|source| {
            let view = View {
                wires,
                logs,
                mine: sessions_of(source.id, logs),
                shows: source.shows,
                background: &background,
                origin,
            };
            (source.id, view)
        })
        .collect();
    // What one log bears out of a translation holds for the others.
    let translation = views.iter().find_map(|(id, view)| view.translation(*id));
    let mut found: Vec<Option<Settled>> = views
        .iter()
        .map(|(id, view)| view.run(*id, translation.as_ref(), &[]))
        .collect();
    // Logs of one host are written by one clock: what is known of one may put another on its feet.
    let known: Vec<Clock> = found
        .iter()
        .flatten()
        .map(|(clock, _)| clock.clone())
        .collect();
    for ((id, view), found) in views.iter().zip(&mut found) {
        let share = found.as_ref().map_or(0, |(_, chosen)| claimed(chosen));
        if share * 10 < view.mine.len() * 8 {
            let again = view.run(*id, translation.as_ref(), &known);
            if again.as_ref().map_or(0.0, |(_, chosen)| worth(chosen))
                > found.as_ref().map_or(0.0, |(_, chosen)| worth(chosen))
            {
                *found = again;
            }
        }
    }
    for ((_, view), found) in views.iter().zip(found) {
        let Some((clock, verdicts)) = found else {
            let why = view.why_no_clock();
            of_log.extend(view.mine.iter().map(|&log| {
                (
                    log,
                    Match {
                        reasons: vec![why.clone()],
                        ..Match::default()
                    },
                )
            }));
            continue;
        };
        let missing = view.missing();
        for (&log, verdict) in view.mine.iter().zip(verdicts) {
            match verdict {
                Some(mut verdict) => {
                    if verdict.sureness.standing == Standing::Ambiguous {
                        verdict.sureness.reasons.extend(missing.clone());
                    }
                    of_log.insert(log, verdict.sureness.clone());
                    of_wire
                        .entry(verdict.wire)
                        .or_default()
                        .push(Verdict { log, ..verdict });
                }
                None => {
                    of_log.insert(log, view.why_alone(log, &clock));
                }
            }
        }
        alignment.clocks.push(clock);
    }
    alignment
        .sessions
        .extend(wires.iter().enumerate().map(|(at, wire)| {
            joined_wire(at, wire, logs, of_wire.get(&at).map_or(&[], Vec::as_slice))
        }));
    let claimed: BTreeSet<usize> = of_wire
        .values()
        .flatten()
        .filter(|verdict| verdict.sureness.standing == Standing::Matched)
        .map(|verdict| verdict.log)
        .collect();
    alignment.sessions.extend(
        (0..logs.len())
            .filter(|log| !claimed.contains(log))
            .map(|log| Joined {
                logs: vec![log],
                verdict: of_log.get(&log).cloned().unwrap_or_default(),
                exchanges: logs.get(log).map(sequence::untold).unwrap_or_default(),
                ..Joined::default()
            }),
    );
    alignment
}

fn sessions_of(id: LogId, logs: &[LogSession]) -> Vec<usize> {
    logs.iter()
        .enumerate()
        .filter(|(_, log)| log.log == id && !log.events.is_empty())
        .map(|(at, _)| at)
        .collect()
}

/// The wire session as both saw it.
fn joined_wire(at: usize, wire: &WireSession, logs: &[LogSession], verdicts: &[Verdict]) -> Joined {
    let mut joined = Joined {
        wire: Some(at),
        ..Joined::default()
    };
    for verdict in verdicts {
        match verdict.sureness.standing {
            Standing::Matched => joined.logs.push(verdict.log),
            _ => joined.candidates.push(verdict.log),
        }
        if joined.verdict.standing != Standing::Matched {
            joined.verdict = verdict.sureness.clone();
        }
    }
    let mine: Vec<&LogSession> = joined
        .logs
        .iter()
        .filter_map(|&log| logs.get(log))
        .collect();
    let lines = mine.iter().all(|log| rows::single(log).is_some());
    let told = if lines {
        rows::together(&mine)
    } else {
        mine.first().map(|log| (*log).clone())
    };
    joined.exchanges = match told {
        Some(log) => sequence::lay(wire, &log).exchanges,
        None => sequence::alone(wire),
    };
    joined
}

/// A log session's best wire session and how sure that is.
#[derive(Clone, Debug)]
struct Verdict {
    log: usize,
    wire: usize,
    /// Where a log has a line for each exchange: which one.
    place: Option<usize>,
    sureness: Match,
}

/// A clock, and for each session of its log what it was joined with.
type Settled = (Clock, Vec<Option<Verdict>>);

/// What earlier rounds taught of a log that has a line for each exchange.
#[derive(Default)]
struct Learnt {
    order: Order,
    overheads: Overheads,
}

/// One log against the capture.
struct View<'a> {
    wires: &'a [WireSession],
    logs: &'a [LogSession],
    /// The sessions of this log, as indices.
    mine: Vec<usize>,
    /// What the log's format can show.
    shows: Shows,
    background: &'a Background,
    origin: Nanos,
}

/// A wire session and, where a log has a line for each exchange, which one.
type Column = (usize, Option<usize>);

/// A pair that could be, with what speaks for it.
struct Weighed {
    row: usize,
    wire: usize,
    /// The wire session, or the one of its exchanges that a log of single lines tells of.
    column: Column,
    evidence: Evidence,
}

impl View<'_> {
    /// Clock and pairs; where no address of the log occurs on the wire, only by a translation that is known.
    fn run(&self, id: LogId, known: Option<&Translation>, clocks: &[Clock]) -> Option<Settled> {
        match Translation::suspect(self.wires, self.logs, &self.mine) {
            Translation::Any => self.under(id, known?, clocks),
            translation => self.under(id, &translation, clocks),
        }
    }

    /// The translation that this log's sessions speak for, if they do.
    fn translation(&self, id: LogId) -> Option<Translation> {
        let suspected = Translation::suspect(self.wires, self.logs, &self.mine);
        if suspected.is_none() {
            return None;
        }
        let first = self.under(id, &suspected, &[])?;
        // What the pairs say of the addresses makes better pairs.
        let learnt = Translation::learn(self.names(&first.1));
        let second = self.under(id, &learnt, &[])?;
        self.bears_out(&second.1).then_some(learnt)
    }

    /// Whether so many pairs were found that addresses which all differ can be believed to be translated: most of what either side
    /// has of this kind. By chance a few always fit.
    fn bears_out(&self, chosen: &[Option<Verdict>]) -> bool {
        let told: BTreeSet<Proto> = (0..self.mine.len())
            .filter_map(|row| Some(self.log(row)?.proto))
            .collect();
        let seen = self
            .wires
            .iter()
            .filter(|wire| told.contains(&wire.proto))
            .count();
        claimed(chosen) * 3 >= seen.min(self.mine.len()) * 2
    }

    /// Address on the wire and in the log of each pair claimed.
    fn names<'b>(
        &'b self,
        chosen: &'b [Option<Verdict>],
    ) -> impl Iterator<Item = (IpAddr, IpAddr)> + 'b {
        chosen
            .iter()
            .enumerate()
            .filter_map(|(row, verdict)| Some((row, verdict.as_ref()?)))
            .filter(|(_, verdict)| verdict.sureness.standing == Standing::Matched)
            .filter_map(|(row, verdict)| {
                let wire = self.wires.get(verdict.wire)?;
                Some((wire.conversation.client.ip, self.log(row)?.peer?))
            })
    }

    /// Clock and pairs under a translation; begun from `clocks` of other logs, or without any from a vote.
    fn under(&self, id: LogId, translation: &Translation, clocks: &[Clock]) -> Option<Settled> {
        let candidates = Candidates::find(
            self.wires,
            self.logs,
            &self.mine,
            self.background,
            translation,
        );
        let resolution = self
            .mine
            .iter()
            .filter_map(|&log| self.logs.get(log)?.events.first())
            .map(|event| event.stamp.resolution)
            .max()?;
        if !clocks.is_empty() {
            return clocks
                .iter()
                .filter(|clock| clock.log != id)
                .map(|other| {
                    let line = Line::near(other.bound.as_seconds_f64());
                    let begun = Clock::from_line(id, self.origin, other.offset, resolution, &line);
                    self.settle(&candidates, begun, other.offset)
                })
                .filter(|(_, chosen)| claimed(chosen) > 0)
                .max_by(|(_, one), (_, other)| worth(one).total_cmp(&worth(other)));
        }
        let coarse = vote::coarse(&candidates)?;
        let lone = fit(&self.lone_constraints(&candidates, coarse));
        // Two beginnings, as either may mislead: the sessions that can have one partner only, and the vote itself.
        let beginnings = [lone, Some(Line::vague())];
        let mut best: Option<Settled> = None;
        for line in beginnings.iter().flatten() {
            let clock = Clock::from_line(id, self.origin, coarse, resolution, line);
            let settled = self.settle(&candidates, clock, coarse);
            let explains = claimed(&settled.1);
            if best
                .as_ref()
                .is_none_or(|best| worth(&settled.1) > worth(&best.1))
            {
                best = Some(settled);
            }
            // What explains nearly all cannot be bettered.
            if explains * 10 >= self.mine.len() * 9 {
                break;
            }
        }
        best
    }

    /// Pairs and clock found from each other until neither changes.
    fn settle(&self, candidates: &Candidates, mut clock: Clock, coarse: Span) -> Settled {
        let mut learnt = Learnt::default();
        // What is possible teaches the first round, what was chosen those that follow.
        if self.has_rows() {
            let possible = self.weigh_all(candidates, &clock, &learnt);
            learnt.overheads = self.overheads(&possible);
        }
        let mut chosen = self.choose(candidates, &clock, &learnt);
        // Wrong pairs of a rough clock fall away under a better one, which then knows better still.
        for _ in 0..ROUNDS {
            let Some(line) = fit(&self.paired_constraints(&chosen, coarse)) else {
                break;
            };
            clock = Clock::from_line(clock.log, self.origin, coarse, clock.resolution, &line);
            learnt.order = self.order(&chosen);
            let better = self.choose(candidates, &clock, &learnt);
            let settled = nearly_same(&better, &chosen);
            chosen = better;
            if settled {
                break;
            }
        }
        (clock, chosen)
    }

    /// Constraints from log sessions that have one possible partner near the coarse offset.
    fn lone_constraints(&self, candidates: &Candidates, coarse: Span) -> Vec<Constraint> {
        let mut constraints = Vec::new();
        for (row, wires) in candidates.by_row.iter().enumerate() {
            let Some(log) = self.log(row) else { continue };
            let mut near = wires
                .iter()
                .filter_map(|&wire| self.wires.get(wire))
                .filter(|wire| {
                    let reach = vote::REACH + 1e-3 * wire.start.since(self.origin).as_seconds_f64();
                    moment::shared_offsets(wire, log, coarse)
                        .is_some_and(|(lo, hi)| lo <= reach && hi >= -reach)
                });
            if let (Some(wire), None) = (near.next(), near.next()) {
                constraints.extend(shared(moment::constraints(wire, log, coarse, self.origin)));
            }
        }
        constraints
    }

    /// Constraints from pairs that were claimed, command by command.
    fn paired_constraints(&self, chosen: &[Option<Verdict>], coarse: Span) -> Vec<Constraint> {
        let mut constraints = Vec::new();
        for (row, verdict) in chosen.iter().enumerate() {
            let Some(verdict) = verdict
                .as_ref()
                .filter(|verdict| verdict.sureness.standing == Standing::Matched)
            else {
                continue;
            };
            if let (Some(wire), Some(log)) = (self.wires.get(verdict.wire), self.log(row)) {
                if let (Some(place), Some(event)) = (verdict.place, log.events.first()) {
                    let slot = rows::slots(wire).into_iter().nth(place);
                    constraints
                        .extend(slot.map(|s| s.window.constraint(event, coarse, self.origin)));
                    continue;
                }
                let events = moment::constraints(wire, log, coarse, self.origin);
                let commands = self.command_constraints(wire, log, coarse);
                constraints.extend(shared(events.chain(commands)));
            }
        }
        constraints
    }

    fn command_constraints(
        &self,
        wire: &WireSession,
        log: &LogSession,
        coarse: Span,
    ) -> Vec<Constraint> {
        let laid = sequence::lay(wire, log);
        let by_line: BTreeMap<_, &Exchange> = laid
            .exchanges
            .iter()
            .filter_map(|exchange| Some((exchange.line?, exchange)))
            .collect();
        let commands = log
            .events
            .iter()
            .filter(|event| matches!(event.what, Event::Command(_)));
        commands
            .filter_map(|event| {
                let window = moment::answering(by_line.get(&event.line)?)?;
                Some(window.constraint(event, coarse, self.origin))
            })
            .collect()
    }

    fn log(&self, row: usize) -> Option<&LogSession> {
        self.logs.get(*self.mine.get(row)?)
    }

    /// The assignment of greatest total score under `clock`.
    fn choose(
        &self,
        candidates: &Candidates,
        clock: &Clock,
        learnt: &Learnt,
    ) -> Vec<Option<Verdict>> {
        let mut verdicts: Vec<Option<Verdict>> = (0..self.mine.len()).map(|_| None).collect();
        let weighed = self.weigh_all(candidates, clock, learnt);
        for component in components(&weighed) {
            for choice in solve(&component) {
                let Some(of) = component
                    .iter()
                    .find(|w| w.row == choice.row && w.column == choice.column)
                else {
                    continue;
                };
                if let (Some(slot), Some(&log)) =
                    (verdicts.get_mut(choice.row), self.mine.get(choice.row))
                {
                    *slot = Some(Verdict {
                        log,
                        wire: of.wire,
                        place: of.column.1,
                        sureness: judge(&of.evidence, choice.margin),
                    });
                }
            }
        }
        verdicts
    }

    /// Where the single lines that were claimed lie on the wire.
    fn order(&self, chosen: &[Option<Verdict>]) -> Order {
        let known = chosen.iter().enumerate().filter_map(|(row, verdict)| {
            let verdict = verdict
                .as_ref()
                .filter(|verdict| verdict.sureness.standing == Standing::Matched)?;
            let slots = rows::slots(self.wires.get(verdict.wire)?);
            let event = self.log(row)?.events.first()?;
            Some((event.line.line, slots.get(verdict.place?)?.window))
        });
        Order::of(known.collect())
    }

    /// Whether the log has a line for each exchange.
    fn has_rows(&self) -> bool {
        self.log(0).is_some_and(|log| rows::single(log).is_some())
    }

    /// Lengths of hidden heads, as the pairs that are possible would have them: each line counts once.
    fn overheads(&self, possible: &[Weighed]) -> Overheads {
        let mut choices: BTreeMap<usize, u32> = BTreeMap::new();
        for weighed in possible {
            *choices.entry(weighed.row).or_default() += 1;
        }
        let mut overheads = Overheads::default();
        for weighed in possible {
            let octets = self.wires.get(weighed.wire).and_then(|wire| {
                let slots = rows::slots(wire);
                slots.get(weighed.column.1?)?.hidden_octets()
            });
            let command = self.log(weighed.row).and_then(rows::single);
            if let (Some(octets), Some(command), Some(&of)) =
                (octets, command, choices.get(&weighed.row))
            {
                overheads.learn(command, octets, 1.0 / f64::from(of));
            }
        }
        overheads
    }

    fn weigh_all(&self, candidates: &Candidates, clock: &Clock, learnt: &Learnt) -> Vec<Weighed> {
        let mut weighed = Vec::new();
        for (row, wires) in candidates.by_row.iter().enumerate() {
            let Some(log) = self.log(row) else { continue };
            let usual = evidence::usual(wires.iter().filter_map(|&at| self.wires.get(at)), log);
            for &at in wires {
                let Some(wire) = self.wires.get(at) else {
                    continue;
                };
                if let Some(command) = rows::single(log) {
                    self.weigh_row(row, at, command, (clock, learnt), &mut weighed);
                    continue;
                }
                let offset = clock.offset_at(wire.start);
                let Some((lo, hi)) = moment::shared_offsets(wire, log, offset) else {
                    continue;
                };
                let slack = clock.bound.as_seconds_f64() + TIME_SLACK;
                let miss = lo.max(-hi).max(0.0) - slack;
                if miss > TIME_LIMIT {
                    continue;
                }
                let window = clock.resolution.as_seconds_f64() + 2.0 * slack;
                let laid = sequence::lay(wire, log);
                let mut evidence =
                    evidence::weigh(self.background, wire, log, &laid, &usual, window);
                if miss > 0.0 {
                    // Ten times less likely for each tenth of a second beyond what the clock allows.
                    evidence.score -= 23.0 * miss;
                    evidence
                        .reasons
                        .push(format!("{miss:.3} s beyond what the clock allows"));
                }
                weighed.push(Weighed {
                    row,
                    wire: at,
                    column: (at, None),
                    evidence,
                });
            }
        }
        weighed
    }

    /// A log line against each exchange of a connection.
    fn weigh_row(
        &self,
        row: usize,
        at: usize,
        command: &LogCommand,
        (clock, learnt): (&Clock, &Learnt),
        out: &mut Vec<Weighed>,
    ) {
        let (Some(wire), Some(log)) = (self.wires.get(at), self.log(row)) else {
            return;
        };
        let Some(event) = log.events.first() else {
            return;
        };
        let slack = clock.bound.as_seconds_f64() + TIME_SLACK;
        let between = learnt.order.around(event.line.line);
        let window = between.length().map_or(f64::INFINITY, Span::as_seconds_f64);
        let window = window.min(clock.resolution.as_seconds_f64() + 2.0 * slack);
        for (slot, place) in rows::slots(wire).iter().enumerate() {
            let offset = clock.offset_at(place.window.lo);
            let (lo, hi) = place.window.offsets(event, offset);
            if lo.max(-hi) > slack || !between.allows(place.window) {
                continue;
            }
            let mut evidence = evidence::weigh_row(self.background, wire, log, window);
            if place.weigh(command, &mut evidence) {
                if let Some(octets) = place.hidden_octets() {
                    evidence.score += learnt.overheads.gain(command, octets);
                }
                out.push(Weighed {
                    row,
                    wire: at,
                    column: (at, Some(slot)),
                    evidence,
                });
            }
        }
    }

    fn why_no_clock(&self) -> String {
        if self.wires.is_empty() {
            "there is no capture to compare with".into()
        } else if self.mine.is_empty() {
            "the log has no sessions".into()
        } else {
            "no offset between the two clocks makes the log's sessions fall on the capture's: another server, another day, or too few to tell".into()
        }
    }

    /// What the log could be made to say that it does not, and which would make its sessions sure.
    fn missing(&self) -> Option<String> {
        let silent = |log: &&usize| {
            let session = self.logs.get(**log);
            session.is_some_and(|session| session.peer_port.is_none())
        };
        let setting = self.shows.client_port.remedy()?;
        let all_silent = self.mine.iter().filter(silent).count() == self.mine.len();
        all_silent.then(|| format!("the log names no client port; {setting} would write it"))
    }

    fn why_alone(&self, log: usize, clock: &Clock) -> Match {
        let stamps = self.logs.get(log).and_then(LogSession::stamps);
        let first = self.wires.iter().map(|wire| wire.start).min();
        let last = self.wires.iter().map(|wire| wire.end).max();
        let reason = match (stamps, first, last) {
            (Some((_, end)), Some(first), _)
                if clock.to_capture(end.at) + end.resolution < first =>
            {
                "before the capture began"
            }
            (Some((start, _)), _, Some(last)) if clock.to_capture(start.at) > last => {
                "after the capture ended"
            }
            _ => "nothing in the capture fits its time, address and commands",
        };
        Match {
            reasons: vec![reason.into()],
            ..Match::default()
        }
    }
}

/// How many log sessions were claimed.
fn claimed(chosen: &[Option<Verdict>]) -> usize {
    pairs(chosen).iter().flatten().count()
}

/// Which wire session each log session was claimed for.
fn pairs(chosen: &[Option<Verdict>]) -> Vec<Option<usize>> {
    chosen
        .iter()
        .map(|verdict| {
            let matched = verdict
                .as_ref()
                .filter(|verdict| verdict.sureness.standing == Standing::Matched);
            matched.map(|verdict| verdict.wire)
        })
        .collect()
}

/// Whether two choices differ in one session of a hundred at most.
fn nearly_same(one: &[Option<Verdict>], other: &[Option<Verdict>]) -> bool {
    let (one, other) = (pairs(one), pairs(other));
    let changed = one.iter().zip(&other).filter(|(one, other)| one != other);
    changed.count() * 100 <= one.len()
}

/// Total score of the pairs that are claimed.
fn worth(chosen: &[Option<Verdict>]) -> f64 {
    chosen
        .iter()
        .flatten()
        .filter(|verdict| verdict.sureness.standing == Standing::Matched)
        .filter_map(|verdict| verdict.sureness.score)
        .sum()
}

/// What all events of a pair allow together: one constraint, so that a wrong pair counts once however many lines it
/// has. None when they contradict each other, as only wrong pairs do.
fn shared(constraints: impl Iterator<Item = Constraint>) -> Option<Constraint> {
    let all = constraints.reduce(|one, other| Constraint {
        at: one.at.min(other.at),
        lo: one.lo.max(other.lo),
        hi: one.hi.min(other.hi),
        late: if one.lo > other.lo {
            one.late
        } else {
            other.late
        },
        tick: if one.hi < other.hi {
            one.tick
        } else {
            other.tick
        },
    })?;
    (all.lo <= all.hi).then_some(all)
}

/// What a choice amounts to.
fn judge(evidence: &Evidence, margin: f64) -> Match {
    let clear = margin >= CLEAR;
    // Of least worth is to leave the session alone; that is no other candidate.
    let next = evidence.score - margin;
    let runner_up = (next > CLAIM - CLEAR + 1e-9).then_some(next);
    let mut reasons = evidence.reasons.clone();
    reasons.push(match (runner_up, clear) {
        (None, true) => "nothing else comes near".into(),
        (Some(next), true) => format!("the next best choice scores {next:.1}"),
        (_, false) => format!("the next best choice scores {next:.1}, too near to tell"),
    });
    Match {
        standing: if clear {
            Standing::Matched
        } else {
            Standing::Ambiguous
        },
        score: Some(evidence.score),
        runner_up,
        reasons,
    }
}

/// A chosen pair in the numbers of the view.
struct Choice {
    row: usize,
    column: Column,
    margin: f64,
}

/// Solves one component; rows and columns keep their own numbers.
fn solve(component: &[&Weighed]) -> Vec<Choice> {
    let mut rows: Vec<usize> = component.iter().map(|w| w.row).collect();
    let mut columns: Vec<Column> = component.iter().map(|w| w.column).collect();
    rows.sort_unstable();
    rows.dedup();
    columns.sort_unstable();
    columns.dedup();
    let pairs: Vec<Pair> = component
        .iter()
        .filter_map(|w| {
            Some(Pair {
                row: rows.binary_search(&w.row).ok()?,
                column: columns.binary_search(&w.column).ok()?,
                gain: w.evidence.score - CLAIM + CLEAR,
            })
        })
        .filter(|pair| pair.gain > CLEAR)
        .collect();
    let wire_of = |column: usize| columns.get(column).map_or(0, |&(wire, _)| wire);
    assign(rows.len(), columns.len(), &pairs, wire_of)
        .into_iter()
        .filter_map(|c| {
            Some(Choice {
                row: *rows.get(c.row)?,
                column: *columns.get(c.column)?,
                margin: c.margin,
            })
        })
        .collect()
}

/// The pairs, in groups that share no row and no column.
fn components(weighed: &[Weighed]) -> Vec<Vec<&Weighed>> {
    let mut group_of_row: BTreeMap<usize, usize> = BTreeMap::new();
    let mut group_of_wire: BTreeMap<Column, usize> = BTreeMap::new();
    let mut parent: Vec<usize> = Vec::new();
    for w in weighed {
        let row = *group_of_row
            .entry(w.row)
            .or_insert_with(|| new_group(&mut parent));
        let wire = *group_of_wire
            .entry(w.column)
            .or_insert_with(|| new_group(&mut parent));
        let (row, wire) = (root(&parent, row), root(&parent, wire));
        if let Some(slot) = parent.get_mut(row.max(wire)) {
            *slot = row.min(wire);
        }
    }
    let mut groups: BTreeMap<usize, Vec<&Weighed>> = BTreeMap::new();
    for w in weighed {
        let group = group_of_row
            .get(&w.row)
            .map_or(0, |&group| root(&parent, group));
        groups.entry(group).or_default().push(w);
    }
    groups.into_values().collect()
}

fn new_group(parent: &mut Vec<usize>) -> usize {
    parent.push(parent.len());
    parent.len() - 1
}

fn root(parent: &[usize], mut group: usize) -> usize {
    while let Some(&up) = parent.get(group).filter(|&&up| up != group) {
        group = up;
    }
    group
}
