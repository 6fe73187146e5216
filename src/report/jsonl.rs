//! JSON Lines: one object a line, fields in a fixed order.

use std::io::{self, Write};
use std::net::IpAddr;

use serde::Serialize;

use crate::align::{Clock, Standing};
use crate::model::{
    BodyNo, CaptureSource, CaptureZone, Evidence, Exchange, Finding, KeySource, LineRef, LogSource,
    LogTime, MailMessage, Nanos, Side, Span, TlsSummary, Transport, WireSession, Zone,
};

use super::account::{Shown, session_id};
use super::tcp::{TcpRecord, tcp_record};
use super::{Account, community_id, path};

/// Writes the whole account.
pub(super) fn write(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    for capture in &account.captures {
        line(out, &capture_record(capture))?;
    }
    for source in &account.sources {
        line(out, &log_record(source))?;
    }
    for clock in &account.alignment.clocks {
        line(out, &clock_record(account, clock))?;
    }
    path::write_records(account, out)?;
    let (mut sessions, mut exchanges) = (0u64, 0u64);
    for shown in account.shown() {
        line(out, &session_record(account, &shown))?;
        sessions += 1;
        for (seq, exchange) in shown.joined.exchanges.iter().enumerate() {
            line(out, &exchange_record(account, &shown, seq + 1, exchange))?;
            exchanges += 1;
        }
    }
    for passed in &account.passed_over {
        line(out, &super::passed_over::record(account, passed))?;
    }
    let mut findings = 0u64;
    for finding in account.found() {
        line(out, &finding_record(account, finding))?;
        findings += 1;
    }
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
            sessions,
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

fn line(out: &mut dyn Write, record: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, record)?;
    out.write_all(b"\n")
}

#[derive(Serialize)]
struct Capture<'a> {
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

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference over"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn capture_record(capture: &CaptureSource) -> Capture<'_> {
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
struct Log<'a> {
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

fn log_record(source: &LogSource) -> Log<'_> {
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
pub(super) fn east_of_utc(east: Span) -> String {
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
struct ClockRecord<'a> {
    r#type: &'static str,
    log: &'a str,
    offset_s: f64,
    bound_s: f64,
    drift_ppm: f64,
    drift_bound_ppm: f64,
    resolution_s: f64,
    pairs: usize,
    steps: Vec<StepRecord>,
}

#[derive(Serialize)]
struct StepRecord {
    at: String,
    offset_s: f64,
    bound_s: f64,
}

fn clock_record<'a>(account: &'a Account, clock: &Clock) -> ClockRecord<'a> {
    ClockRecord {
        r#type: "clock",
        log: account.log_file(clock.log),
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
    }
}

fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

#[derive(Serialize)]
struct Session<'a> {
    r#type: &'static str,
    id: String,
    proto: &'static str,
    encryption: &'static str,
    seen: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dest_ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dest_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    community_id: Option<String>,
    start: Option<String>,
    end: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_raw: Option<String>,
    #[serde(flatten)]
    wire: Option<WireFields<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<Tls<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    names: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    lookup: Option<LookupRecord<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<ProcessRecord<'a>>,
    log_lines: Vec<LogLine<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deliveries: Vec<DeliveryRecord<'a>>,
    r#match: MatchRecord<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<MessageRecord<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    protocol_errors: Vec<FaultRecord>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notes: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    icmp_errors: Vec<IcmpRecord>,
}

/// The look-up that a connection was made from.
#[derive(Serialize)]
struct LookupRecord<'a> {
    session: String,
    name: &'a str,
}

/// The program that owned a session.
#[derive(Serialize)]
struct ProcessRecord<'a> {
    path: &'a str,
    pid: u32,
}

/// A mail message.
#[derive(Serialize)]
struct MessageRecord<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<&'a str>,
    recipients: Vec<RecipientRecord<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    packet: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<BodyRecord<'a>>,
}

/// A body in a file.
#[derive(Serialize)]
struct BodyRecord<'a> {
    file: &'a str,
    bytes: u64,
    sha256: &'a str,
    complete: bool,
    #[serde(skip_serializing_if = "is_zero")]
    missing_bytes: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cut_bytes: u64,
}

