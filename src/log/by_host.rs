//! Lines of several hosts in one log of syslog, each host's told by a builder of its own.
//!
//! Processes, queue ids and users are one host's: on a host that collects the lines of others, the same numbers mean other
//! things behind another name. Bound: [`MAX_HOSTS`]; the lines of further ones go to the first.

use crate::model::{LogId, LogSession, Zone, as_text};

use super::read::{Apart, Pieces, RawLine, Sink};
use super::syslog::Syslog;
use super::{Builder, Due, Follows, Head, Line, Parsed};

/// Hosts that are told apart.
const MAX_HOSTS: usize = 64;

/// What makes the builder of one host.
pub(super) type Make<B> = fn(LogId, &Head<'_>) -> B;

/// A builder for a log in the envelopes of syslog, whose lines may be of several hosts.
pub(super) fn open<B: Builder + 'static>(
    id: LogId,
    head: &Head<'_>,
    make: Make<B>,
) -> Box<dyn Builder> {
    Box::new(ByHost::new(id, head, make, |_, _, _| false))
}

/// The same for a format whose lines can be read each by itself.
pub(super) fn apart<B: Apart + 'static>(
    id: LogId,
    head: &Head<'_>,
    make: Make<B>,
) -> Box<dyn Builder> {
    Box::new(ByHost::new(id, head, make, |hosts, pieces, sink| {
        pieces.give(hosts, sink);
        true
    }))
}

struct ByHost<B> {
    id: LogId,
    make: Make<B>,
    /// How a log in pieces is taken, if it is.
    pieces: fn(&mut Self, Pieces<'_>, &mut dyn Sink) -> bool,
    head: Vec<Vec<u8>>,
    syslog: Syslog,
    /// The first one has no name until a line tells it.
    hosts: Vec<Host<B>>,
    /// Whose the line before was, and where its name began.
    last: usize,
    at: usize,
    /// Whether there were more hosts than are told apart.
    beyond: bool,
}

struct Host<B> {
    name: Option<Box<str>>,
    builder: B,
}

impl<B> ByHost<B> {
    fn new(
        id: LogId,
        head: &Head<'_>,
        make: Make<B>,
        pieces: fn(&mut Self, Pieces<'_>, &mut dyn Sink) -> bool,
    ) -> Self {
        Self {
            id,
            make,
            pieces,
            head: head.lines.iter().map(|line| line.to_vec()).collect(),
            syslog: Syslog::new(head.year),
            hosts: vec![Host {
                name: None,
                builder: make(id, head),
            }],
            last: 0,
            at: 0,
            beyond: false,
        }
    }

    /// The place of the host that wrote a line; what names none goes on with the one before.
    fn whose(&mut self, bytes: &[u8]) -> usize {
        let last = self
            .hosts
            .get(self.last)
            .and_then(|host| host.name.as_ref());
        if let Some(name) = last
            && let Some(behind) = bytes
                .get(self.at..)
                .and_then(|rest| rest.strip_prefix(name.as_bytes()))
            && behind.first() == Some(&b' ')
        {
            return self.last;
        }
        let text = as_text(bytes);
        let Some((year, name)) = self.syslog.host(&text) else {
            return self.last;
        };
        self.at = name.as_ptr().addr() - text.as_ptr().addr();
        self.last = self.place(name, year);
        self.last
    }

    fn place(&mut self, name: &str, year: i32) -> usize {
        let is_it = |host: &Host<B>| host.name.as_deref().is_none_or(|known| known == name);
        if let Some(at) = self.hosts.iter().position(is_it) {
            if let Some(host) = self.hosts.get_mut(at) {
                host.name.get_or_insert_with(|| name.into());
            }
            return at;
        }
        if self.hosts.len() >= MAX_HOSTS {
            self.beyond = true;
            return 0;
        }
        let lines: Vec<&[u8]> = self.head.iter().map(Vec::as_slice).collect();
        let head = Head {
            lines: &lines,
            year,
        };
        self.hosts.push(Host {
            name: Some(name.into()),
            builder: (self.make)(self.id, &head),
        });
        self.hosts.len() - 1
    }
}

impl<B: Apart> Apart for ByHost<B> {
    type Known = B::Known;
    type Row<'a> = (&'a [u8], B::Row<'a>);
    type Over = B::Over;

    fn known(&self) -> B::Known {
        let first = self.hosts.first();
        first.map_or_else(B::Known::default, |host| host.builder.known())
    }

    fn read<'a>(known: &mut B::Known, line: RawLine<'a>) -> Self::Row<'a> {
        (line.bytes(), B::read(known, line))
    }

    fn take(&mut self, row: Self::Row<'_>, number: u64, out: &mut Vec<B::Over>) -> Parsed {
        let (line, row) = row;
        let at = self.whose(line);
        match self.hosts.get_mut(at) {
            Some(host) => host.builder.take(row, number, out),
            None => Parsed::Failed,
        }
    }
}

