//! How far each end of a connection came, and Zeek's word for both together.
//!
//! The states and what moves an end from one to the next are those behind `conn_state` in Zeek's `conn.log`,
//! so that the word means here what it means there.

use crate::link::Flags;
use crate::model::Side;

/// How far one end came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// It sent nothing.
    #[default]
    Inactive,
    /// It sent a SYN.
    SynSent,
    /// It opened the connection with a SYN that acknowledges something.
    SynAckSent,
    /// It was heard of without a SYN.
    Partial,
    /// It is in conversation.
    Established,
    /// It sent a FIN.
    Closed,
    /// It sent a RST.
    Reset,
}

impl State {
    /// Whether it never took part in an opening that was seen.
    const fn absent(self) -> bool {
        matches!(self, Self::Inactive | Self::Partial)
    }
}

/// Both ends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct States {
    now: [State; 2],
    before: [State; 2],
}

impl States {
    pub(super) const fn of(self, side: Side) -> State {
        let [client, server] = self.now;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    const fn before(self, side: Side) -> State {
        let [client, server] = self.before;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    fn set(&mut self, side: Side, state: State) {
        let at = side.index();
        if let (Some(now), Some(before)) = (self.now.get_mut(at), self.before.get_mut(at))
            && *now != state
        {
            *before = *now;
            *now = state;
        }
    }

    /// Takes the flags of a segment of `length` octets from `side`.
    pub(super) fn advance(&mut self, side: Side, flags: Flags, length: u32) {
        match self.of(side) {
            State::Inactive => self.while_inactive(side, flags, length),
            State::SynSent | State::SynAckSent => self.while_syn_sent(side, flags),
            State::Established | State::Partial => self.while_established(side, flags),
            State::Closed => {
                if flags.has(Flags::RST) && self.of(side.other()) != State::Closed {
                    self.set(side, State::Reset);
                }
            }
            State::Reset => {}
        }
    }

    fn while_inactive(&mut self, side: Side, flags: Flags, length: u32) {
        let peer = side.other();
        if flags.has(Flags::SYN) {
            match (side, flags.has(Flags::ACK)) {
                (Side::Client, true) => self.set(side, State::SynAckSent),
                (Side::Client, false) => self.set(side, State::SynSent),
                (Side::Server, _) => {
                    if self.of(peer) == State::SynSent {
                        self.set(peer, State::Established);
                    }
                    self.set(side, State::Established);
                }
            }
        }
        if flags.has(Flags::FIN) {
            self.set(side, State::Closed);
        }
        if flags.has(Flags::RST) {
            self.set(side, State::Reset);
        }
        if self.of(side) != State::Inactive {
            return;
        }
        let opening = self.of(Side::Client) == State::SynSent;
        if side == Side::Server && length == 0 && opening {
            // Some servers acknowledge the SYN before they answer it.
        } else if flags.has(Flags::ACK) && self.of(peer) == State::Established {
            self.set(side, State::Established);
        } else {
            self.set(side, State::Partial);
        }
    }

    fn while_syn_sent(&mut self, side: Side, flags: Flags) {
        if flags.has(Flags::FIN) {
            self.set(side, State::Closed);
        }
        if flags.has(Flags::RST) {
            self.set(side, State::Reset);
        }
    }

    fn while_established(&mut self, side: Side, flags: Flags) {
        let peer = side.other();
        let late_syn = flags.has(Flags::SYN) && !flags.has(Flags::ACK);
        if late_syn && self.of(side) == State::Partial && self.of(peer) == State::Inactive {
            self.set(side, State::SynSent);
        }
        if flags.has(Flags::RST) {
            self.set(side, State::Reset);
        } else if flags.has(Flags::FIN) {
            self.set(side, State::Closed);
            // A FIN and then a RST, answered by a FIN: a normal end after all.
            if self.of(peer) == State::Reset && self.before(peer) == State::Closed {
                self.set(peer, State::Closed);
            }
        }
    }

    /// Zeek's word. `letters` is the history so far, `silent` whether neither side sent any octet.
    pub(super) fn word(self, letters: &str, silent: bool) -> &'static str {
        let (client, server) = (self.of(Side::Client), self.of(Side::Server));
        match (client, server) {
            (State::SynSent | State::SynAckSent, State::Reset) => "REJ",
            (State::Reset, State::Reset) if silent => "REJ",
            (_, State::Reset) if client.absent() => "RSTRH",
            (_, State::Reset) => "RSTR",
            (State::Reset, _) if !server.absent() => "RSTO",
            (State::Reset, _) if given_up(letters) => "RSTOS0",
            (State::Closed, State::Closed) => "SF",
            (State::Closed, _) if server.absent() => "SH",
            (State::Closed, _) => "S2",
            (_, State::Closed) if client.absent() => "SHR",
            (_, State::Closed) => "S3",
            (State::SynSent, State::Inactive) => "S0",
            (State::Established, State::Established) => "S1",
            _ => "OTH",
        }
    }
}

/// Whether the client sent a SYN and then a RST, with nothing of note between.
fn given_up(letters: &str) -> bool {
    let Some(rest) = letters.trim_start_matches('^').strip_prefix('S') else {
        return false;
    };
    rest.chars()
        .take_while(|letter| !"HAFGIQ".contains(*letter))
        .any(|letter| letter == 'R')
}

#[cfg(test)]
mod tests {
    use super::*;
    use Side::{Client as C, Server as V};

    const S: u8 = 2;
    const SA: u8 = 18;
    const A: u8 = 16;
    const F: u8 = 17;
    const R: u8 = 4;

    fn word(segments: &[(Side, u8, u32)], letters: &str) -> &'static str {
        let mut states = States::default();
        let mut silent = true;
        for &(side, flags, length) in segments {
            silent &= length == 0;
            states.advance(side, Flags(flags), length);
        }
        states.word(letters, silent)
    }

    #[test]
    fn words_are_zeeks() {
        let open = [(C, S, 0), (V, SA, 0), (C, A, 0)];
        let then = |more: &[(Side, u8, u32)]| [&open[..], more].concat();
        for (segments, expected) in [
            (vec![(C, S, 0)], "S0"),
            (open.to_vec(), "S1"),
            (then(&[(C, F, 0)]), "S2"),
            (then(&[(V, F, 0)]), "S3"),
            (then(&[(C, F, 0), (V, F, 0), (C, R, 0)]), "SF"),
            (then(&[(C, F, 0), (C, R, 0), (V, F, 0)]), "SF"),
            (then(&[(V, A, 9), (C, R, 0)]), "RSTO"),
            (then(&[(V, R, 0)]), "RSTR"),
            (vec![(C, S, 0), (V, R | A, 0)], "REJ"),
            (vec![(C, S, 0), (C, F, 0)], "SH"),
            (vec![(V, SA, 0), (V, F, 0)], "SHR"),
            (vec![(V, SA, 0), (V, R, 0)], "RSTRH"),
            (vec![(C, A, 5), (V, A, 5)], "OTH"),
            (vec![(C, S, 0), (V, S, 0)], "S1"),
        ] {
            assert_eq!(word(&segments, ""), expected, "{segments:?}");
        }
    }

    #[test]
    fn a_syn_taken_back_is_told_by_the_history() {
        assert_eq!(word(&[(C, S, 0), (C, R, 0)], "SR"), "RSTOS0");
        assert_eq!(word(&[(C, S, 0), (C, R, 0)], "^SR"), "RSTOS0");
        assert_eq!(word(&[(C, S, 0), (C, R, 0)], "SAR"), "OTH");
    }
}
