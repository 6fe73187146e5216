//! Messages that a server took and whose sender does not know it.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Endpoint, Evidence, Exchange, Finding, LineRef, Nanos, Seen, Severity, Side, WireSession,
};

use super::View;
use super::group::{Group, Words, counted, listed, server};
use super::registry::Rule;
use super::view::{Case, place};

pub(super) const RULE: Rule = Rule {
    code: "delivered-unknown",
    about: "the server took a message and the client never got the reply: it may come twice",
    decided: "SMTP sessions in which the server answered a message by 2xx and that reply, sent again twice or more, was never acknowledged; and those \
              whose log says that the message was taken while the wire, whole up to its end, has no reply to it; inside TLS, those whose log ends behind the message while what the server last sent was never acknowledged. Log lines of the same Message-ID in \
              another session are counted as the copies.",
    example: "198.51.100.25 port 25 took 1 message of 192.0.2.10 and its reply never arrived: the client does not know and will send it again",
    find,
};

/// Times that a reply must have been sent before it is taken for lost.
const COPIES: u32 = 3;

#[derive(Default)]
struct Unknown {
    group: Group,
    ids: Vec<String>,
    fates: Vec<String>,
    again: u64,
}

fn find(view: View<'_>) -> Vec<Finding> {
    let brought = LazyCell::new(|| brought(view));
    let mut groups: BTreeMap<Endpoint, Unknown> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        let Some(unheard) = unheard_reply(&case, wire) else {
            continue;
        };
        let unknown = groups.entry(wire.conversation.server).or_default();
        unknown.group.add(&case, unheard.at, unheard.place);
        if let Some(line) = unheard.line {
            unknown.group.show(Evidence::Line(line));
        }
        unknown.again += copies(&brought, &case);
        unknown.ids.extend(ids(&case).map(str::to_owned));
        unknown.fates.extend(fates(&case));
    }
    groups
        .into_iter()
        .map(|(endpoint, unknown)| tell(endpoint, unknown))
        .collect()
}

/// A message that was taken, whose sender did not hear so.
pub(super) struct Unheard {
    at: Option<Nanos>,
    place: Option<Evidence>,
    /// Who says that it was taken.
    pub(super) seen: Seen,
    /// The line that says so.
    pub(super) line: Option<LineRef>,
}

/// The message that the server took while the client did not get the reply.
pub(super) fn unheard_reply(case: &Case<'_>, wire: &WireSession) -> Option<Unheard> {
    if wire.proto.0 != "smtp" {
        return None;
    }
    if let Some(hidden) = taken_inside_tls(case, wire) {
        return Some(hidden);
    }
    let last = case
        .joined
        .exchanges
        .iter()
        .rev()
        .find(|exchange| exchange.verb.is_body())?;
    accepted_in_vain(case, wire, last).or_else(|| taken_without_a_word(case, wire, last))
}

/// The last line of the log on a session that brought a message.
fn taking_line(case: &Case<'_>) -> Option<LineRef> {
    let log = case.log.filter(|log| !log.messages.is_empty())?;
    log.events.last().map(|event| event.line)
}

/// The log has the message and says that nothing came behind it, and what the server last said was never acknowledged.
fn taken_inside_tls(case: &Case<'_>, wire: &WireSession) -> Option<Unheard> {
    let hidden = wire.tls.as_ref().is_some_and(|tls| !tls.is_opened());
    let stuck = wire.passage.of(Side::Server).stuck?;
    let line = taking_line(case)?;
    let mut behind = case
        .notes()
        .filter(|(text, _)| text.ends_with("after END-OF-MESSAGE"));
    (hidden && stuck.times >= COPIES && behind.next().is_some()).then_some(Unheard {
        at: Some(stuck.first),
        place: Some(Evidence::Packet(stuck.packet)),
        seen: Seen::Log,
        line: Some(line),
    })
}

/// The server's reply is on the wire, and nobody acknowledged it.
fn accepted_in_vain(case: &Case<'_>, wire: &WireSession, body: &Exchange) -> Option<Unheard> {
    let accepted = body
        .code
        .as_deref()
        .is_some_and(|code| code.starts_with('2'));
    let stuck = wire.passage.of(Side::Server).stuck?;
    let answered = body.answered?;
    // It is this reply that is sent again: no command came after it.
    let later = wire.exchanges.iter().any(|other| other.asked > body.asked);
    let line = taking_line(case);
    (accepted && !later && stuck.times >= COPIES && stuck.first >= answered).then_some(Unheard {
        at: Some(answered),
        place: place(body),
        seen: line.map_or(Seen::Wire, |_| Seen::Both),
        line,
    })
}

