//! IP fragments put together again (RFC 815), within bounds.
//!
//! Where fragments overlap, the first copy of an octet is kept. Copies that differ are counted, as are fragments that
//! contradict the end of their datagram; receivers treat both differently, most discard the datagram (RFC 5722).

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use crate::model::{Nanos, Span};

use super::Passed;
use super::ip::{IpPacket, Piece};

/// Largest datagram (RFC 791 §3.1), without its header.
const MAX_DATAGRAM: usize = 65_535;
/// Datagrams kept open at once; the oldest makes room.
const MAX_OPEN: usize = 512;
/// How long one is kept: Linux waits as long (`ipfrag_time`).
const PATIENCE: Span = Span::seconds(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    id: u32,
    number: u8,
}

#[derive(Debug, Default)]
struct Open {
    bytes: Vec<u8>,
    /// Sorted, disjoint ranges that have come.
    have: Vec<(usize, usize)>,
    /// Length of the whole, once the last fragment has come.
    total: Option<usize>,
}

/// Datagrams whose fragments have not all come.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    open: BTreeMap<Key, Open>,
    /// Keys in the order of their first fragment.
    age: VecDeque<(Nanos, Key)>,
    given_up: u64,
    conflicting: u64,
}

impl Fragments {
    /// Adds a fragment; gives the payload of the datagram that it completes.
    ///
    /// # Errors
    /// `FragmentKept` while parts are missing, `BadFragment` when it cannot belong to its datagram.
    pub(super) fn add(
        &mut self,
        at: Nanos,
        packet: &IpPacket<'_>,
        piece: Piece,
    ) -> Result<Vec<u8>, Passed> {
        self.expire(at);
        let key = Key {
            source: packet.source,
            destination: packet.destination,
            id: piece.id,
            number: packet.number,
        };
        let end = piece.offset + packet.length.max(packet.payload.len());
        // All but the last have whole units of eight octets (RFC 791 §3.2), and something in them.
        let odd = piece.more && (!packet.length.is_multiple_of(8) || packet.length == 0);
        if end > MAX_DATAGRAM || odd {
            return Err(Passed::BadFragment);
        }
        if !self.open.contains_key(&key) {
            if self.open.len() >= MAX_OPEN {
                self.drop_oldest();
            }
            self.age.push_back((at, key));
        }
        let open = self.open.entry(key).or_default();
        if open.contradicts(end, piece.more) {
            return Err(Passed::BadFragment);
        }
        // A fragment that the snap length cut leaves a hole, and the datagram is never whole.
        if open.add(piece.offset, packet.payload) == Copies::Differ {
            self.conflicting += 1;
        }
        if !piece.more {
            open.total = Some(end);
        }
        if !open.whole() {
            return Err(Passed::FragmentKept);
        }
        self.age.retain(|(_, other)| *other != key);
        let open = self.open.remove(&key).ok_or(Passed::FragmentKept)?;
        Ok(open.into_payload())
    }

    /// Fragments that overlap others with different octets.
    pub(super) const fn conflicting(&self) -> u64 {
        self.conflicting
    }

    /// Datagrams given up and still open: fragments that led to nothing.
    pub(super) fn unfinished(&self) -> u64 {
        self.given_up + u64::try_from(self.open.len()).unwrap_or(u64::MAX)
    }

    fn expire(&mut self, now: Nanos) {
        while let Some(&(since, _)) = self.age.front()
            && now.since(since) > PATIENCE
        {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, key)) = self.age.pop_front() {
            self.open.remove(&key);
            self.given_up += 1;
        }
    }
}

/// What the copies of octets that two fragments have are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copies {
    Agree,
    Differ,
}

impl Open {
    /// Whether a fragment that ends at `end` lies beyond the end of the datagram, or sets another one.
    fn contradicts(&self, end: usize, more: bool) -> bool {
        let reached = self.have.last().map_or(0, |(_, end)| *end);
        match self.total {
            Some(total) => end > total || (!more && end != total),
            None => !more && reached > end,
        }
    }

    fn add(&mut self, offset: usize, payload: &[u8]) -> Copies {
        let mut copies = Copies::Agree;
        let end = offset + payload.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let mut at = offset;
        for &(from, to) in &self.have {
            if from >= end {
                break;
            }
            if at < from {
                copy(&mut self.bytes, at, payload, offset, from);
            }
            let both = at.max(from)..to.min(end);
            if !both.is_empty() {
                let here = payload.get(both.start - offset..both.end - offset);
                if self.bytes.get(both) != here {
                    copies = Copies::Differ;
                }
            }
            at = at.max(to);
        }
        if at < end {
            copy(&mut self.bytes, at, payload, offset, end);
        }
        self.have.push((offset, end));
        self.have.sort_unstable();
        self.have.dedup_by(|next, kept| {
            let touches = next.0 <= kept.1;
            if touches {
                kept.1 = kept.1.max(next.1);
            }
            touches
        });
        copies
    }

