//! TCP and UDP headers (RFC 9293, RFC 768) out of the payload of an IP datagram.

use std::net::IpAddr;

use etherparse::err::tcp::HeaderSliceError;
use etherparse::{TcpOptionElement, TcpOptionsIterator, TcpSlice, UdpHeaderSlice};

use super::checksum;
use super::{Checksum, Flags, IcmpMessage, Passed, Segment, SeqNo, TcpOptions, UdpDatagram};

/// Protocol numbers (IANA).
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Reads a TCP segment from `captured`, the payload of a datagram from `source` to `destination`.
///
/// `length` is how many octets that payload had on the wire, as the IP header says.
///
/// # Errors
/// [`Passed::Truncated`] when the fixed part of the header was not captured whole, [`Passed::Malformed`] when it
/// contradicts itself.
pub(super) fn segment(
    source: IpAddr,
    destination: IpAddr,
    captured: &[u8],
    length: usize,
) -> Result<Segment<'_>, Passed> {
    let tcp = match TcpSlice::from_slice(captured) {
        Ok(tcp) => tcp,
        Err(HeaderSliceError::Len(_)) if captured.len() < length => {
            return cut_in_options(captured, length);
        }
        Err(_) => return Err(Passed::Malformed),
    };
    let header = tcp.header_slice();
    let on_wire = length.checked_sub(header.len()).ok_or(Passed::Malformed)?;
    let payload = tcp.payload().get(..on_wire).unwrap_or(tcp.payload());
    let whole = Some(tcp.slice()).filter(|whole| whole.len() == length);
    Ok(Segment {
        source_port: tcp.source_port(),
        destination_port: tcp.destination_port(),
        seq: SeqNo(tcp.sequence_number()),
        ack: SeqNo(tcp.acknowledgment_number()),
        flags: Flags(header.get(13).copied().unwrap_or(0)),
        window: tcp.window_size(),
        urgent: tcp.urgent_pointer(),
        options: options(tcp.options()),
        payload,
        length: u32::try_from(on_wire).map_err(|_| Passed::Malformed)?,
        checksum: tested(source, destination, TCP, whole),
    })
}

/// A segment of which the fixed part of the header was captured and not all of the options, as old snap lengths leave a SYN: what is
/// needed to follow its connection is there.
fn cut_in_options(captured: &[u8], length: usize) -> Result<Segment<'_>, Passed> {
    let (fixed, rest) = captured.split_first_chunk().ok_or(Passed::Truncated)?;
    let [
        s0,
        s1,
        d0,
        d1,
        n0,
        n1,
        n2,
        n3,
        a0,
        a1,
        a2,
        a3,
        offset,
        flags,
        w0,
        w1,
        _,
        _,
        u0,
        u1,
    ] = *fixed;
    let header = usize::from(offset >> 4) * 4;
    let on_wire = length.checked_sub(header).ok_or(Passed::Malformed)?;
    Ok(Segment {
        source_port: u16::from_be_bytes([s0, s1]),
        destination_port: u16::from_be_bytes([d0, d1]),
        seq: SeqNo(u32::from_be_bytes([n0, n1, n2, n3])),
        ack: SeqNo(u32::from_be_bytes([a0, a1, a2, a3])),
        flags: Flags(flags),
        window: u16::from_be_bytes([w0, w1]),
        urgent: u16::from_be_bytes([u0, u1]),
        options: options(rest),
        payload: &[],
        length: u32::try_from(on_wire).map_err(|_| Passed::Malformed)?,
        checksum: Checksum::Untested,
    })
}

/// Reads a UDP datagram from `captured`; `length` as for [`segment`].
pub(super) fn udp(
    source: IpAddr,
    destination: IpAddr,
    captured: &[u8],
    length: usize,
) -> Result<UdpDatagram<'_>, Passed> {
    let header = UdpHeaderSlice::from_slice(captured).map_err(|_| Passed::Truncated)?;
    let rest = captured.get(header.slice().len()..).unwrap_or_default();
    // Zero means: as long as the packet (RFC 2675, and offload).
    let claimed = match usize::from(header.length()) {
        0 => length,
        claimed => claimed,
    };
    let on_wire = claimed.min(length).saturating_sub(header.slice().len());
    Ok(UdpDatagram {
        source_port: header.source_port(),
        destination_port: header.destination_port(),
        payload: rest.get(..on_wire).unwrap_or(rest),
        length: u32::try_from(on_wire).unwrap_or(u32::MAX),
        checksum: match (header.checksum(), source) {
            // None was made (RFC 768); over IPv6 that is not allowed (RFC 8200 §8.1).
            (0, IpAddr::V4(_)) => Checksum::Untested,
            (0, IpAddr::V6(_)) => Checksum::Bad,
            _ => tested(
                source,
                destination,
                UDP,
                captured.get(..claimed.min(length)),
            ),
        },
    })
}

