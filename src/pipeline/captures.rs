//! Captures become wire sessions.

use std::collections::BTreeSet;

use slotmap::SecondaryMap;

use crate::capture::{CaptureClock, LinkType, Merged, Reader, Record};
use crate::flow::{
    Connection, FlowEvent, FlowId, FlowTable, Limits, Neighbours, PassedOverTable, UdpEvent, UdpId,
    UdpTable,
};
use crate::input::Input;
use crate::link::{LinkDecoder, Passed, Upper, neighbourly, quote};
use crate::model::{
    CaptureSource, CaptureZone, DamageLog, IcmpError, Nanos, Neighbour, PacketNo, PassedOver,
    Proto, Span, Transport, WireSession,
};
use crate::protocol::dns::{DnsDialogue, is_server_port};
use crate::protocol::{Dialogue, Driver};

use super::owners::Owners;
use super::{PipelineError, Progress};

/// Packets between two looks at the progress bar.
const STRIDE: u64 = 4096;

/// What the captures gave.
#[derive(Debug, Default)]
pub(super) struct Wires {
    pub(super) sources: Vec<CaptureSource>,
    /// In the order of their first packets.
    pub(super) sessions: Vec<WireSession>,
    /// Addresses that nobody answered for.
    pub(super) neighbours: Vec<Neighbour>,
    /// Time of the first packet.
    pub(super) origin: Option<Nanos>,
    /// What was seen and not read.
    pub(super) passed_over: Vec<PassedOver>,
    pub(super) overruns: Vec<String>,
}

/// A capture that is ready to be read.
pub(super) struct Opened<'m> {
    pub(super) name: String,
    pub(super) damage: DamageLog,
    pub(super) reader: Box<dyn Reader + 'm>,
}

/// Opens the captures among `inputs`; those that are none go to `failures`.
pub(super) fn open<'m>(inputs: &'m [Input], failures: &mut Vec<PipelineError>) -> Vec<Opened<'m>> {
    let mut opened = Vec::new();
    for input in inputs {
        match crate::capture::open(&input.bytes) {
            Ok(reader) => opened.push(Opened {
                name: input.name.clone(),
                damage: input.damage.clone(),
                reader,
            }),
            Err(source) => failures.push(PipelineError::Capture {
                file: input.name.clone(),
                source,
            }),
        }
    }
    opened
}

/// Reads all captures as one, in the order of time.
pub(super) fn read(
    opened: Vec<Opened<'_>>,
    zone: Option<Span>,
    limits: Limits,
    progress: &mut Progress,
) -> Wires {
    let mut wires = Wires::default();
    let mut readers = Vec::new();
    let mut used = Vec::new();
    for capture in opened {
        used.push(((capture.name, capture.damage), Tally::default()));
        readers.push(capture.reader);
    }
    let mut merged = Merged::new(readers);
    let mut followed = Followed::new(limits, Owners::new(merged.processes()));
    let mut number = 0;
    while let Some((from, record)) = merged.advance() {
        number += 1;
        if number % STRIDE == 0 {
            progress.at(merged.consumed());
        }
        let bytes = merged.bytes();
        let passed = followed.packet(from, &record, PacketNo(number), bytes);
        if let Some((_, tally)) = used.get_mut(from) {
            tally.count(&record, bytes.len(), passed);
        }
    }
    progress.end(merged.consumed());
    for ((input, tally), report) in used.into_iter().zip(merged.reports()) {
        let clock = match (report.clock, zone) {
            (CaptureClock::Utc, _) => CaptureZone::Utc,
            (CaptureClock::Local, Some(east)) => CaptureZone::Given(east),
            (CaptureClock::Local, None) => CaptureZone::Unknown,
        };
        let mut source = tally.source(input.0, input.1);
        source.format = report.format.0;
        source.variant = report.variant;
        source.skipped = report.skipped;
        source.dropped = report.dropped;
        source.zone = clock;
        source.damage.absorb(report.damage);
        wires.sources.push(source);
    }
    wires.origin = wires.sources.iter().filter_map(|source| source.first).min();
    followed.finish(&mut wires);
    wires
}

/// Counts of one capture.
#[derive(Debug, Default)]
struct Tally {
    packets: u64,
    bytes: u64,
    first: Option<Nanos>,
    last: Option<Nanos>,
    truncated: u64,
    link_types: BTreeSet<LinkType>,
    passed: std::collections::BTreeMap<&'static str, u64>,
}

