//! Server logs: lines become sessions. So far only the shape of a format stands here; the registry has no
//! rows.
//!
//! Comes in: the bytes of a log file. Goes out: a [`crate::model::LogSource`] and its
//! [`crate::model::LogSession`]s. A format is one file and one row in [`registry`]; it is found by content or
//! named by the user. No format knows that packets exist. Bounds: a line is read up to
//! [`MAX_LINE`] octets; unparsed lines are counted and the first few kept.

mod format;
pub mod registry;

pub use format::{Builder, Entry, Head, Line, MAX_LINE, Parsed, Sureness};
