//! The connections that are open, found by their endpoints.

use std::collections::VecDeque;

use hashbrown::HashMap;
use slotmap::{SlotMap, new_key_type};

use crate::link::{Checksum, Datagram, Flags, Quote, Segment, Upper};
use crate::model::{Conversation, Endpoint, IcmpError, Nanos, PacketNo, Side, Span, Transport};

use super::half_open::{HalfOpen, HalfOpens};
use super::key::FlowKey;
use super::orphans::Orphans;
use super::tcp::{Arrival, Phase, TcpConnection};
use super::{BadChecksums, Connection, Limits, StreamEvent};

new_key_type! {
    /// Name of a connection while it is open; never used again for another.
    pub struct FlowId;
}

/// What happened to a connection.
#[derive(Debug)]
pub enum FlowEvent<'p> {
    /// Its first packet came; the ends as far as can be told.
    Opened(Conversation),
    /// Its streams went on.
    Stream(StreamEvent<'p>),
    /// It is over, or given up for want of room.
    Closed(Box<Connection>),
}

/// Bounds that were hit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overruns {
    /// Connections closed early because too many were open.
    pub connections: u64,
    /// Connections that were never opened, given up early because too many waited.
    pub half_open: u64,
    /// Connections that were never opened and that no session is made of, as there are too many.
    pub unlisted: u64,
    /// Times that held octets were passed on with holes because too many were held.
    pub held: u64,
}

/// Connections that are followed.
#[derive(Debug)]
pub struct FlowTable {
    limits: Limits,
    checksums: BadChecksums,
    by_key: HashMap<FlowKey, FlowId, foldhash::fast::RandomState>,
    flows: SlotMap<FlowId, Flow>,
    half: HalfOpens,
    /// Connections over that were never opened.
    unanswered: usize,
    orphans: Orphans,
    /// Every open connection once; looked through in turn for those that have fallen silent.
    rounds: VecDeque<Turn>,
    held: usize,
    overruns: Overruns,
}

#[derive(Debug)]
struct Flow {
    key: FlowKey,
    tcp: TcpConnection,
    icmp_errors: Vec<IcmpError>,
}

/// ICMP errors kept of one connection.
const MAX_ERRORS: usize = 16;
/// SYNs and answers replayed one by one; of more only the number is told.
const MAX_REPLAYED: u32 = 64;

/// A connection whose turn it is to be looked at, once that is worth it: looking touches memory that has gone cold.
#[derive(Clone, Copy, Debug)]
struct Turn {
    id: FlowId,
    /// Until then no silence can be over, whatever comes.
    not_before: Nanos,
}

/// The shortest [`silence`].
const SHORTEST_SILENCE: Span = silence(Phase::Closed);

/// After how long without a packet a connection is taken for over.
const fn silence(phase: Phase) -> Span {
    match phase {
        // Long enough for the last retransmissions of a FIN.
        Phase::Closed => Span::seconds(60),
        Phase::Established => Span::seconds(6 * 3600),
        // Linux doubles its wait up to 64 seconds between the SYNs that it sends.
        Phase::Opening => Span::seconds(150),
    }
}

impl Flow {
    fn blame(&mut self, error: IcmpError) {
        if self.icmp_errors.len() < MAX_ERRORS {
            self.icmp_errors.push(error);
        }
    }
}

