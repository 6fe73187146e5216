//! Logs as they come from a bad day, through the whole program: packed, with columns that change, with stamps that lie, with what attackers write.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use crate::program::{bundled, records, run, said};

const W3C: &str =
    "#Fields: date time c-ip cs-username s-sitename cs-method cs-uri-query sc-status cs-version\n";

fn written(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

/// The record of the log, and those of its sessions.
fn told(name: &str, bytes: &[u8], more: &[&str]) -> (Value, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "a.log", bytes);
    let log = format!("{name}:{path}");
    let all = records(&[more, &["--year", "2026", "-l", &log]].concat());
    let of = |kind: &'static str| all.iter().filter(move |record| record["type"] == kind);
    (
        of("log").next().unwrap().clone(),
        of("session").cloned().collect(),
    )
}

fn starts(sessions: &[Value]) -> Vec<&str> {
    let starts = sessions.iter().map(|session| &session["start"]);
    starts.map(|start| start.as_str().unwrap_or("")).collect()
}

#[test]
fn a_log_is_the_same_in_every_packing() {
    let folder = tempfile::tempdir().unwrap();
    let plain = std::fs::read(bundled("postfix/postfix.log")).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(&plain).unwrap();
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(&plain).unwrap();
    let sessions = |bytes: &[u8]| {
        let path = written(folder.path(), "mail.log", bytes);
        records(&["--year", "2026", "-l", &path])
    };
    let expected = sessions(&plain);
    assert!(expected.len() > 10);
    for (name, packed) in [
        ("gzip", gzip.finish().unwrap()),
        ("zstd", zstd::encode_all(&plain[..], 1).unwrap()),
        ("xz", xz.finish().unwrap()),
        ("lz4", lz4.finish().unwrap()),
    ] {
        assert!(packed != plain && sessions(&packed) == expected, "{name}");
    }
}

#[test]
fn columns_may_be_missing_named_twice_or_change() {
    let row = "2006-10-09 05:00:15 192.0.2.10 gw SMTPSVC1 EHLO +gw 250 SMTP\n";
    let quit = "2006-10-09 05:00:16 192.0.2.10 gw SMTPSVC1 QUIT - 240 SMTP\n";
    let turned = "#Fields: c-ip cs-method cs-version s-sitename date time cs-username sc-status cs-uri-query\n192.0.2.10 MAIL SMTP SMTPSVC1 2006-10-09 05:00:15 gw 250 +FROM:<a@b>\n";
    let long = "2006-10-09 05:00:15 192.0.2.10 gw SMTPSVC1 EHLO +gw 250 SMTP more\n";
    let short = "2006-10-09 05:00:15 192.0.2.10 gw\n";
    for (log, events, unparsed) in [
        ([row, quit].concat(), 0, 2),
        ([W3C, row, W3C, quit].concat(), 2, 0),
        ([W3C, row, turned, W3C, quit].concat(), 3, 0),
        ([W3C, row, long, short, quit].concat(), 2, 2),
    ] {
        let (source, sessions) = told("iis-smtp", log.as_bytes(), &[]);
        let counts = (&source["events"], &source["unparsed_lines"]);
        assert_eq!(counts, (&events.into(), &unparsed.into()), "{log}");
        assert_eq!(sessions.len(), usize::from(events > 0), "{log}");
    }
}

#[test]
fn stamps_that_no_clock_shows_are_read_or_counted() {
    let log = "\
Dec 31 23:59:60 mail postfix/smtpd[1]: connect from a[192.0.2.1]
Jan  1 00:00:00 mail postfix/smtpd[1]: disconnect from a[192.0.2.1] quit=1 commands=1
Dec 31 23:59:59 mail postfix/smtpd[2]: connect from b[192.0.2.2]
Jan  1 00:00:01 mail postfix/smtpd[2]: disconnect from b[192.0.2.2] quit=1 commands=1
Feb 29 00:00:00 mail postfix/smtpd[3]: connect from c[192.0.2.3]
Feb 30 00:00:00 mail postfix/smtpd[3]: connect from c[192.0.2.3]
Mar  1 24:00:00 mail postfix/smtpd[3]: connect from c[192.0.2.3]
";
    let (source, sessions) = told("postfix", log.as_bytes(), &[]);
    // There is no 29 February near that year's turn.
    assert_eq!(source["unparsed_lines"], 3);
    assert_eq!(source["late_lines"], 1);
    let new_year = "2027-01-01T00:00:00.000000000Z";
    assert_eq!(
        starts(&sessions),
        [new_year, "2026-12-31T23:59:59.000000000Z"]
    );
}

