//! Logs of one JSON object a line.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Map, Value};

use crate::model::{LogId, LogSession, Span, Stamp, Zone};

use super::super::{Builder, Due, Head, Line, Parsed, Sureness, stamp};
use super::{Connections, Request};

/// A line as JSON.
pub(in crate::log) struct Object(Map<String, Value>);

impl Object {
    /// The object on a line; `None` when it is none.
    pub(in crate::log) fn read(line: &[u8]) -> Option<Self> {
        match serde_json::from_slice(line) {
            Ok(Value::Object(map)) => Some(Self(map)),
            _ => None,
        }
    }

    /// The value at `path`, keys apart by `/`.
    pub(in crate::log) fn get(&self, path: &str) -> Option<&Value> {
        let mut keys = path.split('/');
        let first = self.0.get(keys.next()?)?;
        keys.try_fold(first, |value, key| value.get(key))
            .filter(|value| !value.is_null())
    }

    /// A text, or a number as text; empty ones and `-` are none.
    pub(in crate::log) fn text(&self, path: &str) -> Option<String> {
        let text = match self.get(path)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        Some(text).filter(|text| !matches!(text.as_str(), "" | "-"))
    }

    pub(in crate::log) fn number(&self, path: &str) -> Option<u64> {
        match self.get(path)? {
            Value::String(text) => text.parse().ok(),
            value => value.as_u64(),
        }
    }

    /// Seconds with a fraction.
    pub(super) fn seconds(&self, path: &str) -> Option<Span> {
        let seconds = self.get(path)?.as_f64().filter(|s| s.is_finite())?;
        Some(Span::from_seconds_f64(seconds))
    }

    /// An RFC 3339 time.
    pub(in crate::log) fn stamp(&self, path: &str) -> Option<Stamp> {
        let text = self.text(path)?;
        Some(stamp::iso(&text)?.stamp)
    }

    pub(in crate::log) fn address(&self, path: &str) -> Option<IpAddr> {
        self.text(path)?.parse().ok()
    }

    /// `ip:port`.
    pub(super) fn end(&self, path: &str) -> Option<(IpAddr, u16)> {
        end(&self.text(path)?)
    }
}

/// `192.0.2.10:80` or `[2001:db8::1]:80`.
pub(super) fn end(text: &str) -> Option<(IpAddr, u16)> {
    let end: SocketAddr = text.parse().ok()?;
    Some((end.ip(), end.port()))
}

/// What a format makes of a line.
pub(super) type Read = fn(&Object) -> Option<Request>;

/// How much of a head `read` takes.
pub(super) fn share(head: &Head<'_>, read: Read) -> Sureness {
    head.share(|line| {
        Object::read(line)
            .as_ref()
            .is_some_and(|object| read(object).is_some())
    })
}

/// One file whose lines are requests.
pub(super) struct JsonLines {
    read: Read,
    zone: Zone,
    connections: Connections,
}

impl JsonLines {
    pub(super) fn open(id: LogId, read: Read, zone: Zone) -> Box<dyn Builder> {
        Box::new(Self {
            read,
            zone,
            connections: Connections::new(id),
        })
    }
}

impl Builder for JsonLines {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let object = Object::read(line.bytes);
        let Some(request) = object.as_ref().and_then(self.read) else {
            // The same file may hold what the server says of itself.
            let is_other = object.is_some_and(|object| object.get("level").is_some());
            return if is_other {
                Parsed::Aside(None)
            } else {
                Parsed::Failed
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
        self.zone
    }
}
