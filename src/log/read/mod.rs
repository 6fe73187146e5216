//! A log from bytes to sessions.
//!
//! [`Opening`] finds the format; its [`Reader`] takes bytes in any pieces, of one file or of a rotated set, and gives sessions. What is kept
//! between two pieces is the beginning of a line and what the format's builder keeps.

mod disk_full;
mod lines;
mod opening;
mod order;
mod pieces;
mod sessions;
mod tally;
mod text;
mod years;
mod zone;

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::model::{LogId, LogPart, LogSession, LogSource, LogTime, Span, Stamp, Threads, Zone};

use super::envelope::{Stack, as_lines};
use super::{Builder, Due, Entry, Follows, Head, MAX_LINE, Parsed};

pub use opening::{Chosen, How, Opening};
pub(super) use pieces::{Apart, RawLine};
pub use pieces::{Pieces, Sink};
pub use years::Era;
pub use zone::GivenZone;

pub use lines::Found;
use lines::{LineEnd, Splitter};
use order::order;
use sessions::Sessions;
use tally::{Extent, Tally, count, take_line};
use text::Text;
use zone::Offsets;

/// Octets between two reports of progress.
const STRIDE: usize = 4 << 20;
/// Fewer octets are not worth a thread.
const WORTH_THREADS: usize = if cfg!(test) { 0 } else { 1 << 20 };

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
        era: Era::Year(year),
        ..How::default()
    };
    let openings = Opening::of(bytes, how)?;
    let opening = openings.first().ok_or(LogError::Empty)?;
    let mut reader = opening.reader(id, file, bytes);
    reader.whole(bytes, Threads::default(), progress);
    Ok(reader.finish())
}

/// Reads one log: bytes go in, sessions and what is to be said of the log come out.
pub struct Reader {
    source: LogSource,
    builder: Box<dyn Builder>,
    stack: Stack,
    text: Text,
    given: Option<&'static encoding_rs::Encoding>,
    year: i32,
    splitter: Splitter,
    tally: Tally,
    sessions: Sessions,
}

impl Reader {
    fn new(
        source: LogSource,
        builder: Box<dyn Builder>,
        stack: Stack,
        opening: &Opening,
        bytes: &[u8],
    ) -> Self {
        let mut reader = Self {
            source,
            builder,
            stack,
            text: Text::of(bytes, opening.encoding),
            given: opening.encoding,
            year: opening.year,
            splitter: Splitter::default(),
            tally: Tally {
                offsets: opening.zone.map(Offsets::new),
                written: Extent::default(),
                given: Extent::default(),
            },
            sessions: Sessions::default(),
        };
        reader.look_at(bytes);
        reader
    }

    fn look_at(&mut self, bytes: &[u8]) {
        self.text = Text::of(bytes, self.given);
        self.source.encoding = self.source.encoding.or(self.text.name());
        let mut end = LineEnd::default();
        let head = bytes.get(..1 << 16).unwrap_or(bytes);
        Text::of(bytes, self.given).take(head, &mut |text| end = LineEnd::of(text));
        self.splitter = Splitter::new(end);
    }

