//! The time inside Postfix's long queue ids (`mail_queue.h` in its source): seconds since 1970 and microseconds, in base 52, then `z` and the
//! inode's number. Short ids have only the microsecond of a second that they do not name.

use crate::model::LogTime;

use super::super::hidden_clock::number;

/// Digits of the base; there are no vowels, so that no id is a word.
const DIGITS: &[u8] = b"0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
/// Digits of the microseconds, and the fewest of the seconds.
const MICROS: usize = 4;
const SECONDS: usize = 6;

/// When the queue file was made, in UTC; `None` for a short id.
pub(super) fn began(id: &str) -> Option<LogTime> {
    let (time, inode) = id.rsplit_once('z')?;
    let (seconds, micros) = time.split_at_checked(time.len().checked_sub(MICROS)?)?;
    if seconds.len() < SECONDS {
        return None;
    }
    number(inode, DIGITS).filter(|_| !inode.is_empty())?;
    let micros = number(micros, DIGITS).filter(|micros| *micros < 1_000_000)?;
    Some(LogTime::new(number(seconds, DIGITS)?, micros * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_ids_tell_the_microsecond() {
        let expected = LogTime::new(1_795_490_786, 391_957_000);
        assert_eq!(began("4jYSry2mxdz1SW7J"), Some(expected));
    }

    #[test]
    fn other_ids_tell_nothing() {
        for id in [
            "7E58B98E33D",
            "",
            "z",
            "4jYSry2mxdz",
            "zzzzzzzz",
            "4jYSryzzzzz1SW7J",
        ] {
            assert_eq!(began(id), None, "{id}");
        }
    }
}
