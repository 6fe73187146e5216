//! Postfix: `smtpd` lines become sessions, from connect to disconnect of one process, and so do the deliveries of `smtp` to other hosts.
//!
//! Lines of `cleanup`, `qmgr` and the delivery agents tell more of the messages: sizes, recipients, and what became of them. They are
//! tied to a session by the queue id that its `client=` line names. The log does not list commands (unless `smtpd -v` does); the
//! tally at disconnect counts them, and [`implied`] puts them in the order that the protocol demands.

mod about;
mod builder;
mod implied;
mod line;
mod messages;
mod outgoing;
mod queue_id;
mod screen;
mod serving;
mod tally;
mod waiting;

pub(super) use builder::ENTRY;
