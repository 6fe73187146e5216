//! What the decoders pass on.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{BodyPiece, Completeness};
use crate::model::BodyNo;
use crate::protocol::Dialogue;
use crate::protocol::testing::{C, Part, S, Script, feed_with_bodies, whole};

const SMTP: Script<'_> = &[
    (S, "220 mx ESMTP\r\n"),
    (C, "EHLO client\r\n"),
    (S, "250 mx\r\n"),
    (C, "MAIL FROM:<a@b>\r\n"),
    (S, "250 1\r\n"),
    (C, "RCPT TO:<c@d>\r\n"),
    (S, "250 2\r\n"),
    (C, "DATA\r\n"),
    (S, "354 go on\r\n"),
    (C, "Subject: x\r\n\r\n..\r\n..help\r\nend\r\n.\r\n"),
    (S, "250 3\r\n"),
    (C, "MAIL FROM:<a@b>\r\n"),
    (S, "250 1\r\n"),
    (C, "RCPT TO:<c@d>\r\n"),
    (S, "250 2\r\n"),
    (C, "BDAT 6\r\n.one\r\nBDAT 5 LAST\r\ntwo\r\n"),
    (S, "250 4\r\n250 5\r\n"),
    (C, "MAIL FROM:<a@b>\r\n"),
    (S, "250 1\r\n"),
    (C, "BDAT 3\r\nxyzRSET\r\n"),
    (S, "503 6\r\n250 7\r\n"),
    (C, "QUIT\r\n"),
    (S, "221 bye\r\n"),
];

