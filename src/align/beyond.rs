//! By how much the times of a pair that was chosen miss what its clock's bound allows: words, sizes or a port may speak for it all the same,
//! and then that is said.

use crate::model::{Nanos, Span};

use super::clock::Clock;
use super::moment::{self, Stamps};
use super::rows;
use super::settled::{Settled, Verdict};
use super::view::View;

/// What is less than this is rounding.
const LEAST: Span = Span::MILLISECOND;

/// How far the offset that the times of a pair put nearest lies beyond the bound; `None` where it lies within.
pub(super) fn find(
    view: &View<'_>,
    row: usize,
    verdict: &Verdict,
    settled: &Settled,
) -> Option<Span> {
    let (log, wire) = (view.log(row)?, view.wire(verdict.wire)?);
    let (lo, hi) = if let Some(place) = verdict.place.filter(|_| rows::is_single(log)) {
        let slot = view.slot(verdict.wire, place)?;
        let event = log.events.first()?;
        slot.window.offsets(event, log.lag, settled.coarse)
    } else {
        let moments = view.wires.moments(verdict.wire)?;
        moment::shared_offsets(moments, &Stamps::of(log), settled.coarse)?
    };
    let offset = settled.clock.offset_at(wire.start) - settled.coarse;
    let bound = bound_at(&settled.clock, wire.start).as_seconds_f64();
    let slack = &settled.learnt.slack;
    let offset = offset.as_seconds_f64();
    let beyond = (lo - slack.late - offset).max(offset - hi - slack.lag) - bound;
    let beyond = Span::from_seconds_f64(beyond);
    (beyond > LEAST).then_some(beyond)
}

/// The bound of the clock at a moment.
fn bound_at(clock: &Clock, at: Nanos) -> Span {
    let mut steps = clock.steps.iter().rev();
    let step = steps.find(|step| step.at <= at);
    let bound = step.map_or(clock.bound, |step| step.bound);
    let since = at.since(clock.origin).abs().as_seconds_f64();
    bound + Span::from_seconds_f64(since * clock.drift_bound_ppm * 1e-6)
}

/// In words.
pub(super) fn words(beyond: Span) -> String {
    format!(
        "its times are {beyond} beyond the clock's bound: a line that was late, or not this session"
    )
}

#[cfg(test)]
mod tests {
    use super::super::{Alignment, Standing, align};
    use crate::model::{
        Event, LineRef, LogEvent, LogId, LogSession, LogSource, LogTime, Nanos, Proto, Side, Span,
        Stamp, Threads, testing,
    };

    const SESSIONS: u16 = 200;

    /// Some sessions and their lines, those of one so many milliseconds late.
    fn aligned(late: i64) -> Alignment {
        let mut wires = Vec::new();
        let mut logs = Vec::new();
        for number in 0..SESSIONS {
            let start = Nanos::new(1_700_000_000 + i64::from(number) * 9, 0);
            let mut wire = testing::wire("smtp", 25, start);
            wire.conversation.client.port = 20_000 + number;
            wire.end = start + Span::seconds(2);
            wire.history = "ShADadFf".into();
            for side in [Side::Client, Side::Server] {
                wire.counts.of_mut(side).bytes = 100;
            }
            let mut log = LogSession::new(LogId(0), Proto("smtp"));
            log.peer = Some(wire.conversation.client.ip);
            log.peer_port = Some(wire.conversation.client.port);
            let later = Span::millis(if number == 20 { late } else { 5 });
            for (line, what, at) in [(1, Event::Open, wire.start), (2, Event::Close, wire.end)] {
                log.events.push(LogEvent {
                    line: LineRef {
                        log: LogId(0),
                        line: u64::from(number) * 2 + line,
                    },
                    stamp: Stamp {
                        at: LogTime((at + later).0),
                        resolution: Span::MILLISECOND,
                    },
                    what,
                });
            }
            wires.push(wire);
            logs.push(log);
        }
        let sources = [LogSource::new(LogId(0), "mail.log", "postfix")];
        let origin = wires[0].start;
        align(&wires, &sources, &mut logs, origin, Threads::default())
    }

    #[test]
    fn a_pair_beyond_its_clocks_bound_says_so() {
        for (late, expected) in [(5, None), (400, Some(20))] {
            let alignment = aligned(late);
            let is_said = |at: usize| {
                let verdict = &alignment.sessions[at].verdict;
                assert_eq!(verdict.standing, Standing::Matched);
                let mut reasons = verdict.reasons.iter();
                reasons.any(|reason| reason.contains("beyond the clock's bound"))
            };
            let said: Vec<usize> = (0..usize::from(SESSIONS))
                .filter(|&at| is_said(at))
                .collect();
            assert_eq!(said, Vec::from_iter(expected), "{late} ms");
        }
    }
}
