//! The shape of a log format.

use std::net::IpAddr;

use crate::model::{LogId, LogSession, LogTime, Shows, Stamp, Zone};

use super::read::{Pieces, Sink};

/// Longest line read, in octets; the rest of a longer one is passed over and counted as unparsed.
pub const MAX_LINE: usize = 1 << 20;

/// A row of the registry.
pub struct Entry {
    /// Name, as given with `-l NAME:PATH`.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// What its lines can show, as far as its builder takes it in.
    pub shows: Shows,
    /// How surely a file with this head is of this format.
    pub probe: fn(&Head<'_>) -> Sureness,
    /// A builder for one file; `head` is the same as for `probe`.
    pub open: fn(LogId, &Head<'_>) -> Box<dyn Builder>,
}

/// The beginning of a log file.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The first lines that are not empty, at most 50, without their ends.
    pub lines: &'a [&'a [u8]],
    /// The year to take for stamps without one: of the capture where there is one.
    pub year: i32,
}

impl Head<'_> {
    /// How sure a format is by the lines that it can read.
    pub(super) fn share(&self, mut reads: impl FnMut(&[u8]) -> bool) -> Sureness {
        let read = self.lines.iter().filter(|line| reads(line));
        Sureness::share(read.count(), self.lines.len())
    }
}

/// Share of the head's lines that a format can read, in thousandths; 0: not of this format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sureness(pub u16);

/// One line of a log.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Number from 1.
    pub number: u64,
    /// Without its end; not empty.
    pub bytes: &'a [u8],
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A header, a comment, or a line of another program that this format is known to live beside.
    Aside(Option<Stamp>),
    /// It belongs to a session.
    Event(Stamp),
    /// It should be of this format and cannot be read.
    Failed,
}

/// When the lines of a further file are, beside those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// They were written later.
    Later,
    /// They were written at the same time.
    Meanwhile,
}

/// Which sessions of a log that is followed are given, although more may be told of them.
#[derive(Clone, Copy)]
pub struct Due<'a> {
    /// Those whose last line was written before this.
    pub before: LogTime,
    /// But not those of a client's address and port whose connection is known to go on.
    pub goes_on: &'a dyn Fn(IpAddr, u16) -> bool,
}

/// Puts the lines of one log together into sessions.
pub trait Builder: Send {
    /// Takes the next line. Sessions that it completes go to `out`.
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed;

    /// Takes all of a log at once, if it can have other threads read lines for it; gives whether it did.
    fn pieces(&mut self, _pieces: Pieces<'_>, _sink: &mut dyn Sink) -> bool {
        false
    }

    /// What follows is of another file of the same log, which begins with `head`: the next of a rotated set, or the other half of a pair.
    fn next_file(&mut self, _head: &Head<'_>, _out: &mut Vec<LogSession>) -> Follows {
        Follows::Later
    }

    /// Sessions that are over and are kept for what may still be told of them go to `out` where they are due: a log that is followed has no end.
    /// Formats that give each session once it is over need not do anything.
    fn settle(&mut self, _due: &Due<'_>, _out: &mut Vec<LogSession>) {}

    /// The file is over: sessions still open go to `out` as they are.
    fn finish(&mut self, out: &mut Vec<LogSession>);

    /// What the format, or the file, says of its zone.
    fn zone(&self) -> Zone;

    /// What else a person should know of the file, once all of it is read: the level that it was written at, and what that leaves out.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Sureness {
    /// What a format must be able to read of a head at least.
    pub(super) const ENOUGH: Self = Self(300);

    /// `part` of `whole`.
    pub(super) fn share(part: usize, whole: usize) -> Self {
        let thousandths = part.saturating_mul(1000).checked_div(whole).unwrap_or(0);
        Self(u16::try_from(thousandths.min(1000)).unwrap_or(1000))
    }
}
