//! A dialogue of each protocol, cut into segments anywhere, out of order, sent twice, or with one missing: what is read
//! of it is the same.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use bothends::flow::{FlowEvent, FlowTable, Limits, StreamEvent};
use bothends::link::{Checksum, Datagram, Flags, Segment, SeqNo, TcpOptions, Upper};
use bothends::model::{Exchange, Nanos, PacketNo, Proto, Side};
use bothends::protocol::Driver;
use bothends::protocol::registry::PROTOCOLS;
use bothends::protocol::tls::Secrets;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use crate::corpus::bodies::{Pieces, name_of};

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

/// A dialogue and what is needed to read it.
struct Dialogue {
    /// The protocol, and which of its dialogues.
    name: String,
    port: u16,
    keylog: Vec<u8>,
    said: Vec<(Side, Vec<u8>)>,
}

/// What is said in the pieces of a seed.
fn said(pieces: &[u8]) -> Vec<(Side, Vec<u8>)> {
    Pieces::of(pieces)
        .filter_map(|event| match event {
            StreamEvent::Data { side, bytes, .. } => Some((side, bytes.to_vec())),
            _ => None,
        })
        .filter(|(_, bytes)| !bytes.is_empty())
        .collect()
}

fn seeds(folder: &str) -> Vec<(String, Vec<u8>)> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut seeds: Vec<_> = std::fs::read_dir(corpus.join(folder))
        .unwrap_or_else(|error| panic!("no seeds of {folder}: {error}"))
        .map(|entry| {
            let entry = entry.unwrap();
            let name = format!("{folder}/{}", entry.file_name().display());
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect();
    seeds.sort();
    seeds
}

/// The dialogues of all protocols, and those inside TLS with their secrets.
fn dialogues() -> Vec<Dialogue> {
    let clear = PROTOCOLS.iter().flat_map(|entry| {
        let port = entry.ports.first().copied().unwrap_or(8080);
        seeds(name_of(entry)).into_iter().map(move |seed| Dialogue {
            name: seed.0,
            port,
            keylog: Vec::new(),
            said: said(&seed.1),
        })
    });
    let opened = seeds("secrets").into_iter().map(|(name, seed)| {
        let (&[p0, p1, l0, l1], rest) = seed.split_first_chunk().unwrap();
        let (keylog, pieces) = rest.split_at(u16::from_le_bytes([l0, l1]).into());
        Dialogue {
            name,
            port: u16::from_le_bytes([p0, p1]),
            keylog: keylog.to_vec(),
            said: said(pieces),
        }
    });
    clear.chain(opened).collect()
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
        station: None,
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

/// What is read of a dialogue with these segments, in their order; what is said of the moments is left out.
fn read(dialogue: &Dialogue, segments: &[&Sent]) -> (Proto, Vec<Exchange>) {
    let mut table = FlowTable::new(Limits::default());
    let secrets = Secrets::default();
    secrets.read_keylog(&dialogue.keylog);
    let mut driver = Some(Driver::with_secrets(dialogue.port, secrets));
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
        let datagram = datagram(dialogue.port, sent, flags);
        table.push(at, packet, &datagram, &mut |_, event| take(event));
    }
    table.finish(&mut |_, event| take(event));
    let (proto, told) = found.unwrap();
    let exchanges = told.exchanges.into_iter().chain(told.inferred);
    (proto, exchanges.collect())
}

/// Without times and packets, which differ, and in an order of their own: they come by the moments at which they passed,
/// which swaps exchange too.
fn bare((proto, exchanges): (Proto, Vec<Exchange>)) -> (Proto, Vec<Exchange>) {
    let bare = exchanges.into_iter().map(|exchange| Exchange {
        start: None,
        end: None,
        answered: None,
        asked: None,
        packets: [None, None],
        ..exchange
    });
    let mut bare: Vec<Exchange> = bare.collect();
    bare.sort_by(|a, b| (&a.request, &a.response).cmp(&(&b.request, &b.response)));
    (proto, bare)
}

/// What speaks against `test` among many cases: the same ones in each run, or as many others as `PROPTEST_CASES` says.
fn against<T: std::fmt::Debug>(
    strategy: impl Strategy<Value = T>,
    test: impl Fn(T) -> Result<(), TestCaseError>,
) -> Option<String> {
    let more = std::env::var_os("PROPTEST_CASES").is_some();
    let mut config = Config {
        failure_persistence: None,
        max_shrink_iters: 1000,
        ..Config::default()
    };
    let rng = if more {
        TestRunner::new(config.clone()).new_rng()
    } else {
        config.cases = 128;
        TestRng::deterministic_rng(RngAlgorithm::ChaCha)
    };
    match TestRunner::new_with_rng(config, rng).run(&strategy, test) {
        Ok(()) => None,
        Err(TestError::Fail(reason, _)) => Some(reason.to_string()),
        Err(other) => Some(other.to_string()),
    }
}

/// Segments as a person reads them.
fn shown(segments: &[&Sent]) -> String {
    let line = |sent: &&Sent| {
        let side = if sent.side == Side::Client { "C" } else { "S" };
        let text = String::from_utf8_lossy(&sent.bytes);
        format!("  {side}{} {text:?}\n", sent.at)
    };
    segments.iter().map(line).collect()
}

/// The segments in the order in which they come when each is late by so many places.
fn delayed(parts: &[Sent], late: &[usize]) -> Vec<Sent> {
    let mut order: Vec<(usize, &Sent)> = parts
        .iter()
        .enumerate()
        .map(|(at, sent)| (at + late.get(at).copied().unwrap_or(0), sent))
        .collect();
    order.sort_by_key(|(at, _)| *at);
    order.into_iter().map(|(_, sent)| sent.clone()).collect()
}

/// A segment that is sent again: what `parts[which]` begins, and so many octets of its side from there.
fn again(parts: &[Sent], which: usize, octets: usize) -> Sent {
    let first = &parts[which];
    let mut sent = first.clone();
    let more = parts.iter().filter(|it| it.side == first.side);
    for next in more.filter(|it| it.at > first.at) {
        if sent.bytes.len() >= octets {
            break;
        }
        sent.bytes.extend(&next.bytes);
        sent.seen = next.seen;
    }
    sent.bytes.truncate(octets);
    sent
}

/// Exchanges that are in one of two lists alone.
fn differ(expected: &[Exchange], found: &[Exchange]) -> String {
    let only = |these: &[Exchange], those: &[Exchange]| -> Vec<Exchange> {
        let others = these.iter().filter(|it| !those.contains(it));
        others.cloned().collect()
    };
    let (missing, more) = (only(expected, found), only(found, expected));
    format!("missing {missing:#?}\nmore {more:#?}")
}

#[test]
fn cuts_delays_and_copies_do_not_change_what_is_read() {
    let mut wrong = Vec::new();
    for dialogue in dialogues() {
        let plain = segments(&dialogue.said, &[]);
        let expected = bare(read(&dialogue, &plain.iter().collect::<Vec<_>>()));
        assert!(!expected.1.is_empty(), "{} says nothing", dialogue.name);
        let secret = !dialogue.keylog.is_empty();
        assert!(secret || dialogue.name.starts_with(expected.0.0));
        let cuts = prop::collection::vec((any::<usize>(), any::<usize>()), 0..12);
        // The flow room waits for 16 segments.
        let late = prop::collection::vec(prop_oneof![3 => Just(0usize), 1 => 0..7usize], 60);
        let copies = prop::collection::vec((any::<Index>(), any::<Index>(), 1..80usize), 0..5);
        let found = against((cuts, late, copies), |(cuts, late, copies)| {
            let parts = segments(&dialogue.said, &cuts);
            let mut sent = delayed(&parts, &late);
            for (which, place, octets) in &copies {
                let which = which.index(parts.len());
                let after = which + place.index(parts.len() - which) + 8;
                sent.insert(after.min(sent.len()), again(&parts, which, *octets));
            }
            let sent: Vec<&Sent> = sent.iter().collect();
            let found = bare(read(&dialogue, &sent));
            prop_assert!(
                found == expected,
                "{}{}",
                shown(&sent),
                differ(&expected.1, &found.1)
            );
            Ok(())
        });
        wrong.extend(found.map(|why| format!("{}: {why}", dialogue.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a hole is in.
#[derive(Clone, Copy, Debug)]
enum Lost {
    Both,
    Client,
    Server,
}

impl Lost {
    fn takes(self, side: Side) -> bool {
        match self {
            Self::Both => true,
            Self::Client => side == Side::Client,
            Self::Server => side == Side::Server,
        }
    }
}

/// Request and reply, where nothing is said against them.
type Pair<'a> = (&'a str, &'a str);

/// Request and reply of each exchange that has both, but for those that say that the reply may be another's.
fn answered(exchanges: &[Exchange]) -> Vec<(Pair<'_>, u64)> {
    let doubts = ["may belong to", "may be part of"];
    let doubtful = |one: &&Exchange| {
        let mut notes = one.notes.iter();
        notes.any(|note| doubts.iter().any(|doubt| note.contains(doubt)))
    };
    exchanges
        .iter()
        .filter(|one| !doubtful(one))
        .filter_map(|one| {
            let pair = (one.request.as_str(), one.response.as_deref()?);
            let [asked, answered] = one.packets;
            Some((pair, asked.or(answered)?.0))
        })
        .collect()
}

/// Protocols that have no lines to begin anew with.
const BINARY: [&str; 2] = ["dns", "http2"];

/// Where the client begins to speak again, from the segment `from` on.
fn turns(parts: &[Sent], from: usize) -> impl Iterator<Item = usize> {
    let begins = move |at: &usize| {
        let sides = [at - 1, *at].map(|at| parts[at].side);
        sides == [Side::Server, Side::Client]
    };
    (from.max(1)..parts.len()).filter(begins)
}

/// Times that the client begins to speak behind a hole until the dialogue is found again.
const RESYNC: usize = 2;

#[test]
fn a_hole_costs_what_it_held_and_gives_no_reply_to_another() {
    let mut wrong = Vec::new();
    for dialogue in dialogues() {
        let cuts = prop::collection::vec((any::<usize>(), any::<usize>()), 0..12);
        let lost = prop_oneof![Just(Lost::Both), Just(Lost::Client), Just(Lost::Server)];
        let hole = (any::<Index>(), 1..8usize, lost);
        let found = against((cuts, hole), |(cuts, (from, length, lost))| {
            let parts = segments(&dialogue.said, &cuts);
            let from = from.index(parts.len());
            let to = (from + length).min(parts.len());
            let whole: Vec<&Sent> = parts.iter().collect();
            let holed: Vec<&Sent> = (0..)
                .zip(&parts)
                .filter(|(at, sent)| !((from..to).contains(at) && lost.takes(sent.side)))
                .map(|(_, sent)| sent)
                .collect();
            let (all, (proto, found)) = (read(&dialogue, &whole).1, read(&dialogue, &holed));
            // Of a request that breaks off at the hole the beginning is told.
            let told = |pair: &Pair<'_>, among: &[(Pair<'_>, u64)]| {
                let cut = pair.0.strip_suffix('…');
                among.iter().any(|(other, _)| {
                    let begins = cut.is_some_and(|cut| other.0.starts_with(cut));
                    other == pair || begins && other.1 == pair.1
                })
            };
            // The first three packets open the connection; they come a millisecond apart.
            let begins = Nanos(i64::try_from(from + 4).unwrap() * 1_000_000);
            let over = |one: &&Exchange| one.end.is_some_and(|end| end < begins);
            let before: Vec<_> = all.iter().filter(over).cloned().collect();
            let (all, found) = (answered(&all), answered(&found));
            for (pair, _) in &answered(&before) {
                prop_assert!(
                    told(pair, &found),
                    "before: no {pair:?} in {found:?}\n{}",
                    shown(&holed)
                );
            }
            for (pair, _) in &found {
                // Of what has many parts, some may be missing.
                let counted = ["<body", "AXFR"].iter().any(|it| pair.0.starts_with(it));
                // A reply whose request is in the hole.
                let alone = pair.0.is_empty();
                prop_assert!(
                    counted || alone || told(pair, &all),
                    "not said: {pair:?}\n{}",
                    shown(&holed)
                );
            }
            // Binary protocols that are joined in the middle of a message are not told.
            let binary = BINARY.iter().any(|it| dialogue.name.starts_with(it));
            let joined = proto == Proto::UNKNOWN && binary;
            // What is inside a tunnel is read where all of its opening was.
            let opens = |pair: &Pair<'_>| pair.0.starts_with("SOCKS");
            let shut = all
                .iter()
                .any(|(pair, _)| opens(pair) && !told(pair, &found));
            let readable = !joined && !shut;
            if let Some(again) = turns(&parts, to).nth(RESYNC).filter(|_| readable) {
                for (pair, _) in all.iter().filter(|(_, packet)| *packet >= again as u64 + 4) {
                    prop_assert!(
                        told(pair, &found),
                        "behind, read as {proto}: no {pair:?} in {found:?}\n{}",
                        shown(&holed)
                    );
                }
            }
            Ok(())
        });
        wrong.extend(found.map(|why| format!("{}: {why}", dialogue.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
