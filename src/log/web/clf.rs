//! The common log format of web servers, and what is built on it: combined, Apache's `vhost_combined`, and lines with more
//! fields at the end.
//!
//! A line is a request, and each is a session of its own, as nothing names the connection, unless ports do. An integer from 1024 to
//! 65535 at the end of every line of the file's head is taken for the client's port (nginx's `$remote_port`, Apache's
//! `%{remote}p`). The stamp is of the request's end with nginx and of its beginning with Apache. The number of octets counts
//! the body, with some formats of Apache the head as well; which, the alignment learns from replies in the clear. The port of a
//! virtual host is compared with nothing: it may be what the client named and not what it connected to.

use std::net::IpAddr;

use crate::model::{ClockStep, LogId, LogSession, Marks, Shown, Shows, Span, Stamp, Zone, as_text};

use super::super::read::{Apart, Pieces, RawLine, Sink};
use super::super::{Builder, Due, Entry, Head, Line, Parsed, Sureness, stamp};
use super::escape::quoted;
use super::{Connections, Request, address, asked};

/// Row of the registry.
pub(in crate::log) const ENTRY: Entry = Entry {
    name: "clf",
    about: "common and combined log format of web servers",
    shows: Shows {
        client_port: Shown::With("$remote_port (nginx) or %{remote}p (Apache) as the last field"),
        step: ClockStep::Of(Span::SECOND),
        marks: Marks::BeginOrEnd,
        octets: Shown::Partly("of bodies of replies"),
        commands: Shown::Always,
        replies: Shown::Partly("the code"),
        users: Shown::Always,
        ..Shows::NOTHING
    },
    probe,
    open: |id, head| Box::new(Clf::new(id, head)),
};

fn probe(head: &Head<'_>) -> Sureness {
    head.share(|line| {
        let text = as_text(line);
        Row::read(&text).is_some_and(|row| !row.is_traefik())
    })
}

/// One file.
struct Clf {
    /// Whether lines end with the client's port.
    ports: bool,
    zone: Option<Span>,
    connections: Connections,
}

/// A line taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row<'a> {
    peer: Option<IpAddr>,
    user: Option<&'a str>,
    stamp: Stamp,
    pub(super) zone: Span,
    request: String,
    status: Option<&'a str>,
    /// Octets of the reply, the head counted or not.
    octets: Option<u64>,
    /// What is behind the fields of the common format.
    pub(super) more: &'a str,
}

impl Clf {
    fn new(id: LogId, head: &Head<'_>) -> Self {
        let mut rows = 0;
        let mut ports = 0;
        for line in head.lines {
            if let Some(row) = Row::read(&as_text(line)) {
                rows += 1;
                ports += usize::from(row.port().is_some());
            }
        }
        Self {
            ports: rows > 0 && rows == ports,
            zone: None,
            connections: Connections::new(id),
        }
    }
}

impl Apart for Clf {
    type Known = ();
    /// The request, and the zone of its stamp.
    type Row<'a> = Option<(Request, Span)>;
    type Over = LogSession;

    fn known(&self) {}

    fn read<'a>((): &mut (), line: RawLine<'a>) -> Self::Row<'a> {
        let text = line.text();
        let row = Row::read(&text)?;
        let request = Request {
            peer_port: row.port(),
            ..row.told()
        };
        Some((request, row.zone))
    }

    fn take(&mut self, row: Self::Row<'_>, number: u64, out: &mut Vec<LogSession>) -> Parsed {
        let Some((mut request, zone)) = row else {
            return Parsed::Failed;
        };
        self.zone = Some(zone);
        request.peer_port = request.peer_port.filter(|_| self.ports);
        let stamp = request.stamp;
        self.connections.take(number, request, out);
        Parsed::Event(stamp)
    }
}

