//! Captures of a TCP connection, made in a test.

use std::fs;
use std::path::Path;

use bothends::model::Side;
use etherparse::PacketBuilder;

/// The server's port.
pub(crate) const SERVER: u16 = 25;
const CLIENT: u16 = 40_000;
const ADDRESSES: [[u8; 4]; 2] = [[192, 0, 2, 10], [198, 51, 100, 25]];

/// What became of a segment on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It arrives as it was sent.
    Sound,
    /// Its checksum is wrong.
    Damaged,
}

/// A segment: who sends it, its flags (`S`, `A`, `F`, `R`), sequence and acknowledgement numbers, data, what becomes of it.
pub(crate) type Sent<'d> = (Side, &'static str, u32, u32, &'d [u8], Way);

/// The packet of a segment: IPv4 with checksums.
fn packet((side, flags, seq, ack, data, way): &Sent<'_>) -> Vec<u8> {
    let [client, server] = ADDRESSES;
    let (from, to, ports) = match side {
        Side::Client => (client, server, (CLIENT, SERVER)),
        Side::Server => (server, client, (SERVER, CLIENT)),
    };
    let mut tcp = PacketBuilder::ipv4(from, to, 64).tcp(ports.0, ports.1, *seq, 512);
    for flag in flags.chars() {
        tcp = match flag {
            'S' => tcp.syn(),
            'A' => tcp.ack(*ack),
            'F' => tcp.fin(),
            'R' => tcp.rst(),
            other => panic!("no flag {other}"),
        };
    }
    let mut packet = Vec::new();
    tcp.write(&mut packet, data).unwrap();
    if *way == Way::Damaged {
        packet[36] ^= 0x55;
    }
    packet
}

/// Microseconds between two segments.
const APART: u32 = 150_000;

/// A libpcap file of raw IP, from the second 1,795,491,000 on.
pub(crate) fn capture(sent: &[Sent<'_>]) -> Vec<u8> {
    let words = |words: [u32; 4]| words.map(u32::to_le_bytes).concat();
    let mut file = words([0xa1b2_c3d4, 0x0004_0002, 0, 0]);
    file.extend([262_144u32, 101].map(u32::to_le_bytes).concat());
    for (n, segment) in (0u32..).zip(sent) {
        let packet = packet(segment);
        let length = u32::try_from(packet.len()).unwrap();
        let (second, micro) = (n * APART / 1_000_000, n * APART % 1_000_000);
        file.extend(words([1_795_491_000 + second, micro, length, length]));
        file.extend(packet);
    }
    file
}

/// The same, written to `folder`; gives its path.
pub(crate) fn written(folder: &Path, sent: &[Sent<'_>]) -> String {
    let path = folder.join("made.pcap");
    fs::write(&path, capture(sent)).unwrap();
    path.to_str().unwrap().to_owned()
}
