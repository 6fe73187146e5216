use super::super::super::testing::{commands, read};
use super::*;
use crate::model::LogTime;

const LOG: &str = "\
Sep  9 11:59:00 mail sm-mta[7421]: NOQUEUE: connect from client.example.net [192.0.2.10]
Sep  9 11:59:00 mail sm-mta[7430]: x89Bx07a007430: <-- EHLO scan
Sep  9 11:59:00 mail sm-mta[7421]: STARTTLS=server, relay=client.example.net [192.0.2.10], version=TLSv1.3, verify=NO, cipher=TLS_AES_256_GCM_SHA384, bits=256/256
Sep  9 11:59:00 mail sm-mta[7430]: x89Bx07a007430: --- 250-mail.example.com Hello
Sep  9 11:59:00 mail sm-mta[7430]: x89Bx07a007430: --- 250 HELP
Sep  9 11:59:00 mail sm-mta[7430]: x89Bx07a007430: <-- AUTH PLAIN AGFubgBzZWNyZXQ=
Sep  9 11:59:00 mail sm-mta[7430]: x89Bx07a007430: --- 451 thinks.better: Name server timeout
Sep  9 11:59:00 mail sm-mta[7430]: x89Bx07a007430: --- 050 <a@b>... queued
Sep  9 11:59:00 mail sm-mta[7430]: x89Bx07a007430: --- 535 5.7.0 authentication failed
Sep  9 11:59:01 mail sm-mta[7421]: x89Bx01C007421: ruleset=check_rcpt, arg1=<x@relay.example>, relay=client.example.net [192.0.2.10], reject=550 5.7.1 <x@relay.example>... Relaying denied
Sep  9 11:59:01 mail sm-mta[7421]: x89Bx01C007421: from=<ann@example.net>, size=746, class=0, nrcpts=1, msgid=<m1@client.example.net>, bodytype=7BIT, proto=ESMTP, daemon=MTA-v4, relay=client.example.net [192.0.2.10]
Sep  9 11:59:01 mail sm-mta[7423]: STARTTLS=client, relay=mx.other.example., version=TLSv1.2, verify=FAIL, cipher=ECDHE-RSA-AES128-GCM-SHA256, bits=128/128
Sep  9 11:59:02 mail sm-mta[7423]: x89Bx01C007421: to=<dan@other.example>, delay=00:00:02, xdelay=00:00:01, mailer=esmtp, pri=120746, relay=mx.other.example. [203.0.113.25], dsn=2.0.0, stat=Sent (OK 1568030342)
Sep  9 11:59:07 mail sm-mta[7430]: x89Bx07a007430: gw.sender.example [203.0.113.77] did not issue MAIL/EXPN/VRFY/ETRN during connection to MTA-v4
Sep  9 11:59:08 mail sendmail[7440]: x89Bx8aB007440: from=root, size=20, class=0, nrcpts=1, relay=root@localhost
Sep  9 11:59
nothing of the kind
Sep 39 11:59:08 mail sendmail[7440]: x
";

#[test]
fn processes_tell_sessions_apart() {
    let told = read(&ENTRY, LOG, 2026);
    assert_eq!((told.sessions.len(), told.failed), (3, 3));
    assert_eq!(told.zone, Zone::Stated(Span::ZERO));
    let [sent, scan, out] = &told.sessions[..] else {
        panic!("three sessions");
    };
    assert_eq!(sent.peer, "192.0.2.10".parse().ok());
    let implied: Vec<&str> = sent.implied.iter().map(|command| command.request).collect();
    assert_eq!(
        implied,
        [
            "MAIL FROM:<ann@example.net>",
            "RCPT TO:<x@relay.example>",
            "RCPT",
            "DATA",
            ""
        ]
    );
    assert_eq!(sent.deliveries[0].status(), "Sent");
    assert!(sent.tls.is_some());
    // The year is told by the ids alone.
    assert_eq!(
        sent.events.first().unwrap().stamp.at,
        LogTime::new(1_568_030_340, 0)
    );
    assert_eq!(commands(scan), ["EHLO scan 250", "AUTH PLAIN *** 535"]);
    assert_eq!(scan.peer, "203.0.113.77".parse().ok());
    assert_eq!(
        (out.role, out.peer),
        (Role::Client, "203.0.113.25".parse().ok())
    );
    assert_eq!(out.implied.iter().count(), 4);
    assert!(!format!("{:?}", told.sessions).contains("AGFubgBz"));
}

#[test]
fn refusals_outside_rulesets_are_of_their_sessions() {
    let log = "\
Sep  9 11:59:00 mail sm-mta[7421]: x89Bx01C007421: AUTH failure (LOGIN): no (-13) SASL(-13): no, user=eve, relay=[203.0.113.9], relay=client.example.net [192.0.2.10] (may be forged)
Sep  9 11:59:01 mail sm-mta[7421]: x89Bx01C007421: client.example.net [192.0.2.10]: VRFY root [rejected]
Sep  9 11:59:02 mail sm-mta[7421]: x89Bx01C007421: client.example.net [192.0.2.10]: possible SMTP attack: command=AUTH, count=5
Sep  9 11:59:03 mail sm-mta[7430]: x89Bx07a007430: rejecting commands from [203.0.113.77] due to pre-greeting traffic after 0 seconds
";
    let told = read(&ENTRY, log, 2026);
    assert_eq!((told.aside, told.failed), (0, 0));
    let [login, early] = &told.sessions[..] else {
        panic!("two sessions");
    };
    assert_eq!(login.peer, "192.0.2.10".parse().ok());
    assert_eq!(login.names, ["eve"]);
    assert_eq!(commands(login), ["AUTH *** 535", "VRFY root ?"]);
    assert_eq!(early.peer, "203.0.113.77".parse().ok());
}

#[test]
fn ids_show_the_zone() {
    let west = LOG.replace("Sep  9 11:", "Sep  9 07:");
    assert_eq!(
        read(&ENTRY, &west, 2026).zone,
        Zone::Stated(Span::seconds(-4 * 3600))
    );
}
