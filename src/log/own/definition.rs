//! A file of definitions (TOML): a regular expression or a list of fields, and how times are written.

use chrono::format::{Fixed, Item, StrftimeItems};
use regex::Regex;
use serde::Deserialize;

use crate::model::{ClockStep, Marks, Proto, Shown, Shows, Span, as_text};

use super::super::{Head, Sureness, stamp};
use super::lines::event;

/// Protocols whose lines can be put beside those of a capture.
const PROTOCOLS: [&str; 6] = ["ftp", "http", "imap", "nntp", "pop3", "smtp"];

/// Names that a group or a field may have.
pub(super) const NAMES: [&str; 20] = [
    "argument",
    "body_bytes",
    "client_ip",
    "client_port",
    "code",
    "command",
    "helo",
    "request",
    "request_bytes",
    "response",
    "response_bytes",
    "server_ip",
    "server_port",
    "session",
    "skip",
    "taken_ms",
    "time",
    "tls_cipher",
    "tls_version",
    "user",
];

/// What is wrong with a file of definitions, and where.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}: {what}\n{remedy}")]
pub struct DefinitionError {
    file: String,
    line: usize,
    what: String,
    remedy: String,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    protocol: String,
    line: Option<String>,
    fields: Option<Vec<String>>,
    separator: Option<String>,
    open: Option<String>,
    close: Option<String>,
    ignore: Option<String>,
    time: String,
    zone: Option<String>,
}

/// A format, ready to read lines.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) proto: Proto,
    pub(super) shape: Shape,
    /// Lines that tell of a session's beginning and end only.
    pub(super) open: Option<Regex>,
    pub(super) close: Option<Regex>,
    pub(super) ignore: Option<Regex>,
    pub(super) time: TimeForm,
    /// East of UTC, where the file says it.
    pub(super) zone: Option<Span>,
}

/// How a line is taken apart.
#[derive(Debug)]
pub(super) enum Shape {
    Fields {
        names: Vec<String>,
        separator: String,
    },
    Line(Regex),
}

/// How times are written.
#[derive(Debug)]
pub(super) enum TimeForm {
    /// Since 1970 in UTC, in this unit where it is a whole number.
    Epoch(Span),
    /// In chrono's terms, with or without a zone.
    Written { form: String, has_zone: bool },
}

/// Makes errors that name the line of a key.
struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn error(&self, key: &str, what: String, remedy: &str) -> DefinitionError {
        let is_key = |line: &str| {
            line.trim_start()
                .strip_prefix(key)
                .is_some_and(|rest| rest.trim_start().starts_with('='))
        };
        DefinitionError {
            file: self.file.to_owned(),
            line: self.text.lines().position(is_key).map_or(1, |at| at + 1),
            what,
            remedy: remedy.to_owned(),
        }
    }

    fn toml(&self, error: &toml::de::Error) -> DefinitionError {
        let before = error.span().and_then(|span| self.text.get(..span.start));
        DefinitionError {
            file: self.file.to_owned(),
            line: before.map_or(1, |before| before.matches('\n').count() + 1),
            what: error.message().replace('\n', " "),
            remedy: "docs/own-format.md lists the keys and shows a whole file".to_owned(),
        }
    }

    /// A regular expression whose groups all have known names.
    fn regex(&self, key: &str, text: &str) -> Result<Regex, DefinitionError> {
        let regex = Regex::new(text).map_err(|error| {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            let what = format!("{key} is no regular expression: {}", last.trim());
            self.error(
                key,
                what,
                "write it in single quotes, so that \\ stays as it is",
            )
        })?;
        for name in regex.capture_names().flatten() {
            self.known(key, name)?;
        }
        Ok(regex)
    }

    fn known(&self, key: &str, name: &str) -> Result<(), DefinitionError> {
        if NAMES.contains(&name) {
            return Ok(());
        }
        let remedy = format!("the names are: {}", NAMES.join(", "));
        Err(self.error(key, format!("'{name}' is no name of a value"), &remedy))
    }

    fn shape(&self, written: &mut Written) -> Result<Shape, DefinitionError> {
        let (names, shape) = match (written.line.take(), written.fields.take()) {
            (Some(line), None) => {
                let regex = self.regex("line", &line)?;
                let names = regex.capture_names().flatten().map(str::to_owned).collect();
                (names, Shape::Line(regex))
            }
            (None, Some(names)) => {
                for (at, name) in names.iter().enumerate() {
                    self.known("fields", name)?;
                    let before = names.get(..at).unwrap_or_default();
                    if name != "skip" && before.contains(name) {
                        let what = format!("'{name}' is named twice");
                        return Err(self.error("fields", what, "name what is of no use skip"));
                    }
                }
                let separator = written.separator.take().unwrap_or_else(|| " ".to_owned());
                if separator.is_empty() {
                    let remedy = "leave it out for blanks, or write \"\\t\" or \",\"";
                    return Err(self.error("separator", "separator is empty".into(), remedy));
                }
                let shape = Shape::Fields {
                    names: names.clone(),
                    separator,
                };
                (names, shape)
            }
            _ => {
                let what = "either 'line' or 'fields' says how a line is taken apart".into();
                let remedy =
                    "give one of them: a regular expression with named groups, or a list of names";
                return Err(self.error("fields", what, remedy));
            }
        };
        let key = match shape {
            Shape::Fields { .. } => "fields",
            Shape::Line(_) => "line",
        };
        for one_of in [&["time"][..], &["command", "request"]] {
            if !one_of.iter().any(|name| names.iter().any(|n| n == name)) {
                let what = format!("no value is named {}", one_of.join(" or "));
                let remedy = "without it nothing can be put beside a capture";
                return Err(self.error(key, what, remedy));
            }
        }
        Ok(shape)
    }
}

