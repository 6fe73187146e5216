//! A log in one format, for the tests of formats.

use crate::model::{LogEvent, LogId, LogSession, Zone};

use super::{Entry, Head, Line, Parsed, Sureness};

/// What a format made of a log.
pub(super) struct Told {
    pub(super) sureness: Sureness,
    /// In the order of their first lines.
    pub(super) sessions: Vec<LogSession>,
    pub(super) failed: usize,
    pub(super) aside: usize,
    pub(super) zone: Zone,
    pub(super) remarks: Vec<String>,
}

/// Reads `log` in the format of `entry`, whatever its probe says.
pub(super) fn read(entry: &Entry, log: &str, year: i32) -> Told {
    read_files(entry, &[log], year)
}

/// Reads a log that is in several files.
pub(super) fn read_files(entry: &Entry, files: &[&str], year: i32) -> Told {
    let files: Vec<Vec<&[u8]>> = files
        .iter()
        .map(|file| file.lines().map(str::as_bytes).collect())
        .collect();
    let heads = files.iter().map(|lines| Head { lines, year });
    let heads: Vec<Head<'_>> = heads.collect();
    let mut builder = (entry.open)(LogId(0), &heads[0]);
    let mut told = Told {
        sureness: (entry.probe)(&heads[0]),
        sessions: Vec::new(),
        failed: 0,
        aside: 0,
        zone: Zone::Assumed,
        remarks: Vec::new(),
    };
    let mut numbers = 1..;
    for (at, head) in heads.iter().enumerate() {
        if at > 0 {
            builder.next_file(head, &mut told.sessions);
        }
        for (bytes, number) in head.lines.iter().zip(&mut numbers) {
            if bytes.is_empty() {
                continue;
            }
            match builder.line(Line { number, bytes }, &mut told.sessions) {
                Parsed::Failed => told.failed += 1,
                Parsed::Aside(_) => told.aside += 1,
                Parsed::Event(_) => {}
            }
        }
    }
    builder.finish(&mut told.sessions);
    told.sessions.sort_by_key(|session| session.events[0].line);
    told.zone = builder.zone();
    told.remarks = builder.remarks();
    told
}

/// The commands that a session's lines tell, each with its code.
pub(super) fn commands(session: &LogSession) -> Vec<String> {
    let told = session.events.iter().filter_map(LogEvent::command);
    told.map(|command| {
        let words = if command.request.is_empty() {
            command.verb
        } else {
            command.request
        };
        format!("{words} {}", command.code.unwrap_or("?"))
    })
    .collect()
}
