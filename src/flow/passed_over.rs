//! What passes and is not read: counted by its ends, so that nothing is left out in silence.

use std::net::IpAddr;

use hashbrown::HashMap;

use crate::link::{Checksum, Datagram, EspCarrier, UdpDatagram, Upper};
use crate::model::{Amount, Nanos, PacketNo, PassedOver, Unread};

/// Pairs of ends told of; what more there are is counted together.
const MAX_KNOWN: usize = 10_000;

/// What was passed over.
#[derive(Debug, Default)]
pub struct PassedOverTable {
    known: HashMap<Key, PassedOver, foldhash::fast::RandomState>,
    beyond: Amount,
}

/// An end, with its port where there is one.
type End = (IpAddr, Option<u16>);

/// Associations are told apart by direction and number, all else by its ends and kind of transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    one: End,
    other: End,
    kind: Unread,
}

impl PassedOverTable {
    /// Notes the association that vouches for a datagram, if there is one.
    pub fn authenticated(&mut self, at: Nanos, packet: PacketNo, datagram: &Datagram<'_>) {
        if let Some(spi) = datagram.authenticated {
            let ends = [(datagram.source, None), (datagram.destination, None)];
            let octets = match datagram.upper {
                Upper::Esp { length, .. } | Upper::Other { length, .. } => length,
                Upper::Tcp(segment) => segment.length,
                Upper::Udp(udp) => udp.length,
                Upper::Icmp(message) => u32::try_from(message.bytes.len()).unwrap_or(u32::MAX),
            };
            self.count(
                Unread::Ah(spi.0),
                ends,
                octets,
                (at, packet),
                Checksum::Untested,
            );
        }
    }

    /// Counts a datagram that nobody reads; TCP is never among them.
    pub fn push(&mut self, at: Nanos, packet: PacketNo, datagram: &Datagram<'_>) {
        let mut ends = [(datagram.source, None), (datagram.destination, None)];
        let mut checksum = Checksum::Untested;
        let (what, octets) = match datagram.upper {
            Upper::Tcp(_) => return,
            Upper::Esp {
                spi,
                length,
                carrier,
            } => match carrier {
                EspCarrier::Ip => (Unread::Esp(spi.0), length),
                EspCarrier::Udp => (Unread::EspInUdp(spi.0), length),
            },
            Upper::Icmp(message) => {
                checksum = message.checksum;
                let octets = u32::try_from(message.bytes.len()).unwrap_or(u32::MAX);
                (Unread::Icmp, octets)
            }
            Upper::Other { number, length } => (Unread::IpProtocol(number), length),
            Upper::Udp(udp) => {
                ends[0].1 = Some(udp.source_port);
                ends[1].1 = Some(udp.destination_port);
                checksum = udp.checksum;
                (kind(&udp), udp.length)
            }
        };
        self.count(what, ends, octets, (at, packet), checksum);
    }

    /// All of it in the order of first packets, and what was beyond the bound.
    pub fn finish(self) -> (Vec<PassedOver>, Amount) {
        let mut all: Vec<PassedOver> = self.known.into_values().collect();
        all.sort_by_key(|passed| (passed.first_packet, passed.what, passed.source));
        (all, self.beyond)
    }

    fn count(
        &mut self,
        what: Unread,
        ends: [End; 2],
        octets: u32,
        when: (Nanos, PacketNo),
        checksum: Checksum,
    ) {
        let [source, destination] = ends;
        let directed = what.spi().is_some();
        let (one, other) = if directed || source <= destination {
            (source, destination)
        } else {
            (destination, source)
        };
        let kind = match what {
            Unread::Dtls | Unread::Ike | Unread::Quic | Unread::WireGuard => Unread::Udp,
            other => other,
        };
        let key = Key { one, other, kind };
        let full = self.known.len() >= MAX_KNOWN;
        let known = match self.known.entry(key) {
            hashbrown::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            hashbrown::hash_map::Entry::Vacant(_) if full => {
                self.beyond.add(octets);
                return;
            }
            hashbrown::hash_map::Entry::Vacant(entry) => entry.insert(PassedOver {
                what,
                source,
                destination,
                sent: Amount::default(),
                back: Amount::default(),
                first: when.0,
                last: when.0,
                first_packet: when.1,
                bad_checksums: 0,
            }),
        };
        // Once one packet has told what it is, all of them are.
        if known.what == Unread::Udp {
            known.what = what;
        }
        known.bad_checksums += u64::from(checksum == Checksum::Bad);
        known.first = known.first.min(when.0);
        known.last = known.last.max(when.0);
        if known.source == source {
            known.sent.add(octets);
        } else {
            known.back.add(octets);
        }
    }
}

