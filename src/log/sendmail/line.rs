//! One line of Sendmail (`headers.c`, `deliver.c`, `srvrsmtp.c`, `queue.c` in its source).

use std::net::IpAddr;

use crate::model::LogTime;

use super::super::stamp;

/// Digits of the times in queue ids.
const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx";

/// What a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// `NOQUEUE: connect from host [192.0.2.10]`
    Connect,
    /// `<-- MAIL FROM:<…>`, at log level 15.
    Received(&'a str),
    /// `--- 250 2.1.0 …`
    Sent(&'a str),
    /// `from=<…>, size=981, …, relay=host [192.0.2.10]`
    From,
    /// `to=<…>, …, stat=Sent (…)`
    To,
    /// `STARTTLS=server, relay=…, version=TLSv1.3, …`
    ServerTls,
    /// `STARTTLS=client, …`
    ClientTls,
    /// `AUTH=server, relay=…, authid=carol, mech=PLAIN, bits=0`
    Auth,
    /// `AUTH failure (LOGIN): authentication failure (-13) SASL(-13): …, user=carol, relay=host [192.0.2.10]`
    AuthFailed,
    /// `ruleset=check_rcpt, arg1=<…>, relay=…, reject=550 …`
    Reject,
    /// `host [192.0.2.10]: EXPN root [rejected]`: who, and the command.
    Forbidden(&'a str, &'a str),
    /// `host [192.0.2.10]: possible SMTP attack: command=AUTH, count=5`, `rejecting commands from host [192.0.2.10] due to
    /// pre-greeting traffic after 6 seconds`: who.
    Suspect(&'a str),
    /// `… did not issue MAIL/EXPN/VRFY/ETRN during connection to MTA`
    Idle,
    /// `lost input channel from …`, `collect: premature EOM: …`
    Lost,
    /// `timeout waiting for input from …`
    Timeout,
    Other,
}

/// Whether it is a program of Sendmail.
pub(super) fn is_sendmail(program: &str) -> bool {
    program == "sendmail" || program.starts_with("sm-") || program.starts_with("sendmail-")
}

/// The queue id of a line, and what is told of it.
pub(super) fn split(text: &str) -> (&str, &str) {
    match text.split_once(": ") {
        Some((id, rest)) if id == "NOQUEUE" || made(id, 2000).is_some() => (id, rest),
        _ => ("", text),
    }
}

pub(super) fn said(rest: &str) -> Said<'_> {
    const STARTS: [(&str, Said<'static>); 10] = [
        ("AUTH failure ", Said::AuthFailed),
        ("AUTH=server", Said::Auth),
        ("STARTTLS=client", Said::ClientTls),
        ("STARTTLS=server", Said::ServerTls),
        ("collect: premature EOM", Said::Lost),
        ("connect from ", Said::Connect),
        ("from=", Said::From),
        ("lost input channel from ", Said::Lost),
        ("timeout waiting for input from ", Said::Timeout),
        ("to=", Said::To),
    ];
    if let Some(text) = rest.strip_prefix("<-- ") {
        return Said::Received(text);
    }
    if let Some(text) = rest.strip_prefix("--- ") {
        return Said::Sent(text);
    }
    if let Some((_, said)) = STARTS.iter().find(|(start, _)| rest.starts_with(start)) {
        return *said;
    }
    if let Some(told) = rest
        .strip_prefix("rejecting commands from ")
        .and_then(|rest| rest.rsplit_once(" due to pre-greeting traffic "))
    {
        return Said::Suspect(told.0);
    }
    if let Some((who, told)) = rest.split_once(": ") {
        if let Some(command) = told.strip_suffix(" [rejected]") {
            return Said::Forbidden(who, command);
        }
        if told.starts_with("possible SMTP attack: ") {
            return Said::Suspect(who);
        }
    }
    if rest.starts_with("ruleset=") && rest.contains(", reject=") {
        Said::Reject
    } else if rest.contains(" did not issue MAIL/EXPN/VRFY/ETRN ") {
        Said::Idle
    } else {
        Said::Other
    }
}

/// The value of `key=`, up to a comma that is neither in brackets nor in parentheses.
pub(super) fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut rest = text;
    loop {
        let end = end(rest);
        let field = rest.get(..end)?;
        if let Some(value) = field.strip_prefix(key) {
            // The last field may hold anything.
            let whole = matches!(key, "reject=" | "stat=");
            return Some(if whole { rest.get(key.len()..)? } else { value });
        }
        rest = rest.get(end..)?.strip_prefix(", ")?;
    }
}

fn end(text: &str) -> usize {
    let (mut angle, mut round) = (0u32, 0u32);
    for (at, character) in text.char_indices() {
        match character {
            '<' => angle += 1,
            '>' => angle = angle.saturating_sub(1),
            '(' => round += 1,
            ')' => round = round.saturating_sub(1),
            // Recipients stand without a blank between them.
            ',' if angle == 0 && round == 0 && text.get(at + 1..at + 2) == Some(" ") => return at,
            _ => {}
        }
    }
    text.len()
}

/// The address in `host [192.0.2.10] (may be forged)`, `[IPv6:2001:db8::1]`.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let (_, rest) = text.split_once('[')?;
    let inner = rest.split(']').next()?;
    inner.strip_prefix("IPv6:").unwrap_or(inner).parse().ok()
}

