//! Who asks whose address on a link: ARP (RFC 826) on Ethernet.

use std::net::{IpAddr, Ipv4Addr};

use crate::capture::LinkType;

/// What an ARP packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbourly {
    /// `by` asks who has `wanted`.
    Asks {
        /// Who asks.
        by: IpAddr,
        /// Whose hardware address is asked for.
        wanted: IpAddr,
    },
    /// `who` is there: it answers, or speaks for itself.
    IsThere {
        /// The sender's address.
        who: IpAddr,
    },
}

/// What the ARP packet in a frame says; `None` when there is none, or it is a probe: one that asks without an address
/// of its own (RFC 5227 §2.1.1) hopes that nobody answers.
pub fn neighbourly(link_type: LinkType, frame: &[u8]) -> Option<Neighbourly> {
    if link_type != LinkType::ETHERNET {
        return None;
    }
    let mut rest = frame.get(12..)?;
    // VLAN tags (IEEE 802.1Q) stand before the type.
    for _ in 0..2 {
        if let [0x81, 0x00, _, _, inner @ ..] | [0x88, 0xa8, _, _, inner @ ..] = rest {
            rest = inner;
        }
    }
    // Ethernet and IPv4, with addresses of 6 and 4 octets.
    let [0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, operation, body @ ..] = rest else {
        return None;
    };
    let address = |at: usize| -> Option<IpAddr> {
        let octets: [u8; 4] = *body.get(at..)?.first_chunk()?;
        Some(Ipv4Addr::from(octets).into())
    };
    let (sender, target) = (address(6)?, address(16)?);
    if sender.is_unspecified() {
        return None;
    }
    Some(if *operation == 1 && sender != target {
        Neighbourly::Asks {
            by: sender,
            wanted: target,
        }
    } else {
        Neighbourly::IsThere { who: sender }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arp(operation: u8) -> Vec<u8> {
        let mut frame = vec![0xff; 12];
        frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, operation]);
        frame.extend([2; 6]);
        frame.extend([192, 0, 2, 10]);
        frame.extend([0; 6]);
        frame.extend([192, 0, 2, 99]);
        frame
    }

    #[test]
    fn questions_and_answers_are_told_apart() {
        let by = [192, 0, 2, 10].into();
        let asks = neighbourly(LinkType::ETHERNET, &arp(1));
        let wanted = [192, 0, 2, 99].into();
        assert_eq!(asks, Some(Neighbourly::Asks { by, wanted }));
        let answers = neighbourly(LinkType::ETHERNET, &arp(2));
        assert_eq!(answers, Some(Neighbourly::IsThere { who: by }));
        assert_eq!(neighbourly(LinkType::ETHERNET, &arp(1)[..30]), None);
    }

    #[test]
    fn a_probe_asks_nobody_and_an_announcement_is_no_question() {
        let mut probe = arp(1);
        probe[28..32].fill(0);
        assert_eq!(neighbourly(LinkType::ETHERNET, &probe), None);
        let mut announcement = arp(1);
        announcement[38..42].copy_from_slice(&[192, 0, 2, 10]);
        let who = [192, 0, 2, 10].into();
        assert_eq!(
            neighbourly(LinkType::ETHERNET, &announcement),
            Some(Neighbourly::IsThere { who })
        );
    }
}
