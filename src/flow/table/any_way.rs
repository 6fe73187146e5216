//! Dialogues whose segments come in any way a capture may bring them: out of order, twice, cut and joined otherwise, with
//! sequence numbers that wrap anywhere, from any packet on and up to any. What is read is the same, or its holes are told.

use std::fmt;

use super::*;
use crate::link::{SeqNo, TcpOptions};
use crate::model::Span;
use proptest::prelude::*;
use proptest::sample::Index;

/// A segment by its place in the streams, whose numbers are given later.
#[derive(Clone)]
struct Sent {
    side: Side,
    flags: u8,
    /// First octet and the one behind the last; SYN and FIN are counted apart.
    from: usize,
    to: usize,
    /// Octets of the other side that it has, and whether it has its FIN.
    seen: usize,
    seen_fin: bool,
    /// Whether it comes after its sender's FIN.
    closed: bool,
}

/// Short, as a failure shows many.
impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            side,
            flags,
            from,
            to,
            seen,
            ..
        } = self;
        write!(f, "{side:?} {flags} {from}..{to} ack {seen}")?;
        f.write_str(if self.seen_fin { " and FIN" } else { "" })
    }
}

impl fmt::Debug for Dialogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.turns)
    }
}

/// What both sides say, in turns, each a number of octets.
#[derive(Clone)]
struct Dialogue {
    turns: Vec<(Side, usize)>,
    sent: Vec<Sent>,
    said: [Vec<u8>; 2],
}

const S: u8 = 2;
const A: u8 = 16;
const SA: u8 = 18;
const FA: u8 = 17;

/// Letters that tell of their side and place.
fn letters(side: Side, length: usize) -> Vec<u8> {
    let first = if side == Side::Client { b'A' } else { b'a' };
    (0..length)
        .map(|n| first + u8::try_from((n * 7 + n / 26) % 26).unwrap())
        .collect()
}

impl Dialogue {
    /// Turns as segments of at most `most` octets, `bare` of them acknowledged apart.
    fn new(turns: &[(Side, usize)], most: usize, bare: &[bool], close: u8) -> Self {
        let mut dialogue = Self {
            turns: turns.to_vec(),
            sent: Vec::new(),
            said: [Vec::new(), Vec::new()],
        };
        let mut at = [0usize; 2];
        let mut fins = [false; 2];
        for (side, flags) in [(Side::Client, S), (Side::Server, SA), (Side::Client, A)] {
            dialogue.say(side, flags, 0, &mut at, &mut fins);
        }
        let mut bare = bare.iter().cycle();
        for &(side, length) in turns {
            let mut left = length;
            while left > 0 {
                let now = left.min(most);
                dialogue.say(side, A, now, &mut at, &mut fins);
                left -= now;
                if *bare.next().unwrap() {
                    dialogue.say(side.other(), A, 0, &mut at, &mut fins);
                }
            }
        }
        let first = if close & 1 == 0 {
            Side::Client
        } else {
            Side::Server
        };
        let more = usize::from(close & 2);
        dialogue.say(first, FA, more, &mut at, &mut fins);
        if close & 4 == 0 {
            dialogue.say(first.other(), A, 0, &mut at, &mut fins);
        }
        dialogue.say(first.other(), FA, 0, &mut at, &mut fins);
        dialogue.say(first, A, 0, &mut at, &mut fins);
        dialogue.said = [Side::Client, Side::Server].map(|side| letters(side, at[side.index()]));
        dialogue
    }

    fn say(
        &mut self,
        side: Side,
        flags: u8,
        length: usize,
        at: &mut [usize; 2],
        fins: &mut [bool; 2],
    ) {
        let other = side.other().index();
        let from = at[side.index()];
        at[side.index()] += length;
        self.sent.push(Sent {
            side,
            flags,
            from,
            to: from + length,
            seen: at[other],
            seen_fin: fins[other],
            closed: fins[side.index()],
        });
        fins[side.index()] |= flags & 1 != 0;
    }

