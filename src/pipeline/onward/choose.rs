//! Which sessions are settled: passed by both sides, and none of them of what may still come.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::align::{Alignment, Before, Joined, LogFate, share_lines};

use super::doubt::Doubts;
use super::held::{Held, Told};
use super::marks::Now;
use super::rivals::Rivals;

/// What was compared, and with what.
#[derive(Clone, Copy)]
pub(super) struct Compared<'a> {
    pub(super) now: &'a Now<'a>,
    pub(super) rivals: &'a Rivals<'a>,
    pub(super) before: &'a Before,
    pub(super) alignment: &'a Alignment,
    /// Which of the log sessions held each of the alignment's came of.
    pub(super) came: &'a Came,
    /// Log sessions that were not compared.
    pub(super) ahead: &'a [Told],
    pub(super) doubts: &'a Doubts,
}

impl Held {
    /// Which of the alignment's sessions are given now.
    pub(super) fn choose(&mut self, compared: Compared<'_>) -> Choice {
        let alignment = compared.alignment;
        let came = compared.came;
        let mut choice = Choice {
            may: self.settled(compared),
        };
        let links = self.links(alignment, came);
        choice.keep_together(&links);
        let has_room = self.has_room_for_wires() && self.room_for_logs() > 0;
        if has_room || choice.may.iter().any(|may| *may) {
            return choice;
        }
        // What is held must not grow: the oldest go as they are.
        choice.may = self.oldest(alignment, came);
        let before = choice.may.iter().filter(|may| **may).count();
        choice.keep_together(&links);
        self.early += u64::try_from(before).unwrap_or(u64::MAX);
        choice
    }

    /// Which sessions both sides have passed.
    fn settled(&self, compared: Compared<'_>) -> Vec<bool> {
        let Compared {
            now,
            came,
            rivals,
            before,
            alignment,
            ahead,
            ..
        } = compared;
        let known = self.known(now);
        let doubts = compared.doubts;
        let told: Vec<bool> = self
            .logs
            .iter()
            .zip(&before.logs)
            .map(|(log, fate)| {
                let free = !self.has_rival(rivals, &log.session);
                // Lines of it may be of one that is not compared yet.
                let shares = |other: &Told| share_lines(&log.session, &other.session);
                // What waited long enough is given, but only after it was joined as what has a rival.
                let overdue = *fate == LogFate::Rivalled && known.is_overdue(log.came);
                let held = doubts.hold_log(&log.session) && !known.is_overdue(log.came);
                log.given.is_none()
                    && !held
                    && known.is_told(&log.session, log.came, log.since)
                    && !ahead.iter().any(shares)
                    && (free || overdue || now.is_over())
            })
            .collect();
        let of = |at: &usize| {
            let mut origins = came.origins(*at).iter();
            origins.all(|&log| told.get(log).copied().unwrap_or(false))
        };
        let sessions = alignment.sessions.iter().map(|joined| match joined.wire {
            Some(at) => {
                let wire = self.wires.get(at).zip(self.seen.get(at));
                let alone = joined.logs.is_empty() && joined.candidates.is_empty();
                let ripe = wire.is_some_and(|(wire, seen)| {
                    let open = seen.given.is_none() && known.is_ripe(wire, seen.came);
                    let is_held = doubts.hold_wire(wire) && !known.is_overdue(seen.came);
                    open && !(alone && is_held)
                });
                ripe && joined.logs.iter().chain(&joined.candidates).all(of)
            }
            None => joined.logs.iter().all(of),
        });
        sessions.collect()
    }

