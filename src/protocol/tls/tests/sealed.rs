//! Connections sealed with known keys, opened again.

use std::fmt::Write as _;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::super::decrypt::Secrets;
use super::super::decrypt::sealing::Sealer;
use super::*;
use crate::model::{Decryption, Exchange, Proto};
use crate::protocol::Driver;

/// Randoms of `client_hello` and `server_hello`.
const RANDOMS: [[u8; 32]; 2] = [[7; 32], [9; 32]];

/// A POP3 dialogue that is long enough to have records of all sizes.
const TALK: &[(Side, &str)] = &[
    (S, "+OK ready\r\n"),
    (C, "USER u\r\n"),
    (S, "+OK\r\n"),
    (C, "PASS secret\r\n"),
    (S, "+OK in\r\n"),
    (C, "STAT\r\n"),
    (S, "+OK 2 320\r\n"),
    (C, "LIST\r\n"),
    (S, "+OK\r\n1 160\r\n2 160\r\n.\r\n"),
    (C, "NOOP\r\n"),
    (S, "+OK\r\n"),
    (C, "QUIT\r\n"),
    (S, "+OK bye\r\n"),
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn keylog(lines: &[(&str, &[u8])]) -> String {
    let line =
        |(label, secret): &(&str, &[u8])| format!("{label} {} {}\n", hex(&RANDOMS[0]), hex(secret));
    lines.iter().map(line).collect()
}

/// A handshake message without its record.
fn bare(kind: u8, body: &[u8]) -> Vec<u8> {
    message(kind, body)[5..].to_vec()
}

/// TLS 1.3 with `cipher` around `TALK`, and its key log. Both sides update their keys in mid-talk.
fn sealed_1_3(cipher: u16, hash: usize, padding: usize) -> (Script, String) {
    let secrets: Vec<Vec<u8>> = (1..=4u8).map(|n| vec![n; hash]).collect();
    let mut hidden = [&secrets[0], &secrets[1]].map(|secret| Sealer::of_1_3(cipher, secret));
    let mut open = [&secrets[2], &secrets[3]].map(|secret| Sealer::of_1_3(cipher, secret));
    for sealer in hidden.iter_mut().chain(&mut open) {
        sealer.padding = padding;
    }
    let mut script = vec![
        (C, client_hello(1)),
        (S, server_hello(1, cipher, &[(43, &[3, 4])])),
    ];
    let chosen = bare(8, &extensions(&[(16, b"\0\x05\x04pop3")]));
    let flight = [
        change(),
        hidden[1].seal(22, &chosen),
        hidden[1].seal(
            22,
            &[bare(11, &[0, 0, 0, 0]), bare(20, &vec![5; hash])].concat(),
        ),
    ];
    script.push((S, flight.concat()));
    let finished = hidden[0].seal(22, &bare(20, &vec![6; hash]));
    script.push((C, [change(), finished].concat()));
    let ticket = bare(4, &[8; 200]);
    script.push((S, open[1].seal(22, &ticket)));
    for (n, (side, text)) in TALK.iter().enumerate() {
        let sealer = &mut open[side.index()];
        let mut bytes = sealer.seal(23, text.as_bytes());
        if n == 5 || n == 6 {
            bytes.extend(sealer.seal(22, &bare(24, &[0])));
            sealer.update();
        }
        script.push((*side, bytes));
    }
    for (n, side) in [C, S].into_iter().enumerate() {
        script.push((side, open[n].seal(21, &[1, 0])));
    }
    let log = keylog(&[
        ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", &secrets[0]),
        ("SERVER_HANDSHAKE_TRAFFIC_SECRET", &secrets[1]),
        ("CLIENT_TRAFFIC_SECRET_0", &secrets[2]),
        ("SERVER_TRAFFIC_SECRET_0", &secrets[3]),
    ]);
    (script, log)
}

/// TLS 1.2 or before with `cipher` around `TALK`, and its key log.
fn sealed_1_2(version: u16, cipher: u16, encrypt_then_mac: bool) -> (Script, String) {
    let master = [0x4d; 48];
    let [client, server] = &RANDOMS;
    let mut sealers = [C, S].map(|side| {
        let suite = (version, cipher);
        Sealer::of_1_2(suite, &master, [client, server], side, encrypt_then_mac)
    });
    let list: &[(u16, &[u8])] = if encrypt_then_mac { &[(22, &[])] } else { &[] };
    let mut hello = server_hello(2, cipher, list);
    let [_, minor] = version.to_be_bytes();
    hello[10] = minor;
    let finished = sealers
        .each_mut()
        .map(|sealer| [change(), sealer.seal(22, &bare(20, &[1; 12]))].concat());
    let [from_client, from_server] = finished;
    let mut script = vec![
        (C, client_hello(1)),
        (S, [hello, message(14, &[])].concat()),
        (C, [message(16, &[0; 66]), from_client].concat()),
        (S, from_server),
    ];
    for (side, text) in TALK {
        script.push((*side, sealers[side.index()].seal(23, text.as_bytes())));
    }
    for (n, side) in [C, S].into_iter().enumerate() {
        script.push((side, sealers[n].seal(21, &[1, 0])));
    }
    (script, keylog(&[("CLIENT_RANDOM", &master)]))
}

/// Plays a script with keys; without the step `lost`.
fn play_with(
    log: &str,
    script: &[(Side, Vec<u8>)],
    lost: Option<usize>,
    mut segment: impl FnMut() -> usize,
) -> (Proto, Dialogue) {
    let secrets = Secrets::default();
    secrets.read_keylog(log.as_bytes());
    let mut driver = Driver::with_secrets(995, secrets);
    for (n, (side, bytes)) in script.iter().enumerate() {
        let at = i64::try_from(n).unwrap() + 1;
        if lost == Some(n) {
            driver.event(StreamEvent::Gap {
                side: *side,
                at: Nanos(at),
                missing: bytes.len() as u64,
            });
            continue;
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (part, after) = rest.split_at(segment().min(rest.len()));
            driver.event(event(*side, at, part));
            rest = after;
        }
    }
    driver.finish()
}

fn pairs(exchanges: &[Exchange]) -> Vec<(&str, &str)> {
    exchanges
        .iter()
        .map(|exchange| {
            (
                exchange.request.as_str(),
                exchange.response.as_deref().unwrap_or_default(),
            )
        })
        .collect()
}

const SAID: &[(&str, &str)] = &[
    ("", "+OK ready"),
    ("USER u", "+OK"),
    ("PASS ***", "+OK in"),
    ("STAT", "+OK 2 320"),
    ("LIST", "+OK"),
    ("NOOP", "+OK"),
    ("QUIT", "+OK bye"),
];

/// A connection by name, and its key log.
type Sealed = (String, (Script, String));

/// Every suite in every version that has it.
static ALL: LazyLock<Vec<Sealed>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for (cipher, hash) in [
        (0x1301, 32),
        (0x1302, 48),
        (0x1303, 32),
        (0x1304, 32),
        (0x1305, 32),
    ] {
        all.push((format!("1.3 {cipher:04x}"), sealed_1_3(cipher, hash, 0)));
    }
    for cipher in [
        0xc02f, 0xc030, 0xcca8, 0xc09e, 0xc0a3, 0x002f, 0x0035, 0x003c, 0x003d, 0xc028, 0x000a,
        0x0041, 0x0084, 0xc077,
    ] {
        all.push((
            format!("1.2 {cipher:04x}"),
            sealed_1_2(0x0303, cipher, false),
        ));
    }
    for cipher in [0x002f, 0x003d, 0xc028, 0x000a, 0xc076] {
        let name = format!("1.2 {cipher:04x}, encrypt then MAC");
        all.push((name, sealed_1_2(0x0303, cipher, true)));
    }
    for version in [0x0301, 0x0302] {
        for cipher in [0x002f, 0x0035, 0x000a, 0x0084] {
            let name = format!("{version:04x} {cipher:04x}");
            all.push((name, sealed_1_2(version, cipher, false)));
            let name = format!("{version:04x} {cipher:04x}, encrypt then MAC");
            all.push((name, sealed_1_2(version, cipher, true)));
        }
    }
    all
});

