//! Name service over TCP: each message behind its length in two octets (RFC 1035 §4.2.2, RFC 7766).

use super::message::{self, Message, QUERY};
use super::name::u16_at;
use super::pairing::{Pairing, Passed};
use crate::flow::StreamEvent;
use crate::model::{Nanos, PacketNo, Side};
use crate::protocol::{Decoder, Dialogue, Opening, Step, Verdict};

/// Octets of the length.
const PREFIX: usize = 2;
/// Segments behind a hole that may begin with a message; the oldest give way.
const MAX_BEGINS: usize = 16;
/// Octets of the shortest message, a header.
const HEADER: usize = 12;

/// Reads a connection to a name server.
#[derive(Debug, Default)]
pub(super) struct Stream {
    sides: [Frames; 2],
    pairing: Pairing,
}

/// When something began, and in which packet.
type Begun = (Nanos, PacketNo);

/// One direction, cut into messages.
#[derive(Debug, Default)]
struct Frames {
    /// The message being read, with its length in front; at most 64 KiB.
    partial: Vec<u8>,
    first: Option<Begun>,
    step: Framing,
    /// Behind a hole: places in `partial` at which a segment began, and with it perhaps a message.
    begins: Vec<(usize, Begun)>,
}

/// What comes next in a direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Framing {
    /// A message.
    #[default]
    InStep,
    /// Not known: a length was lost. The next segment that begins a message tells, once that is whole.
    Lost,
    /// So many octets of a message of which a part was lost.
    Skip(u64),
}

impl Frames {
    /// Takes the bytes of a segment; gives each message that they complete to `found`.
    fn feed(
        &mut self,
        from: Side,
        (at, packet): Begun,
        mut bytes: &[u8],
        found: &mut dyn FnMut(&[u8], Begun),
    ) {
        if self.step == Framing::Lost {
            if let Some((begun, found_again)) = self.find_message(from, (at, packet), bytes) {
                self.step = Framing::InStep;
                self.first = Some(begun);
                self.feed(from, (at, packet), &found_again, found);
            }
            return;
        }
        while !bytes.is_empty() {
            if let Framing::Skip(left) = self.step {
                let n = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                bytes = bytes.get(n..).unwrap_or_default();
                let left = left - n as u64;
                self.step = if left == 0 {
                    Framing::InStep
                } else {
                    Framing::Skip(left)
                };
                continue;
            }
            let first = *self.first.get_or_insert((at, packet));
            let wanted = self.wanted(bytes).saturating_sub(self.partial.len());
            let (taken, rest) = bytes.split_at(wanted.min(bytes.len()));
            bytes = rest;
            if self.partial.is_empty() && taken.len() == wanted && wanted > PREFIX {
                found(taken.get(PREFIX..).unwrap_or_default(), first);
                self.first = None;
                continue;
            }
            self.partial.extend_from_slice(taken);
            if self.partial.len() > PREFIX && self.partial.len() == self.wanted(&[]) {
                found(self.partial.get(PREFIX..).unwrap_or_default(), first);
                self.forget();
            } else if self.partial.len() == PREFIX && self.wanted(&[]) == PREFIX {
                // A length of nothing: no message.
                self.forget();
            }
        }
    }

    /// Behind a hole: what has come since a segment began that begins with a whole message.
    fn find_message(&mut self, from: Side, begun: Begun, bytes: &[u8]) -> Option<(Begun, Vec<u8>)> {
        self.begins.push((self.partial.len(), begun));
        self.partial.extend_from_slice(bytes);
        let kept = &self.partial;
        let mut whole = None;
        self.begins.retain(|&(at, begun)| {
            let verdict = side(kept.get(at..).unwrap_or_default(), from);
            if verdict == Verdict::Certain {
                whole.get_or_insert((at, begun));
            }
            verdict != Verdict::RuledOut
        });
        if let Some((at, begun)) = whole {
            let message = self.partial.split_off(at);
            self.forget();
            return Some((begun, message));
        }
        let too_many = self.begins.len().saturating_sub(MAX_BEGINS);
        self.begins.drain(..too_many);
        let done = self
            .begins
            .first()
            .map_or(self.partial.len(), |&(at, _)| at);
        self.partial.drain(..done);
        for (at, _) in &mut self.begins {
            *at -= done;
        }
        None
    }

    /// Octets of the message being read with its length, as far as that is known; `ahead` comes next.
    fn wanted(&self, ahead: &[u8]) -> usize {
        let mut octets = self.partial.iter().chain(ahead).copied();
        match (octets.next(), octets.next()) {
            (Some(high), Some(low)) => PREFIX + usize::from(u16::from_be_bytes([high, low])),
            _ => PREFIX,
        }
    }

