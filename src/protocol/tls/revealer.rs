//! What secrets reveal of a connection: plaintext on its way to the decoder of what is spoken inside.
//!
//! Each record's plaintext is one piece of the stream, at the time of the record's last octet (before it, nobody
//! could read it) and with the packet of its first. What does not authenticate is passed on as a hole.

use super::burst::Collector;
use super::decrypt::{Decryptor, Plain, Secrets};
use super::handshake::{Message, kind};
use super::hello::{ClientHello, EncryptedExtensions};
use super::overhead::Overhead;
use super::record::{Facts, HEADER, Header};
use super::sides::Sides;
use crate::flow::StreamEvent;
use crate::model::{Burst, Nanos, Proto, Side};
use crate::protocol::driver::Listener;
use crate::protocol::record::remark;
use crate::protocol::{Dialogue, Entry};

/// Most octets held of what the client sends before the server's answer.
const MAX_EARLY: usize = 64 << 10;
/// Octets of a hole between records that is rather one record of a dialogue than several.
const ONE_RECORD: u64 = 1_500;

/// What is known of the stream inside before it is read.
#[derive(Clone, Copy, Default)]
pub(in crate::protocol) struct Inside {
    /// The server's port.
    pub(in crate::protocol) port: u16,
    /// The protocol that asked for TLS, where one did.
    pub(in crate::protocol) asked: Option<&'static Entry>,
}

/// Opens one connection and has it read.
pub(super) struct Revealer {
    decryptor: Decryptor,
    listener: Listener,
    lost: Sides<Option<Lost>>,
    /// Records since the last one opened whose loss the decoder knows of.
    told: Sides<u64>,
    early: Early,
    /// Records of application data that were opened.
    records: u64,
    /// Records that were not, as bursts.
    unopened: Collector,
    bursts: Vec<Burst>,
    /// Plaintext of the last record.
    plain: Vec<u8>,
}

/// Octets of the stream that gave no plaintext since the last record that did.
#[derive(Clone, Copy)]
struct Lost {
    at: Nanos,
    octets: u64,
}

/// What the client sent before the server's answer: it counts if the server says so (RFC 8446 §4.2.10).
enum Early {
    Held(Vec<(Facts, Vec<u8>)>),
    Refused,
    Taken,
    /// More than is held.
    TooMuch,
}

impl Revealer {
    /// For the session that `hello` begins; `None` where no secrets of it are known.
    pub(super) fn new(secrets: &Secrets, hello: &ClientHello, inside: Inside) -> Option<Self> {
        let decryptor = Decryptor::new(secrets, hello)?;
        let listener = match inside.asked {
            Some(entry) => Listener::after_starttls(inside.port, entry),
            None => Listener::inside_tls(inside.port),
        };
        Some(Self {
            decryptor,
            listener,
            lost: Sides::default(),
            told: Sides::default(),
            early: Early::Held(Vec::new()),
            records: 0,
            unopened: Collector::default(),
            bursts: Vec::new(),
            plain: Vec::new(),
        })
    }

    /// Whether a record of `side` that claims to be `kind` is protected.
    pub(super) fn is_protected(&self, side: Side, kind: u8) -> bool {
        self.decryptor.is_protected(side, kind)
    }

    /// Takes a handshake message, from the clear or hidden.
    pub(super) fn message(&mut self, side: Side, message: Message<'_>, out: &mut Dialogue) {
        self.decryptor.message(side, message);
        match (side, message.kind) {
            (Side::Server, kind::ENCRYPTED_EXTENSIONS) => {
                if EncryptedExtensions::read(message.body).early_data {
                    self.take_early(out);
                } else if matches!(&self.early, Early::Held(held) if !held.is_empty()) {
                    self.early = Early::Refused;
                    remark(&mut out.notes, "the server refused the client's early data");
                }
            }
            // The client says so only where the server took it.
            (Side::Client, kind::END_OF_EARLY_DATA) => self.take_early(out),
            _ => {}
        }
    }

    /// `side` changes to the cipher agreed on.
    pub(super) fn change(&mut self, side: Side) {
        self.decryptor.change(side);
    }

    /// `missing` octets of `side` are not there, `beyond` of them after the record that was under way.
    ///
    /// `counts` as in [`Revealer::open`].
    pub(super) fn gap(
        &mut self,
        side: Side,
        at: Nanos,
        (missing, beyond): (u64, u64),
        counts: Option<Overhead>,
        out: &mut Dialogue,
    ) {
        self.decryptor.gap(side, missing);
        match counts {
            // At once, so that the decoder knows what the other side had seen when it went on.
            Some(overhead) if beyond == missing && (1..=ONE_RECORD).contains(&missing) => {
                self.tell(side, at, missing, overhead, out);
            }
            _ => self.lose(side, at, beyond),
        }
    }

    /// A record of so many octets on the wire will not be opened.
    fn tell(&mut self, side: Side, at: Nanos, whole: u64, overhead: Overhead, out: &mut Dialogue) {
        if self.lost.of(side).is_some() {
            return self.lose(side, at, whole);
        }
        *self.told.of_mut(side) += 1;
        let missing = whole.saturating_sub(hidden(overhead)).max(1);
        self.listener
            .event(StreamEvent::Gap { side, at, missing }, out);
    }

    /// Octets of `side` that are in no record.
    pub(super) fn stray(&mut self, side: Side, at: Nanos, octets: u64) {
        self.lose(side, at, octets);
    }

