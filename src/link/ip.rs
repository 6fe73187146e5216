//! IP headers (RFC 791, RFC 8200) with their extension headers.

use std::net::IpAddr;

use etherparse::{Ipv6HeaderSlice, LaxIpv4Slice};

use super::{Passed, Spi};

/// An IP packet, or a fragment of a datagram.
#[derive(Clone, Copy, Debug)]
pub(super) struct IpPacket<'p> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) ttl: u8,
    /// Identification of IPv4.
    pub(super) id: Option<u16>,
    /// Protocol number of the payload.
    pub(super) number: u8,
    /// As captured, without the padding of the link.
    pub(super) payload: &'p [u8],
    /// Octets of payload on the wire.
    pub(super) length: usize,
    pub(super) piece: Option<Piece>,
    /// The security association that vouches for it.
    pub(super) authenticated: Option<Spi>,
}

impl IpPacket<'_> {
    /// The same packet without its payload.
    pub(super) const fn head(self) -> IpPacket<'static> {
        IpPacket {
            source: self.source,
            destination: self.destination,
            ttl: self.ttl,
            id: self.id,
            number: self.number,
            payload: &[],
            length: 0,
            piece: self.piece,
            authenticated: self.authenticated,
        }
    }
}

/// Which part of a datagram a fragment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) id: u32,
    /// In octets.
    pub(super) offset: usize,
    pub(super) more: bool,
}

/// Reads the header at the start of `packet`; `on_wire` is how many octets there were from here on.
pub(super) fn read(packet: &[u8], on_wire: usize) -> Result<IpPacket<'_>, Passed> {
    match packet.first().map(|first| first >> 4) {
        Some(4) => v4(packet, on_wire),
        Some(6) => v6(packet, on_wire),
        Some(_) => Err(Passed::Malformed),
        None => Err(Passed::Truncated),
    }
}

fn v4(packet: &[u8], on_wire: usize) -> Result<IpPacket<'_>, Passed> {
    use etherparse::err::ipv4::HeaderSliceError;
    let (slice, _) = LaxIpv4Slice::from_slice(packet).map_err(|error| match error {
        HeaderSliceError::Len(_) => Passed::Truncated,
        HeaderSliceError::Content(_) => Passed::Malformed,
    })?;
    let header = slice.header();
    let authentication = slice.extensions().auth;
    let headers = header.slice().len() + authentication.map_or(0, |auth| auth.slice().len());
    let claimed = usize::from(header.total_len());
    // Segmentation offload leaves the length zero: then the capture's own word is all there is.
    let total = if claimed < headers { on_wire } else { claimed };
    let inner = slice.payload();
    Ok(IpPacket {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        ttl: header.ttl(),
        id: Some(header.identification()),
        number: inner.ip_number.0,
        payload: inner.payload,
        length: total.saturating_sub(headers),
        piece: slice.is_payload_fragmented().then(|| Piece {
            id: u32::from(header.identification()),
            offset: usize::from(header.fragments_offset().value()) * 8,
            more: header.more_fragments(),
        }),
        authenticated: authentication.map(|auth| Spi(auth.spi())),
    })
}

fn v6(packet: &[u8], on_wire: usize) -> Result<IpPacket<'_>, Passed> {
    use etherparse::err::ipv6::HeaderSliceError;
    let header = Ipv6HeaderSlice::from_slice(packet).map_err(|error| match error {
        HeaderSliceError::Len(_) => Passed::Truncated,
        HeaderSliceError::Content(_) => Passed::Malformed,
    })?;
    let fixed = header.slice().len();
    // Zero stands for a jumbogram (RFC 2675), and for what offload leaves.
    let claimed = match usize::from(header.payload_length()) {
        0 => on_wire.saturating_sub(fixed),
        claimed => claimed,
    };
    let captured = packet.get(fixed..).unwrap_or_default();
    let inside = captured.get(..claimed).unwrap_or(captured);
    let extensions = extensions(header.next_header().0, inside)?;
    Ok(IpPacket {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        ttl: header.hop_limit(),
        id: None,
        number: extensions.number,
        payload: extensions.rest,
        length: claimed.saturating_sub(inside.len() - extensions.rest.len()),
        piece: extensions.piece,
        authenticated: extensions.authenticated,
    })
}

