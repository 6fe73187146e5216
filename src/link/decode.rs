//! From a captured packet to the datagram in it.

use crate::capture::Record;
use crate::model::{Nanos, Station};

use super::fragments::Fragments;
use super::frame::{Ends, Under, descend, pppoe};
use super::ip::{self, IpPacket};
use super::outermost::outermost;
use super::{Datagram, EspCarrier, Passed, Spi, UdpDatagram, Upper, transport, tunnel, wireless};

/// Headers followed in one packet.
const DEPTH: usize = 16;
/// Encapsulating security payload (IANA protocol numbers).
const ESP: u8 = 50;
/// IP headers inside each other.
const TUNNELS: usize = 8;

/// Reads packets' headers; remembers fragments and nothing else.
#[derive(Debug, Default)]
pub struct LinkDecoder {
    fragments: Fragments,
    /// The payload of the datagram put together last.
    whole: Vec<u8>,
    subframes: usize,
}

/// How far one packet could be read.
///
/// It is given on as it is and not taken apart on its way: so many octets take their time to move.
enum Reached<'p> {
    Datagram(Datagram<'p>),
    Fragment(IpPacket<'p>, ip::Piece),
    /// To be followed further down.
    Tunnel(Under<'p>),
}

impl LinkDecoder {
    /// The datagram in a packet, the innermost where tunnels nest.
    ///
    /// # Errors
    /// Why there is none; to be counted.
    pub fn decode<'p>(
        &'p mut self,
        record: &Record,
        bytes: &'p [u8],
    ) -> Result<Datagram<'p>, Passed> {
        self.decode_nth(record, bytes, 0)
    }

    /// How many datagrams the packet decoded last may hold: more than one where a frame of 802.11 holds several.
    pub const fn subframes(&self) -> usize {
        self.subframes
    }

    /// The datagram number `n` of a packet, the first of which is 0.
    ///
    /// # Errors
    /// As for [`Self::decode`].
    pub fn decode_nth<'p>(
        &'p mut self,
        record: &Record,
        bytes: &'p [u8],
        n: usize,
    ) -> Result<Datagram<'p>, Passed> {
        let on_wire = usize::try_from(record.length).unwrap_or(usize::MAX);
        let beyond = on_wire.saturating_sub(bytes.len());
        if n == 0 {
            self.subframes = 1;
        }
        let mut wanted = Wanted {
            n,
            of: &mut self.subframes,
            tunnelled: false,
        };
        let outermost = outermost(record.link_type, bytes)?;
        match read(outermost, (Ends::WithPacket, beyond), &mut wanted)? {
            Reached::Datagram(mut datagram) => {
                datagram.station = station(outermost).filter(|_| !wanted.tunnelled);
                Ok(datagram)
            }
            Reached::Fragment(packet, piece) => self.complete(record.time, packet, piece),
            Reached::Tunnel(_) => Err(Passed::NestedTooDeep),
        }
    }

    /// Datagrams of which some fragments never came.
    pub fn unfinished(&self) -> u64 {
        self.fragments.unfinished()
    }

    /// Fragments that overlap others with different octets.
    pub const fn conflicting(&self) -> u64 {
        self.fragments.conflicting()
    }

    fn complete(
        &mut self,
        at: Nanos,
        packet: IpPacket<'_>,
        piece: ip::Piece,
    ) -> Result<Datagram<'_>, Passed> {
        let Self {
            fragments, whole, ..
        } = self;
        let mut head = packet.head();
        *whole = fragments.add(at, &packet, piece)?;
        // A tunnel may carry fragments in datagrams that were fragmented again on its way.
        for _ in 0..TUNNELS {
            let inner = match inside(head, whole)? {
                Reached::Datagram(_) | Reached::Tunnel(_) => break,
                Reached::Fragment(packet, piece) => {
                    head = packet.head();
                    fragments.add(at, &packet, piece)?
                }
            };
            *whole = inner;
        }
        match inside(head, whole)? {
            Reached::Datagram(datagram) => Ok(datagram),
            Reached::Fragment(..) | Reached::Tunnel(_) => Err(Passed::NestedTooDeep),
        }
    }
}

/// What lies in the payload `whole` of a datagram put together.
fn inside<'w>(head: IpPacket<'static>, whole: &'w [u8]) -> Result<Reached<'w>, Passed> {
    let packet = IpPacket {
        payload: whole,
        length: whole.len(),
        piece: None,
        ..head
    };
    match carried(&packet, 0) {
        Ok(Reached::Tunnel(under)) => {
            let first = &mut Wanted {
                n: 0,
                of: &mut 1,
                tunnelled: true,
            };
            read(under, (Ends::in_tunnel(under), 0), first)
        }
        reached => reached,
    }
}

/// Which of several packets in one frame is wanted, and where to say how many there are.
struct Wanted<'s> {
    n: usize,
    of: &'s mut usize,
    /// Whether it lies in another datagram.
    tunnelled: bool,
}

