use super::super::super::testing;
use super::*;
use crate::model::{Encryption, Ending, TlsVersion};

const RECEIVED: &str = "\
#Software: Microsoft Exchange Server
#Log-type: SMTP Receive Protocol Log
#Fields: date-time,connector-id,session-id,sequence-number,local-endpoint,remote-endpoint,event,data,context
2023-01-11T15:59:51.402Z,MAIL01\\Default,08DAF3EC62278461,0,198.51.100.25:25,203.0.113.33:56026,+,,
2023-01-11T15:59:51.433Z,MAIL01\\Default,08DAF3EC62278461,1,198.51.100.25:25,203.0.113.33:56026,>,\"220 MAIL01 ready at Wed, 11 Jan\",
2023-01-11T15:59:53.909Z,MAIL01\\Default,08DAF3EC62278461,2,198.51.100.25:25,203.0.113.33:56026,<,EHLO gw.example.net,
2023-01-11T15:59:53.910Z,MAIL01\\Default,08DAF3EC62278461,3,198.51.100.25:25,203.0.113.33:56026,>,250  MAIL01.example.com Hello,
2023-01-11T15:59:54.118Z,MAIL01\\Default,08DAF3EC62278462,0,198.51.100.25:25,[2001:db8::77]:40112,+,,
2023-01-11T15:59:56.232Z,MAIL01\\Default,08DAF3EC62278461,4,198.51.100.25:25,203.0.113.33:56026,<,STARTTLS,
2023-01-11T15:59:56.232Z,MAIL01\\Default,08DAF3EC62278461,5,198.51.100.25:25,203.0.113.33:56026,>,220 2.0.0 SMTP server ready,
2023-01-11T15:59:56.540Z,MAIL01\\Default,08DAF3EC62278461,7,198.51.100.25:25,203.0.113.33:56026,*,,\"TLS protocol SP_PROT_TLS1_2_SERVER negotiation succeeded using bulk\"
2023-01-11T15:59:57.101Z,MAIL01\\Default,08DAF3EC62278461,10,198.51.100.25:25,203.0.113.33:56026,<,MAIL FROM:<ann@example.net>,
2023-01-11T15:59:57.103Z,MAIL01\\Default,08DAF3EC62278461,12,198.51.100.25:25,203.0.113.33:56026,>,250 2.1.0 Sender OK,
2023-01-11T15:59:57.205Z,MAIL01\\Default,08DAF3EC62278461,13,198.51.100.25:25,203.0.113.33:56026,<,RCPT TO:<bob@example.com>,
2023-01-11T15:59:57.206Z,MAIL01\\Default,08DAF3EC62278461,14,198.51.100.25:25,203.0.113.33:56026,>,250 2.1.5 Recipient OK,
2023-01-11T15:59:57.310Z,MAIL01\\Default,08DAF3EC62278461,15,198.51.100.25:25,203.0.113.33:56026,<,BDAT 48435 LAST,
2023-01-11T15:59:58.004Z,MAIL01\\Default,08DAF3EC62278462,2,198.51.100.25:25,[2001:db8::77]:40112,<,AUTH LOGIN c2VjcmV0,
2023-01-11T15:59:58.005Z,MAIL01\\Default,08DAF3EC62278462,3,198.51.100.25:25,[2001:db8::77]:40112,>,334 <authentication response>,
2023-01-11T15:59:58.411Z,MAIL01\\Default,08DAF3EC62278461,16,198.51.100.25:25,203.0.113.33:56026,>,\"250 2.6.0 <39ae@example.net> [InternalId=7, Hostname=M] Queued\",
2023-01-11T15:59:58.514Z,MAIL01\\Default,08DAF3EC62278461,17,198.51.100.25:25,203.0.113.33:56026,<,QUIT,
2023-01-11T15:59:58.514Z,MAIL01\\Default,08DAF3EC62278461,19,198.51.100.25:25,203.0.113.33:56026,-,,Local
2023-01-11T15:59:59.115Z,MAIL01\\Default,08DAF3EC62278462,4,198.51.100.25:25,[2001:db8::77]:40112,<,cGFzc3dvcmQ=,
2023-01-11T16:00:09.660Z,MAIL01\\Default,08DAF3EC62278462,10,198.51.100.25:25,[2001:db8::77]:40112,>,535 5.7.3 Authentication unsuccessful,
2023-01-11T16:00:09.902Z,MAIL01\\Default,08DAF3EC62278462,11,198.51.100.25:25,[2001:db8::77]:40112,-,,Remote
2023-01-11T16:00:09.902Z,MAIL01\\Default,08DAF3EC
2023-01-11T16:00:09.902Z,MAIL01\\Default,08DAF3EC62278462,11,198.51.100.25:25,[2001:db8::77]:40112,?,,
nothing of the kind
";

