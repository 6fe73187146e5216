//! Captures become wire sessions.

use std::collections::BTreeMap;

use crate::capture::{Merged, Reader};
use crate::flow::{BadChecksums, FlowTable, GoingOn, Neighbours, PassedOverTable, UdpTable};
use crate::input::{Front, Window};
use crate::link::{Checksum, LinkDecoder, Passed, UdpDatagram, Upper, neighbourly, quote};
use crate::model::{
    CaptureSource, DamageLog, IcmpError, Nanos, Neighbour, PacketNo, PassedOver, Transport,
    Unlisted, WireSession,
};
use crate::protocol::dns::{self, is_from_server, is_question, is_server_port};
use crate::protocol::tls::Secrets;

use super::bodies::BodyFiles;
use super::keys::Keys;
use super::output::Output;
use super::owners::Owners;
use super::packets::{Packets, Used};
use super::passing::{Leaving, Passing};
use super::points::{Point, Points};
use super::readers::Readers;
use super::{Interfaces, Options, PipelineError, Progress};

/// What the captures gave.
#[derive(Debug, Default)]
pub(super) struct Wires {
    pub(super) sources: Vec<CaptureSource>,
    /// In the order of their first packets.
    pub(super) sessions: Vec<WireSession>,
    /// Attempts to connect that nobody answered and that are not listed.
    pub(super) unlisted: Vec<Unlisted>,
    /// Addresses that nobody answered for.
    pub(super) neighbours: Vec<Neighbour>,
    /// Time of the first packet.
    pub(super) origin: Option<Nanos>,
    /// What was seen and not read.
    pub(super) passed_over: Vec<PassedOver>,
    pub(super) overruns: Vec<String>,
    /// What went wrong with writing the packets.
    pub(super) failure: Option<PipelineError>,
    /// What went wrong with writing bodies.
    pub(super) unwritten: Option<PipelineError>,
}

/// A capture that is ready to be read.
pub(super) struct Opened<'m> {
    pub(super) name: String,
    pub(super) damage: DamageLog,
    pub(super) reader: Box<dyn Reader + 'm>,
}

/// Opens the captures among `inputs`; those that are none go to `failures`.
pub(super) fn open<'m>(
    inputs: &'m mut [Front],
    failures: &mut Vec<PipelineError>,
) -> Vec<Opened<'m>> {
    let mut opened = Vec::new();
    for input in inputs {
        let (name, damage, window) = match input {
            Front::Whole(input) => (&input.name, input.damage.clone(), Window::of(&input.bytes)),
            Front::Passing(input) => {
                let window = std::mem::replace(&mut input.window, Window::of(&[]));
                (&input.name, DamageLog::default(), window)
            }
        };
        let name = name.clone();
        match crate::capture::open_window(window) {
            Ok(reader) => opened.push(Opened {
                name,
                damage,
                reader,
            }),
            Err(source) => failures.push(PipelineError::Capture { file: name, source }),
        }
    }
    opened
}

/// Reads all captures as one.
pub(super) fn read(
    (mut packets, mut followed): Begun<'_>,
    options: &Options,
    keys: &mut Keys,
    progress: &mut Progress,
) -> Wires {
    while let Some(used) = packets.next(progress) {
        keys.catch_up(packets.merged(), used.from, packets.name(used.from));
        let passed = followed.packet(used, packets.bytes());
        if let Some(passed) = passed {
            packets.passed(used.from, passed);
        }
        packets.sessions(followed.table.open(), followed.readers.sessions.len());
    }
    followed.close();
    finish(packets, followed, options, progress)
}

