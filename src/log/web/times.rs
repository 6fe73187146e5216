//! The times of a line: several may stand in it, and parts of one in several places.

use chrono::{DateTime, NaiveDateTime};

use crate::model::{LogTime, Span, Stamp};

use super::super::stamp;

/// Whether a stamp is of a request's beginning or of its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Of something before the request: nothing follows from it.
    Before,
    Begin,
    End,
}

/// How a time is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// `24/Nov/2026:03:49:17 +0000`.
    Common,
    /// Whole units of this size since 1970 in UTC.
    Epoch(Span),
    /// Seconds since 1970 in UTC with a point and what is behind it.
    EpochPoint,
    /// The digits behind the point of another field, the last one of this size.
    Fraction(Span),
    Iso,
    /// A local time in strftime's terms.
    Wall(String),
    Zone,
}

/// What a line tells of its times.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    stamps: Vec<(Stamp, Moment)>,
    wall: Option<(Stamp, Moment)>,
    fraction: Option<(Stamp, Moment)>,
    zone: Option<Span>,
    lasted: Option<(Span, Span)>,
}

impl Times {
    /// Reads a time at the start of `text`; gives what is behind it.
    pub(super) fn read<'a>(
        &mut self,
        clock: &Clock,
        moment: Moment,
        text: &'a str,
    ) -> Option<&'a str> {
        if moment == Moment::Before {
            // Read to know where it ends.
            return Self::default().read(clock, Moment::Begin, text);
        }
        match clock {
            Clock::Common => Some(self.stamped(stamp::common(text)?, moment)),
            Clock::Iso => Some(self.stamped(stamp::iso(text)?, moment)),
            Clock::Epoch(unit) => self.epoch(digits(text, false), *unit, moment),
            Clock::EpochPoint => self.epoch(digits(text, true), Span::SECOND, moment),
            Clock::Fraction(unit) => {
                let (digits, rest) = digits(text, false);
                self.fraction = Some((since_zero(digits, *unit)?, moment));
                Some(rest)
            }
            Clock::Wall(form) => self.wall(form, moment, text),
            Clock::Zone => {
                let (zone, rest) = stamp::zone(text)?;
                self.zone = Some(zone);
                Some(rest)
            }
        }
    }

    fn stamped<'a>(&mut self, stamped: stamp::Stamped<'a>, moment: Moment) -> &'a str {
        self.zone = self.zone.or(stamped.zone);
        self.stamps.push((stamped.stamp, moment));
        stamped.rest
    }

    fn epoch<'a>(
        &mut self,
        (digits, rest): (&str, &'a str),
        unit: Span,
        moment: Moment,
    ) -> Option<&'a str> {
        self.stamps.push((since_zero(digits, unit)?, moment));
        self.zone = Some(self.zone.unwrap_or_default());
        Some(rest)
    }

    fn wall<'a>(&mut self, form: &str, moment: Moment, text: &'a str) -> Option<&'a str> {
        let (local, rest) = if form.contains("%z") {
            let (zoned, rest) = DateTime::parse_and_remainder(text, form).ok()?;
            let east = zoned.offset().local_minus_utc();
            self.zone = Some(Span::seconds(i64::from(east)));
            (zoned.naive_local(), rest)
        } else {
            NaiveDateTime::parse_and_remainder(text, form).ok()?
        };
        let at = LogTime(local.and_utc().timestamp_nanos_opt()?);
        let resolution = Span::SECOND;
        self.wall = Some((Stamp { at, resolution }, moment));
        Some(rest)
    }

    /// Takes the time from a stamp at the beginning to the end, and its last digit.
    pub(super) fn lasted(&mut self, lasted: (Span, Span)) {
        finest(&mut self.lasted, lasted);
    }

    /// The zone of the line's times, where it is told.
    pub(super) const fn zone(&self) -> Option<Span> {
        self.zone
    }

    /// When the request was answered, from the finest time of the line.
    pub(super) fn end(&self) -> Option<Stamp> {
        let (stamp, moment) = self.finest()?;
        Some(match (moment, self.lasted) {
            (Moment::Begin, Some((lasted, unit))) => Stamp {
                at: stamp.at + lasted,
                resolution: stamp.resolution + unit,
            },
            _ => stamp,
        })
    }

    /// When what the line tells of began, from the finest time of the line.
    pub(super) fn begin(&self) -> Option<Stamp> {
        let (stamp, moment) = self.finest()?;
        Some(match (moment, self.lasted) {
            (Moment::End, Some((lasted, unit))) => Stamp {
                at: stamp.at - lasted,
                resolution: stamp.resolution + unit,
            },
            _ => stamp,
        })
    }

    /// The finest time of the line, and whether it is of the beginning.
    pub(super) fn finest(&self) -> Option<(Stamp, Moment)> {
        let wall = self.wall.map(|(wall, moment)| {
            let at = wall.at - self.zone.unwrap_or_default();
            (Stamp { at, ..wall }, moment)
        });
        let stamps = self.stamps.iter().copied().chain(wall);
        stamps
            .map(|(stamp, moment)| (self.with_fraction(stamp, moment), moment))
            .min_by_key(|(stamp, moment)| (stamp.resolution, *moment == Moment::Begin))
    }

    /// A stamp of whole seconds with the digits that another field has.
    fn with_fraction(&self, stamp: Stamp, moment: Moment) -> Stamp {
        match self.fraction {
            Some((fraction, of)) if of == moment && stamp.resolution == Span::SECOND => Stamp {
                at: stamp.at + Span(fraction.at.0),
                resolution: fraction.resolution,
            },
            _ => stamp,
        }
    }
}

