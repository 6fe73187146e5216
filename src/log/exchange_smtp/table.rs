//! From rows to sessions.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::model::{
    ClockStep, LineRef, LogId, LogSession, Marks, Role, Shown, Shows, Span, Stamp, Zone, as_text,
};

use super::super::csv::Table;
use super::super::{Builder, Entry, Head, Line, Parsed, Sureness, stamp};
use super::serving::{Serving, Told};

/// Row of the registry.
pub(in super::super) const ENTRY: Entry = Entry {
    name: "exchange-smtp",
    about: "Exchange 2007 and later, SMTP receive and send protocol logs",
    shows: Shows {
        client_port: Shown::Always,
        session_id: Shown::Always,
        step: ClockStep::Of(Span::MILLISECOND),
        marks: Marks::Line,
        octets: Shown::Partly("of messages sent with BDAT or sized in the last reply"),
        commands: Shown::Always,
        replies: Shown::Always,
        tls: Shown::Partly("the version"),
        users: Shown::Never,
    },
    probe,
    open: |id, head| Box::new(Exchange::new(id, head)),
};

/// Sessions that may be open at once.
const MAX_OPEN: usize = 50_000;
/// The columns of a file whose header is lost.
const COLUMNS: &str = "date-time,connector-id,session-id,sequence-number,local-endpoint,remote-endpoint,event,data,context";

fn probe(head: &Head<'_>) -> Sureness {
    Table::share(COLUMNS, head, |table, line| {
        // Other protocols are logged in the same columns.
        let is_smtp = table.kind().is_empty() || table.kind().contains("SMTP");
        is_smtp && row(table, line).is_some()
    })
}

/// A row under the columns in force.
struct Row {
    stamp: Stamp,
    session: String,
    local: Option<SocketAddr>,
    remote: Option<SocketAddr>,
    event: char,
    data: String,
    context: String,
}

fn row(table: &Table, line: &str) -> Option<Row> {
    let values = table.row(line);
    let stamped = stamp::iso(values.get("date-time")?)?;
    let session = values.get("session-id")?;
    let mut event = values.get("event")?.chars();
    let row = Row {
        stamp: stamped.stamp,
        session: session.to_owned(),
        local: values.get("local-endpoint")?.parse().ok(),
        remote: values.get("remote-endpoint")?.parse().ok(),
        event: event.next()?,
        data: values.get("data")?.trim_start().to_owned(),
        context: values.text("context"),
    };
    let is_id = !session.is_empty() && session.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_event = event.next().is_none() && "+-<>*".contains(row.event);
    (stamped.rest.is_empty() && is_id && is_event).then_some(row)
}

/// Whether the server took mail or sent it, as the header says.
fn role(kind: &str) -> Role {
    if kind.contains("Send") {
        Role::Client
    } else {
        Role::Server
    }
}

/// One file.
struct Exchange {
    id: LogId,
    table: Table,
    /// By session id, which grows with time.
    open: BTreeMap<String, Serving>,
}

impl Exchange {
    fn new(id: LogId, head: &Head<'_>) -> Self {
        Self {
            id,
            table: Table::new(COLUMNS, head),
            open: BTreeMap::new(),
        }
    }
}

impl Builder for Exchange {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = as_text(line.bytes);
        if self.table.directive(&text) {
            return Parsed::Aside(None);
        }
        let Some(row) = row(&self.table, &text) else {
            return Parsed::Failed;
        };
        if !self.open.contains_key(&row.session) && self.open.len() >= MAX_OPEN {
            out.extend(self.open.pop_first().map(|(_, old)| old.into_session()));
        }
        let role = role(self.table.kind());
        let serving = self
            .open
            .entry(row.session.clone())
            .or_insert_with(|| Serving::new(self.id, role));
        serving.ends(row.local, row.remote);
        let line = LineRef {
            log: self.id,
            line: line.number,
        };
        let is_client = role == Role::Client;
        let told = match row.event {
            '+' => Told::Open,
            '-' => Told::Close(&row.context),
            '<' if is_client => Told::Reply(&row.data),
            '>' if is_client => Told::Command(&row.data),
            '<' => Told::Command(&row.data),
            '>' => Told::Reply(&row.data),
            _ if row.context.is_empty() => Told::Note(&row.data),
            _ => Told::Note(&row.context),
        };
        serving.take(line, row.stamp, &told);
        if row.event == '-'
            && let Some(serving) = self.open.remove(&row.session)
        {
            out.push(serving.into_session());
        }
        Parsed::Event(row.stamp)
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        let open = std::mem::take(&mut self.open);
        out.extend(open.into_values().map(Serving::into_session));
    }

    fn zone(&self) -> Zone {
        Zone::Stated(Span::ZERO)
    }
}

#[cfg(test)]
mod tests;
