//! Headers that carry another packet inside IP.

use super::frame::Under;
use super::{Passed, UdpDatagram};

/// IP protocol numbers (IANA).
mod number {
    pub(super) const IPV4: u8 = 4;
    pub(super) const IPV6: u8 = 41;
    pub(super) const GRE: u8 = 47;
    pub(super) const ETHERIP: u8 = 97;
    pub(super) const MPLS: u8 = 137;
}

/// UDP ports (IANA; 8472 is Linux's own for VXLAN).
mod port {
    pub(super) const L2TP: u16 = 1701;
    pub(super) const GTP_U: u16 = 2152;
    pub(super) const TEREDO: u16 = 3544;
    pub(super) const VXLAN: u16 = 4789;
    pub(super) const VXLAN_GPE: u16 = 4790;
    pub(super) const GENEVE: u16 = 6081;
    pub(super) const MPLS: u16 = 6635;
    pub(super) const VXLAN_LINUX: u16 = 8472;
}

/// The packet inside an IP payload of protocol `number`; `None` when that is no tunnel.
pub(super) fn in_ip(number: u8, payload: &[u8]) -> Option<Result<Under<'_>, Passed>> {
    match number {
        number::IPV4 | number::IPV6 => Some(Ok(Under::Ip(payload))),
        number::GRE => Some(gre(payload)),
        // RFC 3378: version 3 and twelve zero bits.
        number::ETHERIP => Some(match payload {
            [0x30, 0, frame @ ..] => Ok(Under::Ethernet(frame)),
            [_, _, ..] => Err(Passed::Malformed),
            _ => Err(Passed::Truncated),
        }),
        number::MPLS => Some(Ok(Under::Mpls(payload))),
        _ => None,
    }
}

/// The packet inside a UDP datagram; `None` when it is not certainly one.
pub(super) fn in_udp<'p>(udp: &UdpDatagram<'p>) -> Option<Under<'p>> {
    let payload = udp.payload;
    let to = udp.destination_port;
    let either = |port| udp.source_port == port || to == port;
    match to {
        port::VXLAN => return vxlan(payload),
        port::VXLAN_LINUX => return vxlan(payload).filter(is_usual),
        port::VXLAN_GPE => return vxlan_gpe(payload),
        port::GENEVE => return geneve(payload),
        port::MPLS => return Some(Under::Mpls(payload)),
        _ => {}
    }
    if either(port::GTP_U) {
        gtp_u(payload, udp.length)
    } else if either(port::TEREDO) {
        teredo(payload)
    } else if either(port::L2TP) {
        l2tp(payload)
    } else {
        None
    }
}

/// RFC 7348 §5: the I flag; beside it only that of the group policy (a Cisco and Linux extension).
fn vxlan(payload: &[u8]) -> Option<Under<'_>> {
    match payload {
        [0x08, 0, 0, 0, _, _, _, 0, frame @ ..] | [0x88, _, _, _, _, _, _, 0, frame @ ..] => {
            Some(Under::Ethernet(frame))
        }
        _ => None,
    }
}

/// Whether a frame carries what tunnels carry, where the port alone is no proof.
fn is_usual(under: &Under<'_>) -> bool {
    let Under::Ethernet(frame) = under else {
        return false;
    };
    matches!(
        frame.get(12..14),
        Some([0x08, 0x00 | 0x06] | [0x86, 0xdd] | [0x81, 0x00])
    )
}

/// draft-ietf-nvo3-vxlan-gpe: the I and P flags, and what follows by number.
fn vxlan_gpe(payload: &[u8]) -> Option<Under<'_>> {
    match payload {
        [flags, 0, 0, next, _, _, _, 0, inner @ ..] if flags & 0x3c == 0x0c => match next {
            1 | 2 => Some(Under::Ip(inner)),
            3 => Some(Under::Ethernet(inner)),
            _ => None,
        },
        _ => None,
    }
}

