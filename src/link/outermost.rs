//! The first header of a packet, as its link type has it.

use crate::capture::LinkType;

use super::Passed;
use super::frame::{Under, ethertype_at, logical_link, rest, u16_at};
use super::wireless;

/// The first header of a packet of `link_type`.
pub(super) fn outermost(link_type: LinkType, packet: &[u8]) -> Result<Under<'_>, Passed> {
    match link_type {
        LinkType::ETHERNET => Ok(Under::Ethernet(packet)),
        LinkType(12 | 14) | LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 => {
            Ok(Under::Ip(packet))
        }
        LinkType::NULL | LinkType::LOOP => loopback(packet),
        LinkType::LINUX_SLL => ethertype_at(packet, 14, 16),
        LinkType::LINUX_SLL2 => ethertype_at(packet, 0, 20),
        LinkType::PPP | LinkType::PPP_HDLC => Ok(Under::Ppp(packet)),
        LinkType(6) => token_ring(packet),
        LinkType(10) => fddi(packet),
        LinkType(105) => Ok(Under::Wireless(packet)),
        // Cisco's HDLC: address, control, an Ethernet type.
        LinkType(104) => ethertype_at(packet, 2, 4),
        LinkType(239) => netfilter_log(packet),
        // IP over InfiniBand behind a global routing header (RFC 4391 §6).
        LinkType(242) => ethertype_at(packet, 40, 44),
        LinkType(127) => Ok(Under::Wireless(wireless::under_radiotap(packet)?)),
        _ => Err(Passed::UnknownLinkType),
    }
}

/// The interface that saw a packet, where one that stands for all was listened to: Linux's cooked capture of version 2 has its number.
pub fn device(link_type: LinkType, packet: &[u8]) -> Option<u32> {
    let number = packet.get(4..)?.first_chunk()?;
    (link_type == LinkType::LINUX_SLL2).then(|| u32::from_be_bytes(*number))
}

/// IEEE 802.5: control of access and of the frame, two addresses, perhaps a source route.
fn token_ring(frame: &[u8]) -> Result<Under<'_>, Passed> {
    const ROUTED: u8 = 0x80;
    let (Some(control), Some(source), Some(route)) = (frame.get(1), frame.get(8), frame.get(14))
    else {
        return Err(Passed::Truncated);
    };
    if control & 0xc0 != 0x40 {
        return Err(Passed::NotIp);
    }
    let route = if source & ROUTED == 0 {
        0
    } else {
        usize::from(route & 0x1f)
    };
    logical_link(rest(frame, 14 + route)?)
}

/// Linux's NFLOG: family, version and group, then attributes, each with its length and its kind in the byte order of the host
/// (`linux/netfilter/nfnetlink_log.h`). One is the packet, from its IP header on.
fn netfilter_log(packet: &[u8]) -> Result<Under<'_>, Passed> {
    const PAYLOAD: u16 = 9;
    const ATTRIBUTES: usize = 64;
    match packet.first() {
        Some(2 | 10) => {}
        Some(_) => return Err(Passed::NotIp),
        None => return Err(Passed::Truncated),
    }
    let all = rest(packet, 4)?;
    // Of two readings of a length the shorter is the one that was meant.
    let swapped = u16_at(all, 0)? > u16_at(all, 0)?.swap_bytes();
    let field = |bytes, at| {
        let number = u16_at(bytes, at)?;
        Ok(if swapped { number.swap_bytes() } else { number })
    };
    let mut at = 0;
    for _ in 0..ATTRIBUTES {
        let attribute = rest(all, at)?;
        let length = usize::from(field(attribute, 0)?);
        if length < 4 {
            return Err(Passed::Malformed);
        }
        if field(attribute, 2)? & 0x7fff == PAYLOAD {
            let end = length.min(attribute.len());
            return Ok(Under::Ip(attribute.get(4..end).unwrap_or_default()));
        }
        at += length.next_multiple_of(4);
    }
    Err(Passed::NotIp)
}

/// ANSI X3.139: control of the frame, two addresses.
fn fddi(frame: &[u8]) -> Result<Under<'_>, Passed> {
    match frame.first() {
        Some(control) if control & 0x70 == 0x50 => logical_link(rest(frame, 13)?),
        Some(_) => Err(Passed::NotIp),
        None => Err(Passed::Truncated),
    }
}

/// A four-octet address family in some host's order; IPv6 has a different number in every BSD.
fn loopback(packet: &[u8]) -> Result<Under<'_>, Passed> {
    let family: [u8; 4] = *packet.first_chunk().ok_or(Passed::Truncated)?;
    match u32::from_be_bytes(family).min(u32::from_le_bytes(family)) {
        2 | 10 | 23 | 24 | 28 | 30 => Ok(Under::Ip(rest(packet, 4)?)),
        _ => Err(Passed::NotIp),
    }
}
