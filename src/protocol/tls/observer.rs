//! Follows one connection from its hello to its last record.

use super::alert::{Alert, who};
use super::burst::Collector;
use super::certificate::Chain;
use super::decrypt::Secrets;
use super::handshake::{Joiner, Message, kind};
use super::hello::{ClientHello, EncryptedExtensions, is_1_3};
use super::negotiation::{Mode, Negotiation};
use super::opening::Opener;
use super::overhead::Overhead;
use super::record::{Bodies, Facts, Header, Mark, Piece};
use super::revealer::{Inside, Revealer};
use super::sides::Sides;
use super::splitter::Splitter;
use crate::flow::StreamEvent;
use crate::model::{Nanos, Side, TlsSummary, TlsVersion, from_wire};
use crate::protocol::{Decoder, Dialogue, Step};

/// Alerts kept in words.
const ALERTS: usize = 16;

/// Reads one connection's TLS, from its first byte or from the first one after STARTTLS.
///
/// Fills [`Dialogue::tls`] and [`Dialogue::bursts`] and adds to [`Dialogue::notes`]; whether TLS was implicit
/// is left to the caller. The last bursts may still be joined or taken back by
/// [`Decoder::finish`], so none may be taken out before it.
///
/// Where there are secrets of the session, what they open is read as if it came in the clear, and of the bursts only
/// those of what stayed closed remain.
///
/// Where the handshake is not in the capture, the record overhead of TLS 1.3 is taken and every burst is marked
/// as damaged.
#[derive(Debug, Default)]
pub struct Tls {
    splitters: Sides<Splitter>,
    reader: Reader,
}

/// What one side has shown.
#[derive(Debug, Default)]
struct Shown {
    joiner: Joiner,
    /// It has changed to the negotiated cipher.
    changed: bool,
    /// It sent something that is not TLS.
    foreign: bool,
    farewell: Farewell,
}

/// How a side takes its leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Farewell {
    /// It has not.
    #[default]
    None,
    /// It sent an alert behind the handshake, which mostly is one.
    Alert,
    /// It went on in the clear after that.
    Bare,
}

/// Reads the pieces of both directions.
#[derive(Debug, Default)]
struct Reader {
    negotiation: Negotiation,
    mode: Mode,
    shown: Sides<Shown>,
    collector: Collector,
    /// Bytes are missing, so that what was not seen may still have been sent.
    holes: bool,
    /// The side that gave the handshake up, and why.
    failed: Option<(Side, Alert)>,
    /// Last event.
    last: Nanos,
    secrets: Secrets,
    inside: Inside,
    /// Opens records, where there are secrets of the session.
    revealer: Option<Box<Revealer>>,
}

impl Tls {
    /// A decoder that knows who speaks first inside TLS.
    pub fn new(opener: Opener) -> Self {
        Self::with_secrets(opener, Secrets::default(), Inside::default())
    }

    /// The same, where there may be secrets that open it.
    pub(in crate::protocol) fn with_secrets(
        opener: Opener,
        secrets: Secrets,
        inside: Inside,
    ) -> Self {
        Self {
            splitters: Sides::default(),
            reader: Reader {
                negotiation: Negotiation::new(opener),
                secrets,
                inside,
                ..Reader::default()
            },
        }
    }
}

#[cfg(test)]
impl Tls {
    /// Octets held back.
    pub(super) fn held(&self) -> usize {
        [Side::Client, Side::Server]
            .map(|side| self.splitters.of(side).held() + self.reader.shown.of(side).joiner.held())
            .iter()
            .sum()
    }
}

