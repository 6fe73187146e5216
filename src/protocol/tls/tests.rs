//! Whole connections, made by hand.

mod properties;
mod sealed;

use super::{Opener, Tls};
use crate::flow::StreamEvent;
use crate::model::{Burst, Nanos, PacketNo, Side, TlsSummary, TlsVersion};
use crate::protocol::{Decoder as _, Dialogue};

const C: Side = Side::Client;
const S: Side = Side::Server;

const TLS12: u16 = 0xc02f;
const TLS13: u16 = 0x1302;

/// A record of `length` octets that nobody reads.
fn record(kind: u8, length: u16) -> Vec<u8> {
    let mut bytes = vec![kind, 3, 3];
    bytes.extend(length.to_be_bytes());
    bytes.extend((0..length).map(|n| n.to_be_bytes()[1] | 0x80));
    bytes
}

fn data(length: u16) -> Vec<u8> {
    record(23, length)
}

fn change() -> Vec<u8> {
    vec![20, 3, 3, 0, 1, 1]
}

/// A handshake record with one message.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap();
    let mut bytes = vec![22, 3, 1];
    bytes.extend((length + 4).to_be_bytes());
    bytes.extend([kind, 0]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(body);
    bytes
}

fn extensions(list: &[(u16, &[u8])]) -> Vec<u8> {
    let mut all = Vec::new();
    for (kind, body) in list {
        all.extend(kind.to_be_bytes());
        all.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        all.extend(*body);
    }
    let mut bytes = u16::try_from(all.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(all);
    bytes
}

/// A hello that asks for `mx.y`, offers TLS 1.3 and takes tickets.
fn client_hello(session: u8) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([2, session, session, 0, 4, 0x13, 2, 0xc0, 0x2f, 1, 0]);
    body.extend(extensions(&[
        (0, b"\0\x07\0\0\x04mx.y"),
        (16, b"\0\x08\x04imap\x02h2"),
        (43, &[4, 3, 4, 3, 3]),
        (45, &[1, 1]),
    ]));
    message(1, &body)
}

fn server_hello(session: u8, cipher: u16, list: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([9; 32]);
    body.extend([2, session, session]);
    body.extend(cipher.to_be_bytes());
    body.push(0);
    body.extend(extensions(list));
    message(2, &body)
}

fn server_hello_13() -> Vec<u8> {
    server_hello(1, TLS13, &[(43, &[3, 4])])
}

/// A connection: who sends what, in order.
type Script = Vec<(Side, Vec<u8>)>;

/// TLS 1.3 with two tickets, a greeting, a request in two records, a reply and both alerts.
fn script_13() -> Script {
    vec![
        (C, client_hello(1)),
        (S, server_hello_13()),
        (
            S,
            [change(), data(27), data(872), data(281), data(69)].concat(),
        ),
        (C, [change(), data(69)].concat()),
        (S, [data(266), data(266)].concat()),
        (S, data(129)),
        (C, [data(32), data(19)].concat()),
        (S, [data(16_401), data(300), data(19)].concat()),
        (C, data(19)),
    ]
}

/// TLS 1.2 in full, with an ALPN chosen, a request, a reply and alerts.
fn script_12() -> Script {
    vec![
        (C, client_hello(1)),
        (S, server_hello(2, TLS12, &[(16, b"\0\x03\x02h2")])),
        (S, [message(11, &[0, 0, 0]), message(14, &[])].concat()),
        (
            C,
            [message(16, &[0; 66]), change(), record(22, 40)].concat(),
        ),
        (S, [change(), record(22, 40)].concat()),
        (C, data(124)),
        (S, [data(24), data(2_024), record(21, 26)].concat()),
        (C, record(21, 26)),
    ]
}

fn event(side: Side, at: i64, bytes: &[u8]) -> StreamEvent<'_> {
    StreamEvent::Data {
        side,
        at: Nanos(at),
        packet: PacketNo(u64::try_from(at).unwrap()),
        bytes,
    }
}

/// Plays a script; `cut` gives the length of the next segment, and of that which is missing after it.
fn play(script: &[(Side, Vec<u8>)], mut cut: impl FnMut() -> (usize, usize)) -> Dialogue {
    let mut tls = Tls::new(Opener::Server);
    let mut out = Dialogue::default();
    for (at, (side, bytes)) in (1..).zip(script) {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (length, missing) = cut();
            let (part, after) = rest.split_at(length.min(rest.len()));
            tls.event(event(*side, at, part), &mut out);
            let missing = missing.min(after.len());
            if missing > 0 {
                let gap = StreamEvent::Gap {
                    side: *side,
                    at: Nanos(at),
                    missing: missing as u64,
                };
                tls.event(gap, &mut out);
            }
            rest = &after[missing..];
        }
    }
    tls.finish(&mut out);
    out
}

