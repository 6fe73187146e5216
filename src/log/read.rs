//! A log file from bytes to sessions.

use memchr::memchr;

use crate::model::{DamageLog, LogId, LogSession, LogSource, Shows, Stamp, from_wire};

use super::envelope::{Stack, Unwrapped, as_lines};
use super::registry::FORMATS;
use super::{Builder, Entry, Head, Line, MAX_LINE, OwnFormat, Parsed, Sureness};

/// Lines that a format is told by.
const HEAD_LINES: usize = 50;
/// Lines that could not be read whose text is kept, and how much of it.
const UNPARSED_KEPT: usize = 5;
const UNPARSED_TEXT: usize = 160;
/// Lines between two reports of progress.
const STRIDE: u64 = 4096;
/// Share of the head that a format must be able to read, in thousandths.
const ENOUGH: Sureness = Sureness(300);

/// Why a file is no log that can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// It has no lines.
    #[error("it is empty")]
    Empty,
    /// No format fits its first lines.
    #[error(
        "no known format fits its first line '{first}'\nname the format with -l FORMAT:LOG; `bothends formats` lists them"
    )]
    Unknown {
        /// The first line, cut.
        first: String,
    },
}

/// A format that the user names.
#[derive(Clone)]
pub enum Chosen {
    /// A row of the registry.
    Known(&'static Entry),
    /// One of the user's own.
    Own(OwnFormat),
}

/// How a log is to be read.
#[derive(Clone, Copy, Debug, Default)]
pub struct How<'a> {
    /// Its format, where the user names it; else it is told by the first lines.
    pub format: Option<&'a Chosen>,
    /// Formats of the user, which go before those of the registry where they fit as well.
    pub own: &'a [OwnFormat],
    /// For stamps without a year.
    pub year: i32,
}

impl std::fmt::Debug for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Known(entry) => entry.name,
            Self::Own(own) => own.name(),
        })
    }
}

impl Chosen {
    fn name(&self) -> &'static str {
        match self {
            Self::Known(entry) => entry.name,
            Self::Own(_) => "own",
        }
    }

    fn shows(&self) -> Shows {
        match self {
            Self::Known(entry) => entry.shows,
            Self::Own(own) => own.shows(),
        }
    }

    fn probe(&self, head: &Head<'_>) -> Sureness {
        match self {
            Self::Known(entry) => (entry.probe)(head),
            Self::Own(own) => own.probe(head),
        }
    }

    fn open(&self, id: LogId, head: &Head<'_>) -> Box<dyn Builder> {
        match self {
            Self::Known(entry) => (entry.open)(id, head),
            Self::Own(own) => own.open(id),
        }
    }
}

/// Reads the log in `bytes`, in `format` or in the one that fits its first lines best.
///
/// `year` is for stamps without one; `progress` hears now and then how many bytes are read.
///
/// # Errors
/// When there is nothing to read, or no format fits.
pub fn read(
    id: LogId,
    file: &str,
    bytes: &[u8],
    format: Option<&'static Entry>,
    year: i32,
    progress: &mut dyn FnMut(u64),
) -> Result<(LogSource, Vec<LogSession>), LogError> {
    let format = format.map(Chosen::Known);
    let how = How {
        format: format.as_ref(),
        own: &[],
        year,
    };
    read_as(id, file, bytes, how, progress)
}

