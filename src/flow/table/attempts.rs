//! Connections that are not open yet: followed, made connections of, and given up.

use crate::link::Segment;
use crate::model::{Endpoint, Side, Unlisted};

use super::super::half_open::HalfOpen;
use super::super::key::FlowKey;
use super::super::tcp::{Arrival, Phase};
use super::rounds::silence;
use super::{FlowEvent, FlowId, FlowTable};

/// SYNs and answers replayed one by one; of more only the number is told.
const MAX_REPLAYED: u32 = 64;

impl FlowTable {
    /// Whether a segment belongs to a connection that is no further after it.
    pub(super) fn stays_half_open(
        &mut self,
        key: &FlowKey,
        source: Endpoint,
        arrival: Arrival,
        segment: &Segment<'_>,
    ) -> bool {
        let half = self.half.get_mut(key);
        half.is_some_and(|half| half.takes(source, arrival, segment, silence(Phase::Opening)))
    }

    /// Follows a connection of which a SYN came; where there are too many, the oldest is given up.
    pub(super) fn begin_half(
        &mut self,
        half: HalfOpen,
        out: &mut dyn FnMut(FlowId, FlowEvent<'_>),
    ) {
        if self.half.len() >= self.limits.half_open
            && let Some(oldest) = self.half.pop()
        {
            self.overruns.half_open += 1;
            // Until then it might still have been answered.
            let early = self.latest.since(oldest.syn.first) < Unlisted::WAITED;
            if let Some(id) = self.list_half(&oldest, out) {
                if let Some(flow) = self.flows.get_mut(id).filter(|_| early) {
                    flow.tcp.note_partial();
                }
                self.close(id, out);
            }
        }
        let key = half.key();
        self.half.insert(half);
        if self.orphans.awaits(&key) {
            self.promote(&key, out);
        }
    }

    /// Makes a connection out of a half-open one, which more is known of now.
    pub(super) fn promote(
        &mut self,
        key: &FlowKey,
        out: &mut dyn FnMut(FlowId, FlowEvent<'_>),
    ) -> Option<FlowId> {
        let half = self.half.remove(key)?;
        Some(self.open_half(&half, out))
    }

    fn open_half(&mut self, half: &HalfOpen, out: &mut dyn FnMut(FlowId, FlowEvent<'_>)) -> FlowId {
        let (client, server) = (half.client, half.server);
        let arrival = half.syn.arrival();
        let id = self.open_flow(half.key(), client, server, arrival, &half.segment(), out);
        for (side, greeting, segment) in half.greetings() {
            let source = if side == Side::Client { client } else { server };
            let mut arrival = greeting.arrival();
            for n in 0..greeting.packets.min(MAX_REPLAYED) {
                if n > 0 {
                    (arrival.at, arrival.id) = (greeting.last, None);
                }
                self.segment(id, source, arrival, &segment, out);
            }
            let more = greeting.packets.saturating_sub(MAX_REPLAYED);
            if let Some(flow) = self.flows.get_mut(id) {
                flow.tcp.has_greeted(side, greeting.times, more);
            }
        }
        id
    }

    /// A connection that was never opened is over.
    pub(super) fn close_half(
        &mut self,
        half: &HalfOpen,
        out: &mut dyn FnMut(FlowId, FlowEvent<'_>),
    ) {
        if let Some(id) = self.list_half(half, out) {
            self.close(id, out);
        }
    }

    /// Makes a connection out of one that was never opened and is over, unless there are too many.
    fn list_half(
        &mut self,
        half: &HalfOpen,
        out: &mut dyn FnMut(FlowId, FlowEvent<'_>),
    ) -> Option<FlowId> {
        self.unanswered += 1;
        if self.unanswered > self.limits.unanswered {
            self.overruns.unlisted += 1;
            self.unlisted.count(half, self.latest);
            return None;
        }
        Some(self.open_half(half, out))
    }
}
