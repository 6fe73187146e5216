//! Which wire sessions a log session may be, found by address and, once the clock is roughly known, by time: their number then
//! grows with what went on at once, not with the length of the capture.

use std::collections::BTreeMap;
use std::net::IpAddr;

use smallvec::SmallVec;

use crate::model::{LogSession, Nanos, Proto, Role, Span, WireSession};

use super::moment;
use super::translation::Translation;

/// How far a session may reach beyond an end that the capture does not show.
const BEYOND: Span = Span::seconds(86_400);

/// The wire sessions by the address that a log would name, and by protocol where it names none.
pub(super) struct Index {
    /// The protocols there are; those first in which another may be hidden.
    protos: Vec<Proto>,
    by_peer: BTreeMap<(Role, IpAddr), Block>,
    by_proto: BTreeMap<Proto, Block>,
}

/// Some of the wire sessions, in order of time.
#[derive(Default)]
struct Block {
    /// Those of which the capture shows both ends, by their start.
    whole: Vec<Stay>,
    /// The latest end of each of those and all before it.
    latest: Vec<Nanos>,
    /// The latest end among so many of those that follow one another.
    latest_of: Vec<Nanos>,
    /// Those that were open when the capture began or ended.
    cut: Vec<Stay>,
}

/// Some blocks; mostly one.
type Blocks<'a> = SmallVec<[&'a Block; 4]>;

/// When a wire session can have been open.
#[derive(Clone, Copy)]
struct Stay {
    at: usize,
    /// The number of its protocol.
    proto: usize,
    start: Nanos,
    end: Nanos,
}

/// Which protocols a log session may be in, by their numbers. Most sessions of a client are in another: these are passed over here, where they lie
/// side by side, and not looked at one by one.
#[derive(Clone, Copy)]
struct Spoken {
    /// The one that the log names, if the wire has it.
    told: Option<usize>,
    any: bool,
}

/// Protocols in which any other may be hidden.
const HIDING: [Proto; 2] = [Proto::UNKNOWN, Proto::TLS];

impl Spoken {
    fn has(self, proto: usize) -> bool {
        self.any || proto < HIDING.len() || self.told == Some(proto)
    }
}

/// Sessions of a block that are passed over together where all ended too early.
const TOGETHER: usize = 32;

impl Stay {
    fn of((at, wire): (usize, &WireSession), proto: usize) -> Self {
        let (began, ended) = (moment::began(wire), moment::ended(wire));
        Self {
            at,
            proto,
            start: wire.start - if began { Span::ZERO } else { BEYOND },
            end: wire.end + if ended { Span::ZERO } else { BEYOND },
        }
    }
}

impl Block {
    fn push(&mut self, stay: Stay, wire: &WireSession) {
        if (stay.start, stay.end) == (wire.start, wire.end) {
            self.whole.push(stay);
        } else {
            self.cut.push(stay);
        }
    }

    fn order(&mut self) {
        self.whole.sort_by_key(|stay| stay.start);
        let mut latest = Nanos(i64::MIN);
        let ends = self.whole.iter().map(|stay| stay.end);
        self.latest = ends
            .map(|end| {
                latest = latest.max(end);
                latest
            })
            .collect();
        let together = self.whole.chunks(TOGETHER);
        self.latest_of = together
            .filter_map(|stays| stays.iter().map(|stay| stay.end).max())
            .collect();
    }

    fn any(&self) -> impl Iterator<Item = &Stay> {
        self.cut.iter().chain(&self.whole)
    }

    /// Gives `each` those that may have been open at some moment from `from` to `to`.
    fn within(&self, from: Nanos, to: Nanos, mut each: impl FnMut(&Stay)) {
        let begun = self.whole.partition_point(|stay| stay.start <= to);
        // One that stays long holds up those behind it, which are passed over by the dozen.
        let first = self.latest.partition_point(|&end| end < from) / TOGETHER;
        let begun = self.whole.get(..begun).unwrap_or_default();
        let reaches = |stay: &&Stay| stay.start <= to && stay.end >= from;
        self.cut.iter().filter(reaches).for_each(&mut each);
        let together = begun.chunks(TOGETHER).zip(&self.latest_of).skip(first);
        for (stays, _) in together.filter(|&(_, &latest)| latest >= from) {
            stays.iter().filter(reaches).for_each(&mut each);
        }
    }
}

