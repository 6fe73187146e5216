//! What a run is asked to do.

use std::path::PathBuf;

use encoding_rs::Encoding;

use crate::flow::Limits;
use crate::log::{Chosen, GivenZone, OwnFormat};
use crate::model::Span;
use crate::report::Selection;

/// What a run is asked to do.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Captures: files, folders, patterns, `-`.
    pub captures: Vec<PathBuf>,
    /// An interface to listen to.
    #[cfg(feature = "live")]
    pub live: Option<crate::capture::LiveRequest>,
    /// Key logs: files, folders, patterns.
    pub keylogs: Vec<PathBuf>,
    /// Logs.
    pub logs: Vec<LogInput>,
    /// Formats that the user describes.
    pub own_formats: Vec<OwnFormat>,
    /// Zone of captures that keep wall-clock time.
    pub capture_zone: Option<Span>,
    /// Zones of logs, the last that fits counts.
    pub log_zones: Vec<ZoneRule>,
    /// Encodings of logs, the last that fits counts.
    pub log_encodings: Vec<EncodingRule>,
    /// Year of log stamps without one; else that of the capture, else that of the file.
    pub year: Option<i32>,
    /// Bounds of the connection table.
    pub limits: Limits,
    /// What to show.
    pub selection: Selection,
}

/// A log, folder or pattern as given.
#[derive(Clone, Debug)]
pub struct LogInput {
    /// Where.
    pub path: PathBuf,
    /// What it is, where the user says so.
    pub format: Option<Chosen>,
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
            Self::Named(name) => name == file || file.ends_with(&format!("/{name}")),
        }
    }
}