impl Decoder for Tls {
    fn event(&mut self, event: StreamEvent<'_>, out: &mut Dialogue) -> Step {
        let side = event.side();
        self.reader.last = event.at();
        let splitter = self.splitters.of_mut(side);
        let reader = &mut self.reader;
        splitter.keep(reader.bodies());
        match event {
            StreamEvent::Data {
                at, packet, bytes, ..
            } => splitter.push(Mark { at, packet }, bytes, &mut |piece| {
                reader.piece(side, &piece, out)
            }),
            StreamEvent::Gap { at, missing, .. } => {
                reader.holes = true;
                let counts = reader.is_past_handshake().then(|| reader.overhead());
                if let Some(revealer) = &mut reader.revealer {
                    let beyond = missing.saturating_sub(splitter.left());
                    revealer.gap(side, at, (missing, beyond), counts, out);
                }
                splitter.gap(at, missing, &mut |piece| reader.piece(side, &piece, out));
                reader.gap(side, at, out);
            }
            StreamEvent::Fin { .. } | StreamEvent::Rst { .. } => {
                if let Some(revealer) = &mut reader.revealer {
                    revealer.closed(event, out);
                }
            }
        }
        if reader.is_sslv2(out) {
            self.splitters.of_mut(Side::Client).silence();
            self.splitters.of_mut(Side::Server).silence();
        }
        Step::Continue
    }

    fn finish(&mut self, out: &mut Dialogue) {
        let reader = &mut self.reader;
        // What a side did not send to its end was not lost: nobody was to read it.
        let revealer = reader.revealer.take();
        for side in [Side::Client, Side::Server] {
            let last = reader.last;
            reader.shown.of_mut(side).joiner.lose();
            self.splitters
                .of_mut(side)
                .finish(last, &mut |piece| reader.piece(side, &piece, out));
        }
        reader.revealer = revealer;
        reader.finish(out);
    }
}

