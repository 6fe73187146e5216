use super::super::Driver;
use super::super::testing::{C, Part, S, feed, pairs, segmentation_does_not_matter_for};
use super::*;

fn script(parts: &[(Side, &[u8])]) -> Vec<Part> {
    let parts = parts.iter();
    parts
        .map(|(side, bytes)| (*side, bytes.to_vec(), true))
        .collect()
}

const SMTP: [(Side, &[u8]); 5] = [
    (S, b"220 mx.example ESMTP\r\n"),
    (C, b"EHLO a.example\r\n"),
    (S, b"250 mx.example\r\n"),
    (C, b"QUIT\r\n"),
    (S, b"221 bye\r\n"),
];

#[test]
fn version_4_by_address_leads_to_what_is_behind_it() {
    let mut said: Vec<(Side, &[u8])> = vec![
        (C, b"\x04\x01\x00\x19\xc0\x00\x02\x19ann\0"),
        (S, b"\0\x5a\0\0\0\0\0\0"),
    ];
    said.extend(SMTP);
    let (proto, dialogue) = feed(1080, &script(&said));
    assert_eq!(proto, Proto("socks"));
    let pairs = pairs(&dialogue);
    assert_eq!(
        pairs[0],
        (
            "SOCKS4 CONNECT 192.0.2.25:25".to_owned(),
            "90 granted".to_owned()
        )
    );
    assert!(pairs.contains(&("EHLO a.example".to_owned(), "250 mx.example".to_owned())));
    assert!(dialogue.names.contains(&"ann".to_owned()));
    let notes = dialogue.notes.join("; ");
    assert!(
        notes.contains("a SOCKS tunnel to 192.0.2.25 port 25"),
        "{notes}"
    );
    assert!(notes.contains("spoken after it: smtp"), "{notes}");
    segmentation_does_not_matter_for(1080, &script(&said));
}

#[test]
fn version_5_with_a_login_masks_the_password() {
    let mut said: Vec<(Side, &[u8])> = vec![
        (C, b"\x05\x02\x00\x02"),
        (S, b"\x05\x02"),
        (C, b"\x01\x03ann\x06secret"),
        (S, b"\x01\x00"),
        (C, b"\x05\x01\x00\x03\x0amx.example\x00\x19"),
        (S, b"\x05\x00\x00\x01\x7f\x00\x00\x01\x04\x38"),
    ];
    said.extend(SMTP);
    for port in [1080, 9050] {
        let (proto, dialogue) = feed(port, &script(&said));
        assert_eq!(proto, Proto("socks"));
        let told = format!("{dialogue:?}");
        assert!(!told.contains("secret"), "{told}");
        let pairs = pairs(&dialogue);
        let told: Vec<&str> = pairs.iter().take(3).map(|pair| pair.0.as_str()).collect();
        assert_eq!(
            told,
            [
                "SOCKS5 offers no authentication, user name and password",
                "SOCKS5 login ann ***",
                "SOCKS5 CONNECT mx.example:25",
            ]
        );
    }
    segmentation_does_not_matter_for(1080, &script(&said));
}

#[test]
fn a_host_name_in_version_4_is_where_it_leads() {
    let said: [(Side, &[u8]); 2] = [
        (C, b"\x04\x01\x00\x50\0\0\0\x01ann\0www.example\0"),
        (S, b"\0\x5b\0\0\0\0\0\0"),
    ];
    let (_, dialogue) = feed(1080, &script(&said));
    assert_eq!(
        pairs(&dialogue),
        [(
            "SOCKS4 CONNECT www.example:80".to_owned(),
            "91 rejected or failed".to_owned()
        )]
    );
    assert!(dialogue.notes.is_empty(), "no tunnel: {:?}", dialogue.notes);
}

#[test]
fn what_only_looks_like_it_is_not_taken_for_it() {
    for (client, server) in [
        (&b"\x05\x01\x00"[..], &b"220 hi\r\n"[..]),
        (b"\x04\x07\x00\x19\xc0\x00\x02\x19\0", b"\0\x5a"),
        (b"\x05\x01\x00", b"\0\x5a\0\0\0\0\0\0"),
        (b"\x05\x00", b"\x05\x00"),
        // A request and its reply, of which the greeting was not captured.
        (b"\x05\x01\x00\x01\xc0\x00\x02\x19\x00\x19", b"\x05\x00"),
        (b"\x05\x01\x00", b"\x05\x00\x00\x01\x7f\x00\x00\x01\x04\x38"),
        (b"GET / HTTP/1.1\r\n", b"\x05\x00"),
    ] {
        let opening = Opening {
            client,
            server,
            port: 1080,
        };
        assert_eq!(probe(&opening), Verdict::RuledOut, "{client:?} {server:?}");
    }
}

/// A request without its greeting has the octets of a greeting at its front.
#[test]
fn a_hole_in_the_handshake_ends_it_and_nothing_is_made_up() {
    let request = b"\x05\x01\x00\x03\x0amx.example\x00\x19";
    let reply = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x04\x38";
    for split in [3, request.len()] {
        let (first, rest) = request.split_at(split);
        let mut holed = Driver::new(1080);
        holed.event(StreamEvent::Gap {
            side: C,
            at: Nanos(0),
            missing: 3,
        });
        for (side, bytes) in [(S, &b"\x05\x00"[..]), (C, first), (C, rest), (S, reply)] {
            holed.event(StreamEvent::Data {
                side,
                at: Nanos(1),
                packet: PacketNo(1),
                bytes,
            });
        }
        let (_, dialogue) = holed.finish();
        assert_eq!(pairs(&dialogue), [], "{:?}", dialogue.notes);
    }
}
