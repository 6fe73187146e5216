//! Community ID version 1 (Corelight): one short name for a flow that other tools give it too.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use crate::model::Conversation;

/// `1:` and the base64 of a SHA-1 over seed 0, both ends in order, and the transport.
pub fn community_id(conversation: &Conversation) -> String {
    let mut ends = [conversation.client, conversation.server];
    ends.sort_by_key(|end| (octets(end.ip), end.port));
    let [low, high] = ends;
    let mut sha = Sha1::new();
    sha.update([0, 0]);
    sha.update(octets(low.ip));
    sha.update(octets(high.ip));
    sha.update([conversation.transport.ip_number(), 0]);
    sha.update(low.port.to_be_bytes());
    sha.update(high.port.to_be_bytes());
    format!("1:{}", STANDARD.encode(sha.finalize()))
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Endpoint, Transport};

    #[test]
    fn known_values_come_out_in_both_directions() {
        let end = |ip: &str, port| Endpoint {
            ip: ip.parse().unwrap(),
            port,
        };
        for (one, other, id) in [
            (
                end("192.0.2.10", 40_000),
                end("198.51.100.25", 25),
                "1:WWyIBMEc1v+Ew8DOyXhjob7b2hc=",
            ),
            (
                end("128.232.110.120", 34_855),
                end("66.35.250.204", 80),
                "1:LQU9qZlK+B5F3KDmev6m5PMibrg=",
            ),
        ] {
            for (client, server) in [(one, other), (other, one)] {
                let conversation = Conversation {
                    client,
                    server,
                    transport: Transport::Tcp,
                };
                assert_eq!(community_id(&conversation), id);
            }
        }
    }
}
