//! Link and flow allocate nothing for a packet once a connection is under way.

use bothends::capture::{LinkType, Record};
use bothends::flow::{FlowTable, Limits};
use bothends::link::LinkDecoder;
use bothends::model::{Nanos, PacketNo};
use etherparse::PacketBuilder;

/// Segments of one connection: its handshake, then data that is acknowledged in turn.
fn packets(turns: u32) -> Vec<Vec<u8>> {
    let (client, server) = ([192, 0, 2, 10], [198, 51, 100, 25]);
    let up = |seq| {
        PacketBuilder::ethernet2([1; 6], [2; 6])
            .ipv4(client, server, 64)
            .tcp(40_000, 25, seq, 512)
    };
    let down = |seq| {
        PacketBuilder::ethernet2([2; 6], [1; 6])
            .ipv4(server, client, 64)
            .tcp(25, 40_000, seq, 512)
    };
    let written = |builder: etherparse::PacketBuilderStep<etherparse::TcpHeader>, data: &[u8]| {
        let mut packet = Vec::new();
        builder.write(&mut packet, data).unwrap();
        packet
    };
    let mut packets = vec![
        written(up(99).syn(), b""),
        written(down(499).syn().ack(100), b""),
        written(up(100).ack(500), b""),
    ];
    for turn in 0..turns {
        packets.push(written(up(100 + turn * 6).ack(500 + turn * 8), b"NOOP\r\n"));
        packets.push(written(
            down(500 + turn * 8).ack(106 + turn * 6),
            b"250 Ok\r\n",
        ));
    }
    packets
}

#[test]
fn a_packet_of_a_connection_under_way_costs_no_allocation() {
    const WARM: usize = 100;
    let packets = packets(2_000);
    let mut link = LinkDecoder::default();
    let mut table = FlowTable::new(Limits::default());
    let mut events = 0;
    let mut pass = |from: usize, packets: &[Vec<u8>]| {
        for (n, packet) in (from..).zip(packets) {
            let record = Record {
                time: Nanos(i64::try_from(n).unwrap() * 1_000_000),
                link_type: LinkType::ETHERNET,
                length: u32::try_from(packet.len()).unwrap(),
                interface: 0,
                at: 0,
                process: None,
            };
            let datagram = link.decode(&record, packet).unwrap();
            let number = PacketNo(u64::try_from(n).unwrap() + 1);
            table.push(record.time, number, &datagram, &mut |_, _| events += 1);
        }
    };
    let (first, rest) = packets.split_at(WARM);
    pass(0, first);
    let counted = allocation_counter::measure(|| pass(WARM, rest));
    assert_eq!(
        counted.count_total,
        0,
        "allocations for {} packets",
        rest.len()
    );
    assert!(events > rest.len(), "and they were read");
}