impl Definition {
    /// What lines of this format can show: what their values are.
    pub(super) fn shows(&self) -> Shows {
        let has = |name: &str| match &self.shape {
            Shape::Fields { names, .. } => names.iter().any(|known| known == name),
            Shape::Line(line) => [Some(line), self.open.as_ref(), self.close.as_ref()]
                .into_iter()
                .flatten()
                .any(|regex| regex.capture_names().flatten().any(|known| known == name)),
        };
        let shown = |name| Shown::when(has(name));
        Shows {
            client_port: shown("client_port"),
            session_id: shown("session"),
            step: ClockStep::Varies,
            marks: Marks::Line,
            octets: match (
                has("request_bytes") || has("response_bytes"),
                has("body_bytes"),
            ) {
                (true, _) => Shown::Always,
                (false, true) => Shown::Partly("of bodies of replies"),
                (false, false) => Shown::Never,
            },
            commands: Shown::Always,
            replies: match (has("response"), has("code")) {
                (true, _) => Shown::Always,
                (false, true) => Shown::Partly("the code"),
                (false, false) => Shown::Never,
            },
            tls: shown("tls_version"),
            users: shown("user"),
        }
    }

    /// Reads a file of definitions.
    pub(super) fn parse(file: &str, text: &str) -> Result<Self, DefinitionError> {
        let source = Source { file, text };
        let mut written: Written = toml::from_str(text).map_err(|error| source.toml(&error))?;
        let shape = source.shape(&mut written)?;
        let proto = PROTOCOLS
            .iter()
            .find(|known| written.protocol.eq_ignore_ascii_case(known));
        let proto = proto.ok_or_else(|| {
            let what = format!("'{}' is no protocol that is known", written.protocol);
            source.error(
                "protocol",
                what,
                &format!("one of: {}", PROTOCOLS.join(", ")),
            )
        })?;
        let optional =
            |key, text: Option<String>| text.map(|text| source.regex(key, &text)).transpose();
        let stamped = |key, text: Option<String>| -> Result<Option<Regex>, DefinitionError> {
            let regex = optional(key, text)?;
            let has_time =
                |regex: &Regex| regex.capture_names().flatten().any(|name| name == "time");
            if regex.as_ref().is_some_and(|regex| !has_time(regex)) {
                let what = format!("no value of {key} is named time");
                return Err(source.error(
                    key,
                    what,
                    "add a group (?<time>…), or leave such lines to 'ignore'",
                ));
            }
            Ok(regex)
        };
        let zone = written.zone.as_deref().map(|zone| {
            let east = stamp::zone(zone).filter(|(_, rest)| rest.is_empty());
            east.map(|(east, _)| east).ok_or_else(|| {
                let what = format!("'{zone}' is no zone");
                source.error("zone", what, "write it as +HH:MM east of UTC, or Z")
            })
        });
        Ok(Self {
            time: TimeForm::parse(&written.time).ok_or_else(|| {
                let what = format!("'{}' is no form of a time", written.time);
                let remedy = "write it in the terms of https://docs.rs/chrono/latest/chrono/format/strftime, with date and time, or 'seconds', 'milliseconds' or 'microseconds' since 1970";
                source.error("time", what, remedy)
            })?,
            name: written.name,
            proto: Proto(proto),
            shape,
            open: stamped("open", written.open)?,
            close: stamped("close", written.close)?,
            ignore: optional("ignore", written.ignore)?,
            zone: zone.transpose()?,
        })
    }

