//! The list of log formats: one row each.

use super::{
    Entry, clf, dovecot, exchange_mailbox, exchange_smtp, iis_fixed, iis_http, iis_smtp, opensmtpd,
    postfix,
};

/// All formats, in alphabetical order.
pub static FORMATS: &[Entry] = &[
    clf::ENTRY,
    dovecot::ENTRY,
    exchange_mailbox::ENTRY,
    exchange_smtp::ENTRY,
    iis_fixed::ENTRY,
    iis_http::ENTRY,
    iis_smtp::ENTRY,
    opensmtpd::ENTRY,
    postfix::ENTRY,
];
