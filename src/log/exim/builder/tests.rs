use super::*;
use crate::log::testing::{commands, read};
use crate::model::{Encryption, Ending, EventRef, LogEvent, LogTime};

const LOG: &str = "\
2026-11-24 03:28:38.940 [22873] exim 4.96 daemon started: pid=22873, no queue runs, listening for SMTP on [198.51.100.26]:25
2026-11-24 03:28:39.559 [22873] SMTP connection from [192.0.2.10]:58779 I=[198.51.100.26]:25 (TCP/IP connection count = 1)
2026-11-24 03:28:39.587 [22873] SMTP connection from [192.0.2.10]:50075 I=[198.51.100.26]:25 (TCP/IP connection count = 2)
2026-11-24 03:28:39.590 [22920] H=(gw.sender.example) [192.0.2.10]:50075 I=[198.51.100.26]:25 F=<dan@sender.example> rejected RCPT <x@relay.example>: relay not permitted
2026-11-24 03:28:39.606 [22918] 1xVhCx-0005xe-1x <= ann@example.net H=(client.example.net) [192.0.2.10]:58779 I=[198.51.100.26]:25 P=esmtps X=TLS1.3:ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM:256 CV=no S=361 id=m1@example.net T=\"look for me\" for bob@example.com eve@example.com
2026-11-24 03:28:39.620 [22920] SMTP syntax error in \"BOGUS x\" H=(gw.sender.example) [192.0.2.10]:50075 I=[198.51.100.26]:25 unrecognized command
2026-11-24 03:28:39.630 [22920] plain_server authenticator failed for (gw.sender.example) [192.0.2.10]:50075 I=[198.51.100.26]:25: 535 Incorrect authentication data (set_id=bob)
2026-11-24 03:28:39.700 [22930] 1xVhCx-0005xe-1x => bob <bob@example.com> R=local_user T=maildir
2026-11-24 03:28:39.800 [22931] 1xVhCx-0005xe-1x => eve@example.com R=dnslookup T=remote_smtp H=mx.other.example [203.0.113.25]:25 X=TLS1.3:TLS_AES_256_GCM_SHA384:256 CV=no C=\"250 2.0.0 Ok: queued as 7E58B98E33D\" QT=0.2s DT=0.1s
2026-11-24 03:28:39.801 [22931] 1xVhCx-0005xe-1x Completed
2026-11-24 03:28:39.807 [22918] SMTP connection from (client.example.net) [192.0.2.10]:58779 I=[198.51.100.26]:25 closed by QUIT
2026-11-24 03:28:39.900 [22920] SMTP connection from (gw.sender.example) [192.0.2.10]:50075 I=[198.51.100.26]:25 lost D=0.313s
2026-11-24 03:28
nothing of the kind
2026-13-24 03:28:39.801 [22931] 1xVhCx-0005xe-1x Completed
";

#[test]
fn processes_and_ports_tell_sessions_of_one_client_apart() {
    let told = read(&ENTRY, LOG, 2026);
    assert_eq!((told.sessions.len(), told.failed), (3, 3));
    assert_eq!(told.zone, Zone::Stated(Span::ZERO));
    let [sent, refused, out] = &told.sessions[..] else {
        panic!("three sessions");
    };
    assert_eq!((sent.peer_port, sent.local_port), (Some(58_779), Some(25)));
    assert_eq!(
        (sent.ending, sent.encryption),
        (Ending::Quit, Some(Encryption::StartTls))
    );
    let implied: Vec<&str> = sent.implied.iter().map(|command| command.request).collect();
    assert_eq!(
        implied,
        [
            "EHLO",
            "STARTTLS",
            "EHLO",
            "MAIL FROM:<ann@example.net>",
            "RCPT TO:<bob@example.com>",
            "RCPT TO:<eve@example.com>",
            "DATA",
            "",
            "QUIT"
        ]
    );
    assert_eq!(
        sent.messages[0].message_id.as_deref(),
        Some("m1@example.net")
    );
    let fates: Vec<_> = sent
        .deliveries
        .iter()
        .map(|delivery| (delivery.recipient(), delivery.relay()))
        .collect();
    assert_eq!(
        fates,
        [
            ("bob@example.com", "maildir"),
            ("eve@example.com", "mx.other.example [203.0.113.25]")
        ]
    );
    assert_eq!(
        commands(refused),
        ["RCPT TO:<x@relay.example> ?", "BOGUS x ?", "AUTH *** 535"]
    );
    assert_eq!(
        (refused.ending, refused.duration),
        (Ending::Lost, Some(Span::millis(313)))
    );
    assert_eq!((out.role, out.peer_port), (Role::Client, Some(25)));
    assert_eq!(
        out.implied.iter().last().and_then(|command| command.code),
        Some("250")
    );
    assert!(out.tls.is_some());
}

