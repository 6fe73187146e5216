//! Connections of which only SYNs were seen: a few octets each, as a flood brings millions of them.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::link::{Checksum, Flags, Segment, SeqNo, TcpOptions};
use crate::model::{Endpoint, Nanos, PacketNo, Span};

use super::key::FlowKey;

/// A SYN that nobody answered yet, and its repetitions.
#[derive(Clone, Copy, Debug)]
pub(super) struct HalfOpen {
    pub(super) client: Endpoint,
    pub(super) server: Endpoint,
    pub(super) first: Nanos,
    pub(super) last: Nanos,
    pub(super) packet: PacketNo,
    /// Hops left of the first.
    pub(super) hops: u8,
    seq: SeqNo,
    window: u16,
    flags: Flags,
    options: TcpOptions,
    checksum: Checksum,
    /// How many were sent.
    pub(super) syns: u32,
}

/// All of them, the oldest first to go.
#[derive(Debug, Default)]
pub(super) struct HalfOpens {
    by_key: HashMap<FlowKey, HalfOpen, foldhash::fast::RandomState>,
    /// Each with its first packet, so that another of the same ends is not taken for it.
    order: VecDeque<(FlowKey, PacketNo)>,
}

impl HalfOpen {
    /// The connection that `segment` begins, where all that there is to keep is a SYN.
    pub(super) fn begun_by(
        (client, server): (Endpoint, Endpoint),
        (at, packet, hops): (Nanos, PacketNo, u8),
        segment: &Segment<'_>,
    ) -> Option<Self> {
        const PLAIN: u8 = Flags::SYN.0 | Flags::FIN.0 | Flags::RST.0 | Flags::ACK.0 | Flags::URG.0;
        let plain = Flags(segment.flags.0 & PLAIN) == Flags::SYN;
        let kept = plain && segment.length == 0 && segment.window > 0;
        kept.then_some(Self {
            client,
            server,
            first: at,
            last: at,
            packet,
            hops,
            seq: segment.seq,
            window: segment.window,
            flags: segment.flags,
            options: segment.options,
            checksum: segment.checksum,
            syns: 1,
        })
    }

    /// Whether `segment` from `source` is the same SYN again.
    pub(super) fn repeated_by(&self, source: Endpoint, segment: &Segment<'_>) -> bool {
        source == self.client
            && segment.flags == self.flags
            && segment.seq == self.seq
            && segment.length == 0
            && segment.window > 0
            && segment.checksum == self.checksum
    }

    /// The SYN as it was.
    pub(super) const fn segment(&self) -> Segment<'static> {
        Segment {
            source_port: self.client.port,
            destination_port: self.server.port,
            seq: self.seq,
            ack: SeqNo(0),
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

impl HalfOpens {
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn get_mut(&mut self, key: &FlowKey) -> Option<&mut HalfOpen> {
        self.by_key.get_mut(key)
    }

    pub(super) fn insert(&mut self, key: FlowKey, half: HalfOpen) {
        self.order.push_back((key, half.packet));
        self.by_key.insert(key, half);
        // Those that were taken out leave their places behind.
        if self.order.len() > 2 * self.by_key.len() + 64 {
            let known = &self.by_key;
            self.order
                .retain(|(key, packet)| known.get(key).is_some_and(|half| half.packet == *packet));
        }
    }

    pub(super) fn remove(&mut self, key: &FlowKey) -> Option<HalfOpen> {
        self.by_key.remove(key)
    }

    /// The oldest, taken out.
    pub(super) fn pop(&mut self) -> Option<(FlowKey, HalfOpen)> {
        while let Some((key, packet)) = self.order.pop_front() {
            if self
                .by_key
                .get(&key)
                .is_some_and(|half| half.packet == packet)
            {
                return self.by_key.remove(&key).map(|half| (key, half));
            }
        }
        None
    }

    /// The oldest, taken out, if it has been silent for longer than `silence`; else its turn comes again later.
    pub(super) fn pop_silent(&mut self, now: Nanos, silence: Span) -> Option<(FlowKey, HalfOpen)> {
        let (key, packet) = self.order.pop_front()?;
        let half = self.by_key.get(&key).filter(|half| half.packet == packet)?;
        if now.since(half.last) > silence {
            return self.by_key.remove(&key).map(|half| (key, half));
        }
        // Only one that was sent again loses its place: those behind it may be over before it.
        if half.last > half.first {
            self.order.push_back((key, packet));
        } else {
            self.order.push_front((key, packet));
        }
        None
    }
}
