//! A session while it goes on.

use crate::model::{
    Encryption, Ending, Event, LineRef, LogEvent, LogSession, LogTime, LoggedMessage, Span, Verb,
};

use super::told::Told;
use super::{DATA_SLACK, SILENCE};

/// A session whose QUIT row has not come.
pub(super) struct Serving {
    pub(super) session: LogSession,
    pub(super) helo: Option<String>,
    pub(super) step: Step,
    pub(super) first: LogTime,
    pub(super) last: LogTime,
}

/// How far its dialogue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Greeted,
    Idle,
    Mail,
    Recipient,
    Tls,
}

/// Sessions of one client that a row may be of.
pub(super) const MAX_LOOKED_AT: usize = 1_000;

/// The session that a row belongs to: of those that it fits, the one that spoke last. Of too many it is one of those begun last.
pub(super) fn find(open: &[Serving], told: &Told<'_>) -> Option<usize> {
    let old = open.len().saturating_sub(MAX_LOOKED_AT);
    let fitting = open
        .iter()
        .enumerate()
        .skip(old)
        .filter(|(_, serving)| serving.fits(told));
    fitting
        .max_by_key(|(at, serving)| (serving.likeness(told), serving.last, *at))
        .map(|(at, _)| at)
}

impl Serving {
    /// Whether a row can be the next of this session.
    pub(super) fn fits(&self, told: &Told<'_>) -> bool {
        if told.stamp.at.since(self.last) > SILENCE {
            return false;
        }
        if told.is_hello() {
            return match self.step {
                Step::Tls => told.helo.is_none() || self.helo.as_deref() == told.helo.as_deref(),
                Step::Greeted => self.helo.is_none(),
                _ => false,
            };
        }
        if self.helo.is_some() && self.helo.as_deref() != told.helo.as_deref() {
            return false;
        }
        match told.verb.as_str() {
            "MAIL" | "STARTTLS" if told.accepted() => self.step == Step::Idle,
            "RCPT" if told.accepted() => matches!(self.step, Step::Mail | Step::Recipient),
            Verb::BODY | "BDAT" if told.accepted() => self.step == Step::Recipient,
            _ => self.step != Step::Tls || told.verb.as_str() == "QUIT",
        }
    }

    pub(super) fn began(&self) -> Option<LineRef> {
        self.session.events.first().map(|event| event.line)
    }

    /// Gives each the other's QUIT row.
    pub(super) fn exchange_ends(&mut self, other: &mut Self) {
        let (mine, theirs) = (&mut self.session, &mut other.session);
        if let (Some(one), Some(two)) = (mine.events.pop(), theirs.events.pop()) {
            mine.events.push(two);
            theirs.events.push(one);
            std::mem::swap(&mut mine.duration, &mut theirs.duration);
            std::mem::swap(&mut mine.ending, &mut theirs.ending);
        }
    }

    /// How well a QUIT row's length of session fits, to the second of a stamp.
    pub(super) fn likeness(&self, told: &Told<'_>) -> u8 {
        let Some(millis) = told.win32.filter(|_| told.verb.as_str() == "QUIT") else {
            return 0;
        };
        let length = Span::millis(i64::try_from(millis).unwrap_or(i64::MAX));
        let miss = told.stamp.at.since(self.first) - length;
        u8::from(miss.abs() <= Span::SECOND)
    }

    pub(super) fn take(&mut self, line: LineRef, told: &Told<'_>) {
        self.last = told.stamp.at;
        let accepted = told.accepted();
        if told.is_hello() && accepted {
            self.helo = told.helo.as_deref().map(str::to_owned);
            if let Some(name) = &self.helo
                && !self.session.names.contains(name)
            {
                self.session.names.push(name.clone());
            }
        }
        if accepted {
            self.step = match told.verb.as_str() {
                "EHLO" | "HELO" | "RSET" | Verb::BODY => Step::Idle,
                "MAIL" => Step::Mail,
                "RCPT" => Step::Recipient,
                "STARTTLS" => {
                    self.session.encryption = Some(Encryption::StartTls);
                    Step::Tls
                }
                _ => self.step,
            };
        }
        if let Some(octets) = told.message.filter(|_| accepted) {
            self.session.messages.push(LoggedMessage {
                wire_bytes: Some((
                    octets.saturating_sub(DATA_SLACK),
                    octets.saturating_add(DATA_SLACK),
                )),
                recipients: None,
                message_id: told
                    .message_id
                    .as_ref()
                    .map(|id| id.trim_matches(['<', '>']).to_owned()),
            });
        }
        // A row tells the name that was given before, also where the row of the greeting is not among these.
        if let Some(name) = told.helo.as_ref().filter(|_| self.session.names.is_empty()) {
            self.session.names.push(name.clone().into_owned());
        }
        let stamp = told.stamp;
        let what = self.event(told);
        self.session.events.push(LogEvent { line, stamp, what });
    }

    pub(super) fn event(&mut self, told: &Told<'_>) -> Event {
        if told.verb.as_str() != "QUIT" {
            return told.event();
        }
        self.session.duration = told
            .win32
            .and_then(|millis| i64::try_from(millis).ok())
            .map(Span::millis);
        self.session.ending = self.ending(told);
        match self.session.ending {
            Ending::Quit => told.event(),
            _ => Event::Close,
        }
    }

    /// When the client just went away, the last row repeats the counts of the one before it.
    pub(super) fn ending(&self, told: &Told<'_>) -> Ending {
        let before = self
            .session
            .events
            .iter()
            .filter_map(|event| event.command()?.response_bytes)
            .last();
        match told.command.request_bytes {
            Some(6) => Ending::Quit,
            Some(_) => Ending::Lost,
            // Formats without the octets received leave those sent to tell.
            None if before.is_some() && before != told.command.response_bytes => Ending::Quit,
            None => Ending::Unknown,
        }
    }
}
