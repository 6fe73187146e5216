use super::*;
use crate::log::testing::{Told, read as told};
use crate::model::{Delivery, Encryption, Ending, LogTime};

const LOG: &str = "\
Nov 24 03:29:09 mail postfix/smtpd[1]: connect from a.example[192.0.2.10]:41088
Nov 24 03:29:09 mail postfix/smtps/smtpd[2]: connect from unknown[192.0.2.20]
Nov 24 03:29:09 mail postfix/smtpd[1]: Anonymous TLS connection established from a.example[192.0.2.10]:41088: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)
Nov 24 03:29:10 mail postfix/smtps/smtpd[2]: Anonymous TLS connection established from unknown[192.0.2.20]: TLSv1.2 with cipher ECDHE-RSA-AES128-GCM-SHA256 (128/128 bits)
Nov 24 03:29:10 mail postfix/smtpd[1]: 7E58B98E33D: client=a.example[192.0.2.10]:41088
Nov 24 03:29:10 mail postfix/cleanup[3]: 7E58B98E33D: message-id=<x@y>
Nov 24 03:29:10 mail postfix/qmgr[4]: 7E58B98E33D: from=<ann@a.example>, size=2343, nrcpt=1 (queue active)
Nov 24 03:29:10 mail postfix/smtps/smtpd[2]: lost connection after EHLO from unknown[192.0.2.20]
Nov 24 03:29:10 mail postfix/smtps/smtpd[2]: disconnect from unknown[192.0.2.20] ehlo=1 commands=1
Nov 24 03:29:11 mail postfix/local[5]: 7E58B98E33D: to=<bob@example.com>, relay=local, status=sent
Nov 24 03:29:11 mail postfix/smtpd[1]: disconnect from a.example[192.0.2.10]:41088 ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7
Nov 24 03:29:11 mail dovecot: imap-login: Login: user=<x>
not syslog at all
Nov 24 03:29
<22>garbage
";

fn read() -> (Vec<LogSession>, usize) {
    let Told {
        mut sessions,
        failed,
        ..
    } = told(&ENTRY, LOG, 2026);
    sessions.sort_by_key(|session| {
        session
            .peer
            .is_some_and(|peer| peer.to_string() == "192.0.2.10")
    });
    (sessions, failed)
}

#[test]
fn interleaved_processes_are_told_apart() {
    let (sessions, failed) = read();
    assert_eq!(sessions.len(), 2);
    assert_eq!(failed, 3);
    let [lost, sent] = &sessions[..] else {
        panic!("two sessions");
    };
    assert_eq!(lost.peer, Some("192.0.2.20".parse().unwrap()));
    assert_eq!(
        (lost.encryption, lost.ending),
        (Some(Encryption::Implicit), Ending::Lost)
    );
    assert_eq!(sent.peer_port, Some(41_088));
    assert_eq!(
        (sent.encryption, sent.ending),
        (Some(Encryption::StartTls), Ending::Quit)
    );
    assert_eq!(sent.events.len(), 4);
}

#[test]
fn other_daemons_tell_of_the_message() {
    let (sessions, _) = read();
    let sent = &sessions[1];
    let requests: Vec<&str> = sent.implied.iter().map(|command| command.request).collect();
    assert_eq!(
        requests,
        [
            "EHLO",
            "STARTTLS",
            "EHLO",
            "MAIL FROM:<ann@a.example>",
            "RCPT TO:<bob@example.com>",
            "DATA",
            "<body>",
            "QUIT"
        ]
    );
    assert_eq!(
        sent.implied.iter().nth(6).and_then(|body| body.response),
        Some("250 2.0.0 Ok: queued as 7E58B98E33D")
    );
    assert_eq!(sent.messages[0].message_id.as_deref(), Some("x@y"));
}

