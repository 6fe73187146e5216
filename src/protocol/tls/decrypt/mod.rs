//! Records are opened with keys that somebody gave: what TLS hid becomes plaintext again.
//!
//! Comes in: key logs ([`Secrets`]), the two hellos, and protected records in the order of the stream. Goes out:
//! content type and plaintext of each record that authenticates, and nothing of one that does not. All ciphers,
//! hashes and key derivations are those of the `RustCrypto` crates; here is only the order in which TLS uses them.
//!
//! ```text
//! keylog ─► secrets ─┐
//! hellos ────────────┴► schedule ─► protection ─► direction ─► decryptor ─► plaintext
//!                      (keys)      (one record)  (which number) (both sides)
//! ```
//!
//! Bounded: so many secrets a run and so many a session, so many trials a connection where a hole hides how many
//! records are missing, and one record of plaintext a connection.

mod decryptor;
mod direction;
mod keylog;
mod protection;
mod schedule;
mod secrets;
mod suite;

#[cfg(test)]
pub(super) mod sealing;

pub(super) use decryptor::{Decryptor, Plain};
pub use secrets::Secrets;
