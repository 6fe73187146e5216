//! What rules look at.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::align::{Alignment, Clock, Joined, Said, telling, untold};
use crate::model::{
    CaptureSource, Endpoint, Evidence, Exchange, LogSession, LogSource, Matter, Nanos, Neighbour,
    Side, Unlisted, What, WireSession,
};

/// All that is known when rules are asked.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Input captures.
    pub captures: &'a [CaptureSource],
    /// Input logs.
    pub sources: &'a [LogSource],
    /// Conversations on the wire.
    pub wires: &'a [WireSession],
    /// Conversations in the logs.
    pub logs: &'a [LogSession],
    /// Attempts to connect that nobody answered and that are no sessions, as they are so many; by server.
    pub unlisted: &'a [Unlisted],
    /// Addresses asked for on a link that nobody answered for.
    pub neighbours: &'a [Neighbour],
    /// Who is whom, and the clocks.
    pub alignment: &'a Alignment,
}

/// Number in the whole run, from 0 on, of the conversation of a number in a view; `None` where it is not taken now.
pub(super) type Place<'a> = &'a dyn Fn(usize) -> Option<usize>;

/// One conversation as it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    /// Index among the account's sessions.
    pub(super) number: usize,
    pub(super) joined: &'a Joined,
    pub(super) wire: Option<&'a WireSession>,
    /// The first of the log sessions that are it.
    pub(super) log: Option<&'a LogSession>,
    clocks: &'a [Clock],
}

/// A command and its reply, when it was sent where the wire tells, and where it is to be seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard<'a> {
    pub(super) said: Said<'a>,
    pub(super) start: Option<Nanos>,
    pub(super) place: Option<Evidence>,
}

impl<'a> View<'a> {
    /// All conversations.
    pub(super) fn cases(self) -> impl Iterator<Item = Case<'a>> {
        let numbers = 0..self.alignment.sessions.len();
        numbers.filter_map(move |number| self.case(number))
    }

    /// The conversation with this number.
    pub(super) fn case(self, number: usize) -> Option<Case<'a>> {
        let joined = self.alignment.sessions.get(number)?;
        Some(Case {
            number,
            joined,
            wire: joined.wire.and_then(|wire| self.wires.get(wire)),
            log: joined.logs.first().and_then(|&log| self.logs.get(log)),
            clocks: &self.alignment.clocks,
        })
    }

    /// Conversations that the capture saw.
    pub(super) fn on_wire(self) -> impl Iterator<Item = (Case<'a>, &'a WireSession)> {
        // Of logs alone there may be millions that nobody captured.
        let any = !self.wires.is_empty();
        let cases = any.then(|| self.cases()).into_iter().flatten();
        cases.filter_map(|case| case.wire.map(|wire| (case, wire)))
    }

    /// The conversations that are taken, each with its number in this view and, as its number, that in the whole run.
    pub(super) fn taken(self, place: Place<'a>) -> impl Iterator<Item = (usize, Case<'a>)> {
        self.cases().filter_map(move |case| {
            let number = place(case.number)?;
            Some((case.number, Case { number, ..case }))
        })
    }

    /// The last moment of any capture.
    pub(super) fn end(self) -> Option<Nanos> {
        self.captures.iter().filter_map(|source| source.last).max()
    }
}

impl<'a> Case<'a> {
    /// Its commands and replies that `wanted` takes, in order.
    pub(super) fn exchanges(
        &self,
        wanted: impl Fn(Said<'_>) -> bool,
    ) -> impl Iterator<Item = Cow<'a, Exchange>> {
        let told = match (self.wire, self.log) {
            (None, Some(log)) => untold(log, &wanted),
            _ => Vec::new(),
        };
        let seen = self.joined.exchanges.iter();
        seen.filter(move |exchange| wanted(Said::by(exchange)))
            .map(Cow::Borrowed)
            .chain(told.into_iter().map(Cow::Owned))
    }

    /// The same where all that `wanted` takes is of each of these matters: of most sessions a log is known to tell nothing of one.
    pub(super) fn about(
        &self,
        matters: &[Matter],
        wanted: impl Fn(Said<'_>) -> bool,
    ) -> impl Iterator<Item = Cow<'a, Exchange>> {
        let all = (!self.has_none(matters)).then(|| self.exchanges(wanted));
        all.into_iter().flatten()
    }

