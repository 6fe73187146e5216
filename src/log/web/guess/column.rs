//! What the columns of an unknown format are.

use std::net::{IpAddr, SocketAddr};

use crate::model::{LogTime, Span, TlsVersion};

use super::cut::{Row, Token};
use super::kind::{
    Kind, METHODS, OF_OTHERS, STATUS, TIMES, is_absent, is_port, is_request, is_version, moment,
    seconds,
};

/// The values of all lines at one place.
#[derive(Clone, Debug)]
pub(super) struct Column<'a> {
    key: String,
    values: Vec<&'a str>,
    is_quoted: bool,
    pub(super) kind: Kind,
}

/// All columns, each taken for what it is.
pub(super) struct Columns<'a> {
    pub(super) all: Vec<Column<'a>>,
}

impl Column<'_> {
    /// Whether each value is one that `is_it`; some may be absent.
    fn all(&self, is_it: impl Fn(&str) -> bool) -> bool {
        let present = self.values.iter().filter(|value| !is_absent(value));
        let mut count = 0;
        present.inspect(|_| count += 1).all(|value| is_it(value)) && count > 0
    }

    /// The same where none may be absent.
    fn each(&self, is_it: impl Fn(&str) -> bool) -> bool {
        self.values.iter().all(|value| is_it(value))
    }

    pub(super) fn values(&self) -> &[&str] {
        &self.values
    }

    pub(super) fn is_nameless(&self) -> bool {
        self.key.is_empty()
    }

    pub(super) fn is_named(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.key.contains(word))
    }

    pub(super) fn is_of_others(&self) -> bool {
        self.is_named(&OF_OTHERS)
    }

    /// The kind of time that it tells on every line.
    fn time(&self) -> Option<(Kind, Vec<LogTime>)> {
        TIMES.into_iter().find_map(|kind| {
            let moments = self.values.iter().map(|value| moment(kind, value));
            let moments: Option<Vec<_>> = moments.collect();
            Some((kind, moments?))
        })
    }

    /// What stands for it in nginx's words.
    pub(super) fn variables(&self, at: usize) -> String {
        match self.kind {
            // What begins so may hold several values.
            Kind::List => format!("${{upstream_{at}}}"),
            Kind::Nothing => format!("${{field_{at}}}"),
            kind => kind.words().0.to_owned(),
        }
    }

    pub(super) fn dollars(&self) -> usize {
        if self.kind == Kind::ClientEnd { 2 } else { 1 }
    }
}

impl<'a> Columns<'a> {
    /// The columns of `rows`, which are all of one layout; `None` where no time and request are among them.
    pub(super) fn of(rows: &[&Row<'a>]) -> Option<Self> {
        let first = rows.first()?;
        let column = |(at, token): (usize, &Token<'a>)| Column {
            key: token.key.unwrap_or_default().to_ascii_lowercase(),
            values: rows
                .iter()
                .filter_map(|row| row.tokens.get(at))
                .map(|token| token.value)
                .collect(),
            is_quoted: token.is_quoted,
            kind: Kind::Nothing,
        };
        let mut columns = Self {
            all: first.tokens.iter().enumerate().map(column).collect(),
        };
        columns.take_time()?;
        let request = columns.take_request()?;
        columns.take_client();
        let status = columns.take_status(request);
        let client = columns
            .all
            .iter()
            .any(|column| matches!(column.kind, Kind::Client | Kind::ClientEnd));
        if status.is_none() && !client {
            return None;
        }
        columns.take_octets(status);
        columns.take_duration();
        columns.take_rest();
        Some(columns)
    }

    /// What was taken, for a person.
    pub(super) fn taken(&self) -> Vec<&'static str> {
        let mut taken = Vec::new();
        for words in self.all.iter().map(|column| column.kind.words().1) {
            if !words.is_empty() && !taken.contains(&words) {
                taken.push(words);
            }
        }
        taken
    }

