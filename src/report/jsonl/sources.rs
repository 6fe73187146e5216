//! Records of what was read: captures, logs, secrets, and the clocks between them.

use std::net::IpAddr;

use serde::Serialize;

use crate::align::{Clock, Stretch};
use crate::model::{CaptureSource, CaptureZone, KeySource, LogSource, LogTime, Nanos, Span, Zone};

use super::super::Account;
use super::{is_zero, rounded};

#[derive(Serialize)]
pub(super) struct Capture<'a> {
    r#type: &'static str,
    file: &'a str,
    format: &'static str,
    variant: &'a str,
    link_types: &'a [String],
    packets: u64,
    bytes: u64,
    first: Option<String>,
    last: Option<String>,
    zone: String,
    zone_source: &'static str,
    truncated_packets: u64,
    dropped_packets: u64,
    #[serde(skip_serializing_if = "is_zero")]
    dropped_by_interface: u64,
    #[serde(skip_serializing_if = "is_zero")]
    filtered_packets: u64,
    #[serde(skip_serializing_if = "is_zero")]
    duplicate_packets: u64,
    #[serde(skip_serializing_if = "is_zero")]
    packets_followed_elsewhere: u64,
    skipped_records: u64,
    undecoded_packets: &'a std::collections::BTreeMap<&'static str, u64>,
    damaged: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    interfaces: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    comments: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    packet_comments: Vec<PacketComment<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    names: Vec<NameRecord<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    secret_bytes: u64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notes: &'a [String],
}

/// What somebody wrote about a packet.
#[derive(Serialize)]
struct PacketComment<'a> {
    packet: u64,
    text: &'a str,
}

/// A name that is stored beside the packets.
#[derive(Serialize)]
struct NameRecord<'a> {
    address: IpAddr,
    name: &'a str,
}

pub(super) fn capture_record(capture: &CaptureSource) -> Capture<'_> {
    let (zone, zone_source) = match capture.zone {
        CaptureZone::Given(east) => (east_of_utc(east), "given"),
        CaptureZone::Inferred(east) => (east_of_utc(east), "inferred"),
        CaptureZone::Unknown => (east_of_utc(Span::ZERO), "assumed"),
        CaptureZone::Utc => (east_of_utc(Span::ZERO), "stated"),
    };
    let utc = |at: Nanos| (at - capture.zone.east()).to_rfc3339();
    Capture {
        r#type: "capture",
        file: &capture.file,
        format: capture.format,
        variant: &capture.variant,
        link_types: &capture.link_types,
        packets: capture.packets,
        bytes: capture.bytes,
        first: capture.first.map(utc),
        last: capture.last.map(utc),
        zone,
        zone_source,
        truncated_packets: capture.truncated,
        dropped_packets: capture.lost.total(),
        dropped_by_interface: capture.lost.by_interface,
        filtered_packets: capture.filtered,
        duplicate_packets: capture.duplicates,
        packets_followed_elsewhere: capture.elsewhere,
        skipped_records: capture.skipped,
        undecoded_packets: &capture.passed,
        damaged: (!capture.damage.is_empty()).then(|| capture.damage.to_string()),
        interfaces: &capture.interfaces,
        comments: &capture.comments,
        packet_comments: capture
            .packet_comments
            .iter()
            .map(|(packet, text)| PacketComment {
                packet: packet.0,
                text,
            })
            .collect(),
        names: capture
            .names
            .iter()
            .map(|(address, name)| NameRecord {
                address: *address,
                name,
            })
            .collect(),
        secret_bytes: capture.secret_octets,
        notes: &capture.notes,
    }
}

#[derive(Serialize)]
pub(super) struct Log<'a> {
    r#type: &'static str,
    file: &'a str,
    /// Of a rotated set, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<&'a str>,
    format: &'static str,
    /// Share of the lines looked at that the format takes.
    format_sure: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    zone: String,
    zone_source: &'static str,
    lines: u64,
    events: u64,
    unparsed_lines: u64,
    unparsed_first: Vec<Unparsed<'a>>,
    overlong_lines: u64,
    late_lines: u64,
    late_by_ms: f64,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    remarks: &'a [String],
    first: Option<String>,
    last: Option<String>,
    damaged: Option<String>,
}

/// A line that could not be read.
#[derive(Serialize)]
struct Unparsed<'a> {
    file: &'a str,
    line: u64,
    text: &'a str,
}

