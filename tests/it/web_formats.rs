//! Logs in formats of Apache's and nginx's users, written by the servers themselves (`lab/web-servers.sh`): read by the format as given and as
//! inferred, and joined with the capture of the same run.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::program::records;

/// A folder, a log in it, and how many of its lines are joined at least: by the format as given, and as inferred.
const LOGS: &[(&str, &str, usize, usize)] = &[
    ("apache-formats", "apache-ended", 14, 14),
    ("apache-formats", "apache-json", 14, 14),
    ("apache-formats", "apache-parts", 14, 0),
    ("apache-formats", "apache-tabs", 14, 0),
    ("nginx", "nginx-json", 26, 26),
    ("nginx", "nginx-parts", 26, 0),
    ("nginx", "nginx-sent", 26, 26),
];

fn text(folder: &str, file: &str) -> String {
    let path = crate::program::bundled(&format!("real-logs/{folder}/{file}"));
    std::fs::read_to_string(path).unwrap()
}

/// The words of a line that may be a port.
fn numbers(line: &str) -> impl Iterator<Item = u64> {
    line.split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
}

/// The numbers of the log's lines that a record names.
fn lines(record: &Value) -> Vec<usize> {
    let places = record["log_lines"].as_array();
    let numbers = places.into_iter().flatten();
    let numbers = numbers.map(|place| usize::try_from(place["line"].as_u64().unwrap()).unwrap());
    numbers.collect()
}

/// Runs the program, and checks that all lines are read and that each that is joined names the port of the connection; gives how many are.
fn joined(folder: &str, name: &str, more: &[&str], log: &str) -> usize {
    let wire = format!("captures/real-logs/{folder}/wire.pcapng");
    let told = records(&[&["-r", &wire, "-l", log], more].concat());
    let text = text(folder, &format!("{name}.log"));
    let written: Vec<&str> = text.lines().collect();
    let source = told.iter().find(|record| record["type"] == "log").unwrap();
    assert_eq!(source["unparsed_lines"], 0, "{name}: {source}");
    assert_eq!(source["events"], written.len(), "{name}: {source}");
    let mut joined = 0;
    for session in told.iter().filter(|record| record["seen"] == "both") {
        let port = session["src_port"].as_u64();
        for line in lines(session) {
            let line = written[line - 1];
            assert!(
                numbers(line).any(|number| Some(number) == port),
                "{name}: {port:?} and {line}"
            );
            joined += 1;
        }
    }
    joined
}

#[test]
fn formats_of_apache_and_nginx_as_given_and_as_inferred() {
    for &(folder, name, given, inferred) in LOGS {
        let path = format!("captures/real-logs/{folder}/{name}.log");
        let formats = text(folder, "formats.txt");
        let format = formats
            .lines()
            .find(|format| format.starts_with(&format!("{name}=")))
            .unwrap();
        let told = joined(
            folder,
            name,
            &["--log-format", format],
            &format!("{name}:{path}"),
        );
        assert!(told >= given, "{name} as given: {told}");
        let told = joined(folder, name, &[], &path);
        assert!(told >= inferred, "{name} as inferred: {told}");
        eprintln!("{name}: {told}");
    }
}

/// A line that names no port may be laid on the right connection and there on the wrong request.
#[test]
fn each_line_stands_at_the_request_that_it_tells_of() {
    let folder = "captures/real-logs/apache-formats";
    let (wire, log) = (
        format!("{folder}/wire.pcapng"),
        format!("{folder}/apache-tabs.log"),
    );
    let told = records(&["-r", &wire, "-l", &log]);
    let text = text("apache-formats", "apache-tabs.log");
    let begun: Vec<i64> = text
        .lines()
        .map(|line| line.split('\t').next().unwrap().parse().unwrap())
        .collect();
    let mut seen = 0;
    for exchange in told.iter().filter(|record| record["type"] == "exchange") {
        let (Some(line), Some(start)) = (
            exchange["log_line"]["line"].as_u64(),
            exchange["start"].as_str(),
        ) else {
            continue;
        };
        let start = chrono::DateTime::parse_from_rfc3339(start).unwrap();
        let logged = begun[usize::try_from(line).unwrap() - 1];
        let apart = (start.timestamp_micros() - logged).abs();
        assert!(apart < 100_000, "line {line} is {apart} µs away");
        seen += 1;
    }
    assert!(seen >= 8, "{seen}");
}

/// All is encrypted and no line names a connection: sizes tell requests apart, though the log counts heads and Apache's the records of TLS too.
/// Which it is nobody says, and nothing in the clear tells.
#[test]
fn lines_without_ports_find_their_encrypted_replies_by_size() {
    for server in ["apache", "nginx"] {
        let folder = format!("captures/real-logs/{server}-hidden");
        let log = format!("{folder}/{server}-sent.log");
        let truth = text(&format!("{server}-hidden"), &format!("{server}-truth.txt"));
        let ports: Vec<u64> = truth.lines().map(|port| port.parse().unwrap()).collect();
        let formats = text(&format!("{server}-hidden"), "formats.txt");
        let format = formats.lines().next().unwrap();
        let (wire, named) = (
            format!("{folder}/wire.pcapng"),
            format!("{server}-sent:{log}"),
        );
        for more in [&["-l", &log][..], &["-l", &named, "--log-format", format]] {
            let told = records(&[&["-r", &wire], more].concat());
            let mut joined = 0;
            for session in told.iter().filter(|record| record["seen"] == "both") {
                for line in lines(session) {
                    assert_eq!(session["src_port"], ports[line - 1], "{server} line {line}");
                    joined += 1;
                }
            }
            assert!(joined >= 24, "{server}: {joined} of {}", ports.len());
        }
    }
}

/// nginx names a connection in its error log by a number that the access log beside it has with the port.
#[test]
fn lines_of_nginxs_error_log_are_joined_with_their_connections() {
    let mut ports = BTreeMap::new();
    for line in text("nginx", "nginx-sent.log").lines() {
        let (_, connection) = line.rsplit_once(' ').unwrap();
        let port = numbers(line.split(' ').nth(1).unwrap()).last().unwrap();
        ports.insert(connection.to_owned(), port);
    }
    let folder = "captures/real-logs/nginx";
    let (wire, log) = (
        format!("{folder}/wire.pcapng"),
        format!("{folder}/nginx-error.log"),
    );
    let told = records(&["-r", &wire, "-l", &log]);
    let text = text("nginx", "nginx-error.log");
    let written: Vec<&str> = text.lines().collect();
    let source = told.iter().find(|record| record["type"] == "log").unwrap();
    assert_eq!(
        (&source["format"], &source["unparsed_lines"]),
        (&"nginx-error".into(), &0.into())
    );
    let mut joined = 0;
    for session in told.iter().filter(|record| record["seen"] == "both") {
        for line in lines(session) {
            let line = written[line - 1];
            let (_, connection) = line.split_once(": *").unwrap();
            let connection = connection.split(' ').next().unwrap();
            let port = ports.get(connection).copied();
            // Those whose handshake failed have no line there.
            let is_right = port.map_or(session["dest_port"] == 443, |port| {
                session["src_port"] == port
            });
            assert!(is_right, "{session} and {line}");
        }
        joined += 1;
    }
    assert!(joined >= 10, "{joined}");
}
