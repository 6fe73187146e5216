//! Findings for a person, worst first.

use std::io::{self, Write};

use crate::model::{Evidence, Finding};

use super::Account;
use super::escape::terminal;

/// Places named for one finding.
const PLACES: usize = 4;

/// Writes what was found, if anything.
pub(super) fn write(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    if account.found().is_empty() {
        return Ok(());
    }
    writeln!(out, "\nFindings")?;
    write_all(account, out)
}

/// Writes all, without a heading.
pub(super) fn write_all(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    for finding in &account.found() {
        write_one(account, finding, out)?;
    }
    Ok(())
}

/// Writes how many of each code were given in the parts of a run.
pub(super) fn write_counts(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    let given = &account.part.before.findings;
    if given.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nFindings given above")?;
    for (code, (worst, count)) in given {
        writeln!(out, "  {:<8} {code}: {count}", worst.name())?;
    }
    Ok(())
}

fn write_one(account: &Account, finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "  {:<8} {}: {}",
        finding.severity.name(),
        finding.code,
        terminal(&finding.message)
    )?;
    let mut seen: Vec<String> = finding
        .evidence
        .iter()
        .take(PLACES)
        .map(|place| words(account, place))
        .collect();
    if !finding.sessions.is_empty() {
        seen.insert(0, ids(account, &finding.sessions));
    }
    if let (Some(first), Some(last)) = (finding.first, finding.last) {
        let [first, last] = [first, last].map(|at| account.utc(at).to_rfc3339());
        let clock = |text: &str| text.get(11..19).unwrap_or_default().to_owned();
        seen.push(if first == last {
            clock(&first)
        } else {
            format!("{} to {}", clock(&first), clock(&last))
        });
    }
    if !seen.is_empty() {
        writeln!(out, "           see: {}", terminal(&seen.join("; ")))?;
    }
    writeln!(out, "           {}", terminal(&finding.not))?;
    writeln!(out, "           next: {}", terminal(&finding.next))
}

/// `s3, s4, s9 and 12 more`.
fn ids(account: &Account, sessions: &[usize]) -> String {
    let named: Vec<String> = sessions
        .iter()
        .take(PLACES)
        .map(|at| account.id(*at))
        .collect();
    match sessions.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn words(account: &Account, place: &Evidence) -> String {
    match *place {
        Evidence::Packet(packet) => format!("packet {}", packet.0),
        Evidence::Line(line) => {
            let (file, line) = account.place(line);
            format!("{file}:{line}")
        }
        Evidence::Time(at) => account.utc(at).to_rfc3339(),
    }
}
