//! One connection: which protocol is spoken, told by what is said, and its decoder from there on.

use super::bodies::BodyPiece;
use super::forwarded;
use super::record::remark;
use super::registry::{self, PROTOCOLS};
use super::runs::infer;
use super::tls::{self, Inside, Opener, Secrets, Tls};
use super::undecided::Undecided;
use super::{Decoder, Dialogue, Entry, Opening, Step, Verdict};
use crate::flow::StreamEvent;
use crate::model::{Encryption, FaultCode, Proto, Side};

/// Most times that what is spoken changes: each is a proxy within a proxy.
const MAX_HAND_OVERS: u32 = 8;

/// Reads one connection from its first byte to its last.
///
/// Events come in; [`Driver::finish`] gives what was said and in which protocol. Never fails and never panics:
/// what cannot be told stays [`Proto::UNKNOWN`].
pub struct Driver {
    listener: Listener,
    dialogue: Dialogue,
    /// Whether octets of the client are missing.
    lacks_requests: bool,
}

/// Finds out what is spoken in a stream and reads it: in that of a connection, or in the one inside TLS.
pub(super) struct Listener {
    port: u16,
    layer: Layer,
    opening: Undecided,
    decoder: Option<Box<dyn Decoder>>,
    decided: Option<Choice>,
    /// What was spoken before both sides agreed to speak something else.
    before: Option<Proto>,
    /// How often they agreed on that.
    hand_overs: u32,
}

/// Where a stream is.
enum Layer {
    /// On the wire: it may be TLS or become it. The secrets that open it.
    Wire(Secrets),
    /// Inside TLS: there is no TLS in it.
    InsideTls,
}

/// What is spoken.
#[derive(Clone, Copy)]
enum Choice {
    Protocol(&'static Entry),
    Tls,
    Unknown,
}

impl Driver {
    /// A connection to port `server_port` of which nothing has been read.
    pub fn new(server_port: u16) -> Self {
        Self::with_secrets(server_port, Secrets::default())
    }

    /// The same, where there may be secrets that open its TLS.
    pub fn with_secrets(server_port: u16, secrets: Secrets) -> Self {
        Self {
            listener: Listener::new(server_port, Layer::Wire(secrets)),
            dialogue: Dialogue::default(),
            lacks_requests: false,
        }
    }

    /// The same, with bodies passed on.
    #[must_use]
    pub fn with_bodies(mut self) -> Self {
        self.dialogue.bodies.want();
        self
    }

    /// What came of bodies since the last call.
    pub fn bodies(&mut self) -> impl Iterator<Item = BodyPiece> + '_ {
        self.dialogue.bodies.drain()
    }

    /// Takes the next event of the connection.
    pub fn event(&mut self, event: StreamEvent<'_>) {
        self.lacks_requests |= matches!(
            event,
            StreamEvent::Gap {
                side: Side::Client,
                ..
            }
        );
        self.listener.event(event, &mut self.dialogue);
    }

    /// What was spoken, and what was said.
    pub fn finish(mut self) -> (Proto, Dialogue) {
        let proto = self.listener.finish(&mut self.dialogue);
        self.infer(proto);
        forwarded::gather(&mut self.dialogue);
        if self.lacks_requests {
            // What they reply to may be in a hole: that is no fault of the server.
            let faults = &mut self.dialogue.faults;
            faults.retain(|fault| fault.code != FaultCode::UnmatchedReply);
        }
        // By the moment each began: answers that overtake others, and requests never answered, fall into place.
        self.dialogue
            .exchanges
            .sort_by_key(|exchange| exchange.start.or(exchange.answered));
        (proto, self.dialogue)
    }
}

