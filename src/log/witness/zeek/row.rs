//! A row of Zeek's logs, of a table or of JSON.

use crate::model::{Event, LogTime, Span, Stamp};

use super::super::super::stamp;
use super::super::super::web::{Object, Request, decimal};
use super::Kind;

/// The columns of a table.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub(super) separator: char,
    pub(super) names: Vec<String>,
    pub(super) path: String,
    pub(super) unset: String,
}

impl Columns {
    /// Takes in a line of the header; whether it was one.
    pub(super) fn directive(&mut self, line: &str) -> bool {
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
pub(super) enum Row<'a> {
    Json(Object),
    Table {
        columns: &'a Columns,
        values: Vec<&'a str>,
    },
}

impl<'a> Row<'a> {
    pub(super) fn read(columns: &'a Columns, line: &'a str) -> Option<Self> {
        if line.starts_with('{') {
            let object = Object::read(line.as_bytes())?;
            // Suricata's lines have no such keys.
            return object.get("uid").is_some().then_some(Self::Json(object));
        }
        let values: Vec<&str> = line.split(columns.separator).collect();
        let fits = !columns.names.is_empty() && values.len() == columns.names.len();
        fits.then_some(Self::Table { columns, values })
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
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

    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::Json(object) => object.get(name).is_some(),
            Self::Table { columns, .. } => columns.names.iter().any(|known| known == name),
        }
    }

    pub(super) fn kind(&self) -> Option<Kind> {
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
    pub(super) fn stamp(&self) -> Option<Stamp> {
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

    pub(super) fn span(&self, name: &str) -> Option<Span> {
        seconds_exactly(&self.text(name)?)
    }

    /// What names the connection and its ends.
    pub(super) fn request(&self, stamp: Stamp, what: Event) -> Option<Request> {
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
pub(super) fn seconds_exactly(text: &str) -> Option<Span> {
    decimal(text, Span::SECOND)
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
pub(super) fn unescaped(value: &str) -> String {
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
