//! A dialogue of each protocol, cut into segments anywhere, out of order, sent twice, or with one missing: what is read
//! of it is the same.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use bothends::flow::{FlowEvent, FlowTable, Limits};
use bothends::link::{Checksum, Datagram, Flags, Segment, SeqNo, TcpOptions, Upper};
use bothends::model::{Exchange, Nanos, PacketNo, Proto, Side};
use bothends::protocol::Driver;
use bothends::protocol::registry::PROTOCOLS;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// The client's initial sequence number is near the wrap, so that all dialogues cross it.
const FIRST: [u32; 2] = [u32::MAX - 40, 7];

/// Octets that a side sends, and how many of the other's it has received by then.
#[derive(Clone, Debug)]
struct Sent {
    side: Side,
    at: u32,
    seen: u32,
    bytes: Vec<u8>,
}

/// The port and the dialogue in the seed of a protocol (see `bodies::protocol`).
fn seed(proto: Proto) -> (u16, Vec<(Side, Vec<u8>)>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus/protocol")
        .join(proto.0);
    let seed = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (port, mut rest) = seed.split_first_chunk().unwrap();
    let mut said: Vec<(Side, Vec<u8>)> = Vec::new();
    while let Some((&[kind, length], more)) = rest.split_first_chunk() {
        let (bytes, more) = more.split_at(usize::from(length).min(more.len()));
        rest = more;
        let side = if kind & 1 == 0 {
            Side::Client
        } else {
            Side::Server
        };
        if kind >> 5 < 6 && !bytes.is_empty() {
            said.push((side, bytes.to_vec()));
        }
    }
    (u16::from_le_bytes(*port), said)
}

/// The dialogue as segments, each item cut at the given places.
fn segments(said: &[(Side, Vec<u8>)], cuts: &[(usize, usize)]) -> Vec<Sent> {
    let mut sent = [0u32; 2];
    let mut segments = Vec::new();
    for (item, (side, bytes)) in said.iter().enumerate() {
        let mut places: Vec<usize> = cuts
            .iter()
            .filter(|(at, _)| at % said.len() == item)
            .map(|(_, place)| place % bytes.len())
            .chain([0, bytes.len()])
            .collect();
        places.sort_unstable();
        places.dedup();
        for pair in places.windows(2) {
            let part = &bytes[pair[0]..pair[1]];
            segments.push(Sent {
                side: *side,
                at: sent[side.index()],
                seen: sent[side.other().index()],
                bytes: part.to_vec(),
            });
            sent[side.index()] += u32::try_from(part.len()).unwrap();
        }
    }
    segments
}

/// A segment with these flags, whose payload lies `at` octets into the stream.
fn datagram(port: u16, sent: &Sent, flags: u8) -> Datagram<'_> {
    let ends = [
        (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 40_000),
        (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), port),
    ];
    let (own, other) = (sent.side.index(), sent.side.other().index());
    let syn = u32::from(flags & 2 == 0);
    Datagram {
        source: ends[own].0,
        destination: ends[other].0,
        ttl: 64,
        id: None,
        authenticated: None,
        upper: Upper::Tcp(Segment {
            source_port: ends[own].1,
            destination_port: ends[other].1,
            seq: SeqNo(FIRST[own]).plus(syn + sent.at),
            ack: SeqNo(FIRST[other]).plus(1 + sent.seen),
            flags: Flags(flags),
            window: 65_535,
            urgent: 0,
            options: TcpOptions::default(),
            payload: &sent.bytes,
            length: u32::try_from(sent.bytes.len()).unwrap(),
            checksum: Checksum::Good,
        }),
    }
}