fn all() -> Vec<Sealed> {
    ALL.clone()
}

#[test]
fn what_was_said_is_read_whatever_the_suite() {
    for (name, (script, log)) in all() {
        let (proto, out) = play_with(&log, &script, None, || usize::MAX);
        assert_eq!(proto, Proto("pop3"), "{name}");
        assert_eq!(pairs(&out.exchanges), SAID, "{name}");
        let tls = summary(&out);
        assert_eq!(tls.decryption.unwrap().failed, 0, "{name}");
        assert!(
            out.bursts.is_empty() && out.notes.is_empty(),
            "{name}: {:?}",
            out.notes
        );
        assert!(tls.alerts.is_empty(), "{name}: {:?}", tls.alerts);
        if name.starts_with("1.3") {
            assert_eq!((tls.alpn.join(" "), tls.alpn_chosen), ("pop3".into(), true));
        }
        // Times are those of the records: one unit a step.
        let last = out.exchanges.last().unwrap();
        assert_eq!(last.response_time().unwrap().0, 1, "{name}");
    }
}

#[test]
fn padding_does_not_show() {
    let (script, log) = sealed_1_3(0x1301, 32, 40);
    let (_, out) = play_with(&log, &script, None, || usize::MAX);
    assert_eq!(pairs(&out.exchanges), SAID);
}

