//! TLS as a bystander sees it: what the handshake says in the clear, and how much was sent after it.
//!
//! Comes in: [`StreamEvent`](crate::flow::StreamEvent)s of one connection, from its first byte or from the first
//! one after STARTTLS. Goes out: [`TlsSummary`](crate::model::TlsSummary), [`Burst`](crate::model::Burst)s and
//! notes in a [`Dialogue`](super::Dialogue). Where somebody gave the secrets of a session, also what was said in it.
//!
//! ```text
//! bytes ─ splitter ─► records ─┬─ handshake ─► messages ─ hello ─► version, names, fingerprint
//!                              ├─ flight ─► application data ─ overhead ─► burst
//!                              └─ decrypt (with secrets) ─► revealer ─► exchanges
//! ```
//!
//! Bounded: one record a direction (18 437 octets, and none of application data without secrets), one handshake message a
//! direction (64 KiB), eight undecided records.

mod alert;
mod burst;
mod certificate;
mod decrypt;
mod fingerprint;
mod flight;
mod handshake;
mod hello;
mod negotiation;
mod observer;
mod opening;
mod overhead;
mod record;
mod revealer;
mod sides;
mod splitter;
mod tickets;

#[cfg(test)]
mod tests;

pub use decrypt::Secrets;
pub use observer::Tls;
pub use opening::{Opener, opening};
pub(super) use revealer::Inside;
