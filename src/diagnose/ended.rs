//! How each conversation ended and who ended it, where packets or log say so.

use std::collections::HashMap;

use crate::model::{
    Conversation, Ended, Evidence, How, LineRef, Nanos, PacketNo, Seen, Side, Span, Transfer,
    Transport, WireSession,
};

use super::View;
use super::delivered_unknown::unheard_reply;
use super::group::{counted, who};
use super::reset_signs::signs;
use super::timeout_idle::said_timeout;
use super::view::{Case, End, ended_by, established};

/// Copies of a segment from which on its receiver is taken to be gone, and how long they must go on.
const COPIES: (u32, Span) = (3, Span::SECOND);

/// How each session of the account ended; `None` where nothing says so, and where only a log knows the session: [`Ended::told_by`] tells how that one did.
pub fn endings(view: View<'_>) -> Vec<Option<Box<Ended>>> {
    let mut begun: HashMap<Conversation, Nanos> = HashMap::new();
    for wire in view.wires {
        let last = begun.entry(wire.conversation).or_insert(wire.start);
        *last = (*last).max(wire.start);
    }
    let complete = view
        .captures
        .iter()
        .all(|capture| capture.lost.total() == 0);
    view.cases()
        .map(|case| {
            let on_wire = case
                .wire
                .filter(|wire| wire.conversation.transport == Transport::Tcp && established(wire));
            let wire = on_wire?;
            let last = begun.get(&wire.conversation) == Some(&wire.start);
            let told = on_the_wire(&case, wire).or_else(|| case.log.and_then(Ended::told_by));
            let mut ended =
                told.or_else(|| (complete && last && is_whole(wire)).then(|| open(wire)))?;
            (ended.transfer, ended.line) = transfer(&case, wire, ended.line);
            Some(Box::new(ended))
        })
        .collect()
}

/// What a session that is in no other way known is ended by.
const fn ended(how: How, by: Option<Side>, seen: Seen) -> Ended {
    Ended {
        how,
        by,
        at: None,
        seen,
        packet: None,
        line: None,
        words: None,
        transfer: None,
    }
}

fn is_whole(wire: &WireSession) -> bool {
    wire.counts.0.iter().all(|direction| direction.gaps == 0)
}

fn open(wire: &WireSession) -> Ended {
    Ended {
        at: Some(wire.end),
        ..ended(How::CaptureEnded, None, Seen::Wire)
    }
}

fn on_the_wire(case: &Case<'_>, wire: &WireSession) -> Option<Ended> {
    let first = ended_by(wire);
    let in_middle = first.and_then(|(side, end)| signs(wire, side).filter(|_| end == End::Reset));
    if let Some(signs) = in_middle {
        return Some(Ended {
            at: Some(signs.reset.at),
            packet: Some(signs.reset.packet),
            words: Some(signs.words().join("; ")),
            ..ended(How::ResetInMiddle, Some(signs.side), Seen::Wire)
        });
    }
    let (at, packet) = first.map_or((None, None), |(side, end)| moment(wire, side, end));
    if let Some(said) = timeout(case, first) {
        return Some(Ended { at, packet, ..said });
    }
    if let Some((side, words)) = alert(wire) {
        return Some(Ended {
            at,
            packet,
            words: Some(words),
            ..ended(How::TlsAlert, Some(side), Seen::Wire)
        });
    }
    let Some((side, end)) = first else {
        return gone(wire);
    };
    let (how, words) = in_order(wire, side, end)?;
    let words = words.or_else(|| parting(case));
    Some(Ended {
        at,
        packet,
        words,
        ..ended(how, Some(side), Seen::Wire)
    })
}

/// When and where a side ended it.
fn moment(wire: &WireSession, side: Side, end: End) -> (Option<Nanos>, Option<PacketNo>) {
    let way = wire.passage.of(side);
    let moment = match end {
        End::Closed => way.closed.map(|closed| (closed.at, closed.packet)),
        End::Reset => way.reset.map(|reset| (reset.at, reset.packet)),
    };
    (moment.map(|it| it.0), moment.map(|it| it.1))
}

/// What FIN and RST tell.
fn in_order(wire: &WireSession, side: Side, end: End) -> Option<(How, Option<String>)> {
    let (own, others) = match side {
        Side::Client => ('R', ['f', 'r']),
        Side::Server => ('r', ['F', 'R']),
    };
    let [close, reset] = others.map(|letter| wire.history.contains(letter));
    Some(match end {
        End::Reset => (How::Reset, None),
        End::Closed if close => (How::Closed, None),
        End::Closed if reset => {
            let words = format!("the {} answered by a reset", who(side.other()));
            (How::Closed, Some(words))
        }
        End::Closed if wire.history.contains(own) => {
            let words = format!("it then reset what the {} still sent", who(side.other()));
            (How::Closed, Some(words))
        }
        // The other side's FIN may be in a hole.
        End::Closed if is_whole(wire) => (How::HalfClosed, None),
        End::Closed => return None,
    })
}

