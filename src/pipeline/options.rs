//! What a run is asked to do.

use std::path::{Path, PathBuf};

use encoding_rs::Encoding;

use crate::capture::Turn;
use crate::flow::{BadChecksums, Limits};
use crate::input::{MostUnpacked, Stop, TableAddress};
use crate::log::{Chosen, GivenZone, OwnFormat};
use crate::model::Span;
use crate::model::Threads;
use crate::report::Selection;

use super::{BodyRules, Meter};

/// What a run is asked to do.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Captures: files, folders, patterns, `-`.
    pub captures: Vec<PathBuf>,
    /// Which of their packets are used, and what else is done with them.
    pub packets: PacketRules,
    /// Interfaces to listen to.
    #[cfg(feature = "live")]
    pub live: Option<crate::capture::LiveRequest>,
    /// Where bodies are written to, if anywhere.
    pub bodies: Option<BodyRules>,
    /// Key logs: files, folders, patterns.
    pub keylogs: Vec<PathBuf>,
    /// Another capture of the same traffic, taken at another point of its path.
    pub other_side: Option<PathBuf>,
    /// Logs.
    pub logs: Vec<LogInput>,
    /// Whether logs are read on while they are written, until packets are over or the user stops it.
    pub follow: bool,
    /// Formats that the user describes.
    pub own_formats: Vec<OwnFormat>,
    /// Zone of captures that keep wall-clock time.
    pub capture_zone: Option<Span>,
    /// Zones of logs, the last that fits counts.
    pub log_zones: Vec<ZoneRule>,
    /// Clocks of logs, the last that fits counts.
    pub clocks: Vec<ClockRule>,
    /// Encodings of logs, the last that fits counts.
    pub log_encodings: Vec<EncodingRule>,
    /// Year of log stamps without one; else that of the capture, else that of the file.
    pub year: Option<i32>,
    /// What becomes of segments whose checksum is wrong.
    pub bad_checksums: BadChecksums,
    /// Bounds of the connection table.
    pub limits: Limits,
    /// How many threads join sessions and look for findings; what comes out does not depend on it.
    pub threads: Threads,
    /// Bound of what comes out of compressed inputs.
    pub most_unpacked: MostUnpacked,
    /// What to show.
    pub selection: Selection,
    /// Ends what waits for packets: those that came are still used.
    pub stop: Stop,
    /// Counts as the run goes on.
    pub meter: Meter,
    /// Told what a person waits for.
    pub tell: Tell,
}

/// Which packets are used, and what else is done with them.
#[derive(Clone, Debug, Default)]
pub struct PacketRules {
    /// In which order those of several captures are taken.
    pub turn: Turn,
    /// Only those that this lets through, in the language of pcap-filter(7); interfaces filter for themselves.
    pub filter: Option<String>,
    /// Only the first so many of those.
    pub count: Option<u64>,
    /// Not those that are the same as one within this time before.
    pub dedup: Option<Span>,
    /// How those of several interfaces belong together.
    pub interfaces: Interfaces,
    /// Where to write those that are used.
    pub write: Option<PathBuf>,
}

/// How packets of several interfaces, or of several captures, belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interfaces {
    /// Each saw all: a direction of a conversation is followed on the one that saw it first.
    Alike,
    /// Each saw a part: packets are taken from all.
    #[default]
    Parts,
}

/// Takes a line for a person who waits.
#[derive(Clone, Copy, Debug)]
pub struct Tell(pub fn(&str));

impl Default for Tell {
    /// Tells nobody.
    fn default() -> Self {
        Self(|_| {})
    }
}

/// Whether packets are taken from interfaces.
#[cfg(feature = "live")]
pub(super) const fn listens(options: &Options) -> bool {
    options.live.is_some()
}

/// Whether packets are taken from interfaces.
#[cfg(not(feature = "live"))]
pub(super) const fn listens(_: &Options) -> bool {
    false
}

/// A log as given.
#[derive(Clone, Debug)]
pub struct LogInput {
    /// Where.
    pub place: LogPlace,
    /// What it is, where the user says so.
    pub format: Option<Chosen>,
}

/// Where a log is.
#[derive(Clone, Debug)]
pub enum LogPlace {
    /// A file, the files of a folder, or those that match a pattern.
    Files(PathBuf),
    /// A table of a database.
    Table(TableAddress),
}

impl LogPlace {
    /// The files that are meant.
    pub(super) fn files(&self) -> Option<&Path> {
        match self {
            Self::Files(path) => Some(path),
            Self::Table(_) => None,
        }
    }
}

/// Which logs a rule is for.
#[derive(Clone, Debug)]
pub enum Logs {
    /// All of them.
    All,
    /// Those of this name, or of this path.
    Named(String),
}

/// The zone of one log or of all.
#[derive(Clone, Debug)]
pub struct ZoneRule {
    /// Which logs.
    pub file: Logs,
    /// Their zone.
    pub zone: GivenZone,
}

/// By how much the clock of one log, or of all, is ahead of the capture's.
#[derive(Clone, Debug)]
pub struct ClockRule {
    /// Which logs.
    pub file: Logs,
    /// Log clock minus capture clock.
    pub offset: Span,
}

/// How one log, or all, writes its letters.
#[derive(Clone, Debug)]
pub struct EncodingRule {
    /// Which logs.
    pub file: Logs,
    /// A name of the WHATWG Encoding Standard.
    pub encoding: &'static Encoding,
}

impl Logs {
    /// Whether the log in `file` is meant.
    pub(super) fn fits(&self, file: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(name) => {
                let behind = |mark| {
                    file.strip_suffix(name)
                        .is_some_and(|file| file.ends_with(mark))
                };
                name == file || behind("/") || file.starts_with("odbc:") && behind(";table=")
            }
        }
    }
}