/// Keeps the finest of several times.
pub(super) fn finest(kept: &mut Option<(Span, Span)>, other: (Span, Span)) {
    if kept.is_none_or(|(_, known)| known > other.1) {
        *kept = Some(other);
    }
}

fn since_zero(digits: &str, unit: Span) -> Option<Stamp> {
    let (since, resolution) = decimal(digits, unit)?;
    let at = LogTime(since.0);
    Some(Stamp { at, resolution })
}

/// The digits at the start of `text`, with one point where that may be.
fn digits(text: &str, with_point: bool) -> (&str, &str) {
    let is_part = |character: char| character.is_ascii_digit() || with_point && character == '.';
    let end = text.find(|character| !is_part(character));
    text.split_at_checked(end.unwrap_or(text.len()))
        .unwrap_or((text, ""))
}

/// A number of `unit`s, or of seconds where it has a point: how long that is, and its last digit.
pub(in crate::log) fn decimal(text: &str, unit: Span) -> Option<(Span, Span)> {
    let whole = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<i64>().ok()).flatten()
    };
    let Some((seconds, fraction)) = text.split_once('.') else {
        return Some((Span(whole(text)?.checked_mul(unit.0)?), unit));
    };
    let seconds = whole(seconds)?.checked_mul(Span::SECOND.0)?;
    let fraction = fraction.get(..fraction.len().min(9))?;
    let step = 10i64.checked_pow(9 - u32::try_from(fraction.len()).ok()?)?;
    let nanos = whole(fraction)?.checked_mul(step)?;
    Some((Span(seconds.checked_add(nanos)?), Span(step)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_of_their_unit_or_seconds_with_a_point() {
        let millis = Span::MILLISECOND;
        assert_eq!(decimal("12", millis), Some((Span::millis(12), millis)));
        assert_eq!(
            decimal("0.012", Span::SECOND),
            Some((Span::millis(12), millis))
        );
        for text in ["", "-", "1.", ".5", "1.2.3", "99999999999999999999", "+1"] {
            assert_eq!(decimal(text, millis), None, "{text}");
        }
    }
}
