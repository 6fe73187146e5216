//! What a server of SMTP says (RFC 5321 §4.2).

use super::command::Kind;

/// A line of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReplyLine {
    /// The three digits.
    pub(super) code: u16,
    /// Whether more lines follow.
    pub(super) more: bool,
}

/// Reads a line of a reply; `None` for anything else.
pub(super) fn read(line: &[u8]) -> Option<ReplyLine> {
    let (&[a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9'], rest) = line.split_first_chunk()?
    else {
        return None;
    };
    let more = match rest.first() {
        None | Some(b' ' | b'\t') => false,
        Some(b'-') => true,
        Some(_) => return None,
    };
    let [a, b, c] = [a, b, c].map(|digit| u16::from(digit - b'0'));
    Some(ReplyLine {
        code: a * 100 + b * 10 + c,
        more,
    })
}

/// Whether `reply` can answer a command of `kind` and `verb`: asked only after a hole, when replies may have lost
/// their commands, or commands their replies.
pub(super) fn fits(reply: ReplyLine, kind: &Kind, verb: &str) -> bool {
    match reply.code {
        354 => matches!(kind, Kind::Data),
        334 | 235 => matches!(kind, Kind::Auth(_)),
        221 => verb == "QUIT",
        220 => matches!(kind, Kind::StartTls) || verb == "XCLIENT",
        250 if reply.more => matches!(kind, Kind::Hello { .. }) || verb == "HELP",
        251 | 252 if matches!(kind, Kind::Body | Kind::Chunk { .. }) => false,
        250..=252 => !matches!(kind, Kind::Data | Kind::Auth(_) | Kind::StartTls) && verb != "QUIT",
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_has_three_digits_and_a_blank_a_hyphen_or_nothing() {
        let code = |code, more| Some(ReplyLine { code, more });
        assert_eq!(read(b"250-PIPELINING"), code(250, true));
        assert_eq!(read(b"250 OK"), code(250, false));
        assert_eq!(read(b"354"), code(354, false));
        assert_eq!(read(b"2500"), None);
        assert_eq!(read(b"650 x"), None);
        assert_eq!(read(b"25"), None);
        assert_eq!(read(b""), None);
    }
}
