//! Server logs: lines become sessions.
//!
//! Comes in: the bytes of a log file. Goes out: a [`crate::model::LogSource`] and its
//! [`crate::model::LogSession`]s. A format is one file and one row in [`registry`]; it is found by content or
//! named by the user. No format knows that packets exist. Bounds: a line is read up to
//! [`MAX_LINE`] octets; each format bounds the sessions that it keeps open; unparsed lines are counted and the first few kept.

pub mod advice;
mod by_host;
mod courier;
mod csv;
mod cut;
mod cyrus;
mod dovecot;
mod envelope;
mod exchange55;
mod exchange_mailbox;
mod exchange_smtp;
mod exim;
mod fates;
mod format;
mod hidden_clock;
mod hmailserver;
mod iis;
mod mailenable;
mod months;
mod nnrpd;
mod opensmtpd;
mod own;
mod parallel;
mod postfix;
mod read;
pub mod registry;
mod sendmail;
mod slots;
mod stamp;
mod syslog;
#[cfg(test)]
mod testing;
mod transcript;
mod w3c;
mod web;
mod witness;

pub use envelope::Around;
pub use format::{Builder, Due, Entry, Follows, Head, Line, MAX_LINE, Parsed, Sureness};
pub use own::{DefinitionError, FormatError, OwnFormat};
pub use read::{Chosen, Era, Found, GivenZone, How, LogError, Opening, Pieces, Reader, Sink, read};
