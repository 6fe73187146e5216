//! Messages of a mail server, and what became of each after the session that brought it.

use std::collections::HashMap;

use thin_vec::ThinVec;

use crate::model::{Delivery, LogCommand, Verb};

/// Messages that are remembered, and deliveries of one.
const MAX_MESSAGES: usize = 1_000_000;
const MAX_DELIVERIES: usize = 1_000;

/// The messages of one log, by the server's own ids.
#[derive(Debug, Default)]
pub(super) struct Fates {
    messages: HashMap<String, Message>,
    /// Messages and deliveries beyond the bounds.
    passed_over: u64,
}

#[derive(Debug, Default)]
struct Message {
    sender: Option<String>,
    deliveries: Vec<Delivery>,
}

impl Fates {
    /// A message was taken in.
    pub(super) fn begin(&mut self, id: &str, sender: Option<String>) {
        if let Some(known) = self.messages.get_mut(id) {
            known.sender = sender;
        } else if self.messages.len() < MAX_MESSAGES {
            let deliveries = Vec::new();
            let message = Message { sender, deliveries };
            self.messages.insert(id.to_owned(), message);
        } else {
            self.passed_over += 1;
        }
    }

    /// One recipient's copy came somewhere; kept where the log told how the message came.
    pub(super) fn add(&mut self, delivery: Delivery) {
        let Some(message) = self.messages.get_mut(delivery.message()) else {
            return;
        };
        if message.deliveries.len() < MAX_DELIVERIES {
            message.deliveries.push(delivery);
        } else {
            self.passed_over += 1;
        }
    }

    /// Who sent a message.
    pub(super) fn sender(&self, id: &str) -> Option<&str> {
        self.messages.get(id)?.sender.as_deref()
    }

    /// What became of these messages, in their order.
    pub(super) fn of(&self, ids: &[String]) -> ThinVec<Delivery> {
        let messages = ids.iter().filter_map(|id| self.messages.get(id));
        messages
            .flat_map(|message| message.deliveries.iter().cloned())
            .collect()
    }

    /// What a person should know of the bounds.
    pub(super) fn remarks(&self) -> Vec<String> {
        let over = (self.passed_over > 0).then(|| {
            format!(
                "{} messages and deliveries are not shown, as there are too many",
                self.passed_over
            )
        });
        over.into_iter().collect()
    }
}

/// The command that the next host answered with `reply`, as a line of a delivery tells: of `RCPT` with its `recipient`; `None` where
/// the reply has no code.
pub(super) fn answered(verb: &str, recipient: &str, reply: &str) -> Option<LogCommand> {
    let code = reply
        .get(..3)
        .filter(|code| code.bytes().all(|digit| digit.is_ascii_digit()))?;
    Some(LogCommand {
        verb: Verb::new(verb),
        request: match verb {
            "RCPT" => format!("RCPT TO:<{recipient}>"),
            Verb::BODY => String::new(),
            verb => verb.to_owned(),
        },
        code: Some(code.to_owned()),
        response: Some(reply.to_owned()),
        ..LogCommand::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LineRef, LogId};

    fn delivery(message: &str, recipient: &str) -> Delivery {
        let line = LineRef {
            log: LogId(0),
            line: 1,
        };
        Delivery::new(line, [message, recipient, "sent", "", ""])
    }

    #[test]
    fn deliveries_are_those_of_messages_that_came_and_no_more_than_the_bound() {
        let mut fates = Fates::default();
        fates.begin("a", Some("x@y".into()));
        fates.add(delivery("b", "unknown"));
        for n in 0..=MAX_DELIVERIES {
            fates.add(delivery("a", &n.to_string()));
        }
        let told = fates.of(&["b".to_owned(), "a".to_owned()]);
        assert_eq!(told.len(), MAX_DELIVERIES);
        assert_eq!(fates.sender("a"), Some("x@y"));
        assert_eq!(fates.remarks().len(), 1);
    }

    #[test]
    fn a_reply_without_a_code_answers_nothing() {
        let told = answered("RCPT", "a@b", "550 no such user").unwrap();
        assert_eq!(told.request, "RCPT TO:<a@b>");
        assert_eq!(told.code.as_deref(), Some("550"));
        assert_eq!(answered(Verb::BODY, "", "queued"), None);
    }
}
