//! What wire and log claim differently of one session.

use crate::model::{Evidence, Finding, Severity, WireSession};

use super::View;
use super::group::{Group, Words, counted};
use super::registry::Rule;
use super::view::Case;

pub(super) const RULE: Rule = Rule {
    code: "views-differ",
    about: "wire and log claim different things of one session",
    decided: "Sessions in the clear that are matched, without holes, of which the log names a size of a message that no message on the wire \
              has.",
    example: "wire and log differ in 1 session: the log has a message of 1200 to 1302 octets, the wire one of 431",
    find,
};

fn find(view: View<'_>) -> Vec<Finding> {
    let mut group = Group::default();
    let mut first = None;
    for (case, wire) in view.on_wire() {
        for (what, place) in differences(&case, wire) {
            group.add(&case, None, Some(place));
            first.get_or_insert(what);
        }
    }
    let Some(what) = first else {
        return Vec::new();
    };
    let sessions = u64::try_from(group.sessions()).unwrap_or(u64::MAX);
    vec![group.finding(Words {
        code: RULE.code,
        severity: Severity::Warning,
        endpoint: None,
        message: format!("wire and log differ in {}: {what}", counted(sessions, "session")),
        not: Some("not a hole in the capture: these sessions are whole".into()),
        next: "see whether something between client and server changes the dialogue (a filter, a proxy), or whether the log is of another machine".into(),
    })]
}

fn differences(case: &Case<'_>, wire: &WireSession) -> Vec<(String, Evidence)> {
    let whole = wire.counts.0.iter().all(|direction| direction.gaps == 0);
    let Some(log) = case.log.filter(|_| whole && wire.tls.is_none()) else {
        return Vec::new();
    };
    let sent: Vec<u64> = wire
        .exchanges
        .iter()
        .filter(|exchange| exchange.verb.is_body())
        .filter_map(|exchange| exchange.request_bytes)
        .collect();
    let Some(line) = log.events.last().map(|event| Evidence::Line(event.line)) else {
        return Vec::new();
    };
    log.messages
        .iter()
        .filter_map(|message| message.wire_bytes)
        .filter(|&(lo, hi)| {
            !sent.is_empty() && !sent.iter().any(|octets| (lo..=hi).contains(octets))
        })
        .map(|(lo, hi)| {
            let seen: Vec<String> = sent.iter().map(u64::to_string).collect();
            let what = format!(
                "the log has a message of {lo} to {hi} octets, the wire one of {}",
                seen.join(" and ")
            );
            (what, line)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, exchange, wire};
    use super::*;
    use crate::model::{
        Event, LineRef, LogEvent, LogId, LogSession, LogTime, LoggedMessage, Proto, Span, Stamp,
    };

    #[test]
    fn a_size_that_no_message_has_is_told() {
        for (range, expected) in [((400, 460), 0), ((1200, 1302), 1)] {
            let mut smtp = wire(25, 0, "SF", "ShAdDaFf");
            let mut body = exchange(0, "<BODY> x", "250 Ok", 1);
            body.request_bytes = Some(431);
            smtp.exchanges.push(body);
            let mut log = LogSession::new(LogId(0), Proto("smtp"));
            log.messages.push(LoggedMessage {
                wire_bytes: Some(range),
                recipients: None,
                message_id: None,
            });
            log.events.push(LogEvent {
                line: LineRef {
                    log: LogId(0),
                    line: 4,
                },
                stamp: Stamp {
                    at: LogTime::new(0, 0),
                    resolution: Span::SECOND,
                },
                what: Event::Close,
            });
            let mut scene = Scene::default();
            scene.add_both(smtp, log);
            assert_eq!(scene.find(find).len(), expected);
        }
    }
}
