//! A log's clock against the capture's.

use crate::model::{LogId, LogTime, Nanos, Span};

use super::fit::Line;

/// How a log's clock relates to the capture's: log = capture + offset, the offset changing by drift.
#[derive(Clone, Debug, PartialEq)]
pub struct Clock {
    /// Which log.
    pub log: LogId,
    /// Log clock minus capture clock at `origin`.
    pub offset: Span,
    /// The true offset at `origin` lies within this of `offset`.
    pub bound: Span,
    /// Gain of the log's clock on the capture's, in parts per million.
    pub drift_ppm: f64,
    /// The true drift lies within this of `drift_ppm`.
    pub drift_bound_ppm: f64,
    /// Smallest step of the log's stamps.
    pub resolution: Span,
    /// Pairs of wire event and log line that agree with it.
    pub pairs: usize,
    /// Later jumps of the offset.
    pub steps: Vec<Step>,
    /// Stretches for which nothing bears it out although both sides have sessions there.
    pub unproven: Vec<Unproven>,
    /// The capture's first packet.
    pub origin: Nanos,
}

/// A part of a log of which nothing is joined, or so little as chance gives, although the capture has sessions of its servers then: the clock
/// may have been set there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unproven {
    /// On which side of `from`.
    pub side: Stretch,
    /// The last moment before it, on the capture's clock, or the first after it, at which what there is is joined.
    pub from: Nanos,
    /// Sessions of the log there that are not joined.
    pub logged: usize,
    /// Sessions of its servers in the capture there that are not joined.
    pub seen: usize,
}

/// Where something lies beside a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// All before it.
    Before,
    /// All after it.
    After,
    /// All between it and this one.
    Between(Nanos),
}

impl Stretch {
    /// As people say it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
            Self::Between(_) => "between",
        }
    }
}

/// A jump of a clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// When, on the capture's clock.
    pub at: Nanos,
    /// Offset from then on, as at `origin` with the same drift.
    pub offset: Span,
    /// Its bound.
    pub bound: Span,
}

impl Clock {
    /// What `line`, fitted in seconds from `origin` and relative to `coarse`, says.
    pub(super) fn from_line(
        log: LogId,
        origin: Nanos,
        coarse: Span,
        resolution: Span,
        line: &Line,
    ) -> Self {
        Self {
            log,
            offset: coarse + Span::from_seconds_f64(line.offset),
            bound: Span::from_seconds_f64(line.offset_bound),
            drift_ppm: line.drift * 1e6,
            drift_bound_ppm: line.drift_bound * 1e6,
            resolution,
            pairs: line.satisfied,
            steps: Vec::new(),
            unproven: Vec::new(),
            origin,
        }
    }

    /// Says a better offset within what is known of it already: `range` is where the true one lies.
    pub(super) fn settle_on(&mut self, offset: Span, range: (Span, Span)) {
        self.offset = offset;
        self.bound = (range.1 - offset).max(offset - range.0);
    }

    /// Offset when the capture's clock shows `at`.
    pub fn offset_at(&self, at: Nanos) -> Span {
        let base = self
            .steps
            .iter()
            .rev()
            .find(|step| step.at <= at)
            .map_or(self.offset, |step| step.offset);
        base + Span::from_seconds_f64(
            at.since(self.origin).as_seconds_f64() * self.drift_ppm * 1e-6,
        )
    }

    /// When the log's clock showed `at`, on the capture's.
    pub fn to_capture(&self, at: LogTime) -> Nanos {
        let about = Nanos(at.0) - self.offset;
        Nanos(at.0) - self.offset_at(about)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_capture_undoes_offset_and_drift() {
        let clock = Clock {
            log: LogId(0),
            offset: Span::seconds(3600),
            bound: Span::MILLISECOND,
            drift_ppm: 100.0,
            drift_bound_ppm: 1.0,
            resolution: Span::SECOND,
            pairs: 9,
            steps: Vec::new(),
            unproven: Vec::new(),
            origin: Nanos::new(1_000_000, 0),
        };
        let at = Nanos::new(1_010_000, 0);
        let offset = clock.offset_at(at);
        assert_eq!(offset, Span::millis(3_601_000));
        let back = clock.to_capture(LogTime(at.0) + offset);
        assert!(back.since(at).abs() < Span::micros(200), "{back:?}");
    }
}
