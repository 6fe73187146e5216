//! The session ids of Dovecot (`client_get_session_id` in its source): base64 of the low 48 bits of the microseconds
//! since 1970, the client's port (both little-endian), and the client's address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::LogTime;

/// What a session id tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SessionId {
    /// When the server first had to do with the client, in UTC.
    pub(super) began: LogTime,
    pub(super) peer: IpAddr,
    pub(super) port: u16,
}

/// Period of the 48 bits, in microseconds.
const WRAP: i64 = 1 << 48;

impl SessionId {
    /// Reads an id of a line written at about `near`; `None` when it is of another make (a mailbox process's own, a
    /// proxy's).
    pub(super) fn read(text: &str, near: LogTime) -> Option<Self> {
        let octets = octets(text)?;
        let (micros, rest) = octets.split_first_chunk::<6>()?;
        let (&port, address) = rest.split_first_chunk()?;
        let peer = match *address {
            [a, b, c, d] => IpAddr::from(Ipv4Addr::new(a, b, c, d)),
            _ => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?)),
        };
        let low = micros
            .iter()
            .rev()
            .fold(0, |low, &octet| low << 8 | i64::from(octet));
        let wraps = (near.0 / 1000 - low + WRAP / 2).div_euclid(WRAP);
        let micros = low.checked_add(wraps.checked_mul(WRAP)?)?;
        Some(Self {
            began: LogTime(micros.checked_mul(1000)?),
            peer,
            port: u16::from_le_bytes(port),
        })
    }
}

/// Base64 without padding.
fn octets(text: &str) -> Option<Vec<u8>> {
    if ![16, 32].contains(&text.len()) {
        return None;
    }
    let mut octets = Vec::with_capacity(24);
    for four in text.as_bytes().chunks(4) {
        let mut bits = 0u32;
        for &digit in four {
            bits = bits << 6 | u32::from(value(digit)?);
        }
        octets.extend(bits.to_be_bytes().into_iter().skip(1));
    }
    Some(octets)
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NEAR: LogTime = LogTime::new(1_795_491_820, 0);

    #[test]
    fn an_id_tells_port_address_and_moment() {
        let read = |text: &str| SessionId::read(text, NEAR).unwrap();
        let id = read("N20qhP1gybjAAAIK");
        assert_eq!((id.port, id.peer), (47305, "192.0.2.10".parse().unwrap()));
        assert_eq!(id.began, LogTime::new(1_795_491_820, 629_303_000));
        let id = read("OAQrhP1gna8gAQ24AAAAAAAAAAAAAAAx");
        assert_eq!((id.port, id.peer), (44957, "2001:db8::31".parse().unwrap()));
        assert_eq!(id.began, LogTime::new(1_795_491_820, 667_960_000));
    }

    #[test]
    fn other_ids_tell_nothing() {
        for text in [
            "",
            "N20qhP1gybjAAAIK:1",
            "N20qhP1gybjAAAI=",
            "N20qhP1gybjAAAIKAAAA",
        ] {
            assert_eq!(SessionId::read(text, NEAR), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_id_or_none(text in "[A-Za-z0-9+/]{16}", near in any::<i64>()) {
            if let Some(id) = SessionId::read(&text, LogTime(near)) {
                prop_assert!((id.began.0 / 1000).abs_diff(near / 1000) <= 1 << 47);
            }
        }
    }
}
