//! The two hellos (RFC 8446 §4.1, RFC 5246 §7.4.1): what each side offers and takes.

use smallvec::SmallVec;
use tls_parser::{parse_tls_handshake_client_hello, parse_tls_handshake_server_hello};

use crate::model::TlsVersion;

/// Extension types (IANA TLS `ExtensionType` registry).
pub(super) mod extension {
    pub(in super::super) const SERVER_NAME: u16 = 0;
    pub(super) const GROUPS: u16 = 10;
    pub(super) const POINT_FORMATS: u16 = 11;
    pub(super) const SIGNATURE_ALGORITHMS: u16 = 13;
    pub(in super::super) const ALPN: u16 = 16;
    pub(super) const ENCRYPT_THEN_MAC: u16 = 22;
    pub(super) const PRE_SHARED_KEY: u16 = 41;
    pub(super) const EARLY_DATA: u16 = 42;
    pub(super) const SUPPORTED_VERSIONS: u16 = 43;
    pub(super) const PSK_MODES: u16 = 45;
    pub(super) const ENCRYPTED_HELLO: u16 = 0xfe0d;
}

/// The random of a server hello that is a hello retry request: SHA-256 of `HelloRetryRequest` (RFC 8446 §4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// A session id: at most 32 octets.
pub(super) type SessionId = SmallVec<[u8; 32]>;

/// What the client offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ClientHello {
    /// The version field, which TLS 1.3 leaves at 1.2.
    pub(super) version: u16,
    /// By which secrets of the session are found; zeros where a hello in the SSLv2 format has none.
    pub(super) random: [u8; 32],
    pub(super) session_id: SessionId,
    pub(super) ciphers: Vec<u16>,
    /// Extension types in the order sent.
    pub(super) extensions: Vec<u16>,
    /// Host name asked for (RFC 6066 §3).
    pub(super) server_name: Option<Vec<u8>>,
    /// Application protocols (RFC 7301).
    pub(super) alpn: Vec<Vec<u8>>,
    /// Versions of the extension (RFC 8446 §4.2.1).
    pub(super) versions: Vec<u16>,
    pub(super) groups: Vec<u16>,
    pub(super) point_formats: Vec<u8>,
    pub(super) signature_algorithms: Vec<u16>,
    /// The client wants to send data before the server's answer.
    pub(super) early_data: bool,
    /// It has a hello within, encrypted (RFC 9849), or pretends to.
    pub(super) encrypted_hello: bool,
    /// It can take up sessions in TLS 1.3: without this no server sends tickets.
    pub(super) psk_modes: bool,
}

/// What the server takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerHello {
    /// The version in force, from the extension where it is there.
    pub(super) version: TlsVersion,
    pub(super) random: [u8; 32],
    pub(super) cipher: u16,
    pub(super) session_id: SessionId,
    /// How records are compressed; 0 where they are not (RFC 3749).
    pub(super) compression: u8,
    /// The MAC of a block cipher's record is over what is encrypted (RFC 7366).
    pub(super) encrypt_then_mac: bool,
    pub(super) alpn: Option<Vec<u8>>,
    /// It takes up a pre-shared key (RFC 8446 §4.2.11).
    pub(super) pre_shared_key: bool,
    /// It is a hello retry request: the client is to begin anew.
    pub(super) retry: bool,
}

