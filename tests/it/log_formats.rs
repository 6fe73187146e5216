//! What every row of the registry of log formats must bring: logs of its own in `tests/logs`, `NAME.log` and perhaps `NAME.VARIANT.log`, written from
//! the specification, with two sessions that overlap and three lines that cannot be read. They are told, whole and cut short, and what
//! `bothends formats` says of the format is true of the sessions in them.

use std::path::{Path, PathBuf};

use bothends::log::registry::FORMATS;
use bothends::log::{Entry, Era, How, Opening, read};
use bothends::model::{
    ClockStep, CommandRef, EventRef, LogId, LogSession, LogSource, Role, Shown, What,
};

/// Formats of which a file, or a pair of files, is one session: in none of them can two overlap.
const FILE_IS_SESSION: &[&str] = &["cyrus-telemetry", "dovecot-rawlog"];

/// A log of a format, and what was made of it.
struct Sample {
    name: String,
    bytes: Vec<u8>,
    source: LogSource,
    sessions: Vec<LogSession>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logs")
}

/// The logs of one format.
fn samples(entry: &Entry) -> Vec<Sample> {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.split('.').next() == Some(entry.name))
        .collect();
    names.sort();
    let sample = |name: String| {
        let bytes = std::fs::read(folder().join(&name)).unwrap();
        let (source, sessions) = told(&name, &bytes);
        Sample {
            name,
            bytes,
            source,
            sessions,
        }
    };
    names.into_iter().map(sample).collect()
}

fn told(name: &str, bytes: &[u8]) -> (LogSource, Vec<LogSession>) {
    read(LogId(0), name, bytes, None, 2026, &mut |_| {})
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn commands(session: &LogSession) -> impl Iterator<Item = CommandRef<'_>> {
    session.events.iter().filter_map(|event| event.command())
}

/// First and last line of a session.
fn extent(session: &LogSession) -> (u64, u64) {
    let lines = session.events.iter().map(|event| event.line.line);
    (lines.clone().min().unwrap(), lines.max().unwrap())
}

/// Whether a session begins within another, by lines; of logs whose every row is a session, whether there are two rows.
fn overlap(sessions: &[LogSession]) -> bool {
    let extents: Vec<(u64, u64)> = sessions.iter().map(extent).collect();
    let within = |one: &(u64, u64)| {
        extents
            .iter()
            .any(|other| one.0 < other.0 && other.0 < one.1)
    };
    extents.iter().any(within)
        || extents.len() > 1 && extents.iter().all(|(first, last)| first == last)
}

/// Formats whose lines do not tell whose they are: sessions that overlap are given when they have been silent for long.
const GIVEN_BY_SILENCE: &[&str] = &["exchange55-connector"];

/// A log that is followed has no end: what is over is given while it goes on.
#[test]
fn every_format_gives_sessions_before_the_end() {
    let mut late = Vec::new();
    for entry in FORMATS {
        if [FILE_IS_SESSION, GIVEN_BY_SILENCE]
            .concat()
            .contains(&entry.name)
        {
            continue;
        }
        for sample in samples(entry) {
            let how = How {
                era: Era::Year(2026),
                ..How::default()
            };
            let openings = Opening::of(&sample.bytes, how).unwrap();
            let mut reader = openings[0].reader(LogId(0), &sample.name, &sample.bytes);
            reader.take(&sample.bytes);
            reader.settle(None, &|_, _| false);
            let early = reader.sessions().len();
            let (_, rest) = reader.finish();
            if early == 0 || early + rest.len() != sample.sessions.len() {
                late.push((sample.name, early, rest.len(), sample.sessions.len()));
            }
        }
    }
    assert!(late.is_empty(), "{late:?}");
}

