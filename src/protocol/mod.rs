//! Protocols: streams of bytes become exchanges in the clear and bursts where encrypted. So far the
//! shape of a decoder stands here and [`tls`]; the registry has no rows.
//!
//! Comes in: [`crate::flow::StreamEvent`]s of one connection. Goes out: a [`Dialogue`]. A protocol is one file
//! and one row in [`registry`]; detection is by content, the port only breaks ties. No decoder knows
//! that logs exist.

mod decoder;
pub mod registry;
pub mod tls;

pub use decoder::{Decoder, Dialogue, Entry, Opening, Step, Verdict};
