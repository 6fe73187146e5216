//! Connections that are not open yet: a SYN, perhaps with its answer. A few octets each, as a flood brings millions of them.

use std::collections::VecDeque;

use hashbrown::HashMap;
use slotmap::{SlotMap, new_key_type};

use crate::link::{Checksum, Flags, Segment, SeqNo, TcpOptions};
use crate::model::{Endpoint, Nanos, PacketNo, Side, Span, Transport};

use super::key::FlowKey;
use super::tcp::{Arrival, COPIED};

/// A SYN that nobody answered yet, or whose answer nobody acknowledged yet.
#[derive(Clone, Debug)]
pub(super) struct HalfOpen {
    pub(super) client: Endpoint,
    pub(super) server: Endpoint,
    pub(super) syn: Greeting,
    /// On its own, so that those without one take half as much.
    pub(super) answer: Option<Box<Greeting>>,
}

/// A SYN or its answer, and its repetitions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Greeting {
    pub(super) first: Nanos,
    pub(super) last: Nanos,
    /// The first of them.
    pub(super) packet: PacketNo,
    /// Hops left of it.
    pub(super) hops: u8,
    /// Identification of it, of IPv4.
    id: Option<u16>,
    /// How many were sent.
    pub(super) times: u32,
    /// How many packets they were captured in.
    pub(super) packets: u32,
    seq: SeqNo,
    ack: SeqNo,
    window: u16,
    flags: Flags,
    options: TcpOptions,
    checksum: Checksum,
}

new_key_type! {
    /// Name of one while it is half open.
    struct HalfId;
}

/// All of them, the oldest first to go.
#[derive(Debug, Default)]
pub(super) struct HalfOpens {
    /// Apart from their keys, whose table doubles when it grows and keeps the places of those that went.
    open: SlotMap<HalfId, HalfOpen>,
    by_key: HashMap<FlowKey, HalfId, foldhash::fast::RandomState>,
    /// Each of them once, and some that are no more.
    order: VecDeque<HalfId>,
}

impl Greeting {
    /// What `segment` is, where it is nothing but a SYN with `flags`.
    fn of(flags: Flags, arrival: Arrival, segment: &Segment<'_>) -> Option<Self> {
        const PLAIN: u8 = Flags::SYN.0 | Flags::FIN.0 | Flags::RST.0 | Flags::ACK.0 | Flags::URG.0;
        let plain = Flags(segment.flags.0 & PLAIN) == flags;
        let kept = plain && segment.length == 0 && segment.window > 0;
        kept.then_some(Self {
            first: arrival.at,
            last: arrival.at,
            packet: arrival.packet,
            hops: arrival.hops,
            id: arrival.id,
            times: 1,
            packets: 1,
            seq: segment.seq,
            ack: segment.ack,
            window: segment.window,
            flags: segment.flags,
            options: segment.options,
            checksum: segment.checksum,
        })
    }

    /// Counts `segment` if it is the same again, and not too long after.
    fn repeated(&mut self, arrival: Arrival, segment: &Segment<'_>, silence: Span) -> bool {
        let again = segment.flags == self.flags
            && (segment.seq, segment.ack) == (self.seq, self.ack)
            && segment.length == 0
            && segment.window > 0
            && segment.checksum == self.checksum
            && arrival.at.since(self.last) <= silence;
        if again {
            let sent = arrival.at.since(self.last) >= COPIED;
            self.times = self.times.saturating_add(u32::from(sent));
            self.packets = self.packets.saturating_add(1);
            self.last = self.last.max(arrival.at);
        }
        again
    }

    /// When and where the first of them came.
    pub(super) const fn arrival(&self) -> Arrival {
        Arrival {
            at: self.first,
            packet: self.packet,
            hops: self.hops,
            // Ten million may be kept; what follows tells it too.
            station: None,
            id: self.id,
        }
    }

    /// The segment as it was.
    const fn segment(&self, from: Endpoint, to: Endpoint) -> Segment<'static> {
        Segment {
            source_port: from.port,
            destination_port: to.port,
            seq: self.seq,
            ack: self.ack,
            flags: self.flags,
            window: self.window,
            urgent: 0,
            options: self.options,
            payload: &[],
            length: 0,
            checksum: self.checksum,
        }
    }
}

