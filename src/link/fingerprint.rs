//! What makes two packets the same, though they passed at different places.

use std::hash::{BuildHasher, Hash as _, Hasher as _};

use crate::capture::LinkType;

use super::frame::{Under, descend};
use super::outermost::outermost;

/// Headers of the link looked through.
const DEPTH: usize = 16;

/// Octets behind an IP header that copies cut at different lengths are told by: the fixed part of a TCP header, whose
/// sequence numbers and checksum stand for what follows.
const BEHIND_IP: usize = 20;

/// What makes a packet, as far as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Hash over the beginning, which copies of a packet share wherever they are cut; of packets that are no IP, or are cut before
    /// that, over all octets.
    pub head: u64,
    /// Hash over all octets captured.
    pub whole: u64,
    /// Octets captured, from the IP header on.
    pub captured: usize,
    /// Whether the packet had more.
    pub cut: bool,
}

impl Fingerprint {
    /// Whether two packets are copies of one. Of copies cut at different lengths the beginning decides.
    pub fn same(&self, other: &Self) -> bool {
        let shorter_cut = if self.captured < other.captured {
            self.cut
        } else {
            other.cut
        };
        self.head == other.head
            && if self.captured == other.captured {
                self.whole == other.whole
            } else {
                shorter_cut
            }
    }
}

/// Hashes over what does not change when a packet is copied by a mirror port, or routed from one interface to the next.
///
/// Of IP packets that is all from the IP header on, without what routers change: the hop limit and the checksum of the header.
/// Link headers, tags and padding do not count. Of other packets every octet counts.
pub fn fingerprint(link_type: LinkType, packet: &[u8], seed: &impl BuildHasher) -> Fingerprint {
    let hash = |parts: &[&[u8]]| {
        let mut hasher = seed.build_hasher();
        for part in parts {
            part.hash(&mut hasher);
        }
        hasher.finish()
    };
    let Some(lasting) = ip_of(link_type, packet).and_then(lasting) else {
        let whole = seed.hash_one((link_type, packet));
        return Fingerprint {
            head: whole,
            whole,
            captured: packet.len(),
            cut: false,
        };
    };
    let Lasting {
        header,
        behind,
        stated,
    } = lasting;
    let [first, second, third] = header;
    let whole = hash(&[first, second, third, behind]);
    let all_behind = stated.unwrap_or(behind.len());
    let head = match behind.get(..BEHIND_IP.min(all_behind)) {
        Some(beginning) => hash(&[first, second, third, beginning]),
        None => whole,
    };
    Fingerprint {
        head,
        whole,
        captured: behind.len(),
        cut: behind.len() < all_behind,
    }
}

/// The packet from its first IP header on.
fn ip_of(link_type: LinkType, packet: &[u8]) -> Option<&[u8]> {
    let mut under = outermost(link_type, packet).ok()?;
    for _ in 0..DEPTH {
        if let Under::Ip(packet) = under {
            return Some(packet);
        }
        under = descend(under).ok()?;
    }
    None
}

/// An IP packet without what routers change, and without what stands behind it.
struct Lasting<'p> {
    /// Its fixed header.
    header: [&'p [u8]; 3],
    /// What follows, as far as it was captured.
    behind: &'p [u8],
    /// Octets that follow, where the header says: 0 stands where the sender left cutting it to the card.
    stated: Option<usize>,
}

