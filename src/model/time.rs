//! Two clocks that must not be mixed: the capture's and a log's.

use std::fmt;
use std::ops::{Add, Neg, Sub};

use chrono::{DateTime, Datelike as _, SecondsFormat};

/// An instant on the capture's clock, in nanoseconds since the Unix epoch (1970-01-01 UTC).
///
/// Reaches from the year 1677 to 2262; arithmetic saturates at the ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub i64);

/// An instant on a log's clock, in nanoseconds: UTC where the log states its zone, else the wall
/// clock as written, read as if it were UTC.
///
/// Only a clock estimate turns it into [`Nanos`], so the two cannot be subtracted by mistake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogTime(pub i64);

/// A signed length of time in nanoseconds; arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub i64);

/// When a log line says it was written: the event lies in `[at, at + resolution)` of the log's
/// clock, because writers cut the fraction off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// The stamp as written.
    pub at: LogTime,
    /// The smallest step the stamp can show.
    pub resolution: Span,
}

impl Nanos {
    /// The instant `seconds` and `nanos` after the epoch.
    pub const fn new(seconds: i64, nanos: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
    }

    /// Time from `earlier` to `self`; negative when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// The year in UTC.
    pub fn year(self) -> i32 {
        DateTime::from_timestamp_nanos(self.0).year()
    }

    /// RFC 3339 in UTC with nine digits, as the output contract wants it.
    pub fn to_rfc3339(self) -> String {
        rfc3339(self.0)
    }
}

impl LogTime {
    /// The year, as the log writes it.
    pub fn year(self) -> i32 {
        DateTime::from_timestamp_nanos(self.0).year()
    }

    /// The instant `seconds` and `nanos` after the log clock's epoch.
    pub const fn new(seconds: i64, nanos: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
    }

    /// Time from `earlier` to `self`; negative when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// RFC 3339 with nine digits; the `Z` holds only if the log's zone is known.
    pub fn to_rfc3339(self) -> String {
        rfc3339(self.0)
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// One second.
    pub const SECOND: Self = Self(1_000_000_000);
    /// One millisecond.
    pub const MILLISECOND: Self = Self(1_000_000);
    /// One microsecond.
    pub const MICROSECOND: Self = Self(1_000);

    /// `n` seconds.
    pub const fn seconds(n: i64) -> Self {
        Self(n.saturating_mul(1_000_000_000))
    }

    /// `n` milliseconds.
    pub const fn millis(n: i64) -> Self {
        Self(n.saturating_mul(1_000_000))
    }

    /// `n` microseconds.
    pub const fn micros(n: i64) -> Self {
        Self(n.saturating_mul(1_000))
    }

    /// From a number of seconds, to the nearest nanosecond.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`as` saturates, as this type does"
    )]
    pub fn from_seconds_f64(seconds: f64) -> Self {
        Self((seconds * 1e9).round() as i64)
    }

    /// In seconds.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a double holds 104 days to the nanosecond"
    )]
    pub fn as_seconds_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// In milliseconds.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a double holds 104 days to the nanosecond"
    )]
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Without its sign.
    #[must_use]
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// Whether it is half of `whole` or more.
    pub const fn is_half_of(self, whole: Self) -> bool {
        self.0.saturating_mul(2) >= whole.0
    }
}

impl Add<Span> for Nanos {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Nanos {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Add<Span> for LogTime {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for LogTime {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Span {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

/// The resolution in which a person thinks of it: `850 ns`, `1.204 ms`, `12.5 s`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.as_seconds_f64();
        match self.0.unsigned_abs() {
            0..1_000 => write!(f, "{} ns", self.0),
            1_000..1_000_000 => write!(f, "{:.1} µs", seconds * 1e6),
            1_000_000..1_000_000_000 => write!(f, "{:.3} ms", seconds * 1e3),
            _ => write!(f, "{seconds:.3} s"),
        }
    }
}

fn rfc3339(nanos: i64) -> String {
    DateTime::from_timestamp_nanos(nanos).to_rfc3339_opts(SecondsFormat::Nanos, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_longest_time_is_told() {
        let [one, two] = [Span::SECOND, Span::seconds(2)];
        assert!(one.is_half_of(two) && !Span::millis(999).is_half_of(two));
        assert!(Span(i64::MAX).is_half_of(Span(i64::MAX)) && !one.is_half_of(Span(i64::MAX)));
        assert!(Span(i64::MAX).is_half_of(Span(i64::MIN)));
    }

    #[test]
    fn rfc3339_has_nine_digits_and_survives_times_before_the_epoch() {
        assert_eq!(
            Nanos::new(1_795_491_820, 629_303_000).to_rfc3339(),
            "2026-11-24T03:43:40.629303000Z"
        );
        assert_eq!(Nanos(-1).to_rfc3339(), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(
            Nanos(i64::MAX).to_rfc3339(),
            "2262-04-11T23:47:16.854775807Z"
        );
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(Nanos(i64::MAX) + Span::SECOND, Nanos(i64::MAX));
        assert_eq!(Nanos(i64::MIN).since(Nanos(i64::MAX)), Span(i64::MIN));
        assert_eq!(Span::from_seconds_f64(1e300), Span(i64::MAX));
    }

    #[test]
    fn spans_read_in_their_own_unit() {
        assert_eq!(Span(850).to_string(), "850 ns");
        assert_eq!(Span::millis(12).to_string(), "12.000 ms");
        assert_eq!(Span::millis(-12_500).to_string(), "-12.500 s");
    }
}
