//! One line of Exim's main log, in its own file or in an envelope of syslog (`spec.txt`, chapter "Log files").

use std::net::IpAddr;

use crate::model::{Span, Stamp};

use super::super::stamp;
use super::super::syslog::Syslog;
use super::message_id::MessageId;

/// A line taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said<'a> {
    pub(super) stamp: Stamp,
    /// East of UTC, where the stamp says so.
    pub(super) zone: Option<Span>,
    /// With `log_selector = +pid`; else empty.
    pub(super) pid: &'a str,
    /// The message that it is about, as it stands and read.
    pub(super) message: Option<(&'a str, MessageId)>,
    pub(super) text: &'a str,
}

/// The other end of a connection, and this one, as a line names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ends<'a> {
    pub(super) peer: Option<IpAddr>,
    pub(super) peer_port: Option<u16>,
    pub(super) local: Option<IpAddr>,
    pub(super) local_port: Option<u16>,
    /// What the client called itself.
    pub(super) helo: Option<&'a str>,
}

/// Takes a line apart; `None` when it is neither Exim's own nor in an envelope.
pub(super) fn said<'a>(syslog: &mut Syslog, line: &'a str) -> Option<Said<'a>> {
    if let Some(stamped) = stamp::iso(line)
        && let Some(rest) = stamped.rest.strip_prefix(' ')
        && line.get(10..11).is_none_or(|between| between != "T")
    {
        let (zone, rest) = match stamp::zone(rest) {
            Some((zone, rest)) => (Some(zone), rest.strip_prefix(' ')?),
            None => (None, rest),
        };
        let at = stamped.stamp.at - zone.unwrap_or_default();
        return Some(body(
            Stamp {
                at,
                ..stamped.stamp
            },
            zone,
            "",
            rest,
        ));
    }
    let envelope = syslog.open(line)?;
    if !envelope.program.starts_with("exim") {
        return None;
    }
    // Its own stamp may stand behind that of syslog.
    let text = stamp::iso(envelope.text).map_or(envelope.text, |own| own.rest.trim_start());
    Some(body(envelope.stamp, envelope.zone, envelope.pid, text))
}

fn body<'a>(stamp: Stamp, zone: Option<Span>, pid: &'a str, text: &'a str) -> Said<'a> {
    let (pid, text) = text
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
        .filter(|(pid, _)| !pid.is_empty() && pid.bytes().all(|digit| digit.is_ascii_digit()))
        .unwrap_or((pid, text));
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    let id = MessageId::read(first);
    Said {
        stamp,
        zone,
        pid,
        message: id.map(|id| (first, id)),
        text: if id.is_some() { rest } else { text },
    }
}

impl Said<'_> {
    /// Whether only Exim writes such lines.
    pub(super) fn is_own(&self) -> bool {
        const OWN: [&str; 12] = [
            "End queue run",
            "H=",
            "SMTP call from ",
            "SMTP command timeout ",
            "SMTP connection from ",
            "SMTP protocol ",
            "SMTP syntax error ",
            "Start queue run",
            "TLS error on connection from ",
            "exim ",
            "no MAIL in SMTP connection from ",
            "unexpected disconnection while ",
        ];
        let flagged = ["<=", "=>", "->", ">>", "*>", "**", "==", "Completed", "H="];
        let about = self.message.is_some();
        OWN.iter().any(|own| self.text.starts_with(own))
            || (about && flagged.iter().any(|flag| self.text.starts_with(flag)))
            || self.text.contains(" rejected RCPT ")
            || self.text.contains(" authenticator failed for ")
    }
}

/// The ends of a connection: `H=rdns (helo) [192.0.2.10]:58779 I=[198.51.100.26]:25`, `SMTP connection from (helo) [192.0.2.10]:58779 …`.
pub(super) fn ends(text: &str) -> Ends<'_> {
    let mut ends = Ends::default();
    let text = behind_quoted(text);
    let start = ["H=", " from ", " for "]
        .iter()
        .filter_map(|key| Some(text.find(key)? + key.len()))
        .min();
    let Some(rest) = start.and_then(|start| text.get(start..)) else {
        return ends;
    };
    let Some((before, peer, behind)) = bracketed(rest) else {
        return ends;
    };
    (ends.peer, ends.peer_port) = peer;
    ends.helo = match before.rsplit_once('(') {
        Some((_, helo)) => helo.split(')').next(),
        None => before.split_whitespace().next(),
    }
    .filter(|helo| !helo.is_empty());
    if let Some((_, own)) = behind.split_once("I=")
        && let Some(("", local, _)) = bracketed(own)
    {
        (ends.local, ends.local_port) = local;
    }
    ends
}

/// `SMTP protocol error in "AUTH LOGIN" H=…`, `SMTP syntax error in "…" H=…`: what stands behind the client's words, which
/// are quoted as they came and may look like anything.
fn behind_quoted(text: &str) -> &str {
    let starts = ["SMTP protocol error in \"", "SMTP syntax error in \""];
    let quoted = starts.iter().find_map(|start| text.strip_prefix(start));
    let behind = quoted.and_then(|rest| rest.get(rest.rfind("\" H=")?..));
    behind.unwrap_or(text)
}

type End = (Option<IpAddr>, Option<u16>);

