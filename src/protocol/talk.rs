//! What the protocols of lines have in common: two directions read into units, and one listener to both.

use std::collections::VecDeque;

use super::bodies::Completeness;
use super::dots::Odd;
use super::line::{Body, Ending, Held, Line, Mode, Piece, Reader, Struck, Unit};
use super::record::remark;
use super::{Decoder, Dialogue, Step};
use crate::flow::StreamEvent;
use crate::model::{FaultCode, Nanos, PacketNo, Side};

/// Longest line that any of these protocols allows, in octets: a response of SASL (RFC 4954 §4). Commands and replies
/// end far below it, header fields of HTTP at what most servers take.
const LONGEST_LINE: u64 = 12_288;

/// The two directions, and what the listener decided about them.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// What the client sends.
    pub(super) client: Reader,
    /// What the server sends.
    pub(super) server: Reader,
    /// What both sides have agreed to speak from here on.
    next: Option<Next>,
    /// Bytes were lost, so a TLS handshake may begin without the agreement having been seen.
    holed: bool,
    /// Replies were lost while the client waited for one.
    answer_lost: bool,
}

/// What comes after what was spoken so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// TLS.
    Tls,
    /// What the two sides say tells, and the port of the server where it is named.
    Anything(Option<u16>),
}

/// Makes exchanges of the units of a conversation.
pub(super) trait Talk: Send + Default {
    /// A line came from `side`.
    fn line(&mut self, side: Side, line: Line<'_>, wire: &mut Wire, out: &mut Dialogue);

    /// A body from `side` ended, by itself or with the connection.
    fn body(&mut self, side: Side, body: Body, wire: &mut Wire, out: &mut Dialogue);

    /// A line from `side` breaks off at a hole, which is told next.
    fn broken_line(&mut self, _side: Side, _line: &Line<'_>, _out: &mut Dialogue) {}

    /// Lines from `side` were lost.
    fn hole(&mut self, side: Side, wire: &mut Wire, out: &mut Dialogue);

    /// The client goes on although it had to wait for an answer: that came within a hole.
    fn answer_lost(&mut self, _wire: &mut Wire, _out: &mut Dialogue) {}

    /// Whether it is known what the lines of `side` are: behind a hole they may be the rest of a body.
    fn in_step(&self, side: Side) -> bool;

    /// The conversation goes on under TLS: no greeting comes.
    fn resume(&mut self) {}

    /// `side` sends no more.
    fn closed(&mut self, _side: Side, _at: Nanos, _wire: &mut Wire, _out: &mut Dialogue) {}

    /// The connection is over.
    fn finish(&mut self, wire: &mut Wire, out: &mut Dialogue);
}

/// Decodes a protocol of lines by its listener.
#[derive(Debug, Default)]
pub(super) struct Talking<T> {
    wire: Wire,
    talk: T,
}

impl Wire {
    /// The direction of `side`.
    pub(super) fn of(&mut self, side: Side) -> &mut Reader {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

impl Wire {
    /// Holds the client's bytes back until the server's answer tells what they are. Where nothing of the server
    /// is captured that would be for ever: then they are read as they come, and this is `false`.
    pub(super) fn hold_client(&mut self) -> bool {
        if self.server.is_heard() {
            self.client.expect(Mode::Hold);
        } else {
            self.holed = true;
        }
        self.client.is_holding()
    }

    /// Both sides have agreed to start TLS.
    pub(super) fn start_tls(&mut self, out: &mut Dialogue) {
        let ahead = self.client.held_octets();
        if ahead > 0 {
            if let Some(packet) = self.client.held_from() {
                out.fault(FaultCode::TalkBeforeReply, packet);
            }
            remark(
                &mut out.notes,
                format!(
                    "the client sent {ahead} octets in the clear between asking for TLS and the reply: \
                     a server must not take them for commands"
                ),
            );
        }
        self.next = Some(Next::Tls);
    }

    /// Both sides have agreed to speak something else, as with the server's port `port` where that is named.
    pub(super) fn hand_over(&mut self, port: Option<u16>) {
        self.next = Some(Next::Anything(port));
    }
}

impl Wire {
    /// What the client had said before the server agreed, up to the first hole.
    fn said_ahead(&mut self) -> Vec<(Nanos, PacketNo, Vec<u8>)> {
        let held = self.client.release().into_iter();
        held.map_while(|held| match held {
            Held::Data(at, packet, bytes) => Some((at, packet, bytes)),
            Held::Gap(..) => None,
        })
        .collect()
    }
}

impl<T: Talk> Talking<T> {
    fn feed(&mut self, side: Side, mut piece: Piece<'_>, out: &mut Dialogue) -> Step {
        if self.wire.holed && self.starts_tls(side, piece.bytes) {
            return Step::StartTls {
                rest: piece.bytes.len(),
            };
        }
        if side == Side::Client && std::mem::take(&mut self.wire.answer_lost) {
            self.go_on(out);
        }
        while let Some(unit) = self.next(side, &mut piece, out) {
            self.take(side, unit, out);
            let rest = piece.bytes.len();
            match self.wire.next {
                Some(Next::Tls) => return Step::StartTls { rest },
                Some(Next::Anything(port)) => {
                    let ahead = self.wire.said_ahead();
                    return Step::HandOver { rest, ahead, port };
                }
                None => {}
            }
            // What the other side said may tell what the bytes are that this side sent ahead.
            self.release(side.other(), out);
        }
        Step::Continue
    }

    /// The client sends more behind a hole in the replies.
    fn go_on(&mut self, out: &mut Dialogue) {
        if self.wire.client.is_holding() {
            self.talk.answer_lost(&mut self.wire, out);
            self.release(Side::Client, out);
        }
    }

    /// The next unit; bodies are passed on as they come.
    fn next<'p>(
        &mut self,
        side: Side,
        piece: &mut Piece<'p>,
        out: &mut Dialogue,
    ) -> Option<Unit<'p>> {
        let reader = self.wire.of(side);
        let (body, before) = (reader.reads_body(), piece.bytes);
        let unit = reader.next(piece);
        if body {
            let passed = before.len() - piece.bytes.len();
            out.bodies
                .pass(side, before.get(..passed).unwrap_or_default());
        }
        unit
    }

    /// Hands a unit on, and names what is wrong with its form.
    fn take(&mut self, side: Side, unit: Unit<'_>, out: &mut Dialogue) {
        match unit {
            Unit::Line(line) => {
                let packet = line.packet;
                let in_step = !line.after_hole() && self.talk.in_step(side);
                if line.ending == Ending::BareLf && in_step {
                    out.fault(FaultCode::BareLf, packet);
                }
                if line.size > LONGEST_LINE && in_step {
                    out.fault(FaultCode::LongLine, packet);
                }
                self.talk.line(side, line, &mut self.wire, out);
            }
            Unit::Body(body) => {
                if let Some((_, packet, _)) = body.span.filter(|_| body.odd != Odd::Never) {
                    out.fault(FaultCode::SmuggledEnd, packet);
                }
                self.talk.body(side, body, &mut self.wire, out);
            }
        }
    }

    /// Whether `bytes` begin with a TLS handshake record that holds a hello (RFC 8446 §5.1).
    fn starts_tls(&mut self, side: Side, bytes: &[u8]) -> bool {
        let reader = self.wire.of(side);
        reader.reads_lines()
            && !reader.in_mid_line()
            && matches!(bytes, [0x16, 0x03, 0..=4, _, _, 1 | 2, ..])
    }

    /// Reads what `side` had sent ahead, once it is known what it is.
    fn release(&mut self, side: Side, out: &mut Dialogue) {
        if self.wire.of(side).is_holding() {
            return;
        }
        let mut held = VecDeque::from(self.wire.of(side).release());
        while let Some(held) = held.pop_front() {
            match held {
                Held::Gap(at, missing) => self.gap(side, at, missing, out),
                Held::Data(at, packet, bytes) => {
                    let bytes = bytes.as_slice();
                    let mut piece = Piece { at, packet, bytes };
                    while let Some(unit) = self.next(side, &mut piece, out) {
                        self.take(side, unit, out);
                    }
                }
            }
        }
    }

    fn gap(&mut self, side: Side, at: Nanos, missing: u64, out: &mut Dialogue) {
        self.wire.holed = true;
        if self.wire.of(side).reads_body() {
            out.bodies.hole(side, missing);
        }
        self.wire.answer_lost |= side == Side::Server;
        if let Some(line) = self.wire.of(side).broken_line() {
            self.talk.broken_line(side, &line, out);
        }
        match self.wire.of(side).gap(at, missing) {
            Struck::Body | Struck::Held => {}
            Struck::BodyEnd(body) => self.talk.body(side, body, &mut self.wire, out),
            Struck::BodyEndAndLines(body) => {
                self.talk.body(side, body, &mut self.wire, out);
                self.talk.hole(side, &mut self.wire, out);
            }
            Struck::Lines => self.talk.hole(side, &mut self.wire, out),
        }
    }
}

impl<T: Talk> Decoder for Talking<T> {
    fn event(&mut self, event: StreamEvent<'_>, out: &mut Dialogue) -> Step {
        match event {
            StreamEvent::Data {
                side,
                at,
                packet,
                bytes,
            } => {
                return self.feed(side, Piece { at, packet, bytes }, out);
            }
            StreamEvent::Gap { side, at, missing } => {
                self.gap(side, at, missing, out);
                self.release(side.other(), out);
            }
            StreamEvent::Fin { side, at } => {
                out.bodies.closed(side);
                self.talk.closed(side, at, &mut self.wire, out);
            }
            StreamEvent::Rst { side, at } => {
                self.talk.closed(side, at, &mut self.wire, out);
            }
        }
        Step::Continue
    }

    fn resume(&mut self) {
        self.talk.resume();
    }

    fn finish(&mut self, out: &mut Dialogue) {
        for side in [Side::Client, Side::Server] {
            if let Some(body) = self.wire.of(side).open_body() {
                self.talk.body(side, body, &mut self.wire, out);
            }
        }
        self.talk.finish(&mut self.wire, out);
        for side in [Side::Client, Side::Server] {
            out.bodies.end(side, Completeness::BrokenOff);
        }
    }
}
