use crate::model::{Encryption, Nanos, PacketNo, Proto};
use crate::protocol::testing::{
    C, S, Script, a_hole_costs_little, pairs, rubbish_is_survived, run,
    segmentation_does_not_matter, without,
};

const BROWSE: Script<'_> = &[
    (S, "* OK [CAPABILITY IMAP4rev1] ready\r\n"),
    (C, "a1 LOGIN tim s3cret\r\n"),
    (S, "* CAPABILITY IMAP4rev1\r\na1 OK Logged in\r\n"),
    (C, "a2 SELECT INBOX\r\n"),
    (
        S,
        "* 2 EXISTS\r\n* OK [UIDNEXT 3] {1}\r\na2 OK [READ-WRITE] Selected\r\n",
    ),
    (C, "a3 FETCH 1 BODY[]\r\n"),
    (S, "* 1 FETCH (BODY[] {26}\r\na3 OK no\r\n* 9 X {5}\r\n...."),
    (S, " FLAGS (\\Seen) X {2}\r\nok)\r\na3 OK Fetched\r\n"),
    (C, "a4 APPEND INBOX {17}\r\n"),
    (S, "+ OK\r\n"),
    (C, "a9 NOOP\r\n12345678"),
    (C, "\r\n"),
    (S, "a4 OK Appended\r\n"),
    (
        C,
        "a5 APPEND INBOX {5+}\r\nhello {3+}\r\nabc\r\na6 NOOP\r\n",
    ),
    (S, "a5 NO no\r\na6 OK Noop\r\n"),
    (C, "a7 IDLE\r\n"),
    (S, "+ idling\r\n"),
    (S, "* 3 EXISTS\r\n"),
    (C, "DONE\r\n"),
    (S, "a7 OK Idled\r\n"),
    (C, "a8 CHECK\r\n"),
    (S, "a8 OK Checked\r\n"),
    (C, "a9 UID SEARCH ALL\r\n"),
    (S, "* SEARCH 1\r\na9 OK Searched\r\n"),
    (C, "a10 LOGOUT\r\n"),
    (S, "* BYE\r\na10 OK Out\r\n"),
];

