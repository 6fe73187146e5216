//! SMTP virtual servers of IIS and Exchange 2000/2003 in W3C extended logs.
//!
//! One row is one command, written when it was answered. Nothing names the session: rows belong together by the client's address,
//! the name that it gave in HELO, and the order that the protocol demands, up to the QUIT row.

mod serving;
mod told;

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{
    ClockStep, LineRef, LogId, LogSession, LogTime, Marks, Proto, Shown, Shows, Span, Zone, as_text,
};

use super::super::read::{Apart, Pieces, RawLine, Sink};
use super::super::w3c::{self, Row, W3c};
use super::super::{Builder, Entry, Head, Line, Parsed, Sureness};
use serving::{MAX_LOOKED_AT, Serving, Step, find};
use told::{Said, Told};

/// Row of the registry.
pub(in crate::log) const ENTRY: Entry = Entry {
    name: "iis-smtp",
    about: "IIS and Exchange 2000/2003 SMTP virtual server, W3C extended",
    shows: SHOWS,
    probe,
    open: |id, _| Box::new(IisSmtp::new(id)),
};

/// What an IIS SMTP server's log shows in each of its formats, W3C extended being the fullest.
pub(super) const SHOWS: Shows = Shows {
    session_id: Shown::Partly("the name given in HELO, up to the QUIT row"),
    step: ClockStep::Of(Span::SECOND),
    marks: Marks::End,
    octets: Shown::Always,
    commands: Shown::Always,
    replies: Shown::Partly("the code"),
    ..Shows::NOTHING
};

/// The server drops clients that are silent for ten minutes.
const SILENCE: Span = Span::seconds(660);
/// How often those are looked for.
const SWEPT_EVERY: Span = Span::seconds(60);
/// Sessions that may be open at once.
const MAX_OPEN: usize = 50_000;
/// Sessions that ended at one time and may have exchanged their rows: the last ones are looked at.
const MAX_ALIKE: usize = 256;
/// A `DATA` row counts the message; whether the verb and the final dot are in it differs.
const DATA_SLACK: u64 = 11;

fn probe(head: &Head<'_>) -> Sureness {
    w3c::share(head, is_smtp)
}

fn is_smtp(row: &Row<'_, '_>) -> bool {
    row.get("s-sitename")
        .is_some_and(|site| site.starts_with("SMTPSVC"))
        || row.get("cs-version") == Some("SMTP")
}

struct IisSmtp {
    id: LogId,
    w3c: W3c,
    /// By their two ends.
    open: BTreeMap<Ends, Vec<Serving>>,
    count: usize,
    /// When those that are silent for too long were last looked for.
    swept: LogTime,
    /// Sessions whose QUIT row came in this second: which of two alike it ended may yet turn out otherwise.
    closed: Vec<Serving>,
    /// Rows that may be of more sessions of a client than are looked at.
    crowded: u64,
}

/// Address of the client, and of the server.
type Ends = (Option<IpAddr>, Option<IpAddr>);

impl IisSmtp {
    fn new(id: LogId) -> Self {
        Self {
            id,
            w3c: W3c::default(),
            open: BTreeMap::new(),
            count: 0,
            swept: LogTime(i64::MIN),
            closed: Vec::new(),
            crowded: 0,
        }
    }
}

impl Apart for IisSmtp {
    type Known = W3c;
    type Row<'a> = Said<'a>;
    type Over = LogSession;

    fn known(&self) -> W3c {
        self.w3c.clone()
    }

    fn read<'a>(w3c: &mut W3c, line: RawLine<'a>) -> Said<'a> {
        match line.utf8() {
            Some(text) if w3c.has("date") || text.starts_with('#') => Said::read(w3c, text),
            _ => Said::Late(line.bytes()),
        }
    }

    fn take(&mut self, row: Said<'_>, number: u64, out: &mut Vec<LogSession>) -> Parsed {
        let line = LineRef {
            log: self.id,
            line: number,
        };
        match row {
            Said::Directive(text) => {
                self.w3c.line(text);
                Parsed::Aside(None)
            }
            Said::Aside(stamp) => Parsed::Aside(Some(stamp)),
            Said::Told(told) => {
                let stamp = told.stamp;
                self.told(line, &told, out);
                Parsed::Event(stamp)
            }
            Said::Failed => Parsed::Failed,
            Said::Late(bytes) => {
                let text = as_text(bytes);
                let mut w3c = std::mem::take(&mut self.w3c);
                let parsed = self.take(Said::read(&mut w3c, &text), number, out);
                self.w3c = w3c;
                parsed
            }
        }
    }
}

