//! Time stamps as servers write them.

use chrono::NaiveDate;

use crate::model::{LogTime, Span, Stamp};

use super::months;

/// A stamp at the start of a text, and what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamped<'a> {
    /// In UTC where `zone` is known, else as it reads.
    pub(super) stamp: Stamp,
    /// East of UTC, where the stamp says so.
    pub(super) zone: Option<Span>,
    pub(super) rest: &'a str,
}

/// Of three octets each, which are compared as a number.
const MONTHS: [[u8; 3]; 12] = [
    *b"Jan", *b"Feb", *b"Mar", *b"Apr", *b"May", *b"Jun", *b"Jul", *b"Aug", *b"Sep", *b"Oct",
    *b"Nov", *b"Dec",
];

/// The number of an English month name, from 1.
pub(super) fn month(name: &str) -> Option<u32> {
    let name: [u8; 3] = name.as_bytes().try_into().ok()?;
    let at = MONTHS.iter().position(|month| *month == name)?;
    u32::try_from(at + 1).ok()
}

/// How many years lie between a line of month `before` and the next one, where stamps have none: one when the month falls back by half a year or more
/// (December to January, or later where nothing was written for a while); minus one when a line of the old year comes late.
pub(super) fn years_between(before: u32, month: u32) -> i32 {
    match i64::from(month) - i64::from(before) {
        ..=-6 => 1,
        10.. => -1,
        _ => 0,
    }
}

/// A stamp that has no year (RFC 3164 §4.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Yearless {
    pub(super) month: u32,
    pub(super) day: u32,
    /// Since midnight.
    pub(super) clock: Span,
    pub(super) resolution: Span,
}

impl Yearless {
    /// `Nov 24 03:29:06`, or with a fraction, at the start of a text, and what follows it. The month may be in another language.
    pub(super) fn read(text: &str) -> Option<(Self, &str)> {
        Self::usual(text).or_else(|| Self::spelt(text))
    }

    /// As nearly all logs have it: `Nov 24 03:29:06 `, `Nov  4 03:29:06 `.
    fn usual(text: &str) -> Option<(Self, &str)> {
        let &[m, o, n, b' ', d10, d1, b' ', .., b' '] = text.as_bytes().first_chunk::<16>()? else {
            return None;
        };
        let month = MONTHS.iter().position(|month| *month == [m, o, n])?;
        let (hour, minute, second, rest) = whole_clock(text.get(7..)?)?;
        let stamp = Self {
            month: u32::try_from(month + 1).ok()?,
            day: two_digits(if d10 == b' ' { b'0' } else { d10 }, d1)?,
            clock: since_midnight(hour, minute, second)?,
            resolution: Span::SECOND,
        };
        Some((stamp, rest))
    }

    /// In any other way.
    fn spelt(text: &str) -> Option<(Self, &str)> {
        let english = text.split_at_checked(3).and_then(|(name, rest)| {
            let month = month(name)?;
            Some((month, rest.strip_prefix(' ')?))
        });
        let (month, rest) = english.or_else(|| {
            let (name, rest) = text.split_once(' ')?;
            Some((months::month(name)?, rest))
        })?;
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        let (day, rest) = number(rest, 1..=2)?;
        let (clock, resolution, rest) = clock(rest.strip_prefix(' ')?)?;
        let stamp = Self {
            month,
            day,
            clock,
            resolution,
        };
        Some((stamp, rest))
    }

    /// In `year`; `None` where that has no such day.
    pub(super) fn within(self, year: i32) -> Option<Stamp> {
        Some(Stamp {
            at: date(year, self.month, self.day)? + self.clock,
            resolution: self.resolution,
        })
    }
}

/// `2026-11-24T03:43:40.629303+01:00`, also with a blank for the T and without a zone.
pub(super) fn iso(text: &str) -> Option<Stamped<'_>> {
    year_first(text, '-')
}

/// `2026/11/24 03:43:40.629`, as nginx and the programs in Go write it, also with a zone.
pub(super) fn slashed(text: &str) -> Option<Stamped<'_>> {
    year_first(text, '/')
}

