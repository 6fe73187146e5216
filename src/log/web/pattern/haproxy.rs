//! Aliases of HAProxy's `log-format` (its manual, "Custom log format").
//!
//! A line is stamped when its request began (`%tr`) or when its connection was accepted (`%t`); only the timer that belongs to that leads to the
//! end: `%Ta` from the request on, `%Tt` from the accept on.

use std::borrow::Cow;

use crate::model::Span;

use super::super::field::Field;
use super::super::haproxy::unescaped;
use super::super::times::{Clock, Moment};
use super::{PatternError, Piece, push_literal};

/// Words that only HAProxy's formats have.
const ITS_OWN: [&str; 12] = [
    "%ci", "%[", "%{+", "%{-", "%HM", "%HU", "%HP", "%HV", "%ST", "%tr", "%Ta", "%Tt",
];

/// Aliases without anything that is compared.
const OF_NO_USE: [&str; 34] = [
    "CC", "CS", "H", "ID", "OG", "Tc", "Td", "Th", "Ti", "Tq", "Tr", "Tu", "Tw", "U", "ac", "b",
    "bc", "bi", "bp", "bq", "f", "fc", "hrl", "hsl", "lc", "o", "pid", "rc", "rt", "s", "sc", "si",
    "sp", "sq",
];

/// Whether a format is HAProxy's rather than Apache's.
pub(super) fn is_its_own(format: &str) -> bool {
    ITS_OWN.iter().any(|word| format.contains(word))
}

/// What stands at a place of a format.
enum Word<'a> {
    Alias { flags: &'a str, name: &'a str },
    Expression { flags: &'a str, text: &'a str },
    Literal(&'a str),
}

/// Takes a `log-format` apart.
pub(super) fn pieces(format: &str) -> Result<Vec<Piece>, PatternError> {
    let words = words(format);
    let of_request = |word: &Word<'_>| {
        matches!(
            word,
            Word::Alias {
                name: "tr" | "trg" | "trl",
                ..
            }
        )
    };
    let by_request = words.iter().any(of_request);
    let mut all = Flags::default();
    let mut pieces = Vec::new();
    for word in words {
        match word {
            Word::Literal(text) => push_blank_once(&mut pieces, text),
            // Flags for all that follow.
            Word::Alias { flags, name: "o" } => all = all.and(flags),
            Word::Alias { flags, name } => {
                let field = alias(name, by_request)?;
                push(&mut pieces, field, format!("%{name}"), all.and(flags));
            }
            Word::Expression { flags, text } => {
                push(
                    &mut pieces,
                    expression(text),
                    format!("%[{text}]"),
                    all.and(flags),
                );
            }
        }
    }
    Ok(pieces)
}

/// HAProxy never writes two blanks that stand in its format one behind the other.
fn push_blank_once(pieces: &mut Vec<Piece>, text: &str) {
    let ends_blank = |piece: &Piece| matches!(piece, Piece::Literal(text) if text.ends_with(' '));
    if text != " " || !pieces.last().is_some_and(ends_blank) {
        push_literal(pieces, text);
    }
}

fn push(pieces: &mut Vec<Piece>, field: Field, name: String, flags: Flags) {
    let field = match field {
        Field::SocketPeer | Field::PeerPort | Field::Local | Field::LocalPort if flags.is_hex => {
            Field::Skip
        }
        Field::Clock(Clock::Epoch(_), _) if flags.is_hex => Field::Skip,
        field => field,
    };
    pieces.push(if flags.is_quoted && !matches!(field, Field::Clock(..)) {
        Piece::Quoted(field, name)
    } else {
        Piece::Field(field, name)
    });
}

/// How values are written.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    is_quoted: bool,
    is_hex: bool,
}

impl Flags {
    /// With flags as `+Q,-X` beside.
    fn and(mut self, flags: &str) -> Self {
        for flag in flags.split(',') {
            match flag.trim() {
                "+Q" => self.is_quoted = true,
                "-Q" => self.is_quoted = false,
                "+X" => self.is_hex = true,
                "-X" => self.is_hex = false,
                _ => {}
            }
        }
        self
    }
}

/// A value as it was before HAProxy wrote it: `#22` undone, `+` before what was not over, and nothing for what was not reached.
pub(super) fn value(text: &str) -> Cow<'_, str> {
    let number = text.strip_prefix(['+', '-']).unwrap_or_default();
    if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
        return if text.starts_with('-') { "-" } else { number }.into();
    }
    if text.contains('#') {
        unescaped(text).into()
    } else {
        text.into()
    }
}

