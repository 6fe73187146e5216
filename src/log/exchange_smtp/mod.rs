//! SMTP protocol logs of Exchange 2007 and later, of what it receives and of what it sends.

mod serving;
mod table;

pub(super) use table::ENTRY;