/// When a queue id was made, in UTC: `x89Bx1iP007421` holds year, month, day, hour, minute and second, each in one digit of base 60. The
/// year repeats every 60 years: the one nearest to `year`.
pub(super) fn made(id: &str, year: i32) -> Option<LogTime> {
    let (time, rest) = id.split_at_checked(8)?;
    let is_pid = rest.len() >= 6 && rest.bytes().all(|digit| digit.is_ascii_digit());
    let mut digits = time.bytes().map(|digit| {
        let value = DIGITS.iter().position(|&known| known == digit)?;
        u32::try_from(value).ok()
    });
    let mut next = || digits.next().flatten();
    let (years, month, day) = (next()?, next()?, next()?);
    let (hour, minute, second) = (next()?, next()?, next()?);
    if !is_pid || hour > 23 {
        return None;
    }
    let base = 1900 + i32::try_from(years).ok()?;
    let rounds = (year - base + 30).div_euclid(60);
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    let midnight = stamp::date(base + 60 * rounds, month + 1, day)?;
    Some(midnight + crate::model::Span::seconds(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_ids_tell_their_second() {
        let at = LogTime::new(1_568_030_341, 0);
        assert_eq!(made("x89Bx1iP007421", 2019), Some(at));
        assert_eq!(made("x89Bx1iP007421", 2026), Some(at));
        for id in [
            "NOQUEUE",
            "",
            "x89Bx1iP00742x",
            "xD9Bx1iP007421",
            "VAA24441",
        ] {
            assert_eq!(made(id, 2026), None, "{id}");
        }
    }

    #[test]
    fn values_may_hold_commas_in_brackets() {
        let text = "to=<a@b>,<c@d>, delay=00:00:01, relay=mx.x. [203.0.113.25], dsn=2.0.0, stat=Sent (OK, queued)";
        assert_eq!(value(text, "relay="), Some("mx.x. [203.0.113.25]"));
        assert_eq!(value(text, "stat="), Some("Sent (OK, queued)"));
        assert_eq!(value(text, "mailer="), None);
        assert_eq!(address("mx.x. [203.0.113.25]"), "203.0.113.25".parse().ok());
        assert_eq!(address("x [IPv6:2001:db8::1]"), "2001:db8::1".parse().ok());
    }

    #[test]
    fn lines_are_told_by_their_first_words() {
        for (text, expected) in [
            ("<-- QUIT", Said::Received("QUIT")),
            ("--- 250 ok", Said::Sent("250 ok")),
            ("from=<a@b>, size=1", Said::From),
            ("STARTTLS=server, relay=x", Said::ServerTls),
            ("ruleset=check_rcpt, arg1=<x>, reject=550 no", Said::Reject),
            ("ruleset=trust_auth, arg1=x", Said::Other),
            (
                "AUTH failure (LOGIN): no, user=x, relay=[192.0.2.1]",
                Said::AuthFailed,
            ),
            (
                "a [192.0.2.1] (may be forged): vrfy: root [rejected]",
                Said::Forbidden("a [192.0.2.1] (may be forged)", "vrfy: root"),
            ),
            (
                "[192.0.2.1]: possible SMTP attack: command=AUTH, count=5",
                Said::Suspect("[192.0.2.1]"),
            ),
            (
                "rejecting commands from a [192.0.2.1] due to pre-greeting traffic after 6 seconds",
                Said::Suspect("a [192.0.2.1]"),
            ),
            ("<x@y>... No such user here", Said::Other),
            (
                "a [192.0.2.1] did not issue MAIL/EXPN/VRFY/ETRN during connection to MTA",
                Said::Idle,
            ),
        ] {
            assert_eq!(said(text), expected, "{text}");
        }
    }
}