fn year_first(text: &str, between: char) -> Option<Stamped<'_>> {
    let (year, rest) = number(text, 4..=4)?;
    let (month, rest) = number(rest.strip_prefix(between)?, 2..=2)?;
    let (day, rest) = number(rest.strip_prefix(between)?, 2..=2)?;
    let (clock, resolution, rest) = clock(rest.strip_prefix(['T', ' '])?)?;
    let at = date(i32::try_from(year).ok()?, month, day)? + clock;
    let (zone, rest) = match zone(rest) {
        Some((zone, rest)) => (Some(zone), rest),
        None => (None, rest),
    };
    Some(Stamped {
        stamp: Stamp {
            at: at - zone.unwrap_or_default(),
            resolution,
        },
        zone,
        rest,
    })
}

/// `1795491820.635236`: seconds and microseconds since 1970, and what is behind them.
pub(super) fn unix(text: &str) -> Option<(Stamp, &str)> {
    let (seconds, rest) = text.split_once('.')?;
    let (micros, rest) = rest.split_at_checked(6)?;
    let digits = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
    if !(9..=11).contains(&seconds.len()) || !digits(seconds) || !digits(micros) {
        return None;
    }
    let micros: i64 = micros.parse().ok()?;
    let stamp = Stamp {
        at: LogTime::new(seconds.parse().ok()?, micros * 1000),
        resolution: Span::MICROSECOND,
    };
    Some((stamp, rest))
}

/// `24/Nov/2026:03:29:09 +0000`, also with a fraction and without a zone.
pub(super) fn common(text: &str) -> Option<Stamped<'_>> {
    let (day, rest) = number(text, 1..=2)?;
    let (name, rest) = rest.strip_prefix('/')?.split_once('/')?;
    let (year, rest) = number(rest, 4..=4)?;
    let (clock, resolution, rest) = clock(rest.strip_prefix(':')?)?;
    let at = date(i32::try_from(year).ok()?, month(name)?, day)? + clock;
    let (zone, rest) = match rest.strip_prefix(' ').and_then(zone) {
        Some((zone, rest)) => (Some(zone), rest),
        None => (None, rest),
    };
    Some(Stamped {
        stamp: Stamp {
            at: at - zone.unwrap_or_default(),
            resolution,
        },
        zone,
        rest,
    })
}

/// Whether a date of numbers alone begins with its day or its month, which regional settings decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DateOrder {
    DayFirst,
    MonthFirst,
}

impl DateOrder {
    /// The order in which most of the stamps at the beginnings of `texts` are dates; month first where both are.
    pub(super) fn of(texts: &[String]) -> Self {
        let dates = |order| {
            let dates = texts.iter().filter(|text| numeric(text, order).is_some());
            dates.count()
        };
        if dates(Self::DayFirst) > dates(Self::MonthFirst) {
            Self::DayFirst
        } else {
            Self::MonthFirst
        }
    }
}

/// `5/13/00 2:36:27 PM`, `01/26/1998 16:54:39.267`, `13.05.00 14:36:27`: dates of numbers alone, with or without a century.
pub(super) fn numeric(text: &str, order: DateOrder) -> Option<Stamped<'_>> {
    let separator = |text: &str| text.starts_with(['/', '.', '-']).then_some(1);
    let (first, rest) = number(text, 1..=2)?;
    let (second, rest) = number(rest.get(separator(rest)?..)?, 1..=2)?;
    let (year, rest) = number(rest.get(separator(rest)?..)?, 2..=4)?;
    let (month, day) = match order {
        DateOrder::DayFirst => (second, first),
        DateOrder::MonthFirst => (first, second),
    };
    let year = match i32::try_from(year).ok()? {
        year @ 0..70 => 2000 + year,
        year @ 70..100 => 1900 + year,
        year => year,
    };
    let (clock, resolution, rest) = clock(rest.strip_prefix(' ')?)?;
    let half = |word: &str| {
        let (found, behind) = rest.strip_prefix(' ')?.split_at_checked(2)?;
        found.eq_ignore_ascii_case(word).then_some(behind)
    };
    let noon = Span::seconds(12 * 3600);
    let (clock, rest) = match (half("AM"), half("PM")) {
        (Some(rest), _) if clock >= noon => (clock - noon, rest),
        (Some(rest), _) => (clock, rest),
        (_, Some(rest)) if clock < noon => (clock + noon, rest),
        (_, Some(rest)) => (clock, rest),
        _ => (clock, rest),
    };
    Some(Stamped {
        stamp: Stamp {
            at: date(year, month, day)? + clock,
            resolution,
        },
        zone: None,
        rest,
    })
}