/// Reads the log in `bytes`; `progress` hears now and then how many of them are read.
///
/// # Errors
/// When there is nothing to read, or no format fits.
pub fn read_as(
    id: LogId,
    file: &str,
    bytes: &[u8],
    how: How<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<(LogSource, Vec<LogSession>), LogError> {
    let transcoded = utf8(bytes).or_else(|| as_lines(bytes));
    let bytes = transcoded.as_deref().unwrap_or(bytes);
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let lines: Vec<&[u8]> = Lines(bytes)
        .map(|(_, line)| line)
        .filter(|line| !line.is_empty())
        .take(HEAD_LINES)
        .collect();
    let first = lines.first().ok_or(LogError::Empty)?;
    let opened = open(id, &lines, how).ok_or_else(|| LogError::Unknown {
        first: excerpt(first),
    })?;
    let (chosen, mut builder, mut stack) = opened;
    let mut reading = Reading::new(id, file, &chosen, &*builder);
    let mut sessions = Vec::new();
    for (at, (left, line)) in Lines(bytes).enumerate() {
        let number = u64::try_from(at + 1).unwrap_or(u64::MAX);
        reading.line(number, line, &mut stack, &mut *builder, &mut sessions);
        if number.is_multiple_of(STRIDE) {
            progress(u64::try_from(bytes.len() - left).unwrap_or(u64::MAX));
        }
    }
    builder.finish(&mut sessions);
    reading.source.zone = builder.zone();
    sessions.sort_by_key(|session| session.events.first().map(|event| event.line));
    Ok((reading.source, sessions))
}

/// A format, a builder for its lines, and the envelopes around them.
type Opened = (Chosen, Box<dyn Builder>, Stack);

/// Finds the format of a file, with or without envelopes around its lines.
fn open(id: LogId, lines: &[&[u8]], how: How<'_>) -> Option<Opened> {
    let mut stack = Stack::default();
    let mut inside: Vec<Vec<u8>> = Vec::new();
    loop {
        let within: Vec<&[u8]> = inside.iter().map(Vec::as_slice).collect();
        let lines = if inside.is_empty() { lines } else { &within };
        let head = Head {
            lines,
            year: how.year,
        };
        let chosen = match how.format {
            Some(chosen) => Some(chosen.clone()).filter(|chosen| chosen.probe(&head) >= ENOUGH),
            None => detect(&head, how.own),
        };
        if let Some(chosen) = chosen {
            let builder = chosen.open(id, &head);
            return Some((chosen, builder, stack));
        }
        inside = match stack.deepen(lines) {
            Some(inside) if !inside.is_empty() => inside,
            _ => break,
        };
    }
    // The user knows better, whatever the first lines are.
    let chosen = how.format?;
    let head = Head {
        lines,
        year: how.year,
    };
    Some((chosen.clone(), chosen.open(id, &head), Stack::default()))
}

/// The format that can read most of the head; none when that is little.
fn detect(head: &Head<'_>, own: &[OwnFormat]) -> Option<Chosen> {
    let own = own
        .iter()
        .map(|own| (own.probe(head), Chosen::Own(own.clone())));
    let known = FORMATS
        .iter()
        .map(|entry| ((entry.probe)(head), Chosen::Known(entry)));
    let fitting: Vec<_> = own
        .chain(known)
        .filter(|(sureness, _)| *sureness >= ENOUGH)
        .collect();
    // Of equals the first in the list.
    let best = fitting
        .into_iter()
        .rev()
        .max_by_key(|(sureness, _)| *sureness);
    best.map(|(_, chosen)| chosen)
}

/// Counts of a file that is being read.
struct Reading {
    source: LogSource,
}

impl Reading {
    fn new(id: LogId, file: &str, format: &Chosen, builder: &dyn Builder) -> Self {
        Self {
            source: LogSource {
                id,
                file: file.to_owned(),
                format: format.name(),
                shows: format.shows(),
                zone: builder.zone(),
                lines: 0,
                events: 0,
                unparsed: 0,
                unparsed_first: Vec::new(),
                first: None,
                last: None,
                damage: DamageLog::default(),
            },
        }
    }

    fn line(
        &mut self,
        number: u64,
        bytes: &[u8],
        stack: &mut Stack,
        builder: &mut dyn Builder,
        sessions: &mut Vec<LogSession>,
    ) {
        self.source.lines += 1;
        if bytes.is_empty() {
            return;
        }
        let parsed = match stack.open(bytes.get(..MAX_LINE).unwrap_or(bytes)) {
            _ if bytes.len() > MAX_LINE => Parsed::Failed,
            Unwrapped::Line([]) | Unwrapped::Part => Parsed::Aside(None),
            Unwrapped::Line(inner) if inner.len() > MAX_LINE => Parsed::Failed,
            Unwrapped::Line(inner) => builder.line(
                Line {
                    number,
                    bytes: inner,
                },
                sessions,
            ),
            Unwrapped::Unopened => Parsed::Failed,
        };
        match parsed {
            Parsed::Aside(stamp) => self.stamp(stamp),
            Parsed::Event(stamp) => {
                self.source.events += 1;
                self.stamp(Some(stamp));
            }
            Parsed::Failed => {
                self.source.unparsed += 1;
                if self.source.unparsed_first.len() < UNPARSED_KEPT {
                    self.source.unparsed_first.push((number, excerpt(bytes)));
                }
            }
        }
    }

    fn stamp(&mut self, stamp: Option<Stamp>) {
        let Some(Stamp { at, .. }) = stamp else {
            return;
        };
        self.source.first = Some(self.source.first.map_or(at, |first| first.min(at)));
        self.source.last = self.source.last.max(Some(at));
    }
}

fn excerpt(line: &[u8]) -> String {
    from_wire(
        line.get(..line.len().min(UNPARSED_TEXT))
            .unwrap_or_default(),
    )
}

/// Lines without their ends, each with the number of bytes left behind it; runs of NUL, which a server leaves at the end of a file that it has
/// reserved, are no text.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let (line, rest) = match memchr(b'\n', self.0) {
            Some(at) => (self.0.get(..at)?, self.0.get(at + 1..)?),
            None => (self.0, &[][..]),
        };
        self.0 = rest;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Some((rest.len(), without_nul(line)))
    }
}

