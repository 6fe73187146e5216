//! Lines in a format that the user defines.

use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime};
use regex::Regex;

use crate::model::{
    Event, LogCommand, LogId, LogSession, LogTime, LoggedTls, Proto, Span, Stamp, TlsVersion, Verb,
    Zone, as_text,
};

use super::super::web::{self, Connections, Request};
use super::super::{Builder, Due, Line, Parsed};
use super::definition::{Definition, Shape, TimeForm};

/// One file.
pub(super) struct Lines {
    definition: Arc<Definition>,
    connections: Connections,
}

impl Lines {
    pub(super) fn new(definition: Arc<Definition>, id: LogId) -> Self {
        Self {
            definition,
            connections: Connections::new(id),
        }
    }
}

impl Builder for Lines {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = as_text(line.bytes);
        let Some(request) = event(&self.definition, &text) else {
            let ignore = self.definition.ignore.as_ref();
            return match ignore {
                Some(ignore) if ignore.is_match(&text) => Parsed::Aside(None),
                _ => Parsed::Failed,
            };
        };
        let stamp = request.stamp;
        self.connections.take(line.number, request, out);
        Parsed::Event(stamp)
    }

    fn settle(&mut self, due: &Due<'_>, out: &mut Vec<LogSession>) {
        self.connections.settle(due, out);
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        self.connections.finish(out);
    }

    fn zone(&self) -> Zone {
        let stated = match (&self.definition.time, self.definition.zone) {
            (TimeForm::Epoch(_), _) | (TimeForm::Written { has_zone: true, .. }, None) => {
                Some(Span::ZERO)
            }
            (_, zone) => zone,
        };
        stated.map_or(Zone::Assumed, Zone::Stated)
    }
}

/// What a line tells; `None` when it is not of this format.
pub(super) fn event(definition: &Definition, line: &str) -> Option<Request> {
    for (form, what) in [
        (&definition.open, Event::Open),
        (&definition.close, Event::Close),
    ] {
        if let Some(regex) = form
            && let Some(values) = Values::captured(regex, line)
        {
            return values.request(definition, what);
        }
    }
    let values = match &definition.shape {
        Shape::Line(regex) => Values::captured(regex, line)?,
        Shape::Fields { names, separator } => Values::listed(names, separator, line)?,
    };
    let what = values.command(definition.proto)?;
    values.request(definition, what)
}

/// The values of a line by their names.
struct Values<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Values<'a> {
    fn captured(regex: &'a Regex, line: &'a str) -> Option<Self> {
        let captures = regex.captures(line)?;
        let named = regex.capture_names().flatten();
        Some(Self(
            named
                .filter_map(|name| Some((name, captures.name(name)?.as_str())))
                .collect(),
        ))
    }

    /// The last field takes what is left of the line.
    fn listed(names: &'a [String], separator: &str, line: &'a str) -> Option<Self> {
        let values: Vec<&str> = line.splitn(names.len(), separator).collect();
        (values.len() == names.len())
            .then(|| Self(names.iter().map(String::as_str).zip(values).collect()))
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.0.iter().find(|(known, _)| *known == name)?;
        Some(*value).filter(|value| !matches!(*value, "" | "-"))
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    fn command(&self, proto: Proto) -> Option<Event> {
        let line = match (self.get("request"), self.get("command")) {
            (Some(request), _) => request.to_owned(),
            (None, Some(command)) => match self.get("argument") {
                Some(argument) => format!("{command} {argument}"),
                None => command.to_owned(),
            },
            _ => return None,
        };
        let mut what = if proto == Proto("http") {
            web::asked(&line, self.get("code"))
        } else {
            Event::command(LogCommand {
                verb: verb(&line, proto),
                request: masked(&line),
                code: self.owned("code"),
                ..LogCommand::default()
            })
        };
        what.amend(|command| {
            command.response = self.owned("response");
            command.request_bytes = self.number("request_bytes");
            command.response_bytes = self.number("response_bytes");
            command.body_octets = self.number("body_bytes");
            let taken = self.get("taken_ms").and_then(|taken| taken.parse().ok());
            command.taken = taken.map(|millis: f64| Span::from_seconds_f64(millis / 1000.0));
        });
        Some(what)
    }

    fn request(&self, definition: &Definition, what: Event) -> Option<Request> {
        let stamp = definition.time.read(self.get("time")?, definition.zone)?;
        let port = |name| self.get(name)?.parse().ok();
        let address = |name| self.get(name)?.parse().ok();
        let version = self.get("tls_version");
        Some(Request {
            proto: definition.proto,
            peer: address("client_ip"),
            peer_port: port("client_port"),
            local: address("server_ip"),
            local_port: port("server_port"),
            user: self.owned("user").or_else(|| self.owned("helo")),
            serial: self.owned("session"),
            tls: version.map(|version| LoggedTls {
                version: TlsVersion::from_name(version),
                cipher: self.owned("tls_cipher"),
            }),
            ..Request::new(stamp, what)
        })
    }
}

