//! The commands that a tally counts, in the order that SMTP demands (RFC 5321 §4.1.4).
//!
//! The replies to accepted commands are fixed texts of Postfix, so their sizes are known as well.

use std::sync::LazyLock;

use crate::model::{CommandRef, Commands, CommandsBuilder, PackedCommand, Verb};

use super::messages::Message;
use super::tally::{Tallies, Word};

/// What the log tells of a session beside the tally, in the order of its lines.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told<'a> {
    /// A message was given a queue id.
    Message(&'a Message),
    /// A command was refused.
    Reject(&'a Rejected),
}

/// A command that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    pub(super) verb: String,
    pub(super) request: String,
    pub(super) reply: String,
}

/// A command that always has the same words: a log of a gigabyte counts ten million of these, so that each is packed only once.
type Usual = LazyLock<PackedCommand>;

static AUTH: Usual =
    LazyLock::new(|| answered("AUTH", "AUTH ***", "235 2.7.0 Authentication successful").into());
static AUTH_REFUSED: Usual = LazyLock::new(|| refused_login().into());
static BODY: Usual = LazyLock::new(|| accepted(Verb::BODY, "<body>").into());
static DATA: Usual =
    LazyLock::new(|| answered("DATA", "DATA", "354 End data with <CR><LF>.<CR><LF>").into());
static EHLO: Usual = LazyLock::new(|| accepted("EHLO", "EHLO").into());
static HELO: Usual = LazyLock::new(|| accepted("HELO", "HELO").into());
static MAIL: Usual = LazyLock::new(|| answered("MAIL", "MAIL", MAIL_TAKEN).into());
static NOOP: Usual = LazyLock::new(|| answered("NOOP", "NOOP", "250 2.0.0 Ok").into());
static QUIT: Usual = LazyLock::new(|| answered("QUIT", "QUIT", "221 2.0.0 Bye").into());
static RCPT: Usual = LazyLock::new(|| answered("RCPT", "RCPT", RCPT_TAKEN).into());
static RCPT_EARLY: Usual =
    LazyLock::new(|| answered("RCPT", "RCPT", "503 5.5.1 Error: need MAIL command").into());
static RSET: Usual = LazyLock::new(|| answered("RSET", "RSET", "250 2.0.0 Ok").into());
static STARTTLS: Usual =
    LazyLock::new(|| answered("STARTTLS", "STARTTLS", "220 2.0.0 Ready to start TLS").into());

const MAIL_TAKEN: &str = "250 2.1.0 Ok";
const RCPT_TAKEN: &str = "250 2.1.5 Ok";

/// A command whose reply is known to the letter.
fn answered<'a>(verb: &'a str, request: &'a str, reply: &'a str) -> CommandRef<'a> {
    CommandRef {
        verb,
        request,
        code: reply.get(..3),
        response: Some(reply),
        response_bytes: u64::try_from(reply.len() + 2).ok(),
        ..CommandRef::default()
    }
}

/// A command of whose reply only the code is known.
fn accepted<'a>(verb: &'a str, request: &'a str) -> CommandRef<'a> {
    CommandRef {
        verb,
        request,
        code: Some("250"),
        ..CommandRef::default()
    }
}

/// A login that was refused in one of several ways.
fn refused_login<'a>() -> CommandRef<'a> {
    CommandRef {
        verb: "AUTH",
        request: "AUTH ***",
        ..CommandRef::default()
    }
}

/// Puts the commands of a session in order.
pub(super) fn commands(tally: &Tallies, told: &[Told<'_>], tls_first: bool) -> Commands {
    let mut order = Order {
        tally: tally.clone(),
        out: CommandsBuilder::default(),
        mail_open: false,
        mails: 0,
        recipient_refused: false,
        due: None,
    };
    order.opening(tls_first);
    let recipients = |step: &Told<'_>| match step {
        Told::Message(message) => u64::from(message.recipients.unwrap_or(1)),
        Told::Reject(_) => 0,
    };
    let mut later: u64 = told.iter().map(recipients).sum();
    for step in told {
        later -= recipients(step);
        match step {
            Told::Message(message) => order.message(message, later),
            Told::Reject(reject) => order.reject(reject),
        }
    }
    order.closing();
    order.out.finish()
}

/// A message that has its recipients.
struct Due {
    /// The reply that took it in; none when it never was.
    reply: Option<String>,
}

