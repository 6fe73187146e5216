//! The exchanges of a connection whose log has a line for each: every line stands where it was placed.

use std::collections::BTreeMap;

use crate::model::{Encryption, Exchange, LogSession, WireSession};

use super::rows::has_slot;
use super::sequence::{Step, Told, told};
use super::turn::turns;

/// All exchanges of `wire` with what `rows` tell of them, each with the number of its slot ([`super::rows::slots`]).
///
/// Of two logs that tell of one exchange the first is named.
pub(super) fn lay(wire: &WireSession, rows: &[(usize, &LogSession)]) -> Vec<Exchange> {
    let mut lines = BTreeMap::new();
    for &(place, log) in rows {
        for told in told(log) {
            lines.entry(place).or_insert(told);
        }
    }
    let mut places = 0..;
    let mut told_at = |is_slot: bool| -> Option<Told<'_>> {
        let place = is_slot.then(|| places.next())??;
        lines.get(&place).copied()
    };
    let mut exchanges = Vec::new();
    for exchange in &wire.exchanges {
        let told = told_at(has_slot(exchange));
        exchanges.push(Step::Clear(exchange, told).exchange());
    }
    if wire.encryption == Encryption::None {
        return exchanges;
    }
    let clear = exchanges.len();
    let mut is_told = false;
    for turn in turns(&wire.bursts) {
        let told = told_at(turn.asked.is_some());
        is_told |= told.is_some();
        exchanges.push(Step::Hidden(turn, turn, told).exchange());
    }
    if !is_told {
        exchanges.truncate(clear);
        exchanges.extend_from_slice(&wire.inferred);
    }
    exchanges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Burst, Event, LineRef, LogCommand, LogEvent, LogId, LogTime, Nanos, PacketNo, Proto, Seen,
        Side, Span, Stamp, Verb, testing,
    };

    fn wire() -> WireSession {
        testing::wire("http", 443, Nanos(0))
    }

    fn row(line: u64, request: &str) -> LogSession {
        let mut log = LogSession::new(LogId(0), Proto("http"));
        log.events.push(LogEvent {
            line: LineRef {
                log: LogId(0),
                line,
            },
            stamp: Stamp {
                at: LogTime(0),
                resolution: Span::SECOND,
            },
            what: Event::command(LogCommand {
                verb: Verb::new("GET"),
                request: request.to_owned(),
                ..LogCommand::default()
            }),
        });
        log
    }

    fn lines(exchanges: &[Exchange]) -> Vec<Option<u64>> {
        let lines = exchanges.iter().map(|exchange| exchange.line);
        lines.map(|line| line.map(|line| line.line)).collect()
    }

    #[test]
    fn the_second_of_two_like_requests_stays_the_second() {
        let mut wire = wire();
        wire.encryption = Encryption::None;
        wire.exchanges = (0..2)
            .map(|_| Exchange {
                start: Some(Nanos(0)),
                ..Exchange::new(Verb::new("GET"), "GET /".to_owned(), Seen::Wire)
            })
            .collect();
        assert_eq!(
            lines(&lay(&wire, &[(1, &row(7, "GET /"))])),
            [None, Some(7)]
        );
    }

    #[test]
    fn a_line_of_the_second_hidden_request_is_not_laid_on_the_first() {
        let mut wire = wire();
        wire.encryption = Encryption::Implicit;
        let burst = |side, at| Burst {
            side,
            start: Nanos(at),
            end: Nanos(at),
            packet: PacketNo(1),
            plaintext: 100,
            records: 1,
            parts: Vec::new(),
            damaged: false,
        };
        wire.bursts = vec![
            burst(Side::Client, 0),
            burst(Side::Server, 1),
            burst(Side::Client, 2),
            burst(Side::Server, 3),
        ];
        let row = row(7, "GET /a");
        let laid = lay(&wire, &[(1, &row)]);
        assert_eq!(lines(&laid), [None, Some(7)]);
        assert_eq!(laid[1].start, Some(Nanos(2)));
        assert_eq!(laid[0].seen, Seen::Inferred);
        assert!(lines(&lay(&wire, &[])).is_empty(), "as the wire infers");
    }
}