    /// `missing` octets were not captured.
    fn gap(&mut self, missing: u64) {
        let left = match self.step {
            Framing::Lost => return,
            Framing::Skip(left) => left,
            Framing::InStep if self.partial.len() >= PREFIX => {
                (self.wanted(&[]) - self.partial.len()) as u64
            }
            Framing::InStep => 0,
        };
        self.forget();
        self.step = match left.checked_sub(missing) {
            Some(0) if missing > 0 => Framing::InStep,
            Some(left) => Framing::Skip(left),
            None => Framing::Lost,
        };
    }

    fn forget(&mut self) {
        self.partial.clear();
        self.begins.clear();
        self.first = None;
    }
}

impl Decoder for Stream {
    fn event(&mut self, event: StreamEvent<'_>, out: &mut Dialogue) -> Step {
        match event {
            StreamEvent::Data {
                side,
                at,
                packet,
                bytes,
            } => {
                let pairing = &mut self.pairing;
                if let Some(frames) = self.sides.get_mut(side.index()) {
                    frames.feed(side, (at, packet), bytes, &mut |bytes, (first, packet)| {
                        let passed = Passed {
                            side,
                            first,
                            last: at,
                            packet,
                            octets: (bytes.len() + PREFIX) as u64,
                        };
                        pairing.message(message::read(bytes), &passed, out);
                    });
                }
            }
            StreamEvent::Gap { side, missing, .. } => {
                if let Some(frames) = self.sides.get_mut(side.index()) {
                    frames.gap(missing);
                }
                if side == Side::Server {
                    self.pairing.lose_answers(out);
                }
            }
            StreamEvent::Fin { .. } | StreamEvent::Rst { .. } => {}
        }
        Step::Continue
    }

    fn finish(&mut self, out: &mut Dialogue) {
        self.pairing
            .finish("answers to questions not seen in this conversation", out);
    }
}

/// The message at the beginning of `bytes`, and its length, if it is whole.
fn framed(bytes: &[u8]) -> Option<(Message, usize)> {
    let length = usize::from(u16_at(bytes, 0)?);
    let message = message::read(bytes.get(PREFIX..PREFIX + length)?)?;
    Some((message, length))
}

/// Whether a message was read to its last octet and says something: by chance that does not happen.
fn is_sound(message: &Message, length: usize) -> bool {
    message.octets == length && (message.question.is_some() || message.answers > 0)
}

/// By the first message of the client, or of the server where the client's side was not captured.
pub(super) fn probe(opening: &Opening<'_>) -> Verdict {
    let client = side(opening.client, Side::Client);
    match (client, opening.client) {
        (Verdict::NeedMore, []) => match side(opening.server, Side::Server) {
            // Name servers do not speak first.
            Verdict::RuledOut => Verdict::RuledOut,
            Verdict::Certain => Verdict::Certain,
            _ => Verdict::NeedMore,
        },
        (verdict, _) => verdict,
    }
}

