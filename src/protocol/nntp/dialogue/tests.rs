use crate::model::{Encryption, Proto};
use crate::protocol::testing::{
    C, S, Script, a_hole_costs_little, pairs, rubbish_is_survived, run,
    segmentation_does_not_matter, without,
};

const READ: Script<'_> = &[
    (S, "200 news.example.com ready, posting allowed\r\n"),
    (C, "MODE READER\r\n"),
    (S, "201 reader\r\n"),
    (C, "AUTHINFO USER tim\r\n"),
    (S, "381 more\r\n"),
    (C, "AUTHINFO PASS s3cret\r\n"),
    (S, "281 welcome\r\n"),
    (C, "GROUP misc.test\r\n"),
    (S, "211 2 1 2 misc.test\r\n"),
    (C, "LISTGROUP misc.test\r\n"),
    (S, "211 2 1 2 misc.test\r\n1\r\n2\r\n.\r\n"),
    (C, "ARTICLE 1\r\n"),
    (S, "220 1 <a@b>\r\nSubject: x\r\n\r\n200 ..\r\n..\r\n.\r\n"),
    (C, "ARTICLE 9\r\n"),
    (S, "423 none\r\n"),
    (C, "POST\r\n"),
    (S, "340 send\r\n"),
    (C, "Subject: y\r\n\r\nhi\r\n.\r\n"),
    (S, "240 thanks\r\n"),
    (C, "DATE\r\n"),
    (S, "111 20261124032909\r\n"),
    (C, "NEXT\r\n"),
    (S, "421 no next\r\n"),
    (C, "QUIT\r\n"),
    (S, "205 bye\r\n"),
];

#[test]
fn articles_are_read_and_posted() {
    let (proto, dialogue) = run(119, READ);
    assert_eq!(proto, Proto("nntp"));
    assert_eq!(dialogue.notes, [""; 0]);
    assert_eq!(dialogue.names, ["tim"]);
    let rows: Vec<(&str, &str, u64)> = dialogue
        .exchanges
        .iter()
        .map(|e| {
            assert_eq!(e.notes, [""; 0]);
            (
                &*e.request,
                e.code.as_deref().unwrap(),
                e.response_bytes.unwrap(),
            )
        })
        .collect();
    assert_eq!(
        rows[1..],
        [
            ("MODE READER", "201", 12),
            ("AUTHINFO USER tim", "381", 10),
            ("AUTHINFO PASS ***", "281", 13),
            ("GROUP misc.test", "211", 21),
            ("LISTGROUP misc.test", "211", 30),
            ("ARTICLE 1", "220", 42),
            ("ARTICLE 9", "423", 10),
            ("POST", "340", 10),
            ("<body 16 bytes>", "240", 12),
            ("DATE", "111", 20),
            ("NEXT", "421", 13),
            ("QUIT", "205", 9),
        ]
    );
    assert_eq!(dialogue.exchanges[9].request_bytes, Some(21));
}

#[test]
fn streamed_articles_get_their_replies_in_order() {
    let (_, dialogue) = run(
        119,
        &[
            (C, "MODE STREAM\r\n"),
            (S, "203 go\r\n"),
            (
                C,
                "CHECK <1@x>\r\nCHECK <2@x>\r\nTAKETHIS <3@x>\r\nQUIT\r\n\r\n.\r\nCHECK <4@x>\r\n",
            ),
            (S, "238 <1@x>\r\n438 <2@x>\r\n239 <3@x>\r\n238 <4@x>\r\n"),
            (C, "IHAVE <5@x>\r\n"),
            (S, "435 no\r\n"),
        ],
    );
    let pairs = pairs(&dialogue);
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (&**a, &**b)).collect();
    assert_eq!(
        pairs,
        [
            ("MODE STREAM", "203 go"),
            ("CHECK <1@x>", "238 <1@x>"),
            ("CHECK <2@x>", "438 <2@x>"),
            ("TAKETHIS <3@x>", "239 <3@x>"),
            ("CHECK <4@x>", "238 <4@x>"),
            ("IHAVE <5@x>", "435 no"),
        ]
    );
    assert_eq!(dialogue.exchanges[3].request_bytes, Some(27));
}

#[test]
fn tls_begins_with_the_reply() {
    let (_, dialogue) = run(
        119,
        &[
            (S, "200 hi\r\n"),
            (C, "STARTTLS\r\n"),
            (S, "382 go\r\n"),
            (C, "DATE\r\n"),
        ],
    );
    assert_eq!(dialogue.encryption, Encryption::StartTls);
    assert_eq!(dialogue.exchanges.len(), 2);
}

#[test]
fn segments_and_holes_and_rubbish() {
    segmentation_does_not_matter(119, READ);
    a_hole_costs_little(119, READ, 2);
    for lost in 0..READ.len() {
        assert!(!format!("{:?}", without(119, READ, lost)).contains("s3cret"));
    }
    rubbish_is_survived(
        119,
        &[
            "POST\r\n",
            "340 x\r\n",
            "ARTICLE\r\n",
            "220 x\r\n",
            ".\r\n",
            "x\r\n",
            "TAKETHIS <a>\r\n",
            "AUTHINFO SASL PLAIN\r\n",
            "383 x\r\n",
            "dGlt\r\n",
            "STARTTLS\r\n",
            "382 x\r\n",
            "COMPRESS DEFLATE\r\n",
            "206 x\r\n",
            "200 x\r\n",
        ],
    );
}

#[test]
fn after_lost_replies_the_code_tells_which_command_is_answered() {
    let script: Script<'_> = &[
        (S, "200 news\r\n"),
        (C, "GROUP a\r\nSTAT 1\r\nARTICLE 1\r\nDATE\r\n"),
        (S, "211 1 1 1 a\r\n223 1 <a@b>\r\n"),
        (S, "220 1 <a@b>\r\nx\r\n.\r\n111 20261124032909\r\n"),
    ];
    let (_, dialogue) = without(119, script, 2);
    let pairs = pairs(&dialogue);
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (&**a, &**b)).collect();
    assert_eq!(
        pairs[1..],
        [
            ("GROUP a", ""),
            ("STAT 1", ""),
            ("ARTICLE 1", "220 1 <a@b>"),
            ("DATE", "111 20261124032909"),
        ]
    );
}
