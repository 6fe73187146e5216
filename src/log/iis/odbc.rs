//! IIS's ODBC logging: the table `inetlog`, as a CSV file with the names of its columns in the first row. Times are local.

use crate::model::{LogId, LogSession, Zone, as_text};

use super::super::{Builder, Entry, Head, Line, Parsed, Sureness, csv, stamp};
use super::fixed;
use super::services::{Service, Services};

/// Row of the registry.
pub(in crate::log) const ENTRY: Entry = Entry {
    name: "iis-odbc",
    about: "IIS ODBC logging, the table exported as CSV",
    shows: super::smtp::SHOWS,
    probe,
    open: |id, head| Box::new(Odbc::new(id, head)),
};

/// Columns of the table, each with its name in a W3C extended log.
const COLUMNS: [(&str, &str); 13] = [
    ("clienthost", "c-ip"),
    ("username", "cs-username"),
    ("service", "s-sitename"),
    ("machine", "s-computername"),
    ("serverip", "s-ip"),
    ("processingtime", "time-taken"),
    ("bytesrecvd", "cs-bytes"),
    ("bytessent", "sc-bytes"),
    ("servicestatus", "sc-status"),
    ("win32status", "sc-win32-status"),
    ("operation", "cs-method"),
    ("target", "cs-uri-stem"),
    ("parameters", "cs-uri-query"),
];

fn probe(head: &Head<'_>) -> Sureness {
    let columns = Columns::of(head);
    head.share(|line| {
        let text = as_text(line);
        let is_row = |columns: &Columns| columns.row(&text).is_some();
        Columns::read(&text).is_some() || columns.as_ref().is_some_and(is_row)
    })
}

/// Where each column stands.
struct Columns {
    at: [Option<usize>; COLUMNS.len()],
    time: usize,
    service: usize,
}

/// A row under them.
struct Row {
    service: Service,
    date: String,
    time: String,
    values: Vec<String>,
}

impl Columns {
    /// The header of a file.
    fn of(head: &Head<'_>) -> Option<Self> {
        head.lines
            .iter()
            .find_map(|line| Self::read(&as_text(line)))
    }

    /// A row of names in any order and case.
    fn read(line: &str) -> Option<Self> {
        let line = line.to_ascii_lowercase();
        if !line.contains("clienthost") {
            return None;
        }
        let names = csv::values(&line);
        let find = |name: &str| names.iter().position(|found| found.trim() == name);
        find("clienthost")?;
        find("servicestatus")?;
        Some(Self {
            at: COLUMNS.map(|(name, _)| find(name)),
            time: find("logtime")?,
            service: find("service")?,
        })
    }

    fn row(&self, line: &str) -> Option<Row> {
        let found = csv::values(line);
        let (date, time) = moment(found.get(self.time)?)?;
        let service = Service::of(found.get(self.service)?)?;
        let value = |at: &Option<usize>| {
            let value = at.and_then(|at| found.get(at)).map(String::as_str);
            value.filter(|value| *value != "NULL").unwrap_or_default()
        };
        let values = self.at.iter().map(value).map(str::to_owned).collect();
        Some(Row {
            service,
            date,
            time,
            values,
        })
    }
}

/// `2006-10-08 23:00:19.000` or `10/8/2006 11:00:19 PM` as a date and a time of day. The fraction is noise of the database.
fn moment(text: &str) -> Option<(String, String)> {
    let text = text.trim();
    if let Some(stamped) = stamp::iso(text) {
        let at = stamped.stamp.at.to_rfc3339();
        let (date, time) = at.split_once('T')?;
        return Some((date.to_owned(), time.split('.').next()?.to_owned()));
    }
    let (date, clock) = text.split_once(' ')?;
    let (_, _, half) = stamp::clock(clock)?;
    let (hour, rest) = clock.split_once(':')?;
    let hour: u32 = hour.parse().ok()?;
    let hour = match half.trim() {
        "AM" => hour % 12,
        "PM" => hour % 12 + 12,
        _ => hour,
    };
    let rest = rest.split(' ').next()?;
    Some((fixed::date(date)?, format!("{hour:02}:{rest}")))
}

