//! Runs in which one side alone was heard: what the other would add.

use crate::model::{Encryption, Finding, Role, Severity};

use super::View;
use super::group::{Group, Words, counted};
use super::registry::Rule;
use super::view::established;

pub(super) const RULE: Rule = Rule {
    code: "one-witness",
    about: "a capture without a log, or a log without a capture: what the other side would add",
    decided: "Captures in which connections came about, read without a log; and logs with sessions, read without a capture. It counts what that side alone cannot tell.",
    example: "no log was read: what passed inside TLS in 12 of 40 connections, and why the server refused or closed, is the server's to tell",
    find,
};

fn find(view: View<'_>) -> Vec<Finding> {
    match (view.captures.is_empty(), view.sources.is_empty()) {
        (false, true) => wire_alone(view).into_iter().collect(),
        (true, false) => log_alone(view).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn wire_alone(view: View<'_>) -> Option<Finding> {
    let taken = || {
        view.wires
            .iter()
            .filter(|wire| established(wire) && wire.lookups.is_empty())
    };
    let all = taken().count();
    let hidden = taken()
        .filter(|wire| wire.encryption != Encryption::None)
        .filter(|wire| {
            !wire
                .tls
                .as_ref()
                .is_some_and(crate::model::TlsSummary::is_opened)
        })
        .count();
    let inside = if hidden > 0 {
        format!(
            "what passed inside TLS in {hidden} of {}, and ",
            counted(number(all), "connection")
        )
    } else {
        String::new()
    };
    (all > 0).then(|| {
        Group::of(number(all)).finding(Words {
            code: RULE.code,
            severity: Severity::Info,
            endpoint: None,
            message: format!("no log was read: {inside}why the server refused or closed, and what became of what it took, is the server's to tell"),
            not: "not a fault: what is told is as sure as one side can be".into(),
            next: "give the server's log with -l; `bothends logging SERVER` tells how to make it write what a comparison needs".into(),
        })
    })
}

fn log_alone(view: View<'_>) -> Option<Finding> {
    let served = view
        .logs
        .iter()
        .filter(|log| log.role == Role::Server)
        .count();
    (!view.logs.is_empty()).then(|| {
        Group::of(number(view.logs.len())).finding(Words {
            code: RULE.code,
            severity: Severity::Info,
            endpoint: None,
            message: format!(
                "no capture was read: response times, losses, who closed or reset {}, and attempts that never reached a server ({} did) are the packets' to tell",
                counted(number(view.logs.len()), "session"),
                served
            ),
            not: "not a fault: what is told is as sure as one side can be".into(),
            next: "capture at the server's interface at the same time and give the file with -r".into(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, capture, log_source, logged, wire};
    use super::*;

    #[test]
    fn each_side_alone_says_what_the_other_would_add_and_both_say_nothing() {
        let mut scene = Scene::default();
        scene.captures.push(capture(0, 9));
        let mut hidden = wire(25, 0, "SF", "ShADadFf");
        hidden.encryption = Encryption::StartTls;
        scene.add(hidden);
        scene.add(wire(25, 1, "SF", "ShADadFf"));
        scene.add(wire(25, 2, "S0", "S"));
        let found = scene.find(find);
        assert!(
            found[0]
                .message
                .contains("inside TLS in 1 of 2 connections")
        );
        let mut scene = Scene::default();
        scene.sources.push(log_source());
        scene.add_logged(logged(0, 1));
        let found = scene.find(find);
        assert!(found[0].message.contains("closed or reset 1 session,"));
        scene.captures.push(capture(0, 9));
        assert!(scene.find(find).is_empty());
    }
}