impl TimeForm {
    /// A time as it is written; `zone` is that of times that do not tell theirs.
    fn read(&self, text: &str, zone: Option<Span>) -> Option<Stamp> {
        let (at, shown) = match self {
            Self::Epoch(unit) => {
                let (since, resolution) = web::decimal(text, *unit)?;
                return Some(Stamp {
                    at: LogTime(since.0),
                    resolution,
                });
            }
            Self::Written {
                form,
                has_zone: true,
            } => (
                DateTime::parse_from_str(text, form)
                    .ok()?
                    .timestamp_nanos_opt()?,
                Span::ZERO,
            ),
            Self::Written { form, .. } => (
                NaiveDateTime::parse_from_str(text, form)
                    .ok()?
                    .and_utc()
                    .timestamp_nanos_opt()?,
                zone.unwrap_or_default(),
            ),
        };
        Some(Stamp {
            at: LogTime(at) - shown,
            resolution: resolution(text),
        })
    }
}

/// The step of the last digit behind a second's point: of `:06.629` a millisecond.
fn resolution(text: &str) -> Span {
    let digits = text.rsplit_once(':').and_then(|(_, seconds)| {
        let (_, fraction) = seconds.split_once(['.', ','])?;
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        u32::try_from(digits.min(9)).ok()
    });
    // A zone may follow with a colon of its own.
    let digits = digits.or_else(|| {
        let (_, fraction) = text.split_once(['.', ','])?;
        let count = fraction.bytes().take_while(u8::is_ascii_digit).count();
        (3..=9)
            .contains(&count)
            .then_some(u32::try_from(count).ok()?)
    });
    Span(Span::SECOND.0 / 10i64.pow(digits.unwrap_or(0)))
}

/// The command word; behind the tag in IMAP.
fn verb(line: &str, proto: Proto) -> Verb {
    let mut words = line.split_whitespace();
    let first = words.next().unwrap_or_default();
    match words.next() {
        Some(second) if proto == Proto("imap") && first.contains(|c: char| c.is_ascii_digit()) => {
            Verb::new(second)
        }
        _ => Verb::new(first),
    }
}