impl Driver {
    /// What the encrypted runs tell. Frames of HTTP/2 are of many requests at once: there they tell nothing.
    fn infer(&mut self, proto: Proto) {
        let said = &mut self.dialogue;
        let tls = said.tls.as_ref();
        let offers_h2 = tls.is_some_and(|tls| tls.alpn.iter().any(|name| name == "h2"));
        if said.bursts.is_empty() || offers_h2 && tls.is_some_and(|tls| tls.alpn_chosen) {
            return;
        }
        said.inferred = infer(&said.bursts, registry::runs_of(proto));
        if offers_h2 {
            let note = "the client offers HTTP/2: what is inferred may be several requests at once";
            remark(&mut said.notes, note);
        }
    }
}

impl Listener {
    fn new(port: u16, layer: Layer) -> Self {
        Self {
            port,
            layer,
            opening: Undecided::default(),
            decoder: None,
            decided: None,
            before: None,
            hand_overs: 0,
        }
    }

    /// For what is inside TLS from the first byte of a connection to `port`.
    pub(super) fn inside_tls(port: u16) -> Self {
        Self::new(port, Layer::InsideTls)
    }

    /// For more of what `entry` names, inside the TLS that it asked for.
    pub(super) fn after_starttls(port: u16, entry: &'static Entry) -> Self {
        let mut decoder = (entry.start)();
        decoder.resume();
        Self {
            decoder: Some(decoder),
            decided: Some(Choice::Protocol(entry)),
            ..Self::new(port, Layer::InsideTls)
        }
    }

    /// Takes the next event of the stream and adds what it completes to `out`.
    pub(super) fn event(&mut self, event: StreamEvent<'_>, out: &mut Dialogue) {
        if self.decided.is_some() {
            return self.decode(event, out);
        }
        self.opening.keep(event);
        if let Some(choice) = self.choose(&event, out) {
            self.start(choice, out);
        }
    }

    /// The stream is over. Gives what was spoken in it.
    pub(super) fn finish(&mut self, out: &mut Dialogue) -> Proto {
        if self.decided.is_none() {
            let choice = self.best();
            self.start(choice, out);
        }
        if let Some(mut decoder) = self.decoder.take() {
            decoder.finish(out);
        }
        let spoken = self.spoken(out);
        let Some(before) = self.before else {
            return spoken;
        };
        if spoken != Proto::UNKNOWN {
            remark(&mut out.notes, format!("spoken after it: {spoken}"));
        }
        before
    }

    /// What was spoken, or spoken last.
    fn spoken(&self, out: &Dialogue) -> Proto {
        match self.decided {
            Some(Choice::Protocol(entry)) => entry.proto,
            Some(Choice::Tls) => out.inside_tls.unwrap_or_else(|| self.behind_tls(out)),
            Some(Choice::Unknown) | None if self.opening.is_silent() && self.before.is_none() => {
                let by_port = registry::on_port(self.port);
                by_port
                    .or_else(|| registry::on_tls_port(self.port))
                    .unwrap_or(Proto::UNKNOWN)
            }
            Some(Choice::Unknown) | None => Proto::UNKNOWN,
        }
    }

    /// By what the two sides agreed on, else by the port.
    fn behind_tls(&self, out: &Dialogue) -> Proto {
        let offered = out.tls.iter().flat_map(|tls| &tls.alpn);
        let mut protos = offered.map(|name| registry::by_alpn(name));
        // Several names may be of one protocol: `h2` and `http/1.1`.
        let first = protos.next().flatten();
        let agreed = first.filter(|_| protos.all(|proto| proto == first));
        // A proxy may say which port the client reached.
        let named = out.forwarded.iter().filter_map(|named| named.reached);
        let mut reached = named.map(|end| end.port);
        agreed
            .or_else(|| registry::on_tls_port(self.port))
            .or_else(|| reached.find_map(registry::on_tls_port))
            .unwrap_or(Proto::TLS)
    }

