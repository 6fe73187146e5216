//! Postfix: `smtpd` lines become sessions, from connect to disconnect of one process.
//!
//! Lines of `cleanup`, `qmgr` and the delivery agents tell more of the messages: sizes, recipients. They are
//! tied to a session by the queue id that its `client=` line names. The log does not list commands; the
//! tally at disconnect counts them, and [`implied`] puts them in the order that the protocol demands.

mod implied;
mod line;
mod smtpd;

pub(super) use smtpd::ENTRY;
