//! The last segments of a stream, remembered just well enough to tell whether a later copy is the same.

use std::hash::{BuildHasher as _, Hasher as _};

use crate::model::PacketNo;

/// Segments remembered of one direction.
const SEGMENTS: usize = 8;
/// First octets of each that are kept as they are.
const HEAD: usize = 24;

/// The last segments of one direction. Nothing is allocated before the first.
#[derive(Debug, Default)]
pub(super) struct Recent {
    segments: Option<Box<[Option<Segment>; SEGMENTS]>>,
    next: usize,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    /// Place in the stream.
    from: i64,
    length: usize,
    packet: PacketNo,
    head: [u8; HEAD],
    digest: u64,
}

impl Recent {
    /// Nothing yet.
    pub(super) const EMPTY: Self = Self {
        segments: None,
        next: 0,
    };

    /// Remembers the octets `bytes` at `from`.
    pub(super) fn remember(&mut self, from: i64, bytes: &[u8], packet: PacketNo) {
        let segments = self.segments.get_or_insert_default();
        let mut head = [0; HEAD];
        for (kept, octet) in head.iter_mut().zip(bytes) {
            *kept = *octet;
        }
        if let Some(segment) = segments.get_mut(self.next) {
            *segment = Some(Segment {
                from,
                length: bytes.len(),
                packet,
                head,
                digest: digest(bytes),
            });
        }
        self.next = (self.next + 1) % SEGMENTS;
    }

    /// The packet whose copy of some of these octets is known to differ, and how many octets both have.
    pub(super) fn differs(&self, from: i64, bytes: &[u8]) -> Option<(PacketNo, u64)> {
        let segments = self.segments.as_deref()?;
        let mut known = segments.iter().flatten();
        known
            .find(|segment| segment.contradicts(from, bytes))
            .map(|segment| (segment.packet, segment.shared(from, bytes)))
    }
}

impl Segment {
    fn contradicts(&self, from: i64, bytes: &[u8]) -> bool {
        if from == self.from && bytes.len() == self.length {
            return digest(bytes) != self.digest;
        }
        let known = self.head.get(..self.length.min(HEAD)).unwrap_or_default();
        let skip = |from: i64| usize::try_from(from).unwrap_or(0);
        let known = known.get(skip(from - self.from)..).unwrap_or_default();
        let bytes = bytes.get(skip(self.from - from)..).unwrap_or_default();
        known.iter().zip(bytes).any(|(known, other)| known != other)
    }

    /// Octets that both have.
    fn shared(&self, from: i64, bytes: &[u8]) -> u64 {
        let end = |from: i64, length: usize| from + i64::try_from(length).unwrap_or(0);
        let last = end(self.from, self.length).min(end(from, bytes.len()));
        u64::try_from(last - self.from.max(from)).unwrap_or(0)
    }
}

/// The same for the same octets within a run; no key, so that two runs agree.
fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = foldhash::fast::FixedState::with_seed(0).build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recent(segments: &[(i64, &[u8])]) -> Recent {
        let mut recent = Recent::default();
        for (n, (from, bytes)) in (1..).zip(segments) {
            recent.remember(*from, bytes, PacketNo(n));
        }
        recent
    }

    #[test]
    fn the_same_octets_do_not_differ_whatever_their_borders() {
        let recent = recent(&[(0, b"HELO there\r\n"), (12, b"MAIL\r\n")]);
        for (from, bytes) in [
            (0, &b"HELO there\r\n"[..]),
            (5, b"there\r\nMAIL\r\n"),
            (-3, b"xxxHELO"),
            (40, b"new"),
        ] {
            assert_eq!(recent.differs(from, bytes), None, "{from}");
        }
        assert_eq!(Recent::default().differs(0, b"any"), None);
    }

    #[test]
    fn other_octets_in_the_same_place_name_the_first_packet() {
        let recent = recent(&[(0, b"HELO there\r\n"), (12, &[7; 400])]);
        assert_eq!(
            recent.differs(0, b"HELO where\r\n"),
            Some((PacketNo(1), 12))
        );
        assert_eq!(recent.differs(2, b"XX"), Some((PacketNo(1), 2)));
        let mut other = [7; 400];
        other[399] = 8;
        assert_eq!(recent.differs(12, &other), Some((PacketNo(2), 400)));
    }

    #[test]
    fn old_segments_are_forgotten() {
        let mut recent = Recent::default();
        for at in 0..20 {
            recent.remember(at, b"x", PacketNo(1));
        }
        assert_eq!(recent.differs(0, b"y"), None);
        assert_eq!(recent.differs(19, b"y"), Some((PacketNo(1), 1)));
    }
}
