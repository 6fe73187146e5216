//! IP fragments put together again (RFC 815), within bounds.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use crate::model::{Nanos, Span};

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
}

impl Fragments {
    /// Adds a fragment; gives the payload of the datagram that it completes.
    ///
    /// Where fragments overlap, the first copy of an octet is kept.
    pub(super) fn add(
        &mut self,
        at: Nanos,
        packet: &IpPacket<'_>,
        piece: Piece,
    ) -> Option<Vec<u8>> {
        self.expire(at);
        let key = Key {
            source: packet.source,
            destination: packet.destination,
            id: piece.id,
            number: packet.number,
        };
        if piece.offset + packet.payload.len() > MAX_DATAGRAM {
            return None;
        }
        if !self.open.contains_key(&key) {
            if self.open.len() >= MAX_OPEN {
                self.drop_oldest();
            }
            self.age.push_back((at, key));
        }
        let open = self.open.entry(key).or_default();
        // A fragment that the snap length cut leaves a hole, and the datagram is never whole.
        open.add(piece.offset, packet.payload);
        if !piece.more {
            open.total = Some(piece.offset + packet.length);
        }
        if !open.whole() {
            return None;
        }
        self.age.retain(|(_, other)| *other != key);
        self.open.remove(&key).map(Open::into_payload)
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

impl Open {
    fn add(&mut self, offset: usize, payload: &[u8]) {
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
            number: 17,
            payload,
            length: payload.len(),
            piece: None,
        }
    }

    fn add(open: &mut Fragments, offset: usize, payload: &[u8], more: bool) -> Option<Vec<u8>> {
        let piece = Piece {
            id: 7,
            offset,
            more,
        };
        open.add(Nanos(0), &fragment(payload), piece)
    }

    #[test]
    fn the_last_missing_piece_completes_it_and_the_first_copy_stays() {
        let mut open = Fragments::default();
        assert_eq!(add(&mut open, 8, b"BBBBBBBB", true), None);
        assert_eq!(add(&mut open, 16, b"CC", false), None);
        assert_eq!(
            add(&mut open, 0, b"AAAAAAAAxxxx", true).unwrap(),
            b"AAAAAAAABBBBBBBBCC"
        );
        assert_eq!(open.unfinished(), 0);
    }

    #[test]
    fn old_and_too_many_are_given_up_and_counted() {
        let mut open = Fragments::default();
        for id in 0..600 {
            let piece = Piece {
                id,
                offset: 0,
                more: true,
            };
            assert_eq!(open.add(Nanos(0), &fragment(b"x"), piece), None);
        }
        assert_eq!((open.open.len(), open.unfinished()), (MAX_OPEN, 600));
        let late = Nanos(0) + Span::seconds(31);
        let piece = Piece {
            id: 1000,
            offset: 0,
            more: true,
        };
        assert_eq!(open.add(late, &fragment(b"x"), piece), None);
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
                got = got.or(add(&mut open, piece * 8, payload, piece < 9));
            }
            prop_assert_eq!(got, Some(whole));
        }
    }
}
