//! The Internet checksum (RFC 1071) of a segment with its pseudo-header.
//!
//! Our own, as every octet of a capture passes through it: eight words at a time, where etherparse takes one.

use std::net::IpAddr;

/// Whether `segment` between these addresses sums up as it must; `None` when their families differ.
pub(super) fn is_right(
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    segment: &[u8],
) -> Option<bool> {
    let addresses = match (source, destination) {
        (IpAddr::V4(from), IpAddr::V4(to)) => sum(&from.octets()) + sum(&to.octets()),
        (IpAddr::V6(from), IpAddr::V6(to)) => sum(&from.octets()) + sum(&to.octets()),
        _ => return None,
    };
    let length = u32::try_from(segment.len()).ok()?;
    let all = addresses + sum(&length.to_be_bytes()) + sum(&[0, protocol]) + sum(segment);
    Some(folded(all) == u16::MAX)
}

/// The same of a message that is summed up without addresses (ICMP, RFC 792).
pub(super) fn is_right_alone(message: &[u8]) -> bool {
    folded(sum(message)) == u16::MAX
}

/// The sum of the 16-bit words of `bytes` in the machine's own order, not yet folded; no segment is long enough to overflow it.
fn sum(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<32>();
    let mut lanes = [0u64; 8];
    for block in blocks {
        let (words, _) = block.as_chunks::<4>();
        for (lane, word) in lanes.iter_mut().zip(words) {
            *lane += u64::from(u32::from_ne_bytes(*word));
        }
    }
    let mut total: u64 = lanes.iter().sum();
    let (words, last) = rest.as_chunks::<2>();
    for word in words {
        total += u64::from(u16::from_ne_bytes(*word));
    }
    if let [last] = last {
        total += u64::from(u16::from_ne_bytes([*last, 0]));
    }
    total
}

/// With all carries added back in.
fn folded(mut sum: u64) -> u16 {
    loop {
        match u16::try_from(sum) {
            Ok(sum) => return sum,
            Err(_) => sum = (sum & 0xffff) + (sum >> 16),
        }
    }
}

#[cfg(test)]
mod tests {
    use etherparse::TcpHeader;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_checksum_is_right_as_etherparse_makes_it(
            from: [u8; 4],
            to: [u8; 4],
            payload in proptest::collection::vec(any::<u8>(), 0..200),
            changed in 0usize..220,
            by in 1u8..,
        ) {
            let mut header = TcpHeader::new(40_000, 25, 7, 512);
            header.checksum = header.calc_checksum_ipv4_raw(from, to, &payload).unwrap();
            let mut segment = header.to_bytes().to_vec();
            segment.extend(&payload);
            let right = |segment: &[u8]| is_right(from.into(), to.into(), 6, segment);
            prop_assert_eq!(right(&segment), Some(true));
            let at = changed % segment.len();
            segment[at] ^= by;
            prop_assert_eq!(right(&segment), Some(false));
        }

        #[test]
        fn so_it_is_over_ipv6(from: [u8; 16], to: [u8; 16], payload in proptest::collection::vec(any::<u8>(), 0..99)) {
            let mut header = TcpHeader::new(40_000, 25, 7, 512);
            header.checksum = header.calc_checksum_ipv6_raw(from, to, &payload).unwrap();
            let segment = [&header.to_bytes()[..], &payload].concat();
            prop_assert_eq!(is_right(from.into(), to.into(), 6, &segment), Some(true));
        }
    }
}
