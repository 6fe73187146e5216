//! The envelope that syslog puts around a program's line.
//!
//! RFC 3164 as files have it and as it goes over a wire, RFC 5424, and the RFC 3339 stamps of rsyslog and journald.

use crate::model::{LogTime, Span, Stamp, as_text};

use super::cut::cut;
use super::stamp::{self, Stamped, Yearless};
use super::{Head, Sureness};

/// A line taken out of its envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Envelope<'a> {
    pub(super) stamp: Stamp,
    /// East of UTC, where the stamp says so.
    pub(super) zone: Option<Span>,
    /// Name of the program (`postfix/smtpd`).
    pub(super) program: &'a str,
    pub(super) pid: &'a str,
    pub(super) text: &'a str,
}

/// A line taken out of its envelope, of which the lines before tell the year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Undated<'a> {
    when: When,
    pub(super) program: &'a str,
    pub(super) pid: &'a str,
    pub(super) text: &'a str,
}

/// What a stamp tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Whole { stamp: Stamp, zone: Option<Span> },
    Yearless(Yearless),
}

/// Opens envelopes of one file; keeps count of the years that RFC 3164 leaves out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Syslog {
    year: i32,
    month: Option<u32>,
    /// Month and day of the line before, and its midnight: most lines are of the same.
    day: Option<(u32, u32, LogTime)>,
}

impl Syslog {
    /// For a file whose lines are of about `year`.
    pub(super) const fn new(year: i32) -> Self {
        Self {
            year,
            month: None,
            day: None,
        }
    }

    /// The envelope around a line; `None` when it has none.
    pub(super) fn open<'a>(&mut self, line: &'a str) -> Option<Envelope<'a>> {
        self.date(Undated::read(line)?)
    }

    /// The envelope of the line that is next.
    pub(super) fn date<'a>(&mut self, line: Undated<'a>) -> Option<Envelope<'a>> {
        let (stamp, zone) = self.stamp(line.when)?;
        Some(Envelope {
            stamp,
            zone,
            program: line.program,
            pid: line.pid,
            text: line.text,
        })
    }

    /// The stamp at the start of a line that need not be in an envelope.
    pub(super) fn stamped<'a>(&mut self, line: &'a str) -> Option<Stamped<'a>> {
        let (when, rest) = When::read(line)?;
        let (stamp, zone) = self.stamp(when)?;
        Some(Stamped { stamp, zone, rest })
    }

    /// The year of a line, and the host that it names.
    pub(super) fn host<'a>(&mut self, line: &'a str) -> Option<(i32, &'a str)> {
        let (line, wire) = without_priority(line);
        let line = match line.strip_prefix("1 ") {
            Some(rest) if wire => rest,
            _ => line,
        };
        // A program's own log names none: a blank between date and time tells it from RFC 3339.
        if line.as_bytes().get(4) == Some(&b'-') && line.as_bytes().get(10) != Some(&b'T') {
            return None;
        }
        let stamped = self.stamped(line)?;
        let (host, _) = word(without_level(stamped.rest.trim_start_matches(' ')))?;
        let year = stamped.stamp.at.to_rfc3339();
        let year = year.get(..4)?.parse().ok()?;
        // A program that writes to the wire itself may leave its host out.
        (!host.ends_with(':') && !host.starts_with(['[', '+', '-'])).then_some((year, host))
    }

    fn stamp(&mut self, when: When) -> Option<(Stamp, Option<Span>)> {
        match when {
            When::Whole { stamp, zone } => Some((stamp, zone)),
            When::Yearless(stamp) => Some((self.within(stamp)?, None)),
        }
    }

    fn within(&mut self, stamp: Yearless) -> Option<Stamp> {
        // Within a day there is neither another year nor another month.
        if let Some((month, day, midnight)) = self.day
            && (month, day) == (stamp.month, stamp.day)
        {
            return Some(Stamp {
                at: midnight + stamp.clock,
                resolution: stamp.resolution,
            });
        }
        let dated = self.in_its_year(stamp)?;
        self.day = Some((stamp.month, stamp.day, dated.at - stamp.clock));
        Some(dated)
    }

    fn in_its_year(&mut self, stamp: Yearless) -> Option<Stamp> {
        let step = self
            .month
            .map_or(0, |before| stamp::years_between(before, stamp.month));
        let year = self.year.saturating_add(step);
        let dated = stamp.within(year)?;
        // A line of the old year that comes late changes nothing.
        if step != -1 {
            (self.year, self.month) = (year, Some(stamp.month));
        }
        Some(dated)
    }
}

