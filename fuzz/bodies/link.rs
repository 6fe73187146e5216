//! Packets.

use bothends::capture::{LinkType, Record};
use bothends::link::{LinkDecoder, Upper};
use bothends::model::Nanos;

/// Two bytes of link type, then packets, two bytes of length each; each whole and as the first part of a longer one. What was put
/// together of fragments is never longer than all that came.
pub(crate) fn link(data: &[u8]) {
    let Some((head, mut rest)) = data.split_first_chunk() else {
        return;
    };
    let mut whole = LinkDecoder::default();
    let mut cut = LinkDecoder::default();
    let mut at = 0;
    while let Some((length, more)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes(*length)).min(more.len());
        let (packet, more) = more.split_at(length);
        rest = more;
        at += 1;
        for (decoder, extra) in [(&mut whole, 0), (&mut cut, 100)] {
            let record = Record {
                time: Nanos(at),
                link_type: LinkType(u16::from_le_bytes(*head)),
                length: u32::try_from(packet.len() + extra).unwrap_or(u32::MAX),
                interface: 0,
                at: 0,
                process: None,
            };
            let mut n = 0;
            while n == 0 || n < decoder.subframes() {
                if let Ok(datagram) = decoder.decode_nth(&record, packet, n) {
                    assert!(within(&datagram.upper, data.len()));
                }
                n += 1;
            }
        }
    }
}

/// Whether a datagram holds no more than there is.
fn within(upper: &Upper<'_>, all: usize) -> bool {
    match upper {
        Upper::Tcp(segment) => {
            segment.payload.len() <= usize::try_from(segment.length).unwrap_or(usize::MAX)
                && segment.payload.len() <= all
        }
        _ => true,
    }
}