const HTTP: Script<'_> = &[
    (C, "GET /1 HTTP/1.1\r\n\r\n"),
    (S, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    (C, "HEAD /1 HTTP/1.1\r\n\r\n"),
    (S, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
    (
        C,
        "PUT /2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\n\r\nde\r\n0\r\nX: y\r\n\r\n",
    ),
    (
        S,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    ),
    (C, "POST /3 HTTP/1.1\r\nContent-Length: 4\r\n\r\n0\r\n\r"),
    (S, "HTTP/1.1 204 No\r\n\r\n"),
    (C, "GET /4 HTTP/1.0\r\n\r\n"),
    (S, "HTTP/1.0 200 OK\r\n\r\nuntil\r\nthe end"),
];

/// Of each body what came, octets missing, and how it ended.
type Told = BTreeMap<u32, (String, u64, Option<Completeness>)>;

fn told(mut dialogue: Dialogue) -> Told {
    let mut told = Told::new();
    for piece in dialogue.bodies.drain() {
        match piece {
            BodyPiece::Bytes(number, _, bytes) => {
                let text = std::str::from_utf8(&bytes).unwrap();
                told.entry(number.0).or_default().0.push_str(text);
            }
            BodyPiece::Hole(number, missing) => told.entry(number.0).or_default().1 += missing,
            BodyPiece::End(number, how) => told.entry(number.0).or_default().2 = Some(how),
        }
    }
    told
}

fn bodies(port: u16, parts: &[Part]) -> Vec<(String, u64, Option<Completeness>)> {
    told(feed_with_bodies(port, parts)).into_values().collect()
}

fn ended(text: &str) -> (String, u64, Option<Completeness>) {
    (text.into(), 0, Some(Completeness::Ended))
}

fn broken(text: &str, missing: u64) -> (String, u64, Option<Completeness>) {
    (text.into(), missing, Some(Completeness::BrokenOff))
}

#[test]
fn messages_lose_their_dots_and_chunks_are_put_together() {
    let dialogue = feed_with_bodies(25, &whole(SMTP));
    let numbers: Vec<_> = dialogue
        .messages
        .iter()
        .map(|m| m.body.unwrap().0)
        .collect();
    assert_eq!(numbers[..2], [1, 2]);
    let expected: Vec<_> = vec![
        ended("Subject: x\r\n\r\n.\r\n.help\r\nend\r\n"),
        ended(".one\r\ntwo\r\n"),
        broken("xyz", 0),
    ];
    assert_eq!(told(dialogue).into_values().collect::<Vec<_>>(), expected);
    for size in 1..40 {
        assert_eq!(bodies(25, &cut(SMTP, size)), expected, "pieces of {size}");
    }
}

#[test]
fn contents_lose_their_chunks_and_end_where_their_heads_say() {
    let dialogue = feed_with_bodies(80, &whole(HTTP));
    let numbers: Vec<_> = dialogue
        .exchanges
        .iter()
        .map(|exchange| exchange.bodies.map(|body| body.map(|body| body.0)))
        .collect();
    assert_eq!(
        numbers,
        [
            [None, Some(1)],
            [None, None],
            [Some(2), Some(3)],
            [Some(4), None],
            [None, Some(5)],
        ]
    );
    let expected: Vec<_> = vec![
        ended("hello"),
        ended("abc\r\nde"),
        ended("x"),
        ended("0\r\n\r"),
        // No FIN was seen: there may be more.
        broken("until\r\nthe end", 0),
    ];
    assert_eq!(told(dialogue).into_values().collect::<Vec<_>>(), expected);
    for size in 1..40 {
        assert_eq!(bodies(80, &cut(HTTP, size)), expected, "pieces of {size}");
    }
}

#[test]
fn a_hole_is_counted_where_it_is_in_a_body() {
    let script: Script<'_> = &[
        (C, "GET /1 HTTP/1.1\r\n\r\n"),
        (S, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
        (S, "def"),
        (S, "ghi"),
    ];
    let mut parts = whole(script);
    parts[2].2 = false;
    // All that was promised is accounted for; what is missing tells that the file has less.
    let holed = ("abcghi".to_owned(), 3, Some(Completeness::Ended));
    assert_eq!(bodies(80, &parts), [holed]);
    let mut mail = whole(&SMTP[..9]);
    mail.push((C, b"one\r\n".to_vec(), true));
    mail.push((C, b"two\r\n".to_vec(), false));
    mail.push((S, b"250 taken\r\n".to_vec(), true));
    assert_eq!(bodies(25, &mail), [broken("one\r\n", 5)]);
}

#[test]
fn retrieved_messages_are_passed_on_and_listings_are_not() {
    let script: Script<'_> = &[
        (S, "+OK ready\r\n"),
        (C, "USER a\r\n"),
        (S, "+OK\r\n"),
        (C, "LIST\r\n"),
        (S, "+OK\r\n1 9\r\n.\r\n"),
        (C, "RETR 1\r\n"),
        (S, "+OK 9\r\nA: b\r\n\r\n..c\r\n.\r\n"),
        (C, "RETR 2\r\n"),
        (S, "+OK 9\r\nhalf"),
    ];
    let expected = [ended("A: b\r\n\r\n.c\r\n"), broken("half", 0)];
    assert_eq!(bodies(110, &whole(script)), expected);
}

const IMAP: Script<'_> = &[
    (S, "* OK IMAP ready\r\n"),
    (C, "a FETCH 1:2 (BODY[])\r\n"),
    (S, "* 1 FETCH (BODY[] {6}\r\nA: b\r\n FLAGS ())\r\n"),
    (
        S,
        "* 2 FETCH (ENVELOPE ({1}\r\nx) RFC822 {4}\r\n.\r\n.)\r\na OK\r\n",
    ),
    (C, "b FETCH 1 BODY[HEADER]\r\n"),
    (S, "* 1 FETCH (BODY[HEADER] {6}\r\nA: b\r\n)\r\nb OK\r\n"),
    (C, "c APPEND {5+}\r\nINBOX (\\Seen) {7}\r\n"),
    (S, "+ go\r\n"),
    (C, "C: d\r\n\n\r\n"),
    (S, "c OK\r\n"),
    (C, "d APPEND x {3}\r\n"),
    (S, "d NO\r\n"),
    (C, "e APPEND x {9+}\r\nhalf"),
];

