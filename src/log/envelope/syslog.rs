//! Syslog around lines that have a time of their own, as web servers send them.

use crate::model::as_text;

use super::super::syslog::Syslog;
use super::{Around, Content, Entry, Envelope};

/// Row of the list.
pub(super) const ENTRY: Entry = Entry {
    about: Around {
        name: "syslog",
        about: "syslog in all its forms (RFC 3164, RFC 5424, files of rsyslog, syslogd and journalctl)",
    },
    fits: |line| Syslog::new(2000).open(&as_text(line)).is_some(),
    // The year is of no use here.
    open: || Box::new(Wrapped(Syslog::new(2000))),
};

struct Wrapped(Syslog);

impl Envelope for Wrapped {
    fn open(&mut self, line: &[u8], out: &mut Vec<u8>) -> Content {
        let text = as_text(line);
        let Some(envelope) = self.0.open(&text) else {
            return Content::Unopened;
        };
        out.extend_from_slice(envelope.text.trim_start_matches(' ').as_bytes());
        Content::Line
    }
}
