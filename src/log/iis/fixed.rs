//! Microsoft's own log format of IIS (`in*.log`), of its SMTP virtual servers and web sites.
//!
//! Fifteen values without a header, in the server's local time, month first. They are those of a W3C extended log in
//! another order, and are read as such.

use crate::model::{LogSession, Zone, as_text};

use super::super::{Builder, Entry, Head, Line, Parsed, Sureness, stamp};
use super::services::{Service, Services};

/// Row of the registry.
pub(in crate::log) const ENTRY: Entry = Entry {
    name: "iis-fixed",
    about: "Microsoft IIS log file format, of mail servers and web sites",
    shows: super::smtp::SHOWS,
    probe,
    open: |id, head| Box::new(IisFixed(Services::new(COLUMNS, id, head))),
};

/// The columns by their names in W3C extended logs; the octets received stand before those sent.
const COLUMNS: &str = "c-ip cs-username date time s-sitename s-computername s-ip time-taken cs-bytes sc-bytes sc-status sc-win32-status cs-method cs-uri-stem cs-uri-query";

fn probe(head: &Head<'_>) -> Sureness {
    head.share(|line| Row::read(&as_text(line)).is_some())
}

/// One file.
struct IisFixed(Services);

/// A row, its date as in a W3C extended log.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row<'a> {
    service: Service,
    date: String,
    values: Vec<&'a str>,
}

impl<'a> Row<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let line = line.trim_end().strip_suffix(',')?;
        let values: Vec<&str> = line.splitn(15, ',').map(str::trim).collect();
        stamp::clock(values.get(3)?)?;
        let service = Service::of(values.get(4)?)?;
        let date = date(values.get(2)?)?;
        (values.len() == 15).then_some(Self {
            service,
            date,
            values,
        })
    }
}

/// `10/8/2006` or `10/8/06` as `2006-10-08`.
pub(super) fn date(text: &str) -> Option<String> {
    let mut parts = text.splitn(3, '/').map(str::parse::<u16>);
    let month = parts.next()?.ok()?;
    let day = parts.next()?.ok()?;
    let year = match parts.next()?.ok()? {
        year @ 0..70 => 2000 + year,
        year @ 70..100 => 1900 + year,
        year => year,
    };
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

impl Builder for IisFixed {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = as_text(line.bytes);
        let Some(mut row) = Row::read(&text) else {
            return Parsed::Failed;
        };
        if let Some(date) = row.values.get_mut(2) {
            *date = &row.date;
        }
        self.0.row(line.number, row.service, row.values, out)
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        self.0.finish(out);
    }

    fn zone(&self) -> Zone {
        Zone::Assumed
    }

    fn remarks(&self) -> Vec<String> {
        self.0.remarks()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing;
    use super::*;
    use crate::model::{Ending, Span};

    const LOG: &str = "\
203.0.113.77, gw.example, 10/8/2006, 23:00:15, SMTPSVC1, MAIL01, 198.51.100.25, 0, 22, 43, 250, 0, HELO, -, +gw.example,
192.0.2.31, PC-31, 10/8/2006, 23:00:16, SMTPSVC1, MAIL01, 198.51.100.25, 93, 10, 225, 250, 0, EHLO, -, +PC-31,
203.0.113.77, gw.example, 10/8/2006, 23:00:16, SMTPSVC1, MAIL01, 198.51.100.25, 0, 31, 43, 250, 0, MAIL, -, +FROM:+<ann@sender.example>,
192.0.2.10, -, 10/8/2006, 7:55:20, W3SVC2, WEB01, 198.51.100.80, 4502, 163, 3223, 200, 0, GET, /logo.gif, a=1, 2,
192.0.2.31, PC-31, 10/8/2006, 23:00:17, SMTPSVC1, MAIL01, 198.51.100.25, 0, 4, 65, 240, 1015, QUIT, -, PC-31,
203.0.113.77, gw.example, 10/8/06, 23:00:19, SMTPSVC1, MAIL01, 198.51.100.25, 0, 4, 65, 240, 6219, QUIT, -, gw.example,
203.0.113.77, gw.example, 10/8/2006, 23:00
203.0.113.77, gw.example, 13/8/2006, 23:00:15, SMTPSVC1, MAIL01, 198.51.100.25, 0, 22, 43, 250, 0, HELO, -, +gw.example,
nothing of the kind
";

    #[test]
    fn rows_are_those_of_the_other_formats() {
        let told = testing::read(&ENTRY, LOG, 2006);
        assert!(told.sureness > Sureness(700));
        let (out, failed) = (told.sessions, told.failed);
        assert_eq!((out.len(), failed), (3, 3));
        assert_eq!(out[0].events.len(), 3);
        assert_eq!(out[0].duration, Some(Span::millis(6219)));
        assert_eq!(
            (out[1].names[0].as_str(), out[1].ending),
            ("PC-31", Ending::Quit)
        );
        let get = out[2].events.first().unwrap().command().unwrap();
        assert_eq!(get.request, "GET /logo.gif?a=1,+2");
        assert_eq!(
            (get.request_bytes, get.response_bytes),
            (Some(163), Some(3223))
        );
        assert_eq!(
            out[0].events.first().unwrap().stamp.at.to_rfc3339(),
            "2006-10-08T23:00:15.000000000Z"
        );
    }

    #[test]
    fn years_of_two_digits_are_of_their_century() {
        assert_eq!(date("8/18/97").as_deref(), Some("1997-08-18"));
        assert_eq!(date("8/18/03").as_deref(), Some("2003-08-18"));
        assert_eq!(date("8/18"), None);
    }
}
