//! Conversations over UDP: the datagrams between two endpoints, until they fall silent.

use std::collections::VecDeque;

use hashbrown::HashMap;
use slotmap::{SlotMap, new_key_type};

use crate::link::{Checksum, Datagram, Quote, UdpDatagram};
use crate::model::{
    Conversation, Counts, Endpoint, Handshake, IcmpError, Nanos, PacketNo, Passage, Side, Span,
    Transport,
};

use super::key::FlowKey;
use super::tcp::is_power_of_ten;
use super::{BadChecksums, Connection};

new_key_type! {
    /// Name of a conversation over UDP while it is open; never used again for another.
    pub struct UdpId;
}

/// What happened to a conversation.
#[derive(Debug)]
pub enum UdpEvent<'p> {
    /// A datagram of it passed; also its first.
    Datagram {
        /// Who sent it.
        side: Side,
        /// When it passed.
        at: Nanos,
        /// Which packet carried it.
        packet: PacketNo,
        /// Its payload as captured.
        bytes: &'p [u8],
    },
    /// It is over.
    Closed(Box<Connection>),
}

/// Silence after which a conversation is over.
const SILENCE: Span = Span::seconds(60);
/// Conversations followed at once; one that has been silent for long is closed to make room.
const MAX_OPEN: usize = 100_000;
/// Conversations looked at to find it.
const LOOKED_AT: usize = 16;
/// ICMP errors kept of one.
const MAX_ERRORS: usize = 16;

/// Conversations over UDP that are followed.
#[derive(Debug, Default)]
pub struct UdpTable {
    by_key: HashMap<FlowKey, UdpId, foldhash::fast::RandomState>,
    open: SlotMap<UdpId, Open>,
    /// Every open conversation once; looked through in turn for those that have fallen silent.
    rounds: VecDeque<UdpId>,
    checksums: BadChecksums,
    closed_early: u64,
}

#[derive(Debug)]
struct Open {
    key: FlowKey,
    record: Connection,
}

impl UdpTable {
    /// The same table, but with `choice` for datagrams whose checksum is wrong.
    #[must_use]
    pub fn with_bad_checksums(mut self, choice: BadChecksums) -> Self {
        self.checksums = choice;
        self
    }