#[test]
fn wrong_keys_reveal_nothing_and_change_nothing() {
    for (name, (script, log)) in all() {
        // Another last digit in each line.
        let wrong: Vec<String> = log
            .lines()
            .map(|line| format!("{}e", line.strip_suffix(|_: char| true).unwrap()))
            .collect();
        let wrong = wrong.join("\n");
        let (_, out) = play_with(&wrong, &script, None, || usize::MAX);
        let (proto, plain) = play_with("", &script, None, || usize::MAX);
        assert!(out.exchanges.is_empty(), "{name}");
        assert_eq!(out.bursts, plain.bursts, "{name}");
        assert_eq!(proto, Proto("pop3"));
        let done = summary(&out).decryption.unwrap();
        assert!(done.opened == 0 && done.failed > 0, "{name}: {done:?}");
        assert!(
            out.notes[0].contains("could not be opened"),
            "{:?}",
            out.notes
        );
    }
}

#[test]
fn a_record_that_was_tampered_with_is_a_hole() {
    for (name, (mut script, log)) in all() {
        if name.starts_with("0301") {
            // Its vector is the end of the record before.
            continue;
        }
        // The reply to LIST.
        let at = script.len() - 7;
        let middle = script[at].1.len() - 3;
        script[at].1[middle] ^= 1;
        let (_, out) = play_with(&log, &script, None, || usize::MAX);
        let said = pairs(&out.exchanges);
        assert_eq!(said[..4], SAID[..4], "{name}");
        assert!(said.ends_with(&SAID[5..]), "{name}: {said:?}");
        assert_eq!(summary(&out).decryption.unwrap().failed, 1, "{name}");
        assert_eq!(out.bursts.len(), 1, "{name}");
    }
}

#[test]
fn a_lost_step_costs_what_it_held_and_little_more() {
    for (name, (script, log)) in all() {
        for lost in 2..script.len() - 5 {
            let (_, out) = play_with(&log, &script, Some(lost), || usize::MAX);
            let said = pairs(&out.exchanges);
            let real = said
                .iter()
                .filter(|(request, response)| !request.is_empty() && !response.is_empty());
            for pair in real {
                assert!(SAID.contains(pair), "{name} without {lost}: {pair:?}");
            }
            // In TLS 1.0 the record after the hole has its vector in the hole.
            if !name.starts_with("0301") {
                assert!(
                    said.ends_with(&SAID[6..]),
                    "{name} without {lost}: {said:?} {:?}",
                    out.notes
                );
            }
        }
    }
}

#[test]
fn a_record_that_its_sender_broke_off_is_no_hole() {
    for (name, (mut script, log)) in all() {
        script.truncate(12);
        let (side, last) = script.pop().unwrap();
        script.push((side, last[..last.len() - 3].to_vec()));
        let (_, out) = play_with(&log, &script, None, || usize::MAX);
        let notes = out.exchanges.iter().flat_map(|exchange| &exchange.notes);
        let missing = notes.chain(&out.notes).any(|note| note.contains("missing"));
        assert!(!missing, "{name}: {:?} {:?}", out.notes, out.exchanges);
    }
}