    /// The same without the exchanges themselves, which take memory: large logs refuse hundreds of thousands of commands.
    pub(super) fn heard(
        &self,
        matters: &[Matter],
        wanted: impl Fn(Said<'_>) -> bool,
    ) -> impl Iterator<Item = Heard<'a>> {
        let may = !self.has_none(matters);
        let told = self.log.filter(|_| may && self.wire.is_none());
        let told = told.into_iter().flat_map(telling).map(|told| Heard {
            said: told.said(),
            start: None,
            place: told.line.map(Evidence::Line),
        });
        let seen = self.joined.exchanges.iter().map(|exchange| Heard {
            said: Said::by(exchange),
            start: exchange.start,
            place: place(exchange),
        });
        seen.chain(told).filter(move |heard| wanted(heard.said))
    }

    /// Whether a log alone tells of it, and is known to tell nothing of one of these matters.
    fn has_none(&self, matters: &[Matter]) -> bool {
        let has_none = |log: &LogSession| matters.iter().any(|&matter| log.gist.has_no(matter));
        self.wire.is_none() && self.log.is_some_and(has_none)
    }

    /// Its greetings, but for those of a log that does not tell the client's name.
    pub(super) fn greetings(&self) -> impl Iterator<Item = Cow<'a, Exchange>> {
        let greets = |said: Said<'_>| ["EHLO", "HELO"].contains(&said.verb);
        self.about(&[Matter::Greeting], greets)
    }

    pub(super) fn client(&self) -> Option<IpAddr> {
        match (self.wire, self.log) {
            (Some(wire), _) => Some(wire.conversation.client.ip),
            (None, Some(log)) => log.peer,
            (None, None) => None,
        }
    }

    pub(super) fn server(&self) -> Option<Endpoint> {
        self.wire.map(|wire| wire.conversation.server)
    }

    /// Moment of the first packet, or else of the first line: on the capture's clock where that is known, else as the log has it.
    pub(super) fn start(&self) -> Option<Nanos> {
        if let Some(wire) = self.wire {
            return Some(wire.start);
        }
        let log = self.log?;
        let (first, _) = log.stamps()?;
        let clock = self.clocks.iter().find(|clock| clock.log == log.log);
        Some(clock.map_or(Nanos(first.at.0), |clock| clock.to_capture(first.at)))
    }

    /// The user or greeting name, as either side has it.
    pub(super) fn name(&self) -> Option<&'a str> {
        let logged = self.log.and_then(|log| log.names.last());
        let seen = self.wire.and_then(|wire| wire.names.last());
        logged.or(seen).map(String::as_str)
    }

    /// What the log's lines say of failures and refusals that are no commands, with where they say it.
    pub(super) fn failures(&self) -> impl Iterator<Item = (&'a str, Evidence)> + use<'a> {
        let any = self
            .log
            .is_some_and(|log| !log.gist.has_no(Matter::Failure));
        any.then(|| self.notes()).into_iter().flatten()
    }

    /// What the log's lines say that are no commands, with where they say it.
    pub(super) fn notes(&self) -> impl Iterator<Item = (&'a str, Evidence)> + use<'a> {
        let events = self.log.into_iter().flat_map(|log| &log.events);
        events.filter_map(|event| match event.what {
            What::Note(text) => Some((text, Evidence::Line(event.line))),
            _ => None,
        })
    }
}

/// Whether `text` has one of `words`, which are in small letters, however it is written.
pub(super) fn speaks_of(text: &str, words: &[&str]) -> bool {
    words
        .iter()
        .any(|word| has_word(text.as_bytes(), word.as_bytes()))
}

fn has_word(text: &[u8], word: &[u8]) -> bool {
    let Some(&first) = word.first() else {
        return true;
    };
    let begins = memchr::memchr2_iter(first, first.to_ascii_uppercase(), text);
    let mut parts = begins.map_while(|at| text.get(at..at + word.len()));
    parts.any(|part| part.eq_ignore_ascii_case(word))
}

/// Where an exchange is to be seen: its reply, else its request, else its log line.
pub(super) fn place(exchange: &Exchange) -> Option<Evidence> {
    let [asked, answered] = exchange.packets;
    answered
        .or(asked)
        .map(Evidence::Packet)
        .or(exchange.line.map(Evidence::Line))
}

/// Whether the server took the connection.
pub(super) fn established(wire: &WireSession) -> bool {
    wire.history.contains('h') || wire.counts.0.iter().all(|direction| direction.bytes > 0)
}

/// Who ended a conversation first, by FIN or RST.
pub(super) fn ended_by(wire: &WireSession) -> Option<(Side, End)> {
    wire.history.chars().find_map(|letter| match letter {
        'F' => Some((Side::Client, End::Closed)),
        'f' => Some((Side::Server, End::Closed)),
        'R' => Some((Side::Client, End::Reset)),
        'r' => Some((Side::Server, End::Reset)),
        _ => None,
    })
}

/// How one side ended a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Closed,
    Reset,
}
