//! W3C extended log files (WD-logfile-960323), as IIS writes them: columns are named by `#Fields:` lines, which may change in
//! mid-file; times are UTC.

use std::ops::Range;

use crate::model::{LogTime, Span, Stamp, as_text};

use super::{Head, Sureness, stamp};

/// The columns and the date in force.
#[derive(Clone, Debug, Default)]
pub(super) struct W3c {
    fields: Vec<String>,
    date: Option<LogTime>,
    /// Where each value of the last row was: kept for its memory.
    values: Vec<Range<usize>>,
    /// Time of day of the last row, where rows carry no date.
    last: Option<Span>,
    /// The date of the last row that carried one, as written, and its midnight.
    written: Option<([u8; 10], LogTime)>,
}

/// A line of such a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum W3cLine<'a, 'w> {
    /// `#Software:` and kin.
    Directive,
    Row(Row<'a, 'w>),
}

/// A row under the columns in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row<'a, 'w> {
    pub(super) stamp: Stamp,
    fields: &'w [String],
    text: &'a str,
    /// Where each value is in the text.
    values: &'w [Range<usize>],
}

/// Under the same columns rows with dates are read alike.
impl PartialEq for W3c {
    fn eq(&self, other: &Self) -> bool {
        self.fields == other.fields
    }
}

impl W3c {
    /// Whether there is such a column.
    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.iter().any(|name| name == field)
    }

    /// Reads a line; `None` when it is no row of the columns in force.
    pub(super) fn line<'a>(&mut self, text: &'a str) -> Option<W3cLine<'a, '_>> {
        if let Some(directive) = text.strip_prefix('#') {
            self.directive(directive);
            return Some(W3cLine::Directive);
        }
        self.cut(text);
        if self.fields.is_empty() || self.values.len() != self.fields.len() {
            return None;
        }
        let stamp = self.stamp(text)?;
        Some(W3cLine::Row(Row {
            stamp,
            fields: &self.fields,
            text,
            values: &self.values,
        }))
    }

    /// Finds the values: what stands between blanks.
    fn cut(&mut self, text: &str) {
        self.values.clear();
        let mut from = 0;
        for blank in memchr::memchr_iter(b' ', text.as_bytes()).chain([text.len()]) {
            if blank > from {
                self.values.push(from..blank);
            }
            from = blank + 1;
        }
    }

    fn directive(&mut self, text: &str) {
        if let Some(fields) = text.strip_prefix("Fields:") {
            self.fields = fields.split_whitespace().map(str::to_owned).collect();
        }
        if let Some(date) = text.strip_prefix("Date:") {
            self.date = date.trim().get(..10).and_then(day);
            self.last = None;
        }
    }

    fn stamp(&mut self, text: &str) -> Option<Stamp> {
        let value = |name: &str| {
            let at = self.fields.iter().position(|field| field == name)?;
            text.get(self.values.get(at)?.clone())
        };
        let (time, resolution, _) = stamp::clock(value("time")?)?;
        let date = match value("date") {
            Some(date) => match self.written {
                Some((known, at)) if known == date.as_bytes() => at,
                _ => {
                    let at = day(date)?;
                    self.written = date.as_bytes().try_into().ok().map(|date| (date, at));
                    at
                }
            },
            None => self.running_date(time)?,
        };
        Some(Stamp {
            at: date + time,
            resolution,
        })
    }

    /// The `#Date:` in force; a clock that falls back by half a day has passed midnight.
    fn running_date(&mut self, time: Span) -> Option<LogTime> {
        const HALF_A_DAY: Span = Span::seconds(12 * 3600);
        if let Some(last) = self.last
            && last - time > HALF_A_DAY
        {
            self.date = self.date.map(|date| date + Span::seconds(24 * 3600));
        }
        self.last = Some(time);
        self.date
    }
}

/// How much of a head are rows that `is_ours` takes.
pub(super) fn share(head: &Head<'_>, is_ours: impl Fn(&Row<'_, '_>) -> bool) -> Sureness {
    let mut w3c = W3c::default();
    let mut rows = 0;
    let mut fits = 0;
    for line in head.lines {
        match w3c.line(&as_text(line)) {
            Some(W3cLine::Directive) => {}
            Some(W3cLine::Row(row)) => {
                rows += 1;
                fits += usize::from(is_ours(&row));
            }
            None => rows += 1,
        }
    }
    Sureness::share(fits, rows)
}

impl<'a> Row<'a, '_> {
    /// The value of a column; `None` when there is no such column or it is empty (`-`).
    pub(super) fn get(&self, field: &str) -> Option<&'a str> {
        let at = self.fields.iter().position(|name| name == field)?;
        let value = self.text.get(self.values.get(at)?.clone());
        value.filter(|value| *value != "-")
    }

    /// A number in a column.
    pub(super) fn number(&self, field: &str) -> Option<u64> {
        self.get(field)?.parse().ok()
    }
}

/// `2006-10-09`.
fn day(text: &str) -> Option<LogTime> {
    let mut parts = text.splitn(3, '-');
    let year = parts.next()?.parse().ok()?;
    let month = parts.next()?.parse().ok()?;
    stamp::date(year, month, parts.next()?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(w3c: &mut W3c, text: &str) -> Option<(String, Option<String>)> {
        match w3c.line(text)? {
            W3cLine::Row(row) => Some((
                row.stamp.at.to_rfc3339(),
                row.get("cs-method").map(str::to_owned),
            )),
            W3cLine::Directive => None,
        }
    }

    #[test]
    fn columns_may_change_in_mid_file() {
        let mut w3c = W3c::default();
        assert_eq!(
            row(&mut w3c, "2006-10-09 05:00:15 HELO"),
            None,
            "no columns yet"
        );
        w3c.line("#Fields: date time cs-method ");
        let first = row(&mut w3c, "2006-10-09 05:00:15 HELO").unwrap();
        assert_eq!(
            first,
            ("2006-10-09T05:00:15.000000000Z".into(), Some("HELO".into()))
        );
        w3c.line("#Fields: cs-method date time");
        assert_eq!(row(&mut w3c, "- 2006-10-09 05:00:16").unwrap().1, None);
        assert_eq!(
            row(&mut w3c, "2006-10-09 05:00:16"),
            None,
            "a column too few"
        );
    }

    #[test]
    fn without_a_date_column_midnight_is_noticed() {
        let mut w3c = W3c::default();
        w3c.line("#Date: 2006-10-09 23:59:58");
        w3c.line("#Fields: time cs-method");
        assert_eq!(
            row(&mut w3c, "23:59:59 A").unwrap().0,
            "2006-10-09T23:59:59.000000000Z"
        );
        assert_eq!(
            row(&mut w3c, "00:00:01 A").unwrap().0,
            "2006-10-10T00:00:01.000000000Z"
        );
    }
}
