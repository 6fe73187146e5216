//! What a server of IMAP says.

use super::command::split_word;
use crate::protocol::detect::has_ignoring_case;

/// A line of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply<'a> {
    /// `+`: the client is to go on.
    GoOn,
    /// The end of the command with this tag.
    Tagged(&'a [u8], &'static str),
    /// `*`, with its status word if it has one.
    Untagged(Option<&'static str>),
    /// None of these.
    Other,
}

/// Reads a line of the server.
pub(super) fn read(line: &[u8]) -> Reply<'_> {
    let (tag, rest) = split_word(line);
    let word = status(split_word(rest).0);
    match (tag, word) {
        (b"+", _) => Reply::GoOn,
        (b"*", word) => Reply::Untagged(word),
        (tag, Some(word @ ("BAD" | "NO" | "OK"))) if !tag.is_empty() => Reply::Tagged(tag, word),
        _ => Reply::Other,
    }
}

/// Whether the literal at the end of a line is a whole message: the item of FETCH before it says so (RFC 9051 §7.5.2).
pub(super) fn announces_message(line: &[u8]) -> bool {
    let before = memchr::memrchr(b'{', line).and_then(|at| line.get(..at));
    let before = before.unwrap_or_default().trim_ascii_end();
    let item = before.strip_suffix(b"~").unwrap_or(before).trim_ascii_end();
    let item = item.rsplit(|byte| matches!(byte, b' ' | b'(')).next();
    [&b"BODY[]"[..], b"RFC822", b"BINARY[]"]
        .iter()
        .any(|whole| item.is_some_and(|item| item.eq_ignore_ascii_case(whole)))
}

/// Whether an untagged OK reads like a greeting although the client has already spoken.
pub(super) fn greets(line: &[u8]) -> bool {
    has_ignoring_case(line, b"IMAP") || has_ignoring_case(line, b"ready")
}

fn status(word: &[u8]) -> Option<&'static str> {
    ["BAD", "BYE", "NO", "OK", "PREAUTH"]
        .into_iter()
        .find(|status| word.eq_ignore_ascii_case(status.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_tells_whether_a_message_follows() {
        assert!(announces_message(b"* 1 FETCH (UID 3 BODY[] {310}"));
        assert!(announces_message(b"* 1 FETCH (RFC822 {310}"));
        assert!(announces_message(b" FLAGS () BINARY[] ~{310}"));
        assert!(!announces_message(b"* 1 FETCH (BODY[]<0> {310}"));
        assert!(!announces_message(b"* 1 FETCH (BODY[HEADER] {310}"));
        assert!(!announces_message(b"* 1 FETCH (RFC822.HEADER {310}"));
    }

    #[test]
    fn lines_are_told_apart_by_their_first_two_words() {
        assert_eq!(read(b"+ idling"), Reply::GoOn);
        assert_eq!(read(b"+"), Reply::GoOn);
        assert_eq!(read(b"a1 ok done"), Reply::Tagged(b"a1", "OK"));
        assert_eq!(read(b"* BYE x"), Reply::Untagged(Some("BYE")));
        assert_eq!(read(b"* 5 EXISTS"), Reply::Untagged(None));
        assert_eq!(read(b"a1 BYE"), Reply::Other);
        assert_eq!(read(b""), Reply::Other);
    }
}