fn lasting(packet: &[u8]) -> Option<Lasting<'_>> {
    let number = |at: usize| {
        let octets = packet.get(at..)?.first_chunk()?;
        Some(usize::from(u16::from_be_bytes(*octets)))
    };
    let (header, fixed, stated) = match packet.first()? >> 4 {
        4 => {
            let header = [packet.get(..8)?, packet.get(9..10)?, packet.get(12..20)?];
            (header, 20, number(2)?.checked_sub(20))
        }
        6 => {
            let header = [packet.get(..7)?, &[], packet.get(8..40)?];
            (header, 40, Some(number(4)?).filter(|&stated| stated > 0))
        }
        _ => return None,
    };
    let behind = packet.get(fixed..)?;
    let end = stated.map_or(behind.len(), |stated| stated.min(behind.len()));
    Some(Lasting {
        header,
        behind: behind.get(..end)?,
        stated,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: (LinkType, &[u8]), other: (LinkType, &[u8])) -> bool {
        let hashes = foldhash::quality::FixedState::default();
        let print = |(link_type, packet)| fingerprint(link_type, packet, &hashes);
        print(one).same(&print(other)) && print(other).same(&print(one))
    }

    /// Ethernet, IPv4 of 24 octets.
    fn frame() -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        frame.extend([0x45, 0, 0, 24, 0, 7, 0, 0, 64, 6, 0xab, 0xcd]);
        frame.extend([192, 0, 2, 1, 192, 0, 2, 2, 1, 2, 3, 4]);
        frame
    }

    fn ethernet(bytes: &[u8]) -> (LinkType, &[u8]) {
        (LinkType::ETHERNET, bytes)
    }

    #[test]
    fn a_routed_or_mirrored_copy_is_the_same_and_the_next_packet_is_not() {
        let packet = frame();

        let mut routed = frame();
        routed[..12].copy_from_slice(&[9; 12]);
        routed[14 + 8] -= 1;
        routed[14 + 10..14 + 12].copy_from_slice(&[0xac, 0xcd]);
        assert!(same(ethernet(&packet), ethernet(&routed)));
        let padded = [&packet[..], &[0; 22]].concat();
        assert!(same(ethernet(&packet), ethernet(&padded)));
        let tagged = [&packet[..12], &[0x81, 0, 0, 5], &packet[12..]].concat();
        assert!(same(ethernet(&packet), ethernet(&tagged)));
        assert!(same(ethernet(&packet), (LinkType::RAW, &packet[14..])));
        for at in [14 + 1, 14 + 5, 14 + 15, 14 + 23] {
            let mut next = frame();
            next[at] ^= 1;
            assert!(!same(ethernet(&packet), ethernet(&next)), "{at}");
        }
    }

    #[test]
    fn copies_cut_at_different_lengths_are_the_same_when_they_hold_the_headers() {
        let mut packet = frame();
        packet[14 + 3] = 20 + 20 + 60;
        packet.extend(0..76);
        assert_eq!(packet.len(), 14 + 100);
        for cut in 14 + 40..packet.len() {
            assert!(same(ethernet(&packet), ethernet(&packet[..cut])), "{cut}");
            assert!(same(
                ethernet(&packet[..cut]),
                ethernet(&packet[..14 + 40 + cut % 60])
            ));
        }
        // Too little is left to tell by.
        assert!(!same(ethernet(&packet), ethernet(&packet[..14 + 39])));
        assert!(same(
            ethernet(&packet[..14 + 39]),
            ethernet(&packet[..14 + 39])
        ));
        // Another sequence number, another length.
        for at in [14 + 24, 14 + 3] {
            let mut other = packet.clone();
            other[at] ^= 1;
            assert!(!same(ethernet(&packet[..14 + 50]), ethernet(&other)));
        }
        // Neither is cut: what differs is behind the headers.
        let mut other = packet.clone();
        other[14 + 90] ^= 1;
        assert!(!same(ethernet(&packet), ethernet(&other)));
    }

    #[test]
    fn of_what_is_no_ip_every_octet_counts() {
        let one = [&[0xff; 12][..], &[8, 6], &[7; 28]].concat();
        let mut other = one.clone();
        assert!(same(
            (LinkType::ETHERNET, &one),
            (LinkType::ETHERNET, &other)
        ));
        other[3] = 0;
        assert!(!same(
            (LinkType::ETHERNET, &one),
            (LinkType::ETHERNET, &other)
        ));
    }
}
