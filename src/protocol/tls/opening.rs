//! How a TLS connection begins: the first bytes, and who speaks first inside.

use super::record::{HEADER, Header, is_sslv2_client_hello};
use crate::protocol::Verdict;

/// Who is the first to send application data once TLS stands. Tells a greeting from session tickets where
/// both are encrypted alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Opener {
    /// HTTP, and everything after STARTTLS.
    Client,
    /// SMTP, IMAP, POP3 and NNTP with TLS from the first byte: the server greets.
    Server,
    /// Not known.
    #[default]
    Unknown,
}

/// What the first bytes of a client say about TLS.
///
/// [`Verdict::Certain`] for a client hello (RFC 8446 §4.1.2, also in the SSLv2 format of RFC 5246 appendix
/// E.2), [`Verdict::Likely`] for another TLS record, as where the capture begins after the handshake.
pub fn opening(client: &[u8]) -> Verdict {
    let Some(&first) = client.first() else {
        return Verdict::NeedMore;
    };
    if first & 0x80 != 0 {
        return match client.first_chunk::<11>() {
            Some(head) if is_sslv2_client_hello(head) => Verdict::Certain,
            None if client.get(2).is_none_or(|&kind| kind == 1) => Verdict::NeedMore,
            _ => Verdict::RuledOut,
        };
    }
    if !(20..=24).contains(&first) || client.get(1).is_some_and(|&major| major != 3) {
        return Verdict::RuledOut;
    }
    let Some(head) = client.first_chunk::<HEADER>() else {
        return Verdict::NeedMore;
    };
    let Some(header) = Header::read(*head) else {
        return Verdict::RuledOut;
    };
    if header.kind != Header::HANDSHAKE {
        return if header.is_strict(None) {
            Verdict::Likely
        } else {
            Verdict::RuledOut
        };
    }
    match client.get(HEADER) {
        None => Verdict::NeedMore,
        Some(1) => Verdict::Certain,
        // Any other handshake message cannot come first, but an encrypted one can, in mid-connection.
        Some(_) => Verdict::Likely,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_hello_is_certain_from_its_sixth_byte() {
        let hello = [22, 3, 1, 2, 0, 1, 0, 1];
        assert_eq!(opening(&[]), Verdict::NeedMore);
        for n in 1..6 {
            assert_eq!(opening(&hello[..n]), Verdict::NeedMore, "{n} bytes");
        }
        assert_eq!(opening(&hello[..6]), Verdict::Certain);
    }

    #[test]
    fn an_sslv2_hello_is_certain_from_its_eleventh_byte() {
        let hello = [0x80, 46, 1, 3, 1, 0, 21, 0, 0, 0, 16];
        assert_eq!(opening(&hello[..10]), Verdict::NeedMore);
        assert_eq!(opening(&hello), Verdict::Certain);
        let mut other = hello;
        other[8] = 5;
        assert_eq!(opening(&other), Verdict::RuledOut);
    }

    #[test]
    fn words_in_the_clear_are_not_tls() {
        assert_eq!(opening(b"GET / HTTP/1.1\r\n"), Verdict::RuledOut);
        assert_eq!(opening(b"EHLO x\r\n"), Verdict::RuledOut);
        assert_eq!(opening(b"\x16\x02"), Verdict::RuledOut);
    }

    #[test]
    fn a_record_of_application_data_is_likely() {
        assert_eq!(opening(&[23, 3, 3, 0, 40, 1]), Verdict::Likely);
        assert_eq!(opening(&[23, 3, 3, 0xff, 40, 1]), Verdict::RuledOut);
    }
}
