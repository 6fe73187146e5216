//! Logs in a format that the user gives in the words of nginx, Apache or HAProxy.

use std::sync::Arc;

use crate::model::{LogId, LogSession, Shows, Span, Stamp, Zone, as_text};

use super::super::read::{Apart, Pieces, RawLine, Sink};
use super::super::{Builder, Due, Head, Line, Parsed, Sureness};
use super::pattern::Pattern;
use super::{Connections, Request};

pub(in crate::log) use super::pattern::PatternError;

/// A format of the user.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::log) struct Custom(Arc<Pattern>);

impl Custom {
    /// From nginx's `log_format`, Apache's `LogFormat` or HAProxy's `log-format`.
    pub(in crate::log) fn parse(format: &str) -> Result<Self, PatternError> {
        Pattern::parse(format).map(|pattern| Self(Arc::new(pattern)))
    }

    /// What its lines can show.
    pub(in crate::log) fn shows(&self) -> Shows {
        self.0.shows()
    }

    /// How much of a head is in this format.
    pub(in crate::log) fn probe(&self, head: &Head<'_>) -> Sureness {
        head.share(|line| self.read(&as_text(line)).is_some())
    }

    /// A builder for one file.
    pub(in crate::log) fn open(&self, id: LogId) -> Box<dyn Builder> {
        Box::new(Reader {
            id,
            custom: self.clone(),
            zone: None,
            connections: Connections::new(id),
        })
    }

    fn read(&self, line: &str) -> Option<Told> {
        let values = self.0.read(line)?;
        let zone = values.zone();
        let is_of_datagrams = values.is_of_datagrams();
        let (request, begin) = if self.0.is_of_connections() {
            let (request, begin) = values.connection()?;
            (request, Some(begin))
        } else {
            (values.request()?, None)
        };
        Some(Told {
            request,
            begin,
            is_of_datagrams,
            zone,
        })
    }
}

/// What a line tells.
pub(super) struct Told {
    request: Request,
    /// Of a connection that was passed on.
    begin: Option<Stamp>,
    is_of_datagrams: bool,
    zone: Option<Span>,
}

/// One file.
struct Reader {
    id: LogId,
    custom: Custom,
    zone: Option<Span>,
    connections: Connections,
}

impl Apart for Reader {
    /// The format.
    type Known = Option<Custom>;
    type Row<'a> = Option<Told>;
    type Over = LogSession;

    fn known(&self) -> Option<Custom> {
        Some(self.custom.clone())
    }

    fn read(custom: &mut Option<Custom>, line: RawLine<'_>) -> Option<Told> {
        custom.as_ref()?.read(&line.text())
    }

    fn take(&mut self, told: Option<Told>, number: u64, out: &mut Vec<LogSession>) -> Parsed {
        let Some(told) = told else {
            return Parsed::Failed;
        };
        self.zone = told.zone.or(self.zone);
        let stamp = told.request.stamp;
        if told.is_of_datagrams {
            return Parsed::Aside(Some(stamp));
        }
        match told.begin {
            Some(begin) => out.push(told.request.connection(self.id, number, begin)),
            None => self.connections.take(number, told.request, out),
        }
        Parsed::Event(stamp)
    }
}

impl Builder for Reader {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let told = self.custom.read(&as_text(line.bytes));
        self.take(told, line.number, out)
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

#[cfg(test)]
mod tests;
