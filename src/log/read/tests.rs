use proptest::prelude::*;

use super::super::registry::{FORMATS, envelopes};
use super::*;

const POSTFIX: &str = "Nov 24 03:29:09 mail postfix/smtpd[7]: connect from unknown[192.0.2.10]\nrubbish\nNov 24 03:29:10 mail postfix/smtpd[7]: disconnect from unknown[192.0.2.10] quit=1 commands=1\n";

fn told(bytes: &[u8]) -> (LogSource, Vec<LogSession>) {
    read(LogId(0), "mail.log", bytes, None, 2026, &mut |_| {}).unwrap()
}

#[test]
fn line_ends_marks_and_encodings_change_nothing() {
    let utf16: Vec<u8> = [0xfeff]
        .into_iter()
        .chain(POSTFIX.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let nul_padded = [POSTFIX.as_bytes(), &[0; 64]].concat();
    for bytes in [
        POSTFIX.as_bytes(),
        POSTFIX.replace('\n', "\r\n").as_bytes(),
        POSTFIX.trim_end().as_bytes(),
        &[b"\xef\xbb\xbf", POSTFIX.as_bytes()].concat(),
        &utf16,
        &nul_padded,
    ] {
        let (source, sessions) = told(bytes);
        assert_eq!(
            (
                source.format,
                sessions.len(),
                source.events,
                source.unparsed
            ),
            ("postfix", 1, 2, 1)
        );
        assert_eq!(source.unparsed_first, [(2, "rubbish".to_owned())]);
    }
}

#[test]
fn the_same_lines_in_every_envelope() {
    let clf = "192.0.2.10 - - [24/Nov/2026:03:49:17 +0000] \"GET / HTTP/1.1\" 200 13 \"-\" \"x\"";
    let json = clf.replace('"', "\\\"");
    let journal = |message: &str| {
        format!(
            "{{\"__REALTIME_TIMESTAMP\":\"1795491820629511\",\"_HOSTNAME\":\"w\",\"SYSLOG_IDENTIFIER\":\"nginx\",\"_PID\":\"7\",\"MESSAGE\":\"{message}\"}}"
        )
    };
    let (half, rest) = clf.split_at(30);
    let samples = [
        ("", clf.to_owned()),
        ("syslog", format!("<190>Nov 24 03:49:17 web nginx: {clf}")),
        (
            "syslog",
            format!("<190>1 2026-11-24T03:49:17Z web nginx 7 - - {clf}"),
        ),
        (
            "syslog",
            format!("2026-11-24T03:49:17.1Z web nginx[7]: {clf}"),
        ),
        ("tai64n", format!("@400000006a23d9c825826e68 {clf}")),
        ("container-names", format!("web-1  | {clf}")),
        (
            "container-stamps",
            format!("2026-11-24T03:43:40.629303112Z {clf}"),
        ),
        (
            "cri",
            format!("2026-11-24T03:43:40.629303112Z stdout F {clf}"),
        ),
        (
            "cri",
            format!(
                "2026-11-24T03:43:40.6Z stdout P {half}\n2026-11-24T03:43:40.6Z stderr F hello\n2026-11-24T03:43:40.7Z stdout F {rest}"
            ),
        ),
        (
            "docker-json",
            format!(
                "{{\"log\":\"{json}\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-24T03:49:17.7Z\"}}"
            ),
        ),
        ("journal-json", journal(&json)),
        (
            "journal-export",
            format!(
                "__CURSOR=x\n__REALTIME_TIMESTAMP=1795491820629511\nSYSLOG_IDENTIFIER=nginx\nMESSAGE={clf}\n"
            ),
        ),
    ];
    for (_, line) in &samples {
        let (source, sessions) = told(format!("{line}\n{line}\n").as_bytes());
        assert_eq!((source.format, sessions.len()), ("clf", 2), "{line}");
        assert_eq!(sessions[0].peer, "192.0.2.10".parse().ok(), "{line}");
    }
    for around in envelopes() {
        let is_there = samples.iter().any(|(name, _)| *name == around.name);
        assert!(is_there, "no sample of {}", around.name);
    }
}

#[test]
fn a_journal_tells_the_time_of_lines_that_have_none() {
    let export = [
        b"__CURSOR=a\n__REALTIME_TIMESTAMP=1795491820629511\n_SOURCE_REALTIME_TIMESTAMP=1795491820629303\nSYSLOG_IDENTIFIER=postfix/smtpd\n_PID=7\nMESSAGE\n".as_slice(),
        &36u64.to_le_bytes(),
        b"connect from unknown[192.0.2.10]:1\n \n\n__CURSOR=b\n__REALTIME_TIMESTAMP=1795491821629511\nSYSLOG_IDENTIFIER=postfix/smtpd\n_PID=7\nMESSAGE=disconnect from unknown[192.0.2.10]:1 quit=1 commands=1\n\n",
    ]
    .concat();
    let (source, sessions) = told(&export);
    assert_eq!((source.format, sessions.len()), ("postfix", 1));
    let lines: Vec<u64> = sessions[0]
        .events
        .iter()
        .map(|event| event.line.line)
        .collect();
    assert_eq!(lines, [1, 10], "the lines on which the entries begin");
    let stamp = sessions[0].events.first().unwrap().stamp;
    assert_eq!(stamp.at.to_rfc3339(), "2026-11-24T03:43:40.629303000Z");
    assert_eq!(stamp.resolution, Span::MICROSECOND);
}

#[test]
fn a_label_tells_the_time_of_lines_that_have_none() {
    let log = "@400000006a23d9c825826e68 postfix/smtpd[7]: connect from unknown[192.0.2.10]:1\n@400000006a23d9c925826e68 postfix/smtpd[7]: disconnect from unknown[192.0.2.10]:1 quit=1 commands=1\n";
    let (source, sessions) = told(log.as_bytes());
    assert_eq!((source.format, sessions.len()), ("postfix", 1));
    let stamp = sessions[0].events.first().unwrap().stamp;
    assert_eq!(stamp.at.to_rfc3339(), "2026-06-06T08:26:38.629304936Z");
    assert_eq!(stamp.resolution, Span(1));
}

#[test]
fn what_fits_no_format_is_named() {
    let error = read(LogId(0), "x", b"hello\n", None, 2026, &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("'hello'"), "{error}");
    let empty = read(LogId(0), "x", b"\n\n", None, 2026, &mut |_| {});
    assert_eq!(empty.unwrap_err(), LogError::Empty);
}

proptest! {
    #[test]
    fn any_bytes_are_read_in_every_format(bytes in proptest::collection::vec(any::<u8>(), 1..400), format in 0..FORMATS.len()) {
        if let Ok((source, _)) = read(LogId(0), "x", &bytes, FORMATS.get(format), 2026, &mut |_| {}) {
            prop_assert!(source.events + source.unparsed <= source.lines);
        }
    }

    /// A real log with some bytes changed.
    #[test]
    fn damaged_lines_are_counted_not_fatal(changes in proptest::collection::vec((0usize..200, any::<u8>()), 1..8), format in 0..FORMATS.len()) {
        let mut bytes = POSTFIX.as_bytes().to_vec();
        for (at, value) in changes {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        if let Ok((source, _)) = read(LogId(0), "x", &bytes, FORMATS.get(format), 2026, &mut |_| {}) {
            prop_assert!(source.lines <= 16);
        }
    }
}
