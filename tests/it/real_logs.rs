//! Logs that real servers wrote (`lab/mail-servers.sh`, `lab/web-servers.sh`), with what passed while they did.

use std::path::Path;

use bothends::log::advice::ADVICE;
use bothends::log::read;
use bothends::model::LogId;

use crate::program::records;

/// A log, its format, lines of it that are not read, and how many of its sessions are joined to the capture beside it.
const LOGS: &[(&str, &str, u64, usize)] = &[
    // Nothing names a connection there: which line is of which is told by `apache-custom.log`.
    ("apache/access.log", "clf", 0, 0),
    ("courier-esmtpd-dialog/syslog.log", "courier", 0, 4),
    ("courier-esmtpd/syslog.log", "courier", 0, 4),
    ("courier/syslog.log", "courier", 0, 4),
    ("cyrus/syslog.log", "cyrus", 0, 4),
    ("cyrus/telemetry-1.log", "cyrus-telemetry", 0, 0),
    ("cyrus/telemetry-2.log", "cyrus-telemetry", 0, 2),
    ("exim-default/mainlog", "exim", 0, 3),
    ("exim/mainlog", "exim", 0, 5),
    ("haproxy/syslog.log", "haproxy", 0, 8),
    ("inn/syslog.log", "nnrpd", 0, 3),
    ("sendmail-15/syslog.log", "sendmail", 0, 4),
    ("sendmail/syslog.log", "sendmail", 0, 4),
];

fn path(log: &str) -> String {
    format!("captures/real-logs/{log}")
}

#[test]
fn logs_of_real_servers_are_read() {
    for &(log, format, unread, _) in LOGS {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path(log));
        let bytes = std::fs::read(&file).unwrap();
        for (cut, most) in [(bytes.as_slice(), unread), (five_lines(&bytes), u64::MAX)] {
            let (source, sessions) = read(LogId(0), log, cut, None, 2026, &mut |_| {}).unwrap();
            assert_eq!(source.format, format, "{log}");
            assert!(
                source.unparsed <= most,
                "{log}: {:?}",
                source.unparsed_first
            );
            let text = format!("{sessions:?}");
            assert!(!text.contains("lab-secret"), "{log}: a password");
        }
    }
}

fn five_lines(bytes: &[u8]) -> &[u8] {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let end = ends.map(|(at, _)| at + 1).nth(4).unwrap_or(bytes.len());
    &bytes[..end]
}

/// The ports that a line names as the client's.
fn ports(line: &str) -> Vec<u64> {
    let client = line.split(" I=").next().unwrap_or_default();
    let digits = |text: &str| -> Option<u64> {
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        text[..end].parse().ok()
    };
    ["]:", "port=[", "192.0.2.10:", "192.0.2.11:"]
        .iter()
        .filter_map(|mark| digits(client.split_once(mark)?.1))
        .collect()
}

#[test]
fn logs_of_real_servers_are_joined_with_their_captures() {
    for &(log, _, _, expected) in LOGS.iter().filter(|(.., joined)| *joined > 0) {
        let folder = log.split('/').next().unwrap();
        let wire = path(&format!("{folder}/wire.pcapng"));
        let told = records(&["-r", &wire, "-l", &path(log)]);
        let lines: Vec<String> = std::fs::read_to_string(path(log))
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        let both: Vec<_> = told
            .iter()
            .filter(|record| record["type"] == "session" && record["seen"] == "both")
            .collect();
        assert!(
            both.len() >= expected,
            "{log}: {} of {expected}",
            both.len()
        );
        for session in both {
            let client = session["src_ip"].as_str().unwrap();
            for place in session["log_lines"].as_array().unwrap() {
                let at = usize::try_from(place["line"].as_u64().unwrap()).unwrap();
                let line = &lines[at - 1];
                for port in ports(line) {
                    // Of what the server sent on, its own end is the client.
                    if client != "198.51.100.25" {
                        assert_eq!(session["src_port"], port, "{log}: {line}");
                    }
                }
                let other = ["192.0.2.10", "192.0.2.11"]
                    .iter()
                    .find(|ip| **ip != client);
                let names = |ip: &str| line.contains(&format!("[{ip}]"));
                if client != "198.51.100.25" && names(client) {
                    assert!(!names(other.unwrap()), "{log}: {line}");
                }
            }
        }
    }
}

/// What `bothends logging apache` says to write is what Apache takes, and what is read by ports and microseconds.
#[test]
fn apache_logs_as_advised_and_every_line_finds_its_connection() {
    let apache = ADVICE.iter().find(|advice| advice.server == "apache");
    let useful = apache.unwrap().levels.last().unwrap().turn_on;
    let (_, behind) = useful.split_once("LogFormat \"").unwrap();
    let (format, _) = behind.split_once("\" both").unwrap();
    let format = format!("both={}", format.replace("\\\"", "\""));
    let log = path("apache/apache-custom.log");
    let named = format!("both:{log}");
    let wire = path("apache/wire.pcapng");
    let told = records(&["-r", &wire, "--log-format", &format, "-l", &named]);
    let text = std::fs::read_to_string(log).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut joined = Vec::new();
    for session in told.iter().filter(|record| record["type"] == "session") {
        let places = session["log_lines"].as_array();
        for place in places.into_iter().flatten() {
            let at = usize::try_from(place["line"].as_u64().unwrap()).unwrap();
            let client = format!(
                "{}:{} ",
                session["src_ip"].as_str().unwrap(),
                session["src_port"]
            );
            assert_eq!(session["seen"], "both");
            assert!(lines[at - 1].starts_with(&client), "{client} {at}");
            joined.push(at);
        }
    }
    joined.sort_unstable();
    assert_eq!(joined, (1..=lines.len()).collect::<Vec<_>>());
}

/// Debian's Apache counts heads and TLS records in its combined format, where others count bodies. The log beside it has the
/// same requests line by line, with the client's port.
#[test]
fn apache_sizes_with_heads_put_no_line_on_anothers_connection() {
    let (log, wire) = (path("apache/access.log"), path("apache/wire.pcapng"));
    let truth = std::fs::read_to_string(path("apache/apache-custom.log")).unwrap();
    let truth: Vec<&str> = truth.lines().collect();
    let told = records(&["-r", &wire, "-l", &log]);
    let mut joined = 0;
    for session in told.iter().filter(|record| record["seen"] == "both") {
        let places = session["log_lines"].as_array();
        for place in places.into_iter().flatten() {
            let line = usize::try_from(place["line"].as_u64().unwrap()).unwrap();
            let client = format!(
                "{}:{} ",
                session["src_ip"].as_str().unwrap(),
                session["src_port"]
            );
            assert!(
                truth[line - 1].starts_with(&client),
                "line {line}: {client}"
            );
            joined += 1;
        }
    }
    assert!(joined >= 5, "{joined}");
    assert!(!told.iter().any(|record| record["code"] == "views-differ"));
}
