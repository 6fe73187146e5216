//! The list of log formats: one row each.

use super::Entry;

/// All formats, in alphabetical order.
pub static FORMATS: &[Entry] = &[];