/// Reads a message of ICMP, or with another protocol `number` of `ICMPv6`, from `captured`; `length` as for [`segment`].
pub(super) fn icmp(
    source: IpAddr,
    destination: IpAddr,
    number: u8,
    captured: &[u8],
    length: usize,
) -> IcmpMessage<'_> {
    let whole = captured.get(..length);
    let checksum = match whole {
        Some(whole) if number == ICMP && checksum::is_right_alone(whole) => Checksum::Good,
        Some(_) if number == ICMP => Checksum::Bad,
        _ => tested(source, destination, number, whole),
    };
    IcmpMessage {
        bytes: captured,
        checksum,
    }
}

/// The options that matter; what follows a damaged one, or one that is cut, is not read.
fn options(bytes: &[u8]) -> TcpOptions {
    let mut options = TcpOptions::default();
    // Of nearly all segments, padded and in this order (RFC 7323, appendix A).
    if let [1, 1, 8, 10, v0, v1, v2, v3, e0, e1, e2, e3] = *bytes {
        let number = u32::from_be_bytes;
        options.timestamps = Some((number([v0, v1, v2, v3]), number([e0, e1, e2, e3])));
        return options;
    }
    let all = TcpOptionsIterator::from_slice(bytes);
    for option in all.map_while(Result::ok) {
        match option {
            TcpOptionElement::MaximumSegmentSize(mss) => options.mss = Some(mss),
            TcpOptionElement::WindowScale(shift) => options.window_scale = Some(shift),
            TcpOptionElement::Timestamp(value, echo) => options.timestamps = Some((value, echo)),
            _ => {}
        }
    }
    options
}

