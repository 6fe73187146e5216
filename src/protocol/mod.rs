//! Protocols: streams of bytes become exchanges in the clear and bursts where encrypted.
//!
//! Comes in: [`crate::flow::StreamEvent`]s of one connection. Goes out: a [`Dialogue`]. A protocol is one file
//! and one row in [`registry`]; detection is by content, the port only breaks ties. No decoder knows
//! that logs exist. Bounds: a line is kept up to 8 KiB, what follows is counted.

mod decoder;
pub mod registry;

pub use decoder::{Decoder, Dialogue, Entry, Opening, Step, Verdict};
