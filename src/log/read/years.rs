//! The year of stamps that have none (RFC 3164).

use crate::model::{LogTime, Span, as_text};

use super::super::stamp;

/// Clocks and zones may put a log's first line this much behind what its time is told by.
const SLACK: Span = Span::seconds(2 * 86_400);

/// What is known of when a log was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// Its first line is not later than this: the end of the capture, or the file's last change.
    Until(LogTime),
    /// The user says the year of its first line.
    Year(i32),
}

impl Default for Era {
    fn default() -> Self {
        Self::Year(1970)
    }
}

impl Era {
    /// The year of a log that begins with `lines`: a log that begins in December and was last changed in January is of the old year.
    pub(super) fn year(self, lines: &[&[u8]]) -> i32 {
        let until = match self {
            Self::Year(year) => return year,
            Self::Until(until) => until,
        };
        let latest = until + SLACK;
        let year = latest.year();
        // 29 February is in one year of four only.
        let first = |year| {
            lines.iter().find_map(|line| {
                Some(
                    stamp::without_year(unprefixed(&as_text(line)), year)?
                        .0
                        .stamp
                        .at,
                )
            })
        };
        let fitting = (0..8)
            .map(|back| year.saturating_sub(back))
            .find(|&year| first(year).is_some_and(|at| at <= latest));
        fitting.unwrap_or(year)
    }
}

/// Without the priority that a line on the wire begins with.
fn unprefixed(line: &str) -> &str {
    line.strip_prefix('<')
        .and_then(|rest| rest.split_once('>'))
        .map_or(line, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_year_is_the_last_in_which_the_first_line_is_not_in_the_future() {
        let until = |text: &str| Era::Until(stamp::iso(text).unwrap().stamp.at);
        for (era, line, year) in [
            (
                until("2027-01-01T00:10:00Z"),
                "Dec 31 23:50:00 mail a: x",
                2026,
            ),
            (
                until("2027-01-01T00:10:00Z"),
                "Jan  1 00:05:00 mail a: x",
                2027,
            ),
            (
                until("2026-12-31T23:50:00Z"),
                "Jan  1 00:05:00 mail a: x",
                2027,
            ),
            (
                until("2026-12-28T00:00:00Z"),
                "Feb  1 00:00:00 mail a: x",
                2026,
            ),
            (
                until("2027-03-01T00:00:00Z"),
                "<22>Feb 29 12:00:00 mail a: x",
                2024,
            ),
            (Era::Year(2019), "Dec 31 23:50:00 mail a: x", 2019),
            (until("2027-01-01T00:10:00Z"), "no stamp", 2027),
        ] {
            assert_eq!(era.year(&[line.as_bytes()]), year, "{line} {era:?}");
        }
    }
}
