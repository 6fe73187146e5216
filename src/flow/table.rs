//! The connections that are open, found by their endpoints.

use std::collections::VecDeque;

use hashbrown::HashMap;
use slotmap::{SlotMap, new_key_type};

use crate::link::{Datagram, Flags, Quote, Segment, Upper};
use crate::model::{Conversation, Endpoint, IcmpError, Nanos, PacketNo, Side, Span, Transport};

use super::half_open::{HalfOpen, HalfOpens};
use super::key::FlowKey;
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
    /// Unanswered SYNs given up early because too many waited for an answer.
    pub half_open: u64,
    /// Unanswered SYNs that no session is made of, as there are too many.
    pub unlisted: u64,
    /// ICMP errors about connections that never came, of those no longer waited for.
    orphans: u64,
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
    /// Unanswered SYNs that are over.
    unanswered: usize,
    orphans: VecDeque<(FlowKey, IcmpError)>,
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

/// ICMP errors kept that quote a connection not seen yet.
const MAX_ORPHANS: usize = 64;
/// How far before the packet that it quotes an error may be captured.
const SWAPPED: Span = Span::SECOND;
/// SYNs replayed one by one; of more only the number is told.
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
            orphans: VecDeque::new(),
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
        self.overruns.orphans + u64::try_from(self.orphans.len()).unwrap_or(u64::MAX)
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
        };
        if self.repeats_half_open(&key, source, segment, at) {
            return true;
        }
        let known = self.current(&key, segment, at, out);
        let id = if let Some(id) = known {
            id
        } else {
            let ends = (source, destination);
            let when = (at, packet, datagram.ttl);
            if let Some(half) = HalfOpen::begun_by(ends, when, segment) {
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
        if self.held > self.limits.held_in_all {
            self.overruns.held += 1;
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
        if let Some(&id) = self.by_key.get(&key) {
            self.blame(id, error);
            return;
        }
        if self.orphans.len() >= MAX_ORPHANS {
            self.orphans.pop_front();
            self.overruns.orphans += 1;
        }
        self.orphans.push_back((key, error));
    }

    fn blame(&mut self, id: FlowId, error: IcmpError) {
        if let Some(flow) = self.flows.get_mut(id)
            && flow.icmp_errors.len() < MAX_ERRORS
        {
            flow.icmp_errors.push(error);
        }
    }

    /// Ties errors that came a little before the connection to it.
    fn claim(&mut self, key: &FlowKey, id: FlowId, at: Nanos) {
        let mut left = std::mem::take(&mut self.orphans);
        left.retain(|(quoted, error)| {
            let mine = quoted == key && at.since(error.at) <= SWAPPED;
            if mine {
                self.blame(id, *error);
            }
            !mine
        });
        self.orphans = left;
    }

    /// Whether a segment is a SYN that is sent again before any answer.
    fn repeats_half_open(
        &mut self,
        key: &FlowKey,
        source: Endpoint,
        segment: &Segment<'_>,
        at: Nanos,
    ) -> bool {
        let Some(half) = self.half.get_mut(key) else {
            return false;
        };
        let again =
            half.repeated_by(source, segment) && at.since(half.last) <= silence(Phase::Opening);
        if again {
            half.syns = half.syns.saturating_add(1);
            half.last = half.last.max(at);
        }
        again
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
            self.close_half(key, oldest, out);
        }
        self.half.insert(key, half);
        if self.orphans.iter().any(|(quoted, _)| *quoted == key) {
            self.promote(&key, out);
        }
    }

    /// Makes a connection out of a half-open one, which more is known of now.
    fn promote(&mut self, key: &FlowKey, out: &mut dyn FnMut(FlowId, FlowEvent<'_>)) {
        if let Some(half) = self.half.remove(key) {
            self.open_half(*key, half, out);
        }
    }

    fn open_half(
        &mut self,
        key: FlowKey,
        half: HalfOpen,
        out: &mut dyn FnMut(FlowId, FlowEvent<'_>),
    ) -> FlowId {
        let segment = half.segment();
        let mut arrival = Arrival {
            at: half.first,
            packet: half.packet,
            hops: half.hops,
        };
        let id = self.open_flow(key, half.client, half.server, arrival, &segment, out);
        for n in 0..half.syns.min(MAX_REPLAYED) {
            if n > 0 {
                arrival.at = half.last;
            }
            self.segment(id, half.client, arrival, &segment, out);
        }
        if let Some(flow) = self.flows.get_mut(id) {
            flow.tcp.add_syns(half.syns.saturating_sub(MAX_REPLAYED));
        }
        id
    }

    /// An unanswered SYN is over.
    fn close_half(
        &mut self,
        key: FlowKey,
        half: HalfOpen,
        out: &mut dyn FnMut(FlowId, FlowEvent<'_>),
    ) {
        self.unanswered += 1;
        if self.unanswered > self.limits.unanswered {
            self.overruns.unlisted += 1;
            return;
        }
        let id = self.open_half(key, half, out);
        self.close(id, out);
    }

    /// The capture is over: closes all connections, oldest first.
    pub fn finish(&mut self, out: &mut dyn FnMut(FlowId, FlowEvent<'_>)) {
        while let Some((key, half)) = self.half.pop() {
            self.close_half(key, half, out);
        }
        while let Some(turn) = self.rounds.pop_front() {
            self.close(turn.id, out);
        }
    }

    /// The open connection that a segment belongs to.
    fn current(
        &mut self,
        key: &FlowKey,
        segment: &Segment<'_>,
        at: Nanos,
        out: &mut dyn FnMut(FlowId, FlowEvent<'_>),
    ) -> Option<FlowId> {
        self.promote(key, out);
        let id = *self.by_key.get(key)?;
        let tcp = &self.flows.get(id)?.tcp;
        let silent = at.since(tcp.last()) > silence(tcp.phase());
        if silent || tcp.succeeded_by(segment, at) {
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
        let tcp = TcpConnection::new(conversation, arrival, from_server);
        let id = self.flows.insert(Flow {
            key,
            tcp,
            icmp_errors: Vec::new(),
        });
        self.by_key.insert(key, id);
        self.rounds.push_back(Turn {
            id,
            not_before: arrival.at + SHORTEST_SILENCE,
        });
        out(id, FlowEvent::Opened(conversation));
        if !self.orphans.is_empty() {
            self.claim(&key, id, arrival.at);
        }
        id
    }

    /// Looks at two connections; closes those that have fallen silent.
    fn sweep(&mut self, now: Nanos, out: &mut dyn FnMut(FlowId, FlowEvent<'_>)) {
        if let Some((key, half)) = self.half.pop_silent(now, silence(Phase::Opening)) {
            self.close_half(key, half, out);
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
            let Some(flow) = self.flows.get(turn.id) else {
                continue;
            };
            let last = flow.tcp.last();
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
mod tests {
    use std::fmt::Write as _;
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::link::{Checksum, SeqNo, TcpOptions};

    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));
    const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 25));

    /// A segment: who, flags, sequence and acknowledgement numbers, data.
    type Sent = (Side, u8, u32, u32, &'static [u8]);

    fn datagram((side, flags, seq, ack, payload): (Side, u8, u32, u32, &[u8])) -> Datagram<'_> {
        let (source, destination, ports) = match side {
            Side::Client => (CLIENT, SERVER, (40_000, 25)),
            Side::Server => (SERVER, CLIENT, (25, 40_000)),
        };
        Datagram {
            source,
            destination,
            ttl: 64,
            authenticated: None,
            upper: Upper::Tcp(Segment {
                source_port: ports.0,
                destination_port: ports.1,
                seq: SeqNo(seq),
                ack: SeqNo(ack),
                flags: Flags(flags),
                window: 512,
                urgent: 0,
                options: TcpOptions::default(),
                payload,
                length: u32::try_from(payload.len()).unwrap(),
                checksum: Checksum::Good,
            }),
        }
    }

    #[derive(Default)]
    struct Told {
        text: String,
        records: Vec<Connection>,
    }

    impl Told {
        fn take(&mut self, event: FlowEvent<'_>) {
            match event {
                FlowEvent::Opened(_) => {}
                FlowEvent::Stream(StreamEvent::Data { side, bytes, .. }) => {
                    let mark = if side == Side::Client { '>' } else { '<' };
                    self.text.push(mark);
                    self.text.push_str(std::str::from_utf8(bytes).unwrap());
                }
                FlowEvent::Stream(StreamEvent::Gap { missing, .. }) => {
                    write!(self.text, "[{missing}]").unwrap();
                }
                FlowEvent::Stream(StreamEvent::Fin { .. }) => self.text.push('$'),
                FlowEvent::Stream(StreamEvent::Rst { .. }) => self.text.push('!'),
                FlowEvent::Closed(record) => self.records.push(*record),
            }
        }
    }

    const S: u8 = 2;
    const A: u8 = 16;
    const SA: u8 = 18;
    const FA: u8 = 17;
    const R: u8 = 4;
    use Side::{Client as C, Server as V};

    fn run(sent: &[(i64, Sent)], limits: Limits) -> Told {
        let mut table = FlowTable::new(limits);
        let mut told = Told::default();
        for (n, (millis, sent)) in sent.iter().enumerate() {
            let at = Nanos(0) + Span::millis(*millis);
            let packet = PacketNo(n as u64 + 1);
            table.push(at, packet, &datagram(*sent), &mut |_, event| {
                told.take(event);
            });
        }
        table.finish(&mut |_, event| told.take(event));
        assert_eq!((table.open(), table.held), (0, 0));
        told
    }

    const DIALOGUE: [Sent; 10] = [
        (C, S, 99, 0, b""),
        (V, SA, 499, 100, b""),
        (C, A, 100, 500, b""),
        (V, A, 500, 100, b"220 hi\n"),
        (C, A, 100, 507, b"NOOP\n"),
        (V, A, 507, 105, b"250 ok\n"),
        (C, A, 105, 514, b"QUIT\n"),
        (V, FA, 514, 110, b"221\n"),
        (C, FA, 110, 519, b""),
        (V, A, 519, 111, b""),
    ];
    const SAID: &str = "<220 hi\n>NOOP\n<250 ok\n>QUIT\n<221\n$$";

    fn timed(sent: &[Sent]) -> Vec<(i64, Sent)> {
        sent.iter()
            .enumerate()
            .map(|(n, &sent)| (i64::try_from(n).unwrap(), sent))
            .collect()
    }

    #[test]
    fn a_dialogue_comes_in_order_with_zeeks_record() {
        let told = run(&timed(&DIALOGUE), Limits::default());
        assert_eq!(told.text, SAID);
        let record = &told.records[0];
        assert_eq!(
            (record.conn_state, record.history.as_str()),
            ("SF", "ShAdDfFa")
        );
        assert_eq!(record.counts.of(C).bytes, 10);
        assert_eq!(record.handshake.ack, Some(Nanos(2_000_000)));
    }

    #[test]
    fn data_captured_after_its_acknowledgement_still_comes_first() {
        let mut sent = DIALOGUE;
        sent.swap(3, 4);
        assert_eq!(run(&timed(&sent), Limits::default()).text, SAID);
    }

    #[test]
    fn data_never_captured_is_a_hole_before_what_acknowledges_it() {
        let mut sent = DIALOGUE.to_vec();
        sent.remove(5);
        let told = run(&timed(&sent), Limits::default());
        assert_eq!(told.text, "<220 hi\n>NOOP\n[7]>QUIT\n<221\n$$");
        assert_eq!(told.records[0].counts.of(V).missing, 7);
    }

    #[test]
    fn a_connection_seen_from_its_middle_knows_its_server() {
        let told = run(&timed(&DIALOGUE[3..]), Limits::default());
        assert_eq!(told.text, SAID);
        assert_eq!(told.records[0].conversation.server.port, 25);
        // Zeek calls it whole when both ends close, seen from its beginning or not.
        assert_eq!(told.records[0].conn_state, "SF");
    }

    #[test]
    fn a_port_used_again_is_another_connection() {
        let mut sent = timed(&DIALOGUE);
        let again = DIALOGUE.map(|(side, flags, seq, ack, data)| {
            let (s, a) = if side == C {
                (70_000, 90_000)
            } else {
                (90_000, 70_000)
            };
            (side, flags, seq + s, ack + a, data)
        });
        sent.extend(again.iter().map(|&sent| (500, sent)));
        let told = run(&sent, Limits::default());
        assert_eq!(told.records.len(), 2);
        assert_eq!(told.text, format!("{SAID}{SAID}"));
    }

    #[test]
    fn a_refused_connection_is_rej_and_an_unanswered_one_s0() {
        let refused = [(C, S, 99, 0, &b""[..]), (V, R | A, 0, 100, b"")];
        assert_eq!(
            run(&timed(&refused), Limits::default()).records[0].conn_state,
            "REJ"
        );
        let unanswered = [
            (0, (C, S, 99, 0, &b""[..])),
            (1000, (C, S, 99, 0, b"")),
            (3000, (C, S, 99, 0, b"")),
        ];
        let told = run(&unanswered, Limits::default());
        assert_eq!(
            (told.records[0].conn_state, told.records[0].handshake.syns),
            ("S0", 3)
        );
    }

    #[test]
    fn a_reset_far_off_the_stream_ends_nothing() {
        let mut sent = DIALOGUE.to_vec();
        sent.insert(6, (V, R, 1 << 31, 0, b""));
        let told = run(&timed(&sent), Limits::default());
        assert_eq!(told.text, SAID);
        assert_eq!(told.records[0].counts.of(V).foreign, 1);
    }

    #[test]
    fn half_open_connections_beyond_the_bound_make_room() {
        let limits = Limits {
            half_open: 100,
            unanswered: 1_000,
            ..Limits::default()
        };
        let mut table = FlowTable::new(limits);
        let mut closed = 0;
        let mut first = None;
        for n in 0..5_000u16 {
            let mut flood = datagram((C, S, 1, 0, b""));
            if let Upper::Tcp(segment) = &mut flood.upper {
                segment.source_port = n;
            }
            let packet = PacketNo(u64::from(n) + 1);
            table.push(Nanos(0), packet, &flood, &mut |_, event| {
                if let FlowEvent::Closed(record) = event {
                    closed += 1;
                    first.get_or_insert(record.first_packet);
                }
            });
            assert!(table.open() <= 100);
        }
        table.finish(&mut |_, event| closed += u32::from(matches!(event, FlowEvent::Closed(_))));
        let overruns = table.overruns();
        assert_eq!(first, Some(PacketNo(1)), "the oldest goes first");
        assert_eq!((closed, overruns.half_open), (1_000, 4_900));
        assert_eq!((overruns.unlisted, overruns.connections), (4_000, 0));
    }

    #[test]
    fn a_syn_sent_again_is_one_connection_whatever_comes_after() {
        let mut sent = vec![(0, DIALOGUE[0]), (1000, DIALOGUE[0]), (3000, DIALOGUE[0])];
        sent.extend(DIALOGUE[1..].iter().map(|&sent| (3100, sent)));
        let told = run(&sent, Limits::default());
        assert_eq!((told.records.len(), told.text.as_str()), (1, SAID));
        let record = &told.records[0];
        assert_eq!(
            (record.handshake.syns, record.history.as_str()),
            (3, "ShAdDfFa")
        );
        assert_eq!((record.start, record.first_packet), (Nanos(0), PacketNo(1)));
        assert_eq!(record.counts.of(C).packets, 7);
    }

    #[test]
    fn an_answer_captured_before_its_syn_belongs_to_it() {
        let mut sent = DIALOGUE.to_vec();
        sent.swap(0, 1);
        let told = run(&timed(&sent), Limits::default());
        assert_eq!((told.records.len(), told.text.as_str()), (1, SAID));
        assert_eq!(told.records[0].conversation.server.port, 25);
        assert_eq!(told.records[0].conn_state, "SF");
    }

    /// The first SYN of a client, quoted by an error that comes before or after it.
    fn blamed(error_first: bool) -> usize {
        let mut table = FlowTable::new(Limits::default());
        let mut told = Told::default();
        let quote = Quote {
            reason: crate::model::IcmpReason::HostUnreachable,
            source: Endpoint {
                ip: CLIENT,
                port: 40_000,
            },
            destination: Endpoint {
                ip: SERVER,
                port: 25,
            },
            transport: Transport::Tcp,
        };
        let error = IcmpError {
            at: Nanos(5),
            packet: PacketNo(2),
            by: SERVER,
            reason: quote.reason,
        };
        let mut steps = [true, false];
        if error_first {
            steps.reverse();
        }
        for syn in steps {
            if syn {
                let syn = datagram(DIALOGUE[0]);
                table.push(Nanos(9), PacketNo(1), &syn, &mut |_, event| {
                    told.take(event);
                });
            } else {
                table.quoted(&quote, error, &mut |_, event| told.take(event));
            }
        }
        assert_eq!(table.unclaimed(), 0);
        table.finish(&mut |_, event| told.take(event));
        assert_eq!(told.records[0].conn_state, "S0");
        told.records[0].icmp_errors.len()
    }

    #[test]
    fn an_error_is_tied_to_its_connection_also_when_it_is_captured_first() {
        assert_eq!((blamed(false), blamed(true)), (1, 1));
    }

    proptest! {
        /// Neighbours swapped, packets doubled: the same dialogue in the same order.
        #[test]
        fn small_disorder_and_duplicates_change_nothing(swaps in proptest::collection::vec(3usize..8, 0..3), doubles in proptest::collection::vec(3usize..10, 0..4)) {
            let mut sent = DIALOGUE.to_vec();
            for at in doubles {
                sent.insert(at, sent[at]);
            }
            for at in swaps {
                sent.swap(at, at + 1);
            }
            let told = run(&timed(&sent), Limits::default());
            prop_assert_eq!(told.text, SAID);
            prop_assert_eq!(told.records.len(), 1);
        }

        /// Any one packet lost: what is left is the dialogue with a hole. (Of a lost FIN with data the hole
        /// counts the FIN too.)
        #[test]
        fn a_lost_packet_leaves_only_its_own_hole(lost in 3usize..7) {
            let mut sent = DIALOGUE.to_vec();
            let missing = sent.remove(lost).4.len();
            let told = run(&timed(&sent), Limits::default());
            let counts = told.records[0].counts;
            prop_assert_eq!(counts.of(C).missing + counts.of(V).missing, missing as u64);
            let heard = told.text.bytes().filter(u8::is_ascii_lowercase).count();
            prop_assert!(heard > 0, "the rest is still heard");
        }
    }
}