impl When {
    fn read(text: &str) -> Option<(Self, &str)> {
        if let Some((stamp, rest)) = Yearless::read(text) {
            return Some((Self::Yearless(stamp), rest));
        }
        let Stamped { stamp, zone, rest } = stamp::iso(text)?;
        Some((Self::Whole { stamp, zone }, rest))
    }
}

impl<'a> Undated<'a> {
    /// The envelope around a line; `None` when it has none.
    pub(super) fn read(line: &'a str) -> Option<Self> {
        let (line, wire) = without_priority(line);
        if wire && let Some(rest) = line.strip_prefix("1 ") {
            return rfc5424(rest);
        }
        let Some((when, rest)) = When::read(line) else {
            return of_journal(line);
        };
        let rest = without_level(rest.trim_start_matches(' '));
        let (first, behind) = word(rest)?;
        // A program that writes to the wire itself may leave its host out.
        let rest = if first.ends_with("]:") { rest } else { behind };
        // Most lines are `program[12]: text`.
        let (tag, text) = word(rest).unwrap_or_default();
        if let Some((program, pid)) = tag.strip_suffix("]:").and_then(|tag| cut(tag, "["))
            && !pid.contains(']')
        {
            return Some(Self {
                when,
                program,
                pid,
                text: without_id(text),
            });
        }
        // BusyBox has the facility and the level before the program.
        let rest = if is_priority(tag) { text } else { rest };
        // An RFC 5424 message in a file of rsyslog has no colon behind the process id.
        let (tag, text) = rest
            .split_once("] ")
            .filter(|(tag, _)| tag.contains('[') && !tag.contains(' '))
            .or_else(|| cut(rest, ": "))
            .or_else(|| Some((rest.strip_suffix(':')?, "")))?;
        let (program, pid) = match cut(tag, "[") {
            Some((program, pid)) => (program, pid.strip_suffix(']').unwrap_or(pid)),
            None => (tag, ""),
        };
        (!program.contains(' ')).then_some(Self {
            when,
            program,
            pid,
            text: without_id(text),
        })
    }
}

/// How much of a head are lines that `is_ours` takes.
pub(super) fn share(head: &Head<'_>, is_ours: impl Fn(&Envelope<'_>) -> bool) -> Sureness {
    let mut syslog = Syslog::new(head.year);
    head.share(|line| {
        let text = as_text(line);
        syslog
            .open(&text)
            .is_some_and(|envelope| is_ours(&envelope))
    })
}

/// `<22>` taken off, and whether it was there.
fn without_priority(line: &str) -> (&str, bool) {
    let inner = line.strip_prefix('<').and_then(|rest| cut(rest, ">"));
    match inner {
        Some((priority, rest)) if priority.len() <= 3 && priority.parse::<u8>().is_ok() => {
            (rest, true)
        }
        _ => (line, false),
    }
}

/// FreeBSD's `syslogd -v` puts `<mail.info>` or `<2.6>` before the host.
fn without_level(rest: &str) -> &str {
    let inner = rest.strip_prefix('<').and_then(|rest| cut(rest, "> "));
    match inner {
        Some((level, behind)) if level.contains('.') && !level.contains(' ') => behind,
        _ => rest,
    }
}

