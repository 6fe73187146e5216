//! Connections of frames made by hand.

use loona_hpack::Encoder;
use proptest::prelude::*;

use super::PREFACE;
use crate::flow::StreamEvent;
use crate::model::{BodyNo, Exchange, Nanos, PacketNo, Proto, Side};
use crate::protocol::{BodyPiece, Dialogue, Driver};

const C: Side = Side::Client;
const S: Side = Side::Server;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Both sides' encoders, which remember what they sent.
#[derive(Default)]
struct Peers {
    client: Encoder<'static>,
    server: Encoder<'static>,
}

impl Peers {
    fn get(&mut self, path: &str) -> Vec<u8> {
        self.client.encode([
            (&b":method"[..], &b"GET"[..]),
            (b":scheme", b"https"),
            (b":authority", b"www.example.com"),
            (b":path", path.as_bytes()),
            (b"authorization", b"Basic c2VjcmV0"),
        ])
    }

    fn reply(&mut self, status: &str) -> Vec<u8> {
        let fields = [(&b":status"[..], status.as_bytes()), (b"server", b"made")];
        self.server.encode(fields)
    }
}

type Script = Vec<(Side, Vec<u8>)>;

/// Two requests at once, answered in the other order; a body; trailers; a header block in two frames; a goodbye.
fn script() -> Script {
    let mut peers = Peers::default();
    let mut script = vec![
        (C, [PREFACE, &frame(4, 0, 0, &[])].concat()),
        (S, frame(4, 0, 0, &[0, 3, 0, 0, 0, 100])),
    ];
    script.push((C, frame(1, 0x05, 1, &peers.get("/one"))));
    let post = peers
        .client
        .encode([(&b":method"[..], &b"POST"[..]), (b":path", b"/two")]);
    let (head, tail) = post.split_at(3);
    script.push((C, frame(1, 0, 3, head)));
    script.push((C, frame(9, 0x04, 3, tail)));
    script.push((C, frame(0, 0x01, 3, &[b'x'; 300])));
    script.push((S, frame(1, 0x04, 3, &peers.reply("100"))));
    script.push((S, frame(1, 0x04, 3, &peers.reply("204"))));
    // Trailers end it.
    let trailers = peers.server.encode([(&b"grpc-status"[..], &b"0"[..])]);
    script.push((S, frame(1, 0x05, 3, &trailers)));
    script.push((S, frame(1, 0x04, 1, &peers.reply("200"))));
    script.push((S, frame(0, 0, 1, &[b'y'; 1000])));
    script.push((S, frame(0, 0x01, 1, &[b'y'; 24])));
    script.push((C, frame(1, 0x05, 5, &peers.get("/three"))));
    script.push((S, frame(3, 0, 5, &[0, 0, 0, 7])));
    script.push((S, frame(7, 0, 0, &[0, 0, 0, 5, 0, 0, 0, 0])));
    script
}

fn play(script: &Script, lost: Option<usize>, segment: impl FnMut() -> usize) -> (Proto, Dialogue) {
    play_to(Driver::new(8080), script, lost, segment)
}

fn play_to(
    mut driver: Driver,
    script: &Script,
    lost: Option<usize>,
    mut segment: impl FnMut() -> usize,
) -> (Proto, Dialogue) {
    for (n, (side, bytes)) in script.iter().enumerate() {
        let at = Nanos(i64::try_from(n).unwrap() + 1);
        let packet = PacketNo(n as u64 + 1);
        if lost == Some(n) {
            let missing = bytes.len() as u64;
            driver.event(StreamEvent::Gap {
                side: *side,
                at,
                missing,
            });
            continue;
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (part, after) = rest.split_at(segment().min(rest.len()));
            driver.event(StreamEvent::Data {
                side: *side,
                at,
                packet,
                bytes: part,
            });
            rest = after;
        }
    }
    driver.finish()
}

fn pairs(exchanges: &[Exchange]) -> Vec<(&str, &str)> {
    exchanges
        .iter()
        .map(|exchange| {
            let response = exchange.response.as_deref().unwrap_or_default();
            (exchange.request.as_str(), response)
        })
        .collect()
}

const SAID: &[(&str, &str)] = &[
    ("GET /one HTTP/2", "HTTP/2 200"),
    ("POST /two HTTP/2", "HTTP/2 204"),
    ("GET /three HTTP/2", ""),
];

