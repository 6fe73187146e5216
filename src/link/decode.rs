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
mod tests {
    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    use super::*;
    use crate::capture::LinkType;

    fn record(link_type: LinkType, length: usize) -> Record {
        Record {
            time: Nanos(0),
            link_type,
            length: u32::try_from(length).unwrap(),
            interface: 0,
            at: 0,
            process: None,
        }
    }

    fn sent(payload: &[u8]) -> Vec<u8> {
        let builder = PacketBuilder::ethernet2([1; 6], [2; 6])
            .ipv4([192, 0, 2, 10], [198, 51, 100, 25], 64)
            .tcp(40_000, 25, 1, 512);
        let mut packet = Vec::new();
        builder.write(&mut packet, payload).unwrap();
        packet
    }

    fn payload_of(packet: &[u8], length: usize) -> Result<Vec<u8>, Passed> {
        let mut decoder = LinkDecoder::default();
        let datagram = decoder.decode(&record(LinkType::ETHERNET, length), packet)?;
        match datagram.upper {
            Upper::Tcp(segment) => Ok(segment.payload.to_vec()),
            other => panic!("no TCP: {other:?}"),
        }
    }

    #[test]
    fn the_station_is_told_of_a_datagram_right_in_its_frame() {
        let told = |packet: &[u8], link_type| {
            let mut decoder = LinkDecoder::default();
            let record = record(link_type, packet.len());
            decoder.decode(&record, packet).unwrap().station
        };
        let plain = sent(b"ok");
        let sender = Some(Station([1; 6]));
        assert_eq!(told(&plain, LinkType::ETHERNET), sender);
        assert_eq!(told(&plain[14..], LinkType::RAW), None);
        // Whoever made the tunnel did not make what it carries.
        let mut tunnelled = plain[..14].to_vec();
        let inner = &plain[14..];
        let number = etherparse::IpNumber::IPV4;
        let length = u16::try_from(inner.len()).unwrap();
        let outer = etherparse::Ipv4Header::new(length, 64, number, [1; 4], [2; 4]);
        outer.unwrap().write(&mut tunnelled).unwrap();
        tunnelled.extend_from_slice(inner);
        assert_eq!(told(&tunnelled, LinkType::ETHERNET), None);
    }

    #[test]
    fn padding_of_a_short_frame_is_no_data() {
        let mut packet = sent(b"");
        packet.resize(60, 0xee);
        assert_eq!(payload_of(&packet, 60).unwrap(), b"");
    }

    /// A router that took the padding for data: its IP header counts it, the header of `PPPoE` does not.
    #[test]
    fn padding_behind_a_session_of_pppoe_is_no_data() {
        let ip = &sent(b"ok")[14..];
        let framed = |ip: &[u8], beside: usize| {
            let length = u16::try_from(ip.len() + 2 - beside).unwrap().to_be_bytes();
            let session = [&[0x88, 0x64, 0x11, 0, 0, 7][..], &length, &[0, 0x21], ip];
            [&[0; 12][..], &session.concat()].concat()
        };
        let plain = framed(ip, 0);
        assert_eq!(payload_of(&plain, plain.len()).unwrap(), b"ok");
        let cut = &plain[..plain.len() - 1];
        assert_eq!(payload_of(cut, plain.len()).unwrap(), b"o");
        let mut padded = [ip, &[0; 6]].concat();
        padded[3] += 6;
        let padded = framed(&padded, 6);
        let mut decoder = LinkDecoder::default();
        let record = record(LinkType::ETHERNET, padded.len());
        match decoder.decode(&record, &padded).unwrap().upper {
            Upper::Tcp(segment) => assert_eq!((segment.payload, segment.length), (&b"ok"[..], 2)),
            other => panic!("no TCP: {other:?}"),
        }
    }

    #[test]
    fn a_length_left_zero_by_offload_is_taken_from_the_capture() {
        let mut packet = sent(b"MAIL FROM:<a@b>\r\n");
        packet[16..18].fill(0);
        assert_eq!(
            payload_of(&packet, packet.len()).unwrap(),
            b"MAIL FROM:<a@b>\r\n"
        );
    }

