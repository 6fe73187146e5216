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
            etherparse::Ipv4Header::new(0, 64, etherparse::IpNumber::IPV4, [1; 4], [2; 4]).unwrap();
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