impl Reader {
    /// Takes a piece of the stream. Gives whose bodies are wanted after it.
    fn piece(&mut self, side: Side, piece: &Piece<'_>, out: &mut Dialogue) -> Bodies {
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
                if let Some(revealer) = &mut self.revealer {
                    revealer.stray(side, start.at, octets);
                }
                let shown = self.shown.of_mut(side);
                if shown.farewell != Farewell::None && !self.holes {
                    shown.farewell = Farewell::Bare;
                } else if self.is_past_handshake() {
                    self.collector.stray(side, &facts, octets, &mut out.bursts);
                } else {
                    self.shown.of_mut(side).foreign |= !self.holes;
                }
            }
        }
        self.bodies()
    }

    const fn bodies(&self) -> Bodies {
        match self.revealer {
            Some(_) => Bodies::All,
            None => Bodies::Handshake,
        }
    }

    /// Whether application data records hold data.
    const fn is_past_handshake(&self) -> bool {
        match &self.mode {
            Mode::Hello => false,
            Mode::Open(_) | Mode::Unknown => true,
            Mode::Hidden(flight, _) => flight.is_over(),
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
        let protected = self
            .revealer
            .as_ref()
            .is_some_and(|revealer| revealer.is_protected(side, header.kind));
        if protected {
            self.protected(side, header, &facts, body, out);
        }
        if header.kind == Header::ALERT && self.is_past_handshake() {
            self.shown.of_mut(side).farewell = Farewell::Alert;
        }
        match (header.kind, body) {
            (Header::APPLICATION_DATA, _) => self.application_data(side, facts, out),
            (Header::HANDSHAKE, _) if self.shown.of(side).changed => {
                encrypted(side, facts, out);
            }
            (Header::HANDSHAKE, Some(body)) => {
                let joiner = &mut self.shown.of_mut(side).joiner;
                joiner.push(body, &mut |message| {
                    let agreed = self.negotiation.message(side, message, facts.end, out);
                    if let Some(mode) = agreed {
                        self.mode = mode;
                    }
                    if let Some(revealer) = &mut self.revealer {
                        revealer.message(side, message, out);
                    } else if side == Side::Client && message.kind == kind::CLIENT_HELLO {
                        self.revealer = ClientHello::read(message.body)
                            .and_then(|hello| Revealer::new(&self.secrets, &hello, self.inside))
                            .map(Box::new);
                    }
                });
            }
            (Header::HANDSHAKE, None) => self.shown.of_mut(side).joiner.lose(),
            (Header::CHANGE_CIPHER_SPEC, _) => {
                self.change(side, out);
                if let Some(revealer) = self.revealer.as_mut().filter(|_| !protected) {
                    revealer.change(side);
                }
            }
            (Header::ALERT, Some(body)) if !protected => self.alert(side, body, out),
            _ => {}
        }
    }

    /// What encryption adds to a record, as far as it is known.
    const fn overhead(&self) -> Overhead {
        match &self.mode {
            Mode::Open(overhead) | Mode::Hidden(_, overhead) => *overhead,
            Mode::Hello | Mode::Unknown => Overhead::TLS_1_3,
        }
    }

    /// A record that secrets may open.
    fn protected(
        &mut self,
        side: Side,
        header: Header,
        facts: &Facts,
        body: Option<&[u8]>,
        out: &mut Dialogue,
    ) {
        let overhead = self.overhead();
        let is_data = header.kind == Header::APPLICATION_DATA && self.is_past_handshake();
        let counts = is_data.then_some(overhead);
        let Some(mut revealer) = self.revealer.take() else {
            return;
        };
        if let Some((opened, plain)) = revealer.open(side, header, facts, body, counts, out) {
            match opened.kind {
                Header::APPLICATION_DATA => {
                    revealer.data(side, facts, opened, &plain, overhead, out);
                }
                Header::HANDSHAKE => {
                    let joiner = &mut self.shown.of_mut(side).joiner;
                    joiner.push(&plain, &mut |message| {
                        revealer.message(side, message, out);
                        hidden_message(side, message, out);
                    });
                }
                // A farewell goes without saying.
                Header::ALERT if Alert::read(&plain).is_some_and(Alert::is_farewell) => {}
                Header::ALERT => self.alert(side, &plain, out),
                Header::CHANGE_CIPHER_SPEC => revealer.change(side),
                _ => {}
            }
            revealer.reuse(plain);
        }
        self.revealer = Some(revealer);
    }

    /// A hello in the SSLv2 format: of a client that may go on in TLS, or of an SSLv2 server.
    fn sslv2(&mut self, side: Side, facts: &Facts, body: &[u8], out: &mut Dialogue) {
        match side {
            Side::Client => {
                if let Some(hello) = ClientHello::read_sslv2(body) {
                    let tls = summary(out);
                    self.negotiation.client_hello(&hello, facts.end, tls);
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
        let waits = !self.holes && self.awaits_server_hello(out);
        if !waits && !matches!(self.mode, Mode::Hidden(..)) {
            self.shown.of_mut(side).changed = true;
        }
        if side == Side::Server && matches!(self.mode, Mode::Open(_)) && !self.holes {
            self.negotiation.server_changes(out);
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
        let early =
            side == Side::Client && self.negotiation.early_data() && self.awaits_server_hello(out);
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
        if let Some(revealer) = self.revealer.take() {
            revealer.finish(out);
        }
        if let Some(note) = self.verdict(refused, out) {
            out.notes.push(note);
        }
        let bare = |&side: &Side| self.shown.of(side).farewell == Farewell::Bare;
        if [Side::Client, Side::Server].iter().any(bare) {
            out.notes
                .push("what was said in the clear after TLS was closed is not read".to_owned());
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

/// A message that TLS 1.3 hides: what the server chose, and who it is.
fn hidden_message(side: Side, message: Message<'_>, out: &mut Dialogue) {
    let tls = summary(out);
    if side != Side::Server || tls.version.is_none_or(|version| !is_1_3(version)) {
        return;
    }
    match message.kind {
        kind::ENCRYPTED_EXTENSIONS => {
            let chosen = EncryptedExtensions::read(message.body).alpn;
            tls.alpn = chosen.iter().map(|name| from_wire(name)).collect();
            tls.alpn_chosen = chosen.is_some();
        }
        kind::CERTIFICATE => {
            let chain = Chain::read_1_3(message.body);
            tls.chain_length = Some(chain.length);
            tls.certificate = chain.leaf;
        }
        _ => {}
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