/// Follows headers down; `beyond` octets of the packet were not captured.
fn read<'p>(
    mut under: Under<'p>,
    (mut ends, mut beyond): (Ends, usize),
    wanted: &mut Wanted<'_>,
) -> Result<Reached<'p>, Passed> {
    let mut tunnels = 0;
    for _ in 0..DEPTH {
        let bytes = match under {
            Under::Ip(bytes) => bytes,
            Under::Several(frames) => {
                *wanted.of = wireless::subframes(frames).max(1);
                under = Under::LogicalLink(wireless::subframe(frames, wanted.n)?);
                continue;
            }
            Under::Pppoe(packet) => {
                let frame;
                (frame, ends) = pppoe(packet)?;
                under = Under::Ppp(frame);
                continue;
            }
            other => {
                under = descend(other)?;
                continue;
            }
        };
        let mut read = match ends {
            Ends::Here => ip::read(bytes, bytes.len()),
            Ends::WithCarrier | Ends::WithPacket => ip::read(bytes, bytes.len() + beyond),
        };
        let packet = read.as_mut().map_err(|passed| *passed)?;
        let missing = packet.length.saturating_sub(packet.payload.len());
        match ends {
            Ends::Here => packet.length = packet.length.min(packet.payload.len()),
            Ends::WithCarrier if missing > beyond => return Err(Passed::Malformed),
            Ends::WithCarrier | Ends::WithPacket => {}
        }
        if let Some(piece) = packet.piece {
            return Ok(Reached::Fragment(*packet, piece));
        }
        under = match carried(packet, tunnels) {
            Ok(Reached::Tunnel(under)) => under,
            reached => return reached,
        };
        if ends != Ends::Here {
            (ends, beyond) = (Ends::in_tunnel(under), missing);
        }
        tunnels += 1;
        wanted.tunnelled = true;
    }
    Err(Passed::NestedTooDeep)
}

fn carried<'p>(packet: &IpPacket<'p>, tunnels: usize) -> Result<Reached<'p>, Passed> {
    if let Some(inner) = tunnel::in_ip(packet.number, packet.payload) {
        return deeper(inner?, tunnels);
    }
    let length = u32::try_from(packet.length).unwrap_or(u32::MAX);
    let upper = match packet.number {
        ESP => esp(packet.payload, length, EspCarrier::Ip)?,
        1 | 58 => Upper::Icmp(transport::icmp(
            packet.source,
            packet.destination,
            packet.number,
            packet.payload,
            packet.length,
        )),
        6 => Upper::Tcp(transport::segment(
            packet.source,
            packet.destination,
            packet.payload,
            packet.length,
        )?),
        17 => {
            let udp = transport::udp(
                packet.source,
                packet.destination,
                packet.payload,
                packet.length,
            )?;
            if let Some(inner) = tunnel::in_udp(&udp) {
                return deeper(inner, tunnels);
            }
            if carries_esp(&udp) {
                esp(udp.payload, udp.length, EspCarrier::Udp)?
            } else {
                Upper::Udp(udp)
            }
        }
        number => Upper::Other { number, length },
    };
    Ok(Reached::Datagram(Datagram {
        source: packet.source,
        destination: packet.destination,
        ttl: packet.ttl,
        station: None,
        id: packet.id,
        authenticated: packet.authenticated,
        upper,
    }))
}

/// The sender of an Ethernet frame: six octets behind those of the receiver (IEEE 802.3 §3.1).
fn station(outermost: Under<'_>) -> Option<Station> {
    let Under::Ethernet(frame) = outermost else {
        return None;
    };
    Some(Station(*frame.get(6..)?.first_chunk()?))
}

/// RFC 4303 §2: the number of the association, then that of the packet.
fn esp<'p>(payload: &[u8], length: u32, carrier: EspCarrier) -> Result<Upper<'p>, Passed> {
    let spi = *payload.first_chunk().ok_or(Passed::Truncated)?;
    Ok(Upper::Esp {
        spi: Spi(u32::from_be_bytes(spi)),
        length,
        carrier,
    })
}

/// RFC 3948 §2: on the port of NAT traversal, what begins with four zeros is IKE, one octet of ones is a
/// keep-alive, and all else is ESP.
fn carries_esp(udp: &UdpDatagram<'_>) -> bool {
    const NAT_TRAVERSAL: u16 = 4500;
    const SHORTEST: u32 = 8;
    let here = udp.source_port == NAT_TRAVERSAL || udp.destination_port == NAT_TRAVERSAL;
    here && udp.length >= SHORTEST && !udp.payload.starts_with(&[0; 4])
}

fn deeper(under: Under<'_>, tunnels: usize) -> Result<Reached<'_>, Passed> {
    if tunnels >= TUNNELS {
        return Err(Passed::NestedTooDeep);
    }
    Ok(Reached::Tunnel(under))
}

#[cfg(test)]
mod tests;