fn without_nul(line: &[u8]) -> &[u8] {
    let start = line.iter().take_while(|&&byte| byte == 0).count();
    let end = line.iter().rev().take_while(|&&byte| byte == 0).count();
    line.get(start..line.len().saturating_sub(end))
        .unwrap_or_default()
}

/// UTF-16 with a byte order mark as UTF-8; `None` when it is not that.
fn utf8(bytes: &[u8]) -> Option<Vec<u8>> {
    let (body, unit): (_, fn([u8; 2]) -> u16) = match bytes {
        [0xff, 0xfe, body @ ..] => (body, u16::from_le_bytes),
        [0xfe, 0xff, body @ ..] => (body, u16::from_be_bytes),
        _ => return None,
    };
    let units = body
        .chunks_exact(2)
        .filter_map(|pair| pair.first_chunk().map(|pair| unit(*pair)));
    let text: String = char::decode_utf16(units)
        .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    Some(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Span;

    const POSTFIX: &str = "Nov 24 03:29:09 mail postfix/smtpd[7]: connect from unknown[192.0.2.10]\nrubbish\nNov 24 03:29:10 mail postfix/smtpd[7]: disconnect from unknown[192.0.2.10] quit=1 commands=1\n";

    fn told(bytes: &[u8]) -> (LogSource, Vec<LogSession>) {
        read(LogId(0), "mail.log", bytes, None, 2026, &mut |_| {}).unwrap()
    }

    #[test]
    fn line_ends_marks_and_encodings_change_nothing() {
        let utf16: Vec<u8> = [0xfeff]
            .into_iter()
            .chain(POSTFIX.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        let nul_padded = [POSTFIX.as_bytes(), &[0; 64]].concat();
        for bytes in [
            POSTFIX.as_bytes(),
            POSTFIX.replace('\n', "\r\n").as_bytes(),
            POSTFIX.trim_end().as_bytes(),
            &[b"\xef\xbb\xbf", POSTFIX.as_bytes()].concat(),
            &utf16,
            &nul_padded,
        ] {
            let (source, sessions) = told(bytes);
            assert_eq!(
                (
                    source.format,
                    sessions.len(),
                    source.events,
                    source.unparsed
                ),
                ("postfix", 1, 2, 1)
            );
            assert_eq!(source.unparsed_first, [(2, "rubbish".to_owned())]);
        }
    }

    #[test]
    fn the_same_lines_in_every_envelope() {
        let clf =
            "192.0.2.10 - - [24/Nov/2026:03:49:17 +0000] \"GET / HTTP/1.1\" 200 13 \"-\" \"x\"";
        let json = clf.replace('"', "\\\"");
        let journal = |message: &str| {
            format!(
                "{{\"__REALTIME_TIMESTAMP\":\"1795491820629511\",\"_HOSTNAME\":\"w\",\"SYSLOG_IDENTIFIER\":\"nginx\",\"_PID\":\"7\",\"MESSAGE\":\"{message}\"}}"
            )
        };
        let (half, rest) = clf.split_at(30);
        for line in [
            clf.to_owned(),
            format!("<190>Nov 24 03:49:17 web nginx: {clf}"),
            format!("<190>1 2026-11-24T03:49:17Z web nginx 7 - - {clf}"),
            format!("2026-11-24T03:49:17.1Z web nginx[7]: {clf}"),
            format!("2026-11-24T03:43:40.629303112Z stdout F {clf}"),
            format!(
                "2026-11-24T03:43:40.6Z stdout P {half}\n2026-11-24T03:43:40.6Z stderr F hello\n2026-11-24T03:43:40.7Z stdout F {rest}"
            ),
            format!(
                "{{\"log\":\"{json}\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-24T03:49:17.7Z\"}}"
            ),
            journal(&json),
            format!(
                "__CURSOR=x\n__REALTIME_TIMESTAMP=1795491820629511\nSYSLOG_IDENTIFIER=nginx\nMESSAGE={clf}\n"
            ),
        ] {
            let (source, sessions) = told(format!("{line}\n{line}\n").as_bytes());
            assert_eq!((source.format, sessions.len()), ("clf", 2), "{line}");
            assert_eq!(sessions[0].peer, "192.0.2.10".parse().ok(), "{line}");
        }
    }

    #[test]
    fn a_journal_tells_the_time_of_lines_that_have_none() {
        let export = [
            b"__CURSOR=a\n__REALTIME_TIMESTAMP=1795491820629511\n_SOURCE_REALTIME_TIMESTAMP=1795491820629303\nSYSLOG_IDENTIFIER=postfix/smtpd\n_PID=7\nMESSAGE\n".as_slice(),
            &36u64.to_le_bytes(),
            b"connect from unknown[192.0.2.10]:1\n \n\n__CURSOR=b\n__REALTIME_TIMESTAMP=1795491821629511\nSYSLOG_IDENTIFIER=postfix/smtpd\n_PID=7\nMESSAGE=disconnect from unknown[192.0.2.10]:1 quit=1 commands=1\n\n",
        ]
        .concat();
        let (source, sessions) = told(&export);
        assert_eq!((source.format, sessions.len()), ("postfix", 1));
        let lines: Vec<u64> = sessions[0]
            .events
            .iter()
            .map(|event| event.line.line)
            .collect();
        assert_eq!(lines, [1, 10], "the lines on which the entries begin");
        let stamp = sessions[0].events[0].stamp;
        assert_eq!(stamp.at.to_rfc3339(), "2026-11-24T03:43:40.629303000Z");
        assert_eq!(stamp.resolution, Span::MICROSECOND);
    }

    #[test]
    fn what_fits_no_format_is_named() {
        let error = read(LogId(0), "x", b"hello\n", None, 2026, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("'hello'"), "{error}");
        let empty = read(LogId(0), "x", b"\n\n", None, 2026, &mut |_| {});
        assert_eq!(empty.unwrap_err(), LogError::Empty);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_in_every_format(bytes in proptest::collection::vec(any::<u8>(), 1..400), format in 0..FORMATS.len()) {
            if let Ok((source, _)) = read(LogId(0), "x", &bytes, FORMATS.get(format), 2026, &mut |_| {}) {
                prop_assert!(source.events + source.unparsed <= source.lines);
            }
        }

        /// A real log with some bytes changed.
        #[test]
        fn damaged_lines_are_counted_not_fatal(changes in proptest::collection::vec((0usize..200, any::<u8>()), 1..8), format in 0..FORMATS.len()) {
            let mut bytes = POSTFIX.as_bytes().to_vec();
            for (at, value) in changes {
                let at = at % bytes.len();
                bytes[at] = value;
            }
            if let Ok((source, _)) = read(LogId(0), "x", &bytes, FORMATS.get(format), 2026, &mut |_| {}) {
                prop_assert!(source.lines <= 16);
            }
        }
    }
}
