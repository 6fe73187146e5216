use super::super::super::testing;
use super::*;
use crate::model::Ending;

const LOG: &str = "\
#Software: Microsoft Internet Information Services 6.0
#Fields: date time c-ip cs-username s-sitename s-computername s-ip s-port cs-method cs-uri-stem cs-uri-query sc-status sc-win32-status sc-bytes cs-bytes time-taken cs-version
2006-10-09 05:00:15 203.0.113.77 gw.example SMTPSVC1 MAIL01 198.51.100.25 0 HELO - +gw.example 250 0 43 22 0 SMTP
2006-10-09 05:00:15 203.0.113.78 other.example SMTPSVC1 MAIL01 198.51.100.25 0 EHLO - +other.example 250 0 275 18 0 SMTP
2006-10-09 05:00:15 203.0.113.77 gw.example SMTPSVC1 MAIL01 198.51.100.25 0 MAIL - +FROM:+<a@b> 250 0 30 17 0 SMTP
2006-10-09 05:00:16 203.0.113.78 other.example SMTPSVC1 MAIL01 198.51.100.25 0 AUTH - +PLAIN+AGFubgBzZWNyZXQ= 235 0 40 32 0 SMTP
2006-10-09 05:00:16 203.0.113.77 gw.example SMTPSVC1 MAIL01 198.51.100.25 0 RCPT - +TO:+<c@d> 250 0 30 15 0 SMTP
2006-10-09 05:00:19 203.0.113.77 gw.example SMTPSVC1 MAIL01 198.51.100.25 0 DATA - +<4F50@gw.example> 250 0 116 1399 1922 SMTP
2006-10-09 05:00:19 203.0.113.77 gw.example SMTPSVC1 MAIL01 198.51.100.25 0 QUIT - gw.example 240 4219 65 4 0 SMTP
2006-10-09 05:01:33 203.0.113.140 - SMTPSVC1 MAIL01 198.51.100.25 0 xxxx - +sveta 500 0 32 10 0 SMTP
2006-10-09 05:01:33 203.0.113.140 - SMTPSVC1 MAIL01 198.51.100.25 0 QUIT - - 240 125 32 10 62 SMTP
2006-10-09 05:02:01 203.0.113.25 OutboundConnectionCommand SMTPSVC1 MAIL01 - 25 MAIL - FROM:<b@e> 0 0 4 0 47 SMTP
2006-10-09 05:00
nothing of the kind
2006-10-09 99:01:33 203.0.113.140 - SMTPSVC1 MAIL01 198.51.100.25 0 QUIT - - 240 125 32 10 62 SMTP
";

fn read(log: &str) -> (Vec<LogSession>, usize) {
    let told = testing::read(&ENTRY, log, 2006);
    (told.sessions, told.failed)
}

#[test]
fn rows_of_interleaved_clients_are_told_apart() {
    let (sessions, failed) = read(LOG);
    assert_eq!((sessions.len(), failed), (3, 3));
    let sent = &sessions[0];
    assert_eq!((sent.events.len(), sent.ending), (5, Ending::Quit));
    assert_eq!(sent.duration, Some(Span::millis(4219)));
    let commands: Vec<_> = sent
        .events
        .iter()
        .filter_map(|event| event.command())
        .collect();
    assert_eq!(commands[1].request, "MAIL FROM: <a@b>");
    assert_eq!(
        (commands[1].request_bytes, commands[1].response_bytes),
        (Some(19), Some(30))
    );
    assert!(commands[3].is_body());
    assert_eq!(commands[4].code, None);
    assert_eq!(sessions[2].ending, Ending::Lost);
}

#[test]
fn secrets_are_masked() {
    let (sessions, _) = read(LOG);
    let auth = format!("{:?}", sessions[1]);
    assert!(
        auth.contains("AUTH PLAIN ***") && !auth.contains("AGFubg"),
        "{auth}"
    );
}

#[test]
fn two_sessions_of_one_client_are_told_apart_by_the_order_of_commands() {
    let row = |verb: &str, query: &str, status: u16| {
        format!(
            "2006-10-09 05:00:15 203.0.113.77 gw.example SMTPSVC1 MAIL01 198.51.100.25 0 {verb} - {query} {status} 0 43 4 0 SMTP"
        )
    };
    let fields = LOG.lines().nth(1).unwrap().to_owned();
    let log = [
        fields,
        row("EHLO", "+gw.example", 250),
        row("STARTTLS", "-", 220),
        row("EHLO", "+gw.example", 250),
        row("EHLO", "+gw.example", 250),
        row("MAIL", "+FROM:<a@b>", 250),
        row("MAIL", "+FROM:<c@d>", 250),
        row("QUIT", "gw.example", 240),
        row("QUIT", "gw.example", 240),
    ]
    .join("\n");
    let (sessions, _) = read(&log);
    let lengths: Vec<usize> = sessions
        .iter()
        .map(|session| session.events.len())
        .collect();
    assert_eq!(sessions.len(), 2);
    assert_eq!(lengths.iter().sum::<usize>(), 8);
}

#[test]
fn of_two_alike_one_that_ended_first_and_lasted_longer_is_the_older() {
    let row = |verb: &str, query: &str, status: u16, millis: u16| {
        format!(
            "2006-10-09 05:00:15 203.0.113.77 gw.example SMTPSVC1 MAIL01 198.51.100.25 0 {verb} - {query} {status} {millis} 43 4 0 SMTP"
        )
    };
    let log = [
        LOG.lines().nth(1).unwrap().to_owned(),
        row("EHLO", "+gw.example", 250, 0),
        row("MAIL", "+FROM:<a@b>", 250, 0),
        row("EHLO", "+gw.example", 250, 0),
        row("QUIT", "gw.example", 240, 225),
        row("QUIT", "gw.example", 240, 37),
    ]
    .join("\n");
    let (sessions, _) = read(&log);
    let told: Vec<_> = sessions
        .iter()
        .map(|session| (session.events.first().unwrap().line.line, session.duration))
        .collect();
    assert!(told.contains(&(2, Some(Span::millis(225)))), "{told:?}");
    assert!(told.contains(&(4, Some(Span::millis(37)))), "{told:?}");
}

#[test]
fn a_crowd_from_one_address_takes_no_longer_for_each_and_is_told() {
    let head: String = LOG.split_inclusive('\n').take(2).collect();
    let row = "2006-10-09 05:00:15 203.0.113.77 gw.example SMTPSVC1 MAIL01 198.51.100.25 0 HELO - +gw.example 250 0 43 22 0 SMTP\n";
    let many = MAX_LOOKED_AT + 3;
    let told = testing::read(&ENTRY, &[head, row.repeat(many)].concat(), 2006);
    assert_eq!((told.sessions.len(), told.failed), (many, 0));
    let rows = "2 rows were looked for among the last 1000 sessions";
    assert!(told.remarks[0].starts_with(rows), "{:?}", told.remarks);
}