#[test]
fn streams_are_exchanges() {
    let (proto, out) = play(&script(), None, || usize::MAX);
    assert_eq!(proto, Proto("http"));
    assert_eq!(pairs(&out.exchanges), SAID);
    let [one, two, three] = out.exchanges.as_slice() else {
        panic!("{:?}", out.exchanges)
    };
    assert_eq!(
        (one.verb.as_str(), one.code.as_deref()),
        ("GET", Some("200"))
    );
    assert_eq!((one.asked, one.answered), (Some(Nanos(3)), Some(Nanos(10))));
    assert_eq!(one.end, Some(Nanos(12)));
    assert!(one.response_bytes.unwrap() > 1024 + 18);
    // The interim reply is no answer.
    assert_eq!((two.asked, two.answered), (Some(Nanos(6)), Some(Nanos(8))));
    assert_eq!(two.end, Some(Nanos(9)));
    assert!(two.request_bytes.unwrap() > 300 + 18);
    assert!(
        three.notes[0].contains("REFUSED_STREAM"),
        "{:?}",
        three.notes
    );
    assert_eq!(out.notes, ["the server says GOAWAY: NO_ERROR"]);
    let secret = format!("{out:?}");
    assert!(!secret.contains("c2VjcmV0"));
}

#[test]
fn bodies_of_streams_come_apart_and_without_padding() {
    let mut peers = Peers::default();
    let script = vec![
        (C, [PREFACE, &frame(4, 0, 0, &[])].concat()),
        (S, frame(4, 0, 0, &[])),
        (C, frame(1, 0x04, 1, &peers.get("/one"))),
        (C, frame(1, 0x05, 3, &peers.get("/two"))),
        (C, frame(0, 0x09, 1, b"\x02up\0\0")),
        (S, frame(1, 0x04, 3, &peers.reply("200"))),
        (S, frame(1, 0x04, 1, &peers.reply("200"))),
        (S, frame(0, 0, 3, b"th")),
        (S, frame(0, 0, 1, b"on")),
        (S, frame(0, 0x08, 3, b"\x03re\0\0\0")),
        (S, frame(0, 0x01, 1, b"e")),
        (S, frame(0, 0x01, 3, b"e")),
    ];
    let told = |lost, size| {
        let driver = Driver::new(8080).with_bodies();
        let (_, mut out) = play_to(driver, &script, lost, || size);
        let mut bodies = std::collections::BTreeMap::<u32, (String, u64, String)>::new();
        for piece in out.bodies.drain() {
            match piece {
                BodyPiece::Bytes(number, _, bytes) => {
                    let text = std::str::from_utf8(&bytes).unwrap();
                    bodies.entry(number.0).or_default().0.push_str(text);
                }
                BodyPiece::Hole(number, missing) => {
                    bodies.entry(number.0).or_default().1 += missing;
                }
                BodyPiece::End(number, how) => {
                    bodies.entry(number.0).or_default().2 = format!("{how:?}");
                }
            }
        }
        bodies.into_values().collect::<Vec<_>>()
    };
    let ended = |text: &str, missing| (text.to_owned(), missing, "Ended".to_owned());
    for size in [1, 2, 3, 7, 1000] {
        assert_eq!(
            told(None, size),
            [ended("up", 0), ended("three", 0), ended("one", 0)],
            "pieces of {size}"
        );
    }
    let (_, out) = play_to(Driver::new(8080).with_bodies(), &script, None, || 9);
    let bodies: Vec<_> = out.exchanges.iter().map(|it| it.bodies).collect();
    let number = |n| Some(BodyNo(n));
    assert_eq!(bodies, [[number(1), number(3)], [None, number(2)]]);
}

#[test]
fn without_any_one_step_nothing_wrong_is_said() {
    let script = script();
    for lost in 0..script.len() {
        let (_, out) = play(&script, Some(lost), || usize::MAX);
        for (request, response) in pairs(&out.exchanges) {
            let known = SAID.iter().any(|(asked, answered)| {
                let fits = request.is_empty() || request.contains('?') || request == *asked;
                fits && (response.is_empty() || response == *answered)
            });
            assert!(known, "without {lost}: {request} {response}");
        }
    }
}