    /// The oldest part of what is not given.
    fn oldest(&self, alignment: &Alignment, came: &Came) -> Vec<bool> {
        let open = |joined: &Joined| match joined.wire {
            Some(at) => self.seen.get(at).is_some_and(|seen| seen.given.is_none()),
            None => joined.logs.iter().all(|&at| {
                let mut origins = came.origins(at).iter();
                origins.all(|&log| self.logs.get(log).is_some_and(|log| log.given.is_none()))
            }),
        };
        let (no_wires, no_logs) = (!self.has_room_for_wires(), self.room_for_logs() == 0);
        let mut waiting: Vec<(Instant, usize)> = alignment
            .sessions
            .iter()
            .enumerate()
            .filter(|(_, joined)| open(joined))
            .filter_map(|(at, joined)| match joined.wire {
                Some(wire) if no_wires => Some((self.seen.get(wire)?.came, at)),
                None if no_logs => {
                    let &log = came.origins(*joined.logs.first()?).first()?;
                    Some((self.logs.get(log)?.came, at))
                }
                _ => None,
            })
            .collect();
        waiting.sort_unstable();
        let mut may = vec![false; alignment.sessions.len()];
        for (_, at) in waiting.iter().take(waiting.len().div_ceil(8)) {
            if let Some(may) = may.get_mut(*at) {
                *may = true;
            }
        }
        may
    }

    /// Sessions that are given together or not at all: those that may be one, and those that may have lines of each other.
    fn links(&self, alignment: &Alignment, came: &Came) -> Vec<(usize, usize)> {
        /// Sessions of a log further on among which one like it is looked for.
        const WITHIN: usize = 64;
        let mut session_of: BTreeMap<usize, usize> = BTreeMap::new();
        for (at, joined) in alignment.sessions.iter().enumerate() {
            for &log in &joined.logs {
                let origins = came.origins(log).iter();
                session_of.extend(origins.map(|&origin| (origin, at)));
            }
        }
        let mut links = Vec::new();
        for (at, joined) in alignment.sessions.iter().enumerate() {
            for log in &joined.candidates {
                let origins = came.origins(*log).iter();
                links.extend(origins.filter_map(|origin| Some((at, *session_of.get(origin)?))));
            }
        }
        for (at, log) in self.logs.iter().enumerate() {
            let near = self.logs.iter().enumerate().skip(at + 1).take(WITHIN);
            let open = |log: &Told| log.given.is_none();
            let mates = near.filter(|(_, other)| {
                open(log) && open(other) && share_lines(&log.session, &other.session)
            });
            links.extend(
                mates.filter_map(|(other, _)| {
                    Some((*session_of.get(&at)?, *session_of.get(&other)?))
                }),
            );
        }
        links
    }
}

/// Which of the log sessions held each of the account's came of.
pub(super) struct Came(BTreeMap<usize, Vec<usize>>);

impl Came {
    pub(super) fn of(places: &[Option<usize>]) -> Self {
        let mut came: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (origin, place) in places.iter().enumerate() {
            if let Some(place) = place {
                came.entry(*place).or_default().push(origin);
            }
        }
        Self(came)
    }

    pub(super) fn origins(&self, at: usize) -> &[usize] {
        self.0.get(&at).map_or(&[], Vec::as_slice)
    }
}

/// Which of the alignment's sessions are given.
pub(super) struct Choice {
    pub(super) may: Vec<bool>,
}

impl Choice {
    /// Of sessions that go together none is given where one is not.
    fn keep_together(&mut self, links: &[(usize, usize)]) {
        loop {
            let mut changed = false;
            for &(one, other) in links {
                let both = self.may(one) && self.may(other);
                for at in [one, other] {
                    if let Some(may) = self.may.get_mut(at)
                        && *may
                        && !both
                    {
                        *may = false;
                        changed = true;
                    }
                }
            }
            if !changed {
                return;
            }
        }
    }

    fn may(&self, at: usize) -> bool {
        self.may.get(at).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_those_that_go_together_none_is_given_alone() {
        let mut choice = Choice {
            may: vec![true, true, false, true, true],
        };
        choice.keep_together(&[(0, 1), (1, 2), (3, 4)]);
        assert_eq!(choice.may, [false, false, false, true, true]);
    }
}
