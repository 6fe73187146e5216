//! IEEE 802.11 data frames, bare or under the capture headers of radio drivers.

use super::Passed;

/// The 802.2 header and what follows it in an 802.11 data frame (IEEE 802.11-2020, 9.2.3).
///
/// # Errors
/// `NotIp` for frames that carry no readable data: management, control, empty, protected,
/// aggregated and mesh frames, and later fragments.
pub(super) fn data_of(frame: &[u8]) -> Result<&[u8], Passed> {
    const PROTECTED_OR_MORE_FRAGMENTS: u8 = 0x44;
    const ORDER: u8 = 0x80;
    let [control, flags, ..] = frame else {
        return Err(Passed::Truncated);
    };
    // Version 0, type 2; bit 0x40 of the subtype says that there is no data.
    if control & 0x4f != 0x08 || flags & PROTECTED_OR_MORE_FRAGMENTS != 0 {
        return Err(Passed::NotIp);
    }
    let sequence = frame.get(22).ok_or(Passed::Truncated)?;
    if sequence & 0x0f != 0 {
        return Err(Passed::NotIp);
    }
    let mut length = if flags & 3 == 3 { 30 } else { 24 };
    if control & 0x80 != 0 {
        let quality = frame.get(length).ok_or(Passed::Truncated)?;
        // An aggregate of several frames (A-MSDU).
        if quality & 0x80 != 0 {
            return Err(Passed::NotIp);
        }
        length += if flags & ORDER == 0 { 2 } else { 6 };
    }
    frame.get(length..).ok_or(Passed::Truncated)
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
            assert_eq!(data_of(&frame(control, header)), Ok(SNAP), "{control:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_data() {
        for control in [[0x80, 0], [0xb4, 0], [0x48, 1], [0x08, 0x41], [0x08, 5]] {
            assert_eq!(data_of(&frame(control, 24)), Err(Passed::NotIp));
        }
        assert_eq!(data_of(&[8, 1, 0]), Err(Passed::Truncated));
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
