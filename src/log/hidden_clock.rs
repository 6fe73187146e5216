//! Clocks inside ids: servers make ids of the time, in UTC and often finer than the stamps of their lines.

use crate::model::{LogTime, Span};

/// Between an id and its line as long as it may take: an id much older than its line is of another clock, or of another session.
pub(super) const LATEST: Span = Span::seconds(180);
/// As long as it hardly ever takes.
const PROMPT: Span = Span::seconds(2);
/// Zones differ by quarters of an hour.
const QUARTER: Span = Span::seconds(900);
/// The zones farthest from UTC.
const FARTHEST: Span = Span::seconds(14 * 3600);

/// The zone of a stamp written up to [`LATEST`] after a moment known in UTC.
pub(super) fn zone(stamp: LogTime, moment: LogTime) -> Option<Span> {
    let ahead = stamp.since(moment);
    let quarters = (ahead.0.saturating_add(Span::SECOND.0)).div_euclid(QUARTER.0);
    let zone = Span(quarters.saturating_mul(QUARTER.0));
    (zone.abs() <= FARTHEST && ahead - zone <= LATEST).then_some(zone)
}

/// Whether a line followed its id at once.
pub(super) fn is_prompt(stamp: LogTime, began: LogTime) -> bool {
    let late = stamp.since(began);
    late > Span(-Span::SECOND.0) && late <= PROMPT
}

/// The number that `text` is in the base of as many digits as `alphabet` has; `None` where a character is none of them.
pub(super) fn number(text: &str, alphabet: &[u8]) -> Option<i64> {
    let base = i64::try_from(alphabet.len()).ok()?;
    text.bytes().try_fold(0i64, |sum, digit| {
        let value = alphabet.iter().position(|&known| known == digit)?;
        sum.checked_mul(base)?
            .checked_add(i64::try_from(value).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_what_is_left_of_the_difference() {
        let id = LogTime::new(1_795_490_786, 391_957_000);
        for (stamp, expected) in [
            (1_795_490_786, Some(Span::ZERO)),
            (1_795_490_786 - 5 * 3600, Some(Span::seconds(-5 * 3600))),
            (1_795_490_786 + 19_800 + 100, Some(Span::seconds(19_800))),
            (1_795_490_786 + 500, None),
            (1_795_490_786 + 20 * 3600, None),
        ] {
            assert_eq!(zone(LogTime::new(stamp, 0), id), expected, "{stamp}");
        }
    }

    #[test]
    fn digits_outside_the_alphabet_are_no_number() {
        assert_eq!(number("21", b"012"), Some(7));
        assert_eq!(number("23", b"012"), None);
        assert_eq!(number(&"2".repeat(60), b"012"), None);
    }
}
