use crate::model::{Encryption, PacketNo, Proto};
use crate::protocol::testing::{
    C, S, Script, a_hole_costs_little, pairs, rubbish_is_survived, run,
    segmentation_does_not_matter, unsaid,
};

const SEND: Script<'_> = &[
    (S, "220-mx.example.com ESMTP\r\n220 no spam\r\n"),
    (C, "EHLO papa.client.example\r\n"),
    (
        S,
        "250-mx.example.com\r\n250-PIPELINING\r\n250 CHUNKING\r\n",
    ),
    (C, "MAIL FROM:<a@b>\r\n"),
    (S, "250 2.1.0 Ok\r\n"),
    (C, "RCPT TO:<c@d>\r\n"),
    (S, "550 5.1.1 no such user\r\n"),
    (C, "RCPT TO:<e@f>\r\n"),
    (S, "250 2.1.5 Ok\r\n"),
    (C, "DATA\r\n"),
    (S, "354 go on\r\n"),
    (C, "Subject: x\r\n\r\n..\r\nhelp\r\nend\r\n.\r\n"),
    (S, "250 2.0.0 queued as 1\r\n"),
    (C, "NOOP\r\n"),
    (S, "250 2.0.0 Ok\r\n"),
    (C, "RSET\r\n"),
    (S, "250 2.0.0 fresh\r\n"),
    (C, "QUIT\r\n"),
    (S, "221 2.0.0 Bye\r\n"),
];

const PIPELINED: Script<'_> = &[
    (S, "220 mx LMTP\r\n"),
    (C, "LHLO x\r\n"),
    (S, "250 mx\r\n"),
    (
        C,
        "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n",
    ),
    (S, "250 1\r\n250 2\r\n250 3\r\n354 4\r\n"),
    (
        C,
        ".\r\nMAIL FROM:<g@h>\r\nBDAT 6\r\nQUIT\r\nBDAT 0 LAST\r\nQUIT\r\n",
    ),
    (S, "250 c\r\n452 e\r\n250 5\r\n250 6\r\n503 7\r\n221 8\r\n"),
];

#[test]
fn a_message_is_sent_step_by_step() {
    let (proto, dialogue) = run(25, SEND);
    assert_eq!(proto, Proto("smtp"));
    assert_eq!(dialogue.names, ["papa.client.example"]);
    assert_eq!(dialogue.notes, [""; 0]);
    let exchanges = &dialogue.exchanges;
    assert_eq!(exchanges.len(), 10);
    assert!(exchanges[0].verb.is_greeting());
    assert_eq!(exchanges[0].response_bytes, Some(39));
    assert_eq!(exchanges[1].response.as_deref(), Some("250-mx.example.com"));
    assert_eq!(exchanges[1].response_bytes, Some(50));
    assert_eq!(exchanges[3].code.as_deref(), Some("550"));
    let body = &exchanges[6];
    assert!(body.verb.is_body());
    assert_eq!(body.request, "<body 27 bytes>");
    assert_eq!(body.request_bytes, Some(32));
    assert_eq!(body.packets, [Some(PacketNo(12)), Some(PacketNo(13))]);
    assert_eq!(body.start.unwrap().0, 12);
    assert_eq!(body.end.unwrap().0, 13);
    assert!(exchanges.iter().all(|exchange| exchange.notes.is_empty()));
}

#[test]
fn pipelined_commands_get_their_replies_in_order() {
    let (_, dialogue) = run(25, PIPELINED);
    let pairs = pairs(&dialogue);
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (&**a, &**b)).collect();
    assert_eq!(
        pairs[1..],
        [
            ("LHLO x", "250 mx"),
            ("MAIL FROM:<a@b>", "250 1"),
            ("RCPT TO:<c@d>", "250 2"),
            ("RCPT TO:<e@f>", "250 3"),
            ("DATA", "354 4"),
            ("<body 0 bytes>", "250 c"),
            ("MAIL FROM:<g@h>", "250 5"),
            ("BDAT 6", "250 6"),
            ("BDAT 0 LAST", "503 7"),
            ("QUIT", "221 8"),
        ]
    );
    let body = &dialogue.exchanges[6];
    assert_eq!(
        (body.request_bytes, body.response_bytes),
        (Some(3), Some(14))
    );
    assert_eq!(dialogue.exchanges[8].request_bytes, Some(14));
}

/// Messages in one line each: id, sender, recipients with their codes, octets, code.
fn messages(script: Script<'_>) -> Vec<String> {
    let (_, dialogue) = run(25, script);
    let told = dialogue.messages.iter().map(|message| {
        let to: Vec<String> = message
            .recipients
            .iter()
            .map(|one| format!("{} {}", one.address, one.code))
            .collect();
        format!(
            "{} {} [{}] {:?} {}",
            message.message_id.as_deref().unwrap_or("-"),
            message.sender.as_deref().unwrap_or("-"),
            to.join(", "),
            message.octets,
            message.code.as_deref().unwrap_or("-")
        )
    });
    told.collect()
}

