//! What the handshake messages in the clear agree on.

use tls_parser::TlsPRF;

use super::certificate::Chain;
use super::fingerprint::{ja3, ja4};
use super::flight::{Flight, Terms};
use super::handshake::{Message, kind};
use super::hello::{ClientHello, ServerHello, SessionId, is_1_3};
use super::opening::Opener;
use super::overhead::{Overhead, suite, suite_name};
use crate::model::{Nanos, ServerName, Side, TlsSummary, TlsVersion, from_wire};
use crate::protocol::Dialogue;

/// What application data records are.
#[derive(Debug, Default)]
pub(super) enum Mode {
    /// No server hello yet.
    #[default]
    Hello,
    /// TLS 1.2 or before: application data, all of them.
    Open(Overhead),
    /// TLS 1.3: part of them the handshake.
    Hidden(Flight, Overhead),
    /// The handshake was not seen.
    Unknown,
}

/// Reads the messages of both sides.
#[derive(Debug, Default)]
pub(super) struct Negotiation {
    /// Who speaks first inside.
    opener: Opener,
    /// Session that the client wants to take up.
    session_id: SessionId,
    /// It wants to send data before the server's answer.
    early_data: bool,
    /// It takes tickets of TLS 1.3.
    tickets: bool,
    /// The server sent a message that an abbreviated handshake has not.
    full: bool,
}

impl Negotiation {
    pub(super) fn new(opener: Opener) -> Self {
        Self {
            opener,
            ..Self::default()
        }
    }

    /// Whether application data of the client may come before the server's hello.
    pub(super) const fn early_data(&self) -> bool {
        self.early_data
    }

    /// Reads the next message in the clear. Gives what a server hello makes of the records after it.
    pub(super) fn message(
        &mut self,
        side: Side,
        message: Message<'_>,
        at: Nanos,
        out: &mut Dialogue,
    ) -> Option<Mode> {
        match (side, message.kind) {
            (Side::Client, kind::CLIENT_HELLO) => {
                let hello = ClientHello::read(message.body)?;
                let tls = out.tls.get_or_insert_default();
                if self.client_hello(&hello, at, tls) {
                    tls.ja3 = Some(ja3(&hello));
                    tls.ja4 = Some(ja4(&hello));
                }
                None
            }
            (Side::Server, kind::SERVER_HELLO) => {
                let hello = ServerHello::read(message.body)?;
                self.server_hello(&hello, at, out.tls.get_or_insert_default())
            }
            (Side::Server, kind::CERTIFICATE) => {
                self.full = true;
                certificate(&Chain::read(message.body), out);
                None
            }
            (side, kind) => {
                // An abbreviated handshake may have these two (RFC 5077 §3.1, RFC 6066 §8).
                let either = [kind::NEW_SESSION_TICKET, kind::CERTIFICATE_STATUS].contains(&kind);
                self.full |= side == Side::Server && !either;
                None
            }
        }
    }

    /// Takes what the client offers; `false` for a second hello, which answers a hello retry request.
    pub(super) fn client_hello(
        &mut self,
        hello: &ClientHello,
        at: Nanos,
        tls: &mut TlsSummary,
    ) -> bool {
        if tls.client_hello.is_some() {
            return false;
        }
        tls.client_hello = Some(at);
        let highest = hello.versions.iter().copied().filter(|n| n >> 8 == 3).max();
        tls.offered = Some(TlsVersion(highest.unwrap_or(hello.version)));
        tls.server_name = hello
            .server_name
            .as_deref()
            .map(|name| ServerName(from_wire(name)));
        tls.alpn = hello.alpn.iter().map(|name| from_wire(name)).collect();
        tls.encrypted_hello = hello.encrypted_hello;
        self.session_id.clone_from(&hello.session_id);
        self.early_data = hello.early_data;
        self.tickets = hello.psk_modes;
        true
    }

    fn server_hello(
        &mut self,
        hello: &ServerHello,
        at: Nanos,
        tls: &mut TlsSummary,
    ) -> Option<Mode> {
        if hello.retry {
            tls.retried = true;
            // Early data is refused with it (RFC 8446 §4.2.10).
            self.early_data = false;
            return None;
        }
        if tls.server_hello.is_some() {
            return None;
        }
        let asked = tls.client_hello.is_some();
        let chosen = suite(hello.cipher);
        let overhead = Overhead::of(hello.version, chosen);
        tls.server_hello = Some(at);
        tls.version = Some(hello.version);
        tls.cipher = Some(suite_name(hello.cipher));
        tls.padding = overhead.slack;
        if is_1_3(hello.version) {
            tls.resumed = Some(hello.pre_shared_key);
            let terms = Terms {
                overhead,
                hash: chosen.map(|suite| match suite.prf {
                    TlsPRF::Sha384 => 48,
                    TlsPRF::Sha512 => 64,
                    _ => 32,
                }),
                opener: self.opener,
                // Without the client's hello it is not known that there are none.
                tickets: self.tickets || !asked,
                early_data: self.early_data,
            };
            return Some(Mode::Hidden(Flight::new(terms), overhead));
        }
        tls.alpn = hello
            .alpn
            .iter()
            .map(Vec::as_slice)
            .map(from_wire)
            .collect();
        tls.alpn_chosen = hello.alpn.is_some();
        if asked && !hello.session_id.is_empty() && hello.session_id == self.session_id {
            tls.resumed = Some(true);
        }
        Some(Mode::Open(overhead))
    }

    /// The server changes to the agreed cipher, in TLS 1.2 or before, and no message was missed.
    pub(super) fn server_changes(&self, out: &mut Dialogue) {
        let tls = out.tls.get_or_insert_default();
        tls.resumed.get_or_insert(!self.full);
    }
}

fn certificate(chain: &Chain, out: &mut Dialogue) {
    let tls = out.tls.get_or_insert_default();
    tls.resumed = Some(false);
    tls.chain_length = Some(chain.length);
    tls.certificate.clone_from(&chain.leaf);
    if chain.leaf.is_none() {
        out.notes.push(match chain.length {
            0 => "the server sent no certificate".to_owned(),
            _ => "the server's certificate cannot be read".to_owned(),
        });
    }
}
