//! How IMAP begins.

use super::command::{self, Kind};
use super::reply::{self, Reply};
use crate::protocol::detect::first_line;
use crate::protocol::{Opening, Verdict};

/// By the greeting or the first command.
pub(super) fn probe(opening: &Opening<'_>) -> Verdict {
    let line = first_line(opening.client);
    let client = line.map(|line| command::read(line).kind);
    let server = first_line(opening.server).map(reply::read);
    match (client, server) {
        (None, None) => Verdict::NeedMore,
        // As in `250 OK` and `550 No such user`.
        (_, Some(Reply::Tagged([b'1'..=b'5', b, c], _)))
            if b.is_ascii_digit() && c.is_ascii_digit() =>
        {
            Verdict::Likely
        }
        (_, Some(Reply::Untagged(Some("OK" | "PREAUTH" | "BYE")) | Reply::Tagged(..))) => {
            Verdict::Certain
        }
        (Some(Kind::Unknown), _) | (_, Some(Reply::Other)) => Verdict::RuledOut,
        (Some(_), None) if line.is_some_and(is_elsewhere) => Verdict::Likely,
        // A tag and a command of IMAP: words that few protocols have in second place.
        (Some(_), None) => Verdict::Certain,
        (_, Some(Reply::GoOn | Reply::Untagged(_))) => Verdict::Likely,
    }
}

/// Whether the tag is a command of SMTP or POP3, after which a word of IMAP may come: `AUTH LOGIN`.
fn is_elsewhere(line: &[u8]) -> bool {
    let (tag, _) = command::split_word(line);
    ["AUTH", "EXPN", "HELP", "VRFY"]
        .iter()
        .any(|word| tag.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greeting_or_first_command_tells() {
        let verdict = |client: &str, server: &str| {
            probe(&Opening {
                client: client.as_bytes(),
                server: server.as_bytes(),
                port: 143,
            })
        };
        assert_eq!(verdict("", ""), Verdict::NeedMore);
        assert_eq!(verdict("", "* OK ready\r\n"), Verdict::Certain);
        assert_eq!(verdict("a1 CAPABILITY\r\n", ""), Verdict::Certain);
        assert_eq!(verdict("AUTH LOGIN\r\n", ""), Verdict::Likely);
        assert_eq!(verdict("", "a7 NO x\r\n"), Verdict::Certain);
        assert_eq!(verdict("", "250 OK\r\n"), Verdict::Likely);
        assert_eq!(verdict("", "* 3 EXISTS\r\n"), Verdict::Likely);
        assert_eq!(verdict("", "+OK ready\r\n"), Verdict::RuledOut);
        assert_eq!(verdict("GET / HTTP/1.1\r\n", ""), Verdict::RuledOut);
        assert_eq!(verdict("USER a\r\n", ""), Verdict::RuledOut);
    }
}