    /// The places of the columns that are nothing yet and that `wanted`.
    pub(super) fn free(&self, wanted: impl Fn(&Column<'a>) -> bool) -> Vec<usize> {
        let columns = self.all.iter().enumerate();
        let free = columns.filter(|(_, column)| column.kind == Kind::Nothing && wanted(column));
        free.map(|(at, _)| at).collect()
    }

    pub(super) fn is_free_nameless(&self, at: usize) -> bool {
        let column = self.all.get(at);
        column.is_some_and(|column| column.is_nameless() && column.kind == Kind::Nothing)
    }

    pub(super) fn set(&mut self, at: usize, kind: Kind) {
        if let Some(column) = self.all.get_mut(at) {
            column.kind = kind;
        }
    }

    /// The column that tells a time on every line, of lines that were written one after the other, and those that tell the same in another way.
    fn take_time(&mut self) -> Option<()> {
        let times = self.all.iter().enumerate();
        let times = times.filter_map(|(at, column)| Some((at, column.time()?)));
        let times: Vec<_> = times.filter(|(_, (_, moments))| orderly(moments)).collect();
        let sure = times.iter().find(|(_, (kind, _))| !kind.may_be_a_number());
        let (_, (_, first)) = sure.or(times.first())?;
        let mut taken: Vec<(usize, Kind)> = Vec::new();
        for (at, (kind, moments)) in &times {
            let is_same = same(first, moments);
            // A number that rises is a time only where nothing else may be one.
            if !is_same && sure.is_none() {
                return None;
            }
            if is_same && taken.iter().all(|(_, known)| known != kind) {
                taken.push((*at, *kind));
            }
        }
        for (at, kind) in taken {
            self.set(at, kind);
        }
        Some(())
    }

    /// The request in one column or in parts; gives the place of the last.
    fn take_request(&mut self) -> Option<usize> {
        /// Share of lines that may hold what is no request, in thousandths.
        const GARBAGE: usize = 300;
        let mostly = |column: &Column<'_>| {
            let requests = column
                .values
                .iter()
                .filter(|value| is_request(value))
                .count();
            requests * 1000 >= column.values.len() * (1000 - GARBAGE)
        };
        if let Some(&at) = self.free(mostly).first() {
            self.set(at, Kind::Request);
            return Some(at);
        }
        let method = *self
            .free(|column| column.all(|value| METHODS.contains(&value)))
            .first()?;
        let is_target =
            |value: &str| value.starts_with('/') || value == "*" || value.starts_with("http");
        let targets = self.free(|column| column.all(is_target) && !column.is_named(&["refer"]));
        let target = targets
            .iter()
            .copied()
            .find(|at| *at > method)
            .or(targets.first().copied())?;
        self.set(method, Kind::Method);
        self.set(target, Kind::Target);
        let version = self.free(|column| column.all(is_version)).first().copied();
        if let Some(at) = version {
            self.set(at, Kind::Version);
        }
        Some(method.max(target).max(version.unwrap_or(0)))
    }