    /// What is spoken, as soon as that can be told.
    fn choose(&mut self, event: &StreamEvent<'_>, out: &mut Dialogue) -> Option<Choice> {
        if !matches!(event, StreamEvent::Data { .. }) {
            return self.opening.is_full().then(|| self.best());
        }
        self.opening.find_header(out);
        let (client, server) = self.opening.bytes();
        if self.starts_tls(client, server) == Verdict::Certain {
            return Some(Choice::Tls);
        }
        if self.opening.is_half_behind_hole() {
            return self.opening.is_full().then(|| self.best());
        }
        let openings = self.opening.openings(self.port);
        let verdicts = || judged(&openings);
        let certain = verdicts()
            .filter(|&(_, verdict)| verdict == Verdict::Certain)
            .max_by_key(|(entry, _)| self.is_at_home(entry));
        if let Some((entry, _)) = certain {
            return Some(Choice::Protocol(entry));
        }
        let at_home = verdicts()
            .find(|(entry, verdict)| *verdict == Verdict::Likely && self.is_at_home(entry));
        if let Some((entry, _)) = at_home {
            return Some(Choice::Protocol(entry));
        }
        let alone = self.opening.alone(self.port);
        let over = verdicts()
            .chain(judged(&alone))
            .all(|(_, verdict)| verdict == Verdict::RuledOut)
            && self.starts_tls(client, server) == Verdict::RuledOut
            // Rubbish from one side may get an answer that tells.
            && !client.is_empty()
            && !server.is_empty();
        if over {
            return Some(Choice::Unknown);
        }
        self.opening.is_full().then(|| self.best())
    }

    /// The best guess from what there is.
    fn best(&self) -> Choice {
        let (client, server) = self.opening.bytes();
        if client.is_empty() && server.is_empty() {
            return Choice::Unknown;
        }
        let together = self.best_of(&self.opening.openings(self.port));
        together
            .or_else(|| self.best_of(&self.opening.alone(self.port)))
            .map_or(Choice::Unknown, Choice::Protocol)
    }

