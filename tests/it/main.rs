//! Tests through the public face, in one binary.

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test may fail at once, and says when it is skipped"
)]

mod alignment;
mod cases;
mod corpus;
mod damage;
mod dialogue;
mod findings;
mod formats;
mod logging;
mod own_format;
mod program;
mod real_logs;
mod rooms;
mod rotated;
mod samples;
mod tls;
mod traces;