impl<B: Builder> Builder for ByHost<B> {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let at = self.whose(line.bytes);
        match self.hosts.get_mut(at) {
            Some(host) => host.builder.line(line, out),
            None => Parsed::Failed,
        }
    }

    fn pieces(&mut self, pieces: Pieces<'_>, sink: &mut dyn Sink) -> bool {
        (self.pieces)(self, pieces, sink)
    }

    fn next_file(&mut self, head: &Head<'_>, out: &mut Vec<LogSession>) -> Follows {
        let mut follows = Follows::Later;
        for host in &mut self.hosts {
            follows = host.builder.next_file(head, out);
        }
        follows
    }

    fn settle(&mut self, due: &Due<'_>, out: &mut Vec<LogSession>) {
        for host in &mut self.hosts {
            host.builder.settle(due, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        for host in &mut self.hosts {
            host.builder.finish(out);
        }
    }

    fn zone(&self) -> Zone {
        let mut zones = self.hosts.iter().map(|host| host.builder.zone());
        zones
            .find(|zone| *zone != Zone::Assumed)
            .unwrap_or(Zone::Assumed)
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks: Vec<String> = Vec::new();
        for remark in self.hosts.iter().flat_map(|host| host.builder.remarks()) {
            if !remarks.contains(&remark) {
                remarks.push(remark);
            }
        }
        if self.beyond {
            remarks.push(format!(
                "more than {MAX_HOSTS} hosts wrote it: the lines of further ones are taken for the first one's"
            ));
        }
        remarks
    }
}

#[cfg(test)]
mod tests {
    use super::super::Entry;
    use super::super::registry::FORMATS;
    use super::super::testing::read;
    use super::*;

    fn entry(name: &str) -> &'static Entry {
        FORMATS.iter().find(|entry| entry.name == name).unwrap()
    }

    #[test]
    fn processes_of_two_hosts_are_not_one() {
        let log = "\
Dec 31 23:59:58 mx1 postfix/smtpd[85]: connect from a.example[192.0.2.10]
Dec 31 23:59:59 mx2 postfix/smtpd[85]: connect from b.example[192.0.2.20]
Dec 31 23:59:59 mx1 postfix/smtpd[85]: disconnect from a.example[192.0.2.10] ehlo=1 quit=1 commands=2
Jan  1 00:00:01 mx2 postfix/smtpd[85]: disconnect from b.example[192.0.2.20] helo=1 quit=1 commands=2
Jan  1 00:00:02 mx3 postfix/smtpd[85]: connect from c.example[192.0.2.30]
Jan  1 00:00:02 mx3 postfix/smtpd[85]: disconnect from c.example[192.0.2.30] quit=1 commands=1
";
        let told = read(entry("postfix"), log, 2025);
        let brief: Vec<_> = told
            .sessions
            .iter()
            .map(|session| {
                let (first, last) = session.stamps().unwrap();
                let year = last.at.to_rfc3339().chars().take(4).collect::<String>();
                (
                    session.peer.unwrap().to_string(),
                    session.events.len(),
                    last.at.since(first.at).as_millis_f64(),
                    year,
                )
            })
            .collect();
        let expected = [
            ("192.0.2.10", 1000.0, "2025"),
            ("192.0.2.20", 2000.0, "2026"),
            ("192.0.2.30", 0.0, "2026"),
        ]
        .map(|(peer, millis, year)| (peer.to_owned(), 2, millis, year.to_owned()));
        assert_eq!(brief, expected);
    }

    #[test]
    fn hosts_are_found_in_every_envelope_and_bounded() {
        let mut log = String::new();
        for host in 0..=MAX_HOSTS {
            let line = match host % 3 {
                0 => {
                    format!("Nov 24 03:00:00 h{host} postfix/smtpd[7]: connect from a[192.0.2.9]\n")
                }
                1 => format!(
                    "<22>1 2026-11-24T03:00:00.5+01:00 h{host} postfix/smtpd 7 - - connect from a[192.0.2.9]\n"
                ),
                _ => format!(
                    "2026-11-24T03:00:00.123456+01:00 h{host} postfix/smtpd[7]: connect from a[192.0.2.9]\n"
                ),
            };
            log.push_str(&line);
        }
        let told = read(entry("postfix"), &log, 2026);
        assert_eq!(told.sessions.len(), MAX_HOSTS + 1);
        assert_eq!(told.remarks.len(), 1);
    }

    #[test]
    fn what_names_no_host_goes_on_with_the_one_before() {
        let log = "\
2026-11-24 03:28:38.911 [7] SMTP connection from [192.0.2.10]:58779 I=[198.51.100.26]:25
2026-11-24 03:28:39.911 [7] SMTP connection from (x) [192.0.2.10]:58779 I=[198.51.100.26]:25 closed by QUIT
";
        assert_eq!(read(entry("exim"), log, 2026).sessions.len(), 1);
    }
}
