//! What tools for containers put in front of each line that they gather.

use crate::model::as_text;

use super::super::stamp;
use super::super::syslog::Syslog;
use super::{Around, Content, Entry, Envelope};

/// Row of the list: `mail-1  | …` of `docker compose logs`, `[pod/mail-0/postfix] …` of `kubectl logs --prefix`.
pub(super) const NAMED: Entry = Entry {
    about: Around {
        name: "container-names",
        about: "names in front of lines, by docker compose logs and kubectl logs --prefix",
    },
    fits: |line| behind_name(line).is_some(),
    open: || Box::new(Prefixed(behind_name)),
};

/// Row of the list: `2026-11-24T03:43:40.629303112Z …` of `docker logs --timestamps`, where what follows has a time of its own.
pub(super) const STAMPED: Entry = Entry {
    about: Around {
        name: "container-stamps",
        about: "stamps in front of lines, by docker logs --timestamps",
    },
    fits: |line| behind_stamp(line).is_some(),
    open: || Box::new(Prefixed(behind_stamp)),
};

/// Lines with something in front, each by itself.
struct Prefixed(fn(&[u8]) -> Option<&[u8]>);

impl Envelope for Prefixed {
    fn open(&mut self, line: &[u8], out: &mut Vec<u8>) -> Content {
        let Self(behind) = self;
        match behind(line) {
            Some(text) => {
                out.extend_from_slice(text);
                Content::Line
            }
            None => Content::Unopened,
        }
    }
}

fn behind_name(line: &[u8]) -> Option<&[u8]> {
    let of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    if let Some(rest) = line.strip_prefix(b"[pod/") {
        let end = rest
            .iter()
            .position(|byte| !of_name(byte) && *byte != b'/')?;
        return rest.get(end..)?.strip_prefix(b"] ");
    }
    let end = line.iter().position(|byte| !of_name(byte))?;
    let rest = line.get(end..).filter(|_| end > 0)?;
    let bar = rest.iter().position(|&byte| byte != b' ')?;
    rest.get(bar..).filter(|_| bar > 0)?.strip_prefix(b"| ")
}

fn behind_stamp(line: &[u8]) -> Option<&[u8]> {
    /// Octets of `2026-11-24T03:43:40.629303112Z `.
    const LENGTH: usize = 31;
    let (head, rest) = line.split_at_checked(LENGTH)?;
    let head = str::from_utf8(head).ok()?.strip_suffix("Z ")?;
    let is_stamp = stamp::iso(head).is_some_and(|stamped| stamped.rest.is_empty());
    // A program that has no time of its own takes this one, as if from syslog.
    (is_stamp && Syslog::new(2000).open(&as_text(line)).is_none()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_front_is_taken_off() {
        let text = "Nov 24 03:43:40 mail postfix/smtpd[7]: connect from a[192.0.2.1]";
        for (front, behind) in [
            ("mail-1  | ", behind_name as fn(&[u8]) -> Option<&[u8]>),
            ("mail_server.x | ", behind_name),
            ("[pod/mail-0/postfix] ", behind_name),
            ("2026-11-24T03:43:40.629303112Z ", behind_stamp),
        ] {
            let line = format!("{front}{text}");
            assert_eq!(behind(line.as_bytes()), Some(text.as_bytes()), "{front}");
            assert_eq!(behind(text.as_bytes()), None, "{front}");
        }
        for line in ["| x", "mail| x", "a b | x", "[pod/x", "", "mail-1 "] {
            assert_eq!(behind_name(line.as_bytes()), None, "{line}");
        }
        let own = "2026-11-24T03:43:40.629303112Z postfix/smtpd[7]: connect";
        assert_eq!(behind_stamp(own.as_bytes()), None);
    }
}
