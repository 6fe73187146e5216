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