    /// The only address, or by its name, or the one with which the lines begin.
    fn take_client(&mut self) {
        /// Before the client's address may stand a name of the host.
        const FIRST: usize = 1;
        let is_address = |value: &str| value.parse::<IpAddr>().is_ok();
        let is_end = |value: &str| {
            let end = value.rsplit_once(':').filter(|_| !is_address(value));
            end.is_some_and(|(ip, port)| is_address(ip) && is_port(port))
                || value.parse::<SocketAddr>().is_ok() && !value.starts_with('[')
        };
        let found = self.free(|column| {
            !column.is_of_others() && (column.each(is_address) || column.each(is_end))
        });
        let client = match *found.as_slice() {
            [] => return,
            [one] => one,
            [first, ..] => {
                let named = self.free(|column| column.is_named(&["client", "remote"]));
                let mut named = found.iter().filter(|at| named.contains(at));
                match (named.next(), named.next()) {
                    (Some(&one), None) => one,
                    (None, None) if first <= FIRST => first,
                    _ => return,
                }
            }
        };
        let with_port = self
            .all
            .get(client)
            .is_some_and(|column| column.each(is_end));
        self.set(
            client,
            if with_port {
                Kind::ClientEnd
            } else {
                Kind::Client
            },
        );
        let named = |column: &Column<'_>| {
            column.is_named(&["port"])
                && column.is_named(&["client", "remote", "cport", "c_port", "src", "peer"])
                && column.each(is_port)
        };
        if let (false, [port]) = (with_port, self.free(named).as_slice()) {
            self.set(*port, Kind::Port);
        }
    }

    /// The only code, or by its name, or the one behind the request.
    fn take_status(&mut self, request: usize) -> Option<usize> {
        let found = self
            .free(|column| !column.is_of_others() && column.all(|value| STATUS.contains(&value)));
        let named = self.free(|column| column.is_named(&["status", "code"]));
        let mut by_name = found.iter().filter(|at| named.contains(at));
        let at = match (by_name.next(), by_name.next(), found.as_slice()) {
            (Some(&one), None, _) => one,
            (_, _, [one]) => *one,
            _ => found.iter().copied().find(|at| *at == request + 1)?,
        };
        self.set(at, Kind::Status);
        Some(at)
    }

    /// Seconds with three digits on every line, which are never shorter than what a server behind it took.
    fn take_duration(&mut self) {
        let is_list = |value: &str| seconds(value).is_some();
        let whole = self.free(|column| column.each(is_list) && !column.is_of_others());
        let partly = self.free(|column| column.all(is_list));
        let longest = whole
            .iter()
            .copied()
            .find(|at| partly.iter().all(|other| self.never_shorter(*at, *other)));
        if let Some(at) = longest {
            self.set(at, Kind::Taken);
        }
    }

    fn never_shorter(&self, one: usize, other: usize) -> bool {
        let (Some(one), Some(other)) = (self.all.get(one), self.all.get(other)) else {
            return false;
        };
        let pairs = one.values.iter().zip(&other.values);
        pairs
            .filter_map(|(one, other)| Some((seconds(one)?, seconds(other)?)))
            .all(|(one, other)| one >= other)
    }

    /// What needs no choice.
    fn take_rest(&mut self) {
        let is_tls = |value: &str| TlsVersion::from_name(value).is_some();
        if let [at] = *self.free(|column| column.all(is_tls)).as_slice() {
            self.set(at, Kind::TlsVersion);
        }
        for at in self.free(|column| {
            column
                .values
                .iter()
                .any(|value| value.contains(", ") || value.contains(" : "))
                && !column.is_quoted
        }) {
            self.set(at, Kind::List);
        }
        let is_agent = |value: &str| value.starts_with("Mozilla/") || value.starts_with("curl/");
        let agents = self.free(|column| column.values.iter().any(|value| is_agent(value)));
        if let [at] = *agents.as_slice() {
            self.set(at, Kind::UserAgent);
        }
        let is_link = |value: &str| value.starts_with("http://") || value.starts_with("https://");
        if let [at] = *self
            .free(|column| column.is_quoted && column.all(is_link))
            .as_slice()
        {
            self.set(at, Kind::Referer);
        }
    }
}

/// Whether lines with these times were written one after the other.
fn orderly(moments: &[LogTime]) -> bool {
    /// By which a line may be late.
    const LATE: Span = Span::seconds(60);
    let mut pairs = moments.windows(2);
    pairs.all(|pair| matches!(pair, [one, next] if *next >= *one - LATE))
}

/// Whether two columns tell the same times.
fn same(first: &[LogTime], moments: &[LogTime]) -> bool {
    /// By which two times of a line may differ.
    const DIFFER: Span = Span::seconds(2);
    let mut pairs = first.iter().zip(moments);
    pairs.all(|(one, other)| one.since(*other).abs() <= DIFFER)
}
