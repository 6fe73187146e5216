//! The shape of a protocol decoder.

use super::bodies::Bodies;
use super::runs::Runs;
use super::tls::Opener;
use crate::flow::StreamEvent;
use crate::model::{
    Burst, Encryption, Exchange, Fault, FaultCode, Forwarded, Lookup, MailMessage, Nanos, PacketNo,
    Proto, TlsSummary,
};

/// A row of the registry.
pub struct Entry {
    /// Name.
    pub proto: Proto,
    /// Ports on which it is at home in the clear.
    pub ports: &'static [u16],
    /// Ports on which it is at home inside TLS.
    pub tls_ports: &'static [u16],
    /// Who speaks first once a connection, or TLS around it, stands.
    pub opener: Opener,
    /// What encrypted runs are in it.
    pub runs: Runs,
    /// Name in TLS ALPN (IANA registry), where it has one.
    pub alpn: &'static [&'static str],
    /// Tells from the first bytes of a connection.
    pub probe: fn(&Opening<'_>) -> Verdict,
    /// A decoder for one connection.
    pub start: fn() -> Box<dyn Decoder>,
}

/// The first bytes of a connection, as far as they have come.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// From the client; empty while it is silent.
    pub client: &'a [u8],
    /// From the server; empty while it is silent.
    pub server: &'a [u8],
    /// The server's port.
    pub port: u16,
}

/// What a probe makes of an opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// No other protocol starts like this.
    Certain,
    /// It starts like this, others might.
    Likely,
    /// Too little to tell.
    NeedMore,
    /// It never starts like this.
    RuledOut,
}

/// Whether the decoder goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// More of the same.
    Continue,
    /// Both sides agreed to start TLS: what follows on the wire is a TLS handshake.
    StartTls {
        /// Octets at the end of the event that came after the agreement and belong to TLS.
        rest: usize,
    },
    /// Both sides agreed to speak something else, which is to be told by what they say.
    HandOver {
        /// Octets at the end of the event that came after the agreement.
        rest: usize,
        /// What the client had said ahead of the agreement, with the moment and the packet of each segment.
        ahead: Vec<(Nanos, PacketNo, Vec<u8>)>,
        /// The port of the server that the client is put through to.
        port: Option<u16>,
    },
}

/// Reads one connection of one protocol.
pub trait Decoder: Send {
    /// Takes the next event of the stream and adds what it completes to `out`.
    ///
    /// After a gap it must find its feet again and go on.
    fn event(&mut self, event: StreamEvent<'_>, out: &mut Dialogue) -> Step;

    /// The conversation was begun by another decoder, and goes on here under TLS: no greeting comes.
    fn resume(&mut self) {}

    /// The connection is over, or the capture is: what is still open is written out as it is.
    fn finish(&mut self, out: &mut Dialogue);
}

/// What is known of a conversation so far.
#[derive(Clone, Debug, Default)]
pub struct Dialogue {
    /// Commands and replies in the clear, in order.
    pub exchanges: Vec<Exchange>,
    /// Encrypted runs.
    pub bursts: Vec<Burst>,
    /// Exchanges that encrypted runs let infer, in order.
    pub inferred: Vec<Exchange>,
    /// How it is protected.
    pub encryption: Encryption,
    /// The visible part of TLS.
    pub tls: Option<TlsSummary>,
    /// What is spoken inside TLS, where secrets opened it.
    pub inside_tls: Option<Proto>,
    /// Names looked up.
    pub lookups: Vec<Lookup>,
    /// Names the client gave.
    pub names: Vec<String>,
    /// Clients that a proxy says it speaks for.
    pub forwarded: Vec<Forwarded>,
    /// Mail messages.
    pub messages: Vec<MailMessage>,
    /// What of bodies has not been taken away yet.
    pub bodies: Bodies,
    /// Departures from the protocol, by name.
    pub faults: Vec<Fault>,
    /// What is remarkable, in words.
    pub notes: Vec<String>,
}

impl Dialogue {
    /// Counts a departure from the protocol that `packet` shows.
    pub(super) fn fault(&mut self, code: FaultCode, packet: PacketNo) {
        match self.faults.iter_mut().find(|fault| fault.code == code) {
            Some(fault) => fault.count += 1,
            None => self.faults.push(Fault {
                code,
                count: 1,
                packet,
            }),
        }
    }
}
