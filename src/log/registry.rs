//! The list of log formats: one row each.

use super::{
    Around, Entry, Head, Sureness, courier, cyrus, dovecot, envelope, exchange_mailbox,
    exchange_smtp, exchange55, exim, hmailserver, iis, mailenable, nnrpd, opensmtpd, postfix,
    sendmail, web, witness,
};

/// All formats, in alphabetical order.
pub static FORMATS: &[Entry] = &[
    web::caddy::ENTRY,
    web::clf::ENTRY,
    courier::ENTRY,
    cyrus::syslog::ENTRY,
    cyrus::telemetry::ENTRY,
    dovecot::ENTRY,
    dovecot::RAWLOG,
    web::envoy::ENTRY,
    witness::EVE,
    exchange_mailbox::ENTRY,
    exchange_smtp::ENTRY,
    exchange55::connector::ENTRY,
    exchange55::mailbox::ENTRY,
    exim::ENTRY,
    web::haproxy::ENTRY,
    hmailserver::ENTRY,
    iis::httperr::ENTRY,
    iis::fixed::ENTRY,
    iis::http::ENTRY,
    iis::ncsa::ENTRY,
    iis::nntp::ENTRY,
    iis::odbc::ENTRY,
    iis::smtp::ENTRY,
    mailenable::ENTRY,
    web::nginx_error::ENTRY,
    nnrpd::ENTRY,
    opensmtpd::ENTRY,
    postfix::ENTRY,
    sendmail::ENTRY,
    web::traefik::ENTRY,
    web::guess::ENTRY,
    witness::ZEEK,
];

/// All that may be around the lines of any format, and is taken off them.
pub fn envelopes() -> impl Iterator<Item = Around> {
    envelope::all()
}

/// Whether a format that is known can read enough of a head.
pub(super) fn is_known(head: &Head<'_>) -> bool {
    let mut known = FORMATS.iter().filter(|entry| !is_guess(entry));
    known.any(|entry| (entry.probe)(head) >= Sureness::ENOUGH)
}

/// Whether a format is none that is known, but told from the lines where no other fits.
pub(super) fn is_guess(entry: &Entry) -> bool {
    entry.name == web::guess::ENTRY.name
}
