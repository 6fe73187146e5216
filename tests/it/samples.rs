//! Logs of many servers are found to be of their format, and all of their lines are read. Skipped, saying so, where the
//! samples are not beside the sources.

use std::path::Path;

use bothends::log::read;
use bothends::model::{LogId, LogSession, Role, Shown};

/// A sample, its format, and how many sessions are in it.
const SAMPLES: &[(&str, &str, usize)] = &[
    ("apache-combined-logio.log", "clf", 7),
    ("apache-common.log", "clf", 7),
    ("caddy.log", "caddy", 1),
    ("courier.log", "courier", 4),
    ("cyrus.log", "cyrus", 3),
    ("cyrus-telemetry.log", "cyrus-telemetry", 1),
    ("dovecot-2.3.log", "dovecot", 6),
    ("dovecot-2.4.log", "dovecot", 3),
    ("dovecot-rawlog.in", "dovecot-rawlog", 1),
    ("dovecot-rawlog.out", "dovecot-rawlog", 1),
    ("envelope-journald.json.log", "postfix", 2),
    ("envoy.log", "envoy", 5),
    ("exchange2013-imap4.log", "exchange-mailbox", 2),
    ("exchange2013-pop3.log", "exchange-mailbox", 2),
    ("exchange2013-smtp-receive.log", "exchange-smtp", 2),
    ("exchange2013-smtp-send.log", "exchange-smtp", 2),
    ("exchange55-imap4.log", "exchange55-mailbox", 2),
    ("exchange55-ims-smtp.log", "exchange55-connector", 2),
    ("exchange55-ins-nntp.log", "exchange55-connector", 2),
    ("exim-mainlog.log", "exim", 7),
    ("haproxy.log", "haproxy", 7),
    ("hmailserver.log", "hmailserver", 2),
    ("httperr.log", "httperr", 5),
    ("iis-fixed-smtp.log", "iis-fixed", 3),
    ("iis-ncsa-smtp.log", "iis-ncsa", 3),
    ("iis-odbc-smtp.csv", "iis-odbc", 3),
    ("iis-w3c-http.log", "iis-http", 5),
    ("iis-w3c-nntp.log", "iis-nntp", 2),
    ("inn-nnrpd.log", "nnrpd", 2),
    ("mailenable-smtp.log", "mailenable", 2),
    ("nginx-combined.log", "clf", 26),
    ("opensmtpd.log", "opensmtpd", 3),
    ("postfix-verbose.log", "postfix", 1),
    ("postfix.log", "postfix", 8),
    ("sendmail.log", "sendmail", 4),
    ("traefik.json.log", "traefik", 2),
];

#[test]
fn samples_are_told_by_their_lines() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference/log-samples");
    if !beside.is_dir() {
        eprintln!("skipped: no {}", beside.display());
        return;
    }
    for &(name, format, expected) in SAMPLES {
        let bytes = std::fs::read(beside.join(name)).unwrap();
        let (source, sessions) = read(LogId(0), name, &bytes, None, 2026, &mut |_| {}).unwrap();
        assert_eq!(
            (source.format, source.unparsed, sessions.len()),
            (format, 0, expected),
            "{name}: {:?}",
            source.unparsed_first
        );
    }
}

/// A format is told by its first lines alone: comments, and five rows.
#[test]
fn samples_cut_short_are_told_too() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference/log-samples");
    if !beside.is_dir() {
        eprintln!("skipped: no {}", beside.display());
        return;
    }
    for &(name, format, _) in SAMPLES {
        let bytes = std::fs::read(beside.join(name)).unwrap();
        let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
        let header = lines.iter().take_while(|line| line[0] == b'#').count();
        let cut = lines[..lines.len().min(header + 5)].concat();
        let told = read(LogId(0), name, &cut, None, 2026, &mut |_| {});
        assert_eq!(told.unwrap().0.format, format, "{name}");
    }
}

/// What a format is said to show is in its samples where it always shows it, and in none where it never does.
#[test]
fn formats_show_what_they_are_said_to() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference/log-samples");
    if !beside.is_dir() {
        eprintln!("skipped: no {}", beside.display());
        return;
    }
    for &(name, ..) in SAMPLES {
        let bytes = std::fs::read(beside.join(name)).unwrap();
        let (source, sessions) = read(LogId(0), name, &bytes, None, 2026, &mut |_| {}).unwrap();
        // Where the log's host is the client, the other end's port is not a client's.
        let served = |session: &&LogSession| session.role == Role::Server;
        let mut served = sessions.iter().filter(served);
        let ports = |session: &LogSession| session.peer_port.is_some();
        let tls = |session: &LogSession| session.tls.is_some();
        let shows = source.shows;
        match shows.client_port {
            Shown::Always => assert!(served.all(ports), "{name}: port"),
            Shown::Never => assert!(!served.any(ports), "{name}: port"),
            Shown::Partly(_) | Shown::With(_) => {}
        }
        if shows.tls == Shown::Never {
            assert!(!sessions.iter().any(tls), "{name}: tls");
        }
    }
}
