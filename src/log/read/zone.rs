//! Zones that the user gives, and what a log's local time is in UTC.

use chrono::{DateTime, MappedLocalTime, Offset as _, TimeZone as _};
use chrono_tz::Tz;

use crate::model::{LogTime, Span, Zone};

/// A line may be this much older than the one before it, without its clock having been set back.
const LATE: Span = Span::seconds(300);
/// Changes of an offset that are kept: thirty years of summer times.
const MAX_CHANGES: usize = 64;

/// The zone of a log, as the user gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenZone {
    /// So far east of UTC, all the year.
    East(Span),
    /// As in the IANA time zone database: summer time comes and goes.
    Place(Tz),
}

impl GivenZone {
    /// As a log's zone.
    fn zone(self) -> Zone {
        match self {
            Self::East(east) => Zone::Given(east),
            Self::Place(place) => Zone::Place(place.name()),
        }
    }
}

/// Finds for each line how far east of UTC its stamp was written, the lines coming in order.
///
/// An hour that summer time's end repeats is told apart by the order of the lines: it is the second one from where the clock falls back on.
#[derive(Debug)]
pub(super) struct Offsets {
    given: GivenZone,
    /// From which line on which offset holds.
    changes: Vec<(u64, Span)>,
    /// The latest moment so far, in UTC.
    last: Option<LogTime>,
    /// Lines whose local time is in no hour of that zone, because a clock was put forward over it.
    skipped: u64,
    /// Lines in a repeated hour before any that shows which of the two it is.
    open: u64,
    /// Whether the last line was in the first pass of a repeated hour.
    undecided: u64,
}

impl Offsets {
    pub(super) const fn new(given: GivenZone) -> Self {
        Self {
            given,
            changes: Vec::new(),
            last: None,
            skipped: 0,
            open: 0,
            undecided: 0,
        }
    }

    /// The zone given.
    pub(super) fn zone(&self) -> Zone {
        self.given.zone()
    }

    /// Takes the stamp of the next line; gives it in UTC.
    pub(super) fn take(&mut self, line: u64, at: LogTime) -> LogTime {
        let east = match self.given {
            GivenZone::East(east) => east,
            GivenZone::Place(place) => self.of_place(place, at),
        };
        if self.changes.last().is_none_or(|&(_, known)| known != east)
            && self.changes.len() < MAX_CHANGES
        {
            self.changes.push((line, east));
        }
        let utc = at - east;
        self.last = self.last.max(Some(utc));
        utc
    }

    /// The offset that holds on a line.
    pub(super) fn at(&self, line: u64) -> Span {
        let from = self.changes.partition_point(|&(from, _)| from <= line);
        let known = self.changes.get(from.saturating_sub(1));
        known.map_or(Span::ZERO, |&(_, east)| east)
    }

    /// What a person should know of lines whose time could be read in more than one way.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.skipped > 0 {
            remarks.push(format!(
                "{} lines are of an hour that the zone's clocks jump over: their zone may be another",
                self.skipped
            ));
        }
        let open = self.open + self.undecided;
        if open > 0 {
            remarks.push(format!(
                "{open} lines are of an hour that the zone's clocks repeat, and no line falls back: the first of the two is taken"
            ));
        }
        remarks
    }

    fn of_place(&mut self, place: Tz, at: LogTime) -> Span {
        let wall = DateTime::from_timestamp_nanos(at.0).naive_utc();
        let east =
            |offset: chrono_tz::TzOffset| Span::seconds(i64::from(offset.fix().local_minus_utc()));
        match place.offset_from_local_datetime(&wall) {
            MappedLocalTime::Single(offset) => {
                // The repeated hour is over, and the clock never fell back in it.
                self.open += std::mem::take(&mut self.undecided);
                east(offset)
            }
            MappedLocalTime::Ambiguous(one, two) => {
                let (first, second) = (east(one).max(east(two)), east(one).min(east(two)));
                let fell_back = self.last.is_some_and(|last| (at - first) + LATE < last);
                if fell_back {
                    self.undecided = 0;
                    second
                } else {
                    self.undecided += 1;
                    first
                }
            }
            MappedLocalTime::None => {
                self.skipped += 1;
                // As the clock went before it was put forward.
                let before = wall - chrono::TimeDelta::hours(3);
                match place.offset_from_local_datetime(&before) {
                    MappedLocalTime::Single(offset) | MappedLocalTime::Ambiguous(offset, _) => {
                        east(offset)
                    }
                    MappedLocalTime::None => Span::ZERO,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::stamp;
    use super::*;

    fn berlin(walls: &[&str]) -> (Vec<String>, Offsets) {
        let mut offsets = Offsets::new(GivenZone::Place(chrono_tz::Europe::Berlin));
        let utc = walls
            .iter()
            .zip(1..)
            .map(|(wall, line)| {
                let utc = offsets.take(line, stamp::iso(wall).unwrap().stamp.at);
                utc.to_rfc3339().get(11..16).unwrap().to_owned()
            })
            .collect();
        (utc, offsets)
    }

    #[test]
    fn a_repeated_hour_is_told_apart_by_the_order_of_the_lines() {
        let (utc, offsets) = berlin(&[
            "2026-10-25 01:59:00",
            "2026-10-25 02:10:00",
            "2026-10-25 02:50:00",
            "2026-10-25 02:49:59",
            "2026-10-25 02:05:00",
            "2026-10-25 02:50:00",
            "2026-10-25 03:01:00",
        ]);
        assert_eq!(
            utc,
            [
                "23:59", "00:10", "00:50", "00:49", "01:05", "01:50", "02:01"
            ]
        );
        assert_eq!(
            [1, 4, 5, 7].map(|line| offsets.at(line)),
            [7200, 7200, 3600, 3600].map(Span::seconds)
        );
        assert!(offsets.remarks().is_empty(), "{:?}", offsets.remarks());
    }

    #[test]
    fn an_hour_of_which_nothing_tells_is_said_to_be_open() {
        let (utc, offsets) = berlin(&[
            "2026-10-25 00:10:00",
            "2026-10-25 02:30:00",
            "2026-10-25 03:30:00",
        ]);
        assert_eq!(utc, ["22:10", "00:30", "02:30"]);
        assert!(
            offsets.remarks()[0].contains("1 lines"),
            "{:?}",
            offsets.remarks()
        );
    }

    #[test]
    fn an_hour_that_is_jumped_over_is_remarked() {
        let (utc, offsets) = berlin(&[
            "2026-03-29 01:59:59",
            "2026-03-29 02:30:00",
            "2026-03-29 03:00:00",
        ]);
        assert_eq!(utc, ["00:59", "01:30", "01:00"]);
        assert!(offsets.remarks()[0].contains("jump over"));
    }

    #[test]
    fn a_fixed_offset_holds_all_the_year() {
        let mut offsets = Offsets::new(GivenZone::East(Span::seconds(-18_000)));
        let at = stamp::iso("2026-10-25 02:30:00").unwrap().stamp.at;
        assert_eq!(
            offsets.take(1, at).to_rfc3339(),
            "2026-10-25T07:30:00.000000000Z"
        );
        assert_eq!(offsets.at(1), Span::seconds(-18_000));
    }
}
