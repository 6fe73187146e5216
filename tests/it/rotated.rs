//! Rotated sets, logs of two programs, encodings and zones, through the whole program.

use std::io::Write as _;
use std::path::Path;

use bothends::model::Side;

use crate::made::{Way, capture};
use crate::program::{complained, records, run, said};

const OLD: &str = "Dec 31 23:59:58 mail postfix/smtpd[7]: connect from unknown[192.0.2.10]\n";
const NEW: &str = "Jan  1 00:00:01 mail postfix/smtpd[7]: disconnect from unknown[192.0.2.10] quit=1 commands=1\nJan  1 00:00:00 mail postfix/qmgr[8]: late\n";

fn written(folder: &Path, name: &str, text: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn a_rotated_set_is_one_log_and_its_lines_keep_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let old = zstd::encode_all(OLD.as_bytes(), 1).unwrap();
    written(folder.path(), "mail.log", b"");
    let new = written(folder.path(), "mail.log.1", NEW.as_bytes());
    let old = written(folder.path(), "mail.log.2.zst", &old);
    let pattern = folder.path().join("mail.log*").display().to_string();
    let records = records(&["--year", "2026", "-l", &pattern]);
    assert_eq!(records[0]["files"], serde_json::json!([old, new]));
    assert_eq!(records[0]["lines"], 3);
    assert_eq!(
        (&records[0]["late_lines"], &records[0]["late_by_ms"]),
        (&1.into(), &1000.0.into())
    );
    let session = &records[1];
    assert_eq!(
        session["log_lines"],
        serde_json::json!([{"file": old, "line": 1}, {"file": new, "line": 1}])
    );
    assert_eq!(session["start"], "2026-12-31T23:59:58.000000000Z");
    assert_eq!(
        session["end"], "2027-01-01T00:00:01.000000000Z",
        "the year turned"
    );
    let text = said(&run(&["--year", "2026", "-l", &pattern]));
    assert!(text.contains("mail.log.2.zst:1; mail.log.1:1"), "{text}");
    assert!(
        text.contains("lines older than one above them: 1, by 1.000 s"),
        "{text}"
    );
}

#[test]
fn the_year_of_a_file_is_that_of_its_last_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "mail.log", [OLD, NEW].concat().as_bytes());
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    let changed = std::time::Duration::from_secs(1_798_761_700);
    file.set_modified(std::time::UNIX_EPOCH + changed).unwrap();
    let records = records(&["-l", &path]);
    assert_eq!(
        records[0]["first"], "2026-12-31T23:59:58.000000000Z",
        "begun before New Year"
    );
}

#[test]
fn the_year_is_told_by_the_last_packet_though_logs_are_read_before_it() {
    let segment = |flags, from| (from, flags, 1, 1, &b""[..], Way::Sound);
    let mut capture = capture(&[segment("S", Side::Client), segment("R", Side::Server)]);
    let second = capture.len() / 2 + 12;
    let (december, february) = (1_767_052_800_u32, 1_769_904_000_u32);
    capture[24..28].copy_from_slice(&december.to_le_bytes());
    capture[second..second + 4].copy_from_slice(&february.to_le_bytes());
    let folder = tempfile::tempdir().unwrap();
    let wire = written(folder.path(), "wire.pcap", &capture);
    let log = OLD.replace("Dec 31", "Jan 31");
    let log = written(folder.path(), "mail.log", log.as_bytes());
    for threads in ["1", "4"] {
        let records = records(&["--threads", threads, "-r", &wire, "-l", &log]);
        let source = records.iter().find(|record| record["type"] == "log");
        assert_eq!(
            source.unwrap()["first"],
            "2026-01-31T23:59:58.000000000Z",
            "{threads} threads"
        );
    }
}

#[test]
fn a_log_of_two_programs_is_read_as_both() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = String::new();
    for number in 0..200 {
        log.push_str(&OLD.replace("[7]", &format!("[{number}]")));
        log.push_str(&NEW.replace("[7]", &format!("[{number}]")));
        if number % 10 == 9 {
            log.push_str("Jan  1 00:00:02 mail dovecot: imap-login: Login: user=<bob>, method=PLAIN, rip=192.0.2.10, lip=198.51.100.25, mpid=11849, TLS, session=<N20qhP1gybjAAAIK>\n");
        }
    }
    let path = written(folder.path(), "mail.log", log.as_bytes());
    let records = records(&["-l", &path]);
    let formats: Vec<_> = records
        .iter()
        .filter(|record| record["type"] == "log")
        .map(|record| &record["format"])
        .collect();
    assert_eq!(formats, ["postfix", "dovecot"]);
    assert_eq!(records.last().unwrap()["sessions"], 220);
}