    /// The segment sent again that holds the last octets before place `at` of the list with another beginning and end,
    /// put in where it may be seen.
    fn again(&mut self, at: Index, start: Index, length: Index) {
        let place = at.index(self.sent.len());
        let side = self.sent[place].side;
        let mine = self.sent[..=place].iter().filter(|one| one.side == side);
        let mine: Vec<&Sent> = mine.filter(|one| one.to > one.from).collect();
        let Some(last) = mine.iter().map(|one| one.to).max() else {
            return;
        };
        let near = mine.iter().rev().take(3);
        let first = near.map(|one| one.from).min().unwrap();
        let from = first + start.index(last - first);
        let to = from + 1 + length.index(last - from);
        let known = &self.sent[place];
        let copy = Sent {
            side,
            flags: A,
            from,
            to,
            closed: false,
            ..known.clone()
        };
        self.sent.insert(place + 1, copy);
    }

    /// What is read of a dialogue without loss: each side's octets in turn.
    fn text(&self) -> String {
        let mut at = [0usize; 2];
        let mut text = String::new();
        let mut pass = |side: Side, length: usize| {
            let from = at[side.index()];
            at[side.index()] += length;
            let said = &self.said[side.index()][from..from + length];
            text.push_str(std::str::from_utf8(said).unwrap());
        };
        for &(side, length) in &self.turns {
            pass(side, length);
        }
        for one in &self.sent {
            if one.flags == FA && one.to > one.from {
                pass(one.side, one.to - one.from);
            }
        }
        text
    }
}

/// Each moved by less than `reach` places.
fn shuffled(sent: &[Sent], keys: &[usize], reach: usize) -> Vec<Sent> {
    let mut places: Vec<(usize, usize)> = (0..sent.len())
        .map(|n| (n + keys[n % keys.len()] % reach.max(1), n))
        .collect();
    places.sort_unstable();
    places.iter().map(|&(_, n)| sent[n].clone()).collect()
}

/// What is told of the segments: octets of both sides in order, and of each side what came, with holes as dots.
#[derive(Debug, Default)]
struct Read {
    text: String,
    each: [String; 2],
    fins: [usize; 2],
    records: Vec<Connection>,
}

fn read(dialogue: &Dialogue, sent: &[Sent], first: [u32; 2]) -> Read {
    let mut table = FlowTable::new(Limits::default());
    let mut told = Read::default();
    let take = |told: &mut Read, event: FlowEvent<'_>| match event {
        FlowEvent::Opened(_) => {}
        FlowEvent::Stream(StreamEvent::Data { side, bytes, .. }) => {
            let text = std::str::from_utf8(bytes).unwrap();
            told.text.push_str(text);
            told.each[side.index()].push_str(text);
        }
        FlowEvent::Stream(StreamEvent::Gap { side, missing, .. }) => {
            let dots = ".".repeat(usize::try_from(missing).unwrap());
            told.text.push_str(&dots);
            told.each[side.index()].push_str(&dots);
        }
        FlowEvent::Stream(StreamEvent::Fin { side, .. }) => told.fins[side.index()] += 1,
        FlowEvent::Stream(StreamEvent::Rst { .. }) => panic!("nobody resets"),
        FlowEvent::Closed(record) => told.records.push(*record),
    };
    for (n, one) in sent.iter().enumerate() {
        let (own, other) = (one.side.index(), one.side.other().index());
        let number = |of: usize, at: usize| first[of].wrapping_add(u32::try_from(at).unwrap());
        let seq = number(
            own,
            one.from + usize::from(one.flags & S == 0) + usize::from(one.closed),
        );
        let ack = number(other, 1 + one.seen + usize::from(one.seen_fin));
        let ends = [([192, 0, 2, 10], 40_000), ([198, 51, 100, 25], 25)];
        let payload = &dialogue.said[own][one.from..one.to];
        let datagram = Datagram {
            source: ends[own].0.into(),
            destination: ends[other].0.into(),
            ttl: 64,
            station: None,
            id: None,
            authenticated: None,
            upper: Upper::Tcp(Segment {
                source_port: ends[own].1,
                destination_port: ends[other].1,
                seq: SeqNo(seq),
                ack: SeqNo(if one.flags == S { 0 } else { ack }),
                flags: Flags(one.flags),
                window: 512,
                urgent: 0,
                options: TcpOptions::default(),
                payload,
                length: u32::try_from(payload.len()).unwrap(),
                checksum: Checksum::Good,
            }),
        };
        let at = Nanos(0) + Span::millis(i64::try_from(n).unwrap());
        table.push(at, PacketNo(n as u64 + 1), &datagram, &mut |_, event| {
            take(&mut told, event);
        });
    }
    table.finish(&mut |_, event| take(&mut told, event));
    assert_eq!((table.open(), table.held), (0, 0));
    told
}