/// Solaris begins the text with `[ID 197553 mail.info] `.
fn without_id(text: &str) -> &str {
    let inner = text.strip_prefix("[ID ").and_then(|rest| cut(rest, "] "));
    match inner.map(|(id, behind)| (cut(id, " "), behind)) {
        Some((Some((number, priority)), behind))
            if is_priority(priority) && number.bytes().all(|digit| digit.is_ascii_digit()) =>
        {
            behind
        }
        _ => text,
    }
}

/// `mail.info`: a facility and a level (RFC 3164 §4.1.1, in the words of `syslog.conf`).
fn is_priority(word: &str) -> bool {
    const FACILITIES: [&str; 12] = [
        "auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog",
        "user", "uucp",
    ];
    const LEVELS: [&str; 11] = [
        "alert", "crit", "debug", "emerg", "err", "error", "info", "notice", "panic", "warn",
        "warning",
    ];
    cut(word, ".").is_some_and(|(facility, level)| {
        let local = facility.strip_prefix("local").is_some_and(|n| n.len() == 1);
        (local || FACILITIES.contains(&facility)) && LEVELS.contains(&level)
    })
}

/// What `journalctl` writes with `-o short-unix` and `-o short-full`: `1795491820.123456 mail postfix/smtpd[7]: …`,
/// `Tue 2026-11-24 03:43:40 CET mail postfix/smtpd[7]: …`. The name of a zone says too little, but for UTC.
fn of_journal(line: &str) -> Option<Undated<'_>> {
    let (stamp, zone, rest) = match stamp::unix(line) {
        Some((at, rest)) => (at, Some(Span::ZERO), rest),
        None => in_full(line)?,
    };
    // Others stamp their lines alike: nothing less than a host and a process will do.
    let (_host, rest) = word(rest.strip_prefix(' ').unwrap_or(rest))?;
    let (tag, text) = word(rest)?;
    let (program, pid) = tag.strip_suffix("]:")?.split_once('[')?;
    let is_pid = pid.bytes().all(|digit| digit.is_ascii_digit());
    is_pid.then_some(Undated {
        when: When::Whole { stamp, zone },
        program,
        pid,
        text,
    })
}

/// `Tue 2026-11-24 03:43:40 CET`, and what is behind it.
fn in_full(line: &str) -> Option<(Stamp, Option<Span>, &str)> {
    let (day, rest) = word(line).filter(|(day, _)| day.len() == 3)?;
    let stamped = stamp::iso(rest).filter(|stamped| stamped.zone.is_none())?;
    let (name, rest) = word(stamped.rest.strip_prefix(' ')?)?;
    let is_day = day.bytes().all(|letter| letter.is_ascii_alphabetic());
    let is_zone = is_day && name.bytes().all(|letter| letter.is_ascii_uppercase());
    let zone = (name == "UTC").then_some(Span::ZERO);
    is_zone.then_some((stamped.stamp, zone, rest))
}

/// Behind the version: stamp, host, program, process id, message id, structured data, text.
fn rfc5424(rest: &str) -> Option<Undated<'_>> {
    let stamped = stamp::iso(rest)?;
    let (_host, rest) = word(stamped.rest.trim_start_matches(' '))?;
    let (program, rest) = word(rest)?;
    let (pid, rest) = word(rest)?;
    let (_message_id, rest) = word(rest)?;
    let text = match rest.strip_prefix("- ") {
        Some(text) => text,
        None => after_structured_data(rest)?,
    };
    let text = text.trim_start_matches('\u{feff}');
    Some(Undated {
        when: When::Whole {
            stamp: stamped.stamp,
            zone: stamped.zone,
        },
        program,
        pid: if pid == "-" { "" } else { pid },
        // rsyslog keeps the blank that stood behind the tag.
        text: text.strip_prefix(' ').unwrap_or(text),
    })
}

