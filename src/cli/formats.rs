//! The list of log formats and of what each can show.

use std::io::{self, Write};

use serde::Serialize;

use crate::log::registry::{FORMATS, envelopes};
use crate::log::{Around, Entry};
use crate::model::{ClockStep, Shown};

/// Columns of the text, each a thing that a format shows.
const HEADS: [&str; 7] = [
    "port", "id", "octets", "commands", "replies", "tls", "users",
];

/// Writes the log formats and what each can show.
pub(super) fn formats(json: bool, out: &mut dyn Write) -> io::Result<()> {
    if json {
        for entry in FORMATS {
            serde_json::to_writer(&mut *out, &Record::of(entry))?;
            writeln!(out)?;
        }
        for around in envelopes() {
            serde_json::to_writer(&mut *out, &AroundRecord::of(around))?;
            writeln!(out)?;
        }
        return Ok(());
    }
    for entry in FORMATS {
        writeln!(out, "{:<20} {}", entry.name, entry.about)?;
    }
    writeln!(out, "\nAround the lines of any of them\n")?;
    for around in envelopes() {
        writeln!(out, "{:<20} {}", around.name, around.about)?;
    }
    writeln!(
        out,
        "\nWhat each can show (+ always, ~ partly, s where a setting turns it on)\n"
    )?;
    write!(out, "{:<20}", "")?;
    for head in HEADS {
        write!(out, " {head:<8}")?;
    }
    writeln!(out, " clock, and what it marks")?;
    for entry in FORMATS {
        write!(out, "{:<20}", entry.name)?;
        for (_, shown) in entry.shows.things() {
            write!(out, " {:<8}", mark(shown))?;
        }
        let shows = entry.shows;
        writeln!(out, " {}, {}", shows.step.text(), shows.marks.word())?;
    }
    writeln!(out, "\nWhich parts, and which settings\n")?;
    for entry in FORMATS {
        for (head, (_, shown)) in HEADS.iter().zip(entry.shows.things()) {
            if let Some(detail) = shown.detail() {
                writeln!(out, "{:<20} {head:<8} {detail}", entry.name)?;
            }
        }
    }
    Ok(())
}

const fn mark(shown: Shown) -> &'static str {
    match shown {
        Shown::Always => "+",
        Shown::Never => "-",
        Shown::Partly(_) => "~",
        Shown::With(_) => "s",
    }
}

/// A format as JSON has it.
#[derive(Serialize)]
struct Record {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
    about: &'static str,
    client_port: Thing,
    session_id: Thing,
    octets: Thing,
    commands: Thing,
    replies: Thing,
    tls: Thing,
    users: Thing,
    /// Smallest step of the clock; absent where it is as the lines or their envelope have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    step_s: Option<f64>,
    step: String,
    marks: &'static str,
}

#[derive(Serialize)]
struct Thing {
    shown: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

/// What may be around lines, as JSON has it.
#[derive(Serialize)]
struct AroundRecord {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
    about: &'static str,
}

impl AroundRecord {
    const fn of(around: Around) -> Self {
        Self {
            kind: "envelope",
            name: around.name,
            about: around.about,
        }
    }
}

impl Record {
    fn of(entry: &Entry) -> Self {
        let thing = |shown: Shown| Thing {
            shown: shown.word(),
            detail: shown.detail(),
        };
        let shows = entry.shows;
        Self {
            kind: "format",
            name: entry.name,
            about: entry.about,
            client_port: thing(shows.client_port),
            session_id: thing(shows.session_id),
            octets: thing(shows.octets),
            commands: thing(shows.commands),
            replies: thing(shows.replies),
            tls: thing(shows.tls),
            users: thing(shows.users),
            step_s: match shows.step {
                ClockStep::Of(span) => Some(span.as_seconds_f64()),
                ClockStep::Envelope | ClockStep::Varies => None,
            },
            step: shows.step.text(),
            marks: shows.marks.word(),
        }
    }
}