struct Order {
    /// What is still to be placed.
    tally: Tallies,
    out: CommandsBuilder,
    /// A MAIL was accepted and its message is not over.
    mail_open: bool,
    /// How many MAIL were placed.
    mails: u32,
    recipient_refused: bool,
    /// The message whose DATA is still to come.
    due: Option<Due>,
}

impl Order {
    fn opening(&mut self, tls_first: bool) {
        self.hello();
        if !tls_first && self.take(Word::StartTls) {
            self.usual(&STARTTLS);
            self.hello();
        }
        while self.take_refused(Word::Auth) {
            self.usual(&AUTH_REFUSED);
        }
        if self.take(Word::Auth) {
            self.usual(&AUTH);
        }
    }

    fn hello(&mut self) {
        for (word, usual) in [(Word::Ehlo, &EHLO), (Word::Helo, &HELO)] {
            if self.take(word) {
                self.usual(usual);
                return;
            }
        }
    }

    fn mail(&mut self, from: Option<&str>) {
        if !self.mail_open && self.take(Word::Mail) {
            match from {
                Some(from) => self.push("MAIL", &["MAIL FROM:<", from, ">"].concat(), MAIL_TAKEN),
                None => self.usual(&MAIL),
            }
            self.mail_open = true;
            self.mails += 1;
        }
    }

    /// `later`: recipients of the messages that follow.
    fn message(&mut self, message: &Message, later: u64) {
        self.data();
        self.mail(message.from.as_deref());
        let left = self.left(Word::Rcpt);
        let mine = match message.recipients {
            _ if later == 0 => left,
            Some(recipients) => recipients.min(left),
            None => 1.min(left),
        };
        let mine = usize::try_from(mine).unwrap_or(0);
        for at in 0..mine {
            self.take(Word::Rcpt);
            // Addresses are given only where every one is known.
            let known = message.to.get(at).filter(|_| message.to.len() == mine);
            match known {
                Some(to) => self.push("RCPT", &["RCPT TO:<", to, ">"].concat(), RCPT_TAKEN),
                None => self.usual(&RCPT),
            }
        }
        let queued = message
            .size
            .map(|_| ["250 2.0.0 Ok: queued as ", message.id.as_str()].concat());
        self.due = Some(Due { reply: queued });
    }

    /// The message that is open ends: by DATA, or by chunks.
    fn data(&mut self) {
        let Some(Due { reply }) = self.due.take() else {
            return;
        };
        if reply.is_some() || self.messages_left() > 0 {
            let data = self.take(Word::Data);
            if data {
                self.usual(&DATA);
            }
            if data && let Some(reply) = &reply {
                self.push(Verb::BODY, "<body>", reply);
            }
            if !data
                && let Some(reply) = &reply
                && self.take(Word::Bdat)
            {
                self.push("BDAT", "BDAT", reply);
            }
        }
        self.mail_open = false;
    }

    fn messages_left(&self) -> u32 {
        self.left(Word::Data) + self.left(Word::Bdat)
    }

    fn reject(&mut self, rejected: &Rejected) {
        let Rejected {
            verb,
            request,
            reply,
        } = rejected;
        if verb == "MAIL" {
            self.data();
        } else {
            self.mail(None);
        }
        self.recipient_refused |= verb == "RCPT";
        if !Word::named(verb.as_bytes()).is_some_and(|word| self.take_refused(word)) {
            return;
        }
        self.push(verb, request, reply);
        // Without a sender every recipient is refused, and no line tells of it.
        if verb == "MAIL" {
            while self.left(Word::Mail) == 0 && self.take_refused(Word::Rcpt) {
                self.usual(&RCPT_EARLY);
            }
        }
    }

    /// The only message of a session, where no line of it is in the log: a filter before the queue took it, or the log begins later. With one
    /// sender and all recipients accepted there is but one order.
    fn lone_message(&mut self) {
        if !self.mail_open
            || self.mails != 1
            || self.recipient_refused
            || [Word::Mail, Word::Rcpt]
                .iter()
                .any(|&word| self.tally.get(word).refused() > 0)
            || self.left(Word::Mail) > 0
        {
            return;
        }
        while self.take(Word::Rcpt) {
            self.usual(&RCPT);
        }
        if self.take(Word::Data) {
            self.usual(&DATA);
            self.usual(&BODY);
        }
    }

    fn closing(&mut self) {
        self.data();
        self.mail(None);
        self.lone_message();
        for (word, usual) in [
            (Word::Noop, &NOOP),
            (Word::Rset, &RSET),
            (Word::Quit, &QUIT),
        ] {
            while self.take(word) {
                self.usual(usual);
            }
        }
    }

