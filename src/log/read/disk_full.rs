//! Lines in which a program says that its disk is full.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::model::{DiskFull, LogTime};

use super::super::Parsed;

/// The words of the system for `ENOSPC`.
const NO_SPACE: &[u8] = b": No space left on device";
/// What Postfix says before it takes no more mail.
const QUEUE: &[u8] = b": warning: not enough free space in mail queue: ";

/// A word that hardly a line has; it is looked for in all of them.
static RARE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b" space "));

/// Counts a line that says so.
pub(super) fn note(known: &mut Option<DiskFull>, number: u64, parsed: Parsed) {
    let at = match parsed {
        Parsed::Aside(stamp) => stamp.map(|stamp| stamp.at),
        Parsed::Event(stamp) => Some(stamp.at),
        Parsed::Failed => None,
    };
    let place: (u64, Option<LogTime>) = (number, at);
    let known = known.get_or_insert(DiskFull {
        lines: 0,
        first: place,
        last: place,
    });
    known.lines += 1;
    known.last = place;
}

/// Whether a line of `text` may say so.
pub(super) fn may_say_so(text: &[u8]) -> bool {
    RARE.find(text).is_some()
}

/// Whether the program itself says it: a client's words stand in quotes or brackets, which close behind them.
pub(super) fn says_so(line: &[u8]) -> bool {
    if !may_say_so(line) {
        return false;
    }
    let of_syslog = || {
        memchr::memmem::find(line, b" rsyslogd").is_some()
            && memchr::memmem::find(line, NO_SPACE).is_some()
    };
    line.trim_ascii_end().ends_with(NO_SPACE)
        || memchr::memmem::find(line, QUEUE).is_some()
        || of_syslog()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_say_it_and_clients_cannot() {
        for (line, expected) in [
            (
                "Nov 24 03:29:09 mail postfix/cleanup[7]: fatal: queue file write error: No space left on device",
                true,
            ),
            (
                "Nov 24 03:29:09 mail postfix/smtpd[7]: warning: not enough free space in mail queue: 1024 bytes < 1.5*message size limit",
                true,
            ),
            (
                "2026-11-24 03:29:10 imap(user5)<3><x>: Error: write(/var/mail/user5/dovecot.index.log) failed: No space left on device",
                true,
            ),
            (
                "Nov 24 03:29:09 mail rsyslogd[3]: file '/var/log/mail.log'[8] write error: No space left on device [v8.2302.0 try https://www.rsyslog.com/e/2027 ]",
                true,
            ),
            (
                "Nov 24 03:29:09 mail postfix/smtpd[7]: NOQUEUE: reject: RCPT from a[192.0.2.1]: 550 no; helo=<: No space left on device>",
                false,
            ),
            (
                "192.0.2.1 - - [24/Nov/2026:03:29:09 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"x: No space left on device\"",
                false,
            ),
            (
                "Nov 24 03:29:09 mail postfix/smtpd[7]: connect from unknown[192.0.2.1]",
                false,
            ),
        ] {
            assert_eq!(says_so(line.as_bytes()), expected, "{line}");
        }
    }
}
