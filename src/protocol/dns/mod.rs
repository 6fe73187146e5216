//! The domain name system over UDP (RFC 1035), and its kin on the local link (RFC 6762, RFC 4795).
//!
//! Comes in: datagrams between a client and a name server. Goes out: a look-up for each question, and the same as an
//! exchange. An answer belongs to the question of its id, name and type; others are noted, not paired.

mod dialogue;
mod message;

pub use dialogue::{DnsDialogue, is_server_port};
