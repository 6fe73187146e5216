//! A stretch of a log, settled by itself.

use crate::model::{Nanos, Span};

use super::clock::Clock;
use super::fit::{self, Constraint, Line};
use super::settled::{Settled, Verdict};
use super::share::Share;
use super::stretches::{APART, ENOUGH, Stretch};
use super::view::View;

/// Seconds by which lines of a stretch may be late or stamps lag at most: with more they would be of any of the clocks that the log is divided by.
const MOST_LATE: f64 = APART / 2.0;

/// What a stretch gave.
pub(super) struct Piece {
    pub(super) stretch: Stretch,
    pub(super) settled: Settled,
    share: Share,
}

/// Each stretch settled by itself; none where one of them cannot be.
pub(super) fn apart(view: &View<'_>, stretches: Vec<Stretch>) -> Vec<Piece> {
    let settled = stretches
        .into_iter()
        .enumerate()
        .map(|(at, stretch)| Piece::of(view, stretch, at > 0));
    settled.collect::<Option<_>>().unwrap_or_default()
}

impl Piece {
    /// A stretch settled near its supposed offset. `later` stretches count their drift from their own beginning, where their bound is to hold.
    pub(super) fn of(view: &View<'_>, stretch: Stretch, later: bool) -> Option<Self> {
        let mut part = view.part(sessions(view, &stretch.rows));
        let mut offset = stretch.offset;
        if later {
            // Rows around a border that neither clock explains may be of the stretch before.
            let fits = |&&row: &&usize| !view.gather_row(row, offset).is_empty();
            let first = stretch.rows.iter().find(fits).or(stretch.rows.first());
            let (first, _) = view.log(*first?)?.stamps()?;
            part.origin = Nanos(first.at.0) - offset;
            let since = part.origin.since(view.origin).as_seconds_f64();
            offset = offset + Span::from_seconds_f64(stretch.drift * since);
        }
        let mut settled = part.near(offset, stretch.bound, stretch.drift)?;
        let slack = settled.learnt.slack;
        if slack.late.max(slack.lag) > MOST_LATE {
            settled = part.promptly(settled);
        }
        let share = part.explained(&settled);
        Some(Self {
            stretch,
            settled,
            share,
        })
    }

    /// Its rows, in order of their lines.
    pub(super) fn rows(&self) -> &[usize] {
        &self.stretch.rows
    }

    /// What was claimed, by row of the whole log.
    pub(super) fn clear(&self) -> impl Iterator<Item = (usize, &Verdict)> {
        self.rows()
            .iter()
            .zip(&self.settled.chosen)
            .filter_map(|(&row, verdict)| Some((row, verdict.as_ref()?)))
            .filter(|(_, verdict)| verdict.is_clear())
    }

    /// Whether much of what the capture should show of it is explained.
    pub(super) fn is_believable(&self) -> bool {
        self.share.is_half_of(ENOUGH)
    }

    /// When on the capture's clock the first and the last of its sessions, or requests, began.
    pub(super) fn times(&self, view: &View<'_>) -> Option<(Nanos, Nanos)> {
        let start = |verdict: &Verdict| {
            // A connection may be kept alive for requests under either clock.
            let slot = verdict
                .place
                .and_then(|place| view.slot(verdict.wire, place));
            slot.map(|slot| slot.window.lo)
                .or_else(|| Some(view.wire(verdict.wire)?.start))
        };
        let starts = || self.clear().filter_map(|(_, verdict)| start(verdict));
        Some((starts().min()?, starts().max()?))
    }

    /// Does not claim some rows, and fits its clock anew without what they say.
    pub(super) fn forget(&mut self, view: &View<'_>, rows: &[usize]) {
        let verdicts = self.stretch.rows.iter().zip(&mut self.settled.chosen);
        for (_, verdict) in verdicts.filter(|(row, _)| rows.contains(row)) {
            if let Some(verdict) = verdict {
                verdict.margin = verdict.margin.min(0.0);
            }
        }
        self.leave_out(view, rows);
    }

    /// Fits its clock anew without what some rows say.
    pub(super) fn leave_out(&mut self, view: &View<'_>, rows: &[usize]) {
        let lines: Vec<u64> = rows.iter().map(|&row| first_line(view, row)).collect();
        let said = &mut self.settled.constraints;
        let before = said.len();
        // They stay left out, whatever else is.
        said.retain(|(line, _)| !lines.contains(line));
        if said.len() == before {
            return;
        }
        let left: Vec<Constraint> = said.iter().map(|&(_, constraint)| constraint).collect();
        let late = |line: &Line| line.slack.late.max(line.slack.lag) > MOST_LATE;
        let fitted = fit::fit(&left, 1.0).filter(|line| !late(line));
        let Some(line) = fitted.or_else(|| fit::prompt(&left, 1.0)) else {
            return;
        };
        let clock = &self.settled.clock;
        let (coarse, origin) = (self.settled.coarse, clock.origin);
        self.settled.clock = Clock::from_line(view.id, origin, coarse, clock.resolution, &line);
        self.settled.line = Some(line);
    }

    /// Which of these rows its clock explains.
    pub(super) fn holds(&self, view: &View<'_>, rows: &[usize]) -> Vec<bool> {
        view.part(sessions(view, rows)).held_by(&self.settled)
    }
}

/// The sessions of some rows.
fn sessions(view: &View<'_>, rows: &[usize]) -> Vec<usize> {
    let sessions = rows.iter().filter_map(|&row| view.mine.get(row).copied());
    sessions.collect()
}

/// All rows in the order of their lines.
pub(super) fn in_order(view: &View<'_>) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..view.mine.len()).collect();
    rows.sort_by_cached_key(|&row| first_line(view, row));
    rows
}

/// The line of a row that is written last.
pub(super) fn last_line(view: &View<'_>, row: usize) -> u64 {
    let log = view.log(row);
    log.and_then(|log| log.events.last())
        .map_or(0, |event| event.line.line)
}

pub(super) fn first_line(view: &View<'_>, row: usize) -> u64 {
    let log = view.log(row);
    log.and_then(|log| log.events.first())
        .map_or(0, |event| event.line.line)
}
