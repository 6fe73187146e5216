//! Text from a wire or a log made safe for a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with every character written out that could move the cursor, hide, or turn the reading direction.
pub fn terminal(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_dangerous) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_dangerous(character) {
            // Writing to a String cannot fail.
            let written = write!(safe, "\\u{{{:x}}}", u32::from(character));
            debug_assert!(written.is_ok(), "a String takes all");
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// At most `width` characters of `text`, the last one a sign that more follows.
pub fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if text.chars().nth(width).is_none() {
        return Cow::Borrowed(text);
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    Cow::Owned(kept + "…")
}

/// Control characters, and those that are invisible or reorder the line (Unicode TR 36, TR 39).
fn is_dangerous(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_and_bidi_marks_are_written_out() {
        assert_eq!(
            terminal("\u{1b}[31mred\u{202e}\r\n"),
            "\\u{1b}[31mred\\u{202e}\\u{d}\\u{a}"
        );
        assert!(matches!(terminal("MAIL FROM:<ä@b>"), Cow::Borrowed(_)));
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
    }

    proptest! {
        #[test]
        fn nothing_dangerous_is_left(text in any::<String>()) {
            prop_assert!(!terminal(&text).chars().any(is_dangerous));
        }
    }
}
