//! Tests through the public face, in one binary.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test may fail at once, and says when it is skipped"
)]

mod alignment;
mod any_order;
mod cases;
mod conformance;
mod conformance_protocols;
mod corpus;
mod damage;
mod detection;
mod dialogue;
mod findings;
mod formats;
#[cfg(feature = "live")]
mod live;
mod logging;
mod own_format;
mod packets;
mod program;
mod rooms;
mod rotated;
mod samples;
mod tls;
mod traces;
