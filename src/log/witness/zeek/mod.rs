//! Logs of Zeek: `conn`, `smtp`, `http`, `ssl` and `dns`, as tables or as JSON, each in a file of its own.
//!
//! A table names its columns in `#fields` and what stands for nothing in `#unset_field`; JSON has the same names as keys, and its kind shows in them.
//! Times are UTC to a microsecond, of the beginning: of the connection, the request, the handshake.
//! Source: docs.zeek.org, "Log Files" and `base/frameworks/logging/writers/ascii.zeek`.

mod row;

use crate::model::{
    ClockStep, Ending, Event, LogId, LogSession, LoggedTls, Marks, Proto, Shown, Shows, Span,
    Stamp, TlsVersion, Zone, as_text,
};

use super::super::web::{Connections, Request, asked};
use super::super::{Builder, Due, Entry, Head, Line, Parsed, Sureness};
use super::proto;
use row::{Columns, Row};

/// Row of the registry.
pub(in crate::log) const ENTRY: Entry = Entry {
    name: "zeek",
    about: "Zeek's conn, smtp, http, ssl and dns logs, tables or JSON: what another witness saw",
    shows: Shows {
        client_port: Shown::Always,
        session_id: Shown::Always,
        step: ClockStep::Of(Span::MICROSECOND),
        marks: Marks::Begin,
        octets: Shown::Partly("of the connection in conn, of bodies in http"),
        commands: Shown::Partly("in http and dns; in smtp the envelope"),
        replies: Shown::Partly("the code in http, the last one in smtp"),
        tls: Shown::Partly("in ssl"),
        users: Shown::Partly("in http"),
    },
    probe,
    open: |id, head| Box::new(Zeek::new(id, head)),
};

fn probe(head: &Head<'_>) -> Sureness {
    let mut columns = Columns::default();
    let mut rows = 0;
    let mut fits = 0;
    for line in head.lines {
        let text = as_text(line);
        if columns.directive(&text) {
            continue;
        }
        rows += 1;
        let row = Row::read(&columns, &text);
        fits += usize::from(row.is_some_and(|row| row.kind().is_some() && row.stamp().is_some()));
    }
    // A table of a kind that is not compared, or whose connections have all yet to end.
    if rows == 0 && Kind::of_path(&columns.path).is_some() {
        return Sureness::share(1, 1);
    }
    Sureness::share(fits, rows)
}

/// What a file tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Conn,
    Dns,
    Http,
    Smtp,
    Ssl,
}

impl Kind {
    fn of_path(path: &str) -> Option<Self> {
        Some(match path {
            "conn" => Self::Conn,
            "dns" => Self::Dns,
            "http" => Self::Http,
            "smtp" => Self::Smtp,
            "ssl" => Self::Ssl,
            _ => return None,
        })
    }
}

/// One file.
struct Zeek {
    id: LogId,
    columns: Columns,
    connections: Connections,
}

impl Zeek {
    fn new(id: LogId, head: &Head<'_>) -> Self {
        let mut columns = Columns::default();
        for line in head.lines {
            columns.directive(&as_text(line));
        }
        Self {
            id,
            columns,
            connections: Connections::new(id),
        }
    }
}

impl Builder for Zeek {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = as_text(line.bytes);
        if self.columns.directive(&text) {
            return Parsed::Aside(None);
        }
        let row = Row::read(&self.columns, &text);
        let Some((row, stamp)) = row.and_then(|row| row.stamp().map(|stamp| (row, stamp))) else {
            return Parsed::Failed;
        };
        let told = match row.kind() {
            Some(Kind::Conn) => return conn(self.id, &row, stamp, line, out),
            Some(Kind::Dns) => dns(&row, stamp),
            Some(Kind::Http) => http(&row, stamp),
            Some(Kind::Smtp) => smtp(&row, stamp),
            Some(Kind::Ssl) => ssl(&row, stamp),
            None => return Parsed::Aside(Some(stamp)),
        };
        match told {
            Some(request) => {
                self.connections.take(line.number, request, out);
                Parsed::Event(stamp)
            }
            None => Parsed::Failed,
        }
    }

    fn settle(&mut self, due: &Due<'_>, out: &mut Vec<LogSession>) {
        self.connections.settle(due, out);
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        self.connections.finish(out);
    }

    fn zone(&self) -> Zone {
        Zone::Stated(Span::ZERO)
    }
}

