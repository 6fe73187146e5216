//! The watermark: how far each side is, and which sessions it has passed.
//!
//! A wire session is passed by a log when the log's last line, put on the capture's clock, was written well after it; and when nothing was
//! written for long. A log session is passed by the capture when a packet came well after it.

use std::time::{Duration, Instant};

use crate::align::Clock;
use crate::flow::GoingOn;
use crate::model::{LogSession, Nanos, Span, WireSession};

use super::super::follow::{Mark, TOLD_AFTER};

/// Time by which lines may come late, beside that for which logs keep their sessions.
const LATE: Span = Span::seconds(10);
/// Connections that were closed are over a minute later.
const CLOSED: Span = Span::seconds(65);
/// What a log has not told in so long, nothing being written to it, it will not.
pub(super) const SILENT: Duration = Duration::from_mins(2);
/// For so long sessions wait for the first clock of a log.
pub(super) const LEARN: Duration = Duration::from_mins(10);
/// For so long a log session waits for connections that it may be of and that go on.
pub(super) const GOES_ON: Duration = Duration::from_mins(10);

/// Whether more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ahead {
    More,
    Nothing,
}

/// How far everything is.
#[derive(Clone, Copy)]
pub(super) struct Now<'a> {
    pub(super) at: Instant,
    pub(super) marks: &'a [Mark],
    /// The capture's first moment.
    pub(super) begun: Option<Nanos>,
    /// The capture's last moment.
    pub(super) capture: Option<Nanos>,
    /// Whether there is a capture at all.
    pub(super) has_capture: bool,
    pub(super) packets: Ahead,
    pub(super) lines: Ahead,
    /// Connections that are not over.
    pub(super) open: &'a [GoingOn],
}

impl Now<'_> {
    /// Whether nothing more comes.
    pub(super) fn is_over(&self) -> bool {
        self.packets == Ahead::Nothing && self.lines == Ahead::Nothing
    }

    fn since(&self, then: Instant) -> Duration {
        self.at.saturating_duration_since(then)
    }
}

/// How far everything is, and the clocks that put it together.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) now: &'a Now<'a>,
    pub(super) clocks: &'a [Clock],
}

impl Known<'_> {
    /// Whether every log has passed a wire session that `came` then.
    pub(super) fn is_ripe(&self, wire: &WireSession, came: Instant) -> bool {
        let marks = self.now.marks;
        if marks.is_empty() {
            return self.now.lines == Ahead::Nothing || self.now.since(came) >= SILENT;
        }
        marks
            .iter()
            .all(|mark| self.is_compared(mark, wire.end) && self.passed(mark, wire.end, came))
    }

    /// Whether log sessions that end with a connection have been compared, if they came.
    fn is_compared(&self, mark: &Mark, end: Nanos) -> bool {
        let now = self.now;
        let Some(clock) = self.clock(mark).filter(|_| now.packets == Ahead::More) else {
            return true;
        };
        let until = end + after(clock, CLOSED + LATE);
        now.capture.is_some_and(|capture| capture >= until)
    }

    /// Whether the connection of a log session is over, if it was closed at all: before that nothing is compared with it. Where no clock says
    /// when it was, it had ended when it came, the capture being as far as `since`.
    pub(super) fn is_captured(&self, log: &LogSession, since: Option<Nanos>) -> bool {
        let now = self.now;
        if now.packets == Ahead::Nothing {
            return true;
        }
        let Some(clock) = self.clocks.iter().find(|clock| clock.log == log.log) else {
            let until = since.map(|since| since + CLOSED + LATE);
            return until.is_none_or(|until| now.capture.is_some_and(|capture| capture >= until));
        };
        let until = ended(log, clock).map(|end| end + after(clock, CLOSED));
        until.is_none_or(|until| now.capture.is_some_and(|capture| capture >= until))
    }

    /// Whether the capture has passed a log session that `came` then, and its own log has.
    pub(super) fn is_told(&self, log: &LogSession, came: Instant, since: Option<Nanos>) -> bool {
        let now = self.now;
        if !now.has_capture || now.is_over() {
            return true;
        }
        let Some(mark) = now.marks.iter().find(|mark| mark.log == log.log) else {
            return false;
        };
        let Some(clock) = self.clock(mark) else {
            return now.since(came) >= SILENT && has_waited(now, mark);
        };
        let Some(end) = ended(log, clock) else {
            return true;
        };
        self.is_captured(log, since) && self.passed(mark, end, came)
    }

    /// Whether a log session has waited long enough for connections that go on.
    pub(super) fn is_overdue(&self, came: Instant) -> bool {
        self.now.since(came) >= GOES_ON
    }

    fn clock(&self, mark: &Mark) -> Option<&Clock> {
        self.clocks.iter().find(|clock| clock.log == mark.log)
    }

    /// Whether a log has passed a moment of the capture, of a session that `came` then.
    fn passed(&self, mark: &Mark, moment: Nanos, came: Instant) -> bool {
        let now = self.now;
        if now.lines == Ahead::Nothing {
            return true;
        }
        let silent = now.since(came.max(mark.heard)) >= SILENT;
        match (self.clock(mark), mark.present) {
            (Some(clock), Some(present)) => {
                let until = moment + after(clock, TOLD_AFTER + LATE);
                silent || clock.to_capture(present) >= until
            }
            _ if mark.begun.is_none() => now.since(came) >= SILENT,
            _ => now.since(came) >= SILENT && has_waited(now, mark),
        }
    }
}

/// Whether a log without a clock was waited for long enough.
fn has_waited(now: &Now<'_>, mark: &Mark) -> bool {
    mark.begun.is_none_or(|begun| now.since(begun) >= LEARN)
}

/// Time that must have passed on both sides beside what the clock's bound asks.
fn after(clock: &Clock, least: Span) -> Span {
    least + clock.bound + clock.resolution
}

/// A moment of the log on the capture's clock.
fn ended(log: &LogSession, clock: &Clock) -> Option<Nanos> {
    let (_, last) = log.stamps()?;
    Some(clock.to_capture(last.at) + last.resolution)
}
