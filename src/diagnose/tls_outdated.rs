//! TLS of versions that are no longer safe.

use std::collections::BTreeMap;

use crate::model::{Endpoint, Evidence, Finding, Severity, TlsVersion};

use super::View;
use super::group::{Group, Words, counted, server};
use super::registry::Rule;

pub(super) const RULE: Rule = Rule {
    code: "tls-outdated",
    about: "TLS 1.1 or older is in use",
    decided: "Handshakes that were done in a version before TLS 1.2 (deprecated by RFC 8996, SSL 3.0 by RFC 7568), by server and version; whether the client offered no \
              better or the server chose it. Handshakes that fail for their version are told as tls-failed.",
    example: "198.51.100.25 port 993 speaks TLSv1 in 2 connections of 192.0.2.10: the client offers no better",
    find,
};

/// The first version that is safe still.
const SAFE: TlsVersion = TlsVersion(0x0303);

fn find(view: View<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<(Endpoint, TlsVersion, bool), Group> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        let Some(tls) = &wire.tls else {
            continue;
        };
        let old = tls.version.filter(|version| *version < SAFE);
        let (Some(version), true) = (old, tls.finished.is_some()) else {
            continue;
        };
        let by_client = tls.offered.is_none_or(|offered| offered <= version);
        groups
            .entry((wire.conversation.server, version, by_client))
            .or_default()
            .add(
                &case,
                tls.server_hello,
                Some(Evidence::Packet(wire.first_packet)),
            );
    }
    groups
        .into_iter()
        .map(|((endpoint, version, by_client), group)| {
            let why = if by_client {
                "the client offers no better"
            } else {
                "the server chose it although the client offers better"
            };
            let message = format!(
                "{} speaks {version} in {} of {}: {why}",
                server(endpoint),
                counted(group.count, "connection"),
                group.sources(),
            );
            group.finding(Words {
                code: RULE.code,
                severity: Severity::Warning,
                endpoint: Some(endpoint),
                message,
                not: "not a failure: the connections came about".into(),
                next: if by_client {
                    "bring the client up to date before the server stops taking the old version"
                        .into()
                } else {
                    "allow TLS 1.2 and 1.3 on the server, and nothing older".into()
                },
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, at, wire};
    use super::*;
    use crate::model::TlsSummary;

    #[test]
    fn old_versions_are_told_and_new_ones_not() {
        for (version, expected) in [(0x0301, 1), (0x0303, 0), (0x0304, 0)] {
            let mut secure = wire(993, 0, "SF", "ShADadFf");
            secure.tls = Some(TlsSummary {
                version: Some(TlsVersion(version)),
                offered: Some(TlsVersion(0x0303)),
                finished: Some(at(0)),
                ..TlsSummary::default()
            });
            let mut scene = Scene::default();
            scene.add(secure);
            let found = scene.find(find);
            assert_eq!(found.len(), expected);
            assert!(
                found
                    .iter()
                    .all(|one| one.message.ends_with("offers better"))
            );
        }
    }
}
