//! The last segments of a stream, remembered just well enough to tell whether a later copy is the same, and in what it
//! differs.

use std::hash::{BuildHasher as _, Hasher as _};

use crate::model::{PacketNo, Versions};

/// Segments remembered of one direction.
const SEGMENTS: usize = 8;
/// First octets of each that are kept as they are.
const HEAD: usize = 24;
/// Last octets of the stream that are kept as they are: a full segment on Ethernet.
const TAIL: usize = 1536;
const TAIL_SPAN: i64 = 1536;

/// The last segments of one direction. Nothing is allocated before the first.
#[derive(Debug, Default)]
pub(super) struct Recent {
    kept: Option<Box<Kept>>,
}

#[derive(Debug)]
struct Kept {
    segments: [Option<Segment>; SEGMENTS],
    next: usize,
    /// The last octets, each at its place in the stream modulo the length.
    tail: [u8; TAIL],
    /// Behind the last octet remembered.
    end: i64,
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

/// How a copy differs from the first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// The packet that carried the first.
    pub(super) packet: PacketNo,
    /// Octets that both have.
    pub(super) octets: u64,
    pub(super) versions: Option<Versions>,
}

impl Recent {
    /// Nothing yet.
    pub(super) const EMPTY: Self = Self { kept: None };

    /// Remembers the octets `bytes` at `from`.
    pub(super) fn remember(&mut self, from: i64, bytes: &[u8], packet: PacketNo) {
        let kept = self.kept.get_or_insert_with(|| {
            Box::new(Kept {
                segments: [None; SEGMENTS],
                next: 0,
                tail: [0; TAIL],
                end: from,
            })
        });
        let mut head = [0; HEAD];
        for (kept, octet) in head.iter_mut().zip(bytes) {
            *kept = *octet;
        }
        if let Some(segment) = kept.segments.get_mut(kept.next) {
            *segment = Some(Segment {
                from,
                length: bytes.len(),
                packet,
                head,
                digest: digest(bytes),
            });
        }
        kept.next = (kept.next + 1) % SEGMENTS;
        kept.append(from, bytes);
    }

    /// Forgets all, and gives the memory back.
    pub(super) fn forget(&mut self) {
        self.kept = None;
    }

    /// In what `bytes` at `from` are known to differ from what was remembered.
    pub(super) fn differs(&self, from: i64, bytes: &[u8]) -> Option<Difference> {
        let kept = self.kept.as_deref()?;
        let mut known = kept.segments.iter().flatten();
        known.find_map(|segment| {
            let octets = segment.shared(from, bytes);
            let said = kept.said(segment);
            let differs = |said: &Said<'_>| said.against(from, bytes);
            let versions = said.iter().find_map(differs);
            (versions.is_some() || segment.contradicts(from, bytes)).then_some(Difference {
                packet: segment.packet,
                octets,
                versions,
            })
        })
    }
}

/// Octets of a segment that are remembered as they were.
#[derive(Clone, Copy, Debug)]
struct Said<'k> {
    from: i64,
    octets: &'k [u8],
}

impl Said<'_> {
    /// Where `bytes` at `from` differ from these.
    fn against(&self, from: i64, bytes: &[u8]) -> Option<Versions> {
        let skip = |ahead: i64| usize::try_from(ahead).unwrap_or(0);
        let own = self.octets.get(skip(from - self.from)..)?;
        let other = bytes.get(skip(self.from - from)..)?;
        Versions::of(own, other)
    }
}

impl Kept {
    fn append(&mut self, from: i64, bytes: &[u8]) {
        let skip = bytes.len().saturating_sub(TAIL);
        let bytes = bytes.get(skip..).unwrap_or_default();
        let from = from + i64::try_from(skip).unwrap_or(0);
        let at = place(from);
        let (first, rest) = bytes.split_at(bytes.len().min(TAIL - at));
        for (at, part) in [(at, first), (0, rest)] {
            if let Some(kept) = self.tail.get_mut(at..at + part.len()) {
                kept.copy_from_slice(part);
            }
        }
        self.end = from + i64::try_from(bytes.len()).unwrap_or(0);
    }

