//! Sendmail, in any syslog envelope: one process for each connection, and queue ids that hold the second at which they were made.
//!
//! At log level 15 every command and reply is told; below it, messages, refusals and deliveries.

mod builder;
mod line;
mod serving;

pub(super) use builder::ENTRY;
