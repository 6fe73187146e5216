//! What Dovecot counts at the end of a session.

use std::str::FromStr;

use crate::model::{LoggedFetch, LoggedOctets, LoggedSize, Proto, Side};

use super::super::line::Elements;

/// `… in=9729 out=1302 …`, which the mailbox process counts from the reply to the login on.
pub(super) fn octets(words: &str) -> Option<LoggedOctets> {
    Some(LoggedOctets {
        received: number(words, "in=")?,
        sent: number(words, "out=")?,
        // A LOGOUT is carried out before its line's end is read.
        unread: if words.contains("Logged out") { 2 } else { 0 },
    })
}

/// The number behind `key`.
pub(super) fn number<N: FromStr>(words: &str, key: &str) -> Option<N> {
    let word = words.split(' ').find_map(|word| word.strip_prefix(key))?;
    word.trim_end_matches(',').parse().ok()
}

/// The two numbers behind `key`, with a slash between them.
pub(super) fn pair(words: &str, key: &str) -> Option<(u32, u64)> {
    let word = words
        .split([' ', ','])
        .find_map(|word| word.strip_prefix(key))?;
    let (count, octets) = word.split_once('/')?;
    Some((count.parse().ok()?, octets.parse().ok()?))
}

/// `… deleted=0 expunged=0 trashed=0 … body_count=4 body_bytes=4208` of IMAP, `retr=5/4781, del=0/5` of POP3.
pub(super) fn fetched(words: &str) -> Option<LoggedFetch> {
    if let Some((messages, octets)) = pair(words, "retr=") {
        let (deleted, _) = pair(words, "del=")?;
        return Some(LoggedFetch {
            messages,
            octets,
            deleted,
        });
    }
    let removed = |key| number::<u32>(words, key);
    Some(LoggedFetch {
        messages: number(words, "body_count=")?,
        octets: number(words, "body_bytes=")?,
        deleted: removed("deleted=")?.saturating_add(removed("expunged=")?),
    })
}

/// The USER command of POP3, which a client that logs in by PLAIN mostly uses (the other way is AUTH).
pub(super) fn user_command(proto: Proto, told: &Elements<'_>) -> Option<LoggedSize> {
    let is_plain = proto == Proto("pop3") && told.method == "PLAIN";
    is_plain.then(|| LoggedSize {
        what: format!("a USER command for {}", told.user),
        side: Side::Client,
        count: 1,
        octets: (told.user.len() + "USER \r\n".len()) as u64,
        percent: 80,
    })
}

/// `top=0/0, retr=2/6441, del=0/2, size=6403`: what POP3's replies must have had.
pub(super) fn sizes(words: &str) -> Vec<LoggedSize> {
    let mut sizes = Vec::new();
    if let Some((count, octets)) = pair(words, "retr=").filter(|&(count, _)| count > 0) {
        sizes.push(LoggedSize {
            what: format!("{count} retrieved messages"),
            side: Side::Server,
            count,
            // The dot behind each message is not counted.
            octets: octets.saturating_add(3 * u64::from(count)),
            percent: 95,
        });
    }
    let size = words
        .split([' ', ','])
        .find_map(|word| word.strip_prefix("size="));
    if let (Some((_, messages)), Some(octets)) = (pair(words, "del="), size) {
        sizes.push(LoggedSize {
            what: format!("a reply to STAT with {messages} messages"),
            side: Side::Server,
            count: 1,
            octets: format!("+OK {messages} {octets}\r\n").len() as u64,
            percent: 70,
        });
    }
    sizes
}
