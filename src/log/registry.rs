//! The list of log formats: one row each.

use super::{Entry, iis_smtp, postfix};

/// All formats, in alphabetical order.
pub static FORMATS: &[Entry] = &[iis_smtp::ENTRY, postfix::ENTRY];
