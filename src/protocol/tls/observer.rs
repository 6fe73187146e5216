//! Follows one connection from its hello to its last record.

use tls_parser::TlsPRF;

use super::alert::{Alert, who};
use super::burst::Collector;
use super::certificate::Chain;
use super::fingerprint::{ja3, ja4};
use super::flight::{Flight, Terms};
use super::handshake::{Joiner, Message, kind};
use super::hello::{ClientHello, ServerHello, SessionId, is_1_3};
use super::opening::Opener;
use super::overhead::{Overhead, suite, suite_name};
use super::record::{Facts, Header, Mark, Piece};
use super::sides::Sides;
use super::splitter::Splitter;
use crate::flow::StreamEvent;
use crate::model::{Nanos, ServerName, Side, TlsSummary, TlsVersion, from_wire};
use crate::protocol::{Decoder, Dialogue, Step};

/// Alerts kept in words.
const ALERTS: usize = 16;

/// Reads one connection's TLS, from its first byte or from the first one after STARTTLS.
///
/// Fills [`Dialogue::tls`] and [`Dialogue::bursts`] and adds to [`Dialogue::notes`]; whether TLS was implicit
/// is left to the caller. The last bursts may still be joined or taken back by
/// [`Decoder::finish`], so none may be taken out before it.
///
/// Where the handshake is not in the capture, the record overhead of TLS 1.3 is taken and every burst is marked
/// as damaged.
#[derive(Debug, Default)]
pub struct Tls {
    splitters: Sides<Splitter>,
    reader: Reader,
}

/// What application data records are.
#[derive(Debug, Default)]
enum Mode {
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

/// What one side has shown.
#[derive(Debug, Default)]
struct Shown {
    joiner: Joiner,
    /// It has changed to the negotiated cipher.
    changed: bool,
    /// It sent something that is not TLS.
    foreign: bool,
}

/// What of the client hello is needed later.
#[derive(Debug, Default)]
struct Asked {
    session_id: SessionId,
    early_data: bool,
    tickets: bool,
}

/// Reads the pieces of both directions.
#[derive(Debug, Default)]
struct Reader {
    opener: Opener,
    mode: Mode,
    shown: Sides<Shown>,
    collector: Collector,
    asked: Asked,
    /// The server sent a message that an abbreviated handshake has not.
    full: bool,
    /// Bytes are missing, so that what was not seen may still have been sent.
    holes: bool,
    /// The side that gave the handshake up, and why.
    failed: Option<(Side, Alert)>,
    /// Last event.
    last: Nanos,
}

impl Tls {
    /// A decoder that knows who speaks first inside TLS.
    pub fn new(opener: Opener) -> Self {
        Self {
            splitters: Sides::default(),
            reader: Reader {
                opener,
                ..Reader::default()
            },
        }
    }
}

impl Decoder for Tls {
    fn event(&mut self, event: StreamEvent<'_>, out: &mut Dialogue) -> Step {
        let side = event.side();
        self.reader.last = event.at();
        let splitter = self.splitters.of_mut(side);
        let reader = &mut self.reader;
        match event {
            StreamEvent::Data {
                at, packet, bytes, ..
            } => splitter.push(Mark { at, packet }, bytes, &mut |piece| {
                reader.piece(side, &piece, out);
            }),
            StreamEvent::Gap { at, missing, .. } => {
                reader.holes = true;
                splitter.gap(at, missing, &mut |piece| reader.piece(side, &piece, out));
                reader.gap(side, at, out);
            }
            StreamEvent::Fin { .. } | StreamEvent::Rst { .. } => {}
        }
        if reader.is_sslv2(out) {
            self.splitters.of_mut(Side::Client).silence();
            self.splitters.of_mut(Side::Server).silence();
        }
        Step::Continue
    }

