//! What stops a run, or one of its inputs.

use std::path::PathBuf;

use crate::capture::CaptureError;
use crate::input::InputError;
use crate::log::LogError;

/// Why an input could not be used.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The bodies could not be written.
    #[error(
        "cannot write bodies to '{path}': {source}\ngive --bodies a new or an empty folder with room on its disk"
    )]
    Bodies {
        /// The folder, or the file in it.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Bodies would be written among other files.
    #[error(
        "'{path}' is not empty, and bodies are never written over what is there\ngive --bodies a new or an empty folder"
    )]
    BodiesThere {
        /// As given.
        path: PathBuf,
    },
    /// It is no capture.
    #[error("cannot read capture '{file}': {source}")]
    Capture {
        /// As given.
        file: String,
        /// Why.
        source: CaptureError,
    },
    /// The filter is not understood.
    #[cfg(feature = "live")]
    #[error(transparent)]
    Filter(#[from] crate::capture::FilterError),
    /// What is written to it cannot be followed.
    #[error("cannot follow log '{file}': {source}")]
    Follow {
        /// As given.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It could not be opened.
    #[error(transparent)]
    Input(#[from] InputError),
    /// It is no key log.
    #[error(
        "cannot use key log '{file}': no TLS secrets in it; programs write it when SSLKEYLOGFILE names a file"
    )]
    Keylog {
        /// As given.
        file: String,
    },
    /// The interface cannot be listened to.
    #[cfg(feature = "live")]
    #[error(transparent)]
    Live(#[from] crate::capture::LiveError),
    /// Filters take libpcap.
    #[cfg(not(feature = "live"))]
    #[error(
        "this build has no capture filters\nbuild it with libpcap: cargo build --release --features live"
    )]
    NoFilters,
    /// An option speaks of a log that is not among those read.
    #[error(
        "no log is called '{name}', of which {option} speaks\nname a log as -l does, or by the last part of its path"
    )]
    NoSuchLog {
        /// The option.
        option: &'static str,
        /// What it calls the log.
        name: String,
    },
    /// The packets would be written over a file that is read.
    #[error("'{path}' is one of the inputs, which -w would overwrite\ngive another name")]
    Overwrite {
        /// As given.
        path: PathBuf,
    },
    /// The packets that were used could not be written.
    #[error("cannot write packets to '{path}': {source}")]
    Write {
        /// As given.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no log of a known format.
    #[error("cannot read log '{file}': {source}")]
    Log {
        /// As given.
        file: String,
        /// Why.
        source: LogError,
    },
}