#[test]
fn every_format_has_logs_with_sessions_that_overlap_and_lines_that_cannot_be_read() {
    for entry in FORMATS {
        let samples = samples(entry);
        assert!(
            !samples.is_empty(),
            "tests/logs/{}.log is missing: a format brings its own log",
            entry.name
        );
        for sample in samples {
            let Sample {
                name,
                source,
                sessions,
                bytes,
            } = sample;
            assert_eq!(source.format, entry.name, "{name}");
            let text = String::from_utf8_lossy(&bytes);
            assert!(
                source.unparsed >= 3,
                "{name}: {} lines that cannot be read",
                source.unparsed
            );
            // None of these lines holds a secret, so that they are shown as they are.
            for (number, shown) in &source.unparsed_first {
                let line = text
                    .lines()
                    .nth(usize::try_from(*number).unwrap() - 1)
                    .unwrap();
                assert!(
                    line.starts_with(shown.as_str()),
                    "{name}: line {number} is {line:?}, not {shown:?}"
                );
            }
            if FILE_IS_SESSION.contains(&entry.name) {
                assert!(!sessions.is_empty(), "{name}");
            } else {
                assert!(overlap(&sessions), "{name}: no two sessions overlap");
            }
        }
    }
}

/// Header, and five lines.
#[test]
fn every_log_is_told_when_cut_short() {
    for sample in FORMATS.iter().flat_map(samples) {
        let lines: Vec<&[u8]> = sample
            .bytes
            .split_inclusive(|&byte| byte == b'\n')
            .collect();
        let header = lines.iter().take_while(|line| line[0] == b'#').count();
        let cut = lines[..lines.len().min(header + 5)].concat();
        let (source, _) = told(&sample.name, &cut);
        assert_eq!(source.format, sample.source.format, "{}", sample.name);
    }
}

/// No name in the folder is of a format that is not there.
#[test]
fn every_log_is_of_a_format() {
    for file in std::fs::read_dir(folder()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let format = name.split('.').next();
        assert!(
            FORMATS.iter().any(|entry| Some(entry.name) == format),
            "{name}"
        );
    }
}

/// Secrets in the logs, as they stand there.
const SECRETS: &[&str] = &[
    "AGFubgBzZWNyZXQ=",
    "Basic abc",
    "GENERIC secret",
    "MTIzNDU2Nzg5",
    "PASS secret",
    "bob PASSWORD",
    "c2VjcmV0",
    "hunter2",
    "key=k",
    "pass=p",
    "password=x",
    "sid=a1b2c3",
    "token=t",
    "token=x",
];

/// Secrets end where a line is read, and where it is shown because it cannot be read.
#[test]
fn no_secret_of_a_log_is_kept_or_shown() {
    let mut hidden = std::collections::BTreeSet::new();
    for entry in FORMATS {
        for Sample {
            name,
            bytes,
            source,
            sessions,
        } in samples(entry)
        {
            let text = String::from_utf8(bytes).unwrap();
            let kept = format!("{sessions:?} {:?}", source.unparsed_first);
            for secret in SECRETS.iter().filter(|secret| text.contains(**secret)) {
                assert!(!kept.contains(secret), "{name}: {secret} is kept");
                hidden.insert(entry.name);
                // The line without its stamp: of no format, but for a continuation, which has nothing that tells what it is.
                let line = text.lines().find(|line| line.contains(secret)).unwrap();
                if line.ends_with(&format!("<<< {secret}"))
                    || line.ends_with(&format!("cmd: {secret}"))
                {
                    continue;
                }
                let broken = format!("\u{1}{line}\n");
                if let Ok((source, sessions)) = read(
                    LogId(0),
                    &name,
                    broken.as_bytes(),
                    Some(entry),
                    2026,
                    &mut |_| {},
                ) {
                    let shown = format!("{sessions:?} {:?}", source.unparsed_first);
                    assert!(
                        !shown.contains(secret),
                        "{name}: {secret} is shown: {shown}"
                    );
                }
            }
        }
    }
    assert!(hidden.len() >= 14, "{hidden:?}");
}

/// How to see a thing in a session.
type Seen = fn(&LogSession) -> bool;