/// The body of `wire` with this number, where it came to a file.
fn body_record(wire: Option<&WireSession>, number: Option<BodyNo>) -> Option<BodyRecord<'_>> {
    let number = number?;
    let bodies = wire?.bodies.as_slice();
    let at = bodies.binary_search_by_key(&number, |body| body.number);
    let body = bodies.get(at.ok()?)?;
    Some(BodyRecord {
        file: &body.file,
        bytes: body.octets,
        sha256: &body.sha256,
        complete: body.complete,
        missing_bytes: body.missing,
        cut_bytes: body.cut,
    })
}

/// A recipient of a message.
#[derive(Serialize)]
struct RecipientRecord<'a> {
    address: &'a str,
    code: &'a str,
}

fn message_record<'a>(wire: &'a WireSession, message: &'a MailMessage) -> MessageRecord<'a> {
    let recipients = message.recipients.iter().map(|one| RecipientRecord {
        address: &one.address,
        code: &one.code,
    });
    MessageRecord {
        message_id: message.message_id.as_deref(),
        sender: message.sender.as_deref(),
        recipients: recipients.collect(),
        bytes: message.octets,
        code: message.code.as_deref(),
        packet: message.packet.map(|packet| packet.0),
        body: body_record(Some(wire), message.body),
    }
}

/// A departure from the protocol, how often, and where first.
#[derive(Serialize)]
struct FaultRecord {
    code: &'static str,
    count: u64,
    packet: u64,
}

/// An ICMP error about a session.
#[derive(Serialize)]
struct IcmpRecord {
    at: String,
    by: IpAddr,
    reason: String,
    packet: u64,
}

#[derive(Serialize)]
struct WireFields<'a> {
    first_packet: u64,
    conn_state: &'static str,
    history: &'a str,
    bytes_to_server: u64,
    bytes_to_client: u64,
    packets_to_server: u64,
    packets_to_client: u64,
    content_gaps: u64,
    missing_bytes: u64,
    retransmissions: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp: Option<TcpRecord>,
}

#[derive(Serialize)]
struct Tls<'a> {
    version: Option<String>,
    cipher: Option<&'a str>,
    sni: Option<&'a str>,
    alpn: &'a [String],
    resumed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offered: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    retried: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ech: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_hello: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_hello: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    alerts: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    decrypted: Option<DecryptedRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ja3: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ja4: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<CertificateRecord<'a>>,
}

#[derive(Serialize)]
struct CertificateRecord<'a> {
    subject: &'a str,
    issuer: &'a str,
    not_after: String,
}

#[derive(Serialize)]
struct LogLine<'a> {
    file: &'a str,
    line: u64,
}

/// What became of a message of the session.
#[derive(Serialize)]
struct DeliveryRecord<'a> {
    message: &'a str,
    recipient: &'a str,
    status: &'a str,
    relay: &'a str,
    reply: &'a str,
    log_line: LogLine<'a>,
}

#[derive(Serialize)]
struct MatchRecord<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runner_up: Option<f64>,
    reasons: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<LogLine<'a>>,
}