/// What is read of a connection with these segments; times and packets, which differ, left out.
fn read(port: u16, segments: &[&Sent]) -> (Proto, Vec<Exchange>) {
    let mut table = FlowTable::new(Limits::default());
    let mut driver = Some(Driver::new(port));
    let mut found = None;
    let mut take = |event: FlowEvent<'_>| match event {
        FlowEvent::Opened(_) => {}
        FlowEvent::Stream(event) => driver.as_mut().unwrap().event(event),
        FlowEvent::Closed(_) => found = driver.take().map(Driver::finish),
    };
    let open = |side| Sent {
        side,
        at: 0,
        seen: 0,
        bytes: Vec::new(),
    };
    let shake = [open(Side::Client), open(Side::Server), open(Side::Client)];
    let packets = shake
        .iter()
        .zip([0x02, 0x12, 0x10])
        .chain(segments.iter().map(|sent| (*sent, 0x18)));
    for (number, (sent, flags)) in (1u32..).zip(packets) {
        let at = Nanos(i64::from(number) * 1_000_000);
        let packet = PacketNo(u64::from(number));
        table.push(at, packet, &datagram(port, sent, flags), &mut |_, event| {
            take(event);
        });
    }
    table.finish(&mut |_, event| take(event));
    let (proto, dialogue) = found.unwrap();
    let bare = dialogue.exchanges.into_iter().map(|exchange| Exchange {
        start: None,
        end: None,
        answered: None,
        asked: None,
        packets: [None, None],
        ..exchange
    });
    let mut bare: Vec<Exchange> = bare.collect();
    // They come by the moments at which they passed, which swaps exchange too.
    bare.sort_by(|a, b| (&a.request, &a.response).cmp(&(&b.request, &b.response)));
    (proto, bare)
}

fn check<T: std::fmt::Debug>(
    strategy: impl Strategy<Value = T>,
    test: impl Fn(T) -> Result<(), TestCaseError>,
) {
    let config = Config {
        cases: 128,
        failure_persistence: None,
        ..Config::default()
    };
    if let Err(error) = TestRunner::new(config).run(&strategy, test) {
        panic!("{error}");
    }
}

#[test]
fn cuts_swaps_and_copies_do_not_change_what_is_read() {
    for entry in PROTOCOLS {
        let (port, said) = seed(entry.proto);
        let plain = segments(&said, &[]);
        let expected = read(port, &plain.iter().collect::<Vec<_>>());
        assert_eq!(expected.0, entry.proto);
        assert!(expected.1.len() > 1, "{} says little", entry.proto);
        let cuts = prop::collection::vec((any::<usize>(), any::<usize>()), 0..12);
        let swaps = prop::collection::vec(any::<prop::sample::Index>(), 0..6);
        let copies = prop::collection::vec(any::<prop::sample::Index>(), 0..6);
        check((cuts, swaps, copies), |(cuts, swaps, copies)| {
            let parts = segments(&said, &cuts);
            let mut order: Vec<usize> = (0..parts.len()).collect();
            for copy in &copies {
                let at = copy.index(order.len());
                order.insert(at + 1, order[at]);
            }
            let mut places: Vec<usize> = swaps.iter().map(|it| it.index(order.len() - 1)).collect();
            places.sort_unstable();
            // Each with its neighbour, and no segment twice.
            places.dedup_by(|later, earlier| *later < *earlier + 2);
            for at in places {
                order.swap(at, at + 1);
            }
            let order: Vec<&Sent> = order.iter().map(|at| &parts[*at]).collect();
            prop_assert_eq!(&read(port, &order), &expected, "{}", entry.proto);
            Ok(())
        });
    }
}

/// Request and reply of each exchange that has both, but for those that say that the reply may be another's.
fn answered(exchanges: &[Exchange]) -> Vec<(&str, &str)> {
    let doubtful = |one: &&Exchange| one.notes.iter().any(|note| note.contains("may belong to"));
    exchanges
        .iter()
        .filter(|one| !doubtful(one))
        .filter_map(|one| Some((one.request.as_str(), one.response.as_deref()?)))
        .collect()
}

#[test]
fn a_missing_segment_costs_what_it_held_and_gives_no_reply_to_another() {
    for entry in PROTOCOLS {
        let (port, said) = seed(entry.proto);
        let parts = segments(&said, &[]);
        let all = read(port, &parts.iter().collect::<Vec<_>>()).1;
        let known = answered(&all);
        for lost in 1..parts.len() {
            let before = read(port, &parts[..lost].iter().collect::<Vec<_>>()).1;
            let mut rest: Vec<&Sent> = parts.iter().collect();
            rest.remove(lost);
            let found = read(port, &rest).1;
            let found = answered(&found);
            let proto = entry.proto;
            let before = answered(&before);
            let kept = before.iter().filter(|pair| known.contains(pair));
            for pair in kept {
                assert!(
                    found.contains(pair),
                    "{proto} without {lost}: no {pair:?} in {found:?}"
                );
            }
            for pair in &found {
                // Of what has many parts, some may be missing.
                let counted = ["<body", "AXFR"]
                    .iter()
                    .any(|start| pair.0.starts_with(start));
                assert!(
                    counted || known.contains(pair),
                    "{proto} without {lost}: {pair:?}"
                );
            }
        }
    }
}
