use crate::model::{Encryption, FaultCode, Nanos, PacketNo, Proto};
use crate::protocol::testing::{
    C, S, Script, a_hole_costs_little, feed, pairs, rubbish_is_survived, run,
    segmentation_does_not_matter,
};

const BROWSE: Script<'_> = &[
    (
        C,
        "GET / HTTP/1.1\r\nHost: x\r\nCookie: s3cret\r\nAuthorization: Basic dGltOnMzY3JldA==\r\n\r\n",
    ),
    (
        S,
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: s3cret\r\n\r\nhello",
    ),
    (C, "HEAD / HTTP/1.1\r\n\r\n"),
    (S, "HTTP/1.1 200 Head\r\nContent-Length: 5\r\n\r\n"),
    (
        C,
        "POST /put HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
    ),
    (S, "HTTP/1.1 100 Continue\r\n\r\n"),
    (C, "G / "),
    (S, "HTTP/1.1 204 Put\r\nContent-Length: 9\r\n\r\n"),
    (
        C,
        "PUT /chunks HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
    ),
    (
        S,
        "HTTP/1.1 200 Chunks\r\nTransfer-Encoding: chunked\r\n\r\nb;x=y\r\nHTTP/1.1 50\r\n1\r\nx\r\n0\r\n\r\n",
    ),
    (C, "GET /old HTTP/1.1\r\n\r\n"),
    (S, "HTTP/1.1 304 Old\r\n\r\n"),
    (C, "GET /last HTTP/1.0\r\n\r\n"),
    (S, "HTTP/1.0 200 Last\r\n\r\nuntil\r\n\r\nthe end"),
];

#[test]
fn messages_end_where_their_heads_say() {
    let (proto, dialogue) = run(80, BROWSE);
    assert_eq!(proto, Proto("http"));
    assert_eq!(dialogue.notes, [""; 0]);
    assert_eq!(dialogue.names, ["tim"]);
    assert!(!format!("{dialogue:?}").contains("s3cret"));
    let rows: Vec<(&str, &str, u64, u64)> = dialogue
        .exchanges
        .iter()
        .map(|e| {
            assert_eq!(e.notes, [""; 0]);
            (
                &*e.request,
                e.response.as_deref().unwrap(),
                e.request_bytes.unwrap(),
                e.response_bytes.unwrap(),
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("GET / HTTP/1.1", "HTTP/1.1 200 OK", 82, 63),
            ("HEAD / HTTP/1.1", "HTTP/1.1 200 Head", 19, 40),
            ("POST /put HTTP/1.1", "HTTP/1.1 204 Put", 67, 64),
            ("PUT /chunks HTTP/1.1", "HTTP/1.1 200 Chunks", 71, 82),
            ("GET /old HTTP/1.1", "HTTP/1.1 304 Old", 21, 20),
            ("GET /last HTTP/1.0", "HTTP/1.0 200 Last", 22, 37),
        ]
    );
    let put = &dialogue.exchanges[2];
    assert_eq!((put.asked, put.answered), (Some(Nanos(7)), Some(Nanos(8))));
    assert_eq!(put.packets, [Some(PacketNo(5)), Some(PacketNo(8))]);
    assert_eq!(put.code.as_deref(), Some("204"));
}

#[test]
fn pipelined_requests_get_their_replies_in_order() {
    let (_, dialogue) = run(
        8080,
        &[
            (
                C,
                "GET /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n",
            ),
            (S, "HTTP/1.1 200 1\r\nContent-Length: 1\r\n\r\n."),
            (
                S,
                "HTTP/1.1 200 2\r\nContent-Length: 1\r\n\r\nHTTP/1.1 404 3\r\nContent-Length: 0\r\n\r\n",
            ),
        ],
    );
    let pairs = pairs(&dialogue);
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (&**a, &**b)).collect();
    assert_eq!(
        pairs,
        [
            ("GET /1 HTTP/1.1", "HTTP/1.1 200 1"),
            ("HEAD /2 HTTP/1.1", "HTTP/1.1 200 2"),
            ("GET /3 HTTP/1.1", "HTTP/1.1 404 3"),
        ]
    );
}

