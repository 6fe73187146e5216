//! Link-layer headers: down to the first IP header.

use super::Passed;
use super::wireless::{self, Data};

/// What lies under a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Under<'p> {
    /// An Ethernet frame.
    Ethernet(&'p [u8]),
    /// What an Ethernet type number says.
    Ethertype(u16, &'p [u8]),
    /// An IP header; its version is in the first nibble.
    Ip(&'p [u8]),
    /// An 802.2 header.
    LogicalLink(&'p [u8]),
    /// Labels (RFC 3032) and what they carry.
    Mpls(&'p [u8]),
    /// A PPP frame from its protocol field on.
    Ppp(&'p [u8]),
    /// The header of a `PPPoE` session, and its frame (RFC 2516).
    Pppoe(&'p [u8]),
    /// Several frames in one of 802.11 (A-MSDU).
    Several(&'p [u8]),
    /// An 802.11 frame.
    Wireless(&'p [u8]),
}

/// Where a frame inside a packet ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// With the octets at hand.
    Here,
    /// With the packet that carries it whole, of which not all may have been captured.
    WithCarrier,
    /// With the packet, of which not all may have been captured.
    WithPacket,
}

impl Ends {
    /// Where what a tunnel carries ends. Frames may be those of a mirror, which cuts them; packets are carried whole.
    pub(super) const fn in_tunnel(under: Under<'_>) -> Self {
        match under {
            Under::Ip(_) => Self::WithCarrier,
            _ => Self::WithPacket,
        }
    }
}

/// Ethernet type numbers (IANA `ieee-802-numbers`).
mod ethertype {
    pub(super) const IPV4: u16 = 0x0800;
    pub(super) const IPV6: u16 = 0x86dd;
    pub(super) const VLAN: u16 = 0x8100;
    pub(super) const QINQ: u16 = 0x88a8;
    pub(super) const QINQ_OLD: u16 = 0x9100;
    pub(super) const MPLS: u16 = 0x8847;
    pub(super) const MPLS_UP: u16 = 0x8848;
    pub(super) const PPPOE: u16 = 0x8864;
    /// IEEE 802.1ah: a provider's backbone.
    pub(super) const BACKBONE: u16 = 0x88e7;
    pub(super) const MACSEC: u16 = 0x88e5;
    /// In Linux cooked captures: 802.2 without a length.
    pub(super) const LOGICAL_LINK: u16 = 0x0004;
    pub(super) const TRANSPARENT_BRIDGING: u16 = 0x6558;
}

/// Address resolution (RFC 826).
const ARP: u16 = 0x0806;

/// One header further down.
pub(super) fn descend(under: Under<'_>) -> Result<Under<'_>, Passed> {
    match under {
        Under::Ethernet(frame) => ethernet(frame),
        Under::Ethertype(number, rest) => payload_of(number, rest),
        Under::Mpls(packet) => mpls(packet),
        Under::Ppp(frame) => ppp(frame),
        Under::Pppoe(packet) => Ok(Under::Ppp(pppoe(packet)?.0)),
        Under::Wireless(frame) => match wireless::data_of(frame)? {
            Data::One(packet) => logical_link(packet),
            Data::Several(frames) => Ok(Under::Several(frames)),
        },
        Under::LogicalLink(packet) => logical_link(packet),
        Under::Ip(_) | Under::Several(_) => Ok(under),
    }
}

fn ethernet(frame: &[u8]) -> Result<Under<'_>, Passed> {
    match u16_at(frame, 12)? {
        // IEEE 802.3: a length, then 802.2; SNAP carries an Ethernet type again (RFC 1042).
        0..=1500 => logical_link(rest(frame, 14)?),
        number => Ok(Under::Ethertype(number, rest(frame, 14)?)),
    }
}

/// IEEE 802.2 with SNAP: an Ethernet type (RFC 1042).
pub(super) fn logical_link(packet: &[u8]) -> Result<Under<'_>, Passed> {
    match packet.get(..6) {
        Some([0xaa, 0xaa, 3, 0, 0, 0]) => ethertype_at(packet, 6, 8),
        // IP's own number among the services of 802.2 (RFC 948).
        Some([6, 6, 3, ..]) => Ok(Under::Ip(rest(packet, 3)?)),
        Some(_) => Err(Passed::NotIp),
        None => Err(Passed::Truncated),
    }
}

fn payload_of(number: u16, packet: &[u8]) -> Result<Under<'_>, Passed> {
    match number {
        ethertype::IPV4 | ethertype::IPV6 => Ok(Under::Ip(packet)),
        ethertype::VLAN | ethertype::QINQ | ethertype::QINQ_OLD => ethertype_at(packet, 2, 4),
        ethertype::MPLS | ethertype::MPLS_UP => mpls(packet),
        ethertype::PPPOE => Ok(Under::Pppoe(packet)),
        // Priority and the service's number, then the customer's frame.
        ethertype::BACKBONE => Ok(Under::Ethernet(rest(packet, 4)?)),
        ethertype::MACSEC => macsec(packet),
        ethertype::LOGICAL_LINK => logical_link(packet),
        ethertype::TRANSPARENT_BRIDGING => Ok(Under::Ethernet(packet)),
        _ => Err(Passed::NotIp),
    }
}

/// IEEE 802.1AE: where the data are only vouched for, not encrypted, they follow the tag.
fn macsec(packet: &[u8]) -> Result<Under<'_>, Passed> {
    const ENCRYPTED_OR_CHANGED: u8 = 0x0c;
    const HAS_CHANNEL: u8 = 0x20;
    let control = packet.first().ok_or(Passed::Truncated)?;
    if control & ENCRYPTED_OR_CHANGED != 0 {
        return Err(Passed::Protected);
    }
    let tag = if control & HAS_CHANNEL == 0 { 6 } else { 14 };
    ethertype_at(packet, tag, tag + 2)
}

/// RFC 3032: labels of four octets down to the one that is marked as the last.
fn mpls(packet: &[u8]) -> Result<Under<'_>, Passed> {
    const LABELS: usize = 16;
    for label in packet.chunks_exact(4).take(LABELS).enumerate() {
        if let (at, [_, _, third, _]) = label
            && third & 1 == 1
        {
            let inner = rest(packet, (at + 1) * 4)?;
            return under_labels(inner);
        }
    }
    Err(Passed::Truncated)
}

/// What labels carry is not said: IP by its first octets, else the frame of a pseudowire (RFC 4448), with or without
/// a control word.
fn under_labels(inner: &[u8]) -> Result<Under<'_>, Passed> {
    let known_frame = |frame: &[u8]| {
        matches!(
            u16_at(frame, 12),
            Ok(ethertype::IPV4
                | ethertype::IPV6
                | ethertype::VLAN
                | ethertype::QINQ
                | ethertype::MPLS
                | ARP)
        )
    };
    match inner {
        [first, ..] if matches!(first, 0x45..=0x4f) || first >> 4 == 6 => {
            // A station whose address begins so is rare, and its frame is told by its type.
            let is_frame = known_frame(inner) && !sound_ip(inner);
            Ok(if is_frame {
                Under::Ethernet(inner)
            } else {
                Under::Ip(inner)
            })
        }
        // A control word begins with zeros, one of a channel's own messages with a one (RFC 4385).
        [first, _, _, _, frame @ ..] if first >> 4 == 0 && known_frame(frame) => {
            Ok(Under::Ethernet(frame))
        }
        frame if known_frame(frame) => Ok(Under::Ethernet(frame)),
        [] => Err(Passed::Truncated),
        _ => Err(Passed::NotIp),
    }
}

/// Whether the length in an IP header fits into what is there.
fn sound_ip(packet: &[u8]) -> bool {
    let claimed = match packet.first().map(|first| first >> 4) {
        Some(4) => u16_at(packet, 2).map(usize::from),
        _ => u16_at(packet, 4).map(|length| usize::from(length) + 40),
    };
    claimed.is_ok_and(|claimed| claimed >= 20 && claimed <= packet.len())
}

/// RFC 1661 and 1662: address and control may be there, the protocol may be one octet. Cisco's addresses in their place have
/// an Ethernet type behind them (RFC 1547 §4.3.1).
fn ppp(frame: &[u8]) -> Result<Under<'_>, Passed> {
    if let [0x0f | 0x8f, 0, ..] = frame {
        return ethertype_at(frame, 2, 4);
    }
    let frame = frame.strip_prefix(&[0xff, 3]).unwrap_or(frame);
    let (number, inner) = match frame {
        [short, inner @ ..] if short & 1 == 1 => (u16::from(*short), inner),
        [high, low, inner @ ..] => (u16::from_be_bytes([*high, *low]), inner),
        _ => return Err(Passed::Truncated),
    };
    match number {
        0x21 | 0x57 => Ok(Under::Ip(inner)),
        0x281 => mpls(inner),
        // Compressed or encrypted (RFC 1962, RFC 1968, RFC 3078).
        0xfb | 0xfd | 0x53 | 0x55 => Err(Passed::Protected),
        _ => Err(Passed::NotIp),
    }
}

/// The frame of a `PPPoE` session (RFC 2516 §4), and whether it ends before what was captured does: the rest is padding of the link, whatever the
/// headers in the frame say. There are routers that count it into the length of IP.
pub(super) fn pppoe(packet: &[u8]) -> Result<(&[u8], Ends), Passed> {
    let length = usize::from(u16_at(packet, 4)?);
    let frame = rest(packet, 6)?;
    Ok(match frame.split_at_checked(length) {
        Some((frame, [_, ..])) => (frame, Ends::Here),
        _ => (frame, Ends::WithPacket),
    })
}

pub(super) fn ethertype_at(packet: &[u8], field: usize, after: usize) -> Result<Under<'_>, Passed> {
    Ok(Under::Ethertype(
        u16_at(packet, field)?,
        rest(packet, after)?,
    ))
}

