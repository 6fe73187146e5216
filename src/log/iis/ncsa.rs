//! NCSA common log format as SMTP virtual servers of IIS write it (`nc*.log`); web sites write it as every web server does.
//!
//! Local time with its zone; no length of the session and no octets received.

use crate::model::{LogId, LogSession, Shown, Shows, Span, Zone, as_text};

use super::super::stamp::{self, Stamped};
use super::super::{Builder, Entry, Head, Line, Parsed, Sureness};
use super::services::{Service, Services};

/// Row of the registry.
pub(in crate::log) const ENTRY: Entry = Entry {
    name: "iis-ncsa",
    about: "IIS SMTP virtual server, NCSA common format",
    shows: Shows {
        octets: Shown::Partly("of replies"),
        ..super::smtp::SHOWS
    },
    probe,
    open: |id, head| Box::new(Ncsa::new(id, head)),
};

const COLUMNS: &str =
    "c-ip cs-username date time cs-method cs-uri-stem cs-uri-query sc-status sc-bytes cs-version";

fn probe(head: &Head<'_>) -> Sureness {
    head.share(|line| Row::read(&as_text(line)).is_some())
}

/// One file.
struct Ncsa {
    services: Services,
    zone: Option<Span>,
}

/// A line taken apart.
struct Row<'a> {
    client: &'a str,
    user: &'a str,
    stamped: Stamped<'a>,
    method: &'a str,
    stem: &'a str,
    query: &'a str,
    status: &'a str,
    octets: &'a str,
}

impl<'a> Row<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (who, rest) = line.split_once(" [")?;
        let mut who = who.splitn(3, ' ');
        let client = who.next()?;
        let user = who.nth(1)?;
        let stamped = stamp::common(rest)?;
        // A quote in a reply is not escaped: the last one closes.
        let rest = stamped.rest.strip_prefix("] \"")?;
        let (request, numbers) = rest.rsplit_once("\" ")?;
        let (status, octets) = numbers.split_once(' ')?;
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !is_number(status) || !is_number(octets) {
            return None;
        }
        let request = request.strip_suffix(" SMTP")?;
        let (method, target) = request.split_once(' ')?;
        let (stem, query) = target.split_once('?').unwrap_or((target, "-"));
        Some(Self {
            client,
            user,
            stamped,
            method,
            stem,
            query,
            status,
            octets,
        })
    }
}

impl Ncsa {
    fn new(id: LogId, head: &Head<'_>) -> Self {
        Self {
            services: Services::new(COLUMNS, id, head),
            zone: None,
        }
    }
}

impl Builder for Ncsa {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = as_text(line.bytes);
        let Some(row) = Row::read(&text) else {
            return Parsed::Failed;
        };
        self.zone = row.stamped.zone.or(self.zone);
        let at = row.stamped.stamp.at.to_rfc3339();
        let Some((date, time)) = at.split_once('T') else {
            return Parsed::Failed;
        };
        let time = time.split('.').next().unwrap_or_default();
        let values = [
            row.client, row.user, date, time, row.method, row.stem, row.query, row.status,
            row.octets, "SMTP",
        ];
        self.services.row(line.number, Service::Mail, values, out)
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        self.services.finish(out);
    }

    fn zone(&self) -> Zone {
        self.zone.map_or(Zone::Assumed, Zone::Stated)
    }

    fn remarks(&self) -> Vec<String> {
        self.services.remarks()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::read;
    use super::*;
    use crate::model::Ending;

    const LOG: &str = r#"203.0.113.77 - gw.sender.example [08/Oct/2006:23:00:15 -0600] "HELO -?+gw.sender.example SMTP" 250 43
192.0.2.31 - PC-31 [08/Oct/2006:23:00:16 -0600] "EHLO -?+PC-31 SMTP" 250 225
203.0.113.77 - gw.sender.example [08/Oct/2006:23:00:16 -0600] "MAIL -?+FROM:+<ann@sender.example> SMTP" 250 43
192.0.2.31 - PC-31 [08/Oct/2006:23:00:17 -0600] "QUIT -?PC-31 SMTP" 240 65
203.0.113.77 - gw.sender.example [08/Oct/2006:23:00:19 -0600] "QUIT - SMTP" 240 65
203.0.113.25 - OutboundConnectionResponse [08/Oct/2006:23:02:02 -0600] "- -?354+END+WITH+"."+ON+A+LINE SMTP" 0 54
203.0.113.77 - gw.sender.example [08/Oct/2006:23:00:19 -0600] "QUIT - SMTP" 240
203.0.113.77 - gw.sender.example [08/Oct/2006:23:00:19] "QUIT
192.0.2.10 - - [24/Nov/2026:03:50:25 +0000] "GET / HTTP/1.1" 200 13
"#;

    #[test]
    fn rows_are_those_of_the_w3c_format() {
        let told = read(&ENTRY, LOG, 2006);
        assert_eq!((told.sessions.len(), told.failed, told.aside), (2, 3, 1));
        let first = &told.sessions[0];
        assert_eq!((first.events.len(), first.ending), (3, Ending::Quit));
        let stamp = first.events.first().unwrap().stamp;
        assert_eq!(stamp.at.to_rfc3339(), "2006-10-09T05:00:15.000000000Z");
        assert_eq!(told.zone, Zone::Stated(Span::seconds(-6 * 3600)));
        assert_eq!(told.sessions[1].names, ["PC-31"]);
    }
}
