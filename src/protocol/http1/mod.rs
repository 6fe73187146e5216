//! HTTP/1.0 and 1.1 (RFC 9112), with pipelining, chunks, 100-continue, upgrades and tunnels.

mod dialogue;
mod head;
mod probe;

use super::Entry;
use super::runs::{Records, Runs};
use super::talk::Talking;
use super::tls::Opener;
use crate::model::Proto;
use dialogue::Http;

/// The row of the registry.
pub(super) const ENTRY: Entry = Entry {
    proto: Proto("http"),
    ports: &[80, 3128, 8000, 8008, 8080, 8081, 8888],
    tls_ports: &[443, 8443],
    opener: Opener::Client,
    runs: Runs {
        // `HTTP/1.1 100 Continue` and two line ends, and nothing else.
        go_on: Some((25, 25)),
        ends: None,
        records: Records::Parts,
    },
    alpn: &["http/1.1", "http/1.0"],
    probe: probe::probe,
    start: || Box::new(Talking::<Http>::default()),
};
