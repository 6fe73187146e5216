//! The domain name system (RFC 1035) over UDP and TCP, and its kin on the local link (RFC 6762, RFC 4795).
//!
//! Comes in: datagrams between a client and a name server, or the stream between them. Goes out: an exchange for each
//! question, and a look-up for each that asks for records of a name. An answer belongs to the question of its id,
//! operation, name and type; others are counted, not paired. Bounded: 10,000 questions of a conversation, 64 of one id.

mod datagrams;
mod led;
mod message;
mod name;
mod pairing;
mod stream;
mod words;

pub use datagrams::{DnsDialogue, is_from_server, is_question, is_server_port};
pub use led::tie;

use super::Entry;
use super::runs::Runs;
use super::tls::Opener;
use crate::model::Proto;

/// The row of the registry.
pub(super) const ENTRY: Entry = Entry {
    proto: Proto("dns"),
    ports: &[53, 5355],
    tls_ports: &[853],
    opener: Opener::Client,
    runs: Runs::PLAIN,
    alpn: &["dot"],
    probe: stream::probe,
    start: || Box::new(stream::Stream::default()),
};
