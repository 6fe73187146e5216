//! IP headers (RFC 791, RFC 8200) with their extension headers.

use std::net::IpAddr;

use etherparse::{Ipv6ExtensionSlice, LaxIpv4Slice, LaxIpv6Slice};

use super::Passed;

/// An IP packet, or a fragment of a datagram.
#[derive(Clone, Copy, Debug)]
pub(super) struct IpPacket<'p> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) ttl: u8,
    /// Protocol number of the payload.
    pub(super) number: u8,
    /// As captured, without the padding of the link.
    pub(super) payload: &'p [u8],
    /// Octets of payload on the wire.
    pub(super) length: usize,
    pub(super) piece: Option<Piece>,
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
    let headers =
        header.slice().len() + slice.extensions().auth.map_or(0, |auth| auth.slice().len());
    let claimed = usize::from(header.total_len());
    // Segmentation offload leaves the length zero: then the capture's own word is all there is.
    let total = if claimed < headers { on_wire } else { claimed };
    let inner = slice.payload();
    Ok(IpPacket {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        ttl: header.ttl(),
        number: inner.ip_number.0,
        payload: inner.payload,
        length: total.saturating_sub(headers),
        piece: slice.is_payload_fragmented().then(|| Piece {
            id: u32::from(header.identification()),
            offset: usize::from(header.fragments_offset().value()) * 8,
            more: header.more_fragments(),
        }),
    })
}

fn v6(packet: &[u8], on_wire: usize) -> Result<IpPacket<'_>, Passed> {
    use etherparse::err::ipv6::HeaderSliceError;
    let (slice, _) = LaxIpv6Slice::from_slice(packet).map_err(|error| match error {
        HeaderSliceError::Len(_) => Passed::Truncated,
        HeaderSliceError::Content(_) => Passed::Malformed,
    })?;
    let header = slice.header();
    let extensions = slice.extensions().slice().len();
    let claimed = usize::from(header.payload_length());
    let total = if claimed == 0 {
        on_wire.saturating_sub(header.slice().len())
    } else {
        claimed
    };
    let piece = slice
        .extensions()
        .clone()
        .into_iter()
        .find_map(|extension| match extension {
            Ipv6ExtensionSlice::Fragment(fragment) if fragment.is_fragmenting_payload() => {
                Some(Piece {
                    id: fragment.identification(),
                    offset: usize::from(fragment.fragment_offset().value()) * 8,
                    more: fragment.more_fragments(),
                })
            }
            _ => None,
        });
    let inner = slice.payload();
    Ok(IpPacket {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        ttl: header.hop_limit(),
        number: inner.ip_number.0,
        payload: inner.payload,
        length: total.saturating_sub(extensions),
        piece,
    })
}
