//! How a connection opens, and what opens another between the same ends.

use crate::link::{Flags, Segment, SeqNo};
use crate::model::{Endpoint, Nanos, Side, Span};

use super::{Arrival, Phase, TcpConnection};

/// A SYN that is seen again sooner after another is the same packet, captured twice: one that gets no answer is sent again after a second (RFC 6298 §2.1).
pub(in super::super::super) const COPIED: Span = Span::millis(20);

impl TcpConnection {
    /// Whether `segment` opens another connection between the same two endpoints.
    pub(in super::super::super) fn succeeded_by(
        &self,
        source: Endpoint,
        segment: &Segment<'_>,
        at: Nanos,
    ) -> bool {
        let opens = segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::ACK);
        if !opens || self.first_syn == Some(segment.seq) {
            return false;
        }
        match self.phase() {
            Phase::Closed => true,
            // Both sides open at once (RFC 9293 §3.5).
            Phase::Opening if source == self.conversation.server => false,
            // The answer to this SYN was captured before it.
            Phase::Opening => self.handshake.syn_ack.is_none() || !self.awaits(segment.seq),
            // A stray SYN does not end a live connection; one after a silence does.
            Phase::Established => at.since(self.last) > Span::SECOND,
        }
    }

    /// Whether the client's first octet has the number after `syn`, as the server's answer says.
    fn awaits(&self, syn: SeqNo) -> bool {
        let [client, _] = &self.streams;
        self.first_syn.is_none() && client.ahead(syn.plus(1)) == Some(0)
    }

    /// Its SYN, or the answer, was sent so many `times`; `more` packets of these were not given one by one.
    pub(in super::super::super) fn has_greeted(&mut self, side: Side, times: u32, more: u32) {
        let sent = match side {
            Side::Client => &mut self.handshake.syns,
            Side::Server => &mut self.handshake.syn_acks,
        };
        *sent = times;
        self.counts.of_mut(side).packets += u64::from(more);
    }

    /// Takes a SYN, or the answer to one.
    pub(super) fn opening(&mut self, arrival: Arrival, side: Side, segment: &Segment<'_>) {
        let last = self.greeted.get_mut(side.index());
        let last = last.and_then(|last| last.replace(arrival.at));
        let sent = last.is_none_or(|last| arrival.at.since(last) >= COPIED);
        let handshake = &mut self.handshake;
        if segment.flags.has(Flags::ACK) {
            handshake.syn_ack.get_or_insert(arrival.at);
            handshake.syn_acks = handshake.syn_acks.saturating_add(u32::from(sent));
            let [_, initial] = &mut handshake.initial;
            initial.get_or_insert(segment.seq.0);
        } else if side == Side::Server {
            handshake.simultaneous = handshake.syn.is_some();
        } else {
            self.first_syn.get_or_insert(segment.seq);
            let [initial, _] = &mut handshake.initial;
            initial.get_or_insert(segment.seq.0);
            handshake.syn.get_or_insert(arrival.at);
            if handshake.syns == 0 {
                handshake.syn_octets = segment.length;
            }
            handshake.syns = handshake.syns.saturating_add(u32::from(sent));
        }
    }
}