impl HalfOpen {
    /// The connection that `segment` begins, where all that there is to keep is a SYN.
    pub(super) fn begun_by(
        (client, server): (Endpoint, Endpoint),
        arrival: Arrival,
        segment: &Segment<'_>,
    ) -> Option<Self> {
        Some(Self {
            client,
            server,
            syn: Greeting::of(Flags::SYN, arrival, segment)?,
            answer: None,
        })
    }

    /// Takes `segment` from `source` if the connection is no further after it: the same SYN again, its answer, or that again.
    ///
    /// What would have to be told in another order than this is not taken.
    pub(super) fn takes(
        &mut self,
        source: Endpoint,
        arrival: Arrival,
        segment: &Segment<'_>,
        silence: Span,
    ) -> bool {
        match &mut self.answer {
            None if source == self.client => self.syn.repeated(arrival, segment, silence),
            None => {
                let fits = self.syn.times == 1
                    && arrival.at >= self.syn.first
                    && arrival.at.since(self.syn.first) <= silence
                    && segment.ack == self.syn.seq.plus(1);
                let answer = Greeting::of(Flags(Flags::SYN.0 | Flags::ACK.0), arrival, segment);
                self.answer = answer.filter(|_| fits).map(Box::new);
                self.answer.is_some()
            }
            Some(answer) => source == self.server && answer.repeated(arrival, segment, silence),
        }
    }

    /// The key of its connection.
    pub(super) fn key(&self) -> FlowKey {
        FlowKey::new(self.client, self.server, Transport::Tcp)
    }

    /// Time of its last packet.
    pub(super) fn last(&self) -> Nanos {
        let answered = self.answer.as_ref().map(|answer| answer.last);
        answered.map_or(self.syn.last, |at| at.max(self.syn.last))
    }

    /// The SYN as it was.
    pub(super) const fn segment(&self) -> Segment<'static> {
        self.syn.segment(self.client, self.server)
    }

    /// What was sent, in turn: by whom, how, and the segment itself.
    pub(super) fn greetings(&self) -> impl Iterator<Item = (Side, Greeting, Segment<'static>)> {
        let answer = self.answer.as_deref().map(|&answer| {
            let segment = answer.segment(self.server, self.client);
            (Side::Server, answer, segment)
        });
        [Some((Side::Client, self.syn, self.segment())), answer]
            .into_iter()
            .flatten()
    }
}

impl HalfOpens {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Places in the order, of which some are no longer taken.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.order.len()
    }

    pub(super) fn get_mut(&mut self, key: &FlowKey) -> Option<&mut HalfOpen> {
        self.open.get_mut(*self.by_key.get(key)?)
    }

    pub(super) fn insert(&mut self, half: HalfOpen) {
        let key = half.key();
        let id = self.open.insert(half);
        if let Some(before) = self.by_key.insert(key, id) {
            self.open.remove(before);
        }
        self.order.push_back(id);
        // Those that were taken out leave their places behind.
        if self.order.len() > 2 * self.open.len() + 64 {
            self.order.retain(|&id| self.open.contains_key(id));
        }
    }

    pub(super) fn remove(&mut self, key: &FlowKey) -> Option<HalfOpen> {
        self.open.remove(self.by_key.remove(key)?)
    }

    /// The oldest, taken out.
    pub(super) fn pop(&mut self) -> Option<HalfOpen> {
        while let Some(id) = self.order.pop_front() {
            let oldest = self.take(id);
            if oldest.is_some() {
                return oldest;
            }
        }
        None
    }

    /// The oldest, taken out, if it has been silent for longer than `silence`; else its turn comes again later.
    pub(super) fn pop_silent(&mut self, now: Nanos, silence: Span) -> Option<HalfOpen> {
        let id = self.order.pop_front()?;
        let half = self.open.get(id)?;
        if now.since(half.last()) > silence {
            return self.take(id);
        }
        // Only one that was heard of again loses its place: those behind it may be over before it.
        if half.last() > half.syn.first {
            self.order.push_back(id);
        } else {
            self.order.push_front(id);
        }
        None
    }

    fn take(&mut self, id: HalfId) -> Option<HalfOpen> {
        let half = self.open.remove(id)?;
        self.by_key.remove(&half.key());
        Some(half)
    }
}