    fn best_of(&self, openings: &[Opening<'_>]) -> Option<&'static Entry> {
        // Where nothing came behind a hole, that nothing speaks for no protocol.
        let says =
            |opening: &&Opening<'_>| !opening.client.is_empty() || !opening.server.is_empty();
        let telling: Vec<Opening<'_>> = openings.iter().filter(says).copied().collect();
        judged(&telling)
            .map(|(entry, verdict)| (verdict, self.is_at_home(entry), entry))
            .filter(|&(verdict, at_home, _)| match verdict {
                Verdict::Certain | Verdict::Likely => true,
                Verdict::NeedMore => at_home,
                Verdict::RuledOut => false,
            })
            .min_by_key(|&(verdict, at_home, _)| (verdict, !at_home))
            .map(|(_, _, entry)| entry)
    }

    /// Whether `entry` is at home on the port, in the layer that this is.
    fn is_at_home(&self, entry: &Entry) -> bool {
        entry.ports.contains(&self.port)
            || matches!(self.layer, Layer::InsideTls) && entry.tls_ports.contains(&self.port)
    }

    /// Whether a connection begins with TLS, or was joined within it on a port where TLS is at home.
    fn starts_tls(&self, client: &[u8], server: &[u8]) -> Verdict {
        if matches!(self.layer, Layer::InsideTls) {
            return Verdict::RuledOut;
        }
        // The server's side tells where the client's was not captured.
        if client.is_empty() && matches!(server, [0x16, 0x03, 0..=4, _, _, 2, ..]) {
            return Verdict::Certain;
        }
        let is_record = |bytes: &[u8]| matches!(bytes, [0x14..=0x17, 0x03, 0..=4, 0..=0x48, _, ..]);
        let joined = [client, server]
            .iter()
            .all(|bytes| bytes.is_empty() || is_record(bytes));
        let silent = client.is_empty() && server.is_empty();
        if joined && !silent && registry::on_tls_port(self.port).is_some() {
            return Verdict::Certain;
        }
        tls::opening(client)
    }

    /// Sets the decoder up and gives it what came before.
    fn start(&mut self, choice: Choice, out: &mut Dialogue) {
        self.decided = Some(choice);
        self.decoder = match choice {
            Choice::Protocol(entry) => Some((entry.start)()),
            Choice::Tls => {
                out.encryption = match self.before {
                    None => Encryption::Implicit,
                    Some(_) => Encryption::StartTls,
                };
                let opener = registry::opener_inside_tls(self.port);
                self.tls(opener, None)
            }
            Choice::Unknown => None,
        };
        let begun = std::mem::take(&mut self.opening);
        // What is spoken is known: only whether anything was said is still asked for.
        self.opening.sides = begun
            .sides
            .each_ref()
            .map(|side| side.first().copied().into_iter().collect());
        begun.replay(|event| self.event(event, out));
    }

    /// A decoder for the TLS that begins here, after `asked` where that asked for it.
    fn tls(&self, opener: Opener, asked: Option<&'static Entry>) -> Option<Box<dyn Decoder>> {
        let Layer::Wire(secrets) = &self.layer else {
            return None;
        };
        let inside = Inside {
            port: self.port,
            asked,
        };
        Some(Box::new(Tls::with_secrets(opener, secrets.clone(), inside)))
    }

    fn decode(&mut self, event: StreamEvent<'_>, out: &mut Dialogue) {
        let Some(decoder) = &mut self.decoder else {
            return;
        };
        let step = decoder.event(event, out);
        if step == Step::Continue {
            return;
        }
        decoder.finish(out);
        let rest = match step {
            Step::Continue => return,
            Step::StartTls { rest } => {
                let asked = match self.decided {
                    Some(Choice::Protocol(entry)) => Some(entry),
                    _ => None,
                };
                // Once TLS stands after STARTTLS, the client goes on.
                self.decoder = self.tls(Opener::Client, asked);
                if self.decoder.is_none() {
                    return remark(&mut out.notes, "TLS inside TLS is not read");
                }
                out.encryption = Encryption::StartTls;
                rest
            }
            Step::HandOver { rest, ahead, port } => {
                self.begin_anew(port, out);
                for (at, packet, bytes) in &ahead {
                    let event = StreamEvent::Data {
                        side: Side::Client,
                        at: *at,
                        packet: *packet,
                        bytes,
                    };
                    self.event(event, out);
                }
                rest
            }
        };
        let StreamEvent::Data {
            side,
            at,
            packet,
            bytes,
        } = event
        else {
            return;
        };
        let rest = bytes
            .get(bytes.len().saturating_sub(rest)..)
            .unwrap_or_default();
        if !rest.is_empty() {
            let event = StreamEvent::Data {
                side,
                at,
                packet,
                bytes: rest,
            };
            self.event(event, out);
        }
    }
}

impl Listener {
    /// What comes next is to be told by what is said, as if it were a new connection.
    fn begin_anew(&mut self, port: Option<u16>, out: &mut Dialogue) {
        let spoken = self.spoken(out);
        self.before.get_or_insert(spoken);
        self.port = port.unwrap_or(self.port);
        self.decoder = None;
        self.hand_overs += 1;
        if self.hand_overs > MAX_HAND_OVERS {
            self.decided = Some(Choice::Unknown);
            return remark(
                &mut out.notes,
                "a proxy within too many proxies: the rest is not read",
            );
        }
        self.decided = None;
        self.opening = Undecided::without_header();
    }
}

/// What each protocol makes of each opening.
fn judged<'a>(
    openings: &'a [Opening<'a>],
) -> impl Iterator<Item = (&'static Entry, Verdict)> + use<'a> {
    let rows = |opening| PROTOCOLS.iter().map(move |entry| (entry, opening));
    let all = openings.iter().flat_map(rows);
    all.map(|(entry, opening)| (entry, (entry.probe)(opening)))
}

#[cfg(test)]
mod tests;
