//! Logs of which each line is a session of its own, as web servers write them: a line belongs to one exchange of a
//! connection that may have many.

use std::ops::RangeInclusive;

use crate::model::{CommandRef, Exchange, LogSession, Verb, WireSession};

use super::ends;
use super::evidence::Evidence;
use super::figure::{self, Figure};
use super::moment::Window;
use super::turn::turns;

/// Octets that the head of a reply may have.
const HEAD: u64 = 2048;
/// Octets that it has at least: `HTTP/1.1 200 OK` and two ends of lines.
pub(super) const LEAST_HEAD: u64 = 19;
/// Worth of a request line that is the same, and of a body whose size fits a hidden reply.
const REQUEST_SAME: f64 = 3.0;
const BODY_FITS: f64 = 2.0;

/// The command of a session that is one line; `None` when the session is more than that, or would have been had there been more to tell.
pub(super) fn single(log: &LogSession) -> Option<CommandRef<'_>> {
    log.events.only().filter(|_| is_single(log))?.command()
}

/// Whether a session is one line with a command, and no more could have been told.
pub(super) fn is_single(log: &LogSession) -> bool {
    let whole = log.every_command || !log.implied.is_empty() || log.rare().octets.is_some();
    !whole && log.events.is_one_command()
}

/// A place on the wire where one request was answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot<'a> {
    pub(super) window: Window,
    exchange: Option<&'a Exchange>,
    wire: &'a WireSession,
    asked: u64,
    answered: u64,
}

/// The places of a connection, in order.
pub(super) fn slots(wire: &WireSession) -> Vec<Slot<'_>> {
    let clear = wire
        .exchanges
        .iter()
        .filter(|exchange| has_slot(exchange))
        .filter_map(|exchange| {
            // It is told of after the whole request has come.
            let lo = exchange.asked.or(exchange.start)?;
            Some(Slot {
                window: Window::acted(lo, exchange.end.unwrap_or(wire.end)),
                exchange: Some(exchange),
                wire,
                asked: exchange.request_bytes.unwrap_or(0),
                answered: exchange.response_bytes.unwrap_or(0),
            })
        });
    let hidden = turns(&wire.bursts).filter_map(|turn| {
        let asked = turn.asked?;
        let last = turn.answered.unwrap_or(asked);
        let (asked_octets, answered_octets) = turn.octets();
        Some(Slot {
            window: Window::acted(asked.end, last.end),
            exchange: None,
            wire,
            asked: asked_octets,
            answered: answered_octets,
        })
    });
    clear.chain(hidden).collect()
}

/// Whether an exchange in the clear is a place for a line.
pub(super) fn has_slot(exchange: &Exchange) -> bool {
    !exchange.verb.is_greeting() && exchange.asked.or(exchange.start).is_some()
}

impl Slot<'_> {
    /// Octets of request and reply, where encryption hides the rest.
    pub(super) fn hidden_octets(&self) -> Option<(u64, u64)> {
        self.exchange
            .is_none()
            .then_some((self.asked, self.answered))
    }

    /// Adds what speaks for `command`, the one of `log`, having taken place here; false when it cannot have.
    pub(super) fn weigh(
        &self,
        log: &LogSession,
        command: CommandRef<'_>,
        figure: Figure,
        evidence: &mut Evidence,
    ) -> bool {
        match self.exchange {
            Some(exchange) => {
                ends::asked(self.wire, exchange, log) && clear(exchange, command, figure, evidence)
            }
            None => self.hidden(command, figure, evidence),
        }
    }

    fn hidden(&self, command: CommandRef<'_>, figure: Figure, evidence: &mut Evidence) -> bool {
        let line = u64::try_from(command.request.len()).unwrap_or(u64::MAX);
        // A request has its line, that line's end, and an empty line at least; a masked line may have been shorter.
        if self.asked < line.saturating_add(4) && !command.request.contains("***") {
            return false;
        }
        let Some(octets) = figure::told(command) else {
            return true;
        };
        let answered = self.answered;
        match figure {
            Figure::Unknown => return true,
            // The records of TLS, and with the first reply those of its handshake, may be counted too.
            Figure::Sent if answered < octets => return true,
            Figure::Sent if answered > octets => return false,
            Figure::Body if !with_head(octets).contains(&answered) => return false,
            Figure::Sent | Figure::Body => {}
        }
        evidence.score += BODY_FITS;
        evidence.because(|| match figure {
            Figure::Body => {
                format!("a reply of {answered} octets where the log has a body of {octets}")
            }
            _ => format!("a reply of {octets} octets in both"),
        });
        true
    }
}

/// How many octets a reply with a body of so many may have in all.
pub(super) fn with_head(body: u64) -> RangeInclusive<u64> {
    body.saturating_add(LEAST_HEAD)..=body.saturating_add(HEAD)
}

fn clear(
    exchange: &Exchange,
    command: CommandRef<'_>,
    figure: Figure,
    evidence: &mut Evidence,
) -> bool {
    let codes = exchange.code.as_deref().zip(command.code);
    if codes.is_some_and(|(seen, told)| seen != told) {
        return false;
    }
    let is_refused = codes.is_some_and(|(code, _)| code.starts_with(['4', '5']));
    if command.verb == Verb::NO_REQUEST && exchange.verb.as_str() != command.verb {
        // Some servers log nothing of a request that they would not read.
        return is_refused;
    }
    if exchange.verb.as_str() != command.verb
        || !is_same(&exchange.request, command.request) && !command.request.contains("***")
    {
        return false;
    }
    // No more can have passed than was sent; less where the client left.
    if figure == Figure::Sent
        && let Some((told, passed)) = figure::told(command).zip(exchange.response_bytes)
    {
        if told < passed {
            return false;
        }
        evidence.score += if told == passed {
            BODY_FITS
        } else {
            -BODY_FITS
        };
    }
    if !exchange.request.ends_with(CUT) {
        evidence.score += REQUEST_SAME;
        evidence.because(|| format!("the request {} in both", command.request));
    }
    true
}

