//! Logs of Zeek: `conn`, `smtp`, `http`, `ssl` and `dns`, as tables or as JSON, each in a file of its own.
//!
//! A table names its columns in `#fields` and what stands for nothing in `#unset_field`; JSON has the same names as keys, and its kind shows in them.
//! Times are UTC to a microsecond, of the beginning: of the connection, the request, the handshake.
//! Source: docs.zeek.org, "Log Files" and `base/frameworks/logging/writers/ascii.zeek`.

use crate::model::{
    ClockStep, Ending, Event, LogId, LogSession, LogTime, LoggedTls, Marks, Proto, Shown, Shows,
    Span, Stamp, TlsVersion, Zone, as_text,
};

use super::super::web::{Connections, Object, Request, asked};
use super::super::{Builder, Due, Entry, Head, Line, Parsed, Sureness, stamp};
use super::proto;

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

/// The columns of a table.
#[derive(Debug, Default)]
struct Columns {
    separator: char,
    names: Vec<String>,
    path: String,
    unset: String,
}

impl Columns {
    /// Takes in a line of the header; whether it was one.
    fn directive(&mut self, line: &str) -> bool {
        let Some(directive) = line.strip_prefix('#') else {
            return false;
        };
        if let Some(octet) = directive.strip_prefix("separator \\x") {
            let octet = u8::from_str_radix(octet.trim(), 16).unwrap_or(b'\t');
            self.separator = char::from(octet);
            return true;
        }
        let (key, values) = directive
            .split_once(self.separator)
            .unwrap_or((directive, ""));
        match key {
            "fields" => self.names = values.split(self.separator).map(str::to_owned).collect(),
            "path" => values.clone_into(&mut self.path),
            "unset_field" => values.clone_into(&mut self.unset),
            _ => {}
        }
        true
    }
}

/// A row of a table, or a line of JSON.
enum Row<'a> {
    Json(Object),
    Table {
        columns: &'a Columns,
        values: Vec<&'a str>,
    },
}

impl<'a> Row<'a> {
    fn read(columns: &'a Columns, line: &'a str) -> Option<Self> {
        if line.starts_with('{') {
            let object = Object::read(line.as_bytes())?;
            // Suricata's lines have no such keys.
            return object.get("uid").is_some().then_some(Self::Json(object));
        }
        let values: Vec<&str> = line.split(columns.separator).collect();
        let fits = !columns.names.is_empty() && values.len() == columns.names.len();
        fits.then_some(Self::Table { columns, values })
    }

    fn text(&self, name: &str) -> Option<String> {
        match self {
            Self::Json(object) => object.text(name),
            Self::Table { columns, values } => {
                let at = columns.names.iter().position(|known| known == name)?;
                let value = values.get(at).copied()?;
                let is_set = value != columns.unset && value != "(empty)" && value != "-";
                is_set.then(|| unescaped(value))
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Self::Json(object) => object.get(name).is_some(),
            Self::Table { columns, .. } => columns.names.iter().any(|known| known == name),
        }
    }

    fn kind(&self) -> Option<Kind> {
        if let Self::Table { columns, .. } = self
            && let Some(kind) = Kind::of_path(&columns.path)
        {
            return Some(kind);
        }
        let keys = [
            ("conn_state", Kind::Conn),
            ("helo", Kind::Smtp),
            ("mailfrom", Kind::Smtp),
            ("trans_id", Kind::Dns),
            ("status_code", Kind::Http),
            ("method", Kind::Http),
            ("cipher", Kind::Ssl),
            ("ssl_history", Kind::Ssl),
        ];
        keys.iter()
            .find(|(key, _)| self.has(key))
            .map(|(_, kind)| *kind)
    }

    /// Seconds since 1970 or, in JSON, RFC 3339.
    fn stamp(&self) -> Option<Stamp> {
        let text = self.text("ts")?;
        let at = match text.parse::<f64>() {
            Ok(seconds) if seconds.is_finite() => LogTime(seconds_exactly(&text)?.0),
            _ => stamp::iso(&text)?.stamp.at,
        };
        Some(Stamp {
            at,
            resolution: Span::MICROSECOND,
        })
    }

    fn span(&self, name: &str) -> Option<Span> {
        seconds_exactly(&self.text(name)?)
    }

    /// What names the connection and its ends.
    fn request(&self, stamp: Stamp, what: Event) -> Option<Request> {
        let address = |name| self.text(name)?.parse().ok();
        let port = |name| self.text(name)?.parse().ok();
        Some(Request {
            peer: address("id.orig_h"),
            peer_port: port("id.orig_p"),
            local: address("id.resp_h"),
            local_port: port("id.resp_p"),
            serial: Some(self.text("uid")?),
            ..Request::new(stamp, what)
        })
    }
}

/// Decimal seconds to the nanosecond: a double holds a time of today to a quarter of a microsecond only.
fn seconds_exactly(text: &str) -> Option<Span> {
    super::super::web::decimal(text, Span::SECOND)
        .map(|(span, _)| span)
        // With an exponent, as JSON may have it.
        .or_else(|| {
            text.parse()
                .ok()
                .filter(|s: &f64| s.is_finite())
                .map(Span::from_seconds_f64)
        })
}

/// `\x09` and kin as the octets that they are.
fn unescaped(value: &str) -> String {
    let mut octets = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, behind)) = rest.split_once("\\x") {
        octets.extend_from_slice(before.as_bytes());
        let octet = behind
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match octet {
            Some(octet) => octets.push(octet),
            None => octets.extend_from_slice(b"\\x"),
        }
        rest = if octet.is_some() {
            behind.get(2..).unwrap_or_default()
        } else {
            behind
        };
    }
    octets.extend_from_slice(rest.as_bytes());
    crate::model::from_wire(&octets)
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
                self.connections.take(line, request, out);
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
    let mut session = request.connection(id, line, begin);
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
mod tests {
    use super::super::super::testing;
    use super::*;

