//! What TCP went through, for JSON and for a person.

use serde::Serialize;

use crate::model::{Direction, Overlap, Side, Span, WireSession};

use super::jsonl::is_zero;

/// What both directions of a connection went through.
#[derive(Serialize)]
pub(super) struct TcpRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    handshake_ms: Option<f64>,
    #[serde(skip_serializing_if = "is_zero")]
    syns: u64,
    #[serde(skip_serializing_if = "is_zero")]
    syn_bytes: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    simultaneous_open: bool,
    to_server: Way,
    to_client: Way,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    overlaps: Vec<OverlapRecord>,
}

/// One direction; what never happened is left out.
#[derive(Serialize)]
struct Way {
    retransmissions: u64,
    network_losses: u64,
    capture_lost_bytes: u64,
    #[serde(skip_serializing_if = "is_zero")]
    captured_again: u64,
    #[serde(skip_serializing_if = "is_zero")]
    needless_retransmissions: u64,
    #[serde(skip_serializing_if = "is_zero")]
    lost_before_capture: u64,
    #[serde(skip_serializing_if = "is_zero")]
    out_of_order: u64,
    #[serde(skip_serializing_if = "is_zero")]
    gaps: u64,
    #[serde(skip_serializing_if = "is_zero")]
    missing_bytes: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cut_bytes: u64,
    #[serde(skip_serializing_if = "is_zero")]
    conflicting_bytes: u64,
    #[serde(skip_serializing_if = "is_zero")]
    zero_windows: u64,
    #[serde(skip_serializing_if = "is_no_time")]
    window_closed_ms: f64,
    #[serde(skip_serializing_if = "is_zero")]
    window_probes: u64,
    #[serde(skip_serializing_if = "is_zero")]
    keep_alives: u64,
    #[serde(skip_serializing_if = "is_zero")]
    keep_alive_answers: u64,
    #[serde(skip_serializing_if = "is_zero")]
    urgent: u64,
    #[serde(skip_serializing_if = "is_zero")]
    old_timestamps: u64,
    #[serde(skip_serializing_if = "is_zero")]
    bad_checksums: u64,
    #[serde(skip_serializing_if = "is_zero")]
    foreign: u64,
    #[serde(skip_serializing_if = "is_zero")]
    stray_resets: u64,
}

/// Two copies of the same octets that differ.
#[derive(Serialize)]
struct OverlapRecord {
    from: &'static str,
    kept_packet: u64,
    other_packet: u64,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes what it asks about by reference"
)]
fn is_no_time(millis: &f64) -> bool {
    *millis <= 0.0
}

pub(super) fn tcp_record(wire: &WireSession) -> TcpRecord {
    let handshake = &wire.handshake;
    TcpRecord {
        handshake_ms: handshake.round_trip().map(Span::as_millis_f64),
        syns: u64::from(handshake.syns),
        syn_bytes: u64::from(handshake.syn_octets),
        simultaneous_open: handshake.simultaneous,
        to_server: way(wire.counts.of(Side::Client)),
        to_client: way(wire.counts.of(Side::Server)),
        overlaps: wire
            .overlaps
            .iter()
            .map(|overlap| (overlap, versions(wire, overlap)))
            .map(|(overlap, [kept, other])| OverlapRecord {
                kept,
                other,
                from: match overlap.side {
                    Side::Client => "client",
                    Side::Server => "server",
                },
                kept_packet: overlap.kept.0,
                other_packet: overlap.other.0,
                bytes: overlap.octets,
            })
            .collect(),
    }
}

/// What both copies say, with all but printable characters written out. What may hold a secret is not shown: what a client
/// says that logs in, or whose words are not read, and cookies.
fn versions(wire: &WireSession, overlap: &Overlap) -> [Option<String>; 2] {
    let logs_in = || {
        let mut exchanges = wire.exchanges.iter();
        exchanges.any(|exchange| exchange.verb.is_login() || exchange.request.contains("***"))
    };
    let read = ["smtp", "pop3", "imap", "nntp", "ftp", "dns"].contains(&wire.proto.0);
    let Some(versions) = overlap
        .versions
        .as_ref()
        .filter(|_| overlap.side == Side::Server || read && !logs_in())
    else {
        return [None, None];
    };
    let both = [&*versions.kept, &*versions.other];
    let cookie = |octets: &[u8]| {
        let text = octets.to_ascii_lowercase();
        memchr::memmem::find(&text, b"cookie").is_some()
    };
    if both.iter().any(|octets| cookie(octets)) {
        return [None, None];
    }
    both.map(|octets| Some(octets.escape_ascii().to_string()))
}

