//! Zones that nothing states, from what alignment found: offsets of clocks are small, those of zones
//! are whole quarter hours.

use crate::align::Clock;
use crate::model::{CaptureSource, CaptureZone, LogSource, Span, Zone};

/// Zones differ by this much at least.
const QUARTER: i64 = 900_000_000_000;
/// No zone is farther from UTC (Line Islands: 14 hours; with some to spare).
const FARTHEST: i64 = 15 * 3600 * 1_000_000_000;
/// A clock that is farther off than this from a whole quarter hour leaves the zone open.
const CLOCK_ERROR: i64 = 300_000_000_000;

/// Fills in the zones of captures and logs; gives the captures' zone, east of UTC.
pub(super) fn infer(
    captures: &mut [CaptureSource],
    sources: &mut [LogSource],
    clocks: &[Clock],
) -> Span {
    let given = captures
        .iter()
        .map(|capture| capture.zone.east())
        .max_by_key(|east| east.abs());
    let mut east = given.unwrap_or_default();
    if captures
        .iter()
        .any(|capture| capture.zone == CaptureZone::Unknown)
        && let Some(inferred) = capture_zone(sources, clocks)
    {
        east = inferred;
        for capture in captures.iter_mut() {
            if capture.zone == CaptureZone::Unknown {
                capture.zone = CaptureZone::Inferred(inferred);
            }
        }
    }
    let known = captures
        .iter()
        .all(|capture| capture.zone != CaptureZone::Unknown);
    for source in sources.iter_mut().filter(|_| known) {
        let clock = clocks.iter().find(|clock| clock.log == source.id);
        if let (Zone::Assumed, Some(clock)) = (source.zone, clock)
            && let Some(zone) = whole_quarters(clock.offset + east)
        {
            source.zone = Zone::Inferred(zone);
        }
    }
    east
}

/// What logs in a known zone say of the captures' zone; `None` when they disagree.
fn capture_zone(sources: &[LogSource], clocks: &[Clock]) -> Option<Span> {
    let mut zones = clocks
        .iter()
        .filter(|clock| {
            sources.iter().any(|source| {
                source.id == clock.log
                    && matches!(
                        source.zone,
                        Zone::Stated(_) | Zone::Given(_) | Zone::Place(_)
                    )
            })
        })
        .filter_map(|clock| whole_quarters(-clock.offset));
    let first = zones.next()?;
    zones.all(|zone| zone == first).then_some(first)
}

/// The nearest whole number of quarter hours, where the rest is small enough for a clock's error.
fn whole_quarters(offset: Span) -> Option<Span> {
    let quarters = (offset.0 + QUARTER / 2).div_euclid(QUARTER) * QUARTER;
    let rest = (offset.0 - quarters).abs();
    (rest <= CLOCK_ERROR && quarters.abs() <= FARTHEST).then_some(Span(quarters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_a_whole_number_of_quarter_hours_near_the_offset() {
        assert_eq!(
            whole_quarters(Span::millis(-18_000_000 + 4_200)),
            Some(Span::seconds(-18_000))
        );
        assert_eq!(whole_quarters(Span::millis(-2_600)), Some(Span::ZERO));
        assert_eq!(
            whole_quarters(Span::seconds(20_700)),
            Some(Span::seconds(20_700)),
            "Nepal"
        );
        assert_eq!(whole_quarters(Span::seconds(450)), None);
        assert_eq!(whole_quarters(Span::seconds(86_400)), None);
    }
}