const NNTP: Script<'_> = &[
    (S, "200 news NNTP\r\n"),
    (C, "ARTICLE 1\r\n"),
    (S, "220 1 <a@b>\r\nA: b\r\n\r\n..c\r\n.\r\n"),
    (C, "HEAD 1\r\n"),
    (S, "221 1 <a@b>\r\nA: b\r\n.\r\n"),
    (C, "BODY 1\r\n"),
    (S, "222 1 <a@b>\r\ntext\r\n.\r\n"),
    (C, "POST\r\n"),
    (S, "340 go\r\n"),
    (C, "C: d\r\n\r\n..\r\n.\r\n"),
    (S, "240 ok\r\n"),
    (C, "TAKETHIS <x@y>\r\nE: f\r\n.\r\nTAKETHIS <z@y>\r\nhalf"),
];

#[test]
fn literals_with_messages_and_articles_are_passed_on() {
    let imap = [
        ended("A: b\r\n"),
        ended(".\r\n."),
        ended("C: d\r\n\n"),
        broken("half", 0),
    ];
    let news = [
        ended("A: b\r\n\r\n.c\r\n"),
        ended("text\r\n"),
        ended("C: d\r\n\r\n.\r\n"),
        ended("E: f\r\n"),
        broken("half", 0),
    ];
    for size in (1..40).chain([1000]) {
        assert_eq!(bodies(143, &cut(IMAP, size)), imap, "pieces of {size}");
        assert_eq!(bodies(119, &cut(NNTP, size)), news, "pieces of {size}");
    }
    let dialogue = feed_with_bodies(143, &whole(IMAP));
    let fetch = &dialogue.exchanges[1];
    let numbers = |of: &[Option<BodyNo>]| of.iter().map(|it| it.map(|it| it.0)).collect::<Vec<_>>();
    assert_eq!(numbers(&fetch.bodies), [None, Some(1)]);
    assert_eq!(fetch.more_bodies, [BodyNo(2)]);
    let append = &dialogue.exchanges[3];
    assert_eq!(numbers(&append.bodies), [Some(3), None]);
    let dialogue = feed_with_bodies(119, &whole(NNTP));
    let held: Vec<_> = dialogue
        .exchanges
        .iter()
        .map(|exchange| numbers(&exchange.bodies))
        .filter(|of| *of != [None, None])
        .collect();
    let (asked, answered) = (|n| vec![Some(n), None], |n| vec![None, Some(n)]);
    assert_eq!(
        held,
        [answered(1), answered(2), asked(3), asked(4), asked(5)]
    );
}

/// The script with each item cut into pieces of `size`.
fn cut(script: Script<'_>, size: usize) -> Vec<Part> {
    let pieces = |(side, text): &(_, &str)| -> Vec<Part> {
        let chunks = text.as_bytes().chunks(size);
        chunks.map(|chunk| (*side, chunk.to_vec(), true)).collect()
    };
    script.iter().flat_map(pieces).collect()
}

proptest! {
    /// Whatever is lost, no body holds what was not sent in one, and one that lacks octets is never told whole.
    #[test]
    fn holes_never_add_to_a_body(lost in proptest::collection::vec(any::<bool>(), 60), size in 1..60usize) {
        for (port, script) in [(25, SMTP), (80, HTTP), (143, IMAP), (119, NNTP)] {
            let mut parts = cut(script, size);
            for (part, lost) in parts.iter_mut().zip(&lost) {
                part.2 = !lost;
            }
            let sent: usize = parts.iter().filter(|part| part.2).map(|part| part.1.len()).sum();
            let held: usize = bodies(port, &parts).iter().map(|body| body.0.len()).sum();
            prop_assert!(held <= sent);
            prop_assert!(bodies(port, &parts).iter().all(|body| body.2.is_some()));
        }
    }
}