    /// The beginning of a segment, and what the tail holds of it, in up to two pieces.
    fn said<'k>(&'k self, segment: &'k Segment) -> [Said<'k>; 3] {
        let end = segment.from + i64::try_from(segment.length).unwrap_or(0);
        let from = segment.from.max(self.end - TAIL_SPAN).min(end);
        let at = place(from);
        let length = usize::try_from(end - from).unwrap_or(0);
        let first = length.min(TAIL - at);
        let piece = |from: i64, at: usize, length: usize| Said {
            from,
            octets: self.tail.get(at..at + length).unwrap_or_default(),
        };
        let head = segment.head.get(..segment.length.min(HEAD));
        [
            piece(from, at, first),
            piece(from + i64::try_from(first).unwrap_or(0), 0, length - first),
            Said {
                from: segment.from,
                octets: head.unwrap_or_default(),
            },
        ]
    }
}

/// Where the octet at `position` of the stream lies in the tail.
fn place(position: i64) -> usize {
    usize::try_from(position.rem_euclid(TAIL_SPAN)).unwrap_or(0)
}

impl Segment {
    /// Whether a copy with the same borders has other octets.
    fn contradicts(&self, from: i64, bytes: &[u8]) -> bool {
        from == self.from && bytes.len() == self.length && digest(bytes) != self.digest
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
    use proptest::prelude::*;

    fn recent(segments: &[(i64, &[u8])]) -> Recent {
        let mut recent = Recent::default();
        for (n, (from, bytes)) in (1..).zip(segments) {
            recent.remember(*from, bytes, PacketNo(n));
        }
        recent
    }

    fn said(recent: &Recent, from: i64, bytes: &[u8]) -> Option<(u64, u64, String)> {
        let differs = recent.differs(from, bytes)?;
        let versions = differs.versions.map_or(String::new(), |versions| {
            let [kept, other] =
                [versions.kept, versions.other].map(|it| it.escape_ascii().to_string());
            format!("{kept} / {other}")
        });
        Some((differs.packet.0, differs.octets, versions))
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
    fn other_octets_in_the_same_place_name_the_first_packet_and_both_versions() {
        let recent = recent(&[(0, b"HELO there\r\n"), (12, &[7; 400])]);
        let there = "there\\r\\n / where\\r\\n".to_owned();
        assert_eq!(said(&recent, 0, b"HELO where\r\n"), Some((1, 12, there)));
        assert_eq!(
            said(&recent, 2, b"XX"),
            Some((1, 2, "LO there\\r\\n / XX".to_owned()))
        );
        let mut other = [7; 400];
        other[399] = 8;
        assert_eq!(
            said(&recent, 12, &other),
            Some((2, 400, "\\x07 / \\x08".to_owned()))
        );
    }

    #[test]
    fn what_lies_far_back_is_known_by_its_beginning_or_by_its_sum() {
        let mut recent = recent(&[(0, &[b'a'; 400])]);
        recent.remember(400, &[b'b'; TAIL], PacketNo(2));
        let mut other = [b'a'; 400];
        other[5] = b'x';
        let (packet, octets, versions) = said(&recent, 0, &other).unwrap();
        assert_eq!((packet, octets), (1, 400));
        assert!(
            versions.starts_with("aaaa") && versions.contains(" / xaaa"),
            "{versions}"
        );
        let mut other = [b'a'; 400];
        other[300] = b'x';
        assert_eq!(said(&recent, 0, &other), Some((1, 400, String::new())));
    }

    #[test]
    fn old_segments_are_forgotten() {
        let mut recent = Recent::default();
        for at in 0..20 {
            recent.remember(at, b"x", PacketNo(1));
        }
        assert_eq!(recent.differs(0, b"y"), None);
        assert_eq!(said(&recent, 19, b"y"), Some((1, 1, "x / y".to_owned())));
        recent.forget();
        assert_eq!(recent.differs(19, b"y"), None);
    }

    proptest! {
        /// Whatever lies in the tail is compared exactly.
        #[test]
        fn an_octet_changed_within_the_tail_is_found(lengths in proptest::collection::vec(1usize..700, 1..8), gap in 0i64..5000, back in 1usize..TAIL, copied in 1usize..TAIL) {
            let mut recent = Recent::default();
            let mut stream = Vec::new();
            for length in lengths {
                let bytes: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
                recent.remember(gap + i64::try_from(stream.len()).unwrap(), &bytes, PacketNo(1));
                stream.extend(bytes);
            }
            let from = stream.len().saturating_sub(back);
            let mut copy = stream[from..(from + copied).min(stream.len())].to_vec();
            let at = gap + i64::try_from(from).unwrap();
            prop_assert_eq!(recent.differs(at, &copy), None);
            *copy.last_mut().unwrap() ^= 1;
            prop_assert!(recent.differs(at, &copy).unwrap().versions.is_some());
        }
    }
}