fn side(bytes: &[u8], side: Side) -> Verdict {
    if let Some((message, length)) = framed(bytes) {
        let asks = message.is_answer == (side == Side::Server);
        let plain = message.opcode != QUERY || side == Side::Server || message.code == 0;
        return if asks && plain && is_sound(&message, length) {
            Verdict::Certain
        } else {
            Verdict::RuledOut
        };
    }
    let word = |at| u16_at(bytes, at);
    let answer = if side == Side::Server { 0x8000 } else { 0 };
    let fits = word(0).is_none_or(|length| usize::from(length) >= HEADER)
        // Whether it answers, and the bits that are zero.
        && word(PREFIX + 2).is_none_or(|flags| flags & 0x8040 == answer)
        && word(PREFIX + 4).is_none_or(|questions| questions <= 1)
        // An ordinary query brings no answers.
        && (side == Side::Server
            || word(PREFIX + 2).is_some_and(|flags| flags & 0x7800 != 0)
            || word(PREFIX + 6).is_none_or(|answers| answers == 0));
    if !fits || word(0).is_some_and(|length| bytes.len() >= PREFIX + usize::from(length)) {
        Verdict::RuledOut
    } else {
        Verdict::NeedMore
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LookupOutcome, Proto};
    use crate::protocol::testing::{C, Part, S, feed, pairs, segmentation_does_not_matter_for};

    /// A message about `name` behind its length.
    fn framed(id: u8, answer: bool, kind: u8, name: &str, records: &[&[u8]]) -> Vec<u8> {
        let count = u8::try_from(records.len()).unwrap();
        let mut bytes = vec![
            0,
            id,
            if answer { 0x84 } else { 1 },
            0,
            0,
            1,
            0,
            count,
            0,
            0,
            0,
            0,
        ];
        bytes.push(u8::try_from(name.len()).unwrap());
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend([0, 0, kind, 0, 1]);
        for data in records {
            bytes.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0]);
            bytes.push(u8::try_from(data.len()).unwrap());
            bytes.extend_from_slice(data);
        }
        let length = u16::try_from(bytes.len()).unwrap();
        [length.to_be_bytes().to_vec(), bytes].concat()
    }

    fn dialogue() -> Vec<Part> {
        let ask = |id, name| framed(id, false, 1, name, &[]);
        let answer = |id: u8, name| framed(id, true, 1, name, &[&[192, 0, 2, id]]);
        vec![
            (C, ask(1, "one"), true),
            (S, answer(1, "one"), true),
            // Two at once, answered the other way round (RFC 7766 §6.2.1.1).
            (C, [ask(2, "two"), ask(3, "three")].concat(), true),
            (S, answer(3, "three"), true),
            (S, answer(2, "two"), true),
            (C, framed(4, false, 252, "zone", &[]), true),
            (S, framed(4, true, 252, "zone", &[b"a", b"b"]), true),
            (S, framed(4, true, 252, "zone", &[b"c"]), true),
            (C, ask(5, "last"), true),
            (S, answer(5, "last"), true),
        ]
    }

    const ALL: [(&str, &str); 5] = [
        ("A? one", "192.0.2.1"),
        ("A? two", "192.0.2.2"),
        ("A? three", "192.0.2.3"),
        ("AXFR? zone", "records: 3, in messages: 2"),
        ("A? last", "192.0.2.5"),
    ];

    fn told(dialogue: &Dialogue) -> Vec<(String, String)> {
        pairs(dialogue)
    }

    #[test]
    fn answers_find_their_questions_in_any_order_and_on_any_port() {
        for port in [53, 4711] {
            let (proto, dialogue) = feed(port, &dialogue());
            assert_eq!(proto, Proto("dns"), "{port}");
            let all = ALL.map(|(a, b)| (a.to_owned(), b.to_owned()));
            assert_eq!(told(&dialogue), all);
            // A zone transfer is no look-up.
            assert_eq!(dialogue.lookups.len(), 4);
            assert_eq!(dialogue.notes, [""; 0]);
        }
    }

    #[test]
    fn segments_do_not_matter() {
        segmentation_does_not_matter_for(53, &dialogue());
    }

    #[test]
    fn behind_a_hole_the_next_whole_message_is_found() {
        for lost in 0..8 {
            let mut parts = dialogue();
            parts[lost].2 = false;
            let (_, dialogue) = feed(53, &parts);
            let told = told(&dialogue);
            assert!(
                told.iter().any(|(a, b)| (a.as_str(), b.as_str()) == ALL[4]),
                "without {lost}: {told:?}"
            );
            assert!(
                told.iter().all(|(a, b)| b.is_empty()
                    || a.starts_with("AXFR")
                    || ALL.contains(&(a.as_str(), b.as_str()))),
                "without {lost}: {told:?}"
            );
            // What was not captured is not called unanswered.
            let unanswered = LookupOutcome::Unanswered;
            assert!(dialogue.lookups.iter().all(|one| one.outcome != unanswered));
        }
    }

    #[test]
    fn a_hole_within_a_message_costs_that_message_alone() {
        let mut parts = dialogue();
        let (_, answer, _) = parts.remove(1);
        parts.insert(1, (S, answer[..10].to_vec(), true));
        parts.insert(2, (S, answer[10..20].to_vec(), false));
        parts.insert(3, (S, answer[20..].to_vec(), true));
        let (_, dialogue) = feed(53, &parts);
        assert_eq!(told(&dialogue)[0].1, "");
        assert_eq!(dialogue.lookups[0].outcome, LookupOutcome::Unknown);
        assert_eq!(told(&dialogue)[1..].len(), 4);
        assert_eq!(told(&dialogue)[4].1, ALL[4].1);
    }

    #[test]
    fn other_protocols_are_ruled_out_at_once() {
        let verdict = |client: &[u8], server: &[u8]| {
            probe(&Opening {
                client,
                server,
                port: 53,
            })
        };
        assert_eq!(verdict(b"GET / HTTP/1.1\r\n", b""), Verdict::RuledOut);
        assert_eq!(verdict(b"EHLO example.org\r\n", b""), Verdict::RuledOut);
        assert_eq!(verdict(b"", b"220 mx ESMTP\r\n"), Verdict::RuledOut);
        assert_eq!(
            verdict(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03", b""),
            Verdict::RuledOut
        );
        assert_eq!(verdict(b"\0", b""), Verdict::NeedMore);
        let ask = framed(1, false, 1, "one", &[]);
        assert_eq!(verdict(&ask[..20], b""), Verdict::NeedMore);
        assert_eq!(verdict(&ask, b""), Verdict::Certain);
        assert_eq!(verdict(b"", &ask), Verdict::RuledOut);
    }
}
