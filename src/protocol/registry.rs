//! The list of protocols: one row each.

use super::Entry;

/// All protocols, in alphabetical order.
pub static PROTOCOLS: &[Entry] = &[];
