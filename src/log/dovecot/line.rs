//! One line of Dovecot, in its own file or in an envelope of syslog.

use crate::model::{Ending, LoggedTls, Proto, Span, Stamp, TlsVersion};

use super::super::syslog::Syslog;

/// A line taken apart up to its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said<'a> {
    pub(super) stamp: Stamp,
    /// East of UTC, where the stamp says so.
    pub(super) zone: Option<Span>,
    /// `imap-login`, `pop3`; empty for a line of another program.
    pub(super) service: &'a str,
    /// Of a mailbox process: its user, and its own number and session id since 2.3.
    pub(super) user: &'a str,
    pub(super) pid: &'a str,
    pub(super) session: &'a str,
    pub(super) text: &'a str,
}

/// The `key=value` list of a login line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Elements<'a> {
    pub(super) user: &'a str,
    pub(super) method: &'a str,
    pub(super) rip: &'a str,
    pub(super) lip: &'a str,
    pub(super) rport: &'a str,
    pub(super) lport: &'a str,
    pub(super) mpid: &'a str,
    pub(super) session: &'a str,
    pub(super) tls: Option<LoggedTls>,
    /// In the clear, from a place that is trusted.
    pub(super) secured: bool,
}

const LEVELS: [&str; 6] = [
    "Debug: ",
    "Error: ",
    "Fatal: ",
    "Info: ",
    "Panic: ",
    "Warning: ",
];

/// Takes a line apart; `None` when it is neither Dovecot's own nor in an envelope.
pub(super) fn said<'a>(syslog: &mut Syslog, line: &'a str) -> Option<Said<'a>> {
    if let Some(stamped) = syslog.stamped(line)
        && let Some((mut said, true)) = process(stamped.rest.trim_start(), stamped.stamp)
    {
        said.zone = stamped.zone;
        return Some(said);
    }
    let envelope = syslog.open(line)?;
    let other = Said {
        stamp: envelope.stamp,
        zone: envelope.zone,
        service: "",
        user: "",
        pid: "",
        session: "",
        text: envelope.text,
    };
    if envelope.program != "dovecot" {
        return Some(other);
    }
    let (said, _) = process(envelope.text, envelope.stamp).unwrap_or((other, false));
    Some(Said {
        zone: envelope.zone,
        service: if said.service.is_empty() {
            "dovecot"
        } else {
            said.service
        },
        ..said
    })
}

/// `imap(user)<pid><session>: Info: text`, and whether the level was there.
fn process(text: &str, stamp: Stamp) -> Option<(Said<'_>, bool)> {
    let ends = |character: char| !character.is_ascii_alphanumeric() && character != '-';
    let (service, rest) = text.split_at_checked(text.find(ends)?)?;
    if service.is_empty() {
        return None;
    }
    let (mut user, mut pid, mut session) = ("", "", "");
    let mut rest = rest;
    if let Some(inner) = rest.strip_prefix('(') {
        // A name may hold brackets of its own, hardly one with this behind it.
        let end = [")<", "):"].iter().filter_map(|end| inner.find(end)).min();
        let (name, behind) = inner.split_at_checked(end?)?;
        user = name;
        rest = behind.strip_prefix(')')?;
        for part in [&mut pid, &mut session] {
            if let Some((inner, behind)) = rest
                .strip_prefix('<')
                .and_then(|inner| inner.split_once('>'))
            {
                *part = inner;
                rest = behind;
            }
        }
    }
    let rest = rest.strip_prefix(": ")?;
    let text = LEVELS.iter().find_map(|level| rest.strip_prefix(level));
    let said = Said {
        stamp,
        zone: None,
        service,
        user,
        pid,
        session,
        text: text.unwrap_or(rest),
    };
    Some((said, text.is_some()))
}

impl<'a> Said<'a> {
    /// Whether the line is Dovecot's at all.
    pub(super) const fn is_own(&self) -> bool {
        !self.service.is_empty()
    }

    /// Whether a process wrote it that serves clients up to their login.
    pub(super) fn is_login(&self) -> bool {
        self.service.ends_with("-login")
    }

