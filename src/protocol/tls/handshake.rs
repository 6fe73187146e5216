//! Handshake messages out of records, and what they tell.

use tls_parser::{
    SNIType, TlsCipherSuite, TlsExtension, TlsMessage, TlsMessageHandshake, TlsServerHelloContents,
    parse_tls_client_hello_extensions, parse_tls_message_handshake,
    parse_tls_server_hello_extensions,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::model::{Certificate, Nanos, ServerName, TlsSummary, TlsVersion, from_wire};

/// Largest handshake message kept: certificate chains have some kilobytes.
const MAX_MESSAGE: usize = 128 << 10;

/// The random of a server hello that asks the client to try again (RFC 8446 §4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Puts one direction's handshake messages together.
#[derive(Debug, Default)]
pub(super) struct Messages {
    buffer: Vec<u8>,
    /// A message was too long or cannot be read: nothing after it can be either.
    closed: bool,
}

impl Messages {
    /// Takes the body of a handshake record; fills `summary` with what whole messages tell.
    pub(super) fn record(&mut self, body: &[u8], at: Nanos, summary: &mut TlsSummary) {
        if self.closed {
            return;
        }
        self.buffer.extend_from_slice(body);
        while let Some(length) = self.whole() {
            let message: Vec<u8> = self.buffer.drain(..length).collect();
            if let Ok((_, TlsMessage::Handshake(message))) = parse_tls_message_handshake(&message) {
                tell(&message, at, summary);
            }
        }
        if self.buffer.len() > MAX_MESSAGE {
            self.close();
        }
    }

    /// Nothing more in this direction is in the clear.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.buffer = Vec::new();
    }

    /// Length of the first message, if all of it is here.
    fn whole(&self) -> Option<usize> {
        let [_, high, middle, low] = *self.buffer.first_chunk()?;
        let length = 4 + usize::try_from(u32::from_be_bytes([0, high, middle, low])).ok()?;
        (self.buffer.len() >= length).then_some(length)
    }
}

fn tell(message: &TlsMessageHandshake<'_>, at: Nanos, summary: &mut TlsSummary) {
    match message {
        TlsMessageHandshake::ClientHello(hello) => {
            summary.client_hello.get_or_insert(at);
            client_extensions(hello.ext.unwrap_or_default(), summary);
        }
        TlsMessageHandshake::ServerHello(hello) if hello.random != RETRY => {
            summary.server_hello.get_or_insert(at);
            server_hello(hello, summary);
        }
        TlsMessageHandshake::Certificate(chain) => {
            summary.resumed = Some(false);
            if let (None, Some(leaf)) = (&summary.certificate, chain.cert_chain.first()) {
                summary.certificate = certificate(leaf.data);
            }
        }
        _ => {}
    }
}

fn client_extensions(extensions: &[u8], summary: &mut TlsSummary) {
    let Ok((_, extensions)) = parse_tls_client_hello_extensions(extensions) else {
        return;
    };
    for extension in extensions {
        match extension {
            TlsExtension::SNI(names) => {
                let host = names.iter().find(|(kind, _)| *kind == SNIType::HostName);
                if let Some((_, name)) = host {
                    summary.server_name = Some(ServerName(from_wire(name)));
                }
            }
            TlsExtension::ALPN(names) => {
                summary.alpn = names.iter().map(|name| from_wire(name)).collect();
            }
            _ => {}
        }
    }
}

fn server_hello(hello: &TlsServerHelloContents<'_>, summary: &mut TlsSummary) {
    let mut version = TlsVersion(hello.version.0);
    let mut resumes = false;
    let extensions = hello.ext.unwrap_or_default();
    if let Ok((_, extensions)) = parse_tls_server_hello_extensions(extensions) {
        for extension in extensions {
            match extension {
                TlsExtension::SupportedVersions(versions) => {
                    if let [chosen] = versions.as_slice() {
                        version = TlsVersion(chosen.0);
                    }
                }
                TlsExtension::ALPN(names) => {
                    summary.alpn = names.iter().map(|name| from_wire(name)).collect();
                }
                TlsExtension::PreSharedKey(_) => resumes = true,
                _ => {}
            }
        }
    }
    summary.version = Some(version);
    summary.cipher = Some(TlsCipherSuite::from_id(hello.cipher.0).map_or_else(
        || format!("0x{:04x}", hello.cipher.0),
        |suite| suite.name.to_owned(),
    ));
    if version == TlsVersion::TLS_1_3 {
        summary.resumed = Some(resumes);
    }
}

fn certificate(der: &[u8]) -> Option<Certificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let seconds = certificate.validity().not_after.timestamp();
    Some(Certificate {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        not_after: Nanos::new(seconds, 0),
    })
}