    fn finish(&mut self, out: &mut Dialogue) {
        let reader = &mut self.reader;
        for side in [Side::Client, Side::Server] {
            let last = reader.last;
            self.splitters
                .of_mut(side)
                .finish(last, &mut |piece| reader.piece(side, &piece, out));
        }
        reader.finish(out);
    }
}

impl Reader {
    fn piece(&mut self, side: Side, piece: &Piece<'_>, out: &mut Dialogue) {
        match *piece {
            Piece::Record {
                header,
                facts,
                body,
            } => self.record(side, header, facts, body, out),
            Piece::Sslv2 { facts, body } => self.sslv2(side, &facts, body, out),
            Piece::Stray { start, end, octets } => {
                let facts = Facts {
                    start,
                    end,
                    length: 0,
                    damaged: true,
                };
                let counts = match &self.mode {
                    Mode::Hello => false,
                    Mode::Open(_) | Mode::Unknown => true,
                    Mode::Hidden(flight, _) => flight.is_over(),
                };
                if counts {
                    self.collector.stray(side, &facts, octets, &mut out.bursts);
                } else {
                    self.shown.of_mut(side).foreign |= !self.holes;
                }
            }
        }
    }

    fn record(
        &mut self,
        side: Side,
        header: Header,
        facts: Facts,
        body: Option<&[u8]>,
        out: &mut Dialogue,
    ) {
        match (header.kind, body) {
            (Header::APPLICATION_DATA, _) => self.application_data(side, facts, out),
            (Header::HANDSHAKE, _) if self.shown.of(side).changed => {
                encrypted(side, facts, out);
            }
            (Header::HANDSHAKE, Some(body)) => {
                // Out, so that the messages can be read while it lends them.
                let mut joiner = std::mem::take(&mut self.shown.of_mut(side).joiner);
                joiner.push(body, &mut |message| {
                    self.message(side, message, facts.end, out);
                });
                self.shown.of_mut(side).joiner = joiner;
            }
            (Header::HANDSHAKE, None) => self.shown.of_mut(side).joiner.lose(),
            (Header::CHANGE_CIPHER_SPEC, _) => self.change(side, out),
            (Header::ALERT, Some(body)) => self.alert(side, body, out),
            _ => {}
        }
    }

    fn message(&mut self, side: Side, message: Message<'_>, at: Nanos, out: &mut Dialogue) {
        match (side, message.kind) {
            (Side::Client, kind::CLIENT_HELLO) => {
                if let Some(hello) = ClientHello::read(message.body) {
                    self.client_hello(&hello, at, true, out);
                }
            }
            (Side::Server, kind::SERVER_HELLO) => {
                if let Some(hello) = ServerHello::read(message.body) {
                    self.server_hello(&hello, at, out);
                }
            }
            (Side::Server, kind::CERTIFICATE) => {
                self.full = true;
                let chain = Chain::read(message.body);
                let tls = summary(out);
                tls.resumed = Some(false);
                tls.chain_length = Some(chain.length);
                tls.certificate = chain.leaf;
                if tls.certificate.is_none() {
                    out.notes.push(match chain.length {
                        0 => "the server sent no certificate".to_owned(),
                        _ => "the server's certificate cannot be read".to_owned(),
                    });
                }
            }
            (Side::Server, kind::NEW_SESSION_TICKET | kind::CERTIFICATE_STATUS) => {}
            (Side::Server, _) => self.full = true,
            _ => {}
        }
    }

    fn client_hello(
        &mut self,
        hello: &ClientHello,
        at: Nanos,
        fingerprint: bool,
        out: &mut Dialogue,
    ) {
        let tls = summary(out);
        // A second one answers a hello retry request and offers no other things.
        if tls.client_hello.is_some() {
            return;
        }
        tls.client_hello = Some(at);
        let highest = hello.versions.iter().copied().filter(|n| n >> 8 == 3).max();
        tls.offered = Some(TlsVersion(highest.unwrap_or(hello.version)));
        tls.server_name = hello
            .server_name
            .as_deref()
            .map(|name| ServerName(from_wire(name)));
        tls.alpn = hello.alpn.iter().map(|name| from_wire(name)).collect();
        if fingerprint {
            tls.ja3 = Some(ja3(hello));
            tls.ja4 = Some(ja4(hello));
        }
        self.asked = Asked {
            session_id: hello.session_id.clone(),
            early_data: hello.early_data,
            tickets: hello.psk_modes,
        };
    }