/// Tests the checksum of what was captured `whole`.
fn tested(source: IpAddr, destination: IpAddr, number: u8, whole: Option<&[u8]>) -> Checksum {
    match whole.and_then(|whole| checksum::is_right(source, destination, number, whole)) {
        Some(true) => Checksum::Good,
        Some(false) => Checksum::Bad,
        None => Checksum::Untested,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use etherparse::{TcpHeader, TcpOptionElement::*};
    use proptest::prelude::*;

    use super::*;

    const FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));
    const TO: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 25));

    /// A segment from port 40000 to 25 with the options of a SYN and a right checksum.
    fn sent(data: &[u8]) -> Vec<u8> {
        let mut header = TcpHeader::new(40_000, 25, 0xffff_fffe, 512);
        header.acknowledgment_number = 7;
        header.ack = true;
        header.psh = true;
        header
            .set_options(&[MaximumSegmentSize(1460), WindowScale(7), Timestamp(1, 2)])
            .unwrap();
        header.checksum = header
            .calc_checksum_ipv4_raw([192, 0, 2, 10], [198, 51, 100, 25], data)
            .unwrap();
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend(data);
        bytes
    }

    #[test]
    fn a_whole_segment_is_read_and_its_checksum_tested() {
        let bytes = sent(b"EHLO x\r\n");
        let segment = segment(FROM, TO, &bytes, bytes.len()).unwrap();
        assert_eq!(
            (segment.source_port, segment.destination_port),
            (40_000, 25)
        );
        assert_eq!((segment.seq, segment.ack), (SeqNo(0xffff_fffe), SeqNo(7)));
        assert!(
            segment.flags.has(Flags::ACK)
                && segment.flags.has(Flags::PSH)
                && !segment.flags.has(Flags::SYN)
        );
        assert_eq!(
            segment.options,
            TcpOptions {
                timestamps: Some((1, 2)),
                window_scale: Some(7),
                mss: Some(1460)
            }
        );
        assert_eq!((segment.payload, segment.length), (&b"EHLO x\r\n"[..], 8));
        assert_eq!(segment.checksum, Checksum::Good);
    }

    #[test]
    fn a_changed_byte_is_a_bad_checksum_and_still_read() {
        let mut bytes = sent(b"EHLO x\r\n");
        *bytes.last_mut().unwrap() ^= 1;
        let segment = segment(FROM, TO, &bytes, bytes.len()).unwrap();
        assert_eq!((segment.checksum, segment.length), (Checksum::Bad, 8));
    }

    #[test]
    fn a_snap_length_leaves_the_length_on_the_wire() {
        let bytes = sent(b"EHLO x\r\n");
        let whole = bytes.len();
        let short = segment(FROM, TO, &bytes[..whole - 5], whole).unwrap();
        assert_eq!(
            (short.payload, short.length, short.checksum),
            (&b"EHL"[..], 8, Checksum::Untested)
        );
        assert_eq!(
            segment(FROM, TO, &bytes[..19], whole).unwrap_err(),
            Passed::Truncated
        );
    }

    #[test]
    fn a_snap_length_within_the_options_leaves_what_is_before_it() {
        let bytes = sent(b"EHLO x\r\n");
        let whole = segment(FROM, TO, &bytes, bytes.len()).unwrap();
        // The maximum segment size takes four octets, the scale of the window three.
        for (kept, scale) in [(24, None), (26, None), (27, Some(7)), (30, Some(7))] {
            let cut = segment(FROM, TO, &bytes[..kept], bytes.len()).unwrap();
            let expected = TcpOptions {
                window_scale: scale,
                timestamps: None,
                ..whole.options
            };
            assert_eq!(cut.options, expected, "{kept}");
            assert_eq!((cut.source_port, cut.destination_port), (40_000, 25));
            assert_eq!(
                (cut.seq, cut.ack, cut.flags),
                (whole.seq, whole.ack, whole.flags)
            );
            assert_eq!((cut.window, cut.urgent, cut.length), (512, 0, 8));
            assert_eq!((cut.payload, cut.checksum), (&[][..], Checksum::Untested));
        }
    }

    #[test]
    fn a_header_longer_than_the_segment_is_malformed() {
        let bytes = sent(b"");
        assert_eq!(
            segment(FROM, TO, &bytes[..20], 20).unwrap_err(),
            Passed::Malformed
        );
        assert_eq!(segment(FROM, TO, b"", 0).unwrap_err(), Passed::Malformed);
    }

    /// A datagram from port 40000 to 53 and its checksum, taken from etherparse.
    fn asked(from: IpAddr, to: IpAddr) -> Vec<u8> {
        let (IpAddr::V6(source), IpAddr::V6(destination)) = (from, to) else {
            let mut bytes = Vec::new();
            etherparse::PacketBuilder::ipv4([192, 0, 2, 10], [198, 51, 100, 25], 64)
                .udp(40_000, 53)
                .write(&mut bytes, b"abc")
                .unwrap();
            return bytes.split_off(20);
        };
        let mut bytes = Vec::new();
        etherparse::PacketBuilder::ipv6(source.octets(), destination.octets(), 64)
            .udp(40_000, 53)
            .write(&mut bytes, b"abc")
            .unwrap();
        bytes.split_off(40)
    }

    #[test]
    fn checksums_of_udp_are_tested_where_there_are_any() {
        let six: [IpAddr; 2] = [
            "2001:db8::1".parse().unwrap(),
            "2001:db8::2".parse().unwrap(),
        ];
        for (from, to, without) in [
            (FROM, TO, Checksum::Untested),
            (six[0], six[1], Checksum::Bad),
        ] {
            let mut bytes = asked(from, to);
            // Padding behind it is no part of it.
            bytes.extend([9; 4]);
            let length = bytes.len();
            let tested = |bytes: &[u8]| udp(from, to, bytes, length).unwrap().checksum;
            assert_eq!(tested(&bytes), Checksum::Good);
            assert_eq!(tested(&bytes[..10]), Checksum::Untested, "cut");
            bytes[8] ^= 1;
            assert_eq!(tested(&bytes), Checksum::Bad);
            bytes[6..8].fill(0);
            assert_eq!(tested(&bytes), without, "none");
        }
    }

    #[test]
    fn checksums_of_icmp_are_tested_in_both_versions() {
        let mut four = Vec::new();
        etherparse::PacketBuilder::ipv4([192, 0, 2, 10], [198, 51, 100, 25], 64)
            .icmpv4_echo_request(1, 2)
            .write(&mut four, b"abc")
            .unwrap();
        let six: [std::net::Ipv6Addr; 2] = [
            "2001:db8::1".parse().unwrap(),
            "2001:db8::2".parse().unwrap(),
        ];
        let mut message = Vec::new();
        etherparse::PacketBuilder::ipv6(six[0].octets(), six[1].octets(), 64)
            .icmpv6_echo_request(1, 2)
            .write(&mut message, b"abc")
            .unwrap();
        for (from, to, number, mut bytes) in [
            (FROM, TO, ICMP, four.split_off(20)),
            (six[0].into(), six[1].into(), 58, message.split_off(40)),
        ] {
            let length = bytes.len();
            let tested = |bytes: &[u8]| icmp(from, to, number, bytes, length).checksum;
            assert_eq!(tested(&bytes), Checksum::Good, "{number}");
            assert_eq!(tested(&bytes[..9]), Checksum::Untested, "{number}");
            bytes[4] ^= 1;
            assert_eq!(tested(&bytes), Checksum::Bad, "{number}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_payload_within_them(bytes in proptest::collection::vec(any::<u8>(), 0..80), length in 0usize..100) {
            if let Ok(segment) = segment(FROM, TO, &bytes, length) {
                prop_assert!(segment.payload.len() <= bytes.len());
                prop_assert!(u64::from(segment.length) <= length as u64);
            }
        }
    }
}
