//! Logs of programs that saw the packets themselves: further witnesses beside the server.
//!
//! Their lines name both ends with their ports and the connection by an id of their own (`uid`, `flow_id`), by which lines are put together.

mod eve;
mod zeek;

pub(super) use eve::ENTRY as EVE;
pub(super) use zeek::ENTRY as ZEEK;

use crate::model::Proto;

/// Protocols that are compared, by the names that Zeek and Suricata have for them.
const PROTOCOLS: [(&str, Proto); 8] = [
    ("dns", Proto("dns")),
    ("ftp", Proto("ftp")),
    ("http", Proto("http")),
    ("imap", Proto("imap")),
    ("nntp", Proto("nntp")),
    ("pop3", Proto("pop3")),
    ("smtp", Proto("smtp")),
    ("ssl", Proto::UNKNOWN),
];

/// The protocol of a service, which may be several names in one (`smtp,ssl`).
fn proto(service: &str) -> Proto {
    service
        .split(',')
        .find_map(|name| PROTOCOLS.iter().find(|(known, _)| *known == name))
        .map_or(Proto::UNKNOWN, |(_, proto)| *proto)
}