#[test]
fn an_hour_comes_twice_or_never() {
    let log = "\
Oct 25 02:30:00 mail postfix/smtpd[1]: connect from a[192.0.2.1]
Oct 25 02:59:00 mail postfix/smtpd[1]: disconnect from a[192.0.2.1] quit=1 commands=1
Oct 25 02:01:00 mail postfix/smtpd[2]: connect from b[192.0.2.2]
Oct 25 02:02:00 mail postfix/smtpd[2]: disconnect from b[192.0.2.2] quit=1 commands=1
";
    let berlin = ["--log-zone", "Europe/Berlin"];
    let (_, sessions) = told("postfix", log.as_bytes(), &berlin);
    let expected = [
        "2026-10-25T00:30:00.000000000Z",
        "2026-10-25T01:01:00.000000000Z",
    ];
    assert_eq!(starts(&sessions), expected);
    let skipped = log.replace("Oct 25", "Mar 29");
    let (source, _) = told("postfix", skipped.as_bytes(), &berlin);
    assert!(source.to_string().contains("jump over"), "{source}");
}

#[test]
fn clients_are_named_in_every_way() {
    let log = "\
Nov 24 03:00:00 mail postfix/smtpd[1]: connect from unknown[::ffff:192.0.2.1]
Nov 24 03:00:00 mail postfix/smtpd[2]: connect from unknown[unknown]
Nov 24 03:00:00 mail postfix/smtpd[3]: connect from localhost[unix]
Nov 24 03:00:00 mail postfix/smtpd[2]: disconnect from unknown[unknown] commands=0
Nov 24 03:00:01 mail postfix/smtpd[1]: disconnect from unknown[::ffff:192.0.2.1] quit=1 commands=1
Nov 24 03:00:01 mail postfix/smtpd[3]: disconnect from localhost[unix] quit=1 commands=1
";
    let (source, sessions) = told("postfix", log.as_bytes(), &[]);
    assert_eq!((&source["events"], sessions.len()), (&6.into(), 3));
    assert_eq!(sessions[0]["src_ip"], "192.0.2.1");
    assert!(
        sessions[1..]
            .iter()
            .all(|session| session["src_ip"].is_null())
    );
    let zone = format!("{W3C}2006-10-09 05:00:15 fe80::1%4 gw SMTPSVC1 EHLO +gw 250 SMTP\n");
    assert_eq!(
        told("iis-smtp", zone.as_bytes(), &[]).1[0]["src_ip"],
        "fe80::1"
    );
}

#[test]
fn a_queue_id_that_is_given_again_is_another_message() {
    let round = |second: u8, to: &str| {
        format!(
            "Nov 24 03:00:0{second} mail postfix/smtpd[1]: connect from a[192.0.2.1]\n\
             Nov 24 03:00:0{second} mail postfix/smtpd[1]: 7E58B98E33D: client=a[192.0.2.1]\n\
             Nov 24 03:00:0{second} mail postfix/cleanup[2]: 7E58B98E33D: message-id=<{to}>\n\
             Nov 24 03:00:0{second} mail postfix/smtpd[1]: disconnect from a[192.0.2.1] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5\n\
             Nov 24 03:00:0{second} mail postfix/local[3]: 7E58B98E33D: to=<{to}>, relay=local, delay=0.1, delays=0/0/0/0.1, dsn=2.0.0, status=sent (delivered)\n\
             Nov 24 03:00:0{second} mail postfix/qmgr[4]: 7E58B98E33D: removed\n"
        )
    };
    let log = round(1, "one@example.com") + &round(2, "two@example.com");
    let (_, sessions) = told("postfix", log.as_bytes(), &[]);
    assert_eq!(sessions.len(), 2);
    for (session, own, other) in [
        (&sessions[0], "one@", "two@"),
        (&sessions[1], "two@", "one@"),
    ] {
        let session = session.to_string();
        assert!(
            session.contains(own) && !session.contains(other),
            "{session}"
        );
    }
}

