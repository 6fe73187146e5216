use super::*;
use crate::model::LogTime;

/// A dialogue in which `C:` and `S:` stand for the sides, as its commands.
fn told(proto: &'static str, detail: Detail, dialogue: &str) -> (Vec<String>, LogSession) {
    let mut transcript = Transcript::new(LogId(0), Proto(proto), Role::Server, detail);
    for (text, line) in dialogue.lines().zip(1..) {
        let (side, text) = text.split_once(": ").unwrap();
        let side = if side == "C" {
            Side::Client
        } else {
            Side::Server
        };
        let line = LineRef {
            log: LogId(0),
            line,
        };
        let stamp = Stamp {
            at: LogTime::new(0, 0),
            resolution: crate::model::Span::SECOND,
        };
        transcript.line(line, stamp, side, text);
    }
    let session = transcript.into_session();
    let commands = session
        .events
        .iter()
        .filter_map(|event| event.command())
        .map(|command| {
            format!(
                "{} {} {:?}/{:?}",
                command.verb,
                command.code.unwrap_or("?"),
                command.request_bytes,
                command.response_bytes
            )
        })
        .collect();
    (commands, session)
}

#[test]
fn pipelined_commands_and_long_replies_find_each_other() {
    let (commands, session) = told(
        "smtp",
        Detail::Lines,
        "S: 220 mail.example.com ESMTP
C: EHLO client.example
S: 250-mail.example.com
S: 250 HELP
C: MAIL FROM:<a@b>
C: RCPT TO:<c@d>
C: DATA
S: 250 OK
S: 550 no such user
S: 503 no recipients
C: AUTH LOGIN
S: 334 VXNlcm5hbWU6
C: c2VjcmV0
S: 235 ok
C: QUIT
S: 221 bye",
    );
    assert_eq!(
        commands,
        [
            "EHLO 250 Some(21)/Some(32)",
            "MAIL 250 Some(17)/Some(8)",
            "RCPT 550 Some(15)/Some(18)",
            "DATA 503 Some(6)/Some(19)",
            "AUTH 334 Some(12)/Some(18)",
            "AUTH 235 Some(10)/Some(8)",
            "QUIT 221 Some(6)/Some(9)",
        ]
    );
    assert_eq!(session.ending, Ending::Quit);
    assert!(!format!("{session:?}").contains("c2VjcmV0"));
}

#[test]
fn a_message_is_counted_where_it_is_shown_and_never_kept() {
    let before = "C: DATA\nS: 354 go on\n";
    let after = "S: 250 queued\nC: QUIT\nS: 221 bye";
    let shown = format!("{before}C: Subject: x\nC: \nC: QUIT\nC: .\n{after}");
    let (commands, session) = told("smtp", Detail::Everything, &shown);
    assert_eq!(commands[1], "<BODY> 250 Some(23)/Some(12)");
    assert_eq!(session.messages[0].wire_bytes, Some((23, 23)));
    assert!(!format!("{session:?}").contains("Subject"));
    let (commands, session) = told("smtp", Detail::Lines, &format!("{before}{after}"));
    assert_eq!(commands[1], "<BODY> 250 None/Some(12)");
    assert_eq!(session.messages[0].wire_bytes, None);
}

#[test]
fn pop3_lists_end_at_their_dot() {
    let start =
        "S: +OK ready\nC: USER bob\nS: +OK\nC: PASS secret\nS: +OK\nC: RETR 1\nS: +OK 12 octets\n";
    let rest = "C: QUIT\nS: +OK bye";
    let (commands, session) = told(
        "pop3",
        Detail::Everything,
        &format!("{start}S: hello\nS: +OK not a reply\nS: .\n{rest}"),
    );
    assert_eq!(commands[2], "RETR +OK Some(8)/Some(42)");
    assert_eq!(session.names, ["bob"]);
    let (hidden, _) = told("pop3", Detail::Lines, &format!("{start}{rest}"));
    assert_eq!(hidden[2], "RETR +OK Some(8)/None");
    assert_eq!(hidden[3], "QUIT +OK Some(6)/Some(9)");
    assert!(!format!("{session:?}").contains("secret"));
}

#[test]
fn imap_replies_are_found_by_tag_and_literals_are_no_lines() {
    let (commands, session) = told(
        "imap",
        Detail::Everything,
        "S: * OK ready
C: 1 LOGIN bob secret
S: 1 OK in
C: 2 APPEND INBOX {12}
S: + OK
C: 3 NOOP tex
C: 
S: 2 OK appended
C: 4 FETCH 1 BODY[]
C: 5 NOOP
S: * 1 FETCH (BODY[] {12}
S: 5 OK lies.
S: )
S: 4 OK fetched
S: 5 OK
C: 6 LOGOUT
S: * BYE
S: 6 OK",
    );
    assert_eq!(
        commands,
        [
            "LOGIN OK Some(20)/Some(9)",
            "APPEND OK Some(35)/Some(21)",
            "FETCH OK Some(18)/Some(53)",
            "NOOP OK Some(8)/Some(6)",
            "LOGOUT OK Some(10)/Some(13)",
        ]
    );
    assert_eq!(session.ending, Ending::Quit);
    assert!(!format!("{session:?}").contains("secret"));
}

#[test]
fn articles_of_news_are_data() {
    let (commands, _) = told(
        "nntp",
        Detail::Lines,
        "S: 200 news ready
C: GROUP example.general
S: 211 1 1 1 example.general
C: ARTICLE 1
S: 220 1 <a@b> article
C: POST
S: 340 send it
S: 240 posted
C: QUIT
S: 205 bye",
    );
    assert_eq!(commands[1], "ARTICLE 220 Some(11)/None");
    assert_eq!(commands[3], "<BODY> 240 None/Some(12)");
    assert_eq!(commands[4], "QUIT 205 Some(6)/Some(9)");
}

#[test]
fn a_message_in_chunks_is_one_message() {
    let sent = |chunks: &str| {
        let dialogue =
            format!("C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\n{chunks}");
        told("smtp", Detail::Lines, &dialogue).1.messages
    };
    let two = sent("C: BDAT 19\nS: 250 19\nC: BDAT 3 LAST\nS: 250 taken\n");
    assert_eq!((two.len(), two[0].wire_bytes), (1, None));
    let one = sent("C: BDAT 22 LAST\nS: 250 taken\n");
    let least = one[0].wire_bytes.map(|(least, _)| least);
    assert_eq!(
        (one.len(), least, one[0].recipients),
        (1, Some(22), Some(1))
    );
    assert!(sent("C: BDAT 22\nS: 250 22\nC: QUIT\nS: 221 bye\n").is_empty());
}