    fn server_hello(&mut self, hello: &ServerHello, at: Nanos, out: &mut Dialogue) {
        let tls = summary(out);
        if hello.retry {
            tls.retried = true;
            return;
        }
        if tls.server_hello.is_some() {
            return;
        }
        let seen = tls.client_hello.is_some();
        let chosen = suite(hello.cipher);
        let overhead = Overhead::of(hello.version, chosen);
        tls.server_hello = Some(at);
        tls.version = Some(hello.version);
        tls.cipher = Some(suite_name(hello.cipher));
        tls.padding = overhead.slack;
        if is_1_3(hello.version) {
            tls.resumed = Some(hello.pre_shared_key);
            let hash = chosen.map(|suite| match suite.prf {
                TlsPRF::Sha384 => 48,
                TlsPRF::Sha512 => 64,
                _ => 32,
            });
            let terms = Terms {
                overhead,
                hash,
                opener: self.opener,
                // Without the client hello it is not known that there are none.
                tickets: self.asked.tickets || !seen,
                // With a retry there is none (RFC 8446 §4.2.10).
                early_data: self.asked.early_data && !tls.retried,
            };
            self.mode = Mode::Hidden(Flight::new(terms), overhead);
            return;
        }
        if let Some(name) = &hello.alpn {
            tls.alpn = vec![from_wire(name)];
        } else if seen {
            tls.alpn.clear();
        }
        tls.alpn_chosen = hello.alpn.is_some();
        if seen && !hello.session_id.is_empty() && hello.session_id == self.asked.session_id {
            tls.resumed = Some(true);
        }
        self.mode = Mode::Open(overhead);
    }

    /// A hello in the SSLv2 format: of a client that may go on in TLS, or of an SSLv2 server.
    fn sslv2(&mut self, side: Side, facts: &Facts, body: &[u8], out: &mut Dialogue) {
        match side {
            Side::Client => {
                if let Some(hello) = ClientHello::read_sslv2(body) {
                    self.client_hello(&hello, facts.end, false, out);
                }
            }
            Side::Server => {
                let tls = summary(out);
                tls.version = Some(TlsVersion::SSL_2);
                tls.server_hello = Some(facts.end);
                out.notes
                    .push("SSLv2: what follows its hellos is not read".to_owned());
            }
        }
    }

    fn is_sslv2(&self, out: &Dialogue) -> bool {
        matches!(self.mode, Mode::Hello)
            && out
                .tls
                .as_ref()
                .is_some_and(|tls| tls.version == Some(TlsVersion::SSL_2))
    }

    /// `side` changes to the negotiated cipher; in TLS 1.3 this means nothing (RFC 8446 appendix D.4).
    fn change(&mut self, side: Side, out: &mut Dialogue) {
        if !matches!(self.mode, Mode::Hidden(..)) && !self.awaits_server_hello(out) {
            self.shown.of_mut(side).changed = true;
        }
        if side == Side::Server && matches!(self.mode, Mode::Open(_)) && !self.holes {
            summary(out).resumed.get_or_insert(!self.full);
        }
    }

    /// A client of TLS 1.3 may send its change before the server's hello, with early data or after a retry.
    fn awaits_server_hello(&self, out: &Dialogue) -> bool {
        matches!(self.mode, Mode::Hello)
            && out
                .tls
                .as_ref()
                .is_some_and(|tls| tls.client_hello.is_some() && tls.server_hello.is_none())
    }

    fn alert(&mut self, side: Side, body: &[u8], out: &mut Dialogue) {
        let Some(alert) = Alert::read(body) else {
            return;
        };
        let tls = summary(out);
        if tls.alerts.len() < ALERTS {
            tls.alerts.push(alert.words(side));
        }
        if alert.is_fatal() && tls.finished.is_none() {
            self.failed.get_or_insert((side, alert));
        }
    }

