//! Messages that a server took and whose sender does not know it.

use std::collections::BTreeMap;

use crate::model::{Endpoint, Evidence, Exchange, Finding, Severity, Side, WireSession};

use super::View;
use super::group::{Group, Words, counted, listed, server};
use super::registry::Rule;
use super::view::{Case, place};

pub(super) const RULE: Rule = Rule {
    code: "delivered-unknown",
    about: "the server took a message and the client never got the reply: it may come twice",
    decided: "SMTP sessions in which the server answered a message by 2xx and that reply, sent again twice or more, was never acknowledged; and those \
              whose log says that the message was taken while the wire, whole up to its end, has no reply to it. Log lines of the same Message-ID in \
              another session are counted as the copies.",
    example: "198.51.100.25 port 25 took 1 message of 192.0.2.10 and its reply never arrived: the client does not know and will send it again",
    find,
};

#[derive(Default)]
struct Unknown {
    group: Group,
    ids: Vec<String>,
    again: u64,
}

fn find(view: View<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<Endpoint, Unknown> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        let Some(at) = unheard_reply(&case, wire) else {
            continue;
        };
        let unknown = groups.entry(wire.conversation.server).or_default();
        unknown.group.add(&case, at.0, at.1);
        if let Some(line) = case.log.and_then(|log| log.events.last()) {
            unknown.group.show(Evidence::Line(line.line));
        }
        unknown.again += copies(view, &case);
        unknown.ids.extend(ids(&case).map(str::to_owned));
    }
    groups
        .into_iter()
        .map(|(endpoint, unknown)| tell(endpoint, unknown))
        .collect()
}

type Place = (Option<crate::model::Nanos>, Option<Evidence>);

/// Where the reply to a message is that the client did not get.
fn unheard_reply(case: &Case<'_>, wire: &WireSession) -> Option<Place> {
    if wire.proto.0 != "smtp" || case.client().is_none() {
        return None;
    }
    let last = case
        .joined
        .exchanges
        .iter()
        .rev()
        .find(|exchange| exchange.verb.is_body())?;
    accepted_in_vain(wire, last).or_else(|| taken_without_a_word(case, wire, last))
}

/// The server's reply is on the wire, and nobody acknowledged it.
fn accepted_in_vain(wire: &WireSession, body: &Exchange) -> Option<Place> {
    let accepted = body
        .code
        .as_deref()
        .is_some_and(|code| code.starts_with('2'));
    let stuck = wire.passage.of(Side::Server).stuck?;
    let answered = body.answered?;
    // It is this reply that is sent again: no command came after it.
    let later = wire.exchanges.iter().any(|other| other.asked > body.asked);
    (accepted && !later && stuck.times >= 3 && stuck.first >= answered)
        .then_some((Some(answered), place(body)))
}

/// The log has the message, and the wire no reply.
fn taken_without_a_word(case: &Case<'_>, wire: &WireSession, body: &Exchange) -> Option<Place> {
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
    (whole && wire.tls.is_none() && gone && taken > answered && taken == sent.len()).then_some((
        body.start,
        body.packets
            .first()
            .copied()
            .flatten()
            .map(Evidence::Packet),
    ))
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

/// Messages of the same Message-ID that other sessions brought.
fn copies(view: View<'_>, case: &Case<'_>) -> u64 {
    let Some(id) = ids(case).last() else {
        return 0;
    };
    let others = view.cases().filter(|other| other.number != case.number);
    let again = others.filter(|other| ids(other).any(|one| one == id));
    u64::try_from(again.count()).unwrap_or(u64::MAX)
}

fn tell(endpoint: Endpoint, unknown: Unknown) -> Finding {
    let Unknown { group, ids, again } = unknown;
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
        "{} took {} of {}{which} and its reply never arrived: the client does not know, and {then}",
        server(endpoint),
        counted(group.count, "message"),
        listed(&group.clients),
    );
    group.finding(Words {
        code: RULE.code,
        severity: Severity::Error,
        endpoint: Some(endpoint),
        message,
        not: Some("not a message lost: the server has it; it is the sender who does not know (RFC 1047)".into()),
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