/// A whole connection.
fn conn(
    id: LogId,
    row: &Row<'_>,
    begin: Stamp,
    line: Line<'_>,
    out: &mut Vec<LogSession>,
) -> Parsed {
    let Some(mut request) = row.request(begin, Event::Open) else {
        return Parsed::Failed;
    };
    let text = |name| row.text(name).unwrap_or_else(|| "?".to_owned());
    // ICMP has types in the place of ports.
    if row.text("proto").as_deref() == Some("icmp") {
        return Parsed::Aside(Some(begin));
    }
    request.proto = row
        .text("service")
        .map_or(Proto::UNKNOWN, |service| proto(&service));
    request.note = Some(format!(
        "{} {}, {} octets up, {} down",
        text("conn_state"),
        text("history"),
        text("orig_bytes"),
        text("resp_bytes")
    ));
    let state = row.text("conn_state");
    let length = row.span("duration");
    request.stamp.at = begin.at + length.unwrap_or_default();
    let mut session = request.connection(id, line.number, begin);
    session.duration = length;
    session.ending = match state.as_deref() {
        Some("SF") => Ending::Quit,
        Some("RSTO" | "RSTR" | "S2" | "S3" | "SH" | "SHR") => Ending::Lost,
        _ => Ending::Unknown,
    };
    out.push(session);
    Parsed::Event(begin)
}

fn dns(row: &Row<'_>, stamp: Stamp) -> Option<Request> {
    let name = row.text("query").unwrap_or_default();
    let kind = row.text("qtype_name").unwrap_or_default();
    let answer = row
        .text("rcode_name")
        .unwrap_or_else(|| "no answer".to_owned());
    let what = Event::Note(format!("{kind} {name}: {answer}"));
    Some(Request {
        proto: Proto("dns"),
        ..row.request(stamp, what)?
    })
}

fn http(row: &Row<'_>, stamp: Stamp) -> Option<Request> {
    let text = |name| row.text(name).unwrap_or_default();
    let version = row
        .text("version")
        .map_or(String::new(), |version| format!(" HTTP/{version}"));
    let line = format!("{} {}{version}", text("method"), text("uri"));
    let mut what = asked(&line, row.text("status_code").as_deref());
    what.amend(|command| {
        command.body_octets = row
            .text("response_body_len")
            .and_then(|octets| octets.parse().ok());
    });
    Some(Request {
        user: row.text("username"),
        ..row.request(stamp, what)?
    })
}

fn smtp(row: &Row<'_>, stamp: Stamp) -> Option<Request> {
    let text = |name| row.text(name).unwrap_or_default();
    let what = Event::Note(format!(
        "from {} to {}: {}",
        text("mailfrom"),
        text("rcptto"),
        text("last_reply")
    ));
    Some(Request {
        proto: Proto("smtp"),
        user: row.text("helo"),
        ..row.request(stamp, what)?
    })
}

fn ssl(row: &Row<'_>, stamp: Stamp) -> Option<Request> {
    let version = row.text("version").map(|name| {
        // `TLSv12`
        let (family, digits) = name.split_at_checked(4).unwrap_or((&name, ""));
        let dotted = digits
            .split_at_checked(1)
            .filter(|(_, minor)| !minor.is_empty());
        let spelt = dotted.map_or(name.clone(), |(major, minor)| {
            format!("{family}{major}.{minor}")
        });
        TlsVersion::from_name(&spelt)
    });
    Some(Request {
        proto: Proto::UNKNOWN,
        tls: version.map(|version| LoggedTls {
            version,
            cipher: row.text("cipher"),
        }),
        note: row.text("server_name").map(|name| format!("for {name}")),
        ..row.request(stamp, Event::TlsDone)?
    })
}

#[cfg(test)]
mod tests;
