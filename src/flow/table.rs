//! The connections that are open, found by their endpoints.

mod attempts;
mod rounds;

use std::collections::VecDeque;

use hashbrown::HashMap;
use slotmap::{SlotMap, new_key_type};

use crate::link::{Checksum, Datagram, Flags, Quote, Segment, Upper};
use crate::model::{Conversation, Endpoint, IcmpError, Nanos, PacketNo, Side, Transport, Unlisted};

use super::half_open::{HalfOpen, HalfOpens};
use super::key::FlowKey;
use super::orphans::Orphans;
use super::tcp::{Arrival, Phase, TcpConnection};
use super::unlisted::UnlistedByServer;
use super::{BadChecksums, Connection, Limits, StreamEvent};
use rounds::{SHORTEST_SILENCE, Turn, silence};

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
    unlisted: UnlistedByServer,
    /// Time of the latest packet.
    latest: Nanos,
    orphans: Orphans,
    /// Every open connection once; looked through in turn for those that have fallen silent.
    rounds: VecDeque<Turn>,
    held: usize,
    overruns: Overruns,
}

/// A connection that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoingOn {
    /// Its ends.
    pub conversation: Conversation,
    /// Its first packet.
    pub start: Nanos,
    /// Its last packet so far.
    pub last: Nanos,
    /// Whether both sides were heard.
    pub answered: bool,
}

#[derive(Debug)]
struct Flow {
    key: FlowKey,
    tcp: TcpConnection,
    icmp_errors: Vec<IcmpError>,
}

/// ICMP errors kept of one connection.
const MAX_ERRORS: usize = 16;

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
            unlisted: UnlistedByServer::default(),
            latest: Nanos(i64::MIN),
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

    /// Attempts to connect that nobody answered and that are not listed, by server.
    pub fn unlisted(&self) -> Vec<Unlisted> {
        self.unlisted.told()
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
        self.latest = self.latest.max(at);
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
            station: datagram.station,
            id: datagram.id,
        };
        // What is open is not half open: one search finds those of which most packets are.
        let mut known = self.by_key.get(&key).copied();
        if known.is_none() {
            if self.stays_half_open(&key, source, arrival, segment) {
                return true;
            }
            known = self.promote(&key, out);
        }
        let known = known.filter(|&id| self.goes_on(id, source, segment, at, out));
        let id = if let Some(id) = known {
            id
        } else {
            let ends = (source, destination);
            if let Some(half) = HalfOpen::begun_by(ends, arrival, segment) {
                self.begin_half(half, out);
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

    /// The capture is over: closes all connections, oldest first.
    pub fn finish(&mut self, out: &mut dyn FnMut(FlowId, FlowEvent<'_>)) {
        while let Some(half) = self.half.pop() {
            self.close_half(&half, out);
        }
        while let Some(turn) = self.rounds.pop_front() {
            self.close(turn.id, out);
        }
    }

    /// Whether a segment belongs to the connection between its ends; else that is closed.
    fn goes_on(
        &mut self,
        id: FlowId,
        source: Endpoint,
        segment: &Segment<'_>,
        at: Nanos,
        out: &mut dyn FnMut(FlowId, FlowEvent<'_>),
    ) -> bool {
        let Some(Flow { tcp, .. }) = self.flows.get(id) else {
            return false;
        };
        let silent = at.since(tcp.last()) > silence(tcp.phase());
        // What the host drops begins no other connection there.
        let heard = self.checksums == BadChecksums::Keep || segment.checksum != Checksum::Bad;
        if silent || heard && tcp.succeeded_by(source, segment, at) {
            self.close(id, out);
            return false;
        }
        true
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

    /// The connections that are open and more than an attempt, in no order.
    pub fn going_on(&self) -> impl Iterator<Item = GoingOn> {
        self.flows.values().map(|flow| GoingOn {
            conversation: *flow.tcp.conversation(),
            start: flow.tcp.start(),
            last: flow.tcp.last(),
            answered: flow.tcp.phase() != Phase::Opening,
        })
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
