//! The Message-ID in the head of a message that passes (RFC 5322 §3.6.4); nothing else of it is kept.

use memchr::memchr;

use super::record::text;

/// Octets of a head that are looked through, and of one line that are kept.
const MAX_HEAD: usize = 64 << 10;
const MAX_LINE: usize = 1000;
/// The field, in lower case.
const NAME: &[u8] = b"message-id:";

/// Looks through a message as it passes.
#[derive(Clone, Debug, Default)]
pub(super) struct MailHead {
    line: Vec<u8>,
    looked: usize,
    /// The field began on the line before, without its value.
    folded: bool,
    over: bool,
    found: Option<String>,
}

impl MailHead {
    /// Takes the next octets of the message.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !self.over && !bytes.is_empty() {
            let end = memchr(b'\n', bytes);
            let (part, rest) = bytes.split_at(end.map_or(bytes.len(), |lf| lf + 1));
            bytes = rest;
            let room = MAX_LINE.saturating_sub(self.line.len());
            self.line
                .extend_from_slice(part.get(..room).unwrap_or(part));
            self.looked += part.len();
            if end.is_some() {
                self.line_ended();
            }
            self.over |= self.looked > MAX_HEAD;
        }
    }

    /// Octets are missing: what follows may be text.
    pub(super) fn hole(&mut self) {
        self.over = true;
    }

    /// What was found.
    pub(super) fn message_id(&self) -> Option<&str> {
        self.found.as_deref()
    }

    fn line_ended(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = line.trim_ascii_end();
        if line.is_empty() {
            self.over = true;
            return;
        }
        let is_more = line.first().is_some_and(u8::is_ascii_whitespace);
        let value = match line.split_at_checked(NAME.len()) {
            _ if self.folded && is_more => line.trim_ascii(),
            Some((name, value)) if name.eq_ignore_ascii_case(NAME) => value.trim_ascii(),
            _ => {
                self.folded = false;
                return;
            }
        };
        self.folded = value.is_empty();
        if !self.folded {
            self.found = Some(text(value));
            self.over = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(parts: &[&str]) -> Option<String> {
        let mut head = MailHead::default();
        for part in parts {
            head.feed(part.as_bytes());
        }
        head.message_id().map(str::to_owned)
    }

    #[test]
    fn the_id_is_found_in_the_head_alone_in_any_segments() {
        let id = Some("<a@b>".to_owned());
        assert_eq!(found(&["Subject: x\r\nMessage-ID: <a@b>\r\n\r\n"]), id);
        assert_eq!(found(&["message-", "id:<a@b", ">\r", "\n"]), id);
        assert_eq!(found(&["Message-Id:\r\n <a@b>\r\n"]), id);
        assert_eq!(found(&["To: x\r\n\r\nMessage-ID: <a@b>\r\n"]), None);
        assert_eq!(found(&["X-Message-ID: <a@b>\r\n"]), None);
        assert_eq!(found(&["Message-ID: <a@b>"]), None, "may go on");
    }
}