/// Ends a request of which the rest was not captured.
const CUT: char = '…';

/// Whether a request that was seen is the one that is told, as far as it was captured. Some logs leave out the version at its end, and some write
/// that of HTTP/2 as `2.0`.
fn is_same(seen: &str, told: &str) -> bool {
    if let Some(seen) = seen.strip_suffix(CUT) {
        let in_version = seen.strip_prefix(told);
        return told.starts_with(seen) || in_version.is_some_and(|rest| rest.starts_with(' '));
    }
    let told = match told.strip_suffix(".0") {
        Some(short) if short.ends_with(" HTTP/2") || short.ends_with(" HTTP/3") => short,
        _ => told,
    };
    let rest = seen.strip_prefix(told);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" HTTP/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LogCommand, LogId, Nanos, Proto, Seen, testing};

    fn hidden(wire: &WireSession, asked: u64, answered: u64) -> Slot<'_> {
        Slot {
            window: Window::acted(Nanos(0), Nanos(1)),
            exchange: None,
            wire,
            asked,
            answered,
        }
    }

    fn get(body: u64) -> LogCommand {
        LogCommand {
            verb: Verb::new("GET"),
            request: "GET /index.html HTTP/1.1".into(),
            body_octets: Some(body),
            ..LogCommand::default()
        }
    }

    #[test]
    fn a_request_is_the_same_whatever_a_log_makes_of_its_version() {
        for told in ["GET /a", "GET /a HTTP/2", "GET /a HTTP/2.0"] {
            assert!(is_same("GET /a HTTP/2", told), "{told}");
        }
        for cut in ["GET /…", "GET /a…", "GET /a HT…"] {
            assert!(
                is_same(cut, "GET /a") && is_same(cut, "GET /a HTTP/1.1"),
                "{cut}"
            );
        }
        assert!(!is_same("GET /ab…", "GET /a") && !is_same("GET /b…", "GET /a HTTP/1.1"));
        for told in ["GET /", "GET /a HTTP/1.0", "GET /a HTTP/2.0 x", "GET /a.0"] {
            assert!(!is_same("GET /a HTTP/2", told), "{told}");
        }
        assert!(is_same("GET /a.0 HTTP/1.1", "GET /a.0 HTTP/1.1"));
    }

    fn encrypted() -> WireSession {
        testing::wire("http", 443, Nanos(0))
    }

    #[test]
    fn what_a_log_counts_of_a_hidden_reply_is_no_less_than_passed() {
        let wire = encrypted();
        let log = LogSession::new(LogId(0), Proto("http"));
        let worth = |answered, figure| {
            let mut evidence = Evidence::default();
            let command = LogCommand {
                reply_octets: Some(859),
                ..get(0)
            };
            let command = CommandRef {
                body_octets: None,
                ..command.borrowed()
            };
            let fits = hidden(&wire, 90, answered).weigh(&log, command, figure, &mut evidence);
            fits.then_some(evidence.score)
        };
        assert_eq!(worth(859, Figure::Sent), Some(BODY_FITS), "nginx");
        assert_eq!(worth(800, Figure::Sent), Some(0.0), "Apache counts records");
        assert_eq!(worth(900, Figure::Sent), None);
        assert_eq!(worth(1000, Figure::Body), Some(BODY_FITS));
        assert_eq!(worth(859, Figure::Body), None);
        for answered in [20, 859, 90_000] {
            assert_eq!(worth(answered, Figure::Unknown), Some(0.0));
        }
    }

    #[test]
    fn a_server_may_log_nothing_of_a_request_that_it_refused() {
        let mut wire = encrypted();
        let ask = |code: &str| Exchange {
            code: Some(code.into()),
            start: Some(Nanos(0)),
            ..Exchange::new(Verb::new("GET"), "GET /x HTTP/9.9".into(), Seen::Wire)
        };
        wire.exchanges = ["505", "200"].map(ask).into();
        let log = LogSession::new(LogId(0), Proto("http"));
        let fits = |at: usize, code| {
            let command = CommandRef {
                verb: Verb::NO_REQUEST,
                code: Some(code),
                ..CommandRef::default()
            };
            slots(&wire)[at].weigh(&log, command, Figure::Unknown, &mut Evidence::default())
        };
        assert!(fits(0, "505"));
        assert!(!fits(0, "400"), "another answer");
        assert!(!fits(1, "200"), "it was read");
    }

    #[test]
    fn a_hidden_place_fits_by_its_sizes_alone() {
        let wire = encrypted();
        let log = LogSession::new(LogId(0), Proto("http"));
        let fits = |slot: Slot<'_>, body| {
            slot.weigh(
                &log,
                get(body).borrowed(),
                Figure::Body,
                &mut Evidence::default(),
            )
        };
        let hidden = |asked, answered| hidden(&wire, asked, answered);
        assert!(fits(hidden(90, 13_700), 13_512));
        assert!(
            !fits(hidden(90, 13_000), 13_512),
            "the reply is shorter than its body"
        );
        assert!(!fits(hidden(90, 20_000), 13_512), "no head is so long");
        assert!(!fits(hidden(90, 13_512), 13_512), "a reply has a head");
        assert!(
            !fits(hidden(20, 13_700), 13_512),
            "the request line alone is longer"
        );
    }
}
