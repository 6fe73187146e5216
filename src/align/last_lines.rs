//! Last lines of which a log does not tell whose they are: a user had several sessions open, and the line names only the user.
//! The capture tells, by when each of them ended and by the octets that passed.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use crate::model::{Extent, LogSession, Nanos, Proto, Span, What};

use super::component;
use super::evidence::Evidence;
use super::groups::{Edge, Edges};
use super::octets::OctetsFit;
use super::pairing::Pairing;
use super::row::Row;
use super::settled::{Settled, Verdict};
use super::verdict::{Match, Standing};
use super::view::View;
use super::weighing::{self, Weighing};

/// Sessions of one line that are looked at: by its octets it is mostly of one.
const CROWD: usize = 8;
/// Worth of a wire session that is known to be one of those that the line may have ended.
const ONE_OF_THEM: f64 = 3.0;

/// A last line whose session was found.
pub(super) struct LastLine {
    verdict: Verdict,
    /// The log session that it ends; none where the log does not show how that began.
    owner: Option<usize>,
    reasons: Vec<String>,
}

/// What the log has of a wire session.
#[derive(Clone)]
enum Taken {
    Nothing,
    /// How it began, in this log session, of these users.
    Begun(usize, Numbers),
    /// All of it.
    Whole,
}

/// The users that a log names in each protocol, numbered: each last line is held against all sessions of its time.
#[derive(Default)]
struct Users<'a>(HashMap<(Proto, &'a str), u32, RandomState>);

/// The numbers of some users; mostly of one.
type Numbers = SmallVec<[u32; 2]>;

impl<'a> Users<'a> {
    fn of(&mut self, log: &'a LogSession) -> Numbers {
        let names = log.names.iter().map(|name| {
            let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
            *self.0.entry((log.proto, name)).or_insert(next)
        });
        names.collect()
    }
}

/// The last lines of the log of `view` that belong to one wire session and to no other.
pub(super) fn find(view: &View<'_>, settled: &Settled) -> Vec<LastLine> {
    let logs = view.logs.iter().enumerate();
    let mine: Vec<usize> = logs
        .filter(|(_, log)| log.log == view.id && log.extent == Extent::End)
        .map(|(at, _)| at)
        .collect();
    if mine.is_empty() {
        return Vec::new();
    }
    let ends = view.part(mine);
    let mut users = Users::default();
    let mut taken = vec![Taken::Nothing; view.wires.sessions.len()];
    for verdict in settled.clear() {
        if let (Some(of_wire), Some(log)) =
            (taken.get_mut(verdict.wire), view.logs.get(verdict.log))
        {
            *of_wire = taken_by(verdict.log, log, &mut users);
        }
    }
    let users = (0..ends.mine.len()).map(|row| ends.log(row).map(|log| users.of(log)));
    let users: Vec<Numbers> = users.map(Option::unwrap_or_default).collect();
    let candidates: Vec<Vec<Candidate>> = ends.each_row(|row| {
        let users = users.get(row).map_or(&[][..], Numbers::as_slice);
        candidates(&ends, settled, (&taken, users), row)
    });
    let mut edges = Vec::new();
    for (row, found) in candidates.iter().enumerate() {
        let Some(told) = Row::of(&ends, row) else {
            continue;
        };
        let from = edges.len();
        edges.extend(found.iter().map(|candidate| Edge {
            row,
            column: candidate.pairing.column(),
            score: candidate.score,
            places: candidate.pairing.places(&told),
            left_out: f64::NEG_INFINITY,
        }));
        Edge::thin(&mut edges, from, CROWD);
    }
    let mut chosen = component::choose(
        &Edges::new(edges),
        settled.learnt.order.lines(),
        view.wires.threads,
    );
    chosen.sort_unstable_by_key(|choice| choice.row);
    let found = view.wires.threads.map(chosen.len(), |at| {
        let choice = *chosen.get(at)?;
        let verdict = Verdict::of(*ends.mine.get(choice.row)?, choice);
        let owner = match taken.get(verdict.wire) {
            Some(&Taken::Begun(log, _)) => Some(log),
            _ => None,
        };
        let mut end = LastLine {
            verdict,
            owner,
            reasons: Vec::new(),
        };
        if !end.verdict.is_clear() || end.owner.is_none() && !end.is_proven(view) {
            return None;
        }
        let mut told = Evidence::told();
        Row::of(&ends, choice.row)?.tell(choice.column, &mut told);
        end.reasons = told.reasons.unwrap_or_default();
        Some(end)
    });
    found.into_iter().flatten().collect()
}

