//! What the server says in a transcript, read line by line.

use crate::model::{LogCommand, Proto};

/// A line of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// A line of a reply that has more (`250-`).
    Begun,
    /// The client may go on (`+` of IMAP).
    GoOn,
    /// Untagged, or no reply at all.
    Other,
    /// The status of a reply.
    Whole {
        /// Of the command that it answers (IMAP).
        tag: String,
        /// Code or status word.
        code: String,
    },
}

/// Reads a line of the server; `tags` are those of the commands that wait.
pub(super) fn read<'a, I: Iterator<Item = &'a str>>(
    proto: Proto,
    line: &str,
    mut tags: impl FnMut() -> I,
) -> Reply {
    let first = line.split(' ').next().unwrap_or_default();
    let whole = |tag: &str, code: &str| Reply::Whole {
        tag: tag.to_owned(),
        code: code.to_owned(),
    };
    match proto {
        Proto("imap") => {
            let status = line.split(' ').nth(1).unwrap_or_default();
            if first == "+" {
                Reply::GoOn
            } else if ["OK", "NO", "BAD"].contains(&status) && tags().any(|tag| tag == first) {
                whole(first, status)
            } else {
                Reply::Other
            }
        }
        Proto("pop3") => match first {
            "+OK" | "-ERR" | "+" => whole("", first),
            _ => Reply::Other,
        },
        _ => match line.split_at_checked(3) {
            Some((code, rest)) if code.bytes().all(|digit| digit.is_ascii_digit()) => {
                match rest.bytes().next() {
                    Some(b'-') if proto == Proto("smtp") => Reply::Begun,
                    None | Some(b' ') => whole("", code),
                    _ => Reply::Other,
                }
            }
            _ => Reply::Other,
        },
    }
}

/// Whether lines up to a dot follow the status of a reply.
pub(super) fn has_data(proto: Proto, command: &LogCommand, code: &str) -> bool {
    let verb = command.verb.as_str();
    let alone = !command.request.trim_end().contains(' ');
    match proto {
        Proto("pop3") if code == "+OK" => match verb {
            "CAPA" | "RETR" | "TOP" => true,
            "AUTH" | "LIST" | "UIDL" => alone && command.request != "***",
            _ => false,
        },
        Proto("nntp") => match code {
            "211" => verb == "LISTGROUP",
            "282" => verb == "XGTITLE",
            _ => matches!(
                code,
                "100" | "101" | "215" | "220" | "221" | "222" | "224" | "225" | "230" | "231"
            ),
        },
        _ => false,
    }
}