#[test]
fn the_id_of_a_message_tells_when_it_began_to_come() {
    let told = read(&ENTRY, LOG, 2026);
    let made = &told.sessions[0].events.get(1).unwrap();
    assert_eq!(made.stamp.at, LogTime::new(1_795_490_919, 605_000_000));
    assert_eq!(made.stamp.resolution, Span::millis(5));
    // A log of another zone is brought to UTC by its ids.
    let west = read(
        &ENTRY,
        &LOG.replace("2026-11-24 03:", "2026-11-23 22:"),
        2026,
    );
    assert_eq!(west.zone, Zone::Stated(Span::seconds(-5 * 3600)));
    let behind = |told: &[LogSession]| -> Vec<LogEvent> {
        told[0].events.iter().skip(1).map(EventRef::owned).collect()
    };
    assert_eq!(behind(&west.sessions), behind(&told.sessions));
}

#[test]
fn without_ports_and_processes_ids_still_tell() {
    let log = "\
2002-10-31 09:00:10 16ZCW1-0005MB-00 <= monk@example.org H=client.example.org [192.0.2.1] P=esmtp S=500
2002-10-31 09:00:10 16ZCW1-0005MC-00 <= nun@example.org H=client.example.org [192.0.2.1] P=esmtp S=600
2002-10-31 09:00:11 16ZCW2-0005MB-00 <= monk@example.org H=client.example.org [192.0.2.1] P=esmtp S=700
2002-10-31 09:00:12 16ZCW1-0005MB-00 ** x@example.com R=dnslookup T=smtp H=mx.example.com [203.0.113.34]: SMTP error from remote mail server after RCPT TO:<x@example.com>: 550 no such user
2002-10-31 09:00:12 16ZCW1-0005MC-00 == marvin@example.org R=dnslookup T=smtp defer (146): Connection refused
2002-10-31 09:00:12 unexpected disconnection while reading SMTP command from client.example.net [192.0.2.9]
";
    let told = read(&ENTRY, log, 2026);
    assert_eq!((told.sessions.len(), told.failed), (4, 0));
    assert_eq!(
        told.sessions[0].messages.len(),
        2,
        "two messages of one process"
    );
    assert_eq!(told.sessions[0].encryption, Some(Encryption::None));
    assert_eq!(told.sessions[1].deliveries[0].status(), "deferred");
    assert_eq!(commands(&told.sessions[2]), ["RCPT TO:<x@example.com> 550"]);
    assert_eq!(told.sessions[3].ending, Ending::Lost);
}

#[test]
fn what_was_put_off_by_the_other_server_was_a_session() {
    let log = "\
2026-11-24 03:28:41.300 [22942] 1tFx0x-00000006RsB-0002 <= ann@example.net U=ann P=local S=300
2026-11-24 03:28:41.300 [22942] 1tFx0x-00000006RsB-0002 == y@relay.example R=dnslookup T=remote_smtp defer (-44) H=mx.relay.example [2001:db8::90]:25: SMTP error from remote mail server after pipelined MAIL FROM:<ann@example.net> SIZE=1330: 451 4.7.1 try later
2026-11-24 03:28:41.400 [22943] 1tFx0x-00000006RsC-0003 == z@relay.example R=dnslookup T=remote_smtp defer (-53): retry time not reached for any host for 'relay.example'
2026-11-24 03:28:41.500 [22944] 1tFx0x-00000006RsD-0004 == w@relay.example R=dnslookup T=remote_smtp defer (111): Connection refused H=mx.relay.example [203.0.113.90]
";
    let told = read(&ENTRY, log, 2026);
    let [refused] = told.sessions.as_slice() else {
        panic!("{:?}", told.sessions);
    };
    assert_eq!(refused.peer, "2001:db8::90".parse().ok());
    assert_eq!(commands(refused), ["MAIL 451"]);
    assert!(
        refused
            .implied
            .iter()
            .all(|command| command.code != Some("250"))
    );
}

#[test]
fn a_client_whose_connection_was_refused_was_there() {
    let log = "\
2026-11-24 03:28:41.900 [22873] Connection from [203.0.113.94]:40014 I=[198.51.100.26]:25 refused: too many connections
2026-11-24 03:28:42.000 [22950] refused connection from [203.0.113.95]:40015 I=[198.51.100.26]:25 (host_reject_connection)
";
    let told = read(&ENTRY, log, 2026);
    let ports: Vec<_> = told
        .sessions
        .iter()
        .map(|session| session.peer_port)
        .collect();
    assert_eq!(ports, [Some(40014), Some(40015)]);
}
