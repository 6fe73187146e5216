//! The journal of systemd as `journalctl -o json` writes it, brought into the form of a syslog file.

use serde_json::{Map, Value};

use crate::model::LogTime;

use super::{Around, Content, Entry, Envelope};

/// Row of the list.
pub(super) const ENTRY: Entry = Entry {
    about: Around {
        name: "journal-json",
        about: "systemd's journal by journalctl -o json",
    },
    fits: |line| {
        line.starts_with(b"{")
            && line
                .windows(22)
                .any(|part| part == b"\"__REALTIME_TIMESTAMP\"")
    },
    open: || Box::new(Journal),
};

struct Journal;

impl Envelope for Journal {
    fn open(&mut self, line: &[u8], out: &mut Vec<u8>) -> Content {
        let Ok(Value::Object(fields)) = serde_json::from_slice(line) else {
            return Content::Unopened;
        };
        let entry = of_json(&fields);
        match entry.write(out) {
            Some(()) => Content::Line,
            None => Content::Unopened,
        }
    }
}

/// What is needed of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct JournalEntry {
    /// Microseconds since 1970: of the sender where it told, else of the journal.
    sent: Option<i64>,
    received: Option<i64>,
    host: Vec<u8>,
    program: Vec<u8>,
    pid: Vec<u8>,
    message: Vec<u8>,
}

impl JournalEntry {
    /// Takes a field; those that are not needed are passed over.
    pub(super) fn put(&mut self, name: &[u8], value: &[u8]) {
        let number = || str::from_utf8(value).ok()?.parse().ok();
        let own = match name {
            b"_SOURCE_REALTIME_TIMESTAMP" => {
                self.sent = number();
                return;
            }
            b"__REALTIME_TIMESTAMP" => {
                self.received = number();
                return;
            }
            b"_HOSTNAME" => &mut self.host,
            b"SYSLOG_IDENTIFIER" => &mut self.program,
            b"SYSLOG_PID" => &mut self.pid,
            b"_PID" if self.pid.is_empty() => &mut self.pid,
            b"_COMM" if self.program.is_empty() => &mut self.program,
            b"MESSAGE" => &mut self.message,
            _ => return,
        };
        value.clone_into(own);
    }

    /// As a line of a syslog file; `None` without a time.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        let micros = self.sent.or(self.received)?;
        let at = LogTime(micros.checked_mul(1000)?).to_rfc3339();
        // The last three digits of nine are none of the journal's.
        out.extend_from_slice(at.get(..at.len().checked_sub(4)?)?.as_bytes());
        out.extend_from_slice(b"Z ");
        let word = |word: &[u8], out: &mut Vec<u8>| {
            out.extend(
                word.iter()
                    .map(|&byte| if byte == b' ' { b'_' } else { byte }),
            );
        };
        word(
            if self.host.is_empty() {
                b"-"
            } else {
                &self.host
            },
            out,
        );
        out.push(b' ');
        word(
            if self.program.is_empty() {
                b"-"
            } else {
                &self.program
            },
            out,
        );
        if !self.pid.is_empty() {
            out.push(b'[');
            word(&self.pid, out);
            out.push(b']');
        }
        out.extend_from_slice(b": ");
        // A message of several lines stays one.
        let flat = self
            .message
            .iter()
            .map(|&byte| if byte == b'\n' { b' ' } else { byte });
        out.extend(flat);
        Some(())
    }
}

fn of_json(fields: &Map<String, Value>) -> JournalEntry {
    let mut entry = JournalEntry::default();
    for (name, value) in fields {
        let value = match value {
            // A field that was given more than once.
            Value::Array(values) if values.iter().any(Value::is_string) => values.first(),
            value => Some(value),
        };
        match value {
            Some(Value::String(text)) => entry.put(name.as_bytes(), text.as_bytes()),
            // What is no UTF-8 stands as numbers.
            Some(Value::Array(octets)) => {
                let octets: Vec<u8> = octets
                    .iter()
                    .filter_map(|octet| u8::try_from(octet.as_u64()?).ok())
                    .collect();
                entry.put(name.as_bytes(), &octets);
            }
            _ => {}
        }
    }
    entry
}
