//! Protocols: streams of bytes become exchanges in the clear and bursts where encrypted.
//!
//! Comes in: [`crate::flow::StreamEvent`]s of one connection, to a [`Driver`]. Goes out: a [`Dialogue`]. A
//! protocol is one file or folder and one row in [`registry`]; detection is by content, the port only breaks
//! ties. No decoder knows that logs exist.
//!
//! Bounded per connection: the opening while its protocol is unknown, 16 KiB a side; a line, 64 KiB; what one
//! side sends before the other's answer tells what it is, 64 KiB; commands that wait for an answer, 1000.
//! Bodies are counted and never kept; where somebody wants them, they are passed on as they come.

mod bodies;
mod decoder;
mod detect;
pub mod dns;
mod dots;
mod driver;
#[cfg(test)]
mod features;
mod forwarded;
mod ftp;
mod http1;
mod http2;
mod imap;
mod line;
mod mail_head;
mod message;
mod nntp;
mod pending;
mod pop3;
mod proxy;
mod record;
pub mod registry;
mod runs;
mod sasl;
mod smtp;
mod socks;
mod talk;
#[cfg(test)]
mod testing;
pub mod tls;
mod undecided;

pub use bodies::{Bodies, BodyPiece, Completeness};
pub use decoder::{Decoder, Dialogue, Entry, Opening, Step, Verdict};
pub use driver::Driver;
pub use runs::{Records, Runs};