impl Builder for IisSmtp {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        self.take(Said::Late(line.bytes), line.number, out)
    }

    fn pieces(&mut self, pieces: Pieces<'_>, sink: &mut dyn Sink) -> bool {
        pieces.give(self, sink);
        true
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        let open = std::mem::take(&mut self.open).into_values().flatten();
        let all = self.closed.drain(..).chain(open);
        out.extend(all.map(|serving| serving.session));
    }

    fn zone(&self) -> Zone {
        Zone::Stated(Span::ZERO)
    }

    fn remarks(&self) -> Vec<String> {
        match self.crowded {
            0 => Vec::new(),
            rows => vec![format!(
                "{rows} rows were looked for among the last {MAX_LOOKED_AT} sessions of their client, as more were open at once"
            )],
        }
    }
}

impl IisSmtp {
    fn told(&mut self, line: LineRef, told: &Told<'_>, out: &mut Vec<LogSession>) {
        self.expire(told.stamp.at, out);
        let ends = (told.peer, told.local);
        let alike = self.open.entry(ends).or_default();
        self.crowded += u64::from(alike.len() > MAX_LOOKED_AT);
        let at = find(alike, told).unwrap_or_else(|| {
            let mut session = LogSession::new(self.id, Proto("smtp"));
            session.lag = LogSession::WINDOWS_LAG;
            session.peer = told.peer;
            session.local = told.local;
            session.every_command = true;
            alike.push(Serving {
                session,
                helo: None,
                step: Step::Greeted,
                first: told.stamp.at,
                last: told.stamp.at,
            });
            self.count += 1;
            alike.len() - 1
        });
        let over = told.verb.as_str() == "QUIT";
        if let Some(serving) = alike.get_mut(at) {
            serving.take(line, told);
        }
        if over {
            let ended = alike.remove(at);
            self.count -= 1;
            self.close(ended);
        }
    }

    /// Sets a session aside that has ended.
    ///
    /// Of two alike, one that ended no later and lasted longer began first: where the rows were dealt out otherwise, they are
    /// exchanged.
    fn close(&mut self, mut ended: Serving) {
        let old = self.closed.len().saturating_sub(MAX_ALIKE);
        for other in self.closed.iter_mut().skip(old) {
            let alike = other.session.peer == ended.session.peer
                && other.session.local == ended.session.local
                && other.helo == ended.helo;
            let older = other.began() < ended.began();
            let longer = other.session.duration > ended.session.duration;
            if alike && longer && !older {
                other.exchange_ends(&mut ended);
            }
        }
        self.closed.push(ended);
    }

    fn expire(&mut self, now: LogTime, out: &mut Vec<LogSession>) {
        if self
            .closed
            .last()
            .is_some_and(|serving| serving.last != now)
        {
            out.extend(self.closed.drain(..).map(|serving| serving.session));
        }
        if now.since(self.swept) > SWEPT_EVERY {
            self.swept = now;
            self.sweep(now, SILENCE, out);
        }
        // Too many at once: those that are silent longest go first.
        let mut silence = SILENCE;
        while self.count >= MAX_OPEN {
            silence = match silence.0 / 2 {
                0 => Span(i64::MIN),
                half => Span(half),
            };
            self.sweep(now, silence, out);
        }
    }

    /// Gives the sessions that were silent for longer.
    fn sweep(&mut self, now: LogTime, silence: Span, out: &mut Vec<LogSession>) {
        self.open.retain(|_, alike| {
            let over = alike.extract_if(.., |serving| now.since(serving.last) > silence);
            let before = out.len();
            out.extend(over.map(|serving| serving.session));
            self.count -= out.len() - before;
            !alike.is_empty()
        });
    }
}

#[cfg(test)]
mod tests;
