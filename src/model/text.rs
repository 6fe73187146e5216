//! Text from a wire or a log: mostly UTF-8, never surely.

use std::borrow::Cow;

/// `bytes` as text, borrowed where they are UTF-8; else as [`from_wire`] has it.
pub fn as_text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(from_wire(bytes)),
    }
}

/// `bytes` as text. What is not UTF-8 is shown as `\xhh`, byte by byte; control characters stay
/// and are escaped by whoever prints them.
pub fn from_wire(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for &byte in chunk.invalid() {
            text.push_str("\\x");
            text.extend(
                [byte >> 4, byte & 15]
                    .map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or('?')),
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::from_wire;

    #[test]
    fn latin1_and_cut_utf8_are_shown_as_hex() {
        assert_eq!(
            from_wire(b"MAIL FROM:<r\xe9n\xc3\xa9@x>"),
            "MAIL FROM:<r\\xe9né@x>"
        );
        assert_eq!(from_wire(b"\xf0\x9f\x98"), "\\xf0\\x9f\\x98");
    }
}
