//! Segments of one connection, in any disorder.

use std::net::{IpAddr, Ipv4Addr};

use bothends::flow::{FlowEvent, FlowTable, Limits, StreamEvent};
use bothends::link::{Checksum, Datagram, Flags, Segment, SeqNo, TcpOptions, Upper};
use bothends::model::{Nanos, PacketNo};

/// Segments of one connection, eight bytes of header each: the streams never hold more than was sent.
pub(crate) fn flow(data: &[u8]) {
    let limits = Limits {
        held_per_direction: 512,
        held_in_all: 700,
        connections: 2,
        half_open: 2,
        unanswered: 20,
    };
    let mut table = FlowTable::new(limits);
    let (mut sent, mut passed) = (0usize, 0usize);
    let mut rest = data;
    let mut number = 0;
    while let Some((&[flags, side, s0, s1, a0, a1, length, step], more)) = rest.split_first_chunk()
    {
        let (payload, more) = more.split_at(usize::from(length).min(more.len()));
        rest = more;
        number += 1;
        sent += payload.len();
        let client = (
            IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
            40_000 + u16::from(side >> 4),
        );
        let server = (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 25);
        let (from, to) = if side & 1 == 0 {
            (client, server)
        } else {
            (server, client)
        };
        let datagram = Datagram {
            source: from.0,
            destination: to.0,
            ttl: 64,
            station: None,
            id: None,
            authenticated: None,
            upper: Upper::Tcp(Segment {
                source_port: from.1,
                destination_port: to.1,
                seq: SeqNo(u32::MAX - 300).plus(u32::from(u16::from_le_bytes([s0, s1]))),
                ack: SeqNo(u32::MAX - 300).plus(u32::from(u16::from_le_bytes([a0, a1]))),
                flags: Flags(flags),
                window: 100,
                urgent: 0,
                options: TcpOptions::default(),
                payload,
                length: u32::from(length) + u32::from(side >> 1 & 1),
                checksum: Checksum::Good,
            }),
        };
        let at = Nanos(i64::from(step) * 50_000_000 * number);
        let packet = PacketNo(number.unsigned_abs());
        table.push(at, packet, &datagram, &mut |_, event| {
            passed += octets(&event);
        });
    }
    table.finish(&mut |_, event| {
        passed += octets(&event);
    });
    assert!(passed <= sent, "{passed} octets came of {sent}");
    assert_eq!(table.open(), 0);
}

fn octets(event: &FlowEvent<'_>) -> usize {
    match event {
        FlowEvent::Stream(StreamEvent::Data { bytes, .. }) => bytes.len(),
        _ => 0,
    }
}