    fn left(&self, word: Word) -> u32 {
        self.tally.get(word).accepted
    }

    fn take(&mut self, word: Word) -> bool {
        self.tally.take(word)
    }

    fn take_refused(&mut self, word: Word) -> bool {
        self.tally.take_refused(word)
    }

    fn push(&mut self, verb: &str, request: &str, reply: &str) {
        self.out.push(answered(verb, request, reply));
    }

    fn usual(&mut self, usual: &Usual) {
        self.out.push_packed(usual.borrowed());
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue_id::QueueId;
    use super::*;

    fn message(recipients: u32, taken: bool) -> Message {
        Message {
            id: QueueId::read("ID").unwrap(),
            recipients: Some(recipients),
            size: taken.then_some(1000),
            ..Message::default()
        }
    }

    fn reject(verb: &str, reply: &str) -> Rejected {
        Rejected {
            verb: verb.into(),
            request: verb.into(),
            reply: reply.into(),
        }
    }

    fn told(counts: &str, steps: &[Told<'_>]) -> String {
        commands(&Tallies::read(counts), steps, false)
            .iter()
            .map(|command| format!("{}{}", command.verb, command.code.unwrap_or("")))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn two_messages_share_the_recipients_as_the_queue_has_them() {
        assert_eq!(
            told(
                "ehlo=2 starttls=1 mail=2 rcpt=3 data=2 quit=1",
                &[
                    Told::Message(&message(1, true)),
                    Told::Message(&message(2, true))
                ]
            ),
            "EHLO250 STARTTLS220 EHLO250 MAIL250 RCPT250 DATA354 <BODY>250 MAIL250 RCPT250 RCPT250 DATA354 <BODY>250 QUIT221"
        );
    }

    #[test]
    fn messages_may_say_that_they_have_any_number_of_recipients() {
        let crowds = [message(u32::MAX, true), message(u32::MAX, true)];
        let steps = crowds.each_ref().map(Told::Message);
        assert_eq!(
            told("ehlo=1 mail=2 rcpt=2 data=2 quit=1", &steps),
            "EHLO250 MAIL250 RCPT250 RCPT250 DATA354 <BODY>250 MAIL250 DATA354 <BODY>250 QUIT221"
        );
    }

    #[test]
    fn refusals_stand_where_their_lines_do() {
        assert_eq!(
            told(
                "ehlo=1 mail=1 rcpt=0/1 rset=1 quit=1",
                &[
                    Told::Message(&message(0, false)),
                    Told::Reject(&reject("RCPT", "550 no"))
                ]
            ),
            "EHLO250 MAIL250 RCPT550 RSET250 QUIT221"
        );
        assert_eq!(
            told(
                "ehlo=1 mail=0/1 rcpt=0/2 rset=1 quit=1",
                &[Told::Reject(&reject("MAIL", "552 big"))]
            ),
            "EHLO250 MAIL552 RCPT503 RCPT503 RSET250 QUIT221"
        );
        assert_eq!(
            told(
                "ehlo=1 mail=1 rcpt=0/1 quit=1",
                &[Told::Reject(&reject("RCPT", "454 no"))]
            ),
            "EHLO250 MAIL250 RCPT454 QUIT221"
        );
    }

    #[test]
    fn a_message_of_which_no_line_tells_has_its_place_where_there_is_but_one() {
        assert_eq!(
            told("ehlo=1 auth=1 mail=1 rcpt=2 data=1 quit=1", &[]),
            "EHLO250 AUTH235 MAIL250 RCPT250 RCPT250 DATA354 <BODY>250 QUIT221"
        );
        // Two messages, or a recipient that was refused before or after.
        assert_eq!(
            told("ehlo=1 mail=2 rcpt=2 data=2 quit=1", &[]),
            "EHLO250 MAIL250 QUIT221"
        );
        assert_eq!(
            told(
                "ehlo=1 mail=1 rcpt=1/2 data=1 quit=1",
                &[Told::Reject(&reject("RCPT", "550 no"))]
            ),
            "EHLO250 MAIL250 RCPT550 QUIT221"
        );
    }

    #[test]
    fn no_more_is_told_than_was_counted() {
        let (long, refused) = (message(9, true), reject("RCPT", "550 no"));
        let steps = [
            Told::Message(&long),
            Told::Reject(&refused),
            Told::Message(&long),
        ];
        assert_eq!(
            told("ehlo=1 mail=1 rcpt=1 data=1", &steps),
            "EHLO250 MAIL250 RCPT250 DATA354 <BODY>250"
        );
    }
}
