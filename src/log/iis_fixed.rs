//! Microsoft's own log format of IIS (`in*.log`), of its SMTP virtual servers and web sites.
//!
//! Fifteen values without a header, in the server's local time, month first. They are those of a W3C extended log in
//! another order, and are read as such.

use crate::model::{LogId, LogSession, Zone, from_wire};

use super::{Builder, Entry, Head, Line, Parsed, Sureness, iis_http, iis_smtp, stamp};

/// Row of the registry.
pub(super) const ENTRY: Entry = Entry {
    name: "iis-fixed",
    about: "Microsoft IIS log file format, of mail servers and web sites",
    probe,
    open: |id, head| Box::new(IisFixed::new(id, head)),
};

/// The columns by their names in W3C extended logs; the octets received stand before those sent.
const COLUMNS: &[u8] = b"#Fields: c-ip cs-username date time s-sitename s-computername s-ip time-taken cs-bytes sc-bytes sc-status sc-win32-status cs-method cs-uri-stem cs-uri-query";

fn probe(head: &Head<'_>) -> Sureness {
    let fits = head
        .lines
        .iter()
        .filter(|line| Row::read(&from_wire(line)).is_some())
        .count();
    Sureness::share(fits, head.lines.len())
}

/// One file.
struct IisFixed {
    mail: Box<dyn Builder>,
    web: Box<dyn Builder>,
}

/// A row in the shape of a W3C extended log.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    is_mail: bool,
    text: String,
}

impl Row {
    fn read(line: &str) -> Option<Self> {
        let line = line.trim_end().strip_suffix(',')?;
        let mut values: Vec<&str> = line.splitn(15, ',').map(str::trim).collect();
        let (time, service) = (*values.get(3)?, *values.get(4)?);
        stamp::clock(time)?;
        let is_mail = service.starts_with("SMTPSVC");
        if values.len() != 15 || !(is_mail || service.starts_with("W3SVC")) {
            return None;
        }
        let date = date(values.get(2)?)?;
        *values.get_mut(2)? = &date;
        let text: Vec<String> = values
            .into_iter()
            .map(|value| match value {
                "" => "-".to_owned(),
                value => value.replace(' ', "+"),
            })
            .collect();
        Some(Self {
            is_mail,
            text: text.join(" "),
        })
    }
}

/// `10/8/2006` or `10/8/06` as `2006-10-08`.
fn date(text: &str) -> Option<String> {
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

impl IisFixed {
    fn new(id: LogId, head: &Head<'_>) -> Self {
        let mut fixed = Self {
            mail: (iis_smtp::ENTRY.open)(id, head),
            web: (iis_http::ENTRY.open)(id, head),
        };
        let columns = Line {
            number: 0,
            bytes: COLUMNS,
        };
        let mut none = Vec::new();
        fixed.mail.line(columns, &mut none);
        fixed.web.line(columns, &mut none);
        fixed
    }
}

impl Builder for IisFixed {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let Some(row) = Row::read(&from_wire(line.bytes)) else {
            return Parsed::Failed;
        };
        let line = Line {
            number: line.number,
            bytes: row.text.as_bytes(),
        };
        if row.is_mail {
            self.mail.line(line, out)
        } else {
            self.web.line(line, out)
        }
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        self.mail.finish(out);
        self.web.finish(out);
    }

    fn zone(&self) -> Zone {
        Zone::Assumed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Ending, Event, Span};

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
        let lines: Vec<&[u8]> = LOG.lines().map(str::as_bytes).collect();
        let head = Head {
            lines: &lines,
            year: 2006,
        };
        assert!(probe(&head) > Sureness(700));
        let mut fixed = IisFixed::new(LogId(0), &head);
        let mut out = Vec::new();
        let mut failed = 0;
        for (bytes, number) in lines.iter().zip(1..) {
            let parsed = fixed.line(Line { number, bytes }, &mut out);
            failed += usize::from(parsed == Parsed::Failed);
        }
        fixed.finish(&mut out);
        out.sort_by_key(|session| session.events[0].line);
        assert_eq!((out.len(), failed), (3, 3));
        assert_eq!(out[0].events.len(), 3);
        assert_eq!(out[0].duration, Some(Span::millis(6219)));
        assert_eq!(
            (out[1].names[0].as_str(), out[1].ending),
            ("PC-31", Ending::Quit)
        );
        let Event::Command(get) = &out[2].events[0].what else {
            panic!("{:?}", out[2]);
        };
        assert_eq!(get.request, "GET /logo.gif?a=1,+2");
        assert_eq!(
            (get.request_bytes, get.response_bytes),
            (Some(163), Some(3223))
        );
        assert_eq!(
            out[0].events[0].stamp.at.to_rfc3339(),
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
