use proptest::prelude::*;

use super::block::kind;
use super::*;
use crate::capture::packet::assert_alike;
use crate::model::LostPackets;

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut padded = body.to_vec();
    padded.resize(body.len().next_multiple_of(4), 0);
    let length = u32::try_from(padded.len() + 12).unwrap().to_le_bytes();
    [&kind.to_le_bytes()[..], &length, &padded, &length].concat()
}

fn section() -> Vec<u8> {
    block(
        kind::SECTION,
        &[&[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0][..], &[0xff; 8]].concat(),
    )
}

fn interface(link_type: u8, options: &[u8]) -> Vec<u8> {
    block(1, &[&[link_type, 0, 0, 0, 0, 0, 4, 0], options].concat())
}

fn packet(interface: u32, ticks: u64, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap().to_le_bytes();
    let high = u32::try_from(ticks >> 32).unwrap().to_le_bytes();
    let low = u32::try_from(ticks & 0xffff_ffff).unwrap().to_le_bytes();
    block(
        6,
        &[
            &interface.to_le_bytes()[..],
            &high,
            &low,
            &length,
            &length,
            data,
        ]
        .concat(),
    )
}

fn read(file: &[u8]) -> (Vec<(Record, Vec<u8>)>, CaptureReport) {
    let mut reader = PcapNg::open(Window::of(file));
    let mut packets = Vec::new();
    while let Some(record) = reader.advance() {
        packets.push((record, reader.bytes().to_vec()));
    }
    (packets, reader.report())
}

fn whole() -> Vec<u8> {
    [
        section(),
        interface(1, &[]),
        interface(
            101,
            &[9, 0, 1, 0, 9, 0, 0, 0, 14, 0, 8, 0, 10, 0, 0, 0, 0, 0, 0, 0],
        ),
        packet(0, 5_000_001, b"micro"),
        packet(1, 5_000_000_001, b"nano and ten seconds"),
        block(77, b"unknown"),
        section(),
        interface(113, &[9, 0, 1, 0, 0x81, 0, 0, 0]),
        packet(0, 3, b"halves"),
    ]
    .concat()
}

