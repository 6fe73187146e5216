//! Headers that carry another packet inside IP.

use super::Passed;
use super::frame::Under;

/// IP protocol numbers (IANA).
mod number {
    pub(super) const IPV4: u8 = 4;
    pub(super) const IPV6: u8 = 41;
    pub(super) const GRE: u8 = 47;
}

/// UDP ports (IANA).
const VXLAN: u16 = 4789;
const GENEVE: u16 = 6081;
const TEREDO: u16 = 3544;

/// The packet inside an IP payload of protocol `number`; `None` when that is no tunnel.
pub(super) fn in_ip(number: u8, payload: &[u8]) -> Option<Result<Under<'_>, Passed>> {
    match number {
        number::IPV4 | number::IPV6 => Some(Ok(Under::Ip(payload))),
        number::GRE => Some(gre(payload)),
        _ => None,
    }
}

/// The packet inside a UDP payload; `None` when it is not certainly one.
pub(super) fn in_udp(port: u16, payload: &[u8]) -> Option<Under<'_>> {
    match port {
        // RFC 7348 §5: the I flag and nothing else.
        VXLAN if payload.starts_with(&[8, 0, 0, 0]) => payload.get(8..).map(Under::Ethernet),
        GENEVE => geneve(payload),
        // RFC 4380: bare IPv6 inside UDP.
        TEREDO if payload.len() >= 40 && payload.first().is_some_and(|first| first >> 4 == 6) => {
            Some(Under::Ip(payload))
        }
        _ => None,
    }
}

/// RFC 2784, RFC 2890, and version 1 of RFC 2637 (PPTP).
fn gre(payload: &[u8]) -> Result<Under<'_>, Passed> {
    const ERSPAN_2: u16 = 0x88be;
    const PPP: u16 = 0x880b;
    let [flags, version, high, low, ..] = *payload else {
        return Err(Passed::Truncated);
    };
    let field = |mask: u8, flags: u8| usize::from(flags & mask != 0) * 4;
    let mut header = 4 + field(0x80, flags) + field(0x20, flags) + field(0x10, flags);
    let inner = u16::from_be_bytes([high, low]);
    if version & 7 == 1 {
        header += field(0x80, version);
    }
    if inner == ERSPAN_2 && flags & 0x10 != 0 {
        header += 8;
    }
    let rest = payload.get(header..).ok_or(Passed::Truncated)?;
    Ok(match inner {
        ERSPAN_2 => Under::Ethernet(rest),
        PPP => Under::Ppp(rest),
        number => Under::Ethertype(number, rest),
    })
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

    #[test]
    fn udp_tunnels_are_opened_only_where_their_header_is_right() {
        let vxlan = [8, 0, 0, 0, 0, 0, 1, 0, 0xff];
        assert_eq!(in_udp(4789, &vxlan), Some(Under::Ethernet(&[0xff])));
        assert_eq!(in_udp(4789, b"EHLO there"), None);
        let geneve = [1, 0, 0x65, 0x58, 0, 0, 1, 0, 9, 9, 9, 9, 0xff];
        assert_eq!(
            in_udp(6081, &geneve),
            Some(Under::Ethertype(0x6558, &[0xff]))
        );
    }
}
