//! What each protocol can do in the clear, on literal bytes: the exchanges that are read, and the faults by name.

use super::testing::{C, S, Script, run};
use crate::model::{Encryption, FaultCode, LookupOutcome};

/// Request and response of each exchange.
fn said(port: u16, script: Script<'_>) -> Vec<(String, String)> {
    super::testing::pairs(&run(port, script).1)
}

/// The same, as expected.
fn these(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(asked, answered): &(&str, &str)| ((*asked).to_owned(), (*answered).to_owned());
    pairs.iter().map(owned).collect()
}

fn faults(port: u16, script: Script<'_>) -> Vec<FaultCode> {
    let faults = run(port, script).1.faults;
    faults.into_iter().map(|fault| fault.code).collect()
}

#[test]
fn smtp_passes_the_client_on() {
    let script: Script<'_> = &[
        (S, "220 mx ESMTP\r\n"),
        (C, "EHLO filter\r\n"),
        (
            S,
            "250-mx\r\n250-XFORWARD NAME ADDR\r\n250 XCLIENT NAME\r\n",
        ),
        (C, "XFORWARD NAME=spike ADDR=192.0.2.9\r\n"),
        (S, "250 2.0.0 Ok\r\n"),
        (C, "XCLIENT NAME=spike\r\n"),
        (S, "220 mx ESMTP\r\n"),
        (C, "HELO spike\r\n"),
        (S, "250 mx\r\n"),
    ];
    assert_eq!(
        said(25, script),
        these(&[
            ("", "220 mx ESMTP"),
            ("EHLO filter", "250-mx"),
            ("XFORWARD NAME=spike ADDR=192.0.2.9", "250 2.0.0 Ok"),
            ("XCLIENT NAME=spike", "220 mx ESMTP"),
            ("HELO spike", "250 mx"),
        ])
    );
    assert_eq!(faults(25, script), []);
}

#[test]
fn a_proxy_header_before_the_banner_is_no_command() {
    // Version 2 for 192.0.2.1 port 5678; all its octets are below 128 but for the addresses, so it is put together.
    let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    v2.extend([192, 0, 2, 1, 198, 51, 100, 2, 0x16, 0x2e, 0, 25]);
    for header in [&b"PROXY TCP4 192.0.2.1 198.51.100.2 5678 25\r\n"[..], &v2] {
        let parts = [
            (C, header.to_vec(), true),
            (S, b"220 mx ESMTP\r\n".to_vec(), true),
            (C, b"QUIT\r\n".to_vec(), true),
            (S, b"221 bye\r\n".to_vec(), true),
        ];
        let (_, dialogue) = super::testing::feed(25, &parts);
        let pairs = super::testing::pairs(&dialogue);
        assert_eq!(pairs, these(&[("", "220 mx ESMTP"), ("QUIT", "221 bye")]));
        assert_eq!(dialogue.faults, []);
        let client = &dialogue.forwarded[0];
        assert_eq!(
            (client.client.to_string(), client.port),
            ("192.0.2.1".to_owned(), Some(5678))
        );
    }
}

#[test]
fn smuggled_line_ends_are_named_and_the_message_stays_one() {
    for end in ["\n.\r\n", "\r.\r", "\n.\n", "\r\n.\r"] {
        let message = format!("hi{end}MAIL FROM:<x@y>\r\n.\r\n");
        let script = [
            (S, "220 mx ESMTP\r\n"),
            (C, "DATA\r\n"),
            (S, "354 go\r\n"),
            (C, message.as_str()),
            (S, "250 taken\r\n"),
            (C, "QUIT\r\n"),
            (S, "221 bye\r\n"),
        ];
        let body = format!("<body {} bytes>", message.len() - 5);
        assert_eq!(
            said(25, &script),
            these(&[
                ("", "220 mx ESMTP"),
                ("DATA", "354 go"),
                (&body, "250 taken"),
                ("QUIT", "221 bye"),
            ]),
            "{end:?}"
        );
        assert_eq!(faults(25, &script), [FaultCode::SmuggledEnd], "{end:?}");
    }
}

#[test]
fn smtp_sasl_in_all_shapes() {
    let (_, dialogue) = run(
        587,
        &[
            (S, "220 mx ESMTP\r\n"),
            (C, "AUTH PLAIN AHRpbQBzM2NyZXQ=\r\n"),
            (S, "535 no\r\n"),
            (C, "AUTH PLAIN\r\n"),
            (S, "334 \r\n"),
            (C, "AHRvbQBzM2NyZXQ=\r\n"),
            (S, "535 no\r\n"),
            (C, "AUTH LOGIN YW5u\r\n"),
            (S, "334 UGFzc3dvcmQ6\r\n"),
            (C, "*\r\n"),
            (S, "501 cancelled\r\n"),
            (C, "AUTH EXTERNAL =\r\n"),
            (S, "235 in\r\n"),
        ],
    );
    assert_eq!(
        super::testing::pairs(&dialogue),
        these(&[
            ("", "220 mx ESMTP"),
            ("AUTH PLAIN ***", "535 no"),
            ("AUTH PLAIN", "334 "),
            ("***", "535 no"),
            ("AUTH LOGIN ***", "334 UGFzc3dvcmQ6"),
            ("*", "501 cancelled"),
            ("AUTH EXTERNAL ***", "235 in"),
        ])
    );
    assert_eq!(dialogue.names, ["tim", "tom", "ann"]);
}