const THINGS: &[(&str, Seen)] = &[
    ("client_port", |session| {
        session.peer_port.is_some() && session.role == Role::Server
    }),
    ("octets", |session| {
        let counted = |command: CommandRef<'_>| {
            [
                command.request_bytes,
                command.response_bytes,
                command.body_octets,
            ]
            .iter()
            .any(Option::is_some)
        };
        session.rare().octets.is_some()
            || !session.rare().sizes.is_empty()
            || session
                .messages
                .iter()
                .any(|message| message.wire_bytes.is_some())
            || commands(session).any(counted)
    }),
    ("commands", |session| {
        commands(session).next().is_some() || !session.implied.is_empty()
    }),
    ("replies", |session| {
        commands(session).any(|command| command.code.is_some() || command.response.is_some())
    }),
    ("tls", |session| session.tls.is_some()),
];

/// `bothends formats` is believed when somebody chooses a format or a setting by it: what it says is held against sessions.
#[test]
fn formats_show_what_they_are_said_to() {
    let mut wrong = Vec::new();
    for entry in FORMATS {
        let samples = samples(entry);
        let sessions: Vec<&LogSession> =
            samples.iter().flat_map(|sample| &sample.sessions).collect();
        for (thing, shown) in entry.shows.things() {
            let Some((_, seen)) = THINGS.iter().find(|(name, _)| *name == thing) else {
                continue;
            };
            let count = sessions.iter().filter(|session| seen(session)).count();
            // A port is of every connection; a command, a login or a handshake is of those that have one.
            let is_true = match shown {
                Shown::Never => count == 0,
                Shown::Always if thing == "client_port" => count == sessions.len(),
                Shown::Always | Shown::Partly(_) | Shown::With(_) => count > 0,
            };
            if !is_true {
                wrong.push(format!(
                    "{}: {thing} {}, and {count} of {} sessions have it",
                    entry.name,
                    shown.word(),
                    sessions.len()
                ));
            }
        }
        let names = sessions.iter().any(|session| {
            !session.names.is_empty()
                || session
                    .events
                    .iter()
                    .any(|event| matches!(event.what, What::Login(_)))
        });
        if entry.shows.users != Shown::Never && !names {
            wrong.push(format!("{}: users, and no session has one", entry.name));
        }
        if entry.shows.session_id != Shown::Never
            && !FILE_IS_SESSION.contains(&entry.name)
            && !sessions.iter().any(|session| session.events.len() > 1)
        {
            wrong.push(format!(
                "{}: an id, and no two lines are put together",
                entry.name
            ));
        }
        if let ClockStep::Of(step) = entry.shows.step {
            // Wider where the stamp of an end was made of that of the begin and the time taken.
            let is_one =
                |event: &EventRef<'_>| [step, step + step].contains(&event.stamp.resolution);
            let mut events = sessions.iter().flat_map(|session| &session.events);
            if let Some(event) = events.find(|event| !is_one(event)) {
                wrong.push(format!(
                    "{}: a clock of {}, and line {} has {:?}",
                    entry.name,
                    entry.shows.step.text(),
                    event.line.line,
                    event.stamp.resolution
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Numbers at which arithmetic ends.
const EXTREMES: [&str; 6] = [
    "0",
    "-1",
    "4294967295",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
];

/// Where the numbers of a text are.
fn numbers(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut numbers: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, _) in bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| byte.is_ascii_digit())
    {
        match numbers.last_mut() {
            Some(last) if last.end == at => last.end += 1,
            _ => numbers.push(at..at + 1),
        }
    }
    numbers
}

#[test]
fn numbers_beyond_belief_are_borne() {
    let mut tried = 0;
    for entry in FORMATS {
        for Sample { name, bytes, .. } in samples(entry) {
            let numbers = numbers(&bytes);
            // Each number of the first lines once, by turns with each of the others, and those at the end.
            let some = numbers
                .iter()
                .take(120)
                .chain(numbers.iter().rev().take(30));
            for (turn, number) in some.enumerate() {
                let extreme = EXTREMES[turn % EXTREMES.len()].as_bytes();
                let changed = [&bytes[..number.start], extreme, &bytes[number.end..]].concat();
                let read = read(LogId(0), &name, &changed, Some(entry), 2026, &mut |_| {});
                let commands = read.map(|(_, sessions)| sessions.iter().flat_map(commands).count());
                assert!(commands.unwrap_or(0) < 100_000, "{name}: {number:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 3000, "{tried}");
}
