//! The account for a person: a summary, then each session as a ladder between its two ends.

use std::io::{self, Write};

use super::{Account, findings, ladder, summary};

/// Writes what a part of a run that goes on gives: clocks, a line for each session, findings.
pub(super) fn write_part(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    for clock in account.told_clocks() {
        summary::write_clock_now(account, clock, out)?;
    }
    for shown in account.shown() {
        ladder::write_line(account, &shown, out)?;
    }
    findings::write_all(account, out)
}

/// Writes what is known at the end of such a run, and what its parts had.
pub(super) fn write_end(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    summary::write(account, out)?;
    findings::write(account, out)?;
    findings::write_counts(account, out)
}

/// Writes the whole account.
pub(super) fn write(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    summary::write(account, out)?;
    findings::write(account, out)?;
    let limit = account.selection.ladders.unwrap_or(usize::MAX);
    let mut left = 0u64;
    for (at, shown) in account.shown().enumerate() {
        if at < limit {
            writeln!(out)?;
            ladder::write(account, &shown, out)?;
        } else {
            left += 1;
        }
    }
    if left > 0 {
        writeln!(
            out,
            "\n{left} more sessions; --all draws them, --session, --host, --since and --until narrow, -o FILE writes all as JSON Lines"
        )?;
    }
    Ok(())
}
