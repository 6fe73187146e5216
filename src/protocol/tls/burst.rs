//! Application data as bursts: what one side sends before the other answers.

use smallvec::SmallVec;

use super::record::Facts;
use super::sides::Sides;
use crate::model::{Burst, BurstPart, Nanos, Side};

/// Alerts that end a direction: close notify, and the user canceled that some send before it.
const ALERTS: usize = 2;

/// A record that may have been an alert.
#[derive(Clone, Copy, Debug)]
struct Doubtful {
    /// Burst it was counted in.
    burst: usize,
    /// That burst's end without it.
    end: Nanos,
    plaintext: u64,
}

/// Collects application data records to bursts.
///
/// In TLS 1.3 an alert looks like two octets of application data. Such records are counted, as they may be
/// an empty line, and taken back if nothing follows them in their direction: the last record
/// is the close notify (RFC 8446 §6.1).
#[derive(Debug, Default)]
pub(super) struct Collector {
    doubtful: Sides<SmallVec<[Doubtful; ALERTS]>>,
}

impl Collector {
    /// Counts a record with `plaintext` octets; `doubtful` says that it may be an alert.
    pub(super) fn record(
        &mut self,
        side: Side,
        facts: &Facts,
        plaintext: u64,
        doubtful: bool,
        bursts: &mut Vec<Burst>,
    ) {
        let before = extend(side, facts, 1, plaintext, bursts);
        let burst = bursts.len().saturating_sub(1);
        let last = self.doubtful.of_mut(side);
        // What was answered before the next one came was no alert.
        let apart = last.last().is_some_and(|alert| alert.burst != burst);
        if !doubtful || apart || last.len() == ALERTS {
            last.clear();
        }
        if doubtful {
            last.push(Doubtful {
                burst,
                end: before,
                plaintext,
            });
        }
    }

    /// Counts bytes of which the records could not be found.
    pub(super) fn stray(
        &mut self,
        side: Side,
        facts: &Facts,
        octets: u64,
        bursts: &mut Vec<Burst>,
    ) {
        extend(side, facts, 0, octets, bursts);
        self.doubtful.of_mut(side).clear();
    }

    /// Takes the closing alerts back.
    pub(super) fn finish(&mut self, bursts: &mut Vec<Burst>) {
        let mut emptied = false;
        for side in [Side::Client, Side::Server] {
            let last = std::mem::take(self.doubtful.of_mut(side));
            for alert in last.iter().rev() {
                if let Some(burst) = bursts.get_mut(alert.burst) {
                    burst.parts.pop();
                    burst.records = burst.records.saturating_sub(1);
                    burst.plaintext = burst.plaintext.saturating_sub(alert.plaintext);
                    burst.end = alert.end;
                    emptied |= is_empty(burst);
                }
            }
        }
        if emptied {
            bursts.retain(|burst| !is_empty(burst));
            // What the alert stood between is one burst after all.
            bursts.dedup_by(|next, burst| {
                let joined = next.side == burst.side;
                if joined {
                    burst.end = next.end;
                    burst.parts.append(&mut next.parts);
                    if burst.parts.len() > Burst::PARTS {
                        burst.parts = Vec::new();
                    }
                    burst.records = burst.records.saturating_add(next.records);
                    burst.plaintext = burst.plaintext.saturating_add(next.plaintext);
                    burst.damaged |= next.damaged;
                }
                joined
            });
        }
    }
}

const fn is_empty(burst: &Burst) -> bool {
    burst.records == 0 && burst.plaintext == 0
}

/// Adds to the last burst, or begins one. Gives the end that the burst had before.
fn extend(
    side: Side,
    facts: &Facts,
    records: u32,
    plaintext: u64,
    bursts: &mut Vec<Burst>,
) -> Nanos {
    if let Some(burst) = bursts.last_mut().filter(|burst| burst.side == side) {
        let before = burst.end;
        burst.end = burst.end.max(facts.end);
        // All of them, or none.
        let all = usize::try_from(burst.records) == Ok(burst.parts.len());
        burst.records = burst.records.saturating_add(records);
        if all && records == 1 && burst.parts.len() < Burst::PARTS {
            burst.parts.push(part(facts, plaintext));
        } else {
            burst.parts = Vec::new();
        }
        burst.plaintext = burst.plaintext.saturating_add(plaintext);
        burst.damaged |= facts.damaged;
        return before;
    }
    bursts.push(Burst {
        side,
        start: facts.start.at,
        end: facts.end,
        packet: facts.start.packet,
        records,
        parts: (records == 1)
            .then(|| part(facts, plaintext))
            .into_iter()
            .collect(),
        plaintext,
        damaged: facts.damaged,
    });
    facts.end
}

const fn part(facts: &Facts, plaintext: u64) -> BurstPart {
    BurstPart {
        start: facts.start.at,
        end: facts.end,
        packet: facts.start.packet,
        plaintext,
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Mark;
    use super::*;
    use crate::model::PacketNo;

    fn facts(at: i64) -> Facts {
        Facts {
            start: Mark {
                at: Nanos(at),
                packet: PacketNo(u64::try_from(at).unwrap()),
            },
            end: Nanos(at + 1),
            length: 19,
            damaged: false,
        }
    }

    /// The bursts of records given as side and plaintext, one a nanosecond; two octets are doubtful.
    fn bursts(records: &[(Side, u64)]) -> Vec<(Side, u32, u64, i64)> {
        let mut collector = Collector::default();
        let mut bursts = Vec::new();
        for (at, &(side, plaintext)) in (1..).zip(records) {
            collector.record(side, &facts(at), plaintext, plaintext == 2, &mut bursts);
        }
        collector.finish(&mut bursts);
        bursts
            .iter()
            .map(|burst| (burst.side, burst.records, burst.plaintext, burst.end.0))
            .collect()
    }

    const C: Side = Side::Client;
    const S: Side = Side::Server;

    #[test]
    fn consecutive_records_of_a_side_are_one_burst() {
        assert_eq!(
            bursts(&[(C, 10), (C, 5), (S, 7), (C, 1)]),
            [(C, 2, 15, 3), (S, 1, 7, 4), (C, 1, 1, 5)]
        );
    }

    #[test]
    fn a_closing_alert_is_taken_back_and_an_empty_line_is_not() {
        assert_eq!(
            bursts(&[(C, 9), (C, 2), (S, 8), (C, 2), (S, 2)]),
            [(C, 2, 11, 3), (S, 1, 8, 4)]
        );
        assert_eq!(bursts(&[(C, 9), (C, 2), (C, 2)]), [(C, 1, 9, 2)]);
    }

    #[test]
    fn an_alert_amid_the_others_burst_does_not_cut_it() {
        assert_eq!(
            bursts(&[(C, 9), (S, 8), (C, 2), (S, 6)]),
            [(C, 1, 9, 2), (S, 2, 14, 5)]
        );
    }
}
