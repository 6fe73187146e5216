//! The year of stamps that have none (RFC 3164).

use crate::model::{LogTime, Span, as_text};

use super::super::stamp::Yearless;
use super::super::syslog::Syslog;

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
    ///
    /// `throughout` gives lines from all over the log, the last among them. They are asked for where the first line would be a little after the
    /// moment: a log of the whole year before begins on the same day.
    pub(super) fn year(self, lines: &[&[u8]], throughout: impl FnOnce() -> Vec<Vec<u8>>) -> i32 {
        let until = match self {
            Self::Year(year) => return year,
            Self::Until(until) => until,
        };
        let latest = until + SLACK;
        let year = latest.year();
        // 29 February is in one year of four only.
        let first = |year| {
            lines.iter().find_map(|line| {
                let text = as_text(line);
                let (stamp, _) = Yearless::read(unprefixed(&text))?;
                Some(stamp.within(year)?.at)
            })
        };
        let fitting = (0..8)
            .map(|back| year.saturating_sub(back))
            .find(|&year| first(year).is_some_and(|at| at <= latest));
        let Some(fitting) = fitting else {
            return year;
        };
        let before = fitting.saturating_sub(1);
        let is_after = first(fitting).is_some_and(|at| at > until);
        let reaches = |throughout: &[Vec<u8>]| {
            last(throughout, before).is_some_and(|last| last + SLACK >= until)
        };
        if is_after && reaches(&throughout()) {
            return before;
        }
        fitting
    }
}

/// The stamp of the last line that has one, where the first is of `year`.
fn last(lines: &[Vec<u8>], year: i32) -> Option<LogTime> {
    let mut syslog = Syslog::new(year);
    let stamped = lines.iter().filter_map(|line| {
        let text = as_text(line);
        Some(syslog.stamped(unprefixed(&text))?.stamp.at)
    });
    stamped.last()
}

/// Without the priority that a line on the wire begins with.
fn unprefixed(line: &str) -> &str {
    line.strip_prefix('<')
        .and_then(|rest| rest.split_once('>'))
        .map_or(line, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::super::super::stamp;
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
            let told = era.year(&[line.as_bytes()], Vec::new);
            assert_eq!(told, year, "{line} {era:?}");
        }
    }

    #[test]
    fn a_log_of_a_whole_year_is_not_of_the_next() {
        let until = Era::Until(stamp::iso("2026-12-31T23:50:00Z").unwrap().stamp.at);
        let year = |lines: &[&str]| {
            let all = || lines.iter().map(|line| line.as_bytes().to_vec()).collect();
            until.year(&[lines[0].as_bytes()], all)
        };
        let begin = "Jan  1 00:05:00 mail a: x";
        // The log's clock, or its zone, is ahead of the capture's.
        assert_eq!(year(&[begin, "Jan  1 00:09:00 mail a: x"]), 2027);
        assert_eq!(
            year(&[
                begin,
                "Jul  1 00:00:00 mail a: x",
                "Dec 31 23:40:00 mail a: x"
            ]),
            2026
        );
        let turned = [
            begin,
            "May  1 00:00:00 mail a: x",
            "Oct  1 00:00:00 mail a: x",
            "Jan  1 00:20:00 mail a: x",
        ];
        assert_eq!(year(&turned), 2026);
        // An old log, long over.
        assert_eq!(year(&[begin, "Mar 31 23:40:00 mail a: x"]), 2027);
    }
}
