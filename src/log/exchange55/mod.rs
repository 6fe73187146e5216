//! Exchange 4.0 to 5.5: the protocol logs of its store (POP3, IMAP4, news readers) and of its connectors (SMTP, news feeds).
//!
//! Both hold the lines of the dialogues, as many as the level of logging allows; neither has a port. Passwords stand in them in clear.

pub(super) mod connector;
mod deal;
pub(super) mod mailbox;
