//! Which wire sessions a log session may be, found by address and, once the clock is roughly known, by time: their number then
//! grows with what went on at once, not with the length of the capture.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{LogSession, Nanos, Role, Span, WireSession};

use super::moment;
use super::translation::Translation;

/// How far a session may reach beyond an end that the capture does not show.
const BEYOND: Span = Span::seconds(86_400);

/// The wire sessions by the address that a log would name.
pub(super) struct Index {
    by_peer: BTreeMap<(Role, IpAddr), Block>,
    all: Block,
}

/// Some of the wire sessions, in order of time.
#[derive(Default)]
struct Block {
    /// Those of which the capture shows both ends, by their start.
    whole: Vec<usize>,
    /// The latest end of each and all before it.
    latest: Vec<Nanos>,
    /// Those that were open when the capture began or ended.
    cut: Vec<usize>,
}

impl Block {
    fn push(&mut self, at: usize, wire: &WireSession) {
        if moment::began(wire) && moment::ended(wire) {
            self.whole.push(at);
        } else {
            self.cut.push(at);
        }
    }

    fn order(&mut self, wires: &[WireSession]) {
        let start = |at: &usize| wires.get(*at).map(|wire| wire.start);
        self.whole.sort_by_key(start);
        let mut latest = Nanos(i64::MIN);
        let ends = self.whole.iter().filter_map(|&at| Some(wires.get(at)?.end));
        self.latest = ends
            .map(|end| {
                latest = latest.max(end);
                latest
            })
            .collect();
    }

    fn any(&self) -> impl Iterator<Item = usize> {
        self.cut.iter().chain(&self.whole).copied()
    }

    /// Those that may have been open at some moment from `from` to `to`.
    fn within(&self, wires: &[WireSession], from: Nanos, to: Nanos) -> impl Iterator<Item = usize> {
        let begun = self
            .whole
            .partition_point(|&at| wires.get(at).is_some_and(|wire| wire.start <= to));
        let over = self.latest.partition_point(|&end| end < from);
        let whole = self.whole.get(over..begun.max(over)).unwrap_or_default();
        let reaches = move |&at: &usize| {
            wires.get(at).is_some_and(|wire| {
                let start = if moment::began(wire) {
                    wire.start
                } else {
                    wire.start - BEYOND
                };
                let end = if moment::ended(wire) {
                    wire.end
                } else {
                    wire.end + BEYOND
                };
                start <= to && end >= from
            })
        };
        self.cut.iter().chain(whole).copied().filter(reaches)
    }
}

impl Index {
    pub(super) fn of(wires: &[WireSession]) -> Self {
        let mut index = Self {
            by_peer: BTreeMap::new(),
            all: Block::default(),
        };
        for (at, wire) in wires.iter().enumerate().filter(|(_, wire)| answered(wire)) {
            let clients = wire.named_clients().map(|client| (Role::Server, client));
            let server = (Role::Client, wire.conversation.server.ip);
            for end in clients.chain([server]) {
                index.by_peer.entry(end).or_default().push(at, wire);
            }
            index.all.push(at, wire);
        }
        index.all.order(wires);
        for block in index.by_peer.values_mut() {
            block.order(wires);
        }
        index
    }

    /// Those that `log` may be, whatever the clock.
    pub(super) fn any<'a>(
        &'a self,
        log: &LogSession,
        translation: &Translation,
    ) -> impl Iterator<Item = usize> + 'a {
        self.blocks(log, translation)
            .into_iter()
            .flat_map(Block::any)
    }

    /// Those that `log` may be when something of it took place from `from` to `to` on the capture's clock.
    pub(super) fn within<'a>(
        &'a self,
        wires: &'a [WireSession],
        log: &LogSession,
        translation: &Translation,
        (from, to): (Nanos, Nanos),
    ) -> impl Iterator<Item = usize> + 'a {
        let blocks = self.blocks(log, translation);
        blocks
            .into_iter()
            .flat_map(move |block| block.within(wires, from, to))
    }

    fn blocks(&self, log: &LogSession, translation: &Translation) -> Vec<&Block> {
        let Some(peer) = log.peer else {
            return vec![&self.all];
        };
        match translation {
            _ if log.role == Role::Client => {
                self.by_peer.get(&(log.role, peer)).into_iter().collect()
            }
            Translation::None => self.by_peer.get(&(log.role, peer)).into_iter().collect(),
            Translation::Any => vec![&self.all],
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
