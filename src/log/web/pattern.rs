//! Log formats in the words of nginx (`log_format`) and of Apache (`LogFormat`).

use crate::model::{ClockStep, Marks, Shown, Shows, Span};

use super::escape::quoted;
use super::field::{Clock, Field, Moment, Values};

/// Why a text is no log format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::log) enum PatternError {
    #[error(
        "nothing stands between {first} and {second}, so that no line can be taken apart there"
    )]
    Adjacent { first: String, second: String },
    #[error("it holds no request: add $request (nginx) or %r (Apache)")]
    NoRequest,
    #[error(
        "it holds no time: add [$time_local] or $msec (nginx), or %t or %{{begin:usec}}t (Apache)"
    )]
    NoTime,
    #[error("Apache has no directive '{directive}'")]
    Unknown { directive: String },
}

/// A format, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// A value, and its name for a person.
    Field(Field, String),
    Literal(String),
}

impl Pattern {
    /// Reads a format: nginx's when it holds a `$`, else Apache's.
    pub(super) fn parse(format: &str) -> Result<Self, PatternError> {
        let pieces = if format.contains('$') {
            of_nginx(format)
        } else {
            of_apache(format)?
        };
        let pattern = Self(pieces);
        pattern.check()?;
        Ok(pattern)
    }

    fn has(&self, wanted: fn(&Field) -> bool) -> bool {
        self.0
            .iter()
            .any(|piece| matches!(piece, Piece::Field(field, _) if wanted(field)))
    }