#[test]
fn the_fate_of_a_message_is_told_with_its_session() {
    let (sessions, _) = read();
    let fate = &sessions[1].deliveries;
    assert_eq!(fate.len(), 1);
    assert_eq!(
        (fate[0].recipient(), fate[0].status(), fate[0].line().line),
        ("bob@example.com", "sent", 10)
    );
}

const LONG: &str = "\
Nov 23 22:26:26 mail postfix/smtpd[1]: connect from pc31.example.net[192.0.2.31]
Nov 23 22:26:26 mail postfix/smtpd[1]: 4jYSry2mxdz1SW7J: client=pc31.example.net[192.0.2.31]
Nov 23 22:26:26 mail postfix/qmgr[2]: 4jYSry2mxdz1SW7J: from=<carol@example.com>, size=287, nrcpt=3 (queue active)
Nov 23 22:26:26 mail postfix/smtpd[1]: disconnect from pc31.example.net[192.0.2.31] ehlo=1 mail=1 rcpt=3 data=1 quit=1 commands=7
Nov 23 22:26:27 mail postfix/smtp[3]: Untrusted TLS connection established to mx.example[203.0.113.25]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)
Nov 23 22:26:28 mail postfix/smtp[3]: 4jYSry2mxdz1SW7J: to=<eve@other.example>, relay=mx.example[203.0.113.25]:25, delay=1.6, delays=0.1/0.01/0.5/1, dsn=2.0.0, status=sent (250 2.0.0 Ok)
Nov 23 22:26:28 mail postfix/smtp[3]: 4jYSry2mxdz1SW7J: to=<dan@other.example>, relay=mx.example[203.0.113.25]:25, delay=1.6, delays=0.1/0.01/0.5/1, dsn=2.0.0, status=sent (250 2.0.0 Ok)
Nov 23 22:26:28 mail postfix/smtp[4]: 4jYSry2mxdz1SW7J: to=<x@third.example>, relay=mx.third[203.0.113.26]:25, delay=1.6, delays=0.1/0.01/0.5/1, dsn=5.1.1, status=bounced (host mx.third[203.0.113.26] said: 550 5.1.1 no such user (in reply to RCPT TO command))
Nov 23 22:26:28 mail postfix/smtp[5]: 4jYSry2mxdz1SW7J: to=<y@fourth.example>, relay=none, delay=1.6, delays=0.1/0.01/0.5/0, dsn=4.4.1, status=deferred (connect to fourth.example[203.0.113.27]:25: Connection refused)
Nov 23 22:26:28 mail postfix/bounce[6]: 4jYSry2mxdz1SW7J: sender non-delivery notification: 4jYSry3mxdz1SW7J
Nov 23 22:26:28 mail postfix/qmgr[2]: 4jYSry2mxdz1SW7J: removed
";

#[test]
fn long_queue_ids_show_the_zone_and_the_microsecond() {
    let told = told(&ENTRY, LONG, 2026);
    assert_eq!(told.zone, Zone::Stated(Span::seconds(-5 * 3600)));
    let made = &told.sessions[0].events.get(1).unwrap();
    assert_eq!(made.stamp.at, LogTime::new(1_795_490_786, 391_957_000));
    assert_eq!(made.stamp.resolution, Span::MICROSECOND);
    let fate: Vec<_> = told.sessions[0]
        .deliveries
        .iter()
        .map(Delivery::status)
        .collect();
    assert_eq!(fate, ["sent", "sent", "bounced", "deferred", "notified"]);
}