/// Reads all captures as one, until it `is_stopped`, and does `beside` meanwhile, which takes the sessions as they are over.
///
/// # Errors
/// When the filter is not understood, or bodies cannot be written.
pub(super) fn read_beside<R: Send>(
    opened: Vec<Opened<'_>>,
    output: Option<Output>,
    options: &Options,
    keys: &mut Keys,
    progress: &mut Progress,
    is_stopped: impl Fn() -> bool,
    beside: impl FnOnce(&Passing) -> R + Send,
) -> Result<(Wires, R), PipelineError> {
    let (mut packets, followed) = begin(opened, output, options, keys)?;
    let passing = Passing::new(followed);
    let done = std::thread::scope(|scope| {
        let beside = scope.spawn(|| {
            let _left = Leaving(&passing);
            beside(&passing)
        });
        while let Some(used) = packets.next(progress) {
            keys.catch_up(packets.merged(), used.from, packets.name(used.from));
            let Some(mut followed) = passing.with_room().filter(|_| !is_stopped()) else {
                break;
            };
            let passed = followed.packet(used, packets.bytes());
            followed.heard = Some((used.number, used.record.time));
            followed.begun.get_or_insert(used.record.time);
            if let Some(passed) = passed {
                packets.passed(used.from, passed);
            }
            let over = followed.taken + followed.readers.sessions.len();
            packets.sessions(followed.table.open(), over);
        }
        passing.end();
        match beside.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
    let wires = finish(packets, passing.into_followed(), options, progress);
    Ok((wires, done))
}

/// The packets of captures that are ready to be read, and what is followed of them, nothing yet.
pub(super) type Begun<'m> = (Packets<'m>, Followed);

/// Makes everything ready to read the captures.
///
/// # Errors
/// When the filter is not understood, or bodies cannot be written.
pub(super) fn begin<'m>(
    opened: Vec<Opened<'m>>,
    output: Option<Output>,
    options: &Options,
    keys: &Keys,
) -> Result<Begun<'m>, PipelineError> {
    let mut names = Vec::new();
    let mut readers = Vec::new();
    for capture in opened {
        names.push((capture.name, capture.damage));
        readers.push(capture.reader);
    }
    let merged = Merged::new(readers, options.packets.turn);
    let packets = Packets::new(
        merged,
        names,
        &options.packets,
        output,
        options.meter.clone(),
    )?;
    let owners = Owners::new(packets.merged().processes());
    let bodies = options.bodies.as_ref().map(BodyFiles::create).transpose()?;
    let followed = Followed::new(options, owners, &keys.secrets, bodies);
    Ok((packets, followed))
}

/// What all of it gave, once it is over.
fn finish(
    packets: Packets<'_>,
    followed: Followed,
    options: &Options,
    progress: &mut Progress,
) -> Wires {
    let spent = packets.finish(options.capture_zone, progress);
    let origin = spent.sources.iter().filter_map(|source| source.first).min();
    let mut wires = Wires {
        sources: spent.sources,
        origin,
        failure: spent.failure,
        ..Wires::default()
    };
    followed.finish(&mut wires);
    wires.overruns.extend(spent.overruns);
    wires
}

/// The connections of all captures and who reads them.
pub(super) struct Followed {
    link: LinkDecoder,
    table: FlowTable,
    udp: UdpTable,
    readers: Readers,
    /// Where each direction is followed, if not on all interfaces.
    points: Option<Points>,
    /// Packets of each capture that are of directions followed elsewhere.
    elsewhere: BTreeMap<usize, u64>,
    neighbours: Neighbours,
    passed_over: PassedOverTable,
    checksums: BadChecksums,
    /// ICMP errors with a wrong checksum.
    bad_icmp: u64,
    /// ICMP errors about nothing known.
    unquoted: u64,
    /// Time of the first packet, and number and time of the last, where somebody asks.
    pub(super) begun: Option<Nanos>,
    pub(super) heard: Option<(PacketNo, Nanos)>,
    /// Sessions that were taken before the end.
    taken: usize,
}

impl Followed {
    fn new(
        options: &Options,
        owners: Owners,
        secrets: &Secrets,
        bodies: Option<BodyFiles>,
    ) -> Self {
        Self {
            link: LinkDecoder::default(),
            table: FlowTable::new(options.limits).with_bad_checksums(options.bad_checksums),
            udp: UdpTable::default().with_bad_checksums(options.bad_checksums),
            checksums: options.bad_checksums,
            bad_icmp: 0,
            readers: Readers {
                owners,
                secrets: secrets.clone(),
                bodies,
                ..Readers::default()
            },
            points: (options.packets.interfaces == Interfaces::Alike).then(Points::default),
            elsewhere: BTreeMap::new(),
            neighbours: Neighbours::default(),
            passed_over: PassedOverTable::default(),
            unquoted: 0,
            begun: None,
            heard: None,
            taken: 0,
        }
    }

    /// Takes one packet; gives why it held no datagram, if it did not.
    fn packet(&mut self, used: Used, bytes: &[u8]) -> Option<Passed> {
        let passed = self.datagram(used, bytes, 0);
        for n in 1..self.link.subframes() {
            self.datagram(used, bytes, n);
        }
        passed
    }

