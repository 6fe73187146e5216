//! NNTP (RFC 3977), with AUTHINFO (RFC 4643), STARTTLS (RFC 4642), streaming (RFC 4644) and COMPRESS (RFC 8054).

mod command;
mod dialogue;

use super::Entry;
use super::runs::Runs;
use super::talk::Talking;
use super::tls::Opener;
use crate::model::Proto;
use dialogue::Nntp;

/// The row of the registry.
pub(super) const ENTRY: Entry = Entry {
    proto: Proto("nntp"),
    ports: &[119, 433],
    tls_ports: &[563],
    opener: Opener::Server,
    runs: Runs::PLAIN,
    alpn: &["nntp", "nnsp"],
    probe: command::probe,
    start: || Box::new(Talking::<Nntp>::default()),
};