#[test]
fn deliveries_are_sessions_in_which_postfix_is_the_client() {
    let told = told(&ENTRY, LONG, 2026);
    let [_, sent, refused] = &told.sessions[..] else {
        panic!("{:#?}", told.sessions);
    };
    assert_eq!(
        (sent.role, sent.peer_port),
        (crate::model::Role::Client, Some(25))
    );
    assert!(sent.tls.is_some());
    let implied: Vec<_> = sent.implied.iter().map(|command| command.request).collect();
    assert_eq!(
        implied,
        [
            "MAIL FROM:<carol@example.com>",
            "RCPT TO:<eve@other.example>",
            "RCPT TO:<dan@other.example>",
            "DATA",
            ""
        ]
    );
    let begun = sent
        .events
        .iter()
        .map(|event| event.stamp.at)
        .min()
        .unwrap();
    assert!(begun < LogTime::new(1_795_490_787, 0) && begun > LogTime::new(1_795_490_786, 0));
    let codes: Vec<_> = refused.implied.iter().map(|command| command.code).collect();
    assert_eq!(codes, [Some("250"), Some("550")]);
}

#[test]
fn a_verbose_server_tells_the_whole_dialogue() {
    let said = |text: &str| format!("Nov 24 03:26:36 mail postfix/submission/smtpd[7]: {text}\n");
    let log: String = [
        "connect from a.example[192.0.2.10]:51927",
        "smtp_stream_setup: maxtime=8 enable_deadline=0 min_data_rate=0",
        "> a.example[192.0.2.10]:51927: 220 mail.example.com ESMTP Postfix",
        "< a.example[192.0.2.10]:51927: ehlo a.example",
        "> a.example[192.0.2.10]:51927: 250-mail.example.com",
        "> a.example[192.0.2.10]:51927: 250 AUTH PLAIN",
        "< a.example[192.0.2.10]:51927: AUTH PLAIN AGFubgBzZWNyZXQ=",
        "xsasl_dovecot_server_first: sasl_method PLAIN, init_response AGFubgBzZWNyZXQ=",
        "> a.example[192.0.2.10]:51927: 235 2.7.0 Authentication successful",
        "< a.example[192.0.2.10]:51927: RCPT TO:<x>",
        "NOQUEUE: reject: RCPT from a.example[192.0.2.10]:51927: 503 5.5.1 Error: need MAIL command; proto=ESMTP helo=<a.example>",
        "> a.example[192.0.2.10]:51927: 503 5.5.1 Error: need MAIL command",
        "< a.example[192.0.2.10]:51927: quit",
        "> a.example[192.0.2.10]:51927: 221 2.0.0 Bye",
        "disconnect from a.example[192.0.2.10]:51927 ehlo=1 auth=1 rcpt=0/1 quit=1 commands=3/4",
    ]
    .iter()
    .map(|text| said(text))
    .collect();
    let told = told(&ENTRY, &log, 2026);
    let [session] = &told.sessions[..] else {
        panic!("{:#?}", told.sessions);
    };
    let commands: Vec<_> = session
        .events
        .iter()
        .filter_map(|event| event.command())
        .map(|command| command.request)
        .collect();
    assert_eq!(
        commands,
        ["ehlo a.example", "AUTH PLAIN ***", "RCPT TO:<x>", "quit"]
    );
    assert!(session.every_command && session.implied.is_empty());
    assert_eq!(session.encryption, Some(Encryption::None));
    assert!(!format!("{session:?}").contains("AGFubgBz"));
}