#[test]
fn sections_and_interfaces_have_their_own_units() {
    let (packets, report) = read(&whole());
    assert!(report.damage.is_empty(), "{}", report.damage);
    assert_eq!(report.skipped, 1);
    let told: Vec<_> = packets
        .iter()
        .map(|(record, bytes)| {
            (
                record.time.0,
                record.link_type.0,
                record.interface,
                bytes.len(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (5_000_001_000, 1, 0, 5),
            (15_000_000_001, 101, 1, 20),
            (1_500_000_000, 113, 2, 6)
        ]
    );
}

/// Custom blocks (§4.10, to be copied or not), those of other programs, and those with custom options: what is in them is not read.
#[test]
fn custom_and_unknown_blocks_are_passed_over_and_counted() {
    // A private enterprise number, and what looks like a packet block.
    let custom = [&[0x01, 0x7d, 0, 0][..], &packet(0, 9, b"hidden")].concat();
    let journal = b"__REALTIME_TIMESTAMP=1\n";
    let vendor = [option(2988, b"\0\0\x7d\x01text"), option(19372, &[0; 9])].concat();
    let plain = packet(0, 2, b"with");
    let with_options = block(6, &[&plain[8..plain.len() - 4], &vendor].concat());
    let file = [
        section(),
        block(0x0bad, &custom),
        interface(1, &vendor),
        block(0x4000_0bad, &custom),
        packet(0, 1, b"one"),
        block(9, journal),
        block(0x8000_0001, &[]),
        block(0x0bad, &[]),
        with_options,
        block(0x4000_0bad, &custom),
    ]
    .concat();
    let (packets, report) = read(&file);
    let bytes: Vec<_> = packets.iter().map(|(_, bytes)| bytes.as_slice()).collect();
    assert_eq!(bytes, [&b"one"[..], b"with"]);
    assert!(report.damage.is_empty(), "{}", report.damage);
    assert_eq!((report.skipped, report.comments.len()), (6, 0));
}

#[test]
fn secrets_are_given_before_the_packets_that_follow_them() {
    let secrets = |kind: u32, text: &[u8]| {
        let length = u32::try_from(text.len()).unwrap().to_le_bytes();
        block(10, &[&kind.to_le_bytes()[..], &length, text].concat())
    };
    let log = b"CLIENT_RANDOM 00 11";
    let file = [
        section(),
        interface(1, &[]),
        secrets(0x544c_534b, log),
        packet(0, 1, b"first"),
        secrets(7, b"other"),
        block(10, &[0, 0, 0, 0, 99, 0, 0, 0, 1]),
        packet(0, 2, b"second"),
    ]
    .concat();
    let mut reader = PcapNg::open(Window::of(&file));
    assert!(reader.advance().is_some());
    let kinds = |reader: &PcapNg<'_>| {
        Reader::secrets(reader)
            .iter()
            .map(|secrets| (secrets.kind.0, secrets.bytes.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(&reader), [(0x544c_534b, log.to_vec())]);
    assert!(reader.advance().is_some());
    assert_eq!(kinds(&reader)[1..], [(7, b"other".to_vec())]);
    assert_eq!(reader.report().damage.count(), 1);
    assert!(!format!("{:?}", Reader::secrets(&reader)).contains("RANDOM"));
}

#[test]
fn a_broken_block_costs_only_itself() {
    let mut file = whole();
    let at = section().len() + interface(1, &[]).len() + interface(101, &[0; 20]).len();
    file[at + 4] = 0xff;
    let (packets, report) = read(&file);
    assert_eq!(packets.len(), 2);
    assert_eq!(report.damage.count(), 1);
}

/// An option of a block.
fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap();
    let mut bytes = [code.to_le_bytes(), length.to_le_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[test]
fn names_comments_losses_and_interface_names_are_kept() {
    let with = |packet: &[u8], options: &[u8]| {
        let body = &packet[8..packet.len() - 4];
        block(6, &[body, options].concat())
    };
    let names = [
        option(1, b"\xc0\x00\x02\x01mail.example\0mx.example\0"),
        option(
            2,
            &[&[0x20, 1, 0xd, 0xb8][..], &[0; 11], b"\x07six.example\0"].concat(),
        ),
        option(9, b"later kinds"),
        option(0, b""),
    ]
    .concat();
    let statistics = |lost: u64| {
        let options = [
            option(5, &lost.to_le_bytes()),
            option(7, &4u64.to_le_bytes()),
        ]
        .concat();
        block(5, &[&[0; 12][..], &options].concat())
    };
    let file = [
        section(),
        interface(1, &[option(2, b"eth0"), option(1, b"the uplink")].concat()),
        with(
            &packet(0, 1, b"four"),
            &[
                option(1, b"look\x1b here"),
                option(4, &2u64.to_le_bytes()),
                option(1, b"and here"),
            ]
            .concat(),
        ),
        block(4, &names),
        statistics(1),
        statistics(3),
        section(),
        interface(1, &[]),
        with(&packet(0, 1, b"five!"), &option(4, &9u64.to_le_bytes())),
    ]
    .concat();
    let mut reader = PcapNg::open(Window::of(&file));
    reader.advance().unwrap();
    assert_eq!(reader.comments(), [&b"look\x1b here"[..], b"and here"]);
    reader.advance().unwrap();
    assert!(reader.comments().is_empty());
    assert_eq!(reader.advance(), None);
    let report = reader.report();
    assert!(report.damage.is_empty(), "{}", report.damage);
    assert_eq!(report.comments, ["the uplink"]);
    assert_eq!(report.interfaces[&0], "eth0");
    let told: Vec<_> = report
        .names
        .iter()
        .map(|(ip, name)| format!("{ip} {name}"))
        .collect();
    assert_eq!(
        told,
        [
            "192.0.2.1 mail.example",
            "192.0.2.1 mx.example",
            "2001:db8::7 six.example"
        ]
    );
    let expected = LostPackets {
        by_system: 4 + 9,
        by_interface: 3,
    };
    assert_eq!(report.lost, expected, "statistics count the two again");
}

#[test]
fn packets_that_were_given_and_not_kept_are_told_by_statistics() {
    let statistics = |number: u8, counts: &[(u16, u64)]| {
        let options = counts
            .iter()
            .map(|(code, count)| option(*code, &count.to_le_bytes()));
        let options: Vec<u8> = options.flatten().collect();
        block(5, &[&[number, 0, 0, 0][..], &[0; 8], &options].concat())
    };
    for (counts, notes) in [
        (&[(4, 9), (6, 1), (7, 0), (8, 1)][..], &[][..]),
        (&[(6, 7), (8, 3)], &["2"]),
        (&[(6, 7), (7, 2)], &["4"]),
        (&[(8, 0)], &[]),
    ] {
        let file = [
            section(),
            interface(1, &[]),
            interface(1, &[]),
            packet(0, 1, b"four"),
            packet(1, 2, b"five!"),
            statistics(0, counts),
            section(),
            interface(1, &[]),
        ];
        let (_, report) = read(&file.concat());
        let told: Vec<&str> = report
            .notes
            .iter()
            .filter_map(|note| note.rsplit(": ").next())
            .collect();
        assert_eq!(told, notes, "{counts:?}");
    }
}

#[test]
fn old_and_simple_packets_are_read() {
    let old = block(
        2,
        &[
            &[0, 0, 3, 0, 0, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0, 60, 0, 0, 0][..],
            b"old",
        ]
        .concat(),
    );
    let simple = block(3, &[&9u32.to_le_bytes()[..], b"simple"].concat());
    let snapped = block(1, &[1, 0, 0, 0, 6, 0, 0, 0]);
    let (packets, report) = read(&[section(), snapped, old, simple].concat());
    assert!(report.damage.is_empty(), "{}", report.damage);
    assert_eq!(
        packets
            .iter()
            .map(|(record, bytes)| (record.time.0, record.length, bytes.as_slice()))
            .collect::<Vec<_>>(),
        [(7000, 60, &b"old"[..]), (7000, 9, b"simple")]
    );
    assert_eq!((report.lost.by_system, report.notes.len()), (3, 1));
}

#[test]
fn sections_may_differ_in_byte_order() {
    let body = [&[0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0][..], &[0xff; 8]].concat();
    let big = |kind: u32, body: &[u8]| {
        let length = u32::try_from(body.len() + 12).unwrap().to_be_bytes();
        [&kind.to_be_bytes()[..], &length, body, &length].concat()
    };
    let words = [0u32, 0, 5, 4, 4].map(u32::to_be_bytes).concat();
    let file = [
        whole(),
        big(kind::SECTION, &body),
        big(1, &[0, 1, 0, 0, 0, 0, 0, 0]),
        big(6, &[&words[..], b"last"].concat()),
    ]
    .concat();
    let (packets, report) = read(&file);
    assert!(report.damage.is_empty(), "{}", report.damage);
    let (record, bytes) = packets.last().unwrap();
    assert_eq!(
        (record.time.0, record.interface, &bytes[..]),
        (5000, 3, &b"last"[..])
    );
}

#[test]
fn behind_garbage_reading_goes_on() {
    let mut file = whole();
    let second = packet(0, 3, b"halves").len();
    let at = file.len() - second;
    file.splice(at..at, [6, 0, 0, 0, 1, 0, 0]);
    let (packets, report) = read(&file);
    assert_eq!((packets.len(), report.damage.count()), (3, 1));
    assert!(
        report
            .damage
            .to_string()
            .contains("7 bytes are passed over")
    );
}

proptest! {
    #[test]
    fn a_stream_gives_what_the_file_gives(cut in 0usize..400, at in 0usize..400, byte: u8) {
        let mut file = whole();
        let at = at % file.len();
        file[at] = byte;
        file.truncate(cut);
        let stream = Window::passing(Box::new(std::io::Cursor::new(file.clone())), None);
        let (mut stream, mut file) = (PcapNg::open(stream), PcapNg::open(Window::of(&file)));
        assert_alike(&mut stream, &mut file);
    }

    #[test]
    fn a_cut_file_gives_the_packets_before_the_cut(cut in 0usize..300) {
        let file = whole();
        let (all, _) = read(&file);
        let (some, _) = read(&file[..cut.min(file.len())]);
        let times = |packets: &[(Record, Vec<u8>)]| packets.iter().map(|(record, _)| record.time).collect::<Vec<_>>();
        prop_assert!(times(&all).starts_with(&times(&some)));
    }

    #[test]
    fn a_changed_byte_gives_one_more_packet_at_most(at in 0usize..300, value in any::<u8>()) {
        let mut file = whole();
        let at = at % file.len();
        file[at] = value;
        let (packets, _) = read(&file);
        // Another block may have become a simple packet: its type is one octet away.
        prop_assert!(packets.len() <= 4);
    }
}