/// RFC 4380: IPv6 in UDP, perhaps behind an authentication and an origin header (§5.1.1).
fn teredo(payload: &[u8]) -> Option<Under<'_>> {
    let mut rest = payload;
    if let [0, 1, id, value, ..] = rest {
        // Two lengths, then both fields, a nonce and a confirmation.
        rest = rest.get(4 + usize::from(*id) + usize::from(*value) + 9..)?;
    }
    if let [0, 0, _, _, _, _, _, _, inner @ ..] = rest {
        rest = inner;
    }
    let is_v6 = rest.len() >= 40 && rest.first().is_some_and(|first| first >> 4 == 6);
    is_v6.then_some(Under::Ip(rest))
}

/// 3GPP TS 29.281 §5.1: version 1, a user's packet (message 255), extension headers.
fn gtp_u(payload: &[u8], on_wire: u32) -> Option<Under<'_>> {
    const USER_PACKET: u8 = 255;
    const MOST_EXTENSIONS: usize = 8;
    let [flags, USER_PACKET, high, low, _, _, _, _, rest @ ..] = payload else {
        return None;
    };
    let length = u32::from(u16::from_be_bytes([*high, *low]));
    if flags & 0xf0 != 0x30 || length + 8 != on_wire {
        return None;
    }
    let mut rest = rest;
    if flags & 7 != 0 {
        let [_, _, _, next, more @ ..] = rest else {
            return None;
        };
        rest = more;
        let mut next = if flags & 4 == 0 { 0 } else { *next };
        for _ in 0..MOST_EXTENSIONS {
            if next == 0 {
                break;
            }
            // Its length counts four octets each; the last octet says what follows.
            let length = usize::from(*rest.first()?) * 4;
            next = *rest.get(length.checked_sub(1)?)?;
            rest = rest.get(length..)?;
        }
        if next != 0 {
            return None;
        }
    }
    let is_ip = matches!(rest.first().map(|first| first >> 4), Some(4 | 6));
    is_ip.then_some(Under::Ip(rest))
}

/// RFC 2661 §3.1: data messages of version 2, in which PPP frames are.
fn l2tp(payload: &[u8]) -> Option<Under<'_>> {
    const CONTROL: u8 = 0x80;
    let [flags, version, ..] = payload else {
        return None;
    };
    if flags & CONTROL != 0 || flags & 0x34 != 0 || version & 0x0f != 2 {
        return None;
    }
    let mut header = 6;
    for (flag, octets) in [(0x40, 2), (0x08, 4)] {
        header += if flags & flag == 0 { 0 } else { octets };
    }
    if flags & 0x02 != 0 {
        // Padding before the data, of a length that the header's end tells.
        let at = payload.get(header..)?.first_chunk()?;
        header += 2 + usize::from(u16::from_be_bytes(*at));
    }
    payload.get(header..).map(Under::Ppp)
}

/// RFC 2784, RFC 2890, and version 1 of RFC 2637 (PPTP).
fn gre(payload: &[u8]) -> Result<Under<'_>, Passed> {
    const SEQUENCE: u8 = 0x10;
    const ROUTING: u8 = 0x40;
    const ERSPAN: u16 = 0x88be;
    const ERSPAN_3: u16 = 0x22eb;
    const PPP: u16 = 0x880b;
    const WCCP: u16 = 0x883e;
    let [flags, version, high, low, ..] = *payload else {
        return Err(Passed::Truncated);
    };
    let field = |mask: u8, flags: u8| usize::from(flags & mask != 0) * 4;
    let mut header = 4 + field(0x80, flags) + field(0x20, flags) + field(SEQUENCE, flags);
    let inner = u16::from_be_bytes([high, low]);
    if version & 7 == 1 {
        header += field(0x80, version);
        // Without a sequence number it only acknowledges.
        if flags & SEQUENCE == 0 {
            return Err(Passed::Control);
        }
    } else if version & 7 != 0 || flags & ROUTING != 0 {
        // Source routes (RFC 1701) were withdrawn by RFC 2784.
        return Err(Passed::Malformed);
    }
    let rest = payload.get(header..).ok_or(Passed::Truncated)?;
    match inner {
        // Type II has a header of its own where GRE has a sequence number, type I none (draft-foschiano-erspan).
        ERSPAN if flags & SEQUENCE == 0 => Ok(Under::Ethernet(rest)),
        ERSPAN => rest.get(8..).map(Under::Ethernet).ok_or(Passed::Truncated),
        ERSPAN_3 => erspan_3(rest),
        PPP => Ok(Under::Ppp(rest)),
        // The service's four octets may stand before the packet (draft-wilson-wrec-wccp-v2).
        WCCP if rest.first().is_some_and(|first| first >> 4 != 4) => {
            rest.get(4..).map(Under::Ip).ok_or(Passed::Truncated)
        }
        WCCP => Ok(Under::Ip(rest)),
        // Access points of Aruba send what was on the air.
        0x8200..=0x8310
            if rest
                .first()
                .is_some_and(|control| control.trailing_zeros() >= 2) =>
        {
            Ok(Under::Wireless(rest))
        }
        number => Ok(Under::Ethertype(number, rest)),
    }
}