/// One file.
struct Odbc {
    columns: Option<Columns>,
    services: Services,
}

impl Odbc {
    fn new(id: LogId, head: &Head<'_>) -> Self {
        let names: Vec<&str> = COLUMNS.iter().map(|(_, name)| *name).collect();
        let names = format!("date time {}", names.join(" "));
        Self {
            columns: Columns::of(head),
            services: Services::new(&names, id, head),
        }
    }
}

impl Builder for Odbc {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = as_text(line.bytes);
        if let Some(columns) = Columns::read(&text) {
            self.columns = Some(columns);
            return Parsed::Aside(None);
        }
        let Some(row) = self.columns.as_ref().and_then(|columns| columns.row(&text)) else {
            return Parsed::Failed;
        };
        let values = [row.date.as_str(), row.time.as_str()]
            .into_iter()
            .chain(row.values.iter().map(String::as_str));
        self.services.row(line.number, row.service, values, out)
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        self.services.finish(out);
    }

    fn zone(&self) -> Zone {
        Zone::Assumed
    }

    fn remarks(&self) -> Vec<String> {
        self.services.remarks()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::read;
    use super::*;
    use crate::model::{Ending, Span};

    const LOG: &str = "LogTime,clienthost,Username,Service,Machine,ServerIP,ProcessingTime,BytesRecvd,BytesSent,ServiceStatus,Win32Status,Operation,Target,Parameters
2006-10-08 23:00:15.000,203.0.113.77,gw.example,SMTPSVC1,MAIL01,198.51.100.25,0,22,43,250,0,HELO,-,+gw.example
10/8/2006 11:00:16 PM,192.0.2.31,PC-31,SMTPSVC1,MAIL01,198.51.100.25,93,10,225,250,0,EHLO,NULL,+PC-31
2006-10-08 23:00:17.003,192.0.2.31,PC-31,SMTPSVC1,MAIL01,198.51.100.25,0,4,65,240,1015,QUIT,-,PC-31
2006-10-08 23:00:18.000,192.0.2.10,NULL,W3SVC1,MAIL01,198.51.100.80,4502,163,3223,200,0,GET,/logo.gif,\"a=1,2\"
2006-10-08 23:00:19.000,203.0.113.77,gw.example,SMTPSVC1,MAIL01,198.51.100.25,0,4,65,240,6219,QUIT,-,gw.example
2006-10-08 23:00
yesterday,203.0.113.77,gw.example,SMTPSVC1,MAIL01,198.51.100.25,0,4,65,240,6219,QUIT,-,gw.example
rubbish
";

    #[test]
    fn columns_are_found_by_name() {
        let told = read(&ENTRY, LOG, 2006);
        assert_eq!((told.sessions.len(), told.failed, told.aside), (3, 3, 1));
        let [gateway, pc, web] = told.sessions.as_slice() else {
            panic!("{:?}", told.sessions);
        };
        assert_eq!(gateway.duration, Some(Span::millis(6219)));
        assert_eq!((pc.names[0].as_str(), pc.ending), ("PC-31", Ending::Quit));
        let stamp = pc.events.first().unwrap().stamp;
        assert_eq!(stamp.at.to_rfc3339(), "2006-10-08T23:00:16.000000000Z");
        let get = web.events.first().unwrap().command().unwrap();
        assert_eq!(get.request, "GET /logo.gif?a=1,2");
    }

    #[test]
    fn twelve_is_noon_and_midnight() {
        let time = |text| moment(text).unwrap().1;
        assert_eq!(time("10/8/2006 12:00:16 AM"), "00:00:16");
        assert_eq!(time("10/8/2006 12:00:16 PM"), "12:00:16");
        assert_eq!(time("10/8/2006 9:00:16"), "09:00:16");
    }
}
