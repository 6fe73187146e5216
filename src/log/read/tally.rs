//! One line through its envelopes to the builder, and what is counted of it.

use crate::model::{LogSource, LogTime, Span, Stamp, from_wire, masked_line};

use super::super::envelope::{Stack, Unwrapped};
use super::super::{Builder, Line, MAX_LINE, Parsed};
use super::disk_full;

/// Lines that could not be read whose text is kept, and how much of it.
const UNPARSED_KEPT: usize = 5;
const UNPARSED_TEXT: usize = 160;
use super::lines::Found;
use super::sessions::Sessions;
use super::zone::Offsets;

/// What is counted line by line.
pub(super) struct Tally {
    pub(super) offsets: Option<Offsets>,
    /// First and last stamp and the latest so far, as written and by the zone given.
    pub(super) written: Extent,
    pub(super) given: Extent,
}

/// From when to when lines are, and how many of them came late.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extent {
    pub(super) first: Option<LogTime>,
    pub(super) last: Option<LogTime>,
    /// That of the last line.
    pub(super) present: Option<LogTime>,
    /// Of the lines that were written one after the other.
    pub(super) newest: Option<LogTime>,
    pub(super) late: u64,
    pub(super) latest: Span,
}

impl Extent {
    pub(super) fn take(&mut self, at: LogTime) {
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        if let Some(newest) = self.newest.filter(|newest| at < *newest) {
            self.late += 1;
            self.latest = self.latest.max(newest.since(at));
        }
        self.newest = self.newest.max(Some(at));
        self.last = self.last.max(Some(at));
        self.present = Some(at);
    }
}

/// One line through its envelopes to the builder, and into the counts.
pub(super) fn take_line(
    source: &mut LogSource,
    tally: &mut Tally,
    stack: &mut Stack,
    builder: &mut dyn Builder,
    sessions: &mut Sessions,
    line: Found<'_>,
) {
    source.lines += 1;
    if line.bytes.is_empty() {
        return;
    }
    let number = source.lines;
    let parsed = if line.bytes.len() > MAX_LINE {
        source.overlong += 1;
        Parsed::Failed
    } else {
        match stack.open(line.bytes) {
            Unwrapped::Line([]) | Unwrapped::Part => Parsed::Aside(None),
            Unwrapped::Line(inner) if inner.len() > MAX_LINE => {
                source.overlong += 1;
                Parsed::Failed
            }
            Unwrapped::Line(bytes) => builder.line(Line { number, bytes }, &mut sessions.all),
            Unwrapped::Unopened => Parsed::Failed,
        }
    };
    count(source, tally, line, parsed);
}

/// What became of the line that `source` has counted last.
pub(super) fn count(source: &mut LogSource, tally: &mut Tally, line: Found<'_>, parsed: Parsed) {
    let number = source.lines;
    if line.is_disk_full {
        disk_full::note(&mut source.disk_full, number, parsed);
    }
    match parsed {
        Parsed::Aside(None) => {}
        Parsed::Aside(Some(stamp)) => tally.stamp(number, stamp),
        Parsed::Event(stamp) => {
            source.events += 1;
            tally.stamp(number, stamp);
        }
        Parsed::Failed => {
            source.unparsed += 1;
            if source.unparsed_first.len() < UNPARSED_KEPT {
                source.unparsed_first.push((number, excerpt(line.bytes)));
            }
        }
    }
}

impl Tally {
    pub(super) fn stamp(&mut self, line: u64, stamp: Stamp) {
        self.written.take(stamp.at);
        if let Some(offsets) = &mut self.offsets {
            self.given.take(offsets.take(line, stamp.at));
        }
    }
}

/// The beginning of a line that was not understood, without what may be a secret in it.
pub(super) fn excerpt(line: &[u8]) -> String {
    let cut = line.get(..UNPARSED_TEXT).unwrap_or(line);
    masked_line(&from_wire(cut))
}