impl ClientHello {
    /// Reads the body of the message; `None` where it is none.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let (_, hello) = parse_tls_handshake_client_hello(body).ok()?;
        let mut this = Self {
            version: hello.version.0,
            random: hello.random.try_into().unwrap_or_default(),
            session_id: SmallVec::from_slice(hello.session_id.unwrap_or_default()),
            ciphers: hello.ciphers.iter().map(|cipher| cipher.0).collect(),
            ..Self::default()
        };
        for_each_extension(hello.ext.unwrap_or_default(), |kind, data| {
            this.extensions.push(kind);
            match kind {
                extension::SERVER_NAME => this.server_name = server_name(data),
                extension::ALPN => this.alpn = alpn(data),
                extension::SUPPORTED_VERSIONS => this.versions = numbers(after(data, 1)),
                extension::GROUPS => this.groups = numbers(after(data, 2)),
                extension::POINT_FORMATS => this.point_formats = after(data, 1).to_vec(),
                extension::SIGNATURE_ALGORITHMS => {
                    this.signature_algorithms = numbers(after(data, 2));
                }
                extension::EARLY_DATA => this.early_data = true,
                extension::PSK_MODES => this.psk_modes = true,
                extension::ENCRYPTED_HELLO => this.encrypted_hello = true,
                _ => {}
            }
        });
        Some(this)
    }

    /// Reads a hello in the SSLv2 format (RFC 5246 appendix E.2), from its message type on.
    pub(super) fn read_sslv2(body: &[u8]) -> Option<Self> {
        let (&[kind, major, minor, high, low], _) = body.split_first_chunk::<5>()?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let ciphers = body.get(9..)?.get(..length)?;
        (kind == 1).then(|| Self {
            version: u16::from_be_bytes([major, minor]),
            // SSLv2's own ciphers have a first octet that is not 0.
            ciphers: ciphers
                .as_chunks::<3>()
                .0
                .iter()
                .filter(|[first, ..]| *first == 0)
                .map(|&[_, high, low]| u16::from_be_bytes([high, low]))
                .collect(),
            ..Self::default()
        })
    }
}

impl ServerHello {
    /// Reads the body of the message; `None` where it is none.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let mut compression = 0;
        let (version, random, session_id, cipher, extensions) =
            match parse_tls_handshake_server_hello(body) {
                Ok((_, hello)) => {
                    compression = hello.compression.0;
                    (
                        hello.version.0,
                        hello.random,
                        hello.session_id.unwrap_or_default(),
                        hello.cipher.0,
                        hello.ext.unwrap_or_default(),
                    )
                }
                Err(_) => draft(body)?,
            };
        let mut this = Self {
            version: TlsVersion(version),
            random: random.try_into().unwrap_or_default(),
            cipher,
            session_id: SmallVec::from_slice(session_id),
            compression,
            encrypt_then_mac: false,
            alpn: None,
            pre_shared_key: false,
            retry: random == RETRY,
        };
        for_each_extension(extensions, |kind, data| match kind {
            extension::SUPPORTED_VERSIONS => {
                if let Some(&chosen) = numbers(data).first() {
                    this.version = TlsVersion(chosen);
                }
            }
            extension::ALPN => this.alpn = alpn(data).into_iter().next(),
            extension::PRE_SHARED_KEY => this.pre_shared_key = true,
            extension::ENCRYPT_THEN_MAC => this.encrypt_then_mac = true,
            _ => {}
        });
        Some(this)
    }
}

/// What the server takes, as far as TLS 1.3 hides it (RFC 8446 §4.3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EncryptedExtensions {
    pub(super) alpn: Option<Vec<u8>>,
    /// It takes what the client sent before its answer.
    pub(super) early_data: bool,
}

impl EncryptedExtensions {
    /// Reads the body of the message, as far as it goes.
    pub(super) fn read(body: &[u8]) -> Self {
        let mut this = Self::default();
        for_each_extension(after(body, 2), |kind, data| match kind {
            extension::ALPN => this.alpn = alpn(data).into_iter().next(),
            extension::EARLY_DATA => this.early_data = true,
            _ => {}
        });
        this
    }
}

/// Whether `version` is TLS 1.3 or one of its drafts, which number themselves 7f and the draft.
pub(super) const fn is_1_3(version: TlsVersion) -> bool {
    version.0 == TlsVersion::TLS_1_3.0 || version.0 >> 8 == 0x7f
}

type Draft<'a> = (u16, &'a [u8], &'a [u8], u16, &'a [u8]);

/// The server hello of the TLS 1.3 drafts up to 21, which had no session id.
fn draft(body: &[u8]) -> Option<Draft<'_>> {
    let (version, rest) = number(body)?;
    let (random, rest) = rest.split_at_checked(32)?;
    let (cipher, rest) = number(rest)?;
    (version >> 8 == 0x7f).then(|| (version, random, &[][..], cipher, after(rest, 2)))
}

