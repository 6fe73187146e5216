//! What encryption leaves of commands and replies: a run of records from the client and the server's run that follows.

use crate::model::{Burst, Side, WireSession};

/// A run from the client and the server's run that follows: one hidden exchange, unless commands were pipelined.
#[derive(Clone, Copy, Default)]
pub(super) struct Turn<'a> {
    /// Nothing where the server spoke first.
    pub(super) asked: Option<&'a Burst>,
    /// Nothing where the server did not answer before the client spoke again.
    pub(super) answered: Option<&'a Burst>,
}

impl Turn<'_> {
    /// Octets from the client, and to it.
    pub(super) fn octets(self) -> (u64, u64) {
        let octets = |burst: Option<&Burst>| burst.map_or(0, |burst| burst.plaintext);
        (octets(self.asked), octets(self.answered))
    }
}

/// Encrypted runs as turns.
pub(super) fn turns(bursts: &[Burst]) -> Vec<Turn<'_>> {
    let mut turns: Vec<Turn<'_>> = Vec::new();
    for burst in bursts {
        match (burst.side, turns.last_mut()) {
            (Side::Server, Some(turn)) if turn.answered.is_none() => turn.answered = Some(burst),
            (Side::Server, _) => turns.push(Turn {
                asked: None,
                answered: Some(burst),
            }),
            (Side::Client, _) => turns.push(Turn {
                asked: Some(burst),
                answered: None,
            }),
        }
    }
    turns
}

/// Octets of each request and its reply, in the clear and hidden.
pub(super) fn octets(wire: &WireSession) -> Vec<(u64, u64)> {
    let clear = wire.exchanges.iter().map(|exchange| {
        let octets = |side: Option<u64>| side.unwrap_or(0);
        (
            octets(exchange.request_bytes),
            octets(exchange.response_bytes),
        )
    });
    clear
        .chain(turns(&wire.bursts).into_iter().map(Turn::octets))
        .collect()
}
