//! JSON Lines: one object a line, fields in a fixed order.

mod finding;
mod mail;
mod session;
mod sources;
mod tls;

use std::io::{self, Write};

use serde::Serialize;

use crate::align::told;
use crate::model::LineRef;

use self::finding::finding_record;
use self::session::{exchange_record, session_record, told_record};
pub(super) use self::sources::east_of_utc;
use self::sources::{KeysRecord, capture_record, clock_record, keys_record, log_record};
use super::account::Shown;
use super::{Account, passed_over, path};

/// Writes the whole account.
pub(super) fn write(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    sources(account, out)?;
    clocks(account, out)?;
    path::write_records(account, out)?;
    let exchanges = sessions(account, out)?;
    passed_over(account, out)?;
    let found = findings(account, out)?;
    summary(account, exchanges, found, out)
}

/// Writes what a part of a run that goes on gives.
pub(super) fn write_part(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    clocks(account, out)?;
    sessions(account, out)?;
    findings(account, out).map(|_| ())
}

/// Writes what is known once such a run is over.
pub(super) fn write_end(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    sources(account, out)?;
    clocks(account, out)?;
    passed_over(account, out)?;
    let at_the_end = findings(account, out)?;
    let before = &account.part.before;
    let found: u64 = before.findings.values().map(|(_, count)| count).sum();
    summary(account, before.exchanges, found + at_the_end, out)
}

fn sources(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    for capture in &account.captures {
        line(out, &capture_record(capture))?;
    }
    for source in &account.sources {
        line(out, &log_record(source))?;
    }
    Ok(())
}

fn clocks(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    for clock in account.told_clocks() {
        line(out, &clock_record(account, clock))?;
    }
    Ok(())
}

/// Sessions whose records are made at once, and octets that those of one hardly take.
const AT_ONCE: usize = 256;
const ROOM: usize = 3 << 10;

/// Gives how many exchanges were written.
fn sessions(account: &Account, out: &mut dyn Write) -> io::Result<u64> {
    let mut exchanges = 0;
    let mut shown = account.shown();
    let pieces = std::iter::from_fn(|| {
        let piece: Vec<Shown<'_>> = shown.by_ref().take(AT_ONCE).collect();
        (!piece.is_empty()).then_some(piece)
    });
    account.threads.pass(
        pieces,
        |piece| records(account, &piece),
        |made| {
            let (records, count) = made?;
            exchanges += count;
            out.write_all(&records)
        },
    )?;
    Ok(exchanges)
}

/// The records of some sessions, and how many exchanges are among them.
fn records(account: &Account, piece: &[Shown<'_>]) -> io::Result<(Vec<u8>, u64)> {
    let (mut out, mut exchanges) = (Vec::with_capacity(piece.len() * ROOM), 0);
    for shown in piece {
        line(&mut out, &session_record(account, shown))?;
        let id = shown.id();
        let mut seq = 0;
        if let Some(log) = shown.only_logged() {
            for told in told(log) {
                seq += 1;
                line(&mut out, &told_record(account, (&id, seq), told))?;
            }
        } else {
            for exchange in &shown.joined.exchanges {
                seq += 1;
                line(
                    &mut out,
                    &exchange_record(account, shown, (&id, seq), exchange),
                )?;
            }
        }
        exchanges += seq;
    }
    Ok((out, exchanges))
}

fn passed_over(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    for passed in account.shown_passed_over() {
        line(out, &passed_over::record(account, passed))?;
    }
    Ok(())
}

/// Gives how many were written.
fn findings(account: &Account, out: &mut dyn Write) -> io::Result<u64> {
    let mut findings = 0;
    for finding in account.found() {
        line(out, &finding_record(account, &finding))?;
        findings += 1;
    }
    Ok(findings)
}

fn summary(
    account: &Account,
    exchanges: u64,
    findings: u64,
    out: &mut dyn Write,
) -> io::Result<()> {
    let totals = account.totals();
    let seen = |at: usize| {
        totals
            .values()
            .filter_map(|counts| counts.get(at))
            .sum::<u64>()
    };
    line(
        out,
        &Summary {
            r#type: "summary",
            captures: account.captures.len(),
            logs: account.sources.len(),
            clocks: account.alignment.clocks.len(),
            sessions: seen(0) + seen(1) + seen(2),
            sessions_both: seen(0),
            sessions_wire: seen(1),
            sessions_log: seen(2),
            exchanges,
            findings,
            keys: account.keys.iter().map(keys_record).collect(),
            bounds_hit: &account.overruns,
            exit: account.exit,
        },
    )
}

/// Writes one record.
pub(in crate::report) fn line<W: Write + ?Sized>(
    out: &mut W,
    record: &impl Serialize,
) -> io::Result<()> {
    serde_json::to_writer(&mut *out, record)?;
    out.write_all(b"\n")
}

/// For fields that are left out where there is nothing to count.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference over"
)]
pub(in crate::report) const fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

#[derive(Serialize)]
pub(in crate::report) struct LogLine<'a> {
    file: &'a str,
    line: u64,
}

/// The lines of some log sessions, each once.
fn lines<'a>(account: &'a Account, sessions: &[usize]) -> Vec<LogLine<'a>> {
    let mut refs: Vec<LineRef> = sessions
        .iter()
        .filter_map(|&at| account.logs.get(at))
        .flat_map(|log| log.events.iter().map(|event| event.line))
        .collect();
    refs.sort_unstable();
    refs.dedup();
    refs.into_iter()
        .map(|line| log_line(account, line))
        .collect()
}

pub(in crate::report) fn log_line(account: &Account, line: LineRef) -> LogLine<'_> {
    let (file, line) = account.place(line);
    LogLine { file, line }
}

#[derive(Serialize)]
struct Summary<'a> {
    r#type: &'static str,
    captures: usize,
    logs: usize,
    clocks: usize,
    sessions: u64,
    sessions_both: u64,
    sessions_wire: u64,
    sessions_log: u64,
    exchanges: u64,
    findings: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<KeysRecord<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    bounds_hit: &'a [String],
    exit: u8,
}
