//! SMTP (RFC 5321), with pipelining (RFC 2920), chunks (RFC 3030), AUTH (RFC 4954), STARTTLS (RFC 3207), and
//! LMTP (RFC 2033).

mod command;
mod dialogue;
mod envelope;
mod probe;
mod reply;

use super::Entry;
use super::runs::Runs;
use super::talk::Talking;
use super::tls::Opener;
use crate::model::Proto;
use dialogue::Smtp;

/// The row of the registry.
pub(super) const ENTRY: Entry = Entry {
    proto: Proto("smtp"),
    ports: &[25, 587, 2525],
    tls_ports: &[465],
    opener: Opener::Server,
    runs: Runs::PLAIN,
    alpn: &[],
    probe: probe::probe,
    start: || Box::new(Talking::<Smtp>::default()),
};