fn words(format: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut rest = format;
    while let Some((first, behind)) = split_first(rest) {
        let (word, behind) = match first {
            // As it stands in the quotes of a configuration, or before a blank without them.
            "\\" => match split_first(behind) {
                Some((escaped, behind)) => (Word::Literal(escaped), behind),
                None => (Word::Literal("\\"), ""),
            },
            "%" => match behind.strip_prefix('%') {
                Some(behind) => (Word::Literal("%"), behind),
                None => directive(behind),
            },
            text => (Word::Literal(text), behind),
        };
        words.push(word);
        rest = behind;
    }
    words
}

fn split_first(text: &str) -> Option<(&str, &str)> {
    let first = text.chars().next()?;
    text.split_at_checked(first.len_utf8())
}

/// Behind a percent sign.
fn directive(text: &str) -> (Word<'_>, &str) {
    // `%(name:type){flags}alias` of version 3.
    let text = text
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
        .map_or(text, |(_, behind)| behind);
    let (flags, text) = text
        .strip_prefix('{')
        .and_then(|rest| rest.split_once('}'))
        .unwrap_or(("", text));
    if let Some(rest) = text.strip_prefix('[') {
        let end = end_of_expression(rest);
        let (text, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let behind = behind.strip_prefix(']').unwrap_or(behind);
        return (Word::Expression { flags, text }, behind);
    }
    let end = text.find(|c: char| !c.is_ascii_alphabetic());
    let (name, behind) = text
        .split_at_checked(end.unwrap_or(text.len()))
        .unwrap_or((text, ""));
    (Word::Alias { flags, name }, behind)
}

/// Arguments in brackets of a sample expression may hold brackets.
fn end_of_expression(text: &str) -> usize {
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '[' => depth += 1,
            ']' if depth == 0 => return at,
            ']' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

fn alias(name: &str, by_request: bool) -> Result<Field, PatternError> {
    let accepted = |clock| {
        // Of a connection kept open, the accept is that of its first request.
        if by_request {
            Field::Clock(clock, Moment::Before)
        } else {
            Field::Clock(clock, Moment::Begin)
        }
    };
    let milliseconds = Span::MILLISECOND;
    Ok(match name {
        "B" => Field::Carried,
        "ci" => Field::SocketPeer,
        "cp" => Field::PeerPort,
        "fi" => Field::Local,
        "fp" => Field::LocalPort,
        "ft" => Field::Frontend,
        "hr" | "hs" => Field::Captured,
        "HM" => Field::Method,
        "HP" | "HPO" => Field::Path,
        "HQ" => Field::Query,
        "HU" => Field::Target,
        "HV" => Field::Version,
        "ms" | "Tt" if by_request => Field::Skip,
        "ms" => Field::Clock(Clock::Fraction(milliseconds), Moment::Begin),
        "r" => Field::Request,
        "sslc" => Field::Cipher,
        "sslv" => Field::TlsVersion,
        "ST" => Field::Status,
        "t" | "T" | "Tl" => accepted(Clock::Common),
        "Ta" if by_request => Field::Taken(milliseconds),
        "Ta" => Field::Busy(milliseconds),
        "TR" => Field::Awaited(milliseconds),
        "tr" | "trg" | "trl" => Field::Clock(Clock::Common, Moment::Begin),
        "ts" | "tsc" => Field::Ending,
        "Ts" => accepted(Clock::Epoch(Span::SECOND)),
        "Tt" => Field::Lasted(milliseconds),
        name if OF_NO_USE.contains(&name) => Field::Skip,
        name => {
            return Err(PatternError::NoAlias {
                alias: format!("%{name}"),
            });
        }
    })
}

/// What a sample expression holds; what is converted is another thing.
fn expression(text: &str) -> Field {
    match text.trim() {
        "src" => Field::SocketPeer,
        "src_port" => Field::PeerPort,
        "dst" => Field::Local,
        "dst_port" => Field::LocalPort,
        "capture.req.method" | "method" => Field::Method,
        "capture.req.uri" => Field::Target,
        "capture.req.ver" => Field::Version,
        "path" => Field::Path,
        "ssl_fc_cipher" => Field::Cipher,
        "ssl_fc_protocol" => Field::TlsVersion,
        "status" => Field::Status,
        _ => Field::Skip,
    }
}