pub(super) fn u16_at(packet: &[u8], at: usize) -> Result<u16, Passed> {
    let field = packet.get(at..).and_then(<[u8]>::first_chunk);
    Ok(u16::from_be_bytes(*field.ok_or(Passed::Truncated)?))
}

pub(super) fn rest(packet: &[u8], from: usize) -> Result<&[u8], Passed> {
    packet.get(from..).ok_or(Passed::Truncated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::LinkType;
    use crate::link::outermost::outermost;

    const IP: &[u8] = &[0x45, 0, 0, 20];

    fn down(link_type: LinkType, packet: &[u8]) -> Result<Vec<u8>, Passed> {
        let mut under = outermost(link_type, packet)?;
        for _ in 0..8 {
            if let Under::Ip(inner) = under {
                return Ok(inner.to_vec());
            }
            under = descend(under)?;
        }
        Err(Passed::NestedTooDeep)
    }

    fn join(parts: &[&[u8]]) -> Vec<u8> {
        parts.concat()
    }

    #[test]
    fn every_link_leads_to_the_ip_header() {
        let macs = [0u8; 12];
        let ethernet = |more: &[u8]| join(&[&macs, more, IP]);
        for (link_type, packet) in [
            (LinkType::ETHERNET, ethernet(&[8, 0])),
            (LinkType::ETHERNET, ethernet(&[0x81, 0, 0, 5, 8, 0])),
            (
                LinkType::ETHERNET,
                ethernet(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 0x86, 0xdd]),
            ),
            (
                LinkType::ETHERNET,
                ethernet(&[0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64]),
            ),
            (
                LinkType::ETHERNET,
                ethernet(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 6, 0, 0x21]),
            ),
            (
                LinkType::ETHERNET,
                ethernet(&[0, 12, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0]),
            ),
            (
                LinkType(6),
                join(&[&[0x10, 0x40], &[0; 12], &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], IP]),
            ),
            (
                LinkType(6),
                join(&[
                    &[0x10, 0x40, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0],
                    &[0x02, 0x30],
                    &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0],
                    IP,
                ]),
            ),
            (LinkType(104), join(&[&[0x0f, 0, 8, 0], IP])),
            (LinkType::PPP_HDLC, join(&[&[0x8f, 0, 8, 0], IP])),
            (
                LinkType(239),
                join(&[
                    &[2, 0, 0, 5, 7, 0, 10, 0, b'i', b'n', 0, 0],
                    &[8, 0, 9, 0],
                    IP,
                ]),
            ),
            (
                LinkType(239),
                join(&[&[2, 0, 0, 5, 0, 8, 0, 9], IP, &[0, 5, 0, 10, 0]]),
            ),
            (LinkType(242), join(&[&[0; 40], &[8, 0, 0, 0], IP])),
            (
                LinkType(10),
                join(&[&[0x57], &[0; 12], &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], IP]),
            ),
            (
                LinkType(105),
                join(&[&[8, 1], &[0; 22], &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], IP]),
            ),
            (LinkType::RAW, IP.to_vec()),
            (LinkType::NULL, join(&[&[2, 0, 0, 0], IP])),
            (LinkType::LOOP, join(&[&[0, 0, 0, 2], IP])),
            (LinkType::LINUX_SLL, join(&[&[0; 14], &[8, 0], IP])),
            (LinkType::LINUX_SLL2, join(&[&[8, 0], &[0; 18], IP])),
            (LinkType::PPP, join(&[&[0xff, 3, 0, 0x21], IP])),
            (LinkType::PPP, join(&[&[0x21], IP])),
        ] {
            assert_eq!(
                down(link_type, &packet),
                Ok(IP.to_vec()),
                "{link_type:?} {packet:02x?}"
            );
        }
    }

    #[test]
    fn what_is_not_ip_is_told_from_what_is_cut() {
        assert_eq!(down(LinkType::ETHERNET, &[0; 13]), Err(Passed::Truncated));
        assert_eq!(
            down(LinkType::ETHERNET, &join(&[&[0; 12], &[8, 6], IP])),
            Err(Passed::NotIp)
        );
        assert_eq!(down(LinkType(147), IP), Err(Passed::UnknownLinkType));
    }

    #[test]
    fn vlan_tags_without_end_are_given_up() {
        let packet = join(&[&[0; 12], &[0x81, 0, 0, 1].repeat(20)]);
        assert_eq!(
            down(LinkType::ETHERNET, &packet),
            Err(Passed::NestedTooDeep)
        );
    }
}
