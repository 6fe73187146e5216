//! How HTTP/1 begins.

use super::head::{is_simple, request_line, status_line};
use crate::protocol::detect::first_line;
use crate::protocol::{Opening, Verdict};

/// By the first request, or the first reply where the capture starts later.
pub(super) fn probe(opening: &Opening<'_>) -> Verdict {
    let client = client(opening.client);
    let server = match (first_line(opening.server), opening.server) {
        (Some(line), _) if status_line(line).is_some() => Verdict::Certain,
        (None, start) if b"HTTP/1.".starts_with(start.get(..7).unwrap_or(start)) => {
            Verdict::NeedMore
        }
        _ => Verdict::RuledOut,
    };
    match (client, server) {
        (Verdict::Certain, _) | (_, Verdict::Certain) => Verdict::Certain,
        (_, Verdict::RuledOut) | (Verdict::RuledOut, Verdict::NeedMore) => Verdict::RuledOut,
        (client, _) => client,
    }
}

fn client(bytes: &[u8]) -> Verdict {
    let Some(line) = first_line(bytes) else {
        // All methods are in upper case, so this can be said before the line is whole.
        return match bytes.trim_ascii_start().first() {
            Some(byte) if !byte.is_ascii_uppercase() => Verdict::RuledOut,
            _ => Verdict::NeedMore,
        };
    };
    let long_url = || {
        let mut words = line.splitn(2, |&byte| byte == b' ');
        let method = words.next().is_some_and(|word| {
            (3..20).contains(&word.len()) && word.iter().all(u8::is_ascii_uppercase)
        });
        method && line.len() == bytes.len().min(1 << 10) && words.next().is_some()
    };
    if request_line(line).is_some() {
        Verdict::Certain
    } else if long_url() || is_simple(line) {
        Verdict::Likely
    } else {
        Verdict::RuledOut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_or_status_line_tells() {
        let verdict = |client: &str, server: &str| {
            probe(&Opening {
                client: client.as_bytes(),
                server: server.as_bytes(),
                port: 80,
            })
        };
        assert_eq!(verdict("", ""), Verdict::NeedMore);
        assert_eq!(verdict("GET / HT", ""), Verdict::NeedMore);
        assert_eq!(verdict("GET / HTTP/1.1\r\n", ""), Verdict::Certain);
        assert_eq!(verdict("", "HTTP/1.1 200 OK\r\n"), Verdict::Certain);
        assert_eq!(verdict("", "220 mx ESMTP\r\n"), Verdict::RuledOut);
        assert_eq!(verdict("EHLO x\r\n", ""), Verdict::RuledOut);
        assert_eq!(verdict("\u{16}", ""), Verdict::RuledOut);
        assert_eq!(verdict("PRI * HTTP/2.0\r\n", ""), Verdict::RuledOut);
        let long = format!("GET /{}", "x".repeat(2000));
        assert_eq!(verdict(&long, ""), Verdict::Likely);
    }
}