/// A command line of mail or news without its secrets.
fn masked(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is = |at: usize, word: &str| {
        words
            .get(at)
            .is_some_and(|found| found.eq_ignore_ascii_case(word))
    };
    let kept = if is(0, "PASS") {
        1
    } else if is(0, "AUTH") || is(0, "APOP") || is(0, "AUTHINFO") {
        2
    } else if is(1, "LOGIN") || is(1, "AUTHENTICATE") {
        3
    } else {
        return line.to_owned();
    };
    match words.get(..kept) {
        Some(first) if words.len() > kept => format!("{} ***", first.join(" ")),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::OwnFormat;

    fn read(definition: &str, log: &str) -> (Vec<LogSession>, usize, Zone) {
        let own = OwnFormat::from_definition("own.toml", definition).unwrap();
        let mut builder = own.open(LogId(0));
        let mut out = Vec::new();
        let mut failed = 0;
        for (line, number) in log.lines().zip(1..) {
            let bytes = line.as_bytes();
            let parsed = builder.line(Line { number, bytes }, &mut out);
            failed += usize::from(parsed == Parsed::Failed);
        }
        builder.finish(&mut out);
        out.sort_by_key(|session| session.events.first().unwrap().line);
        (out, failed, builder.zone())
    }

    const GATEWAY: &str = r"
name = 'gateway'
protocol = 'smtp'
open  = '^(?<time>\S+ \S+) \[(?<session>\w+)\] connect (?<client_ip>\S+):(?<client_port>\d+)$'
close = '^(?<time>\S+ \S+) \[(?<session>\w+)\] bye$'
line  = '^(?<time>\S+ \S+) \[(?<session>\w+)\] (?<command>\S+)(?: (?<argument>.*))? => (?<code>\d{3}) (?<response_bytes>\d+)$'
ignore = '^--'
time = '%d.%m.%Y %H:%M:%S%.f'
zone = '+01:00'
";

    #[test]
    fn sessions_go_from_open_to_close_and_ids_come_again() {
        let (sessions, failed, zone) = read(
            GATEWAY,
            "-- started
24.11.2026 04:50:25.100 [a1] connect 192.0.2.10:40001
24.11.2026 04:50:25.200 [b2] connect 192.0.2.31:40002
24.11.2026 04:50:25.300 [a1] EHLO pc => 250 60
24.11.2026 04:50:25.400 [b2] AUTH PLAIN AGFubgB4 => 235 20
24.11.2026 04:50:25.500 [a1] bye
24.11.2026 04:50:26.500 [a1] connect 192.0.2.10:40003
rubbish
24.13.2026 04:50:25.300 [a1] EHLO pc => 250 60
24.11.2026 04:50:25.300 [a1] EHLO pc =>
",
        );
        assert_eq!((sessions.len(), failed), (3, 3));
        assert_eq!(zone, Zone::Stated(Span::seconds(3600)));
        let ports: Vec<_> = sessions.iter().map(|session| session.peer_port).collect();
        assert_eq!(ports, [Some(40001), Some(40002), Some(40003)]);
        assert_eq!(sessions[0].events.len(), 3);
        let stamp = sessions[0].events.first().unwrap().stamp;
        assert_eq!(stamp.at.to_rfc3339(), "2026-11-24T03:50:25.100000000Z");
        assert_eq!(stamp.resolution, Span::MILLISECOND);
        assert!(!format!("{:?}", sessions[1]).contains("AGFubgB4"));
    }

    #[test]
    fn fields_in_a_list_and_seconds_since_1970() {
        let (sessions, failed, zone) = read(
            "name='tabs'\nprotocol='imap'\nfields=['time','client_ip','client_port','skip','request']\nseparator=\"\\t\"\ntime='seconds'\n",
            "1795492225.5\t192.0.2.10\t40001\tx\ta1 LOGIN ann secret\n1795492226\t192.0.2.10\t40001\tx\ta2 NOOP\nshort\tline\n",
        );
        assert_eq!((sessions.len(), failed), (1, 1));
        assert_eq!(zone, Zone::Stated(Span::ZERO));
        let login = sessions[0].events.first().unwrap().command().unwrap();
        assert_eq!((login.verb, login.request), ("LOGIN", "a1 LOGIN ann ***"));
    }

    #[test]
    fn the_last_digit_is_the_resolution() {
        for (text, expected) in [
            ("24.11.2026 04:50:25", Span::SECOND),
            ("24.11.2026 04:50:25,123", Span::MILLISECOND),
            ("2026-11-24T04:50:25.123456+01:00", Span::MICROSECOND),
            ("2026-11-24T04:50:25+01:00", Span::SECOND),
        ] {
            assert_eq!(resolution(text), expected, "{text}");
        }
    }
}