impl FlowTable {
    /// An empty table.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            checksums: BadChecksums::default(),
            by_key: HashMap::default(),
            flows: SlotMap::with_key(),
            half: HalfOpens::default(),
            unanswered: 0,
            orphans: Orphans::default(),
            rounds: VecDeque::new(),
            held: 0,
            overruns: Overruns::default(),
        }
    }

    /// The same table, but with `choice` for segments whose checksum is wrong.
    #[must_use]
    pub fn with_bad_checksums(mut self, choice: BadChecksums) -> Self {
        self.checksums = choice;
        self
    }

    /// Bounds hit so far.
    pub const fn overruns(&self) -> Overruns {
        self.overruns
    }

    /// Connections open now, half-open ones among them.
    pub fn open(&self) -> usize {
        self.flows.len() + self.half.len()
    }

    /// ICMP errors about connections that never came.
    pub fn unclaimed(&self) -> u64 {
        self.orphans.unclaimed()
    }

    /// Takes the next packet's datagram; whether it belongs to a connection.
    pub fn push(
        &mut self,
        at: Nanos,
        packet: PacketNo,
        datagram: &Datagram<'_>,
        out: &mut dyn FnMut(FlowId, FlowEvent<'_>),
    ) -> bool {
        self.sweep(at, out);
        let Upper::Tcp(segment) = &datagram.upper else {
            return false;
        };
        let source = Endpoint {
            ip: datagram.source,
            port: segment.source_port,
        };
        let destination = Endpoint {
            ip: datagram.destination,
            port: segment.destination_port,
        };
        let key = FlowKey::new(source, destination, Transport::Tcp);
        let arrival = Arrival {
            at,
            packet,
            hops: datagram.ttl,
            id: datagram.id,
        };
        if self.stays_half_open(&key, source, arrival, segment) {
            return true;
        }
        let known = self.current(&key, source, segment, at, out);
        let id = if let Some(id) = known {
            id
        } else {
            let ends = (source, destination);
            if let Some(half) = HalfOpen::begun_by(ends, arrival, segment) {
                self.begin_half(key, half, out);
                return true;
            }
            self.open_flow(key, source, destination, arrival, segment, out)
        };
        self.segment(id, source, arrival, segment, out)
    }

    /// Gives a segment to its connection.
    fn segment(
        &mut self,
        id: FlowId,
        source: Endpoint,
        arrival: Arrival,
        segment: &Segment<'_>,
        out: &mut dyn FnMut(FlowId, FlowEvent<'_>),
    ) -> bool {
        let Some(flow) = self.flows.get_mut(id) else {
            return false;
        };
        let side = if flow.tcp.conversation().client == source {
            Side::Client
        } else {
            Side::Server
        };
        let before = flow.tcp.held_octets();
        flow.tcp.segment(
            arrival,
            side,
            segment,
            &self.limits,
            self.checksums,
            &mut |event| {
                out(id, FlowEvent::Stream(event));
            },
        );
        self.held = self.held - before + flow.tcp.held_octets();
        self.overruns.held += flow.tcp.take_overruns();
        if self.held > self.limits.held_in_all {
            self.overruns.held += 1;
            flow.tcp.note_partial();
            self.held -= flow.tcp.held_octets();
            flow.tcp.flush(&self.limits, &mut |event| {
                out(id, FlowEvent::Stream(event));
            });
            self.held += flow.tcp.held_octets();
        }
        true
    }

    /// Notes an ICMP error that quotes a connection over TCP.
    ///
    /// If that is not open it may begin yet: captures swap packets.
    pub fn quoted(
        &mut self,
        quote: &Quote,
        error: IcmpError,
        out: &mut dyn FnMut(FlowId, FlowEvent<'_>),
    ) {
        let key = FlowKey::new(quote.source, quote.destination, quote.transport);
        self.promote(&key, out);
        match self.by_key.get(&key).and_then(|&id| self.flows.get_mut(id)) {
            Some(flow) => flow.blame(error),
            None => self.orphans.keep(key, error),
        }
    }

    /// Whether a segment belongs to a connection that is no further after it.
    fn stays_half_open(
        &mut self,
        key: &FlowKey,
        source: Endpoint,
        arrival: Arrival,
        segment: &Segment<'_>,
    ) -> bool {
        let half = self.half.get_mut(key);
        half.is_some_and(|half| half.takes(source, arrival, segment, silence(Phase::Opening)))
    }

    fn begin_half(
        &mut self,
        key: FlowKey,
        half: HalfOpen,
        out: &mut dyn FnMut(FlowId, FlowEvent<'_>),
    ) {
        if self.half.len() >= self.limits.half_open
            && let Some((key, oldest)) = self.half.pop()
        {
            self.overruns.half_open += 1;
            if let Some(id) = self.list_half(key, &oldest, out) {
                if let Some(flow) = self.flows.get_mut(id) {
                    flow.tcp.note_partial();
                }
                self.close(id, out);
            }
        }
        self.half.insert(key, half);
        if self.orphans.awaits(&key) {
            self.promote(&key, out);
        }
    }

    /// Makes a connection out of a half-open one, which more is known of now.
    fn promote(&mut self, key: &FlowKey, out: &mut dyn FnMut(FlowId, FlowEvent<'_>)) {
        if let Some(half) = self.half.remove(key) {
            self.open_half(*key, &half, out);
        }
    }

    fn open_half(
        &mut self,
        key: FlowKey,
        half: &HalfOpen,
        out: &mut dyn FnMut(FlowId, FlowEvent<'_>),
    ) -> FlowId {
        let (client, server) = (half.client, half.server);
        let arrival = half.syn.arrival();
        let id = self.open_flow(key, client, server, arrival, &half.segment(), out);
        for (side, greeting, segment) in half.greetings() {
            let source = if side == Side::Client { client } else { server };
            let mut arrival = greeting.arrival();
            for n in 0..greeting.times.min(MAX_REPLAYED) {
                if n > 0 {
                    (arrival.at, arrival.id) = (greeting.last, None);
                }
                self.segment(id, source, arrival, &segment, out);
            }
            let more = greeting.times.saturating_sub(MAX_REPLAYED);
            if let Some(flow) = self.flows.get_mut(id) {
                flow.tcp.add_greetings(side, more);
            }
        }
        id
    }

    /// A connection that was never opened is over.
    fn close_half(
        &mut self,
        key: FlowKey,
        half: &HalfOpen,
        out: &mut dyn FnMut(FlowId, FlowEvent<'_>),
    ) {
        if let Some(id) = self.list_half(key, half, out) {
            self.close(id, out);
        }
    }

    /// Makes a connection out of one that was never opened and is over, unless there are too many.
    fn list_half(
        &mut self,
        key: FlowKey,
        half: &HalfOpen,
        out: &mut dyn FnMut(FlowId, FlowEvent<'_>),
    ) -> Option<FlowId> {
        self.unanswered += 1;
        if self.unanswered > self.limits.unanswered {
            self.overruns.unlisted += 1;
            return None;
        }
        Some(self.open_half(key, half, out))
    }

    /// The capture is over: closes all connections, oldest first.
    pub fn finish(&mut self, out: &mut dyn FnMut(FlowId, FlowEvent<'_>)) {
        while let Some((key, half)) = self.half.pop() {
            self.close_half(key, &half, out);
        }
        while let Some(turn) = self.rounds.pop_front() {
            self.close(turn.id, out);
        }
    }

    /// The open connection that a segment belongs to.
    fn current(
        &mut self,
        key: &FlowKey,
        source: Endpoint,
        segment: &Segment<'_>,
        at: Nanos,
        out: &mut dyn FnMut(FlowId, FlowEvent<'_>),
    ) -> Option<FlowId> {
        self.promote(key, out);
        let id = *self.by_key.get(key)?;
        let tcp = &self.flows.get(id)?.tcp;
        let silent = at.since(tcp.last()) > silence(tcp.phase());
        // What the host drops begins no other connection there.
        let heard = self.checksums == BadChecksums::Keep || segment.checksum != Checksum::Bad;
        if silent || heard && tcp.succeeded_by(source, segment, at) {
            self.close(id, out);
            return None;
        }
        Some(id)
    }

    fn open_flow(
        &mut self,
        key: FlowKey,
        source: Endpoint,
        destination: Endpoint,
        arrival: Arrival,
        segment: &Segment<'_>,
        out: &mut dyn FnMut(FlowId, FlowEvent<'_>),
    ) -> FlowId {
        if self.flows.len() >= self.limits.connections {
            self.make_room(out);
        }
        let from_server = sent_by_server(segment);
        let (client, server) = if from_server {
            (destination, source)
        } else {
            (source, destination)
        };
        let conversation = Conversation {
            client,
            server,
            transport: Transport::Tcp,
        };
        let mut flow = Flow {
            key,
            tcp: TcpConnection::new(conversation, arrival, from_server),
            icmp_errors: Vec::new(),
        };
        self.orphans
            .claim(&key, arrival.at, |error| flow.blame(error));
        let id = self.flows.insert(flow);
        self.by_key.insert(key, id);
        self.rounds.push_back(Turn {
            id,
            not_before: arrival.at + SHORTEST_SILENCE,
        });
        out(id, FlowEvent::Opened(conversation));
        id
    }

    /// Looks at two connections; closes those that have fallen silent.
    fn sweep(&mut self, now: Nanos, out: &mut dyn FnMut(FlowId, FlowEvent<'_>)) {
        if let Some((key, half)) = self.half.pop_silent(now, silence(Phase::Opening)) {
            self.close_half(key, &half, out);
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
            if now.since(last) > silence(flow.tcp.phase()) {
                self.close(turn.id, out);
            } else {
                self.rounds.push_back(Turn {
                    not_before: last + SHORTEST_SILENCE,
                    ..turn
                });
            }
        }
    }

    /// Closes the least promising of the connections whose turn it is.
    fn make_room(&mut self, out: &mut dyn FnMut(FlowId, FlowEvent<'_>)) {
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

    fn close(&mut self, id: FlowId, out: &mut dyn FnMut(FlowId, FlowEvent<'_>)) {
        let Some(mut flow) = self.flows.remove(id) else {
            return;
        };
        if self.by_key.get(&flow.key) == Some(&id) {
            self.by_key.remove(&flow.key);
        }
        self.held = self.held.saturating_sub(flow.tcp.held_octets());
        flow.tcp.flush(&self.limits, &mut |event| {
            out(id, FlowEvent::Stream(event));
        });
        let record = Connection {
            icmp_errors: flow.icmp_errors,
            ..flow.tcp.record()
        };
        out(id, FlowEvent::Closed(Box::new(record)));
    }
}

/// Whether the sender of a connection's first captured segment is its server.
///
/// Certain for SYNs; otherwise the end with a well-known port (RFC 6335 §6), else the lower port.
fn sent_by_server(segment: &Segment<'_>) -> bool {
    if segment.flags.has(Flags::SYN) {
        return segment.flags.has(Flags::ACK);
    }
    segment.source_port < segment.destination_port
        && (segment.source_port < 1024 || segment.destination_port >= 32_768)
}

#[cfg(test)]
mod any_way;
#[cfg(test)]
mod tests;
