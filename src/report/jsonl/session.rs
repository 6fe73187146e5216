//! Records of sessions and of the exchanges in them.

use std::net::IpAddr;

use serde::Serialize;

use crate::align::{Standing, Told};
use crate::model::{Encryption, Exchange, Forwarded, Nanos, Seen, Side, Span, Transport};

use super::super::account::Shown;
use super::super::ended::{EndedRecord, ended_record};
use super::super::tcp::{TcpRecord, tcp_record};
use super::super::{Account, community_id};
use super::mail::{
    BodyRecord, DeliveryRecord, MessageRecord, body_record, deliveries, message_record,
};
use super::tls::{Tls, tls_record};
use super::{LogLine, lines, log_line, rounded};

#[derive(Serialize)]
pub(super) struct Session<'a> {
    r#type: &'static str,
    id: String,
    proto: &'static str,
    /// `null` where no witness tells it.
    encryption: Option<&'static str>,
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    forwarded: Vec<ForwardedRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<EndedRecord<'a>>,
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

/// A client behind a proxy, and in which words the proxy names it.
#[derive(Serialize)]
struct ForwardedRecord {
    ip: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    by: &'static str,
}

impl From<&Forwarded> for ForwardedRecord {
    fn from(named: &Forwarded) -> Self {
        Self {
            ip: named.client,
            port: named.port,
            by: named.by.name(),
        }
    }
}

/// The program that owned a session.
#[derive(Serialize)]
struct ProcessRecord<'a> {
    path: &'a str,
    pid: u32,
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

pub(super) fn session_record<'a>(account: &'a Account, shown: &Shown<'a>) -> Session<'a> {
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
        encryption: shown.encryption().map(Encryption::name),
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
        ended: shown.ended().map(|ended| ended_record(account, &ended)),
        forwarded: wire
            .iter()
            .flat_map(|wire| wire.forwarded.iter().map(ForwardedRecord::from))
            .collect(),
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

#[derive(Serialize)]
pub(super) struct ExchangeRecord<'a> {
    r#type: &'static str,
    session: &'a str,
    seq: u64,
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    more_bodies: Vec<BodyRecord<'a>>,
    seen: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_line: Option<LogLine<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    forwarded_for: &'a [IpAddr],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notes: &'a [String],
}

pub(super) fn exchange_record<'a>(
    account: &'a Account,
    shown: &Shown<'a>,
    (session, seq): (&'a str, u64),
    exchange: &'a Exchange,
) -> ExchangeRecord<'a> {
    let utc = |at: Nanos| account.utc(at).to_rfc3339();
    let [asked, answered] = exchange.bodies;
    let more = exchange.more_bodies.iter();
    ExchangeRecord {
        r#type: "exchange",
        session,
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
        more_bodies: more
            .filter_map(|body| body_record(shown.wire, Some(*body)))
            .collect(),
        seen: exchange.seen.name(),
        log_line: exchange.line.map(|line| log_line(account, line)),
        forwarded_for: &exchange.forwarded,
        notes: &exchange.notes,
    }
}

/// The same of a command that a log alone tells.
pub(super) fn told_record<'a>(
    account: &'a Account,
    (session, seq): (&'a str, u64),
    told: Told<'a>,
) -> ExchangeRecord<'a> {
    ExchangeRecord {
        r#type: "exchange",
        session,
        seq,
        start: None,
        end: None,
        response_ms: None,
        request: told.request(),
        response: told.response(),
        code: told.command.code,
        request_bytes: told.command.request_bytes,
        response_bytes: told.command.response_bytes,
        request_body: None,
        response_body: None,
        more_bodies: Vec::new(),
        seen: Seen::Log.name(),
        log_line: told.line.map(|line| log_line(account, line)),
        forwarded_for: &[],
        notes: &[],
    }
}
