//! Quoted text with its escapes, as web servers write what a client said.

use crate::model::from_wire;

/// The text up to the closing quote, escapes undone, and what is behind it; `None` when it is never closed.
///
/// nginx writes `\x22`, Apache `\"` and the like of C, both in JSON `\u0022`.
pub(super) fn quoted(text: &str) -> Option<(String, &str)> {
    let mut octets = Vec::new();
    let mut rest = text;
    loop {
        let (before, behind) = rest.split_at_checked(rest.find(['"', '\\'])?)?;
        octets.extend_from_slice(before.as_bytes());
        if let Some(behind) = behind.strip_prefix('"') {
            return Some((from_wire(&octets), behind));
        }
        rest = escaped(behind.strip_prefix('\\')?, &mut octets)?;
    }
}

/// Undoes one escape; gives what is behind it.
fn escaped<'a>(text: &'a str, octets: &mut Vec<u8>) -> Option<&'a str> {
    let hex = |prefix, digits| {
        let (digits, behind) = text.strip_prefix(prefix)?.split_at_checked(digits)?;
        Some((u32::from_str_radix(digits, 16).ok()?, behind))
    };
    if let Some((octet, behind)) = hex('x', 2) {
        octets.push(u8::try_from(octet).ok()?);
        return Some(behind);
    }
    let mut put = |character: char| {
        octets.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    };
    if let Some((unit, behind)) = hex('u', 4) {
        put(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
        return Some(behind);
    }
    let mut characters = text.chars();
    put(match characters.next()? {
        'b' => '\u{8}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        other => other,
    });
    Some(characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn escapes_of_every_server_are_undone() {
        for (text, expected) in [
            (r#"a\x22b" c"#, ("a\"b", " c")),
            (r#"a\"b\\" c"#, ("a\"b\\", " c")),
            (r#"\u0041\n""#, ("A\n", "")),
            (r#"\xe9" x"#, ("\\xe9", " x")),
        ] {
            assert_eq!(quoted(text), Some((expected.0.to_owned(), expected.1)));
        }
        for text in ["open", "open\\", "\\"] {
            assert_eq!(quoted(text), None, "{text}");
        }
    }
}
