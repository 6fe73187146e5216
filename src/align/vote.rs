//! The coarse offset of a log's clock: every possible pair votes for the offsets at which its times agree.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{LogSession, Role, Span, WireSession};

use super::evidence::Background;
use super::moment;
use super::translation::Translation;

/// Seconds around the coarse offset within which the true one is looked for.
pub(super) const REACH: f64 = 3.0;
/// Pairs that vote; beyond that the rows are thinned evenly.
const VOTES: usize = 2_000_000;
/// Clocks that are kept differ by less than this, apart from the zone (a whole number of quarter hours).
const KEPT_WITHIN: f64 = 60.0;

/// For each session of a log, the wire sessions it could be if the clock did not matter.
pub(super) struct Candidates {
    /// Row (session of the log) to wire sessions, in order.
    pub(super) by_row: Vec<Vec<usize>>,
    /// Offsets each pair allows, log minus capture, in seconds; one entry per row.
    offsets: Vec<Vec<(f64, f64)>>,
}

impl Candidates {
    pub(super) fn find(
        wires: &[WireSession],
        logs: &[LogSession],
        mine: &[usize],
        background: &Background,
        translation: &Translation,
    ) -> Self {
        let mut by_peer: BTreeMap<(Role, IpAddr), Vec<usize>> = BTreeMap::new();
        for (at, wire) in wires.iter().enumerate() {
            by_peer
                .entry((Role::Server, wire.conversation.client.ip))
                .or_default()
                .push(at);
            by_peer
                .entry((Role::Client, wire.conversation.server.ip))
                .or_default()
                .push(at);
        }
        let all: Vec<usize> = (0..wires.len()).collect();
        let mut found = Self {
            by_row: Vec::with_capacity(mine.len()),
            offsets: Vec::with_capacity(mine.len()),
        };
        for log in mine.iter().filter_map(|&log| logs.get(log)) {
            let block = match log.peer {
                Some(peer) if translation.is_none() || log.role == Role::Client => by_peer
                    .get(&(log.role, peer))
                    .map_or(&[][..], Vec::as_slice),
                _ => all.as_slice(),
            };
            let mut row = Vec::new();
            let mut offsets = Vec::new();
            for &at in block {
                let Some(wire) = wires
                    .get(at)
                    .filter(|wire| background.possible(wire, log, translation))
                else {
                    continue;
                };
                if let Some(range) = moment::shared_offsets(wire, log, Span::ZERO) {
                    row.push(at);
                    offsets.push(range);
                }
            }
            found.by_row.push(row);
            found.offsets.push(offsets);
        }
        found
    }
}

/// The offset that most rows agree on; `None` when that is no more than chance would give.
pub(super) fn coarse(candidates: &Candidates) -> Option<Span> {
    let pairs: usize = candidates.offsets.iter().map(Vec::len).sum();
    let stride = pairs.div_ceil(VOTES).max(1);
    let mut ends: Vec<(f64, f64)> = Vec::new();
    let mut voters = 0u32;
    for row in candidates
        .offsets
        .iter()
        .step_by(stride)
        .filter(|row| !row.is_empty())
    {
        voters += 1;
        #[expect(clippy::cast_precision_loss, reason = "a count of pairs")]
        let weight = 1.0 / (row.len() as f64).sqrt();
        for &(lo, hi) in row {
            ends.push((lo, weight));
            ends.push((hi, -weight));
        }
    }
    ends.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
    let mut level = 0.0;
    let mut best: Option<(f64, f64)> = None;
    for pair in ends.windows(2) {
        let [(lo, weight), (hi, _)] = *pair else {
            continue;
        };
        level += weight;
        let worth = level + prior(f64::midpoint(lo, hi));
        if best.is_none_or(|(most, _)| worth > most + 1e-9) {
            best = Some((worth, f64::midpoint(lo, hi)));
        }
    }
    let (_, offset) = best?;
    let agreeing = agreeing_rows(candidates, offset);
    // With few sessions any offset fits some of them: then only a clock that is kept is believed.
    let believable = agreeing >= 3 || (agreeing >= 1 && prior(offset) > 0.0);
    (believable && agreeing * 5 >= voters.min(50)).then(|| Span::from_seconds_f64(offset))
}

/// A clock that is kept is likelier than one that is not, by half a vote.
fn prior(offset: f64) -> f64 {
    let beside_zone = offset - (offset / 900.0).round() * 900.0;
    if beside_zone.abs() < KEPT_WITHIN {
        0.5
    } else {
        0.0
    }
}

/// Rows of which some pair allows an offset near `offset`.
fn agreeing_rows(candidates: &Candidates, offset: f64) -> u32 {
    let near = |&(lo, hi): &(f64, f64)| lo - REACH <= offset && offset <= hi + REACH;
    let rows = candidates
        .offsets
        .iter()
        .filter(|row| row.iter().any(near))
        .count();
    u32::try_from(rows).unwrap_or(u32::MAX)
}