    /// What lines of this format can show.
    pub(super) fn shows(&self) -> Shows {
        let shown = |wanted| Shown::when(self.has(wanted));
        let ends = self.has(|field| {
            matches!(field, Field::Clock(_, Moment::End)) || matches!(field, Field::Taken(_))
        });
        let octets =
            if self.has(|field| matches!(field, Field::RequestBytes | Field::ResponseBytes)) {
                Shown::Always
            } else if self.has(|field| *field == Field::BodyBytes) {
                Shown::Partly("of bodies of replies")
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
            commands: Shown::Always,
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
        if !has(|field| matches!(field, Field::Request | Field::Method)) {
            return Err(PatternError::NoRequest);
        }
        if !has(
            |field| matches!(field, Field::Clock(clock, _) if !matches!(clock, Clock::Fraction(_) | Clock::Zone)),
        ) {
            return Err(PatternError::NoTime);
        }
        for pair in self.0.windows(2) {
            if let [Piece::Field(field, first), Piece::Field(_, second)] = pair
                && !matches!(field, Field::Clock(..))
            {
                let (first, second) = (first.clone(), second.clone());
                return Err(PatternError::Adjacent { first, second });
            }
        }
        Ok(())
    }

    /// The values of a line; `None` when it is not of this format.
    pub(super) fn read(&self, line: &str) -> Option<Values> {
        let mut values = Values::default();
        let mut rest = line;
        let mut is_quoted = false;
        for (at, piece) in self.0.iter().enumerate() {
            let field = match piece {
                Piece::Literal(literal) => {
                    rest = rest.strip_prefix(literal.as_str())?;
                    is_quoted = literal.ends_with('"');
                    continue;
                }
                Piece::Field(field, _) => field,
            };
            if let Field::Clock(clock, moment) = field {
                rest = values.clock(clock, *moment, rest)?;
                continue;
            }
            let until = match self.0.get(at + 1) {
                Some(Piece::Literal(literal)) => literal.as_str(),
                _ => "",
            };
            let value;
            (value, rest) = match (is_quoted && until.starts_with('"'), field) {
                (true, _) => unquoted(rest)?,
                (false, Field::List) => list(rest),
                (false, Field::Peer | Field::SocketPeer | Field::Local)
                    if until.starts_with(':') =>
                {
                    address(rest)?
                }
                _ if until.is_empty() => (rest.into(), ""),
                _ => {
                    let (value, rest) = rest.split_at_checked(rest.find(until)?)?;
                    (value.into(), rest)
                }
            };
            values.put(field, &value)?;
        }
        rest.trim_end().is_empty().then_some(values)
    }
}

/// What one value is, and the line from its end on.
type Cut<'a> = (std::borrow::Cow<'a, str>, &'a str);

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

fn of_nginx(format: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = format;
    while let Some((literal, behind)) = rest.split_once('$') {
        push_literal(&mut pieces, literal);
        let braced = behind.strip_prefix('{').and_then(|b| b.split_once('}'));
        let (name, behind) = braced.unwrap_or_else(|| {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = behind.find(|c| !is_part(c)).unwrap_or(behind.len());
            behind.split_at_checked(end).unwrap_or((behind, ""))
        });
        pieces.push(Piece::Field(nginx(name), format!("${name}")));
        rest = behind;
    }
    push_literal(&mut pieces, rest);
    pieces
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

/// What a variable of nginx holds. Those that are not known hold nothing of use.
pub(super) fn nginx(name: &str) -> Field {
    match name {
        "body_bytes_sent" => Field::BodyBytes,
        "bytes_sent" => Field::ResponseBytes,
        "connection" => Field::Serial,
        "msec" => Field::Clock(Clock::Epoch(Span::SECOND), Moment::End),
        "realip_remote_addr" => Field::SocketPeer,
        "realip_remote_port" | "remote_port" => Field::PeerPort,
        "remote_addr" => Field::Peer,
        "remote_user" => Field::User,
        "request" => Field::Request,
        "request_length" => Field::RequestBytes,
        "request_method" => Field::Method,
        "request_time" => Field::Taken(Span::SECOND),
        "request_uri" => Field::Target,
        "server_addr" => Field::Local,
        "server_port" => Field::LocalPort,
        "server_protocol" => Field::Version,
        "ssl_cipher" => Field::Cipher,
        "ssl_protocol" => Field::TlsVersion,
        "status" => Field::Status,
        "time_iso8601" => Field::Clock(Clock::Iso, Moment::End),
        "time_local" => Field::Clock(Clock::Common, Moment::End),
        _ if name.starts_with("upstream_") && !name.starts_with("upstream_http_") => Field::List,
        _ => Field::Skip,
    }
}

fn of_apache(format: &str) -> Result<Vec<Piece>, PatternError> {
    let mut pieces = Vec::new();
    let mut characters = format.chars().peekable();
    while let Some(character) = characters.next() {
        let mut literal = |text: &str| push_literal(&mut pieces, text);
        match character {
            // As it stands in the quotes of a configuration.
            '\\' => match characters.next() {
                Some('t') => literal("\t"),
                Some(other) => literal(other.encode_utf8(&mut [0; 4])),
                None => literal("\\"),
            },
            '%' if characters.next_if_eq(&'%').is_some() => literal("%"),
            '%' => {
                let directive = directive(&mut characters);
                apache(&directive, &mut pieces)?;
            }
            other => literal(other.encode_utf8(&mut [0; 4])),
        }
    }
    Ok(pieces)
}

/// A directive's argument in braces, and its letters.
struct Directive {
    argument: Option<String>,
    letters: String,
}

fn directive(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Directive {
    let is_condition = |c: &char| c.is_ascii_digit() || matches!(c, '!' | '<' | '>' | ',');
    while characters.next_if(is_condition).is_some() {}
    let argument = characters.next_if_eq(&'{').map(|_| {
        let mut argument = String::new();
        for character in characters.by_ref() {
            if character == '}' {
                break;
            }
            argument.push(character);
        }
        argument
    });
    while characters.next_if(is_condition).is_some() {}
    let mut letters = String::new();
    letters.extend(characters.next());
    if letters == "^" {
        letters.extend(characters.by_ref().take(2));
    }
    Directive { argument, letters }
}

/// What a directive of Apache's `mod_log_config` and `mod_logio` holds.
///
/// `%I` and `%O` count what is on the wire, which with TLS is more than the request and its reply, and are left out.
fn apache(directive: &Directive, pieces: &mut Vec<Piece>) -> Result<(), PatternError> {
    let argument = directive.argument.as_deref().unwrap_or_default();
    let name = match &directive.argument {
        Some(argument) => format!("%{{{argument}}}{}", directive.letters),
        None => format!("%{}", directive.letters),
    };
    let field = match (directive.letters.as_str(), argument) {
        ("t", _) => {
            apache_time(argument, &name, pieces);
            return Ok(());
        }
        ("a", "c") => Field::SocketPeer,
        ("a" | "h", _) => Field::Peer,
        ("A", _) => Field::Local,
        ("b" | "B", _) => Field::BodyBytes,
        ("D", _) | ("T", "us") => Field::Taken(Span::MICROSECOND),
        ("H", _) => Field::Version,
        ("L", "c") => Field::Serial,
        ("m", _) => Field::Method,
        ("p", "remote") => Field::PeerPort,
        ("p", "local") => Field::LocalPort,
        ("q", _) => Field::Query,
        ("r", _) => Field::Request,
        ("s", _) => Field::Status,
        ("T", "ms") => Field::Taken(Span::MILLISECOND),
        ("T", _) => Field::Taken(Span::SECOND),
        ("u", _) => Field::User,
        ("U", _) => Field::Path,
        ("x" | "c", "SSL_PROTOCOL") => Field::TlsVersion,
        ("x" | "c", "SSL_CIPHER") => Field::Cipher,
        ("X", _) => Field::Connection,
        (
            "C" | "e" | "f" | "i" | "I" | "k" | "l" | "L" | "n" | "o" | "O" | "p" | "P" | "R" | "S"
            | "v" | "V" | "x" | "c" | "^FB" | "^FU" | "^ti" | "^to",
            _,
        ) => Field::Skip,
        _ => return Err(PatternError::Unknown { directive: name }),
    };
    pieces.push(Piece::Field(field, name));
    Ok(())
}

/// `%t` in its many kinds. The time is that of the request's beginning unless it says `end:`.
fn apache_time(argument: &str, name: &str, pieces: &mut Vec<Piece>) {
    let (moment, form) = match argument.strip_prefix("end:") {
        Some(form) => (Moment::End, form),
        None => (
            Moment::Begin,
            argument.strip_prefix("begin:").unwrap_or(argument),
        ),
    };
    let clock = match form {
        "" => {
            push_literal(pieces, "[");
            let clock = Field::Clock(Clock::Common, moment);
            pieces.push(Piece::Field(clock, name.to_owned()));
            return push_literal(pieces, "]");
        }
        "sec" => Clock::Epoch(Span::SECOND),
        "msec" => Clock::Epoch(Span::MILLISECOND),
        "usec" => Clock::Epoch(Span::MICROSECOND),
        "msec_frac" => Clock::Fraction(Span::MILLISECOND),
        "usec_frac" => Clock::Fraction(Span::MICROSECOND),
        "%z" => Clock::Zone,
        form => Clock::Wall(form.to_owned()),
    };
    pieces.push(Piece::Field(Field::Clock(clock, moment), name.to_owned()));
}