/// Calls `each` with type and data of every extension; stops where they are cut.
fn for_each_extension(bytes: &[u8], mut each: impl FnMut(u16, &[u8])) {
    let mut rest = bytes;
    while let Some((kind, after)) = number(rest) {
        let Some((data, next)) = counted(after) else {
            return;
        };
        each(kind, data);
        rest = next;
    }
}

/// The first name in the extension that is a host name.
fn server_name(data: &[u8]) -> Option<Vec<u8>> {
    let mut rest = after(data, 2);
    while let Some((&kind, next)) = rest.split_first() {
        let (name, next) = counted(next)?;
        if kind == 0 {
            return Some(name.to_vec());
        }
        rest = next;
    }
    None
}

fn alpn(data: &[u8]) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    let mut rest = after(data, 2);
    while let Some((&length, next)) = rest.split_first() {
        let Some((name, next)) = next.split_at_checked(usize::from(length)) else {
            break;
        };
        names.push(name.to_vec());
        rest = next;
    }
    names
}

/// What follows a length of `n` octets that is not looked at: the data ends where the extension does.
fn after(data: &[u8], n: usize) -> &[u8] {
    data.get(n..).unwrap_or_default()
}

fn numbers(data: &[u8]) -> Vec<u16> {
    data.as_chunks::<2>()
        .0
        .iter()
        .map(|&pair| u16::from_be_bytes(pair))
        .collect()
}

fn number(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (&pair, rest) = bytes.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(pair), rest))
}

/// Data behind a length of two octets.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = number(bytes)?;
    rest.split_at_checked(usize::from(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_hello_tells_what_it_offers() {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([2, 0xaa, 0xbb, 0, 4, 0x13, 1, 0xc0, 0x2f, 1, 0, 0, 39]);
        body.extend([0, 0, 0, 9, 0, 7, 0, 0, 4, b'm', b'x', b'.', b'y']);
        body.extend([0, 16, 0, 5, 0, 3, 2, b'h', b'2']);
        body.extend([0, 43, 0, 5, 4, 3, 4, 3, 3]);
        body.extend([0, 42, 0, 0, 0xfe, 0x0d, 0, 0]);
        let hello = ClientHello::read(&body).unwrap();
        assert_eq!(hello.session_id.as_slice(), [0xaa, 0xbb]);
        assert_eq!(hello.ciphers, [0x1301, 0xc02f]);
        assert_eq!(hello.extensions, [0, 16, 43, 42, 0xfe0d]);
        assert_eq!(hello.server_name.as_deref(), Some(&b"mx.y"[..]));
        assert_eq!(hello.alpn, [b"h2".to_vec()]);
        assert_eq!(hello.versions, [0x0304, 0x0303]);
        assert!(hello.early_data && hello.encrypted_hello && !hello.psk_modes);
    }

    #[test]
    fn the_version_in_the_extension_goes_first() {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0x13, 2, 0, 0, 6, 0, 43, 0, 2, 3, 4]);
        let hello = ServerHello::read(&body).unwrap();
        assert_eq!(hello.version, TlsVersion::TLS_1_3);
        assert_eq!((hello.cipher, hello.retry), (0x1302, false));
    }

    #[test]
    fn a_hello_retry_request_is_known_by_its_random() {
        let mut body = vec![3, 3];
        body.extend(RETRY);
        body.extend([0, 0x13, 1, 0, 0, 0]);
        assert!(ServerHello::read(&body).unwrap().retry);
    }

    #[test]
    fn a_cut_extension_leaves_those_before_it() {
        let mut kinds = Vec::new();
        for_each_extension(&[0, 43, 0, 1, 9, 0, 16, 0, 9, 1], |kind, _| {
            kinds.push(kind);
        });
        assert_eq!(kinds, [43]);
    }

    #[test]
    fn an_sslv2_hello_gives_version_and_tls_ciphers() {
        let body = [1, 3, 1, 0, 6, 0, 0, 0, 16, 0, 0, 5, 1, 0, 0x80];
        let hello = ClientHello::read_sslv2(&body).unwrap();
        assert_eq!((hello.version, hello.ciphers), (0x0301, vec![5]));
    }
}