    fn whole(&self) -> bool {
        matches!((self.total, self.have.as_slice()), (Some(total), [(0, end)]) if *end >= total)
    }

    fn into_payload(mut self) -> Vec<u8> {
        if let Some(total) = self.total {
            self.bytes.truncate(total);
        }
        self.bytes
    }
}

/// Copies octets `from..to` of a datagram out of a fragment that begins at `offset`.
fn copy(datagram: &mut [u8], from: usize, payload: &[u8], offset: usize, to: usize) {
    if let (Some(target), Some(source)) = (
        datagram.get_mut(from..to),
        payload.get(from - offset..to - offset),
    ) {
        target.copy_from_slice(source);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn fragment(payload: &[u8]) -> IpPacket<'_> {
        IpPacket {
            source: Ipv4Addr::new(192, 0, 2, 1).into(),
            destination: Ipv4Addr::new(192, 0, 2, 2).into(),
            ttl: 64,
            id: None,
            number: 17,
            payload,
            length: payload.len(),
            piece: None,
            authenticated: None,
        }
    }

    fn add(
        open: &mut Fragments,
        offset: usize,
        payload: &[u8],
        more: bool,
    ) -> Result<Vec<u8>, Passed> {
        let piece = Piece {
            id: 7,
            offset,
            more,
        };
        open.add(Nanos(0), &fragment(payload), piece)
    }

    const KEPT: Result<Vec<u8>, Passed> = Err(Passed::FragmentKept);
    const BAD: Result<Vec<u8>, Passed> = Err(Passed::BadFragment);

    #[test]
    fn the_last_missing_piece_completes_it_and_the_first_copy_stays() {
        let mut open = Fragments::default();
        assert_eq!(add(&mut open, 8, b"BBBBBBBB", true), KEPT);
        assert_eq!(add(&mut open, 16, b"CC", false), KEPT);
        assert_eq!(
            add(&mut open, 0, b"AAAAAAAAxxxxxxxx", true).unwrap(),
            b"AAAAAAAABBBBBBBBCC"
        );
        assert_eq!((open.unfinished(), open.conflicting()), (0, 1));
    }

    #[test]
    fn the_same_fragment_twice_does_not_differ() {
        let mut open = Fragments::default();
        for _ in 0..2 {
            assert_eq!(add(&mut open, 8, b"BBBBBBBB", true), KEPT);
        }
        assert_eq!(open.conflicting(), 0);
    }

    #[test]
    fn what_cannot_be_part_of_the_datagram_is_no_part() {
        let mut open = Fragments::default();
        assert_eq!(add(&mut open, 65_528, b"12345678", false), BAD);
        assert_eq!(add(&mut open, 0, b"odd", true), BAD);
        assert_eq!(add(&mut open, 8, b"end", false), KEPT);
        assert_eq!(add(&mut open, 16, b"beyond..", true), BAD);
        assert_eq!(add(&mut open, 8, b"other end", false), BAD);
        assert_eq!(
            add(&mut open, 0, b"12345678", true).unwrap(),
            b"12345678end"
        );
    }

    #[test]
    fn old_and_too_many_are_given_up_and_counted() {
        let mut open = Fragments::default();
        let piece = |id| Piece {
            id,
            offset: 0,
            more: true,
        };
        for id in 0..600 {
            assert_eq!(open.add(Nanos(0), &fragment(b"12345678"), piece(id)), KEPT);
        }
        assert_eq!((open.open.len(), open.unfinished()), (MAX_OPEN, 600));
        let late = Nanos(0) + Span::seconds(31);
        assert_eq!(open.add(late, &fragment(b"12345678"), piece(1000)), KEPT);
        assert_eq!(open.open.len(), 1);
    }

    proptest! {
        #[test]
        fn any_order_gives_the_same_datagram(order in Just((0usize..10).collect::<Vec<_>>()).prop_shuffle()) {
            let whole: Vec<u8> = (0..77).collect();
            let mut open = Fragments::default();
            let mut got = None;
            for piece in order {
                let payload = &whole[piece * 8..(piece * 8 + 8).min(77)];
                got = got.or(add(&mut open, piece * 8, payload, piece < 9).ok());
            }
            prop_assert_eq!(got, Some(whole));
        }
    }
}
