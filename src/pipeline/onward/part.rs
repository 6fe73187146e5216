//! A part of the run: what is settled, numbered and put together as an account.

use std::collections::{BTreeMap, BTreeSet};

use crate::align::{Alignment, Joined, Standing, WireFate};
use crate::model::{LogSession, LogSource, Nanos, Proto, WireSession};
use crate::report::{Account, Part};

use super::choose::{Came, Choice};
use super::held::{GivenLog, GivenWire, Held};
use super::marks::Now;

/// Sessions that are to be given now. [`Held::take_back`] takes it when that is done.
pub(super) struct Given {
    /// All that is held, those to be given numbered from the part's first number on.
    pub(super) account: Account,
    /// How many of its connections are over: behind them are those that go on.
    pub(super) wires: usize,
    /// When the oldest of its connections began that is not given now and was not before.
    pub(super) open_since: Option<Nanos>,
    pub(super) fresh_wires: Vec<(usize, GivenWire)>,
    /// By their index among those held, those that are given, with their index in the account; last lines that ended none have none.
    pub(super) fresh_logs: Vec<(usize, Option<usize>, GivenLog)>,
}

impl Given {
    /// The wire sessions among them, each with its number.
    pub(super) fn wires(&mut self) -> impl Iterator<Item = (&mut WireSession, usize)> {
        let numbers: BTreeMap<usize, usize> = self
            .fresh_wires
            .iter()
            .map(|&(at, given)| (at, given.number))
            .collect();
        let wires = self.account.wires.iter_mut().enumerate();
        wires.filter_map(move |(at, wire)| Some((wire, *numbers.get(&at)?)))
    }
}

impl Held {
    /// Numbers what is given now, and makes an account of it; `None` where nothing is.
    pub(super) fn part(
        &mut self,
        now: &Now<'_>,
        sources: &[LogSource],
        logs: Vec<LogSession>,
        alignment: Alignment,
        (places, came): (&[Option<usize>], &Came),
        choice: &Choice,
    ) -> Option<Given> {
        let from = self.given + 1;
        let mut numbers = Vec::new();
        let mut sessions = Vec::new();
        let mut fresh_wires = Vec::new();
        let mut fresh_logs: Vec<(usize, Option<usize>, GivenLog)> = Vec::new();
        let mut own: BTreeMap<usize, usize> = BTreeMap::new();
        for (joined, may) in alignment.sessions.into_iter().zip(&choice.may) {
            let number = if *may {
                self.given += 1;
                Some(self.given)
            } else {
                match self.number_before(&joined, came) {
                    Number::Given(number) => Some(number),
                    Number::None => None,
                    Number::PartOfAnother => continue,
                }
            };
            if let Some(number) = number.filter(|_| *may) {
                match joined.wire {
                    Some(at) => fresh_wires.push((at, Self::fate(&joined, number))),
                    None => own.extend(joined.logs.iter().map(|&log| (log, number))),
                }
                let with = joined.wire.and_then(|at| self.seen.get(at));
                let with = with.map(|seen| seen.key);
                // Those that may be it have a session of their own.
                for &at in joined.logs.iter().chain(&joined.candidates) {
                    let origins = came.origins(at).iter();
                    let given = GivenLog { with, number: None };
                    fresh_logs.extend(origins.map(|&origin| (origin, Some(at), given)));
                }
            }
            numbers.push(number);
            sessions.push(joined);
        }
        fresh_logs.sort_by_key(|&(origin, _, given)| (origin, given.with.is_none()));
        fresh_logs.dedup_by_key(|&mut (origin, ..)| origin);
        for (_, at, given) in &mut fresh_logs {
            given.number = at.and_then(|at| own.get(&at).copied());
        }
        self.drop_ends(now, places, &mut fresh_logs);
        if self.given < from && fresh_logs.is_empty() {
            return None;
        }
        let wires = self.wires.len();
        let open_since = self.open_since(now, &fresh_wires);
        let mut all = std::mem::take(&mut self.wires);
        all.extend(now.open.iter().map(|open| {
            let mut wire = WireSession::new(open.conversation, Proto::UNKNOWN, open.start);
            wire.end = open.last;
            wire.history
                .push_str(if open.answered { "Sh" } else { "S" });
            wire
        }));
        let account = Account {
            // How far a log is says nothing while lines of it are not in sessions yet.
            sources: sources
                .iter()
                .map(|source| LogSource {
                    first: None,
                    last: None,
                    ..source.clone()
                })
                .collect(),
            wires: all,
            logs,
            alignment: Alignment {
                clocks: self.clocks.clone(),
                sessions,
            },
            part: Part {
                numbers,
                from,
                ..Part::default()
            },
            ..Account::default()
        };
        Some(Given {
            account,
            wires,
            open_since,
            fresh_wires,
            fresh_logs,
        })
    }

    /// When the oldest connection began that is neither given now nor was before.
    fn open_since(&self, now: &Now<'_>, fresh: &[(usize, GivenWire)]) -> Option<Nanos> {
        let fresh: BTreeSet<usize> = fresh.iter().map(|(at, _)| *at).collect();
        let held = self.wires.iter().zip(&self.seen).enumerate();
        let held = held.filter(|(at, (_, seen))| seen.given.is_none() && !fresh.contains(at));
        let held = held.map(|(_, (wire, _))| wire.start);
        held.chain(now.open.iter().map(|open| open.start)).min()
    }

    /// Last lines whose session was given, or that ended none, go when they are old enough.
    fn drop_ends(
        &self,
        now: &Now<'_>,
        places: &[Option<usize>],
        fresh: &mut Vec<(usize, Option<usize>, GivenLog)>,
    ) {
        let known = self.known(now);
        for (at, (log, place)) in self.logs.iter().zip(places).enumerate() {
            let waits = log.given.is_none() && place.is_none();
            if waits && known.is_told(&log.session, log.came, log.since) {
                let given = GivenLog {
                    with: None,
                    number: None,
                };
                fresh.push((at, None, given));
            }
        }
    }

    fn fate(joined: &Joined, number: usize) -> GivenWire {
        let joins = joined.verdict.standing == Standing::Matched || !joined.candidates.is_empty();
        GivenWire {
            number,
            fate: if joins {
                WireFate::Joined
            } else {
                WireFate::Alone
            },
        }
    }

    /// What number a session has that is not given now.
    fn number_before(&self, joined: &Joined, came: &Came) -> Number {
        if let Some(at) = joined.wire {
            let given = self.seen.get(at).and_then(|seen| seen.given);
            return given.map_or(Number::None, |given| Number::Given(given.number));
        }
        let first = joined
            .logs
            .first()
            .and_then(|&at| came.origins(at).first().copied());
        match first.and_then(|log| self.logs.get(log)?.given) {
            Some(GivenLog {
                number: Some(number),
                ..
            }) => Number::Given(number),
            Some(_) => Number::PartOfAnother,
            None => Number::None,
        }
    }
}

/// What number a session has.
enum Number {
    Given(usize),
    /// It is a log session of a session that has one.
    PartOfAnother,
    None,
}
