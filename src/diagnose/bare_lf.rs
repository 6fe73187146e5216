//! Clients that end lines by LF alone.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{Finding, Severity};

use super::View;
use super::group::{Group, Words, counted};
use super::registry::Rule;
use super::view::place;

pub(super) const RULE: Rule = Rule {
    code: "bare-lf",
    about: "the client ends lines by LF alone",
    decided: "Requests in the clear whose line ends by LF without CR, which SMTP and the other mail protocols forbid (RFC 5321 §2.3.8) and by which messages have \
              been smuggled. HTTP lets a server take them (RFC 9112 §2.2) and is left out.",
    example: "192.0.2.10 ended 4 lines by LF alone",
    find,
};

fn find(view: View<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<IpAddr, Group> = BTreeMap::new();
    for (case, wire) in view.on_wire().filter(|(_, wire)| wire.proto.0 != "http") {
        for exchange in &case.joined.exchanges {
            if exchange.notes.iter().any(|note| said_by_client(note)) {
                let group = groups.entry(wire.conversation.client.ip).or_default();
                group.add(&case, exchange.start, place(exchange));
            }
        }
    }
    groups
        .into_iter()
        .map(|(client, group)| {
            let message = format!(
                "{client} ended {} by LF alone",
                counted(group.count, "line")
            );
            group.finding(Words {
                code: RULE.code,
                severity: Severity::Warning,
                endpoint: None,
                message,
                not: "not the way: TCP carries line ends as they were sent".into(),
                next: "mend the client; on the server, see that it refuses bare LF in messages"
                    .into(),
            })
        })
        .collect()
}

/// Whether a remark on an exchange tells of the client's line ends, and not of the server's.
fn said_by_client(note: &str) -> bool {
    note.contains("bare LF") && !note.starts_with("reply")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, exchange, wire};
    use super::*;

    #[test]
    fn lines_are_counted_by_client() {
        let mut bare = wire(25, 0, "SF", "ShAdDaFf");
        for _ in 0..3 {
            bare.exchanges.push(exchange(0, "EHLO a", "250 ok", 1));
        }
        for exchange in bare.exchanges.iter_mut().take(2) {
            exchange
                .notes
                .push("request line ended by a bare LF".into());
        }
        // The server's line ends are not the client's fault.
        bare.exchanges[2]
            .notes
            .push("reply line ended by a bare LF".into());
        let mut scene = Scene::default();
        scene.add(bare);
        assert_eq!(scene.find(find)[0].count, 2);
    }
}
