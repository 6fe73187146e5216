//! How SMTP begins.

use super::command::{self, Kind};
use super::reply;
use crate::protocol::detect::{first_line, has_ignoring_case};
use crate::protocol::{Opening, Verdict};

/// Replies of SMTP that other protocols of three digits do not have, or have with another meaning.
const USUAL: &[u16] = &[
    220, 221, 235, 250, 251, 252, 334, 354, 421, 450, 451, 452, 454, 455, 500, 501, 502, 503, 504,
    530, 534, 535, 538, 550, 551, 552, 553, 554, 555,
];

/// By the greeting or the first command.
pub(super) fn probe(opening: &Opening<'_>) -> Verdict {
    match (client(opening.client), server(opening.server)) {
        (Verdict::Certain, _) | (_, Verdict::Certain) => Verdict::Certain,
        (_, Verdict::RuledOut) | (Verdict::RuledOut, Verdict::NeedMore) => Verdict::RuledOut,
        // A client that talks rubbish to a mail server still talks to a mail server.
        (_, Verdict::Likely) | (Verdict::Likely, _) => Verdict::Likely,
        (Verdict::NeedMore, Verdict::NeedMore) => Verdict::NeedMore,
    }
}

fn client(bytes: &[u8]) -> Verdict {
    let Some(line) = first_line(bytes) else {
        return Verdict::NeedMore;
    };
    let command = command::read(line);
    let certain = match command.kind {
        Kind::Hello { .. } | Kind::Chunk { .. } => true,
        Kind::Recipient => has_ignoring_case(line, b"TO:"),
        Kind::Plain if command.verb.as_str() == "MAIL" => has_ignoring_case(line, b"FROM:"),
        // NNTP, POP3 and FTP share these words.
        Kind::Plain | Kind::Data | Kind::Auth(_) | Kind::StartTls => return Verdict::Likely,
        Kind::Body | Kind::Unknown => false,
    };
    if certain {
        Verdict::Certain
    } else {
        Verdict::RuledOut
    }
}

fn server(bytes: &[u8]) -> Verdict {
    let Some(line) = first_line(bytes) else {
        return Verdict::NeedMore;
    };
    match reply::read(line) {
        Some(reply) if reply.code == 220 && has_ignoring_case(line, b"SMTP") => Verdict::Certain,
        Some(reply) if reply.code == 220 && has_ignoring_case(line, b"LMTP") => Verdict::Certain,
        Some(reply) if USUAL.contains(&reply.code) => Verdict::Likely,
        _ => Verdict::RuledOut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(client: &[u8], server: &[u8]) -> Verdict {
        probe(&Opening {
            client,
            server,
            port: 25,
        })
    }

    #[test]
    fn greeting_or_first_command_tells() {
        assert_eq!(verdict(b"", b""), Verdict::NeedMore);
        assert_eq!(verdict(b"", b"220 mx"), Verdict::NeedMore);
        assert_eq!(verdict(b"", b"220 mx ESMTP\r\n"), Verdict::Certain);
        assert_eq!(verdict(b"", b"220 ftp ready\r\n"), Verdict::Likely);
        assert_eq!(verdict(b"", b"200 news\r\n"), Verdict::RuledOut);
        assert_eq!(verdict(b"helo x\r\n", b""), Verdict::Certain);
        assert_eq!(verdict(b"RCPT TO:<a@b>\r\n", b""), Verdict::Certain);
        assert_eq!(verdict(b"GET / HTTP/1.1\r\n", b""), Verdict::RuledOut);
        assert_eq!(
            verdict(b"GET / HTTP/1.1\r\n", b"220 mx\r\n"),
            Verdict::Likely
        );
    }
}