/// The client had said goodbye.
fn parting(case: &Case<'_>) -> Option<String> {
    let last = case.joined.exchanges.last()?;
    let verb = ["LOGOUT", "QUIT"]
        .into_iter()
        .find(|verb| *verb == last.verb.as_str())?;
    last.code.is_some().then(|| format!("after {verb}"))
}

/// The server closed, or nobody did, and it or its log says that it was for silence.
fn timeout(case: &Case<'_>, first: Option<(Side, End)>) -> Option<Ended> {
    let said = said_timeout(case)?;
    let agrees = first.is_none_or(|(side, _)| side == said.by);
    let line = match said.place {
        Some(Evidence::Line(line)) => Some(line),
        _ => None,
    };
    agrees.then(|| Ended {
        line,
        words: said.words,
        ..ended(How::Timeout, Some(said.by), said.seen)
    })
}

/// The last fatal alert, and who sent it.
fn alert(wire: &WireSession) -> Option<(Side, String)> {
    let alerts = &wire.tls.as_ref()?.alerts;
    let last = alerts
        .iter()
        .rev()
        .find(|alert| alert.ends_with(" (fatal)"))?;
    let (side, words) = last.split_once(": ")?;
    let side = match side {
        "client" => Side::Client,
        "server" => Side::Server,
        _ => return None,
    };
    Some((side, words.trim_end_matches(" (fatal)").to_owned()))
}

/// A side whose peer sends again and again and hears nothing.
fn gone(wire: &WireSession) -> Option<Ended> {
    [Side::Client, Side::Server].into_iter().find_map(|sender| {
        let stuck = wire.passage.of(sender).stuck?;
        let (copies, during) = COPIES;
        let silent = sender.other();
        let heard = wire.passage.of(silent).last;
        let waited = stuck.last.since(stuck.first);
        (stuck.times >= copies && waited >= during && heard < Some(stuck.first)).then(|| Ended {
            at: heard,
            packet: Some(stuck.packet),
            words: Some(format!(
                "{} sent {} times in vain",
                counted(stuck.length.into(), "octet"),
                stuck.times
            )),
            ..ended(How::Gone, Some(silent), Seen::Wire)
        })
    })
}

