//! What a log claims of a dialogue that is in the clear on the wire: who was to have a message, in which order commands came, and when.

use std::collections::BTreeSet;

use crate::model::{
    EventRef, Evidence, Exchange, LogSession, MailMessage, Nanos, Seen, Span, WireSession,
};

use super::View;
use super::view::{Case, place};

/// A difference: in words, when, and where on both sides.
pub(super) type Claim = (String, Option<Nanos>, [Option<Evidence>; 2]);

/// By how much a line may be written after what it tells of, beyond what clock, stamp and host allow.
const LATE: Span = Span::seconds(2);

/// Messages for more or fewer recipients in the log than were accepted on the wire.
pub(super) fn recipients(wire: &WireSession, log: &LogSession) -> Vec<Claim> {
    let taken = |message: &&MailMessage| {
        let code = message.code.as_deref().unwrap_or_default();
        message.octets.is_some() && code.starts_with('2')
    };
    let sent: Vec<&MailMessage> = wire.messages.iter().filter(taken).collect();
    if sent.len() != log.messages.len() {
        return Vec::new();
    }
    let line = log.events.last().map(|event| Evidence::Line(event.line));
    sent.iter()
        .zip(&log.messages)
        .filter_map(|(seen, told)| {
            let accepted: Vec<&str> = seen
                .recipients
                .iter()
                .filter(|one| one.code.starts_with('2'))
                .map(|one| one.address.as_str())
                .collect();
            let distinct = accepted.iter().collect::<BTreeSet<_>>().len();
            let logged = usize::try_from(told.recipients?).ok()?;
            // Servers count one address named twice once or twice.
            let differs = !(distinct..=accepted.len()).contains(&logged);
            differs.then(|| {
                let words = format!(
                    "the log has {logged} of a message for {}, the wire {distinct}",
                    super::group::listed(&accepted)
                );
                (words, None, [seen.packet.map(Evidence::Packet), line])
            })
        })
        .collect()
}

/// Commands that both have and each in another place of the dialogue.
pub(super) fn order(case: &Case<'_>, log: &LogSession) -> Vec<Claim> {
    if !log.every_command {
        return Vec::new();
    }
    let left = |seen: Seen| {
        let all = case.joined.exchanges.iter().enumerate();
        all.filter(move |(_, one)| one.seen == seen && !one.request.is_empty())
    };
    left(Seen::Wire)
        .filter_map(|(on_wire, exchange)| {
            let same = |other: &Exchange| {
                other.verb == exchange.verb && other.request.eq_ignore_ascii_case(&exchange.request)
            };
            let (in_log, told) = left(Seen::Log).find(|(_, other)| same(other))?;
            let (log_has, wire_has) = if in_log < on_wire {
                ("earlier", "later")
            } else {
                ("later", "earlier")
            };
            let words = format!(
                "the log has {} {log_has} in the dialogue, the wire {wire_has}",
                exchange.request
            );
            Some((
                words,
                exchange.start,
                [place(exchange), told.line.map(Evidence::Line)],
            ))
        })
        .collect()
}

