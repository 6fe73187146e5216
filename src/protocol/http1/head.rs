//! The lines at the head of a message that tell how long it is; the others are counted and not kept, secrets
//! among them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::model::{Side, Verb, masked_request};
use crate::protocol::record::text;

/// A request line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestLine {
    /// The method, by which it is compared.
    pub(super) method: Verb,
    /// The line, secrets in its URL masked.
    pub(super) request: String,
}

/// Methods by which a request is found within a line; the longer of two that end alike comes first.
const METHODS: &[&[u8]] = &[
    b"CONNECT",
    b"DELETE",
    b"GET",
    b"HEAD",
    b"MKCOL",
    b"OPTIONS",
    b"PROPPATCH",
    b"PATCH",
    b"POST",
    b"PROPFIND",
    b"PUT",
    b"REPORT",
    b"TRACE",
];

/// How the end of a message is found (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Framing {
    /// Chunks, each with its size.
    Chunked,
    /// So many octets.
    Length(u64),
    /// Nothing said.
    #[default]
    Unsaid,
}

/// Reads a request line; `None` for anything else.
pub(super) fn request_line(line: &[u8]) -> Option<RequestLine> {
    let mut words = line.split(|&byte| byte == b' ');
    let (method, version) = (words.next()?, words.next_back()?);
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let is_request = !method.is_empty()
        && method.iter().all(token)
        && words.next().is_some_and(|target| !target.is_empty())
        && is_version(version);
    is_request.then(|| RequestLine {
        method: Verb::new(&text(method)),
        request: masked_request(&text(line)),
    })
}

/// What a request line says that breaks off in its target; `None` where it does not get so far. Only a path is shown: an address
/// may hold a password, of which the end is not there to tell.
pub(super) fn broken_request_line(line: &[u8]) -> Option<RequestLine> {
    let at = line.iter().position(|&byte| byte == b' ')?;
    let (method, target) = line.split_at_checked(at)?;
    let is_request = METHODS.contains(&method) && target.starts_with(b" /");
    is_request.then(|| RequestLine {
        method: Verb::new(&text(method)),
        request: masked_request(&text(line)) + "…",
    })
}

/// The status code in a status line; `None` for anything else.
pub(super) fn status_line(line: &[u8]) -> Option<u16> {
    let (version, rest) = line.split_at_checked(8)?;
    let [b' ', a @ b'1'..=b'5', b, c] = *rest.first_chunk::<4>()? else {
        return None;
    };
    let ends = rest.get(4).is_none_or(|&byte| byte == b' ');
    let digits = [b, c].iter().all(u8::is_ascii_digit);
    (is_version(version) && digits && ends).then(|| {
        [a, b, c]
            .iter()
            .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'))
    })
}

/// A first line of the client that is no request line, for a server answers that too. Shown only where it has the
/// look of one: it may be the rest of a body, and hold a secret.
pub(super) fn malformed(line: &[u8]) -> RequestLine {
    let word = line.split(|&byte| byte == b' ').next().unwrap_or_default();
    let method = (3..=16).contains(&word.len()) && word.iter().all(u8::is_ascii_uppercase);
    RequestLine {
        method: if method {
            Verb::new(&text(word))
        } else {
            Verb::new(Verb::NO_REQUEST)
        },
        request: if method {
            masked_request(&text(line))
        } else {
            Verb::NO_REQUEST_LINE.to_owned()
        },
    }
}

/// Where a request line begins in `line`, which may begin with the end of a body.
pub(super) fn find_request_line(line: &[u8]) -> Option<usize> {
    let mut words = line.rsplitn(3, |&byte| byte == b' ');
    let (version, target, before) = (words.next()?, words.next()?, words.next()?);
    let method = METHODS.iter().find(|method| before.ends_with(method))?;
    (is_version(version) && !target.is_empty()).then_some(before.len() - method.len())
}

/// Where a status line begins in `line`, which may begin with the end of a body.
pub(super) fn find_status_line(line: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(line, b"HTTP/1.")
        .find(|&at| line.get(at..).and_then(status_line).is_some())
}

/// What the header field in `line` says of the end of the message, beside what was said `before`.
pub(super) fn framing(before: Framing, line: &[u8]) -> Framing {
    let Some((name, value)) = field(line) else {
        return before;
    };
    if name.eq_ignore_ascii_case(b"Transfer-Encoding") {
        return if is_chunked(value) {
            Framing::Chunked
        } else {
            before
        };
    }
    if name.eq_ignore_ascii_case(b"Content-Length") && before != Framing::Chunked {
        return number(value).map_or(before, Framing::Length);
    }
    before
}

/// Whether the header field in `line`, from `side`, contradicts what was said `before` of the end of the message, or
/// says it in a way that not all take alike (RFC 9112 §6.1, §6.3, §5.1).
pub(super) fn contradicts(before: Framing, line: &[u8], side: Side) -> bool {
    let Some((name, value)) = field(line) else {
        return false;
    };
    let bare = name.trim_ascii();
    let length = bare.eq_ignore_ascii_case(b"Content-Length");
    let coding = bare.eq_ignore_ascii_case(b"Transfer-Encoding");
    if !length && !coding {
        return false;
    }
    if bare.len() != name.len() {
        return true;
    }
    if coding {
        // A reply may end with the connection, a request may not.
        return matches!(before, Framing::Length(_)) || side == Side::Client && !is_chunked(value);
    }
    match (before, number(value)) {
        (Framing::Chunked, _) | (_, None) => true,
        (Framing::Length(other), Some(octets)) => other != octets,
        (Framing::Unsaid, Some(_)) => false,
    }
}