    fn application_data(&mut self, side: Side, mut facts: Facts, out: &mut Dialogue) {
        let early = side == Side::Client && self.asked.early_data && self.awaits_server_hello(out);
        if matches!(self.mode, Mode::Hello) && !early {
            self.mode = Mode::Unknown;
            summary(out);
        }
        let collector = &mut self.collector;
        match &mut self.mode {
            Mode::Hidden(flight, overhead) => {
                flight.record(side, facts, &mut |side, facts| {
                    count(collector, side, &facts, *overhead, true, out);
                });
                let finished = flight.finished();
                let tls = summary(out);
                tls.finished = tls.finished.or(finished);
            }
            Mode::Open(overhead) => {
                summary(out).finished.get_or_insert(facts.start.at);
                count(collector, side, &facts, *overhead, false, out);
            }
            Mode::Hello => count(collector, side, &facts, Overhead::TLS_1_3, false, out),
            Mode::Unknown => {
                facts.damaged = true;
                count(collector, side, &facts, Overhead::TLS_1_3, true, out);
            }
        }
    }

    fn gap(&mut self, side: Side, at: Nanos, out: &mut Dialogue) {
        self.shown.of_mut(side).joiner.lose();
        let collector = &mut self.collector;
        if let Mode::Hidden(flight, overhead) = &mut self.mode {
            flight.gap(side, at, &mut |side, facts| {
                count(collector, side, &facts, *overhead, true, out);
            });
        }
    }

    fn finish(&mut self, out: &mut Dialogue) {
        let collector = &mut self.collector;
        let mut refused = false;
        if let Mode::Hidden(flight, overhead) = &mut self.mode {
            refused = flight.refused();
            flight.finish(&mut |side, facts| {
                count(collector, side, &facts, *overhead, true, out);
            });
        }
        collector.finish(&mut out.bursts);
        if let Some(note) = self.verdict(refused, out) {
            out.notes.push(note);
        }
    }

    /// What went wrong with the handshake, if anything.
    fn verdict(&self, refused: bool, out: &Dialogue) -> Option<String> {
        let tls = out.tls.as_ref()?;
        if let Some((side, alert)) = self.failed {
            return Some(format!(
                "TLS handshake failed: the {} says \"{}\"",
                who(side),
                alert.name()
            ));
        }
        if refused {
            return Some("TLS handshake failed: the client sent an encrypted alert".to_owned());
        }
        if tls.finished.is_some() || tls.version == Some(TlsVersion::SSL_2) {
            return None;
        }
        let said = match (tls.client_hello, tls.server_hello) {
            (None, None) => "the TLS handshake is not in the capture",
            _ if self.holes => "part of the TLS handshake is missing from the capture",
            (Some(_), None) if self.shown.of(Side::Server).foreign => {
                "TLS handshake failed: the server's answer is not TLS"
            }
            (Some(_), None) => "TLS handshake broken off: no server hello",
            _ => "TLS handshake broken off after the server hello",
        };
        Some(said.to_owned())
    }
}

/// Counts a record of application data.
fn count(
    collector: &mut Collector,
    side: Side,
    facts: &Facts,
    overhead: Overhead,
    hidden: bool,
    out: &mut Dialogue,
) {
    let plaintext = overhead.plaintext(facts.length);
    // Only where alerts are hidden can two octets be one.
    let doubtful = hidden && plaintext == 2;
    collector.record(side, facts, plaintext, doubtful, &mut out.bursts);
}

fn summary(out: &mut Dialogue) -> &mut TlsSummary {
    out.tls.get_or_insert_default()
}

/// An encrypted handshake message of TLS 1.2 or before: the first one is Finished.
fn encrypted(side: Side, facts: Facts, out: &mut Dialogue) {
    if side == Side::Client {
        summary(out).finished.get_or_insert(facts.end);
    }
}