/// Lines that are stamped at another time than what they tell of passed.
pub(super) fn times(view: View<'_>, case: &Case<'_>, log: &LogSession) -> Vec<Claim> {
    let clock = view
        .alignment
        .clocks
        .iter()
        .find(|clock| clock.log == log.log);
    let Some(clock) = clock.filter(|_| log.every_command) else {
        return Vec::new();
    };
    let both = case
        .joined
        .exchanges
        .iter()
        .filter(|one| one.seen == Seen::Both);
    both.filter_map(|exchange| {
        let line = exchange.line?;
        let is_its = |event: &EventRef<'_>| {
            let verb = event.command().map(|command| command.verb);
            event.line == line && verb == Some(exchange.verb.as_str())
        };
        let stamp = log.events.iter().find(is_its)?.stamp;
        let at = clock.to_capture(stamp.at);
        let slack = clock.bound + stamp.resolution + log.lag + LATE;
        let (from, to) = (exchange.start?, exchange.end?);
        let (apart, word) = if at > to + slack {
            (at.since(to), "after")
        } else if at + slack < from {
            (from.since(at), "before")
        } else {
            return None;
        };
        let words = format!(
            "the log's line of {} is of {:.1} s {word} it passed",
            exchange.verb,
            apart.as_seconds_f64()
        );
        Some((
            words,
            Some(from),
            [place(exchange), Some(Evidence::Line(line))],
        ))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, at, clock, exchange, logged, wire};
    use super::*;
    use crate::model::{Event, LogCommand, LogEvent, LoggedMessage, MailRecipient};

    #[test]
    fn other_numbers_of_recipients_are_told_and_doubles_are_none() {
        for (addresses, told, expected) in [
            (vec!["a@x", "b@x"], 2, 0),
            (vec!["a@x", "a@x"], 1, 0),
            (vec!["a@x", "a@x"], 2, 0),
            (vec!["team@x"], 3, 1),
            (vec!["a@x", "b@x"], 1, 1),
        ] {
            let mut smtp = wire(25, 0, "SF", "ShAdDaFf");
            smtp.messages.push(MailMessage {
                octets: Some(9),
                code: Some("250".into()),
                recipients: addresses
                    .into_iter()
                    .map(|address| MailRecipient {
                        address: address.into(),
                        code: "250".into(),
                    })
                    .collect(),
                ..MailMessage::default()
            });
            let mut log = logged(0, 1);
            log.messages.push(LoggedMessage {
                wire_bytes: None,
                recipients: Some(told),
                message_id: None,
            });
            assert_eq!(recipients(&smtp, &log).len(), expected);
        }
    }

    /// A session whose log lists its commands, each at a second of its own.
    fn scene(seen: &[(&str, Seen)], stamped: i64) -> Scene {
        let mut log = logged(0, 1);
        log.every_command = true;
        let mut smtp = wire(25, 0, "SF", "ShAdDaFf");
        for (request, seen) in seen {
            let mut one = exchange(0, request, "250 ok", 1);
            one.seen = *seen;
            one.line = (*seen != Seen::Wire).then(|| log.events.first().unwrap().line);
            smtp.exchanges.push(one);
            let mut stamp = log.events.first().unwrap().stamp;
            stamp.at = crate::model::LogTime(at(stamped).0);
            log.events.push(LogEvent {
                line: log.events.first().unwrap().line,
                stamp,
                what: Event::command(LogCommand {
                    verb: crate::model::Verb::new(request),
                    ..LogCommand::default()
                }),
            });
        }
        let mut scene = Scene::default();
        scene.alignment.clocks.push(clock());
        scene.add_both(smtp, log);
        scene
    }

    #[test]
    fn a_command_in_another_place_is_told_and_one_that_only_one_side_has_is_not() {
        for (seen, expected) in [
            (
                vec![
                    ("NOOP", Seen::Wire),
                    ("RSET", Seen::Both),
                    ("NOOP", Seen::Log),
                ],
                1,
            ),
            (vec![("NOOP", Seen::Wire), ("RSET", Seen::Both)], 0),
            (vec![("NOOP", Seen::Both), ("RSET", Seen::Both)], 0),
        ] {
            let scene = scene(&seen, 0);
            let view = scene.view();
            let case = view.cases().next().unwrap();
            assert_eq!(order(&case, case.log.unwrap()).len(), expected);
        }
    }

    #[test]
    fn a_line_far_off_its_packets_is_told_and_a_late_one_is_not() {
        for (stamped, expected) in [(0, 0), (2, 0), (9, 1), (-9, 1)] {
            let scene = scene(&[("NOOP", Seen::Both)], stamped);
            let view = scene.view();
            let case = view.cases().next().unwrap();
            assert_eq!(
                times(view, &case, case.log.unwrap()).len(),
                expected,
                "{stamped}"
            );
        }
    }
}
