//! A reply that is over, and the command that it answers.

use crate::model::{
    Encryption, Ending, Event, LineRef, LogCommand, LoggedMessage, Proto, Side, Stamp, Verb,
};

use super::reply::has_data;
use super::{Asked, CHUNK_SLACK, Client, Detail, Transcript};

impl Transcript {
    /// The status line of a reply has come.
    pub(super) fn whole(&mut self, line: LineRef, stamp: Stamp, tag: &str, code: String) {
        let at = self
            .pending
            .iter()
            .position(|asked| asked.tag == tag)
            .filter(|_| !self.pending.is_empty());
        let Some(asked) = at.and_then(|at| self.pending.remove(at)) else {
            // The greeting, or of a command whose line is missing.
            let text = std::mem::take(&mut self.said).first.unwrap_or_default();
            return self.note(line, stamp, text);
        };
        let data = has_data(self.session.proto, &asked.command, &code);
        self.pending.push_front(asked);
        if let Some(asked) = self.pending.front_mut() {
            asked.command.code = Some(code);
        }
        self.in_data = data;
        if !data || self.detail != Detail::Everything {
            let counted = if data { Side::Client } else { Side::Server };
            self.answer(line, stamp, counted);
        }
    }

    /// The reply to the first command that waits is over; `counted`: the server's octets are known as well.
    pub(super) fn answer(&mut self, line: LineRef, stamp: Stamp, counted: Side) {
        let Some(Asked {
            mut command, name, ..
        }) = self.pending.pop_front()
        else {
            return;
        };
        let said = std::mem::take(&mut self.said);
        command.response_bytes = said
            .octets
            .known()
            .filter(|_| counted == Side::Server && self.sizes_hold(&command));
        command.response = said.first;
        let accepted = command
            .code
            .as_deref()
            .is_some_and(|code| code.starts_with(['2', '+']) || code == "OK");
        self.follow(line, &command, name, accepted);
        self.push(line, stamp, Event::command(command));
    }

    /// Whether the lines shown for a reply are all that there were: without messages IMAP's are not.
    fn sizes_hold(&self, command: &LogCommand) -> bool {
        match self.detail {
            Detail::Everything => true,
            Detail::Lines => {
                self.session.proto != Proto("imap")
                    || !["APPEND", "FETCH", "UID"].contains(&command.verb.as_str())
            }
            Detail::Words => false,
        }
    }

    /// What an answered command means for what comes next.
    fn follow(
        &mut self,
        line: LineRef,
        command: &LogCommand,
        name: Option<String>,
        accepted: bool,
    ) {
        let code = command.code.as_deref().unwrap_or_default();
        match (command.verb.as_str(), code) {
            ("AUTH" | "AUTHINFO", "334" | "383" | "+") => self.client = Client::Secret,
            ("DATA", "354") | ("POST", "340") | ("IHAVE", "335") => self.expect_message(line),
            ("MAIL" | "RSET" | "EHLO" | "HELO", _) if accepted => {
                (self.recipients, self.chunks) = (0, 0);
            }
            ("RCPT", _) if accepted => self.recipients = self.recipients.saturating_add(1),
            ("STARTTLS" | "X-ANONYMOUSTLS", "220" | "OK" | "382") | ("STLS", "+OK") => {
                self.session.encryption = Some(Encryption::StartTls);
            }
            ("QUIT", "221" | "205" | "+OK") | ("LOGOUT", _) => self.session.ending = Ending::Quit,
            (Verb::BODY, _) if accepted && !command.request.is_empty() => {
                self.chunk(&command.request);
            }
            (Verb::BODY, _) if accepted => {
                self.message(command.request_bytes.map(|size| (size, size)));
            }
            _ => {}
        }
        let refused = matches!(code, "NO" | "BAD" | "-ERR") || code.starts_with(['4', '5']);
        if let Some(name) = name.filter(|_| !refused)
            && !self.session.names.contains(&name)
        {
            self.session.names.push(name);
        }
    }

    fn expect_message(&mut self, line: LineRef) {
        if self.detail == Detail::Everything {
            self.client = Client::Message;
        }
        self.pending.push_front(Asked {
            line,
            tag: String::new(),
            name: None,
            command: LogCommand {
                verb: Verb::new(Verb::BODY),
                request_bytes: (self.detail == Detail::Everything).then_some(0),
                ..LogCommand::default()
            },
        });
    }

    /// A part of a message was taken in: `BDAT 1024 LAST`.
    fn chunk(&mut self, request: &str) {
        let octets = request.split(' ').nth(1).and_then(|size| size.parse().ok());
        let octets: u64 = octets.unwrap_or_default();
        self.chunks = self.chunks.saturating_add(octets);
        if request.to_ascii_uppercase().ends_with(" LAST") {
            // Only a message in one piece has a size of its own on the wire.
            let whole = octets == self.chunks && octets > 0;
            self.message(whole.then(|| (octets, octets.saturating_add(CHUNK_SLACK))));
            self.chunks = 0;
        }
    }

    /// A message was taken in, of so many octets at least and at most.
    fn message(&mut self, wire_bytes: Option<(u64, u64)>) {
        if self.session.proto != Proto("smtp") {
            return;
        }
        self.session.messages.push(LoggedMessage {
            wire_bytes,
            recipients: (self.recipients > 0).then_some(self.recipients),
            message_id: None,
        });
    }
}
