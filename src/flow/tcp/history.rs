//! A connection in a few letters, as Zeek's `conn.log` has it.

use crate::model::Side;

/// Longest history kept: Zeek's letters recur only with powers of ten.
const LONGEST: usize = 256;

/// What happened for which a letter stands (Zeek `base/protocols/conn`, field `history`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letter {
    /// `a`: an acknowledgement without data.
    Ack,
    /// `c`: a bad checksum.
    BadChecksum,
    /// `d`: data.
    Data,
    /// `f`.
    Fin,
    /// `^`: taken the other way round, as the first packet seen came from the server.
    Flipped,
    /// `g`: octets missing in the capture.
    Gap,
    /// `i`: SYN and RST, or FIN and RST together.
    Inconsistent,
    /// `r`.
    Rst,
    /// `t`: data sent again.
    Retransmission,
    /// `s`.
    Syn,
    /// `h`: SYN with ACK.
    SynAck,
    /// `w`: a window of zero.
    ZeroWindow,
}

/// The letters so far.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    letters: String,
    counts: [[u32; LETTERS.len()]; 2],
}

/// Letter of each kind and whether it recurs, at its 10th, 100th … time.
const LETTERS: [(Letter, char, bool); 12] = [
    (Letter::Ack, 'a', false),
    (Letter::BadChecksum, 'c', true),
    (Letter::Data, 'd', false),
    (Letter::Fin, 'f', false),
    (Letter::Flipped, '^', false),
    (Letter::Gap, 'g', true),
    (Letter::Inconsistent, 'i', false),
    (Letter::Rst, 'r', false),
    (Letter::Retransmission, 't', true),
    (Letter::Syn, 's', false),
    (Letter::SynAck, 'h', false),
    (Letter::ZeroWindow, 'w', true),
];

impl History {
    /// Notes that `side` did it.
    pub(super) fn note(&mut self, side: Side, what: Letter) {
        let Some(at) = LETTERS.iter().position(|(letter, ..)| *letter == what) else {
            return;
        };
        let [client, server] = &mut self.counts;
        let counts = match side {
            Side::Client => client,
            Side::Server => server,
        };
        let (Some(count), Some(&(_, letter, recurs))) = (counts.get_mut(at), LETTERS.get(at))
        else {
            return;
        };
        *count = count.saturating_add(1);
        let told = *count == 1 || (recurs && is_power_of_ten(*count));
        if told && self.letters.len() < LONGEST {
            self.letters.push(match side {
                Side::Client => letter.to_ascii_uppercase(),
                Side::Server => letter,
            });
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.letters
    }
}

const fn is_power_of_ten(mut n: u32) -> bool {
    while n.is_multiple_of(10) && n > 1 {
        n /= 10;
    }
    n == 1
}

/// How far each side came, for the word of [`conn_state`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    pub(super) syn: bool,
    pub(super) syn_ack: bool,
    pub(super) fin: [bool; 2],
    /// The side that reset the connection first, unless both had closed before.
    pub(super) rst: Option<Side>,
}

/// Zeek's word for how a connection was made and ended.
pub(super) const fn conn_state(progress: Progress) -> &'static str {
    let [client_fin, server_fin] = progress.fin;
    match (progress.syn, progress.syn_ack, progress.rst) {
        (true, true, None) => match (client_fin, server_fin) {
            (false, false) => "S1",
            (true, false) => "S2",
            (false, true) => "S3",
            (true, true) => "SF",
        },
        (true, true, Some(Side::Client)) => "RSTO",
        (true, true, Some(Side::Server)) => "RSTR",
        (true, false, Some(Side::Server)) => "REJ",
        (true, false, Some(Side::Client)) => "RSTOS0",
        (true, false, None) if client_fin => "SH",
        (true, false, None) => "S0",
        (false, true, Some(Side::Server)) => "RSTRH",
        (false, true, None) if server_fin => "SHR",
        _ => "OTH",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_come_once_and_losses_with_powers_of_ten() {
        let mut history = History::default();
        history.note(Side::Client, Letter::Syn);
        history.note(Side::Server, Letter::SynAck);
        for _ in 0..100 {
            history.note(Side::Client, Letter::Data);
            history.note(Side::Server, Letter::Retransmission);
        }
        assert_eq!(history.as_str(), "ShDttt");
    }

    #[test]
    fn states_are_zeeks() {
        let whole = Progress {
            syn: true,
            syn_ack: true,
            fin: [true, true],
            rst: None,
        };
        assert_eq!(conn_state(whole), "SF");
        let refused = Progress {
            syn: true,
            rst: Some(Side::Server),
            ..Progress::default()
        };
        assert_eq!(conn_state(refused), "REJ");
        assert_eq!(conn_state(Progress::default()), "OTH");
    }
}