/// Behind `[id name="value"]…`, where `\]` and `\"` are no ends.
fn after_structured_data(rest: &str) -> Option<&str> {
    let mut escaped = false;
    let mut quoted = false;
    for (at, character) in rest.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ' ' if !quoted && rest.get(..at)?.ends_with(']') => return rest.get(at + 1..),
            _ => {}
        }
    }
    None
}

fn word(text: &str) -> Option<(&str, &str)> {
    cut(text, " ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::LogTime;

    #[test]
    fn the_same_line_in_every_envelope() {
        for (line, zone) in [
            ("Nov 24 03:43:40 mail postfix/smtpd[21489]: connect", None),
            (
                "<22>Nov 24 03:43:40 mail postfix/smtpd[21489]: connect",
                None,
            ),
            ("Nov 24 03:43:40 mail postfix/smtpd[21489] connect", None),
            (
                "Nov 24 03:43:40 <2.6> mail postfix/smtpd[21489]: connect",
                None,
            ),
            (
                "Nov 24 03:43:40 mail mail.info postfix/smtpd[21489]: connect",
                None,
            ),
            (
                "Nov 24 03:43:40 mail postfix/smtpd[21489]: [ID 197553 mail.info] connect",
                None,
            ),
            (
                "Tue 2026-11-24 03:43:40 CET mail postfix/smtpd[21489]: connect",
                None,
            ),
            (
                "Tue 2026-11-24 03:43:40 UTC mail postfix/smtpd[21489]: connect",
                Some(Span::ZERO),
            ),
            (
                "1795491820.000000 mail postfix/smtpd[21489]: connect",
                Some(Span::ZERO),
            ),
            ("<22>Nov 24 03:43:40 postfix/smtpd[21489]: connect", None),
            (
                "<22>1 2026-11-24T03:43:40Z mail postfix/smtpd 21489 - - connect",
                Some(Span::ZERO),
            ),
            (
                "<22>1 2026-11-24T03:43:40Z mail postfix/smtpd 21489 - -  connect",
                Some(Span::ZERO),
            ),
            (
                "<22>1 2026-11-24T03:43:40Z mail postfix/smtpd 21489 - [a b=\"] c\"] connect",
                Some(Span::ZERO),
            ),
            (
                "2026-11-24T04:43:40+01:00 mail postfix/smtpd[21489]: connect",
                Some(Span::seconds(3600)),
            ),
        ] {
            let envelope = Syslog::new(2026)
                .open(line)
                .unwrap_or_else(|| panic!("{line}"));
            assert_eq!(envelope.stamp.at, LogTime::new(1_795_491_820, 0), "{line}");
            assert_eq!(
                (envelope.zone, envelope.program, envelope.pid, envelope.text),
                (zone, "postfix/smtpd", "21489", "connect"),
                "{line}"
            );
        }
    }

    #[test]
    fn the_year_turns_between_december_and_january() {
        let mut syslog = Syslog::new(2026);
        let at = |syslog: &mut Syslog, line: &str| {
            syslog
                .open(line)
                .unwrap()
                .stamp
                .at
                .to_rfc3339()
                .split('T')
                .next()
                .unwrap()
                .to_owned()
        };
        assert_eq!(at(&mut syslog, "Dec 31 23:59:59 mail a: x"), "2026-12-31");
        assert_eq!(at(&mut syslog, "Jan  1 00:00:01 mail a: x"), "2027-01-01");
        assert_eq!(
            at(&mut syslog, "Dec 31 23:59:59 mail a: late"),
            "2026-12-31"
        );
        assert_eq!(at(&mut syslog, "Jan  2 00:00:01 mail a: x"), "2027-01-02");
    }

    proptest! {
        #[test]
        fn any_line_has_an_envelope_or_none(line in any::<String>()) {
            if let Some(envelope) = Syslog::new(2026).open(&line) {
                prop_assert!(!envelope.program.contains(' '));
            }
        }
    }
}
