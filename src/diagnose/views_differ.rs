//! What wire and log claim differently of one session.

use std::collections::BTreeMap;

use crate::model::{
    CommandRef, Evidence, Exchange, Finding, LineRef, LogSession, Nanos, Severity, WireSession,
};

use super::View;
use super::claims;
use super::group::{Group, Words, counted, listed};
use super::registry::Rule;
use super::unmatched::pairs;
use super::view::{Case, place};

pub(super) const RULE: Rule = Rule {
    code: "views-differ",
    about: "wire and log claim different things of one session",
    decided: "Sessions in the clear, without holes. A message whose size in the log no message on the wire has; a row of a web server's log that claims a larger body than \
              the wire carried in all; rows and requests left over on both sides, of one client, one request and one moment, whose status differs; commands that a log of every command has in \
              another place of the dialogue; and, as information, messages with another number of recipients than were accepted, lines stamped two seconds or more off what they tell of \
              (beyond the clock's bound), and clients that the log knows by another address.",
    example: "wire and log differ in the status of 3 replies: the log says 404, the wire 200 to GET /missing.txt",
    find,
};

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Status,
    Size,
    Order,
    Recipients,
    Time,
    Address,
}

/// One difference.
struct Difference {
    what: What,
    words: String,
    at: Option<Nanos>,
    places: [Option<Evidence>; 2],
}

fn find(view: View<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<What, (Group, Vec<String>)> = BTreeMap::new();
    let mut note = |case: &Case<'_>, one: Difference| {
        let (group, words) = groups.entry(one.what).or_default();
        group.add(case, one.at, one.places.into_iter().flatten().next());
        one.places
            .into_iter()
            .flatten()
            .for_each(|place| group.show(place));
        if !words.contains(&one.words) {
            words.push(one.words);
        }
    };
    for (case, wire) in view.on_wire() {
        for one in differences(view, &case, wire) {
            note(&case, one);
        }
    }
    for pair in pairs(view) {
        if let Some(words) = statuses(pair.exchange, pair.command) {
            let difference = Difference {
                what: What::Status,
                words,
                at: pair.exchange.start,
                places: [place(pair.exchange), Some(pair.line)],
            };
            note(&pair.wire, difference);
        }
    }
    groups
        .into_iter()
        .map(|(what, (group, words))| tell(what, group, &words))
        .collect()
}

fn tell(what: What, group: Group, words: &[String]) -> Finding {
    let sessions = u64::try_from(group.sessions()).unwrap_or(u64::MAX);
    let words = listed(words);
    let message = match what {
        What::Status => format!(
            "wire and log differ in the status of {}: {words}",
            counted(group.count, "reply")
        ),
        What::Size => format!(
            "wire and log differ in {}: {words}",
            counted(sessions, "session")
        ),
        What::Order => format!(
            "wire and log differ in the order of {}: {words}",
            counted(group.count, "command")
        ),
        What::Recipients => format!(
            "wire and log differ in the number of recipients of {}: {words}",
            counted(group.count, "message")
        ),
        What::Time => format!(
            "wire and log differ in the time of {}: {words}",
            counted(group.count, "command")
        ),
        What::Address => format!(
            "the log knows clients of {} by another address than the wire: {words}",
            counted(sessions, "session")
        ),
    };
    let next = match what {
        What::Status => {
            "see whether something between client and server changes replies (a proxy, a filter, a cache)"
        }
        What::Size => {
            "see whether something between client and server changes the dialogue (a filter, a proxy), whether the client left before the end, or whether the log is of another machine"
        }
        What::Order => {
            "see whether something between client and server keeps commands back or the log's writer puts lines in another order"
        }
        What::Recipients => {
            "see the server's aliases, lists and rules that copy mail: they add recipients or make one of several"
        }
        What::Time => {
            "see how the log is written: kept back in a buffer, stamped by another machine, or its clock was set"
        }
        What::Address => "nothing, where this address translation or proxy is known",
    };
    group.finding(Words {
        code: RULE.code,
        severity: match what {
            What::Order | What::Size | What::Status => Severity::Warning,
            What::Address | What::Recipients | What::Time => Severity::Info,
        },
        endpoint: None,
        message,
        not: "not a hole in the capture: these sessions are whole".into(),
        next: next.into(),
    })
}