/// What stands behind the extension headers.
struct Extensions<'p> {
    number: u8,
    rest: &'p [u8],
    piece: Option<Piece>,
    authenticated: Option<Spi>,
}

/// Walks the extension headers (RFC 8200 §4), each of which says how long it is and what follows.
fn extensions(mut number: u8, mut rest: &[u8]) -> Result<Extensions<'_>, Passed> {
    const MOST: usize = 16;
    let mut authenticated = None;
    for _ in 0..MOST {
        let length = match (number, rest) {
            // Hop-by-hop, routing, destination options, mobility, HIP, Shim6.
            (0 | 43 | 60 | 135 | 139 | 140, [_, length, ..]) => (usize::from(*length) + 1) * 8,
            // Authentication (RFC 4302 §2.2).
            (51, [_, length, _, _, spi @ ..]) => {
                let spi = *spi.first_chunk().ok_or(Passed::Truncated)?;
                authenticated = Some(Spi(u32::from_be_bytes(spi)));
                (usize::from(*length) + 2) * 4
            }
            (44, [next, _, high, low, id @ ..]) => {
                let field = u16::from_be_bytes([*high, *low]);
                let id = u32::from_be_bytes(*id.first_chunk().ok_or(Passed::Truncated)?);
                let piece = Piece {
                    id,
                    offset: usize::from(field & !7),
                    more: field & 1 == 1,
                };
                // A datagram whole in one fragment (RFC 6946) is no fragment.
                let whole = piece.offset == 0 && !piece.more;
                rest = rest.get(8..).ok_or(Passed::Truncated)?;
                number = *next;
                if whole {
                    continue;
                }
                return Ok(Extensions {
                    number,
                    rest,
                    piece: Some(piece),
                    authenticated,
                });
            }
            (0 | 43 | 44 | 51 | 60 | 135 | 139 | 140, _) => return Err(Passed::Truncated),
            _ => {
                return Ok(Extensions {
                    number,
                    rest,
                    piece: None,
                    authenticated,
                });
            }
        };
        number = rest.first().copied().ok_or(Passed::Truncated)?;
        rest = rest.get(length..).ok_or(Passed::Truncated)?;
    }
    Err(Passed::NestedTooDeep)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(next: u8, extensions: &[u8]) -> Vec<u8> {
        let length = u16::try_from(extensions.len()).unwrap().to_be_bytes();
        [
            &[0x60, 0, 0, 0][..],
            &length,
            &[next, 64],
            &[1; 16],
            &[2; 16],
            extensions,
        ]
        .concat()
    }

    #[test]
    fn extension_headers_are_walked_to_the_payload() {
        let headers = [
            &[60, 0, 0, 0, 0, 0, 0, 0][..],
            &[51, 0, 0, 0, 0, 0, 0, 0],
            &[6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            b"tcp",
        ]
        .concat();
        let bytes = packet(0, &headers);
        let read = read(&bytes, bytes.len()).unwrap();
        assert_eq!(
            (read.number, read.payload, read.length),
            (6, &b"tcp"[..], 3)
        );
    }

    #[test]
    fn a_header_longer_than_the_packet_is_cut() {
        let bytes = packet(0, &[17, 0x40, 0, 0, 0, 0, 0, 0]);
        assert_eq!(read(&bytes, bytes.len()).unwrap_err(), Passed::Truncated);
    }

    #[test]
    fn fragments_are_told_from_datagrams_whole_in_one() {
        let atomic = packet(44, &[17, 0, 0, 0, 0, 0, 0, 9, 0xaa]);
        let whole = read(&atomic, atomic.len()).unwrap();
        assert_eq!((whole.piece, whole.payload), (None, &[0xaa][..]));
        let first = packet(44, &[17, 0, 0, 9, 0, 0, 0, 9, 0xaa]);
        let piece = read(&first, first.len()).unwrap().piece.unwrap();
        assert_eq!((piece.id, piece.offset, piece.more), (9, 8, true));
    }
}