/// Midnight of a day.
pub(super) fn date(year: i32, month: u32, day: u32) -> Option<LogTime> {
    let days = NaiveDate::from_ymd_opt(year, month, day)?.and_hms_opt(0, 0, 0)?;
    Some(LogTime(days.and_utc().timestamp_nanos_opt()?))
}

/// `03:29:06` and a fraction, if there is one: time since midnight and its smallest step.
pub(super) fn clock(text: &str) -> Option<(Span, Span, &str)> {
    let (hour, minute, second, rest) = whole_clock(text).or_else(|| spelt_clock(text))?;
    let whole = since_midnight(hour, minute, second)?;
    let Some((fraction, resolution, rest)) = rest.strip_prefix(['.', ',']).and_then(fraction)
    else {
        return Some((whole, Span::SECOND, rest));
    };
    Some((whole + fraction, resolution, rest))
}

fn since_midnight(hour: u32, minute: u32, second: u32) -> Option<Span> {
    // A leap second shows as 60.
    let is_a_time = hour <= 23 && minute <= 59 && second <= 60;
    is_a_time.then(|| Span::seconds(i64::from(hour * 3600 + minute * 60 + second)))
}

/// `03:29:06`, as nearly all logs have it.
fn whole_clock(text: &str) -> Option<(u32, u32, u32, &str)> {
    let &[h10, h1, b':', m10, m1, b':', s10, s1] = text.as_bytes().first_chunk()? else {
        return None;
    };
    let (hour, minute) = (two_digits(h10, h1)?, two_digits(m10, m1)?);
    Some((hour, minute, two_digits(s10, s1)?, text.get(8..)?))
}

fn two_digits(tens: u8, ones: u8) -> Option<u32> {
    let digits = tens.is_ascii_digit() && ones.is_ascii_digit();
    digits.then(|| u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
}

/// The same with an hour of one digit.
fn spelt_clock(text: &str) -> Option<(u32, u32, u32, &str)> {
    let (hour, rest) = number(text, 1..=2)?;
    let (minute, rest) = number(rest.strip_prefix(':')?, 2..=2)?;
    let (second, rest) = number(rest.strip_prefix(':')?, 2..=2)?;
    Some((hour, minute, second, rest))
}

/// Digits behind the point, as nanoseconds.
fn fraction(text: &str) -> Option<(Span, Span, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let kept = text.get(..digits.min(9)).filter(|kept| !kept.is_empty())?;
    let step = 10i64.checked_pow(9 - u32::try_from(kept.len()).ok()?)?;
    let value: i64 = kept.parse().ok()?;
    Some((Span(value * step), Span(step), text.get(digits..)?))
}

/// `Z`, `+01:00` or `+0100`.
pub(super) fn zone(text: &str) -> Option<(Span, &str)> {
    if let Some(rest) = text.strip_prefix('Z') {
        return Some((Span::ZERO, rest));
    }
    let sign = match text.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, rest) = number(text.get(1..)?, 2..=2)?;
    let (minutes, rest) = number(rest.strip_prefix(':').unwrap_or(rest), 2..=2)?;
    let seconds = i64::from(hours * 3600 + minutes * 60);
    (hours < 24 && minutes < 60).then_some((Span::seconds(sign * seconds), rest))
}