/// The first `[address]:port`, what stands before it, and what behind.
fn bracketed(text: &str) -> Option<(&str, End, &str)> {
    let mut from = 0;
    loop {
        let open = text.get(from..)?.find('[')? + from;
        let inner = text.get(open + 1..)?;
        let (address, behind) = inner.split_once(']')?;
        // Some clients call themselves by an address.
        let is_name = text.get(..open)?.ends_with('(');
        if let Ok(ip) = address.parse()
            && !is_name
        {
            let port = behind.strip_prefix(':').map(|port| {
                let digits = port.bytes().take_while(u8::is_ascii_digit).count();
                port.get(..digits).and_then(|port| port.parse().ok())
            });
            return Some((text.get(..open)?, (Some(ip), port.flatten()), behind));
        }
        from = open + 1;
    }
}

/// The value behind `key=`, up to a blank, or in quotes.
pub(super) fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let at = text
        .match_indices(key)
        .map(|(at, _)| at)
        .find(|&at| at == 0 || text.get(..at).is_some_and(|before| before.ends_with(' ')))?;
    let rest = text.get(at + key.len()..)?;
    match rest.strip_prefix('"') {
        Some(quoted) => {
            // A quote inside is escaped.
            let mut escaped = false;
            let end = quoted.find(|character| {
                let ends = character == '"' && !escaped;
                escaped = character == '\\' && !escaped;
                ends
            });
            quoted.get(..end?)
        }
        None => rest.split(' ').next(),
    }
}

/// `9s`, `0.206s`, `1m3s`, `2h`: a length of time.
pub(super) fn duration(text: &str) -> Option<Span> {
    let mut sum = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, behind) = rest.split_at_checked(end)?;
        let unit = match behind.chars().next()? {
            's' => 1.0,
            'm' => 60.0,
            'h' => 3600.0,
            'd' => 86_400.0,
            'w' => 604_800.0,
            _ => return None,
        };
        sum += number.parse::<f64>().ok()? * unit;
        rest = behind.get(1..)?;
    }
    (text.is_empty() || sum < 1e9).then(|| Span::from_seconds_f64(sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Said<'_> {
        said(&mut Syslog::new(2026), line).unwrap()
    }

    #[test]
    fn every_selection_of_fields_is_taken_apart() {
        for (line, pid) in [
            (
                "2026-11-24 03:28:39 1xVhCx-0005xe-1x <= a@b H=x [192.0.2.1]",
                "",
            ),
            (
                "2026-11-24 03:28:39.000 [7] 1xVhCx-0005xe-1x <= a@b H=x [192.0.2.1]",
                "7",
            ),
            (
                "2026-11-24 04:28:39 +0100 [7] 1xVhCx-0005xe-1x <= a@b H=x [192.0.2.1]",
                "7",
            ),
            (
                "Nov 24 03:28:39 mail exim[7]: 1xVhCx-0005xe-1x <= a@b H=x [192.0.2.1]",
                "7",
            ),
            (
                "Nov 24 03:28:39 mail exim[7]: 2026-11-24 03:28:39 1xVhCx-0005xe-1x <= a@b H=x [192.0.2.1]",
                "7",
            ),
        ] {
            let said = read(line);
            assert_eq!(
                said.stamp.at,
                crate::model::LogTime::new(1_795_490_919, 0),
                "{line}"
            );
            assert_eq!(said.pid, pid, "{line}");
            assert_eq!(said.text, "<= a@b H=x [192.0.2.1]", "{line}");
            assert!(said.message.is_some() && said.is_own(), "{line}");
        }
        assert!(
            said(
                &mut Syslog::new(2026),
                "2026-11-24T03:28:39Z mail postfix/smtpd[1]: x"
            )
            .is_none()
        );
    }

    #[test]
    fn a_login_that_fails_is_told_by_exim_alone() {
        let line = "2026-11-24 03:28:39 dovecot_login authenticator failed for ([192.0.2.5]) [192.0.2.4]:55379: 535 Incorrect authentication data (set_id=info@example.com)";
        assert!(read(line).is_own());
        assert!(!read("2026-11-24 03:28:39 something else happened").is_own());
    }

    #[test]
    fn ends_are_found_in_every_wording() {
        let all =
            ends("SMTP connection from (x) [192.0.2.10]:58779 I=[198.51.100.26]:25 lost D=9s");
        assert_eq!(all.peer, "192.0.2.10".parse().ok());
        assert_eq!(
            (all.peer_port, all.local_port, all.helo),
            (Some(58_779), Some(25), Some("x"))
        );
        let few = ends(
            "H=mail.example.net ([203.0.113.7]) [2001:db8::1] F=<a@b> rejected RCPT <x@y>: no",
        );
        assert_eq!(
            (few.peer, few.peer_port),
            ("2001:db8::1".parse().ok(), None)
        );
        assert_eq!(few.helo, Some("[203.0.113.7]"));
        let rdns = ends("a@b H=mail.example.net [192.0.2.1] P=esmtp S=300");
        assert_eq!(rdns.helo, Some("mail.example.net"));
        assert_eq!(ends("Completed"), Ends::default());
        let forged = ends(
            "SMTP protocol error in \"aUtH lOgIn\" H=(x) [203.0.113.9]\" H=(y) [192.0.2.6] AUTH command used when not advertised",
        );
        assert_eq!(
            (forged.peer, forged.helo),
            ("192.0.2.6".parse().ok(), Some("y"))
        );
    }

    #[test]
    fn values_and_lengths_of_time_are_read() {
        let text = "a@b R=dnslookup T=smtp C=\"250 OK \\\"id\\\"\" QT=1m3s";
        assert_eq!(value(text, "C="), Some("250 OK \\\"id\\\""));
        assert_eq!(value(text, "T="), Some("smtp"));
        assert_eq!(duration("1m3s"), Some(Span::seconds(63)));
        assert_eq!(duration("0.206s"), Some(Span::millis(206)));
        assert_eq!(duration("x"), None);
    }
}