impl Builder for Clf {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let read = Self::read(&mut (), RawLine::new(line.bytes));
        self.take(read, line.number, out)
    }

    fn pieces(&mut self, pieces: Pieces<'_>, sink: &mut dyn Sink) -> bool {
        pieces.give(self, sink);
        true
    }

    fn settle(&mut self, due: &Due<'_>, out: &mut Vec<LogSession>) {
        self.connections.settle(due, out);
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        self.connections.finish(out);
    }

    fn zone(&self) -> Zone {
        self.zone.map_or(Zone::Assumed, Zone::Stated)
    }
}

impl<'a> Row<'a> {
    pub(super) fn read(line: &'a str) -> Option<Self> {
        let (who, rest) = line.split_once(" [")?;
        // A syslog envelope is the reader's to take off.
        if who.contains(": ") {
            return None;
        }
        let stamped = stamp::common(rest)?;
        let rest = stamped.rest.strip_prefix("] \"")?;
        let (request, rest) = quoted(rest)?;
        // IIS writes its SMTP servers' commands in this format, too.
        if request.ends_with(" SMTP") {
            return None;
        }
        let mut fields = rest.strip_prefix(' ')?.splitn(3, ' ');
        let status = fields.next()?;
        let octets = fields.next()?;
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !(is_number(status) && status.len() == 3 || status == "-")
            || !(is_number(octets) || octets == "-")
        {
            return None;
        }
        let (peer, user) = client(who)?;
        Some(Self {
            peer,
            user,
            stamp: stamped.stamp,
            zone: stamped.zone?,
            request,
            status: Some(status).filter(|status| *status != "-"),
            octets: octets.parse().ok(),
            more: fields.next().unwrap_or_default(),
        })
    }

    /// Whether Traefik's own fields follow: requests so far, router, server, and the time taken.
    pub(super) fn is_traefik(&self) -> bool {
        let last = self.more.rsplit(' ').next().unwrap_or_default();
        let taken = last
            .strip_suffix("ms")
            .and_then(|ms| ms.parse::<u64>().ok());
        taken.is_some() && self.more.matches('"').count() >= 4
    }

    /// The last field as a port.
    fn port(&self) -> Option<u16> {
        let last = self.more.rsplit(' ').next()?;
        last.parse().ok().filter(|port| *port >= 1024)
    }

    /// The request, of which only this line tells.
    pub(super) fn told(&self) -> Request {
        let mut what = asked(&self.request, self.status);
        what.amend(|command| {
            command.body_octets = self.octets;
        });
        Request {
            peer: self.peer,
            user: self.user.map(str::to_owned),
            ..Request::new(self.stamp, what)
        }
    }
}

