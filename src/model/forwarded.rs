//! Clients behind a proxy, as the proxy names them to the server.

use std::net::IpAddr;

use super::Endpoint;

/// A client that the end of a connection says it speaks for. It is a claim: whoever may speak to the server may make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// The client.
    pub client: IpAddr,
    /// Its port, where that is told.
    pub port: Option<u16>,
    /// Where the client connected to, where that is told.
    pub reached: Option<Endpoint>,
    /// In which words.
    pub by: ForwardedBy,
}

/// In which words a proxy names a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedBy {
    /// A PROXY header before all else (`HAProxy`'s `proxy-protocol.txt`, versions 1 and 2).
    ProxyHeader,
    /// The command XCLIENT of SMTP (Postfix) or POP3 (Dovecot).
    Xclient,
    /// `x-originating-ip` in IMAP's ID (Dovecot).
    ImapId,
    /// A field of an HTTP request: `X-Forwarded-For`, `X-Real-IP`, `Forwarded` (RFC 7239).
    HttpField,
}

impl ForwardedBy {
    /// As people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProxyHeader => "PROXY header",
            Self::Xclient => "XCLIENT",
            Self::ImapId => "IMAP ID",
            Self::HttpField => "HTTP header field",
        }
    }
}