#[test]
fn messages_are_told_with_what_became_of_each_recipient() {
    assert_eq!(messages(SEND), ["- a@b [c@d 550, e@f 250] Some(27) 250"]);
    assert_eq!(
        messages(PIPELINED),
        [
            "- a@b [c@d 250, e@f 452] Some(0) 452",
            "- g@h [] Some(6) 503",
        ]
    );
    let ahead: Script<'_> = &[
        (S, "220 mx ESMTP\r\n"),
        (
            C,
            "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 19\r\nMessage-ID: <1@b>\r\nBDAT 3 LAST\r\n\r\nx\
             MAIL FROM:<>\r\nRCPT TO:<e@f>\r\nBDAT 19 LAST\r\nMessage-ID: <2@b>\r\nMAIL FROM:<g@h>\r\nRCPT TO:<i@j>\r\nQUIT\r\n",
        ),
        (
            S,
            "250 0\r\n250 1\r\n250 2\r\n250 3\r\n250 4\r\n250 5\r\n250 6\r\n550 7\r\n250 8\r\n451 9\r\n221 10\r\n",
        ),
    ];
    assert_eq!(
        messages(ahead),
        [
            "<1@b> a@b [c@d 250] Some(22) 250",
            "<2@b>  [e@f 250] Some(19) 550",
            "- g@h [i@j 451] None -",
        ]
    );
}

#[test]
fn a_client_that_is_passed_on_is_greeted_anew_and_421_may_come_at_any_time() {
    let (_, dialogue) = run(
        25,
        &[
            (S, "220 mx ESMTP\r\n"),
            (C, "EHLO proxy\r\n"),
            (S, "250-mx\r\n250 XCLIENT NAME ADDR\r\n"),
            (C, "XCLIENT NAME=spike ADDR=192.0.2.9\r\n"),
            (S, "220-mx\r\n220 mx ESMTP\r\n"),
            (C, "EHLO spike\r\n"),
            (S, "250 mx\r\n"),
            (C, "HELP\r\nEXPN x\r\nETRN y\r\nBURL imap://z LAST\r\n"),
            (S, "214-a\r\n214 b\r\n252-c\r\n252 d\r\n250 e\r\n503 f\r\n"),
            (S, "421 mx closing\r\n"),
        ],
    );
    let told = pairs(&dialogue);
    let told: Vec<(&str, &str)> = told.iter().map(|(a, b)| (&**a, &**b)).collect();
    assert_eq!(
        told[2..],
        [
            ("XCLIENT NAME=spike ADDR=192.0.2.9", "220-mx"),
            ("EHLO spike", "250 mx"),
            ("HELP", "214-a"),
            ("EXPN x", "252-c"),
            ("ETRN y", "250 e"),
            ("BURL imap://z LAST", "503 f"),
        ]
    );
    let faults: Vec<&str> = dialogue.faults.iter().map(|it| it.code.name()).collect();
    assert_eq!(faults, ["out-of-order"]);
}

#[test]
fn segments_do_not_matter() {
    segmentation_does_not_matter(25, SEND);
    segmentation_does_not_matter(25, PIPELINED);
    segmentation_does_not_matter(25, AUTH);
}

#[test]
fn after_a_hole_it_finds_its_feet() {
    a_hole_costs_little(25, SEND, 2);
    a_hole_costs_little(25, AUTH, 1);
}

#[test]
fn rubbish_is_no_danger() {
    rubbish_is_survived(
        25,
        &[
            "DATA\r\n",
            "354 x\r\n",
            "250 x\r\n",
            "250-x\r\n",
            ".\r\n",
            "\n.\n",
            "AUTH LOGIN\r\n",
            "334 \r\n",
            "dGlt\r\n",
            "STARTTLS\r\n",
            "220 x\r\n",
            "BDAT 9\r\n",
            "EHLO x\r\n",
            "BDAT 99999999999999999999\r\n",
            "\r\n",
            "\n",
            "LHLO y\r\n",
            "RCPT TO:<>\r\n",
        ],
    );
}

const AUTH: Script<'_> = &[
    (S, "220 mx ESMTP\r\n"),
    (C, "EHLO x\r\n"),
    (S, "250-mx\r\n250 AUTH LOGIN PLAIN\r\n"),
    (C, "AUTH LOGIN\r\n"),
    (S, "334 VXNlcm5hbWU6\r\n"),
    (C, "dGlt\r\n"),
    (S, "334 UGFzc3dvcmQ6\r\n"),
    (C, "c2VjcmV0\r\n"),
    (S, "535 5.7.8 no\r\n"),
    (C, "AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n"),
    (S, "235 2.7.0 ok\r\n"),
    (C, "QUIT\r\n"),
    (S, "221 Bye\r\n"),
];

#[test]
fn secrets_are_never_kept_even_after_holes() {
    let (_, dialogue) = run(587, AUTH);
    let requests: Vec<&str> = dialogue.exchanges.iter().map(|e| &*e.request).collect();
    assert_eq!(
        requests,
        [
            "",
            "EHLO x",
            "AUTH LOGIN",
            "***",
            "***",
            "AUTH PLAIN ***",
            "QUIT"
        ]
    );
    assert_eq!(dialogue.names, ["x", "tim"]);
    for lost in 0..AUTH.len() {
        let rest = unsaid(AUTH, lost);
        let shown = format!("{:?}", run(587, &rest));
        assert!(
            !shown.contains("c2VjcmV0") && !shown.contains("tanstaaf"),
            "{lost}: {shown}"
        );
    }
}

