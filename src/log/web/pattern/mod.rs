//! Log formats in the words of nginx (`log_format`), of Apache (`LogFormat`) and of HAProxy (`log-format`).

mod apache;
mod haproxy;
pub(super) mod nginx;

use std::borrow::Cow;

use crate::model::{ClockStep, Marks, Shown, Shows};

use super::escape::quoted;
use super::field::{Field, Values};
use super::times::{Clock, Moment};

/// Why a text is no log format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::log) enum PatternError {
    #[error(
        "nothing stands between {first} and {second}, so that no line can be taken apart there"
    )]
    Adjacent { first: String, second: String },
    #[error("HAProxy has no alias '{alias}'")]
    NoAlias { alias: String },
    #[error("it holds no request: add $request (nginx) or %r (Apache, HAProxy)")]
    NoRequest,
    #[error(
        "it holds no time: add [$time_local] or $msec (nginx), %t or %{{begin:usec}}t (Apache), or [%tr] (HAProxy)"
    )]
    NoTime,
    #[error("Apache has no directive '{directive}'")]
    Unknown { directive: String },
}

/// A format, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pieces: Vec<Piece>,
    /// HAProxy has values and blanks of its own kind.
    is_haproxy: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// A value, and its name for a person.
    Field(Field, String),
    Literal(String),
    /// A value that stands in quotes unless there is none.
    Quoted(Field, String),
}

impl Piece {
    fn field(&self) -> Option<&Field> {
        match self {
            Self::Field(field, _) | Self::Quoted(field, _) => Some(field),
            Self::Literal(_) => None,
        }
    }
}

impl Pattern {
    /// Reads a format: HAProxy's by its own aliases, nginx's when it holds a `$`, else Apache's.
    pub(super) fn parse(format: &str) -> Result<Self, PatternError> {
        let is_haproxy = haproxy::is_its_own(format);
        let pieces = if is_haproxy {
            haproxy::pieces(format)?
        } else if format.contains('$') {
            nginx::pieces(format)
        } else {
            apache::pieces(format)?
        };
        let pattern = Self { pieces, is_haproxy };
        pattern.check()?;
        Ok(pattern)
    }

    fn has(&self, wanted: fn(&Field) -> bool) -> bool {
        self.pieces.iter().filter_map(Piece::field).any(wanted)
    }

    /// What lines of this format can show.
    pub(super) fn shows(&self) -> Shows {
        let shown = |wanted| Shown::when(self.has(wanted));
        let ends = self.has(|field| {
            matches!(
                field,
                Field::Clock(_, Moment::End) | Field::Taken(_) | Field::Lasted(_)
            )
        });
        let octets =
            if self.has(|field| matches!(field, Field::RequestBytes | Field::ResponseBytes)) {
                Shown::Always
            } else if self.has(|field| *field == Field::BodyBytes) {
                Shown::Partly("of bodies of replies")
            } else if self.has(|field| *field == Field::Octets) {
                Shown::Partly("of replies")
            } else {
                Shown::Never
            };
        let status = self.has(|field| *field == Field::Status);
        Shows {
            client_port: shown(|field| *field == Field::PeerPort),
            session_id: shown(|field| *field == Field::Serial),
            step: ClockStep::Varies,
            marks: if ends { Marks::End } else { Marks::Begin },
            octets,
            commands: shown(is_request),
            replies: if status {
                Shown::Partly("the code")
            } else {
                Shown::Never
            },
            tls: shown(|field| *field == Field::TlsVersion),
            users: shown(|field| *field == Field::User),
        }
    }

    fn check(&self) -> Result<(), PatternError> {
        let has = |wanted| self.has(wanted);
        // A proxy of connections knows no requests.
        let is_connection = self.is_haproxy && has(|field| *field == Field::SocketPeer)
            || has(|field| *field == Field::Transport);
        if !has(is_request) && !is_connection {
            return Err(PatternError::NoRequest);
        }
        if !has(
            |field| matches!(field, Field::Clock(clock, moment) if *moment != Moment::Before && !matches!(clock, Clock::Fraction(_) | Clock::Zone)),
        ) {
            return Err(PatternError::NoTime);
        }
        for pair in self.pieces.windows(2) {
            if let [Piece::Field(field, first), Piece::Field(_, second)] = pair
                && !matches!(field, Field::Clock(..))
            {
                let (first, second) = (first.clone(), second.clone());
                return Err(PatternError::Adjacent { first, second });
            }
        }
        Ok(())
    }

