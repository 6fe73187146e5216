//! What a row of the log says, by itself.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::model::{CommandRef, Event, PackedCommand, Span, Stamp, Verb};

use super::super::super::w3c::{Row, W3c, W3cLine};
use super::super::super::web::address;
use super::is_smtp;

/// A line by itself.
#[expect(clippy::large_enum_variant, reason = "nearly all are of the largest")]
pub(super) enum Said<'a> {
    /// `#Fields:` and kin.
    Directive(&'a str),
    /// Of another server or of the server's own sending.
    Aside(Stamp),
    Told(Told<'a>),
    /// It cannot be read under the columns in force.
    Failed,
    /// It takes the lines before it to read: it has no date, or is not in UTF-8.
    Late(&'a [u8]),
}

/// A row as this format means it.
pub(super) struct Told<'a> {
    pub(super) stamp: Stamp,
    pub(super) peer: Option<IpAddr>,
    pub(super) local: Option<IpAddr>,
    pub(super) helo: Option<Cow<'a, str>>,
    pub(super) verb: Verb,
    pub(super) request: Cow<'a, str>,
    /// All of the command but its words.
    pub(super) command: CommandRef<'a>,
    pub(super) win32: Option<u64>,
    /// Octets of a message, on its `DATA` row.
    pub(super) message: Option<u64>,
    pub(super) message_id: Option<Cow<'a, str>>,
}

impl<'a> Said<'a> {
    pub(super) fn read(w3c: &mut W3c, text: &'a str) -> Self {
        let row = match w3c.line(text) {
            Some(W3cLine::Row(row)) => row,
            Some(W3cLine::Directive) => return Self::Directive(text),
            None => return Self::Failed,
        };
        let outbound = row
            .get("cs-username")
            .is_some_and(|name| name.starts_with("OutboundConnection"));
        if outbound || !is_smtp(&row) {
            return Self::Aside(row.stamp);
        }
        Told::of(&row).map_or(Self::Failed, Self::Told)
    }
}

impl<'a> Told<'a> {
    pub(super) fn of(row: &Row<'a, '_>) -> Option<Self> {
        let method = row.get("cs-method")?;
        let argument = row
            .get("cs-uri-query")
            .map(|query| spaced(query.strip_prefix('+').unwrap_or(query)));
        let mut verb = Verb::new(method);
        let mut request = request(method, argument.as_deref());
        let mut command = CommandRef {
            code: row.get("sc-status"),
            request_bytes: row
                .number("cs-bytes")
                .map(|octets| octets.saturating_add(2)),
            response_bytes: row.number("sc-bytes"),
            taken: row
                .number("time-taken")
                .and_then(|millis| i64::try_from(millis).ok())
                .map(Span::millis),
            ..CommandRef::default()
        };
        let mut message = None;
        match verb.as_str() {
            "DATA" => {
                message = row.number("cs-bytes");
                command.request_bytes = message;
                // The row tells of the message's fate; the 354 before it was sure to come.
                if command.code.is_some_and(|code| code != "354") {
                    verb = Verb::new(Verb::BODY);
                }
            }
            // 240 is the log's own word for the end.
            "QUIT" => {
                command.code = None;
                request = "QUIT".into();
            }
            _ => {}
        }
        Some(Self {
            stamp: row.stamp,
            peer: row.get("c-ip").and_then(address),
            local: row.get("s-ip").and_then(address),
            helo: row.get("cs-username").map(spaced),
            verb,
            request,
            command,
            win32: row.number("sc-win32-status"),
            message,
            message_id: argument.filter(|_| message.is_some()),
        })
    }

    pub(super) fn event(&self) -> Event {
        Event::Command(PackedCommand::from(CommandRef {
            verb: self.verb.as_str(),
            request: &self.request,
            ..self.command
        }))
    }

    pub(super) fn is_hello(&self) -> bool {
        ["EHLO", "HELO"].contains(&self.verb.as_str())
    }

    pub(super) fn accepted(&self) -> bool {
        let code = self.command.code;
        code.is_some_and(|code| code.starts_with(['2', '3']))
    }
}

/// The command line as it was, but for secrets.
pub(super) fn request<'a>(method: &'a str, argument: Option<&str>) -> Cow<'a, str> {
    let Some(argument) = argument.filter(|argument| !argument.is_empty()) else {
        return method.into();
    };
    if method.eq_ignore_ascii_case("AUTH") {
        let mechanism = argument.split(' ').next().unwrap_or_default();
        let secret = if argument.contains(' ') { " ***" } else { "" };
        return [method, " ", mechanism, secret].concat().into();
    }
    [method, " ", argument].concat().into()
}

/// Blanks are written as `+`.
pub(super) fn spaced(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        text.replace('+', " ").into()
    } else {
        text.into()
    }
}