impl Tally {
    fn count(&mut self, record: &Record, captured: usize, passed: Option<Passed>) {
        let captured = u64::try_from(captured).unwrap_or(u64::MAX);
        self.packets += 1;
        self.bytes += captured;
        self.truncated += u64::from(captured < u64::from(record.length));
        self.first = Some(
            self.first
                .map_or(record.time, |first| first.min(record.time)),
        );
        self.last = self.last.max(Some(record.time));
        self.link_types.insert(record.link_type);
        if let Some(passed) = passed.filter(|passed| *passed != Passed::FragmentKept) {
            *self.passed.entry(passed.words()).or_insert(0) += 1;
        }
    }

    fn source(self, file: String, damage: DamageLog) -> CaptureSource {
        CaptureSource {
            file,
            format: "",
            variant: String::new(),
            link_types: self.link_types.iter().map(|link| link.name()).collect(),
            packets: self.packets,
            bytes: self.bytes,
            first: self.first,
            last: self.last,
            truncated: self.truncated,
            passed: self.passed,
            skipped: 0,
            dropped: 0,
            zone: CaptureZone::Utc,
            damage,
        }
    }
}

/// The connections of all captures and who reads them.
struct Followed {
    link: LinkDecoder,
    table: FlowTable,
    udp: UdpTable,
    readers: Readers,
    neighbours: Neighbours,
    passed_over: PassedOverTable,
    /// ICMP errors about nothing known.
    unquoted: u64,
}

/// One protocol driver for each open connection.
#[derive(Default)]
struct Readers {
    open: SecondaryMap<FlowId, Driver>,
    name_service: SecondaryMap<UdpId, DnsDialogue>,
    sessions: Vec<WireSession>,
    owners: Owners,
}

impl Followed {
    fn new(limits: Limits, owners: Owners) -> Self {
        Self {
            link: LinkDecoder::default(),
            table: FlowTable::new(limits),
            udp: UdpTable::default(),
            readers: Readers {
                owners,
                ..Readers::default()
            },
            neighbours: Neighbours::default(),
            passed_over: PassedOverTable::default(),
            unquoted: 0,
        }
    }

    /// Takes one packet; gives why it held no datagram, if it did not.
    fn packet(
        &mut self,
        from: usize,
        record: &Record,
        number: PacketNo,
        bytes: &[u8],
    ) -> Option<Passed> {
        let passed = self.datagram(from, record, number, bytes, 0);
        for n in 1..self.link.subframes() {
            self.datagram(from, record, number, bytes, n);
        }
        passed
    }

    /// Takes the datagram number `n` of a packet.
    fn datagram(
        &mut self,
        from: usize,
        record: &Record,
        number: PacketNo,
        bytes: &[u8],
        n: usize,
    ) -> Option<Passed> {
        let datagram = match self.link.decode_nth(record, bytes, n) {
            Ok(datagram) => datagram,
            Err(passed) => {
                if let Some(said) = neighbourly(record.link_type, bytes) {
                    self.neighbours.heard(record.time, number, said);
                }
                return Some(passed);
            }
        };
        self.passed_over
            .authenticated(record.time, number, &datagram);
        let readers = &mut self.readers;
        match &datagram.upper {
            Upper::Icmp(_) => {
                if let Some(quote) = quote(&datagram) {
                    let error = IcmpError {
                        at: record.time,
                        packet: number,
                        by: datagram.source,
                        reason: quote.reason,
                    };
                    if quote.transport == Transport::Tcp {
                        self.table.quoted(&quote, error, &mut |id, event| {
                            readers.take(id, event);
                        });
                    } else if !self.udp.quoted(&quote, error) {
                        self.unquoted += 1;
                    }
                } else {
                    self.passed_over.push(record.time, number, &datagram);
                }
                return None;
            }
            Upper::Udp(udp)
                if is_server_port(udp.source_port) || is_server_port(udp.destination_port) =>
            {
                let when = (record.time, number);
                self.udp
                    .push(when, &datagram, udp, is_server_port, &mut |id, event| {
                        readers.take_udp(id, event);
                    });
                // Only now: what came before may have closed an older conversation of the same ends.
                self.readers.owners.note(from, record, &datagram);
                return None;
            }
            Upper::Tcp(_) => {}
            Upper::Esp { .. } | Upper::Other { .. } | Upper::Udp(_) => {
                self.passed_over.push(record.time, number, &datagram);
                self.readers.owners.note(from, record, &datagram);
                return None;
            }
        }
        self.table
            .push(record.time, number, &datagram, &mut |id, event| {
                readers.take(id, event);
            });
        self.readers.owners.note(from, record, &datagram);
        None
    }

