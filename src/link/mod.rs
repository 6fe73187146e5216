//! Link and network headers: a packet becomes a datagram between two addresses. So far
//! only TCP segments are read.
//!
//! Comes in: a link type and the captured bytes. Goes out: a [`Datagram`] that borrows its payload
//! from the packet, or a [`Passed`] reason that is counted. State is kept for fragments only. Bounds:
//! headers nested at most 8 deep.

mod datagram;
mod transport;

pub use datagram::{Checksum, Datagram, Flags, Passed, Segment, SeqNo, TcpOptions, Upper};
pub use transport::segment;