    fn lose(&mut self, side: Side, at: Nanos, octets: u64) {
        let lost = self.lost.of_mut(side).get_or_insert(Lost { at, octets: 0 });
        lost.octets += octets;
    }

    /// Opens a protected record; gives its content type and its plaintext, which is to be given back.
    ///
    /// `counts` says that it is no part of a handshake: where it stays closed, it is a burst.
    pub(super) fn open(
        &mut self,
        side: Side,
        header: Header,
        facts: &Facts,
        body: Option<&[u8]>,
        counts: Option<Overhead>,
        out: &mut Dialogue,
    ) -> Option<(Plain, Vec<u8>)> {
        let mut plain = std::mem::take(&mut self.plain);
        if let Some(body) = body {
            if let Some(opened) = self.decryptor.open(side, header, body, &mut plain) {
                return Some((opened, plain));
            }
        } else {
            self.decryptor.incomplete(side);
        }
        self.plain = plain;
        let whole = HEADER as u64 + u64::from(facts.length);
        if let Some(overhead) = counts {
            let octets = overhead.plaintext(facts.length);
            let bursts = &mut self.bursts;
            self.unopened.record(side, facts, octets, false, bursts);
            self.tell(side, facts.end, whole, overhead, out);
        } else {
            self.lose(side, facts.start.at, whole);
        }
        None
    }

    /// Takes the buffer of a plaintext back.
    pub(super) fn reuse(&mut self, plain: Vec<u8>) {
        self.plain = plain;
    }

    /// Application data of `side`, opened; `overhead` is what encryption added to each record.
    pub(super) fn data(
        &mut self,
        side: Side,
        facts: &Facts,
        opened: Plain,
        bytes: &[u8],
        overhead: Overhead,
        out: &mut Dialogue,
    ) {
        self.records += 1;
        let lost = self.lost.of_mut(side).take();
        let told = std::mem::take(self.told.of_mut(side));
        let untold = opened.missing.map(|missing| missing.saturating_sub(told));
        if let Some(lost) = lost.filter(|_| untold != Some(0)) {
            let missing = lost
                .octets
                .saturating_sub(hidden(overhead).saturating_mul(untold.unwrap_or(1)));
            let event = StreamEvent::Gap {
                side,
                at: lost.at,
                missing,
            };
            self.listener.event(event, out);
        }
        if opened.early {
            match &mut self.early {
                Early::Held(held) => {
                    let octets: usize = held.iter().map(|(_, bytes)| bytes.len()).sum();
                    if octets + bytes.len() > MAX_EARLY {
                        self.early = Early::TooMuch;
                        remark(
                            &mut out.notes,
                            "more early data than is held until the server's answer: it is not shown",
                        );
                    } else {
                        held.push((*facts, bytes.to_vec()));
                    }
                    return;
                }
                Early::Refused | Early::TooMuch => return,
                Early::Taken => {}
            }
        }
        self.listen(side, facts, bytes, out);
    }

    fn listen(&mut self, side: Side, facts: &Facts, bytes: &[u8], out: &mut Dialogue) {
        if bytes.is_empty() {
            return;
        }
        let event = StreamEvent::Data {
            side,
            at: facts.end,
            packet: facts.start.packet,
            bytes,
        };
        self.listener.event(event, out);
    }

    fn take_early(&mut self, out: &mut Dialogue) {
        if let Early::Held(held) = std::mem::replace(&mut self.early, Early::Taken) {
            for (facts, bytes) in held {
                self.listen(Side::Client, &facts, &bytes, out);
            }
        }
    }

    /// A side of the connection is closed.
    pub(super) fn closed(&mut self, event: StreamEvent<'_>, out: &mut Dialogue) {
        self.reveal_holes(event.side(), out);
        self.listener.event(event, out);
    }

    /// Tells of a hole that nothing follows.
    fn reveal_holes(&mut self, side: Side, out: &mut Dialogue) {
        if let Some(Lost { at, octets }) = self.lost.of_mut(side).take()
            && self.records > 0
        {
            let event = StreamEvent::Gap {
                side,
                at,
                missing: octets,
            };
            self.listener.event(event, out);
        }
    }

    /// The connection is over: what is inside is written out, and of the bursts only those remain that hold what
    /// was not opened.
    pub(super) fn finish(mut self, out: &mut Dialogue) {
        for side in [Side::Client, Side::Server] {
            self.reveal_holes(side, out);
        }
        if matches!(&self.early, Early::Held(held) if !held.is_empty()) {
            let note = "early data is not shown: whether the server took it was not seen";
            remark(&mut out.notes, note);
        }
        let tally = self.decryptor.tally();
        out.tls.get_or_insert_default().decryption = Some(tally);
        if let Some(why) = self.decryptor.unable() {
            remark(&mut out.notes, why);
        } else if tally.failed > 0 {
            let all = tally.opened + tally.failed;
            remark(
                &mut out.notes,
                format!(
                    "{} of {all} encrypted records could not be opened with the secrets given",
                    tally.failed
                ),
            );
        }
        if self.records == 0 {
            return;
        }
        self.unopened.finish(&mut self.bursts);
        out.bursts = self.bursts;
        let proto = self.listener.finish(out);
        out.inside_tls = Some(match proto {
            Proto::UNKNOWN => Proto::TLS,
            proto => proto,
        });
    }
}

/// Octets of a record that are no plaintext.
const fn hidden(overhead: Overhead) -> u64 {
    HEADER as u64 + overhead.fixed as u64
}

impl std::fmt::Debug for Inside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inside")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Revealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Revealer").finish_non_exhaustive()
    }
}
