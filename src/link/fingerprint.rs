//! What makes two packets the same, though they passed at different places.

use std::hash::{BuildHasher, Hash as _, Hasher as _};

use crate::capture::LinkType;

use super::frame::{Under, descend, outermost};

/// Headers of the link looked through.
const DEPTH: usize = 16;

/// A hash over what does not change when a packet is copied by a mirror port, or routed from one interface to the next.
///
/// Of IP packets that is all from the IP header on, without what routers change: the hop limit and the checksum of the header.
/// Link headers, tags and padding do not count. Of other packets every octet counts.
pub fn fingerprint(link_type: LinkType, packet: &[u8], seed: &impl BuildHasher) -> u64 {
    let mut hasher = seed.build_hasher();
    match ip_of(link_type, packet).and_then(unchanging) {
        Some(parts) => parts.iter().for_each(|part| part.hash(&mut hasher)),
        None => (link_type, packet).hash(&mut hasher),
    }
    hasher.finish()
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
fn unchanging(packet: &[u8]) -> Option<[&[u8]; 3]> {
    match packet.first()? >> 4 {
        4 => {
            let stated = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
            let end = end_of(packet, stated);
            Some([packet.get(..8)?, packet.get(9..10)?, packet.get(12..end)?])
        }
        6 => {
            let stated = usize::from(u16::from_be_bytes([*packet.get(4)?, *packet.get(5)?]));
            let end = end_of(packet, if stated == 0 { 0 } else { stated + 40 });
            Some([packet.get(..7)?, &[], packet.get(8..end)?])
        }
        _ => None,
    }
}

/// Where a packet ends: a length of 0 stands where the sender left cutting it to the card.
fn end_of(packet: &[u8], stated: usize) -> usize {
    if stated == 0 {
        packet.len()
    } else {
        stated.min(packet.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: (LinkType, &[u8]), other: (LinkType, &[u8])) -> bool {
        let hashes = foldhash::quality::FixedState::default();
        fingerprint(one.0, one.1, &hashes) == fingerprint(other.0, other.1, &hashes)
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
