//! What each page was answered with, where a log tells the sizes of no reply: many a page is answered with as many octets each time.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::model::CommandRef;

use super::lengths::{Lengths, MOST};

/// How often replies of each length were met, in all and for each page and status.
#[derive(Clone, Debug, Default)]
pub(super) struct Pages {
    of: HashMap<Box<str>, HashMap<Box<str>, Lengths, RandomState>, RandomState>,
    all: Lengths,
}

impl Pages {
    /// Takes in a reply of so many octets to `command`, believed to `weight`.
    pub(super) fn learn(&mut self, command: CommandRef<'_>, octets: u64, weight: f64) {
        let page = self.of.entry(page(command).into()).or_default();
        let status = command.code.unwrap_or_default();
        let lengths = page.entry(status.into()).or_default();
        let octets = length(octets);
        lengths.add(octets, weight);
        self.all.add(octets, weight);
    }

    /// Nats by which a reply of so many octets is more usual for `command` than for any.
    pub(super) fn gain(&self, command: CommandRef<'_>, octets: u64) -> f64 {
        let status = command.code.unwrap_or_default();
        let known = self.of.get(page(command)).and_then(|of| of.get(status));
        let Some(known) = known.filter(|_| self.all.all > 0.0) else {
            return 0.0;
        };
        // Where all were different, so may the next be.
        let (octets, new) = (length(octets), known.different() + 1.0);
        let usual = (self.all.met(octets) + 1.0) / (self.all.all + 1.0 + self.all.different());
        let here = (known.met(octets) + new * usual) / (known.all + new);
        (here / usual).ln().clamp(-MOST, MOST)
    }
}

fn length(octets: u64) -> i64 {
    i64::try_from(octets).unwrap_or(i64::MAX)
}

/// What is asked for, without a query and the protocol's version.
fn page(command: CommandRef<'_>) -> &str {
    let request = command.request;
    let end = request.find('?').or_else(|| request.rfind(" HTTP/"));
    end.and_then(|end| request.get(..end)).unwrap_or(request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LogCommand;

    fn get(request: &str) -> LogCommand {
        LogCommand {
            request: request.into(),
            code: Some("200".into()),
            ..LogCommand::default()
        }
    }

    #[test]
    fn a_page_that_is_always_as_long_is_known_by_it_and_one_that_is_not_is_not() {
        let mut pages = Pages::default();
        for n in 0..40 {
            pages.learn(get("GET /file").borrowed(), 13_754, 1.0);
            pages.learn(get("GET /other HTTP/1.1").borrowed(), 308, 1.0);
            pages.learn(get("GET /search?q=1").borrowed(), 500 + 7 * n, 1.0);
        }
        let gain = |request: &str, octets| pages.gain(get(request).borrowed(), octets);
        assert!(gain("GET /file?v=2", 13_754) > 0.8 && gain("GET /other", 308) > 0.8);
        assert!(gain("GET /file", 308) < -2.0 && gain("GET /other", 13_754) < -2.0);
        for octets in [500, 507, 9_999] {
            assert!(gain("GET /search?q=9", octets).abs() < 1.5, "{octets}");
        }
        assert!(gain("GET /new", 308).abs() < 1e-9);
        assert!(Pages::default().gain(get("GET /").borrowed(), 9).abs() < 1e-9);
    }
}