    /// What the service speaks.
    pub(super) fn proto(&self) -> Option<Proto> {
        let service = self.service.strip_suffix("-login").unwrap_or(self.service);
        match service {
            "imap" | "imap-hibernate" => Some(Proto("imap")),
            "pop3" => Some(Proto("pop3")),
            "submission" => Some(Proto("smtp")),
            _ => None,
        }
    }

    /// The message of a login line, and its elements.
    pub(super) fn login(&self) -> Option<(&'a str, Elements<'a>)> {
        let at = [": user=<", ": method=", ": rip="]
            .iter()
            .filter_map(|start| self.text.find(start))
            .min()?;
        let (message, list) = self.text.split_at_checked(at)?;
        Some((message, elements(list.strip_prefix(": ")?)))
    }

    /// Whether the plugin `mail_log` tells what was done to a mail or a mailbox: `save: box=INBOX, uid=1, …`.
    pub(super) fn is_of_mail(&self) -> bool {
        const EVENTS: [&str; 10] = [
            "Mailbox created: ",
            "Mailbox deleted: ",
            "Mailbox renamed: ",
            "append: box=",
            "copy from ",
            "delete: box=",
            "expunge: box=",
            "flag_change: box=",
            "save: box=",
            "undelete: box=",
        ];
        let known = EVENTS.iter().any(|start| self.text.starts_with(start));
        !self.session.is_empty() && known
    }

    /// Why a mailbox process ended its session, and what it counted; `None` for its other lines.
    pub(super) fn end(&self) -> Option<&'a str> {
        const ENDS: [&str; 5] = [
            "Connection closed",
            "Disconnected",
            "Inactivity",
            "Logged out",
            "Server shutting down",
        ];
        let reason = self.text.strip_prefix("Disconnected: ");
        ENDS.iter()
            .any(|end| self.text.starts_with(end))
            .then_some(reason.unwrap_or(self.text))
    }
}

/// The ending that the words of a line mean.
pub(super) fn ending(words: &str) -> Ending {
    let has = |part: &str| words.contains(part);
    if has("nactivity") || has("no input") {
        Ending::Timeout
    } else if has("Logged out")
        || has("by logging out")
        || has("Client has quit the connection")
        || words.starts_with("Aborted login (")
    {
        Ending::Quit
    } else if has("Connection closed")
        || has("Remote closed connection")
        || words.starts_with("Disconnected (")
    {
        Ending::Lost
    } else {
        Ending::Unknown
    }
}

/// `user=<bob>, method=PLAIN, rip=192.0.2.10, …`
fn elements(list: &str) -> Elements<'_> {
    let mut told = Elements::default();
    let mut rest = list;
    while !rest.is_empty() {
        let (element, behind) = element(rest);
        rest = behind;
        let (key, value) = element.split_once('=').unwrap_or((element, ""));
        let known = match key {
            "user" => &mut told.user,
            "method" => &mut told.method,
            "rip" => &mut told.rip,
            "lip" => &mut told.lip,
            "rport" => &mut told.rport,
            "lport" => &mut told.lport,
            "mpid" => &mut told.mpid,
            "session" => &mut told.session,
            "secured" => {
                told.secured = true;
                continue;
            }
            _ => {
                told.tls = tls(element).or(told.tls);
                continue;
            }
        };
        *known = value
            .strip_prefix('<')
            .and_then(|value| value.strip_suffix('>'))
            .unwrap_or(value);
    }
    told
}

/// The first element and the rest; a value in angle brackets may hold commas.
fn element(list: &str) -> (&str, &str) {
    let key_ends = list.find(['=', ',']).unwrap_or(list.len());
    let bracketed = list
        .get(key_ends..)
        .is_some_and(|value| value.starts_with("=<"));
    if bracketed && let Some(at) = list.find(">, ") {
        let (element, rest) = list.split_at_checked(at + 1).unwrap_or((list, ""));
        return (element, rest.strip_prefix(", ").unwrap_or_default());
    }
    if bracketed {
        return (list, "");
    }
    list.split_once(", ").unwrap_or((list, ""))
}