/// What a datagram over UDP is, by marks that others do not have by chance.
fn kind(udp: &UdpDatagram<'_>) -> Unread {
    let either = |port| udp.source_port == port || udp.destination_port == port;
    let length = udp.length;
    match udp.payload {
        _ if either(500) => Unread::Ike,
        [0, 0, 0, 0, ..] | [0xff] if either(4500) => Unread::Ike,
        // The two messages of its handshake have one size each.
        [1, 0, 0, 0, ..] if length == 148 => Unread::WireGuard,
        [2, 0, 0, 0, ..] if length == 92 => Unread::WireGuard,
        // A long header of version 1 or 2 (RFC 9000 §17.2, RFC 9369).
        [first, 0, 0, 0, 1, ..] | [first, 0x6b, 0x33, 0x43, 0xcf, ..] if first & 0xc0 == 0xc0 => {
            Unread::Quic
        }
        // A handshake record of 1.0 or 1.2 (1.3 begins so too).
        [22, 0xfe, 0xff | 0xfd, 0, 0, ..] => Unread::Dtls,
        _ => Unread::Udp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Spi;

    fn datagram(upper: Upper<'_>, back: bool) -> Datagram<'_> {
        let (one, other) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let (source, destination) = if back { (other, one) } else { (one, other) };
        Datagram {
            source,
            destination,
            ttl: 64,
            station: None,
            id: None,
            authenticated: None,
            upper,
        }
    }

    fn udp(payload: &[u8], back: bool) -> Upper<'_> {
        let (source_port, destination_port) = if back { (51_820, 9) } else { (9, 51_820) };
        Upper::Udp(UdpDatagram {
            source_port,
            destination_port,
            payload,
            length: u32::try_from(payload.len()).unwrap(),
            checksum: Checksum::Bad,
        })
    }

    fn told(uppers: &[(Upper<'_>, bool)]) -> Vec<PassedOver> {
        let mut table = PassedOverTable::default();
        for (n, (upper, back)) in (1..).zip(uppers) {
            table.push(
                Nanos(i64::try_from(n).unwrap()),
                PacketNo(n),
                &datagram(*upper, *back),
            );
        }
        table.finish().0
    }

    #[test]
    fn an_association_is_one_direction_and_one_number() {
        let esp = |spi| Upper::Esp {
            spi: Spi(spi),
            length: 100,
            carrier: EspCarrier::Ip,
        };
        let told = told(&[
            (esp(7), false),
            (esp(7), false),
            (esp(7), true),
            (esp(8), false),
        ]);
        let packets: Vec<u64> = told.iter().map(|passed| passed.sent.packets).collect();
        assert_eq!(packets, [2, 1, 1]);
        assert_eq!(
            (told[0].what, told[0].sent.octets, told[0].last),
            (Unread::Esp(7), 200, Nanos(2))
        );
    }

    #[test]
    fn udp_has_two_directions_and_is_named_by_any_of_its_packets() {
        let mut hello = [0; 148];
        hello[0] = 1;
        let told = told(&[
            (udp(b"early", false), false),
            (udp(&hello, true), true),
            (udp(b"data", false), false),
        ]);
        assert_eq!((told.len(), told[0].what), (1, Unread::WireGuard));
        assert_eq!((told[0].sent.packets, told[0].back.octets), (2, 148));
        assert_eq!(told[0].bad_checksums, 3);
    }

    #[test]
    fn what_is_beyond_the_bound_is_counted_together() {
        let mut table = PassedOverTable::default();
        for n in 0..=u32::try_from(MAX_KNOWN).unwrap() {
            let upper = Upper::Esp {
                spi: Spi(n),
                length: 10,
                carrier: EspCarrier::Udp,
            };
            table.push(Nanos(0), PacketNo(1), &datagram(upper, false));
        }
        let (known, beyond) = table.finish();
        assert_eq!(
            (known.len(), beyond.packets, beyond.octets),
            (MAX_KNOWN, 1, 10)
        );
    }
}