/// The log has the message, and the wire no reply.
fn taken_without_a_word(case: &Case<'_>, wire: &WireSession, body: &Exchange) -> Option<Unheard> {
    let whole = wire.counts.0.iter().all(|direction| direction.gaps == 0);
    let sent = wire
        .exchanges
        .iter()
        .filter(|exchange| exchange.verb.is_body())
        .collect::<Vec<_>>();
    let answered = sent
        .iter()
        .filter(|exchange| {
            exchange
                .code
                .as_deref()
                .is_some_and(|code| code.starts_with('2'))
        })
        .count();
    let cut = body.notes.iter().any(|note| note.contains("ends in mid-"));
    let taken = case.log?.messages.len();
    let gone = body.answered.is_none() && !cut && wire.history.contains(['F', 'R', 'f', 'r']);
    let [asked, _] = body.packets;
    (whole && wire.tls.is_none() && gone && taken > answered && taken == sent.len()).then_some(
        Unheard {
            at: body.start,
            place: asked.map(Evidence::Packet),
            seen: Seen::Log,
            line: taking_line(case),
        },
    )
}

fn ids<'a>(case: &Case<'a>) -> impl Iterator<Item = &'a str> + use<'a> {
    let messages = case
        .log
        .map(|log| log.messages.as_slice())
        .unwrap_or_default();
    messages
        .iter()
        .filter_map(|message| message.message_id.as_deref())
}

/// What the log says became of the last message: `sent to user1@example.com`.
fn fates(case: &Case<'_>) -> Vec<String> {
    let all = case
        .log
        .map(|log| log.deliveries.as_slice())
        .unwrap_or_default();
    let Some(last) = all.last() else {
        return Vec::new();
    };
    let same = all.iter().filter(|one| one.message() == last.message());
    same.map(|one| match one.recipient() {
        "" => one.status().to_owned(),
        to => format!("{} to {to}", one.status()),
    })
    .collect()
}

/// Which sessions brought a message, by Message-ID.
type Brought<'a> = BTreeMap<&'a str, BTreeSet<usize>>;

fn brought(view: View<'_>) -> Brought<'_> {
    let mut brought = Brought::new();
    for case in view.cases() {
        for id in ids(&case) {
            brought.entry(id).or_default().insert(case.number);
        }
    }
    brought
}

/// Messages of the same Message-ID that other sessions brought.
fn copies(brought: &Brought<'_>, case: &Case<'_>) -> u64 {
    let sessions = ids(case).last().and_then(|id| brought.get(id));
    let others = sessions.map_or(0, |all| {
        all.iter().filter(|one| **one != case.number).count()
    });
    u64::try_from(others).unwrap_or(u64::MAX)
}

fn tell(endpoint: Endpoint, unknown: Unknown) -> Finding {
    let Unknown {
        group,
        ids,
        fates,
        again,
    } = unknown;
    let fate = if fates.is_empty() {
        String::new()
    } else {
        format!("; the server's log says: {}", listed(&fates))
    };
    let then = if again > 0 {
        format!("it sent {} again", counted(again, "copy"))
    } else {
        "it may send it again".to_owned()
    };
    let which = if ids.is_empty() {
        String::new()
    } else {
        format!(" (Message-ID {})", listed(&ids))
    };
    let message = format!(
        "{} took {} of {}{which} and its reply never arrived: the client does not know, and {then}{fate}",
        server(endpoint),
        counted(group.count, "message"),
        group.sources(),
    );
    group.finding(Words {
        code: RULE.code,
        severity: Severity::Error,
        endpoint: Some(endpoint),
        message,
        not: "not a message lost: the server has it; it is the sender who does not know (RFC 1047)".into(),
        next: "look in the recipient's mailbox for two of the same Message-ID, and on the way for what drops the server's packets; a server should answer the end of the data at once".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, at, exchange, wire};
    use super::*;
    use crate::model::{LogId, LogSession, LoggedMessage, PacketNo, Proto, Repeated};

    fn sent(reply: &str) -> WireSession {
        let mut wire = wire(25, 0, "S1", "ShAdDatR");
        let mut body = exchange(0, "<body 99 bytes>", reply, 1);
        body.verb = crate::model::Verb::new(crate::model::Verb::BODY);
        if reply.is_empty() {
            (body.answered, body.end, body.code) = (None, None, None);
        }
        wire.exchanges.push(body);
        wire
    }

    #[test]
    fn a_reply_sent_again_in_vain_is_told_and_one_that_arrives_is_not() {
        let mut lost = sent("250 Ok: queued");
        let well = lost.clone();
        lost.passage.of_mut(Side::Server).stuck = Some(Repeated {
            length: 40,
            times: 4,
            first: at(1),
            last: at(4),
            packet: PacketNo(8),
            duplicates: 0,
        });
        let mut scene = Scene::default();
        scene.add(well);
        assert!(scene.find(find).is_empty());
        scene.add(lost);
        assert_eq!(scene.find(find)[0].count, 1);
    }

    #[test]
    fn a_log_that_took_what_the_wire_has_no_reply_to_is_told() {
        for (messages, expected) in [(0, 0), (1, 1)] {
            let mut log = LogSession::new(LogId(0), Proto("smtp"));
            for _ in 0..messages {
                log.messages.push(LoggedMessage {
                    wire_bytes: None,
                    recipients: None,
                    message_id: None,
                });
            }
            let mut scene = Scene::default();
            scene.add_both(sent(""), log);
            assert_eq!(scene.find(find).len(), expected);
        }
    }
}
