//! Octets that came before their turn: kept once, and compared where they come again.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::model::{Nanos, PacketNo, Versions};

use super::recent::Difference;
use super::stream::Octets;

/// What a segment takes up beside its octets while it is held, about.
const OVERHEAD: usize = 96;

/// Octets that wait for those before them.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) at: Nanos,
    pub(super) packet: PacketNo,
    pub(super) bytes: Box<[u8]>,
    pub(super) cut: u32,
}

/// All of them of one direction, by their places in the stream; none overlaps another.
#[derive(Debug)]
pub(super) struct HeldBack {
    pieces: BTreeMap<i64, Held>,
    octets: usize,
}

impl HeldBack {
    pub(super) const NONE: Self = Self {
        pieces: BTreeMap::new(),
        octets: 0,
    };

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Memory that they take.
    pub(super) fn memory(&self) -> usize {
        self.octets + self.pieces.len() * OVERHEAD
    }

    /// Place of the first octet.
    pub(super) fn first(&self) -> Option<i64> {
        self.pieces.keys().next().copied()
    }

    /// Since when octets are held that come behind `from`; `None` when there are none.
    pub(super) fn since_behind(&self, from: i64) -> Option<Nanos> {
        let mut later = self.pieces.range(from + 1..);
        later.next().map(|(_, held)| held.at)
    }

    /// Takes out the first piece if it begins no later than `position`.
    pub(super) fn pop_up_to(&mut self, position: i64) -> Option<(i64, Held)> {
        let first = self.pieces.first_entry()?;
        if *first.key() > position {
            return None;
        }
        let (start, held) = first.remove_entry();
        self.octets -= held.bytes.len();
        Some((start, held))
    }

    /// Keeps those octets from `from` on that nobody has, as all before `position` are had. Gives whether there were any, and what
    /// differs of those that are held.
    pub(super) fn keep(
        &mut self,
        position: i64,
        from: i64,
        octets: &Octets<'_>,
    ) -> (bool, Vec<Difference>) {
        let mut at = from.max(position);
        let end = from + length(octets.bytes);
        let mut new = SmallVec::<[(i64, i64); 4]>::new();
        let mut differing = Vec::new();
        let before = self.pieces.range(..=at).next_back();
        let first = before.map_or(at, |(&start, _)| start);
        for (&start, held) in self.pieces.range(first..end.max(first)) {
            let stop = start + length(&held.bytes);
            if stop <= at {
                continue;
            }
            if at < start {
                new.push((at, start));
            }
            let both = (at.max(start), end.min(stop));
            differing.extend(held.differs(start, (from, octets.bytes), both));
            at = stop;
        }
        if at < end {
            new.push((at, end));
        }
        for &(start, stop) in &new {
            let cut = if stop == end { octets.cut } else { 0 };
            self.add(from, octets, (start, stop), cut);
        }
        (!new.is_empty(), differing)
    }

    fn add(&mut self, from: i64, octets: &Octets<'_>, range: (i64, i64), cut: u32) {
        let Some(bytes) = part(octets.bytes, from, range) else {
            return;
        };
        self.octets += bytes.len();
        let held = Held {
            at: octets.at,
            packet: octets.packet,
            bytes: bytes.into(),
            cut,
        };
        self.pieces.insert(range.0, held);
    }
}

impl Held {
    /// In what the octets `both` of this piece, which begins at `start`, differ from those of `other`.
    fn differs(&self, start: i64, other: (i64, &[u8]), both: (i64, i64)) -> Option<Difference> {
        let (from, bytes) = other;
        let own = part(&self.bytes, start, both).unwrap_or_default();
        let other = part(bytes, from, both).unwrap_or_default();
        (own != other).then(|| Difference {
            packet: self.packet,
            octets: u64::try_from(both.1 - both.0).unwrap_or(0),
            versions: Versions::of(own, other),
        })
    }
}

fn length(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(0)
}

/// Octets `range` of the stream out of `bytes`, which begin at `from`.
fn part(bytes: &[u8], from: i64, range: (i64, i64)) -> Option<&[u8]> {
    let start = usize::try_from(range.0 - from).ok()?;
    let stop = usize::try_from(range.1 - from).ok()?;
    bytes.get(start..stop)
}
