//! Rows of other formats, given to the readers of W3C extended logs.

use crate::model::{LogId, LogSession};

use super::super::{Builder, Head, Line, Parsed};
use super::{http, nntp, smtp};

/// What a row is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Mail,
    News,
    Web,
}

impl Service {
    /// From the name of an instance (`SMTPSVC1`, `NNTPSVC1`, `W3SVC2`); `None` for other services.
    pub(super) fn of(instance: &str) -> Option<Self> {
        if instance.starts_with("SMTPSVC") {
            Some(Self::Mail)
        } else if instance.starts_with("NNTPSVC") {
            Some(Self::News)
        } else if instance.starts_with("W3SVC") {
            Some(Self::Web)
        } else {
            None
        }
    }
}

/// The readers of all services.
pub(super) struct Services {
    mail: Box<dyn Builder>,
    news: Box<dyn Builder>,
    web: Box<dyn Builder>,
}

impl Services {
    /// `columns` are the names of a row's values, as in a `#Fields:` line.
    pub(super) fn new(columns: &str, id: LogId, head: &Head<'_>) -> Self {
        let mut services = Self {
            mail: (smtp::ENTRY.open)(id, head),
            news: (nntp::ENTRY.open)(id, head),
            web: (http::ENTRY.open)(id, head),
        };
        let directive = format!("#Fields: {columns}");
        let columns = Line {
            number: 0,
            bytes: directive.as_bytes(),
        };
        let mut none = Vec::new();
        services.mail.line(columns, &mut none);
        services.news.line(columns, &mut none);
        services.web.line(columns, &mut none);
        services
    }

    /// Takes the values of a row.
    pub(super) fn row<'v>(
        &mut self,
        number: u64,
        service: Service,
        values: impl IntoIterator<Item = &'v str>,
        out: &mut Vec<LogSession>,
    ) -> Parsed {
        let values: Vec<String> = values
            .into_iter()
            .map(|value| match value.trim() {
                "" => "-".to_owned(),
                value => value.replace(' ', "+"),
            })
            .collect();
        let text = values.join(" ");
        let line = Line {
            number,
            bytes: text.as_bytes(),
        };
        match service {
            Service::Mail => self.mail.line(line, out),
            Service::News => self.news.line(line, out),
            Service::Web => self.web.line(line, out),
        }
    }

    pub(super) fn finish(&mut self, out: &mut Vec<LogSession>) {
        self.mail.finish(out);
        self.news.finish(out);
        self.web.finish(out);
    }

    pub(super) fn remarks(&self) -> Vec<String> {
        let readers = [&self.mail, &self.news, &self.web];
        readers.iter().flat_map(|reader| reader.remarks()).collect()
    }
}