    /// Passes over `bytes`, with which the log begins: they count as lines, and only those that name columns are read.
    pub fn pass_over(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            if !line.starts_with(b"#") {
                break;
            }
            self.take(line);
        }
        self.source.lines =
            u64::try_from(memchr::memchr_iter(b'\n', bytes).count()).unwrap_or(u64::MAX);
        if let Some(part) = bytes
            .rsplit(|&byte| byte == b'\n')
            .next()
            .filter(|part| !part.is_empty())
        {
            self.take(part);
        }
    }

    /// The bytes that follow are of another file of the same log, which begins with `bytes`.
    pub fn next_file(&mut self, file: &str, bytes: &[u8]) {
        self.end_of_file();
        if self.source.parts.is_empty() {
            self.source.parts.push(LogPart {
                file: self.source.file.clone(),
                before: 0,
            });
        }
        self.source.parts.push(LogPart {
            file: file.to_owned(),
            before: self.source.lines,
        });
        self.look_at(bytes);
        let lines = opening::head(bytes, self.given, opening::HEAD_LINES);
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        let head = Head {
            lines: &lines,
            year: self.year,
        };
        if self.builder.next_file(&head, &mut self.sessions.all) == Follows::Meanwhile {
            self.tally.written.newest = None;
            self.tally.given.newest = None;
        }
    }

    /// All of a file; `progress` hears now and then how many bytes are read.
    pub fn whole(&mut self, bytes: &[u8], threads: Threads, progress: &mut dyn FnMut(u64)) {
        let converted = as_lines(bytes);
        let bytes = converted.as_deref().unwrap_or(bytes);
        if !self.in_pieces(bytes, threads, progress) {
            self.in_order(bytes, progress);
        }
        self.end_of_file();
    }

    fn in_order(&mut self, bytes: &[u8], progress: &mut dyn FnMut(u64)) {
        let mut at = 0;
        for piece in bytes.chunks(STRIDE) {
            self.take(piece);
            at += piece.len();
            self.sessions.settle();
            self.sessions.make_room(at, bytes.len());
            progress(u64::try_from(at).unwrap_or(u64::MAX));
        }
    }

    /// The same by several threads, where the log and its format allow it; gives whether it was done.
    fn in_pieces(&mut self, bytes: &[u8], threads: Threads, progress: &mut dyn FnMut(u64)) -> bool {
        let Some(plain) = self.text.plain(bytes).filter(|plain| {
            threads.others() > 0 && self.stack.is_empty() && plain.len() > WORTH_THREADS
        }) else {
            return false;
        };
        let sessions = Mutex::new(std::mem::take(&mut self.sessions));
        let pieces = Pieces::new(plain, self.splitter.end(), threads, &sessions);
        let mut taking = Taking {
            source: &mut self.source,
            tally: &mut self.tally,
            progress,
        };
        let is_done = self.builder.pieces(pieces, &mut taking);
        self.sessions = sessions
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        is_done
    }

    /// The next bytes, cut anywhere.
    pub fn take(&mut self, bytes: &[u8]) {
        let Self {
            source,
            builder,
            stack,
            text,
            splitter,
            tally,
            sessions,
            ..
        } = self;
        text.take(bytes, &mut |bytes| {
            splitter.take(bytes, &mut |line| {
                take_line(source, tally, stack, &mut **builder, sessions, line);
            });
        });
    }

    /// A line whose end did not come has none.
    fn end_of_file(&mut self) {
        let Self {
            source,
            builder,
            stack,
            splitter,
            tally,
            sessions,
            ..
        } = self;
        splitter.flush(&mut |line| {
            take_line(source, tally, stack, &mut **builder, sessions, line);
        });
    }

    /// How many sessions are complete and not taken.
    pub const fn complete(&self) -> usize {
        self.sessions.all.len()
    }

    /// The sessions that are complete so far.
    pub fn sessions(&mut self) -> Vec<LogSession> {
        let mut sessions = self.sessions.take();
        if let Some(offsets) = self.offsets() {
            for session in &mut sessions {
                session.events.restamp(|event| Stamp {
                    at: event.stamp.at - offsets.at(event.line.line),
                    ..event.stamp
                });
            }
        }
        sessions
    }

    /// Sessions that were over so long before the last line, and are kept for what may still be told of them, are complete; all of them when
    /// `None`. Not those of a client's end whose connection `goes_on`.
    pub fn settle(&mut self, after: Option<Span>, goes_on: &dyn Fn(IpAddr, u16) -> bool) {
        let before = match (after, self.tally.written.present) {
            (None, _) => LogTime(i64::MAX),
            (Some(_), None) => return,
            (Some(after), Some(present)) => present - after,
        };
        let due = Due { before, goes_on };
        self.builder.settle(&due, &mut self.sessions.all);
    }

    /// The stamp of the last line, which need not be the latest.
    pub fn present(&self) -> Option<LogTime> {
        match self.offsets() {
            Some(_) => self.tally.given.present,
            None => self.tally.written.present,
        }
    }

    /// The zone given, unless the log states one itself.
    fn offsets(&self) -> Option<&Offsets> {
        let is_stated = matches!(self.builder.zone(), Zone::Stated(_));
        self.tally.offsets.as_ref().filter(|_| !is_stated)
    }

    /// The log is over: what is to be said of it, and the sessions not yet given, in the order of their first lines.
    pub fn finish(mut self) -> (LogSource, Vec<LogSession>) {
        self.end_of_file();
        self.builder.finish(&mut self.sessions.all);
        let mut sessions = self.sessions();
        order(&mut sessions, |session| {
            session.events.first().map_or(0, |event| event.line.line)
        });
        (self.source(), sessions)
    }

    /// What is to be said of the log so far.
    pub fn source(&self) -> LogSource {
        let (extent, remarks, zone) = match self.offsets() {
            Some(offsets) => (self.tally.given, offsets.remarks(), offsets.zone()),
            None => (self.tally.written, Vec::new(), self.builder.zone()),
        };
        let mut source = self.source.clone();
        source.zone = zone;
        source.remarks.extend(remarks);
        source.remarks.extend(self.builder.remarks());
        source.first = extent.first;
        source.last = extent.last;
        source.late = extent.late;
        source.late_by = extent.latest;
        source
    }
}

/// A reader whose builder takes lines that others have read.
struct Taking<'a> {
    source: &'a mut LogSource,
    tally: &'a mut Tally,
    progress: &'a mut dyn FnMut(u64),
}

impl Sink for Taking<'_> {
    fn number(&mut self, line: Found<'_>) -> Option<u64> {
        self.source.lines += 1;
        if line.bytes.len() > MAX_LINE {
            self.source.overlong += 1;
            self.parsed(line, Parsed::Failed);
            return None;
        }
        Some(self.source.lines)
    }

    fn parsed(&mut self, line: Found<'_>, parsed: Parsed) {
        count(self.source, self.tally, line, parsed);
    }

    fn progress(&mut self, at: usize) {
        (self.progress)(u64::try_from(at).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests;