pub(super) fn log_record(source: &LogSource) -> Log<'_> {
    let (zone, zone_source) = match source.zone {
        Zone::Assumed => (east_of_utc(Span::ZERO), "assumed"),
        Zone::Given(east) => (east_of_utc(east), "given"),
        Zone::Inferred(east) => (east_of_utc(east), "inferred"),
        Zone::Place(place) => (place.to_owned(), "given"),
        Zone::Stated(east) => (east_of_utc(east), "stated"),
    };
    let utc = |at: LogTime| match source.zone {
        Zone::Inferred(east) => (at - east).to_rfc3339(),
        // What is stated or given was reckoned with when the log was read.
        _ => at.to_rfc3339(),
    };
    Log {
        r#type: "log",
        file: &source.file,
        files: source.parts.iter().map(|part| part.file.as_str()).collect(),
        format: source.format,
        format_sure: f64::from(source.sureness) / 1000.0,
        encoding: source.encoding,
        zone,
        zone_source,
        lines: source.lines,
        events: source.events,
        unparsed_lines: source.unparsed,
        unparsed_first: source
            .unparsed_first
            .iter()
            .map(|(line, text)| {
                let (file, line) = source.place(*line);
                Unparsed { file, line, text }
            })
            .collect(),
        overlong_lines: source.overlong,
        late_lines: source.late,
        late_by_ms: source.late_by.as_millis_f64(),
        remarks: &source.remarks,
        first: source.first.map(utc),
        last: source.last.map(utc),
        damaged: (!source.damage.is_empty()).then(|| source.damage.to_string()),
    }
}

/// `+05:30`; seconds are added where a zone has them.
pub(in crate::report) fn east_of_utc(east: Span) -> String {
    let sign = if east.0 < 0 { '-' } else { '+' };
    let seconds = east.0.unsigned_abs() / 1_000_000_000;
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if rest == 0 {
        format!("{sign}{hours:02}:{minutes:02}")
    } else {
        format!("{sign}{hours:02}:{minutes:02}:{rest:02}")
    }
}

#[derive(Serialize)]
pub(super) struct ClockRecord<'a> {
    r#type: &'static str,
    log: &'a str,
    /// When the offset was this, in a run that goes on; else at the capture's first packet.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    offset_s: f64,
    bound_s: f64,
    drift_ppm: f64,
    drift_bound_ppm: f64,
    resolution_s: f64,
    pairs: usize,
    steps: Vec<StepRecord>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unproven: Vec<UnprovenRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contradicts: Option<ContradictedRecord>,
}

/// A stretch for which nothing bears the clock out.
#[derive(Serialize)]
struct UnprovenRecord {
    side: &'static str,
    of: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    log_sessions: usize,
    wire_sessions: usize,
}

#[derive(Serialize)]
struct StepRecord {
    at: String,
    offset_s: f64,
    bound_s: f64,
}

pub(super) fn clock_record<'a>(account: &'a Account, clock: &Clock) -> ClockRecord<'a> {
    ClockRecord {
        r#type: "clock",
        log: account.log_file(clock.log),
        at: account
            .part
            .is_of_more()
            .then(|| account.utc(clock.origin).to_rfc3339()),
        offset_s: rounded(clock.offset.as_seconds_f64(), 1e6),
        bound_s: rounded(clock.bound.as_seconds_f64(), 1e6),
        drift_ppm: rounded(clock.drift_ppm, 1e3),
        drift_bound_ppm: rounded(clock.drift_bound_ppm, 1e3),
        resolution_s: clock.resolution.as_seconds_f64(),
        pairs: clock.pairs,
        steps: clock
            .steps
            .iter()
            .map(|step| StepRecord {
                at: account.utc(step.at).to_rfc3339(),
                offset_s: rounded(step.offset.as_seconds_f64(), 1e6),
                bound_s: rounded(step.bound.as_seconds_f64(), 1e6),
            })
            .collect(),
        unproven: clock
            .unproven
            .iter()
            .map(|stretch| UnprovenRecord {
                side: stretch.side.name(),
                of: account.utc(stretch.from).to_rfc3339(),
                until: match stretch.side {
                    Stretch::Between(until) => Some(account.utc(until).to_rfc3339()),
                    Stretch::Before | Stretch::After => None,
                },
                log_sessions: stretch.logged,
                wire_sessions: stretch.seen,
            })
            .collect(),
        contradicts: account
            .part
            .contradicted(clock.log)
            .map(|before| ContradictedRecord {
                offset_s: rounded(before.clock.offset_at(clock.origin).as_seconds_f64(), 1e6),
                bound_s: rounded(before.clock.bound.as_seconds_f64(), 1e6),
                joined: before.joined,
            }),
    }
}

/// A clock that was told before, at the moment of the one that contradicts it, and how many sessions were joined by it.
#[derive(Serialize)]
struct ContradictedRecord {
    offset_s: f64,
    bound_s: f64,
    joined: usize,
}

/// A key log, or a capture with secrets inside.
#[derive(Serialize)]
pub(super) struct KeysRecord<'a> {
    file: &'a str,
    secrets: u64,
    repeated: u64,
    conflicting: u64,
    unused_lines: u64,
    unparsed_lines: u64,
    dropped: u64,
}

pub(super) fn keys_record(keys: &KeySource) -> KeysRecord<'_> {
    let held = keys.held;
    KeysRecord {
        file: &keys.file,
        secrets: held.secrets,
        repeated: held.repeated,
        conflicting: held.conflicting,
        unused_lines: held.unused,
        unparsed_lines: held.unparsed,
        dropped: held.dropped,
    }
}
