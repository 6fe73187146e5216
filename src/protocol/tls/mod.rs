//! TLS without keys: the handshake's visible part, and encrypted runs with the exact size of what they hide.
//!
//! RFC 8446 (1.3), RFC 5246 (1.2). Bounds: a handshake message of 128 KiB, a record of 16 KiB and what ciphers add.

mod alert;
mod burst;
mod handshake;
mod observer;
mod record;

pub use observer::{Tls, opening};
