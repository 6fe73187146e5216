//! IMAP (RFC 3501 and RFC 9051), with literals of both kinds (RFC 7888), IDLE (RFC 2177), AUTHENTICATE with an
//! initial response (RFC 4959), STARTTLS and COMPRESS (RFC 4978).

mod command;
mod dialogue;
mod probe;
mod reply;

use super::Entry;
use super::runs::{Records, Runs};
use super::talk::Talking;
use super::tls::Opener;
use crate::model::Proto;
use dialogue::Imap;

/// The row of the registry.
pub(super) const ENTRY: Entry = Entry {
    proto: Proto("imap"),
    ports: &[143],
    tls_ports: &[993],
    opener: Opener::Server,
    runs: Runs {
        // `+ OK`, `+ idling`, `+ go ahead`; the shortest tagged reply that servers give is longer.
        go_on: Some((3, 12)),
        // `DONE`: no command is so short.
        ends: Some(6),
        records: Records::Commands {
            at_least: 8,
            at_most: 1_000,
        },
    },
    alpn: &["imap"],
    probe: probe::probe,
    start: || Box::new(Talking::<Imap>::default()),
};