fn whole(script: &[(Side, Vec<u8>)]) -> Dialogue {
    play(script, || (usize::MAX, 0))
}

/// Side, records and plaintext of each burst.
fn brief(out: &Dialogue) -> Vec<(Side, u32, u64)> {
    let brief = |burst: &Burst| (burst.side, burst.records, burst.plaintext);
    out.bursts.iter().map(brief).collect()
}

fn summary(out: &Dialogue) -> TlsSummary {
    out.tls.clone().unwrap()
}

#[test]
fn a_1_3_handshake_leaves_only_what_the_sides_said() {
    let out = whole(&script_13());
    let tls = summary(&out);
    assert_eq!(tls.version, Some(TlsVersion::TLS_1_3));
    assert_eq!(tls.cipher.as_deref(), Some("TLS_AES_256_GCM_SHA384"));
    assert_eq!(tls.server_name.unwrap().0, "mx.y");
    assert_eq!(
        (tls.alpn.join(" "), tls.alpn_chosen),
        ("imap h2".into(), false)
    );
    assert_eq!(tls.resumed, Some(false));
    let times = [tls.client_hello, tls.server_hello, tls.finished];
    assert_eq!(times, [1, 2, 4].map(|at| Some(Nanos(at))));
    // The client's first record of two octets is no alert: it was answered.
    assert_eq!(brief(&out), [(S, 1, 112), (C, 2, 17), (S, 2, 16_384 + 283)]);
    assert!(out.notes.is_empty() && out.bursts.iter().all(|burst| !burst.damaged));
    assert_eq!(out.bursts[1].packet, PacketNo(7));
}

#[test]
fn a_1_2_handshake_shows_certificate_and_alpn() {
    let out = whole(&script_12());
    let tls = summary(&out);
    assert_eq!(tls.version, Some(TlsVersion(0x0303)));
    assert_eq!((tls.alpn.join(" "), tls.alpn_chosen), ("h2".into(), true));
    assert_eq!((tls.resumed, tls.chain_length), (Some(false), Some(0)));
    assert_eq!(tls.finished, Some(Nanos(4)));
    assert_eq!(brief(&out), [(C, 1, 100), (S, 2, 2_000)]);
    assert_eq!(out.notes, ["the server sent no certificate"]);
}

#[test]
fn what_is_said_in_the_clear_after_the_farewell_is_no_record() {
    let mut script = script_12();
    let sealed = brief(&whole(&script));
    script.extend([
        (C, b"PASV\r\n".to_vec()),
        (S, b"227 Entering Passive Mode (192,0,2,1,4,1)\r\n".to_vec()),
    ]);
    let out = whole(&script);
    assert_eq!(brief(&out), sealed);
    assert!(out.notes.iter().any(|note| note.contains("in the clear")));
}

#[test]
fn a_1_2_session_is_resumed_by_its_id_or_by_a_ticket() {
    for session in [1, 2] {
        let out = whole(&[
            (C, client_hello(1)),
            (S, server_hello(session, TLS12, &[])),
            (S, [change(), record(22, 40)].concat()),
            (C, [change(), record(22, 40)].concat()),
        ]);
        assert_eq!(summary(&out).resumed, Some(true), "session {session}");
        assert_eq!(summary(&out).finished, Some(Nanos(4)));
    }
}

#[test]
fn a_1_3_session_is_resumed_by_its_pre_shared_key() {
    let hello = server_hello(1, TLS13, &[(43, &[3, 4]), (41, &[0, 0])]);
    let out = whole(&[(C, client_hello(1)), (S, hello)]);
    assert_eq!(summary(&out).resumed, Some(true));
    assert_eq!(
        out.notes,
        ["TLS handshake broken off after the server hello"]
    );
}

#[test]
fn failures_are_told_in_words() {
    let alert = |number| vec![21, 3, 3, 0, 2, 2, number];
    for (script, note) in [
        (
            vec![(C, client_hello(1)), (S, alert(40))],
            "TLS handshake failed: the server says \"handshake failure\"",
        ),
        (
            vec![(C, client_hello(1)), (S, server_hello_13()), (C, alert(48))],
            "TLS handshake failed: the client says \"unknown CA\"",
        ),
        (
            vec![(C, client_hello(1)), (S, server_hello_13()), (C, data(19))],
            "TLS handshake failed: the client sent an encrypted alert",
        ),
        (
            vec![
                (C, client_hello(1)),
                (S, b"HTTP/1.1 400 Bad Request".to_vec()),
            ],
            "TLS handshake failed: the server's answer is not TLS",
        ),
        (
            vec![(C, client_hello(1))],
            "TLS handshake broken off: no server hello",
        ),
    ] {
        let out = whole(&script);
        assert_eq!(out.notes, [note]);
        assert!(out.bursts.is_empty(), "{note}");
    }
    let out = whole(&[(C, client_hello(1)), (S, alert(40))]);
    assert_eq!(summary(&out).alerts, ["server: handshake failure (fatal)"]);
}