    /// Whether a line is a connection that a proxy passed on, and not a request.
    pub(super) fn is_of_connections(&self) -> bool {
        !self.has(is_request)
    }

    /// The values of a line; `None` when it is not of this format.
    pub(super) fn read(&self, line: &str) -> Option<Values> {
        let mut values = Values::default();
        let mut rest = line;
        let mut before = "";
        for (at, piece) in self.pieces.iter().enumerate() {
            let whole = rest;
            let field = match piece {
                Piece::Literal(literal) => {
                    let is_left_out = self.is_haproxy && before.is_empty();
                    rest = behind(rest, literal, is_left_out)?;
                    before = literal;
                    continue;
                }
                Piece::Field(field, _) | Piece::Quoted(field, _) => field,
            };
            if let Field::Clock(clock, moment) = field {
                rest = values.clock(clock, *moment, rest)?;
                before = whole;
                continue;
            }
            let until = match self.pieces.get(at + 1) {
                Some(Piece::Literal(literal)) => literal.as_str(),
                _ => "",
            };
            let value;
            (value, rest) =
                if let (Piece::Quoted(..), Some(inside)) = (piece, rest.strip_prefix('"')) {
                    let (value, behind) = unquoted(inside)?;
                    (value, behind.strip_prefix('"')?)
                } else if before.ends_with('"') && until.starts_with('"') {
                    unquoted(rest)?
                } else {
                    cut(field, rest, until)?
                };
            // Nothing at all leaves out the blank behind it.
            before = if value.is_empty() { "" } else { whole };
            if self.is_haproxy {
                values.put(field, &haproxy::value(&value))?;
            } else {
                values.put(field, &value)?;
            }
        }
        rest.trim_end().is_empty().then_some(values)
    }
}

const fn is_request(field: &Field) -> bool {
    matches!(field, Field::Request | Field::Method)
}

/// What is behind a literal, whose blank may be left out.
fn behind<'a>(text: &'a str, literal: &str, is_left_out: bool) -> Option<&'a str> {
    let whole = text.strip_prefix(literal);
    whole.or_else(|| {
        let short = literal.strip_prefix(' ').filter(|_| is_left_out)?;
        text.strip_prefix(short)
    })
}

/// A value that is not in quotes, up to `until`.
fn cut<'a>(field: &Field, text: &'a str, until: &str) -> Option<Cut<'a>> {
    Some(match field {
        Field::List => list(text),
        Field::Captured => captured(text)?,
        Field::Peer | Field::SocketPeer | Field::Local if until.starts_with(':') => address(text)?,
        _ if until.is_empty() => (text.into(), ""),
        _ => {
            let (value, rest) = text.split_at_checked(text.find(until)?)?;
            (value.into(), rest)
        }
    })
}

/// `{www.example.com|curl}`, if there is one.
fn captured(text: &str) -> Option<Cut<'_>> {
    let end = match text.strip_prefix('{') {
        Some(inside) => inside.find('}')? + 2,
        None => 0,
    };
    let (value, rest) = text.split_at_checked(end)?;
    Some((value.into(), rest))
}

/// What one value is, and the line from its end on.
type Cut<'a> = (Cow<'a, str>, &'a str);

fn unquoted(text: &str) -> Option<Cut<'_>> {
    let (value, behind) = quoted(text)?;
    let end = text.len().checked_sub(behind.len() + 1)?;
    Some((value.into(), text.get(end..)?))
}

/// `0.001, 0.002 : 0.1`.
fn list(text: &str) -> Cut<'_> {
    let mut end = 0;
    for word in text.split_inclusive(' ') {
        let trimmed = word.trim_end();
        let more = trimmed.ends_with(',')
            || trimmed == ":"
            || text
                .get(end + word.len()..)
                .is_some_and(|rest| rest.starts_with(": "));
        end += if more { word.len() } else { trimmed.len() };
        if !more {
            break;
        }
    }
    let (value, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    (value.into(), rest)
}

/// An address before a colon, which may hold colons itself.
fn address(text: &str) -> Option<Cut<'_>> {
    let token = text.split([' ', '"', ',']).next()?;
    let (value, rest) = text.split_at_checked(token.rfind(':')?)?;
    Some((value.into(), rest))
}

fn push_literal(pieces: &mut Vec<Piece>, literal: &str) {
    if literal.is_empty() {
        return;
    }
    match pieces.last_mut() {
        Some(Piece::Literal(before)) => before.push_str(literal),
        _ => pieces.push(Piece::Literal(literal.to_owned())),
    }
}