fn read(log: &str) -> (Vec<LogSession>, usize) {
    let told = testing::read(&ENTRY, log, 2023);
    (told.sessions, told.failed)
}

fn commands(session: &LogSession) -> Vec<(&str, Option<&str>)> {
    session
        .events
        .iter()
        .filter_map(|event| event.command())
        .map(|command| (command.request, command.code))
        .collect()
}

fn sizes(session: &LogSession) -> Vec<u64> {
    let events = session.events.iter();
    events
        .filter_map(|event| event.command())
        .filter_map(|command| command.request_bytes.or(command.response_bytes))
        .collect()
}

#[test]
fn replies_go_to_the_commands_of_their_session() {
    let (sessions, failed) = read(RECEIVED);
    assert_eq!((sessions.len(), failed), (2, 3));
    let sent = &sessions[0];
    assert_eq!(
        commands(sent),
        [
            ("EHLO gw.example.net", Some("250")),
            ("STARTTLS", Some("220")),
            ("MAIL FROM:<ann@example.net>", Some("250")),
            ("RCPT TO:<bob@example.com>", Some("250")),
            ("BDAT 48435 LAST", Some("250")),
            ("QUIT", None),
        ]
    );
    assert!(sizes(sent).is_empty(), "lines are put together");
    assert_eq!((sent.peer_port, sent.local_port), (Some(56026), Some(25)));
    assert_eq!(sent.encryption, Some(Encryption::StartTls));
    let version = sent.tls.as_ref().and_then(|tls| tls.version);
    assert_eq!(version, TlsVersion::from_name("TLSv1.2"));
    assert_eq!((sent.ending, sent.names.len()), (Ending::Quit, 1));
    let message = &sent.messages[0];
    assert_eq!(message.wire_bytes.map(|(least, _)| least), Some(48435));
    assert_eq!(message.message_id.as_deref(), Some("39ae@example.net"));
    assert_eq!(sessions[1].ending, Ending::Lost);
    assert_eq!(sessions[1].encryption, Some(Encryption::None));
}

#[test]
fn secrets_are_masked() {
    let (sessions, _) = read(RECEIVED);
    assert_eq!(
        commands(&sessions[1]),
        [("AUTH LOGIN ***", Some("334")), ("***", Some("535"))]
    );
    let all = format!("{sessions:?}");
    assert!(!all.contains("c2VjcmV0") && !all.contains("cGFzc3dvcmQ"));
}

#[test]
fn what_it_sends_has_the_sides_exchanged() {
    let row = |number: u8, event: &str, data: &str| {
        format!(
            "2023-01-11T16:00:59.032Z,Internet,08DAF3EC6227900A,{number},198.51.100.25:41877,203.0.113.25:25,{event},{data},\n"
        )
    };
    let log = [
        "#Log-type: SMTP Send Protocol Log\n".to_owned(),
        row(0, "+", ""),
        row(1, "<", "220 mx.other.example ESMTP"),
        row(2, ">", "DATA"),
        row(3, "<", "354 End data"),
        row(4, ">", "QUIT"),
        row(5, "<", "250 2.0.0 Ok: queued as 4N"),
        row(6, "<", "221 2.0.0 Bye"),
        row(7, "-", ""),
    ];
    let (sessions, failed) = read(&log.concat());
    assert_eq!((sessions.len(), failed), (1, 0));
    let session = &sessions[0];
    assert_eq!(session.role, Role::Client);
    assert_eq!(session.local_port, Some(41877));
    assert_eq!(
        commands(session),
        [
            ("DATA", Some("354")),
            ("", Some("250")),
            ("QUIT", Some("221"))
        ]
    );
    assert_eq!((session.messages.len(), session.ending), (1, Ending::Quit));
}

#[test]
fn other_protocols_in_the_same_columns_are_not_taken() {
    let lines: Vec<&[u8]> = RECEIVED.lines().map(str::as_bytes).collect();
    let pop = RECEIVED.replace("SMTP Receive Protocol Log", "POP3 Log");
    let pop: Vec<&[u8]> = pop.lines().map(str::as_bytes).collect();
    let sureness = |lines: &[&[u8]]| probe(&Head { lines, year: 2023 });
    assert!(sureness(&lines) > Sureness(800));
    assert_eq!(sureness(&pop), Sureness(0));
}