/// A wire session that a last line may be of.
struct Candidate {
    pairing: Pairing,
    score: f64,
}

/// What a claimed log session leaves open of its wire session.
fn taken_by<'a>(at: usize, log: &'a LogSession, users: &mut Users<'a>) -> Taken {
    if log.events.iter().any(|event| event.what == What::Close) {
        Taken::Whole
    } else {
        Taken::Begun(at, users.of(log))
    }
}

/// The wire sessions that the last line of `row`, of some users, may be of, each once.
fn candidates(
    ends: &View<'_>,
    settled: &Settled,
    (taken, users): (&[Taken], &[u32]),
    row: usize,
) -> Vec<Candidate> {
    let clock = &settled.clock;
    let offsets = std::iter::once(clock.offset).chain(clock.steps.iter().map(|step| step.offset));
    // What is known of the line beside its own words; none where the wire session is another's.
    let bonus = |wire: usize| match taken.get(wire)? {
        Taken::Nothing => Some(0.0),
        Taken::Begun(_, of) => {
            let is_alike = of.iter().any(|user| users.contains(user));
            is_alike.then_some(ONE_OF_THEM)
        }
        Taken::Whole => None,
    };
    let slack = weighing::reach(settled.learnt.slack);
    let mut found: Vec<Candidate> = Vec::new();
    for coarse in offsets {
        let offset_at = |at: Nanos| -> Span { clock.offset_at(at) - coarse };
        let known = ends.known(clock, &offset_at, &settled.learnt);
        let Some(weighing) = Weighing::of(ends, row, &known) else {
            continue;
        };
        let is_open = |wire| bonus(wire).is_some();
        let near = ends.gather_of(row, (clock, slack, coarse), is_open);
        found.extend(near.into_iter().filter_map(|pairing| {
            let score = bonus(pairing.wire())? + weighing.score(&pairing)?;
            Some(Candidate { pairing, score })
        }));
    }
    // Of one session under several offsets the best, and of equals the first.
    found.sort_by(|one, other| {
        let wires = one.pairing.wire().cmp(&other.pairing.wire());
        wires.then(other.score.total_cmp(&one.score))
    });
    found.dedup_by_key(|candidate| candidate.pairing.wire());
    found
}

impl LastLine {
    /// Whether the octets that passed are those that the line counts: without a beginning in the log its time alone says little, as the
    /// session may have been over before the capture began.
    fn is_proven(&self, view: &View<'_>) -> bool {
        let told = view
            .logs
            .get(self.verdict.log)
            .and_then(|log| log.rare().octets);
        let wire = view.wire(self.verdict.wire);
        wire.zip(told)
            .is_some_and(|(wire, told)| OctetsFit::of(wire, told) == Some(OctetsFit::Exact))
    }

    /// The line and the session that it ends, where it is no session of its own.
    pub(super) fn absorbed(&self) -> Option<(usize, usize)> {
        Some((self.verdict.log, self.owner?))
    }

    /// What became of the line as a session of its own.
    fn alone(&self) -> (Verdict, Match) {
        let found = Match {
            standing: Standing::Matched,
            score: Some(self.verdict.score),
            runner_up: None,
            reasons: self.reasons.clone(),
        };
        (self.verdict, found)
    }
}

/// Adds what the lines said to the reasons of the sessions that they end, or makes them ones of their own.
pub(super) fn note(ends: &[LastLine], pairs: &mut Vec<(Verdict, Match)>) {
    let known = pairs.iter().enumerate();
    let of_log: HashMap<usize, usize> = known.map(|(at, (pair, _))| (pair.log, at)).collect();
    for end in ends {
        let owner = end.owner.and_then(|owner| of_log.get(&owner));
        match owner.and_then(|&at| pairs.get_mut(at)) {
            Some((_, found)) => found.reasons.extend(end.reasons.iter().cloned()),
            None => pairs.push(end.alone()),
        }
    }
}