#[test]
fn a_client_that_passes_postscreen_has_the_ports_that_it_tells() {
    let log = "\
Nov 24 03:29:09 mail postfix/postscreen[1]: CONNECT from [192.0.2.10]:41088 to [198.51.100.25]:25
Nov 24 03:29:09 mail postfix/postscreen[1]: CONNECT from [203.0.113.77]:50000 to [198.51.100.25]:25
Nov 24 03:29:09 mail postfix/postscreen[1]: PASS OLD [192.0.2.10]:41088
Nov 24 03:29:09 mail postfix/smtpd[2]: connect from a.example[192.0.2.10]
Nov 24 03:29:09 mail postfix/smtpd[2]: disconnect from a.example[192.0.2.10] ehlo=1 quit=1 commands=2
Nov 24 03:29:12 mail postfix/postscreen[1]: NOQUEUE: reject: RCPT from [203.0.113.77]:50000: 550 5.7.1 Service unavailable; client [203.0.113.77] blocked using zen.example; from=<a@b>, to=<c@d>, proto=ESMTP, helo=<x>
Nov 24 03:29:12 mail postfix/postscreen[1]: DISCONNECT [203.0.113.77]:50000
";
    let told = told(&ENTRY, log, 2026);
    let [passed, refused] = &told.sessions[..] else {
        panic!("{:#?}", told.sessions);
    };
    assert_eq!(
        (passed.peer_port, passed.local_port),
        (Some(41_088), Some(25))
    );
    assert_eq!((passed.events.len(), passed.ending), (4, Ending::Quit));
    assert_eq!(refused.peer_port, Some(50_000));
    let command = refused.events.get(1).unwrap().command().unwrap();
    assert_eq!(
        (command.request, command.code),
        ("RCPT TO:<c@d>", Some("550"))
    );
}

#[test]
fn names_that_rsyslog_has_cut_are_told_by_their_lines() {
    let line = |pid: u16, text: &str| {
        format!("<22>1 2026-11-24T03:50:28+00:00 mail postfix {pid} - -  {text}\n")
    };
    let log = [
        line(1, "connect from a.example[192.0.2.10]:42221"),
        line(
            1,
            "lost connection after EHLO from a.example[192.0.2.10]:42221",
        ),
        line(2, "7E58B98E33D: removed"),
        line(
            1,
            "disconnect from a.example[192.0.2.10]:42221 ehlo=1 commands=1",
        ),
    ]
    .concat();
    let told = told(&ENTRY, &log, 2026);
    assert_eq!((told.sessions.len(), told.sessions[0].events.len()), (1, 3));
    assert_eq!(told.sessions[0].ending, Ending::Lost);
}

/// A session is given as soon as nothing more can be told of its messages, under whatever id: a log that is followed does not grow.
#[test]
fn a_session_is_complete_when_its_messages_are_gone() {
    let steps = [
        ("smtpd[1]: connect from a.example[192.0.2.10]", 0),
        ("smtpd[1]: AAAAAAAAAAA: client=a.example[192.0.2.10]", 0),
        (
            "smtpd[1]: disconnect from a.example[192.0.2.10] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5",
            0,
        ),
        ("cleanup[2]: BBBBBBBBBBB: message-id=<x@y>", 0),
        (
            "smtp[3]: AAAAAAAAAAA: to=<b@c>, relay=127.0.0.1[127.0.0.1]:10024, status=sent (250 2.0.0 Ok: queued as BBBBBBBBBBB)",
            0,
        ),
        ("qmgr[4]: AAAAAAAAAAA: removed", 0),
        (
            "local[5]: BBBBBBBBBBB: to=<b@c>, relay=local, status=sent (delivered to mailbox)",
            0,
        ),
        ("qmgr[4]: BBBBBBBBBBB: removed", 1),
        ("smtpd[1]: connect from a.example[192.0.2.10]", 1),
        (
            "smtpd[1]: disconnect from a.example[192.0.2.10] ehlo=1 quit=1 commands=2",
            2,
        ),
    ];
    let head = Head {
        lines: &[],
        year: 2026,
    };
    let mut builder = (ENTRY.open)(LogId(0), &head);
    let mut out = Vec::new();
    for ((text, complete), number) in steps.iter().zip(1..) {
        let line = format!("Nov 24 03:29:09 mail postfix/{text}");
        let bytes = line.as_bytes();
        builder.line(Line { number, bytes }, &mut out);
        assert_eq!(out.len(), *complete, "{text}");
    }
    assert_eq!(out[0].deliveries.len(), 2);
}

