//! Advice on logging, and what formats show.

use bothends::log::advice::ADVICE;
use bothends::log::registry::{FORMATS, envelopes};

use crate::program::{complained, run, said};

#[test]
fn advice_names_levels_and_what_a_day_costs() {
    let list = said(&run(&["logging"]));
    assert!(
        list.contains("postfix") && list.contains("iis-smtp"),
        "{list}"
    );
    let output = run(&["logging", "postfix", "-r", "captures/postfix/wire.pcapng"]);
    let text = said(&output);
    assert!(text.contains("smtpd_client_port_logging=yes"), "{text}");
    assert!(text.contains("B a day at this traffic"), "{text}");
}

#[test]
fn a_server_that_is_not_known_is_told_with_those_that_are() {
    let output = run(&["logging", "qmail"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(complained(&output).contains("there is some for: apache"));
}

#[test]
fn advice_is_found_by_the_format_of_one_server_and_tells_what_its_costs_are_measured_on() {
    let text = said(&run(&["logging", "nnrpd"]));
    assert!(text.starts_with("inn (read as nnrpd)"), "{text}");
    assert!(text.contains("captures/real-logs/inn"), "{text}");
    let both = run(&["logging", "clf"]);
    assert_eq!(both.status.code(), Some(2), "nginx and Apache write it");
}

/// Server, level, the log that it wrote, sessions and commands of them.
const MEASURED: &[(&str, usize, &str, u64, u64)] = &[
    ("courier", 0, "courier/syslog.log", 4, 0),
    ("cyrus", 1, "cyrus/syslog.log", 4, 0),
    ("exim", 0, "exim-default/mainlog", 5, 0),
    ("exim", 1, "exim/mainlog", 5, 0),
    ("inn", 1, "inn/syslog.log", 3, 13),
    ("sendmail", 0, "sendmail/syslog.log", 4, 0),
    ("sendmail", 1, "sendmail-15/syslog.log", 4, 25),
];

#[test]
fn costs_are_what_real_servers_wrote() {
    for &(server, level, log, sessions, commands) in MEASURED {
        let advice = ADVICE.iter().find(|advice| advice.server == server);
        let cost = advice.unwrap().levels[level].cost.of(sessions, commands);
        let path = format!("captures/real-logs/{log}");
        let written = std::fs::metadata(path).unwrap().len();
        assert!(
            cost * 5 > written * 4 && cost * 4 < written * 5,
            "{log}: {cost} told, {written} written"
        );
    }
}

#[test]
fn a_witness_is_told_of_every_connection() {
    let wire = "captures/real-logs/exim/wire.pcapng";
    let text = said(&run(&["logging", "zeek", "-r", wire]));
    assert!(text.contains("5 sessions of every kind"), "{text}");
    let news = said(&run(&["logging", "inn", "-r", wire]));
    assert!(news.contains("0 sessions of nntp"), "{news}");
}

/// `formats` lists each format with what it can show, for a person and for a program.
#[test]
fn formats_tell_what_each_can_show() {
    let text = said(&run(&["formats"]));
    assert!(
        text.contains("smtpd_client_port_logging=yes"),
        "a setting: {text}"
    );
    let json = said(&run(&["formats", "--json"]));
    let postfix = json
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .find(|record| record["name"] == "postfix")
        .unwrap();
    assert_eq!(postfix["client_port"]["shown"], "with setting");
    assert_eq!(postfix["marks"], "line");
}

/// What is read is told: every format, and all that may be around one.
#[test]
fn formats_lists_all_that_is_read() {
    let text = said(&run(&["formats"]));
    let json = said(&run(&["formats", "--json"]));
    let formats = FORMATS.iter().map(|entry| ("format", entry.name));
    let around = envelopes().map(|around| ("envelope", around.name));
    let mut listed = 0;
    for (kind, name) in formats.chain(around) {
        assert!(
            text.lines()
                .any(|line| line.split(' ').next() == Some(name)),
            "{name}: {text}"
        );
        let start = format!("{{\"type\":\"{kind}\",\"name\":\"{name}\",");
        assert!(json.lines().any(|line| line.starts_with(&start)), "{name}");
        listed += 1;
    }
    assert_eq!(json.lines().count(), listed);
}

/// What a day would take by a capture is what the server wrote while the capture ran, as much longer as a day is.
#[test]
fn a_day_s_cost_is_told_from_a_capture_and_fits_what_was_written() {
    for (server, level, wire, log) in [
        ("exim", 1, "exim/wire.pcapng", "exim/mainlog"),
        ("courier", 0, "courier/wire.pcapng", "courier/syslog.log"),
        ("sendmail", 0, "sendmail/wire.pcapng", "sendmail/syslog.log"),
    ] {
        let wire = format!("captures/real-logs/{wire}");
        let text = said(&run(&["logging", server, "-r", &wire]));
        let seconds: f64 = number(&text, " commands in ", " s");
        let day = text
            .lines()
            .filter(|line| line.contains("a day at this traffic"))
            .nth(level)
            .unwrap();
        let (number, unit) = day
            .split_once("; ")
            .and_then(|(_, told)| told.split_once(" a day"))
            .and_then(|(told, _)| told.split_once(' '))
            .unwrap();
        let factor = match unit {
            "octets" => 1.0,
            "kB" => 1e3,
            "MB" => 1e6,
            other => panic!("{other}"),
        };
        let day = number.parse::<f64>().unwrap() * factor;
        let written = std::fs::read(format!("captures/real-logs/{log}")).unwrap();
        let written = f64::from(u32::try_from(written.len()).unwrap());
        let expected = written * 86_400.0 / seconds;
        assert!(
            day > expected / 2.0 && day < expected * 2.0,
            "{server}: {day} told, {expected} by what was written"
        );
    }
}

fn number(text: &str, before: &str, after: &str) -> f64 {
    let (_, rest) = text.split_once(before).unwrap();
    rest.split_once(after).unwrap().0.parse().unwrap()
}

/// Each server: how its files rotate, what holds them before they can be deleted, and at each level how to turn it on, what it shows and what not.
#[test]
fn advice_on_every_server_is_whole() {
    for advice in ADVICE {
        let text = said(&run(&["logging", advice.server]));
        for part in ["turn on", "costs", "files", "deleting"] {
            let is_told = |line: &str| {
                let told = line.trim_start().strip_prefix(part);
                told.is_some_and(|told| told.trim().len() > 5)
            };
            assert!(text.lines().any(is_told), "{}: {part}", advice.server);
        }
        assert!(
            advice.rotates.len() > 20 && advice.deleting.len() > 20,
            "{}",
            advice.server
        );
        for level in advice.levels {
            for part in [level.turn_on, level.shows, level.hides] {
                assert!(!part.is_empty(), "{} {}", advice.server, level.name);
            }
        }
    }
}
