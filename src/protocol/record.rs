//! How lines become exchanges: the same bookkeeping for all protocols of lines.

use super::Dialogue;
use super::line::{Body, Ending, Line};
use crate::model::{Exchange, FaultCode, Nanos, PacketNo, Seen, Verb, from_wire};

/// Longest text kept of a line, in octets.
const MAX_TEXT: usize = 1000;
/// Most remarks kept on one thing.
const MAX_REMARKS: usize = 32;

/// `bytes` as text, cut with a mark at 1000 octets.
pub(super) fn text(bytes: &[u8]) -> String {
    let Some(mut head) = bytes.get(..MAX_TEXT).filter(|_| bytes.len() > MAX_TEXT) else {
        return from_wire(bytes);
    };
    // A character that the cut would split is left out whole, if it is one.
    if let Some(tail) = head.utf8_chunks().last().map(|chunk| chunk.invalid().len()) {
        head = head.get(..head.len() - tail.min(3)).unwrap_or(head);
    }
    from_wire(head) + "…"
}

/// Adds `remark` to `notes`, once, and only so many.
pub(super) fn remark(notes: &mut Vec<String>, remark: impl Into<String>) {
    let remark = remark.into();
    if notes.len() < MAX_REMARKS && !notes.contains(&remark) {
        notes.push(remark);
    }
}

/// Adds a name that the client gave, once, and only so many.
pub(super) fn add_name(dialogue: &mut Dialogue, name: String) {
    if dialogue.names.len() < MAX_REMARKS && !dialogue.names.contains(&name) {
        dialogue.names.push(name);
    }
}

/// The exchange that `line` begins.
pub(super) fn ask(verb: Verb, request: String, line: &Line<'_>) -> Exchange {
    let mut exchange = Exchange::new(verb, request, Seen::Wire);
    exchange.start = Some(line.first);
    exchange.asked = Some(line.last);
    exchange.request_bytes = Some(line.size);
    exchange.packets = [Some(line.packet), None];
    if line.ending == Ending::BareLf {
        remark(&mut exchange.notes, "request line ended by a bare LF");
    }
    exchange
}

/// `line` is more of the request.
pub(super) fn ask_more(exchange: &mut Exchange, line: &Line<'_>) {
    exchange.asked = Some(line.last);
    grow(&mut exchange.request_bytes, line.size);
}

/// `octets` of the request come within it; the reply is still to come.
pub(super) fn ask_octets(exchange: &mut Exchange, octets: &Body) {
    ask_body(exchange, octets);
    forget_answer(exchange);
}

/// What came of the reply so far only bade the client go on: it is counted, but it was not the answer.
pub(super) fn forget_answer(exchange: &mut Exchange) {
    exchange.answered = None;
    exchange.end = None;
    exchange.response = None;
    exchange.code = None;
    let [_, answered] = &mut exchange.packets;
    *answered = None;
}

/// `body` is more of the request.
pub(super) fn ask_body(exchange: &mut Exchange, body: &Body) {
    if let Some((first, packet, last)) = body.span {
        exchange.start.get_or_insert(first);
        exchange.asked = Some(last);
        let [asked, _] = &mut exchange.packets;
        asked.get_or_insert(packet);
    }
    grow(&mut exchange.request_bytes, body.octets);
    if body.missing > 0 {
        remark(
            &mut exchange.notes,
            format!("{} octets of the request not captured", body.missing),
        );
    }
}

/// `line` is the reply, or more of it: only the first line is kept.
pub(super) fn answer(exchange: &mut Exchange, line: &Line<'_>, code: impl FnOnce() -> String) {
    begin_answer(exchange, line.first, line.packet, line.last);
    if exchange.response.is_none() {
        exchange.response = Some(text(&line.text));
        exchange.code = Some(code());
    }
    grow(&mut exchange.response_bytes, line.size);
    if line.ending == Ending::BareLf {
        remark(&mut exchange.notes, "reply line ended by a bare LF");
    }
}

