//! When lines came, while an interface is listened to: a coarse idea of a log's clock that needs no pairs.
//!
//! A line cannot tell of what is still to come: what it stamps was over, on the capture's clock, when it was read. So no stamp is ahead of the
//! capture by more than the log's clock is. How far behind it is says little, as logs are buffered, or copied now and then; only where the
//! lines of many looks were all read equally soon after their stamps it is taken that this was at once.

use std::collections::BTreeMap;

use crate::model::{LogId, LogTime, Nanos, Span};

/// The capture is as far as its last packet, up to so much before now, and lines are read a little after they are written.
const UNSURE: Span = Span::seconds(3);
/// Looks at a log that must have found lines.
const LOOKS: u32 = 20;
/// Lines that are read so evenly are read at once.
const EVEN: Span = Span::seconds(3);
/// What was heard before this no longer counts: a clock may have been set back.
const LASTS: Span = Span::seconds(120);

/// When the lines of each log came.
#[derive(Default)]
pub(super) struct Arrivals(BTreeMap<LogId, Arrival>);

#[derive(Clone, Copy)]
struct Arrival {
    /// Stretches of time in which something was heard: the last, and the one before.
    now: Heard,
    before: Option<Heard>,
}

/// Last stamps less the capture's time at some looks.
#[derive(Clone, Copy)]
struct Heard {
    since: Nanos,
    looks: u32,
    least: Span,
    most: Span,
}

impl Arrivals {
    /// At a look, when the capture was at `now`, new lines were found, the last of which is stamped so.
    pub(super) fn hear(&mut self, log: LogId, stamp: LogTime, now: Nanos) {
        let apart = Nanos(stamp.0).since(now);
        let fresh = Heard {
            since: now,
            looks: 1,
            least: apart,
            most: apart,
        };
        let arrival = self.0.entry(log).or_insert(Arrival {
            now: Heard { looks: 0, ..fresh },
            before: None,
        });
        if now.since(arrival.now.since) > LASTS {
            arrival.before = Some(std::mem::replace(&mut arrival.now, fresh));
        } else {
            arrival.now = arrival.now.and(fresh);
        }
    }

    /// Between which offsets, in seconds, the clock of a log must be.
    pub(super) fn allowed(&self, log: LogId) -> Option<(f64, f64)> {
        let arrival = self.0.get(&log)?;
        let before = arrival.before;
        let heard = before.map_or(arrival.now, |before| before.and(arrival.now));
        let least = (heard.most - UNSURE).as_seconds_f64();
        let is_even = heard.looks >= LOOKS && heard.most - heard.least <= EVEN;
        let most = (heard.most + EVEN + UNSURE).as_seconds_f64();
        Some((least, if is_even { most } else { f64::INFINITY }))
    }
}

impl Heard {
    fn and(self, other: Self) -> Self {
        Self {
            since: self.since,
            looks: self.looks.saturating_add(other.looks),
            least: self.least.min(other.least),
            most: self.most.max(other.most),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogId = LogId(0);

    /// What is allowed after looks at these seconds at lines that are stamped so many seconds from then.
    fn allowed(looks: &[(i64, i64)]) -> (f64, f64) {
        let mut arrivals = Arrivals::default();
        for &(second, apart) in looks {
            let now = Nanos::new(second, 0);
            let stamp = LogTime((now + Span::seconds(apart)).0);
            arrivals.hear(LOG, stamp, now);
        }
        arrivals.allowed(LOG).unwrap()
    }

    #[test]
    fn a_stamp_is_never_ahead_of_what_is_to_come() {
        // Lines that are copied once a minute: the youngest of them tells.
        assert_eq!(allowed(&[(60, 40), (120, 98)]), (95.0, f64::INFINITY));
        assert_eq!(allowed(&[(60, 3600)]), (3597.0, f64::INFINITY));
    }

    #[test]
    fn lines_that_come_evenly_come_at_once() {
        let even: Vec<(i64, i64)> = (0..20).map(|n| (n, 7 - n % 2)).collect();
        assert_eq!(allowed(&even), (4.0, 13.0));
        let uneven: Vec<(i64, i64)> = (0..20).map(|n| (n, 7 - n % 10)).collect();
        assert_eq!(allowed(&uneven), (4.0, f64::INFINITY));
    }

    #[test]
    fn a_clock_that_is_set_back_is_followed() {
        let mut looks: Vec<(i64, i64)> = (0..20).map(|n| (n, 7)).collect();
        looks.extend((0..60).map(|n| (200 + n * 5, -3_593)));
        assert_eq!(allowed(&looks), (-3_596.0, -3_587.0));
    }
}
