//! TLS that did not come about.

use std::collections::BTreeMap;

use crate::model::{Encryption, Endpoint, Evidence, Finding, Severity, WireSession};

use super::View;
use super::group::{Group, Words, counted, server};
use super::registry::Rule;

pub(super) const RULE: Rule = Rule {
    code: "tls-failed",
    about: "TLS handshake failed; alert in words",
    decided: "Handshakes that ended in an alert or broke off before they were done, and requests in the clear on a port where TLS is spoken \
              from the first octet that were refused or not answered.",
    example: "TLS with 198.51.100.25 port 443 failed in 2 connections of 192.0.2.10: the server says \"protocol version\"",
    find,
};

/// Ports where TLS begins with the first octet (the IANA registry: https, smtps submissions, nntps, imaps, pop3s).
pub(super) const TLS_PORTS: [u16; 5] = [443, 465, 563, 993, 995];
/// How the notes of a session begin that tell of it.
const FAILED: &str = "TLS handshake failed: ";

fn find(view: View<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<(Endpoint, String), Group> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        if let Some(why) = why(wire) {
            let group = groups.entry((wire.conversation.server, why)).or_default();
            group.add(&case, None, Some(Evidence::Packet(wire.first_packet)));
        }
    }
    groups
        .into_iter()
        .map(|((endpoint, why), group)| {
            let message = format!(
                "TLS with {} failed in {} of {}: {why}",
                server(endpoint),
                counted(group.count, "connection"),
                group.sources()
            );
            group.finding(Words {
                code: RULE.code,
                severity: Severity::Error,
                endpoint: Some(endpoint),
                message,
                not: "not the network: both sides were heard".into(),
                next: next(&why).into(),
            })
        })
        .collect()
}

fn why(wire: &WireSession) -> Option<String> {
    let noted = wire.notes.iter().find_map(|note| note.strip_prefix(FAILED));
    if let Some(why) = noted {
        return Some(why.to_owned());
    }
    let meant = TLS_PORTS.contains(&wire.conversation.server.port);
    // Others use these ports for what never goes inside TLS.
    let usual = ["http", "imap", "nntp", "pop3", "smtp"].contains(&wire.proto.0);
    let clear = usual && wire.encryption == Encryption::None && !wire.exchanges.is_empty();
    let heeded = wire.exchanges.iter().any(|exchange| {
        let code = exchange.code.as_deref().unwrap_or("400");
        !code.starts_with('4')
    });
    (meant && clear && !heeded).then(|| format!("the client speaks {} in the clear", wire.proto))
}

fn next(why: &str) -> &'static str {
    let has = |word: &str| why.contains(word);
    match () {
        () if has("expired") => {
            "renew the certificate of the server, and see the clock of the client"
        }
        () if has("unknown CA") || has("bad certificate") || has("certificate unknown") => {
            "see that the server sends its whole chain, and that the client knows the authority"
        }
        () if has("protocol version") => {
            "compare the TLS versions that both sides allow: one is too old"
        }
        () if has("handshake failure") || has("insufficient") => {
            "compare the ciphers and key exchanges that both sides allow"
        }
        () if has("in the clear") => {
            "set the client to TLS on this port, or to the port for clear text"
        }
        () => "look at the server's error log of that moment",
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, exchange, wire};
    use super::*;

    #[test]
    fn alerts_and_clear_text_on_a_tls_port_are_told() {
        let mut alert = wire(443, 0, "SF", "ShADadFf");
        alert
            .notes
            .push("TLS handshake failed: the server says \"protocol version\"".into());
        let mut clear = wire(443, 1, "SF", "ShADadFf");
        clear
            .exchanges
            .push(exchange(1, "GET / HTTP/1.1", "HTTP/1.1 400 Bad Request", 1));
        clear.exchanges[0].code = Some("400".into());
        let mut served = clear.clone();
        served.exchanges[0].code = Some("200".into());
        let mut other = clear.clone();
        other.proto = crate::model::Proto("dns");
        let mut scene = Scene::default();
        for wire in [alert, clear, served, other] {
            scene.add(wire);
        }
        assert_eq!(scene.find(find).len(), 2);
    }
}