    #[test]
    fn ip_in_ip_without_end_is_given_up() {
        let mut packet = Vec::new();
        for _ in 0..12 {
            let mut header =
                etherparse::Ipv4Header::new(0, 64, etherparse::IpNumber::IPV4, [1; 4], [2; 4])
                    .unwrap();
            header.total_len = 0;
            header.write(&mut packet).unwrap();
        }
        let mut decoder = LinkDecoder::default();
        let length = packet.len();
        assert_eq!(
            decoder
                .decode(&record(LinkType::RAW, length), &packet)
                .unwrap_err(),
            Passed::NestedTooDeep
        );
    }

    /// A snap length cuts the carrier too: what is longer than that was never whole.
    #[test]
    fn a_packet_that_claims_more_than_its_carrier_has_is_malformed() {
        let inner = &sent(b"MAIL FROM:<a@b>\r\n")[14..];
        let carried = |inner: &[u8]| {
            let length = u16::try_from(inner.len()).unwrap().to_be_bytes();
            let user_packet = [&[0x30, 255][..], &length, &[0; 4], inner].concat();
            let mut packet = Vec::new();
            PacketBuilder::ethernet2([1; 6], [2; 6])
                .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
                .udp(2152, 2152)
                .write(&mut packet, &user_packet)
                .unwrap();
            packet
        };
        let whole = carried(inner);
        let data = b"MAIL FROM:<a@b>\r\n";
        assert_eq!(payload_of(&whole, whole.len()).unwrap(), data);
        let cut = &whole[..whole.len() - 5];
        assert_eq!(payload_of(cut, whole.len()).unwrap(), data[..12]);
        let longer = carried(&inner[..inner.len() - 5]);
        for captured in [longer.len(), longer.len() - 3] {
            let read = payload_of(&longer[..captured], longer.len());
            assert_eq!(read.unwrap_err(), Passed::Malformed, "{captured}");
        }
    }

    #[test]
    fn a_datagram_in_fragments_is_whole_at_the_last() {
        let mut udp = Vec::new();
        PacketBuilder::ipv4([192, 0, 2, 10], [198, 51, 100, 53], 64)
            .udp(5353, 53)
            .write(&mut udp, &[7; 100])
            .unwrap();
        let cut = |from: usize, to: usize, more: u8| {
            let mut piece = udp[..20].to_vec();
            let length = u16::try_from(20 + to - from).unwrap();
            piece[2..4].copy_from_slice(&length.to_be_bytes());
            piece[6] = more << 5;
            piece[7] = u8::try_from(from / 8).unwrap();
            piece.extend(&udp[20 + from..20 + to]);
            piece
        };
        let mut decoder = LinkDecoder::default();
        let (first, last) = (cut(0, 64, 1), cut(64, 108, 0));
        let kept = decoder.decode(&record(LinkType::RAW, last.len()), &last);
        assert_eq!(kept.unwrap_err(), Passed::FragmentKept);
        let whole = decoder
            .decode(&record(LinkType::RAW, first.len()), &first)
            .unwrap();
        match whole.upper {
            Upper::Udp(udp) => assert_eq!(udp.payload, [7; 100]),
            other => panic!("no UDP: {other:?}"),
        }
    }

    proptest! {
        #[test]
        fn any_bytes_on_any_link_are_read_or_passed(
            link in prop::sample::select(vec![0u16, 1, 9, 12, 101, 108, 113, 276]),
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut decoder = LinkDecoder::default();
            let answer = decoder.decode(&record(LinkType(link), bytes.len()), &bytes);
            let unknown = matches!(answer, Err(Passed::UnknownLinkType));
            prop_assert!(!unknown, "a listed link type");
        }

        #[test]
        fn a_packet_cut_anywhere_is_read_or_said_to_be_cut(cut in 0usize..71) {
            let packet = sent(b"MAIL FROM:<a@b>\r\n");
            match payload_of(&packet[..cut], packet.len()) {
                Ok(payload) => prop_assert_eq!(&payload[..], packet.get(54..cut).unwrap_or_default()),
                Err(passed) => prop_assert_eq!(passed, Passed::Truncated),
            }
        }
    }
}