/// `line` is more of the reply.
pub(super) fn answer_more(exchange: &mut Exchange, line: &Line<'_>) {
    begin_answer(exchange, line.first, line.packet, line.last);
    grow(&mut exchange.response_bytes, line.size);
}

/// `body` is more of the reply.
pub(super) fn answer_body(exchange: &mut Exchange, body: &Body) {
    if let Some((first, packet, last)) = body.span {
        begin_answer(exchange, first, packet, last);
    }
    grow(&mut exchange.response_bytes, body.octets);
    if body.missing > 0 {
        remark(
            &mut exchange.notes,
            format!("{} octets of the reply not captured", body.missing),
        );
    }
}

/// The greeting that `line` begins: an exchange without a request.
pub(super) fn greeting(line: &Line<'_>) -> Exchange {
    let mut exchange = Exchange::new(Verb::default(), String::new(), Seen::Wire);
    exchange.start = Some(line.first);
    exchange
}

/// `line` is a reply to nothing that was captured.
pub(super) fn unmatched(line: &Line<'_>, out: &mut Dialogue) {
    out.fault(FaultCode::UnmatchedReply, line.packet);
    remark(&mut out.notes, unmatched_text(line));
}

/// A reply to nothing that was captured, in words.
pub(super) fn unmatched_text(line: &Line<'_>) -> String {
    format!(
        "a reply without a command, in packet {}: {}",
        line.packet.0,
        text(&line.text)
    )
}

/// `line` of the server is no reply of the protocol.
pub(super) fn bad_reply(proto: &str, line: &Line<'_>, out: &mut Dialogue) {
    out.fault(FaultCode::BadReply, line.packet);
    remark(
        &mut out.notes,
        format!("not a reply of {proto}: {}", text(&line.text)),
    );
}

/// `line`, which begins `exchange`, is no command of the protocol.
pub(super) fn unknown(proto: &str, line: &Line<'_>, exchange: &mut Exchange, out: &mut Dialogue) {
    out.fault(FaultCode::UnknownCommand, line.packet);
    remark(&mut exchange.notes, format!("not a command of {proto}"));
}

/// `exchange` begins with a line that was found behind a hole, among others that are no commands.
pub(super) fn perhaps_text(exchange: &mut Exchange) {
    remark(
        &mut exchange.notes,
        "found behind a hole: may be part of a message",
    );
}

/// The client spoke, first in `packet`, before the server sent `greeting`.
pub(super) fn spoke_early(packet: Option<PacketNo>, greeting: &mut Exchange, out: &mut Dialogue) {
    if let Some(packet) = packet {
        out.fault(FaultCode::TalkBeforeGreeting, packet);
    }
    remark(
        &mut greeting.notes,
        "the client spoke before the server had greeted",
    );
}

fn begin_answer(exchange: &mut Exchange, first: Nanos, packet: PacketNo, last: Nanos) {
    exchange.answered.get_or_insert(first);
    exchange.end = Some(last);
    let [_, answered] = &mut exchange.packets;
    answered.get_or_insert(packet);
}

fn grow(octets: &mut Option<u64>, more: u64) {
    *octets = Some(octets.unwrap_or(0) + more);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_between_characters_and_marked() {
        let long = "é".repeat(600);
        assert_eq!(text(long.as_bytes()), "é".repeat(500) + "…");
        let odd = format!("a{long}");
        assert_eq!(text(odd.as_bytes()), format!("a{}…", "é".repeat(499)));
        assert_eq!(text(&[b'x'; 1000]), "x".repeat(1000));
    }

    #[test]
    fn remarks_are_bounded_and_not_repeated() {
        let mut notes = Vec::new();
        for n in 0..100 {
            remark(&mut notes, format!("{}", n / 2));
        }
        assert_eq!(notes.len(), MAX_REMARKS);
        assert_eq!(notes[1], "1");
    }
}