fn session_record<'a>(account: &'a Account, shown: &Shown<'a>) -> Session<'a> {
    let (source, destination) = shown.ends();
    let (start, end) = account.times(shown);
    let raw = match (shown.wire, shown.log) {
        (Some(wire), _) => Some(wire.start),
        (None, Some(log)) => log.stamps().map(|(first, _)| Nanos(first.at.0)),
        (None, None) => None,
    };
    let wire = shown.wire;
    Session {
        r#type: "session",
        id: shown.id(),
        proto: shown.proto().0,
        encryption: shown.encryption().name(),
        seen: shown.seen().name(),
        src_ip: source.0,
        src_port: source.1,
        dest_ip: destination.0,
        dest_port: destination.1,
        community_id: wire.map(|wire| community_id(&wire.conversation)),
        start: start.map(Nanos::to_rfc3339),
        end: end.map(Nanos::to_rfc3339),
        start_raw: raw.filter(|raw| Some(*raw) != start).map(Nanos::to_rfc3339),
        wire: wire.map(|wire| {
            let [client, server] = [Side::Client, Side::Server].map(|side| wire.counts.of(side));
            WireFields {
                first_packet: wire.first_packet.0,
                conn_state: wire.conn_state,
                history: &wire.history,
                bytes_to_server: client.bytes,
                bytes_to_client: server.bytes,
                packets_to_server: client.packets,
                packets_to_client: server.packets,
                content_gaps: client.gaps + server.gaps,
                missing_bytes: client.missing + server.missing,
                retransmissions: client.retransmissions + server.retransmissions,
                tcp: (wire.conversation.transport == Transport::Tcp).then(|| tcp_record(wire)),
            }
        }),
        tls: wire
            .and_then(|wire| wire.tls.as_ref())
            .map(|tls| tls_record(account, tls)),
        names: wire.map_or(&[], |wire| &wire.names),
        lookup: shown.led_by.map(|led| LookupRecord {
            session: led.id(),
            name: led.name(),
        }),
        process: wire
            .and_then(|wire| wire.process.as_ref())
            .map(|process| ProcessRecord {
                path: &process.path,
                pid: process.id,
            }),
        log_lines: lines(account, &shown.joined.logs),
        deliveries: deliveries(account, &shown.joined.logs),
        r#match: MatchRecord {
            status: match shown.joined.verdict.standing {
                Standing::Matched => "matched",
                Standing::Ambiguous => "ambiguous",
                Standing::Unmatched => "unmatched",
            },
            score: shown.joined.verdict.score.map(|score| rounded(score, 1e3)),
            runner_up: shown
                .joined
                .verdict
                .runner_up
                .map(|score| rounded(score, 1e3)),
            reasons: &shown.joined.verdict.reasons,
            candidates: lines(account, &shown.joined.candidates),
        },
        messages: wire
            .iter()
            .flat_map(|wire| {
                wire.messages
                    .iter()
                    .map(|message| message_record(wire, message))
            })
            .collect(),
        protocol_errors: wire
            .iter()
            .flat_map(|wire| &wire.faults)
            .map(|fault| FaultRecord {
                code: fault.code.name(),
                count: fault.count,
                packet: fault.packet.0,
            })
            .collect(),
        notes: wire.map_or(&[], |wire| &wire.notes),
        icmp_errors: wire
            .iter()
            .flat_map(|wire| &wire.icmp_errors)
            .map(|error| IcmpRecord {
                at: account.utc(error.at).to_rfc3339(),
                by: error.by,
                reason: error.reason.to_string(),
                packet: error.packet.0,
            })
            .collect(),
    }
}

/// How many of a session's records the secrets given opened.
#[derive(Serialize)]
struct DecryptedRecord {
    records: u64,
    failed: u64,
}

fn tls_record<'a>(account: &Account, tls: &'a TlsSummary) -> Tls<'a> {
    let utc = |at: Option<Nanos>| Some(account.utc(at?).to_rfc3339());
    Tls {
        version: tls.version.map(|version| version.to_string()),
        cipher: tls.cipher.as_deref(),
        sni: tls.server_name.as_ref().map(|name| name.0.as_str()),
        alpn: &tls.alpn,
        resumed: tls.resumed,
        offered: tls.offered.map(|version| version.to_string()),
        retried: tls.retried,
        ech: tls.encrypted_hello,
        client_hello: utc(tls.client_hello),
        server_hello: utc(tls.server_hello),
        finished: utc(tls.finished),
        alerts: &tls.alerts,
        decrypted: tls.decryption.map(|done| DecryptedRecord {
            records: done.opened,
            failed: done.failed,
        }),
        ja3: tls.ja3.as_deref(),
        ja4: tls.ja4.as_deref(),
        certificate: tls
            .certificate
            .as_ref()
            .map(|certificate| CertificateRecord {
                subject: &certificate.subject,
                issuer: &certificate.issuer,
                not_after: certificate.not_after.to_rfc3339(),
            }),
    }
}

