//! From rows to sessions.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::model::{LineRef, LogId, LogSession, Role, Span, Stamp, Zone, from_wire};

use super::super::{Builder, Entry, Head, Line, Parsed, Sureness, csv, stamp};
use super::serving::{Serving, Told};

/// Row of the registry.
pub(in super::super) const ENTRY: Entry = Entry {
    name: "exchange-smtp",
    about: "Exchange 2007 and later, SMTP receive and send protocol logs",
    probe,
    open: |id, head| Box::new(Exchange::new(id, head)),
};

/// Sessions that may be open at once.
const MAX_OPEN: usize = 50_000;
/// The columns of a file whose header is lost.
const COLUMNS: &str = "date-time,connector-id,session-id,sequence-number,local-endpoint,remote-endpoint,event,data,context";

fn probe(head: &Head<'_>) -> Sureness {
    let mut table = Table::default();
    let mut rows = 0;
    let mut fits = 0;
    for line in head.lines {
        let text = from_wire(line);
        if table.directive(&text) {
            continue;
        }
        rows += 1;
        fits += usize::from(!table.other && table.row(&text).is_some());
    }
    Sureness::share(fits, rows)
}

/// What the header says.
struct Table {
    columns: Vec<String>,
    role: Role,
    /// A log of another protocol in the same columns.
    other: bool,
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

impl Default for Table {
    fn default() -> Self {
        Self {
            columns: csv::values(COLUMNS),
            role: Role::Server,
            other: false,
        }
    }
}

impl Table {
    /// Takes in a line of the header; whether it was one.
    fn directive(&mut self, line: &str) -> bool {
        let Some(directive) = line.strip_prefix('#') else {
            return false;
        };
        if let Some(columns) = directive.strip_prefix("Fields: ") {
            self.columns = csv::values(columns);
        }
        if let Some(kind) = directive.strip_prefix("Log-type: ") {
            self.other = !kind.contains("SMTP");
            self.role = if kind.contains("Send") {
                Role::Client
            } else {
                Role::Server
            };
        }
        true
    }

    fn row(&self, line: &str) -> Option<Row> {
        let values = csv::values(line);
        let value = |name: &str| {
            let at = self.columns.iter().position(|column| column == name)?;
            values.get(at).map(String::as_str)
        };
        let stamped = stamp::iso(value("date-time")?)?;
        let session = value("session-id")?;
        let mut event = value("event")?.chars();
        let row = Row {
            stamp: stamped.stamp,
            session: session.to_owned(),
            local: value("local-endpoint")?.parse().ok(),
            remote: value("remote-endpoint")?.parse().ok(),
            event: event.next()?,
            data: value("data")?.trim_start().to_owned(),
            context: value("context").unwrap_or_default().to_owned(),
        };
        let is_id = !session.is_empty() && session.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_event = event.next().is_none() && "+-<>*".contains(row.event);
        (stamped.rest.is_empty() && is_id && is_event).then_some(row)
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
        let mut table = Table::default();
        for line in head.lines {
            table.directive(&from_wire(line));
        }
        Self {
            id,
            table,
            open: BTreeMap::new(),
        }
    }
}

impl Builder for Exchange {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = from_wire(line.bytes);
        if self.table.directive(&text) {
            return Parsed::Aside(None);
        }
        let Some(row) = self.table.row(&text) else {
            return Parsed::Failed;
        };
        if !self.open.contains_key(&row.session) && self.open.len() >= MAX_OPEN {
            out.extend(self.open.pop_first().map(|(_, old)| old.into_session()));
        }
        let role = self.table.role;
        let serving = self
            .open
            .entry(row.session.clone())
            .or_insert_with(|| Serving::new(self.id, role, row.event == '+'));
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
