//! What heads add to what a web server's log counts: the octets of a hidden request beyond its request line, and those of
//! a hidden reply beyond its body.
//!
//! Where a log counts the records of TLS as well, it is the log that has more, by as much for each reply of a kind.
//!
//! A client sends much the same head with each request, and a server with each reply of a kind. Which lengths these have
//! is learnt from the pairs that are possible, then from those that are believed.

use std::collections::BTreeMap;

use crate::model::CommandRef;

use super::figure;
use super::lengths::{Lengths, MOST};
use super::pages::Pages;

/// Lengths of heads that are about equally likely before anything is learnt.
const RANGE: f64 = 64.0;
/// Pairs that the range counts for.
const PRIOR: f64 = 2.0;

/// How often heads of each length were met.
#[derive(Clone, Debug, Default)]
pub(super) struct Overheads {
    asked: Lengths,
    /// By method, then by status.
    answered: BTreeMap<Box<str>, BTreeMap<Box<str>, Lengths>>,
    /// Of a log that tells no sizes.
    pages: Pages,
}

/// Nats by which a length is more usual than any.
fn gain(lengths: Option<&Lengths>, length: i64) -> f64 {
    let all = lengths.map_or(0.0, |lengths| lengths.all);
    let met = lengths.map_or(0.0, |lengths| lengths.met(length));
    let share = (met + PRIOR / RANGE) / (all + PRIOR);
    (share * RANGE).ln().clamp(-MOST, MOST)
}

/// What is known of the heads of one command and its reply.
pub(super) struct Heads<'o> {
    command: CommandRef<'o>,
    sizes: Sizes,
    asked: &'o Lengths,
    answered: Option<&'o Lengths>,
    pages: &'o Pages,
}

impl Heads<'_> {
    /// What the lengths of its heads say of a pair.
    pub(super) fn gain(&self, octets: (u64, u64)) -> f64 {
        let (asked, answered) = self.sizes.lengths(octets);
        asked.map_or(0.0, |length| gain(Some(self.asked), length))
            + answered.map_or_else(
                || self.pages.gain(self.command, octets.1),
                |length| gain(self.answered, length),
            )
    }
}

impl Overheads {
    /// Takes in the pairs of a command that are possible, each believed to `weight`.
    pub(super) fn learn(&mut self, command: CommandRef<'_>, pairs: &[(u64, u64)], weight: f64) {
        let sizes = Sizes::of(command);
        let (method, status) = kind(command);
        let kind = self.answered.entry(method.into()).or_default();
        let kind = kind.entry(status.into()).or_default();
        for &octets in pairs {
            let (asked, answered) = sizes.lengths(octets);
            if let Some(length) = asked {
                self.asked.add(length, weight);
            }
            match answered {
                Some(length) => kind.add(length, weight),
                None => self.pages.learn(command, octets.1, weight),
            }
        }
    }

    /// What is known of the heads of `command`.
    pub(super) fn of<'o>(&'o self, command: CommandRef<'o>) -> Heads<'o> {
        let (method, status) = kind(command);
        Heads {
            command,
            sizes: Sizes::of(command),
            asked: &self.asked,
            answered: self.answered.get(method).and_then(|of| of.get(status)),
            pages: &self.pages,
        }
    }
}

/// Replies of a kind have much the same head.
fn kind(command: CommandRef<'_>) -> (&str, &str) {
    (command.verb, command.code.unwrap_or_default())
}

/// What a log tells of the sizes of a command and its reply.
struct Sizes {
    /// Octets of the request line, where the request has nothing behind its head.
    line: Option<u64>,
    /// Octets of the reply in the log, of its body alone or of all of it: the difference is as constant either way.
    reply: Option<u64>,
}

impl Sizes {
    fn of(command: CommandRef<'_>) -> Self {
        let line = u64::try_from(command.request.len()).unwrap_or(u64::MAX);
        // A request with a body of its own, or with a masked line, has no length to compare.
        let plain = ["GET", "HEAD"].contains(&command.verb) && !command.request.contains("***");
        Self {
            line: plain.then_some(line),
            reply: figure::told(command),
        }
    }

    /// By how much more passed of request and reply than is told, where enough is.
    fn lengths(&self, (asked, answered): (u64, u64)) -> (Option<i64>, Option<i64>) {
        let beyond = |all: u64, told: Option<u64>| {
            i64::try_from(all)
                .ok()?
                .checked_sub(i64::try_from(told?).ok()?)
        };
        let asked = beyond(asked, self.line).filter(|head| *head >= 0);
        (asked, beyond(answered, self.reply))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LogCommand, Verb};

    fn get(path: &str, body: u64) -> LogCommand {
        LogCommand {
            verb: Verb::new("GET"),
            request: format!("GET {path} HTTP/1.1"),
            code: Some("200".into()),
            body_octets: Some(body),
            ..LogCommand::default()
        }
    }

    #[test]
    fn heads_of_the_usual_length_speak_for_a_pair() {
        let mut overheads = Overheads::default();
        assert!(overheads.of(get("/a", 13).borrowed()).gain((80, 255)).abs() < 1e-9);
        for path in ["/a", "/bcd", "/index.html", "/x", "/yy"] {
            let asked = 13 + path.len() as u64 + 60;
            overheads.learn(get(path, 13).borrowed(), &[(asked, 13 + 242)], 1.0);
        }
        // The log of another server has more, by the records of TLS.
        let mut records = Overheads::default();
        for path in ["/a", "/bcd", "/index.html", "/x", "/yy"] {
            records.learn(get(path, 855).borrowed(), &[(0, 833)], 1.0);
        }
        let of_records = |answered| records.of(get("/q", 1055).borrowed()).gain((0, answered));
        assert!(of_records(1033) > 2.0 && of_records(1055) < 0.0);
        let right = overheads
            .of(get("/zzzz", 99).borrowed())
            .gain((13 + 5 + 60, 99 + 242));
        let wrong = overheads
            .of(get("/zzzz", 99).borrowed())
            .gain((13 + 5 + 61, 99 + 243));
        assert!(right > 4.0 && wrong < -1.0, "{right} {wrong}");
    }
}