#[test]
fn only_replies_of_smtp_were_captured() {
    let (_, dialogue) = run(
        25,
        &[
            (S, "220 mx ESMTP\r\n"),
            (S, "250 mx\r\n"),
            (S, "354 go\r\n"),
            (S, "250 taken\r\n"),
        ],
    );
    let last = dialogue.exchanges.last().unwrap();
    assert_eq!(last.request, "<body not captured>");
    assert_eq!(last.response.as_deref(), Some("250 taken"));
    assert_eq!((last.request_bytes, last.notes.len()), (None, 0));
}

#[test]
fn departures_have_names() {
    let long = format!("NOOP {}\r\n", "x".repeat(13_000));
    let cases: [(&[(crate::model::Side, &str)], FaultCode); 7] = [
        (
            &[(C, "EHLO x\r\n"), (S, "220 mx ESMTP\r\n250 mx\r\n")],
            FaultCode::TalkBeforeGreeting,
        ),
        (
            &[(S, "220 mx ESMTP\r\n"), (C, "DATA\r\n"), (S, "503 no\r\n")],
            FaultCode::OutOfOrder,
        ),
        (
            &[(S, "220 mx ESMTP\r\n"), (S, "250 what\r\n")],
            FaultCode::UnmatchedReply,
        ),
        (
            &[(S, "220 mx ESMTP\r\n"), (C, "NOOP\n"), (S, "250 ok\r\n")],
            FaultCode::BareLf,
        ),
        (
            &[(S, "220 mx ESMTP\r\n"), (C, &long), (S, "250 ok\r\n")],
            FaultCode::LongLine,
        ),
        (
            &[
                (S, "220 mx ESMTP\r\n"),
                (C, "STARTTLS\r\nNOOP\r\n"),
                (S, "220 go\r\n"),
            ],
            FaultCode::TalkBeforeReply,
        ),
        (
            &[(S, "220 mx ESMTP\r\n"), (C, "XYZZY\r\n"), (S, "500 no\r\n")],
            FaultCode::UnknownCommand,
        ),
    ];
    for (script, fault) in cases {
        assert_eq!(faults(25, script), [fault], "{script:?}");
    }
}

#[test]
fn pop3_undoes_dots_and_asks_for_tls() {
    let script: Script<'_> = &[
        (S, "+OK POP3\r\n"),
        (C, "AUTH PLAIN AHRpbQBzM2NyZXQ=\r\n"),
        (S, "+OK in\r\n"),
        (C, "RETR 1\r\n"),
        (S, "+OK\r\n..\r\n.+OK\r\n+OK no\r\n.\r\n"),
        (C, "STLS\r\n"),
        (S, "+OK begin\r\n"),
        (C, "QUIT\r\n"),
    ];
    let (_, dialogue) = run(110, script);
    assert_eq!(
        super::testing::pairs(&dialogue),
        these(&[
            ("", "+OK POP3"),
            ("AUTH PLAIN ***", "+OK in"),
            ("RETR 1", "+OK"),
            ("STLS", "+OK begin"),
        ])
    );
    assert_eq!(dialogue.encryption, Encryption::StartTls);
    assert_eq!(dialogue.exchanges[2].response_bytes, Some(26));
}

#[test]
fn imap_literals_news_and_extensions() {
    let script: Script<'_> = &[
        (S, "* OK [CAPABILITY IMAP4rev2 LITERAL-] ready\r\n"),
        (C, "a AUTHENTICATE PLAIN AHRpbQBzM2NyZXQ=\r\n"),
        (S, "a OK in\r\n"),
        (C, "b ENABLE IMAP4rev2\r\n"),
        (S, "* ENABLED IMAP4rev2\r\nb OK\r\n"),
        (C, "c APPEND x (\\Seen) {3+}\r\nabc\r\n"),
        (S, "* 7 EXISTS\r\nc OK\r\n"),
        (C, "d APPEND x ~{4}\r\n"),
        (S, "+ go\r\n"),
        (C, "\0\r\n\n\r\n"),
        (S, "d OK\r\n"),
        (C, "e NOTIFY SET (selected (MessageNew))\r\n"),
        (S, "e OK\r\n"),
        (S, "* 8 EXISTS\r\n* 8 FETCH (UID 9)\r\n"),
        (C, "f NOOP\r\n"),
        (S, "f OK\r\n"),
    ];
    assert_eq!(
        said(143, script),
        these(&[
            ("", "* OK [CAPABILITY IMAP4rev2 LITERAL-] ready"),
            ("a AUTHENTICATE PLAIN ***", "a OK in"),
            ("b ENABLE IMAP4rev2", "b OK"),
            ("c APPEND x (\\Seen) {3+}", "c OK"),
            ("d APPEND x ~{4}", "d OK"),
            ("e NOTIFY SET (selected (MessageNew))", "e OK"),
            ("f NOOP", "f OK"),
        ])
    );
    assert_eq!(faults(143, script), []);
    let (_, dialogue) = run(143, script);
    // News that nobody asked for is no part of a reply.
    assert_eq!(dialogue.exchanges[6].response_bytes, Some(6));
}

