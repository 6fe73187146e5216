//! Names on the wire (RFC 1035 §3.1, §4.1.4).

use std::fmt::Write as _;

/// Longest name in octets (RFC 1035 §2.3.4).
pub(super) const LONGEST_NAME: usize = 255;
/// Pointers followed for one name; a name has 127 labels at most.
const POINTERS: usize = 127;

/// The name at `at`, in lower case and escaped as in a zone file (RFC 1035 §5.1), and where what follows it begins.
pub(super) fn read_name(bytes: &[u8], at: usize) -> Option<(String, usize)> {
    let mut name = String::new();
    let after = walk(bytes, at, |label| {
        if !name.is_empty() {
            name.push('.');
        }
        push_label(&mut name, label);
    })?;
    Some((name, after))
}

/// Where what follows the name at `at` begins.
pub(super) fn skip_name(bytes: &[u8], at: usize) -> Option<usize> {
    walk(bytes, at, |_| {})
}

fn walk<'a>(bytes: &'a [u8], at: usize, mut label: impl FnMut(&'a [u8])) -> Option<usize> {
    let mut octets = 0;
    let mut here = at;
    let mut after = None;
    for _ in 0..=POINTERS * 2 {
        let length = usize::from(*bytes.get(here)?);
        match length >> 6 {
            0 if length == 0 => return Some(after.unwrap_or(here + 1)),
            0 => {
                octets += length + 1;
                if octets > LONGEST_NAME {
                    return None;
                }
                label(bytes.get(here + 1..here + 1 + length)?);
                here += 1 + length;
            }
            3 => {
                let pointer = usize::from(u16_at(bytes, here)? & 0x3fff);
                after.get_or_insert(here + 2);
                // A pointer leads back, so that there is an end.
                if pointer >= here {
                    return None;
                }
                here = pointer;
            }
            _ => return None,
        }
    }
    None
}

fn push_label(name: &mut String, label: &[u8]) {
    for &octet in label {
        match octet {
            b'.' | b'\\' => {
                name.push('\\');
                name.push(char::from(octet));
            }
            0x21..=0x7e => name.push(char::from(octet.to_ascii_lowercase())),
            _ => {
                // Writing to a String cannot fail.
                let written = write!(name, "\\{octet:03}");
                debug_assert!(written.is_ok(), "a String takes all");
            }
        }
    }
}

/// The number in two octets at `at`.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_octets_are_escaped_and_loops_are_no_names() {
        assert_eq!(
            read_name(b"\x05a.b\\\x1b\0", 0),
            Some(("a\\.b\\\\\\027".to_owned(), 7))
        );
        assert_eq!(read_name(b"\xc0\0", 0), None);
        assert_eq!(read_name(b"\x01a\xc0\0", 0), None);
        assert_eq!(
            read_name(b"\x01a\0\x01B\xc0\0", 3),
            Some(("b.a".to_owned(), 7))
        );
        let long = [b"\x3f".repeat(64 * 4), vec![0]].concat();
        assert_eq!(read_name(&long, 0), None);
    }
}
