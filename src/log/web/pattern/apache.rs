//! Directives of Apache's `LogFormat` (`mod_log_config`, `mod_logio`).

use crate::model::Span;

use super::super::field::Field;
use super::super::times::{Clock, Moment};
use super::{PatternError, Piece, push_literal};

/// Takes a `LogFormat` apart.
pub(super) fn pieces(format: &str) -> Result<Vec<Piece>, PatternError> {
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

/// What a directive holds.
///
/// `%I` and `%O` count what is on the wire, which with TLS is more than the request and its reply; the request's is left out.
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
        ("O", _) => Field::Octets,
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
            "C" | "e" | "f" | "i" | "I" | "k" | "l" | "L" | "n" | "o" | "p" | "P" | "R" | "S" | "v"
            | "V" | "x" | "c" | "^FB" | "^FU" | "^ti" | "^to",
            _,
        ) => Field::Skip,
        _ => return Err(PatternError::Unknown { directive: name }),
    };
    push(pieces, field, name);
    Ok(())
}

/// Path and query stand side by side without anything between them, as they do in a target.
fn push(pieces: &mut Vec<Piece>, field: Field, name: String) {
    if let (Some(Piece::Field(path @ Field::Path, before)), Field::Query) =
        (pieces.last_mut(), &field)
    {
        *path = Field::Target;
        before.push_str(&name);
        return;
    }
    pieces.push(Piece::Field(field, name));
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