#[test]
fn letters_and_zones_are_as_given() {
    let folder = tempfile::tempdir().unwrap();
    let line = b"2026-10-25 02:30:00 192.0.2.10 MAIL - +FROM:<r\xe9n@x> 250\r";
    let head = b"#Fields: date time c-ip cs-method cs-uri-stem cs-uri-query sc-status\r";
    let mut log = [head.as_slice(), line, line].concat();
    log.extend(b"2026-10-25 02:30:00 192.0.2.10 QUIT - x 240");
    let path = written(folder.path(), "ex.log", &log);
    let read = records(&[
        "-l",
        &format!("iis-smtp:{path}"),
        "--log-encoding",
        "latin1",
    ]);
    assert_eq!(read[0]["encoding"], "windows-1252");
    assert_eq!(read[0]["lines"], 4, "ended by CR alone");

    let own = "name = 'own'\nprotocol = 'smtp'\nfields = ['time', 'command', 'code']\nseparator = '|'\ntime = '%Y-%m-%d %H:%M:%S'\n";
    let definition = written(folder.path(), "own.toml", own.as_bytes());
    let log = "2026-10-25 02:30:00|EHLO|250\n2026-10-25 02:10:00|QUIT|221\n";
    let path = written(folder.path(), "own.log", log.as_bytes());
    let args = [
        "-l",
        &format!("{definition}:{path}"),
        "--log-zone",
        "own.log=Europe/Berlin",
    ];
    let read = records(&args);
    assert_eq!(
        (&read[0]["zone"], &read[0]["zone_source"]),
        (&"Europe/Berlin".into(), &"given".into())
    );
    assert_eq!(
        read[0]["first"], "2026-10-25T00:30:00.000000000Z",
        "summer time"
    );
    assert_eq!(
        read[0]["last"], "2026-10-25T01:10:00.000000000Z",
        "the hour again, in winter time"
    );
    assert_eq!(read[0]["late_lines"], 0);
}

/// Rotation by copying and cutting off, caught in between; and a compressed copy beside the file itself.
#[test]
fn lines_that_two_files_have_are_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let both = [OLD, NEW].concat();
    let log = written(folder.path(), "mail.log", both.as_bytes());
    let copy = written(folder.path(), "mail.log.1", OLD.as_bytes());
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(both.as_bytes()).unwrap();
    let packed = written(folder.path(), "mail.log.1.gz", &packed.finish().unwrap());
    let pattern = folder.path().join("mail.log*").display().to_string();
    let records = records(&["--year", "2026", "-l", &pattern]);
    assert_eq!(records[0]["lines"], 3);
    assert_eq!(records.last().unwrap()["sessions"], 1);
    let remarks: Vec<&str> = records[0]["remarks"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|remark| remark.as_str())
        .collect();
    assert_eq!(
        remarks,
        [copy, packed]
            .map(|copy| format!("'{copy}' has the same lines as '{log}' and is passed over"))
    );
}