#[test]
fn tls_begins_with_the_reply_and_no_sooner() {
    let (_, dialogue) = run(
        25,
        &[
            (S, "220 mx ESMTP\r\n"),
            (C, "EHLO x\r\n"),
            (S, "250 mx\r\n"),
            (C, "STARTTLS\r\nMAIL FROM:<evil@x>\r\n"),
            (S, "220 2.0.0 go on\r\n\x16\x03\x03"),
            (C, "EHLO inside\r\n"),
        ],
    );
    assert_eq!(dialogue.encryption, Encryption::StartTls);
    assert_eq!(dialogue.exchanges.len(), 3);
    assert!(
        dialogue.notes[0].contains("sent 20 octets in the clear"),
        "{:?}",
        dialogue.notes
    );
    let (_, refused) = run(
        25,
        &[
            (C, "EHLO x\r\n"),
            (S, "250 mx\r\n"),
            (C, "STARTTLS\r\nNOOP\r\n"),
            (S, "454 not now\r\n"),
            (S, "250 noop\r\n"),
        ],
    );
    assert_eq!(refused.encryption, Encryption::None);
    assert_eq!(pairs(&refused)[2], ("NOOP".into(), "250 noop".into()));
}

#[test]
fn what_departs_from_the_protocol_is_noted() {
    let (_, dialogue) = run(
        25,
        &[
            (C, "EHLO early\n"),
            (S, "220 mx ESMTP\r\n250 mx\r\n"),
            (C, "XYZZY 1\r\n"),
            (S, "500 what\r\n"),
            (C, "DATA\r\n"),
            (S, "354 go\r\n"),
            (C, "text\n.\r\n"),
            (S, "250 smuggled\r\n"),
            (C, "QUIT\r\n"),
            (S, "221 bye\r\n"),
            (S, "421 and out\r\n"),
        ],
    );
    let notes = |n: usize| dialogue.exchanges[n].notes.join("; ");
    let faults: Vec<(&str, u64)> = dialogue
        .faults
        .iter()
        .map(|fault| (fault.code.name(), fault.packet.0))
        .collect();
    assert_eq!(
        faults,
        [
            ("bare-lf", 1),
            ("talk-before-greeting", 1),
            ("unknown-command", 3),
            ("smuggled-end", 7),
        ]
    );
    assert_eq!(notes(0), "request line ended by a bare LF");
    assert_eq!(notes(1), "the client spoke before the server had greeted");
    assert_eq!(notes(2), "not a command of SMTP");
    assert!(notes(4).contains("lone dot with a bare LF"));
    assert_eq!(pairs(&dialogue)[5], ("QUIT".into(), "221 bye".into()));
    assert_eq!(
        dialogue.notes,
        ["a reply without a command, in packet 11: 421 and out"]
    );
}

#[test]
fn a_message_cut_off_by_the_end_is_written_out() {
    let mut script = SEND[..11].to_vec();
    script.push((C, "Subject: half"));
    let (_, dialogue) = run(25, &script);
    let last = dialogue.exchanges.last().unwrap();
    assert_eq!(last.request, "<body 13 bytes>");
    assert_eq!(last.response, None);
    assert_eq!(last.notes, ["ends in mid-message", "no reply captured"]);
}

#[test]
fn a_client_without_its_server_is_read_too() {
    let heard: Vec<(crate::model::Side, &str)> = SEND
        .iter()
        .copied()
        .filter(|&(side, _)| side == C)
        .collect();
    let (_, dialogue) = run(25, &heard);
    let requests: Vec<&str> = dialogue.exchanges.iter().map(|e| &*e.request).collect();
    assert_eq!(requests[4..7], ["DATA", "<body 27 bytes>", "NOOP"]);
    let heard: Vec<(crate::model::Side, &str)> = AUTH
        .iter()
        .copied()
        .filter(|&(side, _)| side == C)
        .collect();
    assert!(!format!("{:?}", run(25, &heard)).contains("c2VjcmV0"));
}

#[test]
fn after_lost_replies_the_code_tells_which_command_is_answered() {
    let script: Script<'_> = &[
        (S, "220 mx ESMTP\r\n"),
        (C, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"),
        (S, "250 1\r\n250 2\r\n"),
        (S, "354 3\r\n"),
        (C, "x\r\n.\r\n"),
        (S, "250 4\r\n"),
    ];
    let (_, dialogue) = crate::protocol::testing::without(25, script, 2);
    let pairs = pairs(&dialogue);
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (&**a, &**b)).collect();
    assert_eq!(
        pairs[1..],
        [
            ("MAIL FROM:<a@b>", ""),
            ("RCPT TO:<c@d>", ""),
            ("DATA", "354 3"),
            ("<body 1 bytes>", "250 4"),
        ]
    );
}
