//! The time inside Postfix's long queue ids (`mail_queue.h` in its source): seconds since 1970 and microseconds, in base 52, then `z` and the
//! inode's number. Short ids have only the microsecond of a second that they do not name.

use crate::model::LogTime;

use super::super::hidden_clock::number;

/// Longest id believed.
const MAX: usize = 24;

/// A queue id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct QueueId {
    octets: [u8; MAX],
    length: u8,
}

impl QueueId {
    /// `None` when it is too long for one.
    pub(super) fn read(id: &str) -> Option<Self> {
        let mut octets = [0; MAX];
        octets.get_mut(..id.len())?.copy_from_slice(id.as_bytes());
        let length = u8::try_from(id.len()).ok()?;
        Some(Self { octets, length })
    }

    pub(super) fn as_str(&self) -> &str {
        let octets = self.octets.get(..usize::from(self.length));
        std::str::from_utf8(octets.unwrap_or_default()).unwrap_or_default()
    }
}

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
    fn ids_are_kept_as_they_are_written() {
        for id in [
            "7E58B98E33D",
            "4jYSry2mxdz1SW7J",
            "123456789012345678901234",
        ] {
            assert_eq!(QueueId::read(id).unwrap().as_str(), id);
        }
        assert_eq!(QueueId::read("1234567890123456789012345"), None);
    }

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
