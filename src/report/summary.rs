//! What was read, how the clocks stand, and how many sessions there are.

use std::io::{self, Write};

use crate::align::{Clock, Stretch};
use crate::model::{
    CaptureSource, CaptureZone, Encryption, KeySource, LogSource, Nanos, Span, Zone,
};

use super::escape::terminal;
use super::jsonl::east_of_utc;
use super::{Account, path};

/// Names and comments shown of a capture; JSON Lines have all that are kept.
const SHOWN: usize = 8;
/// No zone and no clock that anyone keeps is so far off.
const FAR: Span = Span::seconds(2 * 86_400);

/// Writes inputs, clocks and totals.
pub(super) fn write(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "Inputs")?;
    for capture in &account.captures {
        write_capture(capture, out)?;
    }
    for keys in &account.keys {
        write_keys(keys, out)?;
    }
    for source in &account.sources {
        write_log(source, out)?;
    }
    if !account.sources.is_empty() && !account.captures.is_empty() {
        write_clocks(account, out)?;
    }
    write_totals(account, out)?;
    if let Some(words) = account.checksums().words() {
        writeln!(out, "  {words}")?;
    }
    super::passed_over::write(account, out)?;
    path::write(account, out)?;
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
    for line in losses(capture) {
        writeln!(out, "           {line}")?;
    }
    for line in beside(capture) {
        writeln!(out, "           {}", terminal(&line))?;
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

/// What was lost or left out.
fn losses(capture: &CaptureSource) -> Vec<String> {
    let counts = [
        (
            capture.lost.by_system,
            "packets lost by the capturing machine for want of room",
        ),
        (
            capture.lost.by_interface,
            "packets lost by the interface or its driver",
        ),
        (capture.filtered, "packets not let through by the filter"),
        (
            capture.duplicates,
            "packets left out as duplicates of one just before",
        ),
        (
            capture.elsewhere,
            "packets left out as another interface saw their conversations first",
        ),
        (capture.skipped, "records that are no packets, passed over"),
    ];
    let told = counts.iter().filter(|(count, _)| *count > 0);
    told.map(|(count, words)| format!("{count} {words}"))
        .collect()
}

/// What the capture holds beside packets.
fn beside(capture: &CaptureSource) -> Vec<String> {
    let mut lines = Vec::new();
    if capture.interfaces.len() > 1 {
        lines.push(format!("interfaces: {}", some(&capture.interfaces)));
    }
    lines.extend(
        capture
            .comments
            .iter()
            .take(SHOWN)
            .map(|comment| format!("comment: {comment}")),
    );
    let on_packets = capture.packet_comments.iter().take(SHOWN);
    lines
        .extend(on_packets.map(|(packet, text)| format!("comment on packet {}: {text}", packet.0)));
    let shown = capture.packet_comments.len().min(SHOWN);
    let more = capture.packet_comment_count - u64::try_from(shown).unwrap_or(0);
    if more > 0 {
        lines.push(format!("{more} more packets with a comment"));
    }
    if !capture.names.is_empty() {
        let names = capture.names.iter();
        let names: Vec<String> = names.map(|(ip, name)| format!("{ip} {name}")).collect();
        lines.push(format!("names: {}", some(&names)));
    }
    lines.extend(capture.notes.iter().cloned());
    lines
}

/// The first ones, and how many more.
fn some(texts: &[String]) -> String {
    let shown = texts.get(..texts.len().min(SHOWN)).unwrap_or_default();
    let more = texts.len() - shown.len();
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn write_keys(keys: &KeySource, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "  keys     {}", terminal(&keys.file))?;
    let held = keys.held;
    let rest: Vec<String> = [
        (held.repeated, "repeated"),
        (
            held.conflicting,
            "that contradict earlier ones and are left out",
        ),
        (held.dropped, "left out, as there were too many"),
    ]
    .iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, words)| format!(", {count} {words}"))
    .collect();
    writeln!(
        out,
        "           {} TLS secrets{}",
        held.secrets,
        rest.concat()
    )?;
    if held.unparsed > 0 {
        writeln!(out, "           {} lines could not be read", held.unparsed)?;
    }
    Ok(())
}