/// `[VHOST[:PORT] ]CLIENT IDENT USER`; a client that is not an address is a name that was looked up.
fn client(who: &str) -> Option<(Option<IpAddr>, Option<&str>)> {
    let (first, rest) = who.split_once(' ')?;
    let (second, behind) = rest.split_once(' ')?;
    let (peer, user) = match (address(first), address(second)) {
        (None, Some(peer)) => {
            let (ident, user) = behind.split_once(' ')?;
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            let named = first.contains(':') || ident == "-" && first.bytes().all(is_name);
            named.then_some((Some(peer), user))?
        }
        (peer @ Some(_), _) => (peer, behind),
        // A name in the client's place has no name of identd behind it; other lines have words there.
        (None, _) if second == "-" => (None, behind),
        (None, _) => {
            let (ident, user) = behind.split_once(' ')?;
            (first.contains(':') && ident == "-").then_some((None, user))?
        }
    };
    Some((
        peer,
        Some(user).filter(|user| !["-", "", "\"\""].contains(user)),
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing;
    use super::*;

    fn read(log: &str) -> (Vec<LogSession>, usize, Zone) {
        let told = testing::read(&ENTRY, log, 2026);
        (told.sessions, told.failed, told.zone)
    }

    fn request(session: &LogSession) -> (&str, Option<&str>) {
        let command = session
            .events
            .first()
            .unwrap()
            .command()
            .unwrap_or_default();
        (command.request, command.code)
    }

    #[test]
    fn each_line_is_a_session_of_its_own() {
        let (sessions, failed, zone) = read(
            r#"192.0.2.10 - - [24/Nov/2026:03:50:25 +0100] "GET /a\x22b HTTP/1.1" 200 13 "-" "lab/1 \x22q\x22"
192.0.2.31 - ann lee [24/Nov/2026:03:50:25 +0100] "GET /a\"b?token=x HTTP/1.1" 404 - "-" "lab/1 \"q\" \xe9"
www.example.com:443 192.0.2.10 - - [24/Nov/2026:03:50:26 +0100] "POST /put HTTP/1.1" 204 0
pc.example.net - - [24/Nov/2026:03:50:26 +0100] "\x16\x03\x01garbage" 400 157 "-" "-"
192.0.2.10 - - [24/Nov/2026:03:50:25] "GET / HTTP/1.1" 200 13
192.0.2.10 - - [24/Nov/2026:03:50:25 +0100] "GET / HTTP/1.1
192.0.2.10 - - [08/Oct/2006:23:00:15 -0600] "HELO -?+gw.example SMTP" 250 43
"#,
        );
        assert_eq!((sessions.len(), failed), (4, 3));
        assert_eq!(zone, Zone::Stated(Span::seconds(3600)));
        assert_eq!(request(&sessions[0]), ("GET /a\"b HTTP/1.1", Some("200")));
        assert_eq!(
            request(&sessions[1]),
            ("GET /a\"b?token=*** HTTP/1.1", Some("404"))
        );
        assert_eq!(sessions[1].names, ["ann lee"]);
        assert_eq!(sessions[2].peer, sessions[0].peer);
        assert!(sessions[3].peer.is_none());
        assert_eq!(request(&sessions[3]), ("<no request line>", Some("400")));
        assert_eq!(
            sessions[0].events.first().unwrap().stamp.at.to_rfc3339(),
            "2026-11-24T02:50:25.000000000Z"
        );
    }

    #[test]
    fn a_virtual_host_may_stand_without_its_port() {
        let told = |who| client(who).map(|(peer, user)| (peer.map(|ip| ip.to_string()), user));
        let peer = Some("192.0.2.10".to_owned());
        assert_eq!(
            told("www.example.com 192.0.2.10 - bob"),
            Some((peer, Some("bob")))
        );
        assert_eq!(
            told("fe80::1%eth0 - -"),
            Some((Some("fe80::1".to_owned()), None))
        );
        assert_eq!(told("192.0.2.9, 192.0.2.10 - -"), None);
        assert_eq!(told("connected to 192.0.2.10 now - -"), None);
    }

    #[test]
    fn a_port_is_one_when_every_line_has_it() {
        let line = |last: &str| {
            format!(
                "192.0.2.10 - - [24/Nov/2026:03:29:09 +0000] \"GET / HTTP/1.1\" 200 13 \"-\" \"lab/2\" {last}\n"
            )
        };
        let ports = |log: &str| -> Vec<_> {
            let (sessions, ..) = read(log);
            sessions.iter().map(|session| session.peer_port).collect()
        };
        assert_eq!(
            ports(&[line("36662"), line("1024")].concat()),
            [Some(36662), Some(1024)]
        );
        let (sessions, ..) = read(&[line("36662"), line("1024"), line("36662")].concat());
        let lines: Vec<usize> = sessions
            .iter()
            .map(|session| session.events.len())
            .collect();
        assert_eq!(lines, [2, 1], "lines of one port are one connection");
        assert_eq!(ports(&[line("36662"), line("12")].concat()), [None, None]);
        assert_eq!(ports(&[line("36662"), line("0.5")].concat()), [None, None]);
    }

    proptest! {
        #[test]
        fn any_text_is_a_row_or_none(text in any::<String>(), more in any::<String>()) {
            prop_assert!(Row::read(&text).is_none_or(|row| row.request.len() <= 4 * text.len()));
            let line = format!("a - - [24/Nov/2026:03:29:09 +0000] \"{more}");
            prop_assert!(Row::read(&line).is_none_or(|row| row.request.len() <= 4 * line.len()));
        }
    }
}