#[test]
fn literals_are_passed_over_and_sizes_are_whole() {
    let (proto, dialogue) = run(143, BROWSE);
    assert_eq!(proto, Proto("imap"));
    assert_eq!(dialogue.names, ["tim"]);
    assert_eq!(dialogue.notes, [""; 0]);
    let rows: Vec<(&str, &str, u64, u64)> = dialogue
        .exchanges
        .iter()
        .map(|e| {
            (
                &*e.request,
                e.response.as_deref().unwrap(),
                e.request_bytes.unwrap_or(0),
                e.response_bytes.unwrap(),
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("", "* OK [CAPABILITY IMAP4rev1] ready", 0, 35),
            ("a1 LOGIN tim ***", "a1 OK Logged in", 21, 41),
            ("a2 SELECT INBOX", "a2 OK [READ-WRITE] Selected", 17, 63),
            ("a3 FETCH 1 BODY[]", "a3 OK Fetched", 19, 91),
            ("a4 APPEND INBOX {17}", "a4 OK Appended", 41, 22),
            ("a5 APPEND INBOX {5+}", "a5 NO no", 39, 10),
            ("a6 NOOP", "a6 OK Noop", 9, 12),
            ("a7 IDLE", "a7 OK Idled", 15, 35),
            ("a8 CHECK", "a8 OK Checked", 10, 15),
            ("a9 UID SEARCH ALL", "a9 OK Searched", 19, 28),
            ("a10 LOGOUT", "a10 OK Out", 12, 19),
        ]
    );
    let append = &dialogue.exchanges[4];
    assert_eq!(
        (append.asked, append.answered),
        (Some(Nanos(12)), Some(Nanos(13)))
    );
    assert_eq!(append.packets, [Some(PacketNo(9)), Some(PacketNo(13))]);
    let idle = &dialogue.exchanges[7];
    assert_eq!(
        (idle.asked, idle.answered),
        (Some(Nanos(16)), Some(Nanos(17)))
    );
    assert_eq!(dialogue.exchanges[3].code.as_deref(), Some("OK"));
    let brought = dialogue.exchanges.iter().map(|one| one.brought);
    assert_eq!(
        brought.collect::<Vec<_>>(),
        [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    );
}

#[test]
fn replies_find_their_commands_in_any_order() {
    let (_, dialogue) = run(
        143,
        &[
            (C, "x STATUS a (MESSAGES)\r\ny NOOP\r\nz CHECK\r\n"),
            (S, "z OK 3\r\n* STATUS a ()\r\nx OK 1\r\ny BAD 2\r\n"),
        ],
    );
    let pairs = pairs(&dialogue);
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (&**a, &**b)).collect();
    assert_eq!(
        pairs,
        [
            ("z CHECK", "z OK 3"),
            ("x STATUS a (MESSAGES)", "x OK 1"),
            ("y NOOP", "y BAD 2"),
        ]
    );
    assert_eq!(dialogue.exchanges[1].response_bytes, Some(23));
}

#[test]
fn a_refused_literal_is_not_waited_for() {
    let (_, dialogue) = run(
        143,
        &[
            (S, "* OK hi\r\n"),
            (C, "a APPEND x {100}\r\n"),
            (S, "a NO no such mailbox\r\n"),
            (C, "b NOOP\r\n"),
            (S, "b OK\r\n"),
        ],
    );
    assert_eq!(pairs(&dialogue)[2], ("b NOOP".into(), "b OK".into()));
}

#[test]
fn sasl_is_masked_tls_and_compression_begin_with_the_reply() {
    let (_, dialogue) = run(
        143,
        &[
            (S, "* OK hi\r\n"),
            (C, "a AUTHENTICATE LOGIN\r\n"),
            (S, "+ VXNlcm5hbWU6\r\n"),
            (C, "dGlt\r\n"),
            (S, "+ UGFzc3dvcmQ6\r\n"),
            (C, "c2VjcmV0\r\n"),
            (S, "a OK in\r\n"),
            (C, "b COMPRESS DEFLATE\r\n"),
            (S, "b OK on\r\n"),
            (C, "c NOOP\r\n"),
            (S, "c OK\r\n"),
        ],
    );
    assert_eq!(dialogue.names, ["tim"]);
    assert_eq!(dialogue.exchanges.len(), 3);
    assert_eq!(dialogue.exchanges[1].request, "a AUTHENTICATE LOGIN");
    assert_eq!(dialogue.exchanges[1].request_bytes, Some(38));
    assert!(dialogue.notes[0].starts_with("compressed"));
    assert!(!format!("{dialogue:?}").contains("c2Vj"));
    let (_, dialogue) = run(
        143,
        &[(C, "a STARTTLS\r\n"), (S, "a OK go\r\n"), (C, "b NOOP\r\n")],
    );
    assert_eq!(dialogue.encryption, Encryption::StartTls);
    assert_eq!(dialogue.exchanges.len(), 1);
}

#[test]
fn segments_and_holes_and_rubbish() {
    segmentation_does_not_matter(143, BROWSE);
    a_hole_costs_little(143, BROWSE, 2);
    rubbish_is_survived(
        143,
        &[
            "a LOGIN {3}\r\n",
            "+ \r\n",
            "a OK x\r\n",
            "abc",
            "a AUTHENTICATE PLAIN\r\n",
            "a IDLE\r\n",
            "DONE\r\n",
            "* 1 F {4}\r\n",
            "b APPEND {2+}\r\n",
            "a STARTTLS\r\n",
            "a COMPRESS X\r\n",
            "\r\n",
            "* BYE\r\n",
            "a NOOP {18446744073709551615+}\r\n",
        ],
    );
}

#[test]
fn a_secret_is_not_shown_whatever_is_lost() {
    let script: Script<'_> = &[
        (S, "* OK hi\r\n"),
        (C, "a LOGIN {3}\r\n"),
        (S, "+ OK\r\n"),
        (C, "tim {6}\r\n"),
        (S, "+ OK\r\n"),
        (C, "c2Vj-1\r\n"),
        (S, "a OK in\r\n"),
        (C, "b AUTHENTICATE PLAIN\r\n"),
        (S, "+ \r\n"),
        (C, "c2VjcmV0\r\n"),
        (S, "b OK in\r\n"),
    ];
    for lost in 0..script.len() {
        let shown = format!("{:?}", without(143, script, lost));
        assert!(!shown.contains("c2Vj"), "{lost}: {shown}");
    }
}
