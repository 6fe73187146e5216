//! Where the time of a session goes.

use std::collections::BTreeMap;

use crate::model::{Endpoint, Evidence, Side, Span, WireSession};

use super::View;
use super::group::Group;

/// Time of one round trip, by the handshake: from the SYN to the acknowledgement of its answer, wherever between the two ends
/// the capture was taken.
pub(super) fn round_trip(wire: &WireSession) -> Option<Span> {
    let handshake = &wire.handshake;
    // A SYN that was sent again would count the wait for it.
    if handshake.syns > 1 {
        return None;
    }
    Some(handshake.ack?.since(handshake.syn?))
}

/// The value that `percent` of a hundred do not exceed; zero of none.
pub(super) fn percentile(values: &mut [Span], percent: usize) -> Span {
    values.sort_unstable();
    let at = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(at).copied().unwrap_or(Span::ZERO)
}

/// Whether response times of a session are the server's own: nothing was lost.
pub(super) fn is_smooth(wire: &WireSession) -> bool {
    wire.counts
        .0
        .iter()
        .all(|direction| direction.retransmissions == 0 && direction.gaps == 0)
}

/// Windows closed for less than this are a full buffer in passing.
const CLOSED: Span = Span::seconds(1);

/// Servers with connections in which `side` kept its receive window closed, and for how long in all.
pub(super) fn stopped_reading(view: View<'_>, side: Side) -> BTreeMap<Endpoint, (Group, Span)> {
    let mut groups: BTreeMap<Endpoint, (Group, Span)> = BTreeMap::new();
    for (case, wire) in view.on_wire() {
        let closed = wire.counts.of(side).window_closed;
        if closed >= CLOSED {
            let (group, all) = groups.entry(wire.conversation.server).or_default();
            group.add(&case, None, Some(Evidence::Packet(wire.first_packet)));
            *all = *all + closed;
        }
    }
    groups
}
