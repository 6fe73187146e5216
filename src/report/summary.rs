//! What was read, how the clocks stand, and how many sessions there are.

use std::io::{self, Write};

use crate::align::Clock;
use crate::model::{CaptureSource, CaptureZone, LogSource, Nanos, Span, Zone};

use super::Account;
use super::escape::terminal;
use super::jsonl::east_of_utc;

/// Writes inputs, clocks and totals.
pub(super) fn write(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "Inputs")?;
    for capture in &account.captures {
        write_capture(capture, out)?;
    }
    for source in &account.sources {
        write_log(source, out)?;
    }
    if !account.sources.is_empty() && !account.captures.is_empty() {
        write_clocks(account, out)?;
    }
    write_totals(account, out)?;
    super::passed_over::write(account, out)?;
    for overrun in &account.overruns {
        writeln!(out, "  bound hit: {overrun}")?;
    }
    Ok(())
}

fn write_capture(capture: &CaptureSource, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "  capture  {}", terminal(&capture.file))?;
    let links = if capture.link_types.is_empty() {
        String::new()
    } else {
        format!(", {}", capture.link_types.join(" and "))
    };
    writeln!(
        out,
        "           {} ({}){links}, {} packets{}",
        capture.format,
        capture.variant,
        capture.packets,
        between(
            capture.first.map(|at| at - capture.zone.east()),
            capture.last.map(|at| at - capture.zone.east())
        )
    )?;
    match capture.zone {
        CaptureZone::Utc => {}
        CaptureZone::Given(east) => writeln!(
            out,
            "           wall clock of {} as given, shown in UTC",
            east_of_utc(east)
        )?,
        CaptureZone::Inferred(east) => writeln!(
            out,
            "           wall clock of {}, inferred from a log that states its zone; shown in UTC",
            east_of_utc(east)
        )?,
        CaptureZone::Unknown => writeln!(
            out,
            "           wall clock of an unknown zone, shown as it reads; --capture-zone tells it"
        )?,
    }
    if capture.truncated > 0 {
        writeln!(
            out,
            "           {} packets not captured whole: what was cut off is a gap",
            capture.truncated
        )?;
    }
    if capture.dropped > 0 {
        writeln!(
            out,
            "           {} packets lost by the capturing machine for want of room",
            capture.dropped
        )?;
    }
    let passed: Vec<String> = capture
        .passed
        .iter()
        .map(|(why, count)| format!("{count} {why}"))
        .collect();
    if !passed.is_empty() {
        writeln!(
            out,
            "           packets without a datagram: {}",
            passed.join(", ")
        )?;
    }
    if !capture.damage.is_empty() {
        writeln!(
            out,
            "           damaged: {}",
            terminal(&capture.damage.to_string())
        )?;
    }
    Ok(())
}

fn write_log(source: &LogSource, out: &mut dyn Write) -> io::Result<()> {
    let zone = match source.zone {
        Zone::Assumed => "zone not stated, read as UTC".to_owned(),
        Zone::Given(east) => format!("zone {} as given", east_of_utc(east)),
        Zone::Inferred(east) => format!("zone {} inferred", east_of_utc(east)),
        Zone::Stated(east) => format!("zone {} stated", east_of_utc(east)),
    };
    writeln!(out, "  log      {}", terminal(&source.file))?;
    writeln!(
        out,
        "           {}, {} lines, {} of them in sessions, {zone}{}",
        source.format,
        source.lines,
        source.events,
        between(
            source.first.map(|at| Nanos(at.0)),
            source.last.map(|at| Nanos(at.0))
        )
    )?;
    if source.unparsed > 0 {
        writeln!(
            out,
            "           {} lines could not be read:",
            source.unparsed
        )?;
        for (line, text) in &source.unparsed_first {
            writeln!(out, "             {line}: {}", terminal(text))?;
        }
    }
    if !source.damage.is_empty() {
        writeln!(
            out,
            "           damaged: {}",
            terminal(&source.damage.to_string())
        )?;
    }
    Ok(())
}

fn between(first: Option<Nanos>, last: Option<Nanos>) -> String {
    match (first, last) {
        (Some(first), Some(last)) => {
            format!(", {} to {}", to_seconds(first), to_seconds(last))
        }
        _ => String::new(),
    }
}

/// `2026-11-24 03:28:39`.
pub(super) fn to_seconds(at: Nanos) -> String {
    at.to_rfc3339()
        .chars()
        .take(19)
        .collect::<String>()
        .replace('T', " ")
}

fn write_clocks(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nClocks")?;
    for source in &account.sources {
        let file = terminal(&source.file);
        match account.clock(source.id) {
            Some(clock) => write_clock(&file, clock, out)?,
            None => writeln!(
                out,
                "  {file}: cannot be put on the capture's clock; nothing is joined"
            )?,
        }
    }
    Ok(())
}

fn write_clock(file: &str, clock: &Clock, out: &mut dyn Write) -> io::Result<()> {
    let (size, word) = if clock.offset < Span::ZERO {
        (clock.offset.abs(), "behind")
    } else {
        (clock.offset, "ahead of")
    };
    writeln!(
        out,
        "  {file}: {:.3} s {word} the capture's clock, ± {:.3} s; drift {:.1} ± {:.1} ppm; {} moments agree",
        size.as_seconds_f64(),
        clock.bound.as_seconds_f64(),
        clock.drift_ppm,
        clock.drift_bound_ppm,
        clock.pairs
    )
}

fn write_totals(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "\nSessions {:24} {:>7} {:>7} {:>7}",
        "", "both", "wire", "log"
    )?;
    for ((proto, encryption), [both, wire, log]) in account.totals() {
        writeln!(
            out,
            "  {:<10} {:<20} {both:>7} {wire:>7} {log:>7}",
            proto,
            match encryption.name() {
                "none" => "in the clear",
                "implicit" => "TLS from the start",
                _ => "STARTTLS",
            }
        )?;
    }
    Ok(())
}