/// What broke off, and the line that tells: that of the ending unless another does.
fn transfer(
    case: &Case<'_>,
    wire: &WireSession,
    line: Option<LineRef>,
) -> (Option<Transfer>, Option<LineRef>) {
    if let Some(unheard) = unheard_reply(case, wire) {
        return (
            Some(Transfer::ReplyUnheard(unheard.seen)),
            unheard.line.or(line),
        );
    }
    let mut notes = case.joined.exchanges.iter().flat_map(|one| &one.notes);
    let broken = notes.find(|note| note.contains("ends in mid-"));
    match broken.filter(|_| is_whole(wire)) {
        Some(note) if note.starts_with("the reply") => (Some(Transfer::ReplyCut), line),
        Some(_) => (Some(Transfer::RequestCut), line),
        None => {
            let cut = case.log.and_then(|log| log.rare().cut);
            (cut.map(|_| Transfer::RequestCut), cut.or(line))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, at, capture, exchange, logged, wire};
    use super::*;
    use crate::model::{Closed, Ending, Event, Repeated, Reset, TlsSummary};

    fn told(scene: &Scene) -> Vec<Option<Ended>> {
        let view = scene.view();
        let seen = endings(view).into_iter().zip(view.cases());
        seen.map(|(ended, case)| match case.wire {
            Some(_) => ended.map(|ended| *ended),
            None => case.log.and_then(Ended::told_by),
        })
        .collect()
    }

    fn one(wire: WireSession) -> Option<Ended> {
        let mut scene = Scene::default();
        scene.captures.push(capture(0, 60));
        scene.add(wire);
        told(&scene).remove(0)
    }

    fn short(wire: WireSession) -> Option<(How, Option<Side>)> {
        one(wire).map(|ended| (ended.how, ended.by))
    }

    #[test]
    fn letters_tell_who_closed_or_reset_first() {
        const C: Option<Side> = Some(Side::Client);
        const S: Option<Side> = Some(Side::Server);
        for (history, expected) in [
            ("ShADadFf", Some((How::Closed, C))),
            ("ShADadfF", Some((How::Closed, S))),
            ("ShADadFr", Some((How::Closed, C))),
            ("ShADadf", Some((How::HalfClosed, S))),
            ("ShADadR", Some((How::Reset, C))),
            ("ShADadr", Some((How::Reset, S))),
            ("ShADad", Some((How::CaptureEnded, None))),
            ("S", None),
            ("Sr", None),
        ] {
            assert_eq!(short(wire(25, 0, "", history)), expected, "{history}");
        }
    }

    #[test]
    fn the_packet_that_ended_it_is_named() {
        let mut closed = wire(25, 0, "SF", "ShADadFf");
        closed.passage.of_mut(Side::Client).closed = Some(Closed {
            at: at(3),
            packet: PacketNo(9),
        });
        let ended = one(closed).unwrap();
        assert_eq!((ended.at, ended.packet), (Some(at(3)), Some(PacketNo(9))));
    }

    #[test]
    fn holes_leave_open_what_may_lie_in_them() {
        for history in ["ShADadF", "ShADad"] {
            let mut holed = wire(25, 0, "S2", history);
            holed.counts.of_mut(Side::Server).gaps = 1;
            assert_eq!(one(holed), None, "{history}");
        }
    }

    #[test]
    fn a_reset_that_came_too_soon_is_suspected() {
        let mut forged = wire(25, 0, "RSTR", "ShADadr");
        forged.passage.of_mut(Side::Server).reset = Some(Reset {
            too_soon: Some([Span::millis(1), Span::millis(40)]),
            ..Reset::plain(at(2), PacketNo(8), 63)
        });
        let ended = one(forged).unwrap();
        assert_eq!(ended.how, How::ResetInMiddle);
        assert!(ended.words.unwrap().contains("needs 40.0 ms"));
    }

    #[test]
    fn a_fatal_alert_is_told_in_words_and_a_goodbye_is_none() {
        for (alert, expected) in [
            ("client: certificate expired (fatal)", How::TlsAlert),
            ("client: close notify (warning)", How::Closed),
        ] {
            let mut tls = wire(443, 0, "SF", "ShADadFf");
            tls.tls = Some(TlsSummary {
                alerts: vec![alert.into()],
                ..TlsSummary::default()
            });
            assert_eq!(short(tls), Some((expected, Some(Side::Client))), "{alert}");
        }
    }

    #[test]
    fn who_answers_no_more_is_gone_and_who_still_does_is_not() {
        let mut dead = wire(25, 0, "S1", "ShADad");
        dead.passage.of_mut(Side::Server).stuck = Some(Repeated {
            length: 40,
            times: 5,
            first: at(4),
            last: at(12),
            packet: PacketNo(8),
            duplicates: 0,
        });
        let mut alive = dead.clone();
        for (wire, last) in [(&mut dead, 3), (&mut alive, 9)] {
            wire.passage.of_mut(Side::Client).last = Some(at(last));
        }
        assert_eq!(short(dead), Some((How::Gone, Some(Side::Client))));
        assert_eq!(short(alive), Some((How::CaptureEnded, None)));
    }

    #[test]
    fn the_log_speaks_of_silence_and_of_what_only_it_saw() {
        let mut log = logged(0, 4);
        log.ending = Ending::Timeout;
        let mut quiet = log.clone();
        let mut said = quiet.events.pop().unwrap();
        said.what = Event::Note("timeout after EHLO".into());
        quiet.events.push(said);
        log.rare_mut().cut = Some(log.events.first().unwrap().line);
        let mut scene = Scene::default();
        scene.add_both(wire(25, 0, "SF", "ShADadfF"), quiet.clone());
        // The client closed first, whatever the log says.
        scene.add_both(wire(25, 9, "SF", "ShADadFf"), quiet);
        scene.add_logged(log);
        let all = told(&scene);
        let how = |at: usize| all[at].as_ref().map(|ended| (ended.how, ended.seen));
        assert_eq!(how(0), Some((How::Timeout, Seen::Log)));
        assert_eq!(
            all[0].as_ref().unwrap().words.as_deref(),
            Some("timeout after EHLO")
        );
        assert_eq!(how(1), Some((How::Closed, Seen::Wire)));
        assert_eq!(how(2), Some((How::Timeout, Seen::Log)));
        assert_eq!(
            all[2].as_ref().unwrap().transfer,
            Some(Transfer::RequestCut)
        );
    }

    #[test]
    fn what_was_on_its_way_is_told() {
        for (note, expected) in [
            ("ends in mid-message", Transfer::RequestCut),
            ("the reply ends in mid-body", Transfer::ReplyCut),
        ] {
            let mut broken = wire(25, 0, "RSTO", "ShADadR");
            let mut last = exchange(0, "DATA", "", 1);
            last.notes.push(note.into());
            broken.exchanges.push(last);
            assert_eq!(one(broken).unwrap().transfer, Some(expected));
        }
    }
}
