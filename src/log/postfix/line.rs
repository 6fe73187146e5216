//! What single Postfix lines say (`smtpd/smtpd.c`, `smtpd/smtpd_check.c`, `qmgr/qmgr_active.c`).

use std::net::IpAddr;

use crate::model::TlsVersion;

use super::super::cut::{cut, cut_last, head};

/// A line of `smtpd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// `connect from name[address]:port`.
    Connect(Client),
    /// `Anonymous TLS connection established from …: TLSv1.3 with cipher …`.
    Tls {
        version: Option<TlsVersion>,
        cipher: &'a str,
    },
    /// `QID: client=…, sasl_method=…, sasl_username=…`.
    Queued { id: &'a str, user: Option<&'a str> },
    /// `> client: 250 2.1.0 Ok` of `smtpd -v`.
    Sent(&'a str),
    /// `< client: MAIL FROM:<…>`.
    Received(&'a str),
    /// `QID: warn: RCPT from …`, `hold`, `discard`: what was done beside the reply.
    Remark(&'a str),
    /// `QID: reject: RCPT from …: 550 …; from=<…> to=<…> proto=ESMTP helo=<…>`, also by a milter or a proxy.
    Reject {
        id: Option<&'a str>,
        verb: &'a str,
        reply: &'a str,
        from: Option<&'a str>,
        to: Option<&'a str>,
        helo: Option<&'a str>,
    },
    /// `lost connection after DATA (123 bytes) from …`.
    Lost(&'a str),
    /// `timeout after DATA from …`.
    Timeout(&'a str),
    /// `disconnect from … ehlo=1 mail=1 …`: how often each command was used, for [`Tallies`](super::tally::Tallies).
    Disconnect(&'a str),
    /// `warning: host[ip]: SASL LOGIN authentication failed: …, sasl_username=…`
    LoginFailed { user: Option<&'a str> },
    /// Anything else that it says while it serves.
    Other,
}

/// Who is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) ip: Option<IpAddr>,
    pub(super) port: Option<u16>,
}

/// Lines of trouble that are kept as they are.
const TROUBLE: [&str; 5] = [
    "SSL_accept error from ",
    "improper command pipelining after ",
    "non-SMTP command from ",
    "too many errors after ",
    "warning: TLS library problem",
];

/// Reads a line of `smtpd`.
pub(super) fn said(text: &str) -> Said<'_> {
    let (first, rest) = cut(text, " ").unwrap_or((text, ""));
    let known = match first {
        "connect" => rest
            .strip_prefix("from ")
            .map(|rest| Said::Connect(client(rest))),
        "disconnect" => rest.strip_prefix("from ").map(|rest| {
            let (_, counts) = cut(rest, " ").unwrap_or((rest, ""));
            Said::Disconnect(counts)
        }),
        "lost" => rest
            .strip_prefix("connection after ")
            .map(|rest| Said::Lost(state(rest))),
        "timeout" => rest
            .strip_prefix("after ")
            .map(|rest| Said::Timeout(state(rest))),
        ">" => Some(spoken(rest).map_or(Said::Other, |(_, text)| Said::Sent(text))),
        "<" => Some(spoken(rest).map_or(Said::Other, |(_, text)| Said::Received(text))),
        // `Anonymous`, `Trusted` and kin.
        _ => rest
            .strip_prefix("TLS connection established from ")
            .map(|rest| tls(rest).unwrap_or(Said::Other)),
    };
    if let Some(known) = known {
        return known;
    }
    if TROUBLE.iter().any(|trouble| text.starts_with(trouble)) {
        return Said::Remark(text);
    }
    if let Some(warning) = text.strip_prefix("warning: ")
        && let Some((_, told)) = cut(warning, "]: SASL ").or_else(|| {
            // Behind the address there may be a port.
            cut(cut(warning, "]:")?.1, ": SASL ")
        })
        && told.contains(" authentication failed")
    {
        return Said::LoginFailed {
            user: value(told, ", sasl_username="),
        };
    }
    let (Some(id), false) = (first.strip_suffix(':'), rest.is_empty()) else {
        return Said::Other;
    };
    let id = (id != "NOQUEUE" && is_queue_id(id)).then_some(id);
    if let (Some(id), Some(rest)) = (id, rest.strip_prefix("client=")) {
        return Said::Queued {
            id,
            user: value(rest, "sasl_username="),
        };
    }
    match cut(rest, ": ") {
        Some(("reject" | "milter-reject" | "proxy-reject", rest)) => {
            reject(id, rest).unwrap_or(Said::Other)
        }
        Some((
            "discard" | "filter" | "hold" | "milter-hold" | "redirect" | "reject_warning" | "warn",
            _,
        )) => Said::Remark(rest),
        _ => Said::Other,
    }
}

/// The client that a line of `smtpd` names, other than the one that opens its session.
pub(super) fn who(text: &str) -> Option<Client> {
    let named = match cut(text, ": ") {
        Some(("warning", rest)) => rest,
        Some((_, rest)) if rest.starts_with("client=") => rest.get("client=".len()..)?,
        _ => cut(text, " from ")?.1,
    };
    let named = named.split([' ', ',']).next()?;
    Some(client(named.trim_end_matches(':'))).filter(|client| client.ip.is_some())
}

/// `DATA (123 bytes) from …`: the command, and the octets that had come.
fn state(rest: &str) -> &str {
    head(rest, " from ")
}

/// A line of a transcript: the other end as it is named, and what was said.
pub(super) fn spoken(rest: &str) -> Option<(&str, &str)> {
    let (host, behind) = cut(rest, "[")?;
    let (_, behind) = cut(behind, "]")?;
    let (_, said) = cut(behind, ": ").or_else(|| {
        // A line that is empty.
        behind.strip_suffix(':').map(|port| (port, ""))
    })?;
    let end = rest.len().checked_sub(said.len())?;
    let peer = rest.get(..end)?.trim_end_matches([':', ' ']);
    (!host.contains(' ')).then_some((peer, said))
}

/// `name[192.0.2.10]:41088`, `name[2001:db8::1]`, `localhost[unix]`; the name may hold brackets, the address none.
pub(super) fn client(text: &str) -> Client {
    let text = head(text, " ");
    let (inner, after) = cut_last(text, "]")
        .and_then(|(named, after)| Some((cut_last(named, "[")?.1, after)))
        .unwrap_or(("", ""));
    Client {
        ip: inner.parse().ok(),
        port: after.strip_prefix(':').and_then(|port| port.parse().ok()),
    }
}

/// Behind the client: `: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) …`.
pub(super) fn tls(rest: &str) -> Option<Said<'_>> {
    let (_, rest) = cut(rest, ": ")?;
    let (version, rest) = cut(rest, " with cipher ")?;
    Some(Said::Tls {
        version: TlsVersion::from_name(version),
        cipher: head(rest, " "),
    })
}

/// `RCPT from host[ip]: 550 5.1.1 <x>: …; from=<…> to=<…> proto=ESMTP helo=<…>`.
fn reject<'a>(id: Option<&'a str>, rest: &'a str) -> Option<Said<'a>> {
    let (verb, rest) = cut(rest, " from ")?;
    let (_, rest) = cut(rest, "]")?;
    let (_, rest) = cut(rest, ": ")?;
    // The reply may hold semicolons: what follows the last one is Postfix's own.
    let (reply, context) = cut_last(rest, "; ").unwrap_or((rest, ""));
    Some(Said::Reject {
        id,
        verb,
        reply,
        from: bracketed(context, "from=<"),
        to: bracketed(context, "to=<"),
        helo: bracketed(context, "helo=<"),
    })
}

/// What stands behind `key` up to the `>` that ends the value.
fn bracketed<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut ahead = text;
    let mut is_begun = true;
    loop {
        let (before, rest) = cut(ahead, key)?;
        if before.ends_with(' ') || is_begun && before.is_empty() {
            let inner = cut(rest, "> ").map(|(inner, _)| inner);
            return inner.or_else(|| rest.strip_suffix('>'));
        }
        (ahead, is_begun) = (rest, false);
    }
}

/// What stands behind `key` up to a comma or the end.
pub(super) fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = cut(text, key)?;
    Some(head(rest, ", ").trim_end())
}

/// Short ids are upper-case hexadecimal, long ones (`enable_long_queue_ids`) have no vowels.
pub(super) fn is_queue_id(text: &str) -> bool {
    (6..=24).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests;
