//! What probes have in common.

use memchr::memchr;

/// Longest first line that a probe waits for, in octets; a longer beginning is judged as it is.
const MAX_FIRST_LINE: usize = 1 << 10;

/// The first line without its end, once it is whole; leading empty lines are passed over.
pub(super) fn first_line(bytes: &[u8]) -> Option<&[u8]> {
    let start = bytes
        .iter()
        .position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    let bytes = bytes.get(start..)?;
    match memchr(b'\n', bytes) {
        Some(lf) => bytes.get(..lf).map(<[u8]>::trim_ascii_end),
        None => bytes.get(..MAX_FIRST_LINE),
    }
}

/// Whether `needle` is in `text`, letters of either case alike.
pub(super) fn has_ignoring_case(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len().max(1))
        .any(|window| window.eq_ignore_ascii_case(needle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_line_is_judged_when_whole_or_endless() {
        assert_eq!(first_line(b"\r\n220 mx\r\nEHLO"), Some(&b"220 mx"[..]));
        assert_eq!(first_line(b"220 mx"), None);
        assert_eq!(first_line(b"\n\r"), None);
        assert_eq!(
            first_line(&[b'x'; 5000]).map(<[u8]>::len),
            Some(MAX_FIRST_LINE)
        );
        assert!(has_ignoring_case(b"220 mx esmtp", b"SMTP"));
        assert!(!has_ignoring_case(b"22", b"SMTP"));
    }
}
