//! What stops a run, or one of its inputs.

use crate::capture::CaptureError;
use crate::input::InputError;
use crate::log::LogError;

/// Why an input could not be used.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// It is no capture.
    #[error("cannot read capture '{file}': {source}")]
    Capture {
        /// As given.
        file: String,
        /// Why.
        source: CaptureError,
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
    /// It is no log of a known format.
    #[error("cannot read log '{file}': {source}")]
    Log {
        /// As given.
        file: String,
        /// Why.
        source: LogError,
    },
}
