//! Exit statuses, part of the contract with scripts.

use std::process::ExitCode;

/// Wrong usage, as clap has it too.
pub(super) const USAGE: u8 = 2;
/// Nothing could be done.
pub(super) const FAILED: u8 = 4;

/// Status as a process gives it.
pub(super) fn code(status: u8) -> ExitCode {
    ExitCode::from(status)
}