fn write_log(source: &LogSource, out: &mut dyn Write) -> io::Result<()> {
    let zone = match source.zone {
        Zone::Assumed => "zone not stated, read as UTC".to_owned(),
        Zone::Given(east) => format!("zone {} as given", east_of_utc(east)),
        Zone::Inferred(east) => format!("zone {} inferred", east_of_utc(east)),
        Zone::Place(place) => format!("zone {place} as given"),
        Zone::Stated(east) => format!("zone {} stated", east_of_utc(east)),
    };
    writeln!(out, "  log      {}", terminal(&source.file))?;
    for part in &source.parts {
        writeln!(out, "           of {}", terminal(&part.file))?;
    }
    let sure = match source.sureness {
        1000.. => String::new(),
        thousandths => format!(" ({} % sure)", thousandths / 10),
    };
    writeln!(
        out,
        "           {}{sure}, {} lines, {} of them in sessions, {zone}{}",
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
            let (file, line) = source.place(*line);
            let file = if source.parts.is_empty() {
                String::new()
            } else {
                format!("{}:", terminal(file))
            };
            writeln!(out, "             {file}{line}: {}", terminal(text))?;
        }
    }
    if source.overlong > 0 {
        writeln!(
            out,
            "           too long to be lines: {} of them",
            source.overlong
        )?;
    }
    if source.late > 0 {
        writeln!(
            out,
            "           lines older than one above them: {}, by {} at most",
            source.late, source.late_by
        )?;
    }
    for remark in source
        .encoding
        .iter()
        .map(|name| format!("read as {name}"))
        .chain(source.remarks.iter().cloned())
    {
        writeln!(out, "           {}", terminal(&remark))?;
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
            Some(clock) => write_clock(account, &file, clock, out)?,
            None => writeln!(
                out,
                "  {file}: cannot be put on the capture's clock; nothing is joined"
            )?,
        }
    }
    Ok(())
}

/// Writes the clock of a log as it is now, in a run that goes on.
pub(super) fn write_clock_now(
    account: &Account,
    clock: &Clock,
    out: &mut dyn Write,
) -> io::Result<()> {
    let file = terminal(account.log_file(clock.log));
    let since = account.utc(clock.origin).to_rfc3339();
    write!(out, "clock  since {since}")?;
    write_clock(account, &file, clock, out)
}

fn write_clock(
    account: &Account,
    file: &str,
    clock: &Clock,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(
        out,
        "  {file}: {}; drift {:.1} ± {:.1} ppm; {} moments agree",
        offset_text(clock.offset, clock.bound),
        clock.drift_ppm,
        clock.drift_bound_ppm,
        clock.pairs
    )?;
    if clock.offset.abs() >= FAR {
        writeln!(
            out,
            "    so far apart are clocks that were never set, and logs of other traffic: see that the two belong together"
        )?;
    }
    for step in &clock.steps {
        writeln!(
            out,
            "    set at {}: {} from then on",
            account.utc(step.at).to_rfc3339(),
            offset_text(step.offset, step.bound)
        )?;
    }
    if let Some(before) = account.part.contradicted(clock.log) {
        writeln!(
            out,
            "    what came since contradicts what was told before, {}: it was wrong, or was set; {} sessions were joined by it",
            offset_text(before.clock.offset_at(clock.origin), before.clock.bound),
            before.joined
        )?;
    }
    for stretch in &clock.unproven {
        writeln!(
            out,
            "    hardly anything {} {}{} is joined ({} sessions of the log are not, {} of the capture): the clock may have been set there",
            stretch.side.name(),
            account.utc(stretch.from).to_rfc3339(),
            match stretch.side {
                Stretch::Between(until) => format!(" and {}", account.utc(until).to_rfc3339()),
                Stretch::Before | Stretch::After => String::new(),
            },
            stretch.logged,
            stretch.seen
        )?;
    }
    Ok(())
}

/// `3.700 s behind the capture's clock, ± 0.041 s`.
fn offset_text(offset: Span, bound: Span) -> String {
    let word = if offset < Span::ZERO {
        "behind"
    } else {
        "ahead of"
    };
    format!(
        "{:.3} s{} {word} the capture's clock, ± {:.3} s",
        offset.abs().as_seconds_f64(),
        in_days(offset.abs()),
        bound.as_seconds_f64()
    )
}

/// ` (2 days 3:00:05)`, to the nearest second, where seconds alone are hard to read.
fn in_days(apart: Span) -> String {
    if apart < Span::seconds(600) {
        return String::new();
    }
    let seconds = (apart + Span::millis(500)).0 / Span::SECOND.0;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let time = format!("{}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    match days {
        0 => format!(" ({time})"),
        1 => format!(" (1 day {time})"),
        _ => format!(" ({days} days {time})"),
    }
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
            match encryption {
                Some(Encryption::None) => "in the clear",
                Some(Encryption::Implicit) => "TLS from the start",
                Some(Encryption::StartTls) => "STARTTLS",
                None => "TLS or not, not told",
            }
        )?;
    }
    let decrypted = account.decrypted();
    if decrypted > 0 {
        writeln!(out, "  decrypted with the keys: {decrypted}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_offsets_are_told_in_days_too() {
        let text = |millis: i64| offset_text(Span::millis(millis), Span::millis(41));
        assert_eq!(
            text(-3_700),
            "3.700 s behind the capture's clock, ± 0.041 s"
        );
        assert_eq!(
            text(7_200_300),
            "7200.300 s (2:00:00) ahead of the capture's clock, ± 0.041 s"
        );
        assert_eq!(
            text(-189_302_399_998),
            "189302399.998 s (2191 days 0:00:00) behind the capture's clock, ± 0.041 s"
        );
    }
}