#[test]
fn a_log_that_begins_in_the_middle_tells_what_is_left_of_a_session() {
    let log = "\
Nov 24 03:29:10 mail postfix/smtps/smtpd[2]: NOQUEUE: reject: RCPT from unknown[192.0.2.20]: 554 5.7.1 <x@y>: Relay access denied; from=<a@b> to=<x@y> proto=ESMTP helo=<c>
Nov 24 03:29:10 mail postfix/smtpd[1]: disconnect from a.example[192.0.2.10]:41088 ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7
Nov 24 03:29:11 mail postfix/smtps/smtpd[2]: lost connection after RCPT from unknown[192.0.2.20]
Nov 24 03:29:11 mail postfix/smtps/smtpd[2]: disconnect from unknown[192.0.2.20] ehlo=1 mail=1 rcpt=0/1 commands=2/3
Nov 24 03:29:12 mail postfix/smtpd[1]: connect from b.example[192.0.2.30]
Nov 24 03:29:12 mail postfix/smtpd[1]: disconnect from b.example[192.0.2.30] quit=1 commands=1
Nov 24 03:29:12 mail postfix/smtpd[1]: disconnect from a.example[192.0.2.10] quit=1 commands=1
Nov 24 03:29:13 mail postfix/postscreen[5]: PREGREET 14 after 0.08 from [192.0.2.40]:59415: EHLO x\\r\\n
Nov 24 03:29:13 mail postfix/postscreen[5]: DISCONNECT [192.0.2.40]:59415
";
    let told = told(&ENTRY, log, 2026);
    let brief: Vec<_> = told
        .sessions
        .iter()
        .map(|session| {
            (
                session.peer.map(|peer| peer.to_string()),
                session.peer_port,
                session.ending,
                session.events.len(),
            )
        })
        .collect();
    let peer = |last: u8| Some(format!("192.0.2.{last}"));
    assert_eq!(
        brief,
        [
            (peer(20), None, Ending::Lost, 3),
            (peer(10), Some(41_088), Ending::Quit, 1),
            (peer(30), None, Ending::Quit, 2),
            (peer(40), Some(59_415), Ending::Unknown, 2),
        ]
    );
    // What a process says after a session that is whole is of none.
    assert_eq!((told.aside, told.failed), (1, 0));
}

#[test]
fn lines_picked_out_of_a_log_are_of_one_session_no_longer_than_a_server_waits() {
    let line = |time: &str, client: u8| {
        format!(
            "Nov 24 {time} mail postfix/smtpd[1]: NOQUEUE: reject: RCPT from a[192.0.2.{client}]: 554 5.7.1 no; from=<> to=<x@y> proto=SMTP helo=<c>\n"
        )
    };
    let log = [
        ("03:00:00", 1),
        ("03:00:09", 1),
        ("03:00:10", 2),
        ("03:09:00", 2),
    ]
    .map(|(time, client)| line(time, client))
    .concat();
    let sessions = told(&ENTRY, &log, 2026).sessions;
    let lines: Vec<usize> = sessions
        .iter()
        .map(|session| session.events.len())
        .collect();
    assert_eq!(lines, [2, 1, 1]);
}

