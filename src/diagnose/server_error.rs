//! Requests at which a web server failed.

use std::collections::BTreeMap;

use crate::align::Said;
use crate::model::{Endpoint, Finding, Matter, Proto, Severity};

use super::View;
use super::group::{Group, Words, counted, listed, server};
use super::registry::Rule;

pub(super) const RULE: Rule = Rule {
    code: "server-error",
    about: "a web server answered 5xx: the fault is its own",
    decided: "HTTP exchanges answered by 500 to 599, on the wire or in the log, by server and status.",
    example: "198.51.100.26 port 80 answered 3 requests by 503: GET /boom",
    find,
};

/// Requests that were answered alike, in the witnesses' own memory: of a large log there are hundreds of thousands.
#[derive(Default)]
struct Failed<'a> {
    group: Group,
    requests: Vec<&'a str>,
}

fn find(view: View<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<(Option<Endpoint>, &str), Failed<'_>> = BTreeMap::new();
    for case in view.cases() {
        let proto = case
            .wire
            .map(|wire| wire.proto)
            .or(case.log.map(|log| log.proto));
        if proto != Some(Proto("http")) {
            continue;
        }
        let failed = |said: Said<'_>| said.code.len() == 3 && said.code.starts_with('5');
        for heard in case.heard(&[Matter::Refusal], failed) {
            let key = (case.server(), heard.said.code);
            let failed = groups.entry(key).or_default();
            failed.group.add(&case, heard.start, heard.place);
            let request = heard.said.request;
            let end = request.find(" HTTP/").unwrap_or(request.len());
            failed.requests.extend(request.get(..end));
        }
    }
    groups
        .into_iter()
        .map(|((endpoint, code), failed)| {
            let Failed {
                group,
                mut requests,
            } = failed;
            requests.sort_unstable();
            requests.dedup();
            let who = endpoint.map_or_else(|| "a server in the log".into(), server);
            let message = format!(
                "{who} answered {} by {code}: {}",
                counted(group.count, "request"),
                listed(requests)
            );
            group.finding(Words {
                code: RULE.code,
                severity: Severity::Warning,
                endpoint,
                message,
                not: "not the client's fault: that would be 4xx".into(),
                next:
                    "look at the server's error log of these moments, and at what stands behind it"
                        .into(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, exchange, wire};
    use super::*;

    #[test]
    fn only_fives_are_the_servers_fault() {
        let mut web = wire(80, 0, "SF", "ShADadFf");
        for code in ["200", "404", "503", "503"] {
            let mut one = exchange(0, "GET /boom HTTP/1.1", "HTTP/1.1 x", 1);
            one.code = Some(code.into());
            web.exchanges.push(one);
        }
        let mut scene = Scene::default();
        scene.add(web);
        let found = scene.find(find);
        assert_eq!((found.len(), found[0].count), (1, 2));
        assert!(found[0].message.ends_with("503: GET /boom"));
    }
}
