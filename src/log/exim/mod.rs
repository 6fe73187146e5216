//! Exim: what its main log tells of connections, messages and deliveries.
//!
//! Lines belong together by the process (`+pid`, or inside the ids of messages), by the client's port (`+incoming_port`), or by its address. Of the
//! commands only those are logged that failed; those of a message that was taken in are known from its line.

mod builder;
mod line;
mod message_id;
mod serving;

pub(super) use builder::ENTRY;