#[test]
fn a_tunnel_and_an_upgrade_are_handed_over() {
    for (request, reply, what) in [
        (
            "CONNECT x:443 HTTP/1.1\r\n\r\n",
            "HTTP/1.1 200 go\r\n\r\n",
            "a tunnel",
        ),
        (
            "GET / HTTP/1.1\r\n\r\n",
            "HTTP/1.1 101 go\r\nUpgrade: websocket\r\n\r\n",
            "websocket",
        ),
    ] {
        let (_, dialogue) = run(
            80,
            &[(C, request), (S, reply), (C, "GET / HTTP/1.1\r\n\r\n")],
        );
        // A tunnel may carry more of the same; WebSocket is not read.
        let read = if what == "websocket" { 1 } else { 2 };
        assert_eq!(dialogue.exchanges.len(), read);
        assert_eq!(
            dialogue.notes[0],
            format!("handed over to {what} after the reply")
        );
    }
    let (_, refused) = run(
        3128,
        &[
            (C, "CONNECT x:443 HTTP/1.1\r\n\r\n"),
            (S, "HTTP/1.1 403 no\r\nContent-Length: 0\r\n\r\n"),
            (C, "GET / HTTP/1.1\r\n\r\n"),
            (S, "HTTP/1.1 200 yes\r\nContent-Length: 0\r\n\r\n"),
        ],
    );
    assert_eq!(pairs(&refused)[1].1, "HTTP/1.1 200 yes");
}

#[test]
fn what_a_tunnel_carries_is_told_by_content_even_if_sent_ahead() {
    let hello = "\u{16}\u{3}\u{1}\0\u{5}\u{1}\0\0\u{1}\0";
    let ahead = format!("CONNECT x:443 HTTP/1.1\r\n\r\n{hello}");
    let (proto, dialogue) = run(3128, &[(C, ahead.as_str()), (S, "HTTP/1.1 200 go\r\n\r\n")]);
    assert_eq!(
        (proto, dialogue.encryption),
        (Proto("http"), Encryption::StartTls)
    );
    let (_, dialogue) = run(
        3128,
        &[
            (C, "CONNECT x:25 HTTP/1.1\r\n\r\n"),
            (S, "HTTP/1.1 200 go\r\n\r\n220 mx ESMTP\r\n"),
            (C, "QUIT\r\n"),
            (S, "221 bye\r\n"),
        ],
    );
    assert_eq!(
        pairs(&dialogue)[1..],
        [
            (String::new(), "220 mx ESMTP".into()),
            ("QUIT".into(), "221 bye".into()),
        ]
    );
    assert_eq!(dialogue.notes[1], "spoken after it: smtp");
}

#[test]
fn a_reply_without_a_head_answers_a_request_without_a_version() {
    let (proto, dialogue) = run(
        80,
        &[(C, "GET /\r\n\r\n"), (S, "<html>\r\n"), (S, "</html>")],
    );
    assert_eq!(proto, Proto("http"));
    let [exchange] = dialogue.exchanges.as_slice() else {
        panic!("{dialogue:?}")
    };
    assert_eq!(
        (exchange.request.as_str(), exchange.response_bytes),
        ("GET /", Some(15))
    );
    assert_eq!(dialogue.faults, []);
}

#[test]
fn the_rest_of_a_body_behind_a_hole_is_not_judged() {
    let script = [
        (C, "GET / HTTP/1.1\r\n\r\n"),
        (S, "HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\n"),
        (S, "a\nb\nc\nd\n"),
    ];
    let (_, dialogue) = crate::protocol::testing::without(80, &script, 1);
    assert_eq!(dialogue.faults, []);
}

