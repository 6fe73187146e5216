//! What became of a message after the session that brought it.

use super::LineRef;

/// The fate of a message for one recipient, as the log tells it later.
///
/// Its texts stand one behind the other in one piece of memory: a log has as many of these as messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The line that tells.
    pub line: LineRef,
    texts: Box<str>,
    /// Where each but the last ends.
    ends: [u32; 4],
}

impl Delivery {
    /// Of the texts in the order of its methods.
    pub fn new(line: LineRef, texts: [&str; 5]) -> Self {
        let mut ends = [0; 4];
        let mut end = 0;
        for (at, text) in ends.iter_mut().zip(texts) {
            end += text.len();
            *at = u32::try_from(end).unwrap_or(u32::MAX);
        }
        Self {
            line,
            texts: texts.concat().into(),
            ends,
        }
    }

    /// The server's own id of the message.
    pub fn message(&self) -> &str {
        self.text(0, self.ends[0])
    }

    /// Who was to have it; empty where it is told for all.
    pub fn recipient(&self) -> &str {
        self.text(self.ends[0], self.ends[1])
    }

    /// The server's own word: `sent`, `deferred`, `bounced`.
    pub fn status(&self) -> &str {
        self.text(self.ends[1], self.ends[2])
    }

    /// To which host or by which program; empty where the log does not say.
    pub fn relay(&self) -> &str {
        self.text(self.ends[2], self.ends[3])
    }

    /// The reply of the next host, or the reason.
    pub fn reply(&self) -> &str {
        self.text(self.ends[3], u32::MAX)
    }

    fn text(&self, from: u32, to: u32) -> &str {
        let place = |end| {
            usize::try_from(end)
                .unwrap_or(usize::MAX)
                .min(self.texts.len())
        };
        self.texts.get(place(from)..place(to)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LogId;

    #[test]
    fn texts_come_out_as_they_went_in() {
        let line = LineRef {
            log: LogId(0),
            line: 1,
        };
        let told = Delivery::new(
            line,
            ["7E58B98E33D", "j\u{fc}rg@example.com", "sent", "", "250 ok"],
        );
        assert_eq!(told.message(), "7E58B98E33D");
        assert_eq!(told.recipient(), "j\u{fc}rg@example.com");
        assert_eq!(
            (told.status(), told.relay(), told.reply()),
            ("sent", "", "250 ok")
        );
    }
}