impl Index {
    pub(super) fn of(wires: &[WireSession]) -> Self {
        let mut index = Self {
            protos: HIDING.into(),
            by_peer: BTreeMap::new(),
            by_proto: BTreeMap::new(),
        };
        for (at, wire) in wires.iter().enumerate().filter(|(_, wire)| answered(wire)) {
            let proto = index.number(wire.proto).unwrap_or_else(|| {
                index.protos.push(wire.proto);
                index.protos.len() - 1
            });
            let stay = Stay::of((at, wire), proto);
            let clients = wire.named_clients().map(|client| (Role::Server, client));
            let server = (Role::Client, wire.conversation.server.ip);
            for end in clients.chain([server]) {
                index.by_peer.entry(end).or_default().push(stay, wire);
            }
            index
                .by_proto
                .entry(wire.proto)
                .or_default()
                .push(stay, wire);
        }
        let blocks = index.by_peer.values_mut();
        for block in blocks.chain(index.by_proto.values_mut()) {
            block.order();
        }
        index
    }

    /// Those that `log` may be, whatever the clock.
    pub(super) fn any<'a>(
        &'a self,
        log: &LogSession,
        translation: &Translation,
    ) -> impl Iterator<Item = usize> + 'a {
        let spoken = self.spoken(log.proto);
        self.blocks(log, translation)
            .into_iter()
            .flat_map(Block::any)
            .filter(move |stay| spoken.has(stay.proto))
            .map(|stay| stay.at)
    }

    /// Gives `each` those that `log` may be when something of it took place from `from` to `to` on the capture's clock.
    pub(super) fn within(
        &self,
        log: &LogSession,
        translation: &Translation,
        (from, to): (Nanos, Nanos),
        mut each: impl FnMut(usize),
    ) {
        let spoken = self.spoken(log.proto);
        for block in self.blocks(log, translation) {
            block.within(from, to, |stay| {
                if spoken.has(stay.proto) {
                    each(stay.at);
                }
            });
        }
    }

    /// The number of a protocol that the wire has.
    fn number(&self, proto: Proto) -> Option<usize> {
        self.protos.iter().position(|&known| known == proto)
    }

    /// What may be seen of sessions in `proto`. A proxy that only passes octets on does not say what they are.
    fn spoken(&self, proto: Proto) -> Spoken {
        Spoken {
            told: self.number(proto),
            any: proto == Proto::UNKNOWN,
        }
    }

    /// Those in which `proto` may have been spoken, by whomever.
    fn of_proto(&self, proto: Proto) -> Blocks<'_> {
        let may_be =
            |seen: Proto| proto == Proto::UNKNOWN || proto == seen || HIDING.contains(&seen);
        let blocks = self.by_proto.iter();
        blocks
            .filter(|&(&seen, _)| may_be(seen))
            .map(|(_, block)| block)
            .collect()
    }

    fn blocks(&self, log: &LogSession, translation: &Translation) -> Blocks<'_> {
        let Some(peer) = log.peer else {
            return self.of_proto(log.proto);
        };
        match translation {
            _ if log.role == Role::Client => {
                self.by_peer.get(&(log.role, peer)).into_iter().collect()
            }
            Translation::None => self.by_peer.get(&(log.role, peer)).into_iter().collect(),
            Translation::Any => self.of_proto(log.proto),
            Translation::Learnt(known) => known
                .iter()
                .filter(|(_, told)| **told == peer)
                .filter_map(|(client, _)| self.by_peer.get(&(log.role, *client)))
                .collect(),
        }
    }
}

/// Whether the server can have known of it: a SYN that nobody answered is in no log.
fn answered(wire: &WireSession) -> bool {
    wire.history.contains('h') || wire.counts.0.iter().any(|direction| direction.bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LogId, testing};

    /// A whole session of one client, which lasted for a second.
    fn wire(proto: &'static str, at: i64) -> WireSession {
        let start = Nanos(0) + Span::seconds(at);
        let mut wire = testing::wire(proto, 993, start);
        (wire.end, wire.history) = (start + Span::SECOND, "ShFf".into());
        wire
    }

    #[test]
    fn sessions_in_another_protocol_are_passed_over_but_for_those_that_may_hide_it() {
        let protos = ["http", "imap", "tls", "smtp", "unknown", "imap"];
        let wires: Vec<WireSession> = (0..)
            .zip(protos)
            .map(|(at, proto)| wire(proto, at))
            .collect();
        let index = Index::of(&wires);
        let mut log = LogSession::new(LogId(0), Proto("imap"));
        for peer in [Some([192, 0, 2, 1].into()), None] {
            log.peer = peer;
            let mut any: Vec<usize> = index.any(&log, &Translation::None).collect();
            any.sort_unstable();
            assert_eq!(any, [1, 2, 4, 5]);
            let times = (wires[0].start, wires[4].start);
            let mut within: Vec<usize> = Vec::new();
            index.within(&log, &Translation::None, times, |at| within.push(at));
            within.sort_unstable();
            assert_eq!(within, [1, 2, 4]);
        }
        log.proto = Proto::UNKNOWN;
        assert_eq!(index.any(&log, &Translation::None).count(), wires.len());
        log.proto = Proto("pop3");
        assert_eq!(index.any(&log, &Translation::None).count(), 2);
    }
}