/// `TLS`, `TLS handshaking: …`, or in a list made to tell more `TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)`.
fn tls(element: &str) -> Option<LoggedTls> {
    if let Some((before, after)) = element.split_once(" with cipher ") {
        let version = before.rsplit([' ', '=']).next().unwrap_or_default();
        return Some(LoggedTls {
            version: TlsVersion::from_name(version),
            cipher: after.split(' ').next().map(str::to_owned),
        });
    }
    let rest = element.strip_prefix("TLS")?;
    (rest.is_empty() || rest.starts_with([' ', ':'])).then_some(LoggedTls {
        version: None,
        cipher: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken_apart(line: &str) -> Said<'_> {
        said(&mut Syslog::new(2026), line).unwrap()
    }

    #[test]
    fn own_stamps_and_envelopes_hold_the_same() {
        for line in [
            "Nov 24 03:43:40 imap(bob)<7><N20qhP1gybjAAAIK>: Info: Disconnected: Logged out in=1 out=2",
            "2026-11-24 03:43:40 imap(bob)<7><N20qhP1gybjAAAIK>: Info: Disconnected: Logged out in=1 out=2",
            "Nov 24 03:43:40 mail dovecot: imap(bob)<7><N20qhP1gybjAAAIK>: Disconnected: Logged out in=1 out=2",
            "2026-11-24T04:43:40+01:00 mail dovecot[9]: imap(bob)<7><N20qhP1gybjAAAIK>: Disconnected: Logged out in=1 out=2",
        ] {
            let said = taken_apart(line);
            assert_eq!(said.stamp.at, crate::model::LogTime::new(1_795_491_820, 0));
            assert_eq!(
                (said.service, said.user, said.pid, said.session),
                ("imap", "bob", "7", "N20qhP1gybjAAAIK"),
                "{line}"
            );
            assert_eq!(said.end(), Some("Logged out in=1 out=2"), "{line}");
        }
        assert!(!taken_apart("Nov 24 03:43:40 mail sshd[1]: Login: x").is_own());
    }

    #[test]
    fn elements_are_an_open_list() {
        let line = "Nov 24 03:43:40 mail dovecot: pop3-login: Login: user=<a, b>, method=PLAIN, rip=2001:db8::1, lip=2001:db8::2, rport=4711, lport=995, new=x, TLSv1.2 with cipher ECDHE-RSA-AES256-GCM-SHA384 (256/256 bits), session=<x>";
        let said = taken_apart(line);
        let (message, told) = said.login().unwrap();
        assert_eq!((message, told.user, told.session), ("Login", "a, b", "x"));
        assert_eq!((told.rport, told.lport), ("4711", "995"));
        let tls = told.tls.unwrap();
        assert_eq!(tls.version, TlsVersion::from_name("TLSv1.2"));
        assert_eq!(tls.cipher.as_deref(), Some("ECDHE-RSA-AES256-GCM-SHA384"));
    }

    #[test]
    fn a_name_tells_nothing_of_tls() {
        let line = "Nov 24 03:43:40 mail dovecot: imap-login: Login: user=<a with cipher b>, method=PLAIN, rip=192.0.2.1, secured, session=<x>";
        let (_, told) = taken_apart(line).login().unwrap();
        assert_eq!((told.user, told.session), ("a with cipher b", "x"));
        assert!(told.secured && told.tls.is_none());
    }

    #[test]
    fn words_mean_an_ending() {
        for (words, expected) in [
            ("Logged out in=1 out=2", Ending::Quit),
            (
                "Client has quit the connection (auth failed, 1 attempts in 2 secs)",
                Ending::Quit,
            ),
            (
                "Remote closed connection (auth failed, 1 attempts in 2 secs)",
                Ending::Lost,
            ),
            (
                "Disconnected: Aborted login by logging out (auth failed, 1 attempts in 1 secs)",
                Ending::Quit,
            ),
            (
                "Connection closed (IDLE running for 0.001 secs)",
                Ending::Lost,
            ),
            (
                "Login aborted: Connection closed (no auth attempts in 0 secs) (no_auth_attempts)",
                Ending::Lost,
            ),
            (
                "Disconnected: Inactivity (no auth attempts in 180 secs)",
                Ending::Timeout,
            ),
            ("Disconnected for inactivity in=1 out=2", Ending::Timeout),
            ("Server shutting down. in=1 out=2", Ending::Unknown),
        ] {
            assert_eq!(ending(words), expected, "{words}");
        }
    }
}
