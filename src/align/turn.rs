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
pub(super) const fn turns(bursts: &[Burst]) -> Turns<'_> {
    Turns(bursts)
}

/// Turns in order, from either end.
pub(super) struct Turns<'a>(&'a [Burst]);

impl<'a> Turn<'a> {
    /// Of one run without the other.
    fn half(burst: &'a Burst) -> Self {
        match burst.side {
            Side::Client => Self {
                asked: Some(burst),
                answered: None,
            },
            Side::Server => Self {
                asked: None,
                answered: Some(burst),
            },
        }
    }

    /// Of two runs that follow one another, where they belong together.
    fn whole(asked: &'a Burst, answered: &'a Burst) -> Option<Self> {
        let whole = Self {
            asked: Some(asked),
            answered: Some(answered),
        };
        ((asked.side, answered.side) == (Side::Client, Side::Server)).then_some(whole)
    }
}

impl<'a> Iterator for Turns<'a> {
    type Item = Turn<'a>;

    fn next(&mut self) -> Option<Turn<'a>> {
        let (first, rest) = self.0.split_first()?;
        let whole = rest
            .split_first()
            .and_then(|(next, rest)| Some((Turn::whole(first, next)?, rest)));
        let (turn, rest) = whole.unwrap_or_else(|| (Turn::half(first), rest));
        self.0 = rest;
        Some(turn)
    }
}

impl DoubleEndedIterator for Turns<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let (last, rest) = self.0.split_last()?;
        let whole = rest
            .split_last()
            .and_then(|(before, rest)| Some((Turn::whole(before, last)?, rest)));
        let (turn, rest) = whole.unwrap_or_else(|| (Turn::half(last), rest));
        self.0 = rest;
        Some(turn)
    }
}

/// Octets of each request and its reply, in the clear and hidden.
pub(super) fn octets(wire: &WireSession) -> impl DoubleEndedIterator<Item = (u64, u64)> {
    let clear = wire.exchanges.iter().map(|exchange| {
        let octets = |side: Option<u64>| side.unwrap_or(0);
        (
            octets(exchange.request_bytes),
            octets(exchange.response_bytes),
        )
    });
    clear.chain(turns(&wire.bursts).map(Turn::octets))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Nanos, PacketNo};

    fn burst(number: u64, side: Side) -> Burst {
        Burst {
            side,
            start: Nanos(0),
            end: Nanos(0),
            packet: PacketNo(number),
            records: 1,
            plaintext: number,
            parts: Vec::new(),
            damaged: false,
        }
    }

    #[test]
    fn a_request_and_the_reply_that_follows_are_one_turn() {
        let sides = [Side::Server, Side::Client, Side::Server, Side::Server];
        let sides = sides.into_iter().chain([Side::Client, Side::Client]);
        let bursts: Vec<Burst> = (1..).zip(sides).map(|(at, side)| burst(at, side)).collect();
        let octets: Vec<(u64, u64)> = turns(&bursts).map(Turn::octets).collect();
        assert_eq!(octets, [(0, 1), (2, 3), (0, 4), (5, 0), (6, 0)]);
    }

    proptest! {
        #[test]
        fn turns_are_the_same_from_either_end(sides in proptest::collection::vec(any::<bool>(), 0..12)) {
            let side = |client| if client { Side::Client } else { Side::Server };
            let bursts: Vec<Burst> = (1..).zip(sides).map(|(at, client)| burst(at, side(client))).collect();
            let octets = |turns: &mut dyn Iterator<Item = Turn<'_>>| turns.map(Turn::octets).collect::<Vec<_>>();
            let mut back = octets(&mut turns(&bursts).rev());
            back.reverse();
            prop_assert_eq!(octets(&mut turns(&bursts)), back);
        }
    }
}
