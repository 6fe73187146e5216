//! Dovecot: a session's login line, and the line of its mailbox process that ends it.

mod line;
mod rawlog;
mod session;
mod session_id;

pub(super) use rawlog::ENTRY as RAWLOG;
pub(super) use session::ENTRY;
