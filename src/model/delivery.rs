//! What became of a message after the session that brought it.

use std::fmt;
use std::sync::Arc;

use super::commands::{Rest, put_number};
use super::{LineRef, LogId};

/// The fate of a message for one recipient, as the log tells it later. A copy of it is the same piece of memory.
///
/// A log has as many of these as messages: the line, as log and number, and the length of each text stand in front of the texts, each number
/// seven bits to an octet, the lowest first.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivery(Arc<[u8]>);

/// Its texts, in the order in which they stand.
const TEXTS: usize = 5;

impl Delivery {
    /// Of the texts in the order of its methods.
    pub fn new(line: LineRef, texts: [&str; TEXTS]) -> Self {
        let mut octets: smallvec::SmallVec<[u8; 512]> = smallvec::SmallVec::new();
        let lengths = texts.map(|text| u64::try_from(text.len()).unwrap_or(u64::MAX));
        for number in [line.log.0.into(), line.line].into_iter().chain(lengths) {
            put_number(number, |octet| octets.push(octet));
        }
        for text in texts {
            octets.extend_from_slice(text.as_bytes());
        }
        Self(octets.as_slice().into())
    }

    /// The line that tells.
    pub fn line(&self) -> LineRef {
        let mut rest = Rest(&self.0);
        let log = rest.number().and_then(|log| u16::try_from(log).ok());
        LineRef {
            log: LogId(log.unwrap_or_default()),
            line: rest.number().unwrap_or_default(),
        }
    }

    /// The server's own id of the message.
    pub fn message(&self) -> &str {
        self.text::<0>()
    }

    /// Who was to have it; empty where it is told for all.
    pub fn recipient(&self) -> &str {
        self.text::<1>()
    }

    /// The server's own word: `sent`, `deferred`, `bounced`.
    pub fn status(&self) -> &str {
        self.text::<2>()
    }

    /// To which host or by which program; empty where the log does not say.
    pub fn relay(&self) -> &str {
        self.text::<3>()
    }

    /// The reply of the next host, or the reason.
    pub fn reply(&self) -> &str {
        self.text::<4>()
    }

    fn text<const AT: usize>(&self) -> &str {
        self.octets::<AT>()
            .and_then(|octets| std::str::from_utf8(octets).ok())
            .unwrap_or_default()
    }

    fn octets<const AT: usize>(&self) -> Option<&[u8]> {
        let mut rest = Rest(&self.0);
        for _ in 0..2 {
            rest.number()?;
        }
        let mut before = 0_usize;
        let mut length = 0;
        for at in 0..TEXTS {
            let of_this = usize::try_from(rest.number()?).ok()?;
            if at < AT {
                before = before.checked_add(of_this)?;
            } else if at == AT {
                length = of_this;
            }
        }
        rest.take(before)?;
        rest.take(length)
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("line", &self.line())
            .field("message", &self.message())
            .field("recipient", &self.recipient())
            .field("status", &self.status())
            .field("relay", &self.relay())
            .field("reply", &self.reply())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_out_as_they_went_in() {
        let line = LineRef {
            log: LogId(3),
            line: 300_000,
        };
        let told = Delivery::new(
            line,
            ["7E58B98E33D", "j\u{fc}rg@example.com", "sent", "", "250 ok"],
        );
        assert_eq!(told.line(), line);
        assert_eq!(told.message(), "7E58B98E33D");
        assert_eq!(told.recipient(), "j\u{fc}rg@example.com");
        assert_eq!(
            (told.status(), told.relay(), told.reply()),
            ("sent", "", "250 ok")
        );
    }
}
