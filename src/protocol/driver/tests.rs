use std::net::IpAddr;

use super::*;
use crate::model::{Nanos, PacketNo};
use crate::protocol::testing::{C, S, run};
use crate::protocol::undecided::MAX_OPENING;

const HELLO: &str = "\u{16}\u{3}\u{1}\0\u{5}\u{1}\0\0\u{1}\0";

#[test]
fn content_counts_more_than_the_port() {
    let (proto, _) = run(25, &[(C, "GET / HTTP/1.1\r\n\r\n")]);
    assert_eq!(proto, Proto("http"));
    let (proto, _) = run(80, &[(S, "* OK ready\r\n")]);
    assert_eq!(proto, Proto("imap"));
}

#[test]
fn the_port_breaks_ties_and_speaks_for_the_silent() {
    let tie = "200 ready\r\n";
    assert_eq!(run(119, &[(S, tie)]).0, Proto("nntp"));
    assert_eq!(run(110, &[(S, "-ERR busy\r\n")]).0, Proto("pop3"));
    let ftp = "220 ready\r\n";
    assert_eq!(run(25, &[(S, ftp)]).0, Proto("smtp"));
    for (port, proto) in [
        (143, Proto("imap")),
        (995, Proto("pop3")),
        (9, Proto::UNKNOWN),
    ] {
        let (found, dialogue) = run(port, &[]);
        assert_eq!((found, dialogue.encryption), (proto, Encryption::None));
    }
}

#[test]
fn rubbish_on_a_known_port_stays_unknown_and_is_bounded() {
    let junk = "\u{1}junk\n".repeat(500);
    let script: Vec<(Side, &str)> = [(C, junk.as_str()), (S, junk.as_str())].repeat(50);
    let mut driver = Driver::new(80);
    for (n, (side, text)) in (0..).zip(&script) {
        driver.event(StreamEvent::Data {
            side: *side,
            at: Nanos(n),
            packet: PacketNo(1),
            bytes: text.as_bytes(),
        });
        assert!(
            driver
                .listener
                .opening
                .sides
                .iter()
                .all(|side| side.len() < MAX_OPENING + junk.len())
        );
    }
    let (proto, dialogue) = driver.finish();
    assert_eq!(proto, Proto::UNKNOWN);
    assert!(dialogue.exchanges.is_empty());
}

#[test]
fn tls_from_the_first_byte_is_named_by_its_port() {
    for (port, proto) in [
        (465, Proto("smtp")),
        (993, Proto("imap")),
        (4433, Proto::TLS),
    ] {
        let (found, dialogue) = run(port, &[(C, HELLO)]);
        assert_eq!((found, dialogue.encryption), (proto, Encryption::Implicit));
    }
    let record = "\u{17}\u{3}\u{3}\0\u{2}ab";
    assert_eq!(run(443, &[(C, record)]).1.encryption, Encryption::Implicit);
    assert_eq!(run(4433, &[(C, record)]).1.encryption, Encryption::None);
}

#[test]
fn a_proxy_header_is_set_aside() {
    let script = [
        (C, "PROXY TCP4 192.0.2.1 198.51"),
        (C, ".100.2 5678 25\r\nEHLO x\r\n"),
        (S, "220 mx ESMTP\r\n250 mx\r\n"),
    ];
    let (proto, dialogue) = run(2525, &script);
    assert_eq!(proto, Proto("smtp"));
    assert_eq!(dialogue.exchanges[0].request, "EHLO x");
    assert_eq!(dialogue.exchanges[0].request_bytes, Some(8));
    let [named] = dialogue.forwarded[..] else {
        panic!("{:?}", dialogue.forwarded)
    };
    assert_eq!(named.client, IpAddr::from([192, 0, 2, 1]));
    assert_eq!(named.port, Some(5678));
    let (found, dialogue) = run(465, &[(C, &format!("PROXY UNKNOWN\r\n{HELLO}"))]);
    assert_eq!(
        (found, dialogue.encryption),
        (Proto("smtp"), Encryption::Implicit)
    );
}

#[test]
fn tls_is_found_though_the_agreement_on_it_was_lost() {
    let script = [
        (S, "220 mx ESMTP\r\n"),
        (C, "EHLO x\r\n"),
        (S, "250 mx\r\n"),
        (C, "STARTTLS\r\n"),
        (S, "220 go\r\n"),
        (C, HELLO),
    ];
    for lost in [3, 4] {
        let (_, dialogue) = crate::protocol::testing::without(25, &script, lost);
        assert_eq!(dialogue.encryption, Encryption::StartTls, "{lost}");
    }
}

#[test]
fn what_follows_a_hand_over_behind_a_hole_is_read() {
    let script = [
        (C, "xyz"),
        (C, "CONNECT mx:25 HTTP/1.1\r\n\r\n"),
        (S, "HTTP/1.1 200 OK\r\n\r\n"),
        (S, "220 mx ESMTP\r\n"),
        (C, "EHLO x\r\n"),
        (S, "250 mx\r\n"),
    ];
    let (proto, dialogue) = crate::protocol::testing::without(4000, &script, 0);
    assert_eq!(proto, Proto("http"));
    let asked: Vec<&str> = dialogue.exchanges.iter().map(|e| &*e.request).collect();
    assert!(asked.contains(&"EHLO x"), "{dialogue:?}");
}

#[test]
fn proxies_within_proxies_come_to_an_end() {
    let asked = "CONNECT a:80 HTTP/1.1\r\n\r\n".repeat(2000);
    let agreed = "HTTP/1.1 200 OK\r\n\r\n".repeat(2000);
    let (proto, dialogue) = run(8080, &[(C, &asked), (S, &agreed)]);
    assert_eq!(proto, Proto("http"));
    let given_up = dialogue
        .notes
        .iter()
        .filter(|note| note.contains("too many proxies"));
    assert_eq!(given_up.count(), 1, "{:?}", dialogue.notes);
    assert_eq!(dialogue.exchanges.len(), 1 + MAX_HAND_OVERS as usize);
}

#[test]
fn exchanges_come_in_the_order_in_which_they_began() {
    let (_, dialogue) = run(
        143,
        &[
            (S, "* OK hi\r\n"),
            (C, "a NOOP\r\n"),
            (C, "b NOOP\r\n"),
            (S, "b OK\r\na OK\r\n"),
        ],
    );
    let requests: Vec<&str> = dialogue.exchanges.iter().map(|e| &*e.request).collect();
    assert_eq!(requests, ["", "a NOOP", "b NOOP"]);
}
