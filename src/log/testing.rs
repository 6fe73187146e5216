//! A log in one format, for the tests of formats.

use crate::model::{LogId, LogSession, Zone};

use super::{Builder, Entry, Head, Line, Parsed, Sureness};

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

/// What a builder makes of `log`, where no row of the registry opens it: sessions in the order of their first lines, and lines that it cannot read.
pub(super) fn built(mut builder: Box<dyn Builder>, log: &str) -> (Vec<LogSession>, usize) {
    let mut told = Told::of_nothing();
    let lines: Vec<&[u8]> = log.lines().map(str::as_bytes).collect();
    told.take(builder.as_mut(), &lines, &mut (1..));
    told.finish(builder.as_mut());
    (told.sessions, told.failed)
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
        ..Told::of_nothing()
    };
    let mut numbers = 1..;
    for (at, head) in heads.iter().enumerate() {
        if at > 0 {
            builder.next_file(head, &mut told.sessions);
        }
        told.take(builder.as_mut(), head.lines, &mut numbers);
    }
    told.finish(builder.as_mut());
    told
}

impl Told {
    fn of_nothing() -> Self {
        Self {
            sureness: Sureness(0),
            sessions: Vec::new(),
            failed: 0,
            aside: 0,
            zone: Zone::Assumed,
            remarks: Vec::new(),
        }
    }

    fn take(
        &mut self,
        builder: &mut dyn Builder,
        lines: &[&[u8]],
        numbers: &mut impl Iterator<Item = u64>,
    ) {
        for (bytes, number) in lines.iter().zip(numbers) {
            if bytes.is_empty() {
                continue;
            }
            match builder.line(Line { number, bytes }, &mut self.sessions) {
                Parsed::Failed => self.failed += 1,
                Parsed::Aside(_) => self.aside += 1,
                Parsed::Event(_) => {}
            }
        }
    }

    fn finish(&mut self, builder: &mut dyn Builder) {
        builder.finish(&mut self.sessions);
        self.sessions
            .sort_by_key(|session| session.events.first().unwrap().line);
        self.zone = builder.zone();
        self.remarks = builder.remarks();
    }
}

/// The commands that a session's lines tell, each with its code.
pub(super) fn commands(session: &LogSession) -> Vec<String> {
    let told = session.events.iter().filter_map(|event| event.command());
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