#[test]
fn a_start_in_mid_connection_gives_damaged_bursts() {
    let out = whole(&[(C, data(117)), (S, vec![9; 700]), (S, data(217))]);
    assert_eq!(brief(&out), [(C, 1, 100), (S, 1, 900)]);
    assert!(out.bursts.iter().all(|burst| burst.damaged));
    assert_eq!(summary(&out).version, None);
    assert_eq!(out.notes, ["the TLS handshake is not in the capture"]);
}

#[test]
fn a_hole_inside_a_record_leaves_its_length_and_damages_its_burst() {
    let mut script = script_13();
    script.truncate(6);
    script.push((C, data(1_017)));
    script.push((S, data(517)));
    let last = script.len();
    let mut cuts = vec![(usize::MAX, 0); last - 2];
    cuts.extend([(100, 400), (usize::MAX, 0), (usize::MAX, 0)]);
    let mut cuts = cuts.into_iter();
    let out = play(&script, || cuts.next().unwrap());
    assert_eq!(brief(&out), [(S, 1, 112), (C, 1, 1_000), (S, 1, 500)]);
    let damaged: Vec<bool> = out.bursts.iter().map(|burst| burst.damaged).collect();
    assert_eq!(damaged, [false, true, false]);
}

#[test]
fn a_hole_over_a_header_ends_at_the_next_one() {
    let mut script = script_13();
    script.truncate(6);
    script.push((C, [data(1_017), data(1_017), data(617)].concat()));
    script.push((S, data(517)));
    script.push((C, data(57)));
    let mut cuts = vec![(usize::MAX, 0); script.len() - 3];
    // From inside the first record to inside the second.
    cuts.extend([
        (1_000, 500),
        (usize::MAX, 0),
        (usize::MAX, 0),
        (usize::MAX, 0),
    ]);
    let mut cuts = cuts.into_iter();
    let out = play(&script, || cuts.next().unwrap());
    // Of the second record only 544 octets of ciphertext were seen.
    assert_eq!(
        brief(&out)[1..],
        [(C, 2, 1_000 + 544 + 600), (S, 1, 500), (C, 1, 40)]
    );
    let damaged: Vec<bool> = out.bursts.iter().map(|burst| burst.damaged).collect();
    assert_eq!(damaged, [false, true, false, false]);
}

#[test]
fn a_hole_over_a_finished_does_not_hide_what_follows() {
    let mut script = script_13();
    // The record of the hello says 1.0 and those after it 1.2; the client's change and Finished are lost.
    let mut cuts = vec![(usize::MAX, 0); 3];
    script[3].1.push(0);
    cuts.extend([(0, 6 + 74), (usize::MAX, 0)]);
    script[3].1.pop();
    script[3].1.extend(data(32));
    script.remove(6);
    let mut cuts = cuts.into_iter().chain(std::iter::repeat((usize::MAX, 0)));
    let out = play(&script, || cuts.next().unwrap());
    assert!(out.bursts.iter().any(|burst| burst.side == C), "{out:?}");
}

#[test]
fn a_certificate_over_records_and_segments_is_read() {
    let der = include_bytes!("testdata/mx.example.org.der");
    let length = |n: usize| u32::try_from(n).unwrap().to_be_bytes()[1..].to_vec();
    let body = [length(der.len() + 3), length(der.len()), der.to_vec()].concat();
    let one = message(11, &body);
    // The same message in records of 100 octets.
    let split: Vec<u8> = one[5..]
        .chunks(100)
        .flat_map(|part| {
            let mut bytes = vec![22, 3, 3, 0, u8::try_from(part.len()).unwrap()];
            bytes.extend(part);
            bytes
        })
        .collect();
    for certificate in [one, split] {
        let mut script = script_12();
        script[2] = (S, [certificate, message(14, &[])].concat());
        for segment in [usize::MAX, 60, 1] {
            let tls = summary(&play(&script, || (segment, 0)));
            assert_eq!(tls.chain_length, Some(1));
            let subject = tls.certificate.unwrap().subject;
            assert_eq!(subject, "C=NL, O=Example, CN=mx.example.org");
        }
    }
}
