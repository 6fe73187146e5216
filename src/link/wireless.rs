//! IEEE 802.11 data frames, bare or under the capture headers of radio drivers.

use super::Passed;

/// What a data frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Data<'p> {
    /// A packet from its 802.2 header on.
    One(&'p [u8]),
    /// Several, each behind a header of its own (A-MSDU).
    Several(&'p [u8]),
}

/// Header of each frame in an aggregate: two addresses and a length.
const SUBFRAME_HEADER: usize = 14;

/// The packet number `n`, from its 802.2 header on, of several in one frame (IEEE 802.11-2020, 9.3.2.2).
pub(super) fn subframe(mut frames: &[u8], n: usize) -> Result<&[u8], Passed> {
    for _ in 0..n {
        // All but the last are padded to four octets.
        let length = subframe_length(frames)?.next_multiple_of(4);
        frames = frames.get(length..).ok_or(Passed::Truncated)?;
    }
    let length = subframe_length(frames)?.min(frames.len());
    frames.get(SUBFRAME_HEADER..length).ok_or(Passed::Truncated)
}

/// How many frames there are in one.
pub(super) fn subframes(frames: &[u8]) -> usize {
    const MOST: usize = 64;
    let mut count = 0;
    let mut rest = frames;
    while count < MOST
        && let Ok(length) = subframe_length(rest)
    {
        count += 1;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    count
}

fn subframe_length(frames: &[u8]) -> Result<usize, Passed> {
    let field = frames.get(12..).and_then(<[u8]>::first_chunk);
    let length = u16::from_be_bytes(*field.ok_or(Passed::Truncated)?);
    Ok(SUBFRAME_HEADER + usize::from(length))
}

/// What an 802.11 data frame holds (IEEE 802.11-2020, 9.2.3).
///
/// # Errors
/// `Protected` for encrypted frames; `NotIp` for others that carry no readable data: management, control, empty and
/// mesh frames, and fragments.
pub(super) fn data_of(frame: &[u8]) -> Result<Data<'_>, Passed> {
    const MORE_FRAGMENTS: u8 = 0x04;
    const PROTECTED: u8 = 0x40;
    const ORDER: u8 = 0x80;
    let [control, flags, ..] = frame else {
        return Err(Passed::Truncated);
    };
    // Version 0, type 2; bit 0x40 of the subtype says that there is no data.
    if control & 0x4f != 0x08 || flags & MORE_FRAGMENTS != 0 {
        return Err(Passed::NotIp);
    }
    if flags & PROTECTED != 0 {
        return Err(Passed::Protected);
    }
    let sequence = frame.get(22).ok_or(Passed::Truncated)?;
    if sequence & 0x0f != 0 {
        return Err(Passed::NotIp);
    }
    let mut length = if flags & 3 == 3 { 30 } else { 24 };
    let mut several = false;
    if control & 0x80 != 0 {
        let quality = frame.get(length).ok_or(Passed::Truncated)?;
        several = quality & 0x80 != 0;
        length += if flags & ORDER == 0 { 2 } else { 6 };
    }
    let data = frame.get(length..).ok_or(Passed::Truncated)?;
    Ok(if several {
        Data::Several(data)
    } else {
        Data::One(data)
    })
}

/// The frame under a radiotap header, whose length is the little-endian number at octet 2.
pub(super) fn under_radiotap(packet: &[u8]) -> Result<&[u8], Passed> {
    const PADDED: u8 = 0x20;
    const FLAGS_PRESENT: u8 = 2;
    let [_, _, low, high, present, ..] = packet else {
        return Err(Passed::Truncated);
    };
    let length = usize::from(u16::from_le_bytes([*low, *high]));
    // Padding between the header and the data is told by a field whose place varies; the
    // flags stand first unless a timestamp or further words of presence precede them.
    if present & FLAGS_PRESENT != 0 && flags_of(packet).is_none_or(|flags| flags & PADDED != 0) {
        return Err(Passed::NotIp);
    }
    packet.get(length.max(8)..).ok_or(Passed::Truncated)
}

/// The field of flags: after the words of presence and, if there is one, the aligned timestamp.
fn flags_of(packet: &[u8]) -> Option<u8> {
    let words = packet.get(4..)?.chunks_exact(4);
    let more = words.take_while(|word| word.last().is_some_and(|last| last & 0x80 != 0));
    let mut at = 8 + more.count() * 4;
    if packet.get(4)? & 1 == 1 {
        at = at.next_multiple_of(8) + 8;
    }
    packet.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNAP: &[u8] = &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0, 0x45];

    fn frame(control: [u8; 2], header: usize) -> Vec<u8> {
        [&control[..], &vec![0; header - 2], SNAP].concat()
    }

    #[test]
    fn data_follows_a_header_of_each_length() {
        for (control, header) in [
            ([0x08, 1], 24),
            ([0x08, 3], 30),
            ([0x88, 2], 26),
            ([0x88, 0x82], 30),
            ([0x88, 3], 32),
        ] {
            assert_eq!(
                data_of(&frame(control, header)),
                Ok(Data::One(SNAP)),
                "{control:?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_data() {
        for control in [[0x80, 0], [0xb4, 0], [0x48, 1], [0x08, 5]] {
            assert_eq!(data_of(&frame(control, 24)), Err(Passed::NotIp));
        }
        assert_eq!(data_of(&frame([0x08, 0x41], 24)), Err(Passed::Protected));
        assert_eq!(data_of(&[8, 1, 0]), Err(Passed::Truncated));
    }

    #[test]
    fn several_packets_in_one_frame_are_told_apart() {
        let mut aggregate = frame([0x88, 2], 26);
        aggregate.truncate(26);
        aggregate[24] = 0x80;
        for last in [0x45, 0x46] {
            aggregate.extend([0; 13]);
            aggregate.push(9);
            aggregate.extend(&SNAP[..8]);
            aggregate.extend([last, 0xee]);
        }
        let Ok(Data::Several(frames)) = data_of(&aggregate) else {
            panic!("an aggregate");
        };
        for (n, last) in [(0, 0x45), (1, 0x46)] {
            assert_eq!(subframe(frames, n).unwrap()[8..], [last]);
        }
        assert_eq!(subframe(frames, 2), Err(Passed::Truncated));
        assert_eq!((subframes(frames), subframes(&frames[..24])), (2, 1));
    }

    #[test]
    fn radiotap_is_passed_by_its_length() {
        assert_eq!(
            under_radiotap(&[0, 0, 9, 0, 2, 0, 0, 0, 0, 7]),
            Ok(&[7][..])
        );
        let padded = [0, 0, 9, 0, 2, 0, 0, 0, 0x20, 7];
        assert_eq!(under_radiotap(&padded), Err(Passed::NotIp));
        assert_eq!(
            under_radiotap(&[0, 0, 99, 0, 0, 0, 0, 0]),
            Err(Passed::Truncated)
        );
    }
}
