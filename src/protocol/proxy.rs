//! The PROXY protocol's header (`HAProxy`, versions 1 and 2), which a load balancer puts before all else to name
//! the client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::record::text;
use crate::model::{Endpoint, Forwarded, ForwardedBy};

/// Longest header of version 1, in octets.
const MAX_TEXT: usize = 107;
/// How version 2 begins.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// What stands at the beginning of the client's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// No header.
    Absent,
    /// Perhaps one: more bytes are needed.
    NeedMore,
    /// One of so many octets, and whom it names, if anybody.
    Whole(usize, Option<Forwarded>),
}

/// Looks for a header at the beginning of `bytes`.
pub(super) fn header(bytes: &[u8]) -> Header {
    if bytes.is_empty() {
        return Header::NeedMore;
    }
    if let Some(rest) = bytes.strip_prefix(SIGNATURE) {
        return binary(rest);
    }
    if let Some(rest) = bytes.strip_prefix(b"PROXY ") {
        let Some(end) = memchr::memchr(b'\n', rest.get(..MAX_TEXT).unwrap_or(rest)) else {
            return if rest.len() < MAX_TEXT {
                Header::NeedMore
            } else {
                Header::Absent
            };
        };
        let words = text(rest.get(..end).unwrap_or_default().trim_ascii_end());
        return Header::Whole(6 + end + 1, worded(&words));
    }
    if SIGNATURE.starts_with(bytes) || b"PROXY ".starts_with(bytes) {
        return Header::NeedMore;
    }
    Header::Absent
}

/// Version 2 after its signature: command, family, length, addresses.
fn binary(rest: &[u8]) -> Header {
    let Some((&[command, family, high, low], body)) = rest.split_first_chunk() else {
        return Header::NeedMore;
    };
    if command >> 4 != 2 {
        return Header::Absent;
    }
    let len = usize::from(u16::from_be_bytes([high, low]));
    let Some(body) = body.get(..len) else {
        return Header::NeedMore;
    };
    // LOCAL: the proxy speaks for itself (health checks).
    let named = match command & 0xf {
        0 => None,
        _ => addresses(family >> 4, body),
    };
    Header::Whole(SIGNATURE.len() + 4 + len, named)
}

/// `TCP4 source destination source-port destination-port`.
fn worded(words: &str) -> Option<Forwarded> {
    let mut parts = words.split(' ').skip(1);
    let (client, reached) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok());
    let (port, reached_port) = (parts.next()?.parse().ok(), parts.next()?.parse().ok());
    Some(Forwarded {
        client,
        port,
        reached: reached
            .zip(reached_port)
            .map(|(ip, port)| Endpoint { ip, port }),
        by: ForwardedBy::ProxyHeader,
    })
}

/// Source and destination address, source and destination port, of IPv4 (1) or IPv6 (2).
fn addresses(family: u8, body: &[u8]) -> Option<Forwarded> {
    let (source, reached, ports): (IpAddr, IpAddr, _) = match family {
        1 => {
            let (&source, rest) = body.split_first_chunk::<4>()?;
            let (&reached, ports) = rest.split_first_chunk::<4>()?;
            (
                Ipv4Addr::from(source).into(),
                Ipv4Addr::from(reached).into(),
                ports,
            )
        }
        2 => {
            let (&source, rest) = body.split_first_chunk::<16>()?;
            let (&reached, ports) = rest.split_first_chunk::<16>()?;
            (
                Ipv6Addr::from(source).into(),
                Ipv6Addr::from(reached).into(),
                ports,
            )
        }
        _ => return None,
    };
    let &[high, low, reached_high, reached_low] = ports.first_chunk::<4>()?;
    Some(Forwarded {
        client: source,
        port: Some(u16::from_be_bytes([high, low])),
        reached: Some(Endpoint {
            ip: reached,
            port: u16::from_be_bytes([reached_high, reached_low]),
        }),
        by: ForwardedBy::ProxyHeader,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_name_the_client() {
        let client = Forwarded {
            client: IpAddr::from([192, 0, 2, 1]),
            port: Some(5678),
            reached: Some(Endpoint {
                ip: IpAddr::from([198, 51, 100, 2]),
                port: 25,
            }),
            by: ForwardedBy::ProxyHeader,
        };
        let v1 = b"PROXY TCP4 192.0.2.1 198.51.100.2 5678 25\r\nEHLO x\r\n";
        assert_eq!(header(v1), Header::Whole(43, Some(client)));
        assert_eq!(header(b"PROXY UNKNOWN\r\n"), Header::Whole(15, None));
        let mut v2 = SIGNATURE.to_vec();
        v2.extend([
            0x21, 0x11, 0, 12, 192, 0, 2, 1, 198, 51, 100, 2, 0x16, 0x2e, 0, 25,
        ]);
        assert_eq!(header(&v2), Header::Whole(28, Some(client)));
        let mut local = v2.clone();
        local[12] = 0x20;
        assert_eq!(
            header(&local),
            Header::Whole(28, None),
            "the proxy speaks for itself"
        );
        for n in 1..v2.len() {
            assert_eq!(header(&v2[..n]), Header::NeedMore, "{n}");
        }
        assert_eq!(header(b"PROPFIND / HTTP/1.1\r\n"), Header::Absent);
        assert_eq!(header(b"\r\nEHLO"), Header::Absent);
    }
}