/// What a damaged or foreign file may hold beside lines, each with the lines, events and unparsed lines that must come of it.
#[test]
fn whatever_stands_around_the_lines_they_are_the_same() {
    const QUIT: &str = "Jan  1 00:00:01 mail postfix/smtpd[7]: disconnect from unknown[192.0.2.10] quit=1 commands=1";
    let folder = tempfile::tempdir().unwrap();
    let both = [OLD, QUIT].concat();
    let wide = |bytes_of: fn(u16) -> [u8; 2], mark: bool| {
        let mark = mark.then_some(0xfeff);
        let units = mark.into_iter().chain(both.encode_utf16());
        units.flat_map(bytes_of).collect::<Vec<u8>>()
    };
    let endless = "x".repeat(9 << 20);
    let reserved = vec![0; 70_000];
    let nul = [&reserved, both.as_bytes(), b"\n", &reserved].concat();
    for (name, bytes, lines, unparsed) in [
        ("unfinished", both.as_bytes().to_vec(), 2, 0),
        (
            "mixed ends",
            both.replacen('\n', "\r\n", 1).into_bytes(),
            2,
            0,
        ),
        ("mark", [b"\xef\xbb\xbf", both.as_bytes()].concat(), 2, 0),
        ("little", wide(u16::to_le_bytes, true), 2, 0),
        ("big", wide(u16::to_be_bytes, true), 2, 0),
        ("no mark", wide(u16::to_le_bytes, false), 2, 0),
        ("NULs", nul, 2, 0),
        (
            "a long line",
            format!("{OLD}{endless}\n{QUIT}").into_bytes(),
            3,
            1,
        ),
        (
            "Latin-1",
            [OLD.as_bytes(), b"r\xe9n\xe9\n", QUIT.as_bytes()].concat(),
            3,
            1,
        ),
    ] {
        let path = written(folder.path(), "mail.log", &bytes);
        let read = records(&["--year", "2026", "-l", &path]);
        let log = &read[0];
        assert_eq!(
            (&log["lines"], &log["events"], &log["unparsed_lines"]),
            (&lines.into(), &2.into(), &unparsed.into()),
            "{name}: {log}"
        );
        assert_eq!(read[1]["src_ip"], "192.0.2.10", "{name}");
        assert_eq!(read[1]["end"], "2027-01-01T00:00:01.000000000Z", "{name}");
    }
}

/// The two halves of a Dovecot rawlog, given as a folder, are one session whose lines keep their places.
#[test]
fn halves_of_a_rawlog_are_one_session() {
    let folder = tempfile::tempdir().unwrap();
    let client = "1795491820.635236 A2 NOOP\r\n1795491820.809706 A3 LOGOUT\r\n";
    let server = "1795491820.634989 A1 OK Logged in\r\n1795491820.635812 A2 OK Done.\r\n1795491820.809906 * BYE Bye\r\n1795491820.809907 A3 OK Done.\r\n";
    let read = written(folder.path(), "20261124-034340.77.1.in", client.as_bytes());
    let sent = written(folder.path(), "20261124-034340.77.1.out", server.as_bytes());
    written(folder.path(), "20261124-034341.78.1.in", client.as_bytes());
    let told = records(&["-l", &folder.path().display().to_string()]);
    let logs: Vec<_> = told
        .iter()
        .filter(|record| record["type"] == "log")
        .collect();
    assert_eq!(logs.len(), 2);
    assert_eq!(logs[0]["files"], serde_json::json!([read, sent]));
    assert_eq!(logs[0]["late_lines"], 0);
    let sessions: Vec<_> = told
        .iter()
        .filter(|record| record["type"] == "session")
        .collect();
    assert_eq!(sessions.len(), 2);
    let exchanges: Vec<_> = told
        .iter()
        .filter(|record| record["type"] == "exchange" && record["session"] == "s1")
        .map(|record| (record["request"].as_str().unwrap(), record["code"].as_str()))
        .collect();
    assert_eq!(
        exchanges,
        [("A2 NOOP", Some("OK")), ("A3 LOGOUT", Some("OK"))]
    );
    let files: std::collections::BTreeSet<_> = sessions[0]["log_lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|place| place["file"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(files.len(), 2);
}

/// A rule for a log that is not there is a mistake that would go unseen.
#[test]
fn a_zone_for_a_log_that_is_not_read_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let log = written(folder.path(), "mail.log", OLD.as_bytes());
    for (option, rule) in [
        ("--log-zone", "mial.log=+01:00"),
        ("--clock", "mial.log=1.5"),
        ("--log-encoding", "mial.log=latin1"),
    ] {
        let output = run(&["-l", &log, option, rule]);
        assert_eq!(output.status.code(), Some(3), "{option}");
        let text = complained(&output);
        assert!(
            text.contains("no log is called 'mial.log'") && text.contains(option),
            "{text}"
        );
        assert!(
            said(&output).contains("postfix"),
            "the log is read all the same"
        );
    }
    let fits = run(&["-l", &log, "--log-zone", "mail.log=+01:00"]);
    assert_eq!(fits.status.code(), Some(0));
    let wrong = run(&["-l", &log, "--log-zone", "mail.log=CEST"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        complained(&wrong).contains("+HH:MM"),
        "{}",
        complained(&wrong)
    );
}
