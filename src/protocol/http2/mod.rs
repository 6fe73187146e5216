//! HTTP/2 (RFC 9113): in the clear with prior knowledge or after an upgrade, and inside TLS that was opened.
//!
//! Frames of both directions are put together to streams, a stream is an exchange. Header blocks are read by
//! `loona-hpack` (RFC 7541). Bounded: a header block, 64 KiB in at most 64 frames; streams under way, 1000; octets
//! in which frames are looked for after a hole, 64 KiB. Bodies are counted and never kept.

mod dialogue;
mod fields;
mod frame;
mod hunt;
mod reader;
#[cfg(test)]
mod tests;

use super::runs::Runs;
use super::tls::Opener;
use super::{Entry, Opening, Verdict};
use crate::model::Proto;

/// What a client says first (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The row of the registry. It has no ports of its own: those are HTTP/1's.
pub(super) const ENTRY: Entry = Entry {
    proto: Proto("http"),
    ports: &[],
    tls_ports: &[],
    opener: Opener::Client,
    runs: Runs::PLAIN,
    alpn: &["h2", "h2c"],
    probe,
    start: || Box::new(dialogue::Http2::default()),
};

/// By the client's preface; by the server's settings where the client was not captured.
fn probe(opening: &Opening<'_>) -> Verdict {
    if PREFACE.starts_with(opening.client) {
        return match opening.client.len() {
            0 if frame::is_settings(opening.server) => Verdict::Likely,
            0 if !opening.server.is_empty() => Verdict::RuledOut,
            _ => Verdict::NeedMore,
        };
    }
    if opening.client.starts_with(PREFACE) {
        return Verdict::Certain;
    }
    // The preface was not captured.
    if frame::begins_stream(opening.client) {
        return Verdict::Likely;
    }
    Verdict::RuledOut
}