#[test]
fn after_a_hole_frames_are_found_where_they_follow_each_other() {
    let mut peers = Peers::default();
    let mut script = vec![
        (C, [PREFACE, &frame(4, 0, 0, &[])].concat()),
        (S, frame(4, 0, 0, &[])),
        (C, frame(1, 0x05, 1, &peers.get("/lost"))),
        (S, frame(1, 0x05, 1, &peers.reply("200"))),
    ];
    // From within a frame: the rest of its payload, then whole ones.
    let mut later = vec![0x41; 40];
    later.extend(frame(8, 0, 0, &[0, 0, 1, 0]));
    later.extend(frame(1, 0x05, 3, &peers.get("/found")));
    later.extend(frame(6, 0, 0, &[0; 8]));
    later.extend(frame(8, 0, 0, &[0, 0, 1, 0]));
    script.push((C, later));
    script.push((S, frame(1, 0x05, 3, &peers.reply("404"))));
    let (_, out) = play(&script, Some(2), || usize::MAX);
    let last = out.exchanges.last().unwrap();
    // Its path is written out; its authority refers to the request that was lost.
    assert_eq!(last.response.as_deref(), Some("HTTP/2 404"));
    assert!(last.request.starts_with("GET "), "{last:?}");
    let whole = last.request == "GET /found HTTP/2";
    assert!(whole || !last.notes.is_empty(), "{last:?}");
}

#[test]
fn a_flood_of_continuations_is_bounded_and_told() {
    let mut script = vec![(C, [PREFACE, &frame(4, 0, 0, &[])].concat())];
    script.push((C, frame(1, 0, 1, &[0x82])));
    for _ in 0..10_000 {
        script.push((C, frame(9, 0, 1, &[0x82; 100])));
    }
    script.push((C, frame(9, 4, 1, &[])));
    let (_, out) = play(&script, None, || usize::MAX);
    assert!(
        out.notes.iter().any(|note| note.contains("too long")),
        "{:?}",
        out.notes
    );
    assert_eq!(out.exchanges.len(), 1);
}

#[test]
fn an_upgrade_in_the_clear_goes_on_in_frames() {
    let mut peers = Peers::default();
    let script = vec![
        (
            C,
            b"GET /up HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n".to_vec(),
        ),
        (
            S,
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n".to_vec(),
        ),
        (S, frame(4, 0, 0, &[])),
        (C, [PREFACE, &frame(4, 0, 0, &[])].concat()),
        (S, frame(1, 0x05, 1, &peers.reply("200"))),
        (C, frame(1, 0x05, 3, &peers.get("/next"))),
        (S, frame(1, 0x05, 3, &peers.reply("204"))),
    ];
    let (proto, out) = play(&script, None, || usize::MAX);
    assert_eq!(proto, Proto("http"));
    assert_eq!(
        pairs(&out.exchanges),
        [
            ("GET /up HTTP/1.1", "HTTP/1.1 101 Switching Protocols"),
            ("", "HTTP/2 200"),
            ("GET /next HTTP/2", "HTTP/2 204"),
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_segments_give_the_same(lengths in prop::collection::vec(1..60usize, 1..30)) {
        let mut lengths = lengths.into_iter().cycle();
        let (_, out) = play(&script(), None, || lengths.next().unwrap());
        prop_assert_eq!(pairs(&out.exchanges), SAID);
    }

    #[test]
    fn a_cut_gives_the_same_before_it(keep in 2..15usize) {
        let mut script = script();
        script.truncate(keep);
        let (_, out) = play(&script, None, || usize::MAX);
        for pair in pairs(&out.exchanges).iter().filter(|(_, response)| !response.is_empty()) {
            prop_assert!(SAID.contains(pair));
        }
    }

    #[test]
    fn any_frames_are_borne(
        frames in prop::collection::vec((any::<bool>(), 0..11u8, any::<u8>(), 0..6u32, prop::collection::vec(any::<u8>(), 0..40)), 0..40),
        lost in prop::option::of(0..40usize),
    ) {
        let mut script = vec![(C, PREFACE.to_vec())];
        for (client, kind, flags, stream, payload) in frames {
            script.push((if client { C } else { S }, frame(kind, flags, stream, &payload)));
        }
        play(&script, lost, || usize::MAX);
    }
}
