//! What others put around the lines of a log: the reader takes it off, so that any format may be inside.
//!
//! An envelope is one file and one row in [`ENVELOPES`]. Formats whose lines have no time of their own read syslog themselves; a journal is
//! therefore brought into that form.

mod containers;
mod export;
mod journal;
mod prefixed;
mod stack;
mod syslog;
mod tai64n;

pub(super) use export::as_lines;
pub(super) use stack::{Stack, Unwrapped};

/// A row of the list of envelopes.
struct Entry {
    about: Around,
    /// Whether a line seems to be in this envelope.
    fits: fn(&[u8]) -> bool,
    open: fn() -> Box<dyn Envelope>,
}

/// What may be around the lines of a log, for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Around {
    /// Name, in one word.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
}

/// All that is taken off lines.
pub(super) fn all() -> impl Iterator<Item = Around> {
    let rows = ENVELOPES.iter().map(|entry| entry.about);
    rows.chain([export::ABOUT])
}

/// What is in an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// A line of the log.
    Line,
    /// The first part of one; the rest is to come.
    Part,
    /// It is no such envelope.
    Unopened,
}

/// Opens the envelopes of one file.
trait Envelope: Send {
    /// Puts what is inside `line` into `out`, which is empty.
    fn open(&mut self, line: &[u8], out: &mut Vec<u8>) -> Content;
}

/// All envelopes, those that are told most surely first.
static ENVELOPES: &[Entry] = &[
    containers::DOCKER,
    journal::ENTRY,
    containers::CRI,
    tai64n::ENTRY,
    prefixed::NAMED,
    prefixed::STAMPED,
    syslog::ENTRY,
];
