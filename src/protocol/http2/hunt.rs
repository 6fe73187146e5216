//! Behind a hole: the place from which frames follow each other.

use super::frame::{Frame, HEADER};

/// Octets in which frames are looked for before the direction is given up.
const MAX_KEPT: usize = 64 << 10;
/// Places that may be the beginning and need more octets to tell; the oldest give way.
const MAX_CANDIDATES: usize = 256;
/// Headers in a row, each where the one before says, that make a place the beginning of a frame.
const CHAIN: usize = 3;

/// Looks for the beginning of a frame.
#[derive(Debug, Default)]
pub(super) struct Hunt {
    kept: Vec<u8>,
    /// Octets of them that have been looked at.
    looked: usize,
    /// Places among those that may be the beginning.
    candidates: Vec<usize>,
}

impl Hunt {
    /// Whether nothing is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Whether more is kept than a frame may be long, and nothing was found.
    pub(super) fn is_hopeless(&self) -> bool {
        self.kept.len() > MAX_KEPT
    }

    /// Takes the next octets; gives all from the beginning of a frame on, once that is found.
    pub(super) fn look(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.kept.extend_from_slice(bytes);
        self.candidates.extend(self.looked..self.kept.len());
        self.looked = self.kept.len();
        let mut found = None;
        let kept = &self.kept;
        self.candidates
            .retain(|&at| match chain(kept.get(at..).unwrap_or_default()) {
                Chain::Broken => false,
                Chain::NeedMore => true,
                Chain::Whole => {
                    found.get_or_insert(at);
                    true
                }
            });
        if let Some(at) = found {
            return Some(self.kept.split_off(at));
        }
        let too_many = self.candidates.len().saturating_sub(MAX_CANDIDATES);
        self.candidates.drain(..too_many);
        let done = self.candidates.first().copied().unwrap_or(self.looked);
        self.kept.drain(..done);
        self.looked -= done;
        for candidate in &mut self.candidates {
            *candidate -= done;
        }
        None
    }
}

/// What a run of octets is as a run of frames.
enum Chain {
    Broken,
    NeedMore,
    Whole,
}

fn chain(bytes: &[u8]) -> Chain {
    let mut rest = bytes;
    for _ in 0..CHAIN {
        let Some(head) = rest.first_chunk::<HEADER>() else {
            return Chain::NeedMore;
        };
        let frame = Frame::read(*head);
        if !frame.is_plausible(head[5] & 0x80 != 0) {
            return Chain::Broken;
        }
        let whole = HEADER + usize::try_from(frame.length).unwrap_or(usize::MAX - HEADER);
        match rest.get(whole..) {
            Some(after) => rest = after,
            None => return Chain::NeedMore,
        }
    }
    Chain::Whole
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PING.
    const PING: [u8; 17] = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];

    #[test]
    fn octets_that_look_like_a_header_do_not_hide_frames_behind_them() {
        // As the header of a CONTINUATION of 1792 octets.
        let rest = [0, 7, 0, 9, 0, 0, 0, 1, 2];
        let mut bytes = rest.to_vec();
        for _ in 0..3 {
            bytes.extend(PING);
        }
        for cut in 0..bytes.len() {
            let mut hunt = Hunt::default();
            let first = hunt.look(&bytes[..cut]);
            let found = first.or_else(|| hunt.look(&bytes[cut..])).unwrap();
            assert_eq!(found, bytes[rest.len()..], "cut at {cut}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut hunt = Hunt::default();
        for _ in 0..1000 {
            assert_eq!(hunt.look(&[0xff; 1000]), None);
            assert!(hunt.kept.len() < HEADER);
        }
        // The header of a long DATA, and octets that no header begins with.
        let mut endless = [0xff; 16];
        endless[..9].copy_from_slice(&[0, 0x40, 0, 0, 0, 0, 0, 0, 1]);
        for _ in 0..20_000 {
            assert_eq!(hunt.look(&endless), None);
            assert!(hunt.candidates.len() <= MAX_CANDIDATES);
        }
    }
}