prop_compose! {
    fn dialogue()(
        turns in prop::collection::vec((any::<bool>(), 1usize..40), 1..9),
        most in 1usize..30,
        bare in prop::collection::vec(any::<bool>(), 1..5),
        close in 0u8..8,
        copies in prop::collection::vec((any::<Index>(), any::<Index>(), any::<Index>()), 0..5),
    ) -> Dialogue {
        let turns: Vec<(Side, usize)> = turns
            .into_iter()
            .map(|(client, length)| (if client { Side::Client } else { Side::Server }, length))
            .collect();
        let mut dialogue = Dialogue::new(&turns, most, &bare, close);
        for (at, start, length) in copies {
            dialogue.again(at, start, length);
        }
        dialogue
    }
}

/// How far segments are moved, each by how much, and which are doubled.
fn disorder() -> impl Strategy<Value = (usize, Vec<usize>, Vec<Index>)> {
    let keys = prop::collection::vec(any::<usize>(), 1..40);
    (1usize..7, keys, prop::collection::vec(any::<Index>(), 0..5))
}

fn disturbed(
    dialogue: &Dialogue,
    (reach, keys, doubles): &(usize, Vec<usize>, Vec<Index>),
) -> Vec<Sent> {
    let mut sent = dialogue.sent.clone();
    for double in doubles {
        let at = double.index(sent.len());
        sent.insert(at, sent[at].clone());
    }
    shuffled(&sent, keys, *reach)
}

/// Places after an acknowledgement within which octets are waited for, and more are looked at to find where a stream begins.
const NEAR: usize = 10;
const EARLY: usize = 16;

/// What is expected of an octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Octet {
    /// It is read.
    Read,
    /// It comes so late after its acknowledgement that it may be taken for lost.
    Late,
    /// It is missing.
    Missing,
}

/// What of a side's octets is in these segments, and where its stream begins at the latest and ends.
fn captured(dialogue: &Dialogue, sent: &[Sent], side: Side) -> (Vec<Octet>, usize, usize) {
    let said = &dialogue.said[side.index()];
    let mut octets = vec![Octet::Missing; said.len()];
    let mut acknowledged = vec![None; said.len()];
    let mut end = 0;
    for (n, one) in sent.iter().enumerate() {
        if one.side == side {
            for at in one.from..one.to {
                let late = acknowledged[at].is_some_and(|known| n > known + NEAR);
                match octets[at] {
                    Octet::Missing if late => octets[at] = Octet::Late,
                    Octet::Missing => octets[at] = Octet::Read,
                    _ => {}
                }
            }
            // What a bare segment says of octets before it, and nobody acknowledged, is not looked at.
            if one.to > one.from || one.flags == FA {
                end = end.max(one.to);
            }
        } else if one.flags != S {
            for known in &mut acknowledged[..one.seen] {
                known.get_or_insert(n);
            }
            end = end.max(one.seen);
        }
    }
    let opened = sent
        .iter()
        .any(|one| one.flags == SA || one.flags == S && one.side == side);
    // What is sent again much later of what came before the capture belongs to no stream.
    let early = sent.get(..EARLY).unwrap_or(sent).iter();
    let own = early
        .clone()
        .filter(|one| one.side == side && one.to > one.from);
    let known = early.map(|one| if one.side == side { one.from } else { one.seen });
    let first = own.map(|one| one.from).min().or(known.max()).unwrap();
    (octets, if opened { 0 } else { first }, end)
}

