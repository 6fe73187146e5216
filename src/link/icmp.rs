//! ICMP errors and the packet that they quote (RFC 792, RFC 4443, RFC 4884).

use crate::model::{Endpoint, IcmpReason, Transport};

use super::{Datagram, Upper, ip};

/// An ICMP error about a conversation: what it says, and from whom to whom the packet went that caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// What it says.
    pub reason: IcmpReason,
    /// Sender of the packet quoted.
    pub source: Endpoint,
    /// Its receiver.
    pub destination: Endpoint,
    /// What it carried.
    pub transport: Transport,
}

/// Octets of an error before the packet that it quotes.
const HEADER: usize = 8;

/// The error in a datagram; `None` when it holds another message, or a quote too short to tell the conversation.
pub fn quote(datagram: &Datagram<'_>) -> Option<Quote> {
    let Upper::Icmp(message) = datagram.upper else {
        return None;
    };
    let (head, quoted) = message.bytes.split_at_checked(HEADER)?;
    let &[kind, code, _, _, a, b, c, d] = head else {
        return None;
    };
    let reason = if datagram.source.is_ipv4() {
        v4(kind, code, u16::from_be_bytes([c, d]))?
    } else {
        v6(kind, code, u32::from_be_bytes([a, b, c, d]))?
    };
    let inner = ip::read(quoted, quoted.len()).ok()?;
    // Only the first fragment has ports.
    if inner.piece.is_some_and(|piece| piece.offset > 0) {
        return None;
    }
    let transport = match inner.number {
        6 => Transport::Tcp,
        17 => Transport::Udp,
        _ => return None,
    };
    let &[from_high, from_low, to_high, to_low] = inner.payload.first_chunk()?;
    Some(Quote {
        reason,
        source: Endpoint {
            ip: inner.source,
            port: u16::from_be_bytes([from_high, from_low]),
        },
        destination: Endpoint {
            ip: inner.destination,
            port: u16::from_be_bytes([to_high, to_low]),
        },
        transport,
    })
}

/// RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1, RFC 1191 for the size.
fn v4(kind: u8, code: u8, mtu: u16) -> Option<IcmpReason> {
    Some(match (kind, code) {
        (3, 0 | 6) => IcmpReason::NetUnreachable,
        (3, 1 | 7) => IcmpReason::HostUnreachable,
        (3, 2) => IcmpReason::ProtocolUnreachable,
        (3, 3) => IcmpReason::PortUnreachable,
        (3, 4) => IcmpReason::TooBig(u32::from(mtu)),
        (3, 9 | 10 | 13) => IcmpReason::Prohibited,
        (11, _) => IcmpReason::TimeExceeded,
        (3 | 4 | 12, _) => IcmpReason::Other(kind, code),
        _ => return None,
    })
}

/// RFC 4443 §3.
fn v6(kind: u8, code: u8, mtu: u32) -> Option<IcmpReason> {
    Some(match (kind, code) {
        (1, 0) => IcmpReason::NetUnreachable,
        (1, 1 | 5 | 6) => IcmpReason::Prohibited,
        (1, 3) => IcmpReason::HostUnreachable,
        (1, 4) => IcmpReason::PortUnreachable,
        (2, _) => IcmpReason::TooBig(mtu),
        (3, _) => IcmpReason::TimeExceeded,
        (1 | 4, _) => IcmpReason::Other(kind, code),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    use super::*;
    use crate::link::{Checksum, IcmpMessage};

    fn error(message: &[u8]) -> Datagram<'_> {
        Datagram {
            source: [192, 0, 2, 1].into(),
            destination: [192, 0, 2, 10].into(),
            ttl: 64,
            station: None,
            id: None,
            authenticated: None,
            upper: Upper::Icmp(IcmpMessage {
                bytes: message,
                checksum: Checksum::Untested,
            }),
        }
    }

    fn prohibited() -> Vec<u8> {
        let mut message = vec![3, 13, 0, 0, 0, 0, 0, 0];
        PacketBuilder::ipv4([192, 0, 2, 10], [198, 51, 100, 25], 64)
            .tcp(40_000, 25, 1, 512)
            .write(&mut message, b"")
            .unwrap();
        message
    }

    #[test]
    fn a_quote_of_eight_octets_behind_the_header_is_enough() {
        let mut message = prohibited();
        message.truncate(8 + 20 + 8);
        let quote = quote(&error(&message)).unwrap();
        assert_eq!(quote.reason, IcmpReason::Prohibited);
        let server: IpAddr = [198, 51, 100, 25].into();
        assert_eq!((quote.destination.ip, quote.destination.port), (server, 25));
        assert_eq!(
            (quote.source.port, quote.transport),
            (40_000, Transport::Tcp)
        );
    }

    #[test]
    fn an_echo_is_no_error_and_a_short_quote_tells_nothing() {
        let mut message = prohibited();
        message[0] = 8;
        assert_eq!(quote(&error(&message)), None);
        assert_eq!(quote(&error(&prohibited()[..30])), None);
    }

    proptest! {
        #[test]
        fn any_octets_are_a_quote_or_none(message in proptest::collection::vec(any::<u8>(), 0..120)) {
            let quoted = quote(&error(&message));
            prop_assert!(quoted.is_none_or(|quote| quote.transport != Transport::Udp || message.len() > 30));
        }
    }
}
