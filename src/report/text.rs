//! The account for a person: a summary, then each session as a ladder between its two ends.

use std::io::{self, Write};

use super::{Account, findings, ladder, summary};

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
