//! Application data as runs, with what belongs to TLS itself left out.
//!
//! TLS 1.3 sends the rest of its handshake, its tickets and its alerts as application data; they are told by their
//! place and their length.

use crate::model::{Burst, Side, TlsSummary, TlsVersion};

use super::record::RecordSeen;

/// What TLS 1.3 adds to each record: the real type and the tag of the cipher (RFC 8446 §5.2).
const ADDED_1_3: usize = 17;
/// An alert in TLS 1.3, encrypted.
const ALERT_1_3: usize = 2 + ADDED_1_3;
/// Least length of a record with a session ticket: servers put the whole state into it.
const TICKET: usize = 150;
/// Most tickets that a server sends at once.
const MAX_TICKETS: usize = 4;
/// Records of a handshake that a side may hide: certificate, its proof, and Finished, in pieces.
const MAX_HIDDEN: u32 = 24;

/// A record of application data, without its octets.
#[derive(Clone, Copy, Debug)]
struct Data {
    side: Side,
    length: usize,
    at: (crate::model::Nanos, crate::model::Nanos),
    packet: crate::model::PacketNo,
    damaged: bool,
}

/// Makes runs of records.
#[derive(Debug, Default)]
pub(super) struct Bursts {
    /// Whether the client's Finished has passed, in TLS 1.3.
    client_finished: bool,
    hidden: u32,
    /// The server's records since the client's Finished, while tickets may be among them.
    early: Option<Vec<Data>>,
    client_spoke: bool,
    /// By side: a record of an alert's length, data only if more follows.
    maybe_alert: [Option<Data>; 2],
}

impl Bursts {
    /// Takes a record of application data.
    pub(super) fn record(
        &mut self,
        side: Side,
        record: &RecordSeen<'_>,
        summary: &mut TlsSummary,
        out: &mut Vec<Burst>,
    ) {
        let data = Data {
            side,
            length: record.length,
            at: (record.start, record.end),
            packet: record.packet,
            // Without its handshake nobody knows what the cipher adds.
            damaged: record.damaged || summary.version.is_none(),
        };
        if summary.version == Some(TlsVersion::TLS_1_3) {
            self.hides_handshake(data, summary, out);
        } else {
            summary.finished.get_or_insert(record.start);
            add(data, summary, out);
        }
    }

    /// The connection is over: what waits is decided.
    pub(super) fn finish(&mut self, summary: &TlsSummary, out: &mut Vec<Burst>) {
        self.settle(summary, out);
    }

    fn hides_handshake(&mut self, data: Data, summary: &mut TlsSummary, out: &mut Vec<Burst>) {
        if !self.client_finished {
            self.hidden += 1;
            if data.side == Side::Client && data.length == finished_length(summary) {
                self.client_finished = true;
                summary.finished = Some(data.at.1);
                self.early = Some(Vec::new());
            } else if self.hidden > MAX_HIDDEN {
                // It was missed: go on as if it had passed.
                self.client_finished = true;
            }
            return;
        }
        match (data.side, &mut self.early) {
            (Side::Server, Some(early)) => {
                early.push(data);
                if early.len() > MAX_TICKETS + 1 {
                    self.settle(summary, out);
                }
            }
            (Side::Client, Some(early)) if early.is_empty() => {
                self.client_spoke = true;
                self.unless_alert(data, summary, out);
            }
            _ => {
                self.settle(summary, out);
                self.unless_alert(data, summary, out);
            }
        }
    }

    /// Leaves out the tickets among the server's first records: the first ones, long and of one length.
    fn settle(&mut self, summary: &TlsSummary, out: &mut Vec<Burst>) {
        let Some(early) = self.early.take() else {
            return;
        };
        let first = early.first().map_or(0, |data| data.length);
        let alike = early
            .iter()
            .take(MAX_TICKETS)
            .take_while(|data| data.length == first && first >= TICKET)
            .count();
        // Who has asked gets an answer, not only tickets.
        let tickets = if alike == early.len() && self.client_spoke {
            0
        } else {
            alike
        };
        for data in early.into_iter().skip(tickets) {
            self.unless_alert(data, summary, out);
        }
    }

    /// Passes data on, but holds back what may be the closing alert.
    fn unless_alert(&mut self, data: Data, summary: &TlsSummary, out: &mut Vec<Burst>) {
        let Some(slot) = self.maybe_alert.get_mut(data.side.index()) else {
            return;
        };
        if let Some(held) = slot.take() {
            add(held, summary, out);
        }
        if data.length == ALERT_1_3 {
            *slot = Some(data);
        } else {
            add(data, summary, out);
        }
    }
}

/// Length of a record that holds a Finished message (RFC 8446 §4.4.4): a hash.
fn finished_length(summary: &TlsSummary) -> usize {
    let hash = if cipher(summary).ends_with("SHA384") {
        48
    } else {
        32
    };
    4 + hash + ADDED_1_3
}

fn add(data: Data, summary: &TlsSummary, out: &mut Vec<Burst>) {
    let plaintext = u64::try_from(plaintext(data.length, summary)).unwrap_or(u64::MAX);
    match out.last_mut() {
        Some(burst) if burst.side == data.side => {
            burst.end = data.at.1;
            burst.records = burst.records.saturating_add(1);
            burst.plaintext = burst.plaintext.saturating_add(plaintext);
            burst.damaged |= data.damaged;
        }
        _ => out.push(Burst {
            side: data.side,
            start: data.at.0,
            end: data.at.1,
            packet: data.packet,
            records: 1,
            plaintext,
            damaged: data.damaged,
        }),
    }
}

/// Octets inside a record: exact for AEAD ciphers, at most that many for CBC, which pads.
fn plaintext(length: usize, summary: &TlsSummary) -> usize {
    let name = cipher(summary);
    let added = if summary
        .version
        .is_none_or(|version| version == TlsVersion::TLS_1_3)
    {
        ADDED_1_3
    } else if name.contains("CHACHA20") || name.ends_with("CCM_8") {
        16
    } else if name.contains("GCM") || name.contains("CCM") {
        24
    } else if name.contains("CBC") {
        // A vector (from TLS 1.1 on), the MAC, and a padding of one octet at least.
        let block = if name.contains("3DES") || name.contains("DES_") {
            8
        } else {
            16
        };
        let vector = if summary.version > Some(TlsVersion(0x0301)) {
            block
        } else {
            0
        };
        vector + mac(name) + 1
    } else {
        mac(name)
    };
    length.saturating_sub(added)
}

fn mac(cipher: &str) -> usize {
    match cipher.rsplit('_').next() {
        Some("SHA384") => 48,
        Some("SHA256") => 32,
        Some("MD5") => 16,
        _ => 20,
    }
}

fn cipher(summary: &TlsSummary) -> &str {
    summary.cipher.as_deref().unwrap_or_default()
}
