//! Mail that other hosts hand over by LMTP: a process serves one client after the other.

use std::collections::HashMap;

use crate::model::{Event, LineRef, LogEvent, LogId, LogSession, Proto, Stamp};

use super::super::line::{Said, ending};
use super::MAX_TOLD;

/// Processes that have a client; more are not followed.
const MAX_OPEN: usize = 10_000;

/// Clients of LMTP, by the number of the process that serves them.
pub(super) struct Deliveries {
    id: LogId,
    open: HashMap<String, LogSession>,
}

impl Deliveries {
    pub(super) fn new(id: LogId) -> Self {
        Self {
            id,
            open: HashMap::new(),
        }
    }

    /// Takes a line of a process of LMTP; gives whether it is of a client that came over a wire.
    ///
    /// `lmtp(9507): Connect from 192.0.2.50`, `lmtp(bob)<9507><…>: msgid=<x@y>: saved mail to INBOX`,
    /// `lmtp(9507): Disconnect from 192.0.2.50: Logged out (state=READY)`.
    pub(super) fn line(
        &mut self,
        line: LineRef,
        said: &Said<'_>,
        stamp: Stamp,
        out: &mut Vec<LogSession>,
    ) -> bool {
        let process = if said.pid.is_empty() {
            said.user
        } else {
            said.pid
        };
        if let Some(client) = said.text.strip_prefix("Connect from ") {
            out.extend(self.open.remove(process));
            // Most are of this machine's own socket.
            let Some(client) = client.parse().ok().filter(|_| self.open.len() < MAX_OPEN) else {
                return false;
            };
            let mut session = LogSession::new(self.id, Proto("smtp"));
            session.peer = Some(client);
            self.open.insert(process.to_owned(), session);
        }
        let Some(session) = self.open.get_mut(process) else {
            return false;
        };
        let over = said.text.starts_with("Disconnect from ");
        let what = match said.text {
            text if text.starts_with("Connect from ") => Event::Open,
            text => Event::Note(text.to_owned()),
        };
        if over || session.events.len() < MAX_TOLD {
            session.events.push(LogEvent { line, stamp, what });
        }
        if over {
            session.ending = ending(said.text);
            let what = Event::Close;
            session.events.push(LogEvent { line, stamp, what });
            out.extend(self.open.remove(process));
        }
        true
    }

    /// No more lines will come.
    pub(super) fn flush(&mut self, out: &mut Vec<LogSession>) {
        let mut all: Vec<_> = self.open.drain().map(|(_, session)| session).collect();
        all.sort_by_key(|session| session.events.first().map(|event| event.line));
        out.extend(all);
    }
}