#[test]
fn an_end_told_in_two_ways_is_named() {
    for (fields, ambiguous) in [
        ("Content-Length: 4", false),
        ("Content-Length: 4\r\nContent-Length: 4", false),
        ("Content-Length: 4\r\nContent-Length: 5", true),
        ("Content-Length: 4\r\nTransfer-Encoding: chunked", true),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4", true),
        ("Transfer-Encoding: chunked", false),
        ("Transfer-Encoding: chunked, x", true),
        ("Content-Length: +4", true),
        ("Content-Length: 18446744073709551616", true),
        ("Content-Length : 4", true),
    ] {
        let request = format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n");
        let (_, dialogue) = run(80, &[(C, request.as_str()), (S, "HTTP/1.1 200 x\r\n")]);
        let codes: Vec<_> = dialogue.faults.iter().map(|fault| fault.code).collect();
        let expected = if ambiguous {
            vec![FaultCode::Framing]
        } else {
            vec![]
        };
        assert_eq!(codes, expected, "{fields}");
    }
}

#[test]
fn segments_and_holes_and_rubbish() {
    segmentation_does_not_matter(80, BROWSE);
    a_hole_costs_little(80, BROWSE, 2);
    rubbish_is_survived(
        80,
        &[
            "GET / HTTP/1.1\r\n",
            "\r\n",
            "HTTP/1.1 200 x\r\n",
            "Content-Length: 4\r\n",
            "abcd",
            "Transfer-Encoding: chunked\r\n",
            "5\r\n",
            "0\r\n",
            "HTTP/1.1 100 x\r\n\r\n",
            "CONNECT x HTTP/1.1\r\n\r\n",
            "HTTP/1.1 101 x\r\n\r\n",
            "ffffffffffffffff\r\n",
        ],
    );
}

#[test]
fn a_request_line_that_breaks_off_is_shown_as_far_as_it_was_captured() {
    let reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let next = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n";
    for (sent, shown) in [
        ("GET /a/long/pa", Some("GET /a/long/pa…")),
        ("GET /a?password=s3c", Some("GET /a?password=***…")),
        ("GET http://user:s3c", None),
        ("GET ", None),
        ("xGET /a", None),
    ] {
        let script = [
            (C, sent.as_bytes().to_vec(), true),
            (C, b"th HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), false),
            (S, reply.as_bytes().to_vec(), true),
            (C, next.as_bytes().to_vec(), true),
            (S, reply.as_bytes().to_vec(), true),
        ];
        let (_, dialogue) = feed(80, &script);
        let found = pairs(&dialogue);
        let Some(shown) = shown else {
            assert!(
                !found.iter().any(|(asked, _)| asked.contains('…')),
                "{found:?}"
            );
            continue;
        };
        let expected =
            [shown, "GET /next HTTP/1.1"].map(|it| (it.to_owned(), "HTTP/1.1 200 OK".to_owned()));
        assert_eq!(found, expected);
        let notes = &dialogue.exchanges[0].notes;
        assert_eq!(notes[0], "the request line was captured in part");
    }
}

/// As the end of a SOCKS opening that cannot be told, or of a body longer than it said.
#[test]
fn a_request_behind_octets_that_are_none_is_found() {
    for (before, count) in [("\x05\x01\x01", "3"), ("password=s3cret", "15")] {
        let sent = format!("{before}GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
        let reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        let (_, dialogue) = run(
            80,
            &[
                (C, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
                (S, reply),
                (C, &sent),
                (S, reply),
            ],
        );
        let found = pairs(&dialogue);
        assert_eq!(
            found[1],
            ("GET /a HTTP/1.1".into(), "HTTP/1.1 200 OK".into())
        );
        let note = format!("{count} octets stand before it that are no part of a request");
        assert_eq!(dialogue.exchanges[1].notes, [note]);
    }
}

#[test]
fn a_malformed_request_gets_its_reply_and_is_shown_only_if_it_looks_like_one() {
    for (sent, shown) in [
        ("GET HTTP/1.1\r\nHost: x\r\n\r\n", "GET HTTP/1.1"),
        ("user=x&password=s3cret\r\n\r\n", "<no request line>"),
    ] {
        let (proto, dialogue) = run(
            80,
            &[
                (C, sent),
                (S, "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n"),
            ],
        );
        assert_eq!(proto, Proto("http"));
        assert_eq!(
            pairs(&dialogue),
            [(shown.into(), "HTTP/1.1 400 Bad".into())]
        );
        assert_eq!(dialogue.exchanges[0].notes, ["not a request of HTTP/1"]);
    }
}