/// Holds what was read of one side against what was captured of it.
fn compare(dialogue: &Dialogue, sent: &[Sent], told: &Read, side: Side) -> Result<(), String> {
    let there = captured(dialogue, sent, side);
    let said = &dialogue.said[side.index()];
    let read = told.each[side.index()].as_str();
    let closed = sent.iter().any(|one| one.side == side && one.flags == FA);
    let acknowledged = sent.iter().any(|one| one.side != side && one.seen_fin);
    let fits = match fits(&there, said, read) {
        // Nobody can tell whether the last number was that of a FIN that was not captured.
        Err(_) if !closed && acknowledged => {
            fits(&there, said, read.strip_suffix('.').unwrap_or(read))
        }
        other => other,
    };
    fits.map_err(|why| format!("{side:?} {why}: {read}"))?;
    let counts = told.records[0].counts.of(side);
    let holes = read.bytes().filter(|octet| *octet == b'.').count();
    let counted = (counts.missing, counts.bytes, counts.conflicting);
    if counted == (holes as u64, (read.len() - holes) as u64, 0) {
        Ok(())
    } else {
        Err(format!("{side:?} counts {counted:?}"))
    }
}

/// Whether octets are those expected, from where the stream may begin to its end.
fn fits(
    (there, latest, end): &(Vec<Octet>, usize, usize),
    said: &[u8],
    octets: &str,
) -> Result<(), String> {
    let begin = end.checked_sub(octets.len()).ok_or("is too long")?;
    if begin > *latest {
        return Err(format!("begins at {begin}, captured from {latest}"));
    }
    for (n, octet) in (begin..*end).zip(octets.bytes()) {
        let fits = match there[n] {
            Octet::Read => octet == said[n],
            Octet::Late => octet == said[n] || octet == b'.',
            Octet::Missing => octet == b'.',
        };
        if !fits {
            return Err(format!("differs at {n} of {begin}..{end}"));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Nothing is lost: all octets of both sides come, and each after those that its sender had seen.
    #[test]
    fn a_dialogue_is_read_the_same_in_any_order(dialogue in dialogue(), disorder in disorder(), first: [u32; 2]) {
        let sent = disturbed(&dialogue, &disorder);
        let told = read(&dialogue, &sent, first);
        prop_assert_eq!(told.records.len(), 1);
        prop_assert_eq!(told.records[0].conversation.server.port, 25);
        prop_assert_eq!(&told.text, &dialogue.text(), "{:#?}", sent);
        prop_assert_eq!(told.fins, [1, 1]);
        prop_assert_eq!(told.records[0].conn_state, "SF");
    }

    /// The capture begins and ends anywhere, and lacks some packets: what is there comes, and what is not is a hole.
    #[test]
    fn what_is_captured_of_a_dialogue_is_read_and_what_is_not_is_told(
        dialogue in dialogue(),
        disorder in disorder(),
        first: [u32; 2],
        cuts in (any::<Index>(), any::<Index>()),
        losses in prop::collection::vec(any::<Index>(), 0..4),
    ) {
        let mut sent = disturbed(&dialogue, &disorder);
        let (one, other) = (cuts.0.index(sent.len()), cuts.1.index(sent.len()));
        sent.truncate(one.max(other) + 1);
        sent.drain(..one.min(other));
        for loss in losses {
            let at = loss.index(sent.len());
            if sent.len() > 1 && sent[at].flags == A {
                sent.remove(at);
            }
        }
        let told = read(&dialogue, &sent, first);
        prop_assert_eq!(told.records.len(), 1);
        // Which side is the client shows in the port.
        prop_assert_eq!(told.records[0].conversation.server.port, 25);
        for side in [Side::Client, Side::Server] {
            let same = compare(&dialogue, &sent, &told, side);
            prop_assert_eq!(same, Ok(()), "{:#?}", sent);
        }
    }
}
