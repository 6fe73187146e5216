//! Runs in which one side alone was heard: what the other would add.

use crate::model::{Encryption, Finding, Role, Severity, TlsSummary};

use super::View;
use super::group::{Group, Words, counted};
use super::registry::Rule;
use super::view::{Place, established};

pub(super) const RULE: Rule = Rule {
    code: "one-witness",
    about: "a capture without a log, or a log without a capture: what the other side would add",
    decided: "Captures in which connections came about, read without a log; and logs with sessions, read without a capture. It counts what that side alone cannot tell.",
    example: "no log was read: what passed inside TLS in 12 of 40 connections, and why the server refused or closed, is the server's to tell",
    find,
};

fn find(view: View<'_>) -> Vec<Finding> {
    let mut heard = Heard::default();
    heard.take(view, &Some);
    heard.findings(view)
}

/// How much each side told.
#[derive(Default)]
pub(super) struct Heard {
    /// Connections that came about, and those of them in which TLS hides something.
    taken: u64,
    hidden: u64,
    /// Sessions of logs, and those of them at a server's end.
    logged: u64,
    served: u64,
}

impl Heard {
    /// Counts a part of the run.
    pub(super) fn take(&mut self, view: View<'_>, place: Place<'_>) {
        for (_, case) in view.taken(place) {
            let wire = case.wire.filter(|wire| established(wire));
            if let Some(wire) = wire.filter(|wire| wire.lookups.is_empty()) {
                let opened = wire.tls.as_ref().is_some_and(TlsSummary::is_opened);
                self.taken += 1;
                self.hidden += u64::from(wire.encryption != Encryption::None && !opened);
            }
            let logs = case.joined.logs.iter();
            for log in logs.filter_map(|&log| view.logs.get(log)) {
                self.logged += 1;
                self.served += u64::from(log.role == Role::Server);
            }
        }
    }

    /// What is to be said at the end.
    pub(super) fn findings(&self, view: View<'_>) -> Vec<Finding> {
        match (view.captures.is_empty(), view.sources.is_empty()) {
            (false, true) => self.wire_alone().into_iter().collect(),
            (true, false) => self.log_alone().into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn wire_alone(&self) -> Option<Finding> {
        let inside = if self.hidden > 0 {
            format!(
                "what passed inside TLS in {} of {}, and ",
                self.hidden,
                counted(self.taken, "connection")
            )
        } else {
            String::new()
        };
        (self.taken > 0).then(|| {
            Group::of(self.taken).finding(Words {
                code: RULE.code,
                severity: Severity::Info,
                endpoint: None,
                message: format!("no log was read: {inside}why the server refused or closed, and what became of what it took, is the server's to tell"),
                not: "not a fault: what is told is as sure as one side can be".into(),
                next: "give the server's log with -l; `bothends logging SERVER` tells how to make it write what a comparison needs".into(),
            })
        })
    }

    fn log_alone(&self) -> Option<Finding> {
        (self.logged > 0).then(|| {
            Group::of(self.logged).finding(Words {
                code: RULE.code,
                severity: Severity::Info,
                endpoint: None,
                message: format!(
                    "no capture was read: response times, losses, who closed or reset {}, and attempts that never reached a server ({} did) are the packets' to tell",
                    counted(self.logged, "session"),
                    self.served
                ),
                not: "not a fault: what is told is as sure as one side can be".into(),
                next: "capture at the server's interface at the same time and give the file with -r".into(),
            })
        })
    }
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
