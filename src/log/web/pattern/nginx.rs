//! Variables of nginx's `log_format`.

use crate::model::Span;

use super::super::field::Field;
use super::super::times::{Clock, Moment};
use super::{Piece, push_literal};

/// Takes a `log_format` apart.
pub(super) fn pieces(format: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = format;
    while let Some((literal, behind)) = rest.split_once('$') {
        push_literal(&mut pieces, &unescaped(literal));
        let braced = behind.strip_prefix('{').and_then(|b| b.split_once('}'));
        let (name, behind) = braced.unwrap_or_else(|| {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = behind.find(|c| !is_part(c)).unwrap_or(behind.len());
            behind.split_at_checked(end).unwrap_or((behind, ""))
        });
        pieces.push(Piece::Field(variable(name), format!("${name}")));
        rest = behind;
    }
    push_literal(&mut pieces, &unescaped(rest));
    pieces
}

/// What stands between variables, as it may be written in the quotes of a configuration.
fn unescaped(literal: &str) -> String {
    let mut text = String::new();
    let mut characters = literal.chars();
    while let Some(character) = characters.next() {
        let rest = characters.as_str();
        let escaped = rest.chars().next().filter(|_| character == '\\');
        let meant = match escaped {
            Some('t') => Some('\t'),
            Some(quoted @ ('"' | '\'' | '\\')) => Some(quoted),
            _ => None,
        };
        if meant.is_some() {
            characters.next();
        }
        text.push(meant.unwrap_or(character));
    }
    text
}

/// The same the other way around, on one line.
pub(in crate::log::web) fn escaped(literal: &str) -> String {
    literal.replace('\\', r"\\").replace('\t', r"\t")
}

const fn since_1970(unit: Span) -> Field {
    Field::Clock(Clock::Epoch(unit), Moment::End)
}

/// What a variable of nginx holds. Those that are not known hold nothing of use.
fn variable(name: &str) -> Field {
    match name {
        "body_bytes_sent" => Field::BodyBytes,
        "bytes_sent" => Field::ResponseBytes,
        "connection" => Field::Serial,
        // Words of this program, for what lines are found to have and nginx has no variable for.
        "epoch_ms" => since_1970(Span::MILLISECOND),
        "epoch_ns" => since_1970(Span(1)),
        "epoch_us" => since_1970(Span::MICROSECOND),
        "reply_octets" => Field::Octets,
        "msec" => Field::Clock(Clock::EpochPoint, Moment::End),
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
        "protocol" => Field::Transport,
        "session_time" => Field::Lasted(Span::SECOND),
        "status" => Field::Status,
        "time_iso8601" => Field::Clock(Clock::Iso, Moment::End),
        "time_local" => Field::Clock(Clock::Common, Moment::End),
        _ if name.starts_with("upstream_") && !name.starts_with("upstream_http_") => Field::List,
        _ => Field::Skip,
    }
}