#[test]
fn what_is_compressed_is_no_rubbish() {
    let deflated = "\u{4}\0not a line\n* 1 {99}\r\n";
    let (_, imap) = run(
        143,
        &[
            (S, "* OK ready\r\n"),
            (C, "a COMPRESS DEFLATE\r\n"),
            (S, "a OK\r\n"),
            (C, deflated),
            (S, deflated),
        ],
    );
    let (_, nntp) = run(
        119,
        &[
            (S, "200 news NNTP\r\n"),
            (C, "COMPRESS DEFLATE\r\n"),
            (S, "206 on\r\n"),
            (C, deflated),
            (S, deflated),
        ],
    );
    for dialogue in [imap, nntp] {
        assert_eq!(dialogue.exchanges.len(), 2);
        assert_eq!(dialogue.faults, []);
        assert!(dialogue.notes[0].starts_with("compressed from here on"));
    }
}

#[test]
fn nntp_feeders_offer_and_stream() {
    let script: Script<'_> = &[
        (S, "200 news NNTP\r\n"),
        (C, "MODE STREAM\r\n"),
        (S, "203 go\r\n"),
        (
            C,
            "CHECK <1@x>\r\nCHECK <2@x>\r\nTAKETHIS <1@x>\r\nA: b\r\n\r\nQUIT\r\n.\r\n",
        ),
        (S, "238 <1@x>\r\n438 <2@x>\r\n239 <1@x>\r\n"),
        (C, "IHAVE <3@x>\r\n"),
        (S, "335 send\r\n"),
        (C, "C: d\r\n\r\n..\r\n.\r\n"),
        (S, "235 thanks\r\n"),
        (C, "XGTITLE comp.*\r\n"),
        (S, "282 list\r\n.\r\n"),
    ];
    assert_eq!(
        said(119, script),
        these(&[
            ("", "200 news NNTP"),
            ("MODE STREAM", "203 go"),
            ("CHECK <1@x>", "238 <1@x>"),
            ("CHECK <2@x>", "438 <2@x>"),
            ("TAKETHIS <1@x>", "239 <1@x>"),
            ("IHAVE <3@x>", "335 send"),
            ("<body 10 bytes>", "235 thanks"),
            ("XGTITLE comp.*", "282 list"),
        ])
    );
    assert_eq!(faults(119, script), []);
}

#[test]
fn http_parts_interim_replies_and_handing_over() {
    let script: Script<'_> = &[
        (C, "GET /a HTTP/1.1\r\nRange: bytes=0-1,4-5\r\n\r\n"),
        (
            S,
            "HTTP/1.1 206 parts\r\nContent-Type: multipart/byteranges; boundary=b\r\nContent-Length: 40\r\n\r\n",
        ),
        (S, "--b\r\nContent-Range: bytes 0-1/9\r\n\r\nHTTP/"),
        (
            C,
            "PUT /b HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        ),
        (
            S,
            "HTTP/1.1 103 hints\r\nLink: x\r\n\r\nHTTP/1.1 100 go\r\n\r\n",
        ),
        (C, "up"),
        (
            S,
            "HTTP/1.1 416 no\r\nContent-Range: bytes */9\r\nContent-Length: 0\r\n\r\n",
        ),
        (C, "CONNECT mx:25 HTTP/1.1\r\n\r\n"),
        (S, "HTTP/1.1 200 go\r\n\r\n"),
        (S, "220 mx ESMTP\r\n"),
        (C, "QUIT\r\n"),
        (S, "221 bye\r\n"),
    ];
    assert_eq!(
        said(3128, script),
        these(&[
            ("GET /a HTTP/1.1", "HTTP/1.1 206 parts"),
            ("PUT /b HTTP/1.1", "HTTP/1.1 416 no"),
            ("CONNECT mx:25 HTTP/1.1", "HTTP/1.1 200 go"),
            ("", "220 mx ESMTP"),
            ("QUIT", "221 bye"),
        ])
    );
    assert_eq!(faults(3128, script), []);
}

#[test]
fn dns_over_tcp_tells_what_became_of_a_name() {
    let ask = "\0\u{1e}\0\u{1}\u{1}\0\0\u{1}\0\0\0\0\0\0\u{4}gone\u{7}example\0\0\u{1}\0\u{1}";
    let answer: Vec<u8> = ask
        .bytes()
        .enumerate()
        .map(|(at, byte)| match at {
            4 => 0x81,
            5 => 0x83,
            _ => byte,
        })
        .collect();
    let parts = [(C, ask.as_bytes().to_vec(), true), (S, answer, true)];
    let (_, dialogue) = super::testing::feed(53, &parts);
    assert_eq!(
        super::testing::pairs(&dialogue),
        these(&[("A? gone.example", "NXDOMAIN")])
    );
    assert_eq!(dialogue.lookups[0].outcome, LookupOutcome::NoSuchName);
}
