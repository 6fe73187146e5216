//! Tests through the public face, in one binary.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test may fail at once, and says when it is skipped"
)]

mod alignment;
mod alloc;
mod any_order;
mod bodies;
mod cases;
mod conformance;
mod conformance_protocols;
mod corpus;
mod damage;
mod decryption;
mod detection;
mod dev_findings;
mod dialogue;
mod errors_in_traces;
mod findings;
#[cfg(feature = "live")]
mod follow;
mod formats;
mod hidden_clocks;
mod hostile_logs;
#[cfg(feature = "live")]
mod live;
#[cfg(all(feature = "live", target_os = "linux"))]
mod live_namespace;
#[cfg(all(feature = "live", target_os = "linux"))]
mod live_options;
mod log_formats;
mod logging;
mod long_logs;
mod made;
mod odbc;
#[cfg(feature = "live")]
mod onward;
mod onward_findings;
mod own_format;
mod packets;
mod pages;
mod program;
mod proxied;
mod real_logs;
mod rooms;
mod rotated;
mod samples;
mod segments;
mod threads;
mod tls;
mod traces;
mod web_formats;