/// Early data under the keys of the session taken up, accepted or not.
fn with_early_data(accepted: bool) -> (Script, String) {
    let cipher = 0x1301;
    let seal = |n: u8| Sealer::of_1_3(cipher, &[n; 32]);
    let mut hello = vec![3, 3];
    hello.extend(RANDOMS[0]);
    hello.extend([0, 0, 6, 0x13, 3, 0x13, 2, 0x13, 1, 1, 0]);
    hello.extend(extensions(&[(43, &[2, 3, 4]), (42, &[]), (45, &[1, 1])]));
    let mut early = seal(1);
    let [mut client, mut server] = [seal(2), seal(3)];
    let [mut asks, mut answers] = [seal(4), seal(5)];
    let taken: &[(u16, &[u8])] = if accepted { &[(42, &[])] } else { &[] };
    let request = b"GET /early HTTP/1.1\r\nHost: x\r\n\r\n";
    let reply = b"HTTP/1.1 204 No Content\r\n\r\n";
    let mut script = vec![
        (
            C,
            [message(1, &hello), change(), early.seal(23, request)].concat(),
        ),
        (S, server_hello(0, cipher, &[(43, &[3, 4]), (41, &[0, 0])])),
        (
            S,
            [
                server.seal(22, &bare(8, &extensions(taken))),
                server.seal(22, &bare(20, &[5; 32])),
            ]
            .concat(),
        ),
    ];
    let mut rest = Vec::new();
    if accepted {
        script.push((S, answers.seal(23, reply)));
        rest.extend(early.seal(22, &bare(5, &[])));
    }
    rest.extend(client.seal(22, &bare(20, &[6; 32])));
    if !accepted {
        rest.extend(asks.seal(23, request));
    }
    script.push((C, rest));
    if !accepted {
        script.push((S, answers.seal(23, reply)));
    }
    let log = keylog(&[
        ("CLIENT_EARLY_TRAFFIC_SECRET", &[1; 32]),
        ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", &[2; 32]),
        ("SERVER_HANDSHAKE_TRAFFIC_SECRET", &[3; 32]),
        ("CLIENT_TRAFFIC_SECRET_0", &[4; 32]),
        ("SERVER_TRAFFIC_SECRET_0", &[5; 32]),
    ]);
    (script, log)
}

#[test]
fn early_data_counts_once_whether_the_server_took_it_or_not() {
    for accepted in [true, false] {
        let (script, log) = with_early_data(accepted);
        let (proto, out) = play_with(&log, &script, None, || usize::MAX);
        assert_eq!(proto, Proto("http"), "{accepted}");
        let expected = [("GET /early HTTP/1.1", "HTTP/1.1 204 No Content")];
        assert_eq!(pairs(&out.exchanges), expected, "{accepted}");
        let refused = out.notes.iter().any(|note| note.contains("refused"));
        assert_eq!(refused, !accepted, "{:?}", out.notes);
    }
}

#[test]
fn compression_and_old_ciphers_are_told_to_be_out_of_reach() {
    let script = [(C, client_hello(1)), (S, server_hello(2, 5, &[]))];
    let log = keylog(&[("CLIENT_RANDOM", &[1; 48])]);
    let (_, out) = play_with(&log, &script, None, || usize::MAX);
    assert!(
        out.notes[0].starts_with("records of TLSv1.2 with TLS_RSA_WITH_RC4_128_SHA"),
        "{:?}",
        out.notes
    );
    assert_eq!(summary(&out).decryption, Some(Decryption::default()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_segments_are_opened_alike(
        lengths in prop::collection::vec(1..200usize, 1..40),
        which in any::<prop::sample::Index>(),
    ) {
        let (_, (script, log)) = which.get(&ALL);
        let mut lengths = lengths.into_iter().cycle();
        let (proto, out) = play_with(log, script, None, || lengths.next().unwrap());
        prop_assert_eq!(proto, Proto("pop3"));
        prop_assert_eq!(pairs(&out.exchanges), SAID);
    }

    #[test]
    fn a_cut_gives_the_same_before_it(keep in 4..20usize, which in any::<prop::sample::Index>()) {
        let (_, (script, log)) = which.get(&ALL);
        let keep = keep.min(script.len());
        let (_, out) = play_with(log, &script[..keep], None, || usize::MAX);
        let said = pairs(&out.exchanges);
        let whole = said.iter().filter(|(_, response)| !response.is_empty()).count();
        prop_assert_eq!(&said[..whole], &SAID[..whole]);
    }

    #[test]
    fn any_bytes_after_the_hellos_are_borne_with_keys(
        pieces in prop::collection::vec((any::<bool>(), 20..25u8, prop::collection::vec(any::<u8>(), 0..80)), 0..20),
        which in any::<prop::sample::Index>(),
    ) {
        let (_, (script, log)) = which.get(&ALL);
        let mut script = script[..2].to_vec();
        for (client, kind, body) in pieces {
            let length = u16::try_from(body.len()).unwrap().to_be_bytes();
            let record = [&[kind, 3, 3][..], &length, &body].concat();
            script.push((if client { C } else { S }, record));
        }
        let (_, out) = play_with(log, &script, None, || usize::MAX);
        prop_assert!(out.exchanges.is_empty());
    }
}