/// A number of so many digits at the start of `text`; of more digits only the first are taken.
fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<(u32, &str)> {
    let mut value: u32 = 0;
    let mut found = 0;
    for byte in text.bytes().take(*digits.end()) {
        if !byte.is_ascii_digit() {
            break;
        }
        value = value.checked_mul(10)?.checked_add((byte - b'0').into())?;
        found += 1;
    }
    if found < *digits.start() {
        return None;
    }
    Some((value, text.get(found..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_spelling_gives_the_same_moment() {
        let at = LogTime::new(1_795_490_946, 0);
        let (syslog, rest) = Yearless::read("Nov 24 03:29:06 mail").unwrap();
        let within = syslog.within(2026).unwrap();
        assert_eq!((within.at, syslog.month, rest), (at, 11, " mail"));
        for text in [
            "2026-11-24T03:29:06Z",
            "2026-11-24 03:29:06",
            "2026-11-24T04:29:06+01:00",
            "2026-11-24T03:29:06.000Z",
        ] {
            assert_eq!(iso(text).unwrap().stamp.at, at, "{text}");
        }
        for text in [
            "24/Nov/2026:03:29:06 +0000] x",
            "23/Nov/2026:22:29:06 -0500] x",
            "24/Nov/2026:03:29:06.000] x",
        ] {
            let common = common(text).unwrap();
            assert_eq!((common.stamp.at, common.rest), (at, "] x"), "{text}");
        }
    }

    #[test]
    fn months_of_other_languages_are_known_where_nothing_else_can_be_meant() {
        for text in [
            "Dez 24 03:29:06 mail",
            "déc. 24 03:29:06 mail",
            "dic 24 03:29:06 mail",
        ] {
            let (told, rest) = Yearless::read(text).unwrap();
            assert_eq!((told.month, told.day, rest), (12, 24, " mail"), "{text}");
        }
        assert_eq!(Yearless::read("mail 24 03:29:06 x"), None);
    }

    #[test]
    fn the_digits_shown_are_the_resolution() {
        let micros = iso("2026-11-24T03:29:06.629303+00:00").unwrap();
        assert_eq!(micros.stamp.resolution, Span::MICROSECOND);
        assert_eq!(micros.stamp.at, LogTime::new(1_795_490_946, 629_303_000));
        let (single, _) = Yearless::read("Nov  4 03:29:06.5 x").unwrap();
        assert_eq!(single.resolution, Span::millis(100));
    }

    #[test]
    fn dates_of_numbers_are_read_in_either_order() {
        let at = LogTime::new(1_795_490_946, 0);
        for (text, order) in [
            ("11/24/26 3:29:06 AM : x", DateOrder::MonthFirst),
            ("11/24/2026 03:29:06.000 x", DateOrder::MonthFirst),
            ("24.11.26 03:29:06 : x", DateOrder::DayFirst),
        ] {
            assert_eq!(numeric(text, order).unwrap().stamp.at, at, "{text}");
            assert_eq!(DateOrder::of(&[text.to_owned()]), order, "{text}");
        }
        let hour = |text| numeric(text, DateOrder::MonthFirst).unwrap().stamp.at;
        let midnight = hour("5/13/00 0:00:00 x");
        assert_eq!(hour("5/13/00 12:00:00 AM"), midnight);
        assert_eq!(
            hour("5/13/00 12:00:00 PM"),
            midnight + Span::seconds(43_200)
        );
        assert_eq!(hour("5/13/00 2:36:27 PM"), hour("5/13/2000 14:36:27"));
        assert!(numeric("13/13/00 0:00:00", DateOrder::MonthFirst).is_none());
    }

    #[test]
    fn what_is_no_date_is_no_stamp() {
        for text in [
            "2026-13-24T03:29:06Z",
            "2026-11-31 03:29:06",
            "2026-11-24 25:00:00",
            "Nov",
            "é",
        ] {
            assert!(iso(text).is_none(), "{text}");
        }
        let (leap, _) = Yearless::read("Feb 29 00:00:00 x").unwrap();
        assert!(leap.within(2026).is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_a_stamp_or_none(text in any::<String>(), year in any::<i32>()) {
            let found = iso(&text).is_some() || common(&text).is_some() || Yearless::read(&text).is_some_and(|(stamp, _)| stamp.within(year).is_some());
            prop_assert!(!found || text.len() >= 15);
        }
    }
}