/// Gives each session the last line that was found to be its, and takes away those of none. Tells where each of `logs` is now.
pub(super) fn put(logs: &mut Vec<LogSession>, ends: &[LastLine]) -> Vec<Option<usize>> {
    let mut of: BTreeMap<usize, Option<usize>> = BTreeMap::new();
    for end in ends {
        of.insert(end.verdict.log, end.owner);
    }
    for (&end, &owner) in &of {
        let (Some(owner), Some(end)) = (owner, logs.get(end).cloned()) else {
            continue;
        };
        if let Some(whole) = logs.get_mut(owner) {
            whole.events.extend(&end.events);
            let (rare, told) = (whole.rare_mut(), end.rare());
            rare.octets = told.octets;
            rare.sizes.extend(told.sizes.iter().cloned());
            whole.ending = end.ending;
        }
    }
    let stays =
        |at: usize, log: &LogSession| log.extent == Extent::Whole || of.get(&at) == Some(&None);
    let mut next = 0;
    let places: Vec<Option<usize>> = logs
        .iter()
        .enumerate()
        .map(|(at, log)| {
            let place = stays(at, log).then_some(next);
            next += usize::from(place.is_some());
            place
        })
        .collect();
    let mut kept = places.iter();
    logs.retain(|_| kept.next().is_some_and(Option::is_some));
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Event, LineRef, LogEvent, LogId, LogTime, LoggedOctets, Proto, Stamp};

    fn log(line: u64, extent: Extent, what: Event) -> LogSession {
        let mut log = LogSession::new(LogId(0), Proto("imap"));
        log.extent = extent;
        log.names.push("ann".into());
        log.events.push(LogEvent {
            line: LineRef {
                log: LogId(0),
                line,
            },
            stamp: Stamp {
                at: LogTime(0),
                resolution: Span::SECOND,
            },
            what,
        });
        log
    }

    fn end(log: usize, owner: Option<usize>) -> LastLine {
        LastLine {
            verdict: Verdict {
                log,
                wire: 0,
                place: None,
                score: 5.0,
                margin: 5.0,
            },
            owner,
            reasons: vec!["9 octets in".into()],
        }
    }

    #[test]
    fn a_last_line_goes_to_the_session_that_it_ended_and_away_where_none_is_known() {
        let mut last = log(3, Extent::End, Event::Close);
        last.rare_mut().octets = Some(LoggedOctets {
            received: 9,
            sent: 8,
            unread: 0,
        });
        let mut logs = vec![
            log(4, Extent::End, Event::Close),
            log(1, Extent::Whole, Event::Login(String::new())),
            last,
            log(5, Extent::End, Event::Close),
            log(2, Extent::Whole, Event::Login(String::new())),
        ];
        let places = put(&mut logs, &[end(2, Some(4)), end(3, None)]);
        assert_eq!(places, [None, Some(0), None, Some(1), Some(2)]);
        let lines: Vec<Vec<u64>> = logs
            .iter()
            .map(|log| log.events.iter().map(|event| event.line.line).collect())
            .collect();
        assert_eq!(lines, [vec![1], vec![5], vec![2, 3]]);
        assert!(logs[2].rare().octets.is_some() && logs[0].rare().octets.is_none());
    }

    #[test]
    fn what_a_line_said_is_told_of_the_session_that_it_ended() {
        let owned = Verdict {
            log: 4,
            ..end(2, None).verdict
        };
        let mut pairs = vec![(owned, Match::alone("user ann as logged"))];
        note(&[end(2, Some(4)), end(3, None)], &mut pairs);
        assert_eq!(pairs.len(), 2);
        assert_eq!(pairs[0].1.reasons, ["user ann as logged", "9 octets in"]);
        assert_eq!(
            (pairs[1].0.log, pairs[1].1.standing),
            (3, Standing::Matched)
        );
    }
}
