//! Connections are looked at in turn: those that have fallen silent are over, and room is made where there are too many.

use crate::model::{Nanos, Span};

use super::super::tcp::Phase;
use super::{FlowEvent, FlowId, FlowTable};

/// A connection whose turn it is to be looked at, once that is worth it: looking touches memory that has gone cold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) id: FlowId,
    /// Until then no silence can be over, whatever comes.
    pub(super) not_before: Nanos,
}

/// The shortest [`silence`].
pub(super) const SHORTEST_SILENCE: Span = silence(Phase::Closed);

/// After how long without a packet a connection is taken for over.
pub(super) const fn silence(phase: Phase) -> Span {
    match phase {
        // Long enough for the last retransmissions of a FIN.
        Phase::Closed => Span::seconds(60),
        Phase::Established => Span::seconds(6 * 3600),
        // Linux doubles its wait up to 64 seconds between the SYNs that it sends.
        Phase::Opening => Span::seconds(150),
    }
}

impl FlowTable {
    /// It is `now`, and no packet says so: closes all that have fallen silent.
    pub fn pass_time(&mut self, now: Nanos, out: &mut dyn FnMut(FlowId, FlowEvent<'_>)) {
        for _ in 0..self.rounds.len().div_ceil(2).max(self.half.len()) {
            self.sweep(now, out);
        }
    }

    /// Looks at two connections; closes those that have fallen silent.
    pub(super) fn sweep(&mut self, now: Nanos, out: &mut dyn FnMut(FlowId, FlowEvent<'_>)) {
        if let Some(half) = self.half.pop_silent(now, silence(Phase::Opening)) {
            self.close_half(&half, out);
        }
        // Turns of connections that are closed are taken out as they come up; none is passed over while they are many.
        let crowded = self.rounds.len() > 2 * self.flows.len() + 64;
        for _ in 0..2 {
            let Some(turn) = self.rounds.pop_front() else {
                return;
            };
            if now <= turn.not_before && !crowded {
                self.rounds.push_back(turn);
                continue;
            }
            let Some(flow) = self.flows.get_mut(turn.id) else {
                continue;
            };
            let last = flow.tcp.last();
            if now.since(last) > SHORTEST_SILENCE {
                flow.tcp.rest();
            }
            let silence = silence(flow.tcp.phase());
            if now.since(last) > silence {
                self.close(turn.id, out);
            } else {
                // A packet may come yet and leave it in a phase that is over sooner, counted from then.
                self.rounds.push_back(Turn {
                    not_before: (last + silence).min(now + SHORTEST_SILENCE),
                    ..turn
                });
            }
        }
    }

    /// Closes the least promising of the connections whose turn it is.
    pub(super) fn make_room(&mut self, out: &mut dyn FnMut(FlowId, FlowEvent<'_>)) {
        const LOOKED_AT: usize = 16;
        let worst = self
            .rounds
            .iter()
            .take(LOOKED_AT)
            .enumerate()
            .filter_map(|(at, turn)| {
                let tcp = &self.flows.get(turn.id)?.tcp;
                let established = tcp.phase() == Phase::Established;
                Some((established, tcp.last(), at))
            })
            .min()
            .map_or(0, |(_, _, at)| at);
        if let Some(turn) = self.rounds.remove(worst) {
            self.overruns.connections += 1;
            if let Some(flow) = self.flows.get_mut(turn.id) {
                flow.tcp.note_partial();
            }
            self.close(turn.id, out);
        }
    }
}
