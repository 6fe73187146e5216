//! The PROXY protocol's header (`HAProxy`, versions 1 and 2), which a load balancer puts before all else to name
//! the client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::record::text;

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
    /// One of so many octets, and whom it names.
    Whole(usize, String),
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
        let mut parts = words.split(' ').skip(1);
        let named = match (parts.next(), parts.nth(1)) {
            (Some(ip), Some(port)) => format!("{ip} port {port}"),
            _ => "nobody".to_owned(),
        };
        return Header::Whole(6 + end + 1, named);
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
    let source: Option<(IpAddr, u16)> = match family >> 4 {
        1 => body.first_chunk::<4>().and_then(|&ip| {
            let port = body.get(8..10)?.first_chunk::<2>()?;
            Some((Ipv4Addr::from(ip).into(), u16::from_be_bytes(*port)))
        }),
        2 => body.first_chunk::<16>().and_then(|&ip| {
            let port = body.get(32..34)?.first_chunk::<2>()?;
            Some((Ipv6Addr::from(ip).into(), u16::from_be_bytes(*port)))
        }),
        _ => None,
    };
    let named = source.map_or_else(
        || "nobody".to_owned(),
        |(ip, port)| format!("{ip} port {port}"),
    );
    Header::Whole(SIGNATURE.len() + 4 + len, named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_name_the_client() {
        let v1 = b"PROXY TCP4 192.0.2.1 198.51.100.2 5678 25\r\nEHLO x\r\n";
        assert_eq!(header(v1), Header::Whole(43, "192.0.2.1 port 5678".into()));
        assert_eq!(
            header(b"PROXY UNKNOWN\r\n"),
            Header::Whole(15, "nobody".into())
        );
        let mut v2 = SIGNATURE.to_vec();
        v2.extend([
            0x21, 0x11, 0, 12, 192, 0, 2, 1, 198, 51, 100, 2, 0x16, 0x2e, 0, 25,
        ]);
        assert_eq!(header(&v2), Header::Whole(28, "192.0.2.1 port 5678".into()));
        for n in 1..v2.len() {
            assert_eq!(header(&v2[..n]), Header::NeedMore, "{n}");
        }
        assert_eq!(header(b"PROPFIND / HTTP/1.1\r\n"), Header::Absent);
        assert_eq!(header(b"\r\nEHLO"), Header::Absent);
    }
}