fn way(sent: &Direction) -> Way {
    Way {
        retransmissions: sent.retransmissions,
        network_losses: sent.lost_on_network(),
        capture_lost_bytes: sent.lost_in_capture,
        captured_again: sent.copies,
        needless_retransmissions: sent.needless,
        lost_before_capture: sent.refilled,
        out_of_order: sent.out_of_order,
        gaps: sent.gaps,
        missing_bytes: sent.missing,
        cut_bytes: sent.cut,
        conflicting_bytes: sent.conflicting,
        zero_windows: sent.zero_windows,
        window_closed_ms: sent.window_closed.as_millis_f64(),
        window_probes: sent.window_probes,
        keep_alives: sent.keep_alives,
        keep_alive_answers: sent.keep_alive_answers,
        urgent: sent.urgent,
        old_timestamps: sent.old_timestamps,
        bad_checksums: sent.bad_checksums,
        foreign: sent.foreign,
        stray_resets: sent.stray_resets,
    }
}

/// What departs from the ordinary, in words; empty when nothing does.
pub(super) fn tcp_words(wire: &WireSession) -> Vec<String> {
    let mut words = Vec::new();
    let handshake = &wire.handshake;
    if handshake.simultaneous {
        words.push("both sides opened it at once".to_owned());
    }
    if handshake.syn_octets > 0 {
        let octets = handshake.syn_octets;
        words.push(format!("{octets} bytes of data on the SYN"));
    }
    for (side, name) in [(Side::Client, "client"), (Side::Server, "server")] {
        let sent = wire.counts.of(side);
        let counted = [
            (sent.lost_on_network(), "segments lost on the network"),
            (sent.lost_in_capture, "bytes lost by the capture"),
            (sent.out_of_order, "segments out of order"),
            (sent.copies, "segments captured again"),
            (sent.zero_windows, "zero windows"),
            (sent.window_probes, "window probes"),
            (sent.keep_alives, "keep-alives"),
            (sent.urgent, "urgent segments"),
            (sent.old_timestamps, "segments with an old timestamp"),
            (sent.foreign, "segments far off the stream"),
            (sent.stray_resets, "resets outside the window"),
        ];
        let told: Vec<String> = counted
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if !told.is_empty() {
            words.push(format!("from the {name} {}", told.join(", ")));
        }
    }
    for overlap in &wire.overlaps {
        let said = match versions(wire, overlap) {
            [Some(kept), Some(other)] => format!(": “{kept}” was kept, “{other}” was not"),
            _ => String::new(),
        };
        words.push(format!(
            "packets {} and {} carry different bytes for the same {} of the stream{said}",
            overlap.kept.0, overlap.other.0, overlap.octets
        ));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Exchange, Nanos, PacketNo, Seen, Verb, Versions, testing};

    #[test]
    fn both_versions_are_shown_but_not_where_a_secret_may_be() {
        let mut wire = testing::wire("smtp", 25, Nanos(0));
        let overlap = |side| Overlap {
            side,
            kept: PacketNo(5),
            other: PacketNo(7),
            octets: 9,
            versions: Versions::of(b"MAIL\r\n", b"MA\x1b[31m"),
        };
        wire.overlaps = vec![overlap(Side::Client)];
        let told = tcp_words(&wire).join("; ");
        let expected = "packets 5 and 7 carry different bytes for the same 9 of the stream: \
                        “IL\\r\\n” was kept, “\\x1b[31m” was not";
        assert_eq!(told, expected);
        wire.exchanges = vec![Exchange::new(
            Verb::new("AUTH"),
            "AUTH PLAIN ***".to_owned(),
            Seen::Wire,
        )];
        assert!(!tcp_words(&wire).join("; ").contains("kept"));
        wire.overlaps = vec![overlap(Side::Server)];
        assert!(tcp_words(&wire).join("; ").contains("was kept"));
    }
}