    fn finish(mut self, wires: &mut Wires) {
        let readers = &mut self.readers;
        self.table.finish(&mut |id, event| readers.take(id, event));
        self.udp
            .finish(&mut |id, event| readers.take_udp(id, event));
        let mut sessions = self.readers.sessions;
        sessions.sort_by_key(|session| session.first_packet);
        let overruns = self.table.overruns();
        let (passed_over, beyond) = self.passed_over.finish();
        let told = [
            (
                overruns.connections,
                "connections closed early, as too many were open at once",
            ),
            (
                overruns.half_open,
                "unanswered connection attempts given up early, as too many waited at once",
            ),
            (
                overruns.unlisted,
                "unanswered connection attempts that are not listed, as there are so many",
            ),
            (
                overruns.held,
                "times that segments out of order were passed on with a gap, as too many were held",
            ),
            (
                self.udp.closed_early(),
                "conversations over UDP closed early, as too many were open at once",
            ),
            (
                self.link.unfinished(),
                "fragmented datagrams never completed",
            ),
            (
                self.link.conflicting(),
                "fragments that overlap others with different bytes; the first copy was kept",
            ),
            (
                beyond.packets,
                "packets not read between further ends, which are not listed",
            ),
            (
                self.unquoted + self.table.unclaimed(),
                "ICMP errors about conversations that are not in the capture",
            ),
        ];
        let told = told
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, words)| format!("{count} {words}"))
            .collect();
        wires.sessions = sessions;
        wires.neighbours = self.neighbours.unanswered();
        wires.passed_over = passed_over;
        wires.overruns = told;
    }
}

impl Readers {
    /// Of UDP only name service is read.
    fn take_udp(&mut self, id: UdpId, event: UdpEvent<'_>) {
        match event {
            UdpEvent::Datagram {
                side,
                at,
                packet,
                bytes,
            } => {
                if !self.name_service.contains_key(id) {
                    self.name_service.insert(id, DnsDialogue::default());
                }
                if let Some(dialogue) = self.name_service.get_mut(id) {
                    dialogue.datagram(side, at, packet, bytes);
                }
            }
            UdpEvent::Closed(connection) => {
                let dialogue = self.name_service.remove(id).filter(DnsDialogue::is_any);
                let process = self.owners.of(&connection.conversation);
                self.sessions.extend(dialogue.map(|dialogue| WireSession {
                    process,
                    ..look_ups(*connection, dialogue)
                }));
            }
        }
    }

    fn take(&mut self, id: FlowId, event: FlowEvent<'_>) {
        match event {
            FlowEvent::Opened(conversation) => {
                self.open.insert(id, Driver::new(conversation.server.port));
            }
            FlowEvent::Stream(event) => {
                if let Some(driver) = self.open.get_mut(id) {
                    driver.event(event);
                }
            }
            FlowEvent::Closed(connection) => {
                if let Some(driver) = self.open.remove(id) {
                    let (proto, dialogue) = driver.finish();
                    self.sessions.push(WireSession {
                        process: self.owners.of(&connection.conversation),
                        ..session(*connection, proto, dialogue)
                    });
                }
            }
        }
    }
}

/// A conversation with a name server.
fn look_ups(connection: Connection, dns: DnsDialogue) -> WireSession {
    let notes = dns.notes();
    WireSession {
        lookups: dns.lookups,
        ..session(
            connection,
            Proto("dns"),
            Dialogue {
                exchanges: dns.exchanges,
                notes,
                ..Dialogue::default()
            },
        )
    }
}

fn session(connection: Connection, proto: Proto, dialogue: Dialogue) -> WireSession {
    WireSession {
        conversation: connection.conversation,
        proto,
        encryption: dialogue.encryption,
        start: connection.start,
        end: connection.end,
        first_packet: connection.first_packet,
        conn_state: connection.conn_state,
        history: connection.history,
        counts: connection.counts,
        handshake: connection.handshake,
        passage: connection.passage,
        tls: dialogue.tls,
        exchanges: dialogue.exchanges,
        bursts: dialogue.bursts,
        names: dialogue.names,
        icmp_errors: connection.icmp_errors,
        overlaps: connection.overlaps,
        process: None,
        lookups: Vec::new(),
        notes: dialogue.notes,
    }
}