    /// How much of a head is in this format.
    pub(super) fn probe(&self, head: &Head<'_>) -> Sureness {
        head.share(|line| event(self, &as_text(line)).is_some())
    }
}

impl TimeForm {
    fn parse(text: &str) -> Option<Self> {
        let unit = match text {
            "seconds" => Some(Span::SECOND),
            "milliseconds" => Some(Span::MILLISECOND),
            "microseconds" => Some(Span::MICROSECOND),
            _ => None,
        };
        if let Some(unit) = unit {
            return Some(Self::Epoch(unit));
        }
        let items: Vec<Item<'_>> = StrftimeItems::new(text).collect();
        if items.contains(&Item::Error)
            || !items
                .iter()
                .any(|item| matches!(item, Item::Numeric(..) | Item::Fixed(_)))
        {
            return None;
        }
        let is_zone = |item: &Item<'_>| {
            matches!(
                item,
                Item::Fixed(
                    Fixed::TimezoneOffset
                        | Fixed::TimezoneOffsetColon
                        | Fixed::TimezoneOffsetColonZ
                        | Fixed::TimezoneOffsetZ
                        | Fixed::RFC2822
                        | Fixed::RFC3339
                )
            )
        };
        Some(Self::Written {
            form: text.to_owned(),
            has_zone: items.iter().any(is_zone),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "name = 'gw'\nprotocol = 'smtp'\nfields = ['time', 'session', 'command']\ntime = 'milliseconds'\n";

    #[test]
    fn faults_are_told_with_file_line_and_remedy() {
        assert!(Definition::parse("gw.toml", GOOD).is_ok());
        for (was, is, told) in [
            ("'smtp'", "'gopher'", "gw.toml:2: 'gopher'"),
            ("'session'", "'sid'", "gw.toml:3: 'sid'"),
            ("'milliseconds'", "'%Q'", "gw.toml:4: '%Q'"),
            ("'milliseconds'", "'noon'", "gw.toml:4: 'noon'"),
            ("time =", "tyme =", "gw.toml:4: unknown field `tyme`"),
            (
                "'command'",
                "'code'",
                "gw.toml:3: no value is named command",
            ),
            (
                "fields = [",
                "line = '(' #",
                "gw.toml:3: line is no regular",
            ),
            ("'gw'", "'gw", "gw.toml:1: "),
            ("time = ", "zone = 'CET'\ntime = ", "gw.toml:4: 'CET'"),
            ("'session'", "'time'", "gw.toml:3: 'time' is named twice"),
            ("'time', ", "", "gw.toml:3: no value is named time"),
            ("name = 'gw'\n", "", "gw.toml:1: missing field `name`"),
            (
                "protocol = 'smtp'\n",
                "",
                "gw.toml:1: missing field `protocol`",
            ),
            (
                "time = 'milliseconds'\n",
                "",
                "gw.toml:1: missing field `time`",
            ),
            ("'gw'", "5", "gw.toml:1: invalid type"),
            (
                "['time', 'session', 'command']",
                "'time'",
                "gw.toml:3: invalid type",
            ),
            (
                "time = ",
                "separator = ''\ntime = ",
                "gw.toml:4: separator is empty",
            ),
            (
                "time = ",
                "line = '(?<time>.)'\ntime = ",
                "gw.toml:3: either 'line' or 'fields'",
            ),
            (
                "fields = ['time', 'session', 'command']\n",
                "",
                "gw.toml:1: either 'line' or 'fields'",
            ),
            (
                "time = ",
                "open = '^x'\ntime = ",
                "gw.toml:4: no value of open",
            ),
            (
                "time = ",
                "close = '(?<when>.)'\ntime = ",
                "gw.toml:4: 'when'",
            ),
            (
                "time = ",
                "ignore = '['\ntime = ",
                "gw.toml:4: ignore is no regular",
            ),
            ("time = ", "name = 'x'\ntime = ", "gw.toml:4: duplicate key"),
        ] {
            let error = Definition::parse("gw.toml", &GOOD.replace(was, is)).unwrap_err();
            let text = error.to_string();
            assert!(text.starts_with(told), "{text}");
            assert!(text.lines().count() == 2, "no remedy: {text}");
        }
    }
}