/// A message that stays in the queue holds its session back for as long as is wanted, and no other session after that.
#[test]
fn a_session_whose_message_stays_is_given_when_it_is_due() {
    let head = Head {
        lines: &[],
        year: 2026,
    };
    let mut builder = (ENTRY.open)(LogId(0), &head);
    let mut out = Vec::new();
    let mut numbers = 1..;
    let mut take = |builder: &mut Box<dyn Builder>, out: &mut Vec<LogSession>, texts: &[&str]| {
        for (text, number) in texts.iter().zip(&mut numbers) {
            let line = format!("Nov 24 03:29:{number:02} mail postfix/{text}");
            let bytes = line.as_bytes();
            builder.line(Line { number, bytes }, out);
        }
    };
    let due = |before| Due {
        before,
        goes_on: &|_, _| false,
    };
    take(
        &mut builder,
        &mut out,
        &[
            "smtpd[1]: connect from a.example[192.0.2.10]",
            "smtpd[1]: AAAAAAAAAAA: client=a.example[192.0.2.10]",
            "smtpd[1]: disconnect from a.example[192.0.2.10] mail=1 rcpt=1 data=1 quit=1 commands=4",
            "smtp[3]: AAAAAAAAAAA: to=<b@c>, relay=none, status=deferred (Connection refused)",
        ],
    );
    builder.settle(&due(LogTime(0)), &mut out);
    assert!(out.is_empty(), "it is not due");
    builder.settle(&due(LogTime(i64::MAX)), &mut out);
    assert_eq!((out.len(), out[0].deliveries.len()), (1, 1));
    take(
        &mut builder,
        &mut out,
        &[
            "smtpd[1]: connect from a.example[192.0.2.10]",
            "smtpd[1]: BBBBBBBBBBB: client=a.example[192.0.2.10]",
            "smtpd[1]: disconnect from a.example[192.0.2.10] mail=1 rcpt=1 data=1 quit=1 commands=4",
            "qmgr[4]: AAAAAAAAAAA: removed",
        ],
    );
    assert_eq!(out.len(), 1, "the other message is still there");
    take(&mut builder, &mut out, &["qmgr[4]: BBBBBBBBBBB: removed"]);
    assert_eq!(out.len(), 2);
}

#[test]
fn what_tlsproxy_tells_is_of_the_client_that_postscreen_met() {
    let log = "\
Nov 24 03:29:08 mail postfix/postscreen[105]: CONNECT from [2001:db8::90]:50115 to [2001:db8::25]:25
Nov 24 03:29:08 mail postfix/tlsproxy[107]: CONNECT from [2001:db8::90]:50115
Nov 24 03:29:08 mail postfix/tlsproxy[107]: Anonymous TLS connection established from [2001:db8::90]:50115: TLSv1.2 with cipher ECDHE-RSA-AES256-GCM-SHA384 (256/256 bits)
Nov 24 03:29:08 mail postfix/tlsproxy[107]: Anonymous TLS connection established from [2001:db8::91]:50116: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)
Nov 24 03:29:08 mail postfix/tlsproxy[107]: DISCONNECT [2001:db8::90]:50115
Nov 24 03:29:08 mail postfix/postscreen[105]: DISCONNECT [2001:db8::90]:50115
";
    let told = told(&ENTRY, log, 2026);
    let [met] = told.sessions.as_slice() else {
        panic!("{:?}", told.sessions);
    };
    assert_eq!(
        (met.encryption, told.failed),
        (Some(Encryption::StartTls), 0)
    );
    let tls = met.tls.as_ref().unwrap();
    assert_eq!(tls.cipher.as_deref(), Some("ECDHE-RSA-AES256-GCM-SHA384"));
}

#[test]
fn counts_beyond_belief_are_told_and_not_listed() {
    let session = |counts: &str| {
        format!(
            "Nov 24 03:29:08 mail postfix/smtpd[7]: connect from a.example[192.0.2.10]\n\
             Nov 24 03:29:08 mail postfix/smtpd[7]: disconnect from a.example[192.0.2.10] {counts}\n"
        )
    };
    let log = [
        session("ehlo=1 noop=4294967295 quit=1"),
        session("ehlo=1 auth=0/4294967295 rcpt=4294967295"),
        session("ehlo=1 noop=9998 quit=1"),
    ]
    .concat();
    let told = told(&ENTRY, &log, 2026);
    let listed: Vec<usize> = told
        .sessions
        .iter()
        .map(|session| session.implied.iter().count())
        .collect();
    assert_eq!(listed, [0, 0, 10_000]);
    assert_eq!(told.sessions[0].ending, Ending::Quit);
    let remarks = told.remarks.join("\n");
    assert!(
        remarks.starts_with("the commands of 2 sessions are counted but not listed"),
        "{remarks}"
    );
}
