//! A message that a client sends once the server has invited it, up to a lone dot: in SMTP after 354, in NNTP
//! after 335 and 340. It is an exchange of its own.

use super::Dialogue;
use super::dots::Odd;
use super::line::Body;
use super::record::{ask_body, remark};
use super::talk::Wire;
use crate::model::{Exchange, FaultCode, Seen, Verb};

/// The message that the server has invited.
pub(super) fn invited() -> Exchange {
    Exchange::new(Verb::new(Verb::BODY), String::new(), Seen::Wire)
}

/// Whether nothing has been read of the message yet.
pub(super) fn is_awaited(exchange: &Exchange) -> bool {
    exchange.verb.is_body() && exchange.request_bytes.is_none()
}

/// Whether the client is in mid-message, as far as nothing of it is missing: a hole in the replies holds none to it.
pub(super) fn is_under_way(wire: &Wire) -> bool {
    wire.client
        .open_body()
        .is_some_and(|body| body.missing == 0)
}

/// The client has sent the message, as far as it goes.
pub(super) fn sent(exchange: &mut Exchange, body: &Body) {
    exchange.request = format!("<body {} bytes>", body.content);
    sent_with_command(exchange, body);
}

/// The client has sent the message that follows a command at once, as far as it goes.
pub(super) fn sent_with_command(exchange: &mut Exchange, body: &Body) {
    ask_body(exchange, body);
    if !body.complete {
        remark(&mut exchange.notes, "ends in mid-message");
    }
    if body.odd != Odd::Never {
        remark(
            &mut exchange.notes,
            "a lone dot with a bare LF in the message: servers differ on whether it ends there",
        );
    }
}

/// The server answers a message whose end was not seen. Gives it back where it is over.
pub(super) fn end(exchange: &mut Exchange, wire: &mut Wire, out: &mut Dialogue) -> Option<Body> {
    let body = wire.client.open_body()?;
    if !wire.client.is_heard() {
        "<body not captured>".clone_into(&mut exchange.request);
        return None;
    }
    let ended = body.missing > 0 || body.odd == Odd::Last;
    if ended {
        wire.client.break_body();
        if let Some((_, packet, _)) = body.span.filter(|_| body.odd != Odd::Never) {
            out.fault(FaultCode::SmuggledEnd, packet);
        }
    }
    sent(
        exchange,
        &Body {
            complete: ended,
            ..body
        },
    );
    if body.missing > 0 {
        remark(&mut exchange.notes, "its end was not captured");
    } else if !ended {
        remark(&mut exchange.notes, "answered before its end");
    }
    ended.then_some(body)
}