    /// Takes a datagram that `udp` is in; `from_server` says whether the server sent it, should it be the first.
    pub fn push(
        &mut self,
        (at, packet): (Nanos, PacketNo),
        datagram: &Datagram<'_>,
        udp: &UdpDatagram<'_>,
        from_server: impl Fn(&UdpDatagram<'_>) -> bool,
        out: &mut dyn FnMut(UdpId, UdpEvent<'_>),
    ) {
        let source = Endpoint {
            ip: datagram.source,
            port: udp.source_port,
        };
        let destination = Endpoint {
            ip: datagram.destination,
            port: udp.destination_port,
        };
        self.sweep(at, out);
        let key = FlowKey::new(source, destination, Transport::Udp);
        let id = self.current(&key, at, out).unwrap_or_else(|| {
            if self.open.len() >= MAX_OPEN {
                self.make_room(out);
            }
            let (client, server) = if from_server(udp) {
                (destination, source)
            } else {
                (source, destination)
            };
            self.begin(key, client, server, at, packet)
        });
        let Some(open) = self.open.get_mut(id) else {
            return;
        };
        let record = &mut open.record;
        let side = if record.conversation.client == source {
            Side::Client
        } else {
            Side::Server
        };
        record.end = record.end.max(at);
        let counts = record.counts.of_mut(side);
        counts.packets += 1;
        let bad = udp.checksum == Checksum::Bad;
        if bad {
            counts.bad_checksums += 1;
            if is_power_of_ten(counts.bad_checksums) {
                record.history.push(letter(side, 'c'));
            }
        }
        if bad && self.checksums == BadChecksums::Drop {
            return;
        }
        let data = letter(side, 'd');
        if !record.history.contains(data) {
            record.history.push(data);
        }
        counts.bytes += u64::from(udp.length);
        out(
            id,
            UdpEvent::Datagram {
                side,
                at,
                packet,
                bytes: udp.payload,
            },
        );
    }

    /// Whether a conversation of these ends is open and not silent for too long.
    pub fn follows(&self, datagram: &Datagram<'_>, udp: &UdpDatagram<'_>, at: Nanos) -> bool {
        let [source, destination] = [
            (datagram.source, udp.source_port),
            (datagram.destination, udp.destination_port),
        ]
        .map(|(ip, port)| Endpoint { ip, port });
        let key = FlowKey::new(source, destination, Transport::Udp);
        let open = self.by_key.get(&key).and_then(|&id| self.open.get(id));
        open.is_some_and(|open| at.since(open.record.end) <= SILENCE)
    }

    /// Conversations closed early because too many were open.
    pub const fn closed_early(&self) -> u64 {
        self.closed_early
    }

    /// The open conversation of these ends; one that has fallen silent is closed, and what comes begins another.
    fn current(
        &mut self,
        key: &FlowKey,
        at: Nanos,
        out: &mut dyn FnMut(UdpId, UdpEvent<'_>),
    ) -> Option<UdpId> {
        let id = *self.by_key.get(key)?;
        if at.since(self.open.get(id)?.record.end) > SILENCE {
            self.close(id, out);
            return None;
        }
        Some(id)
    }

    /// Closes the conversation that has been silent longest of those whose turn it is.
    fn make_room(&mut self, out: &mut dyn FnMut(UdpId, UdpEvent<'_>)) {
        let next = self.rounds.iter().take(LOOKED_AT).enumerate();
        let longest = next
            .filter_map(|(at, &id)| Some((self.open.get(id)?.record.end, at)))
            .min();
        if let Some(id) = longest.and_then(|(_, at)| self.rounds.remove(at)) {
            self.closed_early += 1;
            self.close(id, out);
        }
    }

    /// Notes an ICMP error; whether it quotes a conversation that is open.
    pub fn quoted(&mut self, quote: &Quote, error: IcmpError) -> bool {
        let key = FlowKey::new(quote.source, quote.destination, quote.transport);
        let Some(open) = self.by_key.get(&key).and_then(|&id| self.open.get_mut(id)) else {
            return false;
        };
        if open.record.icmp_errors.len() < MAX_ERRORS {
            open.record.icmp_errors.push(error);
        }
        true
    }

    /// The capture is over: closes all, oldest first.
    pub fn finish(&mut self, out: &mut dyn FnMut(UdpId, UdpEvent<'_>)) {
        while let Some(id) = self.rounds.pop_front() {
            self.close(id, out);
        }
    }

    fn begin(
        &mut self,
        key: FlowKey,
        client: Endpoint,
        server: Endpoint,
        at: Nanos,
        packet: PacketNo,
    ) -> UdpId {
        let record = Connection {
            conversation: Conversation {
                client,
                server,
                transport: Transport::Udp,
            },
            start: at,
            end: at,
            first_packet: packet,
            conn_state: "OTH",
            history: String::new(),
            counts: Counts::default(),
            handshake: Handshake::default(),
            passage: Passage::default(),
            icmp_errors: Vec::new(),
            overlaps: Vec::new(),
        };
        let id = self.open.insert(Open { key, record });
        self.by_key.insert(key, id);
        self.rounds.push_back(id);
        id
    }

    /// It is `now`, and no packet says so: closes all that have fallen silent.
    pub fn pass_time(&mut self, now: Nanos, out: &mut dyn FnMut(UdpId, UdpEvent<'_>)) {
        for _ in 0..self.rounds.len().div_ceil(2) {
            self.sweep(now, out);
        }
    }

    /// Looks at two; closes those that have fallen silent.
    fn sweep(&mut self, now: Nanos, out: &mut dyn FnMut(UdpId, UdpEvent<'_>)) {
        for _ in 0..2 {
            let Some(id) = self.rounds.pop_front() else {
                return;
            };
            match self.open.get(id) {
                Some(open) if now.since(open.record.end) <= SILENCE => self.rounds.push_back(id),
                _ => self.close(id, out),
            }
        }
    }

    fn close(&mut self, id: UdpId, out: &mut dyn FnMut(UdpId, UdpEvent<'_>)) {
        let Some(Open { key, mut record }) = self.open.remove(id) else {
            return;
        };
        self.by_key.remove(&key);
        let sent = |side| record.counts.of(side).packets > 0;
        // Zeek's words for UDP.
        record.conn_state = match (sent(Side::Client), sent(Side::Server)) {
            (true, true) => "SF",
            (true, false) => "S0",
            (false, _) => "SHR",
        };
        out(id, UdpEvent::Closed(Box::new(record)));
    }
}

/// A letter of Zeek's `history`: upper case for the client.
const fn letter(side: Side, letter: char) -> char {
    match side {
        Side::Client => letter.to_ascii_uppercase(),
        Side::Server => letter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Upper;

    fn push(table: &mut UdpTable, second: i64, from_client: bool, closed: &mut Vec<Connection>) {
        pushed(table, second, from_client, Checksum::Good, closed);
    }

    fn pushed(
        table: &mut UdpTable,
        second: i64,
        from_client: bool,
        checksum: Checksum,
        closed: &mut Vec<Connection>,
    ) {
        let (source, destination, ports) = if from_client {
            ([192, 0, 2, 10], [198, 51, 100, 53], (5000, 53))
        } else {
            ([198, 51, 100, 53], [192, 0, 2, 10], (53, 5000))
        };
        let udp = UdpDatagram {
            source_port: ports.0,
            destination_port: ports.1,
            payload: b"x",
            length: 1,
            checksum,
        };
        let datagram = Datagram {
            source: source.into(),
            destination: destination.into(),
            ttl: 64,
            station: None,
            id: None,
            authenticated: None,
            upper: Upper::Udp(udp),
        };
        let at = (Nanos(0) + Span::seconds(second), PacketNo(1));
        table.push(
            at,
            &datagram,
            &udp,
            |udp| udp.source_port == 53,
            &mut |_, event| {
                if let UdpEvent::Closed(record) = event {
                    closed.push(*record);
                }
            },
        );
    }

    #[test]
    fn an_answer_belongs_to_its_question_and_silence_ends_it() {
        let mut table = UdpTable::default();
        let mut closed = Vec::new();
        push(&mut table, 0, true, &mut closed);
        push(&mut table, 1, false, &mut closed);
        push(&mut table, 100, false, &mut closed);
        assert_eq!(
            (
                closed.len(),
                closed[0].conn_state,
                closed[0].history.as_str()
            ),
            (1, "SF", "Dd")
        );
        table.finish(&mut |_, event| {
            if let UdpEvent::Closed(record) = event {
                closed.push(*record);
            }
        });
        assert_eq!((closed.len(), closed[1].conn_state), (2, "SHR"));
        assert_eq!(closed[1].conversation.server.port, 53);
    }

    #[test]
    fn a_bad_checksum_is_counted_and_dropped_only_on_request() {
        for (choice, history, bytes, state) in [
            (BadChecksums::Keep, "CDd", [1, 1], "SF"),
            (BadChecksums::Drop, "Cd", [0, 1], "SF"),
        ] {
            let mut table = UdpTable::default().with_bad_checksums(choice);
            let mut closed = Vec::new();
            pushed(&mut table, 0, true, Checksum::Bad, &mut closed);
            push(&mut table, 1, false, &mut closed);
            table.finish(&mut |_, event| {
                if let UdpEvent::Closed(record) = event {
                    closed.push(*record);
                }
            });
            let [client, server] = closed[0].counts.0;
            assert_eq!(
                (closed[0].history.as_str(), closed[0].conn_state),
                (history, state)
            );
            assert_eq!([client.bytes, server.bytes], bytes);
            assert_eq!((client.bad_checksums, server.bad_checksums), (1, 0));
        }
    }

    #[test]
    fn the_same_ends_after_a_silence_are_another_conversation() {
        let mut table = UdpTable::default();
        let mut closed = Vec::new();
        for second in [0, 30, 89] {
            push(&mut table, second, true, &mut closed);
        }
        assert!(closed.is_empty());
        // Its turn to be looked at may not have come yet.
        table.rounds.clear();
        push(&mut table, 150, true, &mut closed);
        assert_eq!(
            (closed.len(), closed[0].counts.of(Side::Client).packets),
            (1, 3)
        );
    }

    #[test]
    fn room_is_made_by_closing_the_one_silent_longest() {
        let mut table = UdpTable::default();
        let mut closed = Vec::new();
        for (n, second) in [(1, 5), (2, 1), (3, 9)] {
            let ends = |port| Endpoint {
                ip: [192, 0, 2, n].into(),
                port,
            };
            let key = FlowKey::new(ends(1), ends(2), Transport::Udp);
            let at = Nanos(0) + Span::seconds(second);
            table.begin(key, ends(1), ends(2), at, PacketNo(u64::from(n)));
        }
        table.make_room(&mut |_, event| {
            if let UdpEvent::Closed(record) = event {
                closed.push(record.first_packet);
            }
        });
        assert_eq!((closed, table.closed_early()), (vec![PacketNo(2)], 1));
    }
}
