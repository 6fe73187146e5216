//! A connection in a few letters, as Zeek's `conn.log` has it.

use crate::link::{Flags, SeqNo};
use crate::model::Side;

/// Longest history kept: most letters come once or with powers of ten, the others with new numbers only.
const LONGEST: usize = 256;

/// What happened for which a letter stands (Zeek `base/protocols/conn`, field `history`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letter {
    /// `a`: an acknowledgement and nothing else.
    Ack,
    /// `c`: a bad checksum.
    BadChecksum,
    /// `d`: data, and neither SYN nor FIN nor RST.
    Data,
    /// `f`.
    Fin,
    /// `^`: taken the other way round, as the first packet seen came from the server.
    Flipped,
    /// `g`: octets missing in the capture.
    Gap,
    /// `i`: FIN and RST together.
    Inconsistent,
    /// `q`: SYN together with FIN or RST.
    SeveralFlags,
    /// `r`.
    Rst,
    /// `t`: data that ends before the highest octet seen: sent again, or late.
    Retransmission,
    /// `s`.
    Syn,
    /// `h`: SYN with ACK.
    SynAck,
    /// `w`: a window of zero.
    ZeroWindow,
    /// `x`: not followed to its end, as a bound was hit.
    Partial,
}

/// When a letter is written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// Once for each side.
    Never,
    /// With the 10th, the 100th … time.
    Tenfold,
    /// When the segment's number is another than the last time.
    OtherNumber,
}

/// The letters so far.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    letters: String,
    counts: [[u32; KINDS]; 2],
    /// Numbers of the last SYN, FIN and RST of each side.
    numbers: [[Option<SeqNo>; 3]; 2],
}

/// How many kinds of letters there are.
const KINDS: usize = Letter::Partial as usize + 1;

impl Letter {
    /// How it is written, and when again.
    const fn written(self) -> (char, Again) {
        match self {
            Self::Ack => ('a', Again::Never),
            Self::BadChecksum => ('c', Again::Tenfold),
            Self::Data => ('d', Again::Never),
            Self::Fin => ('f', Again::OtherNumber),
            Self::Flipped => ('^', Again::Never),
            Self::Gap => ('g', Again::Tenfold),
            Self::Inconsistent => ('i', Again::Never),
            Self::SeveralFlags => ('q', Again::Never),
            Self::Rst => ('r', Again::OtherNumber),
            Self::Retransmission => ('t', Again::Tenfold),
            Self::Syn => ('s', Again::OtherNumber),
            Self::SynAck => ('h', Again::OtherNumber),
            Self::ZeroWindow => ('w', Again::Tenfold),
            Self::Partial => ('x', Again::Never),
        }
    }
}

impl History {
    /// Notes a segment's flags: one letter at most, as Zeek does.
    pub(super) fn segment(&mut self, side: Side, flags: Flags, seq: SeqNo, length: u32) {
        let [syn, fin, rst] = [Flags::SYN, Flags::FIN, Flags::RST].map(|bit| flags.has(bit));
        match (syn, fin, rst) {
            (_, true, true) => self.note(side, Letter::Inconsistent),
            (true, true, _) | (true, _, true) => self.note(side, Letter::SeveralFlags),
            (true, ..) => {
                let letter = if flags.has(Flags::ACK) {
                    Letter::SynAck
                } else {
                    Letter::Syn
                };
                self.numbered(side, letter, 0, seq);
            }
            // The number of a FIN is that behind its data.
            (_, true, _) => self.numbered(side, Letter::Fin, 1, seq.plus(length)),
            (_, _, true) => self.numbered(side, Letter::Rst, 2, seq),
            _ if length > 0 => self.note(side, Letter::Data),
            _ if flags.has(Flags::ACK) => self.note(side, Letter::Ack),
            _ => {}
        }
    }

    /// A letter that comes again when its number changes; SYN with and without ACK share theirs.
    fn numbered(&mut self, side: Side, letter: Letter, at: usize, seq: SeqNo) {
        let last = self.numbers.get_mut(side.index());
        let Some(last) = last.and_then(|numbers| numbers.get_mut(at)) else {
            return;
        };
        if last.replace(seq) != Some(seq) {
            self.note(side, letter);
        }
    }

    /// Notes that `side` did it.
    pub(super) fn note(&mut self, side: Side, what: Letter) {
        let counts = self.counts.get_mut(side.index());
        let Some(count) = counts.and_then(|counts| counts.get_mut(what as usize)) else {
            return;
        };
        let (letter, again) = what.written();
        *count = count.saturating_add(1);
        let told = match again {
            Again::Never => *count == 1,
            Again::Tenfold => is_power_of_ten(u64::from(*count)),
            Again::OtherNumber => true,
        };
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

/// Whether the `n`-th time is told of what is told with powers of ten.
pub(in super::super) const fn is_power_of_ten(mut n: u64) -> bool {
    while n.is_multiple_of(10) && n > 1 {
        n /= 10;
    }
    n == 1
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
    fn each_segment_gives_one_letter_at_most() {
        let mut history = History::default();
        for (flags, seq, length) in [
            (2, 7, 0),
            (2, 7, 0),
            (2, 8, 0),
            (18, 8, 0),
            (16, 9, 0),
            (24, 9, 5),
            (17, 14, 2),
            (17, 16, 0),
            (4, 17, 0),
            (4, 18, 0),
            (3, 0, 0),
            (6, 0, 0),
            (5, 0, 0),
            (0, 0, 0),
        ] {
            history.segment(Side::Client, Flags(flags), SeqNo(seq), length);
        }
        assert_eq!(history.as_str(), "SSADFRRQI");
    }
}
