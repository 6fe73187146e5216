use proptest::prelude::*;

use super::*;
use crate::capture::packet::assert_alike;

/// A file of three packets: `one`, `twos` (cut from 9 bytes on the wire) and an empty one.
fn file(endian: Endianness, unit: Unit) -> Vec<u8> {
    let magic: u32 = if unit == Unit::Micro {
        0xa1b2_c3d4
    } else {
        0xa1b2_3c4d
    };
    let n32 = |n: u32| {
        if endian == Endianness::Big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    };
    let n16 = |n: u16| {
        if endian == Endianness::Big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    };
    let mut bytes = Vec::new();
    bytes.extend(n32(magic));
    bytes.extend(n16(2));
    bytes.extend(n16(4));
    bytes.extend([n32(0), n32(0), n32(65_535), n32(0x5000_0001)].concat());
    for (second, data, wire) in [(10u32, &b"one"[..], 3), (11, b"twos", 9), (12, b"", 0)] {
        let length = u32::try_from(data.len()).unwrap();
        bytes.extend([n32(second), n32(250), n32(length), n32(wire)].concat());
        bytes.extend(data);
    }
    bytes
}

fn read(bytes: &[u8]) -> (Vec<(Record, Vec<u8>)>, DamageLog) {
    let Ok(mut pcap) = Pcap::open(Window::of(bytes)) else {
        return (Vec::new(), DamageLog::default());
    };
    let mut packets = Vec::new();
    while let Some(record) = pcap.advance() {
        packets.push((record, pcap.bytes().to_vec()));
    }
    (packets, pcap.report().damage)
}

#[test]
fn every_byte_order_and_unit_gives_the_same_packets() {
    for endian in [Endianness::Big, Endianness::Little] {
        for (unit, nanos) in [(Unit::Micro, 250_000), (Unit::Nano, 250)] {
            let (packets, damage) = read(&file(endian, unit));
            assert!(damage.is_empty());
            let times: Vec<_> = packets.iter().map(|(record, _)| record.time).collect();
            assert_eq!(times, [10, 11, 12].map(|second| Nanos::new(second, nanos)));
            let bytes: Vec<_> = packets.iter().map(|(_, bytes)| bytes.as_slice()).collect();
            assert_eq!(bytes, [&b"one"[..], b"twos", b""]);
            assert_eq!(packets[1].0.length, 9);
            assert_eq!(
                packets[0].0.link_type,
                LinkType::ETHERNET,
                "the FCS bits are not part of it"
            );
        }
    }
}

#[test]
fn a_cut_file_gives_what_it_holds_and_says_where_it_ends() {
    let whole = file(Endianness::Little, Unit::Micro);
    let (packets, damage) = read(&whole[..24 + 19 + 18]);
    assert_eq!(packets.len(), 1);
    assert_eq!(
        damage.to_string(),
        "at byte 43: the file ends 2 bytes into a packet of 4"
    );
}

#[test]
fn a_record_of_two_gigabytes_is_not_believed() {
    let mut bytes = file(Endianness::Little, Unit::Micro);
    bytes[24 + 8..24 + 12].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
    let (packets, damage) = read(&bytes);
    assert!(packets.is_empty());
    assert_eq!(damage.count(), 1);
}

#[test]
fn behind_garbage_reading_goes_on() {
    let mut bytes = file(Endianness::Little, Unit::Micro);
    let record = |second: u32| {
        let fields = [second, 7, 4, 4].map(u32::to_le_bytes);
        [fields.as_flattened(), b"more"].concat()
    };
    let garbage = [0xfe; 37];
    bytes.truncate(24 + 19 + 20);
    bytes.extend(garbage);
    bytes.extend([record(12), record(13)].concat());
    let (packets, damage) = read(&bytes);
    let texts: Vec<_> = packets.iter().map(|(_, bytes)| bytes.as_slice()).collect();
    assert_eq!(texts, [&b"one"[..], b"twos", b"more", b"more"]);
    assert_eq!(damage.count(), 1);
    assert!(damage.to_string().contains("37 bytes are passed over"));
}

#[test]
fn modified_record_headers_are_longer() {
    let mut bytes = file(Endianness::Big, Unit::Micro)[..24].to_vec();
    bytes[..4].copy_from_slice(&[0xa1, 0xb2, 0xcd, 0x34]);
    for _ in 0..2 {
        bytes.extend(
            [1u32, 2, 3, 3, 0xffff_ffff, 0]
                .map(u32::to_be_bytes)
                .concat(),
        );
        bytes.extend(b"abc");
    }
    let (packets, damage) = read(&bytes);
    assert!(damage.is_empty(), "{damage}");
    assert_eq!((packets.len(), &packets[1].1[..]), (2, &b"abc"[..]));
}

#[test]
fn impossible_fractions_and_lengths_are_kept_and_noted() {
    let mut bytes = file(Endianness::Little, Unit::Micro);
    bytes[28..32].copy_from_slice(&2_000_000u32.to_le_bytes());
    bytes[36..40].copy_from_slice(&1u32.to_le_bytes());
    let (packets, damage) = read(&bytes);
    assert_eq!(packets.len(), 3);
    assert_eq!(
        (packets[0].0.time, packets[0].0.length),
        (Nanos::new(12, 0), 3)
    );
    assert_eq!(damage.count(), 2);
}

#[test]
fn foreign_and_short_files_are_refused() {
    assert_eq!(Pcap::open(Window::of(b"")).unwrap_err(), PcapError::Foreign);
    assert_eq!(
        Pcap::open(Window::of(b"Nov 24 03:29:06 mail postfix")).unwrap_err(),
        PcapError::Foreign
    );
    assert_eq!(
        Pcap::open(Window::of(&file(Endianness::Big, Unit::Nano)[..20])).unwrap_err(),
        PcapError::Cut(20)
    );
}

proptest! {
    #[test]
    fn a_stream_gives_what_the_file_gives(cut in 0usize..90, at in 4usize..79, byte: u8) {
        let mut bytes = file(Endianness::Little, Unit::Micro);
        bytes[at] = byte;
        bytes.truncate(cut);
        let stream = Window::passing(Box::new(std::io::Cursor::new(bytes.clone())), None);
        match (Pcap::open(stream), Pcap::open(Window::of(&bytes))) {
            (Ok(mut stream), Ok(mut file)) => assert_alike(&mut stream, &mut file),
            (one, other) => prop_assert_eq!(one.is_err(), other.is_err()),
        }
    }

    #[test]
    fn any_cut_leaves_the_packets_before_it(cut in 0usize..90) {
        let whole = file(Endianness::Big, Unit::Nano);
        let (all, _) = read(&whole);
        let (some, _) = read(whole.get(..cut).unwrap_or(&whole));
        prop_assert_eq!(&all[..some.len()], &some[..]);
    }

    #[test]
    fn any_changed_bytes_end_and_give_no_more_than_the_file_has(
        changes in proptest::collection::vec((4usize..79, any::<u8>()), 1..12),
    ) {
        let mut bytes = file(Endianness::Little, Unit::Micro);
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        let (packets, _) = read(&bytes);
        prop_assert!(packets.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() <= bytes.len());
    }
}
