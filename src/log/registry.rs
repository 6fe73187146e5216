//! The list of log formats: one row each.

use super::{
    Entry, dovecot, exchange_mailbox, exchange_smtp, iis_fixed, iis_http, iis_smtp, opensmtpd,
    postfix, web,
};

/// All formats, in alphabetical order.
pub static FORMATS: &[Entry] = &[
    web::caddy::ENTRY,
    web::clf::ENTRY,
    dovecot::ENTRY,
    web::envoy::ENTRY,
    exchange_mailbox::ENTRY,
    exchange_smtp::ENTRY,
    web::haproxy::ENTRY,
    iis_fixed::ENTRY,
    iis_http::ENTRY,
    iis_smtp::ENTRY,
    opensmtpd::ENTRY,
    postfix::ENTRY,
    web::traefik::ENTRY,
];
