//! What heads add to what a web server's log counts: the octets of a hidden request beyond its request line, and those of
//! a hidden reply beyond its body.
//!
//! A client sends much the same head with each request, and a server with each reply of a kind. Which lengths these have
//! is learnt from the pairs that are possible, then from those that are believed.

use std::collections::BTreeMap;

use crate::model::CommandRef;

/// Lengths of heads that are about equally likely before anything is learnt.
const RANGE: f64 = 64.0;
/// Pairs that the range counts for.
const PRIOR: f64 = 2.0;
/// Most that a length may speak for or against a pair.
const MOST: f64 = 3.0;

/// How often heads of each length were met.
#[derive(Clone, Debug, Default)]
pub(super) struct Overheads {
    asked: Lengths<()>,
    answered: Lengths<String>,
}

#[derive(Clone, Debug)]
struct Lengths<K> {
    of: BTreeMap<(K, u64), f64>,
    all: BTreeMap<K, f64>,
}

impl<K> Default for Lengths<K> {
    fn default() -> Self {
        Self {
            of: BTreeMap::new(),
            all: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Clone> Lengths<K> {
    fn add(&mut self, kind: &K, length: u64, weight: f64) {
        *self.of.entry((kind.clone(), length)).or_default() += weight;
        *self.all.entry(kind.clone()).or_default() += weight;
    }

    /// Nats by which a length is more usual than any.
    fn gain(&self, kind: &K, length: u64) -> f64 {
        let all = self.all.get(kind).copied().unwrap_or_default();
        let of = self.of.get(&(kind.clone(), length)).copied();
        let share = (of.unwrap_or_default() + PRIOR / RANGE) / (all + PRIOR);
        (share * RANGE).ln().clamp(-MOST, MOST)
    }
}

impl Overheads {
    /// Takes in a pair that is believed to `weight`.
    pub(super) fn learn(&mut self, command: CommandRef<'_>, octets: (u64, u64), weight: f64) {
        let (asked, answered) = lengths(command, octets);
        if let Some(length) = asked {
            self.asked.add(&(), length, weight);
        }
        if let Some((kind, length)) = answered {
            self.answered.add(&kind, length, weight);
        }
    }

    /// What the lengths of its heads say of a pair.
    pub(super) fn gain(&self, command: CommandRef<'_>, octets: (u64, u64)) -> f64 {
        let (asked, answered) = lengths(command, octets);
        asked.map_or(0.0, |length| self.asked.gain(&(), length))
            + answered.map_or(0.0, |(kind, length)| self.answered.gain(&kind, length))
    }
}

/// Length of the head of the request, and the kind and length of the reply's, where the log tells enough.
fn lengths(
    command: CommandRef<'_>,
    (asked, answered): (u64, u64),
) -> (Option<u64>, Option<(String, u64)>) {
    let line = u64::try_from(command.request.len()).unwrap_or(u64::MAX);
    // A request with a body of its own, or with a masked line, has no length to compare.
    let plain = ["GET", "HEAD"].contains(&command.verb) && !command.request.contains("***");
    let head = asked.checked_sub(line).filter(|_| plain);
    let kind = format!("{} {}", command.verb, command.code.unwrap_or_default());
    let reply = command
        .body_octets
        .and_then(|body| answered.checked_sub(body));
    (head, reply.map(|length| (kind, length)))
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
        assert!(overheads.gain(get("/a", 13).borrowed(), (80, 255)).abs() < 1e-9);
        for path in ["/a", "/bcd", "/index.html", "/x", "/yy"] {
            let asked = 13 + path.len() as u64 + 60;
            overheads.learn(get(path, 13).borrowed(), (asked, 13 + 242), 1.0);
        }
        let right = overheads.gain(get("/zzzz", 99).borrowed(), (13 + 5 + 60, 99 + 242));
        let wrong = overheads.gain(get("/zzzz", 99).borrowed(), (13 + 5 + 61, 99 + 243));
        assert!(right > 4.0 && wrong < -1.0, "{right} {wrong}");
    }
}
