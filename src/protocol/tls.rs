//! A stand-in for the TLS observer: tells TLS from other openings, and counts nothing but events.

use super::{Decoder, Dialogue, Step, Verdict};
use crate::flow::StreamEvent;

/// Watches a TLS connection.
#[derive(Debug, Default)]
pub struct Tls {
    events: u64,
}

impl Decoder for Tls {
    fn event(&mut self, _event: StreamEvent<'_>, _out: &mut Dialogue) -> Step {
        self.events += 1;
        Step::Continue
    }

    fn finish(&mut self, _out: &mut Dialogue) {}
}

/// Whether the client's first bytes are a TLS hello.
pub fn opening(client: &[u8]) -> Verdict {
    match client {
        [0x16, 0x03, 0..=4, _, _, 1, ..] => Verdict::Certain,
        [] | [0x16] | [0x16, 0x03] | [0x16, 0x03, 0..=4, ..] if client.len() < 6 => {
            Verdict::NeedMore
        }
        _ => Verdict::RuledOut,
    }
}