fn deliveries<'a>(account: &'a Account, sessions: &[usize]) -> Vec<DeliveryRecord<'a>> {
    let logs = sessions.iter().filter_map(|&at| account.logs.get(at));
    logs.flat_map(|log| &log.deliveries)
        .map(|delivery| DeliveryRecord {
            message: &delivery.message,
            recipient: &delivery.recipient,
            status: &delivery.status,
            relay: &delivery.relay,
            reply: &delivery.reply,
            log_line: log_line(account, delivery.line),
        })
        .collect()
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

fn log_line(account: &Account, line: LineRef) -> LogLine<'_> {
    let (file, line) = account.place(line);
    LogLine { file, line }
}

#[derive(Serialize)]
struct ExchangeRecord<'a> {
    r#type: &'static str,
    session: String,
    seq: usize,
    start: Option<String>,
    end: Option<String>,
    response_ms: Option<f64>,
    request: &'a str,
    response: Option<&'a str>,
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_body: Option<BodyRecord<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_body: Option<BodyRecord<'a>>,
    seen: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_line: Option<LogLine<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notes: &'a [String],
}

fn exchange_record<'a>(
    account: &'a Account,
    shown: &Shown<'a>,
    seq: usize,
    exchange: &'a Exchange,
) -> ExchangeRecord<'a> {
    let utc = |at: Nanos| account.utc(at).to_rfc3339();
    let [asked, answered] = exchange.bodies;
    ExchangeRecord {
        r#type: "exchange",
        session: shown.id(),
        seq,
        start: exchange.start.map(utc),
        end: exchange.end.map(utc),
        response_ms: exchange.response_time().map(Span::as_millis_f64),
        request: &exchange.request,
        // A log that tells only the code still tells that much of the reply.
        response: exchange.response.as_deref().or(exchange.code.as_deref()),
        code: exchange.code.as_deref(),
        request_bytes: exchange.request_bytes,
        response_bytes: exchange.response_bytes,
        request_body: body_record(shown.wire, asked),
        response_body: body_record(shown.wire, answered),
        seen: exchange.seen.name(),
        log_line: exchange.line.map(|line| log_line(account, line)),
        notes: &exchange.notes,
    }
}

#[derive(Serialize)]
struct FindingRecord<'a> {
    r#type: &'static str,
    code: &'static str,
    severity: &'static str,
    sessions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    count: u64,
    first: Option<String>,
    last: Option<String>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    not: Option<&'a str>,
    evidence: Vec<Place<'a>>,
    next: &'a str,
}

/// Where to look.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Place<'a> {
    LogLine(LogLine<'a>),
    Packet(u64),
    Time(String),
}

fn finding_record<'a>(account: &'a Account, finding: &'a Finding) -> FindingRecord<'a> {
    let utc = |at: Nanos| account.utc(at).to_rfc3339();
    let place = |place: &Evidence| match *place {
        Evidence::Line(line) => Place::LogLine(log_line(account, line)),
        Evidence::Packet(packet) => Place::Packet(packet.0),
        Evidence::Time(at) => Place::Time(utc(at)),
    };
    FindingRecord {
        r#type: "finding",
        code: finding.code,
        severity: finding.severity.name(),
        sessions: finding.sessions.iter().map(|at| session_id(*at)).collect(),
        endpoint: finding.endpoint.map(|end| end.to_string()),
        count: finding.count,
        first: finding.first.map(utc),
        last: finding.last.map(utc),
        message: &finding.message,
        not: finding.not.as_deref(),
        evidence: finding.evidence.iter().map(place).collect(),
        next: &finding.next,
    }
}

/// A key log, or a capture with secrets inside.
#[derive(Serialize)]
struct KeysRecord<'a> {
    file: &'a str,
    secrets: u64,
    repeated: u64,
    conflicting: u64,
    unused_lines: u64,
    unparsed_lines: u64,
    dropped: u64,
}

fn keys_record(keys: &KeySource) -> KeysRecord<'_> {
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