    /// Takes the datagram number `n` of a packet.
    fn datagram(&mut self, used: Used, bytes: &[u8], n: usize) -> Option<Passed> {
        let Used {
            from,
            record,
            number,
        } = used;
        let record = &record;
        let datagram = match self.link.decode_nth(record, bytes, n) {
            Ok(datagram) => datagram,
            Err(passed) => {
                if let Some(said) = neighbourly(record.link_type, bytes) {
                    self.neighbours.heard(record.time, number, said);
                }
                return Some(passed);
            }
        };
        if let Some(points) = &mut self.points
            && points.is_elsewhere(Point::of(from, record, bytes), record.time, &datagram)
        {
            *self.elsewhere.entry(from).or_insert(0) += 1;
            return None;
        }
        self.passed_over
            .authenticated(record.time, number, &datagram);
        let readers = &mut self.readers;
        match &datagram.upper {
            Upper::Icmp(message) => {
                if let Some(quote) = quote(&datagram) {
                    if message.checksum == Checksum::Bad {
                        self.bad_icmp += 1;
                        if self.checksums == BadChecksums::Drop {
                            return None;
                        }
                    }
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
                if is_server_port(udp.source_port)
                    || is_server_port(udp.destination_port)
                    || self.udp.follows(&datagram, udp, record.time)
                    || is_question(udp.payload) =>
            {
                let when = (record.time, number);
                let from_server = |udp: &UdpDatagram<'_>| {
                    is_from_server((udp.source_port, udp.destination_port), udp.payload)
                };
                self.udp
                    .push(when, &datagram, udp, from_server, &mut |id, event| {
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

    /// Sessions that are over and not taken.
    pub(super) fn waiting(&self) -> usize {
        self.readers.sessions.len()
    }

    /// Takes the sessions that are over.
    pub(super) fn take(&mut self) -> Vec<WireSession> {
        let sessions = std::mem::take(&mut self.readers.sessions);
        self.taken += sessions.len();
        sessions
    }

    /// The connections that are not.
    pub(super) fn going_on(&self) -> Vec<GoingOn> {
        self.table.going_on().collect()
    }

    /// Gives the bodies of a session their names, now that it has its number.
    pub(super) fn name_bodies(&mut self, session: &mut WireSession, number: usize) {
        if let Some(bodies) = &mut self.readers.bodies {
            bodies.name(session, number);
        }
    }

    /// The packets are over: so are all connections.
    pub(super) fn close(&mut self) {
        let readers = &mut self.readers;
        self.table.finish(&mut |id, event| readers.take(id, event));
        self.udp
            .finish(&mut |id, event| readers.take_udp(id, event));
    }

    /// It is `now`, and no packet says so.
    pub(super) fn pass_time(&mut self, now: Nanos) {
        let readers = &mut self.readers;
        self.table
            .pass_time(now, &mut |id, event| readers.take(id, event));
        self.udp
            .pass_time(now, &mut |id, event| readers.take_udp(id, event));
    }

    fn finish(self, wires: &mut Wires) {
        let mut sessions = self.readers.sessions;
        // They are large: each is moved once.
        sessions.sort_by_cached_key(|session| session.first_packet);
        dns::tie(&mut sessions);
        for (at, packets) in self.elsewhere {
            if let Some(source) = wires.sources.get_mut(at) {
                source.elsewhere = packets;
            }
        }
        let overruns = self.table.overruns();
        let (passed_over, beyond) = self.passed_over.finish();
        let told = [
            (
                overruns.connections,
                "connections closed early, as too many were open at once",
            ),
            (
                overruns.half_open,
                "connection attempts never completed and given up early, as too many waited at once",
            ),
            (
                overruns.unlisted,
                "connection attempts never completed that are not listed, as there are so many",
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
            (self.bad_icmp, "ICMP errors with a wrong checksum"),
            (
                self.points.as_ref().map_or(0, Points::forgotten),
                "directions of which it was forgotten on which interface they are followed, as there were too many at once",
            ),
            (
                self.neighbours.dropped(),
                "addresses heard of by ARP and not remembered, as there were too many",
            ),
        ];
        let mut told: Vec<String> = told
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, words)| format!("{count} {words}"))
            .collect();
        if let Some(bodies) = self.readers.bodies {
            let (bounds, failure) = bodies.finish(&mut sessions);
            told.extend(bounds);
            wires.unwritten = failure;
        }
        wires.sessions = sessions;
        wires.unlisted = self.table.unlisted();
        wires.neighbours = self.neighbours.unanswered();
        wires.passed_over = passed_over;
        wires.overruns = told;
    }
}
