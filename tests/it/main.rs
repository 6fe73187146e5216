//! Tests of the rooms on real input.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail loudly, and says what it skips"
)]

mod alignment;
mod tls;
mod traces;