/// Whether chunks are the last coding of a Transfer-Encoding.
fn is_chunked(value: &[u8]) -> bool {
    let last = value.rsplit(|&byte| byte == b',').next();
    last.is_some_and(|last| last.trim_ascii().eq_ignore_ascii_case(b"chunked"))
}

/// A number in digits alone.
fn number(value: &[u8]) -> Option<u64> {
    let digits = value.iter().all(u8::is_ascii_digit);
    let value = std::str::from_utf8(value).ok().filter(|_| digits)?;
    value.parse().ok()
}

/// Whether a line is a request of HTTP/0.9: `GET /path`.
pub(super) fn is_simple(line: &[u8]) -> bool {
    let path = line.strip_prefix(b"GET ").unwrap_or_default();
    path.starts_with(b"/") && !path.contains(&b' ')
}

/// The port in the target of a CONNECT request (RFC 9110 §9.3.6).
pub(super) fn tunnel_port(request: &str) -> Option<u16> {
    let target = request.split(' ').nth(1)?;
    target.rsplit_once(':')?.1.parse().ok()
}

/// The protocol that an Upgrade field names.
pub(super) fn upgrade(line: &[u8]) -> Option<String> {
    let (name, value) = field(line)?;
    name.eq_ignore_ascii_case(b"Upgrade").then(|| text(value))
}

/// The user in an Authorization field of the Basic scheme (RFC 7617).
pub(super) fn user(line: &[u8]) -> Option<String> {
    let (name, value) = field(line)?;
    let (scheme, rest) = value.split_at_checked(6)?;
    if !name.eq_ignore_ascii_case(b"Authorization") || !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let decoded = STANDARD.decode(rest.trim_ascii()).ok()?;
    let user = decoded.split(|&byte| byte == b':').next()?;
    (!user.is_empty()).then(|| text(user))
}

/// The size that begins a chunk (RFC 9112 §7.1).
pub(super) fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|&byte| byte == b';').next()?.trim_ascii();
    let sound = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| sound)?;
    u64::from_str_radix(digits, 16).ok()
}

fn is_version(word: &[u8]) -> bool {
    // The name is in upper case (RFC 9112 §2.3), but there are servers that differ.
    word.eq_ignore_ascii_case(b"HTTP/1.0") || word.eq_ignore_ascii_case(b"HTTP/1.1")
}

/// Name and value of a header field.
pub(super) fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    Some((line.get(..colon)?, line.get(colon + 1..)?.trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_and_status_lines_are_told_from_others() {
        let request = |line: &str| request_line(line.as_bytes()).map(|it| it.request);
        assert_eq!(request("GET / HTTP/1.1").as_deref(), Some("GET / HTTP/1.1"));
        assert_eq!(
            request("GET http://tim:s3@x:81/a@b HTTP/1.0").as_deref(),
            Some("GET http://tim:***@x:81/a@b HTTP/1.0")
        );
        assert_eq!(
            request("GET /?u=http://a:b@c HTTP/1.1").as_deref(),
            Some("GET /?u=http://a:b@c HTTP/1.1")
        );
        assert_eq!(
            request("GET /?token=s3&a=b HTTP/1.1").as_deref(),
            Some("GET /?token=***&a=b HTTP/1.1")
        );
        assert_eq!(request("GET /"), None);
        assert_eq!(request("PRI * HTTP/2.0"), None);
        assert_eq!(request("GET  HTTP/1.1"), None);
        assert_eq!(status_line(b"HTTP/1.1 204 No Content"), Some(204));
        assert_eq!(status_line(b"HTTP/1.0 200"), Some(200));
        assert_eq!(status_line(b"HTTP/1.1 2000"), None);
        assert_eq!(status_line(b"HTTP/1.1 999 x"), None);
        assert_eq!(find_request_line(b"G / xPUT /a HTTP/1.1"), Some(5));
        assert_eq!(find_request_line(b"G / HTTP/1.1"), None);
        assert_eq!(find_status_line(b"xHTTP/1.x HTTP/1.1 200 OK"), Some(10));
    }

    #[test]
    fn chunks_win_over_a_length_and_nonsense_says_nothing() {
        let read = |lines: &[&str]| {
            lines
                .iter()
                .fold(Framing::Unsaid, |said, line| framing(said, line.as_bytes()))
        };
        assert_eq!(read(&["content-length: 12"]), Framing::Length(12));
        assert_eq!(
            read(&["Transfer-Encoding: gzip, Chunked", "Content-Length: 12"]),
            Framing::Chunked
        );
        assert_eq!(read(&["Content-Length: -1", "X: y", "z"]), Framing::Unsaid);
        assert_eq!(chunk_size(b"1A;name=value"), Some(26));
        assert_eq!(chunk_size(b"+1"), None);
        assert_eq!(chunk_size(b"11111111111111111"), None);
        assert_eq!(user(b"authorization: basic dGltOnMz"), Some("tim".into()));
        assert_eq!(user(b"Authorization: Bearer dGltOnMz"), None);
    }
}
