//! The list of protocols: one row each.

use super::runs::Runs;
use super::tls::Opener;
use super::{Entry, dns, ftp, http1, http2, imap, nntp, pop3, smtp, socks};
use crate::model::Proto;

/// All protocols, in alphabetical order.
pub static PROTOCOLS: &[Entry] = &[
    dns::ENTRY,
    ftp::ENTRY,
    http1::ENTRY,
    http2::ENTRY,
    imap::ENTRY,
    nntp::ENTRY,
    pop3::ENTRY,
    smtp::ENTRY,
    socks::ENTRY,
];

/// The protocol at home on `port` in the clear.
pub(super) fn on_port(port: u16) -> Option<Proto> {
    PROTOCOLS
        .iter()
        .find(|entry| entry.ports.contains(&port))
        .map(|entry| entry.proto)
}

/// The protocol at home inside TLS on `port`.
pub(super) fn on_tls_port(port: u16) -> Option<Proto> {
    PROTOCOLS
        .iter()
        .find(|entry| entry.tls_ports.contains(&port))
        .map(|entry| entry.proto)
}

/// Who speaks first in what is at home inside TLS on `port`.
pub(super) fn opener_inside_tls(port: u16) -> Opener {
    PROTOCOLS
        .iter()
        .find(|entry| entry.tls_ports.contains(&port))
        .map_or(Opener::Unknown, |entry| entry.opener)
}

/// What encrypted runs are in `proto`.
pub(super) fn runs_of(proto: Proto) -> &'static Runs {
    PROTOCOLS
        .iter()
        .find(|entry| entry.proto == proto)
        .map_or(&Runs::PLAIN, |entry| &entry.runs)
}

/// The protocol whose name in ALPN is `name`.
pub(super) fn by_alpn(name: &str) -> Option<Proto> {
    PROTOCOLS
        .iter()
        .find(|entry| entry.alpn.contains(&name))
        .map(|entry| entry.proto)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Opening, Verdict};

    #[test]
    fn rows_are_in_order_and_no_port_has_two() {
        assert!(
            PROTOCOLS
                .windows(2)
                .all(|pair| pair[0].proto <= pair[1].proto)
        );
        let mut ports: Vec<u16> = PROTOCOLS
            .iter()
            .flat_map(|entry| entry.ports.iter().chain(entry.tls_ports))
            .copied()
            .collect();
        let all = ports.len();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), all);
    }

    #[test]
    fn nobody_judges_a_silent_connection() {
        for entry in PROTOCOLS {
            let opening = Opening {
                client: b"",
                server: b"",
                port: 0,
            };
            assert_eq!(
                (entry.probe)(&opening),
                Verdict::NeedMore,
                "{}",
                entry.proto
            );
        }
    }
}
