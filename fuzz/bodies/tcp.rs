//! Segments whose octets tell where in the stream they stand.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use bothends::flow::{FlowEvent, FlowId, FlowTable, Limits, StreamEvent};
use bothends::link::{Checksum, Datagram, Flags, Segment, SeqNo, TcpOptions, Upper};
use bothends::model::{Nanos, PacketNo, Side};

/// Octets of one stream: what stands at a place does not stand at others near it.
fn octet(place: u32, salt: u32) -> u8 {
    let mixed = (place ^ salt).wrapping_mul(0x9e37_79b1);
    (mixed ^ mixed >> 15)
        .wrapping_mul(0x85eb_ca6b)
        .to_be_bytes()[0]
}

/// Eight bytes of first sequence numbers, then segments of up to four connections, eight bytes each. Whatever the order, the loss
/// and the flags: the octets of a stream are those that a segment had at just that place.
pub(crate) fn tcp(data: &[u8]) {
    let Some((&client, rest)) = data.split_first_chunk() else {
        return;
    };
    let Some((&server, mut rest)) = rest.split_first_chunk() else {
        return;
    };
    let mut wire = Wire {
        next: [u32::from_le_bytes(client), u32::from_le_bytes(server)],
        sent: Vec::new(),
    };
    let mut table = FlowTable::new(Limits {
        held_per_direction: 4000,
        held_in_all: 6000,
        connections: 2,
        half_open: 2,
        unanswered: 20,
    });
    let mut streams = Streams::default();
    let mut at = 0;
    while let (Some((said, more)), true) = (rest.split_first_chunk::<8>(), wire.sent.len() < 1000) {
        rest = more;
        let [.., step] = *said;
        at += i64::from(step >> 4) * 400_000_000;
        wire.send(*said);
        let Some(sent) = wire.sent.last() else { return };
        let packet = PacketNo(wire.sent.len() as u64);
        table.push(Nanos(at), packet, &sent.datagram(), &mut |id, event| {
            streams.take(id, &event, &wire.sent);
        });
    }
    table.finish(&mut |id, event| streams.take(id, &event, &wire.sent));
    assert_eq!(table.open(), 0);
    assert!(streams.open.is_empty());
}

/// What was sent, and where the senders are.
struct Wire {
    /// Sequence numbers that come next from client and server.
    next: [u32; 2],
    sent: Vec<Sent>,
}

/// A segment that was sent.
struct Sent {
    source: (IpAddr, u16),
    destination: (IpAddr, u16),
    seq: u32,
    ack: u32,
    flags: u8,
    window: u16,
    /// What was captured of its octets.
    payload: Vec<u8>,
    /// Octets that it had.
    length: u32,
}

impl Wire {
    fn send(&mut self, [flags, how, s0, s1, a0, a1, length, step]: [u8; 8]) {
        let client = (
            IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
            40_000 + u16::from(how >> 5 & 3),
        );
        let server = (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 25);
        let [of_client, of_server] = &mut self.next;
        let (source, destination, mine, theirs) = if how & 1 == 0 {
            (client, server, of_client, of_server)
        } else {
            (server, client, of_server, of_client)
        };
        // Where the sender is, or somewhere near it.
        let off = |low, high| u32::from(u16::from_le_bytes([low, high])).wrapping_sub(1 << 15);
        let in_turn = how & 4 == 0;
        let seq = mine.wrapping_add(if in_turn { 0 } else { off(s0, s1) });
        let ack = theirs.wrapping_add(if how & 8 == 0 { 0 } else { off(a0, a1) });
        let first = seq.wrapping_add(u32::from(flags >> 1 & 1));
        let length = u32::from(length) * 5;
        let captured = if how & 16 == 0 { length } else { length / 2 };
        let salt = u32::from(how & 3) << 30;
        if in_turn {
            let fin = u32::from(flags & 1);
            *mine = first.wrapping_add(length).wrapping_add(fin);
        }
        self.sent.push(Sent {
            source,
            destination,
            seq,
            ack,
            flags,
            window: u16::from(step & 15) * 500,
            payload: (0..captured)
                .map(|n| octet(first.wrapping_add(n), salt))
                .collect(),
            length,
        });
    }
}

impl Sent {
    /// Sequence number of its first octet.
    fn first(&self) -> u32 {
        self.seq.wrapping_add(u32::from(self.flags >> 1 & 1))
    }

    fn datagram(&self) -> Datagram<'_> {
        Datagram {
            source: self.source.0,
            destination: self.destination.0,
            ttl: 64,
            station: None,
            id: None,
            authenticated: None,
            upper: Upper::Tcp(Segment {
                source_port: self.source.1,
                destination_port: self.destination.1,
                seq: SeqNo(self.seq),
                ack: SeqNo(self.ack),
                flags: Flags(self.flags),
                window: self.window,
                urgent: 0,
                options: TcpOptions::default(),
                payload: &self.payload,
                length: self.length,
                checksum: Checksum::Good,
            }),
        }
    }
}

/// Where the streams of open connections are.
#[derive(Default)]
struct Streams {
    open: BTreeMap<FlowId, Halves>,
}

struct Halves {
    client: (IpAddr, u16),
    /// Sequence number of what comes next from client and server, where that is known.
    next: [Option<u32>; 2],
}

impl Streams {
    fn take(&mut self, id: FlowId, event: &FlowEvent<'_>, sent: &[Sent]) {
        match event {
            FlowEvent::Opened(conversation) => {
                let client = (conversation.client.ip, conversation.client.port);
                let halves = Halves {
                    client,
                    next: [None; 2],
                };
                assert!(self.open.insert(id, halves).is_none());
            }
            FlowEvent::Closed(_) => assert!(self.open.remove(&id).is_some()),
            FlowEvent::Stream(event) => match self.open.get_mut(&id) {
                Some(halves) => halves.take(event, sent),
                None => panic!("an event of a connection that is not open"),
            },
        }
    }
}

impl Halves {
    fn take(&mut self, event: &StreamEvent<'_>, sent: &[Sent]) {
        let [of_client, of_server] = &mut self.next;
        let next = match event.side() {
            Side::Client => of_client,
            Side::Server => of_server,
        };
        match *event {
            StreamEvent::Gap { missing, .. } => {
                assert!(missing > 0);
                *next = next.map(|next| after(next, missing));
            }
            StreamEvent::Data {
                side,
                packet,
                bytes,
                ..
            } => {
                let Some(of) = usize::try_from(packet.0 - 1).ok().and_then(|n| sent.get(n)) else {
                    panic!("{packet:?} was not sent");
                };
                assert_eq!(of.source == self.client, side == Side::Client);
                let place = match *next {
                    Some(next) => Some(next.wrapping_sub(of.first()) as usize),
                    None => of
                        .payload
                        .windows(bytes.len())
                        .position(|some| some == bytes),
                };
                let Some(place) = place else {
                    panic!("{packet:?} had other octets");
                };
                assert_eq!(of.payload.get(place..place + bytes.len()), Some(bytes));
                // A few octets may stand in two places.
                if next.is_some() || bytes.len() > 8 {
                    *next = Some(after(of.first(), (place + bytes.len()) as u64));
                }
            }
            // It takes up one number.
            StreamEvent::Fin { .. } => *next = next.map(|next| next.wrapping_add(1)),
            StreamEvent::Rst { .. } => {}
        }
    }
}

/// The number that is `octets` after another: numbers wrap.
fn after(number: u32, octets: u64) -> u32 {
    let octets = octets % (1 << 32);
    number.wrapping_add(u32::try_from(octets).unwrap_or(0))
}
