//! Where a log's clock is not borne out: its beginning or its end, of which nothing was joined.
//!
//! A clock that was set in between, by a step that was not found, leaves all behind it unjoined. So does the mere end of log or capture:
//! only where both sides go on, and were mostly joined before, is it told.

use std::collections::BTreeSet;

use crate::model::{Endpoint, Nanos};

use super::clock::{Stretch, Unproven};
use super::settled::Settled;
use super::view::View;

/// Sessions on either side from which on it is no chance that none is joined: where half are, one in a thousand such stretches.
const ENOUGH: usize = 10;

/// The stretches of `view` that its clock does not explain.
pub(super) fn find(view: &View<'_>, settled: &Settled) -> Vec<Unproven> {
    let clock = &settled.clock;
    // Lines keep their order whatever the clock did.
    let place = |log: usize| {
        let event = view.logs.get(log)?.events.first()?;
        Some((event.line.line, clock.to_capture(event.stamp.at)))
    };
    let joined: Vec<(u64, Nanos)> = settled.clear().filter_map(|it| place(it.log)).collect();
    let (Some(&first), Some(&last)) = (joined.iter().min(), joined.iter().max()) else {
        return Vec::new();
    };
    let logged: Vec<u64> = view
        .mine
        .iter()
        .filter_map(|&log| Some(place(log)?.0))
        .collect();
    let within = logged
        .iter()
        .filter(|line| (first.0..=last.0).contains(line));
    if joined.len() * 2 < within.count() {
        return Vec::new();
    }
    let servers: BTreeSet<Endpoint> = settled
        .clear()
        .filter_map(|it| Some(view.wire(it.wire)?.conversation.server))
        .collect();
    let seen = || {
        let wires = view.wires.sessions.iter();
        wires
            .filter(|wire| servers.contains(&wire.conversation.server))
            .map(|wire| wire.start)
    };
    let before = Unproven {
        side: Stretch::Before,
        from: first.1,
        logged: logged.iter().filter(|&&line| line < first.0).count(),
        seen: seen().filter(|&at| at + clock.resolution < first.1).count(),
    };
    let after = Unproven {
        side: Stretch::After,
        from: last.1,
        logged: logged.iter().filter(|&&line| line > last.0).count(),
        seen: seen().filter(|&at| at > last.1 + clock.resolution).count(),
    };
    [before, after]
        .into_iter()
        .filter(|found| found.logged >= ENOUGH && found.seen >= ENOUGH)
        .collect()
}
