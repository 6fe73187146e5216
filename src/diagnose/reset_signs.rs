//! What speaks against a reset's having been sent by the side in whose name it comes.

use crate::model::{Reset, Side, Span, Way, WireSession};

use super::group::{counted, who};

/// Packets of a side from which on their hops left are known.
const PACKETS: u64 = 5;

/// What gives a reset away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signs {
    pub(super) side: Side,
    pub(super) reset: Reset,
    /// Hops left of the side's other packets, all alike, where the reset came from another distance.
    hops: Option<u8>,
    /// Packets that the side sent after it.
    went_on: u64,
}

/// The signs against the first reset in the name of `side`; `None` where there are none, or none that is enough for suspicion.
pub(super) fn signs(wire: &WireSession, side: Side) -> Option<Signs> {
    let way: &Way = wire.passage.of(side);
    let reset = way.reset?;
    // A client may send its SYN again after a refusal, and be taken then.
    if !wire.history.contains('h') || wire.handshake.syns > 1 {
        return None;
    }
    let alike = way
        .hops
        .filter(|(least, most)| least == most && wire.counts.of(side).packets > PACKETS);
    let signs = Signs {
        side,
        reset,
        hops: alike
            .map(|(usual, _)| usual)
            .filter(|&usual| distance(usual) != distance(reset.hops)),
        went_on: way.after_reset,
    };
    let strong = signs.hops.is_some() || signs.went_on > 0 || reset.too_soon.is_some();
    strong.then_some(signs)
}

/// Hops that a packet has made: hosts begin at one of four numbers, and some begin resets at another than data.
fn distance(left: u8) -> u8 {
    let began = [32, 64, 128].into_iter().find(|&first| left <= first);
    began.unwrap_or(u8::MAX) - left
}

impl Signs {
    /// Each in words.
    pub(super) fn words(&self) -> Vec<String> {
        let (side, reset) = (who(self.side), self.reset);
        let millis = |span: Span| format!("{:.1} ms", span.as_millis_f64());
        let hops = self
            .hops
            .map(|usual| format!("TTL {}, the {side}'s packets have {usual}", reset.hops));
        let went_on = (self.went_on > 0).then(|| {
            format!(
                "the {side} sent {} after it",
                counted(self.went_on, "packet")
            )
        });
        let soon = reset.too_soon.map(|[came, least]| {
            format!(
                "it acknowledges data {} after it passed, the {side} needs {}",
                millis(came),
                millis(least)
            )
        });
        let ahead = (reset.ahead > 0).then(|| {
            format!(
                "its sequence number is {} beyond all that the {side} sent",
                counted(reset.ahead.into(), "octet")
            )
        });
        let odd = reset.odd_number.map(|[number, before]| {
            format!("IP identification {number}, the {side}'s packet before has {before}")
        });
        [hops, went_on, soon, ahead, odd]
            .into_iter()
            .flatten()
            .collect()
    }
}