#[test]
fn what_an_attacker_writes_into_a_log_stays_text() {
    let log = "\
192.0.2.10 - =cmd|' /C calc'!A0 [24/Nov/2026:03:49:17 +0000] \"GET /\x1b]0;owned\x07\x1b[2J HTTP/1.1\" 200 13 \"-\" \"\\\";DROP TABLE\"
192.0.2.10 - a\u{202e}b [24/Nov/2026:03:49:17 +0000] \"GET /%0a192.0.2.99%20-%20-%20[24/Nov/2026] HTTP/1.1\" 200 13 \"-\" \"x\"
";
    let (source, sessions) = told("clf", log.as_bytes(), &[]);
    assert_eq!((&source["lines"], sessions.len()), (&2.into(), 2));
    assert!(
        sessions
            .iter()
            .all(|session| session["src_ip"] == "192.0.2.10")
    );
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "a.log", log.as_bytes());
    let path = format!("clf:{path}");
    for session in ["s1", "s2"] {
        let text = said(&run(&["-l", &path, "--session", session]));
        let is_shown = |letter: char| letter.is_control() && letter != '\n' || letter == '\u{202e}';
        assert!(
            text.contains("GET /") && !text.contains(is_shown),
            "{text:?}"
        );
    }
}

#[test]
fn requests_that_are_alike_are_as_many_as_the_log_has() {
    let row = "192.0.2.10 - - [24/Nov/2026:03:49:17 +0000] \"GET / HTTP/1.1\" 200 13 \"-\" \"x\"\n";
    let (source, sessions) = told("clf", row.repeat(3).as_bytes(), &[]);
    assert_eq!((&source["events"], sessions.len()), (&3.into(), 3));
}

#[test]
fn a_log_of_another_server_is_joined_with_nothing() {
    let wire = bundled("postfix/wire.pcapng").display().to_string();
    let log = bundled("real-logs/exim/mainlog").display().to_string();
    let all = records(&["-r", &wire, "-l", &log]);
    let sessions = || all.iter().filter(|record| record["type"] == "session");
    assert!(sessions().count() > 10);
    assert!(sessions().all(|session| session["match"]["status"] != "matched"));
    assert!(all.iter().all(|record| record["type"] != "clock"));
    let why = |session: &Value| {
        session["match"]
            .to_string()
            .contains("another server, another day")
    };
    assert!(sessions().any(why));
}

/// How long it takes to read such a log and join it, at best of two.
fn seconds(name: &str, log: &str) -> f64 {
    let capture = bundled("postfix/wire.pcapng").display().to_string();
    let once = || {
        let begin = Instant::now();
        let (source, _) = told(name, log.as_bytes(), &["-r", &capture]);
        assert_eq!(source["unparsed_lines"], 0);
        begin.elapsed().as_secs_f64()
    };
    once().min(once())
}

fn takes_time_in_proportion(name: &str, count: usize, log: impl Fn(usize) -> String) {
    // Sixteen times as long if it grew by the square.
    let (few, many) = (seconds(name, &log(count)), seconds(name, &log(4 * count)));
    assert!(many < 9.0 * few.max(0.1), "{name}: {few} s, then {many} s");
}

#[test]
fn sessions_of_many_lines_take_time_in_proportion() {
    let refused = |count: usize| {
        let client = "gw.example[192.0.2.10]";
        let line = |at: usize| {
            let said =
                format!("550 5.1.1 <u{at}@x>: no; from=<a@b> to=<u{at}@x> proto=ESMTP helo=<x>");
            format!(
                "Nov 24 03:29:10 mail postfix/smtpd[7]: NOQUEUE: reject: RCPT from {client}: {said}\n"
            )
        };
        let lines = (0..count).map(line).collect::<Vec<_>>().concat();
        format!(
            "Nov 24 03:29:10 mail postfix/smtpd[7]: connect from {client}\n{lines}\
             Nov 24 03:29:10 mail postfix/smtpd[7]: disconnect from {client} ehlo=1 mail=1 rcpt=0/{count} quit=1\n"
        )
    };
    let secured = |count: usize| {
        let line = "Nov 24 03:29:10 mail sm-mta[7]: STARTTLS=server, relay=client.example.net [192.0.2.10], version=TLSv1.3, verify=NO, cipher=TLS_AES_256_GCM_SHA384, bits=256/256\n";
        line.repeat(count)
    };
    takes_time_in_proportion("postfix", 2_400, refused);
    takes_time_in_proportion("sendmail", 10_000, secured);
}
