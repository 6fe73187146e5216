//! The list of log formats: one row each.

use super::{Entry, dovecot, iis_smtp, postfix};

/// All formats, in alphabetical order.
pub static FORMATS: &[Entry] = &[dovecot::ENTRY, iis_smtp::ENTRY, postfix::ENTRY];