/// In which words the two statuses of a reply differ, if they do.
fn statuses(exchange: &Exchange, command: CommandRef<'_>) -> Option<String> {
    let (seen, told) = (exchange.code.as_deref()?, command.code?);
    let request = exchange.request.split(" HTTP/").next().unwrap_or_default();
    (seen != told).then(|| format!("the log says {told}, the wire {seen} to {request}"))
}

fn differences(view: View<'_>, case: &Case<'_>, wire: &WireSession) -> Vec<Difference> {
    let whole = wire.counts.0.iter().all(|direction| direction.gaps == 0);
    let Some(log) = case.log.filter(|_| whole) else {
        return Vec::new();
    };
    let mut found: Vec<Difference> = address(wire, log).into_iter().collect();
    if wire.tls.is_none() {
        found.extend(messages(wire, log));
        let claimed = [
            (What::Recipients, claims::recipients(wire, log)),
            (What::Order, claims::order(case, log)),
            (What::Time, claims::times(view, case, log)),
        ];
        found.extend(claimed.into_iter().flat_map(|(what, claims)| {
            claims
                .into_iter()
                .map(move |(words, at, places)| Difference {
                    what,
                    words,
                    at,
                    places,
                })
        }));
        found.extend(bodies(view, case));
    }
    found
}

fn address(wire: &WireSession, log: &LogSession) -> Option<Difference> {
    let (seen, told) = (wire.conversation.client.ip, log.peer?);
    (!wire.named_clients().any(|client| client == told)).then(|| Difference {
        what: What::Address,
        words: format!("{seen} as {told}"),
        at: None,
        places: [
            log.events.first().map(|event| Evidence::Line(event.line)),
            None,
        ],
    })
}

/// Messages whose size the wire does not have.
fn messages<'a>(
    wire: &'a WireSession,
    log: &'a LogSession,
) -> impl Iterator<Item = Difference> + 'a {
    let sent: Vec<u64> = wire
        .exchanges
        .iter()
        .filter(|exchange| exchange.verb.is_body())
        .filter_map(|exchange| exchange.request_bytes)
        .collect();
    let line = log.events.last().map(|event| Evidence::Line(event.line));
    let sizes = log.messages.iter().filter_map(|message| message.wire_bytes);
    sizes.filter_map(move |(lo, hi)| {
        let differs = !sent.is_empty() && !sent.iter().any(|octets| (lo..=hi).contains(octets));
        differs.then(|| Difference {
            what: What::Size,
            words: format!(
                "the log has a message of {lo} to {hi} octets, the wire one of {}",
                listed(&sent)
            ),
            at: None,
            places: [line, None],
        })
    })
}

/// Pages of which a log claims more than passed.
fn bodies(view: View<'_>, case: &Case<'_>) -> Vec<Difference> {
    let joined = case
        .joined
        .logs
        .iter()
        .filter_map(|&log| view.logs.get(log));
    let told: BTreeMap<LineRef, u64> = joined
        .flat_map(|log| &log.events)
        .filter_map(|event| Some((event.line, event.command()?.body_octets?)))
        .collect();
    case.joined
        .exchanges
        .iter()
        .filter_map(|exchange| {
            let line = exchange.line?;
            let (claimed, passed) = (*told.get(&line)?, exchange.response_bytes?);
            // The body alone in the log, head and body on the wire.
            (claimed > passed).then(|| Difference {
                what: What::Size,
                words: format!(
                    "the log has a body of {claimed} octets, the wire {passed} with the head, for {}",
                    exchange.request.split(" HTTP/").next().unwrap_or_default()
                ),
                at: exchange.start,
                places: [place(exchange), Some(Evidence::Line(line))],
            })
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