    const CONN: &str = "#separator \\x09
#set_separator\t,
#empty_field\t(empty)
#unset_field\t-
#path\tconn
#open\t2026-11-24-03-29-10
#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\thistory
#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tstring\tstring
1795490950.538528\tCAcJw21BbVedgFnYH3\t192.0.2.10\t41104\t198.51.100.25\t25\ttcp\tsmtp,ssl\t0.022045\t633\t2215\tRSTO\tShAdDaR
1795490951.000001\tCAcJw21BbVedgFnYH4\t2001:db8::31\t53211\t2001:db8::80\t80\ttcp\t-\t-\t-\t-\tS0\tS
1795490951.1\tCmes9e3NDvkXzbcdef\t192.0.2.10\t8\t198.51.100.25\t0\ticmp\t-\t-\t-\t-\tOTH\t-
1795490952\ttoo\tfew
yesterday\tCAcJw21BbVedgFnYH5\t192.0.2.10\t1\t198.51.100.25\t25\ttcp\t-\t-\t-\t-\tS0\tS
nothing at all
#close\t2026-11-24-04-00-00
";

    #[test]
    fn connections_have_ends_states_and_lengths() {
        let told = testing::read(&ENTRY, CONN, 2026);
        assert_eq!((told.sessions.len(), told.failed, told.aside), (2, 3, 10));
        let smtp = &told.sessions[0];
        assert_eq!(
            (smtp.proto, smtp.peer_port, smtp.local_port),
            (Proto("smtp"), Some(41104), Some(25))
        );
        assert_eq!(
            (smtp.duration, smtp.ending),
            (Some(Span::micros(22_045)), Ending::Lost)
        );
        assert_eq!(
            smtp.events[0].stamp.at.to_rfc3339(),
            "2026-11-24T03:29:10.538528000Z"
        );
        assert_eq!(
            smtp.events.last().unwrap().stamp.at.to_rfc3339(),
            "2026-11-24T03:29:10.560573000Z"
        );
        assert_eq!(
            (told.sessions[1].proto, told.sessions[1].duration),
            (Proto::UNKNOWN, None)
        );
        assert!(told.sureness.0 >= 300, "{:?}", told.sureness);
    }

    #[test]
    fn lines_of_one_uid_are_one_session_in_json_too() {
        let log = r#"{"ts":1795490957.2,"uid":"Ca","id.orig_h":"192.0.2.10","id.orig_p":40001,"id.resp_h":"198.51.100.80","id.resp_p":80,"trans_depth":1,"method":"GET","host":"www.example.com","uri":"/a?password=x","version":"1.1","status_code":200,"response_body_len":13}
{"ts":1795490957.3,"uid":"Cb","id.orig_h":"192.0.2.31","id.orig_p":40002,"id.resp_h":"198.51.100.80","id.resp_p":80,"method":"GET","uri":"/b","status_code":404}
{"ts":"2026-11-24T03:29:17.400000Z","uid":"Ca","id.orig_h":"192.0.2.10","id.orig_p":40001,"id.resp_h":"198.51.100.80","id.resp_p":80,"method":"GET","uri":"/c","status_code":200}
{"uid":"Cc","method":"GET"}
{"ts":1
"#;
        let told = testing::read(&ENTRY, log, 2026);
        assert_eq!((told.sessions.len(), told.failed), (2, 2));
        let events = &told.sessions[0].events;
        assert_eq!(events.len(), 2);
        let command = events[0].command().unwrap();
        assert_eq!(
            (command.request, command.body_octets),
            ("GET /a?password=*** HTTP/1.1", Some(13))
        );
    }

    #[test]
    fn envelopes_handshakes_and_look_ups() {
        let smtp = r#"{"ts":1795490957.2,"uid":"Ca","id.orig_h":"192.0.2.10","id.orig_p":40001,"id.resp_h":"198.51.100.25","id.resp_p":25,"helo":"pc","mailfrom":"a@example.net","rcptto":["b@example.com"],"last_reply":"250 2.0.0 Ok"}"#;
        let told = testing::read(&ENTRY, smtp, 2026);
        assert_eq!(
            (told.sessions[0].proto, told.sessions[0].names[0].as_str()),
            (Proto("smtp"), "pc")
        );
        let ssl = "#separator \\x09\n#path\tssl\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tversion\tcipher\tserver_name\n1795490957.2\tCa\t192.0.2.10\t40001\t198.51.100.25\t465\tTLSv13\tTLS_AES_256_GCM_SHA384\tmail.example.com\n";
        let told = testing::read(&ENTRY, ssl, 2026);
        let tls = told.sessions[0].tls.as_ref().unwrap();
        assert_eq!(tls.version, TlsVersion::from_name("TLSv1.3"));
        let dns = r#"{"ts":1795490957.2,"uid":"Cd","id.orig_h":"192.0.2.10","id.orig_p":5353,"id.resp_h":"198.51.100.53","id.resp_p":53,"proto":"udp","trans_id":7,"query":"www.example.com","qtype_name":"A","rcode_name":"NOERROR"}"#;
        let told = testing::read(&ENTRY, dns, 2026);
        assert_eq!(
            told.sessions[0].events[0].what,
            Event::Note("A www.example.com: NOERROR".into())
        );
    }
}