/// Twelve octets, and eight more where the last bit says so; then a frame, or an IP packet.
fn erspan_3(header: &[u8]) -> Result<Under<'_>, Passed> {
    let [kind, has_more] = [10, 11].map(|at| header.get(at).copied());
    let (Some(kind), Some(has_more)) = (kind, has_more) else {
        return Err(Passed::Truncated);
    };
    let length = if has_more & 1 == 0 { 12 } else { 20 };
    let inner = header.get(length..).ok_or(Passed::Truncated)?;
    match kind >> 2 & 0x1f {
        0 => Ok(Under::Ethernet(inner)),
        2 => Ok(Under::Ip(inner)),
        _ => Err(Passed::NotIp),
    }
}

/// RFC 8926 §3.4.
fn geneve(payload: &[u8]) -> Option<Under<'_>> {
    let [first, _, high, low, ..] = *payload else {
        return None;
    };
    if first >> 6 != 0 {
        return None;
    }
    let rest = payload.get(8 + usize::from(first & 0x3f) * 4..)?;
    Some(Under::Ethertype(u16::from_be_bytes([high, low]), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Checksum;

    #[test]
    fn gre_with_and_without_options_holds_its_packet() {
        let plain = [0, 0, 8, 0, 0x45];
        assert_eq!(
            in_ip(47, &plain).unwrap(),
            Ok(Under::Ethertype(0x0800, &[0x45]))
        );
        let keyed = [0x30, 0, 8, 0, 1, 1, 1, 1, 2, 2, 2, 2, 0x45];
        assert_eq!(
            in_ip(47, &keyed).unwrap(),
            Ok(Under::Ethertype(0x0800, &[0x45]))
        );
        assert_eq!(in_ip(47, &[0x30, 0, 8, 0]).unwrap(), Err(Passed::Truncated));
        assert_eq!(in_ip(6, &plain), None);
    }

    fn udp(port: u16, payload: &[u8]) -> Option<Under<'_>> {
        in_udp(&UdpDatagram {
            source_port: 40_000,
            destination_port: port,
            payload,
            length: u32::try_from(payload.len()).unwrap(),
            checksum: Checksum::Untested,
        })
    }

    #[test]
    fn udp_tunnels_are_opened_only_where_their_header_is_right() {
        let vxlan = [8, 0, 0, 0, 0, 0, 1, 0, 0xff];
        assert_eq!(udp(4789, &vxlan), Some(Under::Ethernet(&[0xff])));
        assert_eq!(udp(4789, b"EHLO there"), None);
        assert_eq!(udp(8472, &vxlan), None, "no frame is known by that");
        let geneve = [1, 0, 0x65, 0x58, 0, 0, 1, 0, 9, 9, 9, 9, 0xff];
        assert_eq!(udp(6081, &geneve), Some(Under::Ethertype(0x6558, &[0xff])));
        let gpe = [0x0c, 0, 0, 1, 0, 0, 1, 0, 0x45];
        assert_eq!(udp(4790, &gpe), Some(Under::Ip(&[0x45])));
    }

    #[test]
    fn a_users_packet_lies_behind_gtp_and_its_extensions() {
        let plain = [0x30, 255, 0, 1, 0, 0, 0, 7, 0x45];
        assert_eq!(udp(2152, &plain), Some(Under::Ip(&[0x45])));
        let extended = [0x34, 255, 0, 9, 0, 0, 0, 7, 0, 0, 0, 0x85, 1, 0, 0, 0, 0x45];
        assert_eq!(udp(2152, &extended), Some(Under::Ip(&[0x45])));
        for wrong in [
            &[0x30, 1, 0, 1, 0, 0, 0, 7, 0x45][..],
            &[0x30, 255, 0, 9, 0, 0, 0, 7, 0x45],
            &[0x50, 255, 0, 1, 0, 0, 0, 7, 0x45],
            &[0x34, 255, 0, 9, 0, 0, 0, 7, 0, 0, 0, 0x85, 0, 0, 0, 0, 0x45],
        ] {
            assert_eq!(udp(2152, wrong), None, "{wrong:x?}");
        }
    }

    #[test]
    fn teredo_may_have_headers_before_its_packet() {
        let mut packet = vec![0x60];
        packet.resize(40, 0);
        let authentication = [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let origin = [0, 0, 1, 2, 3, 4, 5, 6];
        let long = [&authentication[..], &origin, &packet].concat();
        assert_eq!(udp(3544, &packet), Some(Under::Ip(&packet)));
        assert_eq!(udp(3544, &long), Some(Under::Ip(&packet)));
        assert_eq!(udp(3544, &long[..30]), None);
    }

    #[test]
    fn l2tp_data_hold_ppp_and_control_messages_do_not() {
        let data = [0x40, 2, 0, 12, 0, 1, 0, 2, 0xff, 3, 0, 0x21];
        assert_eq!(udp(1701, &data), Some(Under::Ppp(&[0xff, 3, 0, 0x21])));
        let control = [0xc8, 2, 0, 12, 0, 1, 0, 2, 0, 0, 0, 0];
        assert_eq!(udp(1701, &control), None);
    }

    #[test]
    fn mirrored_frames_lie_behind_erspan_of_each_type() {
        let one = [0, 0, 0x88, 0xbe, 0xaa];
        assert_eq!(in_ip(47, &one).unwrap(), Ok(Under::Ethernet(&[0xaa])));
        let two = [&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1][..], &[1; 8], &[0xaa]].concat();
        assert_eq!(in_ip(47, &two).unwrap(), Ok(Under::Ethernet(&[0xaa])));
        let three = |last: u8, more: usize| {
            let head = [0x10, 0, 0x22, 0xeb, 0, 0, 0, 1];
            let body = [&[0; 11][..], &[last]].concat();
            [&head[..], &body, &vec![9; more], &[0xaa]].concat()
        };
        for packet in [three(0, 0), three(1, 8)] {
            assert_eq!(in_ip(47, &packet).unwrap(), Ok(Under::Ethernet(&[0xaa])));
        }
    }

    #[test]
    fn an_acknowledgement_of_pptp_holds_nothing() {
        let acknowledges = [0x20, 0x81, 0x88, 0x0b, 0, 0, 0, 1, 0, 0, 0, 9];
        assert_eq!(in_ip(47, &acknowledges).unwrap(), Err(Passed::Control));
        let data = [
            0x30, 0x81, 0x88, 0x0b, 0, 4, 0, 1, 0, 0, 0, 9, 0, 0, 0, 8, 0x21,
        ];
        assert_eq!(in_ip(47, &data).unwrap(), Ok(Under::Ppp(&[0x21])));
        let routed = [0x40, 0, 8, 0, 0, 0, 0, 0];
        assert_eq!(in_ip(47, &routed).unwrap(), Err(Passed::Malformed));
    }
}
