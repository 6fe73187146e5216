//! Who sends a message to whom, and what the server said to each.

use std::collections::VecDeque;

use crate::model::{BodyNo, MailMessage, MailRecipient, PacketNo};
use crate::protocol::Dialogue;
use crate::protocol::line::Body;

/// Most recipients kept of a message, and messages of a connection.
const MAX_KEPT: usize = 1000;

/// The mail transaction under way (RFC 5321 §3.3).
#[derive(Debug, Default)]
pub(super) struct Envelope {
    message: MailMessage,
    /// Places of the recipients that the server took and that have no reply of their own yet: LMTP (RFC 2033 §4.2).
    accepted: VecDeque<usize>,
    /// Texts and chunks that have passed and have no reply yet, of this and of messages sent ahead of replies.
    passed: VecDeque<Passed>,
}

/// A text or a chunk of one.
#[derive(Debug)]
struct Passed {
    octets: u64,
    packet: Option<PacketNo>,
    message_id: Option<String>,
    stored: Option<BodyNo>,
}

impl Envelope {
    /// MAIL was taken: whatever was under way is over.
    pub(super) fn begin(&mut self, request: &str, out: &mut Dialogue) {
        self.end(out);
        self.message.sender = path(request).map(str::to_owned);
    }

    /// RCPT was answered.
    pub(super) fn recipient(&mut self, request: &str, code: u16) {
        let place = self.message.recipients.len();
        if let Some(address) = path(request).filter(|_| place < MAX_KEPT) {
            if code / 100 == 2 {
                self.accepted.push_back(place);
            }
            self.message.recipients.push(MailRecipient {
                address: address.to_owned(),
                code: code.to_string(),
            });
        }
    }

    /// A text or a chunk of one has passed; its reply is still to come.
    pub(super) fn passed(
        &mut self,
        body: &Body,
        message_id: Option<String>,
        stored: Option<BodyNo>,
    ) {
        self.passed.push_back(Passed {
            octets: body.content,
            packet: body.span.map(|(_, packet, _)| packet),
            message_id,
            stored,
        });
    }

    /// The reply to what passed first has come, or will not: it belongs to the message under way.
    pub(super) fn taken(&mut self) {
        let Some(passed) = self.passed.pop_front() else {
            return;
        };
        let message = &mut self.message;
        message.octets = Some(message.octets.unwrap_or(0) + passed.octets);
        message.packet = message.packet.or(passed.packet);
        message.message_id = message.message_id.take().or(passed.message_id);
        message.body = message.body.or(passed.stored);
    }

    /// LMTP's reply for the next of those that were taken.
    pub(super) fn recipient_told(&mut self, code: u16) {
        let next = self.accepted.pop_front();
        if let Some(one) = next.and_then(|at| self.message.recipients.get_mut(at)) {
            one.code = code.to_string();
        }
    }

    /// The server has answered the message.
    pub(super) fn answered(&mut self, code: u16, out: &mut Dialogue) {
        self.message.code = Some(code.to_string());
        self.end(out);
    }

    /// The transaction is over; what it held is written, if it named anybody or brought a message.
    pub(super) fn end(&mut self, out: &mut Dialogue) {
        self.accepted.clear();
        let message = std::mem::take(&mut self.message);
        let any = !message.recipients.is_empty() || message.octets.is_some();
        if any && out.messages.len() < MAX_KEPT {
            out.messages.push(message);
        }
    }
}

/// The path in `MAIL FROM:<a@b> SIZE=1`, without its brackets; also where there are none.
fn path(request: &str) -> Option<&str> {
    let (_, argument) = request.split_once(':')?;
    let argument = argument.trim_start();
    match argument.strip_prefix('<') {
        Some(inside) => inside.split_once('>').map(|(path, _)| path),
        None => argument.split(' ').next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_what_stands_in_the_brackets() {
        assert_eq!(path("MAIL FROM:<a@b> SIZE=1"), Some("a@b"));
        assert_eq!(path("mail from: <>"), Some(""));
        assert_eq!(path("RCPT TO:a@b NOTIFY=NEVER"), Some("a@b"));
        assert_eq!(path("RCPT"), None);
        assert_eq!(path("RCPT TO:<a"), None);
    }
}
