//! Clocks and ports inside ids, on lines that real servers wrote: what an id says is held against the capture beside the log, or against the
//! stamp of its own line.

use std::path::Path;

use bothends::log::read;
use bothends::model::{LogId, LogSession, LogSource, Span, Zone};

use crate::program::records;

fn told(path: &Path) -> (LogSource, Vec<LogSession>) {
    let bytes = std::fs::read(path).unwrap();
    read(LogId(0), "log", &bytes, None, 2026, &mut |_| {}).unwrap()
}

/// A session id of Dovecot holds the client's port, and the microsecond in which Dovecot first had to do with the client: soon after the SYN.
#[test]
fn session_ids_of_dovecot_hold_the_port_and_the_moment_of_a_connection_on_the_wire() {
    let (mut seen, mut dated) = (0, 0);
    for condition in ["clean", "guessing", "polling", "storm"] {
        let folder = format!("captures/conditions/{condition}");
        let (source, sessions) = told(&Path::new(&folder).join("dovecot.log"));
        assert_eq!(
            source.zone,
            Zone::Stated(Span::ZERO),
            "{condition}: as the ids say"
        );
        let wire: Vec<(String, u64, i64)> = records(&["-r", &format!("{folder}/wire.pcapng")])
            .iter()
            .filter(|record| record["type"] == "session")
            .map(|record| {
                let start = chrono::DateTime::parse_from_rfc3339(record["start"].as_str().unwrap());
                (
                    record["src_ip"].as_str().unwrap().to_owned(),
                    record["src_port"].as_u64().unwrap(),
                    start.unwrap().timestamp_nanos_opt().unwrap(),
                )
            })
            .collect();
        for session in sessions {
            let (Some(peer), Some(port)) = (session.peer, session.peer_port) else {
                continue;
            };
            let stamps = session.events.iter().map(|event| event.stamp);
            // The id is made when it is first wanted, which may be as late as the login.
            let made = stamps
                .filter(|stamp| stamp.resolution == Span::MICROSECOND)
                .min();
            let is_it = |(ip, number, start): &(String, u64, i64)| {
                let after = made.map(|made| Span(made.at.0 - start));
                *ip == peer.to_string()
                    && *number == u64::from(port)
                    && after.is_none_or(|after| (Span::ZERO..Span::seconds(2)).contains(&after))
            };
            assert!(
                wire.iter().any(is_it),
                "{condition}: {peer}:{port} {made:?} is of no connection"
            );
            dated += usize::from(made.is_some());
            seen += 1;
        }
    }
    assert!(
        seen >= 20 && dated >= 10,
        "{seen} with ports, {dated} with moments"
    );
}

/// Seconds of the day at the start of a line, as `HH:MM:SS[.fff]` stands in it.
fn of_day(line: &str) -> f64 {
    let clock = line
        .split(' ')
        .find(|word| word.matches(':').count() == 2)
        .unwrap();
    let clock = clock.rsplit('T').next().unwrap();
    let mut parts = clock
        .splitn(3, ':')
        .map(|part| part.parse::<f64>().unwrap());
    let mut next = || parts.next().unwrap();
    next() * 3600.0 + next() * 60.0 + next()
}

/// Events whose time is that of an id, each with how long before its line was written that was, in seconds.
fn ahead(path: &Path, step: Span) -> Vec<f64> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let (_, sessions) = told(path);
    let events = sessions.iter().flat_map(|session| &session.events);
    events
        .filter(|event| event.stamp.resolution == step)
        .map(|event| {
            let line = lines[usize::try_from(event.line.line).unwrap() - 1];
            of_day(line) - of_day(&event.stamp.at.to_rfc3339().replace('Z', ""))
        })
        .collect()
}

/// Exim names a message when it begins to come in, to five milliseconds, and writes its line when it has come.
#[test]
fn message_ids_of_exim_hold_the_moment_in_which_a_message_began() {
    let ahead = ahead(
        Path::new("captures/real-logs/exim/mainlog"),
        Span::millis(5),
    );
    assert!(ahead.len() >= 3, "{ahead:?}");
    assert!(
        ahead.iter().all(|seconds| (-0.001..2.0).contains(seconds)),
        "{ahead:?}"
    );
    let (source, _) = told(Path::new("captures/real-logs/exim-default/mainlog"));
    assert_eq!(source.zone, Zone::Stated(Span::ZERO), "as the ids say");
}

/// A long queue id of Postfix holds the microsecond in which the queue file was made. Skipped, saying so, where the samples are not beside the sources.
#[test]
fn long_queue_ids_of_postfix_hold_the_moment_in_which_the_file_was_made() {
    let sample = Path::new("../shared/reference/log-samples/postfix.log");
    if !sample.exists() {
        eprintln!("skipped: no {}", sample.display());
        return;
    }
    let ahead = ahead(sample, Span::MICROSECOND);
    assert!(ahead.len() >= 3, "{ahead:?}");
    // Lines are stamped with whole seconds.
    assert!(
        ahead.iter().all(|seconds| (-1.0..1.0).contains(seconds)),
        "{ahead:?}"
    );
    assert_eq!(told(sample).0.zone, Zone::Stated(Span::ZERO));
}
